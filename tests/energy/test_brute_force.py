"""Traced counts against loops over every synapse, on random convolutions, linear layers and attention products.

Dimension legend: T time steps, N images, M rows, K contracted index, C channels, H W rows and columns.
"""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from autospikformer_cli.energy.traced import TracedNetwork
from autospikformer_cli.energy.tracing.tracer import trace

pytestmark = pytest.mark.usefixtures("one_thread")


def spikes(*shape: int, largest: int = 1, seed: int = 0) -> Tensor:
    """Whole numbers, half of them 0."""
    generator = torch.Generator().manual_seed(seed)
    values = torch.randint(1, largest + 1, shape, generator=generator)
    return (values * torch.randint(0, 2, shape, generator=generator)).float()


def synapses_of(layer: Any, sizes: tuple[int, ...]) -> list[tuple[tuple[int, ...], tuple[int, ...] | None]]:
    """Every multiplication of a convolution on an input (C, ...): where it reads, None for padding, and writes."""
    taps = list(product(*map(range, layer.kernel_size)))
    dims = len(layer.kernel_size)
    outputs = [
        (size + 2 * pad - dilation * (kernel - 1) - 1) // stride + 1
        for size, pad, dilation, kernel, stride in zip(
            sizes, layer.padding, layer.dilation, layer.kernel_size, layer.stride, strict=True
        )
    ]
    found: list[tuple[tuple[int, ...], tuple[int, ...] | None]] = []
    per_group = layer.in_channels // layer.groups
    for output in range(layer.out_channels):
        group = output // (layer.out_channels // layer.groups)
        for position, tap, inner in product(product(*map(range, outputs)), taps, range(per_group)):
            at = tuple(
                position[axis] * layer.stride[axis] - layer.padding[axis] + tap[axis] * layer.dilation[axis]
                for axis in range(dims)
            )
            inside = all(0 <= where < size for where, size in zip(at, sizes, strict=True))
            found.append(((output, *position), (group * per_group + inner, *at) if inside else None))
    return found


CONVOLUTIONS = [
    nn.Conv2d(4, 6, 3, stride=2, padding=1, groups=2),
    nn.Conv2d(3, 4, (3, 2), stride=(1, 3), padding=(2, 0), dilation=(2, 1), bias=False),
    nn.Conv2d(4, 4, 3, padding=2, dilation=2, groups=4),
    nn.Conv1d(3, 5, 4, stride=3, padding=2),
    nn.Conv3d(2, 2, 2, stride=(1, 2, 1), padding=1),
]


@pytest.mark.parametrize("layer", CONVOLUTIONS, ids=str)
@pytest.mark.parametrize("largest", [1, 3])
def test_convolutions(layer: Any, largest: int) -> None:
    sizes = (6, 5, 4)[: len(layer.kernel_size)]
    x = spikes(3, layer.in_channels, *sizes, largest=largest, seed=layer.out_channels)
    if largest > 1:
        x[0] *= -1  # signed values count by their size
    synapses = synapses_of(layer, sizes)
    reached = [at for _, at in synapses if at is not None]
    values = x.abs().numpy()
    events = sum(float(image[at]) for image in values for at in reached)
    passes = sum(bool(image[at]) for image in values for at in reached)
    traced = trace(layer, x, "NCXYZ"[: x.ndim], None)
    (operation,) = traced.operations
    assert (operation.kind, operation.macs, operation.reached_macs) == ("convolution", len(synapses), len(reached))
    assert (operation.inputs, operation.largest_input) == (x[0].numel(), largest)
    assert operation.outputs == len({where for where, _ in synapses})
    assert traced.counts.work[operation.name] == (events / 3, passes / 3)
    assert traced.counts.rates[operation.name].mean == pytest.approx(values.mean(), rel=1e-6)
    assert operation.params == traced.params == sum(parameter.numel() for parameter in layer.parameters())


def test_transposed_convolution() -> None:
    layer = nn.ConvTranspose2d(4, 6, 3, stride=2, padding=1, dilation=2, output_padding=1, groups=2)
    x = spikes(2, 4, 4, 3)
    rows, columns = layer(x).shape[2:]
    macs = reached = 0
    events = 0.0
    for channel, y, x_, dy, dx, _ in product(range(4), range(4), range(3), range(3), range(3), range(3)):
        macs += 1
        if 0 <= y * 2 - 1 + 2 * dy < rows and 0 <= x_ * 2 - 1 + 2 * dx < columns:
            reached += 1
            events += float(x[:, channel, y, x_].sum())
    traced = trace(layer, x, "NCHW", None)
    (operation,) = traced.operations
    assert (operation.macs, operation.reached_macs) == (macs, reached)
    assert traced.counts.work[operation.name].events == events / 2


def test_linear_layers() -> None:
    x = spikes(2, 3, 5, largest=2)
    traced = trace(nn.Linear(5, 4), x, "NMK", None)
    (operation,) = traced.operations
    events = sum(float(value) for value in x.flatten() for _ in range(4))
    assert (operation.name, operation.kind, operation.macs, operation.params) == ("Linear", "linear", 3 * 5 * 4, 24)
    assert (operation.input_kind, operation.runs) == ("integer", "step")
    assert traced.counts.work["Linear"] == (events / 2, int(x.count_nonzero()) * 4 / 2)


class Attention(nn.Module):
    """Products of q, k and v (N, H, M, K), given as (N, 3, H, M, K)."""

    def __init__(self, order: str) -> None:
        super().__init__()
        self.order = order

    def forward(self, qkv: Tensor) -> Tensor:
        q, k, v = qkv.unbind(1)
        return (q @ k.mT) @ v if self.order == "qk_v" else q @ (k.mT @ v)


def products_of(a: Any, b: Any) -> tuple[int, int]:
    """Of two matrices, the multiplications, and the first's values times the non-zeros that they meet."""
    macs = events = 0
    for row, inner, column in product(range(a.shape[0]), range(a.shape[1]), range(b.shape[1])):
        macs += 1
        events += int(a[row, inner]) * bool(b[inner, column])
    return macs, events


@pytest.mark.parametrize("order", ["qk_v", "q_kv"])
def test_attention_products(order: str) -> None:
    qkv = spikes(2, 3, 2, 4, 3, seed=3)
    expected = np.zeros((2, 2), int)
    for image, head in product(range(2), range(2)):
        q, k, v = qkv[image, :, head].numpy().astype(int)
        if order == "qk_v":
            # The spikes of v meet the non-zeros of q k^T's columns: v is the input, though it stands on the right.
            expected += [products_of(q, k.T), products_of(v.T, (q @ k.T).T)]
        else:
            expected += [products_of(k.T, v), products_of(q, k.T @ v)]
    traced = trace(Attention(order), qkv, "NQHMK", None)
    assert [operation.macs * 2 for operation in traced.operations] == list(expected[:, 0])
    assert [traced.counts.work[each.name].events * 2 for each in traced.operations] == list(expected[:, 1])
    assert [operation.stored for operation in traced.operations] == ["spikes", "sums"]
    assert [each.name for each in traced.operations] == ["Attention.bmm", "Attention.bmm_2"]
    assert {operation.kind for operation in traced.operations} == {"attention"}
    spiking = qkv[:, 2 if order == "qk_v" else 0].mean()
    assert traced.counts.rates["Attention.bmm_2"].mean == pytest.approx(float(spiking), rel=1e-6)


def test_einsum_is_the_product_it_computes() -> None:
    class Einsum(nn.Module):
        def forward(self, qk: Tensor) -> Tensor:
            return torch.einsum("nik,njk->nij", qk[:, 0], qk[:, 1])

    qk = spikes(2, 2, 3, 4)
    traced = trace(Einsum(), qk, "NQMK", None)
    (operation,) = traced.operations
    events = sum(products_of(q, k.T)[1] for q, k in qk.numpy())
    assert (operation.macs, traced.counts.work[operation.name].events) == (3 * 3 * 4, events / 2)


def test_permuted_images_and_split_batches_change_no_count() -> None:
    network = nn.Sequential(nn.Conv2d(2, 3, 3, padding=1), nn.Flatten(), nn.Linear(48, 5))
    x = spikes(6, 2, 4, 4, largest=2)

    def counted(images: Tensor) -> TracedNetwork:
        return trace(network, images, "NCHW", None)

    whole, permuted = counted(x), counted(x[torch.randperm(6)])
    assert (permuted.operations, permuted.counts) == (whole.operations, whole.counts)
    halves = [counted(x[:2]).counts.work["0"], counted(x[2:]).counts.work["0"]]
    assert halves[0].events * 2 + halves[1].events * 4 == pytest.approx(whole.counts.work["0"].events * 6, abs=1e-9)


# Networks of other authors' layers: every layer's inputs are recorded in a run apart, and its synapses looped over

T, N = 4, 2


def recorded(network: nn.Module, frames: Tensor) -> dict[str, np.ndarray]:
    """What each convolution (N', C, H, W) and linear layer (N', K) read, all calls together."""
    inputs: dict[str, list[Tensor]] = {}
    hooks = []
    for name, module in network.named_modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            last = 3 if isinstance(module, nn.Conv2d) else 1

            def keep(module: nn.Module, args: Any, name: str = name, last: int = last) -> None:
                inputs.setdefault(name, []).append(args[0].reshape(-1, *args[0].shape[-last:]))

            hooks.append(module.register_forward_pre_hook(keep))
    with torch.no_grad():
        network.eval()(frames)
    for hook in hooks:
        hook.remove()
    return {name: torch.cat(calls).numpy() for name, calls in inputs.items()}


def check_against_loops(network: nn.Module, traced: TracedNetwork, inputs: dict[str, np.ndarray]) -> None:
    """Multiply-accumulates of a step, and all synaptic events of whole-numbered inputs."""
    operations = {operation.name: operation for operation in traced.operations}
    assert list(operations) == list(inputs)
    for name, rows in inputs.items():
        layer: Any = network.get_submodule(name)
        if isinstance(layer, nn.Conv2d):
            synapses = synapses_of(layer, rows.shape[2:])
        else:
            synapses = [((output,), (each,)) for output in range(layer.out_features) for each in range(rows.shape[1])]
        assert operations[name].macs == len(synapses)
        reached = [at for _, at in synapses if at is not None]
        assert operations[name].reached_macs == len(reached)
        if operations[name].input_kind == "real":
            assert name not in traced.counts.work
        else:
            events = sum(float(row[at]) for row in rows for at in reached)
            assert traced.counts.work[name].events == events / N > 0
            assert traced.counts.rates[name].mean == pytest.approx(rows.mean(), rel=1e-6)


def pixels(*shape: int) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(1)) * 2


class SpikingJellyNetwork(nn.Module):
    """Repeats its images (N, C, H, W) over T steps: one after the other ("s"), or all at once ("m")."""

    def __init__(self, step_mode: str) -> None:
        super().__init__()
        from spikingjelly.activation_based import functional, layer, neuron

        torch.manual_seed(0)
        self.step_mode = step_mode
        self.layers = nn.Sequential(
            layer.Conv2d(1, 4, 3, padding=1, bias=False),
            layer.BatchNorm2d(4),
            neuron.LIFNode(v_threshold=0.2),
            layer.MaxPool2d(2),
            layer.Conv2d(4, 4, 3, stride=2, padding=1, groups=2),
            neuron.LIFNode(v_threshold=0.05),
            layer.Flatten(),
            layer.Linear(16, 5),
            neuron.IFNode(v_threshold=0.1),
            layer.Linear(5, 3),
        )
        functional.set_step_mode(self, step_mode)

    def forward(self, x: Tensor) -> Tensor:
        if self.step_mode == "s":
            return torch.stack([self.layers(x) for _ in range(T)]).mean(0)
        mean: Tensor = self.layers(x.unsqueeze(0).repeat(T, 1, 1, 1, 1)).mean(0)
        return mean


def test_spikingjelly_network() -> None:
    x = pixels(N, 1, 8, 8)
    counted = {}
    for mode in ("s", "m"):
        network = SpikingJellyNetwork(mode)
        traced = counted[mode] = trace(network, x, "NCHW", T)
        assert trace(network, x, "NCHW", T) == traced  # a run leaves no potentials behind
        check_against_loops(network, traced, recorded(network, x))
        assert [operation.runs for operation in traced.operations] == ["repeated", "step", "step", "step"]
        assert [operation.norm for operation in traced.operations] == ["layers.1", "", "", ""]
        assert [operation.fires for operation in traced.operations] == [True, True, True, False]
        assert traced.unattributed == ()
    assert (counted["s"].operations, counted["s"].counts) == (counted["m"].operations, counted["m"].counts)
    assert counted["s"].step_rates == counted["m"].step_rates
    first, *others = counted["m"].step_rates
    assert first == ("layers.0", ())
    assert all(len(rates) == T and rates[0] != rates[-1] for _, rates in others[:1])


def test_spikingjelly_model_zoo() -> None:
    from spikingjelly.activation_based import functional, neuron
    from spikingjelly.activation_based.model.parametric_lif_net import MNISTNet

    torch.manual_seed(0)
    network = MNISTNet(channels=2, spiking_neuron=neuron.ParametricLIFNode, v_threshold=0.1)
    network.conv_fc[10] = type(network.conv_fc[10])(2 * 7 * 7, 20)
    network.conv_fc[13] = type(network.conv_fc[13])(20, 10)
    network.conv_fc[-1] = nn.Identity()
    functional.set_step_mode(network, "m")
    frames = (pixels(T, N, 1, 28, 28) > 1).float()
    traced = trace(network, frames, "TNCHW", None)
    check_against_loops(network, traced, recorded(network, frames))
    assert [operation.input_kind for operation in traced.operations] == ["binary"] * 4
    rates = dict(traced.step_rates)["conv_fc.0"]
    assert rates == pytest.approx(frames.flatten(1).mean(1).tolist(), rel=1e-6)


class SnnTorchNetwork(nn.Module):
    """Reads (T, N, C, H, W) step by step, the states passed by hand."""

    def __init__(self) -> None:
        super().__init__()
        import snntorch

        torch.manual_seed(0)
        self.convolution = nn.Conv2d(2, 3, 3, padding=1)
        self.first = snntorch.Leaky(beta=0.9, threshold=0.2)
        self.hidden = nn.Linear(3 * 4 * 4, 6)
        self.second = snntorch.Synaptic(alpha=0.8, beta=0.7, threshold=0.1)
        self.last = nn.Linear(6, 3)

    def forward(self, x: Tensor) -> Tensor:
        membrane = self.first.init_leaky()
        current, potential = self.second.init_synaptic()
        total = torch.zeros(())
        for frame in x:
            spiked, membrane = self.first(self.convolution(frame), membrane)
            spiked, current, potential = self.second(self.hidden(spiked.flatten(1)), current, potential)
            total = total + self.last(spiked)
        return total


def test_snntorch_network() -> None:
    network = SnnTorchNetwork()
    frames = (pixels(T, N, 2, 4, 4) * 2).floor()
    traced = trace(network, frames, "TNCHW", None)
    check_against_loops(network, traced, recorded(network, frames))
    assert [operation.input_kind for operation in traced.operations] == ["integer", "binary", "binary"]
    assert [operation.fires for operation in traced.operations] == [True, True, False]
    assert dict(traced.step_rates)["convolution"] == pytest.approx(frames.flatten(1).mean(1).tolist(), rel=1e-6)
    assert (traced.time_step, traced.images) == (T, N)
    images_first = trace(_Transposed(network), frames.transpose(0, 1), "NTCHW", None)
    assert [each.macs for each in images_first.operations] == [each.macs for each in traced.operations]
    assert list(images_first.counts.work.values()) == list(traced.counts.work.values())


class _Transposed(nn.Module):
    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor) -> Any:
        return self.network(x.transpose(0, 1))

"""Totals of published networks: SpikingJelly's, snnTorch's and norse's, against a count by hooks on their layers.

Dimension legend: T time steps, N images, C channels, H heads, D channels of a head, L tokens.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from autospikformer_cli.energy.networks import counted_module
from autospikformer_cli.energy.traced import TracedNetwork
from autospikformer_cli.energy.tracing.tracer import trace
from autospikformer_cli.recipe.energy.models import shipped_convention, shipped_profile

pytestmark = pytest.mark.usefixtures("one_thread")

T, N = 4, 2


def joules(traced: TracedNetwork, convention: str) -> float:
    """What aspk says that one image costs."""
    return counted_module(traced).report(shipped_convention(convention), shipped_profile("cmos45")).energy_j


def check(traced: TracedNetwork, totals: Any, images: int = N) -> None:
    """Compare the totals of a network under two conventions."""
    assert traced.unattributed == ()
    assert min(totals.macs, totals.events) > 0
    assert joules(traced, "sound") == pytest.approx(totals.joules(images), rel=1e-9)
    assert joules(traced, "border-exact") == pytest.approx(totals.joules(images, exact=True), rel=1e-9)


def pixels(*shape: int) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(1))


def lively(network: nn.Module) -> nn.Module:
    """An untrained network whose BatchNorms amplify, so that spikes reach all layers."""
    torch.manual_seed(3)
    for module in network.modules():
        if isinstance(module, nn.Conv1d | nn.Conv2d):
            nn.init.normal_(module.weight, std=(2.0 / module.weight[0].numel()) ** 0.5)
        elif isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            assert module.running_var is not None
            module.running_var.fill_(0.1)
    return network


@pytest.mark.parametrize("cnf", ["ADD", "IAND"])
def test_sew_resnet(leaf_counter: Any, cnf: str) -> None:
    from spikingjelly.activation_based import functional, neuron

    from autospikformer_cli.data.torchvision_import import torchvision

    assert torchvision  # SpikingJelly imports it, and it may lie next to a torch of another build
    from spikingjelly.activation_based.model.sew_resnet import BasicBlock, SEWResNet

    blocks = [1, 1, 1, 1]
    network = lively(SEWResNet(BasicBlock, blocks, num_classes=5, cnf=cnf, spiking_neuron=neuron.IFNode))
    functional.set_step_mode(network, "m")
    frames = pixels(1, N, 3, 24, 24).repeat(T, 1, 1, 1, 1)
    traced = trace(network, frames, "TNCHW", None)
    counter = leaf_counter.LeafCounter(network, T)
    counter.run(frames)
    check(traced, counter.totals())
    assert [each.runs for each in traced.operations][:2] == ["repeated", "step"]
    kinds = {each.name: each.input_kind for each in traced.operations}
    assert kinds["layer2.0.conv1"] == ("integer" if cnf == "ADD" else "binary")
    assert traced.second_run.verdict == "different"  # the model zoo leaves the reset to its user
    assert "sn1.v" in traced.second_run.changed


def test_spikformer(leaf_counter: Any) -> None:
    from spikingjelly.activation_based.model.spikformer import Spikformer

    sizes = {"img_size_h": 16, "img_size_w": 16, "patch_size": 4, "embed_dims": 16, "num_heads": 2, "depths": 2}
    network = lively(Spikformer(T=T, num_classes=3, mlp_ratio=2.0, **sizes))
    attention: dict[str, Any] = {}
    for index in range(2):
        network.get_submodule(f"blocks.{index}.attn.qkv_lif").register_forward_hook(
            lambda module, args, output, index=index: attention.__setitem__(index, output.double().numpy())
        )
    x = pixels(N, 3, 16, 16)
    traced = trace(network, x, "NCHW", T)
    counter = leaf_counter.LeafCounter(network, T)
    counter.run(x)
    totals = counter.totals()
    for qkv_TNCL in attention.values():
        q, k, v = qkv_TNCL.reshape(T, N, 3, 2, 8, -1).transpose(2, 0, 1, 3, 4, 5)  # (T, N, H, D, L)
        product_TNHDD = v @ k.swapaxes(-1, -2)
        leaf_counter.add_product(totals, v, k.swapaxes(-1, -2))
        leaf_counter.add_product(totals, q.swapaxes(-1, -2), product_TNHDD.swapaxes(-1, -2))
    check(traced, totals)
    assert len(attention) == 2
    assert sum(each.kind == "attention" for each in traced.operations) == 4


class SpikingformerBlock(nn.Module):
    """Neurons come before each convolution, so that residual sums are never convolved.

    x <- x + BN(conv(SN((q k^T) v / 8))), with q, k, v = SN(BN(conv(SN(x)))); then x <- x + MLP(x).
    Source: Spikingformer, cifar10/model.py of its authors' repository, with SpikingJelly 2's neurons.
    """

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.proj_lif, self.attn_lif = lif(), lif(0.5)
        self.convs = nn.ModuleList(nn.Conv1d(dim, dim, 1, bias=False) for _ in "qkv")
        self.norms = nn.ModuleList(nn.BatchNorm1d(dim) for _ in "qkv")
        self.lifs = nn.ModuleList(lif() for _ in "qkv")
        self.proj_conv, self.proj_bn = nn.Conv1d(dim, dim, 1), nn.BatchNorm1d(dim)
        self.mlp_lifs = nn.ModuleList((lif(), lif()))
        self.mlp_convs = nn.ModuleList((nn.Conv2d(dim, 2 * dim, 1), nn.Conv2d(2 * dim, dim, 1)))
        self.mlp_norms = nn.ModuleList((nn.BatchNorm2d(2 * dim), nn.BatchNorm2d(dim)))
        self.seen: list[Any] = []

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attention(x)
        y = x
        for neurons, conv, norm in zip(self.mlp_lifs, self.mlp_convs, self.mlp_norms, strict=True):
            y = norm(conv(neurons(y).flatten(0, 1))).unflatten(0, x.shape[:2])
        return x + y

    def attention(self, x: Tensor) -> Tensor:
        tokens = self.proj_lif(x).flatten(3)
        q, k, v = (
            neurons(norm(conv(tokens.flatten(0, 1))).unflatten(0, x.shape[:2]))
            .unflatten(2, (self.heads, -1))
            .transpose(-1, -2)
            for conv, norm, neurons in zip(self.convs, self.norms, self.lifs, strict=True)
        )
        self.seen = [each.double().numpy() for each in (q, k, v)]
        y = self.attn_lif((q @ k.transpose(-1, -2)) @ v * 0.125)
        y = y.transpose(-1, -2).flatten(2, 3)
        return self.proj_bn(self.proj_conv(y.flatten(0, 1))).reshape(x.shape)


class Spikingformer(nn.Module):
    """The tokenizer's convolution of pixels, another after neurons and a max-pool, a block, the head."""

    def __init__(self) -> None:
        super().__init__()
        self.conv0, self.bn0 = nn.Conv2d(3, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8)
        self.lif1, self.pool1 = lif(), nn.MaxPool2d(3, 2, 1)
        self.conv1, self.bn1 = nn.Conv2d(8, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16)
        self.block = SpikingformerBlock(16, 2)
        self.head = nn.Linear(16, 3)

    def forward(self, x: Tensor) -> Any:
        from spikingjelly.activation_based import functional

        functional.reset_net(self)
        x = x.unsqueeze(0).repeat(T, 1, 1, 1, 1).flatten(0, 1)
        x = self.bn0(self.conv0(x)).unflatten(0, (T, -1))
        x = self.bn1(self.conv1(self.pool1(self.lif1(x).flatten(0, 1)))).unflatten(0, (T, -1))
        return self.head(self.block(x).flatten(3).mean(3).mean(0))


def lif(threshold: float = 1.0) -> nn.Module:
    from spikingjelly.activation_based import neuron

    return neuron.LIFNode(tau=2.0, v_threshold=threshold, detach_reset=True, step_mode="m")


def test_spikingformer(leaf_counter: Any) -> None:
    network = lively(Spikingformer())
    x = pixels(N, 3, 8, 8)
    traced = trace(network, x, "NCHW", T)
    counter = leaf_counter.LeafCounter(network, T)
    counter.run(x)
    totals = counter.totals()
    q, k, v = network.block.seen  # type: ignore[union-attr]
    leaf_counter.add_product(totals, q, k.swapaxes(-1, -2))
    leaf_counter.add_product(totals, v.swapaxes(-1, -2), (q @ k.swapaxes(-1, -2)).swapaxes(-1, -2))
    check(traced, totals)
    assert traced.second_run.verdict == "same"
    spiking = [each for each in traced.operations if each.name not in ("conv0", "head")]
    assert {each.input_kind for each in spiking} == {"binary"}
    assert len(spiking) == 9


class ConvolvedLeaky(nn.Module):
    """snnTorch's convolutional tutorial: two convolutions with max-pools, and a linear layer, over T steps."""

    def __init__(self) -> None:
        super().__init__()
        import snntorch

        torch.manual_seed(0)
        self.conv1, self.lif1 = nn.Conv2d(1, 4, 5), snntorch.Leaky(beta=0.5, threshold=0.3)
        self.conv2, self.lif2 = nn.Conv2d(4, 6, 3, padding=1), snntorch.Leaky(beta=0.5, threshold=0.1)
        self.fc, self.lif3 = nn.Linear(6 * 2 * 2, 10), snntorch.Leaky(beta=0.5)

    def forward(self, x: Tensor) -> Tensor:
        first, second, third = (each.init_leaky() for each in (self.lif1, self.lif2, self.lif3))
        spikes = []
        for _ in range(T):
            y, first = self.lif1(nn.functional.max_pool2d(self.conv1(x), 2), first)
            y, second = self.lif2(nn.functional.max_pool2d(self.conv2(y), 2), second)
            y, third = self.lif3(self.fc(y.flatten(1)), third)
            spikes.append(y)
        return torch.stack(spikes)


class RecurrentLeaky(nn.Module):
    """snnTorch's RLeaky: its own spikes come back through a linear layer of its own."""

    def __init__(self) -> None:
        super().__init__()
        import snntorch

        torch.manual_seed(1)
        self.fc1 = nn.Linear(7, 12)
        self.lif1 = snntorch.RLeaky(beta=0.9, threshold=0.2, linear_features=12)
        self.fc2 = nn.Linear(12, 3)

    def forward(self, x: Tensor) -> Tensor:
        spikes, potential = self.lif1.init_rleaky()
        found = []
        for frame in x:
            spikes, potential = self.lif1(self.fc1(frame), spikes, potential)
            found.append(self.fc2(spikes))
        return torch.stack(found)


@pytest.mark.parametrize(
    ("make", "frames", "layout"),
    [(ConvolvedLeaky, pixels(N, 1, 12, 12), "NCHW"), (RecurrentLeaky, pixels(T, N, 7), "TNF")],
)
def test_snntorch(leaf_counter: Any, make: Callable[[], nn.Module], frames: Tensor, layout: str) -> None:
    network = make()
    traced = trace(network, frames, layout, T)
    counter = leaf_counter.LeafCounter(network, T)
    counter.run(frames)
    check(traced, counter.totals())
    assert traced.second_run.verdict == "same"  # states are made in forward
    assert traced.split == ()


class LifCell(nn.Module):
    """norse's LIFCell (norse.torch.functional.lif: lif_feed_forward_step), with its default constants.

    i <- i + input;  v <- v + dt / tau_mem ((v_leak - v) + i);  i <- i (1 - dt / tau_syn);  z = [v > v_th];
    v <- (1 - z) v.  dt / tau_mem = 0.1, dt / tau_syn = 0.2, v_leak = v_reset = 0. Only v_th is another.
    """

    def __init__(self, threshold: float) -> None:
        super().__init__()
        self.threshold = threshold

    def forward(self, x: Tensor, state: Any = None) -> Any:
        v, i = state or (torch.zeros_like(x), torch.zeros_like(x))
        i = i + x
        v = v + 0.1 * (i - v)
        z = (v > self.threshold).to(x.dtype)
        return z, ((1 - z) * v, i * 0.8)


class LifRecurrentCell(nn.Module):
    """norse's LIFRecurrentCell (lif_step): i <- i + W_in z_in + W_rec z. The rest is LifCell's."""

    def __init__(self, inputs: int, neurons: int, threshold: float) -> None:
        super().__init__()
        self.threshold = threshold
        self.input_weights = nn.Parameter(torch.randn(neurons, inputs) * (2.0 / neurons) ** 0.5)
        self.recurrent_weights = nn.Parameter(torch.randn(neurons, neurons) * (2.0 / neurons) ** 0.5)
        with torch.no_grad():
            self.recurrent_weights.fill_diagonal_(0.0)

    def forward(self, x: Tensor, state: Any = None) -> Any:
        empty = x.new_zeros(len(x), len(self.input_weights))
        z, v, i = state or (empty, empty, empty)
        i = i + nn.functional.linear(x, self.input_weights) + nn.functional.linear(z, self.recurrent_weights)
        v = v + 0.1 * (i - v)
        z = (v > self.threshold).to(x.dtype)
        return z, (z, (1 - z) * v, i * 0.8)


def cells(library: str) -> tuple[Callable[[], nn.Module], Callable[[int, int], nn.Module]]:
    """Makers of a LIFCell and of a LIFRecurrentCell: norse's own, or by its equations."""
    if library == "equations":
        return lambda: LifCell(0.05), lambda inputs, neurons: LifRecurrentCell(inputs, neurons, 0.1)
    norse = pytest.importorskip("norse.torch")
    return (
        lambda: norse.LIFCell(norse.LIFParameters(v_th=torch.as_tensor(0.05))),
        lambda inputs, neurons: norse.LIFRecurrentCell(inputs, neurons, norse.LIFParameters(v_th=torch.as_tensor(0.1))),
    )


class NorseNetwork(nn.Module):
    """Linear layers and cells over the frames (T, N, K), the states passed by hand."""

    def __init__(self, library: str, recurrent: bool) -> None:
        super().__init__()
        torch.manual_seed(2)
        cell, recurrent_cell = cells(library)
        self.first = nn.Linear(6, 10)
        self.cell = cell()
        self.second = recurrent_cell(10, 8) if recurrent else nn.Linear(10, 8)
        self.last = nn.Linear(8, 3)
        self.read: list[tuple[Tensor, Tensor]] = []

    def forward(self, x: Tensor) -> Tensor:
        state = inner = None
        found = []
        self.read = []
        for frame in x:
            spikes, state = self.cell(self.first(frame), state)
            if isinstance(self.second, nn.Linear):
                spikes = self.second(spikes)
            else:
                before = spikes.new_zeros(N, 8) if inner is None else inner[0]
                self.read.append((spikes, before))
                spikes, inner = self.second(spikes, inner)
            found.append(self.last((spikes > 0.1).to(x.dtype)))
        return torch.stack(found)


@pytest.mark.filterwarnings("ignore")  # norse's own
@pytest.mark.parametrize("library", ["norse", "equations"])
@pytest.mark.parametrize("recurrent", [False, True])
def test_norse(leaf_counter: Any, library: str, recurrent: bool) -> None:
    network = NorseNetwork(library, recurrent)
    frames = pixels(8, N, 6)
    traced = trace(network, frames, "TNF", None)
    counter = leaf_counter.LeafCounter(network, 8)
    counter.run(frames)
    totals = counter.totals()
    for pair in network.read:
        for spikes in pair:  # each spike reaches the 8 neurons
            totals.sops += 8 * int(spikes.count_nonzero())
            totals.events += 8 * int(spikes.count_nonzero())
    check(traced, totals)
    names = [each.name for each in traced.operations]
    second = ["second.input_weights", "second.recurrent_weights"] if recurrent else ["second"]
    assert names == ["first", *second, "last"]
    assert all(traced.counts.work[name].events for name in names[1:])
    assert {each.runs for each in traced.operations} == {"step"}


@pytest.mark.filterwarnings("ignore")
def test_the_equations_are_norse_s() -> None:
    cell, recurrent_cell = cells("norse")
    (own, own_recurrent), frames = cells("equations"), pixels(9, N, 5)
    for theirs, ours in ((cell(), own()), (recurrent_cell(5, 7), own_recurrent(5, 7))):
        theirs.load_state_dict(ours.state_dict(), strict=False)
        states: list[Any] = [None, None]
        fired = 0
        for frame in frames:
            with torch.no_grad():
                (z, states[0]), (expected, states[1]) = ours(frame, states[0]), theirs(frame, states[1])
            assert torch.equal(z, expected)
            fired += int(z.sum())
        assert fired

"""A layer's multiply-accumulates are the same, however a module asks torch for them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from autospikformer_cli.energy.traced import TracedNetwork
from autospikformer_cli.energy.tracing.tracer import trace

pytestmark = pytest.mark.usefixtures("one_thread")

N = 2


class Computes(nn.Module):
    """Applies a function to its parts and the input."""

    def __init__(self, function: Callable[[Any, Tensor], Any], **parts: Any) -> None:
        super().__init__()
        self.function = function
        for name, part in parts.items():
            setattr(self, name, part)

    def forward(self, x: Tensor) -> Any:
        return self.function(self, x)


def pixels(*shape: int) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(3)) * 0.8 + 0.1


def macs(traced: TracedNetwork) -> list[tuple[str, int, int]]:
    """Name, multiply-accumulates and runs of every layer."""
    return [(each.name, each.macs, traced.time_step if each.runs == "step" else 1) for each in traced.operations]


def weights(*shape: int) -> nn.Parameter:
    return nn.Parameter(torch.ones(shape))


def in_inference_mode(module: Any, x: Tensor) -> Any:
    with torch.inference_mode():
        y = module.up(module.conv(x)).flatten(2)
        return module.attention(*3 * [module.gru(y)[0] @ y @ y.mT])[0]


def test_inference_mode_inside_forward() -> None:
    """There torch hands over convolutions, products and recurrent layers whole."""
    parts = {
        "conv": nn.Conv2d(3, 4, 3, padding=1),
        "up": nn.ConvTranspose2d(4, 4, 2, stride=2),
        "gru": nn.GRU(64, 4, batch_first=True),
        "attention": nn.MultiheadAttention(4, 2, batch_first=True),
    }
    traced = trace(Computes(in_inference_mode, **parts), pixels(N, 3, 4, 4), "NCHW", None)
    assert macs(traced) == [
        ("conv", 3 * 4 * 9 * 16, 1),
        ("up", 4 * 4 * 4 * 16, 1),
        ("gru.weight_ih_l0", 4 * 64 * 3 * 4, 1),
        ("gru.weight_hh_l0", 4 * 4 * 3 * 4, 1),
        ("Computes.bmm", 4 * 4 * 64, 1),
        ("Computes.bmm_2", 4 * 64 * 4, 1),
        ("attention.in_proj_weight", 4 * 4 * 3 * 4, 1),
        ("attention.bmm", 4 * 4 * 4, 1),
        ("attention.bmm_2", 4 * 4 * 4, 1),
        ("attention.out_proj", 4 * 4 * 4, 1),
    ]
    assert traced.unattributed == ()


@pytest.mark.parametrize(("kind", "gates"), [(nn.RNN, 1), (nn.GRU, 3), (nn.LSTM, 4)])
def test_recurrent_layers(kind: Any, gates: int) -> None:
    """Every gate reads 8 inputs and 5 states for each of 5 outputs, at each of 3 steps."""
    assert torch.backends.mkldnn.enabled
    network = Computes(lambda module, x: module.layer(x)[0], layer=kind(8, 5))
    traced = trace(network, pixels(3, N, 8), "TNF", None)
    rows = [("layer.weight_ih_l0", gates * 8 * 5, 3), ("layer.weight_hh_l0", gates * 5 * 5, 3)]
    assert macs(traced) == rows
    assert traced.unattributed == ()
    assert torch.backends.mkldnn.enabled
    both = Computes(lambda module, x: module.layer(x)[0], layer=kind(8, 5, num_layers=2, bidirectional=True))
    traced = trace(both, pixels(3, N, 8), "SNF", None)
    assert sum(each.macs for each in traced.operations) == 3 * 2 * gates * (8 * 5 + 5 * 5 + 10 * 5 + 5 * 5)


def in_place(module: Any, x: Tensor) -> Tensor:
    y = torch.zeros(len(x), 4).addmm_(x, module.weight)
    for change in (functional.hardswish, functional.leaky_relu, functional.hardtanh, functional.elu, functional.mish):
        y = change(y, inplace=True)
    z = functional.threshold(y.abs_(), 0.1, 0.2, True).unsqueeze_(0).transpose_(0, 1).squeeze_(1)
    return functional.logsigmoid(functional.gelu(z).tril_().cumsum_(0))


def test_what_is_free_is_free_in_place() -> None:
    traced = trace(Computes(in_place, weight=weights(8, 4)), pixels(N, 8), "NF", None)
    assert macs(traced) == [("Computes", 8 * 4, 1)]
    assert traced.unattributed == ()


@pytest.mark.filterwarnings("ignore:.*LeafSpec:FutureWarning")  # torch's own, as it copies a program
def test_an_exported_program_counts_like_its_module() -> None:
    """It also checks its values' kinds as it runs."""
    network = Computes(lambda module, x: module.layer(x.to(torch.float64).float()), layer=nn.Linear(8, 4))
    program = torch.export.export(network, (pixels(N, 8),), strict=False).module()
    traced = trace(program, pixels(N, 8), "NF", None)
    assert macs(traced) == macs(trace(network, pixels(N, 8), "NF", None)) == [("layer", 8 * 4, 1)]
    assert traced.unattributed == ()


def test_rounding_to_eight_bits_is_free() -> None:
    network = Computes(lambda module, x: module.layer(torch.fake_quantize_per_tensor_affine(x, 0.1, 0, 0, 255)))
    network.layer = nn.Linear(8, 4)
    traced = trace(network, pixels(N, 8), "NF", None)
    assert macs(traced) == [("layer", 8 * 4, 1)]
    assert traced.unattributed == ()


@pytest.mark.parametrize(
    ("function", "elements"),
    [
        (lambda _, x: (x[:, :, None] * x[:, None]).sum(-1), N * 5 * 5 * 4),
        (lambda _, x: torch.einsum("nif,njf->nijf", x, x), N * 5 * 5 * 4),
    ],
)
def test_activations_that_are_spread_elementwise_are_named(function: Any, elements: int) -> None:
    """The sum over their last axis would be a product of 5 x 4 and 4 x 5 values."""
    traced = trace(Computes(function), pixels(N, 5, 4), "NMK", None)
    assert [(each.operator, each.elements) for each in traced.unattributed] == [("aten.mul", elements)]


@pytest.mark.parametrize(
    "function",
    [
        lambda _, x: x * (torch.arange(5.0)[:, None] * torch.arange(4.0)).cos(),  # angles of positions
        lambda _, x: torch.ones(4, 1, 1, 1) * x,  # repeats the image
        lambda _, x: x * x.mean(1, keepdim=True),  # a gate
    ],
)
def test_what_spreads_no_two_activations_is_free(function: Any) -> None:
    assert trace(Computes(function), pixels(N, 5, 4), "NMK", None).unattributed == ()


def test_a_function_that_torch_calls_is_named() -> None:
    branches = {"one": nn.Linear(8, 4), "other": nn.Linear(8, 4)}
    network = Computes(lambda module, x: torch.cond(x.sum() > 0, module.one, module.other, (x,)), **branches)
    traced = trace(network, pixels(N, 8), "NF", None)
    assert traced.operations == ()
    assert [(each.operator, each.elements) for each in traced.unattributed] == [("cond", N * 4)]


@pytest.mark.parametrize(
    ("layer", "channels", "expected"),
    [
        (nn.ConvTranspose2d(4, 4, 3, stride=2, padding=1, output_padding=1, groups=4), 4, 4 * 9 * 64),
        (nn.ConvTranspose2d(6, 6, 2, stride=2, groups=3), 6, 6 * 2 * 4 * 64),
        (nn.ConvTranspose2d(4, 6, 4, stride=2, padding=1), 4, 4 * 6 * 16 * 64),
        (nn.Conv2d(4, 8, 3, padding=2, dilation=2, groups=2), 4, 2 * 8 * 9 * 64),
        (nn.Conv2d(4, 4, 3, padding="same", groups=4), 4, 4 * 9 * 64),
        (nn.Conv2d(4, 6, 3, padding=1, padding_mode="circular"), 4, 4 * 6 * 9 * 64),
    ],
)
def test_groups_of_convolutions(layer: Any, channels: int, expected: int) -> None:
    """Of 8 x 8 positions. A transposed convolution visits its inputs, the others their outputs."""
    spikes = Computes(lambda module, x: module.layer(torch.ones_like(x)), layer=layer)
    assert [each.macs for each in trace(layer, pixels(N, channels, 8, 8), "NCHW", None).operations] == [expected]
    (operation,) = trace(spikes, pixels(N, channels, 8, 8), "NCHW", None).operations
    assert (operation.macs, operation.input_kind) == (expected, "binary")


@pytest.mark.parametrize(
    "function",
    [
        lambda module, x: torch.vmap(module.layer)(x),
        lambda module, x: module.layer.forward(x),
        lambda module, x: torch.stack([module.layer(image) for image in x]),
        lambda module, x: {"output": [module.layer(input=x)]},
        lambda module, x: torch.func.functional_call(module.layer, {"weight": module.layer.weight * 2}, (x,)),
        lambda module, x: torch.utils.checkpoint.checkpoint(module.layer, x, use_reentrant=False),
        lambda module, x: nn.DataParallel(module.layer)(x),
    ],
)
def test_ways_to_call_a_layer(function: Any) -> None:
    traced = trace(Computes(function, layer=nn.Linear(8, 4)), pixels(N, 8), "NF", None)
    assert [each.macs for each in traced.operations] == [8 * 4]
    assert traced.unattributed == ()


def test_a_layer_in_three_places_counts_every_call_and_its_weights_once() -> None:
    linear = nn.Linear(10, 10, bias=False)
    traced = trace(nn.Sequential(*(nn.Sequential(linear) for _ in range(3))), pixels(N, 10), "NF", None)
    assert (sum(each.macs for each in traced.operations), traced.params) == (300, 100)

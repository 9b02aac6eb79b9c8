"""Training over spikes against torch's dense products: sums, gradients, what is kept, numbers of threads."""

from __future__ import annotations

from dataclasses import replace
from random import Random
from typing import Any

import numba
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from autospikformer_cli.engine import trained
from autospikformer_cli.engine.trained import TrainedPass, training_pass
from autospikformer_cli.space import SearchSpace
from autospikformer_cli.spiking.elastic import ElasticConvolution, ElasticLinear
from autospikformer_cli.spiking.neuron import Dynamics, Neuron
from autospikformer_cli.spiking.neuron_kinds import LIFKind
from autospikformer_cli.spiking.normalisation import ElasticBatchNorm
from autospikformer_cli.spiking.passes import AnalogPass, Layer, SpikingPass, multiply_heads
from autospikformer_cli.spiking.supernet import Supernet

SPARSE, DENSE = 1.0, -1.0
"""Shares up to which loops over spikes are taken: always, never."""
SHAPES = [
    # steps, images, height, width (0: tokens), channels, outputs, layers
    (1, 2, 5, 4, 3, 7, 1),
    (3, 2, 4, 4, 70, 16, 1),
    (2, 1, 8, 8, 16, 112, 1),
    (1, 3, 9, 0, 5, 3, 1),
    (4, 2, 16, 0, 65, 48, 3),
    (2, 3, 7, 0, 33, 200, 2),
]


def always(monkeypatch: pytest.MonkeyPatch, densest: float) -> None:
    monkeypatch.setattr(trained, "DENSEST_FORWARD", densest)
    monkeypatch.setattr(trained, "DENSEST_GRADIENT", dict.fromkeys((1, 3), densest))


def whole_numbers(shape: tuple[int, ...], density: float, largest: int, dtype: torch.dtype) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    fires = torch.rand(shape, generator=generator) < density
    return (fires * torch.randint(1, largest + 1, shape, generator=generator)).to(dtype)


@pytest.mark.parametrize("largest", [1, 3])
@pytest.mark.parametrize("density", [0.0, 0.05, 0.3, 1.0])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-12), (torch.float32, 1e-5)], ids=str)
def test_sums_and_gradients_are_torchs(
    shape: tuple[int, ...], density: float, largest: int, dtype: torch.dtype, tolerance: float,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """Of a subnet: the first channels and outputs of wider layers."""
    always(monkeypatch, SPARSE)
    steps, images, height, width, channels, outputs, count = shape
    places = (height, width) if width else (height,)
    x = whole_numbers((steps, images, *places, channels), density, largest, dtype).requires_grad_()
    generator = torch.Generator().manual_seed(2)
    layers = []
    for number in range(count):
        kind = ElasticConvolution if width else ElasticLinear
        weights = kind(channels + 2, outputs + 3, f"layer {number}").to(dtype)
        weights.weight.data.normal_(generator=generator)
        layers.append(Layer(weights, ElasticBatchNorm(outputs, "norm"), LIFKind(Dynamics())))
    read = "binary" if largest == 1 else "integer"
    run = TrainedPass(steps, 0.125, None, {"layer 0": read})
    sums = run.products(layers, x, outputs)
    plain = x.detach().clone().requires_grad_()
    expected = [layer.weights(plain, outputs) for layer in layers]
    towards = [torch.randn(y.shape, generator=generator).to(dtype) for y in expected]
    weights = [layer.weights.weight for layer in layers]
    ours, theirs = (
        torch.autograd.grad(sum((y * each).sum() for y, each in zip(ys, towards, strict=True)), [given, *weights])
        for ys, given in ((sums, x), (expected, plain))
    )
    for got, wanted in zip([*sums, *ours], [*expected, *theirs], strict=True):
        scale = max(1.0, float(wanted.detach().abs().max()))
        torch.testing.assert_close(got, wanted, rtol=0, atol=tolerance * scale)


def test_bias_is_added(monkeypatch: pytest.MonkeyPatch) -> None:
    always(monkeypatch, SPARSE)
    layer = ElasticLinear(5, 4, "layer")
    torch.nn.init.normal_(layer.weight)
    torch.nn.init.normal_(layer.bias)
    x = whole_numbers((1, 2, 3, 5), 0.5, 1, torch.float32)
    run = TrainedPass(1, 0.125, None, {"layer": "binary"})
    (sums,) = run.products([Layer(layer, ElasticBatchNorm(4, "norm"), LIFKind(Dynamics()))], x, 4)
    torch.testing.assert_close(sums, layer(x, 4))
    (grad,) = torch.autograd.grad(sums.sum(), layer.bias)
    assert grad.tolist() == [6.0] * 4


@pytest.mark.parametrize("densest", [SPARSE, DENSE])
@pytest.mark.parametrize("keys", [{}, {"pool": "before"}, {"qkv_bias": True}], ids=str)
def test_a_network_is_trained_as_in_torch(
    keys: dict[str, Any], densest: float, make_lively: Any, space: SearchSpace, monkeypatch: pytest.MonkeyPatch
) -> None:
    always(monkeypatch, densest)
    made = make_lively(space.sample(Random(3)), **keys)
    labels = torch.arange(made.frames.shape[1]) % 5
    results = []
    for run in (training_pass(made.supernet, made.subnet), made.supernet.in_torch(made.subnet)):
        made.supernet.zero_grad()
        logits = made.supernet.run(made.frames, made.subnet, run)
        functional.cross_entropy(logits, labels).backward()
        grads = {name: each.grad for name, each in made.supernet.named_parameters() if each.grad is not None}
        results.append((logits.detach(), grads))
    (logits, grads), (expected, expected_grads) = results
    torch.testing.assert_close(logits, expected, rtol=0, atol=1e-12)
    assert grads.keys() == expected_grads.keys()
    largest = max(float(each.abs().max()) for each in expected_grads.values())
    assert largest > 1e-4
    for name, grad in grads.items():
        torch.testing.assert_close(grad, expected_grads[name], rtol=0, atol=1e-9 * max(1.0, largest))


def test_threads_change_no_bit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the loops over spikes. torch's own products may change."""
    always(monkeypatch, SPARSE)
    x = whole_numbers((2, 3, 8, 8, 70), 0.2, 3, torch.float32)
    weight = torch.randn((130, 70, 3, 3), generator=torch.Generator().manual_seed(4))
    read = trained._Read(is_binary=False, side=8, kernel=3)
    results = []
    before = numba.get_num_threads()
    for threads in {1, min(2, numba.config.NUMBA_NUM_THREADS)}:
        numba.set_num_threads(threads)
        given = weight.clone().requires_grad_()
        (sums,) = trained._SpikeProducts.apply(x, read, given)
        (grad,) = torch.autograd.grad((sums * sums.detach()).sum(), given)
        results.append((sums.detach(), grad))
    numba.set_num_threads(before)
    for sums, grad in results[1:]:
        assert torch.equal(sums, results[0][0])
        assert torch.equal(grad, results[0][1])


@pytest.mark.parametrize("half", [None, torch.bfloat16], ids=str)
def test_inputs_are_kept_as_bytes(half: torch.dtype | None) -> None:
    kept: list[Tensor] = []
    x = whole_numbers((2, 3, 8, 8, 16), 0.2, 1, torch.float32).requires_grad_()
    layer = Layer(ElasticConvolution(16, 8, "layer"), ElasticBatchNorm(8, "norm"), LIFKind(Dynamics()))
    torch.nn.init.normal_(layer.weights.weight)
    with torch.autograd.graph.saved_tensors_hooks(lambda tensor: kept.append(tensor) or tensor, lambda each: each):
        TrainedPass(2, 0.125, None, {"layer": "binary"}, half=half).products([layer], x, 8)
    inputs = [each for each in kept if each.shape == x.shape]
    assert [each.dtype for each in inputs] == [torch.uint8]


@pytest.mark.parametrize("half", [torch.float64, torch.bfloat16], ids=str)
def test_dense_products_of_any_device_are_torchs(half: torch.dtype) -> None:
    """Layers that read the same input: convolutions, and linear layers with a bias."""
    for shape, make in (
        ((2, 3, 8, 8, 12), lambda: ElasticConvolution(12, 10, "layer")),
        ((2, 3, 7, 12), lambda: ElasticLinear(12, 10, "layer")),
    ):
        torch.manual_seed(5)
        layers = [Layer(make(), ElasticBatchNorm(10, "norm"), LIFKind(Dynamics())) for _ in range(3)]
        given, results = whole_numbers(shape, 0.3, 3, torch.float32), []
        for layer in layers:
            torch.nn.init.normal_(layer.weights.weight)
            if layer.weights.bias is not None:
                torch.nn.init.constant_(layer.weights.bias, 0.5)
        parameters = [each for layer in layers for each in layer.weights.parameters()]
        for run in (
            TrainedPass(2, 0.125, None, {"layer": "integer"}, half=half),
            SpikingPass(2, 0.125, None, half=half),
        ):
            x = given.clone().requires_grad_()
            sums = run.products(layers, x, 8)
            loss = sum((each * torch.arange(8) / 8).square().sum() for each in sums)
            gradients = torch.autograd.grad(loss, [x, *parameters])
            results.append((*(each.detach() for each in sums), *gradients))
        precision = torch.finfo(half).eps if half == torch.bfloat16 else torch.finfo(torch.float32).eps
        for ours, expected in zip(*results, strict=True):
            assert ours.dtype == expected.dtype == torch.float32
            assert expected.abs().max() > 0
            torch.testing.assert_close(ours, expected, rtol=0, atol=4 * precision * float(expected.abs().max()))


@pytest.mark.parametrize("heads", [1, 4])
@pytest.mark.parametrize("tokens", [3, 20])
def test_attention_keeps_bytes_and_has_torchs_gradients(tokens: int, heads: int) -> None:
    """Both orders of the product: fewer tokens than a head has channels, and more."""
    given = [whole_numbers((2, 3, tokens, 16), density, 1, torch.float64) for density in (0.2, 0.3, 0.5)]
    kept: list[Tensor] = []
    results = []
    for product in (trained._SpikeAttention.apply, multiply_heads):
        q, k, v = (each.clone().requires_grad_() for each in given)
        with torch.autograd.graph.saved_tensors_hooks(lambda tensor: kept.append(tensor) or tensor, lambda each: each):
            mixed = product(q, k, v, heads)
        if not results:
            assert [each.dtype for each in kept] == [torch.uint8] * 3
        results.append((mixed, *torch.autograd.grad((mixed * mixed.detach().cos()).sum(), (q, k, v))))
    for ours, expected in zip(*results, strict=True):
        assert torch.equal(ours, expected)
    assert all(each.abs().max() > 0 for each in results[0])


def test_what_spikes_cannot_express_is_trained_in_torch(make_lively: Any, space: SearchSpace) -> None:
    spiking = make_lively(space.largest())
    assert isinstance(training_pass(spiking.supernet, spiking.subnet), TrainedPass)
    config = spiking.config
    ann = Supernet(replace(config, shape=replace(config.shape, network="transformer")))
    assert isinstance(training_pass(ann, spiking.subnet), AnalogPass)
    deaf = Supernet(replace(config, neuron=Deaf))
    assert type(training_pass(deaf, spiking.subnet)) is SpikingPass


class Deaf(LIFKind):
    """A neuron without a form for compiled loops."""

    def as_lif(self, neuron: Neuron) -> Neuron | None:
        """None."""
        return None

"""The compiled BatchNorm-and-LIF against plain torch: spikes, gradients, statistics, precision, numbers of threads."""

from __future__ import annotations

from itertools import cycle, product

import numba
import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from autospikformer_cli.spiking import firing
from autospikformer_cli.spiking.compiled_firing import COMPILED_LOOPS
from autospikformer_cli.spiking.firing import fire, normalise_and_fire, scale_and_fire
from autospikformer_cli.spiking.neuron import Dynamics, Neuron, lif
from autospikformer_cli.spiking.neuron_kinds import LIFKind
from autospikformer_cli.spiking.normalisation import (
    BatchStatistics,
    ElasticBatchNorm,
    FixedStatistics,
    RecordedStatistics,
    RunningStatistics,
    batch_moments,
)

pytestmark = pytest.mark.usefixtures("one_thread")

FORWARD = [
    Dynamics(decay, at, reset) for decay, at, reset in product((True, False), ("reach", "exceed"), ("hard", "soft"))
]
ALL = [
    Dynamics(d.decay_input, d.fires_at, d.reset, detach, surrogate)
    for d, detach, surrogate in product(FORWARD, (True, False), ("sigmoid", "arctan", "rectangular"))
]
NEURONS = [Neuron(tau, threshold) for tau in (1.25, 2.0, 3.3, 10.0) for threshold in (0.6, 1.0, 2.0)]
STEPS = [(1, 1), (2, 2), (3, 3), (4, 4), (5, 5), (2, 1), (3, 1), (5, 1)]
"""Time steps, and the steps that the current has: one repeats."""
IMAGES, POSITIONS, CHANNELS, SPARE = 3, 13, 5, 2


def noise(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)


def wide_norm(dtype: torch.dtype) -> ElasticBatchNorm:
    """BatchNorm of 7 channels, of which the tests use 5."""
    norm = ElasticBatchNorm(CHANNELS + SPARE, "norm").to(dtype)
    with torch.no_grad():
        norm.weight.copy_(1 + 0.3 * noise(CHANNELS + SPARE, seed=1))
        norm.bias.copy_(0.7 + 0.3 * noise(CHANNELS + SPARE, seed=2))
        norm.running_mean.copy_(noise(CHANNELS + SPARE, seed=3))
        norm.running_var.copy_(1 + noise(CHANNELS + SPARE, seed=4).square())
    return norm


# Without gradient


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("dynamics", FORWARD, ids=str)
def test_spikes_are_the_references_bit_for_bit(dynamics: Dynamics, dtype: torch.dtype) -> None:
    scale, shift = noise(CHANNELS, seed=5, dtype=dtype), noise(CHANNELS, seed=6, dtype=dtype)
    for (time_step, given), neuron in zip(STEPS * 3, cycle(NEURONS)):
        x_TMC = 2 * noise(given, IMAGES * POSITIONS, CHANNELS, seed=time_step, dtype=dtype)
        expected = lif(x_TMC * scale + shift, time_step=time_step, dynamics=dynamics, **neuron._asdict())
        assert torch.equal(fire(COMPILED_LOOPS, x_TMC, scale, shift, time_step, neuron, dynamics), expected)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("dynamics", FORWARD, ids=str)
def test_ties_on_a_lattice_are_decided_alike(dynamics: Dynamics, dtype: torch.dtype) -> None:
    """Eighths with tau 2 meet the threshold exactly, as behind attention."""
    eighths = torch.randint(0, 17, (4, 200, 3), generator=torch.Generator().manual_seed(3)).to(dtype) / 8
    expected = lif(eighths, time_step=4, tau=2.0, threshold=0.5, dynamics=dynamics)
    ones, zeros = torch.ones(3, dtype=dtype), torch.zeros(3, dtype=dtype)
    assert torch.equal(fire(COMPILED_LOOPS, eighths, ones, zeros, 4, Neuron(2.0, 0.5), dynamics), expected)
    other = Dynamics(dynamics.decay_input, "exceed" if dynamics.fires_at == "reach" else "reach", dynamics.reset)
    assert not torch.equal(fire(COMPILED_LOOPS, eighths, ones, zeros, 4, Neuron(2.0, 0.5), other), expected)


def test_given_statistics_normalise() -> None:
    norm, x_TBPC = wide_norm(torch.float64), 3 * noise(2, IMAGES, POSITIONS, CHANNELS) + 1
    x_TBPC[..., 0] *= 1e-3  # a variance as small as what is added to it
    x_RC = x_TBPC.flatten(0, 2)
    mean, variance = x_RC.mean(0), x_RC.var(0, correction=0)
    recorded = RecordedStatistics()
    cases = [
        (RunningStatistics(), norm.running_mean[:CHANNELS], norm.running_var[:CHANNELS]),
        (BatchStatistics(), mean, variance),
        (recorded, mean, variance),
        (FixedStatistics({"norm": batch_moments(x_TBPC * 2)}), mean * 2, variance * 4),
    ]
    for statistics, expected_mean, expected_variance in cases:
        spikes = normalise_and_fire(x_TBPC, norm, LIFKind(Dynamics()), statistics, 2, Neuron(2.0, 0.6))
        current = (x_TBPC - expected_mean) / torch.sqrt(expected_variance + 1e-5)
        current = current * norm.weight[:CHANNELS] + norm.bias[:CHANNELS]
        expected = lif(current.flatten(1, 2), time_step=2, tau=2.0, threshold=0.6, dynamics=Dynamics())
        assert spikes.shape == x_TBPC.shape
        assert torch.equal(spikes, expected.view_as(spikes).detach())
        assert 0.1 < float(spikes.mean()) < 0.9
    torch.testing.assert_close(tuple(recorded.by_layer["norm"]), (mean, variance), rtol=1e-12, atol=1e-12)


# In training


def train_and_fire(
    x_TBPC: Tensor, norm: ElasticBatchNorm, time_step: int, neuron: Neuron, dynamics: Dynamics
) -> Tensor:
    return normalise_and_fire(x_TBPC, norm, LIFKind(dynamics), None, time_step, neuron).flatten(1, 2)


def agree(dynamics: Dynamics, dtype: torch.dtype, steps: list[tuple[int, int]], tolerance: float) -> None:
    for (time_step, given), neuron in zip(steps, cycle(NEURONS[len(steps) % 5 :])):
        x_TBPC = 2 * noise(given, IMAGES, POSITIONS, CHANNELS, seed=time_step, dtype=dtype) - 0.5
        towards = noise(time_step, IMAGES * POSITIONS, CHANNELS, seed=9, dtype=dtype)
        norm, plain = wide_norm(dtype), wide_norm(dtype)
        x, plain_x = x_TBPC.clone().requires_grad_(), x_TBPC.clone().requires_grad_()
        spikes = train_and_fire(x, norm, time_step, neuron, dynamics)
        (spikes * towards).sum().backward()

        used = (plain.running_mean[:CHANNELS], plain.running_var[:CHANNELS], plain.weight[:CHANNELS])
        current = functional.batch_norm(plain_x.flatten(0, 2), *used, plain.bias[:CHANNELS], training=True)
        current_TMC = current.view(given, -1, CHANNELS)
        expected = lif(current_TMC, time_step=time_step, dynamics=dynamics, **neuron._asdict())
        (expected * towards).sum().backward()

        assert torch.equal(spikes, expected)
        assert 0 < float(spikes.detach().mean()) < 1
        pairs = [(x.grad, plain_x.grad), (norm.weight.grad, plain.weight.grad), (norm.bias.grad, plain.bias.grad)]
        for grad, expected_grad in pairs:
            largest = float(expected_grad.abs().max())
            torch.testing.assert_close(grad, expected_grad, rtol=0, atol=tolerance * max(1.0, largest))
        assert norm.weight.grad[CHANNELS:].tolist() == [0.0] * SPARE
        for name in ("running_mean", "running_var"):
            torch.testing.assert_close(getattr(norm, name), getattr(plain, name), rtol=0, atol=tolerance)


@pytest.mark.parametrize("dynamics", ALL, ids=str)
def test_training_is_torchs_in_float64(dynamics: Dynamics) -> None:
    agree(dynamics, torch.float64, STEPS, 1e-9)


@pytest.mark.parametrize("dynamics", ALL[::5], ids=str)
def test_training_is_torchs_in_float32(dynamics: Dynamics) -> None:
    agree(dynamics, torch.float32, STEPS[3:6], 1e-5)


@pytest.mark.parametrize("surrogate", ["sigmoid", "arctan", "rectangular"])
@pytest.mark.parametrize("channels", [1, 6, 16, 21, 40])
def test_any_number_of_channels_fills_vectors(channels: int, surrogate: str) -> None:
    """Some fill vectors alone, some with the rows behind them, and 21 do not with 24 rows."""
    dynamics, neuron = Dynamics(surrogate=surrogate), Neuron(1.4, 0.6)
    for dtype, tolerance in ((torch.float64, 1e-12), (torch.float32, 1e-5)):
        x = 2 * noise(3, 24, channels, dtype=dtype) + 0.5
        weight, bias = (noise(channels, seed=seed, dtype=dtype).abs() + 0.5 for seed in (1, 2))
        leaves = [x, weight, bias]
        plain_leaves = [each.clone().requires_grad_() for each in leaves]
        norm = ElasticBatchNorm(channels, "norm").to(dtype)
        norm.weight.data, norm.bias.data = weight, bias
        x.requires_grad_()
        spikes = train_and_fire(x[:, None], norm, 3, neuron, dynamics)
        plain, plain_weight, plain_bias = plain_leaves
        current = functional.batch_norm(plain.flatten(0, 1), None, None, plain_weight, plain_bias, training=True)
        expected = lif(current.view_as(plain), time_step=3, dynamics=dynamics, **neuron._asdict())
        assert torch.equal(spikes, expected)
        towards = noise(3, 24, channels, seed=9, dtype=dtype)
        for each in (spikes, expected):
            (each * towards).sum().backward()
        for grad, leaf in zip((x.grad, norm.weight.grad, norm.bias.grad), plain_leaves, strict=True):
            torch.testing.assert_close(grad, leaf.grad, rtol=0, atol=tolerance * max(1.0, float(leaf.grad.abs().max())))


@pytest.mark.parametrize("dynamics", ALL[::5], ids=str)
@pytest.mark.parametrize("given", [1, 3])
def test_a_scaled_input_is_fired_with_its_gradient(dynamics: Dynamics, given: int) -> None:
    x, plain = (4 * noise(given, 20, CHANNELS).add(0.5).requires_grad_() for _ in range(2))
    x.retain_grad()
    plain.retain_grad()
    towards = noise(3, 20, CHANNELS, seed=9)
    spikes = scale_and_fire(x, 0.25, LIFKind(dynamics), 3, Neuron(1.75, 0.5))
    (spikes * towards).sum().backward()
    expected = lif(plain * 0.25, time_step=3, tau=1.75, threshold=0.5, dynamics=dynamics)
    (expected * towards).sum().backward()
    assert torch.equal(spikes, expected)
    torch.testing.assert_close(x.grad, plain.grad, rtol=0, atol=1e-12)
    with torch.no_grad():
        assert torch.equal(scale_and_fire(x, 0.25, LIFKind(dynamics), 3, Neuron(1.75, 0.5)), expected)


def test_the_plain_path_is_the_compiled_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """What other devices run, run here."""
    x_TBPC, towards = noise(2, IMAGES, POSITIONS, CHANNELS), noise(2, IMAGES * POSITIONS, CHANNELS, seed=9)
    results = []
    for compiled in (True, False):
        monkeypatch.setattr(firing, "backend_of", lambda x, compiled=compiled: COMPILED_LOOPS if compiled else None)
        norm, x = wide_norm(torch.float64), x_TBPC.clone().requires_grad_()
        spikes = train_and_fire(x, norm, 2, Neuron(2.0, 0.8), Dynamics())
        scaled = scale_and_fire(x.flatten(1, 2), 1.5, LIFKind(Dynamics()), 2, Neuron(2.0, 0.8))
        ((spikes + scaled) * towards).sum().backward()
        fired = normalise_and_fire(x, norm, LIFKind(Dynamics()), RunningStatistics(), 2, Neuron(2.0, 0.8))
        results.append((spikes, scaled, fired, x.grad, norm.weight.grad, norm.bias.grad, norm.running_var))
    torch.testing.assert_close(*results, rtol=0, atol=1e-12)


@pytest.mark.parametrize("surrogate", ["sigmoid", "arctan", "rectangular"])
def test_float32_surrogates_are_accurate(surrogate: str) -> None:
    """At distances that float32 holds exactly; sigmoid's is 4 e / (1 + e)^2 with e from 1 down to 1e-35."""
    distance = torch.arange(-20 * 512, 20 * 512 + 1, dtype=torch.float64) / 512
    gradients = []
    for dtype in (torch.float32, torch.float64):
        x = (distance + 1).to(dtype)[None, None].requires_grad_()
        dynamics = Dynamics(decay_input=False, surrogate=surrogate)
        scale_and_fire(x, 1.0, LIFKind(dynamics), 1, Neuron(2.0, 1.0)).sum().backward()
        gradients.append(x.grad.flatten().double())
    assert bool((gradients[0] > 0).any())
    torch.testing.assert_close(*gradients, rtol=1e-6, atol=0)


def test_far_from_the_threshold_nothing_overflows() -> None:
    x = torch.tensor([-1e30, -300.0, 300.0, 1e30], dtype=torch.float32)[None, None].requires_grad_()
    scale_and_fire(x, 1.0, LIFKind(Dynamics(decay_input=False)), 1, Neuron(2.0, 1.0)).sum().backward()
    assert bool(torch.isfinite(x.grad).all())
    assert float(x.grad.abs().max()) < 1e-30


# Moments


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_batch_moments_are_numpys(dtype: torch.dtype) -> None:
    x_TBPC = (noise(3, 4, 50, CHANNELS, dtype=dtype) * torch.arange(1, CHANNELS + 1) + 5).to(dtype)
    x_TBPC[..., 0] = 0.1
    mean, variance = batch_moments(x_TBPC)
    rows = x_TBPC.numpy().astype(np.float64).reshape(-1, CHANNELS)
    assert mean.dtype == variance.dtype == torch.float64
    np.testing.assert_allclose(mean, rows.mean(0), rtol=1e-12)
    np.testing.assert_allclose(variance, rows.var(0), rtol=1e-9, atol=1e-12)
    assert float(variance.min()) >= 0


def test_moments_of_an_image_set_are_sums_of_its_images() -> None:
    """Sums by image are added in order: images that are alike count alike wherever they stand."""
    x_TBPC = noise(2, 8, 10, CHANNELS)
    together = batch_moments(x_TBPC)
    np.testing.assert_allclose(batch_moments(x_TBPC.flip(1)).mean, together.mean, rtol=1e-12)
    tensor = x_TBPC.permute(3, 0, 1, 2).contiguous().permute(1, 2, 3, 0)
    assert not tensor.is_contiguous()
    assert all(torch.equal(a, b) for a, b in zip(batch_moments(tensor), together, strict=True))


# Threads


def results(time_step: int, given: int) -> list[Tensor]:
    """Everything that loops over rows in parallel, on 1,001 rows."""
    norm = wide_norm(torch.float32)
    x = noise(given, 7, 143, CHANNELS, dtype=torch.float32).requires_grad_()
    spikes = train_and_fire(x, norm, time_step, Neuron(1.75, 0.8), Dynamics(detach_reset=False))
    (spikes * noise(time_step, 7 * 143, CHANNELS, seed=1, dtype=torch.float32)).sum().backward()
    return [spikes, x.grad, norm.weight.grad, norm.bias.grad, norm.running_mean, norm.running_var, *batch_moments(x)]


@pytest.mark.parametrize(("time_step", "given"), [(3, 3), (3, 1)])
@pytest.mark.skipif(numba.config.NUMBA_NUM_THREADS == 1, reason="one processor")
def test_results_do_not_depend_on_threads(time_step: int, given: int) -> None:
    numba.set_num_threads(numba.config.NUMBA_NUM_THREADS)
    found = results(time_step, given)
    numba.set_num_threads(1)
    assert all(torch.equal(a, b) for a, b in zip(found, results(time_step, given), strict=True))

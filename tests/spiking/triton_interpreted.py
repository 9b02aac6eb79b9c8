"""The Triton kernels on a CPU, by Triton's interpreter, against plain torch. test_triton.py runs this file.

Triton asks TRITON_INTERPRET when it is imported, so these tests need a process of their own.
"""

from __future__ import annotations

from itertools import cycle, product

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from autospikformer_cli.spiking import firing, normalisation
from autospikformer_cli.spiking.firing import normalise_and_fire, scale_and_fire
from autospikformer_cli.spiking.neuron import Dynamics, Neuron, lif
from autospikformer_cli.spiking.neuron_kinds import LIFKind
from autospikformer_cli.spiking.normalisation import ElasticBatchNorm, RunningStatistics, batch_moments
from autospikformer_cli.spiking.triton_firing import TILES_A_PROGRAM, TRITON, Tile, can_run

FORWARD = [
    Dynamics(decay, at, reset) for decay, at, reset in product((True, False), ("reach", "exceed"), ("hard", "soft"))
]
ALL = [
    Dynamics(d.decay_input, d.fires_at, d.reset, detach, surrogate)
    for d, detach, surrogate in product(FORWARD, (True, False), ("sigmoid", "arctan", "rectangular"))
]
NEURONS = [Neuron(tau, threshold) for tau in (1.0, 1.25, 2.0, 3.3) for threshold in (0.6, 1.0, 1.3)]
STEPS = [(1, 1), (2, 2), (3, 3), (4, 4), (2, 1), (4, 1)]
"""Time steps, and the steps that the current has: one repeats."""
SIZES = [(1, 1), (77, 5), (30, 48), (9, 130)]
"""Rows and channels: less than a tile, several tiles of rows, channels that fill none, more channels than a tile."""


@pytest.fixture(autouse=True)
def by_triton(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tensors on the CPU are computed as those on CUDA are."""
    for module in (firing, normalisation):
        monkeypatch.setattr(module, "backend_of", lambda x: TRITON)


def noise(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16, torch.float16], ids=str)
@pytest.mark.parametrize("dynamics", FORWARD, ids=str)
def test_spikes_are_the_references_bit_for_bit(dynamics: Dynamics, dtype: torch.dtype) -> None:
    """Potentials are float32 for inputs of half precision."""
    wide = TRITON.potential_dtype(torch.empty(0, dtype=dtype))
    assert wide == (torch.float64 if dtype == torch.float64 else torch.float32)
    for (time_step, given), neuron, (rows, channels) in zip(STEPS, cycle(NEURONS[1::2]), cycle(SIZES[1:])):
        x_TMC = 2 * noise(given, rows, channels, seed=time_step, dtype=dtype)
        scale, shift = noise(channels, seed=5, dtype=wide), noise(channels, seed=6, dtype=wide)
        expected = lif(x_TMC.to(wide) * scale + shift, time_step=time_step, dynamics=dynamics, **neuron._asdict())
        spikes = TRITON.fire(x_TMC, scale, shift, time_step, neuron, dynamics)
        assert spikes.dtype == dtype
        assert torch.equal(spikes.to(wide), expected)
        assert 0 < float(expected.mean()) < 1


def test_all_kernels_are_tried_before_they_are_used() -> None:
    assert can_run(torch.device("cpu"))


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_any_size_is_divided_into_tiles(size: tuple[int, int]) -> None:
    rows, channels = size
    x_TMC, ones = 2 * noise(3, rows, channels, dtype=torch.float32), torch.ones(channels)
    spikes = TRITON.fire(x_TMC, ones, 0 * ones, 3, Neuron(1.4, 0.6), Dynamics())
    expected = lif(x_TMC, time_step=3, tau=1.4, threshold=0.6, dynamics=Dynamics())
    assert torch.equal(spikes, expected)
    found = batch_moments(x_TMC[:, None])
    values = x_TMC.double().flatten(0, 1).numpy()
    np.testing.assert_allclose(found.mean, values.mean(0), rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(found.variance, values.var(0), rtol=1e-9, atol=1e-12)


def test_several_programs_add_up_their_tiles() -> None:
    tile = Tile.of(130, 1)
    rows = tile.rows * TILES_A_PROGRAM * 2 + 3
    assert tile.grid(rows, 130, TILES_A_PROGRAM) == (3, 2)
    x_TBPC = (noise(1, 1, rows, 130) * torch.linspace(1, 9, 130) + 5).to(torch.bfloat16)
    found = batch_moments(x_TBPC)
    values = x_TBPC.double().flatten(0, 2).numpy()
    assert found.mean.dtype == torch.float64
    np.testing.assert_allclose(found.mean, values.mean(0), rtol=1e-12)
    np.testing.assert_allclose(found.variance, values.var(0), rtol=1e-9)


@pytest.mark.parametrize("dynamics", FORWARD, ids=str)
def test_ties_on_a_lattice_are_decided_alike(dynamics: Dynamics) -> None:
    """Eighths with tau 2 meet the threshold exactly, as behind attention."""
    eighths = torch.randint(0, 17, (4, 200, 3), generator=torch.Generator().manual_seed(3)).float() / 8
    ones, zeros = torch.ones(3), torch.zeros(3)
    expected = lif(eighths, time_step=4, tau=2.0, threshold=0.5, dynamics=dynamics)
    assert torch.equal(TRITON.fire(eighths, ones, zeros, 4, Neuron(2.0, 0.5), dynamics), expected)
    other = Dynamics(dynamics.decay_input, "exceed" if dynamics.fires_at == "reach" else "reach", dynamics.reset)
    assert not torch.equal(TRITON.fire(eighths, ones, zeros, 4, Neuron(2.0, 0.5), other), expected)


def wide_norm(channels: int, dtype: torch.dtype) -> ElasticBatchNorm:
    """BatchNorm of two channels more than are used."""
    norm = ElasticBatchNorm(channels + 2, "norm").to(dtype)
    with torch.no_grad():
        norm.weight.copy_(1 + 0.3 * noise(channels + 2, seed=1))
        norm.bias.copy_(0.7 + 0.3 * noise(channels + 2, seed=2))
    return norm


def agree(
    dynamics: Dynamics, dtype: torch.dtype, steps: tuple[int, int], size: tuple[int, int], neuron: Neuron,
    within: float, rounding: float = 0.0,
) -> None:  # fmt: skip
    """Train one layer by Triton, and in plain torch in float64.

    within: error, as a share of the largest number. rounding: what may be added at x, as a share of each number.
    """
    (time_step, given), (rows, channels) = steps, size
    wide = torch.float64 if dtype == torch.float64 else torch.float32
    x = (2 * noise(given, 1, rows, channels, seed=time_step) - 0.5).to(dtype).requires_grad_()
    towards = noise(time_step, 1, rows, channels, seed=9, dtype=dtype)
    norm, plain = wide_norm(channels, wide), wide_norm(channels, wide).double()
    spikes = normalise_and_fire(x, norm, LIFKind(dynamics), None, time_step, neuron)
    (spikes * towards).sum().backward()

    plain_x = x.detach().double().requires_grad_()
    used = [each[:channels] for each in (plain.running_mean, plain.running_var, plain.weight, plain.bias)]
    current = functional.batch_norm(plain_x.flatten(0, 2), *used, training=True).view(given, -1, channels)
    expected = lif(current, time_step=time_step, dynamics=dynamics, **neuron._asdict())
    (expected * towards.double().flatten(1, 2)).sum().backward()

    assert spikes.dtype == dtype
    assert torch.equal(spikes.detach().flatten(1, 2).double(), expected.detach())
    assert x.grad.dtype == dtype
    pairs = [(getattr(norm, name), getattr(plain, name)) for name in ("running_mean", "running_var")]
    pairs += [(norm.weight.grad, plain.weight.grad), (norm.bias.grad, plain.bias.grad), (x.grad, plain_x.grad)]
    for found, wanted in pairs:
        largest = float(wanted.abs().max())
        assert largest > 0
        share = rounding if found is x.grad else 0.0
        torch.testing.assert_close(found.double(), wanted, rtol=share, atol=within * max(1.0, largest))
    assert norm.weight.grad[channels:].tolist() == [0.0, 0.0]


@pytest.mark.parametrize("dynamics", ALL, ids=str)
def test_gradients_are_autograds_in_float64(dynamics: Dynamics) -> None:
    number = ALL.index(dynamics)
    size = SIZES[3] if number % 11 == 0 else SIZES[1 + number % 2]
    agree(dynamics, torch.float64, STEPS[number * 5 // 3 % len(STEPS)], size, NEURONS[number % len(NEURONS)], 1e-9)


@pytest.mark.parametrize("dynamics", ALL[::5], ids=str)
def test_gradients_are_autograds_in_float32(dynamics: Dynamics) -> None:
    agree(dynamics, torch.float32, (4, 4), (77, 5), Neuron(1.75, 0.8), 1e-5)
    agree(dynamics, torch.float32, (3, 1), (77, 5), Neuron(1.75, 0.8), 1e-5)


@pytest.mark.parametrize("dynamics", ALL[::11], ids=str)
def test_gradients_in_half_precision_are_rounded_once(dynamics: Dynamics) -> None:
    """bfloat16 has 8 bits. The interpreter cuts off what follows them, and CUDA rounds."""
    agree(dynamics, torch.bfloat16, (4, 4), (77, 5), Neuron(1.75, 0.8), 1e-5, rounding=2.0**-7)


@pytest.mark.parametrize("surrogate", ["sigmoid", "arctan", "rectangular"])
@pytest.mark.parametrize("given", [1, 3])
def test_a_scaled_input_is_fired_with_its_gradient(given: int, surrogate: str) -> None:
    dynamics = Dynamics(surrogate=surrogate, detach_reset=False)
    x = (4 * noise(given, 20, 5) + 2).requires_grad_()
    plain = x.detach().clone().requires_grad_()
    towards = noise(3, 20, 5, seed=9)
    spikes = scale_and_fire(x, 0.25, LIFKind(dynamics), 3, Neuron(1.75, 0.5))
    (spikes * towards).sum().backward()
    expected = lif(plain * 0.25, time_step=3, tau=1.75, threshold=0.5, dynamics=dynamics)
    (expected * towards).sum().backward()
    assert torch.equal(spikes, expected)
    torch.testing.assert_close(x.grad, plain.grad, rtol=0, atol=1e-12)
    with torch.no_grad():
        assert torch.equal(scale_and_fire(x, 0.25, LIFKind(dynamics), 3, Neuron(1.75, 0.5)), expected)


def test_without_gradient_given_statistics_normalise() -> None:
    norm, x_TBPC = wide_norm(5, torch.float32), noise(2, 3, 13, 5, dtype=torch.bfloat16)
    with torch.no_grad():
        spikes = normalise_and_fire(x_TBPC, norm, LIFKind(Dynamics()), RunningStatistics(), 2, Neuron(2.0, 0.6))
    scale, shift = norm.scale_and_shift(x_TBPC, RunningStatistics())
    current_TMC = (x_TBPC.float() * scale.detach() + shift.detach()).flatten(1, 2)
    expected = lif(current_TMC, time_step=2, tau=2.0, threshold=0.6, dynamics=Dynamics())
    assert torch.equal(spikes.flatten(1, 2).float(), expected)


def test_far_from_the_threshold_nothing_overflows() -> None:
    x = torch.tensor([-1e30, -300.0, 300.0, 1e30])[None, None].requires_grad_()
    scale_and_fire(x, 1.0, LIFKind(Dynamics(decay_input=False)), 1, Neuron(2.0, 1.0)).sum().backward()
    assert bool(torch.isfinite(x.grad).all())
    assert float(x.grad.abs().max()) < 1e-30

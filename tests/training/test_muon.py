"""Muon against the singular value decomposition in double precision."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from autospikformer_cli.training.muon import Muon, orthogonalised

SHAPES = [(5, 5), (4, 9), (9, 4), (3, 1), (1, 6)]


def random(*shape: int, seed: int = 0) -> NDArray[np.float64]:
    return np.random.default_rng(seed).standard_normal(shape)


def reference(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    """The polynomial, three times, of each singular value over the Frobenius norm."""
    left, values, right = np.linalg.svd(matrix, full_matrices=False)
    values = values / np.sqrt((values**2).sum())
    for _ in range(3):
        values = 3.4445 * values - 4.7750 * values**3 + 2.0315 * values**5
    return left @ np.diag(values) @ right


@pytest.mark.parametrize("shape", SHAPES)
def test_orthogonalised_is_a_polynomial_of_the_singular_values(shape: tuple[int, int]) -> None:
    matrix = random(*shape)
    found = orthogonalised(torch.from_numpy(matrix)).numpy()
    np.testing.assert_allclose(found, reference(matrix), rtol=0, atol=1e-6)


def test_singular_values_end_near_one() -> None:
    values = torch.linalg.svdvals(orthogonalised(torch.from_numpy(random(48, 200))))
    assert 0.6 < float(values.min()) < float(values.max()) < 1.25


def test_what_is_zero_stays_zero() -> None:
    matrix = torch.from_numpy(random(6, 8))
    matrix[3:], matrix[:, 5:] = 0, 0
    found = orthogonalised(matrix)
    assert torch.equal(found[3:], torch.zeros(3, 8).double())
    assert torch.equal(found[:, 5:], torch.zeros(6, 3).double())
    torch.testing.assert_close(found[:3, :5], orthogonalised(matrix[:3, :5].contiguous()), rtol=0, atol=1e-12)
    assert torch.equal(orthogonalised(torch.zeros(2, 3)), torch.zeros(2, 3))


@pytest.mark.parametrize("shape", [(4, 9), (9, 4), (4, 2, 3, 3)])
def test_two_steps_by_hand(shape: tuple[int, ...]) -> None:
    start, gradients = random(*shape), [random(*shape, seed=seed) for seed in (1, 2)]
    parameter = torch.nn.Parameter(torch.from_numpy(start.copy()))
    optimizer = Muon([parameter], lr=0.1, weight_decay=0.02)
    expected, momentum = start, np.zeros(shape)
    for gradient in gradients:
        parameter.grad = torch.from_numpy(gradient)
        optimizer.step()
        momentum = 0.9 * momentum + 0.1 * gradient
        ahead = (0.9 * momentum + 0.1 * gradient).reshape(shape[0], -1)
        size = max(1.0, ahead.shape[0] / ahead.shape[1]) ** 0.5
        expected = expected * (1 - 0.1 * 0.02) - 0.1 * size * reference(ahead).reshape(shape)
    np.testing.assert_allclose(parameter.detach().numpy(), expected, rtol=0, atol=1e-6)


def test_without_a_gradient_nothing_moves() -> None:
    parameter = torch.nn.Parameter(torch.ones(2, 2))
    Muon([parameter], lr=0.1, weight_decay=0.5).step()
    assert torch.equal(parameter.detach(), torch.ones(2, 2))

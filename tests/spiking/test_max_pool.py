"""Max-pooling in training against torch's: maxima, gradients, what is kept."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from autospikformer_cli.spiking.pooling import max_pool

SHAPES = [(2, 3, 5, 7, 4), (1, 2, 1, 1, 3), (1, 2, 2, 2, 3), (4, 2, 8, 8, 16), (1, 1, 2, 5, 3), (1, 1, 1, 6, 2)]


def torchs(x_TBHWC: Tensor) -> Tensor:
    pooled = functional.max_pool2d(x_TBHWC.flatten(0, 1).permute(0, 3, 1, 2), 3, stride=2, padding=1)
    return pooled.permute(0, 2, 3, 1).unflatten(0, x_TBHWC.shape[:2])


def whole_numbers(shape: tuple[int, ...], most: int) -> Tensor:
    return torch.randint(-most, most + 1, shape, generator=torch.Generator().manual_seed(most)).double()


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("most", [1, 20])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16], ids=str)
def test_maxima_and_gradients_are_torchs(shape: tuple[int, ...], most: int, dtype: torch.dtype) -> None:
    """With ties, the first maximum of a window takes its gradient. All sums are of small whole numbers, so exact.

    Loops run float64 and float32 here. bfloat16 takes the way of a GPU.
    """
    values = whole_numbers(shape, most)
    expected_input = values.clone().requires_grad_()
    expected = torchs(expected_input)
    given = whole_numbers(tuple(expected.shape), 5)
    (expected_grad,) = torch.autograd.grad(expected, expected_input, given)
    x = values.to(dtype).requires_grad_()
    pooled = max_pool(x)
    (grad,) = torch.autograd.grad(pooled, x, given.to(dtype))
    assert torch.equal(pooled.double(), expected)
    assert torch.equal(grad.double(), expected_grad)
    assert grad.dtype == pooled.dtype == dtype
    assert torch.equal(max_pool(x.detach()).double(), expected), "without gradient"


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_a_byte_is_kept_of_each_window(dtype: torch.dtype) -> None:
    kept: list[Tensor] = []
    x = torch.rand((2, 1, 8, 8, 4)).to(dtype).requires_grad_()
    with torch.autograd.graph.saved_tensors_hooks(lambda tensor: kept.append(tensor) or tensor, lambda each: each):
        max_pool(x)
    assert [(each.dtype, each.numel()) for each in kept] == [(torch.uint8, 2 * 4 * 4 * 4)]

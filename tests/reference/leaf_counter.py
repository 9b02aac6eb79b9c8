"""A count of other authors' networks by hooks on their layers, which shares no code with aspk's.

Every layer's inputs are recorded call by call. Each input that is not 0 is looked at on its own.

A call on whole numbers costs accumulates, any other call multiplications.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import product
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

MAC_J, AC_J = 4.6e-12, 0.9e-12
Array = NDArray[Any]


@dataclass
class Totals:
    """Sums over a run, with a convolution's padding and without it.

    macs, reached: multiplications of real values. sops, events: accumulates.
    """

    macs: int = 0
    reached: int = 0
    sops: float = 0.0
    events: float = 0.0

    def joules(self, images: int, exact: bool = False) -> float:
        """Joules of one image."""
        macs, accumulates = (self.reached, self.events) if exact else (self.macs, self.sops)
        return (macs * MAC_J + accumulates * AC_J) / images


@dataclass
class LeafCounter:
    """Counts a network's convolutions and linear layers. steps: how often pixels that never change are repeated."""

    network: nn.Module
    steps: int
    calls: dict[str, list[tuple[nn.Module, Array]]] = field(default_factory=dict)

    def run(self, frames: Tensor) -> Any:
        """Run the network, and record."""
        hooks = []
        for name, layer in self.network.named_modules():
            if isinstance(layer, nn.Conv1d | nn.Conv2d | nn.Linear):

                def keep(layer: nn.Module, args: Any, name: str = name) -> None:
                    self.calls.setdefault(name, []).append((layer, args[0].detach().double().numpy()))

                hooks.append(layer.register_forward_pre_hook(keep))
        with torch.no_grad():
            result = self.network.eval()(frames)
        for hook in hooks:
            hook.remove()
        return result

    def totals(self) -> Totals:
        """All layers together."""
        sums = Totals()
        for calls in self.calls.values():
            for layer, x in _once(calls, self.steps):
                _add(sums, layer, x)
        return sums


def _once(calls: list[tuple[nn.Module, Array]], steps: int) -> list[tuple[nn.Module, Array]]:
    """Without the repetitions of a real input: an image is convolved once for all time steps."""
    if is_whole(calls[0][1]) or steps == 1:
        return calls
    layer, first = calls[0]
    if len(calls) == steps and all(np.array_equal(first, x) for _, x in calls):
        return calls[:1]
    by_step = first.reshape(steps, -1) if len(calls) == 1 and len(first) % steps == 0 else first[:0]
    if len(by_step) and (by_step == by_step[0]).all():
        return [(layer, first.reshape(steps, -1, *first.shape[1:])[0])]
    return calls


def is_whole(x: Array) -> bool:
    """Whether all values are whole numbers."""
    return bool((x == np.round(x)).all())


def _add(sums: Totals, layer: Any, x: Array) -> None:
    if isinstance(layer, nn.Linear):
        reach = np.full(x.shape[-1], layer.out_features)
        values, macs = x.reshape(-1, x.shape[-1]), x.size * layer.out_features
        reaches = np.broadcast_to(reach, values.shape)
    else:
        dims = len(layer.kernel_size)
        values = x.reshape(-1, *x.shape[-dims - 1 :])
        outputs = layer.out_channels // layer.groups
        reach_map = outputs * _reach(layer, values.shape[2:])
        reaches = np.broadcast_to(reach_map, values.shape)
        positions = int(np.prod(_swept(layer, values.shape[2:])))
        macs = len(values) * layer.in_channels * outputs * int(np.prod(layer.kernel_size)) * positions
    if not is_whole(x):
        sums.macs += macs
        sums.reached += int(reaches.sum())
        return
    every = macs / x.size
    for value, reached in zip(values[values != 0], reaches[values != 0], strict=True):
        sums.events += abs(value) * float(reached)
        sums.sops += abs(value) * every


def _swept(layer: Any, sizes: tuple[int, ...]) -> list[int]:
    return [
        (size + 2 * pad - dilation * (kernel - 1) - 1) // stride + 1
        for size, pad, dilation, kernel, stride in zip(
            sizes, layer.padding, layer.dilation, layer.kernel_size, layer.stride, strict=True
        )
    ]


def _reach(layer: Any, sizes: tuple[int, ...]) -> Array:
    """Of each position, in how many windows of the convolution it is."""
    found = np.zeros(sizes, int)
    for window in product(*map(range, _swept(layer, sizes))):
        for tap in product(*map(range, layer.kernel_size)):
            at = tuple(
                place * stride - pad + offset * dilation
                for place, stride, pad, offset, dilation in zip(
                    window, layer.stride, layer.padding, tap, layer.dilation, strict=True
                )
            )
            if all(0 <= where < size for where, size in zip(at, sizes, strict=True)):
                found[at] += 1
    return found


def add_product(sums: Totals, spikes: Array, stored: Array) -> None:
    """Add a product of matrices (..., rows, K) and (..., K, columns), whose first factor are the spikes."""
    columns = stored.shape[-1]
    for left, right in zip(_matrices(spikes), _matrices(stored), strict=True):
        for row, inner in zip(*np.nonzero(left), strict=True):
            sums.events += float(left[row, inner]) * sum(right[inner, column] != 0 for column in range(columns))
            sums.sops += float(left[row, inner]) * columns


def _matrices(x: Array) -> Iterator[Array]:
    yield from x.reshape(-1, *x.shape[-2:])

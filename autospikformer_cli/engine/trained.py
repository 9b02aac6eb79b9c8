"""Training: products of spikes with weights. On a CPU, loops visit spikes only while these are few.

What the backward pass needs of a layer's input is kept as bytes.

Dimension legend: T time steps (1: the same at every step), B images, P positions, C input channels, G layers that read
the same input, O outputs of each. F frames: an image at a step, F = T B.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numba
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from autospikformer_cli.engine import trained_kernels as kernels
from autospikformer_cli.engine.choice import no_bytes
from autospikformer_cli.engine.packing import PackedLayers
from autospikformer_cli.space import Subnet
from autospikformer_cli.spiking.layout import InputKind, operations
from autospikformer_cli.spiking.passes import AnalogPass, Attention, Layer, SpikingPass, multiply_heads
from autospikformer_cli.spiking.shared_batch import SharedBatch
from autospikformer_cli.spiking.supernet import Supernet
from autospikformer_cli.spiking.vector_code import lanes
from autospikformer_cli.spiking.vectors import MAX_VECTORS

DENSEST_FORWARD = 0.25
DENSEST_GRADIENT = {1: 0.15, 3: 0.25}
"""Up to these shares of inputs that are not 0, loops over spikes are faster than torch's dense products: for weighted
sums, and for the weights' gradient by the kernel's size (`benchmarks/results/spike_products.md`). The batch alone
decides, so a resumed training decides alike."""
GROUP_BYTES = 2**17
"""Of gradients that lists of spikes point to. They stay in a core's cache while all channels read them."""


@dataclass(frozen=True)
class _Read:
    """How layers read their input.

    side: positions in a row; kernel: 3 of a convolution, 1 of a linear layer.
    """

    is_binary: bool
    side: int
    kernel: int


class SpikeLists:
    """Where each input channel of a layer has spikes, by groups of frames. Layers that read the same input share it."""

    def __init__(self, x_FPC: Tensor, read: _Read, outputs: int, dtype: torch.dtype) -> None:
        frames, positions, channels = x_FPC.shape
        self.read, self.margin, self.dtype = read, read.kernel // 2, dtype
        self.places = (positions // read.side + 2 * self.margin) * (read.side + 2 * self.margin)
        in_vector = lanes(dtype.itemsize)
        vectors = -(-outputs // in_vector)
        self.tiles = -(-vectors // MAX_VECTORS)
        self.vectors = -(-vectors // self.tiles)
        self.width = self.vectors * in_vector
        self.frames_in_group = max(1, GROUP_BYTES // (self.places * self.width * dtype.itemsize))
        counts = np.zeros((-(-frames // self.frames_in_group), channels), np.int64)
        x = x_FPC.numpy()
        kernels.count_by_channel(x, self.frames_in_group, counts)
        self.ends = counts.cumsum().reshape(counts.shape)
        self.starts = self.ends - counts
        total, numbers = int(self.ends[-1, -1]), np.float32 if dtype == torch.float32 else np.float64
        self.indices = np.empty(total, np.int32)
        self.values = np.ones(counts.max(), numbers) if read.is_binary else np.empty(total, numbers)
        kernels.list_by_channel(
            x, read.is_binary, read.side, self.margin, self.places, self.frames_in_group, self.starts, self.indices,
            self.values,
        )  # fmt: skip

    def weight_gradient(self, grad_FPO: Tensor) -> Tensor:
        """Gradient of a layer's weights, (O, C) or (O, C, 3, 3), from that of its weighted sums."""
        frames, _, outputs = grad_FPO.shape
        grads, stride, tile_step = grad_FPO.numpy(), outputs, self.width
        if self.margin or self.tiles * self.width != outputs:
            grads = np.empty((self.tiles, frames, self.places, self.width), grads.dtype)
            kernels.pack_gradients(grad_FPO.numpy(), self.read.side, self.margin, grads)
            stride, tile_step = self.width, frames * self.places * self.width
        size, group_step = 2 * self.margin + 1, self.frames_in_group * self.places * stride
        grad_SCO = torch.zeros((size * size, self.starts.shape[1], self.tiles * self.width), dtype=self.dtype)
        blocks = min(self.starts.shape[1], 2 * numba.get_num_threads())
        kernels.weight_gradient(
            self.starts, self.ends, self.indices, self.values, self.read.is_binary, self.read.side, self.margin,
            group_step, tile_step, stride, grads.reshape(-1), self.vectors, blocks, grad_SCO.numpy(),
        )  # fmt: skip
        by_shift = grad_SCO[..., :outputs].permute(2, 1, 0)
        return by_shift[..., 0] if size == 1 else by_shift.unflatten(2, (size, size))


class _SpikeProducts(torch.autograd.Function):
    """Weighted sums of layers that read the same spikes, or the same small whole numbers. These are kept as bytes."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, read: _Read, *weights: Tensor) -> tuple[Tensor, ...]:
        spikes = x.to(torch.uint8)
        ctx.read, ctx.density = read, int(spikes.count_nonzero()) / spikes.numel()
        ctx.save_for_backward(spikes, *weights)
        if ctx.density > DENSEST_FORWARD:
            return tuple(_dense_sums(x, weight) for weight in weights)
        x_TBPC = spikes.flatten(2, -2)
        rows = PackedLayers([weight.contiguous() for weight in weights]).rows(len(weights[0]))
        sums = torch.empty((len(weights), *x.shape[:-1], len(weights[0])), dtype=x.dtype)
        kernels.weighted_sums(x_TBPC.numpy(), read.side, read.is_binary, rows, sums.flatten(3, -2).numpy())
        return tuple(sums)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        spikes, *weights = ctx.saved_tensors
        grads = [grad.contiguous() for grad in gradients]
        grad_x = None
        if ctx.needs_input_grad[0]:
            grad_x = _summed_input_gradient(grads, weights, grads[0].dtype)
        if ctx.density > DENSEST_GRADIENT[ctx.read.kernel]:
            x = spikes.to(grads[0].dtype)
            by_weight = [_dense_weight_gradient(x, grad, weight) for grad, weight in zip(grads, weights, strict=True)]
        else:
            x_FPC = spikes.flatten(0, 1).flatten(1, -2)
            lists = SpikeLists(x_FPC, ctx.read, grads[0].shape[-1], grads[0].dtype)
            by_weight = [lists.weight_gradient(grad.flatten(0, 1).flatten(1, -2)) for grad in grads]
        return grad_x, None, *by_weight


class _DenseProducts(torch.autograd.Function):
    """The same by torch's products, on any device: nothing is asked of the device. half: as of a SpikingPass."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, half: torch.dtype | None, *weights: Tensor) -> tuple[Tensor, ...]:
        ctx.save_for_backward(x.to(torch.uint8), *weights)
        ctx.computed = half or x.dtype
        x_computed = x.to(ctx.computed)
        return tuple(_dense_sums(x_computed, weight.to(ctx.computed)).to(x.dtype) for weight in weights)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        spikes, *weights = ctx.saved_tensors
        x, dtype = spikes.to(ctx.computed), gradients[0].dtype
        grads = [grad.to(ctx.computed).contiguous() for grad in gradients]
        grad_x = None
        if ctx.needs_input_grad[0]:
            grad_x = _summed_input_gradient(grads, weights, dtype)
        pairs = zip(grads, weights, strict=True)
        return grad_x, None, *(_dense_weight_gradient(x, grad, weight).to(weight.dtype) for grad, weight in pairs)


def _as_images(x_TBHWC: Tensor) -> Tensor:
    """Frames as torch convolves them: channels first in shape, last in memory."""
    return x_TBHWC.flatten(0, 1).permute(0, 3, 1, 2)


def _dense_sums(x: Tensor, weight: Tensor) -> Tensor:
    if weight.ndim == 2:
        return functional.linear(x, weight)
    sums = functional.conv2d(_as_images(x), weight.contiguous(memory_format=torch.channels_last), padding=1)
    return sums.permute(0, 2, 3, 1).reshape(*x.shape[:-1], len(weight))


def _input_gradient(grad: Tensor, weight: Tensor) -> Tensor:
    if weight.ndim == 2:
        return grad @ weight
    shape = (*grad.shape[:-1], weight.shape[1])
    grad_BCHW = _convolution_backward(_as_images(grad.new_empty(shape)), grad, weight, [True, False, False])[0]
    return grad_BCHW.permute(0, 2, 3, 1).reshape(shape)


def _summed_input_gradient(grads: Sequence[Tensor], weights: Sequence[Tensor], dtype: torch.dtype) -> Tensor:
    """That of layers that read the same input, computed in the gradients' dtype and summed in another."""
    pairs = zip(grads, weights, strict=True)
    total, *others = (_input_gradient(grad, weight.to(grad.dtype)).to(dtype) for grad, weight in pairs)
    for other in others:
        total += other
    return total


def _dense_weight_gradient(x: Tensor, grad: Tensor, weight: Tensor) -> Tensor:
    if weight.ndim == 2:
        return grad.flatten(0, -2).t() @ x.flatten(0, -2)
    return _convolution_backward(_as_images(x), grad, weight, [False, True, False])[1]


def _convolution_backward(x_BCHW: Tensor, grad: Tensor, weight: Tensor, wanted: list[bool]) -> tuple[Tensor, ...]:
    channels_last = weight.contiguous(memory_format=torch.channels_last)
    ones = [1, 1]
    gradients: tuple[Tensor, ...] = torch.ops.aten.convolution_backward(
        _as_images(grad), x_BCHW, channels_last, None, ones, ones, ones, False, [0, 0], 1, wanted
    )
    return gradients


class _SpikeAttention(torch.autograd.Function):
    """`multiply_heads` of spikes, which are kept as bytes. The product of two of them is computed again."""

    @staticmethod
    def forward(ctx: Any, q: Tensor, k: Tensor, v: Tensor, heads: int) -> Tensor:
        ctx.save_for_backward(*(x.to(torch.uint8) for x in (q, k, v)))
        ctx.heads = heads
        return multiply_heads(q, k, v, heads)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        q, k, v = (x.to(gradients[0].dtype).requires_grad_() for x in ctx.saved_tensors)
        with torch.enable_grad():
            mixed = multiply_heads(q, k, v, ctx.heads)
        return *torch.autograd.grad(mixed, (q, k, v), gradients[0]), None


@dataclass(frozen=True)
class TrainedPass(SpikingPass):
    """Trains one subnet, and keeps spikes as bytes. Results are those of `SpikingPass` but for the order of sums.

    On a CPU, loops visit spikes only while these are few.

    kinds: what each layer reads, by name.
    """

    kinds: dict[str, InputKind]

    def products(self, layers: Sequence[Layer], x: Tensor, outputs: int) -> Sequence[Tensor]:
        """The weighted sums of each layer."""
        kind = self.kinds[layers[0].weights.name]
        if kind not in ("binary", "integer"):
            return super().products(layers, x, outputs)
        weights = [layer.weights.weight[:outputs, : x.shape[-1]] for layer in layers]
        sums: tuple[Tensor, ...]
        if x.device.type == "cpu" and self.half is None:
            read = _Read(kind == "binary", x.shape[-2], weights[0].shape[-1] if weights[0].ndim == 4 else 1)
            sums = _SpikeProducts.apply(x, read, *weights)  # type: ignore[no-untyped-call]
        else:
            sums = _DenseProducts.apply(x, self.half, *weights)  # type: ignore[no-untyped-call]
        biases = [layer.weights.bias for layer in layers]
        return [y if bias is None else y + bias[:outputs] for y, bias in zip(sums, biases, strict=True)]

    def mix(self, attention: Attention, q: Tensor, k: Tensor, v: Tensor, heads: int) -> Tensor:
        """The product of q, k and v by head."""
        mixed: Tensor = _SpikeAttention.apply(q, k, v, heads)  # type: ignore[no-untyped-call]
        return mixed


def training_pass(
    supernet: Supernet, subnet: Subnet, half: torch.dtype | None = None, shared: SharedBatch | None = None
) -> SpikingPass | AnalogPass:
    """The forward pass that trains a subnet, with gradient. It keeps spikes as bytes, if they are whole numbers.

    half: the dtype of its weighted sums, if it is not that of the weights.
    shared: the batch that the images are a part of; None if they are all of it.
    """
    if no_bytes(supernet) is not None:
        return replace(supernet.in_torch(subnet, half=half), shared=shared)
    config = supernet.config
    kinds = {each.reads: each.input_kind for each in operations(config.shape, subnet)}
    return TrainedPass(subnet.time_step, config.attention_scale, None, kinds, half=half, shared=shared)

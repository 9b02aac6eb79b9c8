"""Counts of one call of a weight operator: the multiply-accumulates of its shapes, and the contents of its inputs.

Dimension legend: N images, T time steps, M rows, K contracted index, C channels, S positions of a convolution's input,
B batch: images, time steps by images, or heads of these.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Literal, NamedTuple

import torch
from torch import Tensor

LARGEST_EXACT_FLOAT32 = 2**24
"""The largest whole number that counts as that many spikes."""
AxisOrder = Literal["none", "TN", "NT", "unknown"]
"""Whether a call's leading dimension includes the time steps, and in which order with the images; the last is inner."""


@dataclass(frozen=True, slots=True)
class Axes:
    """The input's number of images and of time steps. images_first: whether its layout names N before T."""

    images: int
    steps: int
    images_first: bool

    def order(self, leading: int, shapes: Sequence[tuple[int, ...]]) -> AxisOrder:
        """How a call with a leading dimension of size `leading` runs over time.

        shapes: input shapes of the modules that contain the call, innermost first. A call covers all T steps if its
        leading dimension is T N. A multiple of T N does, too, inside a module whose input begins with T N, with (T, N),
        or with (N, T) if the layout does. The innermost input with T and N as two dimensions gives their order.
        """
        both = self.images * self.steps
        if leading % both:
            return "none"
        if self.steps == 1:
            return "TN"
        inner = shapes[0] if shapes else ()
        if leading != both and inner[:1] != (both,) and not self._pair(inner):
            return "none"
        orders = [order for order in map(self._pair, shapes) if order]
        if orders:
            return orders[0]
        return "TN" if self.images == 1 else "unknown"

    def _pair(self, shape: tuple[int, ...]) -> AxisOrder | None:
        steps_lead = shape[:2] == (self.steps, self.images)
        images_lead = self.images_first and shape[:2] == (self.images, self.steps)
        if steps_lead and images_lead and self.images > 1:
            return "unknown"
        if steps_lead:
            return "TN"
        return "NT" if images_lead else None


@dataclass(frozen=True, slots=True)
class Operand:
    """What one factor held, and the work that it causes as the input.

    total, largest: sum and largest of the absolute values. nonzeros: number of values that are not 0. whole, binary:
    whether all values are whole numbers; whether all are 0 or 1. events: each value, times the outputs that it
    reaches, or times the non-zeros of the other factor that it meets. passes: the same with each value n once. total,
    largest, events and passes are 0 if values are not whole. step_totals: the total of each time step; () if the steps
    cannot be told apart. constant: whether the values are the same at all steps of the call. digest: hash of all
    bytes, if values are not whole. product: whether a product of two activations made the values.
    """

    elements: int
    total: int
    nonzeros: int
    largest: int
    whole: bool
    binary: bool
    step_totals: tuple[int, ...]
    constant: bool
    digest: bytes
    events: int
    passes: int
    product: bool = False


@dataclass(frozen=True, slots=True)
class Call:
    """One call.

    macs: multiply-accumulates. reached_macs: those without padding. outputs: elements written. operands: the possible
    inputs: the one factor that is not weights, or both factors of a product of activations.
    """

    macs: int
    reached_macs: int
    outputs: int
    order: AxisOrder
    operands: tuple[Operand, ...]


class Windows(NamedTuple):
    """A convolution's parameters, with one value for each dimension of positions."""

    stride: tuple[int, ...]
    padding: tuple[int, ...]
    dilation: tuple[int, ...]
    transposed: bool

    def reach(self, axis: int, inputs: int, outputs: int, taps: int) -> Tensor:
        """The number of outputs that each input position reaches along an axis: o stride - padding + tap dilation = i.

        In a transposed convolution, inputs and outputs change places in this equation.
        """
        narrow, wide = (inputs, outputs) if self.transposed else (outputs, inputs)
        first = torch.arange(narrow)[:, None] * self.stride[axis] - self.padding[axis]
        met = first + torch.arange(taps) * self.dilation[axis]
        inside = (met >= 0) & (met < wide)
        return inside.sum(1) if self.transposed else torch.bincount(met[inside], minlength=wide)


def convolve(
    x_BCS: Tensor, weight: Tensor, y_BCS: Tensor, windows: Windows, groups: int, order: AxisOrder, axes: Axes
) -> Call:
    """Count a convolution, transposed or not. At each position an input value reaches the outputs of its own group."""
    batch, channels, *sizes = x_BCS.shape
    taps = weight.shape[2:]
    outputs = weight.shape[1] if windows.transposed else weight.shape[0] // groups
    swept = sizes if windows.transposed else y_BCS.shape[2:]
    reaches = [windows.reach(axis, *each) for axis, each in enumerate(zip(sizes, y_BCS.shape[2:], taps, strict=True))]
    reach_S = torch.ones((), dtype=torch.int64)
    for reach in reaches:
        reach_S = reach_S[..., None] * reach
    values = _Values.of(x_BCS)
    events = passes = 0
    if values.whole:
        reach_S = reach_S.to(x_BCS.device)
        events = outputs * int((_whole_sum(x_BCS.abs(), (0, 1)) * reach_S).sum())
        passes = outputs * int((_whole_sum(x_BCS != 0, (0, 1)) * reach_S).sum())
    return Call(
        macs=batch * channels * outputs * prod(taps) * prod(swept),
        reached_macs=batch * channels * outputs * prod(int(reach.sum()) for reach in reaches),
        outputs=y_BCS.numel(),
        order=order,
        operands=(values.operand(x_BCS, order, axes, events, passes),),
    )


def weigh(x_MK: Tensor, outputs: int, order: AxisOrder, axes: Axes) -> Call:
    """Count a product of rows with weights. Each value reaches `outputs` outputs."""
    macs = x_MK.numel() * outputs
    values = _Values.of(x_MK)
    operand = values.operand(x_MK, order, axes, values.total * outputs, values.nonzeros * outputs)
    return Call(macs, macs, x_MK.shape[0] * outputs, order, (operand,))


def attend(a_BMK: Tensor, b_BKN: Tensor, order: AxisOrder, axes: Axes) -> Call:
    """Count a product of two activations. Each value meets the other factor's non-zeros at its contracted index.

    For q k^T the events are the sum, over the contracted index, of (sum of q) (non-zeros of k).
    """
    factors = a_BMK, b_BKN.transpose(1, 2)  # both (B, rows, K)
    values = [_Values.of(factor) for factor in factors]
    nonzeros_BK = [_whole_sum(factor != 0, (1,)) for factor in factors]
    passes = int((nonzeros_BK[0] * nonzeros_BK[1]).sum())
    operands = []
    for own, (factor, seen) in enumerate(zip(factors, values, strict=True)):
        events = int((_whole_sum(factor.abs(), (1,)) * nonzeros_BK[1 - own]).sum()) if seen.whole else 0
        operands.append(seen.operand(factor, order, axes, events, passes if seen.whole else 0))
    macs = a_BMK.numel() * b_BKN.shape[2]
    return Call(macs, macs, a_BMK.shape[0] * a_BMK.shape[1] * b_BKN.shape[2], order, tuple(operands))


_NO_STEPS: tuple[int, ...] = ()


class _Values(NamedTuple):
    """What one tensor holds; the fields are those of Operand."""

    total: int
    nonzeros: int
    largest: int
    whole: bool
    binary: bool

    @classmethod
    def of(cls, x: Tensor) -> _Values:
        nonzeros = int(x.count_nonzero())
        if not nonzeros:
            return cls(0, 0, 0, True, True)
        size = x.abs() if x.dtype != torch.bool else x
        # Beyond this, every float32 is a whole number, so being whole does not suggest spikes.
        whole = bool((size <= LARGEST_EXACT_FLOAT32).all())
        if not whole or (x.is_floating_point() and not bool((x == x.round()).all())):
            return cls(0, nonzeros, 0, False, False)
        binary = bool(((x == 0) | (x == 1)).all())
        return cls(int(_whole_sum(size)), nonzeros, int(size.max()), True, binary)

    def operand(self, x: Tensor, order: AxisOrder, axes: Axes, events: int, passes: int) -> Operand:
        constant, digest, totals = False, b"", _NO_STEPS
        if self.whole:
            totals = _step_totals(x, order, axes)
        elif axes.steps > 1:
            constant = _is_constant(x, order, axes)
            digest = hashlib.blake2b(x.contiguous().view(-1).view(torch.uint8).cpu().numpy().tobytes()).digest()
        return Operand(x.numel(), *self, totals, constant, digest, events, passes)


def _whole_sum(x: Tensor, dims: tuple[int, ...] = ()) -> Tensor:
    """An exact sum of whole numbers: float64 is exact up to 2^53."""
    return x.sum(dims or None, dtype=torch.float64 if x.is_floating_point() else torch.int64).to(torch.int64)


def _by_step(x: Tensor, order: AxisOrder, axes: Axes) -> Tensor:
    """Reshape to (T, rest) the tensor of a call whose leading dimension runs over time."""
    if order == "NT":
        return x.reshape(axes.images, axes.steps, -1).transpose(0, 1).flatten(1)
    return x.reshape(axes.steps, -1)


def _step_totals(x: Tensor, order: AxisOrder, axes: Axes) -> tuple[int, ...]:
    if order in ("none", "unknown"):
        return ()
    return tuple(_whole_sum(_by_step(x, order, axes).abs(), (1,)).tolist())


def _is_constant(x: Tensor, order: AxisOrder, axes: Axes) -> bool:
    if order == "none":
        return False
    by_step = [_by_step(x, each, axes) for each in (("TN", "NT") if order == "unknown" else (order,))]
    return any(bool((steps == steps[:1]).all()) for steps in by_step)


_FREE_NAMES = """
empty empty_like empty_strided empty_permuted zeros zeros_like ones ones_like full full_like new_empty
new_empty_strided new_zeros new_ones new_full arange linspace scalar_tensor eye tril_indices triu_indices clone copy
_to_copy lift_fresh lift_fresh_copy fill zero resize set _unsafe_view unsafe_split unsafe_split_with_sizes
unsafe_chunk _local_scalar_dense equal is_nonzero is_same_size cat stack index index_select index_put _index_put_impl
index_add index_copy index_fill gather scatter scatter_add scatter_reduce masked_fill masked_select masked_scatter
take roll flip repeat repeat_interleave constant_pad_nd reflection_pad1d reflection_pad2d reflection_pad3d
replication_pad1d replication_pad2d replication_pad3d im2col col2im pixel_shuffle pixel_unshuffle channel_shuffle
native_channel_shuffle tril triu sort topk nonzero embedding slice_scatter select_scatter diagonal_scatter
as_strided_scatter upsample_nearest1d upsample_nearest2d upsample_nearest3d _upsample_nearest_exact1d
_upsample_nearest_exact2d bernoulli rand rand_like randn randn_like randint randint_like randperm uniform normal
native_dropout poisson exponential multinomial sum mean amax amin max min argmax argmin any all prod std var var_mean
std_mean linalg_vector_norm norm logsumexp cumsum cumprod count_nonzero median aminmax _softmax _log_softmax
_safe_softmax glu _prelu_kernel rrelu_with_noise _thnn_fused_lstm_cell native_batch_norm _native_batch_norm_legit
_native_batch_norm_legit_no_training _batch_norm_no_update cudnn_batch_norm native_layer_norm native_group_norm
_fused_rms_norm max_pool2d_with_indices max_pool3d_with_indices avg_pool2d avg_pool3d _adaptive_avg_pool2d
_adaptive_avg_pool3d adaptive_max_pool2d adaptive_max_pool3d fractional_max_pool2d fractional_max_pool3d max_unpool2d
max_unpool3d hardswish log_sigmoid_forward cummax cummin logcumsumexp nansum nanmedian kthvalue mode trace diag_embed
rot90 floor_divide isin bucketize searchsorted bincount histc range random geometric cauchy log_normal mse_loss
smooth_l1_loss huber_loss nll_loss_forward nll_loss2d_forward _pack_padded_sequence _linalg_check_errors
_assert_tensor_metadata _assert_async _assert_scalar fake_quantize_per_tensor_affine_cachemask
fake_quantize_per_channel_affine_cachemask
"""
FREE = frozenset(_FREE_NAMES.split())
"""Operators of aten, besides elementwise ones and views, that cost 0 by definition.

They make, move, compare, check, round, pool, normalise or add up values.
"""


def is_free(operator: torch._ops.OpOverload) -> bool:
    """Whether an operator costs 0 by definition. An unknown operator does not: it may hide multiply-accumulates."""
    if operator.namespace == "profiler":
        return True
    if operator.namespace not in ("aten", "prims", "prim"):
        return False
    is_view = any(result.alias_info and not result.alias_info.is_write for result in operator._schema.returns)
    if is_view or {torch.Tag.pointwise, torch.Tag.inplace_view} & set(operator.tags):
        return True
    name = operator._schema.name.removeprefix("aten::").removesuffix("_")  # x.abs_() costs what x.abs() does
    return name in FREE or any(torch.Tag.pointwise in each.tags for each in _overloads(name))


def _overloads(name: str) -> list[torch._ops.OpOverload]:
    packet = getattr(torch.ops.aten, name, None)
    return [] if packet is None else [getattr(packet, overload) for overload in packet.overloads()]

"""Backpropagation through LIF neurons over time, a vector of channels at a time: potentials stay in registers.

The equations are those of `neuron.lif` and `neuron.surrogate_gradient`, operation by operation.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from autospikformer_cli.spiking.neuron import ARCTAN_SLOPE, RECTANGLE_WIDTH, SIGMOID_SLOPE
from autospikformer_cli.spiking.vector_code import (
    INT64,
    emit_loop,
    lanes,
    load_vector,
    pointer_to,
    splat,
    store_vector,
)

EXP_TERMS = (1 / 5040, 1 / 720, 1 / 120, 1 / 24, 1 / 6, 0.5, 1.0, 1.0)
"""Taylor's polynomial of exp."""
LOWEST_EXPONENT = -80.0
"""Below it the slope is practically 0, and 2^n would leave float32's range."""


class _Code(NamedTuple):
    """What emits a row's code, and the type of the vector of channels that it computes together."""

    builder: Any
    vector: Any

    def number(self, value: float) -> Any:
        """The same number in every channel."""
        return ir.Constant(self.vector, [value] * self.vector.count)

    def magnitude(self, x: Any) -> Any:
        """|x|: without the bit of the sign."""
        bits = 32 if isinstance(self.vector.element, ir.FloatType) else 64
        whole = ir.VectorType(ir.IntType(bits), self.vector.count)
        mask = ir.Constant(whole, [2 ** (bits - 1) - 1] * self.vector.count)
        return self.builder.bitcast(self.builder.and_(self.builder.bitcast(x, whole), mask), self.vector)


Slope = Callable[[_Code, Any], Any]
"""Emits a surrogate's slopes at u - threshold."""


def _sigmoid_slope(code: _Code, distance: Any) -> Any:
    """a s (1 - s) = a e / (1 + e)^2 with e = exp(-|a x|): no difference of numbers that are nearly equal."""
    builder = code.builder
    scale, one = code.number(SIGMOID_SLOPE), code.number(1.0)
    exponent = builder.fneg(code.magnitude(builder.fmul(scale, distance)))
    e = _exp(code, exponent)
    s = builder.fadd(one, e)
    return builder.fdiv(builder.fmul(scale, e), builder.fmul(s, s))


def _exp(code: _Code, x: Any) -> Any:
    """exp of numbers that are not above 0; in float32 to 2 units in the last place, as vectors. libm's is none.

    2^n p(r): n = round(x / ln 2); r = x - n ln 2, subtracted in two parts; p is Taylor's polynomial, |r| <= 0.35.
    """
    builder, vector = code
    if not isinstance(vector.element, ir.FloatType):
        signature, name = ir.FunctionType(vector, [vector]), f"llvm.exp.v{vector.count}f64"
        return builder.call(cgutils.get_or_insert_function(builder.module, signature, name), [x])
    whole = ir.VectorType(ir.IntType(32), vector.count)
    lowest = code.number(LOWEST_EXPONENT)
    x = builder.select(builder.fcmp_unordered(">", x, lowest), x, lowest)  # unordered: not-a-number stays
    # x <= 0, so cutting off x / ln 2 - 0.5 rounds to the nearest. The exponent's bits are those of 2^n.
    n_whole = builder.fptosi(builder.fsub(builder.fmul(x, code.number(1.4426950408889634)), code.number(0.5)), whole)
    n = builder.sitofp(n_whole, vector)
    bits = builder.shl(
        builder.add(n_whole, ir.Constant(whole, [127] * vector.count)), ir.Constant(whole, [23] * vector.count)
    )
    r = builder.fsub(x, builder.fmul(n, code.number(0.693359375)))
    r = builder.fadd(r, builder.fmul(n, code.number(2.12194440e-4)))
    p = code.number(EXP_TERMS[0])
    for term in EXP_TERMS[1:]:
        p = builder.fadd(builder.fmul(p, r), code.number(term))
    return builder.fmul(builder.bitcast(bits, vector), p)


def _arctan_slope(code: _Code, distance: Any) -> Any:
    builder = code.builder
    x = builder.fmul(code.number(math.pi / 2 * ARCTAN_SLOPE), distance)
    return builder.fdiv(code.number(ARCTAN_SLOPE / 2), builder.fadd(code.number(1.0), builder.fmul(x, x)))


def _rectangular_slope(code: _Code, distance: Any) -> Any:
    builder = code.builder
    within = builder.fcmp_ordered("<", code.magnitude(distance), code.number(RECTANGLE_WIDTH / 2))
    return builder.select(within, code.number(1 / RECTANGLE_WIDTH), code.number(0.0))


class _Row(NamedTuple):
    """The arguments of a row's gradient. Arrays are pointers to what belongs to the row, or to the chunk.

    stride: numbers of a time step. steps: of the spikes; given_steps: of x.
    """

    x: Any
    scale: Any
    shift: Any
    grad_spikes: Any
    grad: Any
    mean: Any
    inverse_std: Any
    before: Any
    sums: Any
    stride: Any
    channels: Any
    steps: Any
    given_steps: Any
    tau: Any
    leak: Any
    reaches: Any
    threshold: Any
    decay_input: Any
    hard: Any
    detach: Any


def _gradient_by(slope: Slope) -> Any:
    """The compiled function of one surrogate."""

    @intrinsic  # type: ignore[untyped-decorator]
    def gradient_of_row(
        typingctx: Any, x: Any, scale: Any, shift: Any, grad_spikes: Any, grad: Any, mean: Any, inverse_std: Any,
        before: Any, sums: Any, row: Any, chunk: Any, tau: Any, leak: Any, reaches: Any, threshold: Any,
        decay_input: Any, hard: Any, detach: Any,
    ) -> Any:  # fmt: skip
        """Gradient at the currents x scale + shift of a row, written to grad.

        x: (T, M, C), or (1, M, C) for a current that repeats; grad has its shape. spikes' gradient: (T, M, C).
        before: memory for a vector's potentials, (T, lanes).
        sums: (chunks, 2, C) in float64; the chunk's get the gradient, and its product with (x - mean) * inverse_std.
        reaches: the lowest potential that fires; threshold: what a soft reset subtracts.
        """
        number, flag, place = x.dtype, types.boolean, types.intp
        arrays = (x, scale, shift, grad_spikes, grad, mean, inverse_std, before, sums)
        given = types.void(*arrays, place, place, number, number, number, number, flag, flag, flag)

        def generate(context: Any, builder: Any, signature: Any, arguments: Sequence[Any]) -> Any:
            _emit_row(builder, _row_of(context, builder, signature, arguments), slope)
            return context.get_dummy_value()

        return given, generate

    return gradient_of_row


def _row_of(context: Any, builder: Any, signature: Any, arguments: Sequence[Any]) -> _Row:
    """Point to what belongs to a row of x, and to a chunk of the sums."""
    row, chunk = arguments[9], arguments[10]
    shapes = [context.make_array(signature.args[place])(context, builder, arguments[place]).shape for place in (0, 3)]
    given_steps, rows, channels = (builder.extract_value(shapes[0], axis) for axis in range(3))
    begin, zero = builder.mul(row, channels), INT64(0)
    sums_begin = builder.mul(builder.mul(chunk, INT64(2)), channels)
    starts = (begin, zero, zero, begin, begin, zero, zero, zero, sums_begin)
    pointers = [pointer_to(context, builder, signature, arguments, place, at) for place, at in enumerate(starts)]
    flags = [builder.trunc(each, ir.IntType(1)) for each in arguments[15:]]
    steps = builder.extract_value(shapes[1], 0)
    others = [builder.mul(rows, channels), channels, steps, given_steps, *arguments[11:15], *flags]
    return _Row(*(pointers + others))


def _emit_row(builder: Any, row: _Row, slope: Slope) -> None:
    """Emit whole vectors of channels, and the channels that are left one by one."""
    element = row.x.type.pointee
    width = lanes(4 if isinstance(element, ir.FloatType) else 8)
    whole = builder.and_(row.channels, INT64(-width))

    def columns(count: int, first: Any) -> Callable[[Any, list[Any]], list[Any]]:
        def body(c: Any, carried: list[Any]) -> list[Any]:
            _emit_columns(_Code(builder, ir.VectorType(element, count)), row, builder.add(first, c), slope)
            return carried

        return body

    emit_loop(builder, whole, width, [], columns(width, INT64(0)))
    emit_loop(builder, builder.sub(row.channels, whole), 1, [], columns(1, whole))


def _emit_columns(code: _Code, row: _Row, column: Any, slope: Slope) -> None:
    """Emit the potentials of all time steps, then the gradients in reverse."""
    builder, vector = code
    scale, shift, mean, inverse_std = (
        load_vector(builder, vector, builder.gep(each, [column]))
        for each in (row.scale, row.shift, row.mean, row.inverse_std)
    )
    tau, leak, reaches, threshold = (
        splat(builder, each, vector.count) for each in (row.tau, row.leak, row.reaches, row.threshold)
    )
    zero = ir.Constant(vector, None)
    repeats = builder.icmp_signed("==", row.given_steps, INT64(1))

    def read(t: Any) -> tuple[Any, Any]:
        place = builder.add(builder.mul(builder.select(repeats, INT64(0), t), row.stride), column)
        return place, load_vector(builder, vector, builder.gep(row.x, [place]))

    def potential(t: Any) -> Any:
        return builder.gep(row.before, [builder.mul(t, INT64(vector.count))])

    def integrate(t: Any, carried: list[Any]) -> list[Any]:
        (u,) = carried
        current = builder.fadd(builder.fmul(read(t)[1], scale), shift)
        decayed = builder.fadd(u, builder.fdiv(builder.fsub(current, u), tau))
        u = builder.select(row.decay_input, decayed, builder.fadd(builder.fmul(u, leak), current))
        store_vector(builder, u, potential(t))
        after = builder.select(row.hard, zero, builder.fsub(u, threshold))
        return [builder.select(builder.fcmp_ordered(">=", u, reaches), after, u)]

    def back(reverse: Any, carried: list[Any]) -> list[Any]:
        later, total, product = carried
        t = builder.sub(builder.sub(row.steps, INT64(1)), reverse)
        u = load_vector(builder, vector, potential(t))
        at = builder.add(builder.mul(t, row.stride), column)
        grad_spike = load_vector(builder, vector, builder.gep(row.grad_spikes, [at]))
        # The next potential also depends on the spike, through the reset.
        through = builder.fmul(later, builder.select(row.hard, u, threshold))
        grad_spike = builder.select(row.detach, grad_spike, builder.fsub(grad_spike, through))
        ends = builder.and_(builder.fcmp_ordered(">=", u, reaches), splat(builder, row.hard, vector.count))
        slopes = slope(code, builder.fsub(u, threshold))
        grad_u = builder.fadd(builder.fmul(grad_spike, slopes), builder.select(ends, zero, later))
        grad = builder.select(row.decay_input, builder.fdiv(grad_u, tau), grad_u)
        later = builder.select(row.decay_input, builder.fsub(grad_u, grad), builder.fmul(grad_u, leak))
        place, x = read(t)
        total = builder.fadd(total, grad)
        normalised = builder.fmul(builder.fsub(x, mean), inverse_std)
        product = builder.fadd(product, builder.fmul(grad, normalised))
        # All steps read the same current if it repeats: their gradients add up.
        store_vector(builder, builder.select(repeats, total, grad), builder.gep(row.grad, [place]))
        return [later, total, product]

    emit_loop(builder, row.steps, 1, [zero], integrate)
    _, total, product = emit_loop(builder, row.steps, 1, [zero] * 3, back)
    for each, first in ((total, INT64(0)), (product, row.channels)):
        _add_up(builder, each, builder.gep(row.sums, [builder.add(first, column)]))


def _add_up(builder: Any, numbers: Any, pointer: Any) -> None:
    """Add a vector to one in memory, in float64."""
    vector = ir.VectorType(ir.DoubleType(), numbers.type.count)
    wide = numbers if numbers.type == vector else builder.fpext(numbers, vector)
    store_vector(builder, builder.fadd(load_vector(builder, vector, pointer), wide), pointer)


sigmoid_gradient = _gradient_by(_sigmoid_slope)
arctan_gradient = _gradient_by(_arctan_slope)
rectangular_gradient = _gradient_by(_rectangular_slope)

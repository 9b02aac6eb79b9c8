"""The innermost loops over spikes, written as vectors so that sums stay in registers.

numba would store a row of sums in memory, because LLVM cannot see that it may stay in registers. So these loops are
written in LLVM's own language (`vector_code`).

Arrays are contiguous. Loops address them from their first number, whatever their shape: making a view for every short
loop would cost more than the loop.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from autospikformer_cli.spiking.vector_code import (
    INT8,
    INT32,
    INT64,
    emit_loop,
    lanes,
    load_vector,
    pointer_to,
    splat,
    store_vector,
)

MAX_VECTORS = 6
"""Of one tile of sums: 12 of AVX2's 16 registers, 6 of AVX-512's 32."""
BLOCK = 64
"""Inputs searched together for non-zeros: the bits of one word."""


@intrinsic  # type: ignore[untyped-decorator]
def add_rows(typingctx: Any, out: Any, start: Any, rows: Any, offset: Any, stride: Any, indices: Any, first: Any,
             values: Any, first_value: Any, num: Any, vectors: Any) -> Any:  # fmt: skip
    """out[start + c] = sum over j < num, in this order, of values[first_value + j] * row_j[c].

    row_j: starts at rows[offset + indices[first + j] * stride].
    c: below vectors * lanes, with 1 to MAX_VECTORS vectors.
    out, rows and values are of one type, indices int32.
    """
    place = types.intp
    signature = types.void(out, place, rows, place, place, indices, place, values, place, place, place)
    return signature, _adding_rows(onto=False)


@intrinsic  # type: ignore[untyped-decorator]
def add_rows_onto(typingctx: Any, out: Any, start: Any, rows: Any, offset: Any, stride: Any, indices: Any, first: Any,
                  values: Any, first_value: Any, num: Any, vectors: Any) -> Any:  # fmt: skip
    """As `add_rows`, but the sums begin at what out has."""
    place = types.intp
    signature = types.void(out, place, rows, place, place, indices, place, values, place, place, place)
    return signature, _adding_rows(onto=True)


def _adding_rows(*, onto: bool) -> Callable[[Any, Any, Any, Sequence[Any]], Any]:
    def generate(context: Any, builder: Any, signature: Any, arguments: Sequence[Any]) -> Any:
        _, start, _, offset, stride, _, first, _, first_value, num, vectors = arguments
        out, rows, indices, values = (
            pointer_to(context, builder, signature, arguments, place, at)
            for place, at in ((0, start), (2, offset), (5, first), (7, first_value))
        )
        number = signature.args[0].dtype
        vector = ir.VectorType(context.get_value_type(number), lanes(number.bitwidth // 8))
        end = builder.append_basic_block("end")
        choice = builder.switch(vectors, end)
        for count in range(1, MAX_VECTORS + 1):
            begin = builder.append_basic_block(f"tile{count}")
            choice.add_case(INT64(count), begin)
            builder.position_at_end(begin)
            columns = [builder.gep(out, [INT64(c * vector.count)]) for c in range(count)]
            sums = [load_vector(builder, vector, column) if onto else ir.Constant(vector, None) for column in columns]
            totals = _sum_loop(builder, vector, rows, stride, indices, values, num, sums)
            for total, column in zip(totals, columns, strict=True):
                store_vector(builder, total, column)
            builder.branch(end)
        builder.position_at_end(end)
        return context.get_dummy_value()

    return generate


def _sum_loop(builder: Any, vector: Any, rows: Any, stride: Any, indices: Any, values: Any, num: Any,
              sums: list[Any]) -> list[Any]:  # fmt: skip
    """The sums of vectors of columns, from what they begin with."""
    whole = isinstance(vector.element, ir.IntType)
    multiply, add = (builder.mul, builder.add) if whole else (builder.fmul, builder.fadd)

    def body(j: Any, sums: list[Any]) -> list[Any]:
        index = builder.zext(builder.load(builder.gep(indices, [j])), INT64)
        row = builder.gep(rows, [builder.mul(index, stride)])
        value = splat(builder, builder.load(builder.gep(values, [j])), vector.count)
        parts = (load_vector(builder, vector, builder.gep(row, [INT64(c * vector.count)])) for c in range(len(sums)))
        return [add(total, multiply(value, part)) for total, part in zip(sums, parts, strict=True)]

    return emit_loop(builder, num, 1, sums, body)


@intrinsic  # type: ignore[untyped-decorator]
def fire_row(typingctx: Any, sums: Any, start: Any, scales: Any, shifts: Any, place: Any, potentials: Any, row: Any,
             spikes: Any, tau: Any, leak: Any, reaches: Any, threshold: Any, decay_input: Any, hard: Any,
             vectors: Any) -> Any:  # fmt: skip
    """One time step of vectors of neurons, `neuron.lif`. Returns how many fire.

    I = sums[start + c] * scales[place + c] + shifts[place + c]; u = potentials[row + c].
    spikes[c] = u >= reaches, a byte.
    threshold: what a soft reset subtracts from u.
    sums: of the others' type, or int32.
    """
    flag, size = types.boolean, types.intp
    numbers = [scales.dtype] * 4
    signature = size(sums, size, scales, shifts, size, potentials, size, spikes, *numbers, flag, flag, size)
    return signature, _generate_fire_row


def _generate_fire_row(context: Any, builder: Any, signature: Any, arguments: Sequence[Any]) -> Any:
    start, place, row = arguments[1], arguments[4], arguments[6]
    decay_input, hard, vectors = arguments[12:]
    sum_p, scale_p, shift_p, potential_p, spike_p = (
        pointer_to(context, builder, signature, arguments, array, at)
        for array, at in ((0, start), (2, place), (3, place), (5, row), (7, INT64(0)))
    )
    number, is_whole = signature.args[2].dtype, isinstance(signature.args[0].dtype, types.Integer)
    vector = ir.VectorType(context.get_value_type(number), lanes(number.bitwidth // 8))
    tau, leak, reaches, threshold = (splat(builder, each, vector.count) for each in arguments[8:12])
    decay_input, hard = (builder.trunc(each, ir.IntType(1)) for each in (decay_input, hard))

    def body(c: Any, carried: list[Any]) -> list[Any]:
        x = load_vector(builder, ir.VectorType(INT32, vector.count) if is_whole else vector, builder.gep(sum_p, [c]))
        x = builder.sitofp(x, vector) if is_whole else x
        pointers = (builder.gep(each, [c]) for each in (scale_p, shift_p, potential_p))
        scale, shift, u = (load_vector(builder, vector, pointer) for pointer in pointers)
        current = builder.fadd(builder.fmul(x, scale), shift)
        decayed = builder.fadd(u, builder.fdiv(builder.fsub(current, u), tau))
        u = builder.select(decay_input, decayed, builder.fadd(builder.fmul(u, leak), current))
        fires = builder.fcmp_ordered(">=", u, reaches)  # ordered: not-a-number never fires
        after = builder.select(hard, ir.Constant(vector, None), builder.fsub(u, threshold))
        store_vector(builder, builder.select(fires, after, u), builder.gep(potential_p, [c]))
        store_vector(builder, builder.zext(fires, ir.VectorType(INT8, vector.count)), builder.gep(spike_p, [c]))
        bits = builder.bitcast(fires, ir.IntType(vector.count))
        return [builder.add(carried[0], builder.zext(builder.ctpop(bits), INT64))]

    columns = builder.mul(vectors, INT64(vector.count))
    (fired,) = emit_loop(builder, columns, vector.count, [INT64(0)], body)
    return fired


@intrinsic  # type: ignore[untyped-decorator]
def list_nonzeros(typingctx: Any, x: Any, start: Any, num: Any, indices: Any, first: Any, shift: Any) -> Any:
    """indices[first + j] = shift + the place of the j-th non-zero of x[start], ..., x[start + num - 1].

    num: a multiple of BLOCK.
    Returns the number of non-zeros.
    """
    size = types.intp
    return types.intp(x, size, size, indices, size, types.int32), _generate_list_nonzeros


def _generate_list_nonzeros(context: Any, builder: Any, signature: Any, arguments: Sequence[Any]) -> Any:
    _, start, num, _, first, shift = arguments
    x = pointer_to(context, builder, signature, arguments, 0, start)
    indices = pointer_to(context, builder, signature, arguments, 3, first)
    kind = signature.args[0].dtype
    vector = ir.VectorType(context.get_value_type(kind), BLOCK)
    # unordered: not-a-number is a non-zero
    compare = builder.icmp_unsigned if isinstance(kind, types.Integer) else builder.fcmp_unordered

    def block(place: Any, carried: list[Any]) -> list[Any]:
        values = load_vector(builder, vector, builder.gep(x, [place]))
        bits = builder.bitcast(compare("!=", values, ir.Constant(vector, None)), INT64)
        base = builder.add(builder.trunc(place, INT32), shift)
        found = builder.ctpop(bits)

        def one(j: Any, remaining: list[Any]) -> list[Any]:
            lowest = builder.trunc(builder.cttz(remaining[0], ir.IntType(1)(1)), INT32)
            builder.store(builder.add(base, lowest), builder.gep(indices, [builder.add(carried[0], j)]))
            return [builder.and_(remaining[0], builder.sub(remaining[0], INT64(1)))]

        emit_loop(builder, found, 1, [bits], one)
        return [builder.add(carried[0], found)]

    (total,) = emit_loop(builder, num, BLOCK, [INT64(0)], block)
    return total


@intrinsic  # type: ignore[untyped-decorator]
def copy_shifted(typingctx: Any, out: Any, start: Any, source: Any, first: Any, num: Any, shift: Any) -> Any:
    """out[start + j] = source[first + j] + shift for j < num, of int32. Copies whole vectors: up to 15 numbers more."""
    signature = types.void(out, types.intp, source, types.intp, types.intp, types.int32)
    return signature, _generate_copy_shifted


def _generate_copy_shifted(context: Any, builder: Any, signature: Any, arguments: Sequence[Any]) -> Any:
    _, start, _, first, num, shift = arguments
    out = pointer_to(context, builder, signature, arguments, 0, start)
    source = pointer_to(context, builder, signature, arguments, 2, first)
    vector = ir.VectorType(INT32, lanes(4))
    shifts = splat(builder, shift, vector.count)

    def body(j: Any, carried: list[Any]) -> list[Any]:
        copied = load_vector(builder, vector, builder.gep(source, [j]))
        store_vector(builder, builder.add(copied, shifts), builder.gep(out, [j]))
        return carried

    emit_loop(builder, num, vector.count, [], body)
    return context.get_dummy_value()


@intrinsic  # type: ignore[untyped-decorator]
def copy(typingctx: Any, out: Any, start: Any, source: Any, first: Any, num: Any) -> Any:
    """out[start + j] = source[first + j] for j < num, of one type."""
    return types.void(out, types.intp, source, types.intp, types.intp), _generate_copy


def _generate_copy(context: Any, builder: Any, signature: Any, arguments: Sequence[Any]) -> Any:
    _, start, _, first, num = arguments
    out = pointer_to(context, builder, signature, arguments, 0, start)
    source = pointer_to(context, builder, signature, arguments, 2, first)
    cgutils.raw_memcpy(builder, out, source, num, signature.args[0].dtype.bitwidth // 8)
    return context.get_dummy_value()

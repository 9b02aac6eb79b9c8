"""The innermost loops of the engine, written as vectors so that sums stay in registers.

numba would store a row of sums in memory, because LLVM cannot see that it may stay in registers. So these loops are
written in LLVM's own language, with generic vectors: any processor runs them, in its widest registers. No fast-math
flag is set: every operation is rounded as written, and a multiplication is never fused with an addition.

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

VECTOR_BYTES = 64
MAX_VECTORS = 6
"""Of one tile of sums: 12 of AVX2's 16 registers, 6 of AVX-512's 32."""
BLOCK = 64
"""Inputs searched together for non-zeros: the bits of one word."""
INT64, INT32, INT8 = ir.IntType(64), ir.IntType(32), ir.IntType(8)
ALIGNMENTS = {"float": 4, "double": 8, "i32": 4, "i8": 1}
"""Alignment of a vector is that of its elements, since arrays begin anywhere."""


def lanes(itemsize: int) -> int:
    """Numbers in a vector."""
    return VECTOR_BYTES // itemsize


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
    return signature, _generate_add_rows


def _generate_add_rows(context: Any, builder: Any, signature: Any, arguments: Sequence[Any]) -> Any:
    _, start, _, offset, stride, _, first, _, first_value, num, vectors = arguments
    out, rows, indices, values = (
        _pointer(context, builder, signature, arguments, place, at)
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
        for c, total in enumerate(_sum_loop(builder, vector, rows, stride, indices, values, num, count)):
            _store(builder, total, builder.gep(out, [INT64(c * vector.count)]))
        builder.branch(end)
    builder.position_at_end(end)
    return context.get_dummy_value()


def _sum_loop(builder: Any, vector: Any, rows: Any, stride: Any, indices: Any, values: Any, num: Any,
              count: int) -> list[Any]:  # fmt: skip
    """The sums of `count` vectors of columns."""
    whole = isinstance(vector.element, ir.IntType)
    multiply, add = (builder.mul, builder.add) if whole else (builder.fmul, builder.fadd)

    def body(j: Any, sums: list[Any]) -> list[Any]:
        index = builder.zext(builder.load(builder.gep(indices, [j])), INT64)
        row = builder.gep(rows, [builder.mul(index, stride)])
        value = _splat(builder, builder.load(builder.gep(values, [j])), vector.count)
        parts = (_load(builder, vector, builder.gep(row, [INT64(c * vector.count)])) for c in range(count))
        return [add(total, multiply(value, part)) for total, part in zip(sums, parts, strict=True)]

    return _loop(builder, num, 1, [ir.Constant(vector, None)] * count, body)


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
        _pointer(context, builder, signature, arguments, array, at)
        for array, at in ((0, start), (2, place), (3, place), (5, row), (7, INT64(0)))
    )
    number, is_whole = signature.args[2].dtype, isinstance(signature.args[0].dtype, types.Integer)
    vector = ir.VectorType(context.get_value_type(number), lanes(number.bitwidth // 8))
    tau, leak, reaches, threshold = (_splat(builder, each, vector.count) for each in arguments[8:12])
    decay_input, hard = (builder.trunc(each, ir.IntType(1)) for each in (decay_input, hard))

    def body(c: Any, carried: list[Any]) -> list[Any]:
        x = _load(builder, ir.VectorType(INT32, vector.count) if is_whole else vector, builder.gep(sum_p, [c]))
        x = builder.sitofp(x, vector) if is_whole else x
        pointers = (builder.gep(each, [c]) for each in (scale_p, shift_p, potential_p))
        scale, shift, u = (_load(builder, vector, pointer) for pointer in pointers)
        current = builder.fadd(builder.fmul(x, scale), shift)
        decayed = builder.fadd(u, builder.fdiv(builder.fsub(current, u), tau))
        u = builder.select(decay_input, decayed, builder.fadd(builder.fmul(u, leak), current))
        fires = builder.fcmp_ordered(">=", u, reaches)  # ordered: not-a-number never fires
        after = builder.select(hard, ir.Constant(vector, None), builder.fsub(u, threshold))
        _store(builder, builder.select(fires, after, u), builder.gep(potential_p, [c]))
        _store(builder, builder.zext(fires, ir.VectorType(INT8, vector.count)), builder.gep(spike_p, [c]))
        bits = builder.bitcast(fires, ir.IntType(vector.count))
        return [builder.add(carried[0], builder.zext(builder.ctpop(bits), INT64))]

    columns = builder.mul(vectors, INT64(vector.count))
    (fired,) = _loop(builder, columns, vector.count, [INT64(0)], body)
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
    x = _pointer(context, builder, signature, arguments, 0, start)
    indices = _pointer(context, builder, signature, arguments, 3, first)
    kind = signature.args[0].dtype
    vector = ir.VectorType(context.get_value_type(kind), BLOCK)
    # unordered: not-a-number is a non-zero
    compare = builder.icmp_unsigned if isinstance(kind, types.Integer) else builder.fcmp_unordered

    def block(place: Any, carried: list[Any]) -> list[Any]:
        values = _load(builder, vector, builder.gep(x, [place]))
        bits = builder.bitcast(compare("!=", values, ir.Constant(vector, None)), INT64)
        base = builder.add(builder.trunc(place, INT32), shift)
        found = builder.ctpop(bits)

        def one(j: Any, remaining: list[Any]) -> list[Any]:
            lowest = builder.trunc(builder.cttz(remaining[0], ir.IntType(1)(1)), INT32)
            builder.store(builder.add(base, lowest), builder.gep(indices, [builder.add(carried[0], j)]))
            return [builder.and_(remaining[0], builder.sub(remaining[0], INT64(1)))]

        _loop(builder, found, 1, [bits], one)
        return [builder.add(carried[0], found)]

    (total,) = _loop(builder, num, BLOCK, [INT64(0)], block)
    return total


@intrinsic  # type: ignore[untyped-decorator]
def copy_shifted(typingctx: Any, out: Any, start: Any, source: Any, first: Any, num: Any, shift: Any) -> Any:
    """out[start + j] = source[first + j] + shift for j < num, of int32. Copies whole vectors: up to 15 numbers more."""
    signature = types.void(out, types.intp, source, types.intp, types.intp, types.int32)
    return signature, _generate_copy_shifted


def _generate_copy_shifted(context: Any, builder: Any, signature: Any, arguments: Sequence[Any]) -> Any:
    _, start, _, first, num, shift = arguments
    out = _pointer(context, builder, signature, arguments, 0, start)
    source = _pointer(context, builder, signature, arguments, 2, first)
    vector = ir.VectorType(INT32, lanes(4))
    shifts = _splat(builder, shift, vector.count)

    def body(j: Any, carried: list[Any]) -> list[Any]:
        copied = _load(builder, vector, builder.gep(source, [j]))
        _store(builder, builder.add(copied, shifts), builder.gep(out, [j]))
        return carried

    _loop(builder, num, vector.count, [], body)
    return context.get_dummy_value()


@intrinsic  # type: ignore[untyped-decorator]
def copy(typingctx: Any, out: Any, start: Any, source: Any, first: Any, num: Any) -> Any:
    """out[start + j] = source[first + j] for j < num, of one type."""
    return types.void(out, types.intp, source, types.intp, types.intp), _generate_copy


def _generate_copy(context: Any, builder: Any, signature: Any, arguments: Sequence[Any]) -> Any:
    _, start, _, first, num = arguments
    out = _pointer(context, builder, signature, arguments, 0, start)
    source = _pointer(context, builder, signature, arguments, 2, first)
    cgutils.raw_memcpy(builder, out, source, num, signature.args[0].dtype.bitwidth // 8)
    return context.get_dummy_value()


def _loop(
    builder: Any, end: Any, step: int, first: list[Any], body: Callable[[Any, list[Any]], list[Any]]
) -> list[Any]:
    """for j in range(0, end, step): carried = body(j, carried). Returns the last carried values."""
    before = builder.block
    loop, done = builder.append_basic_block("loop"), builder.append_basic_block("done")
    builder.cbranch(builder.icmp_signed(">", end, INT64(0)), loop, done)
    builder.position_at_end(loop)
    j = builder.phi(INT64)
    carried = [builder.phi(value.type) for value in first]
    last = body(j, carried)
    following = builder.add(j, INT64(step))
    latch = builder.block
    builder.cbranch(builder.icmp_signed("<", following, end), loop, done)
    builder.position_at_end(done)
    results = [builder.phi(value.type) for value in first]
    for phi, begun, continued in zip([j, *carried], [INT64(0), *first], [following, *last], strict=True):
        phi.add_incoming(begun, before)
        phi.add_incoming(continued, latch)
    for phi, begun, finished in zip(results, first, last, strict=True):
        phi.add_incoming(begun, before)
        phi.add_incoming(finished, latch)
    return results


def _pointer(context: Any, builder: Any, signature: Any, arguments: Sequence[Any], place: int, at: Any) -> Any:
    """Pointer to element `at` of the array that is argument number `place`."""
    array = context.make_array(signature.args[place])(context, builder, arguments[place])
    return builder.gep(array.data, [at])


def _splat(builder: Any, value: Any, count: int) -> Any:
    """A vector with `count` copies of a number."""
    undefined = ir.Constant(ir.VectorType(value.type, count), ir.Undefined)
    first = builder.insert_element(undefined, value, INT32(0))
    return builder.shuffle_vector(first, undefined, ir.Constant(ir.VectorType(INT32, count), None))


def _load(builder: Any, vector: Any, pointer: Any) -> Any:
    """Load a vector from any address."""
    return builder.load(builder.bitcast(pointer, vector.as_pointer()), align=ALIGNMENTS[str(vector.element)])


def _store(builder: Any, value: Any, pointer: Any) -> None:
    """Store a vector at any address."""
    builder.store(value, builder.bitcast(pointer, value.type.as_pointer()), align=ALIGNMENTS[str(value.type.element)])

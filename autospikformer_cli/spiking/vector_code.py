"""Pieces of loops in LLVM's own language, over vectors that any processor runs in its widest registers.

No fast-math flag is set: every operation is rounded as written, and a multiplication is never fused with an addition.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from llvmlite import ir

VECTOR_BYTES = 64
INT64, INT32, INT8 = ir.IntType(64), ir.IntType(32), ir.IntType(8)
ALIGNMENTS = {"float": 4, "double": 8, "i32": 4, "i8": 1}
"""Alignment of a vector is that of its elements, since arrays begin anywhere."""


def lanes(itemsize: int) -> int:
    """Numbers in a vector."""
    return VECTOR_BYTES // itemsize


def emit_loop(
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


def pointer_to(context: Any, builder: Any, signature: Any, arguments: Sequence[Any], place: int, at: Any) -> Any:
    """Pointer to element `at` of the array that is argument number `place`."""
    array = context.make_array(signature.args[place])(context, builder, arguments[place])
    return builder.gep(array.data, [at])


def splat(builder: Any, value: Any, count: int) -> Any:
    """A vector with `count` copies of a number."""
    undefined = ir.Constant(ir.VectorType(value.type, count), ir.Undefined)
    first = builder.insert_element(undefined, value, INT32(0))
    return builder.shuffle_vector(first, undefined, ir.Constant(ir.VectorType(INT32, count), None))


def load_vector(builder: Any, vector: Any, pointer: Any) -> Any:
    """Load a vector from any address."""
    return builder.load(builder.bitcast(pointer, vector.as_pointer()), align=ALIGNMENTS[str(vector.element)])


def store_vector(builder: Any, value: Any, pointer: Any) -> None:
    """Store a vector at any address."""
    builder.store(value, builder.bitcast(pointer, value.type.as_pointer()), align=ALIGNMENTS[str(value.type.element)])

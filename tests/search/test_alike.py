"""Candidates that agree in every measured number are one result: those that comparing each with each finds."""

from __future__ import annotations

from math import nan

from hypothesis import given
from hypothesis import strategies as st

from autospikformer_cli.count_tables import INPUTS, CountTable
from autospikformer_cli.measurement import Candidate, InputCount, Measurement
from autospikformer_cli.search.alike import different
from autospikformer_cli.search.fitness import Scored
from autospikformer_cli.space import parse_subnet

SUBNET = parse_subnet("(1, 4, 1, 1, 2, 4, 8)")
few = st.integers(0, 1)
found = st.lists(st.tuples(few, few, few, few, st.sampled_from([0.0, 1.0, nan])), max_size=12)


@given(found, st.booleans(), st.booleans())
def test_equal_results_are_those_that_are_equal_in_all(
    numbers: list[tuple[int, int, int, int, float]], is_priced: bool, is_stored: bool
) -> None:
    inputs = [(InputCount("only", (total,), (1,), 1, 1),) for _, total, _, _, _ in numbers]
    kept = CountTable.of(INPUTS, inputs).views() if is_stored else inputs
    scored = []
    for place, ((correct, _, silent, energy, value), counts) in enumerate(zip(numbers, kept, strict=True)):
        measured = Measurement(correct, 10, 1, counts, (), silent, answers=b"1" if silent else None)
        candidate = Candidate(f"c{place}", SUBNET, 0, measured, {"latency": value})
        scored.append(Scored(candidate, 10.0 * correct, float(energy) if is_priced else nan, nan))
    expected: list[list[int]] = []
    for place, own in enumerate(numbers):
        same = (each for each in expected if _shown(numbers[each[0]], is_priced) == _shown(own, is_priced))
        group = next(same, None)
        if group is None:
            expected.append([place])
        else:
            group.append(place)
    assert [alike.ids for alike in different(scored)] == [tuple(f"c{each}" for each in group) for group in expected]


def _shown(own: tuple[int, int, int, int, float], is_priced: bool) -> tuple[object, ...]:
    return (*own[:3], own[3] if is_priced else None, str(own[4]))

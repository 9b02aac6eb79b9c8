"""Counts in columns come back equal, one measurement at a time."""

from __future__ import annotations

import pickle
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autospikformer_cli.count_tables import INPUTS, SPIKES, CountTable, StoredCounts, quotients
from autospikformer_cli.measurement import InputCount, SpikeCount

numbers = st.integers(0, 2**62)


@st.composite
def input_counts(draw: st.DrawFn) -> InputCount:
    steps = draw(st.integers(0, 3))
    sums, nonzeros = (draw(st.tuples(*[numbers] * steps)) for _ in range(2))
    return InputCount(draw(st.sampled_from("abc")), sums, nonzeros, draw(numbers), draw(numbers))


measured = st.lists(st.lists(input_counts(), max_size=3).map(tuple), max_size=5)


@given(measured, st.data())
def test_counts_come_back(found: list[tuple[InputCount, ...]], data: st.DataObject) -> None:
    views = CountTable.of(INPUTS, found).views()
    assert views == found
    assert found == views
    assert [hash(view) for view in views] == [hash(each) for each in found]
    assert [len(view) for view in views] == [len(each) for each in found]
    assert pickle.loads(pickle.dumps(views)) == found  # noqa: S301
    for view, each in zip(views, found, strict=True):
        assert [view == other for other in views] == [each == other for other in found]
    chosen = data.draw(st.lists(st.integers(0, len(found) - 1), max_size=5)) if found else []
    part = CountTable.of(INPUTS, [views[place] for place in chosen])
    assert part.views() == [found[place] for place in chosen]
    assert set(part.names_in_use) == {each.layer for place in chosen for each in found[place]}


@given(measured)
def test_totals_and_products_are_exact(found: list[tuple[InputCount, ...]]) -> None:
    table = CountTable.of(INPUTS, found)
    layers = [each for counts in found for each in counts]
    assert table.totals("sums").tolist() == [sum(each.sums) for each in layers]
    assert table.num_steps.tolist() == [len(each.sums) for each in layers]
    assert table.products("size", table.num_steps).tolist() == [each.size * len(each.sums) for each in layers]


@given(st.lists(st.tuples(st.integers(0, 2**80), st.integers(1, 2**80)), min_size=1, max_size=5))
def test_quotients_are_those_of_python(pairs: Sequence[tuple[int, int]]) -> None:
    dividends, divisors = (np.array(column, object) for column in zip(*pairs, strict=True))
    assert quotients(dividends, divisors).tolist() == [a / b for a, b in pairs]


def test_nothing_is_divided_by_nothing() -> None:
    with pytest.raises(ZeroDivisionError):
        quotients(np.array([1, 2]), np.array([1, 0]))


def test_a_layer_without_steps_has_the_structure_of_no_other() -> None:
    found = [(SpikeCount("a", (0,), 3),), (SpikeCount("a", (), 3),), (SpikeCount("a", (5,), 4),)]
    table = CountTable.of(SPIKES, found)
    first, without, other = table.structures()
    assert (first == other, first == without) == (True, False)
    assert table.views()[0] != table.views()[1]
    assert repr(StoredCounts(table, 1)) == repr(found[1])

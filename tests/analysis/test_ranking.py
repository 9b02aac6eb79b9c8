"""Pairs and ranks of two columns, against definitions written out pair by pair."""

from __future__ import annotations

from itertools import combinations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import rankdata

from autospikformer_cli.analysis.ranking import PairCounts, pair_counts, ranks

TWO_COLUMNS = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=1, max_size=7)


@given(TWO_COLUMNS)
def test_pairs_and_ranks(rows: list[tuple[int, int]]) -> None:
    a, b = [row[0] for row in rows], [row[1] for row in rows]
    signs = [np.sign((a[i] - a[j]) * (b[i] - b[j])) for i, j in combinations(range(len(a)), 2)]
    assert pair_counts(a, b) == PairCounts(signs.count(1), signs.count(-1), signs.count(0))
    assert ranks(a) == (len(a) + 1 - rankdata(a)).tolist()

"""Least squares against statsmodels, and the bootstrap of slopes against scipy, on random columns with ties."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.stats import bootstrap

from autospikformer_cli.analysis.regression import (
    MOST_INFLATION,
    Untold,
    design_of,
    least_squares,
    resampled_moments,
    slopes_of,
    standardised,
)

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import statsmodels.api as sm
    from statsmodels.stats.outliers_influence import variance_inflation_factor

Floats = NDArray[np.float64]
NAMES = ("a", "b", "c", "d")


def tied_columns(seed: int, num: int = 120) -> tuple[dict[str, Floats], Floats]:
    """Four columns of few values, of which one leans on another, and two outcomes with ties."""
    random = np.random.default_rng(seed)
    a = random.integers(2, 5, num)
    b = random.choice([1.25, 1.5, 2.0, 5.0], num)
    c = a + random.integers(0, 3, num)
    d = random.choice([336.0, 384.0], num)
    y = np.column_stack([2.0 * a - b + random.normal(size=num), (0.01 * d - 0.3 * c + random.normal(size=num)).round()])
    return {name: np.asarray(column, np.float64) for name, column in zip(NAMES, (a, b, c, d), strict=True)}, y


def fitted_by_statsmodels(x: Floats, y: Floats) -> Any:
    return sm.OLS(y, sm.add_constant(x, has_constant="add")).fit()


@pytest.mark.parametrize("seed", range(8))
def test_slopes_and_r2_are_those_of_statsmodels(seed: int) -> None:
    columns, y_NK = tied_columns(seed)
    x_NP = np.column_stack(list(columns.values()))
    found = least_squares(x_NP, y_NK)
    for place in range(2):
        expected = fitted_by_statsmodels(x_NP, y_NK[:, place])
        assert found.slopes_PK[:, place] == pytest.approx(expected.params[1:], rel=1e-9)
        assert found.intercepts_K[place] == pytest.approx(expected.params[0], rel=1e-9)
        assert found.r2_K[place] == pytest.approx(expected.rsquared, rel=1e-9)


@pytest.mark.parametrize("seed", range(4))
def test_standardised_slopes_are_those_of_standardised_columns(seed: int) -> None:
    columns, y_NK = tied_columns(seed)
    x_NP = np.column_stack(list(columns.values()))
    natural = least_squares(x_NP, y_NK).slopes_PK
    scaled = least_squares(np.apply_along_axis(standardised, 0, x_NP), np.apply_along_axis(standardised, 0, y_NK))
    expected = natural * x_NP.std(axis=0)[:, None] / y_NK.std(axis=0)
    assert scaled.slopes_PK == pytest.approx(expected, rel=1e-9)


def test_with_collinear_columns_the_rest_is_that_of_statsmodels() -> None:
    """statsmodels takes the pseudo-inverse. What the dependent columns share does not touch the others."""
    columns, y_NK = tied_columns(3)
    columns |= {"twice": 2.0 * columns["a"] - 1.0, "constant": np.full(120, 4.0)}
    design = design_of(columns)
    assert design.modelled == ("a", "b", "c", "d")
    assert design.told == ("b", "c", "d")
    assert design.untold == {
        "constant": Untold("it is the same in every candidate"),
        "a": Untold("moves only with", ("twice",)),
        "twice": Untold("moves only with", ("a",)),
    }
    found = least_squares(np.column_stack([columns[name] for name in design.modelled]), y_NK)
    x_NP = np.column_stack([columns[name] for name in columns if name != "constant"])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # newer versions say that such columns have no unique slopes
        expected = fitted_by_statsmodels(x_NP, y_NK)
    assert found.slopes_PK[1:] == pytest.approx(expected.params[2:5], rel=1e-9)


def test_a_sum_of_columns_makes_all_of_them_untold() -> None:
    columns, _ = tied_columns(4)
    columns["e"] = columns["a"] + columns["d"]
    design = design_of(columns)
    assert set(design.untold) == {"a", "d", "e"}
    assert design.untold["e"] == Untold("moves only with", ("a", "d"))
    assert design.modelled == ("a", "b", "c", "d")


def test_columns_that_nearly_move_together_are_untold_by_their_inflation() -> None:
    columns, _ = tied_columns(5, 400)
    random = np.random.default_rng(1)
    for noise, is_told in ((0.6, True), (0.1, False)):
        near = columns | {"near": columns["b"] + noise * random.normal(size=400)}
        x_NC = sm.add_constant(np.column_stack(list(near.values())))
        inflation = variance_inflation_factor(x_NC, 5)
        assert bool(inflation < MOST_INFLATION) is is_told
        design = design_of(near)
        assert ("near" in design.told) is is_told
        if not is_told:
            assert set(design.untold) == {"b", "near"}
            assert design.untold["near"] == Untold(f"variance inflation {inflation:.3g}: moves with", ("b",))
            assert design.modelled == (*NAMES, "near"), "held constant for the others"


@pytest.mark.parametrize(("num", "rare", "why"), [
    (60, 0, "it is the same in every candidate"), (60, 9, "only 9 of 60 candidates differ in it"), (60, 10, None),
    (9, 4, "only 4 of 9 candidates differ in it"), (0, 0, "there is no candidate"),
])  # fmt: skip
def test_a_column_must_vary(num: int, rare: int, why: str | None) -> None:
    values = np.zeros(num)
    values[:rare] = 1.0
    assert design_of({"a": values}).untold == ({} if why is None else {"a": Untold(why)})


def test_few_rows_tell_nothing_and_rows_drawn_together_count_once() -> None:
    columns, _ = tied_columns(0, 25)
    assert design_of(columns).told == NAMES
    few = design_of({name: values[:24] for name, values in columns.items()})
    assert few.modelled == ()
    assert set(few.untold.values()) == {Untold("24 candidates are too few for 5 coefficients: 25 are needed")}
    assert design_of(columns, num_groups=24) == few


def slopes_by_scipy(x: Floats, y: Floats, seed: int, resamples: int) -> Any:
    """The percentile interval of each slope, from statsmodels' fit to every resample that scipy draws."""

    def slopes(rows: NDArray[np.int64]) -> Floats:
        found: Floats = fitted_by_statsmodels(x[rows], y[rows]).params[1:]
        return found

    return bootstrap(
        (np.arange(len(x)),), slopes, vectorized=False, n_resamples=resamples, method="percentile",
        rng=np.random.default_rng(seed),
    )  # fmt: skip


@pytest.mark.parametrize("seed", range(3))
def test_the_bootstrap_is_that_of_scipy_on_the_same_resamples(seed: int) -> None:
    columns, y_NK = tied_columns(seed)
    x_NP = np.apply_along_axis(standardised, 0, np.column_stack(list(columns.values())))
    y_NK = np.apply_along_axis(standardised, 0, y_NK)
    moments = resampled_moments(np.column_stack([np.ones(120), x_NP, y_NK]), seed, 150)
    slopes_RPK = slopes_of(moments, range(1, 5), range(5, 7))
    for place in range(2):
        expected = slopes_by_scipy(x_NP, y_NK[:, place], seed, 150)
        assert pytest.approx(expected.bootstrap_distribution, abs=1e-10) == slopes_RPK[:, :, place].T
        low, high = np.quantile(slopes_RPK[:, :, place], [0.025, 0.975], axis=0)
        assert low == pytest.approx(expected.confidence_interval.low, abs=1e-10)
        assert high == pytest.approx(expected.confidence_interval.high, abs=1e-10)


@settings(max_examples=20)
@given(st.integers(0, 99), st.integers(2, 12))
def test_groups_are_drawn_as_a_whole(seed: int, num_groups: int) -> None:
    random = np.random.default_rng(seed)
    groups = np.concatenate([np.arange(num_groups), random.integers(0, num_groups, 20)])
    columns_NC = np.column_stack([np.ones(len(groups)), random.normal(size=(len(groups), 2))])
    found = resampled_moments(columns_NC, seed, 7, groups)
    generator = np.random.default_rng(seed)
    for moments in found:
        drawn = generator.integers(0, num_groups, num_groups)
        rows = np.concatenate([columns_NC[groups == group] for group in drawn])
        assert moments == pytest.approx(rows.T @ rows / len(rows), abs=1e-12)


def test_many_rows_are_resampled_in_blocks_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(2)
    columns_NC = np.column_stack([np.ones(500), random.normal(size=(500, 3))])
    at_once = resampled_moments(columns_NC, 5, 9)
    monkeypatch.setattr("autospikformer_cli.analysis.regression._MOST_WEIGHTS", 1000)
    monkeypatch.setattr("autospikformer_cli.analysis.regression._ROWS_A_BLOCK", 64)
    assert resampled_moments(columns_NC, 5, 9) == pytest.approx(at_once, abs=1e-12)


def test_a_resample_without_variation_has_no_slope() -> None:
    columns_NC = np.column_stack([np.ones(4), [0.0, 0.0, 0.0, 1.0], [1.0, 2.0, 3.0, 4.0]])
    slopes = slopes_of(resampled_moments(columns_NC, 0, 400), [1], [2])[:, 0, 0]
    assert 0.2 < np.isnan(slopes).mean() < 0.5, "(3/4)^4 = 0.32 of resamples lack the last row; few have it alone"


def test_the_interval_holds_the_slope_as_often_as_it_says() -> None:
    """Of 200 samples of 150 rows, 95 % percentile intervals of a true slope of 1/2."""
    random, held = np.random.default_rng(0), 0
    for draw in range(200):
        x, other, noise = random.integers(0, 4, 150), random.integers(0, 2, 150), random.normal(size=150)
        columns_NC = np.column_stack([np.ones(150), x, other, 0.5 * x - other + noise])
        slopes = slopes_of(resampled_moments(columns_NC, draw, 300), [1, 2], [3])[:, 0, 0]
        low, high = np.quantile(slopes, [0.025, 0.975])
        held += bool(low <= 0.5 <= high)
    assert 0.9 <= held / 200 <= 0.98

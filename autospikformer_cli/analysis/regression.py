"""Least squares of several outcomes on the same columns: which slopes can be told, and their bootstrap.

Shapes: N rows, V columns that vary, P columns of the model, K outcomes, C columns of all of these with a column of
ones, R resamples.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

LEAST_DIFFERENT = 10
"""Of fewer rows that differ from a column's most frequent value, many resamples would have none."""
ROWS_A_COEFFICIENT = 5
"""Fewer rows for each coefficient are too few for an interval."""
MOST_INFLATION = 10.0
"""The largest variance inflation factor for which a slope is told; the usual limit."""
_DEPENDENT = 1e-9
"""Share of a column's variance below which other columns have determined it."""
_MOST_WEIGHTS = 1 << 23
"""Numbers of a block of resamples in memory at once: 64 MiB."""
_ROWS_A_BLOCK = 1 << 13


@dataclass(frozen=True)
class Untold:
    """Why a slope is undecided. others: the columns that it cannot be told from."""

    why: str
    others: tuple[str, ...] = ()


@dataclass(frozen=True)
class Design:
    """The columns of a regression.

    modelled: names of those with a coefficient, none of which the others determine. untold: by name, why a slope is not
    to be told. A column may be both: then it is held constant for the others, and its own slope is not told.
    """

    modelled: tuple[str, ...] = ()
    untold: Mapping[str, Untold] = field(default_factory=dict)

    @property
    def told(self) -> tuple[str, ...]:
        """Names of the columns whose slope is told."""
        return tuple(name for name in self.modelled if name not in self.untold)


def design_of(columns: Mapping[str, Floats], num_groups: int | None = None) -> Design:
    """Which of some columns a regression can tell apart.

    Not told are columns that do not vary or hardly do, those that others determine, and those with a variance inflation
    factor above 10 (1 / (1 - R^2), R^2 of the column on all others). With too few rows, none is told.
    num_groups: of rows that are resampled together; by default each row is one.
    """
    untold: dict[str, Untold] = {}
    varying: list[str] = []
    for name, values in columns.items():
        reason = _hardly_varies(values)
        if reason is None:
            varying.append(name)
        else:
            untold[name] = reason
    num = len(next(iter(columns.values()), ())) if num_groups is None else num_groups
    needed = ROWS_A_COEFFICIENT * (len(varying) + 1)
    if num < needed:
        few = Untold(f"{num} candidates are too few for {len(varying) + 1} coefficients: {needed} are needed")
        return Design((), {**untold, **dict.fromkeys(varying, few)})
    if not varying:
        return Design((), untold)
    scaled_NV = np.column_stack([standardised(columns[name]) for name in varying])
    dependent = _dependencies(scaled_NV)
    for place, others in dependent.items():
        untold[varying[place]] = Untold("moves only with", tuple(varying[other] for other in others))
    independent = _independent(scaled_NV)
    for place, inflation in zip(independent, _inflations(scaled_NV[:, independent]), strict=True):
        if inflation > MOST_INFLATION and place not in dependent:
            nearest = _nearest(scaled_NV, place, independent)
            untold[varying[place]] = Untold(f"variance inflation {inflation:.3g}: moves with", (varying[nearest],))
    return Design(tuple(varying[place] for place in independent), untold)


def standardised(values: Floats) -> Floats:
    """Values minus their mean, in units of their standard deviation (of the rows themselves: divided by N)."""
    scaled: Floats = (values - values.mean()) / values.std()
    return scaled


@dataclass(frozen=True)
class LinearFit:
    """A least-squares fit. r2_K: the share of each outcome's variance that it explains; nan for a constant outcome."""

    slopes_PK: Floats
    intercepts_K: Floats
    r2_K: Floats


def least_squares(x_NP: Floats, y_NK: Floats) -> LinearFit:
    """Ordinary least squares with an intercept: the slopes b that minimise |y - a - x b|^2, outcome by outcome."""
    design_NC = np.column_stack([np.ones(len(x_NP)), x_NP])
    coefficients_CK = np.asarray(np.linalg.lstsq(design_NC, y_NK, rcond=None)[0], np.float64)
    left_K = ((y_NK - design_NC @ coefficients_CK) ** 2).sum(axis=0)
    total_K = ((y_NK - y_NK.mean(axis=0)) ** 2).sum(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        r2_K: Floats = np.where(total_K > 0, 1 - left_K / total_K, np.nan)
    return LinearFit(coefficients_CK[1:], coefficients_CK[0], r2_K)


def resampled_moments(columns_NC: Floats, seed: int, resamples: int, groups_N: Integers | None = None) -> Floats:
    """Mean products of all pairs of columns, (R, C, C), over resamples of the rows, with replacement.

    Resample r draws as many row numbers as there are, by `Generator.integers`, one resample after the other. With w_ri
    how often it has row i, its moments are sum_i w_ri x_ic x_id / sum_i w_ri. All that a regression needs is in them.
    Column 0 is ones. groups_N: the group of each row, from 0 on, if groups of rows are drawn, and not single rows.
    """
    num, width = columns_NC.shape
    groups = np.arange(num) if groups_N is None else groups_N
    num_groups = int(groups.max()) + 1
    first, second = np.triu_indices(width)
    generator = np.random.default_rng(seed)
    sums = np.zeros((resamples, len(first)))
    many = max(1, _MOST_WEIGHTS // num)
    for begin in range(0, resamples, many):
        some = sums[begin : begin + many]
        drawn = (generator.integers(0, num_groups, num_groups) for _ in range(len(some)))
        times = np.array([np.bincount(each, minlength=num_groups)[groups] for each in drawn], np.float64)
        for row in range(0, num, _ROWS_A_BLOCK):
            part = columns_NC[row : row + _ROWS_A_BLOCK]
            some += times[:, row : row + _ROWS_A_BLOCK] @ (part[:, first] * part[:, second])
    moments_RCC = np.empty((resamples, width, width))
    moments_RCC[:, first, second] = moments_RCC[:, second, first] = sums / sums[:, :1]
    return moments_RCC


def slopes_of(moments_RCC: Floats, x: Sequence[int], y: Sequence[int]) -> Floats:
    """The slopes (R, P, K) of columns y on columns x in every resample; nan where x cannot be told apart.

    moments_RCC: as `resampled_moments` returns them, column 0 being ones; the others standardised.
    """
    means_RC = moments_RCC[:, 0, :]
    covariances_RCC = moments_RCC - means_RC[:, :, None] * means_RC[:, None, :]
    x_RPP = covariances_RCC[:, list(x)][:, :, list(x)]
    y_RPK = covariances_RCC[:, list(x)][:, :, list(y)]
    slopes_RPK = np.full(y_RPK.shape, np.nan)
    if x_RPP.shape[1]:
        solvable = np.linalg.eigvalsh(x_RPP)[:, 0] > _DEPENDENT
        slopes_RPK[solvable] = np.linalg.solve(x_RPP[solvable], y_RPK[solvable])
    return slopes_RPK


def _hardly_varies(values: Floats) -> Untold | None:
    if not len(values):
        return Untold("there is no candidate")
    different, counts = np.unique(values, return_counts=True)
    if len(different) == 1:
        return Untold("it is the same in every candidate")
    rest = len(values) - int(counts.max())
    if rest < LEAST_DIFFERENT:
        return Untold(f"only {rest} of {len(values):,} candidates differ in it")
    return None


def _independent(scaled_NV: Floats) -> list[int]:
    """Columns, the first first, without those that earlier ones determine."""
    found: list[int] = []
    basis: list[Floats] = []
    for place, column in enumerate(scaled_NV.T):
        left = column.copy()
        for _ in range(2):  # the second time removes what rounding left
            for direction in basis:
                left -= (direction @ left) * direction
        size = float(np.sqrt(left @ left))
        if size * size > _DEPENDENT * len(column):
            found.append(place)
            basis.append(left / size)
    return found


def _dependencies(scaled_NV: Floats) -> dict[int, list[int]]:
    """By column that others determine, these others: all that share a linear dependency with it."""
    values, vectors = np.linalg.eigh(scaled_NV.T @ scaled_NV / len(scaled_NV))
    found: dict[int, set[int]] = {}
    for vector in vectors.T[values < _DEPENDENT]:
        members = set(np.flatnonzero(np.abs(vector) > 1e-6).tolist())
        for place in members:
            found.setdefault(place, set()).update(members - {place})
    return {place: sorted(others) for place, others in sorted(found.items())}


def _inflations(scaled_NP: Floats) -> Floats:
    """The variance inflation factor of each column: the diagonal of the inverse of their correlations."""
    return np.diag(np.linalg.inv(scaled_NP.T @ scaled_NP / len(scaled_NP)))


def _nearest(scaled_NV: Floats, place: int, among: Sequence[int]) -> int:
    """The other column with the largest correlation."""
    others = [other for other in among if other != place]
    return max(others, key=lambda other: abs(float(scaled_NV[:, place] @ scaled_NV[:, other])))

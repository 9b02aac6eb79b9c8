"""The effect of each gene on firing rate, energy and accuracy, over the candidates of an archive.

The model is additive, fitted by least squares to all genes together:

    outcome = a + sum_g b_g x_g + error

x_g is the gene's value; of a gene with a value for each block, the mean over blocks. b_g is its slope: how the outcome
changes for one more unit of the gene if the others stay. Times sd(x_g) / sd(outcome) it is standardised.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from autospikformer_cli.analysis.gene_shares import GENES
from autospikformer_cli.analysis.ranking_noise import CONFIDENCE, RESAMPLES
from autospikformer_cli.analysis.regression import (
    Design,
    Floats,
    Integers,
    Untold,
    design_of,
    least_squares,
    resampled_moments,
    slopes_of,
    standardised,
)
from autospikformer_cli.space import BLOCK_GENES, Subnet

OUTCOMES = ("firing_rate", "energy_j", "top1")
"""Spikes a neuron and time step, joules of an image, and percent."""
GENE_WORDS = {
    "depth": "depth", "mlp_ratio": "MLP ratio", "num_heads": "heads", "threshold": "threshold", "tau": "tau",
    "time_step": "T", "embed_dim": "dimension",
}  # fmt: skip
"""What sentences call a gene."""
SMALL = 0.1
"""A standardised effect below this is called small, after Cohen (1988)."""
MOST_WITHOUT_SLOPE = 0.05
"""If more resamples than this share leave a slope undefined, it is not told."""


class Estimate(NamedTuple):
    """A number with its 95 % bootstrap interval."""

    value: float
    low: float
    high: float

    def scaled(self, factor: float) -> Estimate:
        """In other units. The factor is positive."""
        return Estimate(self.value * factor, self.low * factor, self.high * factor)

    def lies_beyond(self, size: float) -> bool:
        """Whether the whole interval is farther from 0 than `size`, on one side."""
        return self.low > size or self.high < -size

    def lies_within(self, size: float) -> bool:
        """Whether the whole interval is nearer to 0 than `size`."""
        return -size < self.low and self.high < size


@dataclass(frozen=True)
class GeneEffect:
    """A gene's effect on an outcome.

    slope: for one more unit of the gene, in the outcome's unit. standardised: in standard deviations of both. bend: the
    standardised coefficient of the gene's square next to its slope; None if the archive cannot tell.
    """

    gene: str
    outcome: str
    slope: Estimate
    standardised: Estimate
    bend: Estimate | None = None

    @property
    def is_curved(self) -> bool:
        """Whether the outcome bends by more than a small effect, so that the slope is the mean trend of a curve."""
        return self.bend is not None and self.bend.lies_beyond(SMALL)


@dataclass(frozen=True)
class OutcomeFit:
    """How an outcome varies, and the share of its variance that the model explains. why_not: why there is no fit."""

    outcome: str
    mean: float | None = None
    deviation: float | None = None
    r2: float | None = None
    why_not: str = ""


@dataclass(frozen=True)
class GeneEffects:
    """The effects that an archive tells, by gene and outcome. untold: why it tells no other.

    num_candidates: those fitted. slopes_RPK: standardised slopes of all resamples, of the genes `modelled`, on the
    outcomes `fitted`.
    """

    num_candidates: int
    resamples: int
    seed: int
    outcomes: tuple[OutcomeFit, ...]
    effects: Mapping[tuple[str, str], GeneEffect]
    untold: Mapping[tuple[str, str], str]
    modelled: tuple[str, ...] = ()
    fitted: tuple[str, ...] = ()
    slopes_RPK: Floats | None = field(default=None, compare=False, repr=False)

    def how_much_larger(self, gene: str, other: str, outcome: str) -> Estimate | str:
        """The difference of two standardised slopes in size, |b_gene| - |b_other|; a text says why there is none."""
        for each in (gene, other):
            if (each, outcome) in self.untold:
                return f"{GENE_WORDS[each]}: {self.untold[each, outcome]}"
        sizes = [abs(self.effects[each, outcome].standardised.value) for each in (gene, other)]
        assert self.slopes_RPK is not None
        place = self.fitted.index(outcome)
        drawn = [np.abs(self.slopes_RPK[:, self.modelled.index(each), place]) for each in (gene, other)]
        found = _estimate(sizes[0] - sizes[1], drawn[0] - drawn[1])
        return "too many resamples leave a slope undefined" if found is None else found


def gene_columns(subnets: Sequence[Subnet]) -> dict[str, Floats]:
    """Each gene's value in each subnet; the mean over blocks of a gene that has one for each.

    >>> from autospikformer_cli.space import parse_subnet
    >>> columns = gene_columns([parse_subnet("(2, 3, 4, 6, 12, 1, 1, 2, 5, 4, 348)")])
    >>> columns["mlp_ratio"].tolist(), columns["tau"].tolist(), columns["depth"].tolist()
    ([3.5], [3.5], [2.0])
    """
    columns = {}
    for gene in GENES:
        values = [getattr(subnet, gene) for subnet in subnets]
        if gene in BLOCK_GENES:
            values = [sum(of_blocks) / len(of_blocks) for of_blocks in values]
        columns[gene] = np.array(values, np.float64)
    return columns


def gene_effects(
    subnets: Sequence[Subnet], outcomes: Mapping[str, Sequence[float] | None], seed: int, resamples: int = RESAMPLES,
    networks: Sequence[int] | None = None,
) -> GeneEffects:  # fmt: skip
    """The effects of all genes on some outcomes, with percentile intervals over resamples of the candidates.

    outcomes: by name, the value of each subnet, all finite; None if the network has no such value. networks: a number
    for each subnet, from 0 on, the same for those that differ in genes without effect alone. They are drawn together.
    """
    columns, groups_N = gene_columns(subnets), np.array(range(len(subnets)) if networks is None else networks)
    num_groups = len(np.unique(groups_N))
    design = design_of(columns, num_groups)
    why_not = {name: _why_not(values) for name, values in outcomes.items()}
    untold = {(gene, name): _text(reason) for gene, reason in design.untold.items() for name in outcomes}
    untold |= {(gene, name): why for name, why in why_not.items() if why for gene in GENES}
    known = {name: values for name, values in outcomes.items() if values is not None and not why_not[name]}
    if not design.told or not known:
        fits = tuple(_outcome_fit(name, values, None, why_not[name]) for name, values in outcomes.items())
        return GeneEffects(len(subnets), resamples, seed, fits, {}, untold)
    y_NK = _side_by_side([np.array(values) for values in known.values()], len(subnets))
    model = _Model(columns, design, y_NK, num_groups)
    slopes_RPK, bends_RBK = model.resampled(seed, resamples, groups_N)
    effects: dict[tuple[str, str], GeneEffect] = {}
    for gene in design.told:
        for place, name in enumerate(known):
            effect = model.effect(gene, place, name, slopes_RPK, bends_RBK)
            if effect is None:
                untold[gene, name] = "too many resamples leave its slope undefined"
            else:
                effects[gene, name] = effect
    r2 = dict(zip(known, model.fit.r2_K.tolist(), strict=True))
    fits = tuple(_outcome_fit(name, values, r2.get(name), why_not[name]) for name, values in outcomes.items())
    return GeneEffects(
        len(subnets), resamples, seed, fits, effects, untold, design.modelled, tuple(known), slopes_RPK
    )  # fmt: skip


class _Model:
    """The standardised columns of the fit: modelled genes, squares of those that are told, and outcomes."""

    def __init__(self, columns: Mapping[str, Floats], design: Design, y_NK: Floats, num_groups: int) -> None:
        scaled = {gene: standardised(columns[gene]) for gene in design.modelled}
        found = {f"{gene} squared": _square(scaled[gene]) for gene in design.told}
        squares = {name: values for name, values in found.items() if values is not None}
        bent = set(design_of(scaled | squares, num_groups).told)
        self._genes = design.modelled
        self._bent = tuple(gene for gene in design.told if f"{gene} squared" in bent)
        self._deviations_K = y_NK.std(axis=0)
        self._deviations = {gene: float(columns[gene].std()) for gene in self._genes}
        self._x_NP = _side_by_side([scaled[gene] for gene in self._genes], len(y_NK))
        self._q_NB = _side_by_side([squares[f"{gene} squared"] for gene in self._bent], len(y_NK))
        self._y_NK = (y_NK - y_NK.mean(axis=0)) / self._deviations_K
        self.fit = least_squares(self._x_NP, self._y_NK)
        self._bent_fit = least_squares(np.column_stack([self._x_NP, self._q_NB]), self._y_NK)

    def resampled(self, seed: int, resamples: int, groups_N: Integers) -> tuple[Floats, Floats]:
        """Standardised slopes (R, P, K), and coefficients of the squares (R, B, K), of every resample."""
        columns = (np.ones((len(self._y_NK), 1)), self._x_NP, self._q_NB, self._y_NK)
        moments_RCC = resampled_moments(np.column_stack(columns), seed, resamples, groups_N)
        genes, both = 1 + len(self._genes), 1 + len(self._genes) + len(self._bent)
        y = range(both, both + self._y_NK.shape[1])
        return slopes_of(moments_RCC, range(1, genes), y), slopes_of(moments_RCC, range(1, both), y)[:, genes - 1 :]

    def effect(self, gene: str, place: int, name: str, slopes_RPK: Floats, bends_RBK: Floats) -> GeneEffect | None:
        """The effect of a gene on the outcome at a place; None if too many resamples have none."""
        row = self._genes.index(gene)
        scaled = _estimate(float(self.fit.slopes_PK[row, place]), slopes_RPK[:, row, place])
        if scaled is None:
            return None
        natural = scaled.scaled(float(self._deviations_K[place]) / self._deviations[gene])
        if gene not in self._bent:
            return GeneEffect(gene, name, natural, scaled)
        number = self._bent.index(gene)
        bend = _estimate(float(self._bent_fit.slopes_PK[len(self._genes) + number, place]), bends_RBK[:, number, place])
        return GeneEffect(gene, name, natural, scaled, bend)


def _side_by_side(columns: Sequence[Floats], num_rows: int) -> Floats:
    return np.column_stack(columns) if columns else np.empty((num_rows, 0))


def _square(scaled_N: Floats) -> Floats | None:
    """What a line leaves of the squares, standardised; None for fewer than three values."""
    if len(np.unique(scaled_N)) < 3:
        return None
    squares = scaled_N**2
    left = squares - squares.mean() - (squares @ scaled_N / len(scaled_N)) * scaled_N
    return standardised(left)


def _estimate(value: float, drawn: Floats) -> Estimate | None:
    """A value with the percentile interval of what resamples gave; None if too many of them gave nothing."""
    defined = drawn[~np.isnan(drawn)]
    if len(defined) < (1 - MOST_WITHOUT_SLOPE) * len(drawn):
        return None
    low, high = np.quantile(defined, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return Estimate(value, float(low), float(high))


def _why_not(values: Sequence[float] | None) -> str:
    """Why an outcome has no fit; "" if it has one."""
    if values is None:
        return "an ANN has no firing rate"
    return "" if len(set(values)) > 1 else "it is the same for every candidate"


def _outcome_fit(name: str, values: Sequence[float] | None, r2: float | None, why_not: str) -> OutcomeFit:
    if not values:
        return OutcomeFit(name, why_not=why_not)
    return OutcomeFit(name, float(np.mean(values)), float(np.std(values)), r2, why_not)


def _text(reason: Untold) -> str:
    others = " and ".join(GENE_WORDS[each] for each in reason.others)
    return f"{reason.why} {others}".rstrip()

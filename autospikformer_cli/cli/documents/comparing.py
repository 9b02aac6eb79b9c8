"""Documents of `aspk compare`."""

from __future__ import annotations

from autospikformer_cli.cli.documents.parts import Document, Part
from autospikformer_cli.cli.documents.searching import BoundsDocument, CandidateDocument


class FitnessDocument(Part):
    """F_AEB of a search under one alpha, between the bounds of the comparison."""

    alpha: float
    """Weight of energy."""
    best: float | None
    """Of the best candidate; null without candidates."""
    mean_of_best: float | None
    """Mean of the best 10, or of all if there are fewer."""
    mean: float | None
    """Mean of the candidates that are taken."""


class ComparedDocument(Part):
    """A search among others."""

    run: str
    """The run's folder."""
    search: str
    """The search's name."""
    setting: str
    """The name of it and of those that differ from it in the seed alone, as findings have it."""
    alpha: float
    """Its weight of energy, by which its best are taken."""
    seed: int
    """Of the search."""
    trained_seed: int
    """Of the supernet's training."""
    finished: bool
    """Whether it has ended."""
    num_candidates: int
    """Ranked subnets."""
    num_rejected: int
    """Subnets that are not ranked."""
    num_taken: int
    """Those that tau, front and mean are of."""
    num_different: int
    """Of these, those that differ in any measured number."""
    pareto: list[str]
    """Ids of the front in the search's objectives."""
    num_pareto_points: int
    """Distinct points of the front: subnets with equal objectives are one."""
    hypervolume: float | None
    """Share of the comparison's box that all ranked subnets dominate; null without one."""
    kendall_tau: float | None
    """Between accuracy and energy; null if undefined."""
    tau_interval: list[float] | None
    """Its 95 % interval; null for fewer than 10 results."""
    fitness: list[FitnessDocument]
    """Under each alpha that one of the searches has."""
    best: CandidateDocument | None
    """The best subnet under its alpha; null without candidates."""


class BoxDocument(Part):
    """The box whose dominated share is the hypervolume."""

    objectives: list[str]
    """Names of the objectives."""
    reference: list[float]
    """The box's worst corner, in the objectives' units."""
    ideal: list[float]
    """Its best corner."""


class MeasureDocument(Part):
    """One measure of two settings. Of every measure, more is better."""

    measure: str
    """Its name."""
    first: list[float]
    """The first setting's values, seed by seed; its mean without common seeds."""
    second: list[float]
    """The second setting's."""
    mean_difference: float
    """First minus second."""
    difference_interval: list[float] | None
    """Student's 95 % interval of the mean difference over seeds; null for fewer than two pairs."""
    first_better: int
    """Pairs in which the first is better."""
    second_better: int
    """Pairs in which the second is better."""
    p: float | None
    """Wilcoxon's signed-rank test, exact and two-sided; null without pairs."""


class ContrastDocument(Part):
    """Two settings."""

    first: str
    """The first setting."""
    second: str
    """The second setting."""
    seeds: list[int]
    """Seeds of the searches that make pairs."""
    trained_seeds: list[int]
    """Seeds of their trainings."""
    measures: list[MeasureDocument]
    """Every measure that both have."""
    least_p: float | None
    """The smallest p that so many pairs can give; null without pairs."""
    finding: str | None
    """Which setting leads by more than chance, or that none does; null if no measure prefers one."""


class CompareDocument(Document):
    """Searches under common bounds."""

    findings: list[str]
    """A sentence for each two settings; first those whose measures disagree."""
    warnings: list[str]
    """What makes the comparison less fair. Searches are named by their place from 1 on."""
    not_shown: list[str]
    """What the numbers do not show."""
    best_num: int | None
    """N of --best; null for all."""
    energy_profile: str
    """The hardware that all are priced for."""
    energy_convention: str
    """The convention that all are priced by."""
    unpriced: list[str]
    """Operations of the space's largest subnet that the profile has no figure for, and that no energy here has."""
    bounds: BoundsDocument | None
    """Extremes of all ranked subnets; null without any."""
    reference: BoxDocument | None
    """The hypervolume's box, between the extremes of all ranked subnets; null if it has none in an objective."""
    tau_method: str
    """How the intervals of tau are computed."""
    searches: list[ComparedDocument]
    """The searches in the order asked."""
    coverage: list[list[float | None]]
    """Row by row: the share of each search's front that the row's front covers; null for an empty front."""
    differences: list[ContrastDocument]
    """Every two settings."""

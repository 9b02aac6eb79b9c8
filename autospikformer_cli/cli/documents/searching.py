"""Documents of `aspk search`, and of a search in `aspk report`."""

from __future__ import annotations

from autospikformer_cli.cli.documents.parts import (
    Document,
    FidelityFields,
    Part,
    PlanFields,
    ProvenanceDocument,
    SizeFields,
)


class SearchPlanDocument(Document, PlanFields, SizeFields, FidelityFields):
    """What a search would do, or each of several."""

    searches: int
    """Number of searches."""
    images: int
    """Images that each subnet is measured on."""
    calibration_images: int
    """Images that recalibrate BatchNorm; 0 if it is not recalibrated."""
    evaluations: int
    """Subnets that would be measured."""
    steps: int
    """Batches that would be evaluated."""
    recalibration_bytes: int
    """Memory of the largest layer for all calibration images."""
    evaluation_bytes: int
    """Memory of the largest layer for a batch."""
    stems_bytes: int
    """Memory of cached stems."""
    waiting_bytes: int
    """Memory of spikes that wait."""
    memory_bytes: int
    """Estimate of all of it."""


class CandidateWithoutFitness(Part):
    """A subnet that a search measured."""

    id: str
    """Its id, which --subnet takes."""
    subnet: list[float]
    """The paper's tuple."""
    top1: float
    """Accuracy in percent."""
    top1_interval: list[float]
    """Its 95 % interval, in percent."""
    energy_j: float | None
    """Joules of an image; null if this aspk lacks the profile or the convention that the run names."""
    params: int
    """Parameters."""
    generation: int
    """The generation that proposed it; -1 or 0 for the baseline."""
    firing_rate: float | None
    """Spikes a neuron and time step; null for an ANN."""
    silent_channels: int
    """Channels without variance on the calibration images."""
    silent_layers: list[str]
    """Layers whose neurons hardly fire, by their names in `aspk energy`."""
    silent_blocks: list[int]
    """Blocks whose neurons hardly fire, from 0 on."""
    correct: int
    """Images that it got right."""
    images: int
    """Images that it was measured on."""
    objectives: dict[str, float | None]
    """Its value in each objective of a plugin; null if that is not finite."""


class CandidateDocument(CandidateWithoutFitness):
    """A subnet that a search measured, with its fitness."""

    fitness: float | None
    """F_AEB; null if it is undefined."""


class AlikeFields(Part):
    """A ranked subnet next to the others."""

    equal: list[str]
    """Ids of the subnets that agree with it in every measured number."""
    p_baseline: float | None
    """McNemar's exact test against the baseline's answers; null if either has none stored."""


class RankedDocument(CandidateDocument, AlikeFields):
    """A ranked subnet."""


class RankedWithoutFitness(CandidateWithoutFitness, AlikeFields):
    """A ranked subnet, for no alpha."""


class AlphaDocument(RankedDocument):
    """The best subnet for one alpha."""

    alpha: float
    """Weight of energy in the fitness."""


class BoundsDocument(Part):
    """What counts as 0 and as 1 in the fitness."""

    top1: list[float]
    """Percent."""
    energy_j: list[float]
    """Joules of an image."""


class HypervolumeDocument(Part):
    """The dominated share of a box."""

    objectives: list[str]
    """Names of the objectives."""
    reference: list[float]
    """The box's worst corner, in the objectives' units."""
    ideal: list[float]
    """Its best corner."""
    by_generation: list[float]
    """The share after each generation, 0 to 1."""


class RankingNoiseDocument(Part):
    """The accuracies of the candidates, next to what is known of each."""

    widest_interval: float
    """Width of the widest 95 % interval of an accuracy, in points of percent."""
    spread: float
    """Highest minus lowest accuracy, in points."""
    num_apart: int | None
    """Candidates that McNemar's exact test tells from the most accurate; null if the spread is wider, or untested."""
    mostly_chance: bool
    """Whether the spread is within the interval, and less than half of the others differ from the most accurate."""


class PredictedOutcomeDocument(Part):
    """How far predictions order candidates as measuring them does."""

    outcome: str
    """top1 or energy_j."""
    kendall_tau: float | None
    """Tau-b between what was predicted and what was measured; null if undefined."""
    tau_interval: list[float] | None
    """Its 95 % interval; null if it has none."""


class PredictorDocument(Part):
    """A search's predictor, cross-validated: each candidate is predicted by a model that was fitted without it."""

    model: str
    """What predicts, from what."""
    num_candidates: int
    """Candidates that it was fitted on."""
    folds: int
    """Parts that were left out in turn."""
    outcomes: list[PredictedOutcomeDocument]
    """Accuracy and energy."""


class CorrectedDocument(Part):
    """The accuracy of what was chosen as the best of many, corrected for having been chosen by the same images."""

    top1: float
    """As measured, in percent."""
    top1_corrected: float
    """Without the flattery, in percent."""
    top1_corrected_interval: list[float]
    """The 95 % interval of the true accuracy on images like these."""
    flattery: float
    """What choosing adds to the measured accuracy on average, in points."""


class RejectedDocument(Part):
    """A subnet that was measured and is not ranked."""

    id: str
    """Its id."""
    subnet: list[float]
    """The paper's tuple."""
    reason: str
    """Why."""
    objectives: dict[str, float | None]
    """Its value in each objective of a plugin; null if that is not finite."""


class ObjectiveDocument(Part):
    """An objective of a plugin that the recipe names. Each candidate has its value."""

    name: str
    """Its name."""
    label: str
    """What tables call it."""
    unit: str
    """Its unit; an empty text for none."""
    better: str
    """more or less."""


class SearchFields(Part):
    """What a search found, best first."""

    run: str
    """The run's folder."""
    search: str
    """The search's name."""
    best: str | None
    """Id of the candidate that the search chose; null for none."""
    first_corrected: CorrectedDocument | None
    """That of the first candidate; null for one alone, without answers by image, and with bounds by generation."""
    price_remarks: list[str]
    """Limits that candidates break under these prices alone, in words."""
    weights_remark: str
    """That the run's supernet is not the one that these candidates were measured with; else empty."""
    objectives: list[ObjectiveDocument]
    """The objectives of plugins."""
    candidates: list[RankedDocument]
    """Every ranked subnet, the best fitness first; with --best N, the first N."""
    best_num: int | None
    """N of --best: num_different, pareto and kendall_tau are of the best N; null for all."""
    num_ranked: int
    """Number of ranked subnets."""
    num_different: int
    """Number of candidates that differ in any measured number."""
    pareto: list[str]
    """Ids of the Pareto front."""
    num_pareto_points: int
    """Its distinct points: subnets with equal accuracy and energy are one."""
    baseline: CandidateDocument | None
    """What they are compared with; no part of the population."""
    kendall_tau: float | None
    """Between accuracy and energy; null if undefined."""
    ranking_noise: RankingNoiseDocument | None
    """How far chance decides the order by accuracy; null for fewer than two candidates."""
    predictor: PredictorDocument | None
    """How well the algorithm predicts; null for one that does not, and before the search has ended."""
    hypervolume: HypervolumeDocument | None
    """null without a baseline."""
    alpha: float
    """Weight of energy in the fitness."""
    bounds: BoundsDocument | None
    """Bounds of the fitness; null if each generation has its own, and without energies."""
    generation_bounds: dict[str, BoundsDocument | None] | None
    """Those of each generation, by its number."""
    rejected: list[RejectedDocument]
    """Subnets that are not ranked."""
    provenance: ProvenanceDocument
    """What the numbers rest on."""


class SearchDocument(Document, SearchFields):
    """What a search found, best first."""


class WatchDocument(Document):
    """A watched search. There is one for each change, on a line of its own (JSON Lines). The last has the report."""

    run: str
    """The run's folder."""
    search: str | None
    """The search's name; null while there is none."""
    stage: str
    """waiting, training, searching, or at the end finished or stopped."""
    says: str
    """What is waited for, or how it ended, in words."""
    epochs_done: int | None
    """Epochs of the supernet's training that are done; null before its first save, as for the next."""
    epochs: int | None
    """All epochs of the training."""
    generations_done: int | None
    """Generations of the search that are done; null while it is not under way, as for the next."""
    generations: int | None
    """All generations of the search."""
    measured: int
    """Subnets that it has measured, or taken over."""
    total: int | None
    """Subnets of the whole search; null if it is not under way, and in the file of an older aspk."""
    best: RankedDocument | None
    """The best by F_AEB so far."""
    front: list[RankedDocument]
    """The Pareto front so far."""
    hypervolume: float | None
    """After the last generation that is done; null without a baseline, and before the first."""
    remaining_s: float | None
    """Estimate of the seconds that are left, at the mean pace so far, as of the last save; null if it is not known."""
    resume: str | None
    """The command that goes on with a search that was stopped."""
    report: SearchFields | None
    """In the last document: what aspk report finds. null before."""


class AlphaSweepDocument(Document):
    """The best subnet for each alpha."""

    run: str
    """The run's folder."""
    searches: list[str]
    """Names of the searches that measured the candidates."""
    objectives: list[ObjectiveDocument]
    """The objectives of plugins."""
    alpha_sweep: list[AlphaDocument]
    """For alpha 0, 0.1, ..., 1."""
    pareto: list[RankedWithoutFitness]
    """The Pareto front."""
    num_candidates: int
    """Ranked subnets of all searches."""
    num_searches: int
    """Searches that measured them."""
    weights_remark: str
    """That the run's supernet is not the one that these candidates were measured with; else empty."""
    ranking_noise: RankingNoiseDocument | None
    """How far chance decides the order by accuracy; null for fewer than two candidates."""
    baseline: CandidateWithoutFitness | None
    """What they are compared with."""
    bounds: BoundsDocument | None
    """Bounds of the fitness."""
    provenance: ProvenanceDocument
    """What the numbers rest on, without the switches by which each search selected."""

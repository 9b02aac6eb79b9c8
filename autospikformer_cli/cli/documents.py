"""The documents of --json: every field of every command, with its type and its meaning. docs/json.md is made of it.

from autospikformer_cli.cli.documents import SearchDocument

found = SearchDocument.model_validate_json(text)
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

Setting = bool | int | float | str
"""A value of a recipe key."""


class Part(BaseModel):
    """A part of a document. No field is missing, and none is unknown."""

    model_config = ConfigDict(extra="forbid", strict=True, use_attribute_docstrings=True)


class Document(Part):
    """What a command writes: one JSON object."""

    schema_version: int
    """1. A larger number marks a document that a reader of this one would misread. New fields do not change it."""


class FaultFields(Part):
    """One mistake."""

    error: str
    """What is wrong."""
    where: str | None
    """File and line, key or option, if known."""
    fix: str | None
    """What to type or change, if known."""


class ErrorDocument(Document, FaultFields):
    """A command that ends with another exit code than 0. The same message is on standard error."""

    exit_code: int
    """2: a mistake that you can repair. 1: a bug. 130: interrupted."""
    faults: list[FaultFields]
    """All mistakes that were found together. error, where and fix are those of the first."""


class FidelityFields(Part):
    """The readings of the paper in force."""

    fidelity: str
    """sound, paper or authors."""
    switches: list[str]
    """Switches that differ from what fidelity and energy convention say, as TOML."""
    resolved: dict[str, Setting]
    """Every switch with its value in force."""


class TrainDocument(Document, FidelityFields):
    """A training at its end."""

    run: str
    """The run's folder."""
    recipe: str
    """The recipe's name."""
    epochs: int
    """Epochs trained."""
    steps: int
    """Steps of the optimizer."""
    images_per_second: float | None
    """Mean speed; null for imported weights, as for the next two."""
    val_top1_largest: float | None
    """Accuracy of the largest subnet on validation images after the last epoch, in percent."""
    val_top1_smallest: float | None
    """The same of the smallest subnet."""


class SizeFields(Part):
    """Sizes of a search space."""

    subnets: int
    """Subnets in the space."""
    params_smallest: int
    """Parameters of the smallest subnet."""
    params_largest: int
    """Parameters of the largest subnet."""


class PlanFields(Part):
    """The data set, and the time, of what a command would do."""

    dataset: str
    """data.dataset."""
    dataset_missing_at: str | None
    """The folder in which the data set is not found; null if it is there. The numbers are then the published ones."""
    classes: int
    """Classes of the data set."""
    train_images: int
    """Images of the training split."""
    validation_images: int | None
    """Images of the validation split; null if there is none, as for the next."""
    test_images: int | None
    """Images of the test split."""
    seconds: float | None
    """Estimate of the time; null if nothing is known."""
    seconds_from: str
    """What the estimate rests on, or why there is none."""


class TrainPlanDocument(Document, PlanFields, SizeFields, FidelityFields):
    """What a training would do."""

    images: int
    """Training images."""
    epochs: int
    """Epochs."""
    steps: int
    """Steps of the optimizer."""
    memory_bytes: int
    """Estimate of the memory that a step needs."""


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


class ProvenanceDocument(FidelityFields):
    """What the numbers of a search rest on."""

    dataset: str
    """data.dataset."""
    split: str
    """The split that subnets were measured on."""
    images: int
    """Number of its images."""
    batchnorm: str
    """model.batchnorm."""
    calibration_images: int | None
    """Images that recalibrated BatchNorm; null for none."""
    energy_profile: str
    """Name of the hardware profile."""
    energy_convention: str
    """Name of the convention."""
    algorithm: str | None
    """Name of the search algorithm; null for a sweep of alpha, where each search has its own."""
    normalise: str
    """search.normalise."""
    seed: int | None
    """The recipe's seed; null for a sweep of alpha, where each search has its own."""
    epochs: int
    """Epochs of the supernet."""
    engine: str
    """What ran the subnets."""
    imported_from: str
    """The file of imported weights, or an empty text."""
    events: str
    """How recordings of events became frames; empty for images."""
    note: str
    """Why the search ended before its budget; empty if it did not."""
    limits: list[str]
    """What subnets had to keep to, in words."""
    unknown: list[str]
    """What of the search's recipe is not known here, and why, in words."""
    stand_ins: list[str]
    """The objectives whose plugin is not there, and whose stored values stand in, in words."""


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
    """That the run's supernet has been trained on since these candidates were measured; else empty."""
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
    ranking_noise: RankingNoiseDocument | None
    """How far chance decides the order by accuracy; null for fewer than two candidates."""
    baseline: CandidateWithoutFitness | None
    """What they are compared with."""
    bounds: BoundsDocument | None
    """Bounds of the fitness."""
    provenance: ProvenanceDocument
    """What the numbers rest on, without the switches by which each search selected."""


class TableColumnDocument(Part):
    """A column of a table."""

    key: str
    """Its name in the rows' cells."""
    head: str
    """What the table calls it."""
    unit: str
    """Its unit; an empty text for none."""


class TableRowDocument(Part):
    """A row of a table."""

    source: str
    """Whose numbers they are: paper or yours."""
    cells: dict[str, bool | int | float | str | None]
    """Its cells by column; null for a cell without a value."""
    marks: dict[str, str]
    """The marks of its footnotes, by column."""


class TableNoteDocument(Part):
    """A footnote."""

    mark: str
    """The mark that rows have; an empty text for a note on the whole table."""
    text: str
    """The note."""


class TableDocument(Document):
    """A table for a paper."""

    table: str
    """table2, table3, table4, table5, front or top."""
    title: str
    """Its title."""
    columns: list[TableColumnDocument]
    """Its columns."""
    rows: list[TableRowDocument]
    """Its rows."""
    notes: list[TableNoteDocument]
    """Its footnotes."""
    cite: str
    """Where the paper's rows are from; an empty text without such rows."""


class MethodsDocument(Document):
    """How a search's numbers were measured."""

    run: str
    """The run's folder."""
    search: str
    """The search's name."""
    text: str
    """The paragraph."""
    facts: dict[str, bool | int | float | str | None]
    """What it states, by name, with hashes in full; null for what the run does not have."""


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
    """Which setting leads in which measures; null for neither."""


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


class StageDocument(Part):
    """The time of one stage, for an image."""

    stage: str
    """Its layers, or its pooling."""
    layers: list[str]
    """Names of its layers, as `aspk energy` has them; none for a pooling."""
    event_driven_s: float
    """Seconds, event by event."""
    dense_s: float
    """Seconds, densely."""
    ratio: float
    """Dense by event-driven."""
    input_rate: float | None
    """Mean input value; null for real values, as for the next three."""
    nonzero_rate: float | None
    """Share of inputs that are not 0."""
    synaptic_events: float | None
    """Input values, each times the outputs that it reaches."""
    passes: float | None
    """Weights visited, each input value once."""
    spikes: float | None
    """Spikes; null without neurons."""


class Evaluated(FidelityFields):
    """One measurement of one subnet."""

    origin: str
    """Where the subnet is from: its run, search and candidate."""
    remarks: list[str]
    """Limits that it breaks under these prices, and other keys than its search's, in words."""

    weights: str
    """inherited, or how it was retrained."""
    subnet: list[float]
    """The paper's tuple."""
    split: str
    """The split."""
    images: int
    """Number of its images."""
    top1: float
    """Accuracy in percent."""
    top1_interval: list[float]
    """Its 95 % interval, in percent."""
    params: int
    """Parameters."""
    energy_j: float
    """Joules of an image."""
    firing_rate: float | None
    """Spikes a neuron and time step; null for an ANN."""
    synaptic_events: float | None
    """Of an image, exact; null for an ANN."""
    engine: str
    """What ran it."""
    batchnorm: str
    """model.batchnorm."""
    calibration_images: int | None
    """Images that recalibrated BatchNorm; null for none."""
    silent_channels: int
    """Channels without variance on the calibration images."""
    silent_layers: list[str]
    """Layers whose neurons hardly fire, by their names in `aspk energy`."""
    silent_blocks: list[int]
    """Blocks whose neurons hardly fire, from 0 on."""
    selected_on: str | None
    """The split of the search that chose the subnet; null if none did."""


class EvaluateDocument(Document, Evaluated):
    """One subnet, as inherited or retrained."""

    timing: list[StageDocument] | None = None
    """The time of each stage. Absent without --timing."""
    inherited: Evaluated | None = None
    """The measurement before retraining. Absent without --finetune."""


class LayerDocument(Part):
    """One operation, for an image."""

    name: str
    """Its name, the same in tables and charts."""
    kind: str
    """convolution, linear, attention or head; a module's operator."""
    macs: int
    """Multiply-accumulates of a time step."""
    steps: int
    """Time steps that are counted."""
    input_rate: float | None
    """Mean input value; null for real values, as for the next two."""
    nonzero_rate: float | None
    """Share of inputs that are not 0."""
    sops: float | None
    """Synaptic operations over all time steps."""
    accumulates: float
    """Accumulates."""
    multiplies: float
    """Multiply-accumulates."""
    compute_j: float
    """Joules of these."""
    memory_j: float
    """Joules of moving bits."""
    neurons_j: float
    """Joules of updating neurons."""
    unpriced: float
    """Multiplies that the profile has no figure for."""
    runs_a_step: float
    """How often it runs in a time step, on average: 1, unless a layer is another operation at other steps."""
    energy_j: float
    """All joules."""


class LayerPairDocument(Part):
    """One operation as spiking and as ANN."""

    name: str
    """Its name."""
    input_rate: float | None
    """Mean input value; null for real values."""
    energy_j: float
    """Joules of the spiking one."""
    ann_j: float | None
    """Joules of the ANN's; null if the profile has no figure, as for the next two."""
    ann_int8_j: float | None
    """The same with 8-bit weights and activations."""
    break_even_rate: float | None
    """The input rate at which both cost the same."""
    unpriced: bool
    """Whether energy_j lacks something that the profile has no figure for."""


class RateDocument(Part):
    """The input of a layer."""

    mean: float
    """Mean value."""
    nonzero: float
    """Share of values that are not 0."""


class AnnDocument(Part):
    """A network next to the ANN of its shape."""

    layers: list[LayerPairDocument]
    """Each operation."""
    energy_j: float
    """Joules of the spiking network."""
    energy_int8_j: float | None
    """The same with 8-bit weights."""
    ann_j: float | None
    """Joules of the ANN; null if the profile has no figure."""
    ann_int8_j: float | None
    """The same with 8 bits."""
    mean_rate: RateDocument | None
    """Mean over the elements of all inputs."""
    break_even_rate: float | None
    """One input rate for all, at which both cost the same."""


class EnergyFields(Part):
    """Where a network's joules go."""

    origin: str | None
    """Where the subnet is from: its run, search and candidate."""
    remarks: list[str]
    """Limits that it breaks under these prices, and other keys than its search's, in words."""

    subnet: list[float] | None
    """The paper's tuple; null for a module."""
    module: str | None
    """The module; null for a subnet."""
    params: int
    """Parameters."""
    macs: int
    """Multiply-accumulates of a time step."""
    sops: float
    """Synaptic operations of an image."""
    energy_j: float
    """Joules of an image."""
    ann_energy_j: float | None
    """Joules of the ANN of its shape; null if the profile has no figure."""
    layers: list[LayerDocument]
    """Each operation, in execution order."""
    against_ann: AnnDocument
    """Each operation next to the ANN's."""
    conventions: dict[str, float | None]
    """Joules under each convention; null if counts are missing."""
    rates: str
    """Where input rates are from."""
    input_rates: dict[str, RateDocument]
    """Each layer's input, as --rates takes it. The attention products read q and v."""
    step_rates: dict[str, list[float]]
    """Firing rate of the neurons that a layer feeds, by time step; for a module, the layer's mean input."""
    engine: str | None
    """What ran the subnet; null for given rates, and for a module."""
    selected_on: str | None
    """The split of the search that chose the subnet; null if none did."""
    convention: str
    """Name of the convention."""
    rules: dict[str, Setting]
    """Every rule in force."""
    profile: str
    """Name of the hardware profile."""
    hardware: dict[str, object]
    """The profile's figures."""
    unpriced: list[str]
    """Operations that the profile has no figure for."""


class EnergyDocument(Document, EnergyFields, FidelityFields):
    """Where a subnet's joules go."""


class WorkDocument(Part):
    """What an operator in a module did."""

    operator: str
    """Its name."""
    module: str
    """The module that called it."""
    calls: int
    """Number of calls."""
    elements: int
    """Elements written, over all images."""


class SparsityDocument(Part):
    """Weights that are zero."""

    share: float | None
    """Their share, 0 to 1."""
    weights: int
    """Number of weights."""
    zeros: int
    """Number of zeros."""
    layers: dict[str, float]
    """The share in each layer."""


class SecondRunDocument(Part):
    """A second run of a module, which shows state that is kept between calls."""

    verdict: str
    """What it showed."""
    changed: list[str]
    """Layers with other counts."""
    error: str | None
    """Why it failed; null if it did not."""
    energy_j: float | None
    """Its joules; null if they are the same or unknown."""


class ModuleEnergyDocument(Document, EnergyFields):
    """Where a PyTorch module's joules go."""

    not_counted: list[WorkDocument]
    """Operators that cost nothing."""
    unattributed: list[WorkDocument]
    """Operators that may have a cost, and are not counted."""
    split_layers: dict[str, list[str]]
    """Layers whose calls read different kinds of input, with their rows."""
    silent_layers: list[str]
    """Layers that no spike reaches."""
    connection_sparsity: SparsityDocument
    """Weights that are zero. They are counted as if they were not."""
    second_run: SecondRunDocument
    """A second run on the same input."""


class ChannelOrderDocument(Part):
    """Whether higher channels are more redundant, as the paper claims."""

    kendall_tau: float | None
    """tau-b between a channel's number and its mean SSIM; null if all channels are equally redundant."""
    p_higher: float | None
    """The share of all orders of these channels with at least this tau: an exact permutation test; null as before."""
    p_lower: float | None
    """The share with at most this tau."""
    mean_ssim_lower_half: float
    """Mean over the lower half of the channels; of an odd number, without the middle one."""
    mean_ssim_upper_half: float
    """The same of the upper half."""
    verdict: str
    """confirmed (p_higher below 0.05), not confirmed, or cannot be told."""
    meaning: str
    """The verdict in a sentence."""


class ChannelsDocument(Document, FidelityFields):
    """How redundant the embedding's channels are."""

    origin: str
    """Where the subnet is from."""
    subnet: list[float]
    """The paper's tuple."""
    split: str
    """The split."""
    images: int
    """Number of its images."""
    engine: str
    """What ran the subnet."""
    mean_ssim: float
    """Mean structural similarity over all pairs of channels."""
    ssim_by_channel: list[float]
    """Each channel's mean with all others."""
    most: list[int]
    """The most redundant channels, from 0 on, the first the most."""
    least: list[int]
    """The least redundant ones, the first the least."""
    order: ChannelOrderDocument
    """Whether the higher channels are the redundant ones."""
    matrix: list[list[float]]
    """SSIM of every pair of channels, row by row: symmetric, 1 on the diagonal."""


class AblatedFields(Part):
    """What a network measured."""

    correct: int
    """Images right."""
    top1: float
    """Accuracy in percent."""
    top1_interval: list[float]
    """Its 95 % interval, in percent."""
    params: int
    """Parameters."""
    energy_j: float
    """Joules of an image."""
    firing_rate: float | None
    """Spikes a neuron and time step; null for an ANN."""
    non_finite: int
    """Images whose logits are not finite. If there are any, the accuracy means nothing."""


class AblationDocument(AblatedFields):
    """The subnet without a block, or without one half of it."""

    block: int
    """Number of the block, from 0 on."""
    half: str | None
    """attention or mlp; null for the whole block."""
    top1_change: float
    """Accuracy minus that of the whole subnet, in points of percent."""
    top1_change_interval: list[float]
    """Its 95 % interval, of the paired difference."""
    only_whole: int
    """Images that only the whole subnet got right."""
    only_ablated: int
    """Images that only this network got right."""
    p: float
    """McNemar's exact test of the change, two-sided."""
    p_holm: float
    """The same, adjusted for all ablations."""
    finding: str
    """lower or higher: p_holm is below significance. undecided: accuracy is lower, and only p is below it. Else
    within_chance."""
    energy_change_j: float
    """energy_j minus that of the whole subnet."""
    silenced_energy_j: float
    """Joules of an image if the part stays and computes, and adds zeros. All answers are the same as without it."""


class BlocksDocument(Document, FidelityFields):
    """What each block of a subnet gives in accuracy, and costs in energy."""

    origin: str
    """Where the subnet is from."""
    remarks: list[str]
    """As in `aspk evaluate`."""
    subnet: list[float]
    """The paper's tuple."""
    split: str
    """The split."""
    images: int
    """Number of its images."""
    engine: str
    """What ran the networks."""
    batchnorm: str
    """model.batchnorm."""
    calibration_images: int | None
    """Images that recalibrated the BatchNorm of each network; null for none."""
    profile: str
    """energy.profile."""
    convention: str
    """energy.convention."""
    significance: float
    """The probability below which a change counts as more than chance."""
    whole: AblatedFields
    """The whole subnet."""
    ablations: list[AblationDocument]
    """Each block, followed by its halves."""


class AlgorithmDocument(Part):
    """A search of an archive."""

    name: str
    """Its name."""
    algorithm: str
    """Its algorithm. random and exhaustive do not select by what was measured."""


class LeftOutDocument(Part):
    """Candidates without F_AEB."""

    reason: str
    """Why. One that breaks a limit has effects all the same."""
    num: int
    """How many."""


class OutcomeDocument(Part):
    """What genes have effects on."""

    outcome: str
    """firing_rate (spikes a neuron and time step), energy_j (joules of an image) or top1 (percent)."""
    mean: float | None
    """Mean over the candidates; null for none, as for the next."""
    deviation: float | None
    """Standard deviation over the candidates."""
    r2: float | None
    """Share of the variance that the additive model explains; null if nothing was fitted."""
    why_not: str | None
    """Why nothing was fitted; null if it was."""


class EffectDocument(Part):
    """A gene's effect on an outcome: a slope of the regression on all genes together."""

    gene: str
    """The gene's key in [space]; one with a value for each block counts as its mean over blocks."""
    outcome: str
    """firing_rate, energy_j or top1."""
    slope: float
    """Change of the outcome for one more unit of the gene."""
    slope_interval: list[float]
    """Its 95 % bootstrap interval."""
    standardised: float
    """The slope in standard deviations of both."""
    standardised_interval: list[float]
    """Its interval."""
    bend: float | None
    """Standardised coefficient of the gene's square, in a second regression; null if it cannot be told."""
    bend_interval: list[float] | None
    """Its interval."""
    curved: bool
    """Whether the bend's interval lies beyond 0.1, so that the slope is the mean trend of a curve."""


class UntoldDocument(Part):
    """An effect that the archive does not tell."""

    gene: str
    """The gene."""
    outcome: str
    """The outcome."""
    why_not: str
    """Why: the gene does not vary, moves with another one, or there are too few candidates."""


class ValueDocument(Part):
    """How often a gene's value occurs among the best and among all."""

    gene: str
    """The gene."""
    value: float
    """Its value."""
    share_all: float | None
    """Share among all ranked candidates, 0 to 1; every block counts as one. null without any."""
    share_best: float | None
    """Share among the best."""
    lift: float | None
    """share_best / share_all; null, as the rest, if it cannot differ."""
    lift_by_chance: list[float] | None
    """The lift of 95 % of as many candidates drawn by lot."""
    p: float | None
    """Probability of a lift at least as far from 1 by chance, two-sided, by 9,999 draws."""
    p_holm: float | None
    """The same with Holm's correction for all values of all genes."""


class ClaimDocument(Part):
    """A claim of the paper, and whether the archive bears it out."""

    section: str
    """Section of the paper."""
    quote: str
    """Its words."""
    claim: str
    """How they are read here."""
    gene: str
    """The gene."""
    outcome: str | None
    """The outcome; null for a claim on the best by F_AEB."""
    verdict: str
    """confirmed, not confirmed, or not to be told."""
    because: str
    """The figure that decides, in words."""
    value: float | None
    """That figure: a standardised slope, a difference of two in size, or a lift."""
    interval: list[float] | None
    """Its 95 % interval; of a lift, that of chance."""


class GenesDocument(Document, FidelityFields):
    """The effects of genes over an archive."""

    run: str
    """The run's folder."""
    searches: list[AlgorithmDocument]
    """The searches that measured the candidates alike."""
    unreadable: list[str]
    """Searches of the run that cannot be read, and are left out."""
    num_fitted: int
    """Candidates that effects are of."""
    num_ranked: int
    """Candidates with F_AEB."""
    left_out: list[LeftOutDocument]
    """The others."""
    outcomes: list[OutcomeDocument]
    """The outcomes."""
    effects: list[EffectDocument]
    """Each effect that the archive tells."""
    untold: list[UntoldDocument]
    """The others, and why."""
    best_num: int
    """How many are the best."""
    values: list[ValueDocument]
    """Every value of every gene that has several."""
    claims: list[ClaimDocument]
    """The paper's claims."""
    unknown: list[str]
    """What of the search's recipe is not known here, and why, in words."""
    stand_ins: list[str]
    """The objectives whose plugin is not there, and whose stored values stand in, in words."""
    seed: int
    """Seed of resamples and draws."""
    resamples: int
    """Resamples of the intervals."""
    alpha: float
    """Weight of energy in F_AEB."""
    normalise: str
    """search.normalise."""
    dataset: str
    """data.dataset."""
    split: str
    """The split that candidates were measured on."""
    images: int
    """Number of its images."""
    engine: str
    """What ran the candidates."""
    energy_profile: str
    """Name of the hardware profile."""
    energy_convention: str
    """Name of the convention."""


class NeuronsDocument(Part):
    """The neurons of a layer. A neuron is one channel at one position."""

    neurons: int
    """How many there are."""
    silent_neurons: int
    """Those that fire in less than silent_rate of all time steps of all images."""
    saturated_neurons: int
    """Those that fire in more than saturated_rate."""
    channels: int
    """Channels of the layer."""
    channels_all_silent: int
    """Channels with silent neurons only."""
    channels_all_saturated: int
    """Channels with saturated neurons only."""


class FiringLayerDocument(Part):
    """How the outputs of a layer fire."""

    name: str
    """The layer that feeds the neurons, as `aspk energy` names it."""
    firing_rate: float
    """Spikes a neuron and time step."""
    step_rates: list[float]
    """The same by time step."""
    neurons: NeuronsDocument | None
    """Its neurons; null with --stored."""


class FiringSubnetDocument(Part):
    """How a subnet fires."""

    name: str
    """As --subnet named it."""
    origin: str
    """Where the subnet is from."""
    subnet: list[float]
    """The paper's tuple."""
    time_step: int
    """Its time steps."""
    split: str
    """The split that all is measured on."""
    images: int
    """Images that the rates are of."""
    rates: str
    """Where the rates are from: stored by a search, or measured now."""
    neurons: str | None
    """On how many images the neurons were measured; null with --stored."""
    engine: str
    """What ran the subnet."""
    firing_rate: float | None
    """Spikes a neuron and time step, over all layers."""
    silent_channels: int
    """Channels without variance on the calibration images, as `aspk report` counts them; 0 without recalibration."""
    silent_layers: list[str]
    """Layers with a rate below silent_rate."""
    silent_blocks: list[int]
    """Blocks with a rate below silent_rate, from 0 on."""
    layers: list[FiringLayerDocument]
    """Each layer with neurons, in execution order."""


class SpikesDocument(Document, FidelityFields):
    """How subnets fire, next to each other."""

    run: str
    """The run's folder."""
    definitions: list[str]
    """What neurons are, and what is called silent and saturated."""
    silent_rate: float
    """Spikes a neuron and time step."""
    saturated_rate: float
    """Spikes a neuron and time step."""
    subnets: list[FiringSubnetDocument]
    """Each subnet once, in the order asked."""


class PairsDocument(Part):
    """How two columns order pairs of subnets."""

    alike: int
    """Ordered alike."""
    reversed: int
    """Ordered in reverse."""
    tied: int
    """Tied in either."""


class AccuracyDocument(Part):
    """An accuracy and its rank."""

    top1: float
    """Percent."""
    top1_interval: list[float]
    """Its 95 % interval, of the images alone."""
    correct: float
    """Images right; after retraining, a mean over seeds."""
    rank: float
    """1 for the most accurate; ties share their mean rank."""


class RetrainedWithSeedDocument(Part):
    """A subnet after retraining it with one seed."""

    seed: int
    """The seed."""
    correct: int
    """Images right."""
    top1: float
    """Percent."""


class RetrainedDocument(Part):
    """One subnet before and after retraining it alone."""

    subnet: list[float]
    """The paper's tuple."""
    inherited: AccuracyDocument
    """With the supernet's weights."""
    retrained: AccuracyDocument
    """After retraining, as a mean over seeds."""
    by_seed: list[RetrainedWithSeedDocument]
    """After retraining, seed by seed."""
    moved: float
    """Ranks gained."""


class TauCeilingDocument(Part):
    """The tau-b that a perfect ranking would show with the same noise of the accuracies."""

    mean: float
    """Its mean."""
    low: float
    """2.5 % of its values are lower."""
    high: float
    """2.5 % of its values are higher."""


class WayDocument(Part):
    """Another way of measuring the sample without retraining it."""

    way: str
    """In words."""
    kendall_tau: float | None
    """tau-b between accuracies so measured and retrained ones; null if undefined."""
    corrected_tau: float | None
    """The same without noise; null if noise is nearly all there is, in the sample or in many resamples."""
    change: float | None
    """What tau-b has more than with inherited weights as they are."""
    change_interval: list[float] | None
    """Its 95 % interval, bootstrapped over the subnets in pairs."""


class DeviationsDocument(Part):
    """Standard deviations among the subnets, in points of percent."""

    inherited: float
    """Of the inherited accuracies."""
    retrained: float
    """Of the retrained accuracies, means over seeds."""
    inherited_noise: float
    """Of the inherited accuracies, by the choice of images alone."""
    retrained_noise: float
    """Of the retrained accuracies, by the choice of images alone."""
    seed_noise: float | None
    """Of the retrained accuracies, by the seeds of retraining; null for one seed."""


class SupposedTauDocument(Part):
    """What a tau needs, if it is the true one."""

    tau: float
    """The tau that is supposed."""
    subnets: int
    """Subnets that an interval of +- half_width needs."""


class ExpectedWidthDocument(Part):
    """How wide an interval is to be expected, if a tau is the true one."""

    tau: float
    """The tau that is supposed."""
    half_width: float
    """Half the width of its interval, of the sample asked for."""


class RankingPlanDocument(Document, FidelityFields):
    """What `aspk analyze ranking` would do and could tell."""

    run: str
    """The run's folder."""
    subnets: int
    """Size of the sample."""
    half_width: float
    """Half the width of an interval of tau-b that is aimed at."""
    needed: list[SupposedTauDocument]
    """How many subnets it needs."""
    expected: list[ExpectedWidthDocument]
    """What the sample gives."""
    spread: float
    """Standard deviation of the inherited accuracies in points, without the noise of images."""
    tau_ceiling: TauCeilingDocument | None
    """Of tau-b, if retrained accuracies have the same spread and noise; null if all are equally accurate."""
    ceiling_images: int
    """Images that the spread and the noise were estimated on."""
    images: int
    """Images that would be measured on."""
    retrainings: int
    """All retrainings."""
    left: int
    """Those that are not finished."""
    seconds: float | None
    """Time that they take; null if it is not known."""
    seconds_from: str
    """How that is known."""


class RankingDocument(Document, FidelityFields):
    """Whether the supernet ranks its subnets truly."""

    run: str
    """The run's folder."""
    kendall_tau: float | None
    """tau-b between inherited and retrained accuracy; null if undefined."""
    tau_interval: list[float] | None
    """Its interval, bootstrapped over the subnets."""
    expected_half_width: float | None
    """Half the width that formulas expect of an interval of this tau and so many subnets."""
    tau_ceiling: TauCeilingDocument | None
    """What noise leaves of a perfect ranking; null if a column is constant."""
    corrected_tau: float | None
    """tau-b without the noise of images, and of seeds if there are several; null if noise is nearly all there is."""
    corrected_interval: list[float] | None
    """Its interval; null if many resamples are hardly more than noise."""
    deviations: DeviationsDocument
    """How far accuracies differ, and how far by chance."""
    ways: list[WayDocument]
    """Other ways of measuring that were asked for."""
    confidence: float
    """The intervals'."""
    resamples: int
    """Resamples drawn."""
    resamples_with_an_order: int
    """Those that had a tau."""
    pairs: PairsDocument
    """How pairs are ordered."""
    meaning: str
    """What that says, in a sentence."""
    split: str
    """The split."""
    images: int
    """Number of its images."""
    batchnorm: str
    """model.batchnorm."""
    calibration_images: int | None
    """Images that recalibrated BatchNorm; null for none."""
    engine: str
    """What ran the subnets."""
    epochs: int
    """Epochs of each retraining."""
    train_images: int
    """Images of each retraining."""
    from_scratch: bool
    """Whether retraining began from first weights."""
    seeds: list[int]
    """Of the retrainings of each subnet."""
    seed: int
    """Of sample and bootstrap."""
    space_size: int
    """Subnets of the space that the sample was drawn from."""
    diverged: list[list[float]]
    """Subnets of the sample that are left out, as a retraining diverged."""
    subnets: list[RetrainedDocument]
    """The others of the sample, in the order drawn."""


class NetworkDifferenceDocument(Part):
    """A network's mean accuracy minus the baseline's, of weights of the same kind, on the same images."""

    top1_difference: float
    """Points of percent."""
    top1_difference_interval: list[float]
    """Its 95 % interval."""
    p: float
    """Probability under chance of a difference at least this large."""
    p_holm: float
    """The same, adjusted for all comparisons of the table (Holm)."""
    method: str
    """What was computed, and over what chance."""
    images: int
    """Images."""
    seeds: list[int]
    """Trainings of the network, and of the baseline."""
    degrees_of_freedom: float | None
    """Of Student's t; null for one training each."""
    seed_error: float | None
    """The part of the standard error that more trainings would reduce, in points; null for one training each."""
    image_error: float
    """The part that more images would reduce."""


class TestedTrainingDocument(Part):
    """One training, tested."""

    seed: int | None
    """Its seed; null for inherited weights."""
    correct: int
    """Right answers."""
    top1: float
    """Accuracy in percent."""
    energy_j: float
    """Joules of an image."""
    firing_rate: float | None
    """Spikes a neuron and time step; null for an ANN."""


class DivergedTrainingDocument(Part):
    """One training without a result."""

    seed: int | None
    """Its seed; null for inherited weights."""
    why: str
    """Why it has none."""


class FinishRowDocument(Part):
    """One network with weights of one kind."""

    network: str
    """A candidate's id, baseline, Spikformer DEPTH-DIMENSION, or ANN of one of these."""
    role: str
    """found, baseline, family or ann."""
    like: str | None
    """Of an ANN, the network that has its shape."""
    subnet: list[float]
    """The paper's tuple."""
    time_step: int
    """Time steps; 1 for an ANN."""
    weights: str
    """inherited, retrained or from scratch."""
    top1: float | None
    """Mean test accuracy of its trainings in percent; null if none has a result, as for the next."""
    top1_deviation: float | None
    """Standard deviation over trainings, in points; null for fewer than two."""
    top1_interval: list[float] | None
    """The 95 % interval of one accuracy; null for several trainings, which are no more images."""
    validation_top1: float | None
    """What its search measured; null for what no search found."""
    energy_j: float | None
    """Mean joules of an image."""
    energy_of_baseline: float | None
    """That, as a share of the baseline's with weights of the same kind."""
    firing_rate: float | None
    """Mean spikes a neuron and time step; null for an ANN."""
    params: int | None
    """Parameters."""
    trainings: list[TestedTrainingDocument]
    """Each training with a result, by seed."""
    diverged: list[DivergedTrainingDocument]
    """Each training without one."""
    difference: NetworkDifferenceDocument | None
    """To the baseline; null for the baseline itself, or if one of the two has no result."""


class FlatteryDocument(CorrectedDocument):
    """How far choosing flatters a candidate's accuracy on the images of its search."""

    candidate: str
    """Its id."""


class FinishDocument(Document, FidelityFields):
    """What a search found, retrained and tested, with what it is compared with. The exit code is 2 if `diverged` of any
    row has a training.
    """

    run: str
    """The run's folder."""
    search: str
    """The search's name."""
    best: int | None
    """How many of the best by F_AEB were taken; null for the Pareto front."""
    split: str
    """test."""
    images: int
    """Test images."""
    train_images: int
    """Images of each training."""
    all_images: bool
    """Whether validation images are among them."""
    epochs: int
    """Epochs of each training from scratch."""
    retrained_epochs: int
    """Epochs of each training from inherited weights."""
    seeds: list[int]
    """Seeds of the trainings."""
    energy_profile: str
    """Hardware profile."""
    energy_convention: str
    """Convention of counting."""
    rows: list[FinishRowDocument]
    """The table."""
    flattery: list[FlatteryDocument]
    """Of each candidate of the table; empty if the search stored no answers."""


class FinishPlanDocument(Document, PlanFields, FidelityFields):
    """What finishing a search would do."""

    run: str
    """The run's folder."""
    networks: int
    """Networks of the table."""
    trainings: int
    """Trainings, one for each network, kind of weights and seed."""
    tests: int
    """Tests: one for each training, and one for each network with inherited weights."""
    epochs: int
    """Epochs of each training from scratch."""
    retrained_epochs: int
    """Epochs of each training from inherited weights."""
    seeds: list[int]
    """Seeds of the trainings."""
    images: int
    """Images of all trainings, each as often as it is read."""
    images_done: int
    """Of these, those that earlier commands trained on."""
    diverged: int
    """Trainings that diverged before, and are not done again."""


class ImportDocument(Document, FidelityFields):
    """A run made from a checkpoint."""

    run: str
    """The run's folder."""
    recipe: str
    """The recipe's name."""
    file: str
    """The checkpoint."""
    sha256: str
    """Its hash."""
    tensors: int
    """Tensors taken."""
    left_out: list[str]
    """Tensors that no layer reads."""
    params: int
    """Parameters."""


class ExportDocument(Document, FidelityFields):
    """A file made from a subnet."""

    run: str
    """The run's folder."""
    subnet: list[float]
    """The paper's tuple."""
    file: str
    """The file."""
    format: str
    """safetensors, pt2 or onnx."""
    folded: bool
    """Whether BatchNorm is in the weights."""
    precision: str
    """float32 or float64."""
    parameters: int
    """Numbers in the file that were learned."""
    images_compared: int
    """Images that the file was compared on."""
    max_difference: float
    """The largest difference of two logits."""
    same_predictions: int
    """Images with the same prediction."""
    predicted_classes: int
    """Different classes among the predictions."""
    silent_layers: list[str]
    """Layers whose neurons hardly fire, by their names in `aspk energy`."""
    silent_blocks: list[int]
    """Blocks whose neurons hardly fire, from 0 on."""
    sha256: str
    """Hash of the file."""


class RecipeLineDocument(Part):
    """A recipe that comes with aspk."""

    name: str
    """Its name."""
    summary: str
    """What it is."""


class RecipesDocument(Document):
    """The recipes that come with aspk."""

    recipes: list[RecipeLineDocument]
    """By name."""


class RecipeDocument(Document):
    """One recipe, resolved."""

    name: str
    """As it was named."""
    recipe: dict[str, object]
    """Every key."""


class ProfilesDocument(Document):
    """The hardware profiles and the conventions that come with aspk."""

    profiles: list[dict[str, object]]
    """Each profile's keys, figures in its own unit."""
    conventions: list[dict[str, Setting]]
    """Each convention's rules."""


class ProfileDocument(Document):
    """One profile or convention."""

    name: str
    """Its name."""
    kind: str
    """profile or convention."""
    file: dict[str, object]
    """The keys of its file."""


class RunLineDocument(Part):
    """A run."""

    name: str
    """Its folder's name."""
    recipe: str | None
    """The recipe's name; null if it cannot be read."""
    state: str
    """How far it is, in words."""
    date: str
    """When it was last written, ISO 8601."""
    best_top1: float | None
    """The best accuracy measured, in percent; null before a search."""
    split: str | None
    """The split that it was measured on."""
    best_search: str | None
    """The search that has it; null for none."""
    searches: int
    """Number of searches."""
    damaged: list[str]
    """Its files that are damaged, as far as their structure shows."""


class SearchLineDocument(Part):
    """A search of a run."""

    name: str
    """Its name."""
    present: bool
    """Whether commands take it if none is named."""
    state: str
    """How far it is."""
    date: str
    """When its file was written last, ISO 8601."""
    candidates: int
    """Measured subnets."""
    rejected: int | None
    """Those that the search rejects; null if that is not known."""
    best: str | None
    """Id of the candidate that it chose; null for none."""
    chosen_top1: float | None
    """The accuracy of this candidate, in percent."""
    best_top1: float | None
    """The highest accuracy of those that are not rejected, in percent."""
    written_as: str | None
    """Its name before its file was renamed or copied by hand; null if it has its name, or if an older aspk wrote it."""
    split: str | None
    """The split; null for a damaged file, like all that follows."""
    images: int | None
    """Number of its images."""
    batchnorm: str | None
    """model.batchnorm."""
    engine: str | None
    """What ran the subnets."""
    precision: str | None
    """float32 or float64."""
    device: str | None
    """cpu, cuda or cuda:N."""


class UnusableDocument(Part):
    """A file that cannot be used."""

    file: str
    """Its path in the run's folder."""
    what: str
    """Why, in words."""


class SearchesDocument(Document):
    """The searches of a run."""

    run: str
    """The run's folder."""
    searches: list[SearchLineDocument]
    """The searches."""
    unusable: list[UnusableDocument]
    """Damaged files that are none of a search, and files of searches whose names are none of a search."""


class RunsDocument(Document):
    """The runs, newest first."""

    runs: list[RunLineDocument]
    """The runs."""


class FigureDocument(Part):
    """A figure that was drawn."""

    figure: str
    """Its name."""
    files: list[str]
    """Its files."""
    width_mm: float
    """Its width in millimetres."""
    height_mm: float
    """Its height."""


class MissingFigureDocument(FaultFields):
    """A figure without its data."""

    figure: str
    """Its name."""


class FiguresDocument(Document):
    """Figures of a run."""

    run: str
    """The run's folder."""
    figures: list[FigureDocument]
    """Figures that were drawn."""
    missing: list[MissingFigureDocument]
    """With --figures: those that the run has not the data of."""


class PageDocument(Document):
    """A page that was written."""

    run: str
    """The run's folder."""
    search: str
    """The search's name."""
    page: str
    """The file."""
    bytes: int
    """Its size."""
    num_candidates: int
    """Measured candidates in it."""


DOCUMENTS: dict[str, type[Document]] = {
    "train": TrainDocument,
    "train --dry-run": TrainPlanDocument,
    "search": SearchDocument,
    "search --seeds": CompareDocument,
    "search --dry-run": SearchPlanDocument,
    "evaluate": EvaluateDocument,
    "finish": FinishDocument,
    "finish --dry-run": FinishPlanDocument,
    "energy": EnergyDocument,
    "energy module": ModuleEnergyDocument,
    "analyze": ChannelsDocument,
    "analyze blocks": BlocksDocument,
    "analyze genes": GenesDocument,
    "analyze ranking": RankingDocument,
    "analyze ranking --dry-run": RankingPlanDocument,
    "analyze spikes": SpikesDocument,
    "report": SearchDocument,
    "report --watch": WatchDocument,
    "report --alpha-sweep": AlphaSweepDocument,
    "report --table": TableDocument,
    "report --methods": MethodsDocument,
    "report --figure": FiguresDocument,
    "report --html": PageDocument,
    "compare": CompareDocument,
    "import": ImportDocument,
    "export": ExportDocument,
    "recipes": RecipesDocument,
    "recipes show": RecipeDocument,
    "profiles": ProfilesDocument,
    "profiles show": ProfileDocument,
    "runs": RunsDocument,
    "runs show": SearchesDocument,
}
"""The document of each command."""

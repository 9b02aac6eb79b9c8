"""Documents of `aspk finish`."""

from __future__ import annotations

from autospikformer_cli.cli.documents.parts import Document, FidelityFields, Part, PlanFields
from autospikformer_cli.cli.documents.searching import CorrectedDocument


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
    energy_j: float | None
    """Joules of an image; null if nothing has a price."""
    firing_rate: float | None
    """Spikes a neuron and time step; null for an ANN."""
    is_guessing: bool
    """Whether it is no better than guessing: its 95 % interval reaches 100 % divided by the number of classes."""


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
    """Accuracy on the images of the search, with inherited weights; null for what the search did not measure."""
    energy_j: float | None
    """Mean joules of an image, without what is `unpriced`; null if nothing has a price."""
    unpriced: list[str]
    """Operations that the profile has no figure for."""
    energy_of_baseline: float | None
    """That, as a share of the baseline's with weights of the same kind; null if one of the two is."""
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
    classes: int
    """Classes of the data set."""
    images: int
    """Test images."""
    train_images: int
    """Images of each training."""
    all_images: bool
    """Whether validation images are among them."""
    epochs: int | None
    """Epochs of each training from scratch; null if no network is trained so."""
    retrained_epochs: int
    """Epochs of each training from inherited weights."""
    seeds: list[int]
    """Seeds of the trainings."""
    training_keys: list[str]
    """The keys in which the trainings differ from that of the supernet, besides epochs and seeds, as TOML."""
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
    epochs: int | None
    """Epochs of each training from scratch; null if no network is trained so."""
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

"""Documents of `aspk analyze ranking`."""

from __future__ import annotations

from autospikformer_cli.cli.documents.parts import Document, FidelityFields, Part


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
    """The same without noise; null if noise explains nearly all of the spread, or more, or nearly all in many
    resamples, and of fewer than 10 subnets."""
    change: float | None
    """What tau-b has more than with inherited weights as they are."""
    change_interval: list[float] | None
    """Its 95 % interval, bootstrapped over the subnets in pairs; null if it would mean nothing."""
    no_interval: str | None
    """Why there is none; null if there is one."""


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
    """Subnets that an interval of ± half_width needs."""


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
    measured: int
    """Subnets of the sample whose inherited accuracy is stored."""
    spread: float | None
    """Standard deviation of the inherited accuracies in points, without the noise of images; null unless all of the
    sample are measured."""
    tau_ceiling: TauCeilingDocument | None
    """Of tau-b, if retrained accuracies have the same spread and noise; null if all are equally accurate, or
    not all measured."""
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
    """Its interval, bootstrapped over the subnets; null if it would mean nothing, as of fewer than 10 subnets."""
    no_interval: str | None
    """Why there is none; null if there is one."""
    expected_half_width: float | None
    """Half the width that formulas expect of an interval of this tau and n subnets; null without an interval."""
    tau_ceiling: TauCeilingDocument | None
    """What noise leaves of a perfect ranking, that of images and, if there are several, of seeds; null if a column is
    constant."""
    corrected_tau: float | None
    """tau-b without the noise of images, and of seeds if there are several; null if it cannot be told: the noise
    explains nearly all of the ranking's spread, or more."""
    corrected_interval: list[float] | None
    """Its interval; null if it or tau has none, or if many resamples are hardly more than noise."""
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
    verdict: str | None
    """better or worse: whether the supernet ranks so compared with chance; null if the sample does not say."""
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

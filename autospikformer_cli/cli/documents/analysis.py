"""Documents of `aspk analyze`, but those of its ranking."""

from __future__ import annotations

from autospikformer_cli.cli.documents.parts import Document, FidelityFields, Part


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
    unpriced: list[str]
    """Operations that the profile has no figure for, and that no energy here has."""
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
    """Probability of a lift at least as far from 1 by chance, two-sided: exact for a gene with one value, else by 9,999
    draws."""
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
    """confirmed, not confirmed, or undecided."""
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
    weights_remark: str
    """That the run's supernet is not the one that these candidates were measured with; else empty."""
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
    unpriced: list[str]
    """Operations of the space's largest subnet that the profile has no figure for, and that no energy here has."""


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

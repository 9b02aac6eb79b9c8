"""The sections of a recipe and their keys, with defaults: the published settings of Spikformer; [search] is in
`search_section`.

Each key's docstring is its documentation. What holds between keys is in `rules`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Literal, NamedTuple, TypeVar, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    PrivateAttr,
    Tag,
    ValidationInfo,
    ValidatorFunctionWrapHandler,
    WrapValidator,
    model_validator,
)

from autospikformer_cli.errors import UserError
from autospikformer_cli.recipe.choices import ExactChoices, TauChoices, WholeChoices
from autospikformer_cli.recipe.effects import IMAGES, MEASUREMENT, NETWORK, NOTHING, SCORE, SEARCH, TRAINING
from autospikformer_cli.recipe.energy.models import (
    RULES,
    Border,
    Convention,
    EventInput,
    FirstLayerSteps,
    Folder,
    HardwareProfile,
    Order,
    Rate,
    Residual,
    shipped_convention,
    shipped_names,
    shipped_profile,
)
from autospikformer_cli.recipe.keys import Keys, component, is_stored, one_of
from autospikformer_cli.recipe.toml_text import toml_value
from autospikformer_cli.recipe.values import (
    Colour,
    EpochsFromZero,
    FactorFromZero,
    Flag,
    LearningRate,
    LearningRateFromZero,
    NoneAsText,
    NumberOfEpochs,
    PositiveFactor,
    PositiveSingle,
    PositiveWhole,
    Share,
    ShareBelowOne,
    ShareBetween,
    ShareOrNumber,
    Single,
    Text,
    Whole,
    broken_rule,
)
from autospikformer_cli.registry import Registry
from autospikformer_cli.space import SearchSpace
from autospikformer_cli.wording import counted

NAME_TAG = "<name>"
TABLE_TAG = "<table>"
MOST_FRAMES = 1000
MOST_BLOCKS = 256


Table = TypeVar("Table", Convention, HardwareProfile)


def _name_or_table(value: Any) -> str:
    return TABLE_TAG if isinstance(value, dict | BaseModel) else NAME_TAG


def _ascending_stages(stages: tuple[int, ...]) -> tuple[int, ...]:
    if list(stages) != sorted(set(stages) & {1, 2, 3, 4}):
        raise broken_rule(f" must be some of the stem's stages 1, 2, 3 and 4, ascending, not {toml_value(stages)}")
    return stages


def _at_most_blocks(depths: tuple[int, ...]) -> tuple[int, ...]:
    if depths[-1] > MOST_BLOCKS:
        raise broken_rule(f" has {depths[-1]:,} blocks, it must have at most {MOST_BLOCKS}")
    return depths


Stages = Annotated[tuple[PositiveWhole, ...], AfterValidator(_ascending_stages)]

NEURONS = Registry("neurons")
"""Kinds of neuron by name: ours and plugins'."""


def _known(folder: Folder) -> Callable[[str, ValidationInfo], str]:
    def known(name: str, info: ValidationInfo) -> str:
        if is_stored(info, folder, name):
            return name
        return one_of(name, shipped_names(folder), "the path of a file of yours ends in .toml")

    return known


def _own_name(folder: Folder) -> Callable[[Table], Table]:
    def own(table: Table) -> Table:
        if table.name in shipped_names(folder):
            raise broken_rule(f".name: {table.name} is one of those that come with aspk", "choose another name")
        return table

    return own


class MeanStd(BaseModel):
    """Mean and standard deviation by channel, of pixel values between 0 and 1."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    mean: tuple[Single, ...]
    std: tuple[PositiveSingle, ...]

    @model_validator(mode="after")
    def _one_of_each_by_channel(self) -> MeanStd:
        if len(self.mean) != len(self.std) or not self.mean:
            means, deviations = counted(len(self.mean), "mean"), counted(len(self.std), "deviation")
            raise broken_rule(f" has {means} and {deviations}, it must have one of each a channel")
        return self


Dataset = Literal[
    "digits", "cifar10", "cifar100", "folder", "digits-events", "nmnist", "ncaltech101", "cifar10dvs", "dvs128-gesture"
]


def _dataset_or_stored(name: Any, check: ValidatorFunctionWrapHandler, info: ValidationInfo) -> Any:
    return name if is_stored(info, "datasets", name) else check(name)


class KnownImages(NamedTuple):
    """What a store knows of a data set's images without its files. 0: not stored; frames: 0 for images, too."""

    classes: int
    channels: int = 0
    image_size: int = 0
    frames: int = 0


EVENT_DATASETS = ("digits-events", "nmnist", "ncaltech101", "cifar10dvs", "dvs128-gesture")
"""The data sets of event cameras; all others are images."""
DATASETS: tuple[str, ...] = get_args(Dataset)


class DataConfig(Keys):
    """Which images, how they are split, and how they are prepared."""

    prefix = "data."
    _known_images: KnownImages | None = PrivateAttr(default=None)

    dataset: Annotated[Dataset, WrapValidator(_dataset_or_stored), NETWORK]
    """The data set: digits (embedded), CIFAR10, CIFAR100 or a folder of your own images by class; or events: digits as
    a simulated event camera sees them (embedded), N-MNIST, N-Caltech101, CIFAR10-DVS, DVS128 Gesture."""
    root: Annotated[Text, NOTHING] = "data"
    """The folder that holds the data set."""
    download: Annotated[Flag, NOTHING] = False
    """Whether to fetch a data set that is not there: CIFAR10 or CIFAR100. Digits are embedded, all others are fetched
    by hand."""
    image_size: Annotated[PositiveWhole | None, NoneAsText, NETWORK] = None
    """Side in pixels that images are resized to; "none": as they are. A folder needs it."""
    normalise: Annotated[
        Annotated[Literal["dataset"], Tag(NAME_TAG)] | Annotated[MeanStd, Tag(TABLE_TAG)],
        Discriminator(_name_or_table),
        NETWORK,
    ] = "dataset"
    """Mean and deviation by channel: the data set's published ones (a folder's: 0.5), or {mean = [], std = []}."""
    background: Annotated[Colour, NETWORK] = (255, 255, 255)
    """Red, green and blue, 0 to 255, behind the transparent pixels of a folder's images: white."""
    validation: Annotated[ShareBelowOne, NETWORK] = 0.1
    """Share of the training images held out for the search; 0: none, for a training that no search follows. A data
    set's own validation images stay."""
    test: Annotated[ShareBetween, NETWORK] = 0.2
    """Share held out for the final test, of data sets without a test split of their own."""
    split_seed: Annotated[Whole | None, NoneAsText, NETWORK] = None
    """What holds out validation and test images by lot; "none": seed. Supernets of several seeds with the same value
    hold out the same images."""
    train_images: Annotated[PositiveWhole | None, NoneAsText, NETWORK] = None
    """Training images that are used, also to retrain subnets, as many of each class as of any other; "none": all. With
    the validation images among them, it takes as many of all of these. What is held out for validation and test does
    not depend on it. A larger number contains a smaller one."""
    augment: Annotated[Literal["spikformer", "events", "translate", "flip", "none"], TRAINING] = "spikformer"
    """Augmentation of training images: Spikformer's for images (RandAugment, erasing, flip), its own for events (flip,
    and one of shear, translation, rotation, cutout, none); translation with a reflected border, and a horizontal flip
    in every other epoch; random horizontal flips only; or none."""
    translation: Annotated[Whole, TRAINING] = 2
    """Pixels by which augment = "translate" moves an image at most, either way along each axis."""
    frames: Annotated[int, Field(strict=True, ge=1, le=MOST_FRAMES), NETWORK] = 10
    """Frames that a recording of events is cut into; a subnet with fewer time steps takes some of them, evenly."""
    split_by: Annotated[Literal["count", "time"], NETWORK] = "count"
    """Frames of equally many events, or of equally long time."""
    polarity: Annotated[Literal["separate", "merged"], NETWORK] = "separate"
    """Events of rising and of falling light counted in two channels, or together in one."""
    cache: Annotated[Text | None, NoneAsText, NOTHING] = None
    """The folder that caches frames of events, and decoded images that do not fit into data.memory; "none":
    aspk-frames or aspk-images in data.root."""
    memory: Annotated[Whole, NOTHING] = 4000
    """Megabytes of decoded images, or of frames, up to which a split is held in memory. A larger one is read from
    data.cache, batch by batch; 0: every one. No result depends on it."""

    @property
    def known_images(self) -> KnownImages | None:
        """What a store says of the images. It is no key."""
        return self._known_images

    @property
    def unknown(self) -> UserError | None:
        """Why its images cannot be read here: a store of another aspk names a data set that this one lacks."""
        if self.dataset in DATASETS:
            return None
        what = f"the data set {self.dataset} is not known to this aspk, it has {', '.join(DATASETS)}"
        return UserError(what, "data.dataset", "read its images with the aspk that trained the run")

    def with_images(self, known: KnownImages | None) -> DataConfig:
        """This section with `known_images`."""
        copy = self.model_copy()
        copy._known_images = known
        return copy


class ModelConfig(Keys):
    """The supernet's neurons, attention and normalisation."""

    prefix = "model."

    network: Annotated[Literal["spikformer", "transformer"], NETWORK | MEASUREMENT] = "spikformer"
    """The spiking network, or its ANN counterpart of the same shape: ReLU, GELU and softmax instead of neurons."""
    neuron: Annotated[Text, component(NEURONS), NETWORK | MEASUREMENT] = "lif"
    """The kind of neuron: lif, plif (LIF with a learnable tau), or one that a plugin adds."""
    batchnorm: Annotated[Literal["recalibrate", "running", "batch"], TRAINING | MEASUREMENT] = "recalibrate"
    """Statistics of a subnet's BatchNorm: recalibrated for it, or the supernet's running ones. "batch" takes those of
    each evaluated batch in every layer that subnets slice, so results depend on the size of the batch."""
    calibration_images: Annotated[PositiveWhole, TRAINING | IMAGES] = 256
    """Training images that recalibrate BatchNorm, without augmentation, all in one batch."""
    evaluation_batch: Annotated[PositiveWhole, TRAINING | MEASUREMENT] = 64
    """Images of an evaluation's batch. With --engine dense the last bits depend on it; with batchnorm = "batch" the
    results do."""
    evaluation_memory: Annotated[PositiveWhole, NOTHING] = 500
    """Megabytes for the spikes that an evaluation of many subnets caches or holds back. No result depends on it."""
    decay_input: Annotated[Flag, TRAINING | MEASUREMENT] = True
    """Whether the neuron's input is divided by tau: u <- u + (I - u) / tau."""
    threshold_scope: Annotated[Literal["block", "fc1"], TRAINING | MEASUREMENT] = "block"
    """Neurons that a block's threshold governs: all but those after attention, or those of fc1 only."""
    stem_threshold: Annotated[PositiveSingle, TRAINING | MEASUREMENT] = 1.0
    """Threshold of the stem's neurons, and of a block's neurons that its own threshold does not govern."""
    attention_threshold: Annotated[PositiveSingle, TRAINING | MEASUREMENT] = 0.5
    """Threshold of the neurons after attention."""
    searched_heads: Annotated[Flag, TRAINING | MEASUREMENT] = True
    """Whether num_heads acts; false: every subnet has the largest."""
    fires_at: Annotated[Literal["reach", "exceed"], TRAINING | MEASUREMENT] = "reach"
    """A neuron fires when its potential reaches, or exceeds, the threshold."""
    reset: Annotated[Literal["hard", "soft"], TRAINING | MEASUREMENT] = "hard"
    """After a spike the potential is set to 0, or the threshold is subtracted."""
    detach_reset: Annotated[Flag, TRAINING] = True
    """Whether gradients stop at the reset."""
    surrogate: Annotated[Literal["sigmoid", "arctan", "rectangular"], TRAINING] = "sigmoid"
    """The gradient of a spike."""
    attention_scale: Annotated[PositiveSingle, TRAINING | MEASUREMENT] = 0.125
    """Factor of the attention product (Spikformer: 0.125, its model for CIFAR10-DVS 0.25)."""
    stem_dim: Annotated[PositiveWhole | None, NoneAsText, NETWORK | MEASUREMENT] = None
    """Width of the stem: its first three convolutions have an eighth, a quarter and a half of it. "none": the largest
    embed_dim."""
    qkv_bias: Annotated[Flag, NETWORK | MEASUREMENT] = True
    """Whether q, k and v have biases (Spikformer's for CIFAR: yes; for ImageNet and CIFAR10-DVS: no)."""
    pooled_stages: Annotated[Stages, NETWORK | MEASUREMENT] = (3, 4)
    """Which of the stem's four stages end in a max-pool, which halves the side."""
    pool: Annotated[Literal["after", "before"], NETWORK | MEASUREMENT] = "after"
    """Where a stage's max-pool stands: after its neurons, on spikes (Spikformer's code), or before them, on currents
    (SpikingJelly 2)."""


class SpaceConfig(Keys):
    """The choices of every gene: a list, or {low = , high = , step = }."""

    prefix = "space."

    depth: Annotated[WholeChoices, AfterValidator(_at_most_blocks), TRAINING | SEARCH]
    """Encoder blocks, at most 256."""
    mlp_ratio: Annotated[ExactChoices, TRAINING | SEARCH]
    """Hidden neurons of a block's MLP over embed_dim; each block has its own."""
    num_heads: Annotated[WholeChoices, TRAINING | SEARCH]
    """Attention heads; each block has its own."""
    embed_dim: Annotated[WholeChoices, TRAINING | SEARCH]
    """Embedding channels; the largest sets the stem's width."""
    threshold: Annotated[ExactChoices, TRAINING | SEARCH]
    """Firing threshold; each block has its own."""
    tau: Annotated[TauChoices, TRAINING | SEARCH]
    """Membrane time constant, in time steps; each block has its own."""
    time_step: Annotated[WholeChoices, TRAINING | SEARCH]
    """Time steps of an inference."""

    def search_space(self) -> SearchSpace:
        """The space as an immutable value."""
        return SearchSpace(**{gene: getattr(self, gene) for gene in SpaceConfig.model_fields})


class TrainConfig(Keys):
    """The supernet's training: its steps, its optimizer, and its learning rate."""

    prefix = "train."

    epochs: Annotated[NumberOfEpochs, TRAINING]
    """Passes over the training images; with schedule = "timm", cooldown_epochs are added."""
    batch: Annotated[PositiveWhole, TRAINING] = 128
    """Images of a batch."""
    accumulate: Annotated[PositiveWhole, TRAINING] = 1
    """Batches of a step, one after the other, which need the memory of one. The optimizer moves once, by the mean
    gradient of all images of the step. That is the gradient of one batch as large, up to rounding; but each batch has
    BatchNorm moments of its own. A step has the same subnets for all its batches, and one mixup over them. The last
    step of an epoch has the images that are left."""
    activation_checkpointing: Annotated[Flag, NOTHING] = False
    """Whether the backward pass computes activations again, a part of the network at a time, instead of keeping them
    all: less memory for more time, and the same weights."""
    sync_batchnorm: Annotated[Flag, TRAINING] = True
    """Whether several processes that train together sum BatchNorm's moments. Then they train as one process does, up to
    rounding. Without it, each has the moments of its own images, so results depend on the number of processes."""
    sampling: Annotated[Literal["single", "fair", "sandwich"], TRAINING] = "single"
    """Subnets a step: one drawn uniformly; one whose genes take each choice equally often, in turns of random order; or
    the largest, the smallest and drawn ones."""
    neuron_curriculum: Annotated[Share, TRAINING] = 0.0
    """The first share of the training, in which thresholds and taus widen from those nearest 1 and 2 to all, one choice
    after the other; 0: all from the start."""
    time_step_curriculum: Annotated[Share, TRAINING] = 0.0
    """The first share of the training, in which time steps widen from the smallest to all, one choice after the other;
    0: all from the start."""
    distillation: Annotated[Literal["none", "soft_labels"], TRAINING] = "none"
    """What the subnets of a sandwich learn from: the labels; or the largest from the labels, and the others from its
    softmax."""
    initial_weights: Annotated[Literal["spikformer", "fan_in"], TRAINING] = "spikformer"
    """First weights of linear layers: normal with deviation 0.02, as Spikformer's; or, of all but the classifier, with
    1 over the root of their inputs. Retraining from inherited weights has none."""
    whitened_stem: Annotated[Flag, TRAINING] = False
    """Whether the first convolution's filters start as whitening directions of 3 x 3 patches of the training images,
    and as their negatives. For images only."""
    optimizer: Annotated[Literal["adamw", "muon"], TRAINING] = "adamw"
    """AdamW for all weights; or Muon for the matrices, and AdamW for the rest. Matrices are the weights of convolutions
    and linear layers, but the classifier's."""
    matrix_lr: Annotated[LearningRate, TRAINING] = 0.05
    """Muon's learning rate after the warm-up. It follows the schedule of lr in proportion."""
    matrix_weight_decay: Annotated[FactorFromZero, TRAINING] = 0.006
    """Muon's weight decay. A step at learning rate r takes the share r times it of a weight."""
    norm_bias_lr_factor: Annotated[PositiveFactor, TRAINING] = 1.0
    """Factor of the learning rate of BatchNorm's biases, which shift what neurons receive against their threshold."""
    clip_norm: Annotated[FactorFromZero, TRAINING] = 0.0
    """Largest Euclidean norm of a step's gradients, all as one vector. A longer vector is scaled down to it, for AdamW
    and Muon alike; 0: none. Both choose the size of a step themselves: clipping limits its part in their moments."""
    unused_weights: Annotated[Literal["move", "stay"], TRAINING] = "move"
    """What a step does to weights of a layer that no subnet of the step used: they decay, and move by their momentum
    alone, as torch's optimizers do it; or they stay, and so do their moments. Blocks that no subnet had always stay."""
    schedule: Annotated[Literal["after_warmup", "linear", "timm"], TRAINING] = "after_warmup"
    """The cosine begins after the warm-up, and epochs include the cool-down; "linear": the same with a straight line
    for the cosine; or, as in timm and the published scripts, the cosine begins at epoch 0 under the warm-up, the
    cool-down follows after epochs, and a rate holds for an epoch."""
    lr: Annotated[LearningRate, TRAINING] = 5e-4
    """Learning rate after the warm-up."""
    lr_start: Annotated[LearningRateFromZero, TRAINING] = 1e-5
    """Learning rate at the start of the warm-up."""
    lr_end: Annotated[LearningRateFromZero, TRAINING] = 1e-5
    """Learning rate at the end of the cosine or the line, and while cooling down."""
    warmup_epochs: Annotated[EpochsFromZero, TRAINING] = 20.0
    """Epochs of linear warm-up."""
    cooldown_epochs: Annotated[EpochsFromZero, TRAINING] = 10.0
    """Epochs at lr_end, the last ones; with schedule = "timm" a whole number."""
    weight_decay: Annotated[FactorFromZero, TRAINING] = 0.06
    """AdamW's weight decay, of weights that are matrices."""
    ema_half_life: Annotated[ShareBelowOne, TRAINING] = 0.0
    """Half-life of the moving average of the weights, as a share of the training; 0: no average. The average is what
    is validated, stored and searched."""
    ema_choice: Annotated[Literal["average", "validation"], TRAINING] = "average"
    """The weights that a training with an average ends with: the average; or, of it and the weights without it, those
    of the higher mean accuracy on validation images (train.measured_subnets)."""
    label_smoothing: Annotated[ShareBelowOne, TRAINING] = 0.1
    """Share of a label's weight spread over all classes."""
    mixup: Annotated[FactorFromZero, TRAINING] = 0.5
    """Alpha of mixup's beta distribution; 0: no mixup."""
    mixup_probability: Annotated[Share, TRAINING] = 1.0
    """Share of the batches that are mixed, of those epochs that use mixup."""
    mixup_epochs: Annotated[ShareOrNumber, TRAINING] = 0.6667
    """The first epochs, which use mixup: a share of train.epochs from 0 to 1, or their number if more than 1."""
    mixed_precision: Annotated[Literal["none", "bf16", "fp16"], TRAINING] = "none"
    """What a GPU computes a training's weighted sums in: as --precision says; or in half precision, where weights,
    BatchNorm, potentials, attention and loss stay in float32. "fp16" scales the loss."""
    tf32: Annotated[Flag, TRAINING] = False
    """Whether a GPU may round the factors of a training's float32 products to 10 bits (TF32). Validation never does."""
    validation_images: Annotated[PositiveWhole | None, NoneAsText, TRAINING] = None
    """Validation images of the accuracy after each epoch; "none": all."""
    measured_subnets: Annotated[Whole, TRAINING] = 4
    """Subnets that the seed draws for the choice of weights. The mean accuracy of these, the largest and the smallest
    on the validation images of an epoch decides final = "best", ema_choice = "validation" and patience."""
    final: Annotated[Literal["last", "best"], TRAINING] = "last"
    """The epoch whose weights the finished run has: the last; or the first of those with the highest mean accuracy
    (train.measured_subnets), whose weights are kept in checkpoints/ until the end."""
    patience: Annotated[Whole, TRAINING] = 0
    """The training ends when so many epochs have brought no higher mean accuracy (train.measured_subnets); 0: never.
    The learning rate follows the schedule of all epochs, so an early end lacks its small last rates."""
    keep_last: Annotated[PositiveWhole, NOTHING] = 1
    """Last epochs whose weights, optimizer and history are kept. 1: those of supernet.h5; more: also in files in
    checkpoints/, each a supernet.h5 of a run that goes on from there."""

    @property
    def chooses(self) -> tuple[str, ...]:
        """The keys, with their values, that choose weights by accuracies on validation images."""
        asked = {
            'train.final = "best"': self.final == "best",
            f"train.patience = {self.patience}": self.patience > 0,
            'train.ema_choice = "validation"': self.ema_choice == "validation" and self.ema_half_life > 0,
        }
        return tuple(key for key, is_asked in asked.items() if is_asked)

    @property
    def step_images(self) -> int:
        """Images of a step. The last one of an epoch may have fewer."""
        return self.batch * self.accumulate

    @property
    def total_epochs(self) -> int:
        """Epochs of a whole training. timm adds the cool-down to `epochs`."""
        return self.epochs + (int(self.cooldown_epochs) if self.schedule == "timm" else 0)

    @property
    def rates(self) -> dict[str, float]:
        """What decides how far a step moves weights, of this optimizer: the keys that act, with their values."""
        used = {
            "lr": True,
            "lr_start": self.lr_start > self.lr and self.warmup_epochs > 0,
            "lr_end": self.lr_end > self.lr,
        }
        used |= {"matrix_lr": self.optimizer == "muon", "norm_bias_lr_factor": self.norm_bias_lr_factor > 1}
        return {f"train.{key}": getattr(self, key) for key, acts in used.items() if acts}

    @property
    def rates_text(self) -> str:
        """The same for a message: train.lr = 0.003 or train.matrix_lr = 0.05."""
        return " or ".join(f"{key} = {value:g}" for key, value in self.rates.items())


class EnergyConfig(Keys):
    """How operations are counted and priced. A rule that is "none" is what the convention says."""

    prefix = "energy."

    profile: Annotated[
        Annotated[Text, AfterValidator(_known("profiles")), Tag(NAME_TAG)]
        | Annotated[HardwareProfile, AfterValidator(_own_name("profiles")), Tag(TABLE_TAG)],
        Discriminator(_name_or_table),
        SEARCH | SCORE,
    ] = "cmos45"
    """What an operation costs: a hardware profile by name, or the path of a .toml of yours."""
    convention: Annotated[
        Annotated[Text, AfterValidator(_known("conventions")), Tag(NAME_TAG)]
        | Annotated[Convention, AfterValidator(_own_name("conventions")), Tag(TABLE_TAG)],
        Discriminator(_name_or_table),
        SEARCH | SCORE,
    ] = "sound"
    """Rules of counting: a convention by name, or the path of a .toml of yours."""
    first_layer_steps: Annotated[FirstLayerSteps | None, NoneAsText, SEARCH | SCORE] = None
    """A static image's first convolution counts once, or at every time step."""
    residual: Annotated[Residual | None, NoneAsText, SEARCH | SCORE] = None
    """A residual sum n costs n accumulates, or one multiply-accumulate."""
    order: Annotated[Order | None, NoneAsText, SEARCH | SCORE] = None
    """Order in which the attention product is counted: (q k) v, or q (k v)."""
    event_input: Annotated[EventInput | None, NoneAsText, SEARCH | SCORE] = None
    """A pixel of n events costs the first layer n accumulates, or one multiply-accumulate."""
    rate: Annotated[Rate | None, NoneAsText, SEARCH | SCORE] = None
    """Each operation has the rate of its own input, or all have the mean over all their inputs' elements."""
    border: Annotated[Border | None, NoneAsText, SEARCH | SCORE] = None
    """SOPs are rate x T x MACs, or the synaptic events that are executed."""
    batchnorm_folded: Annotated[Flag | None, NoneAsText, SEARCH | SCORE] = None
    """BatchNorm's affine part is in the weights, or costs a multiply-accumulate for each output and time step."""
    head: Annotated[Flag | None, NoneAsText, SEARCH | SCORE] = None
    """Whether the classifier is counted."""

    @property
    def profile_name(self) -> str:
        """The hardware profile's name."""
        return self.profile if isinstance(self.profile, str) else self.profile.name

    @property
    def convention_name(self) -> str:
        """The convention's name."""
        return self.convention if isinstance(self.convention, str) else self.convention.name

    @property
    def unknown(self) -> dict[str, UserError]:
        """By recipe key, why nothing can be priced here: a store of another aspk names what this one lacks."""
        found: dict[str, UserError] = {}
        folders: tuple[tuple[str, Folder], ...] = (("profile", "profiles"), ("convention", "conventions"))
        for key, folder in folders:
            name, names = getattr(self, key), shipped_names(folder)
            if isinstance(name, str) and name not in names:
                what = f"the {key} {name} is not known to this aspk"
                setting = f"--set 'energy.{key}=\"{names[0]}\"'"
                fix = f"choose one, as by {setting}; there are {', '.join(names)}, or a .toml of yours"
                found[f"energy.{key}"] = UserError(what, f"energy.{key}", fix)
        return found

    @property
    def hardware(self) -> HardwareProfile:
        """The hardware profile. Raises UserError if it is not known here."""
        if not isinstance(self.profile, str):
            return self.profile
        self._require_known("energy.profile")
        return shipped_profile(self.profile)

    @property
    def named_convention(self) -> Convention:
        """The named convention, without the keys next to it. Raises UserError if it is not known here."""
        if not isinstance(self.convention, str):
            return self.convention
        self._require_known("energy.convention")
        return shipped_convention(self.convention)

    def _require_known(self, key: str) -> None:
        fault = self.unknown.get(key)
        if fault is not None:
            raise fault

    def require_known_names(self) -> None:
        """Raises UserError if the profile or the convention is not known here."""
        _ = self.hardware, self.named_convention

    @property
    def rules(self) -> Convention:
        """The convention, with the keys next to it laid over it. Raises UserError if it is not known here."""
        given = {rule: getattr(self, rule) for rule in RULES if getattr(self, rule) is not None}
        return self.named_convention.model_copy(update=given)

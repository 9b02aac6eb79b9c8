"""Rules between keys. A rule is checked if all keys that it reads are valid."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from autospikformer_cli.errors import UserError
from autospikformer_cli.recipe.energy.models import Border, Convention, Rate, shipped_convention, shipped_names
from autospikformer_cli.recipe.sections import DATASETS, EVENT_DATASETS, MeanStd
from autospikformer_cli.space import SearchSpace, plain, subnet_from_tuple
from autospikformer_cli.wording import counted, shortened

CHANNELS = {"digits": 1, "cifar10": 3, "cifar100": 3, "folder": 3}
"""Channels of each data set's images. A folder's images are read as RGB. Events have one or two, by data.polarity."""

_GENES = ("depth", "mlp_ratio", "num_heads", "threshold", "tau", "time_step", "embed_dim")


@dataclass(frozen=True, slots=True)
class Violation:
    """A rule that the values of several keys break. what: the whole sentence."""

    keys: tuple[str, ...]
    what: str
    fix: str | None = None


Finding = Iterator[tuple[str, str | None]]
"""Sentences that say what is wrong, each with a remedy if one is known."""


@dataclass(frozen=True, slots=True)
class Rule:
    """keys: those that the rule reads, as section.key, in the order of the check's arguments. says: what must hold.
    never_blamed: those of them that a mistake is never told of, as no value of theirs would do.
    """

    keys: tuple[str, ...]
    check: Callable[..., Finding]
    says: str
    never_blamed: tuple[str, ...] = ()

    @property
    def blamed(self) -> tuple[str, ...]:
        """The keys that a mistake may be told of."""
        return tuple(key for key in self.keys if key not in self.never_blamed)


def violations(values: Mapping[str, Any]) -> Iterator[Violation]:
    """Every broken rule, of those whose keys are all in values (section.key -> value)."""
    for rule in RULES_BETWEEN_KEYS:
        if all(key in values for key in rule.keys):
            for what, fix in rule.check(*(values[key] for key in rule.keys)):
                yield Violation(rule.blamed, what, fix)


def _dims_split_into_heads(dims: tuple[int, ...], head_counts: tuple[int, ...]) -> Finding:
    for heads in head_counts:
        odd = [str(dim) for dim in dims if dim % heads]
        if odd:
            verb = "is" if len(odd) == 1 else "are"
            yield f"space.embed_dim: {shortened(odd)} {verb} not divisible by num_heads {heads}", None


def _mlps_have_neurons(ratios: tuple[Decimal, ...], dims: tuple[int, ...]) -> Finding:
    if ratios[0] * dims[0] < 1:
        what = f"space.mlp_ratio: {plain(ratios[0])} times embed_dim {dims[0]} is less than one hidden neuron"
        yield what, "leave out the smallest mlp_ratio, or the smallest embed_dim"


def _stem_has_eighths(dims: tuple[int, ...], stem_dim: int | None) -> Finding:
    if stem_dim is not None and stem_dim % 8:
        yield f"model.stem_dim is {stem_dim}, not divisible by 8", "the stem has an eighth, a quarter and a half of it"
    elif stem_dim is None and dims[-1] % 8:
        yield (
            f"space.embed_dim: the largest, {dims[-1]}, is not divisible by 8",
            "the stem's stages have an eighth, a quarter, a half and all of its channels",
        )


def _schedule_fits(epochs: int, warmup: float, cooldown: float, schedule: str) -> Finding:
    if schedule != "timm" and warmup + cooldown > epochs:
        yield (
            f"train.epochs is {epochs}, less than warmup_epochs {warmup:g} + cooldown_epochs {cooldown:g}",
            _shorter(epochs, warmup, cooldown),
        )


def _shorter(epochs: int, warmup: float, cooldown: float) -> str:
    """A remedy that can be typed: both as long as before in proportion, and together half of the training."""
    half = 0.5 * epochs / (warmup + cooldown)
    parts = {"warmup_epochs": warmup * half, "cooldown_epochs": cooldown * half}
    typed = " ".join(f"--set train.{key}={value:.2g}" for key, value in parts.items() if value)
    return f"write less, as by {typed}, or raise train.epochs"


def _warmup_fits(epochs: int, warmup: float, schedule: str) -> Finding:
    if schedule == "timm" and warmup > epochs:
        yield f"train.epochs is {epochs}, less than warmup_epochs {warmup:g}", _shorter(epochs, warmup, 0.0)


def _cooldown_is_whole(cooldown: float, schedule: str) -> Finding:
    if schedule == "timm" and cooldown != int(cooldown):
        yield (
            f'train.cooldown_epochs is {cooldown:g}: train.schedule = "timm" adds whole epochs',
            "write a whole number",
        )


def _decay_leaves_weights(optimizer: str, *rates: float) -> Finding:
    """rates: lr and weight_decay, matrix_lr and matrix_weight_decay. At a share of 1 and more, weights turn over."""
    parts = {("lr", "weight_decay"): rates[:2]}
    if optimizer == "muon":
        parts["matrix_lr", "matrix_weight_decay"] = rates[2:]
    for (lr_key, decay_key), (lr, decay) in parts.items():
        if lr * decay >= 1:
            what = (
                f"train.{decay_key} {decay:g} at train.{lr_key} {lr:g} takes {lr * decay:g} times each weight in a step"
            )
            yield what, f"write a {decay_key} of less than {1 / lr:g}, or lower {lr_key}"


def _parents_fit(population: int, parents: int) -> Finding:
    if parents > population:
        yield f"search.parents is {parents}, more than search.population {population}", None


def _fixed_has_bounds(normalise: str, bounds: object) -> Finding:
    if normalise == "fixed" and bounds is None:
        yield (
            'search.bounds is missing, search.normalise = "fixed" needs it',
            "write bounds = {top1 = [low, high], energy_j = [low, high]} in [search]",
        )


def _ann_has_no_rate(network: str, objectives: tuple[str, ...], limits: dict[str, float]) -> Finding:
    for key, names in (("objectives", objectives), ("limits", tuple(limits))):
        for name in ("firing_rate", "min_block_rate"):
            if network == "transformer" and name in names:
                yield f"search.{key}: the ANN has no {name}", 'leave it out, or write network = "spikformer"'


def _baseline_is_member(baseline: tuple[Decimal, ...] | None, *choices: tuple[Any, ...]) -> Finding:
    if baseline is None:
        return
    try:
        subnet = subnet_from_tuple(baseline)
    except UserError as error:
        yield f"search.baseline: {error.what}", error.fix
        return
    space = SearchSpace(**dict(zip(_GENES, choices, strict=True)))
    for fault in space.faults(subnet):
        yield f"search.baseline is outside [space]: {fault}", None


def _size_is_known(dataset: str, image_size: int | None) -> Finding:
    if dataset in ("folder", "ncaltech101") and image_size is None:
        yield (
            f'data.image_size is missing, data.dataset = "{dataset}" needs it',
            "write the side in pixels, for example image_size = 32, in [data]",
        )


def _moments_fit_channels(normalise: object, dataset: str) -> Finding:
    if not isinstance(normalise, MeanStd):
        return
    if dataset in EVENT_DATASETS:
        yield f"data.normalise does not apply to {dataset}: frames of events are counts, and stay so", None
    elif len(normalise.mean) != CHANNELS.get(dataset, len(normalise.mean)):
        has, needs = len(normalise.mean), CHANNELS[dataset]
        yield f"data.normalise is for {counted(has, 'channel')}, images of {dataset} have {needs}", None


def _frames_suffice(time_steps: tuple[int, ...], frames: int, dataset: str) -> Finding:
    if dataset in EVENT_DATASETS and time_steps[-1] > frames:
        yield (
            f"space.time_step: the largest, {time_steps[-1]}, is more than data.frames {frames}",
            "a time step reads one frame: raise data.frames, or lower space.time_step",
        )


def _augmentation_fits(augment: str, dataset: str) -> Finding:
    if dataset not in DATASETS:
        return  # a store's, which this aspk lacks
    of_images, of_events = ("spikformer", "translate"), ("events",)
    is_events = dataset in EVENT_DATASETS
    if augment in (of_images if is_events else of_events):
        suited = ", ".join(f'"{kind}"' for kind in (*(of_events if is_events else of_images), "flip"))
        yield (
            f'data.augment = "{augment}" does not fit {dataset}, which has {"events" if is_events else "images"}',
            f'write augment = {suited} or "none"',
        )


def _distillation_has_a_teacher(distillation: str, sampling: str) -> Finding:
    if distillation != "none" and sampling != "sandwich":
        what = f'train.distillation = "{distillation}" needs the largest subnet in each step'
        yield f'{what}, train.sampling = "{sampling}" has it not', 'write sampling = "sandwich" in [train]'


def _whitening_has_images(whitened: bool, dataset: str) -> Finding:
    if whitened and dataset in EVENT_DATASETS:
        yield f"train.whitened_stem needs images, {dataset} has events", "write whitened_stem = false in [train]"


def _exact_counts_have_no_mean(convention: str | Convention, rate: Rate | None, border: Border | None) -> Finding:
    if isinstance(convention, str) and convention not in shipped_names("conventions"):
        return  # a store's, which this aspk lacks
    named = shipped_convention(convention) if isinstance(convention, str) else convention
    if (rate or named.rate, border or named.border) == ("mean", "exact"):
        what = 'energy.border = "exact" counts each operation, energy.rate = "mean" none of them'
        yield what, "choose one of the two"


RULES_BETWEEN_KEYS = (
    Rule(
        ("space.embed_dim", "space.num_heads"),
        _dims_split_into_heads,
        "Every embed_dim is divisible by every num_heads.",
    ),
    Rule(
        ("space.mlp_ratio", "space.embed_dim"),
        _mlps_have_neurons,
        "The smallest mlp_ratio times the smallest embed_dim is at least 1.",
    ),
    Rule(
        ("space.embed_dim", "model.stem_dim"),
        _stem_has_eighths,
        "stem_dim, or without it the largest embed_dim, is divisible by 8.",
    ),
    Rule(
        ("train.epochs", "train.warmup_epochs", "train.cooldown_epochs", "train.schedule"),
        _schedule_fits,
        'epochs are at least warmup_epochs + cooldown_epochs, but not with schedule = "timm". A recipe that extends '
        "another with fewer epochs, or `--set train.epochs=1`, sets these, too: `--set train.warmup_epochs=0.1`. "
        "`aspk finish` and `aspk evaluate --finetune` shorten them in proportion.",
    ),
    Rule(
        ("train.epochs", "train.warmup_epochs", "train.schedule"),
        _warmup_fits,
        'With schedule = "timm", epochs are at least warmup_epochs. The cool-down follows after them.',
        never_blamed=("train.schedule",),
    ),
    Rule(
        ("train.cooldown_epochs", "train.schedule"),
        _cooldown_is_whole,
        'With schedule = "timm", cooldown_epochs is a whole number.',
    ),
    Rule(
        ("train.optimizer", "train.lr", "train.weight_decay", "train.matrix_lr", "train.matrix_weight_decay"),
        _decay_leaves_weights,
        "lr x weight_decay is less than 1, and with Muon matrix_lr x matrix_weight_decay, too: a step takes that share "
        "of a weight.",
    ),
    Rule(
        ("search.population", "search.parents"),
        _parents_fit,
        "parents are at most population.",
    ),
    Rule(
        ("search.normalise", "search.bounds"),
        _fixed_has_bounds,
        'normalise = "fixed" needs bounds.',
    ),
    Rule(
        ("model.network", "search.objectives", "search.limits"),
        _ann_has_no_rate,
        'With network = "transformer", firing_rate and min_block_rate are neither objectives nor limits.',
    ),
    Rule(
        ("search.baseline", *(f"space.{gene}" for gene in _GENES)),
        _baseline_is_member,
        "baseline is a subnet of the space.",
    ),
    Rule(
        ("data.dataset", "data.image_size"),
        _size_is_known,
        'dataset = "folder" and "ncaltech101" need image_size.',
    ),
    Rule(
        ("data.normalise", "data.dataset"),
        _moments_fit_channels,
        "normalise = {mean = [], std = []} has a number for each channel of the data set's images; events have none.",
    ),
    Rule(
        ("space.time_step", "data.frames", "data.dataset"),
        _frames_suffice,
        "For events, the largest time_step is at most frames.",
    ),
    Rule(
        ("data.augment", "data.dataset"),
        _augmentation_fits,
        'augment = "spikformer" and "translate" are for images, "events" is for events.',
    ),
    Rule(
        ("train.distillation", "train.sampling"),
        _distillation_has_a_teacher,
        'distillation = "soft_labels" needs sampling = "sandwich".',
    ),
    Rule(
        ("train.whitened_stem", "data.dataset"),
        _whitening_has_images,
        "whitened_stem = true needs images, not events.",
    ),
    Rule(
        ("energy.convention", "energy.rate", "energy.border"),
        _exact_counts_have_no_mean,
        'border = "exact" and rate = "mean" exclude each other, whether a key or the convention says so.',
    ),
)

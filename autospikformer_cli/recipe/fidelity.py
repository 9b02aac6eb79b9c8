"""Fidelity: which reading of the paper is in force, key by key, under each named profile.

`docs/fidelity.md` is made from this table. A reading's number is its number there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeGuard

from autospikformer_cli.recipe.energy.models import shipped_convention

Value = bool | int | float | str
Fidelity = Literal["sound", "paper", "authors"]


@dataclass(frozen=True, slots=True)
class Switch:
    """One choice between readings, and the recipe key that makes it.

    sound, paper, authors: the value that we hold to be right, that of the text as printed, that of the published code.
    silent: of these, the sources that say nothing; they take ours. computed: every module:attribute that obeys the key.
    """

    key: str
    reading: int
    title: str
    sound: Value
    paper: Value
    authors: Value
    changes: str
    why: str
    computed: tuple[str, ...]
    silent: tuple[Fidelity, ...] = ()

    def value(self, name: Fidelity) -> Value:
        """The value under a profile."""
        return {"sound": self.sound, "paper": self.paper, "authors": self.authors}[name]


PROFILE_SWITCHES = (
    Switch(
        key="model.decay_input",
        reading=8,
        title="input of a neuron",
        sound=True,
        paper=False,
        authors=True,
        changes="Whether a neuron's input is divided by tau: u <- u + (I - u) / tau, or u <- (1 - 1 / tau) u + I.",
        why="The weights of every published Spikformer need it, and only so does firing fall as tau rises.",
        computed=("autospikformer_cli.spiking.neuron:lif",),
    ),
    Switch(
        key="model.fires_at",
        reading=25,
        title="when a neuron fires",
        sound="reach",
        paper="exceed",
        authors="reach",
        changes="Whether a potential equal to the threshold fires, which is frequent behind attention: "
        "its input is a lattice.",
        why="The published weights were trained so.",
        computed=("autospikformer_cli.spiking.neuron:Spike",),
    ),
    Switch(
        key="model.stem_threshold",
        reading=9,
        title="default threshold",
        sound=1.0,
        paper=0.5,
        authors=1.0,
        changes="The threshold of the stem's neurons, and of a block's neurons that its own threshold does not govern.",
        why="The published weights were trained so; in the code, 0.5 is the neurons' behind attention alone.",
        computed=(
            "autospikformer_cli.spiking.supernet:PatchEmbed",
            "autospikformer_cli.spiking.supernet:EncoderBlock",
        ),
    ),
    Switch(
        key="model.attention_threshold",
        reading=9,
        title="threshold behind attention",
        sound=0.5,
        paper=0.5,
        authors=0.5,
        changes="The threshold of the neurons behind the attention product, whatever the block's.",
        why="Paper and code agree.",
        computed=("autospikformer_cli.spiking.supernet:SpikingSelfAttention",),
    ),
    Switch(
        key="model.reset",
        reading=9,
        title="reset",
        sound="hard",
        paper="hard",
        authors="hard",
        changes="Whether a spike sets the potential to 0, or takes the threshold from it.",
        why="Paper (Equation 1) and code agree.",
        computed=("autospikformer_cli.spiking.neuron:lif",),
    ),
    Switch(
        key="model.detach_reset",
        reading=9,
        title="gradient of the reset",
        sound=True,
        paper=True,
        authors=True,
        changes="Whether gradients stop at the reset.",
        why="As the code.",
        computed=("autospikformer_cli.spiking.neuron:lif",),
        silent=("paper",),
    ),
    Switch(
        key="model.surrogate",
        reading=9,
        title="gradient of a spike",
        sound="sigmoid",
        paper="sigmoid",
        authors="sigmoid",
        changes="The derivative that stands for the step function's in training; the sigmoid's slope is 4.",
        why="As the code.",
        computed=("autospikformer_cli.spiking.neuron:surrogate_gradient",),
        silent=("paper",),
    ),
    Switch(
        key="model.threshold_scope",
        reading=10,
        title="threshold of a block",
        sound="block",
        paper="block",
        authors="fc1",
        changes="Whether the threshold searched for a block governs all its neurons but those behind attention, or "
        "fc1's alone.",
        why="The paper searches the threshold of the block; in the code it reaches one layer of seven.",
        computed=("autospikformer_cli.spiking.supernet:EncoderBlock",),
    ),
    Switch(
        key="model.searched_heads",
        reading=12,
        title="number of heads",
        sound=True,
        paper=True,
        authors=False,
        changes="Whether the number of heads searched for a block acts, or every block computes with the largest.",
        why="The paper searches it; in the code it has no effect.",
        computed=("autospikformer_cli.spiking.layout:NetworkShape.num_heads",),
    ),
    Switch(
        key="model.batchnorm",
        reading=15,
        title="BatchNorm of a subnet",
        sound="recalibrate",
        paper="recalibrate",
        authors="batch",
        changes="Whose statistics normalise a subnet's layers when it is measured.",
        why="With statistics of the test batch, accuracy depends on the batch size. The code takes them for the layers "
        "that subnets slice; the stem's first three, which none does, take those of training.",
        computed=("autospikformer_cli.evaluation.evaluator:Evaluator.statistics",),
        silent=("paper",),
    ),
    Switch(
        key="train.sampling",
        reading=17,
        title="subnets a training step",
        sound="single",
        paper="single",
        authors="single",
        changes="Whether a step trains one subnet drawn uniformly, or the largest, the smallest and two drawn ones.",
        why="Paper and code agree.",
        computed=("autospikformer_cli.training.paths:sampled_paths",),
    ),
    Switch(
        key="search.split",
        reading=16,
        title="images of the search",
        sound="validation",
        paper="test",
        authors="test",
        changes="The images by which subnets are selected.",
        why="A subnet selected by test images has no unbiased test accuracy left. Validation images stay out of "
        "training under every fidelity.",
        computed=("autospikformer_cli.runs.searching.search:SearchRun",),
    ),
    Switch(
        key="search.alpha",
        reading=6,
        title="weight of energy",
        sound=0.5,
        paper=0.5,
        authors=0.0,
        changes="How much energy weighs in the fitness against accuracy.",
        why="As the paper; the code selects by accuracy alone.",
        computed=("autospikformer_cli.search.fitness:Fitness.value",),
    ),
    Switch(
        key="search.normalise",
        reading=7,
        title="scaling in the fitness",
        sound="archive",
        paper="archive",
        authors="archive",
        changes="What accuracy and energy are min-max scaled over.",
        why="The fitness is then a function of a candidate and all that were measured.",
        computed=("autospikformer_cli.search.fitness:Fitness.score",),
        silent=("paper", "authors"),
    ),
    Switch(
        key="search.parents",
        reading=18,
        title="parents",
        sound=20,
        paper=20,
        authors=10,
        changes="How many of the best candidates the next generation descends from.",
        why="As the paper.",
        computed=("autospikformer_cli.search.evolution:Evolution",),
    ),
    Switch(
        key="search.p_depth",
        reading=18,
        title="mutation of depth, dimension, T",
        sound=0.3,
        paper=0.3,
        authors=0.4,
        changes="The probability of mutating depth, embedding dimension and time step, each.",
        why="As the paper.",
        computed=("autospikformer_cli.search.operators:mutate",),
    ),
    Switch(
        key="search.p_mutation",
        reading=18,
        title="mutation of the other genes",
        sound=0.4,
        paper=0.4,
        authors=0.2,
        changes="The probability of mutating each other gene.",
        why="As the paper.",
        computed=("autospikformer_cli.search.operators:mutate",),
    ),
    Switch(
        key="energy.convention",
        reading=2,
        title="rules of counting",
        sound="sound",
        paper="paper",
        authors="sound",
        changes="Every rule of counting that is not written on its own.",
        why="Equation 3 leaves the classifier out, which the network computes.",
        computed=("autospikformer_cli.recipe.sections:EnergyConfig",),
        silent=("authors",),
    ),
)
"""What a profile sets. The values of sound are the recipe's defaults."""


def _rule(
    name: str,
    reading: int,
    title: str,
    changes: str,
    why: str,
    computed: tuple[str, ...] = ("autospikformer_cli.energy.pricing:Pricing",),
    silent: tuple[Fidelity, ...] = ("authors",),
) -> Switch:
    """A rule of counting: its values are those of the conventions sound and paper (recipe/energy/conventions)."""
    sound, paper = (shipped_convention(convention).rules()[name] for convention in ("sound", "paper"))
    return Switch(f"energy.{name}", reading, title, sound, paper, sound, changes, why, computed, silent)


CONVENTION_SWITCHES = (
    _rule(
        "first_layer_steps",
        reading=3,
        title="first layer",
        changes="Whether the convolution of a static image counts once an image, or at every time step.",
        why="As Equation 3: the image is the same at every step, and is convolved once.",
    ),
    _rule(
        "residual",
        reading=4,
        title="residual sums",
        changes="Whether an integer n that a layer reads from a residual sum costs n accumulates, or a "
        "multiply-accumulate.",
        why="An integer is as many spikes; Equation 2 with a mean value as its rate says the same.",
        silent=("paper", "authors"),
    ),
    _rule(
        "order",
        reading=5,
        title="attention products",
        changes="Whether (q k) v or q (k v) is counted; which of them is executed changes no result.",
        why="As the paper.",
        computed=("autospikformer_cli.spiking.layout:operations",),
    ),
    _rule(
        "event_input",
        reading=3,
        title="first layer on events",
        changes="Whether a pixel of n events costs the first layer n accumulates, or a multiply-accumulate at every "
        "time step.",
        why="Events are spikes, which cost accumulates in every other layer. Equation 3 prices the first layer by "
        "multiply-accumulates, whatever it reads.",
    ),
    _rule(
        "rate",
        reading=2,
        title="firing rate",
        changes="Whether an operation's rate is that of its own input, or the mean over all inputs' elements.",
        why="Equation 2 is a layer's; one rate for all weighs quiet wide layers like busy narrow ones.",
        computed=("autospikformer_cli.energy.counts:OperationCounts",),
    ),
    _rule(
        "border",
        reading=2,
        title="borders",
        changes="Whether SOPs are rate x T x MACs, or the synaptic events that are executed, of which a convolution's "
        "border has fewer.",
        why="As Equation 2, which most of the field counts by.",
    ),
    _rule(
        "batchnorm_folded",
        reading=15,
        title="BatchNorm's cost",
        changes="Whether BatchNorm's affine part is in the weights, or costs a multiply-accumulate for each output and "
        "time step.",
        why="A network for inference has it folded.",
        silent=("paper", "authors"),
    ),
    _rule(
        "head",
        reading=2,
        title="classifier",
        changes="Whether the classifier is counted.",
        why="The network computes it; Equation 3 leaves it out.",
    ),
)
"""What energy.convention decides while the key is "none"."""

NETWORK_KEYS = ("model.network", "model.neuron", "model.attention_scale", "model.evaluation_batch")
"""Keys that no profile sets, but that every result names beside the switches."""


def is_fidelity(name: object) -> TypeGuard[Fidelity]:
    """Whether a value names a profile."""
    return name in ("sound", "paper", "authors")


def profile_keys(name: Fidelity) -> dict[str, dict[str, Value]]:
    """The keys that a profile sets, by section.

    >>> profile_keys("authors")["search"]["parents"]
    10
    """
    tables: dict[str, dict[str, Value]] = {}
    for switch in PROFILE_SWITCHES:
        section, key = switch.key.split(".")
        tables.setdefault(section, {})[key] = switch.value(name)
    return tables

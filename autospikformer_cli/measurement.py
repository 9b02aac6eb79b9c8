"""A subnet's raw counts on real images. Accuracy, energy and fitness are computed from them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from autospikformer_cli.recipe.fidelity import Value
from autospikformer_cli.space import Subnet

SPLITS: tuple[Literal["test", "validation", "train"], ...] = ("test", "validation", "train")
"""The parts of a data set that subnets may be measured on."""
SILENT_RATE = 0.001
"""Spikes per neuron and time step. Below it, a layer, a block or a neuron is called silent."""
SATURATED_RATE = 1.0 - SILENT_RATE
"""Spikes per neuron and time step. Above it, a neuron is called saturated."""


NO_VALUES: Mapping[str, float] = {}
"""In the objectives of plugins, without any: one for all candidates."""


@dataclass(frozen=True, slots=True)
class InputCount:
    """What one layer read, over all images.

    layer: the layer's name. sums: sum of the input's values at each time step. nonzeros: number of values that are not
    0, at each time step. Both are empty for a layer that runs once an image, on real values.
    size: input elements in a step, over all images. macs: multiply-accumulates of one image in a step.
    """

    layer: str
    sums: tuple[int, ...]
    nonzeros: tuple[int, ...]
    size: int
    macs: int

    @property
    def rate(self) -> float | None:
        """Mean input value over elements, images and steps; None for real inputs."""
        return sum(self.sums) / (self.size * len(self.sums)) if self.sums else None


@dataclass(frozen=True, slots=True)
class SynapseCount:
    """What one operation that reads spikes did at each time step, over all images. Exact, also at borders.

    operation: a layer, or an attention product of either order. events: synaptic events: each input value, times the
    number of outputs that it reaches. passes: weights visited, each value n once; for attention products, the events.
    """

    operation: str
    events: tuple[int, ...]
    passes: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class SpikeCount:
    """Spikes of one LIF layer.

    spikes: emitted at each time step, over all images. neurons: number of neurons, of one image.
    """

    layer: str
    spikes: tuple[int, ...]
    neurons: int

    @property
    def block(self) -> int | None:
        """The number of the transformer block that the layer is in; None in the stem.

        >>> SpikeCount("block.1.attn.q_bn", (7,), 64).block
        1
        """
        first, _, rest = self.layer.partition(".")
        return int(rest.split(".")[0]) if first == "block" else None

    @property
    def operation(self) -> str:
        """The operation that feeds the layer's neurons, as energy tables name it. layer: the BatchNorm between them.

        The neurons after both attention products are fed by the second one, here in the order qk_v.

        >>> SpikeCount("block.1.attn.q_bn", (7,), 64).operation, SpikeCount("block.1.attn.attn", (7,), 64).operation
        ('block.1.attn.q_linear', 'block.1.attn.(q@k)@v')
        """
        if self.layer.endswith(".attn.attn"):
            return f"{self.layer.removesuffix('attn')}(q@k)@v"
        return self.layer.replace("_bn", "_conv" if self.block is None else "_linear")


@dataclass(frozen=True, slots=True)
class Measurement:
    """Raw results of one subnet on one split. They depend neither on an energy convention nor on a fitness.

    Of a store, inputs, spikes and synapses are `count_tables.StoredCounts`, which equal tuples.
    """

    correct: int
    images: int
    params: int
    inputs: Sequence[InputCount]
    spikes: Sequence[SpikeCount]
    silent_channels: int
    """Number of channels whose calibration variance is below BatchNorm's eps, in all layers."""
    non_finite: int = 0
    """Number of images whose logits, or the statistics that they depend on, are not finite."""
    synapses: Sequence[SynapseCount] = ()
    """Empty for an ANN, and in files of an aspk before 0.2."""
    answers: bytes | None = None
    """A bit for each image, in the split's order: 1 if its class was predicted. None in files of an aspk before 0.2.

    The first image is the highest bit of the first byte. Bits after the last image are 0.
    """

    @property
    def is_usable(self) -> bool:
        """Whether an image was measured, and the network computes finite values."""
        return self.images >= 1 and not self.non_finite

    @property
    def top1(self) -> float:
        """Accuracy in percent."""
        return 100.0 * self.correct / self.images

    @property
    def firing_rate(self) -> float | None:
        """Emitted spikes divided by neurons x time steps, over all LIF layers; None for an ANN."""
        return self.rate_of(self.spikes) if self.spikes else None

    @property
    def step_rates(self) -> tuple[tuple[str, tuple[float, ...]], ...]:
        """Of every LIF layer its name, and the share of its neurons that fired, by time step. Empty for an ANN."""
        return tuple(
            (layer.layer, tuple(spikes / (layer.neurons * self.images) for spikes in layer.spikes))
            for layer in self.spikes
        )

    @property
    def operation_rates(self) -> tuple[tuple[str, tuple[float, ...]], ...]:
        """The same under the names of the operations that feed the neurons, as energy tables have them."""
        return tuple((layer.operation, rates) for layer, (_, rates) in zip(self.spikes, self.step_rates, strict=True))

    @property
    def silent_layers(self) -> tuple[str, ...]:
        """The operations that feed neurons with a mean firing rate below SILENT_RATE, in execution order."""
        return tuple(layer.operation for layer in self.spikes if self.rate_of((layer,)) < SILENT_RATE)

    @property
    def block_rates(self) -> dict[int, float]:
        """The mean firing rate of each transformer block: of all its LIF layers. Empty for an ANN."""
        layers: dict[int, list[SpikeCount]] = {}
        for layer in self.spikes:
            if layer.block is not None:
                layers.setdefault(layer.block, []).append(layer)
        return {block: self.rate_of(members) for block, members in layers.items()}

    @property
    def silent_blocks(self) -> tuple[int, ...]:
        """Numbers of the blocks with a mean firing rate below SILENT_RATE."""
        return tuple(block for block, rate in self.block_rates.items() if rate < SILENT_RATE)

    def rate_of(self, layers: Iterable[SpikeCount]) -> float:
        """The mean firing rate of some of its layers: emitted spikes divided by images x neurons x time steps."""
        members = tuple(layers)
        emitted = sum(sum(layer.spikes) for layer in members)
        return emitted / (self.images * sum(layer.neurons * len(layer.spikes) for layer in members))


@dataclass(frozen=True, slots=True)
class Candidate:
    """A measured subnet of a search.

    id: its number in the archive. generation: the first generation that asked for it. plugin_values: its values in
    the objectives of plugins that its search names, by their names. They follow from the rest as long as the plugin is
    there, so they are not compared.
    """

    id: str
    subnet: Subnet
    generation: int
    measurement: Measurement
    plugin_values: Mapping[str, float] = field(default_factory=lambda: NO_VALUES, compare=False)


@dataclass(frozen=True, slots=True)
class StoredObjective:
    """What a search's file says of a plugin's objective, in which each of its candidates has a value.

    The fields are those of `search.objectives.Objective`.
    """

    name: str
    label: str
    unit: str
    better: Literal["more", "less"]
    ideal: float


@dataclass(frozen=True)
class Provenance:
    """How every number of a store was obtained.

    split, split_hash, images: the images measured on. calibration_*: the images that recalibrated BatchNorm.
    batchnorm, fidelity: the recipe's keys. weights_hash: `supernet.weights_hash`. epochs: epochs of training.
    frames: number of frames of a recording of events; a subnet with T steps reads T of them, evenly; 0 for images.
    engine: what ran the network; dense in files of an aspk before 0.2, which had no other.
    switches: each switch of fidelity and energy convention and its value; they follow from the recipe.
    computed_with: versions, and all else that the last bits depend on; empty in files of an aspk before 0.2.
    """

    split: str
    split_hash: str
    images: int
    calibration_hash: str
    calibration_images: int
    batchnorm: str
    fidelity: str
    weights_hash: str
    precision: str
    device: str
    epochs: int
    frames: int = 0
    engine: str = "dense"
    switches: dict[str, Value] = field(default_factory=dict, compare=False)
    computed_with: dict[str, str] = field(default_factory=dict, compare=False)

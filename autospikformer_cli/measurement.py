"""What a subnet measures on real images: raw counts, from which accuracy, energy and fitness are computed."""

from __future__ import annotations

from dataclasses import dataclass, field

from autospikformer_cli.recipe.fidelity import Value
from autospikformer_cli.space import Subnet


@dataclass(frozen=True, slots=True)
class InputCount:
    """What one layer read, over all images.

    layer: the layer's name. sums, nonzeros: by time step, the sum of the input's values and how many are not 0
    (a layer that runs once an image, on real values, has no steps to count: both are empty).
    size: input elements a step, over all images. macs: multiply-accumulates a step of one image.
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
    """What one operation that reads spikes did, by time step, over all images: exact, borders included.

    operation: a layer, or an attention product of either order. events: synaptic events, each input value times the
    outputs that it reaches. passes: weights visited, a value n once; of attention products the events.
    """

    operation: str
    events: tuple[int, ...]
    passes: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class SpikeCount:
    """Spikes that one LIF layer emitted, by time step, over all images; neurons: of one image."""

    layer: str
    spikes: tuple[int, ...]
    neurons: int


@dataclass(frozen=True, slots=True)
class Measurement:
    """Raw results of one subnet on one split: nothing here depends on an energy convention or on a fitness."""

    correct: int
    images: int
    params: int
    inputs: tuple[InputCount, ...]
    spikes: tuple[SpikeCount, ...]
    silent_channels: int
    """Channels whose calibration variance is below BatchNorm's eps, over all layers."""
    non_finite: int = 0
    """Images whose logits, or the statistics behind them, are not finite."""
    synapses: tuple[SynapseCount, ...] = ()
    """Empty in what an aspk before 0.2 stored, and of an ANN."""

    @property
    def top1(self) -> float:
        """Accuracy in percent."""
        return 100.0 * self.correct / self.images

    @property
    def firing_rate(self) -> float | None:
        """Spikes emitted over neurons x time steps, all LIF layers together; None for an ANN."""
        if not self.spikes:
            return None
        emitted = sum(sum(layer.spikes) for layer in self.spikes)
        return emitted / (self.images * sum(layer.neurons * len(layer.spikes) for layer in self.spikes))


@dataclass(frozen=True, slots=True)
class Candidate:
    """A measured subnet of a search: its number in the archive, and the generation that asked for it first."""

    id: str
    subnet: Subnet
    generation: int
    measurement: Measurement


@dataclass(frozen=True)
class Provenance:
    """How every number of a store was obtained.

    split, split_hash, images: the images measured on. calibration_*: those that BatchNorm was recalibrated on.
    batchnorm, fidelity: the recipe's keys. weights_hash: `supernet.weights_hash` of the network, after so many epochs.
    frames: that recordings of events were cut into, of which a subnet with T steps read T, evenly; 0 for images.
    engine: what ran the network; dense where an aspk before 0.2 wrote the file, which had no other.
    switches: every switch of fidelity and energy convention with its value in force, which follows from the recipe.
    computed_with: versions, and what else the last bits depend on; empty where an aspk before 0.2 wrote the file.
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

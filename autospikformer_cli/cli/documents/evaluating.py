"""Documents of `aspk evaluate`."""

from __future__ import annotations

from autospikformer_cli.cli.documents.parts import Document, FidelityFields, Part


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
    """Limits that it breaks under these prices, other keys than its search's, and whether it is dead, in words."""

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
    energy_j: float | None
    """Joules of an image, without what is `unpriced`; null if nothing has a price."""
    unpriced: list[str]
    """Operations that the profile has no figure for."""
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

"""Documents of `aspk energy`."""

from __future__ import annotations

from autospikformer_cli.cli.documents.parts import Document, FidelityFields, Part, Setting


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
    compute_j: float | None
    """Joules of these; null if the profile has no figure."""
    memory_j: float
    """Joules of moving bits."""
    neurons_j: float
    """Joules of updating neurons."""
    unpriced: float
    """Multiplies that the profile has no figure for."""
    runs_a_step: float
    """How often it runs in a time step, on average: 1, unless a layer is another operation at other steps."""
    energy_j: float | None
    """All joules; null if the profile has no figure."""


class LayerPairDocument(Part):
    """One operation as spiking and as ANN."""

    name: str
    """Its name."""
    input_rate: float | None
    """Mean input value; null for real values."""
    energy_j: float | None
    """Joules of the spiking one; null if the profile has no figure for any of it."""
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
    energy_j: float | None
    """Joules of the spiking network; null if the profile has no figure for any of it."""
    energy_int8_j: float | None
    """The same with 8-bit weights."""
    ann_j: float | None
    """Joules of the ANN; null if the profile has no figure."""
    ann_int8_j: float | None
    """The same with 8 bits."""
    mean_rate: RateDocument | None
    """Mean over the elements of all inputs."""
    weighted_rate: float | None
    """The one rate of all inputs at which spikes would cost energy_j: a mean weighted by what operations cost. null if
    the rate costs nothing."""
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
    energy_j: float | None
    """Joules of an image, without what is `unpriced`; null if nothing has a price."""
    ann_energy_j: float | None
    """Joules of the ANN of its shape; null if the profile has no figure."""
    layers: list[LayerDocument]
    """Each operation, in execution order."""
    against_ann: AnnDocument
    """Each operation next to the ANN's."""
    conventions: dict[str, float | None]
    """Joules under each convention; null if counts are missing, or if nothing has a price."""
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
    """Its joules; null if they are the same or unknown, or if nothing has a price."""


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

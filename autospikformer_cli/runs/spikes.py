"""How subnets of a run fire, next to each other: rates by layer and time step, silent and saturated neurons."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, dataclass
from typing import TYPE_CHECKING

from autospikformer_cli.errors import UserError
from autospikformer_cli.measurement import SATURATED_RATE, SILENT_RATE, Measurement, SpikeCount
from autospikformer_cli.recipe import Decides, Recipe, differing_keys
from autospikformer_cli.runs.energy import SubnetCounts, counts_alike, stored_counts, subnet_counts
from autospikformer_cli.runs.selection import Selection, select, select_of
from autospikformer_cli.runs.trained_run import TrainedRun, stored_recipe
from autospikformer_cli.space import Subnet
from autospikformer_cli.store.searches import present_search

if TYPE_CHECKING:
    from autospikformer_cli.evaluation.neurons import NeuronRates

DEFINITIONS = (
    "neuron: one channel at one position of a layer",
    f"silent neuron: fires in less than {SILENT_RATE:g} of all images' time steps",
    f"saturated neuron: fires in more than {SATURATED_RATE:g} of them",
)
"""What is counted, for tables and documents."""


@dataclass(frozen=True)
class NeuronCount:
    """How many neurons of a layer are silent or saturated, and of how many channels all neurons are.

    layer: as `SpikeCount` names it. spikes: of all neurons, over all images and time steps.
    """

    layer: str
    spikes: int
    neurons: int
    silent: int
    saturated: int
    channels: int
    channels_all_silent: int
    channels_all_saturated: int

    @classmethod
    def of(cls, rates: NeuronRates) -> NeuronCount:
        """Counted of the rates of all neurons."""
        silent_PC, saturated_PC = rates.silent_PC, rates.saturated_PC
        return cls(
            rates.layer,
            spikes=int(rates.spikes_PC.sum()),
            neurons=silent_PC.size,
            silent=int(silent_PC.sum()),
            saturated=int(saturated_PC.sum()),
            channels=silent_PC.shape[1],
            channels_all_silent=int(silent_PC.all(0).sum()),
            channels_all_saturated=int(saturated_PC.all(0).sum()),
        )

    @classmethod
    def total(cls, counts: Sequence[NeuronCount]) -> NeuronCount:
        """Of several layers together."""
        numbers = (astuple(each)[1:] for each in counts)
        return cls("", *map(sum, zip(*numbers, strict=True)))

    def to_document(self) -> dict[str, object]:
        """As JSON."""
        return {
            "neurons": self.neurons,
            "silent_neurons": self.silent,
            "saturated_neurons": self.saturated,
            "channels": self.channels,
            "channels_all_silent": self.channels_all_silent,
            "channels_all_saturated": self.channels_all_saturated,
        }


@dataclass(frozen=True)
class FiringSubnet:
    """A subnet and how it fires.

    name: as the user named it. counts: of its layers. neurons: of each layer, in the same order; None if they were not
    measured. neuron_images: how many images they were measured on, the first ones of the counts' images.
    """

    name: str
    selection: Selection
    origin: str
    counts: SubnetCounts
    neurons: tuple[NeuronCount, ...] | None
    neuron_images: int

    @property
    def subnet(self) -> Subnet:
        """Its genes."""
        return self.selection.subnet

    @property
    def measurement(self) -> Measurement:
        """What it measured."""
        return self.counts.measurement

    @property
    def layers(self) -> dict[str, SpikeCount]:
        """The spikes of its layers, under the names of the operations that feed their neurons, in execution order."""
        return {layer.operation: layer for layer in self.measurement.spikes}

    @property
    def neurons_by_layer(self) -> dict[str, NeuronCount]:
        """Its neurons under the same names; empty if they were not measured."""
        return dict(zip(self.layers, self.neurons or (), strict=False))

    @property
    def neuron_source(self) -> str | None:
        """Where the counts of its neurons are from."""
        return None if self.neurons is None else f"measured now on {self.neuron_images} {self.counts.split} images"

    def to_document(self) -> dict[str, object]:
        """As JSON."""
        measured, neurons = self.measurement, self.neurons_by_layer
        rates = dict(measured.operation_rates)
        return {
            "name": self.name,
            "origin": self.origin,
            "subnet": self.subnet.to_numbers(),
            "time_step": self.subnet.time_step,
            "split": self.counts.split,
            "images": measured.images,
            "rates": self.counts.source,
            "neurons": self.neuron_source,
            "engine": self.counts.engine,
            "firing_rate": measured.firing_rate,
            "silent_channels": measured.silent_channels,
            "silent_layers": list(measured.silent_layers),
            "silent_blocks": list(measured.silent_blocks),
            "layers": [
                {
                    "name": name,
                    "firing_rate": measured.rate_of([layer]),
                    "step_rates": list(rates[name]),
                    "neurons": neurons[name].to_document() if name in neurons else None,
                }
                for name, layer in self.layers.items()
            ],
        }


@dataclass(frozen=True)
class FiringSubnets:
    """Subnets of a run next to each other."""

    run: str
    recipe: Recipe
    subnets: tuple[FiringSubnet, ...]

    @property
    def layers(self) -> tuple[str, ...]:
        """The layers of the deepest subnet, which has those of all others, in execution order."""
        return max((tuple(each.layers) for each in self.subnets), key=len)

    def to_document(self) -> dict[str, object]:
        """As JSON."""
        return {
            "run": self.run,
            "definitions": list(DEFINITIONS),
            "silent_rate": SILENT_RATE,
            "saturated_rate": SATURATED_RATE,
            "subnets": [each.to_document() for each in self.subnets],
            **self.recipe.fidelity_document(),
        }


def firing_of_subnets(run: TrainedRun, names: Sequence[str], images: int | None, *, stored: bool) -> FiringSubnets:
    """How subnets fire: rates from the counts that a search stored, or measured now; neurons are always measured now.

    names: as `select` takes them; none for the best and the baseline, or the baseline alone of a run without a search.
    images: measure neurons on the first n of the images that the rates are of; None for all. stored: measure nothing.
    Raises UserError.
    """
    if run.recipe.model.network != "spikformer":
        raise UserError("an ANN has no spikes", str(run.path), "choose a run of a spiking network")
    wanted = names or (("best", "baseline") if present_search(run.path) is not None else ("baseline",))
    found: dict[Subnet, tuple[str, Selection]] = {}
    for name in wanted:  # a wrong name is refused before anything is measured
        selection = select(name, run.recipe, run.path, run.search) if stored else select_of(run, name)
        if selection.subnet in found:
            run.say.remark(f"{name} and {found[selection.subnet][0]} are one subnet, which is shown once")
        found.setdefault(selection.subnet, (name, selection))
        for remark in selection.remarks(run.recipe):
            run.say.remark(remark)
    firing = [_firing_subnet(run, name, selection, images, stored=stored) for name, selection in found.values()]
    return FiringSubnets(str(run.path), run.recipe, tuple(firing))


def _firing_subnet(
    run: TrainedRun, name: str, selection: Selection, images: int | None, *, stored: bool
) -> FiringSubnet:
    origin = selection.origin(run.path)
    if stored:
        return FiringSubnet(name, selection, origin, _stored_counts(run, name, selection), None, 0)
    counts = subnet_counts(run, selection.subnet)
    num = counts.measurement.images if images is None else images
    if num > counts.measurement.images:
        what = f"the rates of {name} are of {counts.measurement.images} images, not of {num}"
        raise UserError(what, "--images", f"ask for at most {counts.measurement.images}")
    neurons = tuple(map(NeuronCount.of, _measured_neurons(run, selection.subnet, counts.split, num)))
    spikes = [(each.layer, sum(each.spikes)) for each in counts.measurement.spikes]
    if num == counts.measurement.images and spikes != [(each.layer, each.spikes) for each in neurons]:
        run.say.remark(f"! {name}: its neurons fire otherwise now than when its rates were {counts.source}")
    return FiringSubnet(name, selection, origin, counts, neurons, num)


def _stored_counts(run: TrainedRun, name: str, selection: Selection) -> SubnetCounts:
    """What a search measured. Raises UserError if none did, or only under other keys than the run is read with."""
    neuron_is_known = run.energy.shape.neuron_params is not None
    alike = counts_alike(run, selection.subnet) if neuron_is_known else None
    if alike is not None:
        return alike
    fix = "leave out --stored: then it is measured now"
    counts = stored_counts(run.path, selection, name, run.search, fix)
    searched = selection.recipe or stored_recipe(run.path, search=run.search)
    differing = differing_keys(searched, run.recipe, Decides.NETWORK | Decides.MEASUREMENT | Decides.IMAGES)
    if differing:
        raise UserError(f"the search measured {name} with other {', '.join(differing)}", "--stored", fix)
    return counts


def _measured_neurons(run: TrainedRun, subnet: Subnet, split: str, num: int) -> tuple[NeuronRates, ...]:
    from autospikformer_cli.evaluation.neurons import neuron_rates

    images = run.images(split).first(num)  # type: ignore[arg-type]
    evaluator = run.evaluator()
    with run.say.progress(f"neurons of {subnet}", num, unit="images") as progress:
        return neuron_rates(evaluator, subnet, images, progress.advance)

"""Results of `aspk energy` for one network: its energy under any convention, next to its ANN, and as JSON."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import cached_property

from autospikformer_cli.energy.comparison import Comparison
from autospikformer_cli.energy.counts import MissingCounts
from autospikformer_cli.energy.networks import CountedNetwork, counted_module
from autospikformer_cli.energy.pricing import EnergyReport, LayerEnergy
from autospikformer_cli.energy.traced import TracedNetwork, Unattributed
from autospikformer_cli.recipe import EnergyConfig, Recipe
from autospikformer_cli.recipe.energy.models import Convention, shipped_convention, shipped_names
from autospikformer_cli.space import Subnet
from autospikformer_cli.spiking.layout import firing_names
from autospikformer_cli.units import json_number


@dataclass(frozen=True, slots=True)
class ConventionRow:
    """One convention: its name, its description, and the report under it; None if counts are missing (`missing`)."""

    name: str
    about: str
    report: EnergyReport | None
    missing: str = ""


@dataclass(frozen=True)
class NetworkEnergy:
    """A network's energy, and what it depends on.

    source: the origin of its input rates. subnet, recipe: None for a user's module. engine: what ran the subnet; None
    for given rates. module: what else is known of a user's module. selected_on: the split of the search that chose the
    subnet. origin: the run, the search and the candidate's id, or the recipe. remarks: what else a user should know.
    """

    title: str
    network: CountedNetwork
    energy: EnergyConfig
    source: str
    subnet: Subnet | None = None
    recipe: Recipe | None = None
    engine: str | None = None
    module: TracedNetwork | None = None
    selected_on: str = ""
    origin: str = ""
    remarks: tuple[str, ...] = ()

    @property
    def rules(self) -> Convention:
        """The convention in force. It has another name if further keys of the recipe change it."""
        named, rules = self.energy.named_convention, self.energy.rules
        changed = {"name": f"{named.name}, changed", "about": "with the keys beside it"}
        return rules if rules == named else rules.model_copy(update=changed)

    @cached_property
    def report(self) -> EnergyReport:
        """The costs of all operations under the convention in force. Raises MissingCounts if counts are missing."""
        return self.network.report(self.energy.rules, self.energy.hardware)

    @cached_property
    def comparison(self) -> Comparison:
        """The comparison with the ANN of the same shape. Raises MissingCounts if counts are missing."""
        return self.network.against_ann(self.energy.rules, self.energy.hardware)

    @cached_property
    def step_rates(self) -> tuple[tuple[str, tuple[float, ...]], ...]:
        """Of each operation that feeds neurons, their firing rate at each time step; see `CountedNetwork`."""
        names = firing_names(self.network.operations[self.rules.order]) if self.module is None else {}
        return tuple((names.get(layer, layer), rates) for layer, rates in self.network.step_rates)

    def under_all_conventions(self) -> Iterator[ConventionRow]:
        """All conventions that come with aspk, then the one in force, if it is another."""
        conventions = [shipped_convention(name) for name in shipped_names("conventions")]
        if self.rules not in conventions:
            conventions.append(self.rules)
        for convention in conventions:
            yield self._row(convention)

    def _row(self, convention: Convention) -> ConventionRow:
        try:
            report = self.network.report(convention, self.energy.hardware)
        except MissingCounts as missing:
            return ConventionRow(convention.name, convention.about, None, missing.what)
        return ConventionRow(convention.name, convention.about, report)

    def to_document(self) -> dict[str, object]:
        """The energy as JSON: MACs of a time step, SOPs and joules of an image. Absent values are null."""
        report, against = self.report, self.comparison
        rows = self.under_all_conventions()
        document: dict[str, object] = {
            "origin": self.origin or None,
            "remarks": list(self.remarks),
            "subnet": None if self.subnet is None else self.subnet.to_numbers(),
            "module": None if self.module is None else self.title,
            "params": report.params,
            "macs": report.macs,
            "sops": report.sops,
            "energy_j": json_number(report.energy_j),
            "ann_energy_j": against.ann_j,
            "layers": [_layer_document(layer) for layer in report.layers],
            "against_ann": _comparison_document(against),
            "conventions": {row.name: row.report and json_number(row.report.energy_j) for row in rows},
            "rates": self.source,
            "input_rates": {name: asdict(rate) for name, rate in self.network.counts.rates.items()},
            "step_rates": {layer: list(rates) for layer, rates in self.step_rates},
            "engine": self.engine,
            "selected_on": self.selected_on or None,
            "convention": self.energy.convention_name,
            "rules": self.energy.rules.rules(),
            "profile": self.energy.profile_name,
            "hardware": self.energy.hardware.model_dump(exclude_none=True),
            "unpriced": list(report.unpriced),
        }
        document |= {} if self.module is None else self._module_document(self.module)
        return document | (self.recipe.fidelity_document() if self.recipe is not None else {})

    @property
    def silent_layers(self) -> tuple[str, ...]:
        """The operations of a user's module that no spike reaches."""
        rates = self.network.counts.rates
        return tuple(
            layer.name for layer in self.report.layers if layer.name in rates and not rates[layer.name].nonzero
        )

    @property
    def second_energy_j(self) -> float | None:
        """Joules of a second run of a user's module on the same input; None if its counts are the same or unknown."""
        second = None if self.module is None else self.module.second_run.counted
        return (
            None if second is None else counted_module(second).report(self.energy.rules, self.energy.hardware).energy_j
        )

    def _module_document(self, module: TracedNetwork) -> dict[str, object]:
        run = module.second_run
        return {
            "not_counted": [_work_document(work) for work in module.not_counted],
            "unattributed": [_work_document(work) for work in module.unattributed],
            "split_layers": {name: list(names) for name, names in module.split},
            "silent_layers": list(self.silent_layers),
            "connection_sparsity": {
                "share": module.connection_sparsity,
                "weights": sum(each.number for each in module.weights),
                "zeros": sum(each.zeros for each in module.weights),
                "layers": {each.name: each.zeros / each.number for each in module.weights},
            },
            "second_run": {
                "verdict": run.verdict,
                "changed": list(run.changed),
                "error": run.error or None,
                "energy_j": json_number(self.second_energy_j),
            },
        }


def _layer_document(layer: LayerEnergy) -> dict[str, object]:
    unknown = {} if layer.is_priced else {"compute_j": None, "energy_j": None}
    return {**asdict(layer), "energy_j": layer.energy_j} | unknown


def _comparison_document(against: Comparison) -> dict[str, object]:
    layers = [{**asdict(layer), "energy_j": json_number(layer.energy_j)} for layer in against.layers]
    energies = {name: json_number(getattr(against, name)) for name in ("energy_j", "energy_int8_j")}
    return {**asdict(against), **energies, "layers": layers}


def _work_document(work: Unattributed) -> dict[str, object]:
    return {"operator": work.operator, "module": work.module, "calls": work.calls, "elements": work.elements}

"""What `aspk energy` tells of one network: tables, a JSON document, pictures."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path

from rich.table import Table

from autospikformer_cli.energy.comparison import Comparison
from autospikformer_cli.energy.counts import MissingCounts
from autospikformer_cli.energy.networks import CountedNetwork
from autospikformer_cli.energy.pricing import EnergyReport
from autospikformer_cli.errors import UserError
from autospikformer_cli.recipe import EnergyConfig, Recipe
from autospikformer_cli.recipe.energy.models import Convention, shipped_convention, shipped_names
from autospikformer_cli.report.energy_charts import FIRING_RATE_LABEL, INPUT_RATE, bar_chart, heat_map
from autospikformer_cli.report.energy_comparison import ConventionRow, ann_table, conventions_table
from autospikformer_cli.report.energy_notes import Work, energy_notes, module_notes
from autospikformer_cli.report.energy_table import energy_table
from autospikformer_cli.report.paper import paper_ann_energy
from autospikformer_cli.report.provenance import fidelity_notes, selection_notes
from autospikformer_cli.space import Subnet


@dataclass(frozen=True)
class ModuleWork:
    """What a user's module does beside the operations that are counted: at no cost, and what may have a cost."""

    not_counted: tuple[Work, ...]
    unattributed: tuple[Work, ...]


@dataclass(frozen=True)
class NetworkEnergy:
    """A network's energy, and what it rests on.

    source: where its input rates are from. subnet, recipe: None for a user's module, whose other work is in module.
    engine: what ran the subnet, None where rates were given. selected_on: the split of the search that chose it.
    """

    title: str
    network: CountedNetwork
    energy: EnergyConfig
    source: str
    subnet: Subnet | None = None
    recipe: Recipe | None = None
    engine: str | None = None
    module: ModuleWork | None = None
    selected_on: str = ""

    @property
    def rules(self) -> Convention:
        """The convention in force, with a name of its own where keys beside it change it."""
        named, rules = self.energy.named_convention, self.energy.rules
        changed = {"name": f"{named.name}, changed", "about": "with the keys beside it"}
        return rules if rules == named else rules.model_copy(update=changed)

    @cached_property
    def report(self) -> EnergyReport:
        """Every operation's costs under the convention in force. Raises MissingCounts."""
        return self.network.report(self.energy.rules, self.energy.hardware)

    @cached_property
    def comparison(self) -> Comparison:
        """Beside the ANN of the same shape. Raises MissingCounts."""
        return self.network.against_ann(self.energy.rules, self.energy.hardware)

    def under_all_conventions(self) -> Iterator[ConventionRow]:
        """Every convention that comes with aspk, then the one in force where it is another."""
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


def energy_tables(found: NetworkEnergy, compare: bool, ann: bool) -> Iterator[Table]:
    """The layers; then, if asked for, the conventions side by side and the ANN. Raises MissingCounts."""
    notes = list(_notes(found))
    partial = found.module is not None and found.module.unattributed
    title = f"Energy of {found.title}{', of what could be counted' if partial else ''}"
    yield energy_table(title, found.report.layers, notes=notes)
    if compare:
        yield conventions_table(f"{title} by convention", list(found.under_all_conventions()))
    if ann:
        paper = None
        if found.subnet is not None and found.recipe is not None:
            paper = paper_ann_energy(found.subnet, found.recipe.data.dataset)
        yield ann_table(f"{title}, and of its ANN", found.comparison, paper_ann_j=paper)


def _notes(found: NetworkEnergy) -> Iterator[str]:
    source = found.source if found.engine is None else f"{found.source}, engine {found.engine}"
    yield from energy_notes(found.report, found.comparison, found.rules, found.energy.hardware, source)
    if found.module is not None:
        read = found.network.operations[found.rules.order]
        whole = [f"{each.name} (up to {each.largest_input})" for each in read if each.input_kind == "integer"]
        if whole:
            yield f"whole numbers, a value n read as n spikes (divide a pixel's bytes by 255): {', '.join(whole)}"
        yield from module_notes(found.module.not_counted, found.module.unattributed)
    yield from selection_notes(found.selected_on)
    if found.recipe is not None:
        recipe = found.recipe
        yield from fidelity_notes(recipe.fidelity, recipe.switches(), recipe.resolved_switches())


def draw(found: NetworkEnergy, chart: Path | None, heatmap: Path | None) -> None:
    """The pictures that are asked for. Raises UserError where one cannot be made."""
    if heatmap is not None and not any(rates for _, rates in found.network.step_rates):
        if found.module is not None:
            raise UserError(
                "the module has no spikes by time step to draw", "--heatmap", "name T: --input-layout TNCHW"
            )
        fix = "leave the rates out to read a run's"
        raise UserError("given rates have no time steps to draw", "--heatmap", fix)
    if chart is not None:
        bar_chart(chart, f"Energy of {found.title}", found.report.layers)
    if heatmap is not None:
        scale = FIRING_RATE_LABEL if found.module is None else INPUT_RATE
        heat_map(heatmap, f"{scale.splitlines()[0]} of {found.title}", found.network.step_rates, scale)


def energy_document(found: NetworkEnergy) -> dict[str, object]:
    """The energy as JSON: MACs of a time step, SOPs and joules of an image; what is not there is null."""
    report, against = found.report, found.comparison
    layers = [{**asdict(layer), "energy_j": layer.energy_j} for layer in report.layers]
    rows = found.under_all_conventions()
    document: dict[str, object] = {
        "subnet": None if found.subnet is None else found.subnet.to_numbers(),
        "module": None if found.module is None else found.title,
        "params": report.params,
        "macs": report.macs,
        "sops": report.sops,
        "energy_j": report.energy_j,
        "ann_energy_j": against.ann_j,
        "layers": layers,
        "against_ann": asdict(against),
        "conventions": {row.name: None if row.report is None else row.report.energy_j for row in rows},
        "rates": found.source,
        "input_rates": {name: asdict(rate) for name, rate in found.network.counts.rates.items()},
        "step_rates": {layer: list(rates) for layer, rates in found.network.step_rates},
        "engine": found.engine,
        "selected_on": found.selected_on or None,
        "convention": found.energy.named_convention.name,
        "rules": found.energy.rules.rules(),
        "profile": found.energy.hardware.name,
        "hardware": found.energy.hardware.model_dump(exclude_none=True),
        "unpriced": list(report.unpriced),
    }
    if found.module is not None:
        document["not_counted"] = [_work_document(work) for work in found.module.not_counted]
        document["unattributed"] = [_work_document(work) for work in found.module.unattributed]
    return document | (found.recipe.fidelity_document() if found.recipe is not None else {})


def _work_document(work: Work) -> dict[str, object]:
    return {"operator": work.operator, "module": work.module, "calls": work.calls, "elements": work.elements}

"""Energy of one subnet: at one rate for all layers, or from what a run's subnet measured."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from math import isfinite

from autospikformer_cli.energy.pricing import EnergyReport
from autospikformer_cli.errors import UserError
from autospikformer_cli.measurement import Measurement
from autospikformer_cli.recipe import Recipe, differing_keys, load_recipe, recipe_from_toml
from autospikformer_cli.recipe.fidelity import Value
from autospikformer_cli.runs.assembly import TrainedRun, energy_model, open_searched
from autospikformer_cli.runs.search import provenance, select_subnet
from autospikformer_cli.session import Session
from autospikformer_cli.space import Subnet
from autospikformer_cli.store import population as stored
from autospikformer_cli.store.population import load_population
from autospikformer_cli.store.runs import resolve_run


@dataclass(frozen=True)
class SubnetEnergy:
    """A subnet's energy, and what it rests on. engine: what ran it, None where a rate was given."""

    subnet: Subnet
    report: EnergyReport
    source: str
    engine: str | None
    convention: str
    profile: str
    fidelity: str
    switches: tuple[str, ...]
    resolved: Mapping[str, Value]

    def to_document(self) -> dict[str, object]:
        """The energy as JSON: MACs of a time step, SOPs and joules of an image."""
        report = self.report
        return {
            "subnet": self.subnet.to_numbers(),
            "params": report.params,
            "macs": report.macs,
            "sops": report.sops,
            "energy_j": report.energy_j,
            "ann_energy_j": report.ann_energy_j,
            "layers": [asdict(layer) for layer in report.layers],
            "rates": self.source,
            "engine": self.engine,
            "convention": self.convention,
            "profile": self.profile,
            "fidelity": self.fidelity,
            "switches": list(self.switches),
            "resolved": dict(self.resolved),
        }


def uniform_energy(session: Session, recipe_name: str | None, subnet: str | None, rate: float) -> SubnetEnergy:
    """Energy where every layer reads spikes at one rate. Raises UserError for a rate outside 0..1."""
    if not isfinite(rate) or not 0 <= rate <= 1:
        raise UserError(f"a firing rate of {rate:g} is not between 0 and 1", "--firing-rate")
    if recipe_name is None:
        run = open_searched(resolve_run(session.run), session)
        recipe, path = run.recipe, run.path
    else:
        recipe, path = load_recipe(recipe_name, session.overrides), None
    chosen = select_subnet(subnet or "baseline", recipe, path)
    report = energy_model(recipe).at_rate(chosen, rate)
    return _described(chosen, report, recipe, f"{rate:g} for every layer, given", None)


def measured_energy(session: Session, subnet: str | None) -> SubnetEnergy:
    """Energy of a run's subnet from its counts: stored ones of the search, else measured now on validation."""
    run = open_searched(resolve_run(session.run), session)
    has_population = (run.path / stored.FILE_NAME).is_file()
    chosen = select_subnet(subnet or ("best" if has_population else "baseline"), run.recipe, run.path)
    measurement, source = _measurement(run, chosen, has_population)
    return _described(chosen, run.energy.of(chosen, measurement), run.recipe, source, run.engine.name)


def _measurement(run: TrainedRun, subnet: Subnet, has_population: bool) -> tuple[Measurement, str]:
    if has_population:
        population = load_population(run.path)
        images = run.images(run.recipe.search.split, run.recipe.search.images)
        known = [*population.candidates, *([population.baseline] if population.baseline else [])]
        searched = recipe_from_toml(population.recipe_toml)
        same_network = not any(key.startswith("model.") for key in differing_keys(searched, run.recipe))
        for candidate in known:
            if candidate.subnet == subnet and same_network and population.provenance == provenance(run, images):
                return candidate.measurement, f"measured by the search on {len(images)} {images.split} images"
    images = run.images("validation", run.recipe.search.images)
    evaluator = run.evaluator()
    with run.session.progress(f"measuring {subnet}", len(images)) as progress:
        measurement = evaluator.measure(subnet, images, progress.advance).measurement
    return measurement, f"measured now on {len(images)} validation images"


def _described(subnet: Subnet, report: EnergyReport, recipe: Recipe, source: str, engine: str | None) -> SubnetEnergy:
    return SubnetEnergy(
        subnet=subnet,
        report=report,
        source=source if recipe.model.network == "spikformer" else "none, an ANN reads real values",
        engine=engine,
        convention=recipe.energy.convention,
        profile=recipe.energy.profile,
        fidelity=recipe.fidelity,
        switches=recipe.switches(),
        resolved=recipe.resolved_switches(),
    )

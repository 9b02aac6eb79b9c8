"""What the page shows, as JSON and columns: a search's results under every convention and profile."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from math import nan

from autospikformer_cli.analysis.correlation import binomial_interval
from autospikformer_cli.analysis.paired import SIGNIFICANCE, mcnemar_of
from autospikformer_cli.errors import UserError
from autospikformer_cli.measurement import SILENT_RATE, Candidate
from autospikformer_cli.recipe.energy.models import shipped_convention, shipped_profile
from autospikformer_cli.report.page.columns import ColumnBlock
from autospikformer_cli.report.page.layers import layer_facts
from autospikformer_cli.report.provenance import fitness_text, provenance_lines
from autospikformer_cli.report.search_report import hypervolume_lines, rejection_remarks, search_remarks
from autospikformer_cli.runs.repricing import Repricing
from autospikformer_cli.runs.results import SearchResults, bounds_document, candidate_document
from autospikformer_cli.runs.selection import selection_notes
from autospikformer_cli.store.supernet import read_training
from autospikformer_cli.units import json_number


@dataclass(frozen=True)
class PageFacts:
    """What a page is made of. document: JSON, which names columns by their number in `columns`."""

    document: dict[str, object]
    columns: bytes
    num_candidates: int


def page_facts(results: SearchResults, verbose: bool = False) -> PageFacts:
    """All facts of a page that opens with `results`. verbose: list every switch. Raises UserError."""
    block, repricing = ColumnBlock(), Repricing(results)
    energy, search = results.recipe.energy, results.recipe.search
    state = read_training(results.path).state
    scorings = list(_scorings(repricing, block, verbose))
    document: dict[str, object] = {
        "title": results.title,
        "run": str(results.path),
        "search": results.population.name,
        "split": results.provenance.split,
        "alpha": float(search.alpha),
        "normalise": search.normalise,
        "best_num": results.best_num,
        "best": None if results.best is None else results.best.id,
        "opening": {"convention": energy.convention_name, "profile": energy.profile_name},
        "conventions": [{"name": name, "about": _about_convention(results, name)} for name in repricing.conventions],
        "profiles": [{"name": name, "about": _about_profile(results, name)} for name in repricing.profiles],
        "objectives": results.objectives_document(),
        "candidates": _candidates(results, block),
        "baseline": None if results.baseline is None else _baseline(results),
        "scorings": scorings,
        "training": [asdict(record) for record in state.history],
        "trained": dict(zip(("epoch", "largest", "smallest"), (state.weights_epoch, *state.top1), strict=True)),
        "recipe": results.recipe.to_toml(),
        "recipe_name": results.recipe.name,
        "silent_rate": SILENT_RATE,
        "significance": SIGNIFICANCE,
        "formula": fitness_text(None, search.normalise),
    }
    document["columns"] = block.directory()
    return PageFacts(document, block.content(), len(results.population.candidates))


def _about_convention(results: SearchResults, name: str) -> str:
    energy = results.recipe.energy
    if name != energy.convention_name:
        return shipped_convention(name).about
    return "not known to this aspk" if "energy.convention" in energy.unknown else energy.named_convention.about


def _about_profile(results: SearchResults, name: str) -> str:
    energy = results.recipe.energy
    if name != energy.profile_name:
        return shipped_profile(name).title
    return "not known to this aspk" if "energy.profile" in energy.unknown else energy.hardware.title


def _candidates(results: SearchResults, block: ColumnBlock) -> dict[str, object]:
    """What no price changes. alike: equal numbers for equal measurements. genes: the place in the order of genomes."""
    found = results.population.candidates
    measured = [each.measurement for each in found]
    numbers: dict[object, int] = {}
    alike = [numbers.setdefault(each, len(numbers)) for each in measured]
    places = {genome: place for place, genome in enumerate(sorted({each.subnet.to_tuple() for each in found}))}
    usable = [each.images > 0 for each in measured]
    ends = [
        binomial_interval(each.correct, each.images) if is_usable else (nan, nan)
        for each, is_usable in zip(measured, usable, strict=True)
    ]
    rates = [each.firing_rate if is_usable else None for each, is_usable in zip(measured, usable, strict=True)]
    spiking = [bool(each.spikes) and is_usable for each, is_usable in zip(measured, usable, strict=True)]
    return {
        "ids": [each.id for each in found],
        "subnets": [str(each.subnet) for each in found],
        "generation": block.add([each.generation for each in found], "int32"),
        "correct": block.add_whole(each.correct for each in measured),
        "images": block.add_whole(each.images for each in measured),
        "params": block.add([each.params for each in measured], "float64"),
        "low": block.add([low for low, _ in ends], "float64"),
        "high": block.add([high for _, high in ends], "float64"),
        "firing_rate": block.add([nan if rate is None else rate for rate in rates], "float64"),
        "silent_layers": block.add_whole(
            len(each.silent_layers) if known else 0 for each, known in zip(measured, spiking, strict=True)
        ),
        "silent_channels": block.add_whole(each.silent_channels for each in measured),
        "silent_blocks": {
            str(row): list(each.silent_blocks)
            for row, (each, known) in enumerate(zip(measured, spiking, strict=True))
            if known and each.silent_blocks
        },
        "spikes": any(spiking),
        "alike": block.add_whole(alike),
        "genes": block.add_whole(places[each.subnet.to_tuple()] for each in found),
        "chance": block.add([_chance(results, each) for each in found], "float64"),
    }


def _chance(results: SearchResults, candidate: Candidate) -> float:
    """McNemar's probability against the baseline; nan without answers by image."""
    answers = candidate.measurement.answers
    baseline = None if results.baseline is None else results.baseline.candidate.measurement.answers
    return nan if answers is None or baseline is None else mcnemar_of(answers, baseline)


def _baseline(results: SearchResults) -> dict[str, object]:
    assert results.baseline is not None
    return {"text": str(results.baseline.subnet), **candidate_document(results.baseline)}


def _scorings(repricing: Repricing, block: ColumnBlock, verbose: bool) -> Iterator[list[dict[str, object]]]:
    """For each convention a list: for each profile what the search is worth under both."""
    own = repricing.results.recipe.energy
    for convention in repricing.conventions:
        found: list[dict[str, object]] = []
        for profile in repricing.profiles:
            try:
                results = repricing.under(convention, profile)
            except UserError as error:
                if (convention, profile) == (own.convention_name, own.profile_name):
                    raise
                found.append({"missing": error.what})
                continue
            found.append(_scoring(results, repricing, block, verbose))
        yield found


def _scoring(results: SearchResults, repricing: Repricing, block: ColumnBlock, verbose: bool) -> dict[str, object]:
    """What a price changes: energies, what is rejected, bounds, and what is said about them."""
    scores, candidates = results.scores, results.population.candidates
    rows = {candidate.id: row for row, candidate in enumerate(candidates)}
    energies = [nan] * len(candidates)
    for scored in scores.ranked:
        energies[rows[scored.id]] = scored.energy_j
    reasons = list(dict.fromkeys(rejected.reason for rejected in scores.rejected))
    rejected = [0] * len(candidates)
    for each in scores.rejected:
        rejected[rows[each.candidate.id]] = 1 + reasons.index(each.reason)
    hypervolume = results.hypervolume
    return {
        "priced": results.is_priced,
        "energy_j": block.add(_with_rejected(energies, results, repricing, rows), "float64"),
        "rejected": block.add_whole(rejected),
        "reasons": reasons,
        "bounds": bounds_document(scores.bounds),
        "generation_bounds": {
            str(number): bounds_document(bounds) for number, bounds in scores.generation_bounds.items()
        },
        "values": {
            each.name: block.add([candidate.plugin_values.get(each.name, nan) for candidate in candidates], "float64")
            for each in results.objectives
        },
        "baseline_j": json_number(results.baseline.energy_j) if results.baseline else None,
        "baseline_values": _baseline_values(results),
        "hypervolume": None if hypervolume is None else list(hypervolume.shares),
        "hypervolume_text": [] if hypervolume is None else list(hypervolume_lines(hypervolume)),
        "remarks": [*search_remarks(results), *rejection_remarks(results), *selection_notes(results.provenance.split)],
        "provenance": provenance_lines(results, verbose=verbose),
        "layers": _layers(results, repricing, rows, block),
    }


def _with_rejected(
    energies: list[float], results: SearchResults, repricing: Repricing, rows: dict[str, int]
) -> Sequence[float]:
    """Rejected candidates have an energy, too, if they were measured: the page shows where they are."""
    if results.is_priced:
        priced = repricing.priced(results.recipe)
        for candidate, energy_j in zip(repricing.measured, priced.energy_j, strict=True):
            row = rows[candidate.id]
            energies[row] = energy_j
    return energies


def _baseline_values(results: SearchResults) -> dict[str, float | None]:
    if results.baseline is None:
        return {}
    return {name: json_number(value) for name, value in results.baseline.candidate.plugin_values.items()}


def _layers(
    results: SearchResults, repricing: Repricing, rows: dict[str, int], block: ColumnBlock
) -> list[dict[str, object]]:
    if not results.is_priced:
        return []
    measured = [rows[candidate.id] for candidate in repricing.measured]
    return layer_facts(repricing.priced(results.recipe), measured, len(rows), block)

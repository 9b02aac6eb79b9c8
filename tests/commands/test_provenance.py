"""What a result says of itself is so: other images, other switches, an earlier epoch."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from autospikformer_cli.recipe import recipe_from_toml
from autospikformer_cli.store.evaluations import load_evaluations
from autospikformer_cli.store.population import load_population
from autospikformer_cli.store.supernet import load_checkpoint, save_checkpoint

Aspk = Any


@pytest.fixture
def other_images(trained: Path) -> Path:
    """A run whose stored hashes are of other images, as if the data set had changed since."""
    checkpoint = load_checkpoint(trained)
    save_checkpoint(trained, replace(checkpoint, splits={**checkpoint.splits, "validation": "0" * 64}))
    return trained


def test_a_search_on_other_images_is_refused(aspk: Aspk, other_images: Path) -> None:
    done = aspk("search")
    assert done.exit_code == 2
    assert done.stderr == (
        "error: runs/tiny: the validation images are not those that this run was trained with\n"
        "  bring the data set back to what it was, or train a new run: --run NAME, or --fresh next to it\n"
    )


def test_a_training_does_not_go_on_with_other_images(aspk: Aspk, other_images: Path) -> None:
    checkpoint = load_checkpoint(other_images)
    state = replace(checkpoint.state, epoch=2, finished=False, history=checkpoint.state.history[:2])
    save_checkpoint(other_images, replace(checkpoint, state=state))
    done = aspk("train", "--quiet")
    assert done.exit_code == 2
    assert done.stderr.startswith("error: runs/tiny: the validation images are not those that")


PARENTS = "search.parents = 3"
"""The tiny recipe has fewer parents than any fidelity says."""


def test_switches_are_named_beside_the_fidelity(aspk: Aspk, trained: Path) -> None:
    done = aspk("evaluate", "--subnet", "largest", "--images", "20", "--set", "model.decay_input=false", "--json")
    switches = ["model.decay_input = false", PARENTS]
    assert (done.document["fidelity"], done.document["switches"]) == ("sound", switches)
    stored = load_evaluations(trained)[-1].recipe_toml
    assert "decay_input = false" in stored
    assert done.document["resolved"] == recipe_from_toml(stored).resolved_switches()
    shown = aspk("evaluate", "--subnet", "largest", "--images", "20", "--set", "model.decay_input=false", "--quiet")
    words = " ".join(shown.stdout.split())
    assert "sound, but model.decay_input = false SOPs" in words
    differing = "model: evaluation_batch 512, decay_input false"
    assert words.endswith(f"switches: all at their defaults, except {differing} (--verbose lists all)")


def test_a_fidelity_is_laid_over_a_run(aspk: Aspk, trained: Path) -> None:
    authors = ("--set", 'fidelity="authors"', "--set", PARENTS, "--images", "20", "--subnet", "largest")
    document = aspk("evaluate", *authors, "--json").document
    assert (document["fidelity"], document["switches"], document["batchnorm"]) == ("authors", [PARENTS], "batch")
    assert document["resolved"]["model.threshold_scope"] == "fc1"
    shown = " ".join(aspk("evaluate", *authors, "--quiet").stdout.split())
    assert "batch (statistics of each batch of 20 images: results depend on its size)" in shown
    again = aspk("evaluate", "--set", "model.searched_heads=true", *authors, "--json").document
    assert again["switches"] == ["model.searched_heads = true", PARENTS]


@pytest.mark.parametrize("command", ["report", "energy", "analyze"])
def test_every_document_and_table_names_the_switches(command: str, aspk: Aspk, searched: Path) -> None:
    done = aspk(command, "--json")
    named = done.document.get("provenance", done.document)
    recipe = recipe_from_toml(load_population(searched).recipe_toml)
    assert {key: named[key] for key in ("fidelity", "switches", "resolved")} == recipe.fidelity_document()
    shown = (aspk(command, "--quiet", *verbose).stdout for verbose in ((), ("--verbose",)))
    short, words = (" ".join(each.replace("│", " ").split()) for each in shown)
    of_the_search = "; search: parents 3" if command == "report" else ""
    assert f"all at their defaults, except model: evaluation_batch 512{of_the_search} (--verbose lists all)" in short
    assert "first_layer_steps" not in short
    assert (f"sound, but {PARENTS}" in words) is (command == "report")
    assert ("p_mutation 0.4; energy: convention sound" in words) is (command == "report")
    assert "; energy: convention sound, profile cmos45, first_layer_steps once, residual ac, order qk_v" in words


def test_what_a_training_is_told_and_would_do_names_the_switches(aspk: Aspk, trained: Path) -> None:
    for arguments in (("train", "--dry-run"), ("search", "--dry-run"), ("train",)):
        document = aspk(*arguments, "--json").document
        assert (document["fidelity"], document["switches"]) == ("sound", [PARENTS])
        assert document["resolved"]["model.batchnorm"] == "recalibrate"


def test_a_report_cannot_change_the_fidelity_of_what_was_measured(aspk: Aspk, searched: Path) -> None:
    done = aspk("report", "--set", 'fidelity="paper"', "--set", PARENTS)
    assert done.exit_code == 2
    assert done.stderr.startswith("error: --set: model.decay_input, model.stem_threshold, model.fires_at, ")


def test_energy_of_another_network_is_measured_anew(aspk: Aspk, searched: Path) -> None:
    stored = aspk("energy", "--subnet", "best", "--json").document
    other = aspk("energy", "--subnet", "best", "--set", "model.decay_input=false", "--json").document
    assert stored["rates"].startswith("measured by the search on")
    assert other["rates"].startswith("measured now on")
    assert other["energy_j"] != stored["energy_j"]


def test_a_report_names_energy_switches_and_the_epochs_of_its_weights(aspk: Aspk, searched: Path) -> None:
    population = load_population(searched)
    checkpoint = load_checkpoint(searched)
    save_checkpoint(searched, replace(checkpoint, state=replace(checkpoint.state, epoch=99)))
    done = aspk("report", "--set", 'energy.residual="mac"')
    assert 'energy.residual = "mac"' in done.stdout
    assert f"a supernet of {population.provenance.epochs} epochs" in done.stdout
    document = json.loads(aspk("report", "--json", "--quiet").stdout)
    assert document["provenance"]["epochs"] == population.provenance.epochs


def test_a_report_refuses_what_only_a_search_can_change(aspk: Aspk, searched: Path) -> None:
    done = aspk("report", "--set", "search.baseline=[1, 2, 2, 1, 2, 2, 16]")
    assert done.exit_code == 2
    assert done.stderr == (
        "error: --set: search.baseline cannot be changed in what was measured\n"
        "  change search.objectives, search.limits, search.alpha, search.normalise, search.bounds, "
        "search.percentile or energy.* here, "
        "or search with other keys: aspk search --set KEY=VALUE\n"
    )


def test_a_search_without_options_goes_on_with_the_stored_ones(aspk: Aspk, trained: Path) -> None:
    assert aspk("search", "--alpha", "0.9").exit_code == 0
    assert aspk("search", "--json").document["alpha"] == 0.9


def test_a_result_that_cannot_be_stored_is_not_computed(aspk: Aspk, trained: Path) -> None:
    (trained / ".evaluations.lock").mkdir()
    done = aspk("evaluate", "--subnet", "largest")
    assert done.exit_code == 2
    assert done.stderr == (
        "error: runs/tiny: results cannot be stored: Is a directory\n  allow writing there, or copy the run elsewhere\n"
    )


def test_the_stores_hold_the_switches_in_force(aspk: Aspk, searched: Path) -> None:
    """Those that a convention decides are "none" in the recipe; the store says what they were."""
    recipe = recipe_from_toml(load_population(searched).recipe_toml)
    assert load_population(searched).provenance.switches == recipe.resolved_switches()
    assert load_population(searched).provenance.switches["energy.first_layer_steps"] == "once"
    assert aspk("evaluate", "--images", "20").exit_code == 0
    assert load_evaluations(searched)[-1].provenance.switches == recipe.resolved_switches()

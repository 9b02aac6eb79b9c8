"""The hand-made Spikformers of a space, with the numbers that a run has of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from autospikformer_cli.measurement import Candidate, InputCount, Measurement, Provenance, SpikeCount
from autospikformer_cli.recipe import Recipe, load_recipe
from autospikformer_cli.runs.building import network_shape
from autospikformer_cli.runs.family import spikformer_family
from autospikformer_cli.runs.results import SearchResults, score_population
from autospikformer_cli.space import Subnet, parse_subnet
from autospikformer_cli.spiking.layout import operations
from autospikformer_cli.store.evaluations import Evaluation, append_evaluation
from autospikformer_cli.store.population import Population
from autospikformer_cli.store.supernet import Checkpoint, TrainState, save_checkpoint

TWO_384 = parse_subnet("(2, 4, 4, 12, 12, 1, 1, 2, 2, 4, 384)")
FOUR_384 = parse_subnet("(4, 4, 4, 4, 4, 12, 12, 12, 12, 1, 1, 1, 1, 2, 2, 2, 2, 4, 384)")
MEASURED = Provenance("validation", "images", 100, "", 0, "running", "sound", "weights", "float32", "cpu", 1)


def measured(recipe: Recipe, subnet: Subnet, correct: int) -> Measurement:
    """Every layer reads one spike at its first step."""
    inputs = {
        each.reads: InputCount(
            each.reads, (1,) + (0,) * (subnet.time_step - 1), (1,) * subnet.time_step, each.inputs, 1
        )
        for each in operations(network_shape(recipe), subnet)
    }
    return Measurement(correct, 100, 1_000_000, tuple(inputs.values()), (SpikeCount("lif", (1,), 1),), 0)


@pytest.fixture
def recipe() -> Recipe:
    return load_recipe("cifar10-small", {"model.batchnorm": "running"})


@pytest.fixture
def results(recipe: Recipe, tmp_path: Path) -> SearchResults:
    """A run whose search measured its baseline, 4-384, and another subnet."""
    state = TrainState(epoch=1, step=0, finished=True, history=(), loss_sum=0.0, images=0, seconds=0.0)
    save_checkpoint(
        tmp_path,
        Checkpoint(
            recipe_name="x", recipe_toml=recipe.to_toml(), state=state, splits={}, environment={}, weights={},
            optimizer={},
        ),
    )  # fmt: skip
    other = recipe.space.search_space().smallest()
    candidates = (Candidate("c0001", other, 0, measured(recipe, other, 50)),)
    baseline = Candidate("baseline", FOUR_384, -1, measured(recipe, FOUR_384, 60))
    population = Population(
        recipe.name, recipe.to_toml(), MEASURED, candidates, baseline, {"generation": 1, "finished": True}, name="s"
    )
    return score_population(tmp_path, population, recipe)


def numbers(results: SearchResults) -> dict[str, float | None]:
    """Accuracy of each member, None without."""
    return {each.name: each.scored and each.scored.top1 for each in spikformer_family(results)}


def test_members_of_the_space_have_the_numbers_that_the_run_measured(results: SearchResults, recipe: Recipe) -> None:
    members = {each.name: each.subnet for each in spikformer_family(results)}
    assert members == {"2-384": TWO_384, "4-384": FOUR_384}, "256 channels are not in the space"
    assert numbers(results) == {"2-384": None, "4-384": 60.0}
    for provenance, correct in ((MEASURED, 55), (Provenance(**{**vars(MEASURED), "split_hash": "other"}), 99)):
        append_evaluation(
            results.path,
            Evaluation(
                TWO_384,
                "validation",
                provenance,
                measured(recipe, TWO_384, correct),
                None,
                "2026-01-01",
                recipe.to_toml(),
            ),
            recipe_name=recipe.name,
        )
        assert numbers(results) == {"2-384": 55.0, "4-384": 60.0}


def test_another_baseline_stands_in_for_a_family_that_is_not_in_the_space(results: SearchResults) -> None:
    tiny = load_recipe("quickstart")
    baseline = tiny.baseline()
    population = Population(
        tiny.name, tiny.to_toml(), MEASURED, (), Candidate("baseline", baseline, -1, measured(tiny, baseline, 70)),
        {"generation": 0, "finished": False}, name="s",
    )  # fmt: skip
    assert numbers(score_population(results.path, population, tiny)) == {"2-48": 70.0}

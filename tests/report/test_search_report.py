"""The report of a search: as text, and as a JSON document."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from math import inf, nan
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from rich.console import RenderableType

from autospikformer_cli.analysis.noise import RankingNoise
from autospikformer_cli.analysis.selection_bias import selection_bias
from autospikformer_cli.measurement import Candidate, Provenance, StoredObjective
from autospikformer_cli.recipe import Recipe, load_recipe
from autospikformer_cli.report.paper import paper_table
from autospikformer_cli.report.provenance import provenance_panel
from autospikformer_cli.report.search_report import search_report
from autospikformer_cli.runs.results import SearchResults
from autospikformer_cli.runs.selection import corrected_text, noise_notes
from autospikformer_cli.search.fitness import Bounds, Fitness, Scored, Scores
from autospikformer_cli.search.objectives import stand_in
from autospikformer_cli.store.population import Population

Render = Callable[[RenderableType, int], list[str]]

RECIPE = load_recipe("cifar100-small", {"seed": 7})
PROVENANCE = Provenance(
    split="validation",
    split_hash="a" * 64,
    images=500,
    calibration_hash="b" * 64,
    calibration_images=256,
    batchnorm="recalibrate",
    fidelity="sound",
    weights_hash="c" * 64,
    precision="float32",
    device="cpu",
    epochs=15,
    engine="event_driven",
)
NOTE = "the space has only 3 subnets: all were measured"


def results_of(
    scores: Scores, baseline: Scored | None = None, recipe: Recipe = RECIPE, note: str = "", **provenance: Any
) -> SearchResults:
    """Scores of a search under a recipe; further keys are those of its provenance."""
    measured = replace(PROVENANCE, **provenance)
    state: dict[str, object] = {"algorithm": "evolution", "generation": 0, "note": note}
    population = Population(recipe.name, recipe.to_toml(), measured, (), None, state, name="first")
    return SearchResults(Path("runs/x"), population, recipe, scores, baseline, None)


def panel_of(render: Render, width: int, bounds: Bounds | None = None, **keys: Any) -> list[str]:
    return render(provenance_panel(results_of(Scores((), bounds), **keys)), width)


def test_how_numbers_were_obtained(render: Render) -> None:
    lines = panel_of(render, 100, Bounds((74.0, 80.0), (448e-6, 925e-6)), note=NOTE)
    facts = [line.strip("│ ") for line in lines if "switches" not in line]
    assert lines[0].startswith("╭─ How these numbers were obtained ──")
    assert facts[1:10] == [
        "accuracy   500 validation images of cifar100; interval: 95 %, binomial (Wilson)",
        "BatchNorm  recalibrate on 256 training images",
        "energy     joules an image, profile cmos45, convention sound",
        "fidelity   sound",
        "F_AEB      alpha 0.5 (1 - energy) + 0.5 accuracy, min-max scaled (archive)",
        "bounds     accuracy 74.00 to 80.00 %, energy 0.4480 to 0.9250 mJ",
        "search     evolution, seed 7",
        "engine     event_driven",
        "weights    inherited from a supernet of 15 of 1,000 epochs (not finished), not retrained",
    ]
    assert facts[-2] == f"note       {NOTE}"


def test_what_does_not_apply_is_not_claimed(render: Render) -> None:
    text = "\n".join(panel_of(render, 100, batchnorm="batch", calibration_images=0))
    assert "BatchNorm  batch (statistics of each batch of 64 images: results depend on its size)" in text
    assert "bounds     each generation's own" in text
    assert "limits" not in text
    assert "note" not in text


def test_switches_are_listed_and_what_differs_is_named(render: Render) -> None:
    recipe = load_recipe("quickstart", {"search.parents": 11, "energy.residual": "mac"})
    short = " ".join(" ".join(line.strip("│ ") for line in panel_of(render, 80, recipe=recipe)).split())
    differing = "model: evaluation_batch 512; search: parents 11; energy: residual mac"
    assert f"all at their defaults, except {differing} (--verbose lists all)" in short
    results = results_of(Scores((), None), recipe=recipe, note=NOTE)
    lines = render(provenance_panel(results, verbose=True), 80)
    text = " ".join(" ".join(line.strip("│ ") for line in lines).split())
    assert 'fidelity sound, but search.parents = 11, energy.residual = "mac" F_AEB' in text
    assert "switches model: network spikformer, neuron lif, attention_scale 0.125," in text
    assert "decay_input true, fires_at reach, stem_threshold 1.0" in text
    assert "; search: split validation, alpha 0.5, normalise archive, parents 11," in text
    assert "energy: convention sound, profile cmos45, first_layer_steps once, residual mac, order qk_v, " in text
    assert "rate layer, border ignored, batchnorm_folded true, head true note" in text
    assert max(map(len, lines)) <= 80
    assert max(len(line) for line in render(provenance_panel(results, verbose=True), 200)) == 100
    document = results_of(Scores((), None), recipe=recipe).provenance_document()
    assert (document["fidelity"], document["switches"]) == ("sound", recipe.switches())
    assert document["resolved"] == recipe.resolved_switches()


@pytest.mark.parametrize(("images", "batch"), [(600, 512), (20, 20)])
def test_results_that_depend_on_the_batch_size_say_so(images: int, batch: int, render: Render) -> None:
    keys = {"images": images, "batchnorm": "batch", "calibration_images": 0}
    text = "\n".join(panel_of(render, 100, recipe=load_recipe("quickstart"), **keys))
    assert f"BatchNorm  batch (statistics of each batch of {batch} images: results depend on its size)" in text


def test_a_report_holds_front_top_correlation_paper_and_provenance(
    archive: list[Candidate], baseline: Candidate, fitness: Fitness, render: Render
) -> None:
    scores = fitness.score(archive)
    report = search_report(results_of(scores, fitness.of_outsider(baseline, scores)), paper_table("small"))
    lines = render(report, 80)
    titles = [line for line in lines if line.startswith(("Pareto front", "Top", "Kendall", "Paper, ", "╭"))]
    assert [title.rstrip("─╮ ") for title in titles] == [
        "Pareto front: 2 of 3 candidates",
        "Top accuracy: 1 of 3 candidates",
        "Kendall's tau between accuracy and energy: -0.33 over 3 candidates",
        "Paper, Table 3A, candidates of S_Ts: Pareto frontier",
        "Paper, Table 3A, candidates of S_Ts: top accuracy",
        "╭─ How these numbers were obtained",
    ]
    assert max(map(len, lines)) <= 80
    assert "(µJ)" not in "".join(lines)


def test_a_report_of_nothing_and_of_rejected_candidates(archive: list[Candidate], render: Render) -> None:
    hopeless = Fitness(0.5, "archive", lambda candidate: nan)
    text = "\n".join(render(search_report(results_of(hopeless.score(archive))), 100))
    assert "Pareto front: 0 of 0 candidates" in text
    assert "Kendall's tau between accuracy and energy: undefined over 0 candidates" in text
    assert "Rejected: 3 (c0, c1, c2): energy is not finite (nan)" in text


NOISE = (
    "! the order by accuracy is mostly chance: on 500 validation images the widest 95 % interval spans 7.7 points, and "
    "the 3 candidates lie within 6.0"
)


@pytest.mark.parametrize(
    ("keys", "provenance", "fix"),
    [
        ({}, {}, "; hold out more images, in a new training: data.validation"),
        ({"search.images": 500}, {}, "; measure on more images: search.images"),
        ({"search.images": 501}, {}, "; hold out more images, in a new training: data.validation"),
        ({}, {"split": "test"}, ""),
    ],
)
def test_a_report_says_that_an_order_is_mostly_chance(
    keys: dict[str, object],
    provenance: dict[str, str],
    fix: str,
    archive: list[Candidate],
    fitness: Fitness,
    render: Render,
) -> None:
    """74 to 80 % on 500 images, where 74 % is known to between 70.0 and 77.7 %."""
    results = results_of(fitness.score(archive), recipe=load_recipe("cifar100-small", keys), **provenance)
    lines = render(search_report(results), 300)
    assert [line for line in lines if "chance" in line] == [NOISE.replace("validation", results.provenance.split) + fix]
    assert results.to_document()["ranking_noise"] == {
        "widest_interval": pytest.approx(7.6688, abs=1e-4), "spread": 6.0, "num_apart": None, "mostly_chance": True,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("num_apart", "told"),
    [(0, "none of them differ"), (1, "1 of them differs"), (47, "47 of them differ")],
)
def test_a_remark_counts_those_that_differ_from_the_best(num_apart: int, told: str) -> None:
    (note,) = noise_notes(RankingNoise(120, 144, 16.12, 6.25, num_apart), "validation", RECIPE)
    assert note == (
        "! the order by accuracy is mostly chance: on 144 validation images the widest 95 % interval spans 16.1 "
        f"points, and the 120 candidates lie within 6.2; {told} from the most accurate (McNemar's exact test, "
        "p < 0.05); hold out more images, in a new training: data.validation"
    )


def test_the_remedy_is_one_that_acts(tmp_path: Path) -> None:
    """data.validation holds no image out of a data set that has a validation split of its own."""
    noise, held_out = RankingNoise(120, 144, 16.12, 6.25, 1), "hold out more images, in a new training: data.validation"
    own = "add images to the data set's own validation split, for a new training"
    recipe = load_recipe("quickstart", ['data.dataset="folder"', f'data.root="{tmp_path}/images"', "data.image_size=8"])

    def remedy() -> str:
        return noise_notes(noise, "validation", recipe)[0].partition("p < 0.05); ")[2]

    assert remedy() == f"{held_out}; or, if it has a validation split of its own, {own}"
    for name in ("train", "test"):
        for label in "ab":
            (tmp_path / "images" / name / label).mkdir(parents=True)
            Image.new("L", (8, 8)).save(tmp_path / "images" / name / label / "0.png")
    assert remedy() == held_out
    shutil.copytree(tmp_path / "images" / "train", tmp_path / "images" / "val")
    assert remedy() == own


def test_a_report_of_accuracies_that_lie_apart_says_nothing(
    archive: list[Candidate], fitness: Fitness, render: Render
) -> None:
    """2 points more than the widest interval."""
    best = replace(archive[0], measurement=replace(archive[0].measurement, correct=418))
    results = results_of(fitness.score([best, *archive[1:]]))
    assert "mostly chance" not in "\n".join(render(search_report(results), 200))
    noise = results.ranking_noise
    assert noise is not None
    assert (noise.mostly_chance, noise.spread) == (False, pytest.approx(9.6))
    document = results_of(fitness.score(archive[:1])).to_document()
    assert document["ranking_noise"] is None


def test_the_best_is_corrected_for_having_been_chosen_by_its_fitness(
    archive: list[Candidate], fitness: Fitness, render: Render
) -> None:
    """Against the rule written out, on answers in which c0 wins by accuracy and not by much."""
    generator = np.random.default_rng(0)
    answers = np.zeros((3, 500), bool)
    for row, candidate in zip(answers, archive, strict=True):
        row[generator.permutation(500)[: candidate.measurement.correct]] = True
    known = [
        replace(candidate, measurement=replace(candidate.measurement, answers=np.packbits(row).tobytes()))
        for candidate, row in zip(archive, answers, strict=True)
    ]
    results = results_of(fitness.score(known))
    ranked = results.scores.ranked
    order = [[each.id for each in known].index(each.id) for each in ranked]
    energies = np.array([each.energy_j for each in ranked])
    saved = 0.5 * (energies.max() - energies) / (energies.max() - energies.min())
    expected = selection_bias(
        answers[order], lambda top1s: int((saved + 0.5 * (top1s - 74) / 6).argmax()), results.recipe.seed
    ).best
    assert results.best_corrected == expected
    assert 0 < expected.flattery < 3
    assert expected.candidate == 0
    lines = render(search_report(results), 300)
    assert [line for line in lines if "corrected" in line] == [
        f"accuracy of {ranked[0].id}, the best by F_AEB (alpha 0.5): {corrected_text(expected, 500)}"
    ]
    assert results.to_document()["first_corrected"] == expected.to_document()


def test_nothing_is_corrected_that_cannot_be(archive: list[Candidate], fitness: Fitness, render: Render) -> None:
    """No answers by image, no rival, or bounds for each generation."""
    full = [replace(each, measurement=replace(each.measurement, answers=bytes(63))) for each in archive]
    for found in (
        results_of(fitness.score(archive)),
        results_of(fitness.score([*full[:2], archive[2]])),
        results_of(fitness.score(full[:1])),
        results_of(replace(fitness, normalise="generation").score(full)),
    ):
        assert found.best_corrected is None
        assert found.to_document()["first_corrected"] is None
        assert "corrected" not in "\n".join(render(search_report(found), 200))
    assert results_of(fitness.score(full)).best_corrected is not None


def test_the_document(archive: list[Candidate], baseline: Candidate, fitness: Fitness) -> None:
    scores = fitness.score(archive)
    document = json.loads(json.dumps(results_of(scores, fitness.of_outsider(baseline, scores)).to_document()))
    assert list(document) == [
        "run", "search", "best", "first_corrected", "price_remarks", "weights_remark", "objectives", "candidates",
        "best_num", "num_ranked", "num_different", "pareto", "num_pareto_points", "baseline", "kendall_tau",
        "ranking_noise", "predictor", "hypervolume", "alpha", "bounds", "generation_bounds", "rejected", "provenance",
    ]  # fmt: skip
    assert [candidate["id"] for candidate in document["candidates"]] == ["c0", "c1", "c2"]
    assert document["pareto"] == ["c1", "c0"]
    first = document["candidates"][0]
    assert first == {
        "id": "c0",
        "subnet": [2, 3.8, 3.6, 12, 12, 1.4, 2, 5, 2, 4, 348],
        "top1": 80.0,
        "top1_interval": pytest.approx([76.28, 83.27], abs=0.01),
        "energy_j": pytest.approx(505e-6),
        "params": 4_684_000,
        "fitness": pytest.approx(0.5 * (1 - 57 / 477) + 0.5),
        "generation": 0,
        "firing_rate": pytest.approx(0.16),
        "silent_channels": 0,
        "silent_layers": [],
        "silent_blocks": [],
        "correct": 400,
        "images": 500,
        "objectives": {},
        "equal": [],
        "p_baseline": None,
    }
    assert document["baseline"]["id"] == "baseline"
    assert set(document["baseline"]) == set(first) - {"equal", "p_baseline"}
    assert document["baseline"]["fitness"] == pytest.approx(0.5 * (1 - 502 / 477) + 0.5 * 4 / 6)
    assert document["kendall_tau"] == pytest.approx(-1 / 3)
    assert document["alpha"] == 0.5
    assert document["bounds"] == {"top1": [74.0, 80.0], "energy_j": pytest.approx([448e-6, 925e-6])}
    assert document["generation_bounds"] is None
    assert document["rejected"] == []
    assert document["provenance"]["seed"] == 7


def test_objectives_of_plugins_in_the_document(archive: list[Candidate], baseline: Candidate, fitness: Fitness) -> None:
    """What is not finite is null."""
    given = [
        replace(each, plugin_values={"latency": value}) for each, value in zip(archive, (1.5, inf, nan), strict=True)
    ]
    scores = replace(fitness, refuses=lambda candidate: "slow" if candidate.id == "c1" else None).score(given)
    latency = stand_in(StoredObjective("latency", "latency of a chip", "ms", "less", 0.0))
    results = replace(results_of(scores, fitness.of_outsider(baseline, scores)), objectives=(latency,))
    document = json.loads(json.dumps(results.to_document(), allow_nan=False))
    assert document["objectives"] == [
        {"name": "latency", "label": "latency of a chip", "unit": "ms", "better": "less"}
    ]  # fmt: skip
    assert [each["objectives"] for each in document["candidates"]] == [{"latency": 1.5}, {"latency": None}]
    assert [each["objectives"] for each in document["rejected"]] == [{"latency": None}]


def test_what_is_undefined_is_null(archive: list[Candidate], baseline: Candidate, fitness: Fitness) -> None:
    by_generation = replace(fitness, normalise="generation")
    scores = by_generation.score(archive)
    outsider = by_generation.of_outsider(baseline, scores)
    document = json.loads(json.dumps(results_of(scores, outsider).to_document()))
    assert document["bounds"] is None
    assert set(document["generation_bounds"]) == {"0", "1"}
    assert document["baseline"]["fitness"] is None
    alone = results_of(fitness.score(archive[:1])).to_document()
    assert (alone["kendall_tau"], alone["baseline"]) == (None, None)
    hopeless = Fitness(0.5, "archive", lambda candidate: nan)
    document = results_of(hopeless.score(archive[:1])).to_document()
    json.dumps(document, allow_nan=False)
    assert document["rejected"] == [
        {
            "id": "c0",
            "subnet": [2, 3.8, 3.6, 12, 12, 1.4, 2, 5, 2, 4, 348],
            "reason": "energy is not finite (nan)",
            "objectives": {},
        }
    ]

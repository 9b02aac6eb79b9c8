"""aspk search: its document, its store, what it refuses; the same seed gives the same population, stopped or not."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from scipy.stats import kendalltau

from autospikformer_cli.cli.interruption import STOPPING
from autospikformer_cli.data.images import load_split
from autospikformer_cli.recipe import load_recipe, recipe_from_toml
from autospikformer_cli.recipe.sections import KnownImages
from autospikformer_cli.runs.building import energy_model
from autospikformer_cli.store.population import SearchTiming, load_population, read_search, save_population
from autospikformer_cli.store.searches import search_names
from autospikformer_cli.store.supernet import load_weights, weights_hash

Aspk = Callable[..., Any]
FIRST = "searches/evolution-alpha0.5-seed0.h5"
"""The file of the first search of a test's run."""
OTHER_DATA_KEYS = (
    "; of [data], only data.root, data.download, data.augment, data.translation, data.cache, data.memory may change"
)
Once = tuple[Path, Any]

CANDIDATE_KEYS = {"id", "subnet", "top1", "energy_j", "params", "fitness", "generation"}
DOCUMENT_KEYS = {"candidates", "pareto", "baseline", "kendall_tau", "alpha"}


def test_the_document_holds_every_candidate(searched_once: Once) -> None:
    run, document = searched_once
    population = load_population(run)
    recipe = load_recipe("tiny.toml")
    energy = energy_model(recipe)

    assert set(document) >= DOCUMENT_KEYS
    assert document["alpha"] == 0.5
    listed = document["candidates"]
    assert all(set(candidate) >= CANDIDATE_KEYS for candidate in [*listed, document["baseline"]])
    assert sorted(candidate["id"] for candidate in listed) == [f"c{number:04}" for number in range(1, 19)]
    stored = {candidate.id: candidate for candidate in population.candidates}
    for candidate in listed:
        measured = stored[candidate["id"]]
        assert candidate["subnet"] == measured.subnet.to_numbers()
        assert candidate["top1"] == measured.measurement.top1
        assert candidate["params"] == measured.measurement.params
        assert candidate["generation"] == measured.generation
        assert candidate["energy_j"] == energy.of(measured.subnet, measured.measurement).energy_j
    assert sorted(candidate["generation"] for candidate in listed) == [0] * 6 + [1] * 6 + [2] * 6


def test_fitness_front_and_correlation_follow_from_the_candidates(searched_once: Once) -> None:
    document = searched_once[1]
    listed = document["candidates"]
    accuracies, energies = ([candidate[key] for candidate in listed] for key in ("top1", "energy_j"))

    def scaled(value: float, values: list[float]) -> float:
        return (value - min(values)) / (max(values) - min(values))

    for candidate in listed:
        saving = 1 - scaled(candidate["energy_j"], energies)
        assert candidate["fitness"] == pytest.approx((saving + scaled(candidate["top1"], accuracies)) / 2, abs=1e-12)
    assert [candidate["fitness"] for candidate in listed] == sorted(
        (candidate["fitness"] for candidate in listed), reverse=True
    )
    front = {
        a["id"]
        for a in listed
        if not any(
            b["top1"] >= a["top1"]
            and b["energy_j"] <= a["energy_j"]
            and (b["top1"], b["energy_j"]) != (a["top1"], a["energy_j"])
            for b in listed
        )
    }
    assert set(document["pareto"]) == front
    assert document["kendall_tau"] == pytest.approx(kendalltau(accuracies, energies).statistic, abs=1e-12)


def test_the_baseline_is_measured_and_no_candidate(searched_once: Once) -> None:
    run, document = searched_once
    baseline = load_population(run).baseline
    assert baseline is not None
    assert document["baseline"]["id"] == baseline.id == "baseline"
    assert document["baseline"]["subnet"] == load_recipe("tiny.toml").baseline().to_numbers()
    assert document["baseline"]["subnet"] == [2, 3, 3, 4, 4, 1, 1, 2, 2, 3, 24]
    assert document["baseline"]["top1"] == baseline.measurement.top1


def test_the_store_knows_how_it_was_measured(searched_once: Once) -> None:
    run = searched_once[0]
    population, recipe = load_population(run), load_recipe("tiny.toml")
    validation = load_split(recipe.data, recipe.seed, "validation").first(60)
    provenance = population.provenance

    assert (provenance.split, provenance.images, provenance.split_hash) == ("validation", 60, validation.hash)
    assert provenance.calibration_hash == load_split(recipe.data, recipe.seed, "train").first(32).hash
    assert (provenance.calibration_images, provenance.batchnorm, provenance.fidelity) == (32, "recalibrate", "sound")
    assert provenance.weights_hash == weights_hash(load_weights(run))
    assert (provenance.precision, provenance.device) == ("float32", "cpu")
    assert population.recipe_toml == recipe.with_images(KnownImages(10, 1, 8)).to_toml()
    assert population.state["finished"] is True
    assert all(candidate.measurement.images == 60 for candidate in population.candidates)


def test_a_reader_gets_a_line_and_the_next_command(aspk: Aspk, trained: Path) -> None:
    done = aspk("search", "--set", "search.generations=1")
    assert done.exit_code == 0
    assert re.fullmatch(
        r"runs/tiny, search evolution-alpha0\.5-seed0-generations1: 6 subnets measured, "
        r"\d points? on the Pareto front; best by F_AEB \(alpha 0\.5\): c000\d, \d+\.\d\d %, [\d.]+ [mµn]J\n"
        r"accuracy of c000\d: \d+\.\d\d %, about \d+\.\d % when corrected for having been chosen by the same 60 images "
        r"\(95 % interval \d+\.\d to \d+\.\d\)\n"
        r"! the order by accuracy is mostly chance: on 60 validation images the widest 95 % interval spans \d+\.\d "
        r"points, and the 6 candidates lie within \d+\.\d; "
        r"(none of them differ|1 of them differs|\d of them differ) from the most accurate "
        r"\(McNemar's exact test, p < 0\.05\); measure on more images: search\.images\n",
        done.stdout,
    )
    lines = done.stderr.splitlines()
    assert lines[:2] == ["measuring 6 subnets on 60 validation images each", "searching: 0/6 subnets"]
    assert re.fullmatch(
        r"searching: 6/6 subnets, .*/s, [\d:]+ in all, generation=1/1 front=\d best=c000\d, [\d.]+ %, [\d.]+ [mµn]J "
        r"hypervolume=0\.\d{4}",
        lines[-2],
    )
    assert lines[-1] == "next: aspk report --run runs/tiny"
    second = aspk("search", "--algorithm", "random", "--set", "search.generations=1").stderr.splitlines()[-1]
    assert second == "next: aspk report --run runs/tiny, or aspk compare runs/tiny"


def test_the_same_seed_gives_the_same_population(aspk: Aspk, trained: Path, searched_once: Once) -> None:
    done = aspk("search", "--json", "--quiet")
    assert done.stderr == ""
    assert done.document == searched_once[1]
    assert load_population(trained) == load_population(searched_once[0])
    again = (trained / FIRST).read_bytes()
    assert aspk("search", "--json").document == searched_once[1]
    assert (trained / FIRST).read_bytes() == again


def num_stored(run: Path) -> int:
    """Candidates in the run's population."""
    return read_search(run).num_candidates if (run / FIRST).is_file() else 0


def test_killed_and_resumed(aspk: Aspk, background: Aspk, trained: Path, searched_once: Once) -> None:
    """After a save, and in the next one: there the file is the old one, and the new one lies next to it."""
    num_saved = 0
    for moment in ({"number": 2}, {"number": 3, "before": True}):
        background("search", "--quiet", at="evolution-alpha0.5-seed0.h5", **moment).kill()
        assert num_saved < num_stored(trained) < 18
        num_saved = num_stored(trained)
    assert aspk("search").exit_code == 0
    assert load_population(trained) == load_population(searched_once[0])


def test_interrupted_and_resumed(aspk: Aspk, background: Aspk, trained: Path, searched_once: Once) -> None:
    searching = background("search", at="evolution-alpha0.5-seed0.h5", number=2)
    second = aspk("search")
    exit_code, stdout, stderr = searching.interrupt()

    assert second.exit_code == 2
    assert second.stderr == (
        f"error: runs/tiny is in use by process {searching.process.pid} (aspk search)\n"
        "  wait until it ends, or choose another run with --run\n"
    )
    assert (exit_code, stdout) == (130, "")
    stopped = load_population(trained)
    assert 0 < len(stopped.candidates) < 18
    assert stderr.count(f"{STOPPING}\n") == 1
    assert stderr.endswith(
        f"\nstopped and saved after {len(stopped.candidates)} subnets\n"
        f"aspk search --run {trained} goes on from there\n\ninterrupted\n"
    )
    assert stopped.state["finished"] is False
    assert aspk("search").exit_code == 0
    assert load_population(trained) == load_population(searched_once[0])


def test_stopped_before_the_first_candidate(aspk: Aspk, searched: Path, searched_once: Once) -> None:
    population = load_population(searched)
    state = {**population.state, "generation": 0, "asked": [], "finished": False}
    save_population(searched, replace(population, candidates=(), state=state))

    assert aspk("report").exit_code == 0
    document = aspk("report", "--json").document
    assert (document["candidates"], document["pareto"], document["kendall_tau"]) == ([], [], None)
    assert document["baseline"]["top1"] == searched_once[1]["baseline"]["top1"]
    best = aspk("evaluate", "--subnet", "best")
    assert best.exit_code == 2
    assert best.stderr == (
        "error: --subnet: runs/tiny has no candidate yet\n  search on: aspk search --run runs/tiny\n"
    )


def test_fresh_keeps_the_old_population_beside(aspk: Aspk, searched: Path) -> None:
    before = (searched / FIRST).read_bytes()
    done = aspk("search", "--fresh", "--alpha", "0", "--algorithm", "random", "--set", "search.generations=1", "--json")
    assert done.exit_code == 0
    assert (
        "this search is called random-alpha0-seed0-generations1; the one before, which differs in search.algorithm, "
        "search.generations, search.alpha, is evolution-alpha0.5-seed0\n"
    ) in done.stderr
    assert (searched / FIRST).read_bytes() == before
    assert len(done.document["candidates"]) == 6
    assert done.document["alpha"] == 0
    assert done.document["provenance"]["algorithm"] == "random"
    assert load_population(searched).state["algorithm"] == "random"


def test_fresh_that_cannot_begin_moves_nothing(aspk: Aspk, searched: Path) -> None:
    assert aspk("search", "--fresh", "--device", "cuda:99").exit_code == 2
    assert search_names(searched) == ["evolution-alpha0.5-seed0"]


def test_alpha_0_ranks_by_accuracy_and_1_by_energy(aspk: Aspk, trained: Path) -> None:
    options = ("--set", "search.generations=2", "--json", "--fresh")
    accurate = aspk("search", "--alpha", "0", *options).document
    frugal = aspk("search", "--alpha", "1", *options).document
    assert [accurate["alpha"], frugal["alpha"]] == [0, 1]
    accuracies = [candidate["top1"] for candidate in accurate["candidates"]]
    energies = [candidate["energy_j"] for candidate in frugal["candidates"]]
    assert accuracies == sorted(accuracies, reverse=True)
    assert energies == sorted(energies)


@pytest.mark.parametrize(("alpha", "limit"), [("1.5", "most 1"), ("-0.1", "least 0")])
def test_an_alpha_outside_0_to_1(aspk: Aspk, trained: Path, alpha: str, limit: str) -> None:
    done = aspk("search", f"--alpha={alpha}")
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr == (f"error: --alpha {alpha}: search.alpha is {alpha}, it must be at {limit}\n")


def test_an_algorithm_that_is_none(aspk: Aspk, trained: Path) -> None:
    done = aspk("search", "--algorithm", "evolutoin")
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr == (
        'error: --algorithm evolutoin: search.algorithm: "evolutoin" is not one of '
        "evolution, exhaustive, nsga2, predictor, random\n"
        '  did you mean "evolution"?\n'
    )


def test_a_small_space_is_searched_to_its_end(aspk: Aspk, trained: Path) -> None:
    one = [f"space.{gene}" for gene in ("depth=[1]", "num_heads=[4]", "threshold=[1]", "tau=[2]", "mlp_ratio=[3]")]
    options = [word for text in one for word in ("--set", text)]
    done = aspk("search", "--json", *options)
    assert done.exit_code == 0
    assert "the space has only 4 subnets: all were measured\n" in done.stderr
    found = sorted(candidate["subnet"] for candidate in done.document["candidates"])
    assert found == [[1, 3, 4, 1, 2, steps, dim] for steps in (2, 3) for dim in (16, 24)]
    assert "the space has only 4 subnets: all were measured" in aspk("report").stdout


def test_running_statistics(aspk: Aspk, trained: Path, searched_once: Once) -> None:
    done = aspk("search", "--set", 'model.batchnorm="running"', "--set", "search.generations=1", "--json")
    assert done.exit_code == 0
    assert done.document["provenance"]["batchnorm"] == "running"
    assert done.document["provenance"]["calibration_images"] is None
    assert load_population(trained).provenance.calibration_hash == ""
    first = {c["id"]: c for c in searched_once[1]["candidates"]}
    assert any(c["energy_j"] != first[c["id"]]["energy_j"] for c in done.document["candidates"])


def test_another_seed_searches_otherwise_on_the_same_images(aspk: Aspk, trained: Path, searched_once: Once) -> None:
    assert aspk("search", "--set", "seed=1", "--set", "search.generations=1").exit_code == 0
    other, first = load_population(trained), load_population(searched_once[0])
    assert other.provenance == first.provenance
    assert recipe_from_toml(other.recipe_toml).seed == 1
    assert [c.subnet for c in other.candidates] != [c.subnet for c in first.candidates[:6]]


@pytest.mark.parametrize(
    ("override", "stored", "rest"),
    [
        ("data.validation=0.3", "data.validation = 0.25", OTHER_DATA_KEYS),
        ('data.dataset="cifar10"', 'data.dataset = "digits"', OTHER_DATA_KEYS),
        ("model.pooled_stages=[3]", "model.pooled_stages = [4]", ""),
    ],
)
def test_images_and_shape_are_those_of_training(
    aspk: Aspk, trained: Path, override: str, stored: str, rest: str
) -> None:
    done = aspk("search", "--set", override)
    assert done.exit_code == 2
    assert done.stderr == (
        f"error: runs/tiny: it was trained with {stored}, which cannot change here\n"
        f"  leave out --set {stored.split()[0]}, or train a new run with other values{rest}\n"
    )
    assert not (trained / FIRST).exists()


def test_weights_of_another_shape(aspk: Aspk, trained: Path) -> None:
    done = aspk("search", "--set", "space.embed_dim=[16]")
    assert done.exit_code == 2
    assert re.fullmatch(
        r"error: runs/tiny: its weights do not fit the recipe's network: \S+, \S+, \S+ \.\.\.\n"
        r"  leave --set space\.\* and model\.pooled_stages as they were when the supernet was trained\n",
        done.stderr,
    )
    assert not (trained / FIRST).exists()


SAME_IN_BOTH_PLANS = (
    "dataset", "dataset_missing_at", "classes", "train_images", "validation_images", "test_images", "subnets",
    "params_smallest", "params_largest", "fidelity", "switches", "resolved", "cache_folder",
)  # fmt: skip


def test_dry_run_counts_and_writes_nothing(aspk: Aspk, trained: Path) -> None:
    before = sorted(path.name for path in trained.iterdir())
    plan = aspk("search", "--dry-run", "--json").document
    trained_plan = aspk("train", "tiny.toml", "--dry-run", "--json").document
    assert {key: count for key, count in plan.items() if not key.endswith("_bytes")} == {
        "schema_version": 1,
        **{key: trained_plan[key] for key in SAME_IN_BOTH_PLANS},
        "images": 60,
        "calibration_images": 32,
        "searches": 1,
        "evaluations": 18,
        "steps": 18,
        "seconds": None,
        "seconds_from": "no search of this run stored how long it took",
    }
    assert plan["train_images"] == trained_plan["images"]
    assert plan["memory_bytes"] == max(plan["recalibration_bytes"], plan["evaluation_bytes"]) + (
        plan["stems_bytes"] + plan["waiting_bytes"]
    )
    text = aspk("search", "--dry-run", "--algorithm", "random").stdout
    assert text.startswith("aspk search --run runs/tiny would")
    assert re.search(r"^time +unknown *\n +\(no search of this run stored how long it took\)", text, re.MULTILINE)
    assert sorted(path.name for path in trained.iterdir()) == before


def test_a_dry_run_takes_the_time_of_an_earlier_search(aspk: Aspk, searched: Path) -> None:
    """Its seconds for a subnet and an image, times those that would be measured."""
    name = search_names(searched)[0]
    population = load_population(searched, name)
    assert population.timing is not None
    assert population.timing.subnets == len(population.candidates)
    assert population.timing.seconds > 0
    save_population(searched, replace(population, timing=SearchTiming(36.0, 12)))
    for images in (60, 30):
        plan = aspk("search", "--dry-run", "--set", f"search.images={images}", "--json").document
        assert plan["images"] == images
        assert plan["seconds"] == pytest.approx(3 * plan["evaluations"] * images / population.provenance.images)
        assert plan["seconds_from"] == f"as search {name} took"
    assert re.search(r"^time +about \d+ s", aspk("search", "--dry-run").stdout, re.MULTILINE)


def test_a_search_that_goes_on_adds_its_time(aspk: Aspk, searched: Path) -> None:
    """It measures what its generations still lack, and keeps the time of those before."""
    name = search_names(searched)[0]
    population = load_population(searched, name)
    begun = replace(population, candidates=population.candidates[:6], timing=SearchTiming(1000.0, 6))
    state = {**begun.state, "generation": 1, "finished": False}
    save_population(searched, replace(begun, state=state))
    assert aspk("search").exit_code == 0
    after = load_population(searched, name)
    assert after.timing is not None
    assert after.timing.subnets == len(after.candidates) == len(population.candidates)
    assert after.timing.seconds > 1000


def test_a_run_that_is_none(aspk: Aspk, own_folder: Path) -> None:
    done = aspk("search", "--run", "runs/absent")
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr == "error: --run: there is no run runs/absent, here or under runs\n  list the runs: aspk runs\n"
    assert sorted(path.name for path in own_folder.iterdir()) == ["tiny.toml"]


def test_a_damaged_population(aspk: Aspk, searched: Path) -> None:
    store = searched / FIRST
    store.write_bytes(store.read_bytes()[:5000])
    for command in ("search", "report", "evaluate", "energy"):
        done = aspk(command)
        assert (done.exit_code, done.stdout) == (2, "")
        assert done.stderr == (
            "error: runs/tiny/searches/evolution-alpha0.5-seed0.h5: damaged or cut short, HDF5 cannot open it\n"
            "  restore it from a copy, or delete it and search again: aspk search --run runs/tiny\n"
        )


def test_candidates_as_parquet(aspk: Aspk, searched: Path, searched_once: Once) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    if aspk("parquet", "--help").exit_code != 0:
        pytest.skip("aspk-parquet is not installed")
    done = aspk("parquet", "--json")
    assert done.document == {"schema_version": 1, "file": "runs/tiny/candidates.parquet", "candidates": 18}
    rows = {row["id"]: row for row in parquet.read_table(done.document["file"]).to_pylist()}
    assert len(rows) == 18
    for candidate in searched_once[1]["candidates"]:
        row = rows[candidate["id"]]
        assert [row[key] for key in ("top1", "params", "generation", "firing_rate", "correct", "images")] == [
            candidate[key] for key in ("top1", "params", "generation", "firing_rate", "correct", "images")
        ]
        assert row["subnet"] == "(" + ", ".join(f"{value:g}" for value in candidate["subnet"]) + ")"

"""aspk report: the tables and the document of a search, re-read under another alpha or other energy rules."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import kendalltau

from autospikformer_cli.recipe import load_recipe
from autospikformer_cli.runs.building import energy_model
from autospikformer_cli.store.population import load_population, save_population
from autospikformer_cli.store.supernet import load_checkpoint, save_checkpoint

Aspk = Callable[..., Any]
FIRST = "searches/evolution-alpha0.5-seed0.h5"
"""The file of the first search of a test's run."""
Once = tuple[Path, Any]


def squeezed(text: str) -> list[str]:
    """Lines with one space where there were more."""
    return [re.sub(r" +", " ", line).strip() for line in text.splitlines()]


def test_the_tables(aspk: Aspk, searched: Path, searched_once: Once) -> None:
    document = searched_once[1]
    done = aspk("report", "--top", "3")
    following = "next: aspk evaluate --run runs/tiny --search evolution-alpha0.5-seed0 --subnet best\n"
    assert (done.exit_code, done.stderr) == (0, following)
    lines = squeezed(done.stdout)

    front = lines.index(f"Pareto front: {len(document['pareto'])} of 18 candidates")
    top = lines.index("Top accuracy: 3 of 18 candidates")
    ids = [line.split()[0] for line in lines if re.match(r"c\d{4} (?:[-+~?] )?\(", line)]
    by_accuracy = sorted(document["candidates"], key=lambda c: (-c["top1"], c["energy_j"]))
    assert set(ids[: len(document["pareto"])]) == set(document["pareto"])
    assert ids[len(document["pareto"]) :] == [candidate["id"] for candidate in by_accuracy[:3]]

    baseline = document["baseline"]
    rows = [line for line in lines if line.startswith("* (2,3,3,4,4,1,1,2,2,3,24)")]
    assert len(rows) == 2
    assert all(f"{baseline['top1']:.2f} (" in row for row in rows)
    assert front < top
    assert lines.count("* baseline, no part of the population") == 2
    marks = {"+": "higher", "~": "cannot be told apart", "-": "lower"}
    found = [mark[1] for line in lines if (mark := re.match(r"c\d{4} ([-+~?]) \(", line))]
    by_id = {each["id"]: each for each in document["candidates"]}
    for id_, mark in zip(ids, found, strict=True):
        each, apart = by_id[id_], by_id[id_]["p_baseline"] < 0.05
        assert mark == ("~" if not apart else "+" if each["top1"] > baseline["top1"] else "-")
    for part in (found[: len(document["pareto"])], found[len(document["pareto"]) :]):
        counts = ", ".join(f"{mark} {text} ({part.count(mark)})" for mark, text in marks.items() if mark in part)
        assert f"accuracy against * (McNemar's exact test, p < 0.05): {counts}" in " ".join(lines)
    assert f"Kendall's tau between accuracy and energy: {document['kendall_tau']:.2f} over 18 candidates" in lines


def test_the_best_of_all(aspk: Aspk, searched: Path, searched_once: Once) -> None:
    """Tau, front and tables are of the first 5; bounds, ranking and hypervolume are of all."""
    every = searched_once[1]
    found = aspk("report", "--best", "5", "--json").document
    assert found["candidates"] == every["candidates"][:5]
    assert (found["best_num"], found["num_ranked"], found["num_different"]) == (5, 18, 5)
    points = [(each["top1"], each["energy_j"]) for each in found["candidates"]]
    tau = kendalltau(*zip(*points, strict=True)).statistic  # nan if all five are equally accurate
    assert found["kendall_tau"] == (None if np.isnan(tau) else pytest.approx(tau))
    front = [
        each["id"]
        for each, (top1, energy) in zip(found["candidates"], points, strict=True)
        if not any(a >= top1 and e <= energy and (a, e) != (top1, energy) for a, e in points)
    ]
    assert sorted(found["pareto"]) == sorted(front)
    for same in ("bounds", "hypervolume", "best", "rejected"):
        assert found[same] == every[same]
    lines = squeezed(aspk("report", "--best", "5").stdout)
    assert f"Pareto front: {len(front)} of the best 5 by F_AEB of 18 candidates" in lines
    shown = "undefined" if found["kendall_tau"] is None else f"{found['kendall_tau']:.2f}"
    assert f"Kendall's tau between accuracy and energy: {shown} over the best 5 by F_AEB" in lines


def test_more_than_there_are_is_said(aspk: Aspk, searched: Path, searched_once: Once) -> None:
    found = aspk("report", "--best", "19", "--json").document
    assert found == searched_once[1] | {"best_num": 19}
    text = aspk("report", "--best", "19").stdout
    assert "fewer candidates than the best 19 that are asked for: all 18 are taken" in text
    assert "Pareto front: " in text
    assert "of the best" not in text


def test_how_the_numbers_were_obtained(aspk: Aspk, searched: Path) -> None:
    lines = [line.strip("│ ") for line in squeezed(aspk("report").stdout)]
    panel = lines[next(n for n, line in enumerate(lines) if "How these numbers were obtained" in line) + 1 :]
    assert panel[:5] == [
        "accuracy 60 validation images of digits; interval: 95 %, binomial (Wilson)",
        "BatchNorm recalibrate on 32 training images",
        "energy joules an image, profile cmos45, convention sound",
        "fidelity sound, but search.parents = 3",
        "F_AEB alpha 0.5 (1 - energy) + 0.5 accuracy, min-max scaled (archive)",
    ]
    assert panel[5].startswith("bounds accuracy ")
    assert panel[6:9] == [
        "search evolution, seed 0",
        "engine event_driven",
        "weights inherited from a supernet of 5 epochs, not retrained",
    ]


def test_the_document_is_the_searchs(aspk: Aspk, searched: Path, searched_once: Once) -> None:
    assert aspk("report", "--json").document == searched_once[1]


def test_another_alpha_is_read_not_measured(aspk: Aspk, searched: Path, searched_once: Once) -> None:
    before = (searched / FIRST).read_bytes()
    accurate = aspk("report", "--alpha", "0", "--json").document
    frugal = aspk("report", "--set", "search.alpha=1", "--json").document
    assert (searched / FIRST).read_bytes() == before

    assert [accurate["alpha"], frugal["alpha"]] == [0, 1]
    accuracies = [candidate["top1"] for candidate in accurate["candidates"]]
    energies = [candidate["energy_j"] for candidate in frugal["candidates"]]
    assert accuracies == sorted(accuracies, reverse=True)
    assert energies == sorted(energies)
    assert frugal["candidates"][0]["fitness"] == 1
    first = {candidate["id"]: candidate for candidate in searched_once[1]["candidates"]}
    for document in (accurate, frugal):
        assert set(document["pareto"]) == set(searched_once[1]["pareto"])
        for candidate in document["candidates"]:
            same = first[candidate["id"]]
            assert candidate | {"fitness": None} == same | {"fitness": None}


@pytest.mark.parametrize(
    "override",
    ['energy.first_layer_steps="every"', 'energy.residual="mac"', 'energy.order="q_kv"', 'energy.convention="paper"'],
)
def test_energy_rules_price_the_counts_again(aspk: Aspk, searched: Path, searched_once: Once, override: str) -> None:
    before = (searched / FIRST).read_bytes()
    document = aspk("report", "--set", override, "--json").document
    assert (searched / FIRST).read_bytes() == before

    recipe = load_recipe("tiny.toml", [override])
    energy = energy_model(recipe)
    priced = {
        candidate.id: energy.of(candidate.subnet, candidate.measurement).energy_j
        for candidate in load_population(searched).candidates
    }
    assert {candidate["id"]: candidate["energy_j"] for candidate in document["candidates"]} == priced
    first = {candidate["id"]: candidate["energy_j"] for candidate in searched_once[1]["candidates"]}
    assert priced != first
    if "every" in override:
        assert all(priced[id_] > first[id_] for id_ in first)


def test_bounds_of_ones_own(aspk: Aspk, searched: Path) -> None:
    bounds = "search.bounds={top1=[0, 100], energy_j=[0, 1]}"
    document = aspk("report", "--set", 'search.normalise="fixed"', "--set", bounds, "--json").document
    assert document["bounds"] == {"top1": [0, 100], "energy_j": [0, 1]}
    for candidate in document["candidates"]:
        expected = (1 - candidate["energy_j"] + candidate["top1"] / 100) / 2
        assert candidate["fitness"] == pytest.approx(expected, abs=1e-12)


def test_what_was_measured_cannot_be_changed(aspk: Aspk, searched: Path) -> None:
    done = aspk("report", "--set", 'model.batchnorm="batch"', "--set", "space.embed_dim=[32]")
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr == (
        "error: --set: model.batchnorm, space.embed_dim cannot be changed in what was measured\n"
        "  change search.objectives, search.limits, search.alpha, search.normalise, search.bounds, "
        "search.percentile or energy.* here, "
        "or search with other keys: aspk search --set KEY=VALUE\n"
    )


def test_a_sweep_rests_on_all_its_searches_and_on_no_single_alpha(aspk: Aspk, searched: Path) -> None:
    words = ("--alpha", "0.1", "--set", "search.generations=1", "--set", "search.parents=2", "--set", "seed=3")
    assert aspk("search", *words, "--name", "other").exit_code == 0
    document = aspk("report", "--alpha-sweep", "--json").document
    name = "evolution-alpha0.5-seed0"
    assert sorted(document["searches"]) == sorted([name, "other"])
    found = document["provenance"]
    assert (found["algorithm"], found["seed"]) == (None, None)
    own = ("search.alpha", "search.parents", "search.mutation", "search.p_depth", "search.p_mutation")
    assert not set(own) & set(found["resolved"])
    assert not any(switch.startswith(own) for switch in found["switches"])
    assert found["resolved"]["search.split"] == "validation"
    for verbose in ((), ("--verbose",)):
        text = aspk("report", "--alpha-sweep", *verbose).stdout
        box = " ".join(text[text.index("How these numbers were obtained") :].replace("│", " ").split())
        listed = ", ".join(document["searches"])
        assert f"searches {listed}; each with an algorithm, a seed and an alpha of its own" in box
        assert all(each not in box for each in ("alpha 0", "alpha = ", "seed 0", "seed 3", "parents"))


def test_a_sweep_of_alpha_is_what_each_alpha_finds(aspk: Aspk, searched: Path, searched_once: Once) -> None:
    before = (searched / FIRST).read_bytes()
    document = aspk("report", "--alpha-sweep", "--json").document
    assert [best["alpha"] for best in document["alpha_sweep"]] == [step / 10 for step in range(11)]
    for best in document["alpha_sweep"]:
        of_one = aspk("report", "--alpha", str(best["alpha"]), "--json").document["candidates"][0]
        assert best == {"alpha": best["alpha"], **of_one}
    assert [found["id"] for found in document["pareto"]] == searched_once[1]["pareto"]
    assert (document["num_candidates"], document["num_searches"]) == (18, 1)

    text = " ".join(aspk("report", "--alpha-sweep").stdout.split())
    found = {best["id"] for best in document["alpha_sweep"]}
    assert f"Best by F_AEB for each alpha: {len(found)} of 18 candidates" in text
    assert (
        f"A sweep of alpha finds points of the front's convex hull only: here {len(found)} of the "
        f"{len(document['pareto'])} subnets on the Pareto front."
    ) in text
    assert "F_AEB alpha (1 - energy) + (1 - alpha) accuracy, min-max scaled (archive)" in text
    assert "runs/tiny, searches evolution-alpha0.5-seed0" in text
    noise = document["ranking_noise"]
    assert noise == aspk("report", "--json").document["ranking_noise"]
    top1 = [candidate["top1"] for candidate in searched_once[1]["candidates"]]
    assert noise["spread"] == pytest.approx(max(top1) - min(top1))
    assert noise["widest_interval"] == pytest.approx(
        max(high - low for high, low in (reversed(each["top1_interval"]) for each in searched_once[1]["candidates"]))
    )
    assert ("the order by accuracy is mostly chance" in text) == noise["mostly_chance"]
    assert (searched / FIRST).read_bytes() == before


def test_a_sweep_of_alpha_reads_the_whole_archive(aspk: Aspk, searched: Path, searched_once: Once) -> None:
    options = ("--set", "seed=1", "--set", "search.generations=2")
    assert aspk("search", "--alpha", "1", *options).exit_code == 0
    assert aspk("search", "--set", "search.images=50", "--set", "search.generations=1", "--fresh").exit_code == 0
    assert aspk("search", "--alpha", "1", *options).exit_code == 0  # on 60 images, again
    new, old = (aspk("report", "--json").document["candidates"], searched_once[1]["candidates"])
    both = {tuple(candidate["subnet"]): candidate for candidate in [*old, *new]}
    document = aspk("report", "--alpha-sweep", "--json").document
    assert (document["num_candidates"], document["num_searches"]) == (len(both), 2)
    most = max(both.values(), key=lambda candidate: (candidate["top1"], -candidate["energy_j"]))
    least = min(both.values(), key=lambda candidate: candidate["energy_j"])
    accurate, frugal = document["alpha_sweep"][0], document["alpha_sweep"][-1]
    assert (accurate["top1"], accurate["subnet"]) == (most["top1"], most["subnet"])
    assert (frugal["energy_j"], frugal["subnet"]) == (least["energy_j"], least["subnet"])

    others = {found["id"] for found in document["pareto"]} - {candidate["id"] for candidate in new}
    for found in others:
        assert re.fullmatch(r"c\d{4}", found)
        named = aspk("evaluate", "--subnet", found, "--images", "5", "--json").document
        assert named["subnet"] == next(entry["subnet"] for entry in document["pareto"] if entry["id"] == found)
    absent = aspk("evaluate", "--subnet", "other/c0001")
    assert (absent.exit_code, absent.stdout) == (2, "")
    assert absent.stderr.startswith("error: --subnet: 'other/c0001' is no candidate of runs/tiny\n")


def test_a_sweep_has_every_alpha(aspk: Aspk, searched: Path) -> None:
    done = aspk("report", "--alpha-sweep", "--alpha", "0.3")
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr == "error: --alpha: a sweep has every alpha\n  leave out --alpha or --alpha-sweep\n"
    done = aspk("report", "--alpha-sweep", "--best", "5")
    assert done.stderr == "error: --best: a sweep is of all candidates\n  leave out --best or --alpha-sweep\n"


MARK = '! selected on test images (search.split = "test"): no unbiased test accuracy is left for these subnets'


def test_a_search_on_test_images_is_marked_everywhere(aspk: Aspk, trained: Path) -> None:
    done = aspk("search", "--set", 'search.split="test"', "--set", "search.generations=1")
    lines = done.stderr.splitlines()
    assert lines[0] == MARK
    assert all("split=TEST" in line for line in lines if line.startswith("searching: ") and "0/" not in line)
    assert MARK in done.stdout
    for options, num_tables in (([], 2), (["--alpha-sweep"], 2)):
        text = " ".join(aspk("report", *options).stdout.replace("│", " ").split())
        assert text.count(MARK) == num_tables + 1
    assert MARK in " ".join(aspk("evaluate", "--images", "20").stdout.split())
    document = aspk("evaluate", "--images", "20", "--json").document
    assert (document["split"], document["selected_on"]) == ("test", "test")
    assert MARK not in " ".join(aspk("evaluate", "--split", "validation", "--images", "20").stdout.split())
    assert MARK in " ".join(aspk("energy").stdout.split())
    assert "% on test" in " ".join(aspk("runs").stdout.split())
    first = "evolution-alpha0.5-seed0-generations1-split_test"
    aspk("search", "--set", "search.generations=1")
    for asked, marked in (("c0001", True), (f"{first}/c0001", True), ("c0007", False), ("largest", False)):
        shown = aspk("evaluate", "--subnet", asked, "--images", "20", "--set", 'search.split="validation"').stdout
        assert (MARK in " ".join(shown.split())) == marked


def test_a_sound_search_is_not_marked(aspk: Aspk, searched: Path) -> None:
    for command in ("search", "report", "evaluate"):
        assert "selected on" not in aspk(command).stdout
    assert aspk("evaluate", "--json").document["selected_on"] == "validation"


def test_an_alpha_that_is_none(aspk: Aspk, searched: Path) -> None:
    done = aspk("report", "--alpha", "nan")
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr == "error: --alpha nan: search.alpha must be finite, not nan\n"


def test_no_run_and_no_search(aspk: Aspk, own_folder: Path) -> None:
    none = aspk("report")
    assert (none.exit_code, none.stdout) == (2, "")
    assert none.stderr == "error: there is no run under runs\n  train one first: aspk train quickstart\n"
    assert sorted(path.name for path in own_folder.iterdir()) == ["tiny.toml"]


def test_a_run_whose_training_is_not_finished(aspk: Aspk, trained: Path) -> None:
    """The next step is to finish it, wherever a search is missed."""
    checkpoint = load_checkpoint(trained)
    save_checkpoint(trained, replace(checkpoint, state=replace(checkpoint.state, epoch=2, finished=False)))
    fix = "its training is not finished: aspk train --run runs/tiny goes on with it; then aspk search --run runs/tiny"
    for command in (("report",), ("evaluate",), ("export", "--to", "x.onnx"), ("compare",)):
        done = aspk(*command)
        assert (done.exit_code, done.stderr) == (2, f"error: runs/tiny has no search\n  {fix}\n"), command
    assert aspk("report", "--search", "x").stderr == f"error: --search: runs/tiny has no search x\n  {fix}\n"
    assert aspk("runs", "show").stdout == f"runs/tiny has no search; {fix}\n"


def test_a_run_without_a_search(aspk: Aspk, trained: Path) -> None:
    done = aspk("report", "--run", "runs/tiny")
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr == "error: runs/tiny has no search\n  search first: aspk search --run runs/tiny\n"
    assert not (trained / FIRST).exists()


@pytest.mark.parametrize("columns", [13, 20, 26, 31, 36, 39, 45, 60, 79])
def test_a_narrow_console_cuts_no_number(
    aspk: Aspk, searched: Path, searched_once: Once, monkeypatch: pytest.MonkeyPatch, columns: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    text = aspk("report").stdout
    assert max(map(len, text.splitlines())) <= columns
    words = re.sub(r"\s+", " ", text)
    front = [each for each in searched_once[1]["candidates"] if each["id"] in searched_once[1]["pareto"]]
    largest = searched_once[1]["baseline"]["energy_j"]
    assert 1e-7 < largest < 1e-6
    for candidate in front:
        assert re.search(rf"\b{candidate['id']}\b", words)
        assert re.search(rf"(?<![\d.]){candidate['top1']:.2f}(?!\d)", words)
        assert re.search(rf"(?<![\d.]){candidate['energy_j'] * 1e6:.4f}(?!\d)", words)
    runs = re.sub(r"\s+", " ", aspk("runs").stdout)
    assert re.search(r"\d{4}-\d\d-\d\d \d\d:\d\d", runs)
    assert f"{max(each['top1'] for each in searched_once[1]['candidates']):.2f}" in runs


@pytest.mark.parametrize("columns", ["0", "-5", "wide", ""])
def test_columns_that_are_none_are_as_unset(
    aspk: Aspk, searched: Path, monkeypatch: pytest.MonkeyPatch, columns: str
) -> None:
    monkeypatch.delenv("COLUMNS")
    expected = aspk("report").stdout
    monkeypatch.setenv("COLUMNS", columns)
    assert aspk("report").stdout == expected
    assert "Pareto front" in expected


@pytest.mark.parametrize("has_baseline", [True, False])
@pytest.mark.parametrize("num", [0, 1])
def test_a_search_with_no_and_with_one_candidate(aspk: Aspk, searched: Path, num: int, has_baseline: bool) -> None:
    """As one that was stopped early: every form of the report is there."""
    found = load_population(searched)
    state = {**found.state, "generation": num, "finished": False}
    baseline = found.baseline if has_baseline else None
    save_population(searched, replace(found, candidates=found.candidates[:num], baseline=baseline, state=state))
    done = aspk("report", "--quiet")
    assert (done.exit_code, done.stderr) == (0, "")
    assert f"Pareto front: {num} of {num} candidate{'s' * (num != 1)}" in done.stdout
    document = aspk("report", "--json").document
    ids = [each.id for each in found.candidates[:num]]
    assert ([each["id"] for each in document["candidates"]], document["pareto"]) == (ids, ids)
    assert (document["best"], document["kendall_tau"], document["ranking_noise"]) == (next(iter(ids), None), None, None)
    assert (document["baseline"] is None, document["hypervolume"] is None) == (not has_baseline, not has_baseline)
    sweep = aspk("report", "--alpha-sweep", "--json").document
    assert {each["id"] for each in sweep["alpha_sweep"]} == set(ids)
    for words in (("--alpha-sweep",), ("--best", "3"), ("--methods",), ("--verbose",)):
        assert aspk("report", *words).exit_code == 0, words

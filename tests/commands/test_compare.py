"""aspk compare: every number against an independent reference, and what stands above and below the numbers."""

from __future__ import annotations

import re
import shutil
import warnings
from collections.abc import Callable
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import kendalltau, sem, t, wilcoxon

from autospikformer_cli import compare_searches
from autospikformer_cli.cli.__main__ import main
from autospikformer_cli.errors import UserError
from autospikformer_cli.report import comparison_report
from autospikformer_cli.store.population import load_population, save_population

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from pymoo.indicators.hv import Hypervolume

Aspk = Callable[..., Any]
FIRST = "evolution-alpha0.5-seed0"
NAMES = (FIRST, "evolution-alpha0.5-seed1", "random-alpha0.5-seed0", "random-alpha0.5-seed1")
EVOLUTION, RANDOM = "evolution-alpha0.5", "random-alpha0.5"


@pytest.fixture(scope="module")
def four_once(searched_once: tuple[Path, Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with evolution and random search, two seeds each; not to be written to."""
    run = tmp_path_factory.mktemp("four") / "tiny"
    shutil.copytree(searched_once[0], run)
    for words in (("--set", "seed=1"), ("--algorithm", "random"), ("--algorithm", "random", "--set", "seed=1")):
        assert main(["search", "--run", str(run), *words, "--quiet"]) == 0
    return run


@pytest.fixture
def four(four_once: Path, own_folder: Path) -> Path:
    """runs/tiny with four searches."""
    shutil.copytree(four_once, "runs/tiny")
    return Path("runs/tiny")


def candidates_of(aspk: Aspk, name: str) -> list[tuple[float, float]]:
    """Accuracy in percent and energy in joules of all candidates of a search."""
    document = aspk("report", "--search", name, "--json").document
    return [(each["top1"], each["energy_j"]) for each in document["candidates"]]


def fitness(top1: float, energy: float, points: list[tuple[float, float]], alpha: float) -> float:
    """Equation 6, scaled by the extremes of the points."""
    accuracies, energies = zip(*points, strict=True)
    saved = (max(energies) - energy) / (max(energies) - min(energies))
    return alpha * saved + (1 - alpha) * (top1 - min(accuracies)) / (max(accuracies) - min(accuracies))


def front_of(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    return [
        (a, e) for a, e in points if not any(x >= a and y <= e and (x, y) != (a, e) for x, y in points)
    ]  # fmt: skip


def covered(first: list[tuple[float, float]], second: list[tuple[float, float]]) -> float:
    hits = [any(x >= a and y <= e for x, y in first) for a, e in second]
    return sum(hits) / len(hits)


@pytest.mark.parametrize("best", [None, 7])
def test_every_number_is_that_of_an_independent_reference(aspk: Aspk, four: Path, best: int | None) -> None:
    points = {name: candidates_of(aspk, name) for name in NAMES}
    every = [point for name in NAMES for point in points[name]]
    document = aspk("compare", "--json", *(("--best", best) if best else ())).document
    assert [each["search"] for each in document["searches"]] == list(NAMES)
    assert document["bounds"] == {
        "top1": [min(a for a, _ in every), max(a for a, _ in every)],
        "energy_j": [min(e for _, e in every), max(e for _, e in every)],
    }
    box = document["reference"]
    (low, high), (least, most) = document["bounds"]["top1"], document["bounds"]["energy_j"]
    assert (box["reference"], box["ideal"]) == ([low, most], [high, least])
    ideal, worst = np.array([-high, least]), np.array([-low, most])
    taken: dict[str, list[tuple[float, float]]] = {}
    for name, found in zip(NAMES, document["searches"], strict=True):
        ranked = sorted(points[name], key=lambda point: -fitness(*point, every, 0.5))
        taken[name] = ranked[:best]
        scores = [fitness(*point, every, 0.5) for point in ranked]
        assert found["fitness"] == [
            {
                "alpha": 0.5,
                "best": pytest.approx(scores[0]),
                "mean_of_best": pytest.approx(np.mean(scores[:10])),
                "mean": pytest.approx(np.mean(scores[:best])),
            }
        ]
        costs = (np.array([(-a, e) for a, e in points[name]]) - ideal) / (worst - ideal)
        share = Hypervolume(ref_point=np.ones(2)).do(costs)
        assert found["hypervolume"] == pytest.approx(float(share))
        assert found["num_taken"] == len(taken[name]) == (best or len(points[name]))
        if found["num_different"] == found["num_taken"]:
            tau = kendalltau(*zip(*taken[name], strict=True)).statistic  # nan if all are equally accurate
            assert found["kendall_tau"] == (None if np.isnan(tau) else pytest.approx(tau))
            assert len(found["pareto"]) == len(front_of(taken[name]))
        assert found["num_pareto_points"] == len(set(front_of(taken[name]))), "equal objectives are one point"
    fronts = [list(set(front_of(taken[name]))) for name in NAMES]
    expected = [[covered(by, of) for of in fronts] for by in fronts]
    assert np.array(document["coverage"]) == pytest.approx(np.array(expected))


def test_the_tau_of_a_search_is_that_of_its_report(aspk: Aspk, four: Path) -> None:
    for found in aspk("compare", "--json").document["searches"]:
        report = aspk("report", "--search", found["search"], "--json").document
        assert found["kendall_tau"] == report["kendall_tau"]


def test_hypervolume_needs_no_baseline(aspk: Aspk, four: Path) -> None:
    """Its box is between the extremes of the searches. A report's is the baseline's, which is there from the start."""
    before = aspk("compare", "--json").document
    for name in NAMES:
        save_population(four, replace(load_population(four, name), baseline=None, hypervolume=None))
    assert aspk("report", "--json").document["hypervolume"] is None
    after = aspk("compare", "--json").document
    assert [each["hypervolume"] for each in after["searches"]] == [each["hypervolume"] for each in before["searches"]]
    assert after["reference"] == before["reference"]
    assert max(each["hypervolume"] for each in after["searches"]) > 0


def test_searches_that_differ_in_the_seed_are_paired(aspk: Aspk, four: Path) -> None:
    document = aspk("compare", "--json").document
    found = {each["search"]: each for each in document["searches"]}
    assert [found[name]["setting"] for name in NAMES] == [EVOLUTION, EVOLUTION, RANDOM, RANDOM]
    (contrast,) = document["differences"]
    assert (contrast["first"], contrast["second"], contrast["seeds"]) == (EVOLUTION, RANDOM, [0, 1])
    assert contrast["least_p"] == 0.5
    columns = {each["measure"]: each for each in contrast["measures"]}
    values = [found[name]["hypervolume"] for name in NAMES]
    assert (columns["hypervolume"]["first"], columns["hypervolume"]["second"]) == (values[:2], values[2:])
    best = [found[name]["fitness"][0]["best"] for name in NAMES]
    assert (columns["best F_AEB"]["first"], columns["best F_AEB"]["second"]) == (best[:2], best[2:])
    shares = document["coverage"]
    here, there = (columns["coverage of the other's front"][side] for side in ("first", "second"))
    assert here == [shares[0][2], shares[1][3]]
    assert there == [shares[2][0], shares[3][1]]
    for name, column in columns.items():
        differences = np.subtract(column["first"], column["second"])
        assert column["mean_difference"] == pytest.approx(differences.mean())
        low, high = t.interval(0.95, 1, loc=differences.mean(), scale=sem(differences)) if differences.any() else (0, 0)
        most = 1.0 if name in ("hypervolume", "coverage of the other's front") else np.inf
        assert column["difference_interval"] == [pytest.approx(max(low, -most)), pytest.approx(min(high, most))]
        assert (column["first_better"], column["second_better"]) == ((differences > 0).sum(), (differences < 0).sum())
        if differences.all():
            assert column["p"] == pytest.approx(wilcoxon(differences, method="exact").pvalue)


def test_the_text_begins_with_what_was_found_and_ends_with_what_is_not_shown(aspk: Aspk, four: Path) -> None:
    done = aspk("compare", "runs/tiny")
    document = aspk("compare", "runs/tiny", "--json").document
    assert done.exit_code == 0
    text = " ".join(done.stdout.split())
    assert text.startswith(f"4 searches of runs/tiny {'! ' * ('disagree' in document['findings'][0])}")
    places = [text.index(part) for part in (document["findings"][0], "All 18 candidates of each search", "The best by")]
    places += [text.index(part) for part in ("Coverage:", f"{EVOLUTION} against {RANDOM}: 2 pairs, seeds 0, 1")]
    assert [*places, text.index("What these numbers do not show")] == sorted(
        [*places, text.index("What these numbers do not show")]
    )
    assert document["not_shown"][2] == (
        "With 2 pairs of seeds, no difference can be told from chance: the smallest p is 0.5. 6 or more can "
        "(aspk search --seeds 6)."
    )
    for line in document["not_shown"]:
        assert line in text


@pytest.mark.parametrize("width", [80, 100, 120])
def test_lines_fit_into_the_console(aspk: Aspk, four: Path, monkeypatch: pytest.MonkeyPatch, width: int) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    lines = aspk("compare").stdout.splitlines()
    assert max(map(len, lines)) <= width
    row = next(line for line in lines if FIRST in line)
    assert row.endswith(")"), "a search takes one line"


def test_a_title_says_how_many_are_taken(aspk: Aspk, four: Path) -> None:
    assert "The best 5 by F_AEB of 18 candidates of each search" in aspk("compare", "--best", "5").stdout
    done = aspk("compare", "--best", "19")
    assert "! fewer usable candidates than the best 19 that are asked for: 1 (18), 2 (18), " in done.stdout


def test_searches_are_named_in_any_way(aspk: Aspk, four: Path) -> None:
    def compared(*words: str) -> list[str]:
        return [each["search"] for each in aspk("compare", *words, "--json").document["searches"]]

    assert compared() == compared("runs/tiny") == compared("tiny") == list(NAMES)
    assert compared(f"tiny:{FIRST}", "tiny") == [FIRST, NAMES[3]], "a run next to others is its last search"
    assert compared(f":{NAMES[2]}", f":{FIRST}") == [NAMES[2], FIRST]


def test_other_alphas_are_scored_by_each(aspk: Aspk, searched: Path) -> None:
    assert aspk("search", "--alpha", "0.2", "--set", "search.generations=1").exit_code == 0
    document = aspk("compare", "--json").document
    every = [point for each in document["searches"] for point in candidates_of(aspk, each["search"])]
    for each in document["searches"]:
        points = candidates_of(aspk, each["search"])
        for scored in each["fitness"]:
            expected = max(fitness(*point, every, scored["alpha"]) for point in points)
            assert scored["best"] == pytest.approx(expected)
        assert [scored["alpha"] for scored in each["fitness"]] == [0.2, 0.5]
    (contrast,) = document["differences"]
    assert [each["measure"] for each in contrast["measures"]] == ["hypervolume", "coverage of the other's front"]
    lines = aspk("compare").stdout.splitlines()
    place = lines.index("F_AEB of each search")
    rows = [line.split() for line in lines[place : place + 6] if line.startswith(("1 ", "2 "))]
    for row, each in zip(rows, document["searches"], strict=True):
        numbers = [float(cell.removesuffix("*")) for cell in row[2:]]
        expected = [scored[key] for scored in each["fitness"] for key in ("best", "mean_of_best", "mean")]
        assert numbers == [pytest.approx(value, abs=5e-5) for value in expected]
    assert sum(cell.endswith("*") for row in rows for cell in row) >= 2, "the best under each alpha"
    one = aspk("compare", "--alpha", "0.2", "--json").document
    assert [each["alpha"] for each in one["searches"]] == [0.2, 0.2]


def test_a_coverage_is_one_number_in_all_places(aspk: Aspk, four: Path) -> None:
    """In the matrix, in the differences, and in --json, it is the same share."""
    document = aspk("compare", f":{FIRST}", ":random-alpha0.5-seed0", "--json").document
    lines = aspk("compare", f":{FIRST}", ":random-alpha0.5-seed0").stdout.splitlines()
    place = lines.index("Coverage: the share of a column's front that a row's front covers")
    rows = [line.split() for line in lines[place + 3 : place + 5]]
    shares = document["coverage"]
    assert rows == [["1", "–", f"{shares[0][1]:.4f}"], ["2", f"{shares[1][0]:.4f}", "–"]]
    (contrast,) = document["differences"]
    (measure,) = (each for each in contrast["measures"] if each["measure"] == "coverage of the other's front")
    assert (measure["first"], measure["second"]) == ([shares[0][1]], [shares[1][0]])


def test_a_search_has_one_name_in_tables_and_findings(aspk: Aspk, searched: Path) -> None:
    assert aspk("search", "--alpha", "0.2", "--set", "search.generations=1", "--name", "mine").exit_code == 0
    done = aspk("compare")
    document = aspk("compare", "--json").document
    assert [each["setting"] for each in document["searches"]] == [each["search"] for each in document["searches"]]
    (contrast,) = document["differences"]
    assert {contrast["first"], contrast["second"]} == {FIRST, "mine"}
    assert "limits none" not in done.stdout
    assert FIRST in contrast["finding"]


def test_a_coverage_that_has_no_room_is_said_to_be_left_out(
    aspk: Aspk, four: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(comparison_report, "MOST_IN_A_MATRIX", 3)
    text = " ".join(aspk("compare").stdout.split())
    assert (
        "Coverage of each front by each other one: left out, since 4 searches are too many for a table (more than 3); "
        "--json has it as coverage"
    ) in text
    assert "covers: equal or better" not in text
    assert len(aspk("compare", "--json").document["coverage"]) == 4


def test_a_reader_is_warned(aspk: Aspk, searched: Path, trained_once: tuple[Path, Any]) -> None:
    assert aspk("search", "--convention", "strict", "--max-params", "20k", "--name", "cheap").exit_code == 0
    assert aspk("search", "--set", "search.images=50", "--set", "search.generations=1", "--name", "few").exit_code == 0
    found = aspk("compare", f":{FIRST}", ":cheap", ":few", "--json").document
    assert found["warnings"] == [
        (
            "other images than 1: 3. Their accuracies, F_AEB and hypervolume differ by the draw of images, too: small "
            "differences mean nothing"
        ),
        (
            "searched under other prices than 1 (energy.convention): 2; all are priced here by profile cmos45, "
            "convention sound"
        ),
        "other limits than 1 (search.limits): 2; the candidates of each keep to its own",
        "fewer than 18 candidates: 3 (6). Hypervolume and the best F_AEB grow with their number",
        "the order by accuracy is mostly chance: 1, 2, 3 (aspk report says how far)",
    ]
    text = " ".join(aspk("compare", f":{FIRST}", ":cheap", ":few").stdout.split())
    assert all(f"! {warning}" in text for warning in found["warnings"])
    strict = aspk("compare", f":{FIRST}", ":cheap", "--convention", "strict", "--json").document
    assert strict["energy_convention"] == "strict"
    report = aspk("report", "--search", "cheap", "--json").document
    energies = [each["energy_j"] for each in report["candidates"]]
    worst, best = strict["reference"]["reference"][1], strict["reference"]["ideal"][1]
    assert best <= min(energies) <= max(energies) <= worst, "strict prices, which report takes from the search"


def test_two_supernets_are_a_warning_and_pair_by_seed(aspk: Aspk, four: Path) -> None:
    words = ("train", "tiny.toml", "--run", "runs/other", "--set", "train.epochs=1", "--set", "train.warmup_epochs=0")
    assert aspk(*words).exit_code == 0
    assert aspk("search", "--run", "other").exit_code == 0
    document = aspk("compare", f"tiny:{FIRST}", "other", "--json").document
    assert document["warnings"] == [
        "other weights than 1: 2. A difference may be the training's, not the search's",
        "the order by accuracy is mostly chance: 1, 2 (aspk report says how far)",
    ]
    (contrast,) = document["differences"]
    assert (contrast["seeds"], contrast["trained_seeds"]) == ([0], [0])
    assert " (" in contrast["finding"]
    assert " against " in contrast["finding"], "one pair: its values, not how many pairs"
    assert [each["setting"] for each in document["searches"]] == [f"runs/{name}:{FIRST}" for name in ("tiny", "other")]


def refusal(aspk: Aspk, *words: str) -> str:
    done = aspk("compare", *words)
    assert (done.exit_code, done.stdout) == (2, "")
    return str(done.stderr)


def test_what_cannot_be_compared_is_one_message(aspk: Aspk, searched: Path) -> None:
    one = f"runs/tiny:{FIRST}"
    where = "error: RUN[:SEARCH]: "
    assert (
        refusal(aspk, "nothing") == f"{where}there is no run nothing, here or under runs\n  list the runs: aspk runs\n"
    )
    assert refusal(aspk, "tyny") == (
        f"{where}there is no run tyny, here or under runs\n  did you mean runs/tiny?\n"
    )  # fmt: skip
    assert refusal(aspk, ":evolution-alpha0.5-seed1") == (
        f"{where}runs/tiny has no search evolution-alpha0.5-seed1\n  did you mean {FIRST}?\n"
    )
    assert refusal(aspk) == (
        f"{where}{one} is one search, there is nothing to compare it with\n"
        "  search otherwise: aspk search --run runs/tiny --seeds 2\n"
    )
    assert refusal(aspk, one, f":{FIRST}") == f"{where}{one} is given twice\n  name each search once\n"
    assert aspk("search", "--set", 'search.objectives=["top1", "params"]', "--name", "small").exit_code == 0
    assert refusal(aspk, ":small", one) == (
        f"{where}{one} has the objectives top1, energy, runs/tiny:small has top1, params\n"
        '  measure both by the same: --set \'search.objectives=["top1", "params"]\'\n'
    )
    again = aspk("compare", ":small", one, "--set", 'search.objectives=["top1", "params"]', "--json")
    assert again.document["reference"]["objectives"] == ["top1", "params"]


def test_a_scale_of_ones_own_is_refused(aspk: Aspk, searched: Path) -> None:
    assert refusal(aspk, "--set", 'search.normalise="generation"') == (
        "error: --set search.normalise: all searches are scaled by their common extremes\n"
        "  leave it out; aspk report --set search.normalise=... shows one search so\n"
    )


def test_a_run_without_a_search_says_so(aspk: Aspk, trained: Path) -> None:
    assert refusal(aspk) == "error: runs/tiny has no search\n  search first: aspk search --run runs/tiny\n"


def test_without_any_run_it_says_so(aspk: Aspk) -> None:
    assert refusal(aspk) == "error: there is no run under runs\n  train one first: aspk train quickstart\n"


def test_other_data_is_refused(aspk: Aspk, searched: Path) -> None:
    """A copy of the run whose stored recipes name another data set."""
    shutil.copytree("runs/tiny", "runs/other")
    population = load_population(Path("runs/other"))
    recipe = population.recipe_toml.replace('dataset = "digits"', 'dataset = "cifar10"')
    assert recipe != population.recipe_toml
    save_population(Path("runs/other"), replace(population, recipe_toml=recipe))
    assert refusal(aspk, "tiny", "other") == (
        f"error: RUN[:SEARCH]: runs/other:{FIRST} is of the data set cifar10, runs/tiny:{FIRST} of digits\n"
        "  accuracies on them are different quantities; compare searches of one data set\n"
    )


def test_an_objective_that_is_gone_leaves_the_rest(aspk: Aspk, four: Path) -> None:
    """As after its plugin was uninstalled: no front, no hypervolume, but F_AEB and tau."""
    for name in (FIRST, NAMES[2]):
        population = load_population(four, name)
        recipe = population.recipe_toml.replace('objectives = ["top1", "energy"]', 'objectives = ["top1", "hill"]')
        assert recipe != population.recipe_toml
        save_population(four, replace(population, recipe_toml=recipe))
    words = ("compare", f":{FIRST}", f":{NAMES[2]}")
    document = aspk(*words, "--json").document
    assert document["warnings"][0].startswith("search.objectives: ")
    assert document["reference"] is None
    assert [each["hypervolume"] for each in document["searches"]] == [None, None]
    measures = ["best F_AEB", "mean F_AEB of the best 10", "mean F_AEB"]
    assert [each["measure"] for each in document["differences"][0]["measures"]] == measures
    assert all(each["kendall_tau"] is not None for each in document["searches"])
    done = aspk(*words)
    text = " ".join(done.stdout.split())
    assert done.exit_code == 0
    assert "no hypervolume: an objective is not known here, or is the same for all candidates" in text


def test_one_candidate_is_enough(aspk: Aspk, searched: Path) -> None:
    one = ("--set", "search.population=1", "--set", "search.parents=1", "--set", "search.generations=1")
    assert aspk("search", "--algorithm", "random", *one, "--name", "one").exit_code == 0
    assert aspk("search", "--algorithm", "random", *one, "--set", "seed=3", "--name", "two").exit_code == 0
    document = aspk("compare", ":one", ":two", "--json").document
    for each in document["searches"]:
        assert (each["num_candidates"], each["kendall_tau"], each["tau_interval"]) == (1, None, None)
    assert document["differences"] == [], "they differ in the seed alone"
    assert aspk("compare", ":one", ":two").exit_code == 0


def test_limits_that_nothing_keeps_are_refused_alike_everywhere(aspk: Aspk, searched: Path) -> None:
    """With the place, the best value that was measured, and the remedy. No table is empty for a wrong reason."""
    assert aspk("search", "--set", "seed=1").exit_code == 0
    none = ("--set", "search.limits.energy=1e-12")
    said = (
        r"error: search\.limits: no subnet keeps to the limits: search\.limits\.energy excluded 100 % of 18 measured "
        r"subnets\n  loosen search\.limits\.energy: the best energy measured is \d+\.?\d* .J; what was measured is "
        r"kept, and not measured again\n"
    )
    for words in (("compare",), ("report",), ("report", "--figure", "front", "--to", "a.png"), ("finish", "--dry-run")):
        done = aspk(*words, *none)
        assert (done.exit_code, done.stdout) == (2, ""), words
        assert re.fullmatch(said, done.stderr), done.stderr
    assert not Path("a.png").exists()


def test_one_search_that_limits_emptied_is_a_warning(aspk: Aspk, searched: Path) -> None:
    assert aspk("search", "--max-energy", "1e-12", "--name", "emptied", "--quiet").exit_code == 2
    document = aspk("compare", f":{FIRST}", ":emptied", "--json").document
    assert "no candidate keeps to its limits, or all computed values that are not finite: 2" in document["warnings"]
    assert document["searches"][1]["num_candidates"] == 0
    assert document["coverage"] == [[1.0, None], [0.0, None]]
    assert aspk("compare", f":{FIRST}", ":emptied").exit_code == 0


def test_python_compares_too(four: Path) -> None:
    found = compare_searches([f"tiny:{FIRST}", f"tiny:{NAMES[2]}"], {"search.alpha": 0.3}, best=4)
    assert [len(each.taken(0.3)) for each in found.searches] == [4, 4]
    for first, second in product(found.searches, repeat=2):
        assert (found.coverage(first, second) == 1.0) or first is not second
    with pytest.raises(UserError, match="the best 0 are no candidates"):
        compare_searches(["tiny"], best=0)

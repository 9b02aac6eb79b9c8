"""aspk analyze genes: read from the archive, priced anew, honest about what it cannot tell."""

from __future__ import annotations

import re
import shutil
import warnings
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from itertools import product
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest

from autospikformer_cli.analysis.gene_claims import gene_claims
from autospikformer_cli.analysis.gene_shares import GENES, value_shares
from autospikformer_cli.cli.__main__ import main
from autospikformer_cli.cli.documents import GenesDocument
from autospikformer_cli.cli.session import plain_text
from autospikformer_cli.measurement import Candidate
from autospikformer_cli.recipe import load_recipe
from autospikformer_cli.report.genes_report import genes_report
from autospikformer_cli.runs.genes import study_genes
from autospikformer_cli.space import plain
from autospikformer_cli.store.population import load_population, save_population

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import statsmodels.api as sm

Aspk = Callable[..., Any]
COMMAND = ("analyze", "genes", "--resamples", "100")
PNG = b"\x89PNG"


@pytest.fixture(scope="package")
def balanced_once(trained_once: tuple[Path, Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with a random search of 60 subnets, not to be written to."""
    folder = tmp_path_factory.mktemp("balanced") / "tiny"
    shutil.copytree(trained_once[0], folder)
    size = ("--set", "search.population=20", "--set", "search.generations=3", "--set", "search.parents=5")
    assert main(["search", "--run", str(folder), "--algorithm", "random", "--quiet", *size]) == 0
    return folder


@pytest.fixture
def balanced(balanced_once: Path, own_folder: Path) -> Path:
    """runs/tiny, with that search."""
    to = Path("runs") / balanced_once.name
    shutil.copytree(balanced_once, to)
    return to


def candidates_of(aspk: Aspk, *options: object) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = aspk("report", "--json", *options).document["candidates"]
    return found


def rewrite(run: Path, change: Callable[[int, Candidate], Candidate], num: int | None = None) -> None:
    """Store the present search with changed candidates, or with the first of them only."""
    population = load_population(run)
    candidates = tuple(change(place, each) for place, each in enumerate(population.candidates[:num]))
    save_population(run, replace(population, candidates=candidates))


def with_measurement(candidate: Candidate, **changes: object) -> Candidate:
    return replace(candidate, measurement=replace(candidate.measurement, **changes))  # type: ignore[arg-type]


def slopes_by_hand(candidates: list[dict[str, Any]], outcome: str) -> dict[str, float]:
    """Each gene's slope, from the report's own candidates."""
    rows = []
    for each in candidates:
        depth, *genes = each["subnet"]
        by_gene = [np.mean(genes[at * depth : (at + 1) * depth]) for at in range(4)]
        rows.append([depth, *by_gene, *genes[4 * depth :]])
    fit = sm.OLS(np.array([each[outcome] for each in candidates]), sm.add_constant(np.array(rows, float))).fit()
    return dict(zip(GENES, fit.params[1:], strict=True))


def test_slopes_are_those_of_the_reports_candidates(aspk: Aspk, balanced: Path) -> None:
    document = aspk(*COMMAND, "--json").document
    GenesDocument.model_validate(document)
    candidates = candidates_of(aspk)
    assert (document["num_fitted"], document["num_ranked"], document["best_num"]) == (60, 60, 18)
    assert document["searches"] == [{"name": "random-alpha0.5-seed0-population20-parents5", "algorithm": "random"}]
    for outcome in ("firing_rate", "energy_j", "top1"):
        found = {each["gene"]: each for each in document["effects"] if each["outcome"] == outcome}
        expected = slopes_by_hand(candidates, outcome)
        assert {gene: each["slope"] for gene, each in found.items()} == pytest.approx(expected, rel=1e-6)
        assert all(each["slope_interval"][0] < each["slope"] < each["slope_interval"][1] for each in found.values())
    best = candidates[:18]
    shares = {(each["gene"], each["value"]): each for each in document["values"]}
    for value in (2, 3):
        assert shares["time_step", value]["share_best"] == sum(each["subnet"][-2] == value for each in best) / 18
        assert shares["time_step", value]["share_all"] == sum(each["subnet"][-2] == value for each in candidates) / 60


def test_prices_and_ranking_are_those_that_are_asked_for(aspk: Aspk, balanced: Path) -> None:
    document = aspk(*COMMAND, "--json", "--convention", "strict", "--alpha", "0", "--best", "10").document
    candidates = candidates_of(aspk, "--convention", "strict", "--alpha", "0")
    energy = {each["gene"]: each["slope"] for each in document["effects"] if each["outcome"] == "energy_j"}
    assert energy == pytest.approx(slopes_by_hand(candidates, "energy_j"), rel=1e-6)
    assert (document["energy_convention"], document["alpha"], document["best_num"]) == ("strict", 0.0, 10)
    widths = [each for each in document["values"] if each["gene"] == "embed_dim"]
    assert [each["share_best"] for each in widths] == [
        sum(each["subnet"][-1] == width for each in candidates[:10]) / 10 for width in (16, 24)
    ]
    assert document["effects"] != aspk(*COMMAND, "--json").document["effects"]


def test_a_report_in_80_columns(aspk: Aspk, balanced: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    done = aspk(*COMMAND, "--set", "search.alpha=0.2")
    assert (done.exit_code, done.stderr) == (0, "")
    assert max(map(len, done.stdout.splitlines())) <= 80
    text = " ".join(done.stdout.split())
    assert text.startswith("Genes of runs/tiny: 60 candidates of 1 search Effects on firing rate: mean 0.0")
    assert "Values among the best 18 by F_AEB, of 60" in text
    for claim in gene_claims():
        assert re.search(rf"{re.escape(claim.says)}: (confirmed|not confirmed|undecided), ", text), claim.says
    assert "F_AEB: alpha 0.2, min-max scaled (archive)" in text
    assert "searches select" not in text, "a random search does not"
    assert "decay_input true" in aspk(*COMMAND, "--verbose").stdout


def test_the_same_seed_gives_the_same_digits(aspk: Aspk, balanced: Path) -> None:
    first, again, other = (aspk(*COMMAND, "--json", *more).document for more in ((), ("--seed", "0"), ("--seed", "1")))
    assert first == again
    assert first["effects"] != other["effects"]
    assert [each["slope"] for each in first["effects"]] == [each["slope"] for each in other["effects"]]


def test_all_searches_that_measured_alike_are_read(aspk: Aspk, balanced: Path) -> None:
    size = ("--set", "search.population=10", "--set", "search.generations=2", "--set", "search.parents=5")
    assert aspk("search", "--algorithm", "evolution", *size).exit_code == 0
    names = {"random-alpha0.5-seed0-population20-parents5", str(load_population(balanced).name)}
    every = {each.subnet for name in names for each in load_population(balanced, name).candidates}
    document = aspk(*COMMAND, "--json").document
    assert {each["name"] for each in document["searches"]} == names
    assert document["num_fitted"] == len(every) > 60
    assert "1 of 2 searches select: their candidates descend from what did well." in aspk(*COMMAND).stdout


def test_a_small_archive_tells_nothing_and_says_so(aspk: Aspk, searched: Path) -> None:
    num = len(load_population(searched).candidates)
    document = aspk(*COMMAND, "--json").document
    assert document["num_fitted"] == num < 40
    assert document["effects"] == []
    assert len(document["untold"]) == 21
    slopes = [each for each in document["claims"] if each["outcome"]]
    assert {each["verdict"] for each in slopes} == {"undecided"}
    text = aspk(*COMMAND).stdout
    assert f"undecided, {num} candidates are too few for " in text
    assert f" of {num} candidates differ in it" in text


def test_an_archive_of_one_and_of_none(aspk: Aspk, balanced: Path) -> None:
    rewrite(balanced, lambda place, each: each, 1)
    done = aspk(*COMMAND)
    assert (done.exit_code, done.stderr) == (0, "")
    assert "1 candidate with an F_AEB cannot be divided into the best and others" in " ".join(done.stdout.split())
    refused = aspk(*COMMAND, "--best", "1")
    assert refused.stderr == (
        "error: --best: the best 1 of 1 candidates are all of them: there is nothing to compare\n  leave it out\n"
    )
    rewrite(balanced, lambda place, each: each, 0)
    none = aspk(*COMMAND)
    assert (none.exit_code, none.stdout) == (2, "")
    assert none.stderr == (
        "error: runs/tiny: its searches have no candidate with finite values\n"
        "  search on: aspk search --run runs/tiny\n"
    )


def test_values_that_are_not_finite_are_left_out(aspk: Aspk, balanced: Path) -> None:
    rewrite(balanced, lambda place, each: with_measurement(each, non_finite=int(place < 20)))
    document = aspk(*COMMAND, "--json").document
    assert (document["num_fitted"], document["num_ranked"]) == (40, 40)
    assert document["left_out"] == [{"reason": "the network computes values that are not finite", "num": 20}]
    assert "left out: 20 candidates, the network computes" in aspk(*COMMAND).stdout
    rewrite(balanced, lambda place, each: with_measurement(each, non_finite=1))
    assert "no candidate with finite values: the network computes values that" in aspk(*COMMAND).stderr


def test_what_breaks_a_limit_has_effects_and_no_rank(aspk: Aspk, balanced: Path) -> None:
    limit = ("--set", "search.limits.time_step=2")
    document = aspk(*COMMAND, "--json", *limit).document
    free = aspk(*COMMAND, "--json").document
    assert document["num_fitted"] == 60 > document["num_ranked"] == 60 - document["left_out"][0]["num"]
    assert document["effects"] == free["effects"]
    assert "breaks search.limits.time_step" in document["left_out"][0]["reason"]
    largest = next(each for each in document["claims"] if each["claim"] == "the best have the largest T")
    assert (largest["verdict"], largest["because"]) == (
        "undecided", f"T 3: none of the {document['num_ranked']} candidates has it",
    )  # fmt: skip


def test_an_ann_has_no_firing_rate(aspk: Aspk, balanced: Path) -> None:
    rewrite(balanced, lambda place, each: with_measurement(each, spikes=()))
    document = aspk(*COMMAND, "--json").document
    assert {each["outcome"] for each in document["effects"]} == {"energy_j", "top1"}
    claim = next(each for each in document["claims"] if each["claim"] == "the firing rate falls as tau rises")
    assert (claim["verdict"], claim["because"]) == ("undecided", "tau: an ANN has no firing rate")
    assert "Effects on firing rate\nundecided: an ANN has no firing rate" in aspk(*COMMAND).stdout


def test_equal_networks_are_drawn_together(aspk: Aspk, balanced: Path) -> None:
    """30 of 60 are one network with other thresholds and heads, as if these had no effect."""
    first = next(each for each in load_population(balanced).candidates if each.subnet.depth == 2)
    thresholds = list(product(map(Decimal, ("0.6", "0.8", "1", "1.2", "1.4")), repeat=2))

    def equal(place: int, each: Candidate) -> Candidate:
        heads = (2, 2) if place < 15 else (4, 4)
        other = replace(first.subnet, threshold=thresholds[place % 15], num_heads=heads)
        return replace(each, subnet=other, measurement=first.measurement)

    rewrite(balanced, lambda place, each: equal(place, each) if place < 30 else each)
    text = aspk(*COMMAND).stdout
    assert re.search(r"(30|31) candidates are too few for 8 coefficients: 40 are needed", text)


def test_of_many_values_the_most_telling_are_shown(balanced: Path) -> None:
    """36 taus, of which the best have the largest."""
    study = study_genes(balanced, resamples=100)
    space, random = load_recipe("cifar100-neurons").space.search_space(), Random(0)
    ranked = sorted((space.sample(random) for _ in range(1000)), key=lambda each: -sum(each.tau))
    shares = value_shares(space, ranked, 300, 0)
    text = plain_text(genes_report(replace(study, shares=shares)), 80)
    assert "28 more values of Tau (time steps) differ less: --json" in text
    values = text[text.index("Values among") :]
    rows = values[values.index("Tau (time steps)") :].splitlines()
    shown = [line.removeprefix("Tau (time steps)").split()[0] for line in rows[:8]]
    assert shown == sorted(shown, key=float)
    far = {plain(each.value): abs(each.share_best - each.share_all) for each in shares if each.gene == "tau"}
    assert min(far[value] for value in shown) >= max(far[value] for value in far.keys() - set(shown))


@pytest.mark.parametrize(("width", "size"), [("single", (85, 143)), ("double", (174, 59))])
def test_the_picture(width: str, size: tuple[int, int], aspk: Aspk, balanced: Path) -> None:
    done = aspk(*COMMAND, "--figure", "effects.svg", "--width", width)
    assert done.stdout.endswith(f"figure: effects.svg, {size[0]} x {size[1]} mm\n")
    texts = re.findall(r">([^<>\n]+)</text>", Path("effects.svg").read_text())
    named = {"Depth (blocks)", "Heads", "Standardised effect, with its 95 % interval", "small effect: below 0.1"}
    assert named <= set(texts)
    assert sum(text.startswith(("Firing rate (R² ", "Energy (R² ", "Accuracy (R² ")) for text in texts) == 3
    assert "undecided" not in texts
    assert aspk(*COMMAND, "--figure", "effects.png").exit_code == 0
    assert Path("effects.png").read_bytes().startswith(PNG)


def test_the_picture_says_what_is_not_to_be_told(aspk: Aspk, searched: Path) -> None:
    assert aspk(*COMMAND, "--figure", "effects.svg").exit_code == 0
    assert Path("effects.svg").read_text().count("undecided") == 21


@pytest.mark.parametrize(("words", "said"), [
    (("--figure", "effects.txt"), "a picture is written as .png, .svg or .pdf, not as .txt"),
    (("--figure", "."), "write picture.png, picture.svg or picture.pdf"),
    (("--figure", "nowhere/effects.png"), "there is no folder nowhere"),
    (("--width", "double"), "it acts on figures only"),
    (("--best", "60"), "the best 60 of 60 candidates are all of them"),
    (("--set", "train.epochs=3"), "train.epochs cannot be changed in what was measured"),
    (("--search", "nothing"), "nothing"),
    (("--resamples", "3"), "should be greater than or equal to 100"),
])  # fmt: skip
def test_mistakes(words: tuple[str, ...], said: str, aspk: Aspk, balanced: Path) -> None:
    done = aspk("analyze", "genes", *words)
    assert (done.exit_code, done.stdout) == (2, "")
    assert said in done.stderr
    assert not Path("effects.txt").exists()


def test_a_run_without_a_search(aspk: Aspk, trained: Path) -> None:
    done = aspk(*COMMAND)
    assert (done.exit_code, done.stdout) == (2, "")
    assert "aspk search" in done.stderr


def test_a_search_that_cannot_be_read_is_named(aspk: Aspk, balanced: Path) -> None:
    other = balanced / "searches" / "other.h5"
    other.write_bytes(b"no HDF5")
    done = aspk(*COMMAND, "--json", "--quiet")
    assert (done.exit_code, done.document["unreadable"]) == (0, ["other"])
    assert "left out, as they cannot be read: other" in " ".join(aspk(*COMMAND, "--quiet").stdout.split())

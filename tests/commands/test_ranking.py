"""aspk analyze ranking: a sample retrained subnet by subnet, kept, resumed, and never on test images."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from autospikformer_cli.analysis.correlation import kendall_tau
from autospikformer_cli.runs.ranking import RankingRun
from autospikformer_cli.runs.trained_run import open_run
from autospikformer_cli.store.evaluations import load_evaluations
from autospikformer_cli.store.population import load_population
from autospikformer_cli.store.supernet import load_checkpoint

Aspk = Callable[..., Any]
RANKING = ("analyze", "ranking", "--finetune", "1")


def written(run: Path) -> dict[str, int]:
    """When each retrained supernet was last written, by its folder."""
    return {path.parent.name: path.stat().st_mtime_ns for path in run.glob("finetuned/*/supernet.h5")}


def test_both_accuracies_and_their_correlation(aspk: Aspk, searched: Path) -> None:
    document = aspk(*RANKING, "--sample", "4", "--json").document
    archive = {str(c.subnet.to_numbers()): c.measurement for c in load_population(searched).candidates}
    stored = {str(e.subnet.to_numbers()): e for e in load_evaluations(searched)}
    assert len(document["subnets"]) == len(stored) == 4
    for each in document["subnets"]:
        measured = stored[str(each["subnet"])]
        assert each["inherited"]["correct"] == archive[str(each["subnet"])].correct
        assert each["retrained"]["correct"] == measured.measurement.correct
        assert (measured.split, measured.measurement.images) == ("validation", 60)
        assert measured.finetuned is not None
        assert measured.finetuned.epochs == 1
        assert measured.provenance.weights_hash == measured.finetuned.weights_hash
    columns = [[each[name]["top1"] for each in document["subnets"]] for name in ("inherited", "retrained")]
    assert document["kendall_tau"] == kendall_tau(*columns)
    assert (document["split"], document["images"], document["epochs"], document["from_scratch"]) == (
        "validation", 60, 1, False,
    )  # fmt: skip
    assert (document["batchnorm"], document["calibration_images"], document["seed"]) == ("recalibrate", 32, 0)
    assert document["num_candidates"] == len(archive)


def test_nothing_is_retrained_twice(aspk: Aspk, searched: Path) -> None:
    small = aspk(*RANKING, "--sample", "3", "--json").document["subnets"]
    before, results = written(searched), load_evaluations(searched)
    assert len(before) == 3

    again = aspk(*RANKING, "--sample", "3")
    assert again.stdout.startswith("Does the supernet of runs/tiny rank truly?")
    assert (written(searched), load_evaluations(searched)) == (before, results)

    large = aspk(*RANKING, "--sample", "4", "--json").document["subnets"]
    assert [each["subnet"] for each in large[:3]] == [each["subnet"] for each in small]
    assert [each["retrained"]["correct"] for each in large[:3]] == [each["retrained"]["correct"] for each in small]
    assert (len(written(searched)), len(load_evaluations(searched))) == (4, 4)
    assert before.items() <= written(searched).items()


def test_a_retraining_serves_every_search_and_every_command(aspk: Aspk, searched: Path) -> None:
    """But what was measured on other images is no result of these."""
    drawn = RankingRun.open(open_run(searched)).sample(3)[0]
    tested = aspk("evaluate", "--subnet", drawn.id, "--finetune", "1", "--json").document
    before = written(searched)
    assert aspk("search", "--alpha", "0.1", "--set", "search.generations=1", "--quiet").exit_code == 0
    document = aspk(*RANKING, "--sample", "3", "--json").document
    assert (document["num_searches"], document["num_candidates"]) == (2, 18)
    assert before.items() <= written(searched).items()
    (found,) = (each for each in document["subnets"] if each["subnet"] == tested["subnet"])
    (stored,) = (
        e for e in load_evaluations(searched) if e.subnet == drawn.subnet and e.finetuned and e.split != "test"
    )
    assert found["retrained"]["correct"] == stored.measurement.correct
    assert tested["images"] != document["images"] == stored.measurement.images == 60


def test_from_scratch_is_another_retraining(aspk: Aspk, searched: Path) -> None:
    inherited = aspk(*RANKING, "--sample", "3", "--json").document
    scratch = aspk(*RANKING, "--sample", "3", "--from-scratch", "--json").document
    assert (scratch["from_scratch"], len(written(searched))) == (True, 6)
    assert [each["subnet"] for each in scratch["subnets"]] == [each["subnet"] for each in inherited["subnets"]]
    tops = [sum(each["retrained"]["top1"] for each in document["subnets"]) for document in (scratch, inherited)]
    assert tops[0] < tops[1]


def test_killed_and_gone_on_with_it_is_the_same(
    aspk: Aspk, searched: Path, background: Callable[..., Any], tmp_path: Path
) -> None:
    words = ("analyze", "ranking", "--finetune", "2", "--sample", "3")
    whole = shutil.copytree(searched, tmp_path / "whole")
    expected = aspk(*words, "--run", whole, "--json").document

    background(*words, "--run", searched, at="supernet.h5", file=2).kill()
    finished = {path.name: load_checkpoint(path).state.finished for path in (searched / "finetuned").iterdir()}
    assert sorted(finished.values()) == [False, True]
    first = {name: when for name, when in written(searched).items() if finished[name]}
    assert len(load_evaluations(searched)) == 1
    resumed = aspk(*words, "--run", searched, "--json").document
    assert {**resumed, "run": ""} == {**expected, "run": ""}
    assert first.items() <= written(searched).items()


@pytest.mark.parametrize(
    ("words", "what", "fix"),
    [
        (["ranking"], "aspk analyze ranking: missing option '--finetune'", "see aspk analyze ranking --help"),
        (
            [*RANKING[1:], "--channels", "3"],
            "aspk analyze ranking: no such option: --channels (Possible options: --help)",
            "see aspk analyze ranking --help",
        ),
        (
            ["--finetune", "1"],
            "aspk analyze: no such option: --finetune (Possible options: --figure)",
            "see aspk analyze --help",
        ),
        (
            ["order"],
            "'order' is not a command of aspk analyze",
            "its commands are channels, blocks, genes, spikes, ranking",
        ),
        (["rankin", "--finetune", "1"], "'rankin' is not a command of aspk analyze", "did you mean ranking?"),
        (
            [*RANKING[1:], "--sample", "99"],
            "--sample: 99 subnets cannot be drawn from 18, which is all that its searches measured",
            "ask for at most 18, or search on: aspk search --run runs/tiny --set seed=1",
        ),
        (
            [*RANKING[1:], "--set", 'search.split="test"'],
            "runs/tiny: its search measured on test images, which are for results alone",
            "search on held-out images first: aspk search --run runs/tiny --set 'search.split=\"validation\"'",
        ),
        (
            [*RANKING[1:], "--set", "model.stem_threshold=0.8"],
            "runs/tiny: none of its searches measured with these weights, images, engine and keys of [model]",
            "leave out --set, --engine, --precision and --device, or search so: aspk search --run runs/tiny",
        ),
    ],
)
def test_mistakes(aspk: Aspk, searched: Path, words: list[str], what: str, fix: str) -> None:
    done = aspk("analyze", *words)
    assert (done.exit_code, done.stdout, done.stderr) == (2, "", f"error: {what}\n  {fix}\n")
    assert not (searched / "finetuned").exists()


@pytest.mark.parametrize(("option", "value"), [("--finetune", "0"), ("--sample", "2")])
def test_too_little(aspk: Aspk, searched: Path, option: str, value: str) -> None:
    words = [*RANKING]
    if option in words:
        words[words.index(option) + 1] = value
    else:
        words += [option, value]
    done = aspk(*words)
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr.startswith(f"error: aspk analyze ranking: invalid value for '{option}': ")
    assert done.stderr.endswith("\n  see aspk analyze ranking --help\n")


def test_before_a_search(aspk: Aspk, trained: Path) -> None:
    done = aspk(*RANKING)
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr == "error: runs/tiny has no search\n  search first: aspk search --run runs/tiny\n"

"""aspk analyze ranking: a sample that spans the space, retrained, kept, resumed, and never on test images."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from autospikformer_cli.analysis.correlation import kendall_tau
from autospikformer_cli.analysis.space_sample import spanning_sample
from autospikformer_cli.runs.trained_run import open_run
from autospikformer_cli.store.evaluations import load_evaluations
from autospikformer_cli.store.supernet import load_checkpoint, save_checkpoint

Aspk = Callable[..., Any]
RANKING = ("analyze", "ranking", "--finetune", "1", "--images", "60")


def written(run: Path) -> dict[str, int]:
    """When each retrained supernet was last written, by its folder."""
    return {path.parent.name: path.stat().st_mtime_ns for path in run.glob("finetuned/*/supernet.h5")}


def test_both_accuracies_and_their_correlation(aspk: Aspk, trained: Path) -> None:
    document = aspk(*RANKING, "--sample", "4", "--json").document
    stored = load_evaluations(trained)
    inherited = {e.subnet: e for e in stored if e.finetuned is None}
    retrained = {e.subnet: e for e in stored if e.finetuned is not None}
    sample = spanning_sample(open_run(trained).recipe.space.search_space(), 4, 0)
    assert set(inherited) == set(retrained) == set(sample)
    assert [each["subnet"] for each in document["subnets"]] == [each.to_numbers() for each in sample]
    for each, subnet in zip(document["subnets"], sample, strict=True):
        before, after = inherited[subnet], retrained[subnet]
        assert each["inherited"]["correct"] == before.measurement.correct
        assert each["retrained"]["correct"] == after.measurement.correct
        assert each["by_seed"] == [
            {"seed": 0, "correct": after.measurement.correct, "top1": after.measurement.top1}
        ]  # fmt: skip
        assert {(e.split, e.measurement.images) for e in (before, after)} == {("validation", 60)}
        assert after.finetuned is not None
        assert after.provenance.weights_hash == after.finetuned.weights_hash != before.provenance.weights_hash
    columns = [[each[name]["top1"] for each in document["subnets"]] for name in ("inherited", "retrained")]
    assert document["kendall_tau"] == pytest.approx(kendall_tau(*columns))
    assert (document["split"], document["images"], document["epochs"], document["from_scratch"]) == (
        "validation", 60, 1, False,
    )  # fmt: skip
    assert (document["batchnorm"], document["calibration_images"], document["seeds"]) == ("recalibrate", 32, [0])
    assert document["space_size"] == open_run(trained).recipe.space.search_space().size()
    assert document["deviations"]["seed_noise"] is None


def test_nothing_is_measured_or_retrained_twice(aspk: Aspk, trained: Path) -> None:
    small = aspk(*RANKING, "--sample", "3", "--json").document["subnets"]
    before, results = written(trained), load_evaluations(trained)
    assert (len(before), len(results)) == (3, 6)

    again = aspk(*RANKING, "--sample", "3")
    assert again.stdout.startswith("Does the supernet of runs/tiny rank truly?")
    assert (written(trained), load_evaluations(trained)) == (before, results)
    assert "0 of 3 retrainings left" in again.stderr

    large = aspk(*RANKING, "--sample", "4", "--json")
    assert "1 of 4 retrainings left, time about" in large.stderr
    assert "(as 3 finished retrainings took)" in large.stderr
    found = large.document["subnets"]
    assert [each["subnet"] for each in found[:3]] == [each["subnet"] for each in small]
    assert [each["retrained"]["correct"] for each in found[:3]] == [each["retrained"]["correct"] for each in small]
    assert (len(written(trained)), len(load_evaluations(trained))) == (4, 8)
    assert before.items() <= written(trained).items()


def test_each_seed_is_a_retraining_of_its_own(aspk: Aspk, trained: Path) -> None:
    """The first is that of the recipe's seed, which `aspk evaluate` makes, too."""
    from statsmodels.stats.proportion import proportion_confint

    one = aspk(*RANKING, "--sample", "3", "--json").document["subnets"]
    before = written(trained)
    document = aspk(*RANKING, "--sample", "3", "--seeds", "2", "--json").document
    assert (document["seeds"], len(written(trained))) == ([0, 1], 6)
    assert before.items() <= written(trained).items()
    for first, both in zip(one, document["subnets"], strict=True):
        corrects = [each["correct"] for each in both["by_seed"]]
        assert corrects[0] == first["retrained"]["correct"]
        assert both["retrained"]["correct"] == sum(corrects) / 2
        wilson = proportion_confint(sum(corrects) / 2, document["images"], method="wilson")
        assert both["retrained"]["top1_interval"] == pytest.approx([100 * end for end in wilson])
        assert both["inherited"] == first["inherited"]
    weights = [load_checkpoint(path).weights["head.weight"].tobytes() for path in (trained / "finetuned").iterdir()]
    assert len(set(weights)) == 6
    assert document["deviations"]["seed_noise"] >= 0

    subnet = str(tuple(document["subnets"][0]["subnet"]))
    assert aspk("evaluate", "--subnet", subnet, "--finetune", "1", "--quiet").exit_code == 0
    assert len(written(trained)) == 6
    assert aspk("evaluate", "--subnet", subnet, "--finetune", "1", "--set", "seed=1", "--quiet").exit_code == 0
    assert len(written(trained)) == 6


def test_from_scratch_is_another_retraining(aspk: Aspk, trained: Path) -> None:
    inherited = aspk(*RANKING, "--sample", "3", "--json").document
    scratch = aspk(*RANKING, "--sample", "3", "--from-scratch", "--json").document
    assert (scratch["from_scratch"], len(written(trained))) == (True, 6)
    assert [each["subnet"] for each in scratch["subnets"]] == [each["subnet"] for each in inherited["subnets"]]
    tops = [sum(each["retrained"]["top1"] for each in document["subnets"]) for document in (scratch, inherited)]
    assert tops[0] < tops[1]


def test_killed_and_gone_on_with_it_is_the_same(
    aspk: Aspk, trained: Path, background: Callable[..., Any], tmp_path: Path
) -> None:
    words = (*RANKING, "--sample", "3")
    whole = shutil.copytree(trained, tmp_path / "whole")
    expected = aspk(*words, "--run", whole, "--json").document

    background(*words, "--run", trained, at="supernet.h5", file=2).kill()
    finished = {path.name: load_checkpoint(path).state.finished for path in (trained / "finetuned").iterdir()}
    assert sorted(finished.values()) == [False, True]
    first = {name: when for name, when in written(trained).items() if finished[name]}
    assert len(load_evaluations(trained)) == 4
    resumed = aspk(*words, "--run", trained, "--json").document
    assert {**resumed, "run": ""} == {**expected, "run": ""}
    assert first.items() <= written(trained).items()


def test_other_ways_share_the_retrained_accuracies(aspk: Aspk, trained: Path) -> None:
    second = ("--set", "seed=1", "--set", "data.split_seed=0", "--set", "train.epochs=1")
    trained_so = aspk("train", "tiny.toml", "--run", "second", *second, "--set", "train.warmup_epochs=0")
    assert trained_so.exit_code == 0
    words = (
        *RANKING,
        "--sample",
        "3",
        "--recalibrate",
        "200",
        "--steps",
        "2",
        "--with",
        "second",
        "--json",
        "--run",
        trained,
    )
    first = aspk(*words).document
    assert [each["way"] for each in first["ways"]] == [
        "recalibrated on 200 images",
        "trained for 2 steps",
        "mean logits with runs/second",
        "mean accuracy with runs/second",
    ]
    retrained = [each["retrained"]["correct"] for each in first["subnets"]]
    stored, before = load_evaluations(trained), written(trained)
    by_steps = {e.subnet: e.measurement.correct for e in stored if e.finetuned and e.finetuned.steps == 2}
    recalibrated = {e.subnet: e.measurement.correct for e in stored if e.provenance.calibration_images == 200}
    sample = spanning_sample(open_run(trained).recipe.space.search_space(), 3, 0)
    for way, corrects in zip(first["ways"], (recalibrated, by_steps), strict=False):
        expected = kendall_tau([corrects[subnet] for subnet in sample], retrained)
        assert way["kendall_tau"] == (None if expected is None else pytest.approx(expected))
        if None not in (expected, first["kendall_tau"]):
            assert way["change"] == pytest.approx(expected - first["kendall_tau"])
    assert len(before) == 6
    assert aspk(*words).document == first
    assert (written(trained), load_evaluations(trained)) == (before, stored)
    assert not (Path("runs/second") / "evaluations.h5").exists()


def test_a_second_supernet_must_be_another_one_of_the_same_images_and_subnets(aspk: Aspk, trained: Path) -> None:
    shutil.copytree(trained, "runs/same")
    short = ("--set", "train.epochs=1", "--set", "train.warmup_epochs=0")
    for name, keys in {"split": ("seed=1",), "space": ("data.split_seed=0", "space.time_step=[2]")}.items():
        given = [word for key in keys for word in ("--set", key)]
        assert aspk("train", "tiny.toml", "--run", name, *short, *given, "--quiet").exit_code == 0
    shutil.copytree("runs/split", "runs/model")
    other = load_checkpoint(Path("runs/model"))
    text = other.recipe_toml.replace("decay_input = true", "decay_input = false")
    save_checkpoint(Path("runs/model"), replace(other, recipe_toml=text))
    others = "its subnets are others than those of the run, or measured otherwise\n  train one with the same "
    for name, told in {
        "same": "it has the same weights as the run\n  name another supernet",
        "split": "it held out other validation images, so it was trained on some of these\n"
        "  train one with the same split: aspk train --set data.split_seed=0 --set seed=1",
        "space": f"{others}space.time_step",
        "model": f"{others}model.decay_input",
    }.items():
        done = aspk(*RANKING, "--run", trained, "--with", name)
        assert (done.exit_code, done.stderr) == (2, f"error: --with runs/{name}: {told}\n")
    done = aspk(*RANKING, "--run", trained, "--with", "nope")
    assert (done.exit_code, done.stderr.startswith("error: --with: there is no run nope, here or under")) == (2, True)
    assert load_evaluations(trained) == ()


def test_retrainings_that_diverge_are_named_and_the_others_go_on(aspk: Aspk, trained: Path) -> None:
    done = aspk(*RANKING, "--sample", "3", "--set", "train.lr=1e30", "--set", "train.weight_decay=0")
    assert (done.exit_code, done.stdout) == (2, "")
    for number in (1, 2, 3):
        assert f"! {number} of 3: (" in done.stderr
    assert len(re.findall("is left out: .* not finite in epoch 1, step ", done.stderr)) == 3
    assert done.stderr.endswith(
        "error: train.lr: the retraining of 3 of 3 subnets diverged\n"
        "  retrain with less than train.lr = 1e+30, by --set\n"
    )


def test_a_plan_writes_nothing(aspk: Aspk, trained: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in trained.rglob("*")}
    done = aspk("analyze", "ranking", "--finetune", "2", "--sample", "8", "--seeds", "3", "--dry-run", "--json")
    document = done.document
    assert {path: path.stat().st_mtime_ns for path in trained.rglob("*")} == before
    assert (document["subnets"], document["retrainings"], document["left"]) == (8, 24, 24)
    assert (document["images"], document["measured"]) == (359, 0)
    assert (document["spread"], document["tau_ceiling"]) == (None, None)
    assert document["needed"][0] == {"tau": 0.0, "subnets": 45}
    assert document["seconds"] > 0


def test_a_plan_says_what_is_measured_already(aspk: Aspk, trained: Path) -> None:
    words = (*RANKING, "--sample", "3")
    done = aspk(*words)
    assert done.stderr.endswith(f"next: aspk analyze ranking --run {trained} --sample 45 --finetune 1 --images 60\n")
    assert "3 subnets are too few for a verdict on the ranking: it needs 10 at least, and 45 for" in " ".join(
        done.stdout.split()
    )
    shown = aspk(*words, "--dry-run").stdout
    assert shown.startswith(
        "subnets needed for an interval of about ±0.2: 45 if tau is 0, 38 if tau is 0.3, 28 if tau is 0.5, "
        "16 if tau is 0.7\n! 3 subnets are too few for an interval and a verdict: 10 are needed\n"
        "standard deviation of inherited accuracies, without the noise of images: "
    )
    assert "0 of 3 retrainings left" in shown
    before = load_evaluations(trained)
    large = aspk(*RANKING, "--sample", "12", "--dry-run").stdout
    assert "\ninterval that is expected from 12 subnets: ±0.43 if tau is 0, " in large
    assert (
        "\n3 of 12 subnets are measured with inherited weights (60 images); spread and ceiling are known once all are\n"
        "9 of 12 retrainings left, time about "
    ) in large
    assert load_evaluations(trained) == before


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
            ["ranking", "--finetune", "1", "--images", "400"],
            "--images: 400 images cannot be taken of the validation split, which has 359",
            "ask for at most 359",
        ),
        (
            [*RANKING[1:], "--steps", "17"],
            "--steps: 17 would read 1,088 of 1,079 training images",
            "ask for 1 to 16",
        ),
        (
            [*RANKING[1:], "--recalibrate", "1080"],
            "--recalibrate: 1080 would read 1,080 of 1,079 training images",
            "ask for 1 to 1,079",
        ),
        (
            [*RANKING[1:], "--recalibrate", "64", "--recalibrate", "64"],
            "--recalibrate: 64 is given twice",
            "leave one of the two out",
        ),
        (
            [*RANKING[1:], "--set", "space.time_step=[2]"],
            "runs/tiny: it was trained with space.time_step = [2, 3], which cannot change here",
            "leave out --set space.time_step, or train a new run with other values",
        ),
        (
            [*RANKING[1:], "--set", "space.depth=[1]", "--set", 'model.batchnorm="running"', "--set", "data.test=0.3"],
            (
                'runs/tiny: it was trained with data.test = 0.2 and model.batchnorm = "recalibrate" and '
                "space.depth = [1, 2], which cannot change here"
            ),
            (
                "leave out --set data.test and --set model.batchnorm and --set space.depth, or train a new run with "
                "other values"
            ),
        ),
        (
            [*RANKING[1:], "--set", 'fidelity="paper"', "--set", "search.parents=3"],
            (
                "runs/tiny: it was trained with model.decay_input = true and model.stem_threshold = 1.0 "
                'and model.fires_at = "reach", which cannot change here'
            ),
            (
                "leave out --set fidelity, or train a new run with other values; of [model], only "
                "model.evaluation_memory, model.detach_reset, model.surrogate may change"
            ),
        ),
    ],
)
def test_mistakes(aspk: Aspk, trained: Path, words: list[str], what: str, fix: str) -> None:
    done = aspk("analyze", *words)
    assert (done.exit_code, done.stdout, done.stderr) == (2, "", f"error: {what}\n  {fix}\n")
    assert not (trained / "finetuned").exists()


def test_a_space_of_few_subnets(aspk: Aspk, own_folder: Path) -> None:
    one = ("mlp_ratio=[2]", "embed_dim=[16]", "num_heads=[2]", "threshold=[1]", "tau=[2]", "depth=[1]")
    keys = [word for key in one for word in ("--set", f"space.{key}")]
    short = ("--set", "train.epochs=1", "--set", "train.warmup_epochs=0", "--quiet")
    assert aspk("train", "tiny.toml", *keys, *short).exit_code == 0
    done = aspk(*RANKING)
    told = "error: --sample: 32 subnets cannot be drawn from a space of 2\n  ask for at most 2\n"
    assert (done.exit_code, done.stderr) == (2, told)


def test_without_validation_images(aspk: Aspk, own_folder: Path) -> None:
    short = ("--set", "train.epochs=1", "--set", "train.warmup_epochs=0", "--quiet")
    assert aspk("train", "tiny.toml", "--set", "data.validation=0", *short).exit_code == 0
    done = aspk("analyze", "ranking", "--finetune", "1")
    assert done.exit_code == 2
    assert done.stderr.startswith("error: data.validation: there are no validation images: data.validation = 0")


def test_nothing_to_recalibrate(aspk: Aspk, own_folder: Path) -> None:
    short = ("--set", "train.epochs=1", "--set", "train.warmup_epochs=0", "--quiet")
    assert aspk("train", "tiny.toml", "--set", 'model.batchnorm="running"', *short).exit_code == 0
    done = aspk(*RANKING, "--recalibrate", "64")
    told = 'error: --recalibrate: model.batchnorm = "running" recalibrates nothing\n  leave it out\n'
    assert (done.exit_code, done.stderr) == (2, told)


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--finetune", "0"),
        ("--sample", "2"),
        ("--seeds", "0"),
        ("--seeds", "1001"),
        ("--steps", "0"),
        ("--sample", "10001"),
        ("--finetune", "100001"),
    ],
)
def test_too_little_or_too_much(aspk: Aspk, trained: Path, option: str, value: str) -> None:
    words = [*RANKING]
    if option in words:
        words[words.index(option) + 1] = value
    else:
        words += [option, value]
    done = aspk(*words)
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr.startswith(f"error: aspk analyze ranking: invalid value for '{option}': ")
    assert done.stderr.endswith("\n  see aspk analyze ranking --help\n")

"""Weights chosen by validation, files of single epochs, and early ends; each resumed to the same bytes."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from autospikformer_cli.report.figures import training as training_figure
from autospikformer_cli.report.figures.subject import FigureSubject
from autospikformer_cli.space import parse_subnet
from autospikformer_cli.store.evaluations import load_evaluations
from autospikformer_cli.store.kept_checkpoints import kept_epochs, kept_path
from autospikformer_cli.store.supernet import Checkpoint, load_checkpoint, read_checkpoint, weights_hash

Aspk = Callable[..., Any]
FEW = ("data.train_images=96", "train.batch=32", "train.warmup_epochs=0", "train.measured_subnets=2")
RATES = ("train.lr=0.03", "train.lr_end=0.03", "train.cooldown_epochs=0")
"""Rates that leave accuracies going up and down."""
CHOOSES = (*FEW, *RATES, "train.epochs=6", 'train.final="best"', "train.patience=3", "train.keep_last=2")
AVERAGES = ("train.ema_half_life=0.2", 'train.ema_choice="validation"')
RUN = Path("runs/tiny")


def sets(*keys: str) -> list[str]:
    return [word for key in keys for word in ("--set", key)]


def untimed(checkpoint: Checkpoint) -> tuple[Any, ...]:
    """All of a checkpoint but how long it took."""
    state = checkpoint.state
    history = [
        (each.epoch, each.loss, each.val_top1_largest, each.val_top1_smallest, each.val_top1_mean,
         each.unaveraged_top1_largest, each.unaveraged_top1_smallest, each.unaveraged_top1_mean)
        for each in state.history
    ]  # fmt: skip
    chosen = state.epoch, state.step, state.finished, state.chosen_epoch, state.chosen_unaveraged, state.stopped_early
    hashes = weights_hash(checkpoint.weights), weights_hash(checkpoint.optimizer)
    return (*chosen, history, hashes, checkpoint.log.loss.tolist(), checkpoint.measure)


def everything(run: Path) -> dict[str, tuple[Any, ...]]:
    """A run's checkpoints, by file."""
    files = [run / "supernet.h5", *(kept_path(run, epoch) for epoch in kept_epochs(run))]
    return {str(file.relative_to(run)): untimed(read_checkpoint(file)) for file in files}


def best_by_hand(run: Path) -> tuple[int, bool]:
    """The first epoch of the highest mean, the average before the weights without it, from the columns themselves."""
    best, chosen = -1.0, (0, False)
    for each in load_checkpoint(run).state.history:
        for mean, unaveraged in ((each.val_top1_mean, False), (each.unaveraged_top1_mean, True)):
            if mean is not None and mean > best:
                best, chosen = mean, (each.epoch, unaveraged)
    return chosen


@pytest.mark.parametrize("more", [(), AVERAGES])
def test_killed_and_resumed_it_chooses_alike(aspk: Aspk, background: Aspk, more: tuple[str, ...]) -> None:
    """Killed before and after each of the files of an epoch is in its place, and in an epoch."""
    words = ("train", "tiny.toml", *sets(*CHOOSES, *more), "--quiet")
    assert aspk(*words, "--run", "whole").exit_code == 0
    whole = everything(Path("runs/whole"))
    state = load_checkpoint(Path("runs/whole")).state
    assert (state.chosen_epoch, state.chosen_unaveraged) == best_by_hand(Path("runs/whole"))
    last = state.epoch
    assert sorted(whole) == [*(f"checkpoints/epoch-{epoch:04}.h5" for epoch in (last - 1, last)), "supernet.h5"]
    for moment in (
        {"at": "epoch-0002.h5"},  # it counts no epoch yet
        {"at": "supernet.h5", "number": 6},  # the second epoch's end: what is needless is not removed yet
        {"at": "supernet.h5", "number": 8, "before": True},
        {"at": f"epoch-{last:04}.h5"},
        {"at": "supernet.h5", "number": 3 * last},
    ):
        background(*words, **moment).kill()
        assert aspk(*words).exit_code == 0, moment
        assert everything(RUN) == whole, moment
        shutil.rmtree(RUN)


def test_the_chosen_weights_are_those_that_were_measured(aspk: Aspk) -> None:
    """Evaluated on the same images, the subnets of the measure have the mean that the history tells."""
    done = aspk("train", "tiny.toml", *sets(*CHOOSES, *AVERAGES), "--json")
    assert done.exit_code == 0, done.stderr
    checkpoint, choice = load_checkpoint(RUN), done.document["choice"]
    state, measure = checkpoint.state, checkpoint.measure
    assert measure is not None
    assert (choice["epoch"], choice["weights"] == "unaveraged") == (state.chosen_epoch, state.chosen_unaveraged)
    assert choice["measured_subnets"] == [parse_subnet(text).to_numbers() for text in measure.subnets]
    assert len(measure.subnets) == len(set(measure.subnets)) == 4
    assert measure.images == 60
    assert [each["val_top1_mean"] for each in choice["epochs"]] == [each.val_top1_mean for each in state.history]
    assert [each["unaveraged_top1_largest"] for each in choice["epochs"]] == [
        each.unaveraged_top1_largest for each in state.history
    ]
    for text in measure.subnets:
        words = ("--split", "validation", "--images", "60", "--quiet")
        assert aspk("evaluate", "--subnet", text, *words).exit_code == 0
    top1s = [each.measurement.top1 for each in load_evaluations(RUN)]
    assert np.mean(top1s) == pytest.approx(choice["mean_top1"])
    assert (top1s[0], top1s[1]) == state.top1
    assert (done.document["val_top1_largest"], done.document["val_top1_smallest"]) == state.top1
    which = {"average": "averaged weights", "unaveraged": "weights without their average"}[choice["weights"]]
    told = f"the run has the {which} of epoch {state.chosen_epoch}; mean top-1 on validation of 4 subnets: "
    assert told in done.stderr
    assert " unaveraged_largest=" in done.stderr  # the last line of progress
    assert aspk("train", "tiny.toml", *sets(*CHOOSES, *AVERAGES), "--json", "--quiet").document == done.document


def test_the_best_epochs_weights_are_those_of_its_file(aspk: Aspk) -> None:
    keys = (*FEW, *RATES, "train.epochs=4", "train.keep_last=4")
    assert aspk("train", "tiny.toml", *sets(*keys), "--run", "last", "--quiet").exit_code == 0
    assert aspk("train", "tiny.toml", *sets(*keys, 'train.final="best"'), "--run", "best", "--quiet").exit_code == 0
    last, best = Path("runs/last"), Path("runs/best")
    assert kept_epochs(last) == kept_epochs(best) == [1, 2, 3, 4]
    chosen = load_checkpoint(best).state.chosen_epoch
    assert (chosen, False) == best_by_hand(best)
    assert load_checkpoint(last).measure is None
    for epoch in kept_epochs(last):
        one, other = (read_checkpoint(kept_path(run, epoch)) for run in (last, best))
        assert weights_hash(one.weights) == weights_hash(other.weights)
        assert (weights_hash(load_checkpoint(best).weights) == weights_hash(one.weights)) == (epoch == chosen)
    assert weights_hash(load_checkpoint(last).weights) == weights_hash(read_checkpoint(kept_path(last, 4)).weights)


def test_a_kept_epoch_is_a_run_that_goes_on(aspk: Aspk) -> None:
    keys = sets(*FEW, "train.epochs=3", "train.cooldown_epochs=0", "train.keep_last=3")
    assert aspk("train", "tiny.toml", *keys, "--quiet").exit_code == 0
    for epoch in (2, 3):
        other = Path(f"runs/other{epoch}")
        other.mkdir()
        shutil.copy(kept_path(RUN, epoch), other / "supernet.h5")
        listed = {run["name"]: run["state"] for run in aspk("runs", "--json").document["runs"]}
        assert ("epoch 2" in listed[other.name]) == (epoch == 2)
        assert aspk("train", "--run", other, "--quiet").exit_code == 0
        assert untimed(load_checkpoint(other)) == untimed(load_checkpoint(RUN))


def test_it_ends_early_and_says_so(aspk: Aspk) -> None:
    """At a rate of nearly nothing no epoch is better than the first."""
    keys = sets(*FEW, "train.epochs=9", "train.patience=2", "train.lr=1e-12", "train.lr_start=0", "train.lr_end=0")
    done = aspk("train", "tiny.toml", *keys, "--json")
    assert done.exit_code == 0, done.stderr
    state = load_checkpoint(RUN).state
    assert state.finished
    assert state.stopped_early
    best = best_by_hand(RUN)[0]
    assert (state.epoch, done.document["epochs"]) == (best + 2, best + 2)
    told = (
        f"training ended early, after epoch {best + 2} of 9: 2 epochs brought no better accuracy on validation images"
    )
    assert told in done.stderr
    assert f"the run has the weights of epoch {best + 2}; " in done.stderr
    assert done.document["choice"]["stopped_early"] is True
    assert aspk("train", "tiny.toml", *keys, "--json", "--quiet").document == done.document
    assert aspk("search", "--quiet").exit_code == 0
    methods = aspk("report", "--methods").stdout
    told = f"It ended after epoch {best + 2} of 9, as 2 epochs had brought no better mean accuracy"
    assert told in " ".join(methods.split())


@pytest.mark.parametrize("key", ['train.final="best"', "train.patience=3"])
@pytest.mark.parametrize("words", [(), ("--dry-run",)])
def test_without_validation_images_nothing_is_chosen(aspk: Aspk, key: str, words: tuple[str, ...]) -> None:
    done = aspk("train", "tiny.toml", *sets(key, "data.validation=0"), *words)
    assert (done.exit_code, done.stdout) == (2, "")
    asked = key.replace("=", " = ")
    assert (
        f"error: {key.partition('=')[0]}: {asked} chooses by accuracies on validation images, and there" in done.stderr
    )
    assert f"  set data.validation above 0, or leave out {asked}\n" in done.stderr
    assert not RUN.exists()


def test_the_best_epochs_file_must_be_there(aspk: Aspk, background: Aspk) -> None:
    """Without it the training could not end as it should: it is said before anything is trained."""
    words = ("train", "tiny.toml", *sets(*CHOOSES), "--quiet")
    background(*words, at="supernet.h5", number=8).kill()
    best = best_by_hand(RUN)[0]
    path, before = kept_path(RUN, best), (RUN / "supernet.h5").read_bytes()
    content = path.read_bytes()
    path.unlink()
    done = aspk(*words)
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr.startswith(f"error: {path}: it is missing, and has the best weights so far\n")
    path.write_bytes(content[:-200])
    assert aspk(*words).exit_code == 2
    assert path.name in aspk("runs", "show", "tiny").stdout
    path.write_bytes(before)  # another epoch's
    done = aspk(*words)
    assert (done.exit_code, done.stdout) == (2, "")
    assert (RUN / "supernet.h5").read_bytes() == before
    path.write_bytes(content)
    assert aspk(*words).exit_code == 0


def test_a_retraining_chooses_nothing(aspk: Aspk) -> None:
    """It is as long as asked, and its folder has the name that it has without these keys."""
    keys = (*FEW, "train.epochs=2", "train.cooldown_epochs=0")
    for run, more in (("plain", ()), ("chooses", ('train.final="last"', "train.patience=1", "train.keep_last=2"))):
        assert aspk("train", "tiny.toml", *sets(*keys, *more), "--run", run, "--quiet").exit_code == 0
        words = ("--finetune", "3", "--from-scratch", "--quiet")
        assert aspk("evaluate", "--run", run, "--subnet", "smallest", *words).exit_code == 0
    folders = [sorted(path.name for path in Path(f"runs/{run}/finetuned").iterdir()) for run in ("plain", "chooses")]
    assert folders[0] == folders[1]
    state = load_checkpoint(Path("runs/chooses/finetuned") / folders[1][0]).state
    assert (state.epoch, state.stopped_early) == (3, False)
    assert kept_epochs(Path("runs/chooses/finetuned") / folders[1][0]) == []


def test_the_figure_shows_both(aspk: Aspk) -> None:
    keys = sets(*FEW, "train.epochs=2", "train.cooldown_epochs=0", *AVERAGES)
    assert aspk("train", "tiny.toml", *keys, "--quiet").exit_code == 0
    drawn = training_figure.draw_training(FigureSubject(RUN))
    lines = {str(line.get_label()): list(line.get_ydata()) for line in drawn.axes[-1].get_lines()}
    history = load_checkpoint(RUN).state.history
    assert lines["Largest subnet, validation"] == [each.val_top1_largest for each in history]
    assert lines["Largest, weights not averaged"] == [each.unaveraged_top1_largest for each in history]
    assert lines["Smallest, weights not averaged"] == [each.unaveraged_top1_smallest for each in history]


def test_no_kept_epoch_is_lost_by_a_shorter_command(aspk: Aspk, background: Aspk) -> None:
    """Without the key, an unfinished run is refused, and a finished one keeps its files. More may be asked for."""
    keys = sets(*FEW, "train.epochs=3", "train.cooldown_epochs=0")
    words = ("train", "tiny.toml", *keys, "--quiet")
    background(*words, "--set", "train.keep_last=2", at="supernet.h5", number=8).kill()
    assert kept_epochs(RUN) == [1, 2]
    done = aspk(*words)
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr == (
        "error: runs/tiny: this run keeps its last 2 epochs, and train.keep_last is 1 now\n"
        "  go on with --set train.keep_last=2, or more\n"
    )
    assert kept_epochs(RUN) == [1, 2]
    assert aspk(*words, "--set", "train.keep_last=3").exit_code == 0
    assert aspk(*words).exit_code == 0
    assert kept_epochs(RUN) == [1, 2, 3]

"""aspk train: what it writes and says, what it refuses, and that a stopped training is continued bit by bit."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import pytest

from autospikformer_cli.api import read_training_log
from autospikformer_cli.cli.interruption import STOPPING
from autospikformer_cli.data.images import load_split
from autospikformer_cli.engine.compute import make_compute
from autospikformer_cli.recipe import load_recipe, recipe_from_toml
from autospikformer_cli.recipe.sections import KnownImages
from autospikformer_cli.recipe.toml_text import toml_value
from autospikformer_cli.runs.pace import TimePerUnit, stored_pace
from autospikformer_cli.spiking.layout import NetworkShape, num_params
from autospikformer_cli.store.supernet import Checkpoint, load_checkpoint, load_weights, save_checkpoint, weights_hash
from autospikformer_cli.training.schedule import learning_rate

Aspk = Callable[..., Any]

ONE_EPOCH = ("--set", "train.epochs=1", "--set", "train.warmup_epochs=0")


def test_the_document_says_what_was_trained(trained_once: tuple[Path, Any]) -> None:
    run, document = trained_once
    recipe = load_recipe("tiny.toml")
    images = len(load_split(recipe.data, recipe.seed, "train"))
    stored = load_checkpoint(run)

    assert set(document) == {
        "schema_version", "run", "recipe", "epochs", "steps", "images_per_second",
        "val_top1_largest", "val_top1_smallest", "fidelity",
        "switches", "resolved",
    }  # fmt: skip
    assert document["run"] == str(run)
    assert document["recipe"] == "tiny"
    assert document["epochs"] == 5
    assert document["steps"] == 5 * -(-images // 64)
    assert document["images_per_second"] == pytest.approx(
        5 * images / sum(record.seconds for record in stored.state.history), rel=1e-9
    )
    assert document["val_top1_largest"] == stored.state.history[-1].val_top1_largest
    assert document["val_top1_smallest"] == stored.state.history[-1].val_top1_smallest


def test_the_store_knows_how_it_was_trained(trained_once: tuple[Path, Any]) -> None:
    stored = load_checkpoint(trained_once[0])
    recipe = load_recipe("tiny.toml")

    assert stored.recipe_name == "tiny"
    assert stored.recipe_toml == recipe.with_images(KnownImages(10, 1, 8)).to_toml()
    assert stored.state.finished
    assert [record.epoch for record in stored.state.history] == [1, 2, 3, 4, 5]
    assert stored.splits == {
        split: load_split(recipe.data, recipe.seed, split).hash for split in ("train", "validation")
    }
    assert stored.environment["precision"] == "float32"
    assert {array.dtype for array in stored.weights.values()} == {np.dtype("float32")}


def test_every_step_is_logged(trained_once: tuple[Path, Any]) -> None:
    run, document = trained_once
    log, history = read_training_log(run), load_checkpoint(run).state.history
    recipe, steps = load_recipe("tiny.toml"), history[0].steps
    assert log.step.tolist() == list(range(1, document["steps"] + 1))
    rates = [learning_rate(recipe.train, step / steps) for step in range(document["steps"])]
    assert log.learning_rate == pytest.approx(rates, rel=1e-6)
    assert (log.gradient_norm > 0).all()
    images = round(history[0].images_per_second * history[0].seconds)
    by_step = [64] * (steps - 1) + [images - 64 * (steps - 1)]
    for record in history:
        rows = slice(steps * (record.epoch - 1), steps * record.epoch)
        assert record.loss == pytest.approx(np.average(log.loss[rows], weights=by_step), rel=1e-5)
        assert record.seconds == pytest.approx(log.seconds[rows].sum(), rel=1e-5)


@pytest.mark.usefixtures("trained_once")
def test_a_reader_gets_a_line_and_the_next_command(aspk: Aspk) -> None:
    """In a process that has compiled the engine, so that it is not shown."""
    done = aspk("train", "tiny.toml", *ONE_EPOCH)
    assert done.exit_code == 0
    assert re.fullmatch(
        r"runs/tiny: trained for 1 epoch; top-1 on validation: largest subnet \d+\.\d\d %, smallest \d+\.\d\d %\n",
        done.stdout,
    )
    lines = done.stderr.splitlines()
    assert re.fullmatch(r"training tiny: 0/\d+ images", lines[0])
    assert re.fullmatch(
        r"training tiny: (\d+)/\1 images, .*/s, [\d:]+ in all, epoch=1/1 loss=[\d.]+ val_largest=[\d.]+ "
        r"val_smallest=[\d.]+",
        lines[-2],
    )
    assert lines[-1] == "next: aspk search --run runs/tiny"


def test_the_parts_of_the_steps_are_timed(aspk: Aspk) -> None:
    """They are disjoint parts of the time of the steps."""
    done = aspk("train", "tiny.toml", *ONE_EPOCH, "--timing", "--json", "--set", "data.train_images=128")
    assert done.exit_code == 0
    times, log = done.document["step_times"], read_training_log("runs/tiny")
    assert times.keys() == {"steps", "data_s", "forward_s", "backward_s", "optimizer_s"}
    assert times["steps"] == len(log) == 2
    parts = [seconds for name, seconds in times.items() if name != "steps"]
    assert min(parts) > 0
    assert sum(parts) < log.seconds.sum() * 1.0001
    shown = aspk("train", "tiny.toml", *ONE_EPOCH, "--timing", "--fresh", "--set", "data.train_images=64").stdout
    assert re.search(r"Where the time of 1 step went", shown)
    for part in ("data", "forward", "backward", "optimizer", "all"):
        assert re.search(rf"^ *{part} +\d+\.\d\d +\d+\.\d\d +\d+\.\d *$", shown, re.MULTILINE), shown
    again = aspk("train", "--timing")
    assert (again.exit_code, "Where the time" in again.stdout) == (0, False), "nothing is left to train"


def test_json_and_quiet_leave_one_document(aspk: Aspk) -> None:
    done = aspk("train", "tiny.toml", *ONE_EPOCH, "--json", "--quiet")
    assert done.exit_code == 0
    assert done.stderr == ""
    assert done.document["epochs"] == 1


def test_a_finished_run_has_nothing_left_to_do(aspk: Aspk, trained: Path, trained_once: tuple[Path, Any]) -> None:
    before = (trained / "supernet.h5").read_bytes()
    for again in (("tiny.toml",), (), ("tiny.toml", "--run", "runs/tiny")):
        done = aspk("train", *again, "--json")
        assert done.document == trained_once[1] | {"run": "runs/tiny"}
    assert (trained / "supernet.h5").read_bytes() == before


def test_another_recipe_is_refused(aspk: Aspk, trained: Path) -> None:
    before = (trained / "supernet.h5").read_bytes()
    one = aspk("train", "tiny.toml", "--set", "train.lr=1e-3")
    assert (one.exit_code, one.stdout) == (2, "")
    assert one.stderr == (
        "error: runs/tiny: this run was begun with another recipe: train.lr differs\n"
        "  go on with the recipe it has, or start a new run: --run NAME, or --fresh next to it\n"
    )
    two = aspk("train", "--set", "seed=1", "--set", "space.tau=[2]")
    assert two.exit_code == 2
    assert two.stderr == (
        "error: runs/tiny: this run was begun with another recipe: seed, space.tau differ\n"
        "  go on with the recipe it has, or start a new run: --run NAME, or --fresh next to it\n"
    )
    assert (trained / "supernet.h5").read_bytes() == before


def test_fresh_starts_beside_it(aspk: Aspk, trained: Path) -> None:
    assert aspk("train", "tiny.toml", "--fresh", *ONE_EPOCH, "--json").document["run"] == "runs/tiny-2"
    assert aspk("train", "--fresh", "--json", "--set", "seed=3").document["run"] == "runs/tiny-3"
    assert load_checkpoint(Path("runs/tiny-3")).state.epoch == 1
    assert load_checkpoint(trained).state.epoch == 5


def test_fresh_beside_a_folder_of_ones_own(aspk: Aspk, trained: Path) -> None:
    made = [aspk("train", "tiny.toml", "--fresh", "--run", "deep/mine", *ONE_EPOCH, "--json") for _ in range(2)]
    assert [done.document["run"] for done in made] == ["deep/mine", "deep/mine-2"]


def test_a_new_name_is_a_run_under_runs_for_every_command(aspk: Aspk) -> None:
    """It goes on there; with a slash it is a folder. A run here keeps its name, unless runs/ has one of it, too."""
    first = ("train", "tiny.toml", *ONE_EPOCH, "--json", "--run")
    assert aspk(*first, "mine").document["run"] == "runs/mine"
    assert not Path("mine").exists()
    assert aspk(*first, "mine").document["run"] == "runs/mine"
    assert aspk(*first, "mine", "--fresh").document["run"] == "runs/mine-2"
    assert aspk("evaluate", "--run", "mine", "--subnet", "smallest", "--images", "5").exit_code == 0
    assert aspk(*first, "./here").document["run"] == "here"
    assert aspk(*first, "here").document["run"] == "here"
    assert aspk("evaluate", "--run", "here", "--subnet", "smallest", "--images", "5").exit_code == 0
    shutil.copytree("here", "runs/here")
    for command in (("report", "--run", "here"), ("train", "--run", "here"), (*first, "here")):
        done = aspk(*command)
        assert done.exit_code == 2
        assert done.stderr == (
            "error: --run: here is a run here, and there is runs/here, too\n  write which one: runs/here or ./here\n"
        )
    assert aspk(*first, "./here").document["run"] == "here"
    assert aspk("evaluate", "--run", "./here", "--subnet", "smallest", "--images", "5").exit_code == 0


def test_a_folder_of_ones_own(aspk: Aspk) -> None:
    assert aspk("train", "tiny.toml", *ONE_EPOCH, "--run", "deep/mine", "--json").document["run"] == "deep/mine"
    assert Path("deep/mine/supernet.h5").is_file()
    assert not Path("runs").exists()


def test_dry_run_counts_and_writes_nothing(aspk: Aspk, own_folder: Path) -> None:
    done = aspk("train", "tiny.toml", "--dry-run")
    assert done.exit_code == 0
    plan = aspk("train", "tiny.toml", "--dry-run", "--json").document
    assert sorted(path.name for path in own_folder.iterdir()) == ["tiny.toml"]

    recipe, shape = load_recipe("tiny.toml"), NetworkShape(8, 1, 10, 24, (4,))
    space = recipe.space.search_space()
    images = len(load_split(recipe.data, recipe.seed, "train"))
    assert plan == {
        "schema_version": 1,
        "dataset": "digits",
        "dataset_missing_at": None,
        "classes": 10,
        "train_images": images,
        "validation_images": len(load_split(recipe.data, recipe.seed, "validation")),
        "test_images": len(load_split(recipe.data, recipe.seed, "test")),
        "images_in_memory_bytes": (images + plan["validation_images"]) * 8 * 8,
        "cache_bytes": 0,
        "cache_missing_bytes": 0,
        "cache_folder": None,
        "subnets": 2 * 2 * (100 + 100**2),  # 2 ratios x 2 head counts x 5 thresholds x 5 taus a block
        "params_smallest": num_params(shape, space.smallest()),
        "params_largest": num_params(shape, space.largest()),
        "images": images,
        "epochs": 5,
        "steps": 5 * -(-images // 64),
        "memory_bytes": plan["memory_bytes"],
        "seconds": plan["seconds"],
        "seconds_from": plan["seconds_from"],
        **recipe.fidelity_document(),
    }
    assert aspk("train", "tiny.toml", "--dry-run", "--json", "--precision", "float64").document["memory_bytes"] == (
        2 * plan["memory_bytes"]
    )
    assert plan["seconds"] > 0
    assert re.fullmatch(r"[1-5] steps? of random images measured, without validation", plan["seconds_from"])
    rows = [re.sub(r" {2,}", " | ", line).strip(" |") for line in done.stdout.splitlines()]
    assert rows[0] == "aspk train tiny would"
    assert rows[1:6] == [
        "data set | digits",
        "classes | 10",
        f"training images | {images:,}",
        f"validation images | {plan['validation_images']}",
        f"test images | {plan['test_images']}",
    ]
    assert re.fullmatch(r"time \| about \d+ (s|min)", rows[-2])
    assert re.fullmatch(r"\(\d steps? of random images measured, without validation\)", rows[-1])
    assert rows[6:-2] == [
        "hold images in memory (MB) | 0",
        "search among (subnets) | 40,400",
        f"smallest subnet (parameters) | {plan['params_smallest']:,}",
        f"largest subnet (parameters) | {plan['params_largest']:,}",
        f"read (images) | {images:,}",
        "train for (epochs) | 5",
        f"run (steps) | {plan['steps']}",
        f"need, beside data and libraries, about (MB) | {plan['memory_bytes'] / 1e6:,.0f}",
    ]


@pytest.mark.parametrize("dry", [(), ("--dry-run",)])
def test_more_images_than_there_are_are_said(aspk: Aspk, dry: tuple[str, ...]) -> None:
    too_many = ("--set", "train.validation_images=99999", "--set", "model.calibration_images=2000")
    done = aspk("train", "tiny.toml", *ONE_EPOCH, *too_many, *dry, "--json")
    assert done.exit_code == 0
    assert done.stderr.count(": all are taken\n") == 2
    assert "train.validation_images: the validation split has 359 images, not 99,999: all are taken\n" in done.stderr
    assert "model.calibration_images: the train split has 1,079 images, not 2,000: all are taken\n" in done.stderr
    if not dry:
        all_of_them = ("--set", 'train.validation_images="none"', "--set", "model.calibration_images=1079")
        same = aspk("train", "tiny.toml", "--fresh", *ONE_EPOCH, *all_of_them, "--json")
        assert "all are taken" not in same.stderr
        shown = ("val_top1_largest", "val_top1_smallest")
        assert [done.document[key] for key in shown] == [same.document[key] for key in shown]


def test_images_of_a_recalibration_that_is_not_done_are_not_said(aspk: Aspk) -> None:
    running = ("--set", 'model.batchnorm="running"', "--set", "model.calibration_images=2000")
    done = aspk("train", "tiny.toml", *ONE_EPOCH, *running)
    assert (done.exit_code, "all are taken" in done.stderr) == (0, False)


@pytest.mark.parametrize("folder", [(), ("--run", "mine"), ("--fresh",)])
def test_a_missing_data_set_leaves_nothing_behind(aspk: Aspk, own_folder: Path, folder: tuple[str, ...]) -> None:
    done = aspk("train", "cifar10-small", *folder)
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr == (
        f"error: data.root: cifar10 is not in {own_folder}/data\n"
        "  set data.root to the folder that holds cifar-10-batches-py, or data.download = true to fetch it\n"
    )
    assert sorted(path.name for path in own_folder.iterdir()) == ["tiny.toml"]


def test_a_dry_run_of_a_missing_data_set_says_what_it_would_hold(aspk: Aspk, own_folder: Path) -> None:
    """CIFAR-10 has 5,000 training images a class, of which a tenth is held out."""
    small = ("--set", "train.batch=1", "--set", "space.depth=[1]", "--set", "space.embed_dim=[48]")
    done = aspk("train", "cifar10-small", "--dry-run", *small, "--json")
    assert done.exit_code == 0, done.stderr
    plan = done.document
    assert (plan["dataset"], plan["dataset_missing_at"]) == ("cifar10", f"{own_folder}/data")
    assert (plan["classes"], plan["train_images"]) == (10, 45_000)
    assert (plan["validation_images"], plan["test_images"]) == (5_000, 10_000)
    assert plan["seconds"] > 0
    assert sorted(path.name for path in own_folder.iterdir()) == ["tiny.toml"]


def test_a_dry_run_of_a_missing_folder_needs_it(aspk: Aspk, own_folder: Path) -> None:
    done = aspk("train", "tiny.toml", "--dry-run", "--set", 'data.dataset="folder"', "--set", "data.image_size=8")
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr.startswith(f"error: data.root: no folder {own_folder}/data\n  set data.root to the folder of ")


def test_a_dry_run_takes_the_time_of_a_run_of_the_same_shape(aspk: Aspk, trained: Path) -> None:
    history = load_checkpoint(trained).state.history
    step = median(record.seconds / record.steps for record in history)
    for epochs in (2, 7):
        words = ("train", "tiny.toml", "--run", "other", "--dry-run", "--set", f"train.epochs={epochs}", "--json")
        plan = aspk(*words).document
        assert plan["seconds"] == pytest.approx(step * plan["steps"])
        assert plan["steps"] == epochs * history[0].steps
        assert plan["seconds_from"] == f"as {trained} took, without validation"
    text = aspk("train", "tiny.toml", "--run", "other", "--dry-run").stdout
    assert "(as runs/tiny took, without validation)" in text
    other = aspk("train", "tiny.toml", "--dry-run", "--run", "other", "--set", "train.batch=32", "--json").document
    assert other["seconds_from"].endswith("of random images measured, without validation")


def test_a_data_set_that_cannot_be_downloaded_says_so(aspk: Aspk, own_folder: Path) -> None:
    fetch = ("--set", "data.download=true")
    done = aspk("train", "nmnist", *fetch)
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr == (
        f"error: data.download: no folder {own_folder}/data/nmnist, and aspk does not download N-MNIST\n"
        "  get it from https://www.garrickorchard.com/datasets/n-mnist; then set data.root to the folder of "
        "N-MNIST: data.root/Train/<digit>/*.bin and data.root/Test/<digit>/*.bin\n"
    )
    for option in ((), ("--dry-run",)):
        mine = ("--set", 'data={dataset="folder", root="mine", image_size=8}')
        done = aspk("train", "tiny.toml", *mine, *fetch, *option)
        assert (done.exit_code, done.stdout) == (2, "")
        assert done.stderr.startswith(
            f"error: data.download: no folder {own_folder}/mine, and a folder of your own images cannot be downloaded\n"
        )
    assert aspk("train", "tiny.toml", *fetch, "--dry-run").exit_code == 0


def test_a_missing_device_leaves_nothing_behind(aspk: Aspk, own_folder: Path) -> None:
    done = aspk("train", "tiny.toml", "--device", "cuda:99")
    assert done.exit_code == 2
    assert done.stderr.startswith("error: --device cuda:99: ")
    assert sorted(path.name for path in own_folder.iterdir()) == ["tiny.toml"]


def test_no_run_to_go_on_with(aspk: Aspk, own_folder: Path) -> None:
    done = aspk("train")
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr == "error: there is no run under runs\n  train one first: aspk train quickstart\n"
    assert not Path("runs").exists()


def test_float64(aspk: Aspk) -> None:
    assert aspk("train", "tiny.toml", *ONE_EPOCH, "--precision", "float64").exit_code == 0
    stored = load_checkpoint(Path("runs/tiny"))
    assert {array.dtype for array in stored.weights.values()} == {np.dtype("float64")}
    assert stored.environment["precision"] == "float64"


def test_an_unfinished_training_keeps_its_precision(aspk: Aspk, trained: Path) -> None:
    checkpoint = load_checkpoint(trained)
    history = checkpoint.state.history[:2]
    save_checkpoint(
        trained, replace(checkpoint, state=replace(checkpoint.state, epoch=2, finished=False, history=history))
    )
    before = (trained / "supernet.h5").read_bytes()

    done = aspk("train", "tiny.toml", "--precision", "float64")
    assert done.exit_code == 2
    assert done.stderr == (
        "error: runs/tiny: this run was begun in float32, not float64\n"
        "  go on with --precision float32, or start a new run: --run NAME, or --fresh next to it\n"
    )
    assert (trained / "supernet.h5").read_bytes() == before


def require_equal(checkpoint: Checkpoint, expected: Checkpoint) -> None:
    """Weights, optimizer and history are those of the other training, bit by bit; seconds are not."""
    assert weights_hash(checkpoint.weights) == weights_hash(expected.weights)
    assert weights_hash(checkpoint.optimizer) == weights_hash(expected.optimizer)
    untimed = [
        [replace(record, seconds=0.0, images_per_second=0.0) for record in each.state.history]
        for each in (checkpoint, expected)
    ]
    assert untimed[0] == untimed[1]
    for name in ("step", "loss", "learning_rate", "gradient_norm"):
        assert getattr(checkpoint.log, name).tolist() == getattr(expected.log, name).tolist()
    assert checkpoint.state.finished


def test_killed_in_an_epoch_it_goes_on_from_its_last_save(
    aspk: Aspk, background: Aspk, trained_once: tuple[Path, Any]
) -> None:
    """As it saves after the second step of the second epoch: the new file lies next to the old one."""
    run, steps = Path("runs/tiny"), load_checkpoint(trained_once[0]).state.history[0].steps
    background("train", "tiny.toml", "--quiet", at="supernet.h5", number=steps + 2, before=True).kill()
    state = load_checkpoint(run).state
    assert (state.epoch, state.step) == (1, 1)

    assert aspk("train", "tiny.toml", "--json").document["steps"] == trained_once[1]["steps"]
    require_equal(load_checkpoint(run), load_checkpoint(trained_once[0]))


SHORT_TRAINING = {
    "data.augment": "translate", "train.sampling": "sandwich", "train.distillation": "soft_labels",
    "train.neuron_curriculum": 0.5, "train.time_step_curriculum": 0.3, "train.optimizer": "muon",
    "train.initial_weights": "fan_in", "train.whitened_stem": True, "train.norm_bias_lr_factor": 4,
    "train.ema_half_life": 0.1, "train.schedule": "linear", "train.epochs": 2,
}  # fmt: skip
"""Every key that makes a short training better."""


def test_with_every_key_of_short_trainings_a_killed_one_goes_on(aspk: Aspk, background: Aspk) -> None:
    """The stored weights are the average, and the optimizers' arrays have what is not averaged."""
    keys = [part for key, value in SHORT_TRAINING.items() for part in ("--set", f"{key}={toml_value(value)}")]
    assert aspk("train", "tiny.toml", *keys, "--run", "whole", "--quiet").exit_code == 0
    whole = load_checkpoint(Path("runs/whole"))
    assert {path.rpartition("/")[2] for path in whole.optimizer} == {
        "step", "exp_avg", "exp_avg_sq", "momentum", "unaveraged",
    }  # fmt: skip
    steps = whole.state.history[0].steps
    background("train", "tiny.toml", *keys, "--quiet", at="supernet.h5", number=steps + 2, before=True).kill()
    assert (load_checkpoint(Path("runs/tiny")).state.epoch, load_checkpoint(Path("runs/tiny")).state.step) == (1, 1)
    again = aspk("train", "tiny.toml", *keys, "--json")
    assert again.exit_code == 0
    require_equal(load_checkpoint(Path("runs/tiny")), whole)
    assert aspk("train", "tiny.toml", *keys, "--json").document == again.document


def test_interrupted_in_an_epoch_and_resumed(aspk: Aspk, background: Aspk, trained_once: tuple[Path, Any]) -> None:
    run, steps = Path("runs/tiny"), load_checkpoint(trained_once[0]).state.history[0].steps
    training = background("train", "tiny.toml", at="supernet.h5", number=steps + 2)
    exit_code, stdout, stderr = training.interrupt()

    assert (exit_code, stdout) == (130, "")
    state = load_checkpoint(run).state
    assert (state.epoch, state.step) == (1, 2)
    assert stderr.count(f"{STOPPING}\n") == 1
    assert stderr.endswith(
        f"\nstopped and saved in epoch 2, step 2 of {steps}; the same command goes on from there\n\ninterrupted\n"
    )

    assert aspk("train", "--quiet").exit_code == 0
    require_equal(load_checkpoint(run), load_checkpoint(trained_once[0]))


def test_the_same_seed_gives_the_same_weights(aspk: Aspk, trained_once: tuple[Path, Any]) -> None:
    assert aspk("train", "tiny.toml", "--quiet").exit_code == 0
    assert weights_hash(load_weights(Path("runs/tiny"))) == weights_hash(load_weights(trained_once[0]))


def test_a_stored_pace_leaves_out_the_epochs_with_a_warm_up(aspk: Aspk, trained: Path) -> None:
    """The first epoch compiled: by its record it took an hour. Each step of the others took 0.5 s."""
    checkpoint = load_checkpoint(trained)
    history = [replace(each, seconds=0.5 * each.steps) for each in checkpoint.state.history]
    history[0] = replace(history[0], seconds=3600.0)
    save_checkpoint(trained, replace(checkpoint, state=replace(checkpoint.state, history=tuple(history))))
    recipe = recipe_from_toml(checkpoint.recipe_toml, checkpoint.recipe_name)
    used = checkpoint.environment
    computes = make_compute(device=used["device"], precision=used["precision"])
    found = stored_pace(recipe, computes, None, trained)
    assert found == TimePerUnit(0.5, f"as {trained} took, without validation")

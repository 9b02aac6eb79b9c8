"""Checkpoints come back as they were saved."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest

from autospikformer_cli.errors import UserError
from autospikformer_cli.store.soundness import require_sound
from autospikformer_cli.store.supernet import (
    Checkpoint,
    EpochRecord,
    Origin,
    load_checkpoint,
    load_weights,
    read_log,
    read_training,
    save_checkpoint,
    weights_hash,
)
from autospikformer_cli.store.training_log import LoggedStep, TrainingLog

MakeCheckpoint = Callable[..., Checkpoint]


def test_a_checkpoint_comes_back(run: Path, make_checkpoint: MakeCheckpoint) -> None:
    rng = np.random.default_rng(0)
    history = (EpochRecord(1, 9, float("nan"), 1 / 3, 10.0, 20.0, 1e-9), EpochRecord(2, 9, 0.1, 2 / 3, 3.0, 4.0, 7.5))
    saved = replace(
        make_checkpoint(),
        state=replace(make_checkpoint().state, epoch=2, history=history, loss_sum=1 / 3),
        weights={
            "stem.0.weight": rng.normal(size=(4, 3, 3, 3)).astype(np.float32),
            "blocks.0/norm.num_batches_tracked": np.array(5, np.int64),
            "a.float64": rng.normal(size=(3,)),
        },
        optimizer={"exp_avg/stem.0.weight": np.zeros((4, 3, 3, 3), np.float32), "step": np.array(2.0, np.float32)},
    )
    save_checkpoint(run, saved)
    read = load_checkpoint(run)
    for stored, original in ((read.weights, saved.weights), (read.optimizer, saved.optimizer)):
        assert list(stored) == list(original)
        for name, array in original.items():
            assert (stored[name].dtype, stored[name].shape) == (array.dtype, array.shape)
            assert stored[name].tobytes() == array.tobytes()
    assert repr(read.state) == repr(saved.state)
    assert (read.recipe_name, read.recipe_toml) == (saved.recipe_name, saved.recipe_toml)
    assert (read.splits, read.environment) == (saved.splits, saved.environment)
    assert {name: array.tobytes() for name, array in load_weights(run).items()} == {
        name: array.tobytes() for name, array in saved.weights.items()
    }


def test_a_log_of_steps_comes_back_and_goes_on(run: Path, make_checkpoint: MakeCheckpoint) -> None:
    rows = [LoggedStep(step, 2 / step, 1e-3, 0.5 * step, 0.25) for step in range(1, 401)]
    log = TrainingLog.of(rows[:300]).followed_by(rows[300:])
    save_checkpoint(run, replace(make_checkpoint(), log=log))
    for read in (read_log(run), load_checkpoint(run).log):
        assert read.step.tolist() == list(range(1, 401))
        for place, name in enumerate(LoggedStep._fields[1:], 1):
            column = getattr(read, name)
            assert column.dtype == np.float32
            assert column.tolist() == np.array([row[place] for row in rows], np.float32).tolist()
    with h5py.File(run / "supernet.h5") as file:
        assert file["steps/loss"].chunks is not None


def test_a_norm_beyond_float32_is_logged(run: Path, make_checkpoint: MakeCheckpoint) -> None:
    save_checkpoint(run, replace(make_checkpoint(), log=TrainingLog.of([LoggedStep(1, 0.5, 1e-3, 1e300, 0.25)])))
    assert read_log(run).gradient_norm.tolist() == [float("inf")]


def test_a_file_from_before_steps_were_logged(run: Path, make_checkpoint: MakeCheckpoint) -> None:
    save_checkpoint(run, make_checkpoint())
    with h5py.File(run / "supernet.h5", "r+") as file:
        del file["steps"]
    assert len(read_log(run)) == len(load_checkpoint(run).log) == 0
    require_sound(run / "supernet.h5", "supernet", whole=True)


def test_a_log_that_lost_a_column_is_damaged(run: Path, make_checkpoint: MakeCheckpoint) -> None:
    save_checkpoint(run, make_checkpoint())
    with h5py.File(run / "supernet.h5", "r+") as file:
        del file["steps/loss"]
    for read in (lambda: read_log(run), lambda: require_sound(run / "supernet.h5", "supernet")):
        with pytest.raises(UserError, match="'steps/loss' is missing"):
            read()


def test_an_epoch_without_validation_images_has_no_accuracy(run: Path, make_checkpoint: MakeCheckpoint) -> None:
    history = (EpochRecord(1, 9, 0.5, 1.0, None, None, 2.0), EpochRecord(2, 9, 0.4, 1.0, 0.0, 3.0, 2.0))
    save_checkpoint(run, replace(make_checkpoint(), state=replace(make_checkpoint().state, epoch=2, history=history)))
    assert read_training(run).state.history == history
    with h5py.File(run / "supernet.h5") as file:
        assert np.isnan(file["history/val_top1_largest"][0])


@pytest.mark.parametrize(
    "origin", [None, Origin("größe.pth", "f" * 64, ("norm.weight", "pos_embed")), Origin("x", "", ())]
)
def test_where_weights_come_from(run: Path, make_checkpoint: MakeCheckpoint, origin: Origin | None) -> None:
    save_checkpoint(run, replace(make_checkpoint(), origin=origin))
    assert read_training(run).origin == load_checkpoint(run).origin == origin


def test_a_file_from_before_runs_could_be_imported(run: Path, make_checkpoint: MakeCheckpoint) -> None:
    save_checkpoint(run, make_checkpoint())
    with h5py.File(run / "supernet.h5", "r+") as file:
        del file["origin"]
    assert read_training(run).origin is None
    assert load_checkpoint(run).splits == make_checkpoint().splits


@pytest.mark.parametrize("epoch", [0, 3])
def test_the_head_is_read_without_the_arrays(run: Path, epoch: int, make_checkpoint: MakeCheckpoint) -> None:
    saved = make_checkpoint(epoch=epoch)
    save_checkpoint(run, saved)
    head = read_training(run)
    assert head.state == saved.state
    assert (head.recipe_name, head.splits) == ("quickstart", saved.splits)
    assert not hasattr(head, "weights")


def test_the_hash_of_weights_is_that_of_names_and_arrays() -> None:
    a, b = np.arange(3.0), np.arange(4.0)
    assert weights_hash({"a": a, "b": b}) == weights_hash({"b": b, "a": a})
    assert len({weights_hash(w) for w in ({"a": a, "b": b}, {"a": b, "b": a}, {"a": a}, {"a": a, "c": b})}) == 4
    assert weights_hash({}) == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


def test_a_run_without_a_supernet(run: Path) -> None:
    for read in (load_checkpoint, load_weights, read_training):
        with pytest.raises(UserError) as caught:
            read(run)
        assert str(caught.value) == "runs/x has no supernet.h5\n  train one first: aspk train quickstart"

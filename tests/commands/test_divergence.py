"""Trainings that end in nothing: stopped with what was saved, never measured, and dead networks are said to be dead."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from autospikformer_cli.recipe import load_recipe
from autospikformer_cli.store.supernet import load_checkpoint, save_checkpoint

Aspk = Callable[..., Any]
FEW = ("--set", "data.train_images=128", "--quiet")
ONE_EPOCH = ("--set", "train.epochs=1", "--set", "train.warmup_epochs=0")


MUON_FAR = ('train.optimizer="muon"', "train.matrix_lr=1e38", "train.matrix_weight_decay=0")


@pytest.mark.parametrize(
    ("keys", "images", "broken", "rates"),
    [
        (
            MUON_FAR,
            128,
            r"the gradient of subnet \(.+\) is not finite in epoch 1, step 2",
            "train.lr = 0.003 or train.matrix_lr = 1e+38",
        ),
        (
            (*MUON_FAR, "train.norm_bias_lr_factor=1e6"),
            128,
            r"the gradient of subnet \(.+\) is not finite in epoch 1, step 2",
            "train.lr = 0.003 or train.matrix_lr = 1e+38 or train.norm_bias_lr_factor = 1e+06",
        ),
    ],
)
def test_numbers_that_are_none_end_a_training(
    aspk: Aspk, keys: tuple[str, ...], images: int, broken: str, rates: str
) -> None:
    """Their loss is finite: neurons that receive no numbers do not fire."""
    words = [word for key in (*keys, f"data.train_images={images}") for word in ("--set", key)]
    done = aspk("train", "tiny.toml", *ONE_EPOCH, *words, "--quiet")
    assert (done.exit_code, done.stdout) == (2, "")
    remedy = f"  train anew with less than {re.escape(rates)}; what was saved before is kept\n"
    assert re.fullmatch(rf"error: train\.lr, [a-z_., ]+: {broken}\n{remedy}", done.stderr)
    assert not Path("runs/tiny/supernet.h5").exists()


def test_what_was_saved_before_is_kept(aspk: Aspk) -> None:
    """timm's rate holds for an epoch: 0 in the first, and far too large in the second."""
    keys = ("train.epochs=2", 'train.schedule="timm"', "train.warmup_epochs=1", "train.lr_start=0",
            *MUON_FAR)  # fmt: skip
    words = [word for key in keys for word in ("--set", key)]
    for _ in range(2):
        done = aspk("train", "tiny.toml", *words, *FEW)
        assert (done.exit_code, done.stdout) == (2, "")
        assert re.search(r": the gradient of subnet \(.+\) is not finite in epoch 2, step 2\n", done.stderr)
        kept = load_checkpoint(Path("runs/tiny"))
        assert (kept.state.epoch, kept.state.step) == (1, 0)
        assert all(np.isfinite(array).all() for array in (*kept.weights.values(), *kept.optimizer.values()))


def test_a_store_without_numbers_is_measured_by_no_command(aspk: Aspk, trained: Path) -> None:
    checkpoint = load_checkpoint(trained)
    checkpoint.weights["block.1.attn.q_bn.running_var"][2] = np.inf
    save_checkpoint(trained, checkpoint)
    for words in (
        ("evaluate", "--subnet", "smallest"), ("evaluate", "--subnet", "smallest", "--finetune", "1"), ("search",),
        ("energy", "--subnet", "smallest"), ("export", "--subnet", "smallest", "--to", "a.safetensors"),
        ("analyze", "blocks", "--subnet", "smallest"), ("analyze", "spikes", "--subnet", "smallest"),
        ("analyze", "channels"), ("analyze", "ranking", "--sample", "3", "--finetune", "1"), ("train",),
    ):  # fmt: skip
        done = aspk(*words, "--run", trained, "--quiet")
        assert (done.exit_code, done.stdout) == (2, ""), words
        assert done.stderr == (
            "error: runs/tiny: its weights are not finite: its training diverged (block.1.attn.q_bn.running_var)\n"
            "  train anew with smaller learning rates\n"
        ), words


def test_a_dead_network_is_said_to_be_dead(aspk: Aspk) -> None:
    done = aspk("train", "tiny.toml", *ONE_EPOCH, "--set", "model.stem_threshold=1e6")
    assert done.exit_code == 0
    for name in ("largest", "smallest"):
        assert f"! the {name} subnet is dead, all 60 images get the same logits, and no neuron fires in " in done.stderr
    remedy = (
        "train anew with less than train.lr = 0.003, or less weight decay, or with lower thresholds "
        "(model.stem_threshold, space.threshold)"
    )
    assert remedy in done.stderr
    found = aspk("evaluate", "--subnet", "largest", "--json")
    (remark,) = found.document["remarks"]
    largest = load_recipe("tiny.toml").space.search_space().largest()
    dead = f"! {largest} [inherited] is dead, all 359 images get the same logits, and no neuron fires in patch_em"
    assert remark.startswith(dead)
    assert remark.endswith(remedy)
    done = aspk("analyze", "ranking", "--sample", "3", "--finetune", "1", "--images", "60")
    warned = [line for line in done.stderr.splitlines() if " is dead, " in line]
    assert len(warned) == len(set(warned)) == 3
    assert sum(line.startswith(f"! {largest} [fine-tuned, 1 epoch, seed 0] is dead, ") for line in warned) == 1
    remedy = "; retrain it by --set with less than train.lr = 0.003, or less weight decay"
    assert all(line.endswith(remedy) for line in warned)
    assert "the network" not in done.stderr

"""First weights as a recipe asks for them: where they act, and where not. The learning rate moves none of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from autospikformer_cli.store.supernet import load_weights
from tests.conftest import Aspk

STEM, LINEAR = "patch_embed.proj_conv.weight", "block.0.mlp.fc1_linear.weight"
STILL = ("--set", "train.lr=1e-30", "--set", "train.lr_start=0", "--set", "train.lr_end=0", "--set", "train.epochs=1")
KEYS = ("--set", "train.whitened_stem=true", "--set", 'train.initial_weights="fan_in"')


def is_whitened(weight: np.ndarray) -> bool:
    pairs = len(weight) // 2
    return pairs > 0 and np.array_equal(weight[:pairs], -weight[pairs : 2 * pairs])


def test_they_act_at_a_trainings_start_and_in_retraining_from_scratch_alone(aspk: Aspk, own_folder: Path) -> None:
    assert aspk("train", "tiny.toml", *STILL, *KEYS, "--set", "model.stem_dim=32").exit_code == 0
    run = Path("runs/tiny")
    first = load_weights(run)
    assert is_whitened(first[STEM])
    assert first[LINEAR].std() > 0.1
    retraining = ("evaluate", "--subnet", "largest", "--finetune", "1", "--images", "10")
    assert aspk(*retraining).exit_code == 0
    (tuned,) = (run / "finetuned").iterdir()
    inherited = load_weights(tuned)
    assert all(np.array_equal(inherited[name], first[name]) for name in (STEM, LINEAR))
    assert aspk(*retraining, "--from-scratch", "--set", "seed=5").exit_code == 0
    (scratch,) = set((run / "finetuned").iterdir()) - {tuned}
    anew = load_weights(scratch)
    assert is_whitened(anew[STEM])
    assert anew[LINEAR].std() > 0.1
    assert not np.array_equal(anew[LINEAR], first[LINEAR])


def test_events_have_no_patches_to_whiten(aspk: Aspk, own_folder: Path) -> None:
    events = ("--set", 'data.dataset="digits-events"', "--set", 'data.augment="none"', "--set", "data.image_size=32")
    done = aspk("train", "tiny.toml", *events, *KEYS)
    assert done.exit_code == 2
    assert done.stderr == (
        "error: --set train.whitened_stem=true: train.whitened_stem needs images, digits-events has events\n"
        "  write whitened_stem = false in [train]\n"
    )
    assert not Path("runs").exists()

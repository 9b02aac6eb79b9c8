"""What no machine has the memory for: refused before anything is built, and said by a dry run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Aspk = Callable[..., Any]


@pytest.mark.parametrize(
    "key",
    ["model.stem_dim=1000000", "space.embed_dim=[1000000]", "space.time_step=[2, 1000000]", "data.image_size=1000000"],
)
def test_a_network_that_fits_nowhere_is_refused(aspk: Aspk, own_folder: Path, key: str) -> None:
    name = key.partition("=")[0]
    words = ("train", "tiny.toml", "--set", key)
    done = aspk(*words)
    assert (done.exit_code, done.stdout) == (2, "")
    what, fix = done.stderr.splitlines()
    assert what.startswith(f"error: {name}: ")
    assert " GB, this machine has " in what
    assert fix.startswith(f"  lower {name}")
    dry = aspk(*words, "--dry-run", "--json")
    assert dry.exit_code == 0, dry.stderr
    assert f"warning: {name}: a training step needs about " in dry.stderr
    assert dry.document["seconds"] is None
    assert [path.name for path in own_folder.iterdir()] == ["tiny.toml"]


def test_several_keys_together_are_named_together(aspk: Aspk) -> None:
    both = ("--set", "model.stem_dim=1000000", "--set", "space.mlp_ratio=[1000000]")
    done = aspk("train", "tiny.toml", *both)
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr.splitlines()[1].startswith("  lower ")
    assert "model.stem_dim" in done.stderr
    assert "space.mlp_ratio" in done.stderr

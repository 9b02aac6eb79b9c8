"""A complete small recipe, and what is wrong with variants of it."""

from collections.abc import Callable
from pathlib import Path

import pytest

from autospikformer_cli.errors import Faults
from autospikformer_cli.recipe import load_recipe

SMALL = """\
# A small recipe.
seed = 3
[data]
dataset = "digits"
[space]
depth = [1, 2]
mlp_ratio = [2, 2.5]
num_heads = [2, 4]
embed_dim = [32, 48]
threshold = [1.0]
tau = [2]
time_step = [4]
[train]
epochs = 30
"""
"""14 lines: what a test appends starts at line 15, in [train]."""

Shown = list[tuple[str | None, str, str | None]]


@pytest.fixture(autouse=True)
def in_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Every test works in a folder of its own, so paths in messages are short."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def faults_of() -> Callable[..., Shown]:
    """What is wrong with a text as mine.toml and --set options: (where, what, fix) of each fault."""

    def find(text: str, *overrides: str) -> Shown:
        Path("mine.toml").write_text(text, encoding="utf-8")
        with pytest.raises(Faults) as caught:
            load_recipe("mine.toml", overrides)
        return [(fault.where, fault.what, fault.fix) for fault in caught.value.faults]

    return find


@pytest.fixture
def small() -> str:
    """The text of a recipe that is right."""
    return SMALL

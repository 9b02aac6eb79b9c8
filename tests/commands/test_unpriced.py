"""A profile without a figure for some operations: whatever prints energies says which, and unknown ones are no 0 J."""

from __future__ import annotations

import base64
import gzip
import json
import re
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from autospikformer_cli import read_results

Aspk = Callable[..., Any]
LOIHI = ("--profile", "loihi")
LOIHI_KEY = ("--set", 'energy.profile="loihi"')
ANN = ("--set", 'model.network="transformer"')
RUN = Path("runs") / "tiny"
OTHER = Path("runs") / "other"
NOTE = "not priced, for loihi has no mac"
NAMES = ["patch_embed.proj_conv", "head"]
"""What reads pixels, and what reads means over time: real values."""
FINISH = ("finish", "--best", "1", "--epochs", "1", "--seeds", "1")
COMMANDS = (
    ("search", *LOIHI, "--set", "search.generations=1"),
    ("report", *LOIHI),
    ("report", "--alpha-sweep", *LOIHI),
    ("report", "--table", "top", *LOIHI),
    ("report", "--table", "front", *LOIHI),
    ("compare", RUN, OTHER, *LOIHI),
    ("evaluate", "--subnet", "best", *LOIHI_KEY),
    ("analyze", "genes", *LOIHI),
    ("analyze", "blocks", *LOIHI_KEY),
    (*FINISH, *LOIHI),
)


IDS = [" ".join(map(str, each[:3])) for each in COMMANDS]


@pytest.fixture
def both(searched: Path) -> None:
    """runs/tiny and runs/other, both searched."""
    shutil.copytree(searched, OTHER)


def words(text: str) -> str:
    """A text without its frames and line breaks."""
    return " ".join(text.replace("│", " ").split())


def of_tiny(command: Sequence[object]) -> tuple[object, ...]:
    """What chooses the run, for all commands but the one that names two."""
    return () if command[0] == "compare" else ("--run", RUN)


@pytest.mark.parametrize("command", COMMANDS, ids=IDS)
def test_each_table_says_once_what_is_not_priced(aspk: Aspk, both: None, command: Sequence[object]) -> None:
    done = aspk(*command, *of_tiny(command), "--quiet")
    assert done.exit_code == 0, done.stderr
    shown = words(done.stdout)
    assert shown.count(NOTE) == 1, done.stdout
    assert ": " + ", ".join(NAMES) in shown


@pytest.mark.parametrize("command", COMMANDS, ids=IDS)
def test_nothing_is_said_of_a_profile_that_prices_all(aspk: Aspk, both: None, command: Sequence[object]) -> None:
    done = aspk(*(str(word).replace("loihi", "cmos45") for word in command), *of_tiny(command), "--quiet")
    assert done.exit_code == 0, done.stderr
    assert "not priced" not in words(done.stdout)


def test_the_page_says_it(aspk: Aspk, searched: Path) -> None:
    done = aspk("report", "--html", "page.html", *LOIHI)
    assert done.exit_code == 0, done.stderr
    block = re.search(r'id="facts">([A-Za-z0-9+/=]*)</script>', Path("page.html").read_text())
    assert block is not None
    assert NOTE in gzip.decompress(base64.b64decode(block[1])).decode()


@pytest.mark.parametrize("command", ["report", "compare", "genes"])
def test_the_documents_name_them(aspk: Aspk, both: None, command: str) -> None:
    lines = {"report": ("report",), "compare": ("compare", RUN, OTHER), "genes": ("analyze", "genes")}
    found = aspk(*lines[command], *of_tiny(lines[command]), *LOIHI, "--json").document
    assert (found["provenance"] if command == "report" else found)["unpriced"] == NAMES


def test_finish_knows_no_energy_of_an_ann(aspk: Aspk, searched: Path) -> None:
    done = aspk(*FINISH, *LOIHI, "--json", "--quiet")
    assert done.exit_code == 0, done.stderr
    for row in done.document["rows"]:
        if row["role"] == "ann":
            assert row["energy_j"] is None
            assert row["energy_of_baseline"] is None
            assert [each["energy_j"] for each in row["trainings"]] == [None]
            assert len(row["unpriced"]) > len(NAMES)
        else:
            assert row["energy_j"] > 0
            assert row["unpriced"] == NAMES
    shown = words(aspk(*FINISH, *LOIHI, "--quiet").stdout)
    assert "0.00 µJ" not in shown
    assert "– no operation is priced of " in shown
    json.dumps(done.document, allow_nan=False)


def test_evaluate_knows_no_energy_of_an_ann(aspk: Aspk, tiny_recipe: Path) -> None:
    assert aspk("train", tiny_recipe, *ANN, *LOIHI_KEY, "--quiet").exit_code == 0
    found = aspk("evaluate", "--subnet", "baseline", "--json", "--quiet").document
    assert found["energy_j"] is None
    assert found["unpriced"]
    shown = words(aspk("evaluate", "--subnet", "baseline", "--quiet").stdout)
    assert NOTE in shown
    assert "0.00" not in shown


def test_a_search_without_any_price_is_refused_before_it_measures(aspk: Aspk, tiny_recipe: Path) -> None:
    assert aspk("train", tiny_recipe, *ANN, "--set", "train.epochs=1", "--set", "train.warmup_epochs=0").exit_code == 0
    refused = aspk("search", *LOIHI)
    assert refused.exit_code == 2
    assert refused.stderr.count("error:") == 1
    assert "the profile loihi prices no operation of this network: it has no mac" in refused.stderr
    assert "choose another, as by --set 'energy.profile=\"cmos45\"'" in refused.stderr
    assert not list(RUN.glob("searches/*.h5"))


def test_a_search_of_an_ann_is_not_priced_anew_without_any_price(aspk: Aspk, tiny_recipe: Path) -> None:
    short = ("--set", "train.epochs=1", "--set", "train.warmup_epochs=0")
    assert aspk("train", tiny_recipe, *ANN, *short).exit_code == 0
    assert aspk("search", "--set", "search.generations=1", "--quiet").exit_code == 0
    for command in (("report", "--alpha-sweep"), ("analyze", "genes")):
        refused = aspk(*command, *LOIHI)
        assert refused.exit_code == 2
        assert "the profile loihi prices no operation of this network" in refused.stderr
    assert not read_results(RUN, {"energy.profile": "loihi"}).is_priced

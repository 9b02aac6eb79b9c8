"""aspk profiles: what an operation costs, what counts, and where that is published."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import tomli

from autospikformer_cli.recipe import load_recipe

Aspk = Callable[..., Any]


def row_of(text: str, name: str) -> list[str]:
    """The words of a table's line that begins with a name."""
    return next(line.split() for line in text.splitlines() if line.startswith(f"{name} "))


def test_every_profile_has_its_figures_in_picojoules_and_its_source(aspk: Aspk) -> None:
    shown = aspk("profiles").stdout
    assert row_of(shown, "cmos45")[-7:] == ["4.6", "0.9", "0.3", "0.1", "–", "–", "–"]
    assert row_of(shown, "cmos45-memory")[-7:] == ["4.6", "0.9", "0.3", "0.1", "–", "0.15625", "0.15625"]
    assert row_of(shown, "loihi")[-7:] == ["–", "23.6", "–", "–", "81", "–", "–"]
    words = " ".join(shown.split())
    assert 'cmos45: M. Horowitz, "Computing\'s energy problem (and what we can do about it)", ISSCC 2014' in words
    assert "loihi: M. Davies et al." in words
    assert "weights of 32 bits, activations of 32 and potentials of 32" in words


def test_every_convention_says_in_what_it_differs(aspk: Aspk) -> None:
    shown = " ".join(aspk("profiles").stdout.split())
    assert 'paper the paper\'s equations as printed event_input = "mac", head = false' in shown
    assert 'strict integers of residual sums are multiplied residual = "mac"' in shown
    document = aspk("profiles", "--json").document
    folder = Path(__file__).parents[2] / "autospikformer_cli" / "recipe" / "energy"
    for kind in ("profiles", "conventions"):
        assert {each["name"] for each in document[kind]} == {file.stem for file in (folder / kind).glob("*.toml")}
    assert document["profiles"][0]["mac"] == 4.6


def test_a_file_is_printed_and_is_the_beginning_of_ones_own(aspk: Aspk) -> None:
    for name, key in (("cmos45-memory", "profile"), ("paper", "convention")):
        Path("own.toml").write_text(aspk("profiles", "show", name).stdout)
        ours = load_recipe("quickstart", {f"energy.{key}": name}).energy
        own = load_recipe("quickstart", {f"energy.{key}": "own.toml"}).energy
        read, expected = (getattr(each, "hardware" if key == "profile" else "named_convention") for each in (own, ours))
        assert read.model_copy(update={"name": name}) == expected
    document = aspk("profiles", "show", "paper", "--json").document
    assert (document["kind"], document["file"]["head"]) == ("convention", False)
    assert document["file"] == tomli.loads(aspk("profiles", "show", "paper").stdout)


def test_a_name_that_is_none(aspk: Aspk) -> None:
    done = aspk("profiles", "show", "cmos54")
    assert (done.exit_code, done.stderr) == (
        2,
        "error: 'cmos54' is neither a profile nor a convention\n  did you mean cmos45?\n",
    )

"""Conventions, hardware profiles and given rates on the command line, and what a search's archive is priced by."""

from __future__ import annotations

import csv
import io
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from autospikformer_cli.store.population import load_population, save_population

Aspk = Callable[..., Any]
FIRST = "searches/evolution-alpha0.5-seed0.h5"
"""The file of the first search of a test's run."""

BUSY = ("cifar10-small", "--firing-rate", "0.25")
MINE = """\
title = "a board of mine"
process = "22 nm"
unit = "nJ"
source = "measured"
ac = 1.0
mac = 2.0

[int8]
ac = 0.5
mac = 0.5
"""


def refused(done: Any) -> str:
    """What a user is told who can mend it."""
    assert done.exit_code == 2, done.stderr
    assert not done.stdout or done.document["exit_code"] == 2
    return str(done.stderr)


def test_spikformer_4_384_beside_its_ann(aspk: Aspk) -> None:
    done = aspk("energy", *BUSY, "--convention", "paper", "--ann")
    text = " ".join(done.stdout.split())
    assert "0.8455" in text
    assert "4.2966" in text or "4.297" in text
    assert "3.97" in text  # Table 4 of the paper
    against = aspk("energy", *BUSY, "--convention", "paper", "--json").document["against_ann"]
    assert against["ann_j"] == pytest.approx(4.2966e-3, rel=1e-4)
    assert against["ann_int8_j"] < against["energy_j"] < against["ann_j"]
    assert against["break_even_rate"] == pytest.approx(4.6 / (4 * 0.9), rel=1e-12)


def test_all_conventions_side_by_side(aspk: Aspk, searched: Path) -> None:
    document = aspk("energy", "--json").document
    found = document["conventions"]
    assert set(found) == {"sound", "paper", "strict", "every-step", "mean-rate", "border-exact"}
    assert found["border-exact"] < found["sound"] < min(found["strict"], found["every-step"])
    assert found["paper"] < found["sound"] == document["energy_j"]
    assert len(set(found.values())) == 6
    for name, energy_j in found.items():
        assert aspk("energy", "--convention", name, "--json").document["energy_j"] == energy_j
    text = " ".join(aspk("energy", "--compare").stdout.split())
    assert all(name in text for name in found)
    most, least = max(found.values()), min(found.values())
    assert f"{most / least:.2f}" in text


def test_rates_have_no_exact_events(aspk: Aspk) -> None:
    told = refused(aspk("energy", *BUSY, "--convention", "border-exact"))
    assert told.startswith(
        'error: energy.border: border = "exact" needs the synaptic events of patch_embed.proj_conv1, '
    )
    assert aspk("energy", *BUSY, "--json").document["conventions"]["border-exact"] is None
    assert "needs the synaptic events" in " ".join(aspk("energy", *BUSY, "--compare").stdout.split())


def test_a_profile_and_a_convention_of_ones_own(aspk: Aspk) -> None:
    Path("mine.toml").write_text(MINE)
    Path("rules.toml").write_text('about = "as my board runs"\nfirst_layer_steps = "every"\nhead = false\n')
    options = ("--profile", "mine.toml", "--convention", "rules.toml")
    document = aspk("energy", *BUSY, *options, "--json").document
    pixels = 32 * 32 * 9 * 3 * 48
    assert document["energy_j"] == pytest.approx(pixels * 4 * 2e-9 + document["sops"] * 1e-9, rel=1e-12)
    assert (document["profile"], document["convention"]) == ("mine.toml", "rules.toml")
    assert document["hardware"]["source"] == "measured"
    assert "rules.toml" in aspk("energy", *BUSY, *options, "--compare").stdout


def test_loihi_says_what_it_cannot_price(aspk: Aspk) -> None:
    document = aspk("energy", *BUSY, "--profile", "loihi", "--json").document
    assert document["unpriced"] == ["patch_embed.proj_conv", "head"]
    assert document["ann_energy_j"] is None
    text = " ".join(aspk("energy", *BUSY, "--profile", "loihi").stdout.split())
    assert "not priced, for loihi has no mac (the chip multiplies no real values" in text


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--profile", "cmos54"), '"cmos54" is not one of cmos45, cmos45-memory, loihi\n  did you mean "cmos45"?'),
        (("--convention", "papers"), 'did you mean "paper"?'),
        (("--profile", "absent.toml"), "energy.profile: absent.toml does not exist"),
        (("--profile", "negative.toml"), "negative.toml:5: energy.profile.ac is -1.0, it must be greater than 0"),
        (("--profile", "missing.toml"), "energy.profile.mac is missing\n  write it, or say why there is none"),
        (("--convention", "rules.toml"), 'rules.toml:1: energy.convention.residual must be "ac" or "mac", not "acc"'),
        (("--csv", "--json"), "--csv and --json both want standard output"),
        (("--rates", "rates.toml"), "--rates gives every layer's rate already"),
        (("--input-shape", "1,3,32,32"), "no such option: --input-shape"),
        (("--heatmap", "rates.png"), "given rates have no time steps to draw"),
        (("--chart", "energy.gif"), "energy.gif"),
        (("--chart", "absent/energy.png"), "absent"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, tuple) else "",
)  # fmt: skip
def test_mistakes(aspk: Aspk, options: tuple[str, ...], told: str) -> None:
    Path("negative.toml").write_text(MINE.replace("ac = 1.0", "ac = -1.0"))
    Path("missing.toml").write_text(MINE.replace("mac = 2.0\n", ""))
    Path("rules.toml").write_text('residual = "acc"\n')
    assert told in refused(aspk("energy", *BUSY, *options))


# Rates from a file


def rates_of(document: Any) -> dict[str, Any]:
    """The rates of a document's layers, as a file gives them."""
    found = {}
    for layer in document["layers"]:
        if layer["input_rate"] is not None:
            name = {"q@k": "q", "(q@k)@v": "v"}
            prefix, _, last = layer["name"].rpartition(".")
            reads = f"{prefix}.{name.get(last, last)}"
            found[reads] = {"mean": layer["input_rate"], "nonzero": layer["nonzero_rate"]}
    return found


def as_toml(rates: dict[str, Any]) -> str:
    return "".join(
        f'"{name}" = {{mean = {rate["mean"]!r}, nonzero = {rate["nonzero"]!r}}}\n' for name, rate in rates.items()
    )


def test_measured_rates_given_again_cost_the_same(aspk: Aspk, searched: Path) -> None:
    measured = aspk("energy", "--json").document
    Path("rates.toml").write_text(as_toml(rates_of(measured)))
    best = json.dumps(measured["subnet"])
    for convention in ("sound", "strict", "mean-rate"):
        options = ("--subnet", best, "--convention", convention, "--json")
        given = aspk("energy", "--rates", "rates.toml", *options).document
        assert given["energy_j"] == pytest.approx(aspk("energy", *options).document["energy_j"], rel=1e-12)
    assert given["rates"] == "given by rates.toml"


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("patch_embed.proj_conv1", "1.5", "has a rate of 1.5, it must be between 0 and 1"),
        ("patch_embed.proj_conv1", "-0.5", "has a rate of -0.5, it must be between 0 and 1"),
        ("patch_embed.proj_conv1", "nan", "patch_embed.proj_conv1 has a rate that is not finite"),
        ("patch_embed.proj_conv1", "inf", "patch_embed.proj_conv1 has a rate that is not finite"),
        ("patch_embed.proj_conv1", '"a"', "must have numbers"),
        ("patch_embed.proj_conv9", "0.1", "rates.toml:1: patch_embed.proj_conv9 reads no spikes in this subnet"),
        ("block.0.attn.q_linear", "1.5", "has a mean of 1.5, above 1, and no share of values that are not 0"),
        ("block.0.attn.q_linear", "{mean = 1.5, nonzero = 0.5}", "0 to 2 with a mean of 1.5 cannot be 0.5 non-zero"),
        ("block.0.attn.q_linear", "2.5", "it must be between 0 and 2"),
        ("block.0.attn.q_linear", "{nonzero = 0.5}", "must be a number, or have mean and nonzero"),
    ],
)  # fmt: skip
def test_impossible_rates(aspk: Aspk, name: str, value: str, told: str) -> None:
    Path("rates.toml").write_text(f'"{name}" = {value}\n')
    assert told in refused(aspk("energy", "quickstart", "--rates", "rates.toml"))


def test_missing_rates_are_named(aspk: Aspk) -> None:
    Path("rates.toml").write_text("[patch_embed]\nproj_conv1 = 0.1\n")
    told = refused(aspk("energy", "quickstart", "--rates", "rates.toml"))
    assert (
        "rates.toml: no rate for patch_embed.proj_conv2, patch_embed.proj_conv3, patch_embed.rpe_conv and 16 more"
        in told
    )
    missing = refused(aspk("energy", "quickstart", "--rates", "absent.toml"))
    assert missing == "error: --rates: absent.toml does not exist\n"


# Files


def test_csv_and_pictures(aspk: Aspk, searched: Path) -> None:
    document = aspk("energy", "--json").document
    done = aspk("energy", "--csv", "--chart", "energy.svg", "--heatmap", "rates.svg")
    assert done.exit_code == 0, done.stderr
    rows = list(csv.DictReader(io.StringIO(done.stdout)))
    assert [row["name"] for row in rows] == [layer["name"] for layer in document["layers"]]
    assert sum(float(row["energy_j"]) for row in rows) == pytest.approx(document["energy_j"], rel=1e-12)
    for file in ("energy.svg", "rates.svg"):
        assert ET.parse(file).getroot().tag.endswith("svg")
    assert aspk("energy", "--chart", "energy.png", "--quiet").exit_code == 0
    assert Path("energy.png").read_bytes().startswith(b"\x89PNG")
    rates = document["step_rates"]
    steps = document["subnet"][-2]
    assert all(len(layer) == steps for layer in rates.values())
    assert 0 < max(rate for layer in rates.values() for rate in layer) <= 1


# A search's archive


def test_an_archive_is_priced_anew(aspk: Aspk, searched: Path) -> None:
    before = (searched / FIRST).read_bytes()
    documents = {
        options: aspk("report", *options, "--json").document
        for options in (
            (),
            ("--convention", "strict"),
            ("--profile", "cmos45-memory"),
            ("--convention", "border-exact"),
        )
    }
    energies = [
        {candidate["id"]: candidate["energy_j"] for candidate in document["candidates"]}
        for document in documents.values()
    ]
    assert all(set(found) == set(energies[0]) for found in energies)
    for candidate, plain in energies[0].items():
        strict, memory, exact = (found[candidate] for found in energies[1:])
        assert exact < plain < strict < memory
    provenance = documents["--profile", "cmos45-memory"]["provenance"]
    assert (provenance["energy_profile"], provenance["energy_convention"]) == ("cmos45-memory", "sound")
    assert (searched / FIRST).read_bytes() == before


def test_a_search_minds_a_profile_of_ones_own_after_its_file_is_gone(aspk: Aspk, trained: Path) -> None:
    Path("mine.toml").write_text(MINE)
    small = ("--set", "search.generations=1", "--set", "search.images=20", "--set", 'energy.profile="mine.toml"')
    found = aspk("search", *small, "--json").document["candidates"]
    Path("mine.toml").unlink()
    again = aspk("report", "--json").document
    assert [each["energy_j"] for each in again["candidates"]] == [each["energy_j"] for each in found]
    assert again["provenance"]["energy_profile"] == "mine.toml"
    assert aspk("energy", "--json").document["energy_j"] == found[0]["energy_j"]


@pytest.fixture
def older(searched: Path) -> Path:
    """The run as an aspk before 0.2 left it: no synaptic events, no answers by image."""
    population = load_population(searched)

    def without(candidate: Any) -> Any:
        return replace(candidate, measurement=replace(candidate.measurement, synapses=(), answers=None))

    baseline = None if population.baseline is None else without(population.baseline)
    save_population(
        searched, replace(population, candidates=tuple(map(without, population.candidates)), baseline=baseline)
    )
    return searched


def test_an_archive_without_events_says_so_and_is_measured_again(aspk: Aspk, older: Path, searched_once: Any) -> None:
    told = refused(aspk("report", "--convention", "border-exact"))
    assert "its candidates were stored before synaptic events were counted" in told
    assert f"aspk search --recount --run {older} measures them again" in told
    assert aspk("report", "--convention", "strict").exit_code == 0
    assert aspk("search", "--recount", "--json").exit_code == 0
    assert load_population(older) == load_population(searched_once[0])
    assert aspk("report", "--convention", "border-exact").exit_code == 0
    assert "has all counts" in aspk("search", "--recount").stderr


def test_an_old_candidate_is_measured_where_its_counts_do_not_suffice(aspk: Aspk, older: Path) -> None:
    assert aspk("energy", "--json").document["rates"] == "measured by the search on 60 validation images"
    assert "aspk search --recount" in refused(aspk("report", "--convention", "border-exact"))
    first = str(load_population(older).candidates[0].subnet)
    exact = aspk("energy", "--subnet", first, "--convention", "border-exact", "--json").document
    assert exact["rates"] == "measured now on 60 validation images"


def test_counts_are_not_measured_again_by_another_engine(aspk: Aspk, older: Path) -> None:
    before = (older / FIRST).read_bytes()
    told = refused(aspk("search", "--recount", "--engine", "dense"))
    assert "measured under other conditions: engine" in told
    assert (older / FIRST).read_bytes() == before


def test_a_run_that_moved_keeps_its_archive(aspk: Aspk, searched: Path, own_folder: Path) -> None:
    shutil.move(searched, own_folder / "elsewhere")
    assert aspk("report", "--run", "elsewhere", "--convention", "mean-rate", "--json").document["candidates"]

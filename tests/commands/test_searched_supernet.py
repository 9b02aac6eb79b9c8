"""A search of another supernet, or of other images, than its run has now: nothing is computed across the two."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from autospikformer_cli.runs.searched_supernet import weights_remark
from autospikformer_cli.store.population import load_population, read_search, save_population
from autospikformer_cli.store.supernet import load_checkpoint, load_weights, save_checkpoint, stored_weights_hash
from autospikformer_cli.store.supernet import weights_hash as hash_of

Aspk = Callable[..., Any]
OTHER = "measured with other weights than the run's supernet has now"


def with_other_weights(run: Path) -> Path:
    """The run as if its supernet had been trained anew, for as many epochs."""
    checkpoint = load_checkpoint(run)
    name = next(iter(checkpoint.weights))
    weights = {**checkpoint.weights, name: checkpoint.weights[name] * 1.5}
    save_checkpoint(run, replace(checkpoint, weights=weights))
    return run


def written(run: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in run.rglob("*") if path.is_file() and path.suffix != ".lock"}


def test_the_hash_of_weights_is_known_without_reading_them(trained: Path) -> None:
    assert stored_weights_hash(trained) == hash_of(load_weights(trained))


@pytest.mark.parametrize(
    "words",
    [
        ("finish", "--best", "1"),
        ("finish", "--dry-run"),
        ("evaluate",),
        ("evaluate", "--subnet", "c0003"),
        ("energy",),
        ("energy", "--subnet", "c0003"),
        ("export", "--to", "best.safetensors"),
        ("analyze", "blocks"),
        ("analyze", "channels", "--subnet", "best"),
        ("analyze", "spikes"),
    ],
    ids=" ".join,
)
def test_nothing_is_computed_across_two_supernets(aspk: Aspk, searched: Path, words: tuple[str, ...]) -> None:
    before = written(with_other_weights(searched))
    done = aspk(*words, "--run", searched)
    assert (done.exit_code, done.stdout) == (2, "")
    told = f"error: {searched}: search evolution-alpha0.5-seed0 was {OTHER}\n"
    told += f"  search anew: aspk search --run {searched} --fresh"
    assert done.stderr.startswith(told), done.stderr
    assert ("or name the subnet by its genes: --subnet '(" in done.stderr) == (words[0] != "finish")
    assert written(searched) == before


def test_a_subnet_is_still_measured_by_its_genes(aspk: Aspk, searched: Path) -> None:
    subnet = str(load_population(searched).candidates[0].subnet)
    with_other_weights(searched)
    done = aspk("evaluate", "--subnet", subnet, "--images", "5", "--json")
    assert (done.exit_code, done.document["selected_on"]) == (0, None)


def test_what_is_stored_is_shown_and_its_weights_are_told(aspk: Aspk, searched: Path) -> None:
    assert weights_remark(searched, read_search(searched).provenance) == ""
    assert aspk("search", "--alpha", "0.9", "--quiet").exit_code == 0
    with_other_weights(searched)
    for words in (("report",), ("report", "--alpha-sweep"), ("analyze", "genes")):
        assert f"! {OTHER}" in aspk(*words).stdout, words
        assert aspk(*words, "--json").document["weights_remark"] == OTHER
    compared = aspk("compare", searched)
    assert compared.exit_code == 0, compared.stderr
    assert f"1 was {OTHER}" in " ".join(compared.stdout.split())
    spikes = aspk("analyze", "spikes", "--stored", "--subnet", "best")
    assert f"({OTHER})" in " ".join(spikes.stdout.split()), spikes


@pytest.mark.parametrize("words", [("finish", "--best", "1"), ("evaluate",)], ids=" ".join)
def test_other_images_than_the_search_had(aspk: Aspk, searched: Path, words: tuple[str, ...]) -> None:
    population = load_population(searched)
    other = replace(population.provenance, split_hash="0" * 64)
    save_population(searched, replace(population, provenance=other))
    before = written(searched)
    done = aspk(*words, "--run", searched)
    assert (done.exit_code, done.stdout) == (2, "")
    told = f"error: {searched}: search {population.name} measured other validation images than the run has now\n"
    assert done.stderr.startswith(told), done.stderr
    assert written(searched) == before


def test_a_search_of_another_split(aspk: Aspk, searched: Path) -> None:
    """As if the supernet had been trained anew with other keys of [data]."""
    checkpoint = load_checkpoint(searched)
    text = checkpoint.recipe_toml.replace("test = 0.2", "test = 0.3")
    assert text != checkpoint.recipe_toml
    save_checkpoint(searched, replace(checkpoint, recipe_toml=text))
    for words in (("finish",), ("evaluate", "--subnet", "baseline")):
        done = aspk(*words)
        assert (done.exit_code, done.stdout) == (2, "")
        told = f"error: {searched}: its search measured a supernet with another data.test\n"
        assert done.stderr == f"{told}  search anew: aspk search --run {searched} --fresh\n"

"""Networks with blocks that do not fire: warned of, excluded by a limit; and results that are equal, taken together."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from autospikformer_cli.analysis.paired import mcnemar_of
from autospikformer_cli.store.population import load_population
from autospikformer_cli.store.supernet import load_checkpoint, save_checkpoint

Aspk = Callable[..., Any]
WARNING = "silent blocks, with less than 0.001 spikes a neuron and step"


@pytest.fixture
def dead(trained: Path) -> Path:
    """The trained run with dead weights in block 1: its BatchNorms scale by 0, so none of its neurons ever fires."""
    checkpoint = load_checkpoint(trained)
    weights = {
        name: np.zeros_like(array) if name.startswith("block.1.") and "_bn." in name else array
        for name, array in checkpoint.weights.items()
    }
    save_checkpoint(trained, replace(checkpoint, weights=weights))
    return trained


def test_a_silent_block_is_named_wherever_its_network_is_chosen(aspk: Aspk, dead: Path) -> None:
    searched = aspk("search", "--set", "space.depth=[2]", "--json")
    assert searched.exit_code == 0, searched.stderr
    for candidate in searched.document["candidates"]:
        assert candidate["silent_blocks"] == [1]
        silent = {"block.1.attn.q_linear", "block.1.attn.(q@k)@v", "block.1.mlp.fc2_linear"}
        assert set(candidate["silent_layers"]) >= silent
    best = searched.document["candidates"][0]["id"]
    assert f"! {WARNING}: {best} (block 1); --set search.limits.min_block_rate=0.001" in aspk("search").stdout
    assert f"! {WARNING}: {best} (block 1)" in " ".join(aspk("report").stdout.split())
    assert f"! {WARNING}: inherited (block 1)" in " ".join(aspk("evaluate").stdout.split())
    exported = aspk("export", "--to", "best.safetensors")
    assert f"! {WARNING}: the network (block 1)" in exported.stdout


def test_a_limit_excludes_networks_with_a_silent_block(aspk: Aspk, dead: Path) -> None:
    done = aspk("search", "--set", "search.limits.min_block_rate=0.001", "--json")
    assert done.exit_code == 0, done.stderr
    assert {candidate["subnet"][0] for candidate in done.document["candidates"]} == {1}
    assert {each["reason"] for each in done.document["rejected"]} == {"breaks search.limits.min_block_rate"}
    silent = {each.id: each.measurement.silent_blocks for each in load_population(dead).candidates}
    assert all(silent[each["id"]] for each in done.document["rejected"])
    assert 2 in {each["subnet"][0] for each in done.document["rejected"]}
    assert done.document["provenance"]["limits"] == ["firing rate of the quietest block at least 0.001"]
    assert WARNING not in aspk("search").stdout


def test_genes_without_effect_make_one_row(aspk: Aspk, dead: Path) -> None:
    """In a dead block, thresholds and taus change nothing."""
    genes = ("depth=[2]", "embed_dim=[24]", "mlp_ratio=[3]", "num_heads=[2]", "tau=[2]", "time_step=[3]",
             "threshold=[0.6, 1, 1.4]")  # fmt: skip
    fixed = [word for gene in genes for word in ("--set", f"space.{gene}")]
    done = aspk("search", "--algorithm", "exhaustive", *fixed, "--json")
    assert done.exit_code == 0, done.stderr
    candidates = {each["id"]: each for each in done.document["candidates"]}
    groups = {frozenset([id_, *each["equal"]]) for id_, each in candidates.items()}
    assert sum(map(len, groups)) == len(candidates)
    assert sorted(map(len, groups)) == [3, 3, 3]
    assert done.document["num_different"] == len(groups)
    measured = {each.id: each.measurement for each in load_population(dead).candidates}
    assert len(set(measured.values())) == len(groups)
    for group in groups:
        assert len({measured[id_] for id_ in group}) == 1
    assert len(done.document["pareto"]) == len({next(g for g in groups if id_ in g) for id_ in done.document["pareto"]})
    shown = aspk("report").stdout
    assert f"of {len(candidates)} candidates ({len(groups)} different)" in shown
    assert "x2: two candidates that agree in every measured number" in shown


def test_each_candidate_is_tested_against_the_baseline(aspk: Aspk, searched: Path) -> None:
    population = load_population(searched)
    assert population.baseline is not None
    theirs = population.baseline.measurement.answers
    assert theirs is not None
    documents = {each["id"]: each for each in aspk("report", "--json").document["candidates"]}
    for candidate in population.candidates:
        measured = candidate.measurement
        assert measured.answers is not None
        assert int.from_bytes(measured.answers).bit_count() == measured.correct
        assert documents[candidate.id]["p_baseline"] == mcnemar_of(measured.answers, theirs)

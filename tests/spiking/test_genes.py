"""Where in a network genes and switches act, and what all its subnets share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
import torch
from torch import Tensor

from autospikformer_cli.space import Subnet, parse_subnet
from autospikformer_cli.spiking.normalisation import BatchStatistics, RunningStatistics, Statistics
from autospikformer_cli.spiking.stages import State
from autospikformer_cli.spiking.supernet import Supernet

pytestmark = pytest.mark.usefixtures("one_thread")

BASE = parse_subnet("(2, 2, 3, 2, 4, 0.8, 1, 2, 1.25, 3, 16)")
NARROW = parse_subnet("(2, 1.3, 2, 4, 2, 1, 0.6, 1.5, 2, 4, 12)")


def logits_of(
    supernet: Supernet, images: Tensor, subnet: Subnet, statistics: Statistics | None = None, watcher: Any = None
) -> Tensor:
    with torch.no_grad():
        run = supernet.in_torch(subnet, statistics or RunningStatistics())
        return supernet.run(images[None], subnet, watcher.on(run) if watcher else run)


# Switches


def test_scope_of_the_threshold(make_lively: Callable[..., Supernet], images: Tensor, watcher: Any) -> None:
    """Where fc1 alone follows the gene, a first block's attention does not see it."""
    other = replace(BASE, threshold=(Decimal("0.6"), Decimal(1)))
    changed = {}
    for scope in ("block", "fc1"):
        supernet = make_lively(threshold_scope=scope)
        seen = []
        for subnet in (BASE, other):
            logits_of(supernet, images, subnet, BatchStatistics(), watcher)
            seen.append(dict(watcher.spikes))
        changed[scope] = [name for name in seen[0] if not torch.equal(seen[0][name], seen[1][name])]
    first = "block.0.attn.q_bn"
    assert changed["block"][0] == first
    assert changed["fc1"][0] == "block.0.mlp.fc1_bn"


def test_thresholds_and_taus_of_each_layer(make_lively: Callable[..., Supernet], images: Tensor, watcher: Any) -> None:
    """A block's tau governs its seven layers, its threshold all but the one behind attention; the stem has its own."""
    fast = replace(BASE, threshold=(Decimal(1), BASE.threshold[1]), tau=(Decimal("1.25"), BASE.tau[1]))
    supernet = make_lively()
    seen = []
    for subnet in (BASE, fast):
        logits_of(supernet, images, subnet, watcher=watcher)
        seen.append(dict(watcher.spikes))
    stem = [name for name in seen[0] if name.startswith("patch_embed")]
    assert len(stem) == 5
    assert all(torch.equal(seen[0][name], seen[1][name]) for name in stem)


# What subnets share


def test_the_same_seed_gives_the_same_first_weights(lively: Supernet) -> None:
    one, same, other = (Supernet(lively.config, seed) for seed in (3, 3, 4))
    assert all(torch.equal(value, same.state_dict()[name]) for name, value in one.state_dict().items())
    assert not torch.equal(one.head.weight, other.head.weight)
    assert float(one.head.weight.detach().abs().max()) <= 2
    assert 0.01 < float(one.block[0].mlp.fc1_linear.weight.detach().std()) < 0.03
    bound = (2 * 9) ** -0.5
    first = one.get_submodule("patch_embed.proj_conv").weight.detach()
    assert 0.8 * bound < float(first.abs().max()) <= bound


def test_the_embedding_is_what_the_first_block_reads(lively: Supernet, images: Tensor, watcher: Any) -> None:
    run, state = lively.in_torch(NARROW, RunningStatistics()), State(images[None])
    with torch.no_grad():
        for stage in lively.patch_embed.stages(NARROW.embed_dim):
            state = stage.run(state, run)
    logits_of(lively, images, NARROW, watcher=watcher)
    assert torch.equal(state.stream, watcher.inputs["block.0.attn.q_linear"])
    assert set(state.stream.unique().tolist()) == {0.0, 1.0, 2.0}


def test_frames_that_differ_by_step_are_each_convolved(lively: Supernet, images: Tensor) -> None:
    """Copies give what the static image gives; other frames give something else."""
    copies = images[None].repeat(BASE.time_step, 1, 1, 1, 1)
    expected = logits_of(lively, images, BASE)
    with torch.no_grad():
        torch.testing.assert_close(lively(copies, BASE, RunningStatistics()), expected, rtol=0, atol=1e-9)
        copies[1] += 1
        assert float((lively(copies, BASE, RunningStatistics()) - expected).abs().max()) > 1e-3

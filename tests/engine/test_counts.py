"""Exact counts of both engines against loops over the synapses of small networks, borders included.

Dimension legend: T time steps, B images, H W rows and columns, N tokens, D embedding dimension, C channels.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
import torch

from autospikformer_cli.engine.dense import Dense
from autospikformer_cli.engine.event_driven import EventDriven
from autospikformer_cli.engine.tally import PRODUCTS
from autospikformer_cli.evaluation.counting import Counter
from autospikformer_cli.space import SearchSpace, Subnet
from autospikformer_cli.spiking.extraction import layer_widths
from autospikformer_cli.spiking.layout import operations

pytestmark = pytest.mark.usefixtures("one_thread")

SMALL = SearchSpace(
    depth=(2,),
    mlp_ratio=(Decimal("1.3"),),
    num_heads=(1, 2),
    threshold=(Decimal(1),),
    tau=(Decimal(2),),
    time_step=(2,),
    embed_dim=(8, 12),
)
SUBNET = Subnet((Decimal("1.3"),) * 2, (1, 2), (Decimal(1),) * 2, (Decimal(2),) * 2, 2, 8)
Counts = tuple[list[int], list[int]]


@pytest.fixture(scope="module", params=["image", "events", "one position", "pools before neurons"])
def lively(make_lively: Any, request: pytest.FixtureRequest) -> Any:
    """Four and nine tokens: attention in both orders; or one token of a map of one position."""
    choices = {
        "image": {"image_size": 5, "pooled_stages": (3,), "images": 3},
        "events": {"image_size": 6, "pooled_stages": (2, 4), "images": 3, "frames": 3, "qkv_bias": False},
        "one position": {"image_size": 3, "pooled_stages": (1, 3), "images": 16},
        "pools before neurons": {"image_size": 9, "pooled_stages": (1, 3), "pool": "before", "images": 3},
    }[request.param]
    return make_lively(SUBNET, space=SMALL, kind="recalibrate", seed=2, **choices)


# Loops over synapses


def convolution(x_TBHWC: Any, outputs: int) -> Counts:
    """Every value, or 1 for every non-zero, to every output of every neighbour inside the map."""
    events, passes = [], []
    for x_BHWC in x_TBHWC:
        events.append(0)
        passes.append(0)
        for x_HWC in x_BHWC:
            side = len(x_HWC)
            for y, x in ((y, x) for y in range(side) for x in range(side)):
                neighbours = [(y + dy, x + dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1)]
                for value in x_HWC[y][x]:
                    for row, column in neighbours:
                        for _ in range(outputs):
                            if 0 <= row < side and 0 <= column < side:
                                events[-1] += int(value)
                                passes[-1] += value != 0
    return events, passes


def linear(x_TBNC: Any, outputs: int) -> Counts:
    """Every value, or 1 for every non-zero, to every output."""
    events, passes = [], []
    for x_BNC in x_TBNC:
        values = [value for x_NC in x_BNC for x_C in x_NC for value in x_C for _ in range(outputs)]
        events.append(int(sum(values)))
        passes.append(sum(value != 0 for value in values))
    return events, passes


def attention(q_TBND: Any, k_TBND: Any, v_TBND: Any, heads: int) -> dict[str, list[int]]:
    """Spikes that meet, and spikes that meet a number of the product before."""
    counts: dict[str, list[int]] = {product: [] for product in PRODUCTS}
    tokens, width = range(len(q_TBND[0][0])), len(q_TBND[0][0][0]) // heads
    for q_BND, k_BND, v_BND in zip(q_TBND, k_TBND, v_TBND, strict=True):
        for events in counts.values():
            events.append(0)
        for q_ND, k_ND, v_ND in zip(q_BND, k_BND, v_BND, strict=True):
            for head in range(heads):
                channels = range(head * width, (head + 1) * width)
                q_k = {(n, m): sum(q_ND[n][c] * k_ND[m][c] for c in channels) for n in tokens for m in tokens}
                k_v = {(c, d): sum(k_ND[n][c] * v_ND[n][d] for n in tokens) for c in channels for d in channels}
                counts["q@k"][-1] += int(sum(q_k.values()))
                counts["k@v"][-1] += int(sum(k_v.values()))
                for (n, m), c in ((pair, c) for pair in q_k for c in channels):
                    counts["(q@k)@v"][-1] += q_k[n, m] != 0 and v_ND[m][c] == 1
                for (c, d), n in ((pair, n) for pair in k_v for n in tokens):
                    counts["q@(k@v)"][-1] += k_v[c, d] != 0 and q_ND[n][c] == 1
    return counts


def elements(step: Any) -> list[float]:
    """The numbers of nested lists."""
    return [number for each in step for number in elements(each)] if isinstance(step, list) else [step]


def test_counts_are_brute_force(lively: Any, listed: Any, assert_lively: Any) -> None:
    shape = lively.config.shape
    _, watched = lively.reference()
    assert_lively(watched.rates())
    expected = listed()
    for name, (_, outputs) in layer_widths(shape, SUBNET).items():
        x = watched.inputs[name]
        expected.sizes[name] = x[0].numel()
        expected.values[name] = None
        if name == "head" or (name == "patch_embed.proj_conv" and not shape.reads_events):
            continue
        steps = [elements(step) for step in x.tolist()]
        expected.values[name] = [int(sum(each)) for each in steps], [sum(map(bool, each)) for each in steps]
        loops = convolution if x.ndim == 5 else linear
        expected.synapses[name] = loops(x.tolist(), outputs)
    for name, (q, k, v, heads) in watched.products.items():
        assert (len(q[0, 0]) <= q.shape[-1] // heads) is (len(q[0, 0]) < 9)
        for product, events in attention(q.tolist(), k.tolist(), v.tolist(), heads).items():
            expected.synapses[f"{name}.{product}"] = events, events
        for part, x in (("q", q), ("v", v)):
            spikes = [int(sum(elements(step))) for step in x.tolist()]
            expected.values[f"{name}.{part}"] = spikes, spikes
            expected.sizes[f"{name}.{part}"] = x[0].numel()
    for name, spikes in watched.spikes.items():
        expected.spikes[name] = [[int(sum(elements(step))) for step in spikes.tolist()]]
        expected.neurons[name] = len(elements(spikes[0, 0].tolist()))
    several = [name for name, x in watched.inputs.items() if name != "head" and float(x.max()) > 1]
    assert {name.rpartition(".")[2] for name in several} >= {"q_linear", "fc1_linear"}
    assert all(min(events) > 0 for events, _ in expected.synapses.values())

    statistics = lively.statistics(EventDriven(lively.supernet, 1))
    for network in (lively, lively.as_float32()):
        for engine in (EventDriven(network.supernet, 2), Dense(network.supernet)):
            for batch in (1, 2, network.frames.shape[1]):
                found = listed()
                for frames in network.frames.split(batch, 1):
                    with torch.no_grad():
                        engine.logits(frames, SUBNET, statistics, found)
                assert found == expected, (engine.name, batch)


def test_a_measurements_counts_are_whole_numbers(lively: Any) -> None:
    """What is stored and priced, of both engines."""
    found = []
    for engine in (EventDriven(lively.supernet, 1), Dense(lively.supernet)):
        counter = Counter()
        with torch.no_grad():
            engine.logits(lively.frames, SUBNET, lively.statistics(), counter)
        read = counter.inputs(operations(lively.config.shape, SUBNET), SUBNET.time_step)
        done, fired = counter.executed(SUBNET.time_step), counter.emitted(SUBNET.time_step)
        found.append((read, done, fired))
        counts = [(each.sums, each.nonzeros, (each.size,)) for each in read]
        counts += [(each.events, each.passes, ()) for each in done]
        counts += [(each.spikes, (each.neurons,), ()) for each in fired]
        assert {type(number) for group in counts for numbers in group for number in numbers} == {int}
    assert found[0] == found[1]


def test_many_events_are_one_pass_each(make_lively: Any, listed: Any) -> None:
    """Counts of events that no byte holds, and no sum of float32: 2^24 + 1 is one pass a synapse."""
    lively = make_lively(SUBNET, space=SMALL, images=1, frames=2, image_size=5, seed=1).as_float32()
    frames = torch.zeros(2, 1, 5, 5, 2)
    frames[0, 0, 0, 0, 0], frames[0, 0, 2, 2, 1], frames[1, 0, 4, 2, 0] = 300, 2.0**24, 1
    frames[0, 0, 2, 3, 1] = 1
    for engine in (EventDriven(lively.supernet, 1), Dense(lively.supernet)):
        tally = listed()
        with torch.no_grad():
            engine.logits(frames, SUBNET, lively.statistics(), tally)
        outputs = 12 // 8
        assert tally.values["patch_embed.proj_conv"] == ([301 + 2**24, 1], [3, 1])
        events, passes = tally.synapses["patch_embed.proj_conv"]
        assert events == [(4 * 300 + 9 * 2**24 + 9) * outputs, 6 * outputs]
        assert passes == [(4 + 9 + 9) * outputs, 6 * outputs]

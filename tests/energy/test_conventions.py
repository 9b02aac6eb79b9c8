"""The shipped conventions, and that they price what the engines count, whoever counted it and in which order."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from autospikformer_cli.energy.pricing import EnergyModel, LayerEnergy
from autospikformer_cli.engine.choice import Engine
from autospikformer_cli.engine.dense import Dense
from autospikformer_cli.engine.event_driven import EventDriven
from autospikformer_cli.engine.tally import Untallied
from autospikformer_cli.evaluation.counting import Counter
from autospikformer_cli.measurement import InputCount, Measurement, SynapseCount
from autospikformer_cli.recipe import EnergyConfig
from autospikformer_cli.recipe.energy.models import RULES, shipped_convention, shipped_names, shipped_profile
from autospikformer_cli.space import SearchSpace, Subnet
from autospikformer_cli.spiking.layout import NetworkShape, num_params, operations
from autospikformer_cli.spiking.normalisation import FixedStatistics, RecordedStatistics
from autospikformer_cli.spiking.supernet import NetworkConfig, Supernet

pytestmark = pytest.mark.usefixtures("one_thread")

SPACE = SearchSpace((2,), (Decimal("1.5"), Decimal(2)), (2, 4), (Decimal(1),), (Decimal(2),), (2, 3), (8, 16))
SUBNET = Subnet((Decimal("1.5"), Decimal(2)), (2, 4), (Decimal(1),) * 2, (Decimal(2),) * 2, 3, 16)
IMAGES = 12


class Network:
    """A random supernet in float64 with moments of its own, and images, or frames of events, that it fires on."""

    def __init__(self, reads_events: bool) -> None:
        generator = torch.Generator().manual_seed(5)
        self.shape = NetworkShape(9, 2, 5, 16, (2, 4), reads_events=reads_events)
        self.supernet = Supernet(NetworkConfig(self.shape, SPACE, attention_scale=0.5)).double()
        with torch.no_grad():
            for name, parameter in self.supernet.named_parameters():
                if "_bn" in name:
                    parameter.uniform_(*((1.0, 3.0) if name.endswith("weight") else (0.0, 2.0)), generator=generator)
                else:
                    parameter.normal_(0, 1, generator=generator)
        frames = torch.rand(3 if reads_events else 1, IMAGES, 9, 9, 2, dtype=torch.float64, generator=generator)
        self.frames = (frames * 1.7).floor() * 3 if reads_events else frames
        recorded = RecordedStatistics()
        with torch.no_grad():
            EventDriven(self.supernet, 1).logits(self.frames, SUBNET, recorded, Untallied())
        self.statistics = FixedStatistics(recorded.by_layer)

    def measure(self, engine: Engine, frames: Tensor | None = None, batch: int = IMAGES) -> Measurement:
        """The counts of all images, batch after batch."""
        counter, steps = Counter(), SUBNET.time_step
        with torch.no_grad():
            for part in (self.frames if frames is None else frames).split(batch, 1):
                engine.logits(part, SUBNET, self.statistics, counter)
        params = num_params(self.shape, SUBNET)
        inputs = counter.inputs(operations(self.shape, SUBNET), steps)
        return Measurement(0, IMAGES, params, inputs, counter.emitted(steps), 0, synapses=counter.executed(steps))

    def layers(self, measurement: Measurement, convention: str = "border-exact", **rules: Any) -> list[LayerEnergy]:
        """Every operation's costs."""
        config = EnergyConfig(convention=convention, **rules)
        model = EnergyModel(self.shape, config.rules, shipped_profile("cmos45"))
        return list(model.of(SUBNET, measurement).layers)


@pytest.fixture(scope="module", params=[False, True], ids=["images", "events"])
def network(request: pytest.FixtureRequest) -> Network:
    """Of images, and of events."""
    return Network(request.param)


EngineOf = Callable[[Supernet], Engine]
ENGINES: dict[str, EngineOf] = {"event_driven": lambda net: EventDriven(net, 1), "dense": Dense}


def test_the_shipped_conventions() -> None:
    """What each says that sound does not."""
    sound = shipped_convention("sound")
    assert sound.rules() == {
        "first_layer_steps": "once",
        "residual": "ac",
        "order": "qk_v",
        "event_input": "ac",
        "rate": "layer",
        "border": "ignored",
        "batchnorm_folded": True,
        "head": True,
    }
    differing = {
        name: {rule: value for rule, value in shipped_convention(name).rules().items() if value != sound.rules()[rule]}
        for name in shipped_names("conventions")
    }
    assert differing == {
        "sound": {},
        "paper": {"event_input": "mac", "head": False},
        "strict": {"residual": "mac"},
        "every-step": {"first_layer_steps": "every"},
        "mean-rate": {"rate": "mean"},
        "border-exact": {"border": "exact"},
    }
    assert shipped_names("conventions")[0] == "sound"
    assert all(shipped_convention(name).name == name for name in differing)
    assert len({shipped_convention(name).about for name in differing}) == len(differing)


OTHERS: dict[str, str | bool] = {
    "first_layer_steps": "every",
    "residual": "mac",
    "order": "q_kv",
    "event_input": "mac",
    "rate": "mean",
    "border": "exact",
    "batchnorm_folded": False,
    "head": False,
}


@pytest.mark.parametrize("rule", RULES)
def test_a_key_overrides_its_rule_and_no_other(rule: str) -> None:
    config = EnergyConfig.model_validate({rule: OTHERS[rule]})
    assert config.rules.rules() == shipped_convention("sound").rules() | {rule: OTHERS[rule]}
    assert config.named_convention == shipped_convention("sound")
    back = EnergyConfig.model_validate({"convention": "paper", rule: shipped_convention("sound").rules()[rule]})
    assert getattr(back.rules, rule) == shipped_convention("sound").rules()[rule]


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("order", ["qk_v", "q_kv"])
def test_exact_borders_price_the_synaptic_events_of_the_engine(network: Network, engine: str, order: str) -> None:
    measurement = network.measure(ENGINES[engine](network.supernet))
    events = {count.operation: sum(count.events) for count in measurement.synapses}
    passes = {count.operation: sum(count.passes) for count in measurement.synapses}
    assert min(events.values()) > 0
    assert sum(passes.values()) < sum(events.values())
    spiking = [layer for layer in network.layers(measurement, order=order) if layer.sops is not None]
    assert [layer.name for layer in spiking] == [
        each.name for each in operations(network.shape, SUBNET, order) if each.input_kind != "real"
    ]
    for layer in spiking:
        assert layer.accumulates * IMAGES == pytest.approx(events[layer.name], rel=1e-12)
        assert (layer.sops, layer.multiplies) == (layer.accumulates, 0)
    once = {layer.name: layer for layer in network.layers(measurement, order=order, residual="mac")}
    for each in operations(network.shape, SUBNET, order):
        if each.input_kind == "integer":
            assert once[each.name].multiplies * IMAGES == pytest.approx(passes[each.name], rel=1e-12)
            assert once[each.name].accumulates == 0


def test_borders_are_all_that_differs_for_a_convolution(network: Network) -> None:
    """Without a border, as in a linear layer, the rate's SOPs are the exact events; with one, they are more."""
    measurement = network.measure(EventDriven(network.supernet, 1))
    exact, ignored = network.layers(measurement), network.layers(measurement, "sound")
    for one, other in zip(exact, ignored, strict=True):
        if one.kind == "linear":
            assert one.sops == pytest.approx(other.sops, rel=1e-12)
        elif one.kind == "convolution":
            assert one.accumulates + one.multiplies < other.accumulates + other.multiplies


@pytest.mark.parametrize("engine", ENGINES)
def test_no_order_of_images_no_batch_and_no_thread_changes_a_count(network: Network, engine: str) -> None:
    expected = network.measure(EventDriven(network.supernet, 1))
    shuffled = network.frames[:, torch.randperm(IMAGES, generator=torch.Generator().manual_seed(1))]
    for frames, batch in ((network.frames, 1), (network.frames, 5), (shuffled, IMAGES), (shuffled, 7)):
        assert network.measure(ENGINES[engine](network.supernet), frames, batch) == expected
    assert network.measure(EventDriven(network.supernet, 2), shuffled, 5) == expected
    assert network.layers(network.measure(EventDriven(network.supernet, 2))) == network.layers(expected)


def test_processes_that_share_the_images_count_the_same(network: Network, own_folder: Path, patience: float) -> None:
    expected = network.measure(EventDriven(network.supernet, 1))
    stored = {
        "config": network.supernet.config,
        "weights": network.supernet.state_dict(),
        "subnet": SUBNET,
        "statistics": network.statistics,
        "frames": network.frames,
    }
    torch.save(stored, own_folder / "network.pt")
    script = str(Path(__file__).with_name("counting_run.py"))
    shares = [("0", "5"), ("5", str(IMAGES))]
    running = [subprocess.Popen([sys.executable, script, "network.pt", *share, f"{share[0]}.json"]) for share in shares]
    assert [process.wait(patience) for process in running] == [0, 0]
    parts = [json.loads((own_folder / f"{first}.json").read_text(encoding="utf-8")) for first, _ in shares]
    inputs = tuple(
        InputCount(one["layer"], added(one, other, "sums"), added(one, other, "nonzeros"), one["size"] + other["size"],
                   one["macs"])
        for one, other in zip(*(part["inputs"] for part in parts), strict=True)
    )  # fmt: skip
    synapses = tuple(
        SynapseCount(one["operation"], added(one, other, "events"), added(one, other, "passes"))
        for one, other in zip(*(part["synapses"] for part in parts), strict=True)
    )
    assert (inputs, synapses) == (expected.inputs, expected.synapses)
    together = replace(expected, inputs=inputs, synapses=synapses)
    for convention in shipped_names("conventions"):
        assert network.layers(together, convention) == network.layers(expected, convention)


def added(one: dict[str, Any], other: dict[str, Any], key: str) -> tuple[int, ...]:
    return tuple(a + b for a, b in zip(one[key], other[key], strict=True))

"""Which engine runs a network, what the other would say, and what an engine leaves alone."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from autospikformer_cli.engine.choice import make_engine
from autospikformer_cli.engine.event_driven import EventDriven
from autospikformer_cli.engine.tally import Untallied
from autospikformer_cli.errors import UserError
from autospikformer_cli.space import SearchSpace
from autospikformer_cli.spiking.layout import NetworkShape
from autospikformer_cli.spiking.neuron import Neuron, lif
from autospikformer_cli.spiking.neuron_kinds import NeuronKind, ParametricLIFKind
from autospikformer_cli.spiking.normalisation import RunningStatistics
from autospikformer_cli.spiking.supernet import NetworkConfig, Supernet

pytestmark = pytest.mark.usefixtures("one_thread")


class Graded(NeuronKind):
    """A plugin's neuron for which there is no compiled loop."""

    def forward(self, current_TMC: Tensor, time_step: int, neuron: Neuron) -> Tensor:
        return (current_TMC > neuron.threshold).to(current_TMC.dtype).expand(time_step, -1, -1)


class Slow(NeuronKind):
    """A plugin's neuron that is LIF of twice the time constant."""

    def forward(self, current_TMC: Tensor, time_step: int, neuron: Neuron) -> Tensor:
        return lif(current_TMC, time_step=time_step, dynamics=self.dynamics, **self.as_lif(neuron)._asdict())

    def as_lif(self, neuron: Neuron) -> Neuron:
        return Neuron(2 * neuron.tau, neuron.threshold)


def network(space: SearchSpace, shape: NetworkShape | None = None, **keys: Any) -> Supernet:
    return Supernet(NetworkConfig(shape or NetworkShape(7, 3, 5, 28, (3,)), space, **keys))


def test_a_spiking_network_on_a_cpu_is_run_event_by_event(space: SearchSpace) -> None:
    for supernet in (network(space), network(space, neuron=ParametricLIFKind), network(space, neuron=Slow)):
        assert make_engine(supernet, 2).name == "event_driven"
        assert make_engine(supernet, 2, "event_driven").name == "event_driven"
        assert make_engine(supernet, 2, "dense").name == "dense"
        assert make_engine(supernet, 2).supernet is supernet


@pytest.mark.parametrize(
    ("keys", "obstacle"),
    [
        ({"shape": NetworkShape(7, 3, 5, 28, (3,), network="transformer")}, "an ANN, which has no events"),
        ({"neuron": Graded}, "the neuron Graded, which has no form for compiled loops"),
    ],
    ids=["ANN", "plugin"],
)
def test_what_cannot_be_run_event_by_event(space: SearchSpace, keys: dict[str, Any], obstacle: str) -> None:
    supernet = network(space, **keys)
    assert make_engine(supernet, 1).name == make_engine(supernet, 1, "dense").name == "dense"
    with pytest.raises(UserError) as caught:
        make_engine(supernet, 1, "event_driven")
    assert caught.value.what == f"the event-driven engine cannot run {obstacle}"
    assert (caught.value.where, caught.value.fix) == ("--engine", "leave it out, or choose dense")


def refused(supernet: Supernet) -> str:
    """What is said of a network on another device, which the dense engine takes."""
    assert make_engine(supernet, 1).name == "dense"
    with pytest.raises(UserError) as caught:
        make_engine(supernet, 1, "event_driven")
    return caught.value.what


def test_other_devices_are_for_the_dense_engine(space: SearchSpace) -> None:
    expected = "the event-driven engine cannot run on the device meta, only on the CPU"
    assert refused(network(space).to("meta")) == expected


@pytest.mark.gpu
def test_so_is_a_gpu(space: SearchSpace) -> None:
    assert refused(network(space).cuda()) == "the event-driven engine cannot run on the device cuda, only on the CPU"


def test_a_plugins_neuron_with_a_form_is_run(make_lively: Any, space: SearchSpace, assert_same_spikes: Any) -> None:
    lively = make_lively(space.largest(), seed=6, keys={"neuron": Slow})
    expected, watched = lively.reference()
    found, seen = lively.run(EventDriven(lively.supernet, 1))
    assert float((found - expected).abs().max()) < 1e-9
    assert_same_spikes(seen, watched)
    quick = replace(lively, supernet=network(space, replace(lively.config.shape)).double())
    quick.supernet.config = replace(lively.config, neuron=quick.config.neuron)
    quick.supernet.load_state_dict(lively.supernet.state_dict())
    assert not torch.equal(quick.run(EventDriven(quick.supernet, 1))[0], found)


def test_one_engine_runs_subnets_in_any_order_and_only_reads(make_lively: Any, space: SearchSpace) -> None:
    """To the bit what a new engine gives; the weights stay as they are."""
    lively = make_lively(space.largest(), seed=7).as_float32()
    before = {name: tensor.clone() for name, tensor in lively.supernet.state_dict().items()}
    subnets = [space.largest(), space.smallest(), replace(space.largest(), embed_dim=20, num_heads=(1, 4))]
    engine = EventDriven(lively.supernet, 2)
    with torch.no_grad():
        for subnet in [*subnets, *subnets]:
            arguments = (lively.frames, subnet, RunningStatistics(), Untallied())
            assert torch.equal(engine.logits(*arguments), EventDriven(lively.supernet, 1).logits(*arguments))
    assert all(torch.equal(tensor, before[name]) for name, tensor in lively.supernet.state_dict().items())
    assert all(parameter.grad is None for parameter in lively.supernet.parameters())


def test_more_blocks_than_a_byte_can_add_up_are_for_the_dense_engine(space: SearchSpace) -> None:
    deep = network(replace(space, depth=(1, 127)))
    assert make_engine(deep, 1).name == "dense"
    with pytest.raises(UserError, match="more than 126 blocks, whose residual sums do not fit a byte"):
        make_engine(deep, 1, "event_driven")


def test_an_input_with_too_many_channels_is_refused(space: SearchSpace) -> None:
    images = torch.zeros(1, 1, 7, 7, 4)
    with torch.no_grad(), pytest.raises(ValueError, match="reads at most 3 channels, not 4"):
        make_engine(network(space), 1).logits(images, space.largest(), RunningStatistics(), Untallied())

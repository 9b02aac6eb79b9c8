"""Kinds of neuron: chosen by name, learned with the network, added by a stranger's distribution."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from autospikformer_cli.errors import UserError
from autospikformer_cli.exchange.formats import format_of
from autospikformer_cli.registry import Registry
from autospikformer_cli.runs.building import neuron_kind
from autospikformer_cli.space import SearchSpace
from autospikformer_cli.spiking.extraction import ExtractedSubnet
from autospikformer_cli.spiking.layout import num_params
from autospikformer_cli.spiking.neuron import Dynamics, Neuron
from autospikformer_cli.spiking.neuron_kinds import LIFKind, NeuronKind, ParametricLIFKind
from autospikformer_cli.spiking.normalisation import BatchStatistics, RunningStatistics

STRANGER = """\
import torch
from autospikformer_cli.spiking.neuron_kinds import NeuronKind

class Integrator(NeuronKind):
    '''Fires where the sum of all currents so far exceeds the threshold.'''
    def forward(self, current_TMC, time_step, neuron):
        current = current_TMC.expand(time_step, -1, -1)
        excess = current.cumsum(0) - neuron.threshold
        return (excess > 0).to(current.dtype) + (excess - excess.detach())

not_a_neuron = 3
"""


@pytest.fixture
def stranger(own_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An installed distribution that adds two neurons, one of which is none."""
    (own_folder / "strange_neurons.py").write_text(STRANGER)
    metadata = own_folder / "strange_neurons-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: strange-neurons\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(
        "[aspk.neurons]\nintegrator = strange_neurons:Integrator\nbroken = strange_neurons:not_a_neuron\n"
    )
    monkeypatch.syspath_prepend(str(own_folder))
    monkeypatch.setattr("autospikformer_cli.runs.building.NEURONS", Registry("neurons"))
    monkeypatch.delitem(sys.modules, "strange_neurons", raising=False)


def test_ours_are_found_by_name() -> None:
    assert neuron_kind("lif") is LIFKind
    assert neuron_kind("plif") is ParametricLIFKind


def test_a_plugins_neuron_runs_in_the_network(
    stranger: None, make_lively: Any, images: Tensor, space: SearchSpace
) -> None:
    kind = neuron_kind("integrator")
    supernet = make_lively(neuron=kind)
    spikes = kind(Dynamics())(torch.tensor([[[0.4, 0.6]]]), 3, Neuron(2.0, 1.0))
    assert spikes.tolist() == [[[0, 0]], [[0, 1]], [[1, 1]]]
    functional.cross_entropy(supernet(images[None], space.largest()), torch.zeros(6, dtype=torch.long)).backward()
    assert float(supernet.patch_embed.get_submodule("proj_conv").weight.grad.abs().max()) > 0
    with torch.no_grad():
        assert supernet(images[None], space.largest(), BatchStatistics()).isfinite().all()


def test_a_plugin_that_gives_no_neuron_is_named(stranger: None) -> None:
    with pytest.raises(UserError) as caught:
        neuron_kind("broken")
    assert "broken is no subclass of" in caught.value.what
    assert caught.value.where == "model.neuron"


def test_taus_are_learned_and_evaluated_alike(make_lively: Any, images: Tensor, space: SearchSpace) -> None:
    """PLIF's own parameter gets a gradient, and the compiled loops use the tau it stands for."""
    supernet = make_lively(neuron=ParametricLIFKind)
    subnet = space.largest()
    learned = {name: p for name, p in supernet.named_parameters() if "_lif" in name}
    with torch.no_grad():
        for parameter in learned.values():
            parameter.zero_()
    functional.cross_entropy(supernet(images[None], subnet), torch.zeros(6, dtype=torch.long)).backward()
    assert len(learned) == 5 + 7 * 2
    assert "block.1.attn.attn_lif.w" in learned
    shape = replace(supernet.config.shape, neuron_params=1)
    assert num_params(shape, subnet) == sum(parameter.numel() for parameter in supernet.parameters())
    assert all(float(parameter.grad.abs()) > 0 for parameter in learned.values())

    def logits() -> Tensor:
        with torch.no_grad():
            return supernet(images[None], subnet, BatchStatistics())

    plain = make_lively()
    plain.load_state_dict({k: v for k, v in supernet.state_dict().items() if k not in learned})
    with torch.no_grad():
        assert torch.equal(logits(), plain(images[None], subnet, BatchStatistics()))
        for parameter in learned.values():
            parameter.fill_(0.7)
    assert not torch.equal(logits(), plain(images[None], subnet, BatchStatistics()))


def test_a_node_without_loops_and_one_with_them_spike_alike() -> None:
    current = 2 * torch.randn(5, 40, 3, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    node = ParametricLIFKind(Dynamics())
    with torch.no_grad():
        node.w.fill_(-0.4)
    neuron = Neuron(1.75, 0.8)
    same: NeuronKind = LIFKind(Dynamics())
    assert torch.equal(node(current, 5, neuron), same(current, 5, node.as_lif(neuron)))


def test_a_neuron_that_torch_cannot_trace_is_named(
    make_lively: Any, space: SearchSpace, tmp_path: Path, own_folder: Path
) -> None:
    class Untraceable(LIFKind):
        def forward(self, current_TMC: Tensor, time_step: int, neuron: Neuron) -> Tensor:
            return super().forward(current_TMC, time_step + (current_TMC.sum().item() > 1e9), neuron)

    supernet = make_lively(neuron=Untraceable)
    extracted = ExtractedSubnet(supernet, space.smallest(), RunningStatistics(), mean=(0.0,) * 2, std=(1.0,) * 2)
    with pytest.raises(UserError, match="cannot trace the plugin's neuron"):
        format_of(Path("x.pt2")).write(extracted, torch.zeros(2, 2, 8, 8, dtype=torch.float64), tmp_path / "x.pt2", {})

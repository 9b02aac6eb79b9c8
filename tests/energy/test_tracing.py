"""Traced modules: our own network, what cannot be attributed, and what a user may get wrong."""

from __future__ import annotations

import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from autospikformer_cli.energy.tracing.loading import load_module
from autospikformer_cli.energy.tracing.tracer import trace
from autospikformer_cli.engine.event_driven import EventDriven
from autospikformer_cli.errors import UserError
from autospikformer_cli.evaluation.counting import Counter
from autospikformer_cli.space import SearchSpace, Subnet
from autospikformer_cli.spiking.layout import NetworkShape, operations
from autospikformer_cli.spiking.normalisation import RunningStatistics
from autospikformer_cli.spiking.supernet import NetworkConfig, Supernet

pytestmark = pytest.mark.usefixtures("one_thread")

SUBNET = Subnet((Decimal(2),), (2,), (Decimal("0.5"),), (Decimal(2),), 3, 8)
SPACE = SearchSpace(
    depth=(1,),
    mlp_ratio=(Decimal(2),),
    num_heads=(2,),
    threshold=(Decimal("0.5"),),
    tau=(Decimal(2),),
    time_step=(3,),
    embed_dim=(8, 16),
)


class OwnSubnet(nn.Module):
    """A subnet of a supernet twice as wide, on channels-last frames (1, N, H, W, C)."""

    def __init__(self) -> None:
        super().__init__()
        shape = NetworkShape(image_size=8, in_channels=2, num_classes=3, widest_dim=16)
        self.supernet = Supernet(NetworkConfig(shape, SPACE, stem_threshold=0.1, attention_threshold=0.1), seed=1)
        for module in self.supernet.modules():
            if hasattr(module, "running_var") and isinstance(module.running_var, Tensor):
                module.running_var.fill_(0.05)

    def forward(self, x: Tensor) -> Any:
        return self.supernet(x, SUBNET, RunningStatistics())


def test_our_own_subnet_agrees_with_its_layout_and_with_the_engine() -> None:
    network = OwnSubnet().eval().requires_grad_(False)
    frames = torch.rand(1, 5, 8, 8, 2, generator=torch.Generator().manual_seed(0)) * 4
    traced = trace(network, frames, "SNHWC", SUBNET.time_step)
    expected = operations(network.supernet.config.shape, SUBNET, "qk_v")
    assert [(each.macs, each.reached_macs, each.inputs, each.outputs) for each in traced.operations] == [
        (each.macs, each.reached_macs, each.inputs, each.outputs) for each in expected
    ]
    tally = Counter()
    EventDriven(network.supernet, 1).logits(frames, SUBNET, RunningStatistics(), tally)
    executed = tally.executed(SUBNET.time_step)
    counted = {each.operation: (sum(each.events) / 5, sum(each.passes) / 5) for each in executed}
    rates = {each.layer: each.rate for each in tally.inputs(expected, SUBNET.time_step)}
    compared = 0
    for ours, theirs in zip(traced.operations, expected, strict=True):
        if theirs.input_kind != "real":
            assert traced.counts.work[ours.name].events == counted[theirs.name][0], theirs.name
            if theirs.kind != "attention":
                assert traced.counts.work[ours.name] == counted[theirs.name]
                assert traced.counts.rates[ours.name].mean == pytest.approx(rates[theirs.name], rel=1e-12)
            compared += counted[theirs.name][0] > 0
    assert compared >= 8
    assert traced.operations[0].runs == traced.operations[-1].runs == "image"
    assert traced.unattributed == ()


@torch.library.custom_op("aspk_tests::twice", mutates_args=())
def twice(x: Tensor) -> Tensor:
    return x * 2


class Mixed(nn.Module):
    """What can and cannot be counted."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(4, 4)
        self.pairs = nn.Bilinear(4, 4, 4)
        self.norm = nn.BatchNorm1d(4)
        self.register_buffer("fixed", torch.eye(4))

    def forward(self, x: Tensor) -> Tensor:
        y = functional.relu(self.norm(self.linear(x)))
        y = self.pairs(twice(y), y) + y @ self.fixed
        return torch.cdist(y, y)


def test_nothing_is_dropped() -> None:
    traced = trace(Mixed(), torch.ones(2, 4), "NF", None)
    assert [(each.name, each.kind, each.macs) for each in traced.operations] == [
        ("linear", "linear", 16),
        ("Mixed.mm", "linear", 16),
    ]
    assert traced.operations[0].norm == "norm"
    assert traced.operations[0].params == 16 + 4 + 8
    assert [(each.operator, each.module, each.calls, each.elements) for each in traced.unattributed][:2] == [
        ("aspk_tests.twice", "Mixed", 1, 8),
        ("aten._trilinear", "pairs", 1, 8),
    ]
    assert any("cdist" in each.operator for each in traced.unattributed)
    free = {(each.operator, each.module): each.elements for each in traced.not_counted}
    assert free["aten.relu", "Mixed"] == 8
    assert any(module == "norm" for _, module in free)


def test_fused_attention_is_counted_by_its_products() -> None:
    class Fused(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return functional.scaled_dot_product_attention(x, x, x)

    traced = trace(Fused(), torch.rand(2, 2, 5, 3), "NHMK", None)
    assert [operation.macs for operation in traced.operations] == [2 * 5 * 5 * 3] * 2
    assert traced.unattributed == ()
    multihead = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
    traced = trace(multihead, torch.rand(2, 5, 8), "NMK", None)
    assert sum(each.macs for each in traced.operations) == 5 * (4 * 8 * 8 + 2 * 8 * 16) + 2 * 5 * 5 * 8
    assert traced.unattributed == ()


def test_the_module_itself_is_left_alone() -> None:
    class Counting(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.runs = 0
            self.register_buffer("state", torch.zeros(2, 3))

        def forward(self, x: Tensor) -> Tensor:
            self.runs += 1
            self.state += x
            return self.state @ x.mT

    module = Counting()
    traced = trace(module, torch.ones(2, 3), "NF", None)
    assert module.training
    assert (module.runs, module.state.sum()) == (0, 0)
    assert [each.kind for each in traced.operations] == ["attention"]  # the state holds the input: it is no weight


FILE = """
from torch import nn
network = nn.Linear(2, 3)
def make_network(): return nn.Sequential(network)
def broken(): raise ValueError("no weights\\nsecond line")
def number(): return 3
constant = 4
"""


@pytest.fixture
def networks(own_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file my_nets.py in the working folder, and one that cannot be imported."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    (own_folder / "my_nets.py").write_text(FILE, encoding="utf-8")
    (own_folder / "lame_nets.py").write_text("import torch\n1 / 0\n", encoding="utf-8")
    (own_folder / "poor_nets.py").write_text("import no_such_library\n", encoding="utf-8")
    for name in ("my_nets", "lame_nets", "poor_nets"):
        monkeypatch.delitem(sys.modules, name, raising=False)


@pytest.mark.usefixtures("networks")
def test_load_module() -> None:
    assert isinstance(load_module("my_nets:make_network"), nn.Sequential)
    assert isinstance(load_module("my_nets:network"), nn.Linear)


TAKES = "a factory takes no arguments, and returns a torch.nn.Module"
LOOKED = "modules are looked for in the working folder, then among what is installed"
FAULTS = {
    "my_nets": (
        "'my_nets' has not the form package.module:factory",
        "for example my_networks:make_network, of my_networks.py in the working folder",
    ),
    "no_such_nets:make": (
        "no_such_nets cannot be imported: ModuleNotFoundError: No module named 'no_such_nets'",
        LOOKED,
    ),
    "lame_nets:make": (
        "lame_nets cannot be imported: ZeroDivisionError: division by zero",
        'python -c "import lame_nets" shows where',
    ),
    "poor_nets:make": (
        "poor_nets cannot be imported: ModuleNotFoundError: No module named 'no_such_library'",
        'python -c "import poor_nets" shows where',
    ),
    "my_nets:make_netwrk": ("my_nets has no make_netwrk", "did you mean make_network?"),
    "my_nets:zzz": ("my_nets has no zzz", "it has broken, make_network, network, number"),
    "my_nets:broken": ("my_nets:broken raises ValueError: no weights", TAKES),
    "my_nets:number": ("my_nets:number returns a value of type int, no module", TAKES),
    "my_nets:constant": ("my_nets:constant is of type int, and no factory", TAKES),
}


@pytest.mark.usefixtures("networks")
@pytest.mark.parametrize("name", FAULTS)
def test_what_cannot_be_loaded(name: str) -> None:
    with pytest.raises(UserError) as raised:
        load_module(name)
    assert (raised.value.what, raised.value.fix, raised.value.where) == (*FAULTS[name], "aspk energy module")


@pytest.mark.parametrize(
    ("layout", "steps", "what"),
    [
        ("CHW", None, "'CHW' is no layout"),
        ("NNCH", None, "'NNCH' is no layout"),
        ("NCH", None, "NCH has 3 axes, the input 4"),
        ("TNCH", 3, "3 time steps, but the input has 2"),
        ("NCHW", None, "Conv2d raises RuntimeError: Given groups=1, weight of size [1, 3, 3, 3]"),
    ],
)
def test_inputs_that_do_not_fit(layout: str, steps: int | None, what: str) -> None:
    with pytest.raises(UserError) as raised:
        trace(nn.Conv2d(3, 1, 3), torch.ones(2, 2, 4, 4), layout, steps)
    assert raised.value.what.startswith(what)


class Attention(nn.Module):
    """(q k^T) v of fixed spikes q and k; the product is 0 and 1 alone where it is quiet."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.channels = channels

    def forward(self, v: Tensor) -> Tensor:
        q = torch.zeros_like(v)
        q[:, :, : self.channels] = 1
        return (q @ q.mT) @ v


def test_the_input_of_an_attention_product_is_a_spike_train_however_quiet() -> None:
    v = (torch.rand(2, 4, 4, generator=torch.Generator().manual_seed(0)) > 0.5).float()
    for channels in (1, 2):
        second = trace(Attention(channels), v, "NLF", None).operations[1]
        rates = trace(Attention(channels), v, "NLF", None).counts.rates
        assert (second.input_kind, second.stored) == ("binary", "sums")
        assert rates[second.name].mean == float(v.mean())

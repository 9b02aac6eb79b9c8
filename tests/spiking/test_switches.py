"""Every gene and switch acts, on the static model and on the DVS model; where one must not act, not a bit changes.

A network keeps its weights while a switch changes. test_genes.py says where in the network each of them acts.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor

from autospikformer_cli.space import SearchSpace, Subnet, parse_subnet
from autospikformer_cli.spiking.layout import NetworkShape
from autospikformer_cli.spiking.neuron import Dynamics
from autospikformer_cli.spiking.normalisation import RunningStatistics
from autospikformer_cli.spiking.supernet import NetworkConfig, Supernet

pytestmark = pytest.mark.usefixtures("one_thread")

BASE = parse_subnet("(2, 2, 3, 2, 4, 0.8, 1, 2, 1.25, 3, 16)")
SHAPES = {
    "static": NetworkShape(8, 2, 5, 16, (3,)),
    "dvs": NetworkShape(34, 2, 5, 16, (1, 2, 3, 4), qkv_bias=False, reads_events=True),
}
LEAST = 1e-3
"""Change of a logit, of a size of about 1, that is no rounding."""


class Form(NamedTuple):
    """A network and what it reads (F, B, H, W, C)."""

    supernet: Supernet
    frames: Tensor


@pytest.fixture(scope="module", params=SHAPES)
def form(request: pytest.FixtureRequest, make_lively: Callable[..., Supernet], images: Tensor) -> Form:
    """The static model on images, the DVS model on six frames of counts."""
    supernet = make_lively(shape=SHAPES[request.param])
    if request.param == "static":
        return Form(supernet, images[None])
    counts = torch.randint(0, 3, (6, 4, 34, 34, 2), generator=torch.Generator().manual_seed(1))
    return Form(supernet, counts.double())


def logits_of(form: Form, subnet: Subnet, **switches: Any) -> Tensor:
    """The network's answer with other switches, its weights the same."""
    config: NetworkConfig = replace(form.supernet.config, **switches)
    supernet = Supernet(config).double()
    supernet.load_state_dict(form.supernet.state_dict())
    with torch.no_grad():
        return supernet(form.frames, subnet, RunningStatistics())


def test_the_networks_are_alive(form: Form, watcher: Any) -> None:
    """What the other tests rest on."""
    with torch.no_grad():
        run = watcher.on(form.supernet.in_torch(BASE, RunningStatistics()))
        form.supernet.run(form.frames, BASE, run)
    assert len(watcher.rates()) == 5 + 7 * 2
    assert min(watcher.rates().values()) > 0.02
    assert max(watcher.rates().values()) < 0.7


@pytest.mark.parametrize(
    "genes",
    [
        {"mlp_ratio": (Decimal("1.3"), Decimal(3))},
        {"num_heads": (4, 4)},
        {"num_heads": (2, 2)},
        {"threshold": (Decimal("0.6"), Decimal(1))},
        {"threshold": (Decimal("0.8"), Decimal("0.8"))},
        {"tau": (Decimal("1.5"), Decimal("1.25"))},
        {"tau": (Decimal(2), Decimal(2))},
        {"time_step": 2},
        {"time_step": 4},
        {"embed_dim": 12},
        {name: getattr(BASE, name)[:1] for name in ("mlp_ratio", "num_heads", "threshold", "tau")},
    ],
    ids=lambda genes: "depth" if len(genes) > 1 else str(genes),
)
def test_every_gene_acts(form: Form, space: SearchSpace, genes: dict[str, Any]) -> None:
    changed = space.require(replace(BASE, **genes))
    assert float((logits_of(form, changed) - logits_of(form, BASE)).abs().max()) > LEAST


@pytest.mark.parametrize(
    "switches",
    [
        {"threshold_scope": "fc1"},
        {"stem_threshold": 0.9},
        {"attention_threshold": 0.75},
        {"attention_scale": 0.25},
        {"dynamics": Dynamics(fires_at="exceed")},
        {"dynamics": Dynamics(decay_input=False)},
        {"dynamics": Dynamics(reset="soft")},
    ],
    ids=str,
)
def test_every_switch_acts(form: Form, switches: dict[str, Any]) -> None:
    assert float((logits_of(form, BASE, **switches) - logits_of(form, BASE)).abs().max()) > LEAST


@pytest.mark.parametrize("switches", [{"surrogate": "arctan"}, {"detach_reset": False}], ids=str)
def test_what_concerns_gradients_alone_does_not_act(form: Form, switches: dict[str, Any]) -> None:
    assert torch.equal(logits_of(form, BASE, dynamics=Dynamics(**switches)), logits_of(form, BASE))


def test_the_authors_heads_do_nothing(form: Form) -> None:
    """Not searched, the largest choice computes, whatever the gene says; searched, the genes differ."""
    authors = replace(form.supernet.config.shape, fixed_heads=4)
    genes = [(2, 2), (2, 4), (4, 2), (4, 4)]
    fixed = [logits_of(form, replace(BASE, num_heads=heads), shape=authors) for heads in genes]
    searched = [logits_of(form, replace(BASE, num_heads=heads)) for heads in genes]
    assert all(torch.equal(logits, searched[-1]) for logits in fixed)
    assert all(not torch.equal(logits, searched[-1]) for logits in searched[:-1])

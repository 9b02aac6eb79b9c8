"""Float64: the event-driven engine gives the dense pass's spikes, all of them, and its logits to 1e-9."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from itertools import product
from typing import Any

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from autospikformer_cli.engine.dense import Dense
from autospikformer_cli.engine.event_driven import EventDriven
from autospikformer_cli.space import SearchSpace, Subnet
from autospikformer_cli.spiking.neuron import Dynamics
from autospikformer_cli.spiking.neuron_kinds import LIFKind, ParametricLIFKind

pytestmark = pytest.mark.usefixtures("one_thread")

TOLERANCE = 1e-9
KINDS = ("running", "recalibrate", "batch")
POOLED = ((3,), (3, 4), (1, 2, 3, 4), (2, 4), ())
FORMS = [Dynamics(*form) for form in product((True, False), ("reach", "exceed"), ("hard", "soft"))]
ONE = Decimal(1)
DEEP = Subnet((Decimal("1.75"), Decimal("1.3")), (2, 4), (ONE, Decimal("0.6")), (Decimal(2), Decimal("1.5")), 4, 28)
NARROW = Subnet((Decimal("1.3"),), (1,), (Decimal("1.4"),), (Decimal(3),), 3, 12)


@pytest.fixture(scope="module")
def check(listed: Any, assert_lively: Any, assert_same_spikes: Any) -> Any:
    """check(lively): both engines agree in logits, in every spike and in every count.

    require: what the firing rates of all layers must be.
    """

    def compare(lively: Any, require: Any = assert_lively) -> None:
        expected, watched = lively.reference()
        require(watched.rates())
        events, dense = listed(), listed()
        found, seen = lively.run(EventDriven(lively.supernet, 1), events)
        assert float((found - expected).abs().max()) < TOLERANCE
        assert float(expected.std(0).min()) > 1e-3
        assert_same_spikes(seen, watched)
        with torch.no_grad():
            other = Dense(lively.supernet).logits(lively.frames, lively.subnet, lively.statistics(), dense)
        assert torch.equal(other, expected)
        assert events == dense

    return compare


# Every form of the neuron, every kind of statistics


@pytest.mark.parametrize("frames", [1, 5], ids=["image", "events"])
@pytest.mark.parametrize("dynamics", FORMS, ids=lambda form: f"{form.decay_input}-{form.fires_at}-{form.reset}")
def test_every_form_of_the_neuron(make_lively: Any, check: Any, dynamics: Dynamics, frames: int) -> None:
    kind = KINDS[(FORMS.index(dynamics) + frames) % 3]
    check(make_lively(DEEP, kind=kind, frames=frames, seed=FORMS.index(dynamics), keys={"dynamics": dynamics}))


@pytest.mark.parametrize(
    "choices",
    [
        pytest.param({"keys": {"threshold_scope": "fc1"}}, id="threshold of fc1 alone"),
        pytest.param({"fixed_heads": 1}, id="heads fixed"),
        pytest.param({"qkv_bias": False}, id="no biases"),
        pytest.param({"stem_dim": 44}, id="a stem wider than the space"),
        pytest.param({"keys": {"stem_threshold": 0.5, "attention_threshold": 0.75}}, id="other thresholds"),
        pytest.param({"keys": {"attention_scale": 0.3}}, id="a scale that is no power of two"),
        pytest.param({"image_size": 5, "pooled_stages": (1, 2, 3), "images": 16}, id="one position"),
        pytest.param({"image_size": 9, "pooled_stages": (1, 3)}, id="odd sides"),
        pytest.param({"image_size": 9, "pooled_stages": ()}, id="81 tokens, more than bits of a word"),
        pytest.param(
            {"image_size": 33, "pooled_stages": (1, 2, 3, 4), "frames": 6, "qkv_bias": False}, id="the DVS model"
        ),
        pytest.param({"pool": "before", "image_size": 17, "pooled_stages": (1, 2, 4)}, id="pools before neurons"),
        pytest.param(
            {"pool": "before", "image_size": 6, "pooled_stages": (2, 3), "frames": 3}, id="the same of events"
        ),
    ],
)
@pytest.mark.parametrize("kind", KINDS)
def test_every_shape(make_lively: Any, check: Any, kind: str, choices: dict[str, Any]) -> None:
    check(make_lively(DEEP, kind=kind, seed=3, **choices))


@pytest.mark.parametrize("kind", KINDS)
def test_learned_time_constants_are_each_layers_own(make_lively: Any, check: Any, kind: str) -> None:
    lively = make_lively(DEEP, kind=kind, seed=5, keys={"neuron": ParametricLIFKind})
    learned = [float(node.w.detach()) for node in lively.supernet.modules() if isinstance(node, ParametricLIFKind)]
    assert len(set(learned)) == 5 + 7 * 2
    assert min(map(abs, learned)) > 1e-3
    check(lively)


def test_wide_layers_are_summed_in_tiles(make_lively: Any, check: Any) -> None:
    """200 columns are several tiles, the last of them not full; 130 channels a head are several words of bits."""
    space = SearchSpace((1,), (Decimal("1.55"), Decimal(2)), (1,), (ONE,), (Decimal(2),), (2,), (130, 160))
    subnet = replace(space.smallest(), embed_dim=130)
    assert subnet.hidden_dim(0) == 201
    check(make_lively(subnet, kind="recalibrate", space=space, images=3, image_size=5))


# Random subnets of random networks


@settings(max_examples=40)
@given(data=st.data())
def test_random_subnets(make_lively: Any, check: Any, is_lively: Any, space: SearchSpace, data: st.DataObject) -> None:
    """Of networks in which every layer fires; the few others are not drawn."""
    depth = data.draw(st.sampled_from(space.depth))
    genes = {
        gene: tuple(data.draw(st.sampled_from(getattr(space, gene))) for _ in range(depth))
        for gene in ("mlp_ratio", "num_heads", "threshold", "tau")
    }
    frames, size = data.draw(st.sampled_from((1, 4, 7))), data.draw(st.sampled_from((5, 6, 7, 9)))
    subnet = Subnet(
        **genes,
        time_step=data.draw(st.sampled_from(space.time_step)),
        embed_dim=data.draw(st.sampled_from(space.embed_dim)),
    )
    lively = make_lively(
        subnet,
        kind=data.draw(st.sampled_from(KINDS)),
        image_size=size,
        images=32 if size == 5 else 8,
        frames=frames,
        seed=data.draw(st.integers(0, 2**31)),
        pooled_stages=data.draw(st.sampled_from(POOLED)),
        pool=data.draw(st.sampled_from(("after", "before"))),
        qkv_bias=data.draw(st.booleans()),
        keys={
            "dynamics": data.draw(st.sampled_from(FORMS)),
            "neuron": data.draw(st.sampled_from((LIFKind, ParametricLIFKind))),
            "threshold_scope": data.draw(st.sampled_from(("block", "fc1"))),
        },
    )
    check(lively, require=lambda rates: assume(is_lively(rates)))


# The network once more, in plain NumPy


@pytest.mark.parametrize(
    ("subnet", "frames", "choices", "dynamics"),
    [
        (DEEP, 1, {}, Dynamics()),
        (NARROW, 1, {"pooled_stages": (3, 4), "image_size": 9}, Dynamics(False, "exceed", "soft")),
        (DEEP, 6, {"pooled_stages": (1, 2, 3, 4), "image_size": 33, "qkv_bias": False}, Dynamics()),
        (NARROW, 5, {"pooled_stages": (1, 3), "fixed_heads": 4}, Dynamics(True, "exceed", "soft")),
        (DEEP, 1, {"pooled_stages": (1, 3), "pool": "before", "image_size": 9}, Dynamics()),
    ],
    ids=["image", "image, other neurons", "DVS", "events, other neurons", "pools before neurons"],
)
def test_the_numpy_reference(
    make_lively: Any,
    numpy_spikformer: Any,
    assert_lively: Any,
    subnet: Subnet,
    frames: int,
    choices: Any,
    dynamics: Any,
) -> None:
    lively = make_lively(subnet, frames=frames, seed=8, **choices, keys={"dynamics": dynamics})
    shape = lively.config.shape
    genes = numpy_spikformer.Genes(
        tuple(map(str, subnet.mlp_ratio)), subnet.num_heads, tuple(map(float, subnet.threshold)),
        tuple(map(float, subnet.tau)), subnet.time_step, subnet.embed_dim,
    )  # fmt: skip
    switches = numpy_spikformer.Switches(
        dynamics.decay_input, dynamics.fires_at, dynamics.reset, fixed_heads=shape.fixed_heads,
        attention_scale=lively.config.attention_scale, pooled_stages=shape.pooled_stages,
        pool=shape.pool,
    )  # fmt: skip
    weights = {name: tensor.numpy() for name, tensor in lively.supernet.state_dict().items()}
    network = numpy_spikformer.NumpySpikformer(weights, genes, switches)
    expected = network(lively.frames.numpy())
    assert_lively(network.rates)
    found, _ = lively.run(EventDriven(lively.supernet, 1))
    assert abs(found.numpy() - expected).max() < TOLERANCE

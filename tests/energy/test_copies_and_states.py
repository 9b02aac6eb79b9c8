"""Modules that are pruned, normalised, silent, or that keep a state between calls."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrizations, prune, spectral_norm, weight_norm

from autospikformer_cli.energy.traced import StoredWeights
from autospikformer_cli.energy.tracing.tracer import trace
from autospikformer_cli.errors import UserError

pytestmark = pytest.mark.usefixtures("one_thread")

X = torch.rand(2, 6, generator=torch.Generator().manual_seed(0))


def pruned() -> nn.Module:
    return prune.l1_unstructured(nn.Linear(6, 5), "weight", amount=12)


def pruned_twice_with_bias() -> nn.Module:
    layer = prune.random_unstructured(pruned(), "weight", amount=3)
    return prune.random_unstructured(layer, "bias", amount=1)


def normalised_by_hook() -> nn.Module:
    return weight_norm(nn.Linear(6, 5))


def normalised_by_parametrization() -> nn.Module:
    return parametrizations.weight_norm(nn.Linear(6, 5))


def spectral_by_hook() -> nn.Module:
    return spectral_norm(nn.Linear(6, 5))


def spectral_by_parametrization() -> nn.Module:
    return parametrizations.spectral_norm(nn.Linear(6, 5))


CHANGED = [
    pruned,
    pruned_twice_with_bias,
    normalised_by_hook,
    normalised_by_parametrization,
    spectral_by_hook,
    spectral_by_parametrization,
]


@pytest.mark.filterwarnings("ignore:.*weight_norm.*deprecated")
@pytest.mark.parametrize("ran", [False, True], ids=["new", "has run"])
@pytest.mark.parametrize("make", CHANGED)
def test_changed_layers_count_like_plain_ones(make: Callable[[], nn.Module], ran: bool) -> None:
    layer = make()
    network = nn.Sequential(layer)
    if ran:
        network.train()(X).sum().backward()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    traced = trace(network, X, "NF", None)
    (operation,) = traced.operations
    plain = trace(nn.Sequential(nn.Linear(6, 5)), X, "NF", None)
    assert (operation.name, operation.macs, operation.params) == ("0", 30, 35)
    assert traced.operations == plain.operations
    assert (traced.unattributed, traced.second_run.verdict) == ((), "same")
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert network.training


def test_zeros_of_weights() -> None:
    """12 of 30 are pruned, then 3 of the other 18; the layer next to it has no zero."""
    network = nn.Sequential(pruned_twice_with_bias(), nn.Linear(5, 4))
    traced = trace(network, X, "NF", None)
    assert traced.weights == (StoredWeights("0", 30, 15), StoredWeights("1", 20, 0))
    network[1].weight.data[0] = 0.0  # without the help of torch.nn.utils.prune
    assert trace(network, X, "NF", None).weights[1] == StoredWeights("1", 20, 5)
    # MACs and rates are those of dense hardware.
    assert [each.macs for each in traced.operations] == [30, 20]


def test_a_shared_layer_s_weights_are_counted_once() -> None:
    class Shared(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = prune.l1_unstructured(nn.Linear(6, 6), "weight", amount=9)

        def forward(self, x: Tensor) -> Tensor:
            return nn.functional.linear(self.layer((self.layer(x) > 0).to(x.dtype)), self.layer.weight)

    traced = trace(Shared(), X, "NF", None)
    assert len(traced.operations) == 3
    assert traced.weights == (StoredWeights("layer", 36, 9),)


def test_what_cannot_be_copied_is_named() -> None:
    class Locked(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(6, 2)
            self.layer.rows = (row for row in range(3))  # type: ignore[assignment]

        def forward(self, x: Tensor) -> Any:
            return self.layer(x)

    with pytest.raises(UserError) as raised:
        trace(Locked(), X, "NF", None)
    assert raised.value.what == "Locked cannot be copied: TypeError: cannot pickle 'generator' object, of layer.rows"
    assert raised.value.fix == "make it in forward, or give its class a __deepcopy__"


def test_a_state_that_autograd_computed_is_copied() -> None:
    class Traces(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer, self.seen = nn.Linear(6, 2), []  # type: ignore[var-annotated]

        def forward(self, x: Tensor) -> Any:
            y = self.layer(x)
            self.seen.append(y)
            return y

    network = Traces()
    network(X)
    traced = trace(network, X, "NF", None)
    assert (traced.operations[0].macs, len(network.seen)) == (12, 1)
    assert traced.second_run.verdict == "same"  # what it keeps has no effect


class Keeping(nn.Module):
    """Adds its input to a potential, which it forgets at the beginning of a call or does not."""

    def __init__(self, resets: bool) -> None:
        super().__init__()
        self.resets, self.potential = resets, torch.zeros(())
        self.layer = nn.Linear(6, 3)

    def forward(self, x: Tensor) -> Any:
        if self.resets:
            self.potential = torch.zeros(())
        self.potential = self.potential + 0.7 * x
        return self.layer((self.potential > 0.6).to(x.dtype))


def test_a_state_that_is_kept() -> None:
    assert trace(Keeping(resets=True), X, "NF", None).second_run.verdict == "same"
    network = Keeping(resets=False)
    traced = trace(network, X, "NF", None)
    assert (traced.second_run.verdict, traced.second_run.changed) == ("different", ("potential",))
    assert not network.potential.any()
    # The first run is counted, and the second is known too.
    assert traced.counts.rates["layer"].mean == pytest.approx(float((0.7 * X > 0.6).float().mean()), rel=1e-6)
    second = traced.second_run.counted
    assert second is not None
    assert second.counts.rates["layer"].mean == pytest.approx(float((1.4 * X > 0.6).float().mean()), rel=1e-6)


def test_a_second_run_that_fails() -> None:
    class Once(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer, self.done = nn.Linear(6, 3), False

        def forward(self, x: Tensor) -> Any:
            if self.done:
                raise RuntimeError("call reset first")
            self.done = True
            return self.layer(x)

    found = trace(Once(), X, "NF", None).second_run
    assert (found.verdict, found.changed) == ("different", ("done",))
    assert found.error == "Once raises RuntimeError: call reset first"


def test_an_input_that_forward_overwrites_is_no_state() -> None:
    class Overwrites(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x.mul_(2.0).relu_()

    x = X.clone()
    assert trace(Overwrites(), x, "NF", None).second_run.verdict == "same"
    assert torch.equal(x, X)


class Drawing(nn.Module):
    """Codes its input as random spikes."""

    def __init__(self, draw: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.draw = draw
        self.layer = nn.Linear(6, 3)

    def forward(self, x: Tensor) -> Any:
        return self.layer((x > self.draw(x)).to(x.dtype))


SEEDED = {
    "torch": torch.rand_like,
    "dropout": lambda x: nn.functional.dropout(x, 0.5, training=True),
    "numpy": lambda x: torch.from_numpy(np.random.rand(*x.shape)),
    "python": lambda x: torch.full_like(x, random.random()),
}


@pytest.mark.parametrize("source", SEEDED)
def test_random_numbers_from_a_known_seed_are_no_state(source: str) -> None:
    """Both runs draw the same numbers. The state of the generators is put back."""
    network = Drawing(SEEDED[source])
    states = torch.get_rng_state(), random.getstate(), np.random.get_state()[1].tolist()  # type: ignore[union-attr]
    assert trace(network, X, "NF", None).second_run.verdict == "same"
    assert torch.equal(states[0], torch.get_rng_state())
    assert states[1:] == (random.getstate(), np.random.get_state()[1].tolist())  # type: ignore[union-attr]
    assert trace(nn.Sequential(nn.Dropout(0.5), nn.Linear(6, 3)), X, "NF", None).second_run.verdict == "same"


class WithGenerator(nn.Module):
    def __init__(self, source: Any) -> None:
        super().__init__()
        self.source = source
        self.layer = nn.Linear(6, 3)

    def forward(self, x: Tensor) -> Any:
        if isinstance(self.source, torch.Generator):
            noise = torch.rand(x.shape, generator=self.source)
        else:
            noise = torch.tensor([[self.source.random() for _ in row] for row in x])
        return self.layer((x > noise).to(x.dtype))


OWN: dict[str, Callable[[], Any]] = {
    "torch": lambda: torch.Generator().manual_seed(3),
    "numpy": lambda: np.random.default_rng(3),
    "python": lambda: random.Random(3),
}


@pytest.mark.parametrize("source", OWN)
def test_a_generator_of_its_own_leaves_the_state_unknown(source: str) -> None:
    found = trace(WithGenerator(OWN[source]()), X, "NF", None).second_run
    assert (found.verdict, found.changed) == ("random", ("source",))


def test_random_numbers_from_elsewhere_leave_the_state_unknown() -> None:
    system = random.SystemRandom()

    class Noisy(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x + torch.tensor([[system.random() for _ in row] for row in x])

    found = trace(Noisy(), X, "NF", None).second_run
    assert found.verdict == "random"
    assert found.changed == ()

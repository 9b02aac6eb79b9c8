"""A layer whose calls read pixels and spikes has a row for each: shared layers, loops over time, recurrence."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from autospikformer_cli.energy.comparison import Comparison
from autospikformer_cli.energy.networks import counted_module
from autospikformer_cli.energy.pricing import EnergyReport
from autospikformer_cli.energy.traced import TracedNetwork
from autospikformer_cli.energy.tracing.tracer import trace
from autospikformer_cli.recipe.energy.models import shipped_convention, shipped_profile

pytestmark = pytest.mark.usefixtures("one_thread")

N, K = 2, 6
MACS = K * K
"""Of one call of a layer with K inputs and outputs, for one image."""


def pixels(*shape: int) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(5)) * 0.8 + 0.1


class Scripted(nn.Module):
    """Calls one layer on given inputs, one after the other. How: in a loop, or each in its own line."""

    def __init__(self, inputs: list[Tensor]) -> None:
        super().__init__()
        self.inputs = inputs
        self.layer = nn.Linear(K, K)

    def forward(self, x: Tensor) -> Tensor:
        return torch.stack([self.layer(x * each) for each in self.inputs])


class TwoLines(nn.Module):
    """One layer for an image, and for spikes of another place."""

    def __init__(self, second: Tensor) -> None:
        super().__init__()
        self.second = second
        self.layer = nn.Linear(K, K)

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x) + self.layer((x * self.second).ceil())


def spikes(count: int, value: float = 1.0) -> Tensor:
    """`count` values for each image."""
    x = torch.zeros(N, K)
    x[:, :count] = value
    return x


def priced(traced: TracedNetwork, convention: str = "sound", profile: str = "cmos45") -> EnergyReport:
    return counted_module(traced).report(shipped_convention(convention), shipped_profile(profile))


def compared(traced: TracedNetwork) -> Comparison:
    return counted_module(traced).against_ann(shipped_convention("sound"), shipped_profile("cmos45"))


def rows(traced: TracedNetwork) -> list[tuple[str, int, int, float]]:
    """Name, MACs, runs, synaptic operations or multiplications of each row."""
    return [
        (each.name, each.macs, each.steps, each.multiplies if each.sops is None else each.sops)
        for each in priced(traced).layers
    ]


ONES = torch.ones(N, K)


def test_a_loop_that_reads_an_image_first_and_then_spikes() -> None:
    """At the first of 4 steps the layer multiplies; at the other three it adds 1 + 2 + 3 spikes to 6 sums each."""
    x = pixels(N, K)
    traced = trace(Scripted([x, spikes(1), spikes(2), spikes(3)]), ONES, "NF", 4)
    assert rows(traced) == [("layer (real)", MACS, 1, MACS), ("layer (binary)", MACS, 3, pytest.approx(36.0))]
    assert traced.split == (("layer", ("layer (real)", "layer (binary)")),)
    report = priced(traced)
    assert report.energy_j == pytest.approx(MACS * 4.6e-12 + 36 * 0.9e-12)
    # A step executes the layer once, in whatever row, and so does the ANN.
    assert report.macs == MACS
    assert compared(traced).ann_j == pytest.approx(MACS * 4.6e-12)
    exact = priced(traced, "border-exact")
    assert exact.energy_j == pytest.approx(MACS * 4.6e-12 + 36 * 0.9e-12)
    assert sum(each.inputs * each.runs_a_step for each in traced.operations) == K


def test_rows_share_the_neurons_of_their_layer() -> None:
    """However many rows: K neurons are updated at each of 4 steps, and their potentials move."""
    import snntorch

    class Firing(Scripted):
        def __init__(self, inputs: list[Tensor]) -> None:
            super().__init__(inputs)
            self.neurons = snntorch.Leaky(beta=0.9)

        def forward(self, x: Tensor) -> Tensor:
            potential = self.neurons.init_leaky()
            for each in self.inputs:
                fired, potential = self.neurons(self.layer(x * each), potential)
            return fired

    mixed = trace(Firing([pixels(N, K), spikes(1), spikes(2), spikes(3)]), ONES, "NF", 4)
    alike = trace(Firing([spikes(1)] * 4), ONES, "NF", 4)
    assert [each.fires for each in mixed.operations] == [True, True]
    neurons = [sum(each.neurons_j for each in priced(traced, profile="loihi").layers) for traced in (mixed, alike)]
    assert neurons == [pytest.approx(K * 4 * 81e-12)] * 2
    moved = priced(mixed, profile="cmos45-memory")
    potentials = K * 4 * (32 + 32 + 1)  # bits: read, written, and the spike
    weights = (MACS + 36) * 32
    inputs = K * 32 + K * 3 * 1
    assert sum(each.memory_j for each in moved.layers) == pytest.approx((potentials + weights + inputs) * 0.15625e-12)


def test_the_mean_rate_is_that_of_all_elements() -> None:
    """1 + 2 + 3 spikes of 3 steps, and 6 of each of 4 steps: 30 of 42 elements."""

    class Two(Scripted):
        def __init__(self, inputs: list[Tensor]) -> None:
            super().__init__(inputs)
            self.other = nn.Linear(K, K)

        def forward(self, x: Tensor) -> Tensor:
            return torch.stack([self.layer(x * each) + self.other(x) for each in self.inputs])

    traced = trace(Two([pixels(N, K), spikes(1), spikes(2), spikes(3)]), ONES, "NF", 4)
    mean = traced.counts.mean(traced.operations)
    assert mean is not None
    assert mean.mean == pytest.approx(30 / 42)
    sops = [each.sops for each in priced(traced, "mean-rate").layers]
    assert sops == [None, pytest.approx(3 * MACS * 30 / 42), pytest.approx(4 * MACS * 30 / 42)]


def test_a_shared_layer_that_reads_both_at_every_step() -> None:
    class Both(Scripted):
        def forward(self, x: Tensor) -> Tensor:
            return torch.stack([self.layer(x) + self.layer(x.gt(0) * each) for each in self.inputs])

    x = pixels(N, K)
    traced = trace(Both([spikes(1), spikes(2), spikes(3)]), x, "NF", 3)
    # The image is the same at every step, so it is multiplied once.
    assert rows(traced) == [("layer (real)", MACS, 1, MACS), ("layer (binary)", MACS, 3, pytest.approx(36.0))]
    assert rows(traced)[0][3] * 3 == priced(traced, "every-step").layers[0].multiplies
    assert priced(traced).macs == 2 * MACS
    assert compared(traced).ann_j == pytest.approx(2 * MACS * 4.6e-12)


def test_a_layer_before_the_loop_and_in_it() -> None:
    x = pixels(N, K)
    traced = trace(Scripted([x, spikes(1), spikes(2), spikes(3), spikes(0)]), ONES, "NF", 4)
    assert rows(traced) == [("layer (real)", MACS, 1, MACS), ("layer (binary)", MACS, 4, pytest.approx(36.0))]
    assert priced(traced).macs == 2 * MACS


def test_without_time_steps() -> None:
    traced = trace(TwoLines(spikes(2)), torch.ones(N, K), "NF", None)
    assert [name for name, *_ in rows(traced)] == ["layer"]
    traced = trace(TwoLines(spikes(2)), pixels(N, K), "NF", None)
    assert rows(traced) == [("layer (real)", MACS, 1, MACS), ("layer (binary)", MACS, 1, pytest.approx(12.0))]


def test_a_recurrent_network_whose_state_is_real() -> None:
    """h <- tanh(W x + W' h): the first h is 0 alone, which is no other kind of input than those that follow."""

    class Recurrent(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inputs, self.state = nn.Linear(K, K), nn.Linear(K, K)

        def forward(self, x: Tensor) -> Tensor:
            h = x.new_zeros(N, K)
            for frame in x:
                h = torch.tanh(self.inputs(frame) + self.state(h))
            return h

    traced = trace(Recurrent(), pixels(4, N, K), "TNF", None)
    assert rows(traced) == [("inputs", MACS, 4, 4 * MACS), ("state", MACS, 4, 4 * MACS)]


def test_a_recurrent_layer_that_begins_with_the_image() -> None:
    """z <- [W z > 0] from z = x, over 4 steps: by the network's own rule, spike by spike."""

    class Settling(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            torch.manual_seed(0)
            self.layer = nn.Linear(K, K)
            self.read: list[Tensor] = []

        def forward(self, x: Tensor) -> Tensor:
            self.read = []
            for _ in range(4):
                self.read.append(x)
                x = (self.layer(x) > 0).to(x.dtype)
            return x

    network, x = Settling(), pixels(N, K)
    traced = trace(network, x, "NF", 4)
    with torch.no_grad():
        network(x)
    fired = sum(int(each.sum()) for each in network.read[1:])
    assert fired
    expected = MACS * 4.6e-12 + fired * K / N * 0.9e-12
    assert priced(traced).energy_j == pytest.approx(expected)
    everything_multiplied = 4 * MACS * 4.6e-12
    assert everything_multiplied > 2 * expected  # what one row for all calls would cost


def test_a_quiet_step_does_not_divide_sums_of_spikes() -> None:
    """Sums of two spike trains, of which one step holds only 0 and 1, are of one kind."""
    traced = trace(Scripted([spikes(2, 2.0), spikes(2), spikes(0), spikes(1, 2.0)]), ONES, "NF", 4)
    assert rows(traced) == [("layer", MACS, 4, pytest.approx(6 * (4 + 2 + 2)))]
    assert traced.operations[0].input_kind == "integer"


def test_spikes_and_sums_of_spikes_from_two_lines_are_two_kinds() -> None:
    traced = trace(TwoLines(spikes(2, 2.0)), torch.ones(N, K), "NF", None)
    assert [name for name, *_ in rows(traced)] == ["layer (binary)", "layer (integer)"]
    strict = priced(traced, "strict")
    assert [(each.accumulates, each.multiplies) for each in strict.layers] == [(36.0, 0.0), (0.0, 12.0)]


def test_uneven_calls_keep_the_total() -> None:
    """Two calls a step, of which one in all reads an image: 1 + 7 calls in 4 steps."""
    x = pixels(N, K)
    traced = trace(Scripted([x, *[spikes(1)] * 7]), ONES, "NF", 4)
    assert rows(traced) == [("layer (real)", MACS, 1, MACS), ("layer (binary)", MACS, 7, pytest.approx(42.0))]
    assert priced(traced).macs == 2 * MACS
    assert compared(traced).ann_j == pytest.approx(2 * MACS * 4.6e-12)


def test_attention_on_real_values_and_on_spikes() -> None:
    class Products(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            total = x.new_zeros(())
            for each in (x, x.gt(0.5).to(x.dtype)):
                total = total + (each @ each.mT).sum()
            return total

    x = pixels(N, 3, 4)
    traced = trace(Products(), x, "NLK", None)
    assert [(each.input_kind, each.macs) for each in traced.operations] == [("real", 36), ("binary", 36)]
    fired = int(x.gt(0.5).sum())
    assert priced(traced).layers[1].sops == pytest.approx(fired * 3 / N)


@pytest.mark.parametrize("order", [[0, 1, 2, 3], [1, 2, 3, 0], [2, 0, 3, 1]])
def test_the_order_of_the_calls_does_not_matter(order: list[int]) -> None:
    inputs = [pixels(N, K), spikes(1), spikes(2), spikes(3)]
    traced = trace(Scripted([inputs[index] for index in order]), ONES, "NF", 4)
    assert priced(traced).energy_j == pytest.approx(MACS * 4.6e-12 + 36 * 0.9e-12)
    assert priced(traced).params == MACS + K

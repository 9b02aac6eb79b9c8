"""What a traced module did."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from autospikformer_cli.energy.counts import OperationCounts
from autospikformer_cli.spiking.layout import Operation

Verdict = Literal["same", "different", "random"]
"""Of a second run on the same input. See SecondRun."""


@dataclass(frozen=True)
class Unattributed:
    """Calls of an operator in a module that were not counted. elements: written by them, over all images."""

    operator: str
    module: str
    calls: int
    elements: int


@dataclass(frozen=True)
class StoredWeights:
    """One tensor of weights that operations read. zeros: the number of its values that are 0."""

    name: str
    number: int
    zeros: int


@dataclass(frozen=True)
class SecondRun:
    """A second run of the same copy of the module, on the same input and from the same seed.

    verdict: "same": equal outputs and counts; "different": others, while a new copy repeats the first run, so the
    module keeps a state; "random": a new copy does not repeat it either, or the module has a generator of random
    numbers of its own, so it is not known whether it keeps a state.
    changed: names of values in the module that the runs changed, if the verdict is not "same".
    error: the exception of the second run in one line; "" for none.
    counted: what the second run did, if it has other counts than the first.
    """

    verdict: Verdict
    changed: tuple[str, ...] = ()
    error: str = ""
    counted: TracedNetwork | None = None


@dataclass(frozen=True)
class TracedNetwork:
    """What a module does for one image, in its first run.

    operations: one for each place and kind of input, in the order of execution. One on real values has neither rate nor
    work. split: name of a layer whose calls read several kinds of input, and the names of its operations.
    step_rates: name of an operation, and its mean input at each time step; () if values are real or the steps cannot
    be told apart. not_counted: operators that cost 0 by definition (elementwise, pooling, normalisation and the like).
    unattributed: operators that may hide multiply-accumulates. weights: all tensors that operations read as weights.
    """

    operations: tuple[Operation, ...]
    split: tuple[tuple[str, tuple[str, ...]], ...]
    counts: OperationCounts
    step_rates: tuple[tuple[str, tuple[float, ...]], ...]
    params: int
    time_step: int
    images: int
    not_counted: tuple[Unattributed, ...]
    unattributed: tuple[Unattributed, ...]
    weights: tuple[StoredWeights, ...]
    second_run: SecondRun = SecondRun("same")

    @property
    def connection_sparsity(self) -> float | None:
        """The share of weights that are 0; None without weights."""
        number = sum(each.number for each in self.weights)
        return sum(each.zeros for each in self.weights) / number if number else None

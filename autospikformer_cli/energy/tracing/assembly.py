"""From the places of a trace to operations and their counts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fractions import Fraction

from torch import nn

from autospikformer_cli.energy.counts import InputRate, OperationCounts, SynapticWork
from autospikformer_cli.energy.traced import StoredWeights, TracedNetwork, Unattributed
from autospikformer_cli.energy.tracing.dispatch import Tracer
from autospikformer_cli.energy.tracing.modules import Place
from autospikformer_cli.energy.tracing.operators import Axes
from autospikformer_cli.energy.tracing.origins import plain_name
from autospikformer_cli.energy.tracing.rows import Row, rows_of
from autospikformer_cli.spiking.layout import Operation, Runs


def assembled(tracer: Tracer, axes: Axes, module: nn.Module) -> TracedNetwork:
    """What the traced run of a module did for one image."""
    return _Assembly(tracer, axes, module).network()


class _Assembly:
    """Turns places into operations."""

    def __init__(self, tracer: Tracer, axes: Axes, module: nn.Module) -> None:
        self.tracer, self.axes = tracer, axes
        self.parameters = {name: parameter.numel() for name, parameter in module.named_parameters()}
        self.sizes = {plain_name(name, self.parameters): size for name, size in self.parameters.items()}
        self.names: dict[str, int] = {}
        self.operations: list[Operation] = []
        self.split: list[tuple[str, tuple[str, ...]]] = []
        self.rates: dict[str, InputRate] = {}
        self.work: dict[str, SynapticWork] = {}
        self.step_rates: list[tuple[str, tuple[float, ...]]] = []
        self.weights: dict[str, StoredWeights] = {}

    def network(self) -> TracedNetwork:
        unattributed = dict(self.tracer.unattributed)
        for place in self.tracer.places.values():
            rows = rows_of(place, self.axes)
            for row in rows:
                if not row.is_alike(self.axes.images):
                    # Its work is not the same for every image, as of a product of numbers that the network makes.
                    key = (f"aten.{place.operator}", self.tracer.stack.label(place.module))
                    calls, elements = unattributed.get(key, [0, 0])
                    unattributed[key] = [calls + len(row.uses), elements + row.total("outputs")]
            self._place(place, [row for row in rows if row.is_alike(self.axes.images)])
        return TracedNetwork(
            tuple(self.operations),
            tuple(self.split),
            OperationCounts(self.rates, self.work),
            tuple(self.step_rates),
            params=sum(self.parameters.values()),
            time_step=self.axes.steps,
            images=self.axes.images,
            not_counted=_listed(self.tracer.free),
            unattributed=_listed(unattributed),
            weights=tuple(self.weights.values()),
        )

    def _place(self, place: Place, rows: list[Row]) -> None:
        """Add one operation, or one for each kind of input."""
        if not rows:
            return
        name = self._unique(self._named(place))
        names = [name]
        if len(rows) > 1:
            names = [self._unique(f"{name} ({row.read[1]})") for row in rows]
            self.split.append((name, tuple(names)))
        for each, row in zip(names, rows, strict=True):
            self._add(each, row)
        if place.num_weights:
            stored = place.weights or name
            self.weights.setdefault(stored, StoredWeights(name, place.num_weights, place.zero_weights))

    def _add(self, name: str, row: Row) -> None:
        place, (_, kind, stored) = row.place, row.read
        times = row.steps * self.axes.images
        largest = max(1, *(operand.largest for operand in row.operands))
        self.operations.append(
            Operation(
                name,
                place.kind,
                macs=row.total("macs") // times,
                reached_macs=row.total("reached_macs") // times,
                params=self._params(row),
                reads=name,
                input_kind=kind,
                inputs=row.inputs // times,
                outputs=row.total("outputs") // times,
                runs=self._runs(row),
                largest_input=largest if kind != "real" else 1,
                stored=stored,
                norm=row.norm,
                fires=row.fires,
                runs_a_step=row.runs_a_step,
            )
        )
        if kind != "real":
            self._count(name, row)
        self.step_rates.append((name, self._step_rates(row) if kind != "real" else ()))

    def _count(self, name: str, row: Row) -> None:
        elements = max(1, row.inputs)
        total, nonzeros, events, passes = (
            sum(getattr(operand, part) for operand in row.operands)
            for part in ("total", "nonzeros", "events", "passes")
        )
        self.rates[name] = InputRate(float(Fraction(total, elements)), float(Fraction(nonzeros, elements)))
        images = self.axes.images
        self.work[name] = SynapticWork(float(Fraction(events, images)), float(Fraction(passes, images)))

    def _runs(self, row: Row) -> Runs:
        if row.runs_a_step == 1 and row.steps != self.axes.steps:
            return "image"
        return "repeated" if row.read[1] == "real" and self._repeats(row) else "step"

    def _repeats(self, row: Row) -> bool:
        """Whether an input was the same at every time step."""
        operands = row.operands
        if self.axes.steps == 1 or row.runs_a_step != 1:
            return False
        if row.whole_sequences:
            return all(operand.constant for operand in operands)
        same = len({operand.digest for operand in operands}) == 1 and bool(operands[0].digest)
        return same and len(operands) == self.axes.steps

    def _step_rates(self, row: Row) -> tuple[float, ...]:
        operands = row.operands
        if all(operand.step_totals for operand in operands):
            totals = [sum(each) for each in zip(*(operand.step_totals for operand in operands), strict=True)]
        elif len(operands) == self.axes.steps and all(use.call.order == "none" for use in row.uses):
            totals = [operand.total for operand in operands]
        else:
            return ()
        elements = max(1, row.inputs)
        return tuple(float(Fraction(total * self.axes.steps, elements)) for total in totals)

    def _named(self, place: Place) -> str:
        """The module that has the weights, or the operator."""
        module = self.tracer.stack.label(place.module)
        owner = plain_name(place.weights, self.parameters)
        if owner == "weight":
            return module
        return f"{module}.{place.operator}" if not owner else owner.removesuffix(".weight")

    def _unique(self, name: str) -> str:
        """The second with a name gets _2."""
        self.names[name] = number = self.names.get(name, 0) + 1
        return name if number == 1 else f"{name}_{number}"

    def _params(self, row: Row) -> int:
        """Number of weights, with the bias of the same name and the parameters of the BatchNorm that follows."""
        weights = plain_name(row.place.weights, self.parameters)
        if not weights:
            return 0
        others = {weights.removesuffix("weight") + "bias"} if weights.endswith("weight") else set()
        others |= {f"{row.norm}.weight", f"{row.norm}.bias"} if row.norm else set()
        return row.place.num_weights + sum(self.sizes.get(name, 0) for name in others - {weights})


def _listed(found: Mapping[tuple[str, str], Iterable[int]]) -> tuple[Unattributed, ...]:
    return tuple(Unattributed(operator, module, *numbers) for (operator, module), numbers in found.items())

"""The operations of a user's own PyTorch module, counted in one forward pass on real inputs.

A place is a weight operator in a module. It becomes one operation, however often the module calls it. Two things show
how its calls share the time steps. The number of calls: a loop over T steps makes a multiple of T calls. And what each
call covers (`operators.Axes.order`): a layer over whole sequences flattens T and N into its leading dimension. If
neither shows it, the place counts as running once for each image, with all its work in one step. T uses of the same
weights without a loop, and T tokens, look like time steps, too. Zeros from F.pad count as inputs of a convolution, not
as its padding.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from copy import deepcopy
from dataclasses import dataclass
from fractions import Fraction

import torch
from torch import Tensor, nn

from autospikformer_cli.energy.counts import InputRate, OperationCounts, SynapticWork
from autospikformer_cli.energy.tracing.dispatch import Tracer
from autospikformer_cli.energy.tracing.loading import OPTION, told
from autospikformer_cli.energy.tracing.modules import Place
from autospikformer_cli.energy.tracing.operators import Axes, Operand
from autospikformer_cli.errors import UserError
from autospikformer_cli.spiking.layout import InputKind, Operation, Runs, Stored

SEED = 0


@dataclass(frozen=True)
class Unattributed:
    """Calls of an operator in a module that were not counted. elements: written by them, over all images."""

    operator: str
    module: str
    calls: int
    elements: int


@dataclass(frozen=True)
class TracedNetwork:
    """What a module does for one image.

    operations: one for each place, in the order of execution. A place on real values has neither rate nor work.
    step_rates: name of an operation, and its mean input at each time step; () if values are real or the steps cannot
    be told apart. not_counted: operators that cost 0 by definition (elementwise, pooling, normalisation and the like).
    unattributed: operators that may hide multiply-accumulates.
    """

    operations: tuple[Operation, ...]
    counts: OperationCounts
    step_rates: tuple[tuple[str, tuple[float, ...]], ...]
    params: int
    time_step: int
    images: int
    not_counted: tuple[Unattributed, ...]
    unattributed: tuple[Unattributed, ...]


def trace(module: nn.Module, frames: Tensor, layout: str, time_step: int | None) -> TracedNetwork:
    """Count what a module does on an input.

    layout: a letter for each axis of frames, such as "NCHW" or "TNCHW": N images, T time steps, any others. Without T
    the network itself repeats its input. time_step: how often it does (default: the size of T, or 1). A copy of the
    module runs in evaluation mode, without gradients, from a fixed seed. Raises UserError if the layout does not fit,
    or if the module fails.
    """
    axes = _axes(frames, layout, time_step)
    try:
        network = deepcopy(module).eval()
    except Exception as error:
        what = f"{type(module).__name__} cannot be copied: {told(error)}"
        raise UserError(what, OPTION, "return a new network, which has not run, from the factory") from error
    devices = [frames.device] if frames.device.type == "cuda" else []
    with torch.random.fork_rng(devices), torch.no_grad():
        torch.manual_seed(SEED)
        tracer = Tracer(network, axes)
        try:
            with tracer:
                network(frames)
        except UserError:
            raise
        except (Exception, SystemExit) as error:
            shape = " x ".join(map(str, frames.shape))
            what = f"{type(module).__name__} raises {told(error)}"
            raise UserError(what, OPTION, f"its input was {shape}, axes {layout}") from error
    return _Assembly(tracer, axes).network(network)


def _axes(frames: Tensor, layout: str, time_step: int | None) -> Axes:
    letters = layout.upper()
    fix = "a letter for each axis, N for images, T for time steps if the input has them, such as NCHW or TNCHW"
    if not letters.isascii() or not letters.isalpha() or "N" not in letters or len(set(letters)) != len(letters):
        raise UserError(f"{layout!r} is no layout", "--input-layout", fix)
    if len(letters) != frames.ndim:
        raise UserError(f"{layout} has {len(letters)} axes, the input {frames.ndim}", "--input-layout", fix)
    if not frames.numel():
        raise UserError("the input has no elements", "--input-shape", "every axis has at least one")
    in_layout = frames.shape[letters.index("T")] if "T" in letters else None
    if time_step is not None and in_layout is not None and time_step != in_layout:
        raise UserError(f"{time_step} time steps, but the input has {in_layout}", "--time-steps", "leave it out")
    steps = in_layout or time_step or 1
    images_first = in_layout is not None and letters.index("N") < letters.index("T")
    return Axes(frames.shape[letters.index("N")], steps, images_first)


class _Assembly:
    """Turns places into operations."""

    def __init__(self, tracer: Tracer, axes: Axes) -> None:
        self.tracer, self.axes = tracer, axes
        self.names: dict[str, int] = {}
        self.operations: list[Operation] = []
        self.rates: dict[str, InputRate] = {}
        self.work: dict[str, SynapticWork] = {}
        self.step_rates: list[tuple[str, tuple[float, ...]]] = []

    def network(self, module: nn.Module) -> TracedNetwork:
        sizes = {name: parameter.numel() for name, parameter in module.named_parameters()}
        unattributed = dict(self.tracer.unattributed)
        for place in self.tracer.places.values():
            totals = [_total(place, part) for part in ("macs", "reached_macs", "outputs")]
            if any(total % self.axes.images for total in (*totals, _inputs(place))):
                # Its work is not the same for every image, as of a product of numbers that the network makes.
                key = (f"aten.{place.operator}", self.tracer.stack.label(place.module))
                calls, elements = unattributed.get(key, [0, 0])
                unattributed[key] = [calls + len(place.calls), elements + totals[2]]
            else:
                self._add(place, sizes)
        return TracedNetwork(
            tuple(self.operations),
            OperationCounts(self.rates, self.work),
            tuple(self.step_rates),
            params=sum(sizes.values()),
            time_step=self.axes.steps,
            images=self.axes.images,
            not_counted=_listed(self.tracer.free),
            unattributed=_listed(unattributed),
        )

    def _add(self, place: Place, sizes: Mapping[str, int]) -> None:
        name, images = self._named(place), self.axes.images
        steps = self._steps(place)
        index, kind, stored = _input(place)
        operands = [call.operands[index] for call in place.calls]
        runs: Runs = "step" if steps == self.axes.steps else "image"
        if kind == "real" and runs == "step" and self._repeats(operands, place):
            runs = "repeated"
        times = steps * images
        self.operations.append(
            Operation(
                name,
                place.kind,
                macs=_total(place, "macs") // times,
                reached_macs=_total(place, "reached_macs") // times,
                params=_params(place, sizes),
                reads=name,
                input_kind=kind,
                inputs=_inputs(place) // times,
                outputs=_total(place, "outputs") // times,
                runs=runs,
                largest_input=max(1, *(operand.largest for operand in operands)) if kind != "real" else 1,
                stored=stored,
                norm=place.norm,
                fires=place.fires,
            )
        )
        if kind != "real":
            self._count(name, operands)
        self.step_rates.append((name, self._step_rates(place, operands) if kind != "real" else ()))

    def _count(self, name: str, operands: list[Operand]) -> None:
        elements = max(1, sum(operand.elements for operand in operands))
        total, nonzeros, events, passes = (
            sum(getattr(operand, part) for operand in operands) for part in ("total", "nonzeros", "events", "passes")
        )
        self.rates[name] = InputRate(float(Fraction(total, elements)), float(Fraction(nonzeros, elements)))
        images = self.axes.images
        self.work[name] = SynapticWork(float(Fraction(events, images)), float(Fraction(passes, images)))

    def _steps(self, place: Place) -> int:
        """T for a place that runs at every time step, else 1."""
        every = self.axes.steps
        covers = all(call.order != "none" for call in place.calls) or len(place.calls) % every == 0
        parts = (*(_total(place, part) for part in ("macs", "reached_macs", "outputs")), _inputs(place))
        return every if covers and not any(part % (every * self.axes.images) for part in parts) else 1

    def _repeats(self, operands: list[Operand], place: Place) -> bool:
        """Whether an input was the same at every time step."""
        if self.axes.steps == 1:
            return False
        if all(call.order != "none" for call in place.calls):
            return all(operand.constant for operand in operands)
        same = len({operand.digest for operand in operands}) == 1 and bool(operands[0].digest)
        return same and len(operands) == self.axes.steps

    def _step_rates(self, place: Place, operands: list[Operand]) -> tuple[float, ...]:
        if all(operand.step_totals for operand in operands):
            totals = [sum(each) for each in zip(*(operand.step_totals for operand in operands), strict=True)]
        elif len(operands) == self.axes.steps and all(call.order == "none" for call in place.calls):
            totals = [operand.total for operand in operands]
        else:
            return ()
        elements = max(1, sum(operand.elements for operand in operands))
        return tuple(float(Fraction(total * self.axes.steps, elements)) for total in totals)

    def _named(self, place: Place) -> str:
        """The module that has the weights, or the operator; the second with a name gets _2."""
        module = self.tracer.stack.label(place.module)
        owner = place.weights.partition(".parametrizations.")[0]
        name = f"{module}.{place.operator}" if not owner else owner.removesuffix(".weight")
        if owner == "weight":
            name = module
        self.names[name] = number = self.names.get(name, 0) + 1
        return name if number == 1 else f"{name}_{number}"


def _input(place: Place) -> tuple[int, InputKind, Stored]:
    """The index of the input factor, its kind, and what it meets. Of two activations, the first binary one is it."""
    factors = list(zip(*(call.operands for call in place.calls), strict=True))
    binary = [all(operand.binary for operand in factor) for factor in factors]
    whole = [all(operand.whole for operand in factor) for factor in factors]
    made = [any(operand.product for operand in factor) for factor in factors]
    spikes = [each and not product for each, product in zip(binary, made, strict=True)]
    # In a quiet network q k^T may hold only 0 and 1. It is a stored operand all the same.
    index = next((found.index(True) for found in (spikes, binary, whole) if any(found)), 0)
    kind: InputKind = "binary" if binary[index] else "integer" if whole[index] else "real"
    if place.kind != "attention":
        return index, kind, "weights"
    return index, kind, "spikes" if all(spikes) else "sums"


def _total(place: Place, part: str) -> int:
    return sum(getattr(call, part) for call in place.calls)


def _inputs(place: Place) -> int:
    index, _, _ = _input(place)
    return sum(call.operands[index].elements for call in place.calls)


def _params(place: Place, sizes: Mapping[str, int]) -> int:
    """Number of weights, with the bias of the same name and the parameters of the BatchNorm that follows."""
    if not place.weights:
        return 0
    bias = re.sub("weight$", "bias", place.weights)
    others = {bias, f"{place.norm}.weight", f"{place.norm}.bias"} if place.norm else {bias}
    return place.num_weights + sum(sizes.get(name, 0) for name in others - {place.weights})


def _listed(found: Mapping[tuple[str, str], Iterable[int]]) -> tuple[Unattributed, ...]:
    return tuple(Unattributed(operator, module, *numbers) for (operator, module), numbers in found.items())

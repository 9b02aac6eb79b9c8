"""One network counted twice: by us, and by SpikingJelly's op_counter, with what the second should be, given the first.

`operation_lines` and `other_lines` predict SpikingJelly's numbers from ours alone, by the rules of its counters.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import torch
from engine_network import SHAPE, SUBNET
from spikingjelly.activation_based import functional, op_counter
from torch import Tensor, nn

from autospikformer_cli.engine.event_driven import EventDriven
from autospikformer_cli.evaluation.counting import Counter
from autospikformer_cli.measurement import Measurement
from autospikformer_cli.spiking.layout import Operation, num_params, operations, stem_names
from autospikformer_cli.spiking.normalisation import Statistics
from autospikformer_cli.spiking.supernet import Supernet

COUNTERS = {
    "synop": op_counter.SynOpCounter,
    "mac": op_counter.MACCounter,
    "ac": op_counter.ACCounter,
    "flop": op_counter.FlopCounter,
}
STEPS = SUBNET.time_step
BATCH_NORM, NEURONS, POOLING, RESIDUAL = "BatchNorm", "LIF neurons", "max-pooling", "residual additions"
SCALE, MEAN, REST = "scale of the attention", "mean over tokens", "all other operators"
OPERATORS = {
    "native_batch_norm": BATCH_NORM,
    "max_pool2d_with_indices": POOLING,
    "mean": MEAN,
    "add": RESIDUAL,
    "mul": SCALE,
}
"""Outside of neurons."""
STEM = {f"stages.{stage}": f"patch_embed.proj_conv{suffix}" for stage, suffix in enumerate(("", "1", "2", "3"))}
PARTS = {"qkv_conv_bn": "qkv_linear", "proj_conv_bn": "proj_linear", "fc1": "fc1_linear", "fc2": "fc2_linear"}
PRODUCTS = ("k@v", "q@(k@v)")
NEURON_OPERATORS = ("sub", "rsub", "add", "div", "mul", "ge")
NEURON_AC, NEURON_FLOP, SILENT_AC = 6, 10, 3
"""Of a neuron and step, u = v + (x - (v - v_reset)) / tau, s = (u - v_th >= 0), v = (1 - s) u + s v_reset: sums and
differences, all operations, and those of two tensors that hold zeros only as long as x has been 0."""
POOL_FLOP = 8
"""Comparisons for the largest of 3 x 3."""


@dataclass(frozen=True)
class Tallied:
    """What the four counters say, over all images and steps."""

    synop: int = 0
    mac: int = 0
    ac: int = 0
    flop: int = 0

    def __add__(self, other: Tallied) -> Tallied:
        return Tallied(*(getattr(self, kind) + getattr(other, kind) for kind in COUNTERS))

    def __sub__(self, other: Tallied) -> Tallied:
        return Tallied(*(getattr(self, kind) - getattr(other, kind) for kind in COUNTERS))


@dataclass(frozen=True)
class Line:
    """One operation, or all of a kind that we do not count.

    rule: what leads from our counts to `predicted`. sops: ours, rate x T x MACs over all images, and the MACs, once an
    image, of real inputs. events: ours, exact, None for real inputs. dense: MACs of all steps and images.
    """

    name: str
    rule: str
    theirs: Tallied
    predicted: Tallied
    sops: int = 0
    events: int | None = None
    dense: int = 0

    @property
    def residue(self) -> Tallied:
        """What the rule does not explain."""
        return self.theirs - self.predicted


class Ours:
    """Our counts of frames (1, B, H, W, C), by name."""

    def __init__(self, supernet: Supernet, frames: Tensor, statistics: Statistics) -> None:
        self.operations = operations(SHAPE, SUBNET, "q_kv")
        counter = Counter()
        EventDriven(supernet, torch.get_num_threads()).logits(frames, SUBNET, statistics, counter)
        self.images, self.runs = frames.shape[1], STEPS * frames.shape[1]
        read, fired, done = counter.inputs(self.operations, STEPS), counter.emitted(STEPS), counter.executed(STEPS)
        params = num_params(SHAPE, SUBNET)
        self.measurement = Measurement(0, self.images, params, read, fired, silent_channels=0, synapses=done)
        self.inputs = {each.layer: each for each in read}
        self.spikes = {each.layer: each for each in fired}
        self.events = {each.operation: each.events for each in done}

    def is_binary(self, layer: str) -> bool:
        """Whether no value that a layer read was above 1."""
        return self.inputs[layer].sums == self.inputs[layer].nonzeros

    def sops(self, operation: Operation) -> int:
        """Rate x T x MACs over all images, a whole number; the MACs, once an image, where there are no spikes."""
        read = self.inputs[operation.reads]
        if operation.input_kind == "real":
            return operation.macs * self.images
        sops, rest = divmod(sum(read.sums) * operation.macs * self.images, read.size)
        if rest:
            raise ValueError(f"{operation.name}: {rest}/{read.size} of a synaptic operation")
        return sops


class Theirs:
    """SpikingJelly's counts of images, by line; the operators that none of the counters knows."""

    def __init__(self, network: nn.Module, images_BCHW: Tensor) -> None:
        self.lines: dict[str, Tallied] = defaultdict(Tallied)
        self._products: dict[tuple[str, str], int] = defaultdict(int)
        counters = {kind: make() for kind, make in COUNTERS.items()}
        for kind, counter in counters.items():
            counter.count = self._keeping(kind, counter.count)
        mode = op_counter.DispatchCounterMode(list(counters.values()))
        with mode:
            network(images_BCHW)
        functional.reset_net(network)
        self.total = Tallied(**{kind: counter.get_total() for kind, counter in counters.items()})
        self.unknown = sorted(set.intersection(*(set(mode.get_unsupported(each)) for each in counters.values())))

    def _keeping(self, kind: str, count: Callable[..., int]) -> Callable[..., int]:
        def keep(operator: object, *arguments: object, parent_names: set[str], **rest: object) -> int:
            value = count(operator, *arguments, parent_names=parent_names, **rest)
            # Of the modules that are running, each inside another, the innermost has the longest name.
            line = self._line(kind, max(parent_names, key=len), str(operator).split(".")[1])
            self.lines[line] += Tallied(**{kind: value})
            return value

        return keep

    def _line(self, kind: str, module: str, operator: str) -> str:
        """The line of an operator that a module runs; the network's names are SpikingJelly's."""
        if operator in ("convolution", "addmm"):
            return _layer(module)
        if operator == "bmm":  # of a block's two products, the first is k^T v
            number = self._products[kind, module]
            self._products[kind, module] += 1
            return f"block.{module.split('.')[2]}.attn.{PRODUCTS[number]}"
        if operator in NEURON_OPERATORS and ("neuron" in module or "_lif" in module):
            return NEURONS
        return OPERATORS.get(operator, REST)


def _layer(module: str) -> str:
    """Our name of a layer with weights."""
    _, part, *names = module.split(".")
    if part == "patch_embed":
        return STEM.get(".".join(names[:2]), "patch_embed.rpe_conv")
    return f"block.{names[0]}.{names[1]}.{PARTS[names[2]]}" if part == "blocks" else part


def verdict(residue: float) -> str:
    """What an equality is called."""
    return "exact" if residue == 0 else f"unexplained: {residue:,}"


def residue_of(line: Line) -> str:
    """What is left of a line, by counter."""
    left = {kind: getattr(line.residue, kind) for kind in COUNTERS}
    return ", ".join(f"{kind} {verdict(rest)}" for kind, rest in left.items() if rest) or "exact"


def operation_lines(ours: Ours, theirs: Theirs) -> list[Line]:
    """A line an operation; q, k and v, one convolution of SpikingJelly's, share one."""
    groups: dict[str, list[Operation]] = defaultdict(list)
    for each in ours.operations:
        prefix, _, layer = each.name.rpartition(".")
        groups[f"{prefix}.qkv_linear" if layer in ("q_linear", "k_linear", "v_linear") else each.name].append(each)
    lines = []
    for name, group in groups.items():
        rules = [_predict(ours, each) for each in group]
        lines.append(
            Line(
                name,
                rule=rules[0][0],
                theirs=theirs.lines[name],
                predicted=sum((predicted for _, predicted in rules), Tallied()),
                sops=sum(map(ours.sops, group)),
                events=None if group[0].input_kind == "real" else sum(sum(ours.events[each.name]) for each in group),
                dense=sum(each.macs for each in group) * ours.runs,
            )
        )
    return lines


def _predict(ours: Ours, operation: Operation) -> tuple[str, Tallied]:
    """The rule that SpikingJelly counts an operation by, and what it gives."""
    name, dense = operation.name, operation.macs * ours.runs
    if operation.kind == "head":
        return "head", Tallied(mac=dense, flop=2 * dense + SHAPE.num_classes * ours.runs)
    if operation.input_kind == "real":
        return "pixels", Tallied(mac=dense, flop=2 * dense)
    if operation.input_kind == "integer" and not ours.is_binary(name):
        return "integers", Tallied(mac=dense, flop=2 * dense)
    rule, events = "border" if operation.kind == "convolution" else "same", sum(ours.events[name])
    if name.endswith("@(k@v)"):
        rule = "rows"
        first = ours.events[name.replace("q@(k@v)", "k@v")]
        events = ours.sops(operation) if any(first) else 0  # a product without any event is binary
    elif operation.kind == "attention":
        rule = "pairs"
    return rule, Tallied(synop=events, ac=events, flop=2 * dense)


def other_lines(ours: Ours, theirs: Theirs) -> Iterator[Line]:
    """What we list as not counted."""
    normalised = [each for each in ours.spikes.values() if not each.layer.endswith(".attn.attn")]
    values = sum(each.neurons for each in normalised) * ours.runs
    widths, tokens, dim = SHAPE.stem_widths(SUBNET.embed_dim), SHAPE.num_tokens, SUBNET.embed_dim
    channels = sum(widths) + sum(each.neurons // tokens for each in normalised[len(widths) :])
    neurons = sum(each.neurons for each in ours.spikes.values()) * ours.runs
    pooled = sum(widths[stage - 1] * SHAPE.stage_size(stage + 1) ** 2 for stage in SHAPE.pooled_stages) * ours.runs
    encoded = tokens * dim * ours.runs
    predicted = {
        BATCH_NORM: Tallied(mac=values, ac=values + channels, flop=4 * values + 2 * channels),
        NEURONS: Tallied(ac=NEURON_AC * neurons - SILENT_AC * _silent(ours), flop=NEURON_FLOP * neurons),
        RESIDUAL: _residual(ours),
        SCALE: Tallied(flop=SUBNET.depth * encoded),
        MEAN: Tallied(ac=encoded - dim * ours.runs, flop=encoded),
        POOLING: Tallied(flop=POOL_FLOP * pooled),
        REST: Tallied(),
    }
    for name, tallied in predicted.items():
        yield Line(name, name, theirs.lines[name], tallied)


def _silent(ours: Ours) -> int:
    """Neurons behind attention times the steps, from the first on, in which no image's product has held a spike."""
    silent = 0
    for name, events in ours.events.items():
        if name.endswith("q@(k@v)"):
            steps = next((step for step, count in enumerate(events) if count), STEPS)
            silent += ours.spikes[name.replace("q@(k@v)", "attn")].neurons * ours.images * steps
    return silent


def _residual(ours: Ours) -> Tallied:
    """Each sum's elements; where both of its terms are binary, only their ones count as additions."""
    terms = [("patch_embed.rpe_conv", "patch_embed.rpe_bn")]
    for block in range(SUBNET.depth):
        attention, mlp = f"block.{block}.attn", f"block.{block}.mlp"
        terms += [(f"{attention}.q_linear", f"{attention}.proj_bn"), (f"{mlp}.fc1_linear", f"{mlp}.fc2_bn")]
    found = Tallied()
    for stream, added in terms:
        elements = ours.inputs[stream].size * STEPS
        ones = sum(ours.inputs[stream].sums) + sum(ours.spikes[added].spikes)
        found += Tallied(ac=ones if ours.is_binary(stream) else elements, flop=elements)
    return found


def measuring_additions(ours: Ours, lines: Iterable[Line]) -> int:
    """Additions of SpikingJelly's memory counter: for each layer of spikes, a map of one channel, summed."""
    names = (*stem_names(), "patch_embed.rpe_conv")
    positions = {name: SHAPE.stage_size(stage) ** 2 for stage, name in enumerate(names, 1)}
    convolved = (line.name for line in lines if line.rule in ("border", "same"))
    return sum(positions.get(name, SHAPE.num_tokens) * ours.runs - 1 for name in convolved)

"""A spiking subnet as an ONNX graph, written operation by operation: torch's exporter takes many times as long.

Dimension legend: T time steps, B images, M = T B, step by step (B before the first neurons), H W rows and columns,
N tokens, D embedding dimension, C channels.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from torch import Tensor

from autospikformer_cli.exchange.tracing import TracedSubnet
from autospikformer_cli.spiking.elastic import ElasticConvolution, ElasticLinear
from autospikformer_cli.spiking.extraction import ExtractedSubnet
from autospikformer_cli.spiking.layout import even_frames
from autospikformer_cli.spiking.neuron import Dynamics, Neuron
from autospikformer_cli.spiking.neuron_kinds import NeuronKind
from autospikformer_cli.spiking.normalisation import AffineBatchNorm
from autospikformer_cli.spiking.passes import Layer
from autospikformer_cli.spiking.stages import Attend, Classify, Fire, Pool, Tokens


def is_writable(network: ExtractedSubnet) -> bool:
    """Whether `spiking_model` knows its neurons: all equal LIF neurons."""
    if network.config.shape.network != "spikformer":
        return False
    kinds = [each for each in network.modules() if isinstance(each, NeuronKind)]
    return all(kind.as_lif(Neuron(2.0, 1.0)) is not None for kind in kinds)


def spiking_model(
    network: ExtractedSubnet, example: Tensor, names: tuple[str, str], opset: int, metadata: Mapping[str, str]
) -> Any:
    """An `onnx.ModelProto` of a network that `is_writable`, for any number of images.

    example: an input. names: of input and output.
    """
    from onnx import helper

    writer = Writer(TracedSubnet(network))
    writer.graph.add("Identity", writer.write(names[0], example), output=names[1])
    kind = helper.np_dtype_to_tensor_dtype(writer.dtype)
    graph = helper.make_graph(
        writer.graph.nodes,
        "aspk",
        [helper.make_tensor_value_info(names[0], kind, ["batch", *example.shape[1:]])],
        [helper.make_tensor_value_info(names[1], kind, ["batch", network.config.shape.num_classes])],
        list(writer.graph.constants.values()),
    )
    opsets = [helper.make_opsetid("", opset)]
    model = helper.make_model(
        graph, opset_imports=opsets, ir_version=helper.find_min_ir_version_for(opsets), producer_name="aspk"
    )
    helper.set_model_props(model, dict(metadata))
    return model


@dataclass
class Graph:
    """Nodes and constants of a graph, in the order in which they were added."""

    nodes: list[Any] = field(default_factory=list)
    constants: dict[str, Any] = field(default_factory=dict)

    def add(self, operator: str, *inputs: str, output: str = "", **attributes: Any) -> str:
        """Add a node with one output. Returns the output's name."""
        return self.add_many(operator, inputs, [output or f"{operator}_{len(self.nodes)}"], attributes)[0]

    def add_many(
        self, operator: str, inputs: Sequence[str], outputs: Sequence[str], attributes: Mapping[str, Any]
    ) -> Sequence[str]:
        """Add a node with these outputs."""
        from onnx import helper

        self.nodes.append(helper.make_node(operator, inputs, outputs, **attributes))
        return outputs

    def constant(self, name: str, values: Tensor | np.ndarray[Any, Any]) -> str:
        """Add a constant under a name, once."""
        from onnx import numpy_helper

        if name not in self.constants:
            array = values.detach().cpu().numpy() if isinstance(values, Tensor) else values
            self.constants[name] = numpy_helper.from_array(np.ascontiguousarray(array), name)
        return name

    def integers(self, *values: int) -> str:
        """A constant of whole numbers, such as a shape."""
        return self.constant(f"integers_{'_'.join(map(str, values))}", np.array(values, np.int64))


class Writer:
    """Writes the stages of a network, one after the other.

    Maps of the stem are (M, C, H, W), tokens (M, N, D). Time has no axis, so layers reshape nothing.
    """

    def __init__(self, network: TracedSubnet) -> None:
        self.network, self.time_step = network, network.subnet.time_step
        self.graph = Graph()
        self.dtype = network.head.weight.detach().cpu().numpy().dtype
        self.steps = 1
        """Steps in M: 1 until neurons have fired."""

    def write(self, inputs: str, example: Tensor) -> str:
        """The whole network. Returns the name of the logits."""
        stream = self._frames(inputs, example)
        branch: tuple[str, ...] = ()
        for stage in self.network.stages(self.network.subnet):
            if isinstance(stage, Fire):
                fired = self._fire(stage, branch[0] if branch else stream)
                branch = fired if stage.gives == "branch" else ()
                if not branch:
                    stream = fired[0] if stage.gives == "stream" else self.graph.add("Add", stream, fired[0])
            elif isinstance(stage, Attend):
                branch = (self._attend(stage, *branch),)
            elif isinstance(stage, Pool):
                stream = self._pool(stream)
            elif isinstance(stage, Tokens):
                stream = self._tokens(stream)
            else:
                stream = self._classify(stage, stream)
        return stream

    def _frames(self, inputs: str, example: Tensor) -> str:
        """Maps (M, C, H, W) of images (B, C, H, W), or of the frames that the steps read, of (B, F, C, H, W)."""
        if example.ndim == 4:
            return inputs
        frames = self.graph.add("Transpose", inputs, perm=[1, 0, 2, 3, 4])
        count = self.steps = example.shape[1]
        if count > 1 and count != self.time_step:
            self.steps = self.time_step
            chosen = self.graph.constant("frames", np.array(even_frames(count, self.time_step), np.int64))
            frames = self.graph.add("Gather", frames, chosen, axis=0)
        return self.graph.add("Reshape", frames, self.graph.integers(-1, *example.shape[2:]))

    def _fire(self, stage: Fire, x: str) -> tuple[str, ...]:
        currents = [self._current(layer, x) for layer in stage.layers]
        kinds: list[NeuronKind] = [layer.activation for layer in stage.layers]  # type: ignore[misc]
        fired = tuple(self._spikes(y, kind, stage.neuron) for y, kind in zip(currents, kinds, strict=True))
        self.steps = self.time_step
        return fired

    def _current(self, layer: Layer, x: str) -> str:
        """What a layer's neurons read."""
        y, is_map = self._weighted(layer.weights, x), isinstance(layer.weights, ElasticConvolution)
        norm = layer.norm
        if isinstance(norm, AffineBatchNorm):
            axes = (-1, 1, 1) if is_map else (-1,)
            y = self.graph.add("Mul", y, self.graph.constant(f"{norm.name}.scale", norm.scale.view(axes)))
            y = self.graph.add("Add", y, self.graph.constant(f"{norm.name}.shift", norm.shift.view(axes)))
        return self._pool(y) if layer.pooled else y

    def _weighted(self, layer: ElasticConvolution | ElasticLinear, x: str) -> str:
        bias = [] if layer.bias is None else [self.graph.constant(f"{layer.name}.bias", layer.bias)]
        if isinstance(layer, ElasticConvolution):
            kernel = self.graph.constant(f"{layer.name}.weight", layer.weight)
            return self.graph.add("Conv", x, kernel, *bias, kernel_shape=layer.weight.shape[2:], pads=[1, 1, 1, 1])
        y = self.graph.add("MatMul", x, self.graph.constant(f"{layer.name}.weight.transposed", layer.weight.T))
        return self.graph.add("Add", y, *bias) if bias else y

    def _scalar(self, value: float) -> str:
        return self.graph.constant(f"number_{value!r}", np.array(value, self.dtype))

    def _spikes(self, current: str, kind: NeuronKind, setting: Neuron) -> str:
        """LIF neurons, without operations that change nothing: before the first step, and after the last."""
        neuron = kind.as_lif(setting)
        assert neuron is not None
        fires = "GreaterOrEqual" if kind.dynamics.fires_at == "reach" else "Greater"
        fired: list[str] = []
        potential = ""
        for each in self._by_step(current):
            if potential:
                potential = self._reset(potential, fired[-1], neuron, kind.dynamics)
            potential = self._charged(potential, each, neuron, kind.dynamics)
            fired.append(self.graph.add(fires, potential, self._scalar(neuron.threshold)))
        return self.graph.add("Where", self.graph.add("Concat", *fired, axis=0), self._scalar(1.0), self._scalar(0.0))

    def _by_step(self, current: str) -> Sequence[str]:
        if self.steps == 1:
            return [current] * self.time_step
        names = [f"{current}_step_{step}" for step in range(self.steps)]
        return self.graph.add_many("Split", [current], names, {"axis": 0, "num_outputs": self.steps})

    def _charged(self, potential: str, current: str, neuron: Neuron, dynamics: Dynamics) -> str:
        """The next potential, by the equation of `neuron.lif`. No name stands for a potential of 0."""
        add = self.graph.add
        if not dynamics.decay_input:
            if not potential:
                return current
            return add("Add", add("Mul", potential, self._scalar(1 - 1 / neuron.tau)), current)
        if not potential:
            return add("Div", current, self._scalar(neuron.tau))
        return add("Add", potential, add("Div", add("Sub", current, potential), self._scalar(neuron.tau)))

    def _reset(self, potential: str, fired: str, neuron: Neuron, dynamics: Dynamics) -> str:
        if dynamics.reset == "hard":
            return self.graph.add("Where", fired, self._scalar(0.0), potential)
        lower = self.graph.add("Sub", potential, self._scalar(neuron.threshold))
        return self.graph.add("Where", fired, lower, potential)

    def _pool(self, x: str) -> str:
        return self.graph.add("MaxPool", x, kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1])

    def _tokens(self, maps: str) -> str:
        rows = self.graph.add("Reshape", maps, self.graph.integers(0, self.network.subnet.embed_dim, -1))
        return self.graph.add("Transpose", rows, perm=[0, 2, 1])

    def _attend(self, stage: Attend, *branch: str) -> str:
        """Attention of q, k and v, in the order of `multiply_heads`."""
        dim, add = self.network.subnet.embed_dim, self.graph.add
        tokens, head_dim = self.network.config.shape.num_tokens, dim // stage.heads
        heads = self.graph.integers(0, 0, stage.heads, head_dim)
        q, k, v = (add("Transpose", add("Reshape", x, heads), perm=[0, 2, 1, 3]) for x in branch)
        turned = add("Transpose", k, perm=[0, 1, 3, 2])
        if tokens <= head_dim:
            mixed = add("MatMul", add("MatMul", q, turned), v)
        else:
            mixed = add("MatMul", q, add("MatMul", turned, v))
        joined = add("Reshape", add("Transpose", mixed, perm=[0, 2, 1, 3]), self.graph.integers(0, 0, dim))
        current = add("Mul", joined, self._scalar(self.network.config.attention_scale))
        return self._spikes(current, stage.attention.activation, stage.neuron)  # type: ignore[arg-type]

    def _classify(self, stage: Classify, stream: str) -> str:
        """Logits of the means over tokens and steps."""
        add, dim = self.graph.add, self.network.subnet.embed_dim
        means = add("ReduceMean", stream, self.graph.integers(1), keepdims=0)
        by_step = add("Reshape", means, self.graph.integers(self.time_step, -1, dim))
        mean = add("ReduceMean", by_step, self.graph.integers(0), keepdims=0)
        return self._weighted(stage.head, mean)

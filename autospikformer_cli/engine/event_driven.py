"""The engine for a CPU: a forward pass over bytes that visits spikes only.

Dimension legend: T time steps, B images, P positions, C channels, S settings of neurons, G layers that read one input.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from math import prod
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from autospikformer_cli.engine import attention as products
from autospikformer_cli.engine import kernels
from autospikformer_cli.engine.allocation import give_back_idle_memory
from autospikformer_cli.engine.packing import PackedLayers
from autospikformer_cli.engine.tally import PRODUCTS, Synapses, Tally, Values
from autospikformer_cli.errors import UserError
from autospikformer_cli.space import Subnet
from autospikformer_cli.spiking.elastic import ElasticConvolution, ElasticLinear
from autospikformer_cli.spiking.layout import InputKind, operations
from autospikformer_cli.spiking.neuron import Dynamics, Neuron
from autospikformer_cli.spiking.neuron_kinds import NeuronKind
from autospikformer_cli.spiking.normalisation import Moments, Statistics
from autospikformer_cli.spiking.passes import Attention, Layer
from autospikformer_cli.spiking.supernet import Supernet

Array = NDArray[Any]
IMAGES_PER_CHUNK = 64
"""At most. Ctrl-C waits for the chunks that have begun."""


class EventDriven:
    """Holds a supernet's weights, packed on first use, and the threads that share images.

    The supernet's weights must not change while the engine exists.
    """

    name = "event_driven"
    batch_matters = False

    def __init__(self, supernet: Supernet, threads: int) -> None:
        self.supernet, self.threads = supernet, threads
        shape, largest = supernet.config.shape, supernet.config.space.largest()
        self._kinds = {each.reads: each.input_kind for each in operations(shape, largest)}
        self._packed: dict[tuple[str, ...], PackedLayers] = {}
        self._finite: dict[str, bool] = {}
        self._pool = ThreadPoolExecutor(max(1, threads - 1))

    def forward_pass(
        self, subnet: Subnet, statistics: Statistics, tally: Tally, images: int | None = None
    ) -> EventDrivenPass:
        """As Engine. All images count: nothing is ever padded."""
        scale = self.supernet.config.attention_scale
        return EventDrivenPass(self, subnet.time_step, scale, self._kinds, statistics, tally)

    def logits(self, frames_FBHWC: Tensor, subnet: Subnet, statistics: Statistics, tally: Tally) -> Tensor:
        """As Engine."""
        with self.computing():
            return self.supernet.run(frames_FBHWC, subnet, self.forward_pass(subnet, statistics, tally))

    @contextmanager
    def computing(self) -> Iterator[None]:
        """Limit torch to one thread: its threads busily wait after each operation, on cores that the engine needs."""
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            yield
        finally:
            torch.set_num_threads(threads)

    def packed(self, layers: Sequence[ElasticConvolution | ElasticLinear]) -> PackedLayers:
        """The packed weights of layers that read the same input."""
        names = tuple(layer.name for layer in layers)
        if names not in self._packed:
            self._packed[names] = PackedLayers([layer.weight for layer in layers])
        return self._packed[names]

    def finite(self, layer: ElasticConvolution | ElasticLinear, inputs: int, outputs: int) -> Tensor:
        """Which outputs have finite weights only. The loops would not notice others at inputs that never fire."""
        if layer.name not in self._finite:
            self._finite[layer.name] = bool(layer.weight.isfinite().all())
        if self._finite[layer.name]:
            return torch.ones(outputs, dtype=torch.bool)
        return layer.weight[:outputs, :inputs].isfinite().flatten(1).all(1)

    def for_images(
        self, loop: Callable[..., None], images: int, *arguments: Any, scratch: Callable[[], tuple[Any, ...]] = tuple
    ) -> None:
        """Run a compiled loop over images, in chunks, on all threads. scratch: allocates memory for one thread."""
        chunks = max(1, min(images, max(self.threads, -(-images // IMAGES_PER_CHUNK))))
        bounds = [chunk * images // chunks for chunk in range(chunks + 1)]
        pending = iter(list(pairwise(bounds)))  # the threads share it: each takes the next chunk

        def run() -> None:
            own = scratch()
            for first, last in pending:
                loop(*arguments, *own, first, last)

        running = [self._pool.submit(run) for _ in range(min(self.threads, chunks) - 1)]
        try:
            run()
            for others in running:
                others.result()
        finally:  # after an error or Ctrl-C no thread begins another chunk
            for _ in pending:
                pass


@dataclass(frozen=True)
class EventDrivenPass:
    """Executes the stages of one subnet on bytes, (T, B, H, W, C) or (T, B, N, D). The first layer reads numbers.

    What it computes of an image depends on that image only: sums run over its non-zero inputs, ascending.
    """

    engine: EventDriven
    time_step: int
    attention_scale: float
    kinds: dict[str, InputKind]
    statistics: Statistics
    tally: Tally

    def fire(
        self, layers: Sequence[Layer], x: Tensor, outputs: int, neurons: Sequence[Neuron]
    ) -> list[tuple[Tensor, ...]]:
        """Spikes of each setting and layer; all settings share the sums. Without settings it only measures moments."""
        kind = self.kinds[layers[0].weights.name]
        rows = self.engine.packed([layer.weights for layer in layers]).rows(outputs)
        if x.shape[-1] > rows.inputs:
            raise ValueError(f"{layers[0].weights.name} reads at most {rows.inputs} channels, not {x.shape[-1]}")
        x_TBPC, side = x.flatten(2, -2).contiguous().numpy(), x.shape[-2]
        scale_KC, shift_KC = self._affine(layers, x_TBPC, side, kind, rows, outputs)
        if not neurons:
            return []
        steps, images, pooled = self.time_step, x.shape[1], layers[0].pooled
        places = tuple(_halved(size) for size in x.shape[2:-1]) if pooled else x.shape[2:-1]
        give_back_idle_memory()
        spikes = torch.empty((len(neurons), len(layers), steps, images, *places, outputs), dtype=torch.uint8)
        read_BT4 = np.zeros((images, len(x), 4), np.int64)
        fired_BSGT = np.zeros((images, len(neurons), len(layers), steps), np.int64)
        settings = self._settings([layer.activation for layer in layers], neurons, scale_KC.dtype.type)
        is_binary, width, dtype = kind == "binary", scale_KC.shape[1], scale_KC.dtype

        def scratch() -> tuple[Any, ...]:
            state: Any = np.empty((len(neurons), width), dtype)
            if pooled:
                state = kernels.make_pool_scratch(len(neurons), x_TBPC.shape[2], prod(places), width, dtype)
            return kernels.make_layer_scratch(x_TBPC, rows, is_binary), state, np.empty(width, np.uint8)

        loop = kernels.pool_and_fire_images if pooled else kernels.fire_images
        self.engine.for_images(
            loop, images, x_TBPC, side, is_binary, rows, scale_KC, shift_KC, settings,
            spikes.flatten(4, -2).numpy(), read_BT4, fired_BSGT, scratch=scratch,
        )  # fmt: skip
        self._tally(layers, x, prod(places), outputs, kind, read_BT4.sum(0), fired_BSGT.sum(0))
        return [tuple(each) for each in spikes]

    def narrow(self, layer: Layer, spikes: Tensor, outputs: int) -> Tensor:
        """As EnginePass."""
        steps, images = spikes.shape[:2]
        first = torch.empty((*spikes.shape[:-1], outputs), dtype=torch.uint8)
        fired_BT = np.zeros((images, steps), np.int64)
        self.engine.for_images(
            kernels.narrow, images, spikes.flatten(2, -2).numpy(), first.flatten(2, -2).numpy(), fired_BT
        )
        self.tally.emits(layer.norm.name, fired_BT.sum(0)[None], prod(first.shape[2:]))
        return first

    def _tally(
        self, layers: Sequence[Layer], x: Tensor, places: int, outputs: int, kind: InputKind, read_T4: Array,
        fired_SGT: Array,
    ) -> None:  # fmt: skip
        """Report what the layers read, did and emitted. places: positions of the neurons."""
        sums, nonzeros, events, passes = read_T4.T
        for group, layer in enumerate(layers):
            self.tally.reads(layer.weights.name, x[0].numel(), None if kind == "real" else Values(sums, nonzeros))
            if kind != "real":
                self.tally.executes(layer.weights.name, Synapses(events * outputs, passes * outputs))
            self.tally.emits(layer.norm.name, fired_SGT[:, group], places * outputs)

    def _affine(
        self, layers: Sequence[Layer], x_TBPC: Array, side: int, kind: InputKind, rows: kernels.Rows, outputs: int
    ) -> tuple[Array, Array]:
        """Scale and shift of the sums, by tile: BatchNorm and the layer's bias."""
        measured: list[Moments] = []

        def measure(group: int) -> Moments:
            if not measured:
                measured.extend(self._moments(layers, x_TBPC, side, kind, rows, outputs))
            return measured[group]

        scales, shifts = [], []
        for group, layer in enumerate(layers):
            moments = self.statistics.moments(layer.norm, outputs, lambda group=group: measure(group))  # type: ignore[misc]
            scale, shift = layer.norm.affine(moments)
            if layer.weights.bias is not None:
                shift = shift + layer.weights.bias[:outputs] * scale
            shift = shift.masked_fill(~self.engine.finite(layer.weights, x_TBPC.shape[-1], outputs), torch.nan)
            scales.append(scale.detach().numpy())
            shifts.append(shift.detach().numpy())
        return _by_tile(rows, scales, 0), _by_tile(rows, shifts, np.nan)

    def _moments(
        self, layers: Sequence[Layer], x_TBPC: Array, side: int, kind: InputKind, rows: kernels.Rows, outputs: int
    ) -> list[Moments]:
        """Moments of the layers' outputs over steps, images and positions: the same for any order of images."""
        steps, images, positions, _ = x_TBPC.shape
        sums_B2GC, uncounted = np.zeros((images, 2, len(layers), outputs)), np.zeros((images, steps, 4), np.int64)
        is_binary = kind == "binary"
        self.engine.for_images(
            kernels.moments, images, x_TBPC, side, is_binary, rows, uncounted, sums_B2GC,
            scratch=lambda: (kernels.make_layer_scratch(x_TBPC, rows, is_binary),),
        )  # fmt: skip
        with np.errstate(invalid="ignore"):  # of infinite sums the moments are not-a-number
            # Sorted by size: the same sum for any order of images.
            in_order = np.sort(np.ascontiguousarray(sums_B2GC.reshape(images, -1).T)).sum(1)
        mean_GC, square_GC = torch.from_numpy(in_order.reshape(sums_B2GC.shape[1:]) / (steps * images * positions))
        variance_GC = (square_GC - mean_GC.square()).clamp_min(0)
        biases = [layer.weights.bias for layer in layers]
        for mean, layer in zip(mean_GC, layers, strict=True):
            mean[~self.engine.finite(layer.weights, x_TBPC.shape[-1], outputs)] = torch.nan
        shifted = [m if bias is None else m + bias[:outputs].double() for m, bias in zip(mean_GC, biases, strict=True)]
        return [Moments(mean.detach(), variance) for mean, variance in zip(shifted, variance_GC, strict=True)]

    @staticmethod
    def _settings(kinds: Sequence[nn.Module], neurons: Sequence[Neuron], dtype: Any) -> kernels.Neurons:
        """The constants of every neuron setting and layer, as the loops take them."""
        as_lif = [[_as_lif(kind, neuron) for kind in kinds] for neuron in neurons]
        tau, threshold = (np.array([[getattr(lif, key) for lif in row] for row in as_lif]) for key in Neuron._fields)
        dynamics: Dynamics = kinds[0].dynamics  # type: ignore[assignment]
        tau, leak, threshold = (each.astype(dtype) for each in (tau, 1 - 1 / tau, threshold))
        # Compiled loops ask u >= reaches: u > threshold is u >= the next larger number.
        reaches = threshold if dynamics.fires_at == "reach" else np.nextafter(threshold, dtype(np.inf))
        return kernels.Neurons(tau, leak, reaches, threshold, dynamics.decay_input, dynamics.reset == "hard")

    def attend(self, attention: Attention, q: Tensor, k: Tensor, v: Tensor, heads: int, neuron: Neuron) -> Tensor:
        """Spikes (T, B, N, D). Both products are sums of whole numbers."""
        name = attention.name
        steps, images, tokens, dim = q.shape
        if dim % heads:
            raise ValueError(f"{dim} channels cannot be split among {heads} heads")
        dtype = _dtype(self.engine.supernet)
        spikes = torch.empty(q.shape, dtype=torch.uint8)
        read_3BT4, events_BT4 = np.zeros((3, images, steps, 4), np.int64), np.zeros((images, steps, 4), np.int64)
        fired_BT = np.zeros((images, steps), np.int64)
        settings = self._settings([attention.activation], [neuron], dtype)
        self.engine.for_images(
            products.attend_images, images, *(x.contiguous().numpy() for x in (q, k, v)), heads, settings,
            spikes.numpy(), read_3BT4, events_BT4, fired_BT,
            scratch=lambda: (products.make_attention_scratch(q.numpy(), heads, self.attention_scale, settings),),
        )  # fmt: skip
        q_spikes_T, _, v_spikes_T = read_3BT4[..., 0].sum(1)
        for part, spikes_T in (("q", q_spikes_T), ("v", v_spikes_T)):
            self.tally.reads(f"{name}.{part}", q[0].numel(), Values(spikes_T, spikes_T))
        for product, events_T in zip(PRODUCTS, events_BT4.sum(0).T, strict=True):
            self.tally.executes(f"{name}.{product}", Synapses(events_T, events_T))
        self.tally.emits(f"{name}.attn", fired_BT.sum(0)[None], tokens * dim)
        return spikes

    def pool(self, x: Tensor) -> Tensor:
        """Maxima of 3 x 3 windows with stride 2."""
        steps, images, height, width, channels = x.shape
        pooled = torch.empty((steps, images, _halved(height), _halved(width), channels), dtype=torch.uint8)
        frames, pooled_frames = x.flatten(0, 1).contiguous().numpy(), pooled.flatten(0, 1).numpy()
        self.engine.for_images(kernels.pool, steps * images, frames, pooled_frames)
        return pooled

    def classify(self, head: ElasticLinear, x: Tensor, classes: int) -> Tensor:
        """Logits (B, classes) of the means over steps and tokens. The means come from sums of whole numbers."""
        rows = self.engine.packed([head]).rows(classes)
        logits = torch.empty((x.shape[1], classes), dtype=head.weight.dtype)
        images, dim = x.shape[1], x.shape[-1]
        means_BD = torch.empty((images, dim), dtype=head.weight.dtype)

        def scratch() -> tuple[Array, ...]:
            sums = np.empty(rows.tiles[:, 1].max(), rows.numbers.dtype)
            return np.empty(dim, np.int64), np.empty(dim, np.int32), sums

        self.engine.for_images(
            kernels.classify, images, x.contiguous().numpy(), rows, means_BD.numpy(), logits.numpy(), scratch=scratch
        )
        self.tally.reads(head.name, x[0, :, 0].numel(), None)
        return logits if head.bias is None else logits + head.bias.detach()


def _halved(size: int) -> int:
    """Windows along a side that a max-pool of stride 2 reads."""
    return -(-size // 2)


def _by_tile(rows: kernels.Rows, groups: list[Array], beyond: float) -> Array:
    """Lay out each group's numbers as rows of the tiles' columns. beyond: the value of columns that do not count."""
    by_tile = np.full((len(rows.tiles), rows.tiles[:, 1].max()), beyond, groups[0].dtype)
    for row, (_, _, _, columns, group, column) in zip(by_tile, rows.tiles, strict=True):
        row[:columns] = groups[group][column : column + columns]
    return by_tile


def _as_lif(kind: nn.Module, neuron: Neuron) -> Neuron:
    """The neuron that the loops run. Raises UserError if there is none."""
    lif = kind.as_lif(neuron) if isinstance(kind, NeuronKind) else None
    if lif is None:
        raise UserError(
            f"the neuron {type(kind).__name__} has no form for compiled loops with tau {neuron.tau:g}",
            "--engine",
            "choose --engine dense",
        )
    return lif


def _dtype(supernet: Supernet) -> Any:
    return np.float32 if supernet.head.weight.dtype == torch.float32 else np.float64

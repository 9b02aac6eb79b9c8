"""Who watches a forward pass: what its stages read and emit, kept by name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor


@dataclass
class Watcher:
    """Keeps every input, every spike and every factor of attention that passes by."""

    inputs: dict[str, Tensor] = field(default_factory=dict)
    spikes: dict[str, Tensor] = field(default_factory=dict)
    products: dict[str, tuple[Tensor, Tensor, Tensor, int]] = field(default_factory=dict)

    def on(self, run: Any) -> Watched:
        """The same forward pass, watched."""
        return Watched(run, self)

    def reads(self, name: str, x: Tensor) -> None:
        """Keep a layer's input."""
        self.inputs[name] = x.detach().clone()

    def emits(self, name: str, spikes: Tensor) -> None:
        """Keep a layer's spikes."""
        self.spikes[name] = spikes.detach().clone()

    def multiplies(self, name: str, q: Tensor, k: Tensor, v: Tensor, heads: int) -> None:
        """Keep what attention multiplies, and what its two products are counted by."""
        self.products[name] = (q.clone(), k.clone(), v.clone(), heads)
        self.reads(f"{name}.q", q)
        self.reads(f"{name}.v", v)

    def rates(self) -> dict[str, float]:
        """Share of neurons and steps that fired, by layer."""
        return {name: float(spikes.double().mean()) for name, spikes in self.spikes.items()}


@dataclass(frozen=True)
class Watched:
    """A forward pass (`passes.ForwardPass`) of a spiking network, with a watcher."""

    run: Any
    watcher: Any

    def fire(self, layers: Sequence[Any], x: Tensor, outputs: int, neurons: Sequence[Any]) -> list[tuple[Tensor, ...]]:
        """The pass's; the layers read before they are asked for their moments."""
        for layer in layers:
            self.watcher.reads(layer.weights.name, x)
        fired: list[tuple[Tensor, ...]] = self.run.fire(layers, x, outputs, neurons)
        for of_setting in fired:
            for layer, spikes in zip(layers, of_setting, strict=True):
                self.watcher.emits(layer.norm.name, spikes)
        return fired

    def attend(self, attention: Any, q: Tensor, k: Tensor, v: Tensor, heads: int, neuron: Any) -> Tensor:
        """The pass's."""
        self.watcher.multiplies(attention.name, q, k, v, heads)
        spikes: Tensor = self.run.attend(attention, q, k, v, heads, neuron)
        self.watcher.emits(f"{attention.name}.attn", spikes)
        return spikes

    def pool(self, x: Tensor) -> Tensor:
        """The pass's."""
        pooled: Tensor = self.run.pool(x)
        return pooled

    def classify(self, head: Any, x: Tensor, classes: int) -> Tensor:
        """The pass's; the classifier reads the means over tokens and steps."""
        logits: Tensor = self.run.classify(head, x, classes)
        self.watcher.reads(head.name, x.to(logits.dtype).mean(2).mean(0)[None, :, None])
        return logits

"""Spikformer in plain NumPy float64, written from the equations of the papers and from no line of this project.

Zhou et al. 2022 (Spikformer: SPS, SSA, MLP) and Che et al. 2024 (Auto-Spikformer: genes, Equation 1). Nothing here is
fast: loops over layers, time steps and heads, so that each line can be held against its equation.
Dimension legend: F frames, T time steps, B images, H W rows and columns, C channels, N tokens, D embedding dimension.
A list over T stands for a sequence in time. All arrays are channels last.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from math import floor, sqrt

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
EPS = 1e-5


@dataclass(frozen=True)
class Genes:
    """One subnet. mlp_ratio: exact decimals as texts ("3.8"); one value a block of the first four."""

    mlp_ratio: tuple[str, ...]
    num_heads: tuple[int, ...]
    threshold: tuple[float, ...]
    tau: tuple[float, ...]
    time_step: int
    embed_dim: int


@dataclass(frozen=True)
class Switches:
    """The readings of the papers. fixed_heads: the heads of every block where the gene does nothing."""

    decay_input: bool = True
    fires_at: str = "reach"
    reset: str = "hard"
    threshold_scope: str = "block"
    stem_tau: float = 2.0
    stem_threshold: float = 1.0
    attention_threshold: float = 0.5
    attention_scale: float = 0.125
    fixed_heads: int | None = None
    pooled_stages: tuple[int, ...] = (3, 4)
    pool: str = "after"


def normalised(pixels_BHWC: NDArray[np.uint8], mean: Sequence[float], std: Sequence[float]) -> Array:
    """Bytes as the network reads them: scaled to 0..1, minus the mean, over the deviation of each channel."""
    return (pixels_BHWC.astype(np.float64) / 255 - np.array(mean)) / np.array(std)


def lif(current_T: Sequence[Array], tau: float, threshold: float, switches: Switches) -> list[Array]:
    """Spikes of leaky integrate-and-fire neurons, from a potential of 0.

    Spikformer: u <- u + (I - u) / tau.  Auto-Spikformer, Equation 1: u <- (1 - 1/tau) u + I.
    Then y = 1 where u reaches (exceeds) the threshold, and there u <- 0 (hard) or u - threshold (soft).
    """
    u = np.zeros_like(current_T[0])
    spikes_T = []
    for current in current_T:
        u = u + (current - u) / tau if switches.decay_input else (1 - 1 / tau) * u + current
        fired = u >= threshold if switches.fires_at == "reach" else u > threshold
        u = np.where(fired, 0.0 if switches.reset == "hard" else u - threshold, u)
        spikes_T.append(fired.astype(np.float64))
    return spikes_T


def convolve(x_BHWC: Array, weight_OIKK: Array) -> Array:
    """3 x 3, stride 1, a border of zeros: the sum of the nine taps."""
    rows, columns = x_BHWC.shape[1:3]
    padded = np.pad(x_BHWC, ((0, 0), (1, 1), (1, 1), (0, 0)))
    result = np.zeros((*x_BHWC.shape[:3], len(weight_OIKK)))
    for y in range(3):
        for x in range(3):
            result += padded[:, y : y + rows, x : x + columns] @ weight_OIKK[:, :, y, x].T
    return result


def max_pool(x_BHWC: Array) -> Array:
    """The largest of 3 x 3, stride 2, a border of nothing."""
    padded = np.pad(x_BHWC, ((0, 0), (1, 1), (1, 1), (0, 0)), constant_values=-np.inf)
    last_row, last_column = x_BHWC.shape[1], x_BHWC.shape[2]
    windows = [padded[:, y : y + last_row : 2, x : x + last_column : 2] for y in range(3) for x in range(3)]
    return np.max(windows, axis=0)


def attend(q_BND: Array, k_BND: Array, v_BND: Array, heads: int) -> Array:
    """(q k^T) v of each head, for itself; not scaled."""
    width = q_BND.shape[-1] // heads
    parts = []
    for head in range(heads):
        q, k, v = (x[:, :, head * width : (head + 1) * width] for x in (q_BND, k_BND, v_BND))
        parts.append((q @ k.swapaxes(1, 2)) @ v)
    return np.concatenate(parts, axis=2)


class NumpySpikformer:
    """One subnet over weights with Spikformer's published names: it takes the first channels of wider arrays.

    rates: after a call, the share of neurons and steps that fired, by the name of the BatchNorm before the neurons
    (behind the attention product: block.i.attn.attn_lif).
    """

    def __init__(self, weights: dict[str, Array], genes: Genes, switches: Switches) -> None:
        self.weights, self.genes, self.switches = weights, genes, switches
        self.rates: dict[str, float] = {}
        self.pooled_currents = False

    def __call__(self, frames_FBHWC: Array) -> Array:
        """Logits (B, classes); of F frames step t reads number floor(t F / T), so an image (F = 1) is read T times."""
        genes = self.genes
        num_frames, num_steps = len(frames_FBHWC), genes.time_step
        x_T = self.patch_splitting([frames_FBHWC[t * num_frames // num_steps] for t in range(num_steps)])
        for block in range(len(genes.tau)):
            x_T = _add(x_T, self.self_attention(f"block.{block}.attn", block, x_T))
            x_T = _add(x_T, self.mlp(f"block.{block}.mlp", block, x_T))
        mean_BD = sum(x.mean(axis=1) for x in x_T) / num_steps
        head = self.weights["head.weight"][:, : genes.embed_dim]
        return mean_BD @ head.T + self.weights["head.bias"]

    def patch_splitting(self, x_T: list[Array]) -> list[Array]:
        """SPS: four convolutions, some with a max-pool, then x + RPE(x); tokens (B, N, D) row by row."""
        for stage, number in enumerate(("", "1", "2", "3"), 1):
            weight = self.weights[f"patch_embed.proj_conv{number}.weight"]
            weight = weight[: self.genes.embed_dim] if stage == 4 else weight
            self.pooled_currents = stage in self.switches.pooled_stages and self.switches.pool == "before"
            x_T = self.stem_neurons(f"patch_embed.proj_bn{number}", [convolve(x, weight) for x in x_T])
            if stage in self.switches.pooled_stages and self.switches.pool == "after":
                x_T = [max_pool(x) for x in x_T]
        self.pooled_currents = False
        dim = self.genes.embed_dim
        weight = self.weights["patch_embed.rpe_conv.weight"][:dim, :dim]
        x_T = _add(x_T, self.stem_neurons("patch_embed.rpe_bn", [convolve(x, weight) for x in x_T]))
        return [x.reshape(len(x), -1, dim) for x in x_T]

    def stem_neurons(self, norm: str, x_T: list[Array]) -> list[Array]:
        """The stem's tau and threshold are never searched."""
        return self.neurons(norm, x_T, self.switches.stem_tau, self.switches.stem_threshold)

    def self_attention(self, name: str, block: int, x_T: list[Array]) -> list[Array]:
        """SSA: q, k, v are spikes; LIF((q k^T v) scale) with a threshold of its own; then the projection."""
        genes, switches, dim = self.genes, self.switches, self.genes.embed_dim
        tau, threshold = genes.tau[block], self.unsearched_threshold(block)
        q_T, k_T, v_T = (self.linear(f"{name}.{part}", x_T, dim, tau, threshold) for part in ("q", "k", "v"))
        heads = genes.num_heads[block] if switches.fixed_heads is None else switches.fixed_heads
        mixed_T = [attend(q, k, v, heads) * switches.attention_scale for q, k, v in zip(q_T, k_T, v_T, strict=True)]
        spikes_T = self.fire(f"{name}.attn_lif", mixed_T, tau, switches.attention_threshold)
        return self.linear(f"{name}.proj", spikes_T, dim, tau, threshold)

    def mlp(self, name: str, block: int, x_T: list[Array]) -> list[Array]:
        """Two linear layers; the hidden size is the floor of the exact product D x ratio."""
        genes, tau = self.genes, self.genes.tau[block]
        hidden = floor(genes.embed_dim * Fraction(genes.mlp_ratio[block]))
        x_T = self.linear(f"{name}.fc1", x_T, hidden, tau, genes.threshold[block])
        return self.linear(f"{name}.fc2", x_T, genes.embed_dim, tau, self.unsearched_threshold(block))

    def unsearched_threshold(self, block: int) -> float:
        """The threshold of a block's neurons but fc1's: the block's own in scope "block", else that of the stem."""
        return self.genes.threshold[block] if self.switches.threshold_scope == "block" else self.switches.stem_threshold

    def linear(self, name: str, x_T: list[Array], outputs: int, tau: float, threshold: float) -> list[Array]:
        """LIF(BatchNorm(W x + b)); no b where the checkpoint has none."""
        weight = self.weights[f"{name}_linear.weight"][:outputs, : x_T[0].shape[-1]]
        bias = self.weights.get(f"{name}_linear.bias", np.zeros(len(weight)))[:outputs]
        return self.neurons(f"{name}_bn", [x @ weight.T + bias for x in x_T], tau, threshold)

    def neurons(self, norm: str, x_T: list[Array], tau: float, threshold: float) -> list[Array]:
        """LIF(BatchNorm(x)) with the running statistics."""
        channels = x_T[0].shape[-1]
        mean, variance, weight, bias = (
            self.weights[f"{norm}.{kind}"][:channels] for kind in ("running_mean", "running_var", "weight", "bias")
        )
        current_T = [(x - mean) / np.sqrt(variance + EPS) * weight + bias for x in x_T]
        if self.pooled_currents:
            current_T = [max_pool(current) for current in current_T]
        return self.fire(norm, current_T, tau, threshold)

    def fire(self, name: str, current_T: list[Array], tau: float, threshold: float) -> list[Array]:
        """LIF; its rate is kept."""
        spikes_T = lif(current_T, tau, threshold, self.switches)
        self.rates[name] = float(np.mean([spikes.mean() for spikes in spikes_T]))
        return spikes_T


def _add(x_T: list[Array], y_T: list[Array]) -> list[Array]:
    return [x + y for x, y in zip(x_T, y_T, strict=True)]


# Checkpoints in which every layer fires


def random_checkpoint(
    seed: int, frames_FBHWC: Array, genes: Genes, switches: Switches, num_classes: int, qkv_bias: bool = True
) -> dict[str, Array]:
    """Random weights and statistics for the largest network of these genes, such that every layer fires on the frames.

    Statistics are the frames' own, disturbed; BatchNorm's biases are moved together until a layer fires at a random
    rate. The head is centred, so that the images differ in their predictions.
    """
    generator = np.random.default_rng(seed)
    weights = _random_weights(generator, frames_FBHWC.shape[-1], genes, num_classes, qkv_bias)
    logits = _Livening(weights, genes, switches, generator)(frames_FBHWC)
    weights["head.weight"] /= logits.std(axis=0)[:, None]
    weights["head.bias"] = -(logits / logits.std(axis=0)).mean(axis=0)
    return weights


def _random_weights(
    generator: np.random.Generator, channels: int, genes: Genes, num_classes: int, qkv_bias: bool
) -> dict[str, Array]:
    dim, weights = genes.embed_dim, {}
    names = [f"patch_embed.{name}" for name in ("proj_conv", "proj_conv1", "proj_conv2", "proj_conv3", "rpe_conv")]
    widths = [channels, dim // 8, dim // 4, dim // 2, dim, dim]
    for name, (inputs, outputs) in zip(names, pairwise(widths), strict=True):
        weights[f"{name}.weight"] = _random_matrix(generator, outputs, 9 * inputs).reshape(outputs, inputs, 3, 3)
    for block, ratio in enumerate(genes.mlp_ratio):
        hidden = floor(dim * Fraction(ratio))
        linears = {f"attn.{part}": (dim, dim) for part in ("q", "k", "v", "proj")}
        linears |= {"mlp.fc1": (hidden, dim), "mlp.fc2": (dim, hidden)}
        for name, (outputs, inputs) in linears.items():
            full = f"block.{block}.{name}_linear"
            weights[f"{full}.weight"] = _random_matrix(generator, outputs, inputs)
            if qkv_bias or name not in ("attn.q", "attn.k", "attn.v"):
                weights[f"{full}.bias"] = generator.normal(0, 0.5, outputs)
    weights["head.weight"] = generator.normal(0, 1, (num_classes, dim))
    weights["head.bias"] = np.zeros(num_classes)
    return weights


def _random_matrix(generator: np.random.Generator, outputs: int, inputs: int) -> Array:
    """Rows of sizes that differ by a hundred, so that what is added to a small variance counts."""
    sizes = 10 ** generator.uniform(-2, 0, (outputs, 1))
    return sizes * generator.normal(0, 1 / sqrt(inputs), (outputs, inputs))


class _Livening(NumpySpikformer):
    """Sets each BatchNorm on the way."""

    def __init__(
        self, weights: dict[str, Array], genes: Genes, switches: Switches, generator: np.random.Generator
    ) -> None:
        super().__init__(weights, genes, switches)
        self.generator = generator

    def neurons(self, norm: str, x_T: list[Array], tau: float, threshold: float) -> list[Array]:
        generator, channels = self.generator, x_T[0].shape[-1]
        x_RC = np.concatenate([x.reshape(-1, channels) for x in x_T])
        mean, variance = x_RC.mean(axis=0), x_RC.var(axis=0)
        gain = threshold * tau if self.switches.decay_input else threshold
        found = {
            "running_mean": mean + 0.1 * np.sqrt(variance) * generator.normal(size=channels),
            "running_var": variance * generator.uniform(0.8, 1.25, channels),
            "weight": gain * generator.choice([-1, 1, 1, 1], channels) * generator.uniform(0.5, 1, channels),
            "bias": gain * generator.normal(0, 0.25, channels),
        }
        self.weights |= {f"{norm}.{kind}": value for kind, value in found.items()}
        is_factor = norm.endswith(("q_bn", "k_bn", "v_bn"))
        target = self.rate_of_factors(norm, x_T) if is_factor else generator.uniform(0.15, 0.3)
        low, high = -8 * gain, 8 * gain
        # No finer than a hundredth: where many inputs are alike, the exact rate is that of potentials at the threshold.
        for _ in range(10):
            self.weights[f"{norm}.bias"] = found["bias"] + (low + high) / 2
            spikes_T = super().neurons(norm, x_T, tau, threshold)
            low, high = (low, (low + high) / 2) if self.rates[norm] > target else ((low + high) / 2, high)
        return spikes_T

    def rate_of_factors(self, norm: str, x_T: list[Array]) -> float:
        """Rate of q, k and v at which their product, scaled, brings the potential behind it near the threshold."""
        genes, switches = self.genes, self.switches
        block = int(norm.split(".")[1])
        heads = genes.num_heads[block] if switches.fixed_heads is None else switches.fixed_heads
        num_terms = x_T[0].shape[1] * genes.embed_dim / heads
        retained = 1 - (1 - 1 / genes.tau[block]) ** genes.time_step
        integrated = retained if switches.decay_input else retained * genes.tau[block]
        expected = 0.7 * switches.attention_threshold / integrated / switches.attention_scale
        return float(np.clip((expected / num_terms) ** (1 / 3), 0.08, 0.4))

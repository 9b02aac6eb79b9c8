"""Parameters, multiply-accumulates and neurons of the paper's models, and of networks that are really built."""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal
from random import Random
from typing import Any

import pytest
import torch
from torch import Tensor

from autospikformer_cli.space import SearchSpace, Subnet, parse_subnet
from autospikformer_cli.spiking.layout import NetworkShape, Order, num_neurons, num_params, operations
from autospikformer_cli.spiking.memory import evaluation_bytes, training_bytes
from autospikformer_cli.spiking.normalisation import BatchStatistics
from autospikformer_cli.spiking.supernet import NetworkConfig, Supernet

pytestmark = pytest.mark.usefixtures("one_thread")

SPIKFORMER_4_384 = "(4, 4, 4, 4, 4, 12, 12, 12, 12, 1, 1, 1, 1, 2, 2, 2, 2, 4, 384)"
SPIKFORMER_2_384 = "(2, 4, 4, 12, 12, 1, 1, 2, 2, 4, 384)"
SPIKFORMER_4_256 = "(4, 4, 4, 4, 4, 8, 8, 8, 8, 1, 1, 1, 1, 2, 2, 2, 2, 4, 256)"
S_TS1 = "(2, 3.8, 3.6, 12, 12, 1.4, 2.0, 5, 2, 4, 348)"
S_TL2 = "(2, 4.2, 4.2, 12, 12, 0.8, 1.2, 3, 1.5, 4, 480)"


def cifar(widest_dim: int) -> NetworkShape:
    return NetworkShape(image_size=32, in_channels=3, num_classes=10, widest_dim=widest_dim)


def macs(subnet: str, order: Order = "qk_v", prefixes: tuple[str, ...] = ("patch_embed", "block")) -> int:
    found = operations(cifar(384), parse_subnet(subnet), order)
    return sum(operation.macs for operation in found if operation.name.startswith(prefixes))


# The paper's models


@pytest.mark.parametrize(
    ("subnet", "widest", "millions"),
    [
        (SPIKFORMER_4_384, 384, 9.325),
        (SPIKFORMER_2_384, 384, 5.765),
        (SPIKFORMER_4_256, 256, 4.155),
        (S_TS1, 384, 4.684),
        (S_TL2, 480, 9.184),
    ],
)
def test_parameters_of_the_papers_models(subnet: str, widest: int, millions: float) -> None:
    assert round(num_params(cifar(widest), parse_subnet(subnet)) / 1e6, 3) == millions


def test_parameters_of_spikformer_4_384_by_hand() -> None:
    convolutions = 9 * (3 * 48 + 48 * 96 + 96 * 192 + 192 * 384 + 384 * 384) + 2 * (48 + 96 + 192 + 384 + 384)
    block = 4 * (384 * 384 + 3 * 384) + (384 * 1536 + 3 * 1536) + (1536 * 384 + 3 * 384)
    head = 384 * 10 + 10
    assert convolutions + 4 * block + head == 9_324_730
    assert num_params(cifar(384), parse_subnet(SPIKFORMER_4_384)) == 9_324_730


def test_multiply_accumulates_of_spikformer_4_384() -> None:
    """A time step: the stem by hand, 64 tokens in the blocks; without the head."""
    stem = 9 * (1024 * (3 * 48 + 48 * 96 + 96 * 192) + 256 * 192 * 384 + 64 * 384 * 384)
    block = 64 * (4 * 384**2 + 8 * 384**2) + 2 * 64**2 * 384
    assert macs(SPIKFORMER_4_384, prefixes=("patch_embed",)) == stem
    assert macs(SPIKFORMER_4_384, prefixes=("block",)) == 4 * block
    assert [round(value / 1e6, 1) for value in (stem, 4 * block, stem + 4 * block)] == [468.5, 465.6, 934.0]
    assert round(macs(SPIKFORMER_4_384, "q_kv") / 1e6, 1) == 927.7


def test_operations_have_spikformers_names() -> None:
    shape = NetworkShape(8, 1, 2, 8)
    found = [(o.name, o.kind, o.reads, o.input_kind) for o in operations(shape, parse_subnet("(1, 2, 4, 1, 2, 4, 8)"))]
    stem = [
        (f"patch_embed.{name}", "convolution", f"patch_embed.{name}", "real" if name == "proj_conv" else "binary")
        for name in ("proj_conv", "proj_conv1", "proj_conv2", "proj_conv3", "rpe_conv")
    ]
    qkv = [(f"block.0.attn.{x}_linear", "linear", f"block.0.attn.{x}_linear", "integer") for x in "qkv"]
    assert found == [
        *stem,
        *qkv,
        ("block.0.attn.q@k", "attention", "block.0.attn.q", "binary"),
        ("block.0.attn.(q@k)@v", "attention", "block.0.attn.v", "binary"),
        ("block.0.attn.proj_linear", "linear", "block.0.attn.proj_linear", "binary"),
        ("block.0.mlp.fc1_linear", "linear", "block.0.mlp.fc1_linear", "integer"),
        ("block.0.mlp.fc2_linear", "linear", "block.0.mlp.fc2_linear", "binary"),
        ("head", "head", "head", "real"),
    ]
    reordered = operations(shape, parse_subnet("(1, 2, 4, 1, 2, 4, 8)"), "q_kv")
    products = [(o.name, o.reads, o.macs) for o in reordered if o.kind == "attention"]
    assert products == [
        ("block.0.attn.k@v", "block.0.attn.v", 4 * 8 * 8 // 4),
        ("block.0.attn.q@(k@v)", "block.0.attn.q", 4 * 8 * 8 // 4),
    ]
    fixed = operations(replace(shape, fixed_heads=2), parse_subnet("(1, 2, 4, 1, 2, 4, 8)"), "q_kv")
    assert [o.macs for o in fixed if o.kind == "attention"] == [4 * 8 * 8 // 2] * 2


@pytest.mark.parametrize(
    ("image_size", "pooled", "sizes"),
    [
        (32, (3, 4), [32, 32, 32, 16, 8]),
        (128, (1, 2, 3, 4), [128, 64, 32, 16, 8]),
        (8, (4,), [8, 8, 8, 8, 4]),
        (7, (2, 3), [7, 7, 4, 2, 2]),
        (8, (), [8, 8, 8, 8, 8]),
    ],
)
def test_sides_of_the_feature_maps(image_size: int, pooled: tuple[int, ...], sizes: list[int]) -> None:
    shape = NetworkShape(image_size, 3, 10, 64, pooled)
    assert [shape.stage_size(stage) for stage in range(1, 6)] == sizes
    assert shape.num_tokens == sizes[-1] ** 2


# Networks that are built


@dataclass(frozen=True, slots=True)
class NarrowShape(NetworkShape):
    """A subnet taken out of its supernet: the widest dimension is its own, the stem's first three widths are not."""

    stem: tuple[int, int, int] = (2, 4, 8)

    def stem_widths(self, embed_dim: int) -> tuple[int, int, int, int]:
        """The supernet's first three, then the subnet's."""
        return (*self.stem, embed_dim)


def alone(subnet: Subnet) -> SearchSpace:
    """The space whose only member has these genes (one mlp_ratio for all blocks)."""
    return SearchSpace(
        depth=(subnet.depth,),
        mlp_ratio=(max(subnet.mlp_ratio),),
        num_heads=tuple(sorted(set(subnet.num_heads))),
        threshold=tuple(sorted(set(subnet.threshold))),
        tau=tuple(sorted(set(subnet.tau))),
        time_step=(subnet.time_step,),
        embed_dim=(subnet.embed_dim,),
    )


def test_parameters_are_the_weights_of_the_network_built(space: SearchSpace) -> None:
    shape = NetworkShape(8, 2, 5, 16, (3,))
    for seed in range(12):
        drawn = space.sample(Random(seed))
        subnet = replace(drawn, mlp_ratio=(drawn.mlp_ratio[0],) * drawn.depth)
        built = Supernet(NetworkConfig(NarrowShape(8, 2, 5, subnet.embed_dim, (3,)), alone(subnet)))
        assert num_params(shape, subnet) == sum(parameter.numel() for parameter in built.parameters())


def test_each_blocks_hidden_neurons_are_the_floor_of_the_exact_product(space: SearchSpace) -> None:
    subnet = parse_subnet("(2, 1.3, 3, 4, 2, 1, 1, 2, 2, 2, 12)")
    assert subnet in space
    assert [subnet.hidden_dim(block) for block in range(2)] == [15, 36]
    fc1 = [o for o in operations(NetworkShape(8, 2, 5, 16), subnet) if o.name.endswith("fc1_linear")]
    assert [(o.macs, o.params) for o in fc1] == [(4 * 12 * 15, 12 * 15 + 45), (4 * 12 * 36, 12 * 36 + 108)]
    inexact = Subnet((Decimal("4.2"),), (1,), (Decimal(1),), (Decimal(2),), 1, 480)
    assert inexact.hidden_dim(0) == 2016


@pytest.mark.parametrize("pool", ["after", "before"])
@pytest.mark.parametrize("image_size", [7, 8])
def test_neurons_and_inputs_are_what_a_watcher_sees(
    space: SearchSpace, watcher: Any, image_size: int, pool: Any
) -> None:
    shape = NetworkShape(image_size, 2, 5, 16, (2, 3), pool=pool)
    supernet = Supernet(NetworkConfig(shape, space))
    frames = torch.rand(1, 3, image_size, image_size, 2)
    for seed in range(6):
        watcher.inputs.clear()
        watcher.spikes.clear()
        subnet = space.sample(Random(seed))
        with torch.no_grad():
            supernet.run(frames, subnet, watcher.on(supernet.in_torch(subnet, BatchStatistics())))
        fired = [spikes[0, 0].numel() for spikes in watcher.spikes.values()]
        assert num_neurons(shape, subnet) == sum(fired)
        assert [each.neurons for each in operations(shape, subnet) if each.fires] == fired
        assert {spikes.shape[:2] for spikes in watcher.spikes.values()} == {(subnet.time_step, 3)}
        found = operations(shape, subnet)
        assert list(watcher.inputs) == list(dict.fromkeys(operation.reads for operation in found))
        for operation in found:
            values = watcher.inputs[operation.reads]
            assert kind_of(values, operation.input_kind)
            assert values[0, 0].numel() == operation.inputs
            assert values.max() <= operation.largest_input or operation.input_kind == "real"
            if operation.kind == "linear":
                outputs = operation.macs // values[0, 0].numel()
                assert operation.params == values.shape[-1] * outputs + 3 * outputs


def test_the_largest_inputs_are_those_of_neurons_that_fire_always(space: SearchSpace, watcher: Any) -> None:
    """The embedding is two spikes, and each half of a block adds one: 2, 3, 4, 5."""
    shape, subnet = NetworkShape(8, 2, 5, 16, (2, 3)), replace(space.sample(Random(3)), embed_dim=16)
    supernet = Supernet(NetworkConfig(shape, space, attention_scale=0.5))
    with torch.no_grad():
        for name, parameter in supernet.named_parameters():
            if "_bn" in name:
                parameter.fill_(1000.0 if name.endswith("bias") else 0.0)
        run = watcher.on(supernet.in_torch(subnet, BatchStatistics()))
        supernet.run(torch.rand(1, 1, 8, 8, 2), subnet, run)
    for operation in operations(shape, subnet):
        if operation.input_kind != "real":
            assert int(watcher.inputs[operation.reads].min()) == operation.largest_input, operation.name
    largest = {o.name: o.largest_input for o in operations(shape, parse_subnet("(2, 2, 2, 4, 4, 1, 1, 2, 2, 4, 16)"))}
    assert [largest[f"block.{block}.{layer}_linear"] for block in (0, 1) for layer in ("attn.q", "mlp.fc1")] == [
        2, 3, 4, 5,
    ]  # fmt: skip


def test_runs_what_is_stored_and_what_fires() -> None:
    subnet = parse_subnet("(1, 2, 4, 1, 2, 4, 8)")
    tokens = 4
    found = {o.name.rpartition(".")[2]: o for o in operations(NetworkShape(8, 1, 2, 8), subnet)}
    assert {name: o.runs for name, o in found.items() if o.runs != "step"} == {"proj_conv": "repeated", "head": "image"}
    assert {name for name, o in found.items() if not o.fires} == {"q@k", "head"}
    assert {name: o.stored for name, o in found.items() if o.stored != "weights"} == {
        "q@k": "spikes",
        "(q@k)@v": "sums",
    }
    assert [found[name].outputs for name in ("q@k", "(q@k)@v")] == [4 * tokens**2, tokens * 8]
    reordered = {o.name.rpartition(".")[2]: o for o in operations(NetworkShape(8, 1, 2, 8), subnet, "q_kv")}
    assert [reordered[name].outputs for name in ("k@v", "q@(k@v)")] == [4 * 2 * 2, tokens * 8]
    assert [reordered[name].stored for name in ("k@v", "q@(k@v)")] == ["spikes", "sums"]
    assert [(o.runs, o.input_kind) for o in operations(NetworkShape(8, 1, 2, 8, reads_events=True), subnet)][:2] == [
        ("step", "events"),
        ("step", "binary"),
    ]
    ann = operations(NetworkShape(8, 1, 2, 8, network="transformer"), subnet)
    assert {(o.runs, o.input_kind, o.analog) for o in ann} == {("image", "real", True)}
    assert not any(o.analog for o in found.values())
    norms = {name: o.norm for name, o in found.items() if name.startswith(("proj", "rpe", "fc1", "q"))}
    assert norms["rpe_conv"] == "patch_embed.rpe_bn"
    assert (norms["proj_conv3"], norms["fc1_linear"], norms["q@k"]) == (
        "patch_embed.proj_bn3",
        "block.0.mlp.fc1_bn",
        "",
    )


@pytest.mark.parametrize("side", range(1, 10))
def test_taps_that_reach_the_map(side: int) -> None:
    """Tap by tap, of a map of each side; 2 channels in, and 1, 2, 4, 8 and 8 out."""
    places = [(y, x) for y in range(side) for x in range(side)]
    taps = [(y + dy, x + dx) for y, x in places for dy in (-1, 0, 1) for dx in (-1, 0, 1)]
    inside = sum(0 <= row < side and 0 <= column < side for row, column in taps)
    found = operations(NetworkShape(side, 2, 5, 8, ()), parse_subnet("(1, 2, 4, 1, 2, 4, 8)"))
    weights = [2 * 1, 1 * 2, 2 * 4, 4 * 8, 8 * 8]
    assert [o.reached_macs for o in found[:5]] == [inside * pairs for pairs in weights]
    assert [o.macs for o in found[:5]] == [len(taps) * pairs for pairs in weights]
    assert all(o.reached_macs == o.macs for o in found[5:])


def test_pools_before_neurons_leave_fewer_of_them() -> None:
    """8 x 8 positions, of which stages 2 and 3 leave 4 x 4 and 2 x 2: the currents stay as many."""
    shape, subnet = NetworkShape(8, 2, 5, 8, (2, 3), pool="before"), parse_subnet("(1, 2, 4, 1, 2, 4, 8)")
    stem = operations(shape, subnet)[:5]
    assert [each.outputs for each in stem] == [1 * 64, 2 * 64, 4 * 16, 8 * 4, 8 * 4]
    assert [each.neurons for each in stem] == [1 * 64, 2 * 16, 4 * 4, 8 * 4, 8 * 4]
    after = operations(replace(shape, pool="after"), subnet)
    assert [each.neurons for each in after if each.fires] == [each.outputs for each in after if each.fires]


@pytest.mark.parametrize("network", ["spikformer", "transformer"])
def test_neurons_in_closed_form(space: SearchSpace, network: Any) -> None:
    for seed in range(8):
        subnet, side = space.sample(Random(seed)), 5 + seed
        shape = NetworkShape(side, 2, 5, 16, (3,), network=network)
        after, dim = (side + 1) // 2, subnet.embed_dim
        stem = (2 + 4 + 8) * side**2 + 2 * dim * after**2
        blocks = sum(after**2 * (6 * dim + subnet.hidden_dim(block)) for block in range(subnet.depth))
        assert num_neurons(shape, subnet) == stem + blocks


def kind_of(values: Tensor, kind: str) -> bool:
    """Whether a layer's input is what the layout says it is."""
    if kind == "real":
        return len(values) == 1
    return (
        bool((values == values.round()).all())
        and float(values.min()) >= 0
        and (kind == "integer" or float(values.max()) <= 1)
    )


def test_memory_grows_with_what_is_kept() -> None:
    shape, subnet = cifar(384), parse_subnet(SPIKFORMER_4_384)
    weights, neurons = 9_324_730, num_neurons(cifar(384), subnet)
    assert training_bytes(shape, subnet, 128, 4) == 4 * (4 * weights + 3 * neurons * 4 * 128)
    assert evaluation_bytes(shape, subnet, 64, 8, 8) == 8 * (weights + 4 * 192 * 1024 * 4 * 64)
    assert evaluation_bytes(shape, subnet, 64, 4, 1) == 4 * weights + 4 * 192 * 1024 * 4 * 64

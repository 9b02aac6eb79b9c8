"""Subnets without a block or half of one: against an independent network, renumbered weights, and silenced neurons."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from decimal import Decimal
from itertools import product
from typing import Any, NamedTuple

import pytest
import torch
from numpy.testing import assert_array_equal
from torch import Tensor

from autospikformer_cli.data.description import DataDescription
from autospikformer_cli.data.frames import to_frames
from autospikformer_cli.data.images import ImageSet
from autospikformer_cli.energy.pricing import EnergyModel
from autospikformer_cli.engine.choice import EngineName, make_engine
from autospikformer_cli.evaluation.evaluator import Evaluator, SubnetResult
from autospikformer_cli.measurement import Measurement
from autospikformer_cli.recipe.energy.models import shipped_convention, shipped_names, shipped_profile
from autospikformer_cli.runs.ablation import Ablation, BlockPart, ablations_of, parts_of
from autospikformer_cli.space import AblatedSubnet, BlockHalf, SearchSpace, Subnet
from autospikformer_cli.spiking.layout import num_params, operations
from autospikformer_cli.spiking.neuron_kinds import ParametricLIFKind
from autospikformer_cli.spiking.supernet import Supernet

pytestmark = pytest.mark.usefixtures("one_thread")

SPACE = SearchSpace(
    depth=(1, 2, 3),
    mlp_ratio=(Decimal("1.3"), Decimal(2), Decimal(3)),
    num_heads=(2, 4),
    threshold=(Decimal("0.6"), Decimal(1)),
    tau=(Decimal("1.25"), Decimal(2)),
    time_step=(2, 3),
    embed_dim=(12, 16),
)
GENES = (
    (Decimal("1.3"), Decimal(2), Decimal(3)), (2, 4, 2), (Decimal("0.6"), Decimal(1), Decimal("0.6")),
    (Decimal("1.25"), Decimal(2), Decimal(2)),
)  # fmt: skip
DESCRIPTION = DataDescription(5, 2, 8, mean=(0.5, 0.4), std=(0.3, 0.2))
FORMS: dict[str, dict[str, Any]] = {
    "spikformer": {},
    "plif": {"neuron": ParametricLIFKind},
    "transformer": {"network": "transformer"},
}
ENGINES: tuple[EngineName, ...] = ("event_driven", "dense")
MAC_J, AC_J = 4.6e-12, 0.9e-12
BRANCHES = {"attention": "attn.proj", "mlp": "mlp.fc2"}
"""The last layer of each half, whose spikes are added to the stream."""


def subnet_of(depth: int) -> Subnet:
    """A subnet of which no two blocks are alike."""
    return Subnet(*(genes[:depth] for genes in GENES), 3, 12)  # type: ignore[arg-type]


def image_set(number: int, seed: int) -> ImageSet:
    generator = torch.Generator().manual_seed(seed)
    images = torch.randint(256, (number, 8, 8, 2), generator=generator, dtype=torch.uint8)
    labels = torch.randint(5, (number,), generator=generator)
    return ImageSet(images, labels, torch.arange(number), "validation", "")


IMAGES, CALIBRATION = image_set(24, 1), image_set(9, 2)


def normalised(images: ImageSet) -> Tensor:
    """(B, H, W, C), as the network reads them."""
    return to_frames(images.images, DESCRIPTION, torch.device("cpu"), torch.float64)[0]


@pytest.fixture(scope="module")
def networks(make_lively: Callable[..., Supernet]) -> dict[str, Supernet]:
    """A lively network of each form."""
    made = {}
    for form, choices in FORMS.items():
        chosen = dict(choices)
        shape = make_lively().config.shape
        if "network" in chosen:
            shape = replace(shape, network=chosen.pop("network"))
        made[form] = make_lively(seed=11, space=SPACE, shape=shape, **chosen)
    for number, node in enumerate(each for each in made["plif"].modules() if isinstance(each, ParametricLIFKind)):
        torch.nn.init.constant_(node.w, 0.1 + 0.02 * number)
    return made


def measure(
    supernet: Supernet, subnets: list[Subnet], engine: EngineName = "event_driven", batchnorm: Any = "recalibrate"
) -> dict[Subnet, SubnetResult]:
    evaluator = Evaluator(make_engine(supernet, 1, engine), DESCRIPTION, CALIBRATION, batchnorm, batch=10)
    return {key: each for batch in evaluator.measure_many(subnets, IMAGES) for key, each in batch.items()}


class Measured(NamedTuple):
    """A subnet and its ablations, measured in one walk."""

    whole: SubnetResult
    without: dict[BlockPart, SubnetResult]


def measure_parts(supernet: Supernet, subnet: Subnet, *how: Any) -> Measured:
    networks = {part: AblatedSubnet.of(subnet, part.halves) for part in parts_of(subnet)}
    found = measure(supernet, [subnet, *networks.values()], *how)
    return Measured(found[subnet], {part: found[each] for part, each in networks.items()})


def priced(supernet: Supernet, subnet: Subnet, measured: Measured, energy: EnergyModel) -> tuple[Ablation, ...]:
    without = {part: each.measurement for part, each in measured.without.items()}
    return ablations_of(subnet, measured.whole.measurement, without, energy)


def energy_models(supernet: Supernet) -> list[EnergyModel]:
    """Under every convention on every profile: some price memory, neurons, borders, or a mean rate."""
    names = product(shipped_names("conventions"), shipped_names("profiles"))
    return [EnergyModel(supernet.config.shape, shipped_convention(one), shipped_profile(other)) for one, other in names]


def lacking(reference: Any, absent: tuple[BlockHalf, ...]) -> type[Any]:
    """The independent network, whose absent branches add nothing and are never run."""

    class Lacking(reference.network):  # type: ignore[misc, name-defined]
        def _attention(self, prefix: str, x: Tensor, block: int) -> Any:
            return 0.0 if (block, "attention") in absent else super()._attention(prefix, x, block)

        def _mlp(self, prefix: str, x: Tensor, block: int) -> Any:
            return 0.0 if (block, "mlp") in absent else super()._mlp(prefix, x, block)

    return Lacking


@pytest.mark.parametrize("depth", [1, 2, 3])
@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("batchnorm", ["recalibrate", "running"])
def test_an_independent_network_without_the_part_computes_the_same(
    networks: Mapping[str, Supernet], reference: Any, depth: int, engine: EngineName, batchnorm: str
) -> None:
    """Logits, answers, spikes and inputs by layer and step, and joules by hand; all measured in one walk."""
    supernet, subnet = networks["spikformer"], subnet_of(depth)
    weights, config = supernet.state_dict(), supernet.config
    energy = EnergyModel(config.shape, shipped_convention("sound"), shipped_profile("cmos45"))
    measured = measure_parts(supernet, subnet, engine, batchnorm)
    for ablation in priced(supernet, subnet, measured, energy):
        network = lacking(reference, ablation.part.halves)
        moments = reference.running(weights)
        if batchnorm == "recalibrate":
            moments = reference.recalibrated(weights, config, subnet, normalised(CALIBRATION), network)
        by_hand = network(weights, config, subnet, moments)
        logits = by_hand(normalised(IMAGES))
        result = measured.without[ablation.part]
        assert float((result.predictions.logits - logits).abs().max()) < 1e-9
        assert result.measurement.correct == int((logits.argmax(-1) == IMAGES.labels).sum())
        spikes = {name: tuple(int(step.sum()) for step in each) for name, each in by_hand.spikes.items()}
        assert {each.layer: each.spikes for each in result.measurement.spikes} == spikes
        read = {name: each for name, each in by_hand.inputs.items() if name not in ("head", "patch_embed.proj_conv")}
        sums = {name: tuple(int(step.sum()) for step in each) for name, each in read.items()}
        assert {each.layer: each.sums for each in result.measurement.inputs if each.sums} == sums
        assert ablation.energy_j == pytest.approx(joules_by_hand(supernet, subnet, sums, by_hand), rel=1e-12)
    lively = [sum(each.spikes) for each in measured.whole.measurement.spikes]
    assert min(lively) > 0
    assert len({each.measurement.spikes for each in measured.without.values()}) == 3 * depth


def joules_by_hand(supernet: Supernet, subnet: Subnet, sums: Mapping[str, tuple[int, ...]], by_hand: Any) -> float:
    """Of an image. Each spike costs an accumulate for each output of each tap; pixels and the head multiply."""
    shape, dim, tokens = supernet.config.shape, subnet.embed_dim, supernet.config.shape.num_tokens
    stem = dict(zip(("proj_conv1", "proj_conv2", "proj_conv3", "rpe_conv"), (4, 8, dim, dim), strict=True))
    accumulates = 0
    for name, by_step in sums.items():
        block = int(name.split(".")[1]) if name.startswith("block") else 0
        last = name.rpartition(".")[2]
        # a spike of q meets all tokens of k, and a spike of v all tokens' sums
        outputs = {"q": tokens, "v": tokens, "fc1_linear": subnet.hidden_dim(block)}.get(last, dim)
        accumulates += sum(by_step) * (9 * stem[last] if last in stem else outputs)
    pixels = shape.in_channels * 2 * 9 * shape.image_size**2
    multiplies = pixels + dim * shape.num_classes
    return accumulates / len(IMAGES) * AC_J + multiplies * MAC_J


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("engine", ENGINES)
def test_without_a_block_it_is_the_shallower_network_of_the_other_blocks(
    networks: Mapping[str, Supernet], form: str, engine: EngineName
) -> None:
    """Renumbered weights and genes: counts, parameters and joules under all rules are the same, to the last bit."""
    if form == "transformer" and engine == "event_driven":
        pytest.skip("an ANN has no events")
    supernet, subnet = networks[form], subnet_of(3)
    measured = measure_parts(supernet, subnet, engine)
    for block in range(3):
        result = measured.without[BlockPart(block)]
        kept = [each for each in range(3) if each != block]
        shallow = Subnet(*(tuple(genes[each] for each in kept) for genes in GENES), 3, 12)  # type: ignore[arg-type]
        renumbered = Supernet(supernet.config).double()
        state = {
            f"block.{new}.{name.split('.', 2)[2]}" if name.startswith("block.") else name: tensor
            for new, old in [*enumerate(kept), (2, block)]
            for name, tensor in supernet.state_dict().items()
            if not name.startswith("block.") or name.startswith(f"block.{old}.")
        }
        renumbered.load_state_dict(state)
        expected = measure(renumbered, [shallow], engine)[shallow]
        assert torch.equal(result.predictions.logits, expected.predictions.logits)
        ablated = AblatedSubnet.of(subnet, BlockPart(block).halves)
        assert under_new_names(result.measurement, kept) == expected.measurement
        assert num_params(supernet.config.shape, ablated) == num_params(supernet.config.shape, shallow)
        for energy in energy_models(supernet):
            ours, theirs = energy.of(ablated, result.measurement), energy.of(shallow, expected.measurement)
            assert_array_equal(ours.energy_j, theirs.energy_j)  # nan, where a profile prices nothing of an ANN


def under_new_names(measured: Measurement, kept: list[int]) -> Measurement:
    """A measurement whose blocks have the numbers of their places."""

    def renamed(name: str) -> str:
        first, _, rest = name.partition(".")
        block, _, layer = rest.partition(".")
        return f"block.{kept.index(int(block))}.{layer}" if first == "block" else name

    return replace(
        measured,
        inputs=tuple(replace(each, layer=renamed(each.layer)) for each in measured.inputs),
        spikes=tuple(replace(each, layer=renamed(each.layer)) for each in measured.spikes),
        synapses=tuple(replace(each, operation=renamed(each.operation)) for each in measured.synapses),
    )


@pytest.mark.parametrize("depth", [1, 3])
@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("batchnorm", ["recalibrate", "running"])
def test_a_silenced_part_gives_the_same_answers_at_its_own_price(
    networks: Mapping[str, Supernet], depth: int, engine: EngineName, batchnorm: str
) -> None:
    """Neurons that never fire, in the whole subnet: the logits without the part, and the energy told as silenced."""
    supernet, subnet = networks["spikformer"], subnet_of(depth)
    measured = measure_parts(supernet, subnet, engine, batchnorm)
    by_rules = [(energy, priced(supernet, subnet, measured, energy)) for energy in energy_models(supernet)]
    for place, part in enumerate(measured.without):
        silenced = Supernet(supernet.config).double()
        silenced.load_state_dict(supernet.state_dict())
        with torch.no_grad():
            for block, half in part.halves:
                norm = silenced.get_submodule(f"block.{block}.{BRANCHES[half]}_bn")
                norm.weight.zero_()  # type: ignore[union-attr, operator]
                norm.bias.fill_(-1.0)  # type: ignore[union-attr, operator]
        expected = measure(silenced, [subnet], engine, batchnorm)[subnet]
        assert torch.equal(expected.predictions.logits, measured.without[part].predictions.logits)
        for energy, ablations in by_rules:
            found = ablations[place].silenced_j
            assert found == pytest.approx(energy.of(subnet, expected.measurement).energy_j, rel=1e-12)
    sound = next(ablations for energy, ablations in by_rules if energy.convention.name == "sound")
    assert all(each.energy_j < each.silenced_j for each in sound)


def test_operations_keep_their_names_and_read_smaller_sums(networks: Mapping[str, Supernet]) -> None:
    """Without earlier halves, the largest value of the stream is smaller: 2 of the embedding, 1 of each half."""
    shape, subnet = networks["spikformer"].config.shape, subnet_of(3)
    ablated = AblatedSubnet.of(subnet, (*BlockPart(0).halves, *BlockPart(1, "mlp").halves))
    found = {each.name: each.largest_input for each in operations(shape, ablated) if each.input_kind == "integer"}
    assert found == {
        **{f"block.1.attn.{name}_linear": 2 for name in "qkv"},
        **{f"block.2.attn.{name}_linear": 3 for name in "qkv"},
        "block.2.mlp.fc1_linear": 4,
    }
    only_stem = AblatedSubnet.of(subnet_of(1), BlockPart(0).halves)
    assert [each.name for each in operations(shape, only_stem)][-2:] == ["patch_embed.rpe_conv", "head"]
    assert only_stem.depth == 1
    assert only_stem != subnet_of(1)

"""What each block of a subnet, and each half of a block, gives in accuracy and costs in energy: measured without it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

from autospikformer_cli.analysis.ablation import AccuracyChange, accuracy_changes
from autospikformer_cli.analysis.correlation import binomial_interval
from autospikformer_cli.analysis.paired import SIGNIFICANCE
from autospikformer_cli.energy.counts import OperationCounts
from autospikformer_cli.energy.pricing import EnergyModel
from autospikformer_cli.measurement import Measurement
from autospikformer_cli.recipe import Recipe
from autospikformer_cli.runs.prices import require_prices, unpriced_operations
from autospikformer_cli.runs.selection import select_of
from autospikformer_cli.runs.trained_run import TrainedRun
from autospikformer_cli.space import BLOCK_GENES, HALVES, AblatedSubnet, BlockHalf, Half, Subnet
from autospikformer_cli.store.searches import present_search
from autospikformer_cli.store.supernet import read_training

if TYPE_CHECKING:
    from autospikformer_cli.data.images import ImageSet

PREFIXES: Mapping[Half, str] = {"attention": "attn", "mlp": "mlp"}
"""Of the names of a half's layers, after those of the block."""


class BlockPart(NamedTuple):
    """A block, or one half of it. half: None for both."""

    block: int
    half: Half | None = None

    @property
    def halves(self) -> tuple[BlockHalf, ...]:
        """The residual branches that it has."""
        return tuple(BlockHalf(self.block, half) for half in HALVES if self.half in (half, None))

    @property
    def name(self) -> str:
        """In words."""
        words = {"attention": "the attention of ", "mlp": "the MLP of ", None: ""}
        return f"{words[self.half]}block {self.block}"


@dataclass(frozen=True, slots=True)
class Ablation:
    """A subnet without a part.

    energy_j: of an image. silenced_j: the same if the part stays and computes, and its last neurons never fire. Then
    its branches add zeros to the stream. So all answers are those without it.
    """

    part: BlockPart
    measurement: Measurement
    change: AccuracyChange
    energy_j: float
    silenced_j: float

    def to_document(self, whole_j: float) -> dict[str, object]:
        """As JSON. whole_j: the energy of the whole subnet."""
        change = self.change
        return {
            "block": self.part.block,
            "half": self.part.half,
            **_measured(self.measurement, self.energy_j),
            "top1_change": change.points,
            "top1_change_interval": list(change.interval),
            "only_whole": change.only_whole,
            "only_ablated": change.only_ablated,
            "p": change.probability,
            "p_holm": change.adjusted,
            "finding": change.finding,
            "energy_change_j": self.energy_j - whole_j,
            "silenced_energy_j": self.silenced_j,
        }


@dataclass(frozen=True)
class BlockAblations:
    """A subnet whole, and without each of its blocks and halves, on the same images.

    origin: the run, and the search and the id of a candidate. imported: whether its weights are.
    """

    subnet: Subnet
    images: ImageSet
    recipe: Recipe
    engine: str
    calibration_images: int | None
    origin: str
    imported: bool
    whole: Measurement
    whole_j: float
    ablations: tuple[Ablation, ...]
    remarks: tuple[str, ...]

    @property
    def shallower(self) -> Subnet | None:
        """The subnet without its last block; None if it is not in the space."""
        kept: dict[str, Any] = {gene: getattr(self.subnet, gene)[:-1] for gene in BLOCK_GENES}
        shallower = replace(self.subnet, **kept)
        return shallower if shallower in self.recipe.space.search_space() else None

    def to_document(self) -> dict[str, object]:
        """As JSON; accuracies in percent, changes in points."""
        return {
            "origin": self.origin,
            "remarks": list(self.remarks),
            "subnet": self.subnet.to_numbers(),
            "split": self.images.split,
            "images": len(self.images),
            "engine": self.engine,
            "batchnorm": self.recipe.model.batchnorm,
            "calibration_images": self.calibration_images,
            "profile": self.recipe.energy.profile_name,
            "convention": self.recipe.energy.convention_name,
            "unpriced": list(unpriced_operations(self.recipe, self.subnet)),
            "significance": SIGNIFICANCE,
            "whole": _measured(self.whole, self.whole_j),
            "ablations": [each.to_document(self.whole_j) for each in self.ablations],
            **self.recipe.fidelity_document(),
        }


def _measured(measured: Measurement, energy_j: float) -> dict[str, object]:
    return {
        "correct": measured.correct,
        "top1": measured.top1,
        "top1_interval": list(binomial_interval(measured.correct, measured.images)),
        "params": measured.params,
        "energy_j": energy_j,
        "firing_rate": measured.firing_rate,
        "non_finite": measured.non_finite,
    }


def parts_of(subnet: Subnet) -> list[BlockPart]:
    """Each block, followed by its halves."""
    return [BlockPart(block, half) for block in range(subnet.depth) for half in (None, *HALVES)]


def measure_ablations(run: TrainedRun, subnet: str | None, images: int | None) -> BlockAblations:
    """A subnet whole and without each part, on the first n of the run's sample images. Nothing is stored.

    With recalibrated BatchNorm, each of these networks has statistics of its own. subnet: None for the search's best,
    or for the baseline without a search. images: None for all. Raises UserError.
    """
    require_prices(run.recipe)
    default = "best" if run.search or present_search(run.path) else "baseline"
    selection = select_of(run, subnet or default)
    chosen, split = selection.subnet, run.sample_split
    measured_on = run.asked_images(split, images)
    networks = {part: AblatedSubnet.of(chosen, part.halves) for part in parts_of(chosen)}
    evaluator = run.evaluator()
    total = len(measured_on) * (1 + len(networks))
    with run.say.progress(f"measuring {chosen} without its parts", total, unit="images") as progress:
        found = {
            network: result.measurement
            for batch in evaluator.measure_many([chosen, *networks.values()], measured_on, progress.advance)
            for network, result in batch.items()
        }
    whole = found[chosen]
    recipe = run.recipe
    return BlockAblations(
        subnet=chosen,
        images=measured_on,
        recipe=recipe,
        engine=evaluator.engine.name,
        calibration_images=len(run.calibration) if recipe.model.batchnorm == "recalibrate" else None,
        origin=selection.origin(run.path),
        imported=read_training(run.path).origin is not None,
        whole=whole,
        whole_j=run.energy.of(chosen, whole).energy_j,
        ablations=ablations_of(chosen, whole, {part: found[each] for part, each in networks.items()}, run.energy),
        remarks=selection.remarks(recipe),
    )


def ablations_of(
    subnet: Subnet, whole: Measurement, measured: Mapping[BlockPart, Measurement], energy: EnergyModel
) -> tuple[Ablation, ...]:
    """What a subnet's parts give and cost, from measurements of the whole and without each part."""
    answers = [each.answers or b"" for each in measured.values()]
    changes = accuracy_changes(whole.answers or b"", answers, whole.images)
    return tuple(
        Ablation(
            part,
            each,
            change,
            energy.of(AblatedSubnet.of(subnet, part.halves), each).energy_j,
            energy.from_counts(subnet, _silenced(part, whole, measured)).energy_j,
        )
        for (part, each), change in zip(measured.items(), changes, strict=True)
    )


def _silenced(part: BlockPart, whole: Measurement, measured: Mapping[BlockPart, Measurement]) -> OperationCounts:
    """The counts of a network in which a part stays, and adds zeros to the stream.

    All other layers compute what they do without the part. Its attention reads the stream of the whole network. So does
    its MLP, but after an attention that is silent, too, it reads the stream of the network without that.
    """
    without = OperationCounts.of(measured[part])
    rates, work = dict(without.rates), dict(without.work)
    for block, half in part.halves:
        silent_before = half == "mlp" and part.half is None
        reads = OperationCounts.of(measured[BlockPart(block, "attention")] if silent_before else whole)
        prefix = f"block.{block}.{PREFIXES[half]}."
        rates |= {name: rate for name, rate in reads.rates.items() if name.startswith(prefix)}
        work |= {name: done for name, done in reads.work.items() if name.startswith(prefix)}
    return OperationCounts(rates, work)


def left_out_gladly(ablations: Sequence[Ablation]) -> list[Ablation]:
    """Those without which no loss of accuracy is measured. A half of such a block is not listed again."""
    free = [each for each in ablations if each.change.finding in ("within_chance", "higher")]
    blocks = {each.part.block for each in free if each.part.half is None}
    return [each for each in free if each.part.half is None or each.part.block not in blocks]

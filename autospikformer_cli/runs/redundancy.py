"""How redundant the channels of a subnet's embedding are (paper, Figure 1)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from autospikformer_cli.analysis.channel_order import ChannelOrder, channel_order
from autospikformer_cli.analysis.redundancy import channel_similarity, mean_similarity, most_and_least
from autospikformer_cli.errors import UserError
from autospikformer_cli.recipe import Recipe
from autospikformer_cli.runs.retraining import FOLDER
from autospikformer_cli.runs.selection import select_of
from autospikformer_cli.runs.trained_run import TrainedRun
from autospikformer_cli.space import Subnet
from autospikformer_cli.store.similarity import Similarity, save_similarity
from autospikformer_cli.store.supernet import read_training

if TYPE_CHECKING:
    from autospikformer_cli.analysis.redundancy import Floats
    from autospikformer_cli.data.images import ImageSet

SIMILARITY_IMAGES = 64


@dataclass(frozen=True)
class Redundancy:
    """Each channel's mean structural similarity (SSIM) with all others.

    matrix: SSIM of every pair, C x C. most, least: channels, numbered from 0, each group from its extreme. order:
    whether higher channels are more redundant. engine: what ran the subnet. origin: the run, and the search and the id
    of a candidate. shares_channels: whether other subnets of the run train the first of these channels, too.
    """

    subnet: Subnet
    images: ImageSet
    engine: str
    recipe: Recipe
    matrix: Floats
    mean_ssim: tuple[float, ...]
    order: ChannelOrder
    most: tuple[int, ...]
    least: tuple[int, ...]
    origin: str
    shares_channels: bool

    def to_document(self) -> dict[str, object]:
        """As JSON."""
        return {
            "origin": self.origin,
            "subnet": self.subnet.to_numbers(),
            "split": self.images.split,
            "images": len(self.images),
            "engine": self.engine,
            "mean_ssim": self.mean,
            "ssim_by_channel": list(self.mean_ssim),
            "most": list(self.most),
            "least": list(self.least),
            "order": self.order.to_document(),
            "matrix": self.matrix.tolist(),
            **self.recipe.fidelity_document(),
        }

    @property
    def mean(self) -> float:
        """Over all channels."""
        import numpy as np

        return float(np.mean(self.mean_ssim))


def measure_redundancy(run: TrainedRun, subnet: str, images: int | None, channels: int) -> Redundancy:
    """Of the first n of the run's sample images. The similarity of all pairs of channels is stored in the run.

    channels: how many of the most and of the least redundant, at most. images: None for SIMILARITY_IMAGES, or all if
    there are fewer. Raises UserError.
    """
    if run.recipe.model.network != "spikformer":
        raise UserError("the ANN has no firing rates to compare", str(run.path), "choose a run of a spiking network")
    selection = select_of(run, subnet)
    for remark in selection.remarks(run.recipe):
        run.say.remark(remark)
    chosen = selection.subnet
    if chosen.embed_dim < 2:
        raise UserError("a single channel is similar to no other", "--subnet", "choose a subnet with several channels")
    split = run.sample_split
    measured = run.images(split).first(SIMILARITY_IMAGES) if images is None else run.asked_images(split, images)
    evaluator = run.evaluator()
    rates = evaluator.embedding_rates(chosen, measured).double().numpy()
    matrix = channel_similarity(rates, run.compute.threads)
    engine = evaluator.engine.name
    _store(run, Similarity(chosen, matrix, split, len(measured), engine, _epochs(run), run.recipe.to_toml()))
    means = tuple(map(float, mean_similarity(matrix)))
    most, least = (list(map(int, group)) for group in most_and_least(matrix, channels))
    return Redundancy(
        subnet=chosen,
        images=measured,
        engine=engine,
        recipe=run.recipe,
        matrix=matrix,
        mean_ssim=means,
        order=channel_order(means),
        most=tuple(sorted(most, key=lambda channel: -means[channel])),
        least=tuple(sorted(least, key=lambda channel: means[channel])),
        origin=selection.origin(run.path),
        shares_channels=_shares_channels(run, chosen),
    )


def _shares_channels(run: TrainedRun, subnet: Subnet) -> bool:
    """Whether narrower subnets trained some of its channels without the others."""
    alone = run.path.parent.name == FOLDER or read_training(run.path).origin is not None
    return not alone and run.recipe.space.search_space().embed_dim[0] < subnet.embed_dim


def _epochs(run: TrainedRun) -> int:
    return read_training(run.path).state.epoch


def _store(run: TrainedRun, similarity: Similarity) -> None:
    """For `aspk report --figure similarity`. In a folder that may not be written, the table is all that is shown."""
    try:
        save_similarity(run.path, similarity)
    except UserError as error:
        run.say.remark(f"the similarity of channels is not stored: {error.where}: {error.what}")

"""How redundant the channels of a subnet's embedding are (paper, Figure 1)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from autospikformer_cli.analysis.redundancy import channel_similarity, mean_similarity, most_and_least
from autospikformer_cli.errors import UserError
from autospikformer_cli.recipe import Recipe
from autospikformer_cli.runs.selection import select
from autospikformer_cli.runs.trained_run import TrainedRun
from autospikformer_cli.space import Subnet
from autospikformer_cli.store.similarity import Similarity, save_similarity
from autospikformer_cli.store.supernet import read_training

if TYPE_CHECKING:
    from autospikformer_cli.data.images import ImageSet

SIMILARITY_IMAGES = 64


@dataclass(frozen=True)
class Redundancy:
    """Each channel's mean structural similarity (SSIM) with all others.

    most, least: channels, numbered from 0, each group from its extreme. engine: what ran the subnet.
    origin: the run, and the search and the id of a candidate.
    """

    subnet: Subnet
    images: ImageSet
    engine: str
    recipe: Recipe
    mean_ssim: tuple[float, ...]
    most: tuple[int, ...]
    least: tuple[int, ...]
    origin: str

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
    selection = select(subnet, run.recipe, run.path, run.search)
    for remark in selection.remarks(run.recipe):
        run.say.remark(remark)
    chosen = selection.subnet
    split = run.sample_split
    measured = run.images(split).first(SIMILARITY_IMAGES) if images is None else run.asked_images(split, images)
    evaluator = run.evaluator()
    matrix = channel_similarity(evaluator.embedding_rates(chosen, measured).double().numpy())
    engine = evaluator.engine.name
    _store(run, Similarity(chosen, matrix, split, len(measured), engine, _epochs(run), run.recipe.to_toml()))
    means = mean_similarity(matrix)
    origin = selection.origin(run.path)
    most, least = (tuple(map(int, group)) for group in most_and_least(matrix, channels))
    return Redundancy(chosen, measured, engine, run.recipe, tuple(map(float, means)), most, least, origin)


def _epochs(run: TrainedRun) -> int:
    return read_training(run.path).state.epoch


def _store(run: TrainedRun, similarity: Similarity) -> None:
    """For `aspk report --figure similarity`. In a folder that may not be written, the table is all that is shown."""
    try:
        save_similarity(run.path, similarity)
    except UserError as error:
        run.say.remark(f"the similarity of channels is not stored: {error.where}: {error.what}")

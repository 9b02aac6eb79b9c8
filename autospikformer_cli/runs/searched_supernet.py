"""Is the supernet that a search measured the one that its run has now? The one answer for every command.

A training that goes on, or that is done anew in the same folder, leaves the searches there with what they measured.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from autospikformer_cli.errors import UserError
from autospikformer_cli.measurement import SPLITS, Provenance
from autospikformer_cli.store.supernet import read_training, stored_weights_hash
from autospikformer_cli.wording import counted, quoted

if TYPE_CHECKING:
    from autospikformer_cli.runs.trained_run import TrainedRun


def weights_remark(path: Path, measured: Provenance) -> str:
    """That a run's supernet is not the one that was measured; "" if it is. No array is read."""
    then, now = measured.epochs, read_training(path).state.weights_epoch
    if then != now:
        return f"measured with weights after {counted(then, 'epoch')}; the run's supernet has {now} now"
    if measured.weights_hash != stored_weights_hash(path):
        return "measured with other weights than the run's supernet has now"
    return ""


def require_own_weights(path: Path, search: str | None, measured: Provenance, instead: str = "") -> None:
    """Raises UserError if a search measured another supernet. instead: what else a user may do, in words."""
    remark = weights_remark(path, measured)
    if remark:
        raise UserError(f"search {search} was {remark}", str(path), _anew(path, instead))


def require_own_images(run: TrainedRun, search: str | None, measured: Provenance, instead: str = "") -> None:
    """Raises UserError if a search measured other images than its run has in their place now.

    Images are read only if the training does not know the whole split by the same hash.
    """
    if run.splits.get(measured.split) == measured.split_hash:
        return
    split = next(split for split in SPLITS if split == measured.split)
    images = run.images(split)
    if len(images) < measured.images or images.first(measured.images).hash != measured.split_hash:
        what = f"search {search} measured other {measured.split} images than the run has now"
        raise UserError(what, str(run.path), _anew(run.path, instead))


def _anew(path: Path, instead: str) -> str:
    return f"search anew: aspk search --run {quoted(path)} --fresh{instead and f', or {instead}'}"

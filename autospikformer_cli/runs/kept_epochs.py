"""Which epochs of a training have a file of their own: the last ones, and the best one until the training ends."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from autospikformer_cli.errors import UserError
from autospikformer_cli.recipe import TrainConfig
from autospikformer_cli.store import kept_checkpoints as store
from autospikformer_cli.store.supernet import Checkpoint, TrainState


@dataclass(frozen=True)
class KeptEpochs:
    """The files in checkpoints/ of a run, as train.keep_last and train.final = "best" ask for them."""

    run: Path
    config: TrainConfig

    def wants(self, state: TrainState) -> bool:
        """Whether the epoch that has just ended is kept."""
        return state.epoch in self._wanted(state)

    def keep(self, checkpoint: Checkpoint) -> None:
        """Keep a training after an epoch. Its weights are this epoch's, so after the last one it says so."""
        state = checkpoint.state
        if state.finished:
            state = replace(state, chosen_epoch=state.epoch, chosen_unaveraged=False)
        store.keep(self.run, replace(checkpoint, state=state))

    def load(self, state: TrainState, epoch: int) -> Checkpoint:
        """The checkpoint of an epoch. Raises UserError if it is absent, damaged or another training's."""
        return store.load_kept(self.run, state.history, epoch)

    def require_as_begun(self, begun: TrainConfig, state: TrainState) -> None:
        """Check the files of a training that is opened again, and remove what a killed process left of a finished one.

        begun: the section that it is stored with. Raises UserError if fewer epochs are to be kept than it keeps, which
        would remove files; and if the best epoch's file is gone or damaged, without which it cannot end.
        """
        if state.finished:
            KeptEpochs(self.run, begun).remove_needless(state)
            return
        if self.config.keep_last < begun.keep_last:
            what = (
                f"this run keeps its last {begun.keep_last} epochs, and train.keep_last is {self.config.keep_last} now"
            )
            raise UserError(what, str(self.run), f"go on with --set train.keep_last={begun.keep_last}, or more")
        for epoch in self._best(state):
            self.load(state, epoch)

    def remove_needless(self, state: TrainState) -> None:
        """Remove the files that a training in this state, which is stored, does not need."""
        store.remove_others(self.run, self._wanted(state))

    def _wanted(self, state: TrainState) -> set[int]:
        return self._last(state) | self._best(state)

    def _last(self, state: TrainState) -> set[int]:
        if self.config.keep_last == 1:
            return set()
        return set(range(max(1, state.epoch - self.config.keep_last + 1), state.epoch + 1))

    def _best(self, state: TrainState) -> set[int]:
        """The best epoch, while it is not sure whether the run gets its weights."""
        from autospikformer_cli.training.choosing import best_choice

        if self.config.final != "best" or state.finished or not state.history:
            return set()
        return {best_choice(state.history).epoch}

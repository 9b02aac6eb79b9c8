"""Which weights a training chose by accuracies on validation images, and by what: in words and as JSON."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from autospikformer_cli.errors import UserError
from autospikformer_cli.recipe import Recipe
from autospikformer_cli.store.supernet import EpochRecord, TrainState
from autospikformer_cli.wording import counted

if TYPE_CHECKING:
    from autospikformer_cli.space import Subnet


def require_choosable(recipe: Recipe) -> None:
    """Raises UserError if a recipe chooses weights by validation images, and there are none."""
    from autospikformer_cli.data.sources import has_validation

    asked = recipe.train.chooses
    if asked and not has_validation(recipe.data):
        key, _, _ = asked[0].partition(" =")
        what = f"{asked[0]} chooses by accuracies on validation images, and there are none"
        raise UserError(what, key, f"set data.validation above 0, or leave out {' and '.join(asked)}")


def measured_by_recipe(recipe: Recipe) -> tuple[Subnet, ...]:
    """The subnets by whose mean accuracy a recipe chooses weights; none if it asks for no choice."""
    from autospikformer_cli.training.choosing import measured_subnets

    if not recipe.train.chooses:
        return ()
    return measured_subnets(recipe.space.search_space(), recipe.seed, recipe.train.measured_subnets)


@dataclass(frozen=True)
class WeightChoice:
    """What a training that chooses its weights has chosen so far.

    measure: the subnets of the mean accuracy. patience: epochs without a better one that end it; 0: none do.
    averages: whether the training averages its weights. total_epochs: those of the recipe.
    """

    state: TrainState
    measure: tuple[Subnet, ...]
    patience: int
    averages: bool
    total_epochs: int

    @classmethod
    def of(cls, recipe: Recipe, state: TrainState) -> WeightChoice | None:
        """That of a training; None if its recipe asks for no choice, or it has no epochs, as imported weights have."""
        measure, train = measured_by_recipe(recipe), recipe.train
        if not measure or not state.history:
            return None
        return cls(state, measure, train.patience, train.ema_half_life > 0, train.total_epochs)

    @property
    def record(self) -> EpochRecord:
        """The epoch whose weights the run has."""
        assert self.state.record is not None
        return self.state.record

    @property
    def weights(self) -> str:
        """Which of this epoch's weights: "plain" if nothing averages them, else "average" or "unaveraged"."""
        if not self.averages:
            return "plain"
        return "unaveraged" if self.state.chosen_unaveraged else "average"

    @property
    def mean(self) -> float | None:
        """Mean accuracy of the chosen weights, in percent."""
        return self.record.unaveraged_top1_mean if self.state.chosen_unaveraged else self.record.val_top1_mean

    def remarks(self) -> Iterator[str]:
        """What is said at the end of the training."""
        state = self.state
        if state.stopped_early:
            why = f"{counted(self.patience, 'epoch')} brought no better accuracy on validation images"
            yield f"training ended early, after epoch {state.epoch} of {self.total_epochs}: {why} (train.patience)"
        kind = {"plain": "weights", "average": "averaged weights", "unaveraged": "weights without their average"}
        by = f"mean top-1 on validation of {counted(len(self.measure), 'subnet')}: {self.mean:.2f} %"
        yield f"the run has the {kind[self.weights]} of epoch {self.record.epoch}; {by}"

    def to_document(self) -> dict[str, object]:
        """As JSON."""
        columns = ("val_top1_{}", "unaveraged_top1_{}")
        names = [column.format(name) for column in columns for name in ("largest", "smallest", "mean")]
        return {
            "epoch": self.record.epoch,
            "weights": self.weights,
            "mean_top1": self.mean,
            "stopped_early": self.state.stopped_early,
            "measured_subnets": [subnet.to_numbers() for subnet in self.measure],
            "epochs": [
                {"epoch": record.epoch, **{name: getattr(record, name) for name in names}}
                for record in self.state.history
            ],
        }

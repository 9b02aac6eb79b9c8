"""What the user asks of `aspk finish`: which networks, and how long each is trained."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

from autospikformer_cli.bounds import MOST_EPOCHS, MOST_NETWORKS, MOST_SEEDS, require_at_most
from autospikformer_cli.errors import UserError

EPOCHS_OF_A_RETRAINED = 5
"""Epochs from scratch for each one from inherited weights, if none are asked for."""


@dataclass(frozen=True)
class FinishOptions:
    """Which networks of a search, and their trainings. Raises UserError for a number below 1, or above its bound.

    best: how many of the best by F_AEB; None for the Pareto front. epochs: of each training from scratch; None for the
    recipe's. retrained_epochs: of each from inherited weights; None for a fifth of these. from_scratch: whether any
    network is trained from first weights. seeds: how many trainings each network has.
    """

    best: int | None = None
    epochs: int | None = None
    retrained_epochs: int | None = None
    from_scratch: bool = True
    seeds: int = 3

    def __post_init__(self) -> None:
        for name in ("best", "epochs", "retrained_epochs", "seeds"):
            number = getattr(self, name)
            if number is not None and number < 1:
                what = f"{number} {name.replace('_', ' ')} train nothing"
                raise UserError(what, name, "write a whole number from 1 on")
        require_at_most(self.best, MOST_NETWORKS, "networks", "best")
        require_at_most(self.epochs, MOST_EPOCHS, "epochs", "epochs")
        require_at_most(self.retrained_epochs, MOST_EPOCHS, "epochs", "retrained_epochs")
        require_at_most(self.seeds, MOST_SEEDS, "seeds", "seeds")

    def epochs_of(self, recipe_epochs: int) -> tuple[int | None, int]:
        """Epochs from scratch, None if no network is trained so, and from inherited weights.

        recipe_epochs: of the supernet's training, by its recipe.
        """
        epochs = recipe_epochs if self.epochs is None else self.epochs
        retrained = ceil(epochs / EPOCHS_OF_A_RETRAINED) if self.retrained_epochs is None else self.retrained_epochs
        return epochs if self.from_scratch else None, retrained

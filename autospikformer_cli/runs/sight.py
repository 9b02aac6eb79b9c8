"""What is seen of a run at one moment, while another process works at it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from autospikformer_cli.recipe import Recipe, recipe_from_toml
from autospikformer_cli.runs.results import SearchResults
from autospikformer_cli.store.supernet import Training
from autospikformer_cli.units import is_count


class WatchStage(StrEnum):
    """What a watched run is at. After the last two, there is nothing more to see."""

    WAITING = "waiting"
    TRAINING = "training"
    SEARCHING = "searching"
    FINISHED = "finished"
    STOPPED = "stopped"


@dataclass(frozen=True)
class Sight:
    """A watched run at one moment.

    search: its name; None while there is none. results: of what it has measured so far; None while it is not under way.
    training: None before its first save. says: what is waited for, or how it ended, in words. resume: the command that
    goes on with what was stopped. changed_s: when the file that this is about was written, in seconds since 1970.
    """

    run: Path
    stage: WatchStage
    says: str
    search: str | None = None
    results: SearchResults | None = None
    training: Training | None = None
    resume: str | None = None
    changed_s: float | None = None

    @property
    def is_last(self) -> bool:
        """Whether nothing more will be seen."""
        return self.stage in (WatchStage.FINISHED, WatchStage.STOPPED)

    @property
    def num_generations(self) -> tuple[int, int] | None:
        """Generations that are done, and all."""
        if self.results is None:
            return None
        return int(str(self.results.population.state["generation"])), self.results.recipe.search.generations

    @property
    def total(self) -> int | None:
        """Number of subnets of the whole search. None in the file of an older aspk."""
        total = None if self.results is None else self.results.population.state.get("total")
        return int(str(total)) if is_count(total) else None

    @property
    def remaining_s(self) -> float | None:
        """How long the rest takes at the mean pace so far, from the last save on; None if that is not known.

        A search's rest may be shorter: a subnet that another search has measured takes no time.
        """
        if self.stage is WatchStage.TRAINING and self.training is not None and self.training.state.history:
            state, recipe = self.training.state, trained_recipe(self.training)
            mean_s = sum(record.seconds for record in state.history) / len(state.history)
            return max(0.0, mean_s * (recipe.train.total_epochs - state.epoch) - state.seconds)
        if self.stage is not WatchStage.SEARCHING or self.results is None or self.total is None:
            return None
        timing, measured = self.results.population.timing, len(self.results.population.candidates)
        if timing is None or not timing.subnets:
            return None
        return timing.seconds / timing.subnets * max(0, self.total - measured)

    def to_document(self) -> dict[str, object]:
        """As JSON. The last one has the whole report."""
        results, generations = self.results, self.num_generations
        state, recipe = (None, None) if self.training is None else (self.training.state, trained_recipe(self.training))
        ranked = results.scores.ranked if results else ()
        shares = results.hypervolume.shares if results and results.hypervolume else ()
        return {
            "run": str(self.run),
            "search": self.search,
            "stage": self.stage.value,
            "says": self.says,
            "epochs_done": None if state is None else state.epoch,
            "epochs": None if recipe is None else recipe.train.total_epochs,
            "generations_done": generations[0] if generations else None,
            "generations": generations[1] if generations else None,
            "measured": len(results.population.candidates) if results else 0,
            "total": self.total,
            "best": results.ranked_document(ranked[0]) if results and ranked else None,
            "front": [results.ranked_document(scored) for scored in results.front] if results else [],
            "hypervolume": shares[-1] if shares else None,
            "remaining_s": self.remaining_s,
            "resume": self.resume,
            "report": results.to_document() if results and self.is_last else None,
        }


def trained_recipe(training: Training) -> Recipe:
    """The recipe of a stored training."""
    return recipe_from_toml(training.recipe_toml, training.recipe_name)

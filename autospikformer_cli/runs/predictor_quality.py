"""How well a search's predictor predicts. It is cross-validated when the search ends, and stored in its state."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from autospikformer_cli.analysis.correlation import kendall_tau, tau_interval
from autospikformer_cli.search.algorithm import Algorithm
from autospikformer_cli.search.predictor import Predicting

STATE_KEY = "predictor"
OUTCOME_WORDS = {"top1": "accuracy", "energy_j": "energy"}


@dataclass(frozen=True)
class PredictedOutcome:
    """How far predictions order candidates as measuring them does.

    outcome: top1 or energy_j. kendall_tau: tau-b between predicted and measured; None if either is constant. interval:
    of 95 %; None if it has none.
    """

    outcome: str
    kendall_tau: float | None
    interval: tuple[float, float] | None

    def __str__(self) -> str:
        tau = "undefined" if self.kendall_tau is None else f"{self.kendall_tau:.2f}"
        within = "" if self.interval is None else " ({:.2f} to {:.2f})".format(*self.interval)
        return f"{tau}{within} for {OUTCOME_WORDS.get(self.outcome, self.outcome)}"


@dataclass(frozen=True)
class PredictorQuality:
    """The cross-validation of a predictor.

    model: what it is, and of what. num_candidates: those that it was fitted on, each predicted without its own part.
    folds: number of parts.
    """

    model: str
    num_candidates: int
    folds: int
    outcomes: tuple[PredictedOutcome, ...]

    @property
    def sentence(self) -> str:
        """What a reader of a search's results is told."""
        how = f"{self.folds}-fold cross-validation over {self.num_candidates} candidates"
        return f"predictor ({self.model}): {how}, tau-b {', '.join(map(str, self.outcomes))}"

    def to_document(self) -> dict[str, object]:
        """In JSON types, as the state stores it."""
        return {
            "model": self.model,
            "num_candidates": self.num_candidates,
            "folds": self.folds,
            "outcomes": [
                {
                    "outcome": each.outcome,
                    "kendall_tau": each.kendall_tau,
                    "tau_interval": None if each.interval is None else list(each.interval),
                }
                for each in self.outcomes
            ],
        }


def assessed(algorithm: Algorithm) -> PredictorQuality | None:
    """The cross-validation of an algorithm's predictor; None without one, and with too few candidates."""
    if not isinstance(algorithm, Predicting):
        return None
    found = algorithm.cross_validated()
    if found is None:
        return None
    return PredictorQuality(
        found.model,
        len(found.outcomes[0].measured),
        found.folds,
        tuple(
            PredictedOutcome(
                each.name, kendall_tau(each.predicted, each.measured), tau_interval(each.predicted, each.measured)
            )
            for each in found.outcomes
        ),
    )


def stored_quality(state: Mapping[str, Any]) -> PredictorQuality | None:
    """What a search's state has of it; None for an algorithm without a predictor, and for a search that goes on.

    None as well if a plugin's algorithm keeps something else under the same key.
    """
    stored: Any = state.get(STATE_KEY)
    try:
        outcomes = tuple(map(_outcome, stored["outcomes"]))
        return PredictorQuality(str(stored["model"]), int(stored["num_candidates"]), int(stored["folds"]), outcomes)
    except (KeyError, TypeError, ValueError):
        return None


def _outcome(stored: Mapping[str, Any]) -> PredictedOutcome:
    tau, interval = stored["kendall_tau"], stored["tau_interval"]
    pair = None if interval is None else (float(interval[0]), float(interval[1]))
    return PredictedOutcome(str(stored["outcome"]), None if tau is None else float(tau), pair)

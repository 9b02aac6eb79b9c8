"""What is more than chance in the table of `aspk finish`, and how far choosing flatters what a search found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from autospikformer_cli.analysis.answers import answers_of
from autospikformer_cli.analysis.paired import SIGNIFICANCE, holm
from autospikformer_cli.analysis.paired_networks import NetworkDifference, compare_networks
from autospikformer_cli.analysis.selection_bias import Choose, CorrectedAccuracy, on_front, selection_bias
from autospikformer_cli.measurement import Measurement
from autospikformer_cli.runs.results import SearchResults
from autospikformer_cli.search.fitness import make_fitness


@dataclass(frozen=True)
class BaselineComparison:
    """A network against the baseline with weights of the same kind. p_holm: adjusted for all comparisons of a table."""

    difference: NetworkDifference
    p_holm: float

    @property
    def is_more_than_chance(self) -> bool:
        """Whether chance alone would seldom do as much in any comparison of the table."""
        return self.p_holm < SIGNIFICANCE

    def to_document(self) -> dict[str, object]:
        """As JSON."""
        return {**self.difference.to_document(), "p_holm": self.p_holm}


@dataclass(frozen=True)
class Flattery:
    """The accuracy of a candidate on the images that chose it. id: the candidate's."""

    id: str
    accuracy: CorrectedAccuracy

    def to_document(self) -> dict[str, object]:
        """As JSON."""
        return {"candidate": self.id, **self.accuracy.to_document()}


def compared(
    pairs: Sequence[tuple[Sequence[Measurement], Sequence[Measurement]] | None],
) -> list[BaselineComparison | None]:
    """Each network's trainings against those of another, adjusted for their number. None: no pair, or no answers."""
    found: list[NetworkDifference | None] = []
    for pair in pairs:
        answers = (None, None) if pair is None else (answers_of(pair[0]), answers_of(pair[1]))
        a, b = answers
        found.append(None if a is None or b is None else compare_networks(a, b))
    adjusted = iter(holm([each.p_value for each in found if each is not None]))
    return [None if each is None else BaselineComparison(each, next(adjusted)) for each in found]


def flattery_of(results: SearchResults, chosen: Sequence[str], best: int | None) -> list[Flattery]:
    """How far choosing flatters each candidate that was chosen, by the answers of all that it was chosen among.

    chosen: their ids in the order of their choice. best: how many were chosen by F_AEB; None for the Pareto front.
    Nothing if the answers of the search are not stored, or if another rule chose them.
    """
    ranked = [alike.best for alike in results.different]
    answers = answers_of([scored.candidate.measurement for scored in ranked])
    if answers is None or answers.shape[1] < 2 or not chosen:
        return []
    numbers = {scored.id: number for number, scored in enumerate(ranked)}
    members = [numbers[each] for each in chosen]
    choose: Choose = on_front(members, np.array([scored.energy_j for scored in ranked]))
    if best is not None:
        if results.scores.generation_bounds:  # F_AEB then compares candidates of a generation alone
            return []
        choose = make_fitness(results.recipe.search, None).choices_among(ranked, results.scores.bounds, len(members))
    picks = selection_bias(answers, choose, seed=results.recipe.seed).picks
    if [pick.candidate for pick in picks] != members:
        return []
    return [Flattery(id_, pick) for id_, pick in zip(chosen, picks, strict=True)]

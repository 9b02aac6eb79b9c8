"""What a network loses without a part of it: paired tests of its answers to the same images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from autospikformer_cli.analysis.paired import SIGNIFICANCE, difference_interval, discordant, holm, mcnemar

AblationFinding = Literal["lower", "undecided", "within_chance", "higher"]


@dataclass(frozen=True, slots=True)
class AccuracyChange:
    """The accuracy without a part, minus that of the whole network.

    only_whole, only_ablated: images that only the whole network, or only the one without the part, got right.
    probability: McNemar's exact test. adjusted: the same, adjusted for all parts tested together (Holm).
    """

    only_whole: int
    only_ablated: int
    images: int
    probability: float
    adjusted: float

    @property
    def points(self) -> float:
        """In points of percent; below 0 for a loss."""
        return 100.0 * (self.only_ablated - self.only_whole) / self.images

    @property
    def interval(self) -> tuple[float, float]:
        """Its 95 % interval, in points."""
        return difference_interval(self.only_whole, self.only_ablated, self.images)

    @property
    def finding(self) -> AblationFinding:
        """What the tests say.

        A change is claimed only if it holds among all tests together. That adjustment makes it easier to call a loss
        chance, so this takes the probability without it. A loss that lies between is undecided.
        """
        if self.adjusted < SIGNIFICANCE:
            return "lower" if self.points < 0 else "higher"
        return "undecided" if self.points < 0 and self.probability < SIGNIFICANCE else "within_chance"


def accuracy_changes(whole: bytes, ablated: Sequence[bytes], images: int) -> list[AccuracyChange]:
    """The change of each ablated network.

    whole, ablated: answers, packed as in `measurement.Measurement.answers`.
    """
    counts = [discordant(whole, each) for each in ablated]
    probabilities = [mcnemar(*pair) for pair in counts]
    return [
        AccuracyChange(*pair, images, probability, adjusted)
        for pair, probability, adjusted in zip(counts, probabilities, holm(probabilities), strict=True)
    ]

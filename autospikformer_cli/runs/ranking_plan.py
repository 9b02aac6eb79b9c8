"""What a measurement of the ranking can tell, and how long it takes: before anything is retrained."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from autospikformer_cli.analysis.ranking_noise import Ceiling, Floats, expected_ceiling
from autospikformer_cli.analysis.tau_sample_size import expected_half_width, subnets_needed
from autospikformer_cli.runs.pace import TimePerUnit, retraining_pace
from autospikformer_cli.runs.trained_run import TrainedRun
from autospikformer_cli.space import Subnet
from autospikformer_cli.training.schedule import num_steps
from autospikformer_cli.units import format_duration
from autospikformer_cli.wording import counted

HALF_WIDTH = 0.2
"""Of the interval that a number of subnets is stated for."""
SUPPOSED_TAUS = (0.0, 0.3, 0.5, 0.7)
"""Nobody knows tau beforehand. Its interval is widest at 0."""


@dataclass(frozen=True)
class RankingPlan:
    """needed: by a tau that is supposed, how many subnets an interval of +-0.2 needs. half_widths: of the sample's.

    spread: standard deviation of the inherited accuracies, in points, without what images alone explain. ceiling: of
    tau, if retrained accuracies have the same spread and noise; None if there is none. ceiling_from: number of images
    that both were estimated on. images: those that will be measured on. retrainings, left: all, and not yet finished.
    seconds: of what is left; None if it is not known.
    """

    subnets: int
    needed: Mapping[float, int]
    half_widths: Mapping[float, float]
    spread: float
    ceiling: Ceiling | None
    ceiling_from: int
    images: int
    retrainings: int
    left: int
    seconds: float | None
    seconds_from: str

    @property
    def lines(self) -> list[str]:
        """In sentences."""
        needed = ", ".join(f"{num} if tau is {tau:g}" for tau, num in self.needed.items())
        widths = ", ".join(f"{width:.2f} if tau is {tau:g}" for tau, width in self.half_widths.items())
        lines = [
            f"an interval of tau of +-{HALF_WIDTH:g} needs so many subnets: {needed}",
            f"these {self.subnets} subnets: +-{widths}",
            f"standard deviation of inherited accuracies, without the noise of images: {self.spread:.2f} points",
        ]
        if self.ceiling is None:
            lines.append("all subnets are equally accurate, so there is no order to compare")
        else:
            c = self.ceiling
            lines.append(
                f"ceiling: on {self.images:,} images a perfect ranking would show a tau of about {c.mean:.2f} "
                f"({c.low:.2f} to {c.high:.2f}), seeds of retraining not counted"
            )
        time = "unknown" if self.seconds is None else f"about {format_duration(self.seconds)}"
        left = f"{self.left} of {counted(self.retrainings, 'retraining')} left"
        return [*lines, f"{left}, time {time}" + (f" ({self.seconds_from})" if self.left else "")]

    def to_document(self) -> dict[str, object]:
        """As JSON."""
        return {
            "subnets": self.subnets,
            "half_width": HALF_WIDTH,
            "needed": [{"tau": tau, "subnets": num} for tau, num in self.needed.items()],
            "expected": [{"tau": tau, "half_width": width} for tau, width in self.half_widths.items()],
            "spread": self.spread,
            "tau_ceiling": None if self.ceiling is None else self.ceiling.to_document(),
            "ceiling_images": self.ceiling_from,
            "images": self.images,
            "retrainings": self.retrainings,
            "left": self.left,
            "seconds": self.seconds,
            "seconds_from": self.seconds_from,
        }


def ranking_plan(
    run: TrainedRun, subnets: Sequence[Subnet], inherited_NI: Floats, images: int, epochs: int,
    taken: Sequence[float | None],
) -> RankingPlan:  # fmt: skip
    """The plan of a sample. inherited_NI: answers of it, to `images` images or to the first of them.

    taken: seconds of each retraining; None for one that is not finished.
    """
    finished = [each for each in taken if each is not None]
    left = len(taken) - len(finished)
    pace = _pace(run, subnets, epochs, finished) if left else TimePerUnit(0.0, "")
    spread, ceiling = expected_ceiling(inherited_NI, images, run.recipe.seed)
    return RankingPlan(
        subnets=len(subnets),
        needed={tau: subnets_needed(HALF_WIDTH, tau) for tau in SUPPOSED_TAUS},
        half_widths={tau: expected_half_width(len(subnets), tau) for tau in SUPPOSED_TAUS},
        spread=100.0 * spread,
        ceiling=ceiling,
        ceiling_from=inherited_NI.shape[1],
        images=images,
        retrainings=len(taken),
        left=left,
        seconds=None if pace.seconds is None else left * pace.seconds,
        seconds_from=pace.source,
    )


def _pace(run: TrainedRun, subnets: Sequence[Subnet], epochs: int, finished: Sequence[float]) -> TimePerUnit:
    """Seconds of one retraining."""
    if finished:
        return TimePerUnit(fmean(finished), f"as {counted(len(finished), 'finished retraining')} took")
    images = len(run.images("train"))
    pace = retraining_pace(run.recipe, run.compute, subnets, run.say, images)
    steps = epochs * num_steps(run.recipe.train, images)
    return pace if pace.seconds is None else TimePerUnit(steps * pace.seconds, pace.source)

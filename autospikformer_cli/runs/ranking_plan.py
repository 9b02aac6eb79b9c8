"""What a measurement of the ranking can tell, and how long it takes: before anything is retrained."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from autospikformer_cli.analysis.correlation import LEAST_ROWS_OF_AN_INTERVAL
from autospikformer_cli.analysis.ranking_noise import Ceiling, Floats, expected_ceiling
from autospikformer_cli.analysis.tau_sample_size import HALF_WIDTH, expected_half_width, subnets_needed
from autospikformer_cli.runs.pace import TimePerUnit, retraining_pace
from autospikformer_cli.runs.trained_run import TrainedRun
from autospikformer_cli.space import Subnet
from autospikformer_cli.training.schedule import num_steps
from autospikformer_cli.units import format_duration
from autospikformer_cli.wording import counted

SUPPOSED_TAUS = (0.0, 0.3, 0.5, 0.7)
"""Nobody knows tau beforehand. Its interval is widest at 0."""


@dataclass(frozen=True)
class RankingPlan:
    """needed: by a tau that is supposed, how many subnets an interval of ±0.2 needs. half_widths: of the sample's.

    measured: subnets whose inherited accuracy is known. spread: standard deviation of the inherited accuracies, in
    points, without what images alone explain; None unless all are known. ceiling: of tau, if retrained accuracies have
    the same spread and noise; None if there is none. images: those that are measured on. retrainings, left: all, and
    not yet finished. seconds: of the retrainings left; None if they are not known.
    """

    subnets: int
    needed: Mapping[float, int]
    half_widths: Mapping[float, float]
    measured: int
    spread: float | None
    ceiling: Ceiling | None
    images: int
    retrainings: int
    left: int
    seconds: float | None
    seconds_from: str

    @property
    def lines(self) -> list[str]:
        """In sentences."""
        needed = ", ".join(f"{num} if tau is {tau:g}" for tau, num in self.needed.items())
        lines = [f"subnets needed for an interval of about ±{HALF_WIDTH:g}: {needed}"]
        if self.subnets < LEAST_ROWS_OF_AN_INTERVAL:
            least = LEAST_ROWS_OF_AN_INTERVAL
            lines.append(f"! {self.subnets} subnets are too few for an interval and a verdict: {least} are needed")
        else:
            widths = ", ".join(f"±{width:.2f} if tau is {tau:g}" for tau, width in self.half_widths.items())
            lines.append(f"interval that is expected from {self.subnets:,} subnets: {widths}")
        lines += self._about_noise()
        time = "unknown" if self.seconds is None else f"about {format_duration(self.seconds)}"
        left = f"{self.left:,} of {counted(self.retrainings, 'retraining')} left"
        return [*lines, f"{left}, time {time}" + (f" ({self.seconds_from})" if self.left else "")]

    def _about_noise(self) -> list[str]:
        on = f"{counted(self.images, 'image')}"
        if self.spread is None:
            so_far = f"{self.measured:,} of {self.subnets:,} subnets are measured with inherited weights ({on})"
            return [f"{so_far}; spread and ceiling are known once all are"]
        spread = f"standard deviation of inherited accuracies, without the noise of images: {self.spread:.2f} points"
        if self.ceiling is None:
            return [spread, "all subnets are equally accurate, so there is no order to compare"]
        seen = f"{self.ceiling.mean:.2f} ({self.ceiling.low:.2f} to {self.ceiling.high:.2f})"
        return [
            spread,
            f"ceiling: on {on}, a perfect ranking would show a tau of about {seen}; other seeds lower it",
        ]

    def to_document(self) -> dict[str, object]:
        """As JSON."""
        return {
            "subnets": self.subnets,
            "half_width": HALF_WIDTH,
            "needed": [{"tau": tau, "subnets": num} for tau, num in self.needed.items()],
            "expected": [{"tau": tau, "half_width": width} for tau, width in self.half_widths.items()],
            "spread": self.spread,
            "tau_ceiling": None if self.ceiling is None else self.ceiling.to_document(),
            "measured": self.measured,
            "images": self.images,
            "retrainings": self.retrainings,
            "left": self.left,
            "seconds": self.seconds,
            "seconds_from": self.seconds_from,
        }


def ranking_plan(
    run: TrainedRun, subnets: Sequence[Subnet], inherited_NI: Floats | None, measured: int, images: int, epochs: int,
    taken: Sequence[float | None],
) -> RankingPlan:  # fmt: skip
    """The plan of a sample. inherited_NI: answers of it to the images; None unless all subnets are measured.

    taken: seconds of each retraining; None for one that is not finished.
    """
    finished = [each for each in taken if each is not None]
    left = len(taken) - len(finished)
    pace = _pace(run, subnets, epochs, finished) if left else TimePerUnit(0.0, "")
    spread, ceiling = (None, None) if inherited_NI is None else expected_ceiling(inherited_NI, run.recipe.seed)
    return RankingPlan(
        subnets=len(subnets),
        needed={tau: subnets_needed(HALF_WIDTH, tau) for tau in SUPPOSED_TAUS},
        half_widths={tau: expected_half_width(len(subnets), tau) for tau in SUPPOSED_TAUS},
        measured=measured,
        spread=None if spread is None else 100.0 * spread,
        ceiling=ceiling,
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

"""What a search saves by evaluating subnets in one walk over the prefixes that they share."""

from __future__ import annotations

import argparse
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import torch
from engine_network import print_table, root_override
from search_bound import Accumulates
from timing import machine

from autospikformer_cli.data.images import ImageSet
from autospikformer_cli.engine.compute import own_process
from autospikformer_cli.engine.event_driven import EventDriven
from autospikformer_cli.evaluation.evaluator import Evaluator, SubnetResult
from autospikformer_cli.evaluation.stems import StemKey
from autospikformer_cli.measurement import Measurement
from autospikformer_cli.runs.evaluation import EvaluationRun
from autospikformer_cli.runs.plans import search_plan
from autospikformer_cli.runs.selection import recipe_problem
from autospikformer_cli.runs.trained_run import TrainedRun, open_run
from autospikformer_cli.search.algorithm import make_algorithm
from autospikformer_cli.search.loop import run_search
from autospikformer_cli.space import SearchSpace, Subnet

IMAGES, CALIBRATION = 512, 256
TRANSFORMERS = SearchSpace(
    depth=(2, 3, 4),
    mlp_ratio=tuple(Decimal(30 + 2 * step) / 10 for step in range(6)),
    num_heads=(6, 12),
    threshold=(Decimal(1),),
    tau=(Decimal(2),),
    time_step=(4,),
    embed_dim=tuple(range(336, 385, 12)),
)
"""S_Ts: the neurons' genes are fixed."""
NEURONS = SearchSpace(
    depth=(4,),
    mlp_ratio=(Decimal(4),),
    num_heads=(12,),
    threshold=tuple(Decimal(step) / 10 for step in range(6, 21, 2)),
    tau=tuple(Decimal(step) / 4 for step in range(5, 41)),
    time_step=(2, 3, 4),
    embed_dim=(384,),
)
"""Of cifar100-neurons."""
TIMED_GENERATIONS = range(5, 11)
EVALUATED = 5
FEW, MANY, MEMORY_IMAGES = 10, 1000, 128
KIB_A_MIB = 1024


@dataclass(frozen=True)
class Work:
    """A run's network and the images that its subnets are measured on."""

    run: TrainedRun
    images: ImageSet

    def evaluator(self, **changed: Any) -> Evaluator:
        """A new one, which keeps nothing of others."""
        return replace(self.run.evaluator(), **changed)


def main() -> None:
    """Print the parts that are asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", required=True, help="the folder of CIFAR-10")
    parser.add_argument("--run", required=True, help="a run with an S_Ts supernet")
    parser.add_argument("--small-run", help="a run of cifar10-small-laptop: generations and memory")
    parser.add_argument("--subnets", type=int, default=50)
    parser.add_argument("--images", type=int, default=IMAGES)
    parser.add_argument("--neurons", type=int, default=50, help="subnets of cifar100-neurons: its population")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--device", default="cpu")
    parts = ("random", "rivals", "neurons", "generations", "memory")
    parser.add_argument("--only", nargs="+", choices=parts, default=parts)
    parser.add_argument("--no-compile", action="store_true", help="leave SpikingJelly's compiled setting out")
    options = parser.parse_args()
    print(f"# Search\n\n{machine()}\n")
    work = _open(options.run, options.data, options.images, options.device)
    subnets = _drawn(TRANSFORMERS, options.subnets)
    if "random" in options.only:
        _print_comparison("random subnets of S_Ts", work, subnets, options.rounds)
        _print_evaluate(work, subnets[:EVALUATED])
    if "rivals" in options.only:
        from search_rivals import print_rivals

        print_rivals(work, subnets, options.rounds, with_compiler=not options.no_compile)
    if "neurons" in options.only:
        _print_comparison("subnets of cifar100-neurons", work, _drawn(NEURONS, options.neurons), options.rounds)
    if "generations" in options.only and options.small_run:
        _print_generations(_open(options.small_run, options.data, None, options.device))
    if "memory" in options.only and options.small_run and options.device == "cpu":
        _print_memory(options.small_run, options.data)
    if options.device == "cpu":
        print("On a GPU: the same command with --device cuda and --images 5000. Not measured here.")


def _open(run: str, data: str, images: int | None, device: str = "cpu") -> Work:
    overrides = (root_override(data), f"model.calibration_images={CALIBRATION}")
    opened = open_run(run, overrides, searched=False, compute=own_process(device))
    found = opened.images("validation")
    return Work(opened, found if images is None else found.first(images))


def _drawn(space: SearchSpace, number: int) -> list[Subnet]:
    generator, subnets = random.Random(0), dict[Subnet, None]()
    while len(subnets) < number:
        subnets[space.sample(generator)] = None
    return list(subnets)


def _in_a_tree(evaluator: Evaluator, subnets: Sequence[Subnet], images: ImageSet) -> dict[Subnet, SubnetResult]:
    results: dict[Subnet, SubnetResult] = {}
    for part in evaluator.measure_many(subnets, images):
        results |= part
    return results


def _print_comparison(title: str, work: Work, subnets: Sequence[Subnet], rounds: int) -> None:
    """One walk against one by one, under statistics recalibrated and under those of training."""
    print(f"## {len(subnets)} {title}, {len(work.images)} images, recalibrated on {CALIBRATION}\n")
    rows = []
    for batchnorm in ("recalibrate", "running"):
        walked = []
        for number in range(rounds):
            results, seconds, shares = _profiled(work, batchnorm, subnets)
            walked.append(seconds)
            if number == rounds // 2:
                alone = _seconds_alone(work, batchnorm, subnets, results)
        bound = _bound(work, results, batchnorm)
        ratio = alone / statistics.median(walked)
        rows.append(
            (
                batchnorm, f"{statistics.median(walked):.1f}", f"{alone:.1f}", f"{ratio:.2f}",
                f"{bound.ratio():.2f}", f"{ratio / bound.ratio():.0%}",
                f"{len(subnets) * len(work.images) / alone:.1f}",
            )
        )  # fmt: skip
        if batchnorm == "recalibrate":
            profile = ", ".join(f"{name} {share:.0%}" for name, share in shares.items())
            accuracies = sorted(each.measurement.correct / each.measurement.images for each in results.values())
    print_table(
        ("BatchNorm", "tree (s)", "one by one (s)", "ratio", "bound", "of the bound", "one by one (images/s)"), rows
    )
    agree = "Counts, accuracies and logits agree to the bit." if _is_exact(work) else ""
    print(f"The tree: median of {rounds}; one by one: every subnet once, between two of these.")
    print(f"The bound: accumulates one by one, over those of the tree. {agree}\n")
    print(f"Top-1 {accuracies[0]:.1%} to {accuracies[-1]:.1%}. Time of the recalibrating walk: {profile}.\n")
    rates = sorted(_mean_rate(result.measurement) for result in results.values())
    read = f"{rates[0]:.3f} to {rates[-1]:.3f}, median {statistics.median(rates):.3f}"
    print(f"Mean input value of a subnet's layers that read spikes, under training's statistics: {read}.\n")


def _mean_rate(measurement: Measurement) -> float:
    return statistics.mean(each.rate for each in measurement.inputs if each.rate is not None)


def _print_evaluate(work: Work, subnets: Sequence[Subnet]) -> None:
    """Our one by one is what `aspk evaluate` does, in the same time."""
    alone = evaluated = 0.0
    for subnet in subnets:
        for first in (True, False):
            begun = time.perf_counter()
            if first:
                work.evaluator().measure(subnet, work.images)
                alone += time.perf_counter() - begun
            else:
                EvaluationRun(work.run, subnet, work.images).inherited()
                evaluated += time.perf_counter() - begun
    images = len(subnets) * len(work.images)
    told = f"{images / alone:.1f} images/s one by one, {images / evaluated:.1f} by aspk evaluate"
    print(f"The first {len(subnets)} of them, with recalibration: {told} ({evaluated / alone - 1:+.1%} time).\n")


def _bound(
    work: Work, results: dict[Subnet, SubnetResult], batchnorm: str, kept: Collection[StemKey] = ()
) -> Accumulates:
    measured, exact = {subnet: result.measurement for subnet, result in results.items()}, _is_exact(work)
    shares_steps = exact and batchnorm == "running"
    return Accumulates(work.run.supernet, measured, shares_steps=shares_steps, merges_outputs=exact, kept=kept)


def _is_exact(work: Work) -> bool:
    """Whether the engine promises equal bits: only then is anything shared between different widths and time steps."""
    return not work.run.engine.batch_matters


def _seconds_alone(
    work: Work, batchnorm: str, subnets: Sequence[Subnet], expected: dict[Subnet, SubnetResult]
) -> float:
    """Of all, each by an evaluator that keeps nothing, as `aspk evaluate` does; raises where a result differs."""
    total = 0.0
    for subnet in subnets:
        evaluator = work.evaluator(batchnorm=batchnorm)
        begun = time.perf_counter()
        result = evaluator.measure(subnet, work.images)
        total += time.perf_counter() - begun
        found = expected[subnet]
        same = torch.equal(result.predictions.logits, found.predictions.logits)
        if _is_exact(work) and not (same and result.measurement == found.measurement):
            raise SystemExit(f"the tree and one by one differ in {subnet}")
    return total


def _profiled(
    work: Work, batchnorm: str, subnets: Sequence[Subnet]
) -> tuple[dict[Subnet, SubnetResult], float, dict[str, float]]:
    """Results, seconds, and which share of them every kind of loop took."""
    evaluator = work.evaluator(batchnorm=batchnorm)
    with _watched() as seconds:
        begun = time.perf_counter()
        results = _in_a_tree(evaluator, subnets, work.images)
        total = time.perf_counter() - begun
    shares = {name: each / total for name, each in sorted(seconds.items(), key=lambda item: -item[1])}
    return results, total, {**shares, "all else": 1 - sum(shares.values())}


@contextmanager
def _watched() -> Iterator[dict[str, float]]:
    """Seconds in the engine's loops over images, by name."""
    seconds: dict[str, float] = {}
    run = EventDriven.for_images

    def timed(self: EventDriven, loop: Callable[..., None], *arguments: Any, **options: Any) -> None:
        begun = time.perf_counter()
        run(self, loop, *arguments, **options)
        name = loop.__name__
        seconds[name] = seconds.get(name, 0) + time.perf_counter() - begun

    EventDriven.for_images = timed  # type: ignore[method-assign]
    try:
        yield seconds
    finally:
        EventDriven.for_images = run  # type: ignore[method-assign]


def _print_generations(work: Work) -> None:
    """A search by evolution; the subnets that generations 5 to 10 ask for, walked with kept stems, and one by one."""
    recipe = work.run.recipe
    images = work.images.first(recipe.search.images or len(work.images))
    work, evaluator = Work(work.run, images), work.evaluator()
    space = recipe.space.search_space()
    keys = [StemKey(steps, dim) for steps in space.time_step for dim in space.embed_dim]
    algorithm = make_algorithm(replace_generations(recipe.search), recipe_problem(recipe), recipe.seed)
    asked: list[tuple[int, set[StemKey], float, dict[Subnet, SubnetResult]]] = []

    def measure(subnets: Sequence[Subnet]) -> Iterator[dict[Subnet, Measurement]]:
        kept = {key for key in keys if key in evaluator.stems}
        begun = time.perf_counter()
        results = _in_a_tree(evaluator, subnets, images)
        asked.append((algorithm.generation, kept, time.perf_counter() - begun, results))
        yield {subnet: result.measurement for subnet, result in results.items()}

    run_search(algorithm, (), {}, measure, lambda candidates: None, lambda: False)
    timed = [each for each in asked if each[0] in TIMED_GENERATIONS]
    print(f"## Generations {timed[0][0]} to {timed[-1][0]} of a search of {recipe.name}\n")
    rows, walked, alone = [], 0.0, 0.0
    one_by_one = shared = 0.0
    for generation, kept, seconds, results in timed:
        single = _seconds_alone(work, recipe.model.batchnorm, list(results), results)
        bound = _bound(work, results, recipe.model.batchnorm, kept)
        rows.append((str(generation), len(results), len(kept), *_told(seconds, single, bound.ratio())))
        walked, alone = walked + seconds, alone + single
        one_by_one, shared = one_by_one + bound.one_by_one, shared + bound.shared
    ratio, best = alone / walked, one_by_one / shared
    rows.append(("all", sum(len(each[3]) for each in timed), "", *_told(walked, alone, best)))
    print_table(
        ("generation", "new subnets", "stems kept before", "tree (s)", "one by one (s)", "ratio", "bound"), rows
    )
    print(f"{ratio / best:.0%} of the bound, in which a stem that is kept costs nothing.\n")


def _told(walked: float, alone: float, bound: float) -> tuple[str, ...]:
    return f"{walked:.2f}", f"{alone:.2f}", f"{alone / walked:.2f}", f"{bound:.2f}"


def replace_generations(settings: Any) -> Any:
    """The same search, until the last generation that is timed."""
    return settings.model_copy(update={"generations": TIMED_GENERATIONS.stop})


def _print_memory(run: str, data: str) -> None:
    """Peak memory of one generation of few subnets and of many, a process for each."""
    print(f"## Peak memory of one generation, {MEMORY_IMAGES} images\n")
    peaks = []
    for number in (FEW, MANY):
        code = f"import search; search.print_peak({run!r}, {data!r}, {number})"
        done = subprocess.run(
            [sys.executable, "-c", code], cwd=Path(__file__).parent, capture_output=True, text=True, check=True
        )
        peaks.append(float(done.stdout))
    rows = [(number, f"{peak:.0f}") for number, peak in zip((FEW, MANY), peaks, strict=True)]
    print_table(("subnets", "peak (MiB)"), rows)
    overrides = (f"model.calibration_images={CALIBRATION}", f"search.images={MEMORY_IMAGES}", root_override(data))
    opened = open_run(run, overrides, searched=False)
    told = search_plan(opened.recipe, "float32", "event_driven")["memory_bytes"] / KIB_A_MIB**2
    print(f"{peaks[1] / peaks[0] - 1:+.1%}. --dry-run tells {told:.0f} MiB beside data and libraries.\n")


def print_peak(run: str, data: str, number: int) -> None:
    """MiB at most that this process held."""
    work = _open(run, data, MEMORY_IMAGES)
    for part in work.evaluator().measure_many(_drawn(work.run.recipe.space.search_space(), number), work.images):
        del part
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    print(next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / KIB_A_MIB)


if __name__ == "__main__":
    main()

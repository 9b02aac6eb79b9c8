"""What the commands do, for Python: load a recipe, train, search, evaluate, price, read results, take a subnet out.

    from autospikformer_cli import load_recipe, search_subnets, train_supernet

    run = train_supernet(load_recipe("quickstart", {"train.epochs": 3}), "runs/first").path
    best = search_subnets(run, {"search.alpha": 0.3}).scores.ranked[0]

Nothing is printed unless `say` says so. Without `compute`, all functions use the CPU with torch's number of threads.
No function changes the process's threads, its allocator or its signal handlers. A mistake that a user can repair is a
UserError.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from autospikformer_cli.bounds import MOST_EPOCHS, require_at_most
from autospikformer_cli.errors import UserError
from autospikformer_cli.recipe import Decides, Overrides, Recipe, recipe_from_toml
from autospikformer_cli.say import SILENT, Interruptible, Say, uninterrupted
from autospikformer_cli.space import Number, Subnet
from autospikformer_cli.store.runs import (
    RunPath,
    is_run,
    new_run,
    prepared_run,
    resolve_run,
    run_lock,
    run_to_write,
    runs_folder,
)

if TYPE_CHECKING:
    from autospikformer_cli.energy.results import NetworkEnergy
    from autospikformer_cli.engine.compute import Compute
    from autospikformer_cli.engine.names import Computes
    from autospikformer_cli.runs.comparing.comparison import SearchComparison
    from autospikformer_cli.runs.evaluation import EvaluationResult
    from autospikformer_cli.runs.finishing.finish import FinishRun
    from autospikformer_cli.runs.finishing.options import FinishOptions
    from autospikformer_cli.runs.finishing.results import FinishResults
    from autospikformer_cli.runs.results import AlphaSweep, SearchResults
    from autospikformer_cli.runs.training import TrainingResult
    from autospikformer_cli.spiking.extraction import ExtractedSubnet
    from autospikformer_cli.store.training_log import TrainingLog
    from autospikformer_cli.training.ranks import Ranks

SubnetName = str | Subnet | Sequence[Number | float]
"""best, largest, smallest, baseline, a candidate's id, a Subnet, or the paper's tuple as text or as numbers."""


def train_supernet(
    recipe: Recipe, run: RunPath = None, *, fresh: bool = False, tracker: str | None = None, timing: bool = False,
    trace: str | Path | None = None, compute: Compute | None = None, say: Say = SILENT,
    interruptible: Interruptible = uninterrupted, ranks: Ranks | None = None,
) -> TrainingResult:  # fmt: skip
    """Train a recipe's supernet in a folder, or go on with what is there.

    run: by default runs/NAME, NAME being the recipe's. A new name is one under runs/, too. fresh: start a new run next
    to one that is there. tracker: who follows the training, such as "tensorboard"; it changes no result.
    timing: measure how long the parts of the steps take. trace: a file for when each part of the first steps ran.
    ranks: the processes that train together, each of which calls this function; None for this one alone
    (docs/scaling.md). Rank 0 writes.
    Raises UserError for a folder that was begun otherwise, KeyboardInterrupt when stopped, after saving.
    """
    from autospikformer_cli.engine.compute import make_compute
    from autospikformer_cli.recipe.idle import idle_remarks
    from autospikformer_cli.runs.step_trace import TRACED_STEPS, traced
    from autospikformer_cli.runs.tracking import Tracking
    from autospikformer_cli.runs.training import TrainingResult, TrainingRun
    from autospikformer_cli.store.targets import require_target
    from autospikformer_cli.training.paths import sampled_paths
    from autospikformer_cli.training.ranks import ONE_RANK
    from autospikformer_cli.training.step_times import StepTimes

    for remark in idle_remarks(recipe):
        say.remark(remark)
    space = recipe.space.search_space()
    paths = sampled_paths(space, recipe.seed, recipe.train)
    shown = (space.largest(), space.smallest())
    ranks, compute = ranks or ONE_RANK, compute or make_compute()
    tracking = Tracking.by(tracker if ranks.is_first else None, say)
    to = None if trace is None or not ranks.is_first else Path(trace)
    if to is not None:
        require_target(to)
    times = StepTimes(compute.torch_device, TRACED_STEPS if to else 0) if timing or to else None
    training = TrainingRun(
        recipe, compute, say, paths, shown, interruptible, tracking=tracking, times=times, ranks=ranks
    )
    named = runs_folder() / recipe.name if run is None else run_to_write(run)
    path = named
    if ranks.from_first(lambda: fresh or not is_run(named)):
        training.require_startable()
        path = ranks.from_first(lambda: new_run(named) if fresh else prepared_run(named))
    locked = run_lock(path) if ranks.is_first else nullcontext()
    with locked, traced(to, times, f"aspk train {recipe.name}", say):
        _, state = training.run(path, f"training {recipe.name}")
    return TrainingResult(path, recipe, state, times if timing else None)


def read_training_log(run: RunPath = None) -> TrainingLog:
    """Every step of a run's training: loss, learning rate, gradient norm and seconds, a column each.

    It has no steps that an older aspk trained. Raises UserError if there is no such run, or if it is damaged.
    """
    from autospikformer_cli.store.supernet import read_log

    return read_log(resolve_run(run))


def search_subnets(
    run: RunPath = None, overrides: Overrides = (), *, name: str | None = None, fresh: bool = False,
    executor: str = "in-process", workers: int | None = None, address: str | None = None,
    compute: Computes | None = None, say: Say = SILENT, interruptible: Interruptible = uninterrupted,
) -> SearchResults:  # fmt: skip
    """Search a run's supernet, or go on with the search that was begun, to its end.

    overrides: such as {"search.alpha": 0.3}; other keys than those of the present search make another search.
    name: the search's, for `read_results(search=name)`; by default one is made of its keys, and without overrides the
    present search goes on. fresh: measure everything anew. executor, workers, address: where subnets are measured.
    Raises UserError if no subnet keeps to the limits, KeyboardInterrupt when stopped, after saving.
    """
    from autospikformer_cli.evaluation.executors import ExecutorOptions
    from autospikformer_cli.runs.results import score_population
    from autospikformer_cli.runs.searching.search import SearchRun
    from autospikformer_cli.runs.trained_run import run_to_search

    opened = run_to_search(run, overrides, name=name, fresh=fresh, compute=compute, say=say)
    options = ExecutorOptions(workers, address, say.remark)
    with run_lock(opened.path):
        population = SearchRun(opened, executor, options, interruptible, name).search(fresh)
    return score_population(opened.path, population, opened.recipe)


def search_several(
    run: RunPath = None, overrides: Overrides = (), *, alphas: Sequence[float] = (), seeds: int = 1,
    executor: str = "in-process", workers: int | None = None, address: str | None = None,
    compute: Computes | None = None, say: Say = SILENT, interruptible: Interruptible = uninterrupted,
) -> SearchComparison:  # fmt: skip
    """Search a run's supernet with each alpha and each seed, one search after the other, and compare what they found.

    alphas: by default the recipe's. seeds: how many, from the recipe's on. What one search measured, the others take
    over. Interrupted or not, the same call goes on where it stopped. Raises as `search_subnets`, and UserError for one
    search, which has nothing to be compared with.
    """
    from autospikformer_cli.runs.searching.several import several_overrides

    path = resolve_run(run)
    wanted = several_overrides(path, overrides, alphas, seeds)
    names = []
    for number, (label, each) in enumerate(wanted, 1):
        say.remark(f"search {number} of {len(wanted)}: {label}")
        try:
            results = search_subnets(
                path, each, executor=executor, workers=workers, address=address, compute=compute, say=say,
                interruptible=interruptible,
            )  # fmt: skip
        except KeyboardInterrupt:
            say.remark(f"the same command goes on with search {number} of {len(wanted)}")
            raise
        names.append(f"{path}:{results.population.name}")
    return compare_searches(names)


def recount_subnets(
    run: RunPath = None, overrides: Overrides = (), *, search: str | None = None, executor: str = "in-process",
    workers: int | None = None, address: str | None = None, compute: Computes | None = None, say: Say = SILENT,
    interruptible: Interruptible = uninterrupted,
) -> SearchResults:  # fmt: skip
    """Measure again what an older aspk stored with fewer counts, and search nothing.

    overrides: keys that decide how an archive is scored. search: its name, by default the present one. Raises UserError
    if the subnets would be measured otherwise.
    """
    from autospikformer_cli.evaluation.executors import ExecutorOptions
    from autospikformer_cli.runs.results import score_population
    from autospikformer_cli.runs.searching.recount import recount as measure_again
    from autospikformer_cli.runs.trained_run import open_run
    from autospikformer_cli.store.population import read_search

    opened = open_run(run, overrides, search=search, compute=compute, say=say)
    head = read_search(opened.path, search)
    recipe = _rescored(opened.path, head.recipe_toml, head.recipe_name, overrides)
    options = ExecutorOptions(workers, address, say.remark)
    with run_lock(opened.path):
        population = measure_again(opened, executor, options, interruptible, search)
    return score_population(opened.path, population, recipe)


def read_results(
    run: RunPath = None, overrides: Overrides = (), *, search: str | None = None, best: int | None = None
) -> SearchResults:
    """What a run's search found, scored and priced under its recipe with overrides. Nothing is measured.

    search: its name, by default the present one. overrides: keys that decide scores, such as search.alpha and energy.*.
    best: tau, front and tables of the best n by F_AEB. Raises UserError for others, and for limits that no candidate
    keeps.
    """
    from autospikformer_cli.runs.prices import require_prices
    from autospikformer_cli.runs.results import require_ranked, score_population
    from autospikformer_cli.store.population import load_population

    _require_some(best)
    path = resolve_run(run)
    population = load_population(path, search)
    recipe = _rescored(path, population.recipe_toml, population.recipe_name, overrides)
    if best is not None:
        require_prices(recipe)
    return replace(require_ranked(score_population(path, population, recipe)), best_num=best)


def read_alpha_sweep(
    run: RunPath = None, overrides: Overrides = (), *, search: str | None = None, say: Say = SILENT
) -> AlphaSweep:
    """The best subnet for each alpha from 0 to 1, of all that a run's searches measured as one did.

    search: that one's name, by default the present one. Raises as `read_results`.
    """
    from autospikformer_cli.runs.results import sweep_alpha
    from autospikformer_cli.store.population import load_population

    path = resolve_run(run)
    population = load_population(path, search)
    recipe = _rescored(path, population.recipe_toml, population.recipe_name, overrides)
    return sweep_alpha(path, population, recipe, say)


def compare_searches(
    searches: Sequence[str] = (), overrides: Overrides = (), *, best: int | None = None
) -> SearchComparison:
    """Searches under common bounds: hypervolume, F_AEB, coverage, Kendall's tau, differences over seeds.

    searches: each RUN:SEARCH, or RUN for its present search. One RUN alone stands for all of its searches; none, for
    those of the newest run. overrides: as `read_results` takes them; without, all have the prices of the first. best:
    take the best n by F_AEB. Raises UserError for fewer than two searches, and for what must not be compared.
    """
    from autospikformer_cli.runs.comparing.comparison import compare_stored

    _require_some(best)
    return compare_stored(searches, overrides, best)


def evaluate_subnet(
    run: RunPath = None, subnet: SubnetName = "best", overrides: Overrides = (), *, search: str | None = None,
    split: str = "test", images: int | None = None, finetune: int | None = None, from_scratch: bool = False,
    all_images: bool = False,
    compute: Computes | None = None, say: Say = SILENT, interruptible: Interruptible = uninterrupted,
) -> EvaluationResult:  # fmt: skip
    """Measure one subnet on a split, and store the result in the run.

    subnet: a SubnetName. search: whose best and whose recipe are meant, by default the present one's. images: the first
    n of the split. finetune: retrain it alone for n epochs before; from_scratch: from first weights; all_images: on the
    validation images, too. Raises UserError.
    """
    from autospikformer_cli.runs.evaluation import EvaluationRun
    from autospikformer_cli.runs.trained_run import open_run

    if images is not None and images < 1:
        raise UserError(f"{images} images measure nothing", "images", "write a whole number from 1 on, or None for all")
    if finetune is not None and finetune < 1:
        raise UserError(f"{finetune} epochs retrain nothing", "finetune", "write a whole number from 1 on, or None")
    require_at_most(finetune, MOST_EPOCHS, "epochs", "finetune")
    if from_scratch and finetune is None:
        raise UserError("there is nothing to train", "from_scratch", "say for how many epochs: finetune=N")
    if all_images and finetune is None:
        raise UserError("there is nothing to train", "all_images", "say for how many epochs: finetune=N")
    opened = open_run(run, overrides, search=search, compute=compute, say=say)
    opened.remark_idle(overrides, Decides.NOTHING if finetune is None else Decides.TRAINING)
    evaluation = EvaluationRun.open(opened, _text(subnet), split, images, interruptible)
    if finetune is None:
        return evaluation.inherited()
    return evaluation.finetuned(finetune, from_scratch, all_images=all_images)


def finish_search(
    run: RunPath = None, overrides: Overrides = (), *, search: str | None = None, best: int | None = None,
    epochs: int | None = None, retrained_epochs: int | None = None, from_scratch: bool = True, seeds: int = 3,
    executor: str = "in-process", workers: int | None = None, address: str | None = None,
    compute: Computes | None = None, say: Say = SILENT, interruptible: Interruptible = uninterrupted,
) -> FinishResults:  # fmt: skip
    """Retrain the networks that a search found, test each once, store each result at once, and compare them.

    search: its name, by default the present one. best: the best n by F_AEB, by default the Pareto front. epochs: of
    each training from scratch, by default the recipe's. retrained_epochs: of each from inherited weights, by default a
    fifth of these. from_scratch: whether networks are trained from first weights, too. seeds: how many, from the run's
    seed on. executor, workers, address: where networks are trained. Interrupted or not, the same call goes on where it
    stopped. A training that diverges is in the results, with the reason. Raises UserError, and KeyboardInterrupt when
    stopped, after saving.
    """
    from autospikformer_cli.evaluation.executors import ExecutorOptions
    from autospikformer_cli.runs.finishing.options import FinishOptions

    options = FinishOptions(best, epochs, retrained_epochs, from_scratch, seeds)
    finishing = open_finish(run, overrides, search, options, compute, say, interruptible)
    return finishing.finish(executor, ExecutorOptions(workers, address, say.remark))


def open_finish(
    run: RunPath, overrides: Overrides, search: str | None, options: FinishOptions, compute: Computes | None, say: Say,
    interruptible: Interruptible = uninterrupted,
) -> FinishRun:  # fmt: skip
    """What `finish_search` would do, with its parameters. Nothing is done yet. Raises UserError."""
    from autospikformer_cli.recipe.load import named_keys
    from autospikformer_cli.runs.finishing.finish import FinishRun
    from autospikformer_cli.runs.fixed_by_training import keys_of_retraining
    from autospikformer_cli.runs.trained_run import open_run

    named = named_keys(overrides)
    if options.epochs is not None and "train.epochs" in named:
        what = "train.epochs is given twice, by --epochs and by --set"
        raise UserError(what, "--set train.epochs", "leave one of the two out")
    may_change = keys_of_retraining()
    opened = open_run(run, overrides, search=search, compute=compute, say=say, may_change=may_change)
    opened.remark_idle(overrides, Decides.TRAINING)
    first_seed = opened.recipe.seed if "seed" in named else None
    return FinishRun.open(opened, options, interruptible, first_seed)


def price_subnet(
    run: RunPath = None, subnet: SubnetName | None = None, overrides: Overrides = (), *, search: str | None = None,
    compute: Computes | None = None, say: Say = SILENT,
) -> NetworkEnergy:  # fmt: skip
    """The energy of a run's subnet, layer by layer, from counts that a search stored, or else measured now.

    subnet: by default the best, or the baseline if the run has no search. search: whose best and whose recipe are
    meant, by default the present one's. Raises UserError.
    """
    from autospikformer_cli.runs.energy import measured_energy
    from autospikformer_cli.runs.trained_run import open_run

    opened = open_run(run, overrides, search=search, compute=compute, say=say)
    opened.remark_idle(overrides, Decides.IMAGES)
    return measured_energy(opened, None if subnet is None else _text(subnet))


def load_subnet(
    run: RunPath = None, subnet: SubnetName = "best", *, search: str | None = None, precision: str = "float32"
) -> ExtractedSubnet:
    """One subnet of a run, alone, as `evaluate` measures it.

    Returns a torch module: images (B, C, H, W), pixels scaled to 0..1 and normalised by its `mean` and `std`, or counts
    of events (B, F, C, H, W), to logits (B, classes). It is for inference: BatchNorm's statistics stay, and no gradient
    flows. search: whose best is meant. precision: float32 or float64. Raises UserError.
    """
    from autospikformer_cli.engine.compute import make_compute
    from autospikformer_cli.exchange.exporting import extract
    from autospikformer_cli.runs.trained_run import open_run

    return extract(open_run(run, search=search, compute=make_compute(precision=precision)), _text(subnet))


def _text(subnet: SubnetName) -> str:
    """A subnet's name as the commands take it."""
    return str(subnet) if isinstance(subnet, str | Subnet) else f"({', '.join(map(str, subnet))})"


def _require_some(best: int | None) -> None:
    if best is not None and best < 1:
        raise UserError(f"the best {best} are no candidates", "best", "write a whole number from 1 on, or None for all")


def _rescored(path: Path, recipe_toml: str, name: str, overrides: Overrides) -> Recipe:
    from autospikformer_cli.runs.conditions import rescored

    return rescored(recipe_from_toml(recipe_toml, name, shown=f"the recipe stored in {path}"), overrides)

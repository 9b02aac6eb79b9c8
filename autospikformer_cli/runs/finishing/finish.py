"""The run of `aspk finish`: which networks, what is done already, and the rest on an executor."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from itertools import count
from typing import TYPE_CHECKING

from autospikformer_cli.bounds import MOST_TRAININGS, require_at_most
from autospikformer_cli.errors import UserError
from autospikformer_cli.evaluation.executors import (
    IN_PROCESS,
    ExecutorOptions,
    Unfinished,
    make_task_executor,
    require_executor,
)
from autospikformer_cli.recipe import Recipe, recipe_from_toml
from autospikformer_cli.runs.building import load_images, remark_on_batches, warm_engine
from autospikformer_cli.runs.conditions import Conditions
from autospikformer_cli.runs.evaluation import remark_on_earlier_images
from autospikformer_cli.runs.finishing.networks import FinishNetwork, Way, networks_of
from autospikformer_cli.runs.finishing.options import FinishOptions
from autospikformer_cli.runs.finishing.results import FinishResults, FinishRow
from autospikformer_cli.runs.finishing.stored import keep_finished
from autospikformer_cli.runs.finishing.work import COMMAND, Diverged, Failed, FinishTask, FinishWork, Tested
from autospikformer_cli.runs.prices import require_prices
from autospikformer_cli.runs.results import SearchResults, require_ranked, score_population
from autospikformer_cli.runs.retraining import (
    Retraining,
    as_transformer,
    has_own_validation,
    recipe_alone,
    retraining_of,
)
from autospikformer_cli.runs.searched_supernet import require_own_images, require_own_weights
from autospikformer_cli.runs.trained_run import TrainedRun
from autospikformer_cli.say import Interruptible, uninterrupted
from autospikformer_cli.store.divergence import read_divergence
from autospikformer_cli.store.evaluations import Evaluation, append_evaluation, load_evaluations, require_writable
from autospikformer_cli.store.population import load_population
from autospikformer_cli.store.runs import run_lock
from autospikformer_cli.store.searches import find_search
from autospikformer_cli.units import BYTES_A_MEGABYTE
from autospikformer_cli.wording import counted, quoted

if TYPE_CHECKING:
    from autospikformer_cli.data.images import ImageSet


@dataclass(frozen=True)
class FinishRun:
    """A run with a finished search, and what is to be trained and tested.

    results: of the search. best: how many of its best by F_AEB; None for the Pareto front. epochs: of each training
    from scratch; None for none. retrained_epochs: of each from inherited weights. seeds: of the order of images, of
    augmentation and of first weights. all_images: whether validation images are trained on, too.
    """

    run: TrainedRun
    results: SearchResults
    best: int | None
    networks: tuple[FinishNetwork, ...]
    epochs: int | None
    retrained_epochs: int
    seeds: tuple[int, ...]
    all_images: bool
    interruptible: Interruptible = uninterrupted

    @classmethod
    def open(
        cls, run: TrainedRun, options: FinishOptions, interruptible: Interruptible = uninterrupted,
        first_seed: int | None = None,
    ) -> FinishRun:  # fmt: skip
        """first_seed: None for that of the supernet's training, which all searches share. Raises UserError."""
        results = _results(run)
        require_writable(run.path)
        first_seed = run.split_seed if first_seed is None else first_seed
        networks = tuple(networks_of(results, options.best, from_scratch=options.from_scratch))
        trainings = options.seeds * sum(way != "inherited" for network in networks for way in network.ways)
        require_at_most(trainings, MOST_TRAININGS, "trainings", "best and seeds")
        return cls(
            run,
            results,
            options.best,
            networks,
            *options.epochs_of(run.recipe.train.total_epochs),
            tuple(first_seed + number for number in range(options.seeds)),
            not has_own_validation(run.recipe),
            interruptible,
        )

    @cached_property
    def rows(self) -> tuple[tuple[FinishNetwork, Way, tuple[FinishTask, ...]], ...]:
        """Each line of the table: a network, how it got its weights, and its trainings, one a seed."""
        made, numbers = [], count()
        for network in self.networks:
            measured = as_transformer(self.run.recipe) if network.is_ann else self.run.recipe
            for way in network.ways:
                if way == "inherited":
                    retrainings: list[Retraining | None] = [None]
                else:
                    retrainings = [self._retraining(network, way, seed) for seed in self.seeds]
                tasks = (
                    FinishTask(next(numbers), _label(network, way, each), network.subnet, measured, each)
                    for each in retrainings
                )
                made.append((network, way, tuple(tasks)))
        return tuple(made)

    def _retraining(self, network: FinishNetwork, way: Way, seed: int) -> Retraining:
        scratch = way == "from scratch"
        epochs = self.epochs if scratch else self.retrained_epochs
        assert epochs is not None
        recipe = self._recipes[seed, network.is_ann, epochs]
        return retraining_of(self.run, network.subnet, recipe, from_scratch=scratch, all_images=self.all_images)

    @cached_property
    def _recipes(self) -> dict[tuple[int, bool, int], Recipe]:
        """Of trainings alike: by the seed, whether it is of an ANN, and the epochs."""
        return {
            (seed, is_ann, epochs): recipe_alone(self.run, epochs, all_images=self.all_images, seed=seed, as_ann=is_ann)
            for seed in self.seeds
            for is_ann in {network.is_ann for network in self.networks}
            for epochs in {self.epochs, self.retrained_epochs}
            if epochs is not None
        }

    @property
    def tasks(self) -> list[FinishTask]:
        """All of them: inherited weights first, then seed after seed, so that one seed is whole as early as can be."""
        every = [task for _, _, tasks in self.rows for task in tasks]
        return sorted(every, key=lambda task: -1 if task.retraining is None else task.retraining.recipe.seed)

    def diverged(self) -> dict[int, str]:
        """By number of a task, why its training cannot end."""
        found = {task.number: read_divergence(task.retraining.folder) for task in self.tasks if task.retraining}
        return {number: why for number, why in found.items() if why is not None}

    def finish(self, executor: str = IN_PROCESS, options: ExecutorOptions | None = None) -> FinishResults:
        """Train and test what is not yet, and store each result at once.

        Raises KeyboardInterrupt when stopped, after saving, and UserError.
        """
        options = options or ExecutorOptions()
        require_executor(executor, options, does_tasks=True)
        images = self.run.images("test")
        require_own_images(self.run, self.results.population.name, self.results.provenance)
        remark_on_earlier_images(self.run, images, is_whole=True)
        known, diverged = self._known(images), self.diverged()
        self.remark_on_damaged(known)
        left = [task for task in self.tasks if task.number not in known and task.number not in diverged]
        if left:
            with run_lock(self.run.path, COMMAND):
                try:
                    self._do(left, images, executor, options, known, diverged)
                except KeyboardInterrupt as stop:  # a second Ctrl-C waits for nothing, and has no reason of its own
                    raise KeyboardInterrupt(str(stop) or "the same command goes on from what was saved") from None
        else:
            self.run.say.remark("everything is trained and tested: nothing is left to do")
        found = self._results(images, known, diverged)
        keep_finished(found)
        return found

    def _known(self, images: ImageSet) -> dict[int, Evaluation]:
        """By number of a task, its evaluation if it is stored."""
        stored = [each for each in load_evaluations(self.run.path) if each.split == images.split]
        by_folder: dict[str, list[Evaluation]] = {}
        for each in stored:
            by_folder.setdefault(each.finetuned.folder if each.finetuned else "", []).append(each)
        recipes = {text: recipe_from_toml(text, self.run.recipe.name) for text in {each.recipe_toml for each in stored}}
        found: dict[int, Evaluation] = {}
        for task in self.tasks:
            folder = task.retraining.folder.name if task.retraining else ""
            for each in by_folder.get(folder, ()):
                alike = each.subnet == task.subnet and (each.finetuned is None) == (task.retraining is None)
                if alike and self._holds(each, recipes[each.recipe_toml], task, images):
                    found[task.number] = each
                    break
        return found

    def with_results(self) -> set[int]:
        """The numbers of the trainings that a stored test result is of, by their folders' names. No image is read."""
        stored = {
            (each.finetuned.folder, each.subnet)
            for each in load_evaluations(self.run.path)
            if each.split == "test" and each.finetuned
        }
        return {
            task.number
            for task in self.tasks
            if task.retraining and (task.retraining.folder.name, task.subnet) in stored
        }

    def remark_on_damaged(self, tested: Collection[int]) -> set[int]:
        """Say which trainings with a result cannot be read any more. Returns their numbers: nothing needs them."""
        damaged = set()
        for task in self.tasks:
            if task.number in tested and task.retraining is not None:
                try:
                    _ = task.retraining.begun
                except UserError as error:
                    damaged.add(task.number)
                    fix = "its result is stored, so it is not trained anew"
                    self.run.say.remark(f"! {task.label}: {error.where}: {error.what}; {fix}")
        return damaged

    def _holds(self, known: Evaluation, measured: Recipe, task: FinishTask, images: ImageSet) -> bool:
        """Whether a stored result, measured under a recipe, was measured as it would be now, last bits aside."""
        run, compute = self.run, self.run.compute
        now = run.provenance(images)
        if task.retraining is not None:
            now = replace(now, weights_hash=known.provenance.weights_hash)
            if task.recipe.model.network == "transformer":
                now = replace(now, engine="dense")
        now = replace(now, device=compute.device, precision=compute.precision)
        return not Conditions.of(known.provenance, measured).differ_in(Conditions.of(now, task.recipe))

    def _work(self, images: ImageSet) -> FinishWork:
        """What workers need. Compiles loops now, so that workers need not."""
        run = self.run
        warm_engine(run.engine, run.say)
        remark_on_batches(run.recipe, run.say)
        model = run.recipe.model
        return FinishWork(
            weights=run.weights,
            images=images,
            training=self._training_images,
            calibration=run.calibration if model.batchnorm == "recalibrate" else None,
            epochs=run.epochs,
            memory=model.evaluation_memory * BYTES_A_MEGABYTE,
            engine=run.compute.engine,
            precision=run.compute.precision,
            device=run.compute.device,
            threads=run.compute.threads,
        )

    @cached_property
    def _training_images(self) -> Mapping[str, ImageSet]:
        """The images of every training: they are the same for all. None of them is validated."""
        task = next(task for task in self.tasks if task.retraining is not None)
        assert task.retraining is not None
        return {"train": load_images(task.retraining.recipe, self.run.split_seed, "train", self.run.say)}

    def _do(
        self, left: Sequence[FinishTask], images: ImageSet, executor: str, options: ExecutorOptions,
        known: dict[int, Evaluation], diverged: dict[int, str],
    ) -> None:  # fmt: skip
        say, work = self.run.say, self._work(images)
        num_images = len(work.training["train"])
        whole = {task.number: task.epochs * num_images for task in self.tasks if task.number not in diverged}
        done = {
            task.number: whole[task.number] if task.number in known else images_seen(task, num_images)
            for task in self.tasks
            if task.number in whole
        }
        say.remark(f"{self._plan_text(left)}, on {num_images:,} images each")
        ended = len(self.tasks) - len(left)
        failed: dict[int, UserError] = {}
        finished = False
        pool = make_task_executor(executor, work, options)
        with (
            self.interruptible() as stop,
            say.progress("finishing", sum(whole.values()), unit="images", start=sum(done.values())) as progress,
            pool,
        ):
            for task, result in pool.run(left, stop):
                if isinstance(result, Unfinished):
                    progress.advance(result.done - done[task.number], network=task.label, **result.shown)
                    done[task.number] = result.done
                    continue
                ended += 1
                if isinstance(result, Failed):
                    failed[task.number] = result.error
                else:
                    self._keep(task, result, known, diverged)
                if task.number not in known:
                    progress.skip(whole[task.number] - done.pop(task.number))
                say.remark(f"{self._said_of(task, result)} ({ended} of {len(self.tasks)})")
            finished = all(task.number in {*known, *diverged, *failed} for task in left)
        if not finished:
            done_so_far = f"{ended} of {len(self.tasks)}"
            raise KeyboardInterrupt(f"stopped and saved after {done_so_far}; the same command goes on from there")
        if failed:
            error = next(iter(failed.values()))
            what = (
                f"{len(failed)} of {counted(len(left), 'network')} could not be trained; the others are. {error.what}"
            )
            raise UserError(what, error.where, error.fix) from error

    def _keep(
        self, task: FinishTask, result: Tested | Diverged, known: dict[int, Evaluation], diverged: dict[int, str]
    ) -> None:
        if isinstance(result, Diverged):
            diverged[task.number] = result.why
            return
        date = datetime.now(UTC).isoformat(timespec="seconds")
        found = Evaluation(
            task.subnet, result.provenance.split, result.provenance, result.measurement, result.tuning, date,
            task.recipe.to_toml(),
        )  # fmt: skip
        append_evaluation(self.run.path, found, recipe_name=self.run.recipe.name)
        known[task.number] = found

    def _plan_text(self, left: Sequence[FinishTask]) -> str:
        trainings = Counter(task.epochs for task in left if task.retraining is not None)
        each = " and ".join(
            f"{counted(number, 'training')} of {counted(epochs, 'epoch')}"
            for epochs, number in sorted(trainings.items(), reverse=True)
        )
        return f"{each or 'no training'}, {counted(len(left), 'test')} to do of {len(self.tasks)}"

    @staticmethod
    def _said_of(task: FinishTask, result: Tested | Diverged | Failed) -> str:
        if isinstance(result, Failed):
            where = f"{result.error.where}: " if result.error.where else ""
            return f"! {task.label}: {where}{result.error.what}; the others go on"
        if isinstance(result, Diverged):
            return f"! {task.label}: {result.why}; the others go on"
        measured = result.measurement
        return f"{task.label}: {measured.top1:.2f} % on {measured.images:,} test images"

    def _results(self, images: ImageSet, known: Mapping[int, Evaluation], diverged: Mapping[int, str]) -> FinishResults:
        rows = tuple(FinishRow.of(network, way, tasks, known, diverged) for network, way, tasks in self.rows)
        return FinishResults(
            self.run.path, self.run.recipe, self.results, self.best, rows, self.epochs, self.retrained_epochs,
            self.seeds, self.all_images, len(images), len(self._training_images["train"]),
        )  # fmt: skip


def _label(network: FinishNetwork, way: Way, retraining: Retraining | None) -> str:
    return f"{network.name}, {way}" + ("" if retraining is None else f", seed {retraining.recipe.seed}")


def images_seen(task: FinishTask, train_images: int) -> int:
    """Images that a training has seen before now, each as often as it was. train_images: those of an epoch."""
    begun = None if task.retraining is None else task.retraining.begun
    if begun is None:
        return 0
    state = begun.state
    return state.epoch * train_images + state.images


def _results(run: TrainedRun) -> SearchResults:
    """The search of a run, scored. Raises UserError unless it can be finished."""
    from autospikformer_cli.data.sources import has_validation

    path, recipe = run.path, run.recipe
    if not has_validation(recipe.data):
        raise UserError(
            "its recipe holds out no validation images, so no search could choose without the test images",
            f"{path}: data.validation",
            "train another run that holds some out: --set data.validation=0.1, then search it",
        )
    population = load_population(path, find_search(path, run.search))
    if population.provenance.split == "test":
        raise UserError(
            "its search chose among subnets by test images: no unbiased test accuracy is left for them",
            f"{path}: search.split",
            f"search on held-out images first: aspk search --run {quoted(path)} --set 'search.split=\"validation\"'",
        )
    require_own_weights(path, population.name, population.provenance)
    searched = recipe_from_toml(population.recipe_toml, population.recipe_name)
    if recipe.baseline() != searched.baseline():
        raise UserError(
            f"search {population.name} was compared with the baseline {searched.baseline()}, not {recipe.baseline()}",
            f"{path}: search.baseline",
            "leave out --set search.baseline; another search may have another: aspk search --set search.baseline=[...]",
        )
    require_prices(recipe)
    if population.state.get("finished") is not True:
        run.say.remark(f"! search {population.name} is not finished: aspk search --run {quoted(path)} goes on with it")
    results = score_population(path, population, recipe)
    if not results.front:
        raise _no_front(results)
    return results


def _no_front(results: SearchResults) -> UserError:
    """Why a search's front is empty."""
    require_ranked(results)
    return UserError(
        "the Pareto front is empty: no candidate is measured",
        f"{results.title}",
        f"search on: aspk search --run {quoted(results.path)}",
    )

"""Shares tasks among workers, each in its own process. If a worker dies, the others take its tasks."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from types import TracebackType
from typing import Any, Generic, Self, TypeVar, cast

from autospikformer_cli.errors import UserError
from autospikformer_cli.evaluation.evaluator import SMALLEST_SUBNET_BATCH, subnet_batches
from autospikformer_cli.evaluation.executors import (
    ExecutorOptions,
    Measurements,
    OpenWork,
    Shard,
    Task,
    Unfinished,
    Work,
    Workload,
)
from autospikformer_cli.evaluation.tree import in_order
from autospikformer_cli.say import Stop
from autospikformer_cli.space import Subnet

SHARDS_PER_WORKER = 4
"""At least, if there are enough subnets. More shards balance workers of different speed; fewer share more prefixes."""

W = TypeVar("W", bound=Hashable)


@dataclass(frozen=True)
class Save:
    """What a worker gets in the place of a task: it saves what is unfinished, and replies the same."""


def replied(worker: OpenWork[Any], message: object) -> Any:
    """What a worker replies to a task, or to `Save`."""
    if isinstance(message, Save):
        worker.save()
        return message
    return worker.do(message)


def shards(subnets: Sequence[Subnet], count: int) -> list[Shard]:
    """Cut subnets into `count` shards of about the same size, none empty. Neighbours in the tree stay together."""
    ordered = in_order(subnets)
    count = max(1, min(count, len(ordered)))
    cuts = [len(ordered) * cut // count for cut in range(count + 1)]
    return [ordered[first:last] for first, last in pairwise(cuts) if last > first]


class Deal(Generic[W, Task]):
    """Tasks that wait. Each worker has neighbouring ones; a worker without any takes the last task of another.

    backwards: whether each worker begins with its last task.
    """

    def __init__(self, cut: Sequence[Task], workers: Sequence[W], backwards: bool = False) -> None:
        num, step = len(workers), -1 if backwards else 1
        bounds = [len(cut) * index // num for index in range(num + 1)]
        own = [cut[begin:end][::step] for begin, end in pairwise(bounds)]
        self._waiting = {worker: deque(waiting) for worker, waiting in zip(workers, own, strict=True)}

    def __bool__(self) -> bool:
        return any(self._waiting.values())

    def take(self, worker: W) -> Task | None:
        """The next task for a worker; None if none waits."""
        own = self._waiting.setdefault(worker, deque())
        if own:
            return own.popleft()
        longest = max(self._waiting.values(), key=len)
        return longest.pop() if longest else None

    def put_back(self, worker: W, task: Task) -> None:
        """Return a task that a worker did not finish."""
        self._waiting[worker].appendleft(task)


class TaskQueue(Generic[Task]):
    """Tasks that wait in one queue. Whoever is idle takes the first, so those asked for first are done first."""

    def __init__(self, tasks: Sequence[Task]) -> None:
        self._waiting = deque(tasks)

    def __bool__(self) -> bool:
        return bool(self._waiting)

    def take(self, worker: Hashable) -> Task | None:
        """The next task; None if none waits."""
        return self._waiting.popleft() if self._waiting else None

    def put_back(self, worker: Hashable, task: Task) -> None:
        """Return a task that a worker did not finish. It is the next."""
        self._waiting.appendleft(task)


class WorkerPool(ABC, Generic[W]):
    """An executor whose workers do one task after another. A subclass starts them and talks to them."""

    name: str
    """The executor's name."""

    def __init__(self, workload: Work[Any], options: ExecutorOptions) -> None:
        self.workload, self.options = workload, options
        self.workers: list[W] = []
        """The workers that are alive and ready. More may join."""
        self._abandoned: set[W] = set()
        """Workers that are busy with a task of an earlier `run`, whose result nobody needs."""
        self._last_loss = "none was started"
        self._backwards = True

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        self.workers.clear()

    @abstractmethod
    def start(self) -> None:
        """Start the workers. Raises UserError if none can start."""

    @abstractmethod
    def stop(self) -> None:
        """End the workers, even if they are busy."""

    @abstractmethod
    def send(self, worker: W, task: Any) -> None:
        """Give a worker a task, or `Save`, for `replied`. If it has died meanwhile, `replies` reports it."""

    @abstractmethod
    def replies(self, workers: Sequence[W]) -> Iterable[tuple[W, Any]]:
        """Wait for replies of busy workers: what `replied` returns, the error that it raised, or None if one died."""

    def why_lost(self, worker: W) -> str:
        """How a worker ended, as a few words that include its name."""
        return f"{worker} has died"

    def measure(self, subnets: Sequence[Subnet]) -> Iterator[Measurements]:
        """Yield a shard at a time. Raises as `run`."""
        self._backwards = not self._backwards  # workers then first need the stems that they still have in the cache
        deal = Deal(self._cut(subnets), self.living(), self._backwards)
        for _, measurements in self._run(deal, lambda: False):
            yield measurements

    def run(self, tasks: Sequence[Task], stop: Stop) -> Iterator[tuple[Task, Any]]:
        """Yield a task with what a worker says of it. Raises UserError if all workers died, else a worker's error."""
        self.living()
        return self._run(TaskQueue(tasks), stop)

    def _run(self, waiting: Deal[W, Task] | TaskQueue[Task], stop: Stop) -> Iterator[tuple[Task, Any]]:
        running: dict[W, Task] = {}
        said: list[tuple[Task, Any]] = []
        failed: list[Exception] = []
        try:
            while running or waiting or said or failed:
                if not failed and not stop():
                    self._hand_out(waiting, running)
                yield from said
                for error in failed:
                    raise error
                if stop() and not running:
                    return
                said, failed = self._collect(waiting, running, stop) if running or waiting else ([], [])
        finally:
            self._abandoned.update(running)

    def _hand_out(self, waiting: Deal[W, Task] | TaskQueue[Task], running: dict[W, Task]) -> None:
        """Send a task to every idle worker."""
        for worker in self.workers:
            busy = worker in running or worker in self._abandoned
            if not busy and (task := waiting.take(worker)) is not None:
                running[worker] = task
                self.send(worker, task)

    def _collect(
        self, waiting: Deal[W, Task] | TaskQueue[Task], running: dict[W, Task], stop: Stop
    ) -> tuple[list[tuple[Task, Any]], list[Exception]]:
        """Wait for replies. Returns what was said of tasks, and errors; the tasks of dead workers wait again.

        A worker whose task is unfinished goes on with it, or saves it if all is to stop.
        """
        said, failed = list[tuple[Task, Any]](), list[Exception]()
        for worker, reply in self.replies([*running, *self._abandoned]):
            task = running.pop(worker, None)
            self._abandoned.discard(worker)
            if reply is None:
                self._lose(worker)
                if task is not None:
                    waiting.put_back(worker, task)
            elif isinstance(reply, Exception):
                failed.append(reply)
            elif task is not None and not isinstance(reply, Save):
                said.append((task, reply))
                if isinstance(reply, Unfinished):
                    running[worker] = task
                    self.send(worker, Save() if stop() else task)
        self.living()
        return said, failed

    def _cut(self, subnets: Sequence[Subnet]) -> list[Shard]:
        """Cut subnets into shards, none larger than what a power failure may lose."""
        batches = list(subnet_batches(subnets, cast(Workload, self.workload).num_images))
        wanted = max(SHARDS_PER_WORKER * len(self.workers), len(batches))
        return shards(subnets, min(wanted, max(len(self.workers), len(subnets) // SMALLEST_SUBNET_BATCH)))

    def _lose(self, worker: W) -> None:
        """Remove a dead worker and remember how it ended."""
        self.workers.remove(worker)
        self._last_loss = self.why_lost(worker)
        if self.workers:
            self.options.say(f"{self._last_loss}: {len(self.workers)} go on with its {self.workload.part}")

    def living(self) -> list[W]:
        """The workers. Raises UserError if none is left."""
        if not self.workers:
            raise UserError(
                f"all workers are lost, the last one: {self._last_loss}",
                f"--executor {self.name}",
                f"where memory ran out, take fewer --workers; the same command goes on from {self.workload.kept}",
            )
        return list(self.workers)

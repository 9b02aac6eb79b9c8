"""Subnets shared among workers, each in a process of its own; what a worker that dies had is given to the others."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Hashable, Iterable, Iterator, Sequence
from itertools import pairwise
from types import TracebackType
from typing import Generic, Self, TypeVar

from autospikformer_cli.errors import UserError
from autospikformer_cli.evaluation.evaluator import SMALLEST_PART, Evaluator, parts
from autospikformer_cli.evaluation.executors import ExecutorOptions, Measurements, Workload
from autospikformer_cli.evaluation.tree import in_order
from autospikformer_cli.measurement import Measurement
from autospikformer_cli.space import Subnet

SHARDS_PER_WORKER = 4
"""At least, where there are subnets enough: more even out workers of different speed, fewer share more prefixes."""

Shard = list[Subnet]
W = TypeVar("W", bound=Hashable)


def shards(subnets: Sequence[Subnet], count: int) -> list[Shard]:
    """Subnets cut into so many shards, none empty, of about the same number; neighbours in the tree stay together."""
    ordered = in_order(subnets)
    count = max(1, min(count, len(ordered)))
    cuts = [len(ordered) * cut // count for cut in range(count + 1)]
    return [ordered[first:last] for first, last in pairwise(cuts) if last > first]


def measure_shard(evaluator: Evaluator, workload: Workload, shard: Sequence[Subnet]) -> Measurements:
    """What a worker does with a shard."""
    measured: dict[Subnet, Measurement] = {}
    for part in evaluator.measure_many(shard, workload.images):
        measured |= {subnet: result.measurement for subnet, result in part.items()}
    return measured


class Deal(Generic[W]):
    """Shares that wait: each worker has neighbours, and one that has done all of its own takes another's last.

    backwards: each begins with its last.
    """

    def __init__(self, cut: Sequence[Shard], workers: Sequence[W], backwards: bool = False) -> None:
        num, step = len(workers), -1 if backwards else 1
        first = [len(cut) * index // num for index in range(num + 1)]
        own = [cut[begin:end][::step] for begin, end in pairwise(first)]
        self._waiting = {worker: deque(waiting) for worker, waiting in zip(workers, own, strict=True)}

    def __bool__(self) -> bool:
        return any(self._waiting.values())

    def take(self, worker: W) -> Shard | None:
        """The next shard for a worker; None where none waits."""
        own = self._waiting.setdefault(worker, deque())
        if own:
            return own.popleft()
        longest = max(self._waiting.values(), key=len)
        return longest.pop() if longest else None

    def put_back(self, worker: W, shard: Shard) -> None:
        """A shard that a worker did not finish."""
        self._waiting[worker].appendleft(shard)


class WorkerPool(ABC, Generic[W]):
    """An executor whose workers measure one shard after another. A subclass says how they are reached."""

    name: str
    """Of the executor."""

    def __init__(self, workload: Workload, options: ExecutorOptions) -> None:
        self.workload, self.options = workload, options
        self.workers: list[W] = []
        """Those alive and ready; more may join."""
        self._left: set[W] = set()
        """Those at work on a shard that nobody waits for any more."""
        self._last_words = "none was started"
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
        """Start the workers. Raises UserError where none can be."""

    @abstractmethod
    def stop(self) -> None:
        """End them, whatever they do."""

    @abstractmethod
    def send(self, worker: W, shard: Shard) -> None:
        """Give a worker a shard; one that has died meanwhile is told by `replies`."""

    @abstractmethod
    def replies(self, workers: Sequence[W]) -> Iterable[tuple[W, Measurements | Exception | None]]:
        """Wait for news of busy workers: what one measured, the error it met, or None where it has died."""

    def why_lost(self, worker: W) -> str:
        """How a worker ended, in a few words after its name."""
        return f"{worker} has died"

    def measure(self, subnets: Sequence[Subnet]) -> Iterator[Measurements]:
        """A shard at a time. Raises UserError where all workers have died, else what a worker raised."""
        self._backwards = not self._backwards  # what workers keep of the subnets before, they then need first
        deal = Deal(self._cut(subnets), self.living(), self._backwards)
        running: dict[W, Shard] = {}
        finished: list[Measurements] = []
        failed: list[Exception] = []
        try:
            while running or deal or finished or failed:
                if not failed:
                    self._hand_out(deal, running)
                yield from finished
                for error in failed:
                    raise error
                finished, failed = self._collect(deal, running) if running or deal else ([], [])
        finally:
            self._left.update(running)

    def _hand_out(self, deal: Deal[W], running: dict[W, Shard]) -> None:
        """A shard to everyone who has none."""
        for worker in self.workers:
            busy = worker in running or worker in self._left
            if not busy and (shard := deal.take(worker)):
                running[worker] = shard
                self.send(worker, shard)

    def _collect(self, deal: Deal[W], running: dict[W, Shard]) -> tuple[list[Measurements], list[Exception]]:
        """What is finished, as soon as anything is, and errors met; the shards of those who died wait again."""
        finished, failed = list[Measurements](), list[Exception]()
        for worker, reply in self.replies([*running, *self._left]):
            shard = running.pop(worker, None)
            self._left.discard(worker)
            if reply is None:
                self._lose(worker)
                if shard is not None:
                    deal.put_back(worker, shard)
            elif isinstance(reply, Exception):
                failed.append(reply)
            elif shard is not None:
                finished.append(reply)
        self.living()
        return finished, failed

    def _cut(self, subnets: Sequence[Subnet]) -> list[Shard]:
        """No more of them at once than can be lost when the power fails."""
        wanted = max(SHARDS_PER_WORKER * len(self.workers), len(list(parts(subnets, self.workload.num_images))))
        return shards(subnets, min(wanted, max(len(self.workers), len(subnets) // SMALLEST_PART)))

    def _lose(self, worker: W) -> None:
        self.workers.remove(worker)
        self._last_words = self.why_lost(worker)
        if self.workers:
            self.options.say(f"{self._last_words}: {len(self.workers)} go on with its shard")

    def living(self) -> list[W]:
        """The workers. Raises UserError where there is none any more."""
        if not self.workers:
            raise UserError(
                f"all workers are lost, the last one: {self._last_words}",
                f"--executor {self.name}",
                "where memory ran out, take fewer --workers; the same command goes on from what was measured",
            )
        return list(self.workers)

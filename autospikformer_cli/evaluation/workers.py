"""Shares subnets among workers, each in its own process. If a worker dies, the others take its shards."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Hashable, Iterable, Iterator, Sequence
from itertools import pairwise
from types import TracebackType
from typing import Generic, Self, TypeVar

from autospikformer_cli.errors import UserError
from autospikformer_cli.evaluation.evaluator import SMALLEST_SUBNET_BATCH, Evaluator, subnet_batches
from autospikformer_cli.evaluation.executors import ExecutorOptions, Measurements, Workload
from autospikformer_cli.evaluation.tree import in_order
from autospikformer_cli.measurement import Measurement
from autospikformer_cli.space import Subnet

SHARDS_PER_WORKER = 4
"""At least, if there are enough subnets. More shards balance workers of different speed; fewer share more prefixes."""

Shard = list[Subnet]
W = TypeVar("W", bound=Hashable)


def shards(subnets: Sequence[Subnet], count: int) -> list[Shard]:
    """Cut subnets into `count` shards of about the same size, none empty. Neighbours in the tree stay together."""
    ordered = in_order(subnets)
    count = max(1, min(count, len(ordered)))
    cuts = [len(ordered) * cut // count for cut in range(count + 1)]
    return [ordered[first:last] for first, last in pairwise(cuts) if last > first]


def measure_shard(evaluator: Evaluator, workload: Workload, shard: Sequence[Subnet]) -> Measurements:
    """What a worker does with a shard."""
    measured: dict[Subnet, Measurement] = {}
    for batch in evaluator.measure_many(shard, workload.images):
        measured |= {subnet: result.measurement for subnet, result in batch.items()}
    return measured


class Deal(Generic[W]):
    """Shards that wait. Each worker has neighbouring ones; a worker without any takes the last shard of another.

    backwards: whether each worker begins with its last shard.
    """

    def __init__(self, cut: Sequence[Shard], workers: Sequence[W], backwards: bool = False) -> None:
        num, step = len(workers), -1 if backwards else 1
        bounds = [len(cut) * index // num for index in range(num + 1)]
        own = [cut[begin:end][::step] for begin, end in pairwise(bounds)]
        self._waiting = {worker: deque(waiting) for worker, waiting in zip(workers, own, strict=True)}

    def __bool__(self) -> bool:
        return any(self._waiting.values())

    def take(self, worker: W) -> Shard | None:
        """The next shard for a worker; None if none waits."""
        own = self._waiting.setdefault(worker, deque())
        if own:
            return own.popleft()
        longest = max(self._waiting.values(), key=len)
        return longest.pop() if longest else None

    def put_back(self, worker: W, shard: Shard) -> None:
        """Return a shard that a worker did not finish."""
        self._waiting[worker].appendleft(shard)


class WorkerPool(ABC, Generic[W]):
    """An executor whose workers measure one shard after another. A subclass starts them and talks to them."""

    name: str
    """The executor's name."""

    def __init__(self, workload: Workload, options: ExecutorOptions) -> None:
        self.workload, self.options = workload, options
        self.workers: list[W] = []
        """The workers that are alive and ready. More may join."""
        self._abandoned: set[W] = set()
        """Workers that are busy with a shard of an earlier `measure`, whose results nobody needs."""
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
    def send(self, worker: W, shard: Shard) -> None:
        """Give a worker a shard. If the worker has died meanwhile, `replies` reports it."""

    @abstractmethod
    def replies(self, workers: Sequence[W]) -> Iterable[tuple[W, Measurements | Exception | None]]:
        """Wait for replies of busy workers: measurements, the error that a worker met, or None if it died."""

    def why_lost(self, worker: W) -> str:
        """How a worker ended, as a few words that include its name."""
        return f"{worker} has died"

    def measure(self, subnets: Sequence[Subnet]) -> Iterator[Measurements]:
        """Yield a shard at a time. Raises UserError if all workers died, else the error that a worker raised."""
        self._backwards = not self._backwards  # workers then first need the stems that they still have in the cache
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
            self._abandoned.update(running)

    def _hand_out(self, deal: Deal[W], running: dict[W, Shard]) -> None:
        """Send a shard to every idle worker."""
        for worker in self.workers:
            busy = worker in running or worker in self._abandoned
            if not busy and (shard := deal.take(worker)):
                running[worker] = shard
                self.send(worker, shard)

    def _collect(self, deal: Deal[W], running: dict[W, Shard]) -> tuple[list[Measurements], list[Exception]]:
        """Wait for replies. Returns measurements and errors; the shards of dead workers wait again."""
        finished, failed = list[Measurements](), list[Exception]()
        for worker, reply in self.replies([*running, *self._abandoned]):
            shard = running.pop(worker, None)
            self._abandoned.discard(worker)
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
        """Cut subnets into shards, none larger than what a power failure may lose."""
        batches = list(subnet_batches(subnets, self.workload.num_images))
        wanted = max(SHARDS_PER_WORKER * len(self.workers), len(batches))
        return shards(subnets, min(wanted, max(len(self.workers), len(subnets) // SMALLEST_SUBNET_BATCH)))

    def _lose(self, worker: W) -> None:
        """Remove a dead worker and remember how it ended."""
        self.workers.remove(worker)
        self._last_loss = self.why_lost(worker)
        if self.workers:
            self.options.say(f"{self._last_loss}: {len(self.workers)} go on with its shard")

    def living(self) -> list[W]:
        """The workers. Raises UserError if none is left."""
        if not self.workers:
            raise UserError(
                f"all workers are lost, the last one: {self._last_loss}",
                f"--executor {self.name}",
                "where memory ran out, take fewer --workers; the same command goes on from what was measured",
            )
        return list(self.workers)

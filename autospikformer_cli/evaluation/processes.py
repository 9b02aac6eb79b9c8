"""Does work in several processes of this machine: one a device, or with the CPU's threads divided among them."""

from __future__ import annotations

import pickle
import signal
import tempfile
import traceback
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from pathlib import Path
from typing import Any, TypeVar

import torch

from autospikformer_cli.child_processes import end_with_parent, held_back
from autospikformer_cli.engine.compute import own_process
from autospikformer_cli.evaluation.executors import ExecutorOptions, Work, refuse_address
from autospikformer_cli.evaluation.workers import WorkerPool, replied

THREADS_A_WORKER = 4
"""Threads of a CPU worker, if the user names no number of workers and there are threads for two of them."""
STOP_SIGNALS = {signal.SIGINT, signal.SIGTERM}
"""Ctrl-C, and the end of a cluster's job, reach every process at once. Workers leave them to their parent."""


AnyWork = TypeVar("AnyWork", bound=Any)
"""A data class that is a `Work`."""


@dataclass(frozen=True)
class Seat:
    """What a worker computes with. memory: see Evaluator."""

    device: str
    threads: int
    memory: int

    def of(self, workload: AnyWork) -> AnyWork:
        """The same work, computed here."""
        return replace(workload, device=self.device, threads=self.threads, memory=self.memory)


def seats(workload: Work[Any], workers: int | None) -> list[Seat]:
    """One seat a worker: devices in turn, threads and memory divided. workers: None for as many as suit."""
    num_devices = torch.cuda.device_count() if workload.device == "cuda" else 1
    if workers is None:
        on_cpu = min(workload.threads, max(2, workload.threads // THREADS_A_WORKER))
        workers = on_cpu if workload.device == "cpu" else num_devices
    return [
        Seat(
            device=f"cuda:{number % num_devices}" if workload.device == "cuda" else workload.device,
            threads=max(1, workload.threads // workers + (number < workload.threads % workers)),
            memory=workload.memory // workers,
        )
        for number in range(workers)
    ]


@dataclass(frozen=True, eq=False)
class Worker:
    """A process that works, and our end of its pipe."""

    number: int
    process: SpawnProcess
    connection: Connection

    def __str__(self) -> str:
        return f"worker {self.number} (process {self.process.pid})"


class Processes(WorkerPool[Worker]):
    """Starts new processes that work (spawn). Weights and images are written once; all workers map the file."""

    name = "processes"

    require_options = staticmethod(refuse_address)

    def __init__(self, workload: Work[Any], options: ExecutorOptions) -> None:
        super().__init__(workload, options)
        self._started: list[Worker] = []

    def start(self) -> None:
        """Start the workers. Return when every worker has what it needs."""
        with tempfile.TemporaryDirectory(prefix="aspk-") as folder:
            file = Path(folder) / "workload.pt"
            torch.save(self.workload, file)
            for number, seat in enumerate(seats(self.workload, self.options.workers), 1):
                with held_back(STOP_SIGNALS):
                    self._started.append(_start(number, file, seat))
            self.workers = list(self._started)
            for worker in self._started:
                with suppress(EOFError, ConnectionError):  # `replies` reports its death
                    worker.connection.recv()

    def stop(self) -> None:
        """Kill the workers at once: they hold nothing that is worth waiting for."""
        for worker in self._started:
            worker.connection.close()
            worker.process.kill()
        for worker in self._started:
            worker.process.join()
            worker.process.close()
        self._started.clear()

    def send(self, worker: Worker, task: Any) -> None:
        """Send a task through the worker's pipe."""
        with suppress(ConnectionError):
            worker.connection.send(task)

    def replies(self, workers: Sequence[Worker]) -> Iterable[tuple[Worker, Any]]:
        """Read replies from the pipes. A pipe that ends means that its worker died."""
        by_connection = {worker.connection: worker for worker in workers}
        for connection in wait(list(by_connection)):
            assert isinstance(connection, Connection)
            try:
                reply = connection.recv()
            except (EOFError, ConnectionError):
                reply = None
            yield by_connection[connection], reply

    def why_lost(self, worker: Worker) -> str:
        """The signal or the exit code."""
        worker.process.join()
        code = worker.process.exitcode or 0
        ended = f"killed by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
        return f"{worker} was {ended}" if code < 0 else f"{worker} {ended}"


def _start(number: int, file: Path, seat: Seat) -> Worker:
    """Start one worker."""
    context = get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_work, args=(file, seat, theirs), name=f"aspk worker {number}", daemon=True)
    try:
        process.start()
    except BaseException:
        ours.close()
        raise
    finally:
        theirs.close()
    return Worker(number, process, ours)


def _work(file: Path, seat: Seat, connection: Connection) -> None:
    """Run a worker: read the work, say so, then do task after task until the pipe closes."""
    end_with_parent()
    own_process(seat.device, threads=seat.threads)
    opened = seat.of(torch.load(file, mmap=True, weights_only=False)).open()
    connection.send(None)
    while True:
        try:
            message = connection.recv()
        except EOFError:
            return
        try:
            reply = replied(opened, message)
        except Exception as error:
            reply = _sendable(error)
        connection.send(reply)


def _sendable(error: Exception) -> Exception:
    """The error with its traceback as a note; only its text if it cannot be pickled."""
    error.add_note(traceback.format_exc())
    try:
        pickle.loads(pickle.dumps(error))  # noqa: S301
    except Exception:
        return RuntimeError(traceback.format_exc())
    return error

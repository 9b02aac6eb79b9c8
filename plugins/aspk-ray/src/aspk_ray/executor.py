"""Does work by Ray's workers, on one machine or on all machines of a cluster."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import inf
from typing import Any

import ray
from ray.exceptions import RayActorError, RayError, RayTaskError

from autospikformer_cli.engine.compute import own_process
from autospikformer_cli.errors import UserError
from autospikformer_cli.evaluation.executors import ExecutorOptions, Work
from autospikformer_cli.evaluation.processes import Seat, seats
from autospikformer_cli.evaluation.workers import WorkerPool, replied
from autospikformer_cli.runs.building import versions

SECONDS_UNTIL_TOLD = 10
SECONDS_TO_ANSWER = 5
QUIETLY: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR"}


@dataclass(frozen=True)
class Place:
    """Where a worker runs, and its versions of packages."""

    node: str
    process: int
    versions: Mapping[str, str]


class Working:
    """Does tasks, inside a worker."""

    def __init__(self, workload: Any, seat: Seat) -> None:
        own_process(seat.device, threads=seat.threads)
        self._opened = seat.of(workload).open()

    def place(self) -> Place:
        """The place of this worker."""
        return Place(ray.util.get_node_ip_address(), os.getpid(), versions())

    def reply(self, message: Any) -> Any:
        """The reply to a task, or to `Save`."""
        return replied(self._opened, message)


@dataclass(eq=False)
class Worker:
    """A Ray actor. place: None until it is ready."""

    number: int
    actor: Any
    place: Place | None = None

    def __str__(self) -> str:
        at = f" (process {self.place.process} on {self.place.node})" if self.place else ""
        return f"worker {self.number}{at}"


class RayExecutor(WorkerPool[Worker]):
    """Starts Ray on this machine, or joins the cluster at an address. The object store gets the workload once."""

    name = "ray"

    def __init__(self, workload: Work[Any], options: ExecutorOptions) -> None:
        super().__init__(workload, options)
        self._is_ours = False
        self._started: list[Worker] = []
        self._awaited: dict[Any, Worker] = {}
        """Pending answer -> its worker. A worker at work answers its task; one that is not ready, its place."""

    def start(self) -> None:
        """Return when all workers of this machine, or one of a cluster, are ready. The others join later."""
        local = self.options.address is None
        self._is_ours = _connect(self.options.address)
        given = self._seats_here() if local else self._seats_of_cluster()
        stored = ray.put(self.workload)
        for number, seat in enumerate(given, 1):
            cpus = 0 if local else _cpus(seat)
            working = ray.remote(Working).options(num_cpus=cpus, num_gpus=int(seat.device == "cuda"))
            self._started.append(Worker(number, working.remote(stored, seat)))
            self._awaited[self._started[-1].actor.place.remote()] = self._started[-1]
        while self._awaited and (local or not self.workers):
            answered, _ = ray.wait(list(self._awaited), timeout=SECONDS_UNTIL_TOLD)
            if not answered:
                self.options.say(f"waiting for {len(self._awaited)} workers of Ray to start")
            self._news(answered)
        self.living()

    def stop(self) -> None:
        """End the workers, and Ray itself if it was started or joined here."""
        for worker in self._started:
            ray.kill(worker.actor)
        self._started.clear()
        self._awaited.clear()
        if self._is_ours:
            ray.shutdown()
            self._is_ours = False

    def send(self, worker: Worker, task: Any) -> None:
        """Call the actor with a task."""
        self._awaited[worker.actor.reply.remote(task)] = worker

    def replies(self, workers: Sequence[Worker]) -> Iterable[tuple[Worker, Any]]:
        """Wait for answers of workers. Others may become ready meanwhile."""
        answered, _ = ray.wait(list(self._awaited))
        return self._news(answered)

    def _news(self, answered: Iterable[Any]) -> list[tuple[Worker, Any]]:
        """The answers of workers at work. A worker that has become ready joins."""
        news = []
        for each in answered:
            worker = self._awaited.pop(each)
            answer = _answer(each)
            if worker in self.workers:
                news.append((worker, answer))
            else:
                self._let_in(worker, answer)
        return news

    def _seats_here(self) -> list[Seat]:
        work: Any = self.workload
        given = seats(replace(work, device=_kind(work)), self.options.workers)
        num_devices = int(ray.cluster_resources().get("GPU", 0))
        if given[0].device != "cpu" and len(given) > num_devices:
            raise UserError(
                f"Ray gives every worker a device of its own, and finds {num_devices}", "--workers", "take fewer"
            )
        return [replace(seat, device=_kind(self.workload)) for seat in given]

    def _seats_of_cluster(self) -> list[Seat]:
        """A seat for each worker that fits into the cluster, or as many as the user asks for. Extra workers join later.

        A worker gets the memory divided by the most workers that one machine runs.
        """
        seat = Seat(_kind(self.workload), self.workload.threads, self.workload.memory)
        machines = [machine["Resources"] for machine in ray.nodes() if machine["Alive"]]
        rooms = [
            int(min(machine.get("CPU", 0) // _cpus(seat), machine.get("GPU", 0) if seat.device == "cuda" else inf))
            for machine in machines
        ]
        if sum(rooms) == 0:
            lacks = f"{_cpus(seat)} CPUs" + (" and a GPU" if seat.device == "cuda" else "")
            raise UserError(
                f"no machine of the cluster has {lacks} for a worker",
                f"--address {self.options.address}",
                "a worker has as many CPUs as --threads says",
            )
        workers = self.options.workers or sum(rooms)
        most_on_one = min(workers, max(rooms))
        return [replace(seat, memory=self.workload.memory // most_on_one)] * workers

    def _let_in(self, worker: Worker, answer: object) -> None:
        """Let a ready worker join. Raises UserError if it has other versions of packages than this process."""
        if not isinstance(answer, Place):
            self.options.say(f"{worker} did not start")
            return
        here = versions()
        for package, number in answer.versions.items():
            if number != here[package]:
                raise UserError(
                    f"{package} is {number} on {answer.node}, and {here[package]} here",
                    "--executor ray",
                    "install the same versions on every machine: the last bits of results depend on them",
                )
        worker.place = answer
        self.workers.append(worker)


def _kind(workload: Work[Any]) -> str:
    """A device without its number. Ray shows a worker only its own device."""
    return workload.device.partition(":")[0]


def _cpus(seat: Seat) -> int:
    """The number of CPUs that Ray reserves for a worker."""
    return 1 if seat.device == "cuda" else seat.threads


def _connect(address: str | None) -> bool:
    """Start Ray on this machine, or join a cluster. Returns False if it was done before. Raises UserError."""
    if ray.is_initialized():
        return False
    if address is None:
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    else:
        _require_listener(address)
    _keep_from_standard_output()
    before = signal.getsignal(signal.SIGTERM)
    try:
        ray.init(address or "local", include_dashboard=None if address else False, **QUIETLY)
    except (ConnectionError, ImportError, RuntimeError, ValueError) as error:
        raise UserError(
            f"Ray does not start: {error}" if address is None else f"no Ray cluster answers: {_last_line(error)}",
            f"--address {address}" if address else "--executor ray",
            "start one with: ray start --head; leave --address out for Ray on this machine" if address else None,
        ) from error
    if callable(before):  # Ray has replaced the handler that stops a search when it can be saved
        signal.signal(signal.SIGTERM, before)
    return True


def _require_listener(address: str) -> None:
    """Raises UserError if nobody listens at HOST:PORT. Ray itself would wait for ever, and ignore Ctrl-C."""
    host, _, port = address.rpartition("://")[2].rpartition(":")
    if not host or not port.isdecimal():
        return
    try:
        socket.create_connection((host.strip("[]"), int(port)), SECONDS_TO_ANSWER).close()
    except (OSError, OverflowError) as error:
        raise UserError(
            f"no Ray cluster answers: {error}",
            f"--address {address}",
            "start one with: ray start --head; leave --address out for Ray on this machine",
        ) from error


def _keep_from_standard_output() -> None:
    """Stop Ray from reporting dead processes on standard output, which is for the JSON document. It has no option."""
    if hasattr(ray._private.worker, "print_to_stdstream"):
        ray._private.worker.print_to_stdstream = lambda data, ignore_prefix: None


def _answer(reference: Any) -> Any:
    """A worker's answer: a place, a result, or an error; None if the worker is lost."""
    try:
        return ray.get(reference)
    except RayTaskError as error:
        cause = error.cause if isinstance(error.cause, Exception) else error
        cause.add_note(str(error))
        return cause
    except RayActorError as error:
        if error.actor_init_failed:
            raise UserError(
                f"a worker cannot start: {_last_line(error)}",
                "--executor ray",
                "every machine of the cluster needs this aspk with its plugins: pip install aspk-ray",
            ) from error
        return None
    except RayError:
        return None


def _last_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[-1].strip()

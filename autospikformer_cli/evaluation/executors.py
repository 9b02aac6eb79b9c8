"""Where work is done part by part: in this process, in several, or by a plugin. A search measures subnets so."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Literal, Protocol, Self, TypeVar, cast

from autospikformer_cli.bounds import MOST_WORKERS, require_at_most
from autospikformer_cli.errors import UserError
from autospikformer_cli.measurement import Measurement
from autospikformer_cli.registry import Registry
from autospikformer_cli.say import Stop
from autospikformer_cli.space import Subnet

if TYPE_CHECKING:
    from torch import Tensor

    from autospikformer_cli.data.description import DataDescription
    from autospikformer_cli.data.images import ImageSet
    from autospikformer_cli.engine.compute import Compute
    from autospikformer_cli.engine.names import EngineName
    from autospikformer_cli.evaluation.evaluator import Evaluator
    from autospikformer_cli.spiking.supernet import NetworkConfig

IN_PROCESS = "in-process"
PROCESSES = "processes"
EXECUTORS = Registry("executors")
"""Each entry is a Callable[[Workload, ExecutorOptions], Executor]. Plugins add theirs by the entry-point group.

One that is a `TaskExecutor`, too, takes any other `Work` in the place of a Workload.
"""
OUR_PLUGINS = {"ray": "aspk-ray"}
"""Executors that a plugin of ours adds, with the plugin."""

Measurements = Mapping[Subnet, Measurement]
Shard = list[Subnet]
Task = TypeVar("Task")
TaskIn = TypeVar("TaskIn", contravariant=True)


@dataclass(frozen=True)
class Unfinished:
    """What a worker says of a task that goes on. done: how far it is. shown: values of now, for a reader."""

    done: int
    shown: Mapping[str, float | int | str]


class OpenWork(Protocol[TaskIn]):
    """Work that is opened, in the process that does it."""

    def do(self, task: TaskIn) -> Any:
        """The result of a task, or `Unfinished` if the same task has to be done again, to go on with it."""
        ...

    def save(self) -> None:
        """Save what is unfinished, since nobody will go on with it here."""
        ...


class Work(Protocol[TaskIn]):
    """What workers do, task by task. It can be sent to another process, as its tasks and their results can.

    device, threads, memory: what one worker computes with; an executor divides them. part: a task, in a word.
    kept: what is not lost when workers are, in words.
    """

    part: ClassVar[str]
    kept: ClassVar[str]

    @property
    def device(self) -> str: ...

    @property
    def threads(self) -> int: ...

    @property
    def memory(self) -> int: ...

    def open(self) -> OpenWork[TaskIn]:
        """Make what does it, with the device and the threads that it names."""
        ...


@dataclass(frozen=True)
class Workload:
    """All that is needed to measure a supernet's subnets. It is a `Work` whose tasks are shards of subnets.

    weights: the network's state, on the CPU.
    images: what subnets are measured on.
    engine: the engine's name.
    memory: see Evaluator.
    """

    part: ClassVar[str] = "shard"
    kept: ClassVar[str] = "what was measured"

    config: NetworkConfig
    weights: Mapping[str, Tensor]
    description: DataDescription
    images: ImageSet
    calibration: ImageSet | None
    batchnorm: Literal["recalibrate", "running", "batch"]
    batch: int
    memory: int
    engine: EngineName
    precision: str
    device: str
    threads: int

    @property
    def num_images(self) -> int:
        """Images that one subnet runs, with those of the calibration."""
        return len(self.images) + len(self.calibration or ())

    def open(self) -> Measuring:
        """What measures shards, in this process."""
        return Measuring(self.evaluator(), self.images)

    def evaluator(self) -> Evaluator:
        """An evaluator that uses the weights without a copy if it can. Raises UserError as `make_engine` does."""
        import torch

        from autospikformer_cli.engine.choice import make_engine
        from autospikformer_cli.evaluation.evaluator import Evaluator
        from autospikformer_cli.spiking.supernet import Supernet

        supernet = Supernet(self.config).to(torch.device(self.device), getattr(torch, self.precision))
        placed = {name: self.weights[name].to(like) for name, like in supernet.state_dict().items()}
        supernet.load_state_dict(placed, assign=True)
        engine = make_engine(supernet, self.threads, self.engine)
        return Evaluator(engine, self.description, self.calibration, self.batchnorm, self.batch, self.memory)


@dataclass(frozen=True)
class Measuring:
    """Measures subnets on some images."""

    evaluator: Evaluator
    images: ImageSet

    def do(self, task: Shard) -> Measurements:
        """The measurements of a shard."""
        return {subnet: each for part in self.parts(task) for subnet, each in part.items()}

    def save(self) -> None:
        """A measurement is whole, or is not there."""

    def parts(self, subnets: Sequence[Subnet]) -> Iterator[Measurements]:
        """Measurements, some at a time, as `Evaluator.measure_many` gives them."""
        for batch in self.evaluator.measure_many(subnets, self.images):
            yield {subnet: result.measurement for subnet, result in batch.items()}


@dataclass(frozen=True)
class ExecutorOptions:
    """What the user asks of an executor.

    workers: number of processes; None for the executor's own choice.
    address: of a cluster; None for none.
    say: shows a remark to the user, for example about a lost worker.
    """

    workers: int | None = None
    address: str | None = None
    say: Callable[[str], None] = lambda text: None


class Executor(Protocol):
    """Measures subnets inside its context, and releases what it holds at the context's end.

    A measurement does not depend on the executor or on the other subnets: with the event-driven engine to the last bit,
    with the dense one as far as `Evaluator` says.
    """

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def measure(self, subnets: Sequence[Subnet]) -> Iterator[Measurements]:
        """Yield measurements of distinct subnets, some at a time as they are finished, in any order."""
        ...


class TaskExecutor(Protocol):
    """Does the tasks of any `Work` inside its context."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def run(self, tasks: Sequence[Task], stop: Stop) -> Iterator[tuple[Task, Any]]:
        """Yield each task with its result when it is finished, in any order; `Unfinished` as often as it says so.

        stop: asked whenever a worker has said something. Once it is true, no task begins; what is unfinished is saved.
        """
        ...


class InProcess(Generic[Task]):
    """Does everything in this process."""

    @staticmethod
    def require_options(options: ExecutorOptions) -> None:
        """Raises UserError for options that one process cannot have."""
        if options.workers not in (None, 1):
            raise UserError(
                f"{options.workers} workers do not fit in one process", "--workers", "add --executor processes"
            )
        refuse_address(options)

    def __init__(self, work: Work[Task], options: ExecutorOptions) -> None:
        self._worker = work.open()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass

    def measure(self, subnets: Sequence[Subnet]) -> Iterator[Measurements]:
        """Yield as `Evaluator.measure_many` does."""
        yield from cast(Measuring, self._worker).parts(subnets)

    def run(self, tasks: Sequence[Task], stop: Stop) -> Iterator[tuple[Task, Any]]:
        """One task after the other."""
        for task in tasks:
            result: object = Unfinished(0, {})
            while isinstance(result, Unfinished):
                if stop():
                    self._worker.save()
                    return
                result = self._worker.do(task)
                yield task, result


def refuse_address(options: ExecutorOptions) -> None:
    """Raises UserError if an executor of this machine only is given an address."""
    if options.address is not None:
        raise UserError("only a cluster has an address", "--address", "leave it out, or add --executor ray")


def require_executor(
    name: str, options: ExecutorOptions | None = None, *, does_tasks: bool = False
) -> Callable[[Any, ExecutorOptions], Executor]:
    """The function that makes executors of that name. Raises UserError if there is none, or if options do not fit it.

    It has options checked by its own `require_options(options)`, if it has that. does_tasks: whether it has to be a
    `TaskExecutor`; a plugin's may know how to measure subnets alone.
    """
    where = f"--executor {name}"
    if name in OUR_PLUGINS and name not in EXECUTORS:
        plugin = OUR_PLUGINS[name]
        raise UserError(f"the executor {name} is not installed", where, f"it is a plugin: pip install {plugin}")
    made_by = EXECUTORS.get(name, where)
    if not callable(made_by):
        raise UserError(f"the executor {name} is not callable", where, "choose another, or mend the plugin")
    if does_tasks and not hasattr(made_by, "run"):
        ours = [each for each in (IN_PROCESS, PROCESSES, *OUR_PLUGINS) if each in EXECUTORS]
        fix = f"choose {' or '.join(ours)}"
        raise UserError(f"the executor {name} measures subnets, and does nothing else", where, fix)
    if options is not None:
        if options.workers is not None and options.workers < 1:
            what = f"{options.workers} workers measure nothing"
            raise UserError(what, "--workers", "write a whole number from 1 on")
        require_at_most(options.workers, MOST_WORKERS, "workers", "--workers")
        getattr(made_by, "require_options", lambda given: None)(options)
    return cast(Callable[[Any, ExecutorOptions], Executor], made_by)


def make_executor(name: str, workload: Workload, options: ExecutorOptions) -> Executor:
    """The executor of that name, not yet entered. Raises UserError if there is none, or if options do not fit it."""
    return require_executor(name, options)(workload, options)


def task_executor_for(compute: Compute, workers: int | None = None) -> str:
    """What does tasks fastest on this machine: processes if several can work at once, else this process.

    One small network keeps no two threads busy, and two networks do.
    """
    if workers is None:
        import torch

        workers = torch.cuda.device_count() if compute.device == "cuda" else compute.threads
    return PROCESSES if workers > 1 else IN_PROCESS


def make_task_executor(name: str, work: Work[Any], options: ExecutorOptions) -> TaskExecutor:
    """The same for any work. Raises UserError, too, if it is a plugin's that measures subnets alone."""
    return cast(TaskExecutor, require_executor(name, options, does_tasks=True)(work, options))

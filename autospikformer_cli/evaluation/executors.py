"""Where subnets are measured: in this process, in several, or by a plugin."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Literal, Protocol, Self, cast

from autospikformer_cli.errors import UserError
from autospikformer_cli.measurement import Measurement
from autospikformer_cli.registry import Registry
from autospikformer_cli.space import Subnet

if TYPE_CHECKING:
    from torch import Tensor

    from autospikformer_cli.data.description import DataDescription
    from autospikformer_cli.data.images import ImageSet
    from autospikformer_cli.engine.names import EngineName
    from autospikformer_cli.evaluation.evaluator import Evaluator
    from autospikformer_cli.spiking.supernet import NetworkConfig

IN_PROCESS = "in-process"
EXECUTORS = Registry("executors")
"""Each entry is a Callable[[Workload, ExecutorOptions], Executor]. Plugins add theirs by the entry-point group."""
OUR_PLUGINS = {"ray": "aspk-ray"}
"""Executors that a plugin of ours adds, with the plugin."""

Measurements = Mapping[Subnet, Measurement]


@dataclass(frozen=True)
class Workload:
    """All that is needed to measure a supernet's subnets. It can be sent to another process.

    weights: the network's state, on the CPU.
    images: what subnets are measured on.
    engine: the engine's name.
    memory: see Evaluator.
    """

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


class InProcess:
    """Measures all subnets in this process."""

    @staticmethod
    def require_options(options: ExecutorOptions) -> None:
        """Raises UserError for options that one process cannot have."""
        if options.workers not in (None, 1):
            raise UserError(
                f"{options.workers} workers do not fit in one process", "--workers", "add --executor processes"
            )
        refuse_address(options)

    def __init__(self, workload: Workload, options: ExecutorOptions) -> None:
        self._evaluator, self._images = workload.evaluator(), workload.images

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass

    def measure(self, subnets: Sequence[Subnet]) -> Iterator[Measurements]:
        """Yield as `Evaluator.measure_many` does."""
        for batch in self._evaluator.measure_many(subnets, self._images):
            yield {subnet: result.measurement for subnet, result in batch.items()}


def refuse_address(options: ExecutorOptions) -> None:
    """Raises UserError if an executor of this machine only is given an address."""
    if options.address is not None:
        raise UserError("only a cluster has an address", "--address", "leave it out, or add --executor ray")


def require_executor(
    name: str, options: ExecutorOptions | None = None
) -> Callable[[Workload, ExecutorOptions], Executor]:
    """The function that makes executors of that name. Raises UserError if there is none, or if options do not fit it.

    It has options checked by its own `require_options(options)`, if it has that.
    """
    where = f"--executor {name}"
    if name in OUR_PLUGINS and name not in EXECUTORS:
        plugin = OUR_PLUGINS[name]
        raise UserError(f"the executor {name} is not installed", where, f"it is a plugin: pip install {plugin}")
    made_by = EXECUTORS.get(name, where)
    if not callable(made_by):
        raise UserError(f"the executor {name} is not callable", where, "choose another, or mend the plugin")
    if options is not None:
        if options.workers is not None and options.workers < 1:
            what = f"{options.workers} workers measure nothing"
            raise UserError(what, "--workers", "write a whole number from 1 on")
        getattr(made_by, "require_options", lambda given: None)(options)
    return cast(Callable[[Workload, ExecutorOptions], Executor], made_by)


def make_executor(name: str, workload: Workload, options: ExecutorOptions) -> Executor:
    """The executor of that name, not yet entered. Raises UserError if there is none, or if options do not fit it."""
    return require_executor(name, options)(workload, options)

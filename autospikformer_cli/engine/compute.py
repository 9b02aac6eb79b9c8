"""What a process computes with: a device, a precision, threads and an engine. Made once, and passed down."""

from __future__ import annotations

import os
from dataclasses import dataclass

import numba
import torch

from autospikformer_cli.bounds import MOST_THREADS
from autospikformer_cli.engine.allocation import keep_freed_memory
from autospikformer_cli.engine.choice import Engine, make_engine
from autospikformer_cli.engine.names import EngineName, name_faults, not_threads
from autospikformer_cli.errors import Faults, UserError
from autospikformer_cli.spiking.supernet import Supernet


@dataclass(frozen=True)
class Compute:
    """A device and how it is used. Make one with `make_compute`, which checks it.

    device: cpu, cuda or cuda:N. precision: float32 or float64. threads: on the CPU.
    engine: what runs subnets. None: the one that suits device and network.
    """

    device: str
    precision: str
    threads: int
    engine: EngineName | None = None

    @property
    def torch_device(self) -> torch.device:
        """The device, as torch names it."""
        return torch.device(self.device)

    @property
    def dtype(self) -> torch.dtype:
        """The precision, as torch names it."""
        return torch.float64 if self.precision == "float64" else torch.float32

    def set_up(self) -> Compute:
        """It is set up."""
        return self

    def engine_for(self, supernet: Supernet) -> Engine:
        """What runs a network's subnets. Raises UserError if the named engine cannot."""
        return make_engine(supernet, self.threads, self.engine)


def make_compute(
    device: str = "cpu", precision: str = "float32", threads: int | None = None, engine: EngineName | None = None
) -> Compute:
    """What this process computes with, so that it repeats itself to the last bit.

    threads: None takes torch's number and changes nothing. A number sets torch's and numba's in the whole process.
    A CUDA device turns off TF32 and cuDNN's choice of algorithms by their speed, in the whole process, and turns on
    deterministic algorithms of cuDNN. The others' are `own_process`'s to turn on.
    Raises Faults for a wrong name or number, UserError if there is no such device.
    """
    faults = list(name_faults(device, precision, engine))
    if threads is not None and not (isinstance(threads, int) and 0 < threads <= MOST_THREADS and threads is not True):
        faults.append(not_threads(threads))
    if faults:
        raise Faults(faults)
    chosen = threads or torch.get_num_threads()
    # Both may share one OpenMP, whose number of threads numba overwrites when it starts. So torch's comes second.
    numba.get_num_threads()
    if threads is not None:
        numba.set_num_threads(min(threads, numba.config.NUMBA_NUM_THREADS))
    torch.set_num_threads(chosen)
    found = torch.device(device)
    if found.type == "cuda":
        _require_cuda(found.index or 0, device, torch.cuda.device_count())
        torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
        torch.backends.cudnn.deterministic = True
        torch.backends.cudnn.benchmark = False
    return Compute(device, precision, chosen, engine)


def own_process(
    device: str = "cpu", precision: str = "float32", threads: int | None = None, engine: EngineName | None = None
) -> Compute:
    """The same for a process that does nothing else: it keeps freed memory, and numba has as many threads as torch.

    With a CUDA device, torch uses algorithms that repeat themselves, and refuses operators that have none.
    """
    keep_freed_memory()
    if device.startswith("cuda"):
        repeat_to_the_last_bit()
    return make_compute(device, precision, threads or torch.get_num_threads(), engine)


def repeat_to_the_last_bit() -> None:
    """Algorithms of torch that repeat themselves, in the whole process. Called before its first call of CUDA."""
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # cuBLAS reads it once
    torch.use_deterministic_algorithms(True)
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]


def _require_cuda(index: int, device: str, num_devices: int) -> None:
    where = f"--device {device}"
    if num_devices == 0:
        raise UserError("torch finds no CUDA device here", where, "leave --device out to compute on the CPU")
    if index >= num_devices:
        present = ", ".join(f"cuda:{number}" for number in range(num_devices))
        raise UserError(f"there is no such device, only {present}", where, "choose one of these")

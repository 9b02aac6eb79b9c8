"""The device and the threads that a process computes with."""

from __future__ import annotations

import torch

from autospikformer_cli.engine.allocation import keep_freed_memory
from autospikformer_cli.errors import UserError


def set_up(name: str, threads: int | None = None) -> torch.device:
    """Prepare this process to compute on a device, so that results repeat to the last bit. threads: None for torch's.

    Raises UserError if there is no such device.
    """
    import numba

    keep_freed_memory()
    # Both may share one OpenMP. numba overwrites its number of threads at its start, so torch's is set second.
    threads = threads or torch.get_num_threads()
    numba.set_num_threads(min(threads, numba.config.NUMBA_NUM_THREADS))
    torch.set_num_threads(threads)
    device = torch.device(name)
    if device.type == "cuda":
        _require_cuda(device.index or 0, name, torch.cuda.device_count())
        torch.backends.cudnn.allow_tf32 = False
        torch.backends.cudnn.deterministic = True
    return device


def _require_cuda(index: int, device: str, num_devices: int) -> None:
    where = f"--device {device}"
    if num_devices == 0:
        raise UserError("torch finds no CUDA device here", where, "leave --device out to compute on the CPU")
    if index >= num_devices:
        present = ", ".join(f"cuda:{number}" for number in range(num_devices))
        raise UserError(f"there is no such device, only {present}", where, "choose one of these")

"""The memory of a device: what a network must fit into."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from autospikformer_cli.errors import UserError

CONTAINER_LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")
"""Files in which Linux says how much of the machine's memory this container may use."""


def memory_of(device: str) -> int | None:
    """Bytes that a device has in all, of a GPU or of this machine; None if that is not known here."""
    if device.startswith("cuda"):
        import torch

        return int(torch.cuda.get_device_properties(device).total_memory) if torch.cuda.is_available() else None
    known = []
    with suppress(AttributeError, OSError, ValueError):  # no such names on Windows
        known.append(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    for path in CONTAINER_LIMITS:
        with suppress(OSError, ValueError):  # no container, or no limit: "max"
            known.append(int(Path(path).read_text()))
    return min(known, default=None)


@contextmanager
def told_if_too_small(what: str, *keys: str) -> Iterator[None]:
    """Raises UserError, instead of torch's error, if a GPU has too little memory for what is done within it.

    what: is done. keys: of a recipe, of which a smaller value needs less.
    """
    import torch

    try:
        yield
    except torch.OutOfMemoryError as error:
        fix = f"lower {' or '.join(keys)}; what was saved before is kept"
        raise UserError(f"the GPU has too little memory for {what}", keys[0], fix) from error

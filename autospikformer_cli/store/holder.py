"""Who writes to a run: the file that the holder of its lock leaves, for messages and for whoever watches the run.

Reading it takes no lock, not for a moment: a command that begins just then would be refused.
"""

from __future__ import annotations

import json
import os
import socket
from dataclasses import dataclass
from pathlib import Path

from autospikformer_cli.atomic_files import process_lives, require_regular, write_whole
from autospikformer_cli.errors import UserError

HOLDER_NAME = ".run.lock.json"
SLACK_S = 600.0
"""How much later than its file a holder may seem to have begun: clocks differ, and are set while processes run."""


@dataclass(frozen=True)
class Holder:
    """A process that has locked a run, or that was killed while it had. since_ns: when, since 1970.

    folder: the inode of the run's folder, which a copied folder does not share; None in the file of an older aspk.
    """

    pid: int
    host: str
    command: str
    since_ns: int
    folder: int | None = None

    @property
    def is_here(self) -> bool:
        """Whether it is a process of this host. Nobody here sees whether another one lives."""
        return self.host == socket.gethostname()

    @property
    def lives(self) -> bool:
        """Whether it still runs, as far as that can be seen: of another host, it is taken to."""
        if not self.is_here:
            return True
        return process_lives(self.pid) and not _is_another(self.pid, self.since_ns)

    def __str__(self) -> str:
        place = "" if self.is_here else f" on {self.host}"
        return f"process {self.pid}{place} ({self.command})"


def write_holder(run: Path, command: str) -> None:
    """Say that this process has locked a run. Raises OSError."""
    holder = {"pid": os.getpid(), "host": socket.gethostname(), "command": command, "folder": run.stat().st_ino}
    remove_holder(run)  # whatever bears its name: to write into a FIFO could wait for ever
    write_whole(run / HOLDER_NAME, json.dumps(holder).encode())


def remove_holder(run: Path) -> None:
    """Say that this process is about to free the lock."""
    (run / HOLDER_NAME).unlink(missing_ok=True)


def read_holder(run: Path) -> Holder | None:
    """Who has locked a run, alive or not. None if nobody has, if it has not said so yet, or if that is unreadable."""
    path = run / HOLDER_NAME
    try:
        since_ns = path.stat().st_mtime_ns
        require_regular(path, "")
        said = json.loads(path.read_text())
        holder = Holder(int(said["pid"]), str(said["host"]), str(said["command"]), since_ns, said.get("folder"))
        is_copied = holder.folder not in (None, run.stat().st_ino)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, UserError):
        return None
    return None if is_copied else holder


def _is_another(pid: int, since_ns: int) -> bool:
    """Whether the process of this number has ended unnoticed, or began later than that. Linux alone says so."""
    try:
        state, *fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        boot = next(line for line in Path("/proc/stat").read_text().splitlines() if line.startswith("btime "))
        began_s = int(boot.split()[1]) + int(fields[18]) / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError, IndexError, StopIteration):
        return False
    return state in "ZX" or began_s > since_ns / 1e9 + SLACK_S

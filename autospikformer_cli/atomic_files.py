"""Files that are whole or absent: a reader sees the old file or the new one, whenever the writer ends.

A writer fills a temporary file in the same folder, syncs it, renames it and syncs the folder. A temporary file's name
names the host and the process that write it, and ends in the name of the file that it will replace: some libraries
choose a format by the suffix.

A link stays, and what it leads to is replaced. A stream, as /dev/stdout or a FIFO, is written into, never replaced.
"""

from __future__ import annotations

import errno
import os
import re
import socket
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from shutil import copyfileobj
from uuid import uuid4

from autospikformer_cli.errors import UserError

_MOST_LINKS = 40
"""Links that Linux follows, one after the other."""
_NO_SYNC_OF_FOLDERS = (errno.EINVAL, errno.EACCES)
"""What some shared file systems answer to the sync of a folder; and what a folder does that may not be read."""


@contextmanager
def replacing(path: Path, *, locked: bool = False) -> Iterator[Path]:
    """Yield the path of a temporary file that does not exist yet; once the block ends well, it takes `path`'s place.

    The block makes the file, by any library that writes to a path, and may read it again before it takes its place.
    After an error the file that was there before is still there, and nothing else. If `path` is a stream, the temporary
    file lies elsewhere, and once the block ends well its content is written into the stream.
    locked: the caller holds a lock on `path`, so every temporary file of it is an orphan, on any host.
    Raises OSError if the disk refuses.
    """
    if is_stream(path):
        with tempfile.TemporaryDirectory() as folder:
            temporary = Path(folder) / path.name
            yield temporary
            _pour(temporary, path)
        return
    path = _behind_links(path)
    for orphan in _orphans(path, locked):
        with suppress(OSError):  # somebody else's, who also may write to this folder
            orphan.unlink()
    temporary = _temporary_path(path)
    try:
        yield temporary
        _sync(temporary)
        temporary.replace(path)
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise
    _sync_folder(path.parent)


def write_whole(path: Path, content: bytes | memoryview) -> None:
    """Replace a file by new content. Raises OSError if the disk refuses; the old file then stays."""
    with replacing(path) as temporary, temporary.open("xb") as stream:
        stream.write(content)


def try_writing(path: Path) -> None:
    """Make a temporary file next to `path` and delete it. Raises the OSError that replacing `path` would raise.

    A stream is not opened: whoever reads it would see an end.
    """
    if is_stream(path):
        if _descriptor(path) is None and (path.is_socket() or not os.access(path, os.W_OK)):
            code = errno.ENXIO if path.is_socket() else errno.EACCES
            raise OSError(code, os.strerror(code), str(path))
        return
    temporary = _temporary_path(_behind_links(path))
    temporary.touch(exist_ok=False)
    temporary.unlink()


def is_stream(path: Path) -> bool:
    """Whether something is there that is written into, never replaced: a FIFO, a device, or a file that is open here.

    /dev/stdout is the last, also if the shell sent it to a file: to replace that file would lose what else it gets.
    """
    try:
        mode = path.stat().st_mode
    except OSError:
        return False
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)) or _descriptor(path) is not None


def require_regular(path: Path, fix: str) -> None:
    """Raises UserError for what is no regular file: to open a FIFO may wait for ever, and a device may have no end.

    Links are followed. fix: what the user can do. Raises OSError if there is nothing, or if it may not be looked at.
    """
    mode = path.stat().st_mode
    if not stat.S_ISREG(mode):
        kinds = {stat.S_IFDIR: "a folder", stat.S_IFIFO: "a FIFO", stat.S_IFSOCK: "a socket"}
        raise UserError(f"it is {kinds.get(stat.S_IFMT(mode), 'a device')}, not a file", str(path), fix)


@contextmanager
def explaining_refusal(path: Path, fix: str, what: str = "cannot be written") -> Iterator[None]:
    """Turn the disk's refusal inside the block, an OSError, into a UserError at `path`.

    fix: what the user can do. what: the mistake, after which the operating system's reason stands.
    """
    try:
        yield
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else error  # h5py's own texts are for programmers
        raise UserError(f"{what}: {reason}", str(path), fix) from error


def _behind_links(path: Path) -> Path:
    """The file that links lead to, which may be absent; without links, the path itself. Raises OSError for a circle."""
    if not path.is_symlink():
        return path
    try:
        return Path(os.path.realpath(path, strict=True))
    except FileNotFoundError:
        return Path(os.path.realpath(path))


def _descriptor(path: Path) -> int | None:
    """The number of the open file of this process that a path names, through links: 1 for /dev/stdout."""
    for _ in range(_MOST_LINKS):
        if path.name.isdecimal() and os.path.realpath(path.parent) in (f"/proc/{os.getpid()}/fd", "/dev/fd"):
            return int(path.name)
        if not path.is_symlink():
            break
        path = path.parent / path.readlink()
    return None


def _pour(content: Path, stream: Path) -> None:
    """Write a file's content into a stream. To open one by its path could begin anew a file that is open here."""
    number = _descriptor(stream)
    descriptor = os.open(stream, os.O_WRONLY) if number is None else os.dup(number)
    with content.open("rb") as source, os.fdopen(descriptor, "wb") as sink:
        copyfileobj(source, sink)


def _temporary_path(path: Path) -> Path:
    return path.with_name(f".{socket.gethostname()}.{os.getpid()}.{uuid4().hex[:8]}.tmp.{path.name}")


def _orphans(path: Path, locked: bool) -> list[Path]:
    """Temporary files of `path` that processes of this host, dead since, have left; if it is locked, all of them."""
    host = ".+" if locked else re.escape(socket.gethostname())
    name = re.compile(rf"\.{host}\.([0-9]+)\.[0-9a-f]{{8}}\.tmp\.{re.escape(path.name)}")
    try:
        entries = [(entry, name.fullmatch(entry.name)) for entry in path.parent.iterdir()]
    except OSError:  # a folder that may not be read, though it may be written; else writing will say what is wrong
        return []
    return [entry for entry, match in entries if match and (locked or not process_lives(int(match[1])))]


def process_lives(pid: int) -> bool:
    """Whether a process of this host with that number exists."""
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        pass
    return True


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _sync_folder(folder: Path) -> None:
    """Make the renaming outlast a power failure, where the file system can."""
    try:
        _sync(folder)
    except OSError as error:
        if error.errno not in _NO_SYNC_OF_FOLDERS:
            raise

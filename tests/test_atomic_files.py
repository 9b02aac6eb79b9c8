"""Files are whole or absent, whatever happens to their writer, and nothing else stays in the folder."""

from __future__ import annotations

import errno
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from autospikformer_cli.atomic_files import explaining_refusal, replacing, try_writing, write_whole
from autospikformer_cli.errors import UserError

HOST = socket.gethostname()
NOBODY = 65_534


def names() -> list[str]:
    return sorted(entry.name for entry in Path().iterdir())


@pytest.fixture
def file(own_folder: Path) -> Path:
    path = Path("a.tar.gz")
    path.write_bytes(b"old")
    return path


@contextmanager
def without_root() -> Iterator[None]:
    """As a user whom permissions bind."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


def test_bytes_replace_a_file_or_make_one(file: Path) -> None:
    write_whole(file, b"new")
    write_whole(Path("b"), memoryview(b"made"))
    assert (file.read_bytes(), Path("b").read_bytes()) == (b"new", b"made")
    assert names() == ["a.tar.gz", "b"]


def test_a_library_writes_to_a_path_of_the_same_suffixes_in_the_same_folder(file: Path) -> None:
    with replacing(file) as temporary:
        assert (temporary.parent, temporary.suffixes[-2:]) == (file.parent, [".tar", ".gz"])
        assert temporary.name.startswith(".")
        assert not temporary.exists()
        temporary.write_bytes(b"new")
        assert file.read_bytes() == b"old"
    assert file.read_bytes() == b"new"
    assert names() == ["a.tar.gz"]


def test_what_is_written_has_the_permissions_of_any_new_file(file: Path) -> None:
    file.chmod(0o600)
    write_whole(file, b"new")
    Path("other").write_bytes(b"")
    assert file.stat().st_mode == Path("other").stat().st_mode


def test_content_is_synced_before_the_renaming_and_the_folder_after_it(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced = []

    def fsync(descriptor: int) -> None:
        synced.append((Path(f"/proc/self/fd/{descriptor}").readlink(), file.read_bytes()))

    monkeypatch.setattr(os, "fsync", fsync)
    with replacing(file) as temporary:
        temporary.write_bytes(b"new")
    assert synced == [(temporary.absolute(), b"old"), (Path.cwd(), b"new")]


@pytest.mark.parametrize("error", [ValueError("a library's"), KeyboardInterrupt(), OSError(errno.ENOSPC, "full")])
@pytest.mark.parametrize("content", [b"half", None])
def test_an_error_leaves_the_old_file_and_nothing_else(file: Path, error: BaseException, content: bytes | None) -> None:
    def fail_after_writing() -> None:
        with replacing(file) as temporary:
            if content is not None:
                temporary.write_bytes(content)
            raise error

    with pytest.raises(type(error)) as caught:
        fail_after_writing()
    assert caught.value is error
    assert (names(), file.read_bytes()) == (["a.tar.gz"], b"old")


def test_a_block_that_writes_nothing_leaves_the_old_file(file: Path) -> None:
    with pytest.raises(FileNotFoundError), replacing(file):
        pass
    assert (names(), file.read_bytes()) == (["a.tar.gz"], b"old")


def test_a_failed_renaming_leaves_nothing(own_folder: Path) -> None:
    Path("folder").mkdir()
    with pytest.raises(IsADirectoryError):
        write_whole(Path("folder"), b"new")
    assert names() == ["folder"]


KILLED = """
import sys
from pathlib import Path
from autospikformer_cli.atomic_files import replacing
with replacing(Path(sys.argv[1])) as temporary:
    temporary.write_bytes(b"written whole")
    print(temporary, flush=True)
    sys.stdin.read()
"""


def test_killed_before_the_renaming_the_old_file_stays_and_the_next_writer_tidies_up(file: Path) -> None:
    command = [sys.executable, "-c", KILLED, str(file)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        temporary = writer.stdout.readline().strip()
        assert names() == sorted([temporary, "a.tar.gz"])
        write_whole(file, b"meanwhile")
        assert names() == sorted([temporary, "a.tar.gz"]), "its writer lives"
        writer.send_signal(signal.SIGKILL)
    assert names() == sorted([temporary, "a.tar.gz"])
    assert file.read_bytes() == b"meanwhile"
    write_whole(file, b"new")
    assert (names(), file.read_bytes()) == (["a.tar.gz"], b"new")


@pytest.fixture
def dead() -> int:
    """The number of no process: Linux numbers them up to 2^22, others up to less."""
    return 2**22 + 1


@pytest.mark.parametrize("locked", [False, True])
def test_only_orphans_of_the_same_file_are_removed(file: Path, dead: int, locked: bool) -> None:
    orphan = f".{HOST}.{dead}.0badcafe.tmp.a.tar.gz"
    of_the_living = f".{HOST}.{os.getppid()}.0badcafe.tmp.a.tar.gz"
    of_another_host = f".elsewhere-{HOST}.{dead}.0badcafe.tmp.a.tar.gz"
    others = [f".{HOST}.{dead}.0badcafe.tmp.b", f".{HOST}.{dead}.0badcafe.tmp.ba.tar.gz", ".a.tar.gz.lock"]
    for name in (orphan, of_the_living, of_another_host, *others):
        Path(name).write_bytes(b"half")
    with replacing(file, locked=locked) as temporary:
        temporary.write_bytes(b"new")
    assert names() == sorted(["a.tar.gz", *others, *([] if locked else [of_the_living, of_another_host])])


def test_an_orphan_that_cannot_be_removed_stops_nobody(file: Path, dead: int) -> None:
    Path(f".{HOST}.{dead}.0badcafe.tmp.a.tar.gz").mkdir()
    write_whole(file, b"new")
    assert file.read_bytes() == b"new"


def test_a_folder_that_cannot_be_written(file: Path) -> None:
    Path().chmod(0o555)
    with without_root():
        with pytest.raises(PermissionError):
            write_whole(file, b"new")
        with pytest.raises(PermissionError):
            try_writing(file)
    assert (names(), file.read_bytes()) == (["a.tar.gz"], b"old")


def test_a_folder_that_can_be_written_though_not_read(file: Path) -> None:
    Path().chmod(0o333)
    with without_root():
        write_whole(Path("b"), b"new")
    Path().chmod(0o755)
    assert (names(), Path("b").read_bytes()) == (["a.tar.gz", "b"], b"new")


def refuse_to_sync_folders(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    def fsync(descriptor: int) -> None:
        if Path(f"/proc/self/fd/{descriptor}").is_dir():
            raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", fsync)


def test_a_file_system_that_cannot_sync_folders_is_no_failure(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    refuse_to_sync_folders(monkeypatch, errno.EINVAL)
    write_whole(file, b"new")
    assert (names(), file.read_bytes()) == (["a.tar.gz"], b"new")


def test_a_folder_whose_sync_fails_is_one(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    refuse_to_sync_folders(monkeypatch, errno.EIO)
    with pytest.raises(OSError, match="Input/output error"):
        write_whole(file, b"new")
    assert names() == ["a.tar.gz"]


FULL_DISK = """
import resource, sys
from pathlib import Path
from autospikformer_cli.atomic_files import explaining_refusal, write_whole
path = Path(sys.argv[1])
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
with explaining_refusal(path, "make room"):
    write_whole(path, bytes(200_000))
"""


def test_a_full_disk_is_told_and_the_old_file_stays(file: Path) -> None:
    done = subprocess.run([sys.executable, "-c", FULL_DISK, file], capture_output=True, text=True)
    assert done.stderr.endswith("UserError: a.tar.gz: cannot be written: File too large\n  make room\n")
    assert (names(), file.read_bytes()) == (["a.tar.gz"], b"old")


def test_trying_leaves_nothing_and_fails_as_writing_would(file: Path) -> None:
    try_writing(file)
    assert (names(), file.read_bytes()) == (["a.tar.gz"], b"old")
    for path in (Path("absent/a"), file / "a", Path("n" * 300)):
        with pytest.raises(OSError, match=r".") as tried:
            try_writing(path)
        with pytest.raises(OSError, match=r".") as written:
            write_whole(path, b"new")
        assert tried.value.errno == written.value.errno


H5PY = OSError(errno.ENOSPC, "[Errno 28] Can't write data (file write failed: time = ...)")


@pytest.mark.parametrize(
    ("error", "reason"), [(H5PY, "No space left on device"), (OSError("a library's own"), "a library's own")]
)
def test_a_refusal_is_explained(error: OSError, reason: str) -> None:
    with pytest.raises(UserError) as caught, explaining_refusal(Path("a"), "make room"):
        raise error
    assert str(caught.value) == f"a: cannot be written: {reason}\n  make room"
    assert caught.value.__cause__ is error


def test_other_errors_are_not_explained() -> None:
    mistake = UserError("something else")
    with pytest.raises(UserError) as caught, explaining_refusal(Path("a"), "make room"):
        raise mistake
    assert caught.value is mistake


def test_a_links_target_is_replaced_and_the_link_stays(file: Path) -> None:
    Path("far").mkdir()
    Path("far/link").symlink_to("../a.tar.gz")
    Path("far/absent").symlink_to("later")
    for link in (Path("far/link"), Path("far/absent")):
        try_writing(link)
        write_whole(link, b"new")
        assert link.is_symlink()
    assert (file.read_bytes(), Path("far/later").read_bytes()) == (b"new", b"new")
    assert sorted(entry.name for entry in Path("far").iterdir()) == ["absent", "later", "link"]
    assert names() == ["a.tar.gz", "far"]


def test_links_in_a_circle_are_refused(own_folder: Path) -> None:
    Path("circle").symlink_to("circle")
    for write in (try_writing, lambda path: write_whole(path, b"new")):
        with pytest.raises(OSError, match="Too many levels of symbolic links"):
            write(Path("circle"))
    assert names() == ["circle"]


def test_a_fifo_is_written_into_by_any_library(own_folder: Path) -> None:
    os.mkfifo("pipe.tar.gz")
    with ThreadPoolExecutor(1) as threads:
        read = threads.submit(Path("pipe.tar.gz").read_bytes)
        try_writing(Path("pipe.tar.gz"))  # no end for the reader
        with replacing(Path("pipe.tar.gz")) as temporary:
            assert temporary.suffixes == [".tar", ".gz"]
            temporary.write_bytes(bytes(200_000))
        assert read.result() == bytes(200_000)
    assert Path("pipe.tar.gz").is_fifo()
    assert names() == ["pipe.tar.gz"]


def test_an_error_writes_nothing_into_a_stream(own_folder: Path) -> None:
    def fail_after_writing() -> None:
        with replacing(Path("pipe")) as temporary:
            temporary.write_bytes(b"half")
            raise ValueError("a library's")

    os.mkfifo("pipe")
    with pytest.raises(ValueError, match="a library's"):
        fail_after_writing()
    assert names() == ["pipe"]


def test_a_socket_is_refused(own_folder: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind("a.socket")
        for write in (try_writing, lambda path: write_whole(path, b"new")):
            with pytest.raises(OSError, match="No such device or address"):
                write(Path("a.socket"))
    assert Path("a.socket").is_socket()


INTO_STDOUT = """
import sys
from pathlib import Path
from autospikformer_cli.atomic_files import try_writing, write_whole
print("before", flush=True)
try_writing(Path(sys.argv[1]))
write_whole(Path(sys.argv[1]), b"new\\n")
print("after")
"""


@pytest.mark.parametrize("into_a_file", [False, True])
def test_what_a_file_of_this_process_gets_stays_in_order(file: Path, into_a_file: bool) -> None:
    """As >> of a shell does, also if it is a file: to replace that, or to begin it anew, would lose lines."""
    Path("out").symlink_to("/proc/self/fd/1")
    command = [sys.executable, "-c", INTO_STDOUT, "out"]
    if into_a_file:
        with file.open("ab") as stdout:
            subprocess.run(command, stdout=stdout, check=True)
        assert file.read_bytes() == b"oldbefore\nnew\nafter\n"
    else:
        assert subprocess.run(command, capture_output=True, check=True).stdout == b"before\nnew\nafter\n"
    assert Path("out").is_symlink()

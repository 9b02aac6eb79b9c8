"""Who holds a run, as those see it who only read: by the file that the holder leaves, and never by the lock."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from autospikformer_cli.store.holder import HOLDER_NAME, read_holder
from autospikformer_cli.store.runs import run_lock

LINUX = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="Linux alone says when a process began")


def test_a_holder_is_there_as_long_as_it_holds(run: Path) -> None:
    assert read_holder(run) is None
    with run_lock(run, "aspk search"):
        holder = read_holder(run)
        assert holder is not None
        assert (holder.pid, holder.is_here, holder.lives) == (os.getpid(), True, True)
        assert str(holder) == f"process {os.getpid()} (aspk search)"
    assert read_holder(run) is None


def said(run: Path, **changes: object) -> None:
    """What another process has written."""
    holder = {"pid": os.getpid(), "host": socket.gethostname(), "command": "aspk search", **changes}
    (run / HOLDER_NAME).write_text(json.dumps(holder))


def test_a_holder_that_was_killed(run: Path) -> None:
    process = subprocess.Popen([sys.executable, "-c", "pass"])
    process.wait()
    said(run, pid=process.pid)
    holder = read_holder(run)
    assert holder is not None
    assert not holder.lives


@LINUX
def test_a_holder_whose_end_nobody_has_noticed(run: Path) -> None:
    """Its number is still there, and its locks are free."""
    process = subprocess.Popen([sys.executable, "-c", "pass"])
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    said(run, pid=process.pid)
    holder = read_holder(run)
    assert holder is not None
    assert not holder.lives
    process.wait()


@LINUX
def test_a_process_that_began_later_is_another_one(run: Path) -> None:
    """Numbers of processes are given again."""
    said(run)
    holder = read_holder(run)
    assert holder is not None
    assert holder.lives
    os.utime(run / HOLDER_NAME, (0, 0))
    older = read_holder(run)
    assert older is not None
    assert not older.lives


def test_nobody_sees_whether_a_process_of_another_host_lives(run: Path) -> None:
    said(run, host="elsewhere", pid=1)
    holder = read_holder(run)
    assert holder is not None
    assert (holder.is_here, holder.lives) == (False, True)
    assert str(holder) == "process 1 on elsewhere (aspk search)"


def test_a_copied_run_has_no_holder(run: Path) -> None:
    with run_lock(run, "aspk search"):
        shutil.copytree(run, run.with_name("copy"))
        assert read_holder(run.with_name("copy")) is None
        assert read_holder(run) is not None


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"pid": "x", "host": "h", "command": "c"}', "\x00"])
def test_what_cannot_be_read_says_nothing(run: Path, text: str) -> None:
    (run / HOLDER_NAME).write_text(text)
    assert read_holder(run) is None

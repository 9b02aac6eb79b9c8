"""A started process gets no signal that was held back, and does not outlive the one that started it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from autospikformer_cli.child_processes import end_with_parent, held_back

FAMILY = """\
import multiprocessing, os, signal, sys, time
from autospikformer_cli.child_processes import end_with_parent, held_back

def live(connection):
    if "end with parent" in sys.argv:
        end_with_parent()
    connection.send(os.getpid())
    time.sleep(1800)

if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored if the tests run in the background
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    with held_back({signal.SIGINT}):
        context.Process(target=live, args=(theirs,)).start()
    print(ours.recv(), flush=True)
    time.sleep(1800)
"""


@pytest.fixture
def script(own_folder: Path) -> Path:
    path = own_folder / "family.py"
    path.write_text(FAMILY)
    return path


def start(script: Path, *arguments: str) -> tuple[subprocess.Popen[str], int]:
    """A process, and the number of the one that it started."""
    pipe = subprocess.PIPE
    parent = subprocess.Popen([sys.executable, script, *arguments], stdout=pipe, text=True, start_new_session=True)
    assert parent.stdout is not None
    return parent, int(parent.stdout.readline())


def runs(pid: int) -> bool:
    """Whether a process has not ended, though nobody may have asked yet how."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def waits_for(pid: int, number: signal.Signals) -> bool:
    """Whether a signal was sent to a process, which holds it back."""
    status = dict(line.split(":\t", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return bool(int(status["ShdPnd"], 16) >> (number - 1) & 1)


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_a_process_ends_with_the_one_that_started_it(
    script: Path, how: signal.Signals, wait_until: Callable[[Callable[[], bool]], None]
) -> None:
    parent, child = start(script, "end with parent")
    with parent:
        assert runs(child)
        parent.send_signal(how)
    assert parent.returncode == -how
    wait_until(lambda: not runs(child))


def test_without_it_a_process_goes_on(script: Path) -> None:
    parent, child = start(script)
    with parent:
        parent.kill()
    try:
        time.sleep(0.5)  # in which it would end on an idle machine
        assert runs(child)
    finally:
        os.kill(child, signal.SIGKILL)


def test_a_signal_that_was_held_back_ends_no_started_process(
    script: Path, wait_until: Callable[[Callable[[], bool]], None]
) -> None:
    parent, child = start(script)
    with parent:
        os.kill(child, signal.SIGINT)
        assert waits_for(child, signal.SIGINT)
        os.kill(child, signal.SIGTERM)
        wait_until(lambda: not runs(child))  # SIGTERM was not held back
        parent.kill()


def test_this_thread_gets_a_signal_after_the_block() -> None:
    came = []
    before = signal.signal(signal.SIGUSR1, lambda number, frame: came.append(number))
    try:
        with held_back({signal.SIGUSR1}):
            signal.pthread_kill(threading.get_ident(), signal.SIGUSR1)
            assert signal.SIGUSR1 in signal.sigpending()
            assert came == []
        assert came == [signal.SIGUSR1]
    finally:
        signal.signal(signal.SIGUSR1, before)


def test_the_first_process_of_all_has_nothing_to_end_with() -> None:
    end_with_parent()

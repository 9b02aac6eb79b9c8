"""Ctrl-C: the first one asks, and is acknowledged at once; the second one interrupts."""

from __future__ import annotations

import signal
from threading import Thread

import pytest

from autospikformer_cli.cli.interruption import STOPPING, Interruption


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_asks_and_the_second_interrupts(number: signal.Signals) -> None:
    said: list[str] = []
    before = signal.getsignal(number)
    with Interruption(said.append) as stop:
        assert not stop()
        signal.raise_signal(number)
        assert stop()
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(number)
    assert said == [STOPPING]
    assert signal.getsignal(number) is before


def test_nothing_is_said_where_nobody_asks() -> None:
    said: list[str] = []
    with Interruption(said.append) as stop:
        assert not stop()
    assert not said


def test_another_thread_handles_no_signals() -> None:
    """Python lets the main thread alone set handlers."""
    handlers: list[object] = []

    def work() -> None:
        with Interruption(lambda text: None) as stop:
            handlers.extend([signal.getsignal(signal.SIGINT), stop()])

    before = signal.getsignal(signal.SIGINT)
    thread = Thread(target=work)
    thread.start()
    thread.join()
    assert handlers == [before, False]

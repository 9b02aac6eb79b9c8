"""Ctrl-C: the first one asks, and is acknowledged at once; the second one interrupts."""

from __future__ import annotations

import signal

import pytest

from autospikformer_cli.cli.interruption import STOPPING, Interruption


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_asks_and_the_second_interrupts(number: signal.Signals) -> None:
    said: list[str] = []
    before = signal.getsignal(number)
    with Interruption(said.append) as interruption:
        assert not interruption.requested
        signal.raise_signal(number)
        assert interruption.requested
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(number)
    assert said == [STOPPING]
    assert signal.getsignal(number) is before


def test_nothing_is_said_where_nobody_asks() -> None:
    said: list[str] = []
    with Interruption(said.append) as interruption:
        pass
    assert not interruption.requested
    assert not said

"""Progress: a live bar on a terminal, few plain lines elsewhere, nothing with --quiet."""

from __future__ import annotations

import io
from itertools import count

import pytest
from rich.console import Console

from autospikformer_cli.cli.progress import show_progress
from autospikformer_cli.cli.session import Session


class Clock:
    """Seconds that pass only when told."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_lines_are_few(capsys) -> None:
    clock = Clock()
    with show_progress(Console(stderr=True), "training", 20, unit="images", clock=clock) as progress:
        for step in range(20):
            clock.now += 1.0
            progress.advance(loss=2.0 / (step + 1), val=50 + step)
    assert capsys.readouterr().err.splitlines() == [
        "training: 0/20 images",
        "training: 5/20 images, 1/s, 0:15 left, loss=0.4 val=54",
        "training: 10/20 images, 1/s, 0:10 left, loss=0.2 val=59",
        "training: 15/20 images, 1/s, 0:05 left, loss=0.1333 val=64",
        "training: 20/20 images, 1/s, 0:20 in all, loss=0.1 val=69",
    ]


def test_what_was_done_before_does_not_count_as_fast(capsys) -> None:
    clock = Clock()
    with show_progress(Console(stderr=True), "search", 100, start=90, clock=clock) as progress:
        progress.advance(1)
        clock.now += 10.0
        progress.advance(5)
    assert capsys.readouterr().err.splitlines() == ["search: 90/100", "search: 96/100, 0.5/s, 0:08 left"]


def test_the_warm_up_does_not_count_as_slow(capsys) -> None:
    """The first step takes a minute, as it compiles, and all others a second."""
    clock = Clock()
    with show_progress(Console(stderr=True), "training", 20, clock=clock) as progress:
        clock.now += 60.0
        progress.advance()
        for _ in range(19):
            clock.now += 1.0
            progress.advance()
    assert capsys.readouterr().err.splitlines() == [
        "training: 0/20",
        "training: 1/20",
        "training: 6/20, 1/s, 0:14 left",
        "training: 11/20, 1/s, 0:09 left",
        "training: 16/20, 1/s, 0:04 left",
        "training: 20/20, 0.253/s, 1:19 in all",
    ]


def test_what_need_not_be_done_does_not_count_as_fast(capsys) -> None:
    clock = Clock()
    with show_progress(Console(stderr=True), "search", 100, clock=clock) as progress:
        progress.skip(20)
        clock.now += 5.0
        progress.advance(10)
        progress.skip(10)
        clock.now += 10.0
        progress.advance(20)
        clock.now += 10.0
        progress.skip(40)
    assert capsys.readouterr().err.splitlines() == [
        "search: 0/100",
        "search: 30/100",
        "search: 60/100, 2/s, 0:20 left",
        "search: 100/100, 1.2/s, 0:25 in all",
    ]


def test_the_last_line_comes_in_spite_of_an_error(capsys) -> None:
    clock = Clock()

    def interrupted() -> None:
        with show_progress(Console(stderr=True), "search", 4, clock=clock) as progress:
            clock.now += 2.0
            progress.advance()
            clock.now += 2.0
            progress.advance(note="[odd] :smile:")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert capsys.readouterr().err.splitlines() == ["search: 0/4", "search: 2/4, 0.5/s, 0:04 left, note=[odd] :smile:"]


def test_a_terminal_has_a_live_bar_with_rate_and_time_left() -> None:
    terminal = io.StringIO()
    clock = count(step=2.0)
    console = Console(file=terminal, force_terminal=True, width=120, color_system=None)
    with show_progress(console, "training", 4, unit="images", clock=lambda: float(next(clock))) as progress:
        progress.advance(loss=0.5)
        progress.advance(2, loss=0.25)
    shown = terminal.getvalue()
    assert "training" in shown
    assert "━" in shown
    assert "3/4 images" in shown
    assert "/s, 0:0" in shown
    assert "loss=0.25" in shown


def test_a_narrow_terminal_cuts_nothing() -> None:
    terminal = io.StringIO()
    clock = count(step=2.0)
    console = Console(file=terminal, force_terminal=True, width=40, color_system=None)
    with show_progress(console, "searching", 320, unit="subnets", clock=lambda: float(next(clock))) as progress:
        progress.advance(20)
        progress.advance(100, generation="3/8", front=7, best="c0117, 98.33 %, 0.7133 µJ", hypervolume="0.9115")
    lines = [line.rstrip() for line in terminal.getvalue().splitlines()]
    assert any("searching" in line and "120/320" in line and line.endswith("left") for line in lines)
    text = " ".join(lines)
    assert all(value in text for value in ("subnets", "generation=3/8", "front=7", "best=c0117", "hypervolume=0.9115"))


def test_the_last_line_has_the_last_values(capsys) -> None:
    clock = Clock()
    with show_progress(Console(stderr=True), "search", 4, clock=clock) as progress:
        clock.now += 6.0
        progress.advance(4)
        progress.advance(0, front=3)
    assert capsys.readouterr().err.splitlines()[1:] == [
        "search: 4/4, 0.667/s, 0:06 in all",
        "search: 4/4, 0.667/s, 0:06 in all, front=3",
    ]


def test_quiet_says_nothing_and_results_stay_apart(capsys) -> None:
    with Session(quiet=True).progress("training", 3) as progress:
        progress.advance(3, loss=1.0)
    Session(quiet=True).remark("a remark")
    assert capsys.readouterr() == ("", "")

    with Session(json=True).progress("training", 3) as progress:
        progress.advance(3)
        Session(json=True).remark("[a] remark")
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.splitlines()[0] == "training: 0/3"
    assert "[a] remark" in captured.err

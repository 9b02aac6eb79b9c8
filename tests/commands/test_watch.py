"""aspk report --watch: a search is shown while another process runs it, until it ends. Nothing waits for a clock."""

from __future__ import annotations

import json
import os
import pty
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from autospikformer_cli.commands.watch_output import POLL_S, SHARE_OF_READING, rests
from autospikformer_cli.errors import UserError
from autospikformer_cli.report.watch_view import WatchView, watch_line
from autospikformer_cli.runs.sight import Sight
from autospikformer_cli.runs.watching import Watch, sights, watched_run
from autospikformer_cli.store.population import Population, load_population, save_population
from autospikformer_cli.store.runs import run_lock
from autospikformer_cli.store.searches import make_present, search_file
from autospikformer_cli.store.supernet import load_checkpoint, save_checkpoint

Aspk = Callable[..., Any]
Step = Callable[[], object]
NAME = "evolution-alpha0.5-seed0"


def seen(watch: Watch, *steps: Step) -> list[Sight]:
    """All that is seen if a step is done between two looks. Fails if there is more to see after the last."""
    left = list(steps)
    return list(sights(watch, lambda: left.pop(0)()))


def begun(whole: Population, num: int, generation: int, *, finished: bool = False) -> Population:
    """A search after so many subnets."""
    return replace(
        whole, candidates=whole.candidates[:num], state={**whole.state, "generation": generation, "finished": finished}
    )


@pytest.fixture
def whole(searched: Path) -> Population:
    """A finished search of 18 subnets in 3 generations; its file is gone."""
    population = load_population(searched)
    search_file(searched, NAME).unlink()
    return population


def test_a_search_from_its_begin_to_its_end(searched: Path, whole: Population) -> None:
    lock = run_lock(searched, "study.py")

    def save(num: int, generation: int) -> Step:
        return lambda: save_population(searched, begun(whole, num, generation))

    found = seen(
        Watch(searched),
        lambda: None,
        lock.__enter__,
        save(4, 0),
        lambda: None,
        save(12, 2),
        lambda: save_population(searched, whole),
        lambda: lock.__exit__(None, None, None),
    )
    process = f"process {os.getpid()} (study.py)"
    assert [(sight.stage, sight.search, sight.says) for sight in found] == [
        ("waiting", None, "runs/tiny has no search yet; search: aspk search --run runs/tiny"),
        ("waiting", None, f"{process} has saved no subnet yet"),
        ("searching", NAME, "searching"),
        ("searching", NAME, "searching"),
        ("waiting", NAME, f"{NAME} is finished; waiting for the next search of {process}, or its end"),
        ("finished", NAME, "finished"),
    ]
    assert [(sight.num_generations, sight.total) for sight in found[2:4]] == [((0, 3), 18), ((2, 3), 18)]
    assert found[3].results is not None
    assert len(found[3].results.scores.ranked) == 12


def test_the_end_of_a_command_is_the_end_if_its_search_is_finished(searched: Path) -> None:
    """A search of the Python API is over when its lock is free; the process may stay."""
    lock = run_lock(searched, "study.py")
    lock.__enter__()
    found = seen(Watch(searched), lambda: lock.__exit__(None, None, None))
    assert [sight.stage for sight in found] == ["waiting", "finished"]
    assert [sight.stage for sight in seen(Watch(searched, name=NAME))] == ["finished"]
    assert found[1].to_document()["resume"] is None
    assert seen(Watch(searched))[0].to_document()["report"] == found[1].to_document()["report"] is not None


def test_what_remains_is_at_the_pace_so_far(searched: Path, whole: Population) -> None:
    assert whole.timing is not None
    timing = replace(whole.timing, seconds=30.0, subnets=6)
    with run_lock(searched, "study.py"):
        save_population(searched, replace(begun(whole, 12, 2), timing=timing))
        watch = Watch(searched)
        assert watch.look(watch.signs()).remaining_s == 30.0 / 6 * (18 - 12)
        assert "about 30 s left at the pace so far, as of the last save" in watch_line(watch.look(watch.signs()))
        older = {key: value for key, value in whole.state.items() if key != "total"}
        save_population(searched, replace(begun(whole, 12, 2), state={**older, "finished": False}))
        sight = watch.look(watch.signs())
        assert (sight.total, sight.remaining_s) == (None, None)


def test_a_search_that_was_stopped_says_what_goes_on(aspk: Aspk, searched: Path, whole: Population) -> None:
    save_population(searched, begun(whole, 6, 1))
    done = aspk("report", "--watch")
    assert done.exit_code == 0
    last = f"runs/tiny, search {NAME}: stopped before its end; go on with it: aspk search --run runs/tiny"
    assert done.stdout.splitlines()[-1] == last
    assert aspk("report").stdout in done.stdout
    save_population(searched, replace(whole, name="other"))
    make_present(searched, "other")
    named = aspk("report", "--watch", "--search", NAME, "--json").document
    assert named["resume"] == f"aspk search --run runs/tiny --name {NAME}"
    assert (named["stage"], named["measured"], named["total"], named["generations_done"]) == ("stopped", 6, 18, 1)
    assert aspk(*named["resume"].split()[1:]).exit_code == 0
    assert aspk("report", "--watch", "--search", NAME, "--json").document["stage"] == "finished"


def test_a_training_is_shown_and_its_end_is_waited_for(trained: Path) -> None:
    checkpoint = load_checkpoint(trained)
    history = tuple(replace(record, seconds=20.0) for record in checkpoint.state.history)

    def save(epoch: int) -> None:
        state = replace(checkpoint.state, epoch=epoch, finished=epoch == 5, history=history[:epoch], seconds=4.0)
        save_checkpoint(trained, replace(checkpoint, state=state))

    (trained / "supernet.h5").unlink()
    lock = run_lock(trained, "aspk train")
    lock.__enter__()
    watch = Watch(trained)
    looks = sights(watch, lambda: None)
    assert next(looks).says == f"process {os.getpid()} (aspk train) has saved no epoch yet"
    save(3)
    third = next(looks)
    assert (third.stage, third.says, third.remaining_s) == ("training", "training, 3 of 5 epochs done", 36.0)
    lock.__exit__(None, None, None)
    stopped = "the training has stopped, 3 of 5 epochs done; go on with it: aspk train --run runs/tiny"
    assert (next(looks).says) == stopped
    save(5)
    assert next(looks).says == "runs/tiny has no search yet; search: aspk search --run runs/tiny"


def test_what_is_wrong_is_said_before_the_search_begins(aspk: Aspk, trained: Path) -> None:
    done = aspk("report", "--watch", "--alpha", "2")
    assert (done.exit_code, done.stdout) == (2, "")
    assert "search.alpha" in done.stderr
    assert "there is no run nowhere" in aspk("report", "--watch", "--run", "nowhere").stderr
    Path("empty").mkdir()
    assert "is not a run" in aspk("report", "--watch", "--run", "empty").stderr
    done = aspk("report", "--watch", "--search", "a/b")
    assert done.stderr.startswith("error: --search: 'a/b' cannot be the name of a search\n")


@pytest.mark.parametrize(
    "words",
    [
        ("--figure", "front", "--to", "a.svg"),
        ("--figures", "."),
        ("--table", "front"),
        ("--methods",),
        ("--alpha-sweep",),
    ],
    ids=lambda words: words[0],
)
def test_it_shows_the_report_alone(aspk: Aspk, searched: Path, words: Sequence[str]) -> None:
    done = aspk("report", "--watch", *words)
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr == (
        f"error: --watch: it shows the report alone, and not {words[0]}\n  leave out --watch or {words[0]}\n"
    )


def test_a_name_that_is_none_yet_is_waited_for(searched: Path) -> None:
    def other(name: str) -> Step:
        return lambda: save_population(searched, replace(load_population(searched, NAME), name=name))

    found = seen(Watch(searched, name="evolution"), other("frugal"), other("evolution"))
    assert [sight.stage for sight in found] == ["waiting", "finished"]
    assert found[0].says.startswith("runs/tiny has no search evolution yet, ")
    assert NAME in found[0].says
    assert found[1].search == "evolution"


def test_the_run_that_is_written_to_is_watched(searched: Path, trained_once: tuple[Path, Any]) -> None:
    shutil.copytree(trained_once[0], "runs/older")
    os.utime("runs/older/supernet.h5", (0, 0))
    assert watched_run(None, None) == searched
    with run_lock(Path("runs/older"), "aspk search"):
        assert watched_run(None, None) == Path("runs/older")
        shutil.copytree("runs/older", "runs/copied")  # with the file that names this process
        assert watched_run(Path("copied"), None) == Path("runs/copied")
        assert Watch(Path("runs/copied")).signs().worker is None
    Path("runs/new").mkdir()
    with pytest.raises(UserError, match="runs/new is not a run"):
        watched_run(Path("new"), None)
    with run_lock(Path("runs/new"), "aspk train"):
        assert watched_run(Path("new"), None) == watched_run(None, None) == Path("runs/new")


def test_a_damaged_file_is_said_and_one_that_is_replaced_meanwhile_is_read_again(searched: Path) -> None:
    path = search_file(searched, NAME)
    whole = path.read_bytes()

    class Replaced(Watch):
        """The search's process writes the whole file while the damaged one is read."""

        def look(self, signs: Any) -> Sight:
            try:
                return super().look(signs)
            except UserError:
                path.write_bytes(whole)
                raise

    path.write_bytes(whole[:1000])
    with pytest.raises(UserError, match="damaged or cut short"):
        seen(Watch(searched))
    assert [sight.stage for sight in seen(Replaced(searched))] == ["finished"]


def test_the_documents_are_lines(aspk: Aspk, searched: Path) -> None:
    done = aspk("report", "--watch", "--json", "--best", "4", "--convention", "strict")
    assert done.stdout.count("\n") == 1
    report = aspk("report", "--json", "--best", "4", "--convention", "strict").document
    assert done.document["report"] == {key: value for key, value in report.items() if key != "schema_version"}
    assert [each["id"] for each in done.document["front"]] == report["pareto"]
    assert done.document["best"] == report["candidates"][0]
    assert done.document["hypervolume"] == report["hypervolume"]["by_generation"][-1]
    failed = aspk("report", "--watch", "--json", "--run", "nowhere")
    assert failed.stdout.count("\n") == 1
    assert failed.document["exit_code"] == 2


@pytest.mark.parametrize("width", [20, 40, 60, 100, 200])
@pytest.mark.parametrize("height", [3, 10, 18, 24, 60])
def test_the_view_is_no_higher_than_the_terminal(searched: Path, width: int, height: int) -> None:
    watch = Watch(searched)
    sight = watch.look(watch.signs())
    console = Console(file=StringIO(), width=width, height=height, color_system=None)
    lines = console.render_lines(WatchView(sight, (sight.changed_s or 0) + 90), console.options)
    text = ["".join(part.text for part in line).rstrip() for line in lines]
    assert "90 s ago" in " ".join(text)
    front = [line for line in text if line.startswith("c0")]
    if height >= 24 and width >= 60:
        assert front
    if front:
        assert len(lines) <= height
    assert sight.results is not None
    if width >= 100 and height == 60:
        assert [line.split()[0] for line in front] == [scored.id for scored in sight.results.front]


def test_what_is_left_out_of_the_front_is_said(searched: Path) -> None:
    watch = Watch(searched)
    sight = watch.look(watch.signs())
    assert sight.results is not None
    best, *_ = sorted(sight.results.front, key=lambda scored: -scored.fitness)
    cut = []
    for height in range(5, 40):
        console = Console(file=StringIO(), width=100, height=height, color_system=None)
        lines = console.render_lines(WatchView(sight, 0), console.options)
        text = ["".join(part.text for part in line) for line in lines]
        ids = [line.split()[0] for line in text if line.startswith("c0")]
        if len(ids) == 1:
            cut.append(height)
            assert ids == [best.id]
            is_part = "here the 1 with the best F_AEB" in " ".join(" ".join(text).split())  # it may be folded
            assert is_part == (len(sight.results.front) > 1)
    assert cut


def test_reading_takes_a_small_share_of_the_time() -> None:
    now, slept, ticks = [0.0], [0.0], [0]

    def sleep(seconds: float) -> None:
        now[0] += seconds
        slept[0] += seconds

    rest = rests(lambda: ticks.append(0), sleep, lambda: now[0])
    now[0] += 20.0  # imports
    rest()
    assert slept[0] == POLL_S
    rest()
    assert slept[0] == 2 * POLL_S
    now[0] += 2.0
    rest()
    assert slept[0] == pytest.approx(2 * POLL_S + 2.0 * (1 / SHARE_OF_READING - 1))
    assert len(ticks) - 1 == 2 + 18


class Watching:
    """aspk report --watch in another process; its standard output is a pipe."""

    def __init__(self, *words: str) -> None:
        command = [sys.executable, "-m", "autospikformer_cli", "report", "--watch", *words]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def line(self) -> str:
        """The next one, as soon as it is there."""
        assert self.process.stdout is not None
        return self.process.stdout.readline()


def test_a_search_in_another_process(
    aspk: Aspk, background: Aspk, trained: Path, searched_once: tuple[Path, Any], patience: float
) -> None:
    run = background("search", at=f"{NAME}.h5", number=2)
    stored = load_population(trained)
    text, lines = Watching(), Watching("--json")
    first = text.line()
    assert first.startswith(f"runs/tiny, search {NAME}: searching, ")
    assert f" {len(stored.candidates)} of 18 subnets measured" in first
    assert json.loads(lines.line())["measured"] == len(stored.candidates)
    run.process.send_signal(signal.SIGCONT)
    run.process.communicate(timeout=patience)
    assert run.process.returncode == 0
    shown, remarks = text.process.communicate(timeout=patience)
    assert (text.process.returncode, remarks) == (0, "")
    assert (
        shown.endswith(aspk("report").stdout)
        or aspk("report").stdout.split() == shown.split()[-len(aspk("report").stdout.split()) :]
    )
    assert "\x1b" not in shown
    last = json.loads(lines.process.communicate(timeout=patience)[0].splitlines()[-1])
    assert (lines.process.returncode, last["stage"], last["measured"]) == (0, "finished", 18)
    assert {**last["report"], "schema_version": 1} == searched_once[1]


def test_a_search_that_is_killed(aspk: Aspk, background: Aspk, trained: Path, patience: float) -> None:
    run = background("search", at=f"{NAME}.h5", number=2)
    watching = Watching()
    assert ": searching, " in watching.line()
    run.kill()
    shown, remarks = watching.process.communicate(timeout=patience)
    assert (watching.process.returncode, remarks) == (0, "")
    ended = f"process {run.process.pid} (aspk search) has ended without finishing it"
    assert shown.endswith(f"{NAME}: {ended}; go on with it: aspk search --run runs/tiny\n")
    assert aspk("search").exit_code == 0
    assert aspk("report", "--watch", "--json").document["stage"] == "finished"


def test_ctrl_c_ends_it_and_disturbs_no_search(background: Aspk, trained: Path, patience: float) -> None:
    run = background("search", at=f"{NAME}.h5", number=2)
    before = {path: path.stat().st_mtime_ns for path in trained.rglob("*")}
    watching = Watching("--json")
    assert json.loads(watching.line())["stage"] == "searching"
    watching.process.send_signal(signal.SIGINT)
    shown, remarks = watching.process.communicate(timeout=patience)
    assert (watching.process.returncode, remarks) == (130, "\ninterrupted\n")
    assert json.loads(shown)["exit_code"] == 130
    assert {path: path.stat().st_mtime_ns for path in trained.rglob("*")} == before
    run.process.send_signal(signal.SIGCONT)
    run.process.communicate(timeout=patience)
    assert run.process.returncode == 0


def test_a_terminal_is_left_as_it_was(aspk: Aspk, background: Aspk, trained: Path, patience: float) -> None:
    run = background("search", at=f"{NAME}.h5", number=2)
    end, terminal = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "100", "LINES": "30"}
    process = subprocess.Popen(
        [sys.executable, "-m", "autospikformer_cli", "report", "--watch"], stdin=terminal, stdout=terminal,
        stderr=terminal, env=environment,
    )  # fmt: skip
    os.close(terminal)
    shown = b""
    while b"subnets measured" not in shown:
        shown += os.read(end, 65536)
    run.process.send_signal(signal.SIGCONT)
    run.process.communicate(timeout=patience)
    with suppress(OSError):  # the terminal's other side is closed
        while part := os.read(end, 65536):
            shown += part
    os.close(end)
    assert process.wait(timeout=patience) == 0
    text = shown.decode()
    assert text.rfind("\x1b[?25h") > text.rfind("\x1b[?25l")
    assert text.index("\x1b[?25h") < text.index("subnets measured")
    report = text[text.rindex("\x1b[?25h") :].replace("\r", "")
    assert "Top accuracy: " in report
    assert "How these numbers were obtained" in report

"""`aspk train` on two processes, as a launcher starts them: resumed, interrupted, with a rank killed, refused."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from autospikformer_cli.store.supernet import Checkpoint, load_checkpoint

FEW = ("--threads", "1", "--set", "data.train_images=200", "--set", "train.validation_images=20")
Outcomes = list[tuple[int, str, str]]
Wait = Callable[[Callable[[], bool]], None]


class Job:
    """Two ranks of one command."""

    def __init__(self, arguments: tuple[str, ...], patience: float, of_last: tuple[str, ...] = ()) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = str(probe.getsockname()[1])
        shared = {**os.environ, "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
        self.patience, self.ranks = patience, []
        for rank in "01":
            self.ranks.append(
                subprocess.Popen(
                    [sys.executable, "-m", "autospikformer_cli", *arguments, *(of_last if rank == "1" else ())],
                    env={**shared, "RANK": rank, "LOCAL_RANK": rank},
                    text=True,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                )
            )

    def outcomes(self) -> Outcomes:
        """Exit code, standard output and standard error of each rank."""
        texts = [each.communicate(timeout=self.patience) for each in self.ranks]
        return [(each.returncode, *text) for each, text in zip(self.ranks, texts, strict=True)]


@pytest.fixture
def job(patience: float) -> Iterator[Callable[..., Job]]:
    """job("train", "tiny.toml") -> Job; none survives the test."""
    begun: list[Job] = []

    def start(*arguments: str, of_last: tuple[str, ...] = ()) -> Job:
        begun.append(Job(arguments, patience, of_last))
        return begun[-1]

    yield start
    for rank in (rank for each in begun for rank in each.ranks):
        rank.kill()
        rank.communicate()


def written(run: str) -> int:
    """When the run's supernet was saved last; 0: never."""
    path = Path("runs", run, "supernet.h5")
    return path.stat().st_mtime_ns if path.is_file() else 0


def chosen_by(checkpoint: Checkpoint) -> tuple[object, ...]:
    """What the training chose, and by which accuracies."""
    state = checkpoint.state
    means = [(record.val_top1_mean, record.unaveraged_top1_mean) for record in state.history]
    assert all(None not in both for both in means)
    return state.chosen_epoch, state.chosen_unaveraged, means


def test_killed_as_a_whole_and_resumed_it_ends_at_the_same_bits(job: Callable[..., Job], wait_until: Wait) -> None:
    chosen = ('train.final="best"', "train.keep_last=2", "train.ema_half_life=0.2", 'train.ema_choice="validation"')
    asked = (
        "train",
        "tiny.toml",
        *FEW,
        "--set",
        "train.epochs=3",
        *(part for key in chosen for part in ("--set", key)),
    )
    assert [code for code, *_ in job(*asked, "--run", "whole").outcomes()] == [0, 0]
    killed = job(*asked, "--run", "killed")
    wait_until(lambda: written("killed") > 0)
    for rank in killed.ranks:
        rank.kill()
    killed.outcomes()
    (first, *_), (second, *silence) = job(*asked, "--run", "killed").outcomes()
    assert (first, second, silence) == (0, 0, ["", ""])
    whole, resumed = (load_checkpoint(Path("runs", name)) for name in ("whole", "killed"))
    for name, array in whole.weights.items():
        np.testing.assert_array_equal(resumed.weights[name], array, name)
    assert chosen_by(resumed) == chosen_by(whole)
    assert (whole.environment["world_size"], whole.environment["backend"]) == ("2", "gloo")


def test_a_lost_rank_or_ctrl_c_at_one_ends_both(job: Callable[..., Job], wait_until: Wait) -> None:
    asked = ("train", "tiny.toml", *FEW, "--set", "train.epochs=1000", "--run", "long")
    lost = job(*asked)
    wait_until(lambda: written("long") > 0)
    lost.ranks[1].kill()
    code, _, told = lost.outcomes()[0]
    assert code == 2
    assert "error: rank 1 of 2 ended without a word, so all end (" in told
    assert told.count("error:") == 1
    assert "Traceback" not in told
    before = written("long")
    stopped = job(*asked)
    wait_until(lambda: written("long") > before)
    stopped.ranks[1].send_signal(signal.SIGINT)
    (first, _, told), (second, *silence) = stopped.outcomes()
    assert (first, second, silence) == (130, 130, ["", ""])
    assert "stopped and saved in epoch" in told
    assert told.endswith("interrupted\n")


def test_a_mistake_is_told_once(job: Callable[..., Job]) -> None:
    first, second = job("train", "absent.toml").outcomes()
    assert (first[0], second) == (2, (2, "", ""))
    assert first[2].count("error:") == 1
    assert "absent.toml does not exist" in first[2]


def test_ranks_with_other_arguments_are_refused(job: Callable[..., Job]) -> None:
    both = ("train", "tiny.toml", *FEW, "--run", "other")
    first, second = job(*both, of_last=("--set", "train.lr=0.001")).outcomes()
    assert (first[0], second) == (2, (2, "", ""))
    assert "error: rank 1 has other arguments than rank 0" in first[2]
    assert not Path("runs", "other").exists()


def test_other_commands_are_refused(aspk: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    given = {"RANK": "0", "WORLD_SIZE": "2", "LOCAL_RANK": "0", "MASTER_ADDR": "here", "MASTER_PORT": "1"}
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    for command, words in (("search", "--executor processes"), ("report", "start it without the launcher")):
        refused = aspk(command)
        assert refused.exit_code == 2
        assert f"aspk {command} runs in one process, and a launcher started 2" in refused.stderr
        assert words in refused.stderr
    monkeypatch.setenv("RANK", "1")
    silent = aspk("search")
    assert (silent.exit_code, silent.stdout, silent.stderr) == (2, "", "")

"""aspk train --tracker: what trackers are told, that they change nothing, and that one that fails ends no training."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from autospikformer_cli.api import read_training_log
from autospikformer_cli.recipe import load_recipe
from autospikformer_cli.runs.tracking import TENSORBOARD_FOLDER, TRACKERS
from autospikformer_cli.store.supernet import load_checkpoint, weights_hash

Aspk = Callable[..., Any]
TWO_STEPS = (
    "train", "tiny.toml", "--set", "train.epochs=1", "--set", "train.warmup_epochs=0", "--set", "data.train_images=128",
)  # fmt: skip

STANDIN = """
calls = []


def init(project=None, name=None, config=None):
    print("a greeting")
    calls.append(("init", project, name, config))


def log(data, step=None):
    calls.append(("log", step, data))


def finish():
    calls.append(("finish",))
"""
"""A module with the calls of wandb and trackio."""


@pytest.fixture
def module(own_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], None]:
    """module("name", "text") can be imported within the test."""
    folder = own_folder / "modules"
    folder.mkdir()
    monkeypatch.syspath_prepend(folder)

    def make(name: str, text: str) -> None:
        (folder / f"{name}.py").write_text(text)
        monkeypatch.delitem(sys.modules, name, raising=False)

    return make


def test_a_module_is_told_every_step(aspk: Aspk, module: Callable[[str, str], None]) -> None:
    module("standin", STANDIN)
    done = aspk(*TWO_STEPS, "--tracker", "standin", "--json")
    assert done.exit_code == 0, done.stderr
    assert done.document["steps"] == 2, "what it prints is no part of the document"
    begun, *told, finished = sys.modules["standin"].calls
    assert begun[:3] == ("init", "aspk", "tiny")
    assert begun[3]["train.batch"] == 64
    assert begun[3]["space.time_step"] == load_recipe("tiny.toml").value_toml("space.time_step")
    assert finished == ("finish",)

    log = read_training_log("runs/tiny")
    for row, (_, step, values) in enumerate(told[:2]):
        assert step == log.step[row]
        for name in ("loss", "learning_rate", "gradient_norm", "seconds"):
            assert values[name] == pytest.approx(getattr(log, name)[row], rel=1e-6)
    shown = {key: done.document[key] for key in ("val_top1_largest", "val_top1_smallest")}
    assert told[2:] == [("log", 2, shown)]

    assert aspk(*TWO_STEPS, "--run", "alone").exit_code == 0
    tracked, alone = (load_checkpoint(Path("runs") / name) for name in ("tiny", "alone"))
    assert weights_hash(tracked.weights) == weights_hash(alone.weights)
    assert weights_hash(tracked.optimizer) == weights_hash(alone.optimizer)


def test_a_module_is_told_what_weights_are_chosen_by(aspk: Aspk, module: Callable[[str, str], None]) -> None:
    module("standin", STANDIN)
    keys = ("train.ema_half_life=0.5", 'train.ema_choice="validation"', "train.measured_subnets=1")
    words = [word for key in keys for word in ("--set", key)]
    assert aspk(*TWO_STEPS, *words, "--tracker", "standin").exit_code == 0
    (record,) = load_checkpoint(Path("runs/tiny")).state.history
    told = [call for call in sys.modules["standin"].calls if call[0] == "log"][2:]
    for (_, step, values), kind in zip(told, ("unaveraged", "val"), strict=True):
        assert step == 2
        names = [f"{kind}_top1_{name}" for name in ("largest", "smallest", "mean")]
        assert values == {name: getattr(record, name) for name in names}


def test_a_tracker_that_fails_is_named_once_and_the_training_goes_on(
    aspk: Aspk, module: Callable[[str, str], None]
) -> None:
    module("standin", STANDIN.replace('calls.append(("log", step, data))', 'raise ConnectionError("no network")'))
    done = aspk(*TWO_STEPS, "--tracker", "standin")
    assert done.exit_code == 0
    remark = "! the tracker standin failed in log: ConnectionError: no network; the training goes on without it"
    assert " ".join(done.stderr.split()).count(remark) == 1
    assert [name for name, *_ in sys.modules["standin"].calls] == ["init"]
    assert load_checkpoint(Path("runs/tiny")).state.finished


NOT_INSTALLED = """\
error: --tracker tensorbord: 'tensorbord' is neither a tracker nor a Python module that is installed
  did you mean tensorboard?
"""
NO_TRACKER = """\
error: --tracker colorsys: the module colorsys does not track: it has no init and no log and no finish
  choose another: tensorboard, wandb or trackio
"""
BROKEN = """\
error: --tracker brokenone: brokenone cannot be used: ZeroDivisionError: division by zero
  repair it, or leave it out
"""


@pytest.mark.parametrize(
    ("name", "message"), [("tensorbord", NOT_INSTALLED), ("colorsys", NO_TRACKER), ("brokenone", BROKEN)]
)
def test_what_is_no_tracker_leaves_nothing_behind(
    aspk: Aspk, module: Callable[[str, str], None], name: str, message: str
) -> None:
    module("brokenone", "1 / 0")
    done = aspk(*TWO_STEPS, "--tracker", name)
    assert (done.exit_code, done.stdout, done.stderr) == (2, "", message)
    assert not Path("runs").exists()


def test_a_plugins_tracker(
    aspk: Aspk, own_folder: Path, module: Callable[[str, str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    info = own_folder / "modules" / "aspk_printed-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: aspk-printed\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[aspk.trackers]\nprinted = aspk_printed:Printed\n")
    monkeypatch.delitem(TRACKERS.__dict__, "providers", raising=False)
    module(
        "aspk_printed",
        "class Printed:\n"
        "    def start(self, run, config): print('start', run, config['seed'])\n"
        "    def log(self, step, values): print('step', step, *values)\n"
        "    def finish(self): print('done')\n",
    )
    done = aspk(*TWO_STEPS, "--tracker", "printed", "--json")
    assert done.exit_code == 0, done.stderr
    assert "start runs/tiny 0\n" in done.stderr
    assert "step 2 loss learning_rate gradient_norm seconds\n" in done.stderr
    monkeypatch.delitem(TRACKERS.__dict__, "providers")  # other tests do not have it


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_tensorboard(aspk: Aspk) -> None:
    pytest.importorskip("tensorboard", reason='TensorBoard is not installed: pip install ".[tensorboard]"')
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    assert aspk(*TWO_STEPS, "--tracker", "tensorboard", "--json").exit_code == 0
    events = EventAccumulator(str(Path("runs/tiny") / TENSORBOARD_FOLDER))
    events.Reload()
    log = read_training_log("runs/tiny")
    assert [each.step for each in events.Scalars("loss")] == [1, 2]
    assert [each.value for each in events.Scalars("loss")] == pytest.approx(log.loss.tolist(), rel=1e-6)
    assert [each.step for each in events.Scalars("val_top1_largest")] == [2]


def test_without_tensorboard_it_is_said_how_to_get_it(aspk: Aspk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    done = aspk(*TWO_STEPS, "--tracker", "tensorboard")
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr == (
        "error: --tracker tensorboard: TensorBoard is not installed\n"
        '  install it: pip install "autospikformer-cli[tensorboard]"\n'
    )

"""Trackers that follow a training from outside: TensorBoard, a plugin's, or a module such as wandb or trackio."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, cast

from autospikformer_cli.errors import UserError
from autospikformer_cli.recipe import Recipe
from autospikformer_cli.recipe.whole import effects
from autospikformer_cli.registry import Registry
from autospikformer_cli.say import SILENT, Say
from autospikformer_cli.wording import did_you_mean, nearest_names

if TYPE_CHECKING:
    from autospikformer_cli.training.choosing import Accuracies
    from autospikformer_cli.training.readings import StepReport

TRACKERS = Registry("trackers")
"""Trackers by name: ours and plugins'. A component is called without arguments, and returns a `Tracker`."""
PROJECT = "aspk"
"""The project that a module such as wandb files runs under."""
TENSORBOARD_FOLDER = "tensorboard"
"""The folder of a run that TensorBoard's files are written into."""


class Tracker(Protocol):
    """What follows a training, in the process that trains."""

    def start(self, run: Path, config: Mapping[str, bool | int | float | str]) -> None:
        """A training begins or goes on. run: its folder. config: the recipe by key, such as train.lr; lists as TOML."""

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """Numbers of a step, by name. step: its number since the start of the training, from 1."""

    def finish(self) -> None:
        """The training has ended, or was stopped."""


class ModuleTracker:
    """A module with the functions init, log and finish, as wandb and trackio have them."""

    def __init__(self, module: Any) -> None:
        self.module = module

    def start(self, run: Path, config: Mapping[str, bool | int | float | str]) -> None:
        """Begin a run of the name of the folder, in the project aspk."""
        self.module.init(project=PROJECT, name=run.name, config=dict(config))

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """Hand numbers on."""
        self.module.log(dict(values), step=step)

    def finish(self) -> None:
        """End the run."""
        self.module.finish()


class TensorBoard:
    """Event files of TensorBoard, in the folder tensorboard of the run. Raises UserError if it is not installed."""

    def __init__(self) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            fix = 'install it: pip install "autospikformer-cli[tensorboard]"'
            raise UserError("TensorBoard is not installed", "--tracker tensorboard", fix) from error
        self._make_writer: Callable[..., Any] = SummaryWriter

    def start(self, run: Path, config: Mapping[str, bool | int | float | str]) -> None:
        """Open a file, and write the recipe into it."""
        self.writer = self._make_writer(str(run / TENSORBOARD_FOLDER))
        self.writer.add_text("recipe", "\n".join(f"    {key} = {value}" for key, value in config.items()))

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """Write scalars."""
        for name, value in values.items():
            self.writer.add_scalar(name, value, step)

    def finish(self) -> None:
        """Write what is left."""
        self.writer.close()


def make_tracker(name: str) -> Tracker:
    """The tracker of a name, or of a module. Raises UserError if there is none, or if it cannot be used."""
    where = f"--tracker {name}"
    if name in TRACKERS:
        made_by = TRACKERS.get(name, where)
        try:
            return cast(Callable[[], Tracker], made_by)()
        except UserError:
            raise
        except Exception as error:
            raise _unusable(name, error, where) from error
    try:
        with redirect_stdout(sys.stderr):  # what it prints is no part of a document
            module = import_module(name)
    except ModuleNotFoundError as error:
        if error.name != name.partition(".")[0]:
            raise _unusable(name, error, where) from error
        near = did_you_mean(nearest_names(name, (*TRACKERS.names(), "wandb", "trackio")))
        what = f"{name!r} is neither a tracker nor a Python module that is installed"
        raise UserError(what, where, near or f"install it, or choose another: {', '.join(TRACKERS.names())}") from error
    except Exception as error:
        raise _unusable(name, error, where) from error
    lacking = [each for each in ("init", "log", "finish") if not callable(getattr(module, each, None))]
    if lacking:
        what = f"the module {name} does not track: it has no {' and no '.join(lacking)}"
        raise UserError(what, where, f"choose another: {', '.join(TRACKERS.names())}, wandb or trackio")
    return ModuleTracker(module)


def _unusable(name: str, error: Exception, where: str) -> UserError:
    return UserError(f"{name} cannot be used: {type(error).__name__}: {error}", where, "repair it, or leave it out")


def tracked_config(recipe: Recipe) -> dict[str, bool | int | float | str]:
    """The recipe by key, as trackers take it: what is no number, text or truth is TOML."""
    values = {key: recipe.value(key) for key in effects()}
    plain = (bool, int, float, str)
    return {key: value if isinstance(value, plain) else recipe.value_toml(key) for key, value in values.items()}


@dataclass(eq=False)
class Tracking:
    """A training's tracker, if it has one. One that fails is named once, and is not called again.

    So it never changes a result, and never ends a training.
    """

    name: str = ""
    tracker: Tracker | None = None
    say: Say = SILENT
    _step: int = 0

    @classmethod
    def by(cls, name: str | None, say: Say) -> Tracking:
        """The tracking by a tracker of that name; None: by none. Raises UserError as `make_tracker`."""
        return UNTRACKED if name is None else cls(name, make_tracker(name), say)

    @contextmanager
    def of(self, run: Path, recipe: Recipe) -> Iterator[None]:
        """Within the context, a training runs in a folder."""
        self._call("start", run, tracked_config(recipe))
        try:
            yield
        finally:
            self._call("finish")

    def step(self, report: StepReport) -> None:
        """A step is done."""
        self._step = report.number
        values = {
            "loss": report.loss,
            "learning_rate": report.learning_rate,
            "gradient_norm": report.gradient_norm,
            "seconds": report.seconds,
        }
        self._call("log", report.number, values)

    def validated(self, kind: str, accuracies: Accuracies) -> None:
        """Subnets were validated after the last step. kind: "val", or "unaveraged" without the weights' average."""
        names = (f"{kind}_top1_{name}" for name in accuracies._fields)
        values = {name: value for name, value in zip(names, accuracies, strict=True) if value is not None}
        self._call("log", self._step, values)

    def _call(self, method: str, *given: object) -> None:
        if self.tracker is None:
            return
        try:
            with redirect_stdout(sys.stderr):  # what it prints is no part of a document
                getattr(self.tracker, method)(*given)
        except Exception as error:
            self.tracker = None
            why = f"{type(error).__name__}: {error}"
            self.say.remark(f"! the tracker {self.name} failed in {method}: {why}; the training goes on without it")


UNTRACKED = Tracking()
"""Nobody follows."""

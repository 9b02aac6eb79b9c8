"""Options that several commands have, each written once. A command has those that act on what it does.

A parameter annotated `RunOption`, `SetOption` and so on is one option. One annotated `Session`, `DeviceOptions` or
`ComputeOptions` stands for several; `with_option_groups` puts them in its place.
"""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from autospikformer_cli.bounds import MOST_EPOCHS, MOST_THREADS
from autospikformer_cli.cli.completion import (
    complete_convention,
    complete_device,
    complete_engine,
    complete_key,
    complete_precision,
    complete_profile,
    complete_run,
    complete_search,
    complete_subnet,
    complete_tracker,
)
from autospikformer_cli.cli.session import Session
from autospikformer_cli.errors import Faults, UserError

if TYPE_CHECKING:
    from autospikformer_cli.engine.compute import Compute
    from autospikformer_cli.engine.names import EngineName
    from autospikformer_cli.recipe import Override

RunOption = Annotated[
    str | None,
    typer.Option(
        "--run",
        metavar="RUN",
        help="The run: its folder, or its name under runs/.",
        show_default="the last written",
        autocompletion=complete_run,
    ),
]
SearchOption = Annotated[
    str | None,
    typer.Option(
        "--search",
        metavar="NAME",
        help="A search of the run; aspk runs show lists them.",
        show_default="the last one",
        autocompletion=complete_search,
    ),
]
NewRunOption = Annotated[
    str | None,
    typer.Option(
        "--run",
        metavar="RUN",
        help="The run: its name under runs/, or its folder (./NAME for a new one here).",
        show_default="runs/NAME",
        autocompletion=complete_run,
    ),
]


def require_distinct(texts: list[str]) -> list[str]:
    """What --set gives. Raises UserError if it gives a key twice: one of the values would be dropped."""
    if len(texts) > 1:
        _require_distinct(texts, {})
    return texts


SetOption = Annotated[
    list[str],
    typer.Option(
        "--set",
        callback=require_distinct,
        metavar="KEY=VALUE",
        help="A recipe key and a TOML value, for example train.epochs=3; may be repeated.",
        show_default=False,
        autocompletion=complete_key,
    ),
]
ScoreSetOption = Annotated[
    list[str],
    typer.Option(
        "--set",
        callback=require_distinct,
        metavar="KEY=VALUE",
        help="A key that decides scores: search.alpha, normalise, bounds, percentile, limits, objectives; energy.*.",
        show_default=False,
        autocompletion=complete_key,
    ),
]
SUBNETS = "best, largest, smallest, baseline, a candidate's id, or the paper's tuple."
SubnetOption = Annotated[str, typer.Option("--subnet", help=SUBNETS, autocompletion=complete_subnet)]
AlphaOption = Annotated[
    float | None, typer.Option("--alpha", help="Weight of energy in the fitness, 0 to 1 (search.alpha).")
]
BestOption = Annotated[
    int | None,
    typer.Option("--best", metavar="N", min=1, help="Take the best N by F_AEB.", show_default="all"),
]
ProfileOption = Annotated[
    str | None,
    typer.Option(
        "--profile", help="Hardware: a name, or a .toml of yours (energy.profile).", autocompletion=complete_profile
    ),
]
ConventionOption = Annotated[
    str | None,
    typer.Option(
        "--convention",
        help="Rules: a name, or a .toml of yours (energy.convention).",
        autocompletion=complete_convention,
    ),
]
VerboseOption = Annotated[
    bool,
    typer.Option("--verbose", help="List every switch, not only those that differ from their default."),
]
FreshRunOption = Annotated[bool, typer.Option("--fresh", help="Start a new run next to the one that is there.")]
DryRunOption = Annotated[
    bool, typer.Option("--dry-run", help="Say what would be done, and in what time; write nothing.")
]
TrackerOption = Annotated[
    str | None,
    typer.Option(
        "--tracker",
        metavar="NAME",
        help="Send every step to tensorboard, to a plugin's tracker, or to a module such as wandb or trackio.",
        autocompletion=complete_tracker,
    ),
]
StepTimingOption = Annotated[
    bool, typer.Option("--timing", help="Time the parts of the steps: data, forward, backward, optimizer.")
]
TraceOption = Annotated[
    Path | None,
    typer.Option(
        "--trace",
        metavar="FILE",
        help="Write when each part of the first 100 steps ran, as trace events that ui.perfetto.dev shows.",
    ),
]
FinetuneOption = Annotated[
    int | None, typer.Option("--finetune", min=1, max=MOST_EPOCHS, help="Retrain it alone for N epochs.")
]
FromScratchOption = Annotated[bool, typer.Option("--from-scratch", help="With --finetune: from first weights.")]
AllImagesOption = Annotated[
    bool, typer.Option("--all-images", help="With --finetune: train on all images, validation images too.")
]
TimingOption = Annotated[
    bool, typer.Option("--timing", help="Time every stage, event by event and densely, on the same spikes.")
]

OPTION_OF_KEY = {
    "search.alpha": "--alpha",
    "search.algorithm": "--algorithm",
    "search.limits.params": "--max-params",
    "search.limits.energy": "--max-energy",
    "search.limits.sops": "--max-sops",
    "search.limits.time_step": "--max-time-step",
    "energy.profile": "--profile",
    "energy.convention": "--convention",
}
"""Options that stand for a recipe key."""


def overrides_of(texts: Sequence[str], by_key: Mapping[str, float | str | None]) -> list[str | Override]:
    """What --set gives, and the options of recipe keys. None: an option that was not given.

    Raises UserError if both give a key: one of the values would be dropped.
    """
    from autospikformer_cli.recipe import option_override

    given = {key: (OPTION_OF_KEY[key], value) for key, value in by_key.items() if value is not None}
    options = {option: option_override(option, key, value) for key, (option, value) in given.items()}
    _require_distinct(texts, options)
    return [*texts, *options.values()]


def _require_distinct(texts: Sequence[str], options: Mapping[str, Override]) -> None:
    """Raises UserError if a key is given twice. The recipe refuses texts that are not KEY=VALUE."""
    from autospikformer_cli.recipe import given_twice, parsed

    by_set: list[Override] = []
    for text in texts:
        with suppress(UserError):
            by_set.append(parsed(text))
    twice = given_twice([*by_set, *options.values()])
    if twice is None:
        return
    key, first, second = twice
    if first.key == second.key and second in by_set:
        raise UserError(f"{key} is given twice", f"--set {key}", "it has one value, leave out the rest")
    names = {id(override): option for option, override in options.items()}
    first_name, second_name = (names.get(id(each)) or _set_name(each, key) for each in (first, second))
    raise UserError(
        f"{key} is given twice, by {second_name} and by {first_name}", second_name, "leave one of the two out"
    )


def _set_name(override: Override, key: str) -> str:
    return "--set" if override.key == key else f"--set {override.key}"


@dataclass(frozen=True)
class DeviceOptions:
    """What computes. threads: None for torch's own choice."""

    device: str = "cpu"
    threads: int | None = None
    precision: str = "float32"

    def set_up(self) -> Compute:
        """Makes this process compute so. Raises UserError if there is no such device."""
        return self._compute(None)

    def _compute(self, engine: EngineName | None) -> Compute:
        from autospikformer_cli.engine.compute import own_process

        return own_process(self.device, self.precision, self.threads, engine)


@dataclass(frozen=True)
class ComputeOptions(DeviceOptions):
    """What computes, and by which engine. engine: None for the one that suits device and network."""

    engine: EngineName | None = None

    def set_up(self) -> Compute:
        """Makes this process compute so. Raises UserError if there is no such device."""
        return self._compute(self.engine)


Option = tuple[object, object]
"""A parameter's annotation, and its default."""

DEVICE: dict[str, Option] = {
    "device": (
        Annotated[
            str, typer.Option("--device", metavar="DEVICE", help="cpu, cuda or cuda:N.", autocompletion=complete_device)
        ],
        "cpu",
    ),
    "threads": (
        Annotated[
            str | None,
            typer.Option("--threads", metavar="N", help="Threads on the CPU.", show_default="torch's own choice"),
        ],
        None,
    ),
    "precision": (
        Annotated[
            str,
            typer.Option(
                "--precision", metavar="PRECISION", help="float32 or float64.", autocompletion=complete_precision
            ),
        ],
        "float32",
    ),
}
ENGINE: dict[str, Option] = {
    "engine": (
        Annotated[
            str | None,
            typer.Option(
                "--engine",
                metavar="ENGINE",
                help="event_driven or dense: what runs subnets.",
                show_default="event_driven on the CPU, where the neurons allow it",
                autocompletion=complete_engine,
            ),
        ],
        None,
    ),
}
OUTPUT: dict[str, Option] = {
    "json": (
        Annotated[bool, typer.Option("--json", help="One JSON document on standard output, and nothing else there.")],
        False,
    ),
    "quiet": (
        Annotated[bool, typer.Option("--quiet", help="No progress and no remarks on standard error.")],
        False,
    ),
}


def _compute_faults(given: Mapping[str, Any]) -> Iterator[UserError]:
    from autospikformer_cli.engine.names import name_faults, not_threads

    threads, wrong = given["threads"], list(name_faults(given["device"], given["precision"], given.get("engine")))
    if threads is not None and not (re.fullmatch(r"[0-9]{1,9}", threads) and 0 < int(threads) <= MOST_THREADS):
        wrong.append(not_threads(threads))
    order = ("--device", "--threads", "--precision", "--engine")
    yield from sorted(wrong, key=lambda fault: order.index(fault.where or ""))


def _device(given: Mapping[str, Any]) -> dict[str, Any]:
    threads = given["threads"]
    return {**given, "threads": None if threads is None else int(threads)}


@dataclass(frozen=True)
class OptionGroup:
    """Options that stand for one parameter. faults: of their texts. fields: of the parameter's value."""

    options: Mapping[str, Option]
    faults: Callable[[Mapping[str, Any]], Iterator[UserError]]
    fields: Callable[[Mapping[str, Any]], dict[str, Any]]


GROUPS: dict[object, OptionGroup] = {
    DeviceOptions: OptionGroup(DEVICE, _compute_faults, _device),
    ComputeOptions: OptionGroup(DEVICE | ENGINE, _compute_faults, _device),
    Session: OptionGroup(OUTPUT, lambda given: iter(()), dict),
}
"""By the annotation of a parameter."""


def with_option_groups(command: Callable[..., object]) -> Callable[..., None]:
    """The command with the options of each group in the place of the parameter that stands for them, at the end.

    Its result is dropped: a command's outcome is what it writes and raises. Raises Faults with all wrong texts, and
    TypeError if one of its own parameters has the name of an option of a group.
    """
    signature = inspect.signature(command, eval_str=True)
    groups = {name: each.annotation for name, each in signature.parameters.items() if each.annotation in GROUPS}
    own = [parameter for name, parameter in signature.parameters.items() if name not in groups]
    found = [name for annotation in groups.values() for name in GROUPS[annotation].options]
    taken = {parameter.name for parameter in own} & set(found)
    if taken:
        raise TypeError(f"a parameter is called as a shared option is: {', '.join(sorted(taken))}")
    shared = [_parameter(name, option) for each in GROUPS if each in groups.values() for name, option in _options(each)]

    @functools.wraps(command)
    def run(**values: object) -> None:
        faults: list[UserError] = []
        for name, annotation in groups.items():
            group = GROUPS[annotation]
            given = {option: values.pop(option) for option in group.options}
            wrong = list(group.faults(given))
            faults += wrong
            if not wrong:
                values[name] = annotation(**group.fields(given))
        if faults:
            raise Faults(faults)
        command(**values)

    parameters = [parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in (*own, *shared)]
    run.__signature__ = signature.replace(parameters=parameters, return_annotation=None)  # type: ignore[attr-defined]
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return run


def _options(annotation: object) -> Iterator[tuple[str, Option]]:
    yield from GROUPS[annotation].options.items()


def _parameter(name: str, option: Option) -> inspect.Parameter:
    annotation, default = option
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)

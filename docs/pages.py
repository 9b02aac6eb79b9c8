"""Make the pages that come from the code: `python docs/pages.py` writes each of PAGES into this folder."""

from __future__ import annotations

import inspect
import os
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import tomli
from pydantic.fields import FieldInfo

from autospikformer_cli.cli.documents import DOCUMENTS, ErrorDocument, Part
from autospikformer_cli.recipe import Recipe
from autospikformer_cli.recipe.effects import declared
from autospikformer_cli.recipe.energy.models import shipped_names
from autospikformer_cli.recipe.fidelity import CONVENTION_SWITCHES, PROFILE_SWITCHES, Fidelity, Switch
from autospikformer_cli.recipe.rules import RULES_BETWEEN_KEYS
from autospikformer_cli.recipe.toml_text import toml_value
from autospikformer_cli.recipe.whole import SECTIONS

DOCS = Path(__file__).parent
MADE = "<!-- Made by docs/pages.py from the code; do not edit. -->"
MADE_OF_READINGS = "<!-- Made by docs/pages.py from readings.toml and the code; do not edit. -->"
READINGS = DOCS / "readings.toml"
COMMANDS = (
    "train", "search", "evaluate", "finish", "energy", "energy module", "analyze", "analyze blocks", "analyze genes",
    "analyze spikes", "analyze ranking", "report", "compare", "import", "export", "recipes", "recipes show",
    "profiles", "profiles show", "runs", "runs show",
)  # fmt: skip

Reading = dict[str, Any]
"""A reading of the paper, as readings.toml has it."""


RECIPE_KEYS_INTRODUCTION = """\
# Recipe keys

```toml
# mine.toml
extends = "quickstart"    # a recipe's name or path: its keys are taken

[search]
alpha = 0.3
```

```sh
aspk recipes show mine.toml            # the whole recipe, with every key
aspk train mine.toml --dry-run         # what it would do
aspk report --set search.alpha=0.3     # overrides one key
```

What a key decides: the *network* (fixed once it is trained), its *training*, the *images* of a measurement, a
*measurement*, the course of a *search*, the *score* of what was measured, or nothing. A key with a few values has them
all in the column of values.
"""

RULES_INTRODUCTION = """
## Keys that need each other

What holds between several keys is checked for the whole recipe, with what it extends and every `--set`.
"""


def recipe_keys() -> str:
    """Every key of a recipe with its default and what it means."""
    lines = [MADE, RECIPE_KEYS_INTRODUCTION, "| key | default | values | decides | meaning |", "|---|---|---|---|---|"]
    fields = {key: Recipe.model_fields[key] for key in ("seed", "fidelity")}
    fields |= {f"{name}.{key}": each for name, model in SECTIONS.items() for key, each in model.model_fields.items()}
    for key, field in fields.items():
        default = "required" if field.is_required() else f"`{shown(field.default)}`"
        values = ", ".join(f"`{each}`" for each in values_of(key, field))
        lines.append(f"| `{key}` | {default} | {values} | {decided_by(field)} | {meaning_of(field)} |")
    lines += [RULES_INTRODUCTION, "| keys | what must hold |", "|---|---|"]
    for rule in RULES_BETWEEN_KEYS:
        lines.append(f"| {', '.join(f'`{key}`' for key in rule.keys)} | {rule.says} |")
    return "\n".join(lines) + "\n"


def values_of(key: str, field: FieldInfo) -> list[str]:
    """The values of a key that has a few, as TOML: those of its type, or the names that come with aspk."""
    named = {"energy.profile": shipped_names("profiles"), "energy.convention": shipped_names("conventions")}
    choices = named.get(key) or tuple(_choices_of(field.annotation))
    return [toml_value("none" if each is None else each) for each in choices] if any(map(bool, choices)) else []


def _choices_of(annotation: Any) -> Iterator[Any]:
    """What a type's literals, truth values and None allow."""
    if annotation in (bool, type(None)):
        yield from (True, False) if annotation is bool else (None,)
    elif get_origin(annotation) is Literal:
        yield from get_args(annotation)
    elif get_origin(annotation) is Annotated:
        yield from _choices_of(get_args(annotation)[0])
    elif isinstance(annotation, UnionType) or get_origin(annotation) is Union:
        for each in get_args(annotation):
            yield from _choices_of(each)


def decided_by(field: FieldInfo) -> str:
    """What a key decides, in words."""
    effect = declared(field)
    assert effect is not None, field
    return ", ".join((each.name or "").lower() for each in effect) or "nothing"


def meaning_of(field: FieldInfo) -> str:
    """A key's documentation as one line of a table, with fidelity.md as a link."""
    text = " ".join((field.description or "").split()).replace("|", "\\|")
    return text.replace("fidelity.md", "[fidelity.md](fidelity.md)")


FIDELITY_INTRODUCTION = """\
# Fidelity: readings of the paper

<!-- not run: a training of half a minute -->
```sh
aspk train quickstart --set 'fidelity="paper"' --run runs/as-printed
```

The paper leaves some points open and contradicts itself on others. On some, its published code does something else
again. Each such point is a numbered reading on this page. If the reading is a choice, a recipe key makes it. `fidelity`
sets all of these keys at once:

- `sound`, the default: what we hold to be right;
- `paper`: the text as printed;
- `authors`: what the published code does.

A key next to it overrides it. Every report names those in force. The published learning rate is one of them:
`train.schedule = "timm"`, which `paper` and `authors` take. Some of these keys act on a trained network, too. This is
the best subnet of the quickstart, measured as the published code measures it:

<!-- not run: on the run of the quickstart itself -->
```console
$ aspk evaluate --subnet best --set 'fidelity="authors"'
Evaluation in runs/quickstart, search evolution-alpha0.5-seed0: c0221
                        inherited
────────────────────────────────────────────────────────────────────────────────
Candidate               (1, 2, 4, 1.2, 3, 3, 40)
Acc (%), 95 % interval  96.94 (94.6–98.3)
Correct                 348 of 359 test images
Energy an image         0.6396 µJ
Params                  40.63 k
Firing rate             0.081
Synaptic events         596.7 k an image
Engine                  event_driven
BatchNorm               batch (statistics of each batch of 359 images: results
                        depend on its size)
Silent channels         0
Silent layers           none
Fidelity                authors
best is what evolution-alpha0.5-seed0 chose with its own search.alpha: c0221
SOPs: rate x T x MACs. Synaptic events (aspk evaluate): as executed, so without
what a padded convolution's border cuts off; --convention border-exact prices
these
switches: all at their defaults, except model: evaluation_batch 512,
threshold_scope fc1, searched_heads false, batchnorm batch (--verbose lists all)
```

Which keys of your own override it depends on where the fidelity is written:

- In a file, it replaces the keys of the files that this file extends. Other keys of the same file override it, wherever
  they are written. So do the keys of a file that extends this one, and every other `--set`.
- In `--set`, it replaces the keys of all files. Every other `--set` overrides it, before or after it.

Every stored result holds the whole recipe. A switch that aspk did not have yet when a run was stored has our value in
it, whatever the run's fidelity: that is how it was computed.

Every result names the fidelity, the switches that differ from it ("but"), and the values in force. Where they stand:

- All JSON documents of results have the values of every switch.
- Tables have those that differ from their default. With `--verbose`, they have all.
- Under the table of one network are those of `model.*` and `energy.*`. Its result depends on these alone.

In the tables below, "silent" marks a source that says nothing. That fidelity then has our value. "as the recipe": the
fidelity leaves the recipe's own value, which depends on the data set.
"""


def fidelity() -> str:
    """Every reading of the paper: switches that a profile sets, those of an energy convention, and what is settled."""
    readings = tomli.loads(READINGS.read_text(encoding="utf-8"))["reading"]
    reading_of = {reading["key"]: reading for reading in readings if "key" in reading}
    settled = [reading for reading in readings if "key" not in reading]
    names: tuple[Fidelity, ...] = ("sound", "paper", "authors")
    conventions = (
        'These are keys of `[energy]`. `energy.convention` decides each of them while the key itself is "none". The '
        "fidelity `paper` has the convention `paper`. `sound` and `authors` have the convention `sound`, since the "
        "published code has no energy. [energy.md](energy.md) has the other conventions, and what every rule means."
    )
    parts = [MADE_OF_READINGS, FIDELITY_INTRODUCTION, "## Switches of a fidelity", ""]
    parts += [_switch_table(PROFILE_SWITCHES, names, reading_of), ""]
    parts += ["## Switches of an energy convention", "", conventions, ""]
    parts += [_switch_table(CONVENTION_SWITCHES, names[:2], reading_of), ""]
    parts += [
        "## Settled",
        "",
        "No fidelity changes these readings. They are errors of print, or points on which only one way can be right.",
        "",
    ]
    parts += [_table(("reading", "paper", "published code", "aspk", "computed in"), map(_settled_row, settled))]
    return "\n".join(parts) + "\n"


def _switch_table(switches: Iterable[Switch], names: Sequence[Fidelity], reading_of: dict[str, Reading]) -> str:
    """Every switch with its reading, and its values under the named fidelities."""
    head = ("reading", "key", "what it changes", *names, "why ours", "computed in")
    return _table(head, (_switch_row(switch, names, reading_of[switch.key]) for switch in switches))


def _switch_row(switch: Switch, names: Sequence[Fidelity], reading: Reading) -> tuple[str, ...]:
    silent = reading.get("silent", ())
    values = [f"{_shown_value(switch, name)}{' (silent)' if name in silent else ''}" for name in names]
    changes, why, places = reading["changes"], reading["why"], _places(reading["computed"])
    return (_titled(reading), f"`{switch.key}`", changes, *values, why, places)


def _shown_value(switch: Switch, name: Fidelity) -> str:
    value = switch.value(name)
    return "as the recipe" if value is None else f"`{toml_value(value)}`"


def _settled_row(reading: Reading) -> tuple[str, ...]:
    return (_titled(reading), reading["paper"], reading["authors"], reading["ours"], _places(reading["computed"]))


def _titled(reading: Reading) -> str:
    return f"{reading['number']}, {reading['title']}"


def _places(computed: Sequence[str]) -> str:
    """Each module:attribute as a reader finds it: the file in the package, and the name in the file."""
    found = (place.removeprefix("autospikformer_cli.").partition(":") for place in computed)
    return "<br>".join(f"`{module.replace('.', '/')}.py` {name}" for module, _, name in found) or "recipes"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [" | ".join(head), " | ".join("---" for _ in head), *(" | ".join(row) for row in rows)]
    return "\n".join(f"| {line} |" for line in lines)


def shown(value: object) -> str:
    """A default as TOML writes it."""
    if value is None:
        return '"none"'
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return str(list(value))
    return f'"{value}"' if isinstance(value, str) else str(value)


def commands() -> str:
    """The help of every command."""
    parts = [MADE, "# Commands", ""]
    for words in ((), *(name.split() for name in COMMANDS)):
        parts += [f"## {' '.join(('aspk', *words))}", "", "```text", help_of(*words), "```", ""]
    return "\n".join(parts)


def help_of(*words: str) -> str:
    """What `aspk WORDS --help` prints in 100 columns, without the commands of plugins."""
    environment = {**os.environ, "COLUMNS": "100", "TERMINAL_WIDTH": "100", "NO_COLOR": "1"}
    command = [sys.executable, "-m", "autospikformer_cli", *words, "--help"]
    text = subprocess.run(command, check=True, capture_output=True, text=True, env=environment).stdout
    strangers = ("  parquet ",)
    return "\n".join(line.rstrip() for line in text.strip().splitlines() if not line.startswith(strangers))


JSON_INTRODUCTION = """\
# JSON documents

```sh
aspk search --json > search.json
```

```python
from pathlib import Path

from autospikformer_cli.cli.documents import SearchDocument

found = SearchDocument.model_validate_json(Path("search.json").read_text(encoding="utf-8"))
```

With `--json`, a command writes one JSON object to standard output, and nothing else there. Remarks and progress are on
standard error. Every field below is there, unless its meaning says when it is absent. Numbers are finite: what is
undefined is null. `autospikformer_cli.cli.documents` has these documents as pydantic models.
`aspk report --watch` alone writes several, each on a line of its own (JSON Lines): [one for each
change](#aspk-report---watch).

If a command fails, its document is [that of an error](#an-error). The exit code is the same as without `--json`, and so
is the message on standard error. A command that the shell kills, or whose reader has gone, leaves no whole document.
One that cannot print its document, since the disk is full or standard output is closed (`>&-`), ends with exit code 2.
What it wrote into files stays.
"""
JSON_TYPES: dict[object, str] = {
    str: "text", int: "whole number", float: "number", bool: "true or false", object: "any value", type(None): "null"
}  # fmt: skip


def json_documents() -> str:
    """Every field of every document of --json."""
    parts = [MADE, JSON_INTRODUCTION]
    shown: list[type[Part]] = []
    for command, model in DOCUMENTS.items():
        parts += [f"## aspk {command}", "", *_fields_of(model, shown)]
    parts += ["## An error", "", *_fields_of(ErrorDocument, shown)]
    parts += ["## Parts", "", "Objects inside these documents.", ""]
    for part in shown:  # grows while it is read: parts have parts
        parts += [f"### {_heading(part)}", "", *_fields_of(part, shown)]
    return "\n".join(parts)


def _fields_of(model: type[Part], shown: list[type[Part]]) -> list[str]:
    """What a document is, and the table of its fields. Models that its fields hold are added to `shown`."""
    fields = sorted(model.model_fields.items(), key=lambda named: named[0] != "schema_version")
    rows = [(f"`{name}`", _json_type(field.annotation, shown), field.description or "") for name, field in fields]
    return [inspect.cleandoc(model.__doc__ or ""), "", _table(("field", "type", "meaning"), rows), ""]


def _json_type(annotation: Any, shown: list[type[Part]]) -> str:
    """A field's type in words, with a link to a part."""
    if isinstance(annotation, type) and issubclass(annotation, Part):
        if annotation not in shown:
            shown.append(annotation)
        heading = _heading(annotation)
        return f"[{heading}](#{heading.lower().replace(' ', '-')})"
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin is list:
        return f"list of {_json_type(inner[0], shown)}"
    if origin is dict:
        return f"object of {_json_type(inner[1], shown)} by name"
    if inner:
        return " or ".join(_json_type(each, shown) for each in inner)
    return JSON_TYPES[annotation]


def _heading(part: type[Part]) -> str:
    words = re.findall("[A-Z][a-z]+", part.__name__.removesuffix("Document").removesuffix("Fields"))
    return f"The part {' '.join(words).lower()}"


PAGES = {
    "recipe-keys.md": recipe_keys, "commands.md": commands, "fidelity.md": fidelity, "json.md": json_documents
}  # fmt: skip

if __name__ == "__main__":
    for name, make in PAGES.items():
        (DOCS / name).write_text(make(), encoding="utf-8")

"""Make the pages that come from the code: `python docs/pages.py` writes recipe-keys.md and commands.md here."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from autospikformer_cli.recipe import Recipe
from autospikformer_cli.recipe.whole import SECTIONS

DOCS = Path(__file__).parent
MADE = "<!-- Made by docs/pages.py from the code; do not edit. -->"
COMMANDS = ("train", "search", "evaluate", "energy", "analyze", "report", "recipes", "runs")


def recipe_keys() -> str:
    """Every key of a recipe with its default and what it means."""
    lines = [MADE, "# Recipe keys", "", "A recipe is TOML; `aspk recipes show NAME` prints one with every key.", ""]
    lines += ['`extends = "NAME or path"` takes the base recipe\'s keys; `--set key=value` overrides one.', ""]
    lines += ["| key | default | meaning |", "|---|---|---|"]
    for key in ("seed", "fidelity"):
        field = Recipe.model_fields[key]
        lines.append(f"| `{key}` | `{shown(field.default)}` | {field.description} |")
    for section, model in SECTIONS.items():
        for key, field in model.model_fields.items():
            default = "required" if field.is_required() else f"`{shown(field.default)}`"
            meaning = (field.description or "").replace("|", "\\|")
            lines.append(f"| `{section}.{key}` | {default} | {meaning} |")
    return "\n".join(lines) + "\n"


def shown(value: object) -> str:
    """A default as TOML has it."""
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
    for words in ((), *((name,) for name in COMMANDS)):
        parts += [f"## {' '.join(('aspk', *words))}", "", "```", help_of(*words), "```", ""]
    return "\n".join(parts)


def help_of(*words: str) -> str:
    """What `aspk WORDS --help` prints, in 100 columns, our own commands only."""
    environment = {**os.environ, "COLUMNS": "100", "TERMINAL_WIDTH": "100", "NO_COLOR": "1"}
    command = [sys.executable, "-m", "autospikformer_cli", *words, "--help"]
    text = subprocess.run(command, check=True, capture_output=True, text=True, env=environment).stdout
    strangers = ("  parquet ",)
    return "\n".join(line.rstrip() for line in text.strip().splitlines() if not line.startswith(strangers))


PAGES = {"recipe-keys.md": recipe_keys, "commands.md": commands}

if __name__ == "__main__":
    for name, make in PAGES.items():
        (DOCS / name).write_text(make(), encoding="utf-8")

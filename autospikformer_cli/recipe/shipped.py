"""The recipes that come with aspk: their folder and their names."""

from __future__ import annotations

from pathlib import Path


def recipes_folder() -> Path:
    """The folder of shipped recipes: the installed package's, or the top level's of a checkout."""
    package = Path(__file__).resolve().parents[1]
    installed = package / "recipes"
    return installed if installed.is_dir() else package.parent / "recipes"


def shipped_recipes() -> dict[str, Path]:
    """Name -> file of every shipped recipe, by name."""
    return {path.stem: path for path in sorted(recipes_folder().glob("*.toml"), key=lambda path: path.stem)}


def recipe_summary(path: Path) -> str:
    """A recipe's first comment line, without the #; empty if it has none."""
    with path.open(encoding="utf-8") as lines:
        return next((line.lstrip("# ").strip() for line in lines if line.startswith("#")), "")

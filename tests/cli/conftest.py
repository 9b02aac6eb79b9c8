"""Strangers' distributions, as real folders that importlib.metadata finds."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent

import pytest


@dataclass(frozen=True)
class Site:
    """A folder of installed distributions."""

    folder: Path

    def install(
        self, distribution: str, entry_points: dict[str, str], modules: dict[str, str], group: str = "aspk.commands"
    ) -> None:
        """entry_points: name -> "module:function"; modules: name -> source."""
        info = self.folder / f"{distribution.replace('-', '_')}-1.0.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.0\nSummary: What {distribution} is for\n"
        )
        lines = [f"{name} = {value}" for name, value in entry_points.items()]
        (info / "entry_points.txt").write_text("\n".join([f"[{group}]", *lines, ""]))
        for name, source in modules.items():
            file = self.folder.joinpath(*name.split(".")).with_suffix(".py")
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(dedent(source))

    def aspk(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run aspk in a new process that has this folder on its path."""
        program = f"import sys; sys.path.insert(0, {str(self.folder)!r}); from autospikformer_cli.__main__ import main"
        return subprocess.run(
            [sys.executable, "-c", f"{program}; sys.exit(main())", *arguments],
            capture_output=True,
            text=True,
            check=False,
        )


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """For new processes: nothing of it is seen by this one."""
    return Site(tmp_path / "site")


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], None]:
    """command("name", source of a module with a function of that name): a stranger's command, seen by this process."""
    site = Site(tmp_path / "here")

    def install(name: str, source: str) -> None:
        module = f"stranger_{name}"
        site.install(f"aspk-{name}", {name: f"{module}:{name}"}, {module: source})
        monkeypatch.syspath_prepend(str(site.folder))
        monkeypatch.delitem(sys.modules, module, raising=False)

    return install

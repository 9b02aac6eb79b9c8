"""Kept loops are compiled anew where any file that they are made of has changed."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import autospikformer_cli
from autospikformer_cli.spiking.compiled import LOOP_FILES

PACKAGE = Path(autospikformer_cli.__file__).parent
POOL = """
import json, numpy as np
from autospikformer_cli.engine import kernels
kernels.pool(np.zeros((1, 2, 2, 3), np.uint8), np.zeros((1, 1, 1, 3), np.uint8), 0, 1)
stats = kernels.pool.stats
print(json.dumps([kernels.__file__, sum(stats.cache_hits.values()), sum(stats.cache_misses.values())]))
"""


def test_every_file_with_parts_of_loops_is_looked_at() -> None:
    parts = re.compile(r"^ *@(compiled|inlined|intrinsic)\b", re.MULTILINE)
    found = {file.relative_to(PACKAGE).as_posix() for file in PACKAGE.rglob("*.py") if parts.search(file.read_text())}
    assert found | {"spiking/compiled.py", "spiking/vector_code.py"} == set(LOOP_FILES)


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """The package in a folder of its own."""
    copied = tmp_path / PACKAGE.name
    shutil.copytree(PACKAGE, copied, ignore=shutil.ignore_patterns("__pycache__"))
    return copied


def run_pool(package: Path) -> tuple[int, int]:
    """In a new process: what came from the cache, and what did not."""
    said = subprocess.run([sys.executable, "-c", POOL], cwd=package.parent, capture_output=True, text=True, check=True)
    file, hits, misses = json.loads(said.stdout)
    assert Path(file).is_relative_to(package)
    return hits, misses


def test_a_change_in_another_file_is_noticed(package: Path) -> None:
    """numba alone looks at a loop's own file, and would go on with what the others were."""
    assert run_pool(package) == (0, 1)
    assert run_pool(package) == (1, 0)
    with (package / "spiking" / "vectors.py").open("a") as file:
        file.write("# changed\n")
    assert run_pool(package) == (0, 1)

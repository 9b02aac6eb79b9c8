"""The compiled loops: rounded as written, in the network's own precision, and compiled once where they can be kept."""

from __future__ import annotations

import json
import os
import platform
import re
import runpy
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numba import njit

import autospikformer_cli

SCRIPT = Path(__file__).with_name("cold_run.py")
PACKAGE = Path(autospikformer_cli.__file__).parent
COMPILED = {"fire": 2, "moments": 2, "pool": 1, "classify": 1, "attend": 1}
"""Of one precision: the first layer reads numbers, the others read bytes."""

FUSED_ASSEMBLY = re.compile(r"^\s+(vfn?m(?:add|sub)\w*|fn?m(?:add|sub)|fml[as])\b", re.MULTILINE)
FUSED_LLVM = re.compile(
    r"llvm\.fm\w*|= f(?:add|sub|mul|div|rem|neg) (?:fast|nnan|ninf|nsz|arcp|contract|afn|reassoc)\b"
)
DOUBLES = re.compile(r"= (f(?:add|sub|mul|div|rem|neg)|fcmp \w+) (?:double|<\d+ x double>)")
FLOATS = re.compile(r"= (f(?:add|sub|mul|div)) (?:float|<\d+ x float>)")


def process(precision: str, part: str, folder: Path, **environment: str) -> subprocess.Popen[str]:
    """One that writes a result into a folder of its own."""
    folder.mkdir()
    kept = {name: value for name, value in os.environ.items() if not name.startswith("NUMBA_")}
    return subprocess.Popen(
        [sys.executable, "-W", "error", SCRIPT, precision, part, folder / "result.json"],
        env=kept | {"PYTHONDONTWRITEBYTECODE": "1"} | environment, cwd=folder, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip


def result(running: subprocess.Popen[str], folder: Path) -> Any:
    """What the process wrote. Several that compile on a busy machine take minutes."""
    said, _ = running.communicate()
    assert running.returncode == 0, said
    return json.loads((folder / "result.json").read_text())


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package installed where nothing can be written: a file in the place of every __pycache__."""
    site = tmp_path_factory.mktemp("site")
    shutil.copytree(PACKAGE, site / PACKAGE.name, ignore=shutil.ignore_patterns("__pycache__"))
    for folder in [site / PACKAGE.name, *(site / PACKAGE.name).rglob("*/")]:
        if folder.is_dir():
            (folder / "__pycache__").touch()
    return site


@pytest.fixture(scope="module")
def cold(tmp_path_factory: pytest.TempPathFactory, installed: Path) -> Any:
    """Results of processes without anything compiled before: of both precisions, and of one that can keep nothing."""
    folder = tmp_path_factory.mktemp("cold")
    (folder / "file").touch()
    nowhere = {"HOME": str(folder / "file"), "XDG_CACHE_HOME": str(folder / "file" / "cache")}
    environments = {
        "float32": ("float32", "whole", {"NUMBA_CACHE_DIR": str(folder / "cache32")}),
        "float64": ("float64", "settled", {"NUMBA_CACHE_DIR": str(folder / "cache64")}),
        "nowhere": ("float32", "head", {"PYTHONPATH": str(installed), **nowhere}),
    }
    begun = {name: process(*given[:2], folder / name, **given[2]) for name, given in environments.items()}
    return {name: result(running, folder / name) for name, running in begun.items()} | {"folder": folder}


# What is kept


def test_a_second_process_compiles_nothing(cold: Any) -> None:
    assert cold["float32"]["misses"] == COMPILED
    folder = cold["folder"] / "again"
    again = result(process("float32", "whole", folder, NUMBA_CACHE_DIR=str(cold["folder"] / "cache32")), folder)
    assert again["hits"] == COMPILED
    assert set(again["misses"].values()) == {0}
    assert again["result"] == cold["float32"]["result"] != ""


def test_what_another_version_compiled_is_compiled_again(cold: Any) -> None:
    """An index names types of its own sources, which a later version may have renamed."""
    folder, kept = cold["folder"] / "renamed", cold["folder"] / "cache-of-another"
    shutil.copytree(cold["folder"] / "cache32", kept)
    indices = list(kept.rglob("*.nbi"))
    assert any(b"autospikformer_cli.engine.kernels" in index.read_bytes() for index in indices)
    for index in indices:
        index.write_bytes(index.read_bytes().replace(b"Rows", b"Sown"))
    again = result(process("float32", "head", folder, NUMBA_CACHE_DIR=str(kept)), folder)
    assert again["misses"]["classify"] == COMPILED["classify"]
    assert again["result"] == cold["nowhere"]["result"]


def test_where_nothing_can_be_kept_it_runs_all_the_same(cold: Any, installed: Path) -> None:
    """Compiled anew; its numbers are those of the package as it lies here."""
    found = cold["nowhere"]
    assert Path(found["package"]).is_relative_to(installed)
    assert set(found["kept"].values()) == {None}
    assert found["compiled"] == dict.fromkeys(COMPILED, 0) | {"classify": 1}
    assert set(found["hits"].values()) == {0}
    assert found["result"] == runpy.run_path(str(SCRIPT))["run_once"]("float32", "head") != ""


def test_where_the_package_cannot_be_written_the_users_folder_keeps_it(installed: Path, tmp_path: Path) -> None:
    environment = {"PYTHONPATH": str(installed), "HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / "cache")}
    found = result(process("float32", "none", tmp_path / "result", **environment), tmp_path / "result")
    assert Path(found["package"]).is_relative_to(installed)
    assert all(Path(kept).is_relative_to(tmp_path) for kept in found["kept"].values())


# What the code does


def code(cold: Any, kind: str, precision: str) -> Iterator[tuple[str, str]]:
    """Every compiled loop of a precision, by name."""
    for name, texts in cold[precision][kind].items():
        assert len(texts) == COMPILED[name] or (len(texts), name, precision) == (0, "moments", "float64")
        for text in texts:
            yield name, text


@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_nothing_is_fused(cold: Any, precision: str) -> None:
    """No multiplication is rounded together with an addition, and no leave is given to do so."""
    for name, text in code(cold, "assembly", precision):
        assert len(text) > 10_000, name
        assert FUSED_ASSEMBLY.findall(text) == [], name
    for name, text in code(cold, "llvm", precision):
        assert FUSED_LLVM.findall(text) == [], name


def test_single_precision_is_not_promoted(cold: Any) -> None:
    """No double in the neurons' currents and potentials; moments and the head's means are double by design."""
    doubles = dict.fromkeys(COMPILED, 0)
    for name, text in code(cold, "llvm", "float32"):
        doubles[name] += len(DOUBLES.findall(text))
        if name in ("fire", "attend"):
            assert {"fadd", "fsub", "fmul", "fdiv"} <= set(FLOATS.findall(text))
    assert doubles["fire"] == doubles["attend"] == doubles["pool"] == 0
    assert doubles["moments"] > 0
    means = [text for name, text in code(cold, "llvm", "float32") if name == "classify"]
    assert {operation for text in means for operation in DOUBLES.findall(text)} == {"fdiv"}
    assert all(len(DOUBLES.findall(text)) > 0 for name, text in code(cold, "llvm", "float64") if name == "fire")


def multiply_and_add(x: Any, y: Any, out: Any) -> None:
    for c in range(len(out)):
        out[c] = out[c] + x[c] * y[c]


@pytest.mark.parametrize("flags", [True, {"contract"}])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_fused_loop_would_be_found(flags: Any, dtype: Any) -> None:
    from llvmlite import binding

    arrays = [np.ones(9, dtype) for _ in range(3)]
    fused, exact = njit(fastmath=flags)(multiply_and_add), njit(multiply_and_add)
    for loop in (fused, exact):
        loop(*arrays)
    assert all(FUSED_LLVM.search(text) for text in fused.inspect_llvm().values())
    assert not any(FUSED_LLVM.search(text) for text in exact.inspect_llvm().values())
    assert not any(FUSED_ASSEMBLY.search(text) for text in exact.inspect_asm().values())
    if platform.machine() == "aarch64" or binding.get_host_cpu_features().get("fma"):
        assert all(FUSED_ASSEMBLY.search(text) for text in fused.inspect_asm().values())


def test_a_promoted_loop_would_be_found() -> None:
    """numba takes the product of an int32 and a float32 for a float64."""
    loop = njit(multiply_and_add)
    loop(np.ones(9, np.int32), *(np.ones(9, np.float32) for _ in range(2)))
    assert any(DOUBLES.search(text) for text in loop.inspect_llvm().values())
    alike = njit(multiply_and_add)
    alike(*(np.ones(9, np.float32) for _ in range(3)))
    assert not any(DOUBLES.search(text) for text in alike.inspect_llvm().values())

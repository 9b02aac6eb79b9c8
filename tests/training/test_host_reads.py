"""The path of a GPU, on a stand-in: it computes what a CPU computes, and the host does not wait for it.

The tests are those of `gpu_path.py`. They run in a process of their own, because torch must know the stand-in before it
computes its first gradient.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path


def test_the_path_of_a_gpu(patience: float) -> None:
    tests = Path(__file__).with_name("gpu_path.py")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", str(tests)]
    environment = os.environ | {"CUDA_VISIBLE_DEVICES": ""}  # torch has one accelerator at a time
    ended = subprocess.run(
        command, capture_output=True, text=True, timeout=patience, cwd=tests.parents[2], env=environment, check=False
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert " passed" in ended.stdout

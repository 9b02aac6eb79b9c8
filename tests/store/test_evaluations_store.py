"""Evaluations add up, and predictions come back."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import h5py
import pytest

from autospikformer_cli.errors import UserError
from autospikformer_cli.measurement import Measurement, Provenance
from autospikformer_cli.space import Subnet
from autospikformer_cli.store import files
from autospikformer_cli.store.evaluations import (
    Evaluation,
    FineTuning,
    append_evaluation,
    load_evaluations,
)

RECIPE = "seed = 3\n"


@pytest.fixture
def evaluation(subnet: Subnet, provenance: Provenance, measurement: Measurement) -> Evaluation:
    return Evaluation(subnet, "test", provenance, measurement, None, "2025-03-01T12:00:00+01:00", RECIPE)


def append(run: Path, evaluation: Evaluation) -> None:
    append_evaluation(run, evaluation, recipe_name="quickstart")


def test_results_are_kept_in_order(run: Path, evaluation: Evaluation) -> None:
    assert load_evaluations(run) == ()
    tuned = replace(evaluation, finetuned=FineTuning(5, True, "f" * 64), date="2025-03-02T12:00:00+01:00")
    append(run, evaluation)
    append(run, tuned)
    append(run, evaluation)
    assert load_evaluations(run) == (evaluation, tuned, evaluation)
    with h5py.File(run / "evaluations.h5", "r") as file:
        assert file["recipe"].asstr()[()] == RECIPE
        assert file["candidates/split"].asstr()[:].tolist() == ["test"] * 3


def test_a_damaged_file_is_not_written_over(run: Path, evaluation: Evaluation) -> None:
    (run / "evaluations.h5").write_bytes(b"damaged")
    with pytest.raises(UserError) as caught:
        append(run, evaluation)
    assert str(caught.value) == (
        "runs/x/evaluations.h5: not an HDF5 file\n"
        "  restore it from a copy, or delete it and evaluate again: aspk evaluate --run runs/x --subnet best; "
        "for the table of aspk finish: aspk finish --run runs/x (what is trained is not trained again)"
    )
    assert (run / "evaluations.h5").read_bytes() == b"damaged"


APPENDER = """
import sys
sys.path[:0] = {path!r}
from dataclasses import replace
from pathlib import Path
from autospikformer_cli.store.evaluations import append_evaluation, load_evaluations
run = Path(sys.argv[1])
first = load_evaluations(run)[0]
for number in range(10):
    append_evaluation(run, replace(first, date=f"{{sys.argv[2]}}-{{number}}"), recipe_name="q")
"""


def test_two_processes_lose_no_result(run: Path, evaluation: Evaluation) -> None:
    append(run, evaluation)
    code = APPENDER.format(path=[str(Path(files.__file__).parents[2])])
    processes = [subprocess.Popen([sys.executable, "-c", code, str(run), name]) for name in ("a", "b")]
    assert [process.wait() for process in processes] == [0, 0]
    dates = [stored.date for stored in load_evaluations(run)]
    assert sorted(dates[1:]) == sorted(f"{name}-{number}" for name in ("a", "b") for number in range(10))

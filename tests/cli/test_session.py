"""The shared options: where they come from, what is refused, where output goes."""

from __future__ import annotations

import inspect
import json

import pytest

from autospikformer_cli.cli.options import ComputeOptions, with_option_groups
from autospikformer_cli.cli.session import Session
from autospikformer_cli.engine.compute import Compute, own_process
from autospikformer_cli.errors import Faults, UserError

SHOWING = """
    \"\"\"Show the session.\"\"\"
    from __future__ import annotations
    from dataclasses import asdict
    from typing import Annotated
    import typer
    from autospikformer_cli.cli.options import ComputeOptions, RunOption, SetOption
    from autospikformer_cli.cli.session import Session

    def show(
        first: str,
        session: Session,
        compute: ComputeOptions,
        alpha: Annotated[float, typer.Option("--alpha", help="Weight.")] = 0.5,
        run: RunOption = None,
        overrides: SetOption = [],
    ) -> None:
        shared = {key: str(value) for key, value in (asdict(session) | asdict(compute)).items()}
        session.emit(shared | {"first": first, "alpha": alpha, "run": str(run), "overrides": overrides})
        session.console.print("a table")
        session.remark("a remark")
        session.remark("a remark")
"""


def test_defaults(aspk, command) -> None:
    command("show", SHOWING)
    outcome = aspk("show", "here", "--json")
    assert outcome.document == {
        "schema_version": 1, "run": "None", "overrides": [], "device": "cpu", "threads": "None", "precision": "float32",
        "engine": "None", "json": "True", "quiet": "False", "first": "here", "alpha": 0.5,
    }  # fmt: skip
    assert outcome.stderr == "a remark\n"


def test_every_option(aspk, command) -> None:
    command("show", SHOWING)
    outcome = aspk(
        *("show", "here", "--run", "runs/x", "--set", "seed=3", "--set", "train.epochs=2", "--device", "cuda:1"),
        *("--threads", "2", "--precision", "float64", "--engine", "dense", "--json", "--quiet", "--alpha", "1"),
    )
    assert outcome.document == {
        "schema_version": 1,
        "run": "runs/x", "overrides": ["seed=3", "train.epochs=2"], "device": "cuda:1", "threads": "2",
        "precision": "float64", "engine": "dense", "json": "True", "quiet": "True", "first": "here", "alpha": 1.0,
    }  # fmt: skip
    assert outcome.stderr == ""


def test_a_reader_gets_text_and_no_document(aspk, command) -> None:
    command("show", SHOWING)
    outcome = aspk("show", "here", "--quiet")
    assert (outcome.stdout, outcome.stderr) == ("a table\n", "")


def test_all_faults_at_once(aspk, command) -> None:
    command("show", SHOWING)
    outcome = aspk(
        *("show", "here", "--device", "gpu", "--threads", "0", "--precision", "half", "--engine", "sparse", "--json")
    )
    assert outcome.exit_code == 2
    assert [fault["where"] for fault in outcome.document["faults"]] == [
        "--device",
        "--threads",
        "--precision",
        "--engine",
    ]
    assert outcome.stderr == (
        "error: --device: 'gpu' is not a device\n  write cpu, cuda, or cuda:N, as cuda:0\n"
        "error: --threads: '0' is not a number of threads\n  write a whole number from 1 to 1,024\n"
        "error: --precision: 'half' is not a precision\n  choose float32 or float64\n"
        "error: --engine: 'sparse' is not an engine\n  choose event_driven or dense\n"
    )


def refused(option: str, text: str) -> str:
    """What is said of an option's text."""
    command = with_option_groups(computing)
    given = {"device": "cpu", "threads": None, "precision": "float32", "engine": None, option: text}
    with pytest.raises(Faults) as raised:
        command(**given)
    (fault,) = raised.value.faults
    return fault.what


def computing(compute: ComputeOptions) -> None:
    """A command that computes."""


@pytest.mark.parametrize("device", ["", "CPU", "cpu:0", "cuda:", "cuda:x", "cuda:-1", "mps", "cpu\n"])
def test_devices_refused(device: str) -> None:
    assert refused("device", device) == f"{device!r} is not a device"


@pytest.mark.parametrize("threads", ["", "-1", "1.5", "two", "²", "1025", "100000", "9" * 5000])
def test_threads_refused(threads: str) -> None:
    assert refused("threads", threads) == f"{threads!r} is not a number of threads"


def test_the_document_is_json_or_a_bug(capsys) -> None:
    Session(json=True).emit({"a": [1, None]})
    assert json.loads(capsys.readouterr().out) == {"schema_version": 1, "a": [1, None]}
    with pytest.raises(ValueError, match="Out of range float values are not JSON compliant"):
        Session(json=True).emit({"a": float("nan")})


def test_a_command_without_session_keeps_its_own_options() -> None:
    def plain(alpha: float = 0.5) -> float:
        return alpha

    wrapped = with_option_groups(plain)
    assert list(inspect.signature(wrapped).parameters) == ["alpha"]
    assert wrapped(alpha=1.0) is None


def test_a_device_that_is_not_there() -> None:
    import torch

    count = torch.cuda.device_count()
    with pytest.raises(UserError) as raised:
        own_process("cuda:99")
    if count == 0:
        assert str(raised.value) == (
            "--device cuda:99: torch finds no CUDA device here\n  leave --device out to compute on the CPU"
        )
    else:
        assert str(raised.value).startswith("--device cuda:99: there is no such device, only cuda:0")


def test_where_and_how_torch_computes() -> None:
    import numba
    import torch

    before = torch.get_num_threads()
    try:
        assert own_process(precision="float64", threads=1) == Compute("cpu", "float64", 1)
        assert (torch.get_num_threads(), numba.get_num_threads()) == (1, 1)
        found = ComputeOptions(engine="dense").set_up()
        assert found == Compute("cpu", "float32", 1, "dense")
        assert (found.torch_device, found.dtype) == (torch.device("cpu"), torch.float32)
    finally:
        numba.set_num_threads(numba.config.NUMBA_NUM_THREADS)
        torch.set_num_threads(before)


@pytest.mark.gpu
def test_the_first_gpu_is_found() -> None:
    import torch

    assert own_process("cuda").torch_device == torch.device("cuda")

"""The Python API: in any thread, silent unless asked, and without a trace in the process that calls it."""

from __future__ import annotations

import inspect
import json
import os
import random
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from decimal import Decimal
from pathlib import Path

import numba
import numpy as np
import pytest
import torch

import autospikformer_cli
from autospikformer_cli import (
    UserError,
    evaluate_subnet,
    load_recipe,
    load_subnet,
    make_compute,
    price_subnet,
    read_results,
    search_subnets,
    train_supernet,
)
from autospikformer_cli.recipe import Recipe
from autospikformer_cli.say import Silent
from autospikformer_cli.store.runs import run_lock
from autospikformer_cli.store.supernet import load_weights, weights_hash

SMALL: dict[str, object] = {
    "train.epochs": 2,
    "train.warmup_epochs": 1,
    "train.validation_images": 40,
    "space.embed_dim": [16, 24],
    "space.depth": [1],
    "search.population": 4,
    "search.parents": 2,
    "search.generations": 2,
    "search.images": 60,
}


class Heard(Silent):
    def __init__(self) -> None:
        self.remarks: list[str] = []

    def remark(self, text: str) -> None:
        self.remarks.append(text)


def small() -> Recipe:
    return load_recipe("quickstart", SMALL)


def all_but_training(run: Path) -> list[object]:
    """What each function returns of a trained run, as JSON or numbers. Its folder is RUN in there."""
    found = [
        search_subnets(run, {"seed": 1}).to_document(),
        read_results(run, {"search.alpha": 0.0}).to_document(),
        evaluate_subnet(run, "best", images=50).to_document(),
        price_subnet(run).to_document(),
        load_subnet(run)(torch.zeros(1, 1, 8, 8)).tolist(),
    ]
    return list(json.loads(json.dumps(found).replace(str(run), "RUN")))


@pytest.fixture(scope="module", autouse=True)
def threads_of_a_module() -> Iterator[None]:
    """One thread: layers this small gain nothing from a second one."""
    before = torch.get_num_threads(), numba.get_num_threads()
    torch.set_num_threads(1)
    numba.set_num_threads(1)
    yield
    torch.set_num_threads(before[0])
    numba.set_num_threads(before[1])


@pytest.fixture(scope="module")
def searched(threads_of_a_module: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run, trained and searched. Tests add evaluations and searches to it."""
    run = tmp_path_factory.mktemp("api") / "run"
    train_supernet(small(), run)
    search_subnets(run)
    return run


@pytest.fixture
def copied(searched: Path, tmp_path: Path) -> Callable[[str], Path]:
    """A copy of the run, by a name."""
    return lambda name: Path(shutil.copytree(searched, tmp_path / "runs" / name))


def state_of_the_process() -> dict[str, object]:
    """What belongs to the caller."""
    handled = (signal.SIGINT, signal.SIGTERM, signal.SIGPIPE)
    return {
        "torch's threads": torch.get_num_threads(),
        "numba's threads": numba.get_num_threads(),
        "handlers": [signal.getsignal(number) for number in handled],
        "torch's random numbers": torch.get_rng_state().tolist(),
        "numpy's random numbers": [str(part) for part in np.random.get_state()],
        "Python's random numbers": random.getstate(),
        "gradients": torch.is_grad_enabled(),
        "dtype": torch.get_default_dtype(),
        "TF32": torch.backends.cudnn.allow_tf32,
        "path": list(sys.path),
    }


def test_training_leaves_the_process_as_it_was() -> None:
    before = state_of_the_process()
    train_supernet(small(), "runs/host")
    assert state_of_the_process() == before


def test_search_and_all_else_leave_the_process_as_it_was(copied: Callable[[str], Path]) -> None:
    """With two threads of torch: the event-driven engine takes one while it computes."""
    torch.set_num_threads(2)
    before = state_of_the_process()
    try:
        all_but_training(copied("host"))
        assert state_of_the_process() == before
    finally:
        torch.set_num_threads(1)


def test_a_thread_gets_what_the_main_one_gets(searched: Path, copied: Callable[[str], Path]) -> None:
    def in_a_thread(run: Path) -> list[object]:
        train_supernet(small(), "runs/thread")
        return all_but_training(run)

    with ThreadPoolExecutor(1) as pool:
        found = pool.submit(in_a_thread, copied("one")).result()
    assert found == all_but_training(copied("other"))
    assert weights_hash(load_weights(Path("runs/thread"))) == weights_hash(load_weights(searched))


def test_without_say_nothing_is_printed(searched: Path, capfd: pytest.CaptureFixture[str]) -> None:
    search_subnets(searched, {"search.alpha": 0.1})
    assert capfd.readouterr() == ("", "")


def test_a_say_of_three_lines_hears_remarks(searched: Path) -> None:
    heard = Heard()
    search_subnets(searched, {"search.alpha": 0.2, "seed": 5}, say=heard)
    assert "measuring 8 subnets on 60 validation images each" in heard.remarks


def test_a_search_can_be_asked_to_stop_and_goes_on(searched: Path) -> None:
    heard, other = Heard(), {"seed": 6}
    with pytest.raises(KeyboardInterrupt):
        search_subnets(searched, other, say=heard, interruptible=lambda: nullcontext(lambda: True))
    assert heard.remarks[-2].startswith("stopped and saved after 0 subnets")
    results = search_subnets(searched, other)
    assert len(results.population.candidates) == 8


def test_every_name_exists_and_says_what_it_is() -> None:
    for name in autospikformer_cli.__all__:
        assert inspect.getdoc(getattr(autospikformer_cli, name)), name
    assert sorted(autospikformer_cli.__all__) == list(autospikformer_cli.__all__)
    with pytest.raises(AttributeError, match="has no attribute 'train'"):
        _ = autospikformer_cli.train  # type: ignore[attr-defined]


def test_the_import_is_cheap() -> None:
    code = "import autospikformer_cli, sys; print(*{name.partition('.')[0] for name in sys.modules})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"torch", "numba", "numpy", "h5py", "pydantic"} & set(done.stdout.split())


def test_a_subnet_is_named_in_any_way(searched: Path) -> None:
    best = read_results(searched).scores.ranked[0]
    expected = price_subnet(searched, best.id).subnet
    genes = best.subnet.to_tuple()
    assert any(isinstance(gene, Decimal) for gene in genes)
    for name in (best.subnet, str(best.subnet), genes, list(best.subnet.to_numbers()), np.array(genes, float)):
        assert price_subnet(searched, name).subnet == expected == best.subnet  # type: ignore[arg-type]


def refused(call: Callable[[], object]) -> str:
    with pytest.raises(UserError) as caught:
        call()
    return str(caught.value)


def test_what_means_nothing_is_refused(searched: Path) -> None:
    assert refused(lambda: evaluate_subnet(searched, images=0)) == (
        "images: 0 images measure nothing\n  write a whole number from 1 on, or None for all"
    )
    assert refused(lambda: evaluate_subnet(searched, from_scratch=True)) == (
        "from_scratch: there is nothing to train\n  say for how many epochs: finetune=N"
    )
    for threads in (0, -1, True, 1025):
        assert refused(lambda threads=threads: make_compute(threads=threads)) == (  # type: ignore[misc]
            f"--threads: {threads} is not a number of threads\n  write a whole number from 1 to 1,024"
        )
    assert refused(lambda: read_results(searched, {"train.epochs": 3})).startswith(
        "--set: train.epochs cannot be changed in what was measured\n"
    )


@pytest.mark.parametrize(
    ("argv", "holder"),
    [
        (["/usr/bin/aspk", "search", "--quiet"], "aspk search"),
        (["/lib/autospikformer_cli/__main__.py", "train"], "aspk train"),
        (["/home/me/study.py", "data"], "study.py"),
        (["-c"], "python"),
        ([""], "python"),
        ([], "python"),
    ],
)
def test_a_script_that_holds_a_run_is_named(
    searched: Path, monkeypatch: pytest.MonkeyPatch, argv: list[str], holder: str
) -> None:
    monkeypatch.setattr(sys, "argv", argv)
    with run_lock(searched):
        assert f"is in use by process {os.getpid()} ({holder})" in refused(
            lambda: search_subnets(searched, {"seed": 9})
        )

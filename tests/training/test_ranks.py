"""Several processes train as one does: real processes, which exchange by gloo."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch

from autospikformer_cli.errors import UserError
from autospikformer_cli.training.launcher import Launch, read_launch
from autospikformer_cli.training.ranks import ONE_RANK, Ranks, require_image_for_each

Results = list[Mapping[str, np.ndarray]]
Trained = Callable[[int, int], Results]
WORKER = Path(__file__).with_name("ranks_worker.py")
EXACT = ("spiking", "pooled", "ann", "learnable tau", "sandwich", "few weights")
FOLLOWS_ROUNDING = re.compile(r"_linear\.bias$|(attn|mlp)\.\w+_bn\.running_mean$")
"""What is a bias before BatchNorm, or contains it."""
SMALL = ("spiking", "ann")
UNEVEN, TOO_FEW = 35, 34
"""Images: the last batch has 3, an odd number for two ranks, or 2, too few for three: one of them is idle."""
NAMED = {"RANK": "1", "WORLD_SIZE": "2", "LOCAL_RANK": "1", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "1"}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def train_on(world: int, folder: Path, patience: float, number: int, *cases: str) -> Results:
    """What each rank leaves of trainings on so many images."""
    base = {name: value for name, value in os.environ.items() if name not in NAMED} | {"OMP_NUM_THREADS": "1"}
    common = {"WORLD_SIZE": str(world), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port())}
    started = []
    for rank in range(world):
        own = {**base, **common, "RANK": str(rank), "LOCAL_RANK": str(rank)} if world > 1 else base
        started.append(subprocess.Popen([sys.executable, WORKER, folder, str(number), *cases], env=own))
    assert [each.wait(patience) for each in started] == [0] * world
    return [np.load(folder / f"{rank}.npz") for rank in range(world)]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, patience: float) -> Trained:
    """trained(2, 35) -> what each of two ranks leaves of trainings on 35 images."""

    @cache
    def results(world: int, number: int) -> Results:
        cases = (*EXACT, "unsynced") if number == UNEVEN else SMALL
        return train_on(world, tmp_path_factory.mktemp("ranks"), patience, number, *cases)

    return results


def of(results: Mapping[str, np.ndarray], case: str) -> dict[str, np.ndarray]:
    return {name.removeprefix(f"{case}:"): results[name] for name in results if name.startswith(f"{case}:")}


@pytest.mark.parametrize(
    ("world", "number", "case"), [(2, UNEVEN, case) for case in EXACT] + [(3, TOO_FEW, case) for case in SMALL]
)
def test_ranks_train_as_one_process_does(trained: Trained, world: int, number: int, case: str) -> None:
    """Three steps in float64: losses, gradient norms, weights, running statistics.

    A bias before BatchNorm has the gradient 0. Its rounding is all that Adam sees, which divides it by 1e-8 and more.
    The running mean after it follows the bias. Nothing else is allowed more than 1e-12.
    """
    (alone,), several = trained(1, number), trained(world, number)
    expected, found = of(alone, case), of(several[0], case)
    assert expected.keys() == found.keys()
    for name in expected.keys() - {"hashes"}:
        tolerance = 1e-10 if FOLLOWS_ROUNDING.search(name) else 1e-12
        np.testing.assert_allclose(found[name], expected[name], rtol=1e-12, atol=tolerance, err_msg=name)


@pytest.mark.parametrize("case", [*EXACT, "unsynced"])
def test_every_rank_has_the_same_bits_after_each_step(trained: Trained, case: str) -> None:
    first, second = (of(each, case)["hashes"] for each in trained(2, UNEVEN))
    assert len(set(first)) == 3
    assert (first == second).all()


def test_without_summed_moments_the_number_of_ranks_decides(trained: Trained) -> None:
    (alone,), (two, _) = trained(1, UNEVEN), trained(2, UNEVEN)
    of_one, of_two = (of(each, "unsynced")["weights/head.weight"] for each in (alone, two))
    assert np.abs(of_one - of_two).max() > 1e-6


@pytest.mark.parametrize("world", [1, 2, 3, 7])
@pytest.mark.parametrize(("number", "batch"), [(32, 16), (33, 16), (5, 16)])
def test_parts_are_all_images_once(world: int, number: int, batch: int) -> None:
    by_rank = [Ranks(rank, world).parts(number, batch) for rank in range(world)]
    taken = [part.positions for parts in by_rank for part in parts if not part.is_idle]
    assert torch.equal(torch.cat(taken).sort().values, torch.arange(number))
    for of_batch in zip(*by_rank, strict=True):
        own = [part.num_own for part in of_batch]
        assert sum(own) == of_batch[0].images
        assert max(own) - min(own) <= 1
        assert all(len(part.positions) == 1 for part in of_batch if part.is_idle)


def test_a_launcher_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    assert read_launch({}) is None
    assert read_launch({**NAMED, "WORLD_SIZE": "1", "RANK": "0"}) is None
    assert read_launch(NAMED) == Launch(1, 2, 1)
    with pytest.raises(UserError, match="WORLD_SIZE is 2, and RANK is not set"):
        read_launch({name: value for name, value in NAMED.items() if name != "RANK"})
    with pytest.raises(UserError, match="WORLD_SIZE is 2, and MASTER_ADDR and MASTER_PORT are not set"):
        read_launch({**NAMED, "MASTER_ADDR": "", "MASTER_PORT": ""})
    for wrong in ({"RANK": "2"}, {"RANK": "-1"}, {"LOCAL_RANK": "x"}):
        with pytest.raises(UserError, match="number no process"):
            read_launch(NAMED | wrong)


def test_each_process_has_a_gpu_of_its_own() -> None:
    launch = Launch(5, 8, 1)
    assert [launch.device("cpu"), launch.device("cuda")] == ["cpu", "cuda:1"]
    with pytest.raises(UserError, match="cuda:0 is one GPU, and there are 8 processes"):
        launch.device("cuda:0")


def test_more_processes_than_images_are_refused() -> None:
    require_image_for_each(Ranks(0, 8), 8)
    require_image_for_each(ONE_RANK, 1)
    with pytest.raises(UserError, match="8 processes share batches of 7 images"):
        require_image_for_each(Ranks(0, 8), 7)

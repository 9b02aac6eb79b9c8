"""Subnets measured by a real Ray, of this machine and of a cluster, the same as in this process to the last bit."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from decimal import Decimal
from importlib.metadata import entry_points
from itertools import chain, product
from pathlib import Path

import pytest

if not any(point.name == "ray" for point in entry_points(group="aspk.executors")):
    pytest.skip("aspk-ray is not installed", allow_module_level=True)

import ray
import torch
from aspk_ray import executor as ray_executor
from aspk_ray.executor import RayExecutor
from ray.cluster_utils import Cluster

from autospikformer_cli.data.description import DataDescription
from autospikformer_cli.data.images import ImageSet
from autospikformer_cli.errors import UserError
from autospikformer_cli.evaluation.executors import ExecutorOptions, Workload, make_executor, make_task_executor
from autospikformer_cli.measurement import Measurement
from autospikformer_cli.space import SearchSpace, Subnet
from autospikformer_cli.spiking.layout import NetworkShape
from autospikformer_cli.spiking.supernet import NetworkConfig, Supernet

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning:ray.*")

SPACE = SearchSpace(
    depth=(1,),
    mlp_ratio=(Decimal(2), Decimal(3)),
    num_heads=(2, 4),
    threshold=(Decimal("0.6"), Decimal(1)),
    tau=(Decimal("1.25"), Decimal(2)),
    time_step=(1, 2),
    embed_dim=(8, 16),
)
SUBNETS = [
    Subnet((ratio,), (heads,), (threshold,), (tau,), steps, dim)
    for ratio, heads, threshold, tau, steps, dim in product(
        SPACE.mlp_ratio, SPACE.num_heads, SPACE.threshold, SPACE.tau, SPACE.time_step, SPACE.embed_dim
    )
]

Measurements = Mapping[Subnet, Measurement]
PATIENCE = 1800.0
"""Seconds that a test waits for another process. Only a process that hangs needs so long."""


def images(number: int, split: str) -> ImageSet:
    generator = torch.Generator().manual_seed(number)
    pixels = torch.randint(256, (number, 8, 8, 1), generator=generator, dtype=torch.uint8)
    labels = torch.randint(4, (number,), generator=generator)
    return ImageSet(pixels, labels, torch.arange(number), split, f"{number:064}")


def make_workload() -> Workload:
    """A network with random weights, and BatchNorms that keep the neurons firing."""
    config = NetworkConfig(NetworkShape(8, 1, 4, 16, (3,)), SPACE, attention_scale=0.5)
    generator = torch.Generator().manual_seed(3)
    weights = Supernet(config).state_dict()
    for name, tensor in weights.items():
        if tensor.is_floating_point() and "running" not in name:
            low, high = (1.0, 4.0) if "_bn" in name and name.endswith("weight") else (-1.0, 1.0)
            tensor.uniform_(low, high, generator=generator)
    return Workload(
        config, weights, DataDescription(4, 1, 8, (0.5,), (0.3,)), images(20, "validation"), images(16, "train"),
        "recalibrate", 8, 10**8, "event_driven", "float32", "cpu", 1,
    )  # fmt: skip


@pytest.fixture(scope="module")
def workload() -> Workload:
    return make_workload()


@pytest.fixture(scope="module")
def expected(workload: Workload) -> Measurements:
    with make_executor("in-process", workload, ExecutorOptions()) as executor:
        return joined(executor.measure(SUBNETS))


def joined(parts: Iterator[Measurements]) -> Measurements:
    """All parts together, no subnet twice."""
    whole = [item for part in parts for item in part.items()]
    assert len(dict(whole)) == len(whole)
    return dict(whole)


def test_tasks_one_by_one(workload: Workload, expected: Measurements) -> None:
    """Any work is done so, such as the trainings of aspk finish. Once it is to stop, no task begins."""
    tasks = [[each] for each in SUBNETS[:6]]
    with make_task_executor("ray", workload, ExecutorOptions(2)) as executor:
        found = list(executor.run(tasks, lambda: False))
        assert joined(result for _, result in found) == {each: expected[each] for each in SUBNETS[:6]}
        assert all(task == [*result] for task, result in found)
        assert list(executor.run(tasks, lambda: True)) == []


def test_two_workers_of_this_machine_one_of_which_is_killed(
    workload: Workload,
    expected: Measurements,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert len(set(expected.values())) > len(expected) / 2
    monkeypatch.setattr(ray_executor, "SECONDS_UNTIL_TOLD", 0.01)  # a new process takes longer on any machine
    said: list[str] = []
    with make_executor("ray", workload, ExecutorOptions(2, None, said.append)) as executor:
        assert said[0] == "waiting for 2 workers of Ray to start"
        said.clear()
        assert joined(executor.measure(SUBNETS)) == expected
        first, second = (worker.place.process for worker in sorted(executor.workers, key=lambda each: each.number))
        assert len({first, second, os.getpid()}) == 3

        parts = executor.measure(SUBNETS)
        before = next(parts)
        os.kill(first, signal.SIGKILL)
        assert joined(chain([before], parts)) == expected
        assert [text.partition(" (")[0] for text in said] == ["worker 1"]
        assert said[0].endswith("has died: 1 go on with its shard")
        assert f"(process {first} on " in said[0]

        parts = executor.measure(SUBNETS)
        next(parts)
        os.kill(second, signal.SIGKILL)
        with pytest.raises(UserError, match=r"--executor ray: all workers are lost, the last one: worker 2 \(process"):
            joined(parts)
    assert capfd.readouterr().out == ""


def test_a_cluster_that_loses_a_machine(
    workload: Workload, expected: Measurements, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Which of the workers is on that machine is Ray's choice."""
    monkeypatch.setattr(ray_executor, "SECONDS_UNTIL_TOLD", PATIENCE)
    said: list[str] = []
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    try:
        machine = cluster.add_node(num_cpus=1)
        with make_executor("ray", workload, ExecutorOptions(None, cluster.address, said.append)) as executor:
            while len(executor.workers) < 2:
                assert joined(executor.measure(SUBNETS[:8])) == {each: expected[each] for each in SUBNETS[:8]}
            workers = set(executor.workers)
            parts = executor.measure(SUBNETS)
            before = next(parts)
            cluster.remove_node(machine, allow_graceful=False)
            assert joined(chain([before], parts)) == expected
            while len(executor.workers) == 2:
                assert joined(executor.measure(SUBNETS)) == expected
            (lost,) = workers - set(executor.workers)
            assert said == [f"{lost} has died: 1 go on with its shard"]
    finally:
        cluster.shutdown()


@pytest.mark.parametrize("scheme", ["", "ray://"])
def test_an_address_at_which_nobody_listens(workload: Workload, scheme: str) -> None:
    with socket.socket() as silent:  # it has a port, which nobody else gets meanwhile, and does not listen
        silent.bind(("127.0.0.1", 0))
        address = f"{scheme}127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(UserError) as error, make_executor("ray", workload, ExecutorOptions(None, address)):
            pass
    assert str(error.value) == (
        f"--address {address}: no Ray cluster answers: [Errno 111] Connection refused\n"
        "  start one with: ray start --head; leave --address out for Ray on this machine"
    )


def test_a_machines_memory_is_divided_among_its_workers(workload: Workload, monkeypatch: pytest.MonkeyPatch) -> None:
    machines = [{"Alive": True, "Resources": {"CPU": cpus}} for cpus in (9.0, 4.0, 1.0)]
    monkeypatch.setattr(ray, "nodes", lambda: [*machines, {"Alive": False, "Resources": {"CPU": 64.0}}])

    def given(workers: int | None) -> list[tuple[int, int]]:
        options = ExecutorOptions(workers=workers, address="auto")
        executor = RayExecutor(replace(workload, threads=2, memory=1000), options)
        return [(seat.threads, seat.memory) for seat in executor._seats_of_cluster()]

    assert given(None) == [(2, 250)] * 6
    assert given(2) == [(2, 500)] * 2
    assert given(8) == [(2, 250)] * 8


HOLDING = """
import sys, time
sys.path.insert(0, sys.argv[1])
import test_ray
from autospikformer_cli.evaluation.executors import ExecutorOptions
from aspk_ray.executor import RayExecutor
with RayExecutor(test_ray.make_workload(), ExecutorOptions(workers=2)) as executor:
    print(*(worker.place.process for worker in executor.workers), flush=True)
    time.sleep(600)
"""


def test_no_worker_outlives_a_killed_search() -> None:
    """kill -9: nothing can be said to them any more."""
    command = [sys.executable, "-c", HOLDING, str(Path(__file__).parent)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as holding:
        try:
            assert holding.stdout is not None
            workers = [int(pid) for pid in holding.stdout.readline().split()]
        finally:
            holding.kill()
    assert len(workers) == 2
    end = time.monotonic() + PATIENCE
    while any(is_running(pid) for pid in workers):
        assert time.monotonic() < end
        time.sleep(0.1)


def is_running(pid: int) -> bool:
    """Whether there is such a process, and not only its exit code."""
    try:
        return " (zombie)" not in Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    except FileNotFoundError:
        return False

"""Subnets measured by a real Ray, of this machine and of a cluster, the same as in this process to the last bit."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator, Mapping
from decimal import Decimal
from importlib.metadata import entry_points
from itertools import chain, product

import pytest

if not any(point.name == "ray" for point in entry_points(group="aspk.executors")):
    pytest.skip("aspk-ray is not installed", allow_module_level=True)

import torch
from ray.cluster_utils import Cluster

from autospikformer_cli.data.description import DataDescription
from autospikformer_cli.data.images import ImageSet
from autospikformer_cli.errors import UserError
from autospikformer_cli.evaluation.executors import ExecutorOptions, Workload, make_executor
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

Measured = Mapping[Subnet, Measurement]


def images(number: int, split: str) -> ImageSet:
    generator = torch.Generator().manual_seed(number)
    pixels = torch.randint(256, (number, 8, 8, 1), generator=generator, dtype=torch.uint8)
    labels = torch.randint(4, (number,), generator=generator)
    return ImageSet(pixels, labels, torch.arange(number), split, f"{number:064}")


@pytest.fixture(scope="module")
def workload() -> Workload:
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
def expected(workload: Workload) -> Measured:
    with make_executor("in-process", workload, ExecutorOptions()) as executor:
        return joined(executor.measure(SUBNETS))


def joined(parts: Iterator[Measured]) -> Measured:
    """All parts together, no subnet twice."""
    whole = [item for part in parts for item in part.items()]
    assert len(dict(whole)) == len(whole)
    return dict(whole)


def test_two_workers_of_this_machine_one_of_which_is_killed(
    workload: Workload, expected: Measured, capfd: pytest.CaptureFixture[str]
) -> None:
    assert len(set(expected.values())) > len(expected) / 2
    said: list[str] = []
    with make_executor("ray", workload, ExecutorOptions(2, None, said.append)) as executor:
        assert joined(executor.measure(SUBNETS)) == expected
        first, second = (worker.place.process for worker in sorted(executor.workers, key=lambda each: each.number))
        assert len({first, second, os.getpid()}) == 3

        parts = executor.measure(SUBNETS)
        before = next(parts)
        os.kill(first, signal.SIGKILL)
        assert joined(chain([before], parts)) == expected
        assert [text.partition(" (")[0] for text in said] == ["worker 1"]
        assert said[0].endswith("has died: 1 go on with its share")
        assert f"(process {first} on " in said[0]

        parts = executor.measure(SUBNETS)
        next(parts)
        os.kill(second, signal.SIGKILL)
        with pytest.raises(UserError, match=r"--executor ray: all workers are lost, the last one: worker 2 \(process"):
            joined(parts)
    assert capfd.readouterr().out == ""


def test_a_cluster_that_loses_a_machine(workload: Workload, expected: Measured) -> None:
    said: list[str] = []
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    try:
        machine = cluster.add_node(num_cpus=1)
        with make_executor("ray", workload, ExecutorOptions(None, cluster.address, said.append)) as executor:
            while len(executor.workers) < 2:
                assert joined(executor.measure(SUBNETS[:8])) == {each: expected[each] for each in SUBNETS[:8]}
            parts = executor.measure(SUBNETS)
            before = next(parts)
            cluster.remove_node(machine, allow_graceful=False)
            assert joined(chain([before], parts)) == expected
            while len(executor.workers) == 2:
                assert joined(executor.measure(SUBNETS)) == expected
            assert [text.partition(" (")[0] for text in said] == ["worker 2"]
    finally:
        cluster.shutdown()

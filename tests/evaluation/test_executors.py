"""Subnets measured in this process and by several: the same to the last bit, whoever dies meanwhile."""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from itertools import chain, product
from multiprocessing import active_children
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from autospikformer_cli.data.description import DataDescription
from autospikformer_cli.data.images import ImageSet
from autospikformer_cli.errors import UserError
from autospikformer_cli.evaluation.executors import ExecutorOptions, Workload, make_executor, make_task_executor
from autospikformer_cli.evaluation.processes import seats
from autospikformer_cli.evaluation.tree import in_order
from autospikformer_cli.evaluation.workers import Deal, TaskQueue, shards
from autospikformer_cli.measurement import Measurement
from autospikformer_cli.space import SearchSpace, Subnet
from autospikformer_cli.spiking.layout import NetworkShape
from autospikformer_cli.spiking.supernet import NetworkConfig, Supernet

SPACE = SearchSpace(
    depth=(1, 2),
    mlp_ratio=(Decimal(2), Decimal(3)),
    num_heads=(2, 4),
    threshold=(Decimal("0.6"), Decimal(1)),
    tau=(Decimal("1.25"), Decimal(2)),
    time_step=(1, 2),
    embed_dim=(8, 16),
)


def block_genes() -> Iterator[tuple[Decimal, int, Decimal, Decimal]]:
    return product(SPACE.mlp_ratio, SPACE.num_heads, SPACE.threshold, SPACE.tau)


SUBNETS = [
    Subnet(*([(gene,) * depth for gene in genes]), time_step=steps, embed_dim=dim)  # type: ignore[arg-type]
    for genes, depth, steps, dim in product(block_genes(), SPACE.depth, SPACE.time_step, SPACE.embed_dim)
][::3]


def images(number: int, seed: int, split: str = "validation") -> ImageSet:
    generator = torch.Generator().manual_seed(seed)
    pixels = torch.randint(256, (number, 8, 8, 1), generator=generator, dtype=torch.uint8)
    labels = torch.randint(4, (number,), generator=generator)
    return ImageSet(pixels, labels, torch.arange(number), split, f"{seed:064}")


def make_workload(number: int = 20) -> Workload:
    """A network with random weights in float32, and BatchNorms that keep the neurons firing."""
    config = NetworkConfig(NetworkShape(8, 1, 4, 16, (3,)), SPACE, attention_scale=0.5)
    generator = torch.Generator().manual_seed(3)
    weights = Supernet(config).state_dict()
    for name, tensor in weights.items():
        if tensor.is_floating_point() and "running" not in name:
            low, high = (1.0, 4.0) if "_bn" in name and name.endswith("weight") else (-1.0, 1.0)
            tensor.uniform_(low, high, generator=generator)
    description = DataDescription(4, 1, 8, (0.5,), (0.3,))
    return Workload(
        config, weights, description, images(number, 1), images(16, 2, "train"), "recalibrate", 8, 10**8,
        "event_driven", "float32", "cpu", 2,
    )  # fmt: skip


@pytest.fixture(scope="module")
def workload() -> Workload:
    return make_workload()


@pytest.fixture(scope="module")
def expected(workload: Workload) -> dict[Subnet, Measurement]:
    """In this process, one at a time."""
    evaluator = workload.evaluator()
    return {each: evaluator.measure(each, workload.images).measurement for each in SUBNETS}


@dataclass
class Remarks:
    """What an executor says."""

    said: list[str] = field(default_factory=list)

    def options(self, workers: int | None = None) -> ExecutorOptions:
        return ExecutorOptions(workers, None, self.said.append)


def joined(parts: Iterator[Mapping[Subnet, Measurement]]) -> dict[Subnet, Measurement]:
    """All parts together, no subnet twice."""
    whole = [item for part in parts for item in part.items()]
    assert len(dict(whole)) == len(whole)
    return dict(whole)


def test_the_subnets_differ_in_what_they_measure(expected: Mapping[Subnet, Measurement]) -> None:
    assert len(set(expected.values())) > len(expected) / 2


def test_in_process(workload: Workload, expected: Mapping[Subnet, Measurement]) -> None:
    with make_executor("in-process", workload, ExecutorOptions()) as executor:
        assert joined(executor.measure(SUBNETS)) == expected


def test_processes_measure_the_same_though_one_is_killed(
    workload: Workload, expected: Mapping[Subnet, Measurement]
) -> None:
    remarks = Remarks()
    with make_executor("processes", workload, remarks.options(2)) as executor:
        first, second = sorted(active_children(), key=lambda process: process.name)
        assert joined(executor.measure(SUBNETS)) == expected
        assert joined(executor.measure(SUBNETS[:1])) == {SUBNETS[0]: expected[SUBNETS[0]]}
        assert joined(executor.measure([])) == {}

        left_early = next(executor.measure(SUBNETS))
        assert dict(left_early) == {each: expected[each] for each in left_early}
        assert joined(executor.measure(SUBNETS[:20])) == {each: expected[each] for each in SUBNETS[:20]}

        no_width = replace(SUBNETS[0], embed_dim=8.5)  # type: ignore[arg-type]
        with pytest.raises(TypeError, match="'float' object cannot be interpreted as an integer") as caught:
            joined(executor.measure([*SUBNETS, no_width]))
        assert "in replied" in caught.value.__notes__[0]

        assert remarks.said == []
        parts = executor.measure(SUBNETS)
        before = next(parts)
        assert first.pid is not None
        os.kill(first.pid, signal.SIGKILL)
        assert joined(chain([before], parts)) == expected
        assert remarks.said == [f"worker 1 (process {first.pid}) was killed by SIGKILL: 1 go on with its shard"]

        parts = executor.measure(SUBNETS)
        next(parts)
        second.kill()
        with pytest.raises(UserError) as error:
            joined(parts)
        assert str(error.value) == (
            f"--executor processes: all workers are lost, the last one: worker 2 (process {second.pid}) was killed by "
            "SIGKILL\n  where memory ran out, take fewer --workers; the same command goes on from what was measured"
        )
        with pytest.raises(UserError, match="all workers are lost"):
            joined(executor.measure(SUBNETS))
    assert active_children() == []


@pytest.mark.parametrize(("name", "workers"), [("in-process", None), ("processes", 2)])
def test_tasks_one_by_one(
    name: str, workers: int | None, workload: Workload, expected: Mapping[Subnet, Measurement]
) -> None:
    """Any work is done so, such as the trainings of aspk finish. Once it is to stop, no task begins."""
    tasks = [[each] for each in SUBNETS[:6]]
    with make_task_executor(name, workload, ExecutorOptions(workers)) as executor:
        found = list(executor.run(tasks, lambda: False))
        assert joined(result for _, result in found) == {each: expected[each] for each in SUBNETS[:6]}
        assert all(task == [*result] for task, result in found)
        assert list(executor.run(tasks, lambda: True)) == []


HELD = """\
import importlib.util, itertools, multiprocessing, signal, sys
from autospikformer_cli.evaluation.executors import ExecutorOptions, make_executor

if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored where the tests run in the background
    spec = importlib.util.spec_from_file_location("made", sys.argv[1])
    made = sys.modules["made"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    with make_executor("processes", made.make_workload(), ExecutorOptions(int(sys.argv[2]))) as executor:
        print(*(process.pid for process in multiprocessing.active_children()), flush=True)
        for _ in itertools.count():
            for _ in executor.measure(made.SUBNETS):
                print("part", flush=True)
"""


@pytest.mark.parametrize(("ended_by", "num_workers"), [("ctrl-c", 2), ("kill -9", 1)])
def test_no_worker_outlives_its_parent(
    ended_by: str, num_workers: int, own_folder: Path, wait_until: Callable[[Callable[[], bool]], None]
) -> None:
    script = own_folder / "held.py"
    script.write_text(HELD)
    command = [sys.executable, str(script), __file__, str(num_workers)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as parent:
        assert parent.stdout is not None
        workers = [int(pid) for pid in parent.stdout.readline().split()]
        assert parent.stdout.readline() == "part\n"
        assert [pid for pid in workers if is_alive(pid)] == workers
        if ended_by == "ctrl-c":
            os.killpg(parent.pid, signal.SIGINT)
        else:
            parent.kill()
        assert len(workers) == num_workers
        wait_until(lambda: not any(is_alive(pid) for pid in workers))
        errors = parent.communicate()[1]
    assert errors.count("Traceback") == errors.count("KeyboardInterrupt") == (ended_by == "ctrl-c"), errors


def is_alive(pid: int) -> bool:
    """Whether a process runs; one that has ended and waits for whoever asks how does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


@given(st.lists(st.sampled_from(SUBNETS), unique=True), st.integers(1, 9))
def test_shares_are_neighbours_and_even(subnets: Sequence[Subnet], count: int) -> None:
    cut = shards(subnets, count)
    assert [each for shard in cut for each in shard] == in_order(subnets)
    sizes = {len(shard) for shard in cut}
    assert len(cut) == min(count, len(subnets))
    assert not sizes or max(sizes) - min(sizes) <= 1


def test_a_worker_takes_neighbours_and_then_the_others_last() -> None:
    cut = [[each] for each in SUBNETS[:6]]
    deal = Deal(cut, ["a", "b"])
    assert [deal.take("a") for _ in range(4)] == [cut[0], cut[1], cut[2], cut[5]]
    assert deal.take("b") == cut[3]
    deal.put_back("b", cut[3])
    assert [deal.take("a") for _ in range(3)] == [cut[4], cut[3], None]
    assert not deal


def test_workers_go_backwards_through_their_own() -> None:
    cut = [[each] for each in SUBNETS[:6]]
    deal = Deal(cut, ["a", "b"], backwards=True)
    assert [deal.take("b"), deal.take("a"), deal.take("a")] == [cut[5], cut[2], cut[1]]


@pytest.mark.parametrize("number", [1, 2, 7])
def test_tasks_are_begun_in_their_order_whoever_is_idle(number: int) -> None:
    queue = TaskQueue(range(number))
    assert [queue.take(worker) for worker in "abbabaa"[:number]] == list(range(number))
    assert (queue.take("a"), bool(queue)) == (None, False)
    queue.put_back("b", 0)
    assert (bool(queue), queue.take("a"), bool(queue)) == (True, 0, False)


def test_threads_and_memory_are_divided(workload: Workload) -> None:
    two = [(seat.threads, seat.memory) for seat in seats(replace(workload, threads=5), 2)]
    assert two == [(3, workload.memory // 2), (2, workload.memory // 2)]
    assert [seat.threads for seat in seats(replace(workload, threads=2), 3)] == [1, 1, 1]
    num_workers = {threads: len(seats(replace(workload, threads=threads), None)) for threads in (1, 2, 8, 12)}
    assert num_workers == {1: 1, 2: 2, 8: 2, 12: 3}


def test_one_process_a_device(workload: Workload, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    on_cuda = replace(workload, device="cuda")
    assert [seat.device for seat in seats(on_cuda, None)] == ["cuda:0", "cuda:1"]
    assert [seat.device for seat in seats(on_cuda, 3)] == ["cuda:0", "cuda:1", "cuda:0"]
    assert [seat.device for seat in seats(replace(workload, device="cuda:1"), None)] == ["cuda:1"]


def test_a_workload_can_be_sent(workload: Workload, expected: Mapping[Subnet, Measurement]) -> None:
    sent: Workload = pickle.loads(pickle.dumps(workload))  # noqa: S301
    assert sent.evaluator().measure(SUBNETS[5], sent.images).measurement == expected[SUBNETS[5]]


MISTAKES: list[tuple[str, dict[str, Any], str]] = [
    (
        "proceses",
        {},
        "--executor proceses: 'proceses' is not one of the executors\n  did you mean processes?",
    ),
    (
        "in-process",
        {"workers": 2},
        "--workers: 2 workers do not fit in one process\n  add --executor processes",
    ),
    (
        "processes",
        {"workers": 0},
        "--workers: 0 workers measure nothing\n  write a whole number from 1 on",
    ),
    (
        "processes",
        {"address": "auto"},
        "--address: only a cluster has an address\n  leave it out, or add --executor ray",
    ),
]


@pytest.mark.parametrize(("name", "options", "message"), MISTAKES)
def test_mistakes_are_told_before_anything_starts(
    name: str, options: dict[str, Any], message: str, workload: Workload
) -> None:
    with pytest.raises(UserError) as error:
        make_executor(name, workload, ExecutorOptions(**options))
    assert str(error.value) == message


WITHOUT_PLUGINS = """\
import importlib.metadata, sys
ours = importlib.metadata.distribution("autospikformer-cli")
importlib.metadata.Distribution.discover = classmethod(lambda cls, **kwargs: iter([ours]))
from autospikformer_cli.errors import UserError
from autospikformer_cli.evaluation.executors import EXECUTORS, require_executor
assert EXECUTORS.names() == ("in-process", "processes"), EXECUTORS.names()
try:
    require_executor("ray")
except UserError as error:
    print(error)
assert not {"torch", "ray"} & set(sys.modules)
"""


def test_the_missing_plugin_is_named() -> None:
    done = subprocess.run([sys.executable, "-c", WITHOUT_PLUGINS], capture_output=True, text=True, check=True)
    assert done.stdout == (
        "--executor ray: the executor ray is not installed\n  it is a plugin: pip install aspk-ray\n"
    )

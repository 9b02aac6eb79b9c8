"""The largest numbers that aspk takes, wherever they come in."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from autospikformer_cli.bounds import require_at_most
from autospikformer_cli.errors import Faults, UserError
from autospikformer_cli.evaluation.executors import ExecutorOptions, require_executor
from autospikformer_cli.recipe import load_recipe
from autospikformer_cli.runs.finishing.options import FinishOptions
from autospikformer_cli.runs.ranking import RankingSettings
from autospikformer_cli.runs.searching.several import several_overrides


def test_the_bound_itself_is_taken() -> None:
    require_at_most(3, 3, "things", "--things")
    require_at_most(None, 3, "things", "--things")
    with pytest.raises(UserError) as refused:
        require_at_most(4000, 3000, "things", "--things")
    assert str(refused.value) == "--things: 4,000 things are too many\n  ask for at most 3,000"


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (lambda: FinishOptions(best=10_001), "best: 10,001 networks"),
        (lambda: FinishOptions(epochs=100_001), "epochs: 100,001 epochs"),
        (lambda: FinishOptions(retrained_epochs=100_001), "retrained_epochs: 100,001 epochs"),
        (lambda: FinishOptions(seeds=1_001), "seeds: 1,001 seeds"),
        (lambda: RankingSettings(10_001, 1), "sample: 10,001 subnets"),
        (lambda: RankingSettings(3, 100_001), "epochs: 100,001 epochs"),
        (lambda: RankingSettings(3, 1, seeds=1_001), "seeds: 1,001 seeds"),
        (lambda: several_overrides(Path("runs/none"), (), (), 1_001), "seeds: 1,001 seeds"),
        (lambda: require_executor("processes", ExecutorOptions(workers=1_025)), "--workers: 1,025 workers"),
    ],
)
def test_each_number_has_its_place(call: Callable[[], object], told: str) -> None:
    with pytest.raises(UserError) as refused:
        call()
    assert str(refused.value).startswith(f"{told} are too many\n  ask for at most ")


@pytest.mark.parametrize(
    ("most", "keys"),
    [
        ("1e+38", ("lr", "lr_start", "lr_end", "matrix_lr")),
        ("1000000", ("norm_bias_lr_factor", "weight_decay", "matrix_weight_decay", "mixup")),
    ],
)
def test_rates_and_factors_have_bounds(most: str, keys: tuple[str, ...]) -> None:
    for key in keys:
        with pytest.raises(Faults) as refused:
            load_recipe("quickstart", {f"train.{key}": 1e200})
        told = [fault.what for fault in refused.value.faults]
        assert told == [f"train.{key} is 1e+200, it must be at most {most}"]


@pytest.mark.parametrize("key", ["train.epochs", "train.warmup_epochs", "train.cooldown_epochs", "search.population"])
def test_keys_have_bounds_too(key: str) -> None:
    with pytest.raises(Faults) as refused:
        load_recipe("quickstart", {key: 10**9})
    assert any(f"{key} is 1000000000, it must be at most 1" in str(fault) for fault in refused.value.faults)

"""What --dry-run counts."""

from __future__ import annotations

from collections.abc import Callable
from itertools import chain, count, product
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from autospikformer_cli.data.description import describe
from autospikformer_cli.data.images import load_split
from autospikformer_cli.engine.compute import make_compute
from autospikformer_cli.engine.names import OfThisProcess
from autospikformer_cli.errors import UserError
from autospikformer_cli.recipe import load_recipe
from autospikformer_cli.runs.data_plan import data_plan
from autospikformer_cli.runs.pace import TimePerUnit, measured_pace, random_images
from autospikformer_cli.runs.plans import search_plan, training_plan

Aspk = Callable[..., Any]


def test_a_training_of_the_first_tour() -> None:
    plan = training_plan(load_recipe("quickstart"), OfThisProcess())
    per_block = 3 * 2 * 5 * 5
    assert plan["subnets"] == (per_block + per_block**2) * 3 * 3
    assert plan["images"] == 1079
    assert plan["steps"] == 30 * 17
    assert plan["params_smallest"] < plan["params_largest"]


def test_memory_grows_with_batch_and_precision() -> None:
    def memory(batch: int, precision: str) -> int:
        return training_plan(load_recipe("quickstart", [f"train.batch={batch}"]), OfThisProcess(precision=precision))[
            "memory_bytes"
        ]

    assert memory(32, "float32") < memory(64, "float32") < 2 * memory(32, "float32")
    assert memory(64, "float64") == 2 * memory(64, "float32")
    assert memory(5000, "float32") == memory(1079, "float32")


def test_a_search_counts_what_it_measures() -> None:
    plan = search_plan(load_recipe("quickstart", ["model.evaluation_batch=64"]), "float32", "dense")
    assert (plan["images"], plan["calibration_images"], plan["evaluations"]) == (359, 128, 320)
    assert plan["steps"] == 320 * 6
    most = search_plan(load_recipe("quickstart", ["model.calibration_images=100000"]), "float32", "dense")
    assert most["calibration_images"] == 1079


def test_a_search_keeps_stems_within_its_memory() -> None:
    def plan(megabytes: int) -> dict[str, int]:
        recipe = load_recipe("quickstart", [f"model.evaluation_memory={megabytes}"])
        return search_plan(recipe, "float32", "event_driven")

    large, small = plan(2000), plan(1)
    tokens, images = 4 * 4, 359 + 128
    dims = load_recipe("quickstart").space.embed_dim
    stems = [images * steps * tokens * dim // 4 for steps in (2, 3, 4) for dim in dims]
    assert large["stems_bytes"] == sum(stems)
    assert small["stems_bytes"] == max(*stems, 800_000)
    assert small["waiting_bytes"] == 200_000 < large["waiting_bytes"] <= 4 * 10**8
    assert small["memory_bytes"] == max(small["recalibration_bytes"], small["evaluation_bytes"]) + (
        small["stems_bytes"] + small["waiting_bytes"]
    )


def test_the_ann_runs_one_step() -> None:
    def memory(*overrides: str) -> int:
        return training_plan(load_recipe("quickstart", overrides), OfThisProcess())["memory_bytes"]

    one_step = memory("space.time_step=[1]")
    assert memory('model.network="transformer"') == one_step < memory()


def test_a_search_of_a_small_space_on_few_images() -> None:
    small = ["depth=[1]", "mlp_ratio=[2]", "num_heads=[2]", "threshold=[1]", "tau=[2]", "time_step=[2, 3]"]
    overrides = [f"space.{text}" for text in small]
    recipe = load_recipe("quickstart", [*overrides, 'model.batchnorm="running"', "search.images=10"])
    plan = search_plan(recipe, "float32", "event_driven")
    assert (plan["images"], plan["calibration_images"], plan["evaluations"], plan["steps"]) == (10, 0, 6, 6)


def test_time_is_that_of_all_steps() -> None:
    def plan(epochs: int) -> dict[str, Any]:
        overrides = [f"train.epochs={epochs}", "train.warmup_epochs=0", "train.cooldown_epochs=0"]
        return training_plan(
            load_recipe("quickstart", overrides), OfThisProcess(), lambda images: TimePerUnit(images / 1079, "told")
        )

    assert (plan(1)["seconds"], plan(6)["seconds"]) == (17.0, 6 * 17.0)
    assert plan(6)["seconds_from"] == "told"
    assert training_plan(load_recipe("quickstart"), OfThisProcess())["seconds"] is None
    searched = search_plan(load_recipe("quickstart"), "float32", "dense", TimePerUnit(0.5, "told"))
    assert searched["seconds"] == 0.5 * 320 * 359


@pytest.mark.parametrize(
    ("recipe", "classes", "sizes"),
    [("cifar100-small", 100, (45_000, 5_000, 10_000)), ("nmnist", 10, (54_000, 6_000, 10_000)),
     ("cifar10dvs", 10, (8_100, 900, 1_000))],
)  # fmt: skip
def test_sizes_of_a_published_data_set_that_is_missing(
    own_folder: Path, recipe: str, classes: int, sizes: tuple[int, int, int]
) -> None:
    config = load_recipe(recipe, ["data.root='nowhere'", "data.validation=0.1"]).data
    plan = data_plan(config, 0)
    assert plan.missing == own_folder / "nowhere"
    assert (plan.classes, tuple(plan.sizes[split] for split in ("train", "validation", "test"))) == (classes, sizes)
    whole = load_recipe(recipe, ["data.root='nowhere'", "data.validation=0"]).data
    assert "validation" not in data_plan(whole, 0).sizes


@pytest.mark.parametrize("recipe", ["cifar10-small", "cifar100-small", "nmnist", "cifar10dvs"])
def test_a_missing_data_set_is_cut_as_the_images_would_be(own_folder: Path, recipe: str) -> None:
    """data.train_images takes some of those that train, as in a run."""
    few = ["data.root='nowhere'", "data.validation=0.1", "data.train_images=2000"]
    sizes = data_plan(load_recipe(recipe, few).data, 0).sizes
    assert sizes["train"] == 2000
    assert sizes["validation"] == data_plan(load_recipe(recipe, few[:2]).data, 0).sizes["validation"]
    with pytest.raises(UserError, match=r"data\.train_images: 1,000,000 images cannot be taken of the train split"):
        data_plan(load_recipe(recipe, [*few[:2], "data.train_images=1000000"]).data, 0)


def test_plans_count_the_images_that_are_taken(own_folder: Path) -> None:
    overrides = ["data.root='nowhere'", "data.train_images=500", "train.batch=64", "model.calibration_images=600"]
    recipe = load_recipe("cifar10-small", overrides)
    training = training_plan(recipe, OfThisProcess())
    assert (training["images"], training["steps"]) == (500, recipe.train.total_epochs * 8)
    assert search_plan(recipe, "float32", "dense")["calibration_images"] == 500


def agree(recipe: str, *overrides: str) -> None:
    """The plan's sizes are those of the splits that a run reads."""
    config = load_recipe(recipe, overrides).data
    plan = data_plan(config, 3)
    assert plan.missing is None
    assert plan.sizes == {split: len(load_split(config, 3, split)) for split in plan.sizes}


@pytest.mark.parametrize("keys", [(), ("data.train_images=40",), ("data.train_images=40", "data.validation=0")])
def test_a_plan_agrees_with_what_a_run_reads(own_folder: Path, recordings: Any, keys: tuple[str, ...]) -> None:
    for part, name, number in product(("train", "test"), ("a", "b"), range(30)):
        path = Path(f"mine/{part}/{name}/{number}.png")
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (8, 8), number).save(path)
    agree("quickstart", *keys)
    agree("quickstart", "data.dataset='folder'", "data.root='mine'", "data.image_size=8", *keys)
    for part in ("Train", "Test"):
        recordings.nmnist(own_folder / "N", per_class=6, part=part)
    agree("nmnist", "data.root='N'", "data.validation=0.2", *keys)


@pytest.mark.shared
def test_a_plan_agrees_with_what_a_run_reads_of_cifar(cifar10_root: Path) -> None:
    agree("cifar10-small", f"data.root='{cifar10_root}'", "data.train_images=2000")


def test_sizes_of_ones_own_folder(own_folder: Path) -> None:
    """They are counted from names: the files are no images."""
    for part, number in (("train", 10), ("test", 3)):
        for name in ("a", "b"):
            Path(f"mine/{part}/{name}").mkdir(parents=True)
            for index in range(number):
                Path(f"mine/{part}/{name}/{index}.png").write_text("no image")
    overrides = ["data.dataset='folder'", "data.root='mine'", "data.image_size=8", "data.validation=0.2"]
    plan = data_plan(load_recipe("quickstart", overrides).data, 0)
    assert (plan.missing, plan.classes) == (None, 2)
    assert plan.sizes == {"train": 16, "validation": 4, "test": 6}


def test_files_that_a_run_would_leave_out_are_told_before(aspk: Aspk, own_folder: Path) -> None:
    for name, number in product(("a", "b"), range(10)):
        path = own_folder / "mine" / name / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("no image")
    (own_folder / "mine" / "a" / "b.gif").write_text("GIF")
    mine = ("--set", 'data={dataset="folder", root="mine", image_size=8}')
    done = aspk("train", "quickstart", *mine, "--dry-run")
    assert done.exit_code == 0
    assert f"{own_folder}/mine: files of other kinds than images are left out: 1 .gif" in done.stderr


def test_measured_steps(own_folder: Path) -> None:
    recipe = load_recipe("quickstart", ["train.batch=8"])
    pace = measured_pace(recipe, make_compute(threads=1), 1000)
    assert pace.seconds > 0
    assert pace.source.endswith(" of random images measured, without validation")
    events = random_images(describe(load_recipe("quickstart-events").data), 3)
    assert events.images.shape[0] == len(events.labels) == 3
    assert events.images.ndim == 5


def test_the_first_step_which_compiles_is_not_measured(own_folder: Path) -> None:
    """By this clock it takes 1,000 s, and each step after it 0.5 s."""
    times = chain([0.0, 1000.0], count(1000.5, 0.5))
    recipe = load_recipe("quickstart", ["train.batch=8"])
    pace = measured_pace(recipe, make_compute(threads=1), 1000, clock=lambda: next(times))
    assert pace == TimePerUnit(0.5, "5 steps of random images measured, without validation")


@pytest.mark.parametrize("large", ["space.embed_dim=[1000000]", "space.time_step=[100000]", "data.image_size=100000"])
def test_what_is_too_large_is_not_measured(aspk: Aspk, own_folder: Path, large: str) -> None:
    done = aspk("train", "quickstart", "--set", large, "--dry-run", "--json")
    assert done.exit_code == 0
    assert done.document["seconds"] is None
    assert done.document["seconds_from"] == "a step is too large to be measured here"

"""What --dry-run counts."""

from __future__ import annotations

from autospikformer_cli.recipe import load_recipe
from autospikformer_cli.runs.plans import search_plan, training_plan


def test_a_training_of_the_first_tour() -> None:
    plan = training_plan(load_recipe("quickstart"), "float32")
    per_block = 3 * 2 * 5 * 5
    assert plan["subnets"] == (per_block + per_block**2) * 3 * 3
    assert plan["images"] == 1079
    assert plan["steps"] == 30 * 17
    assert plan["params_smallest"] < plan["params_largest"]


def test_memory_grows_with_batch_and_precision() -> None:
    def memory(batch: int, precision: str) -> int:
        return training_plan(load_recipe("quickstart", [f"train.batch={batch}"]), precision)["memory_bytes"]

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
        return training_plan(load_recipe("quickstart", overrides), "float32")["memory_bytes"]

    one_step = memory("space.time_step=[1]")
    assert memory('model.network="transformer"') == one_step < memory()


def test_a_search_of_a_small_space_on_few_images() -> None:
    small = ["depth=[1]", "mlp_ratio=[2]", "num_heads=[2]", "threshold=[1]", "tau=[2]", "time_step=[2, 3]"]
    overrides = [f"space.{text}" for text in small]
    recipe = load_recipe("quickstart", [*overrides, 'model.batchnorm="running"', "search.images=10"])
    plan = search_plan(recipe, "float32", "event_driven")
    assert (plan["images"], plan["calibration_images"], plan["evaluations"], plan["steps"]) == (10, 0, 6, 6)

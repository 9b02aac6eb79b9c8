"""The table of a subnet without its parts, and what it says in words."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from rich.console import RenderableType

from autospikformer_cli.analysis.ablation import accuracy_changes
from autospikformer_cli.measurement import Measurement
from autospikformer_cli.recipe import Recipe, load_recipe
from autospikformer_cli.report.ablation_table import ablation_report
from autospikformer_cli.runs.ablation import Ablation, BlockAblations, parts_of
from autospikformer_cli.space import Subnet, parse_subnet

Render = Callable[[RenderableType, int], list[str]]
RECIPE = load_recipe("quickstart")
NUM = 200


def answers(wrong: range, num: int = NUM) -> Measurement:
    """Of a network that is wrong on these images."""
    right = np.array([place not in wrong for place in range(num)])
    return Measurement(int(right.sum()), num, 1000, (), (), 0, answers=np.packbits(right).tobytes())


class Images:
    """As many images as are said, of a split."""

    def __init__(self, num: int, split: str) -> None:
        self.num, self.split = num, split

    def __len__(self) -> int:
        return self.num


def found(
    wrong: list[range], num: int = NUM, subnet: Subnet | None = None, recipe: Recipe = RECIPE, split: str = "validation"
) -> BlockAblations:
    """The whole subnet errs on 10 images, each part's absence on the given ones. Each part saves a microjoule."""
    chosen = subnet or recipe.space.search_space().largest()
    whole, measured = answers(range(10), num), [answers(each, num) for each in wrong]
    changes = accuracy_changes(whole.answers or b"", [each.answers or b"" for each in measured], num)
    parts = parts_of(chosen)
    assert len(parts) == len(wrong)
    ablations = [
        Ablation(part, each, change, 4e-6, 4.9e-6) for part, each, change in zip(parts, measured, changes, strict=True)
    ]
    images: Any = Images(num, split)
    return BlockAblations(
        chosen, images, recipe, "dense", 128, "runs/x", False, whole, 5e-6, tuple(ablations), ()
    )  # fmt: skip


LOSSES = [range(60), range(20), range(18), range(10), range(12), range(5)]
"""Images that are wrong without block 0, its attention, its MLP, and the same of block 1."""


def test_a_row_for_each_part(render: Render) -> None:
    lines = render(ablation_report(found(LOSSES)), 100)
    rows = [line for line in lines if line.startswith(("nothing", "block", "  attention", "  MLP"))]
    assert [row.split()[0] for row in rows] == ["nothing", "block", "attention", "MLP", "block", "attention", "MLP"]
    assert rows[0].split() == ["nothing", "95.00", "(91.0–97.3)", "5.000", "–"]
    assert rows[1].split()[2:] == [
        "70.00", "(63.3–75.9)", "-25.00", "1.8e-15", "1.1e-14", "4.000", "-1.000", "-20.0", "-2.0", "–",
    ]  # fmt: skip
    assert rows[3].split()[3:6] == ["-4.00", "0.0078", "0.031"]
    assert max(map(len, lines)) <= 100


def test_what_a_narrow_console_has_no_room_for_is_named(render: Render) -> None:
    lines = render(ablation_report(found(LOSSES)), 80)
    assert "not shown at this width: Change (µJ), Fr, p (--json has all)" in " ".join(lines)
    assert max(map(len, lines)) <= 80
    assert any(line.startswith("block 1") and line.endswith("-2.0") for line in lines)


def test_sentences_say_what_the_tests_do(render: Render) -> None:
    """Block 1 costs nothing, so its halves are not listed again."""
    text = " ".join(" ".join(render(ablation_report(found(LOSSES)), 100)).split())
    assert (
        "Without block 1, accuracy is not measurably lower (+0.00 points, 95 % interval -1.4 to +1.4, p = 1); "
        "energy falls by 20.0 %. What is left is the subnet (1, 4, 4, 1, 2, 4, 48)."
    ) in text
    assert "Accuracy is measurably lower without block 0, the attention of block 0 or the MLP of block 0." in text
    assert text.count("Without block") == 1
    assert "on 200 images, one below 3 points is never significant" in text
    assert "Holm: adjusted for 6 parts" in text


def test_a_loss_that_only_one_test_sees_is_undecided(render: Render) -> None:
    text = " ".join(render(ablation_report(found([range(60), range(17), *[range(10)] * 4])), 100))
    assert "Undecided: the attention of block 0. p is below 0.05 for each alone, but not for all 6 together." in text
    document = found([range(60), range(17), *[range(10)] * 4]).to_document()
    assert [each["finding"] for each in document["ablations"]] == [  # type: ignore[attr-defined]
        "lower", "undecided", "within_chance", "within_chance", "within_chance", "within_chance",
    ]  # fmt: skip


def test_a_part_that_harms_is_said_to(render: Render) -> None:
    text = " ".join(render(ablation_report(found([range(60), range(0), *[range(60)] * 4])), 100))
    assert "Without the attention of block 0, accuracy is measurably higher (+5.00 points" in text


def test_without_its_only_block_stem_and_head_are_left(render: Render) -> None:
    shallow = parse_subnet("(1, 4, 4, 1, 2, 4, 48)")
    text = " ".join(" ".join(render(ablation_report(found([range(10)] * 3, subnet=shallow)), 100)).split())
    assert (
        "Without block 0, accuracy is not measurably lower (+0.00 points, 95 % interval -1.4 to +1.4, p = 1); "
        "energy falls by 20.0 %. What is left is stem and head."
    ) in text


def test_too_few_images_for_any_finding(render: Render) -> None:
    text = " ".join(render(ablation_report(found([range(5)] * 6, num=5)), 100))
    assert "! 5 images cannot show any loss: p is never below 0.05. Take more." in text
    assert "Without block" not in text


@pytest.mark.parametrize(
    ("change", "warning"),
    [
        ({"imported": True}, "the weights are imported, and may have been trained on these validation images"),
        ({"images": Images(NUM, "train")}, "measured on training images, because this run holds no others out"),
        (
            {"whole": replace(answers(range(10)), non_finite=3)},
            "not finite, so that its accuracy means nothing: the whole subnet (3 images)",
        ),
    ],
)
def test_warnings(render: Render, change: dict[str, Any], warning: str) -> None:
    text = " ".join(render(ablation_report(replace(found(LOSSES), **change)), 100))
    assert f"! {warning}" in text

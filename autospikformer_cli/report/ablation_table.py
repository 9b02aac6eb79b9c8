"""What a subnet's blocks give and cost: the table of `aspk analyze blocks`, and what it says in words."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.text import Text

from autospikformer_cli.analysis.ablation import AccuracyChange
from autospikformer_cli.analysis.correlation import binomial_interval
from autospikformer_cli.analysis.paired import SIGNIFICANCE, least_significant, p_text
from autospikformer_cli.measurement import Measurement
from autospikformer_cli.report.provenance import batchnorm_text, energy_facts, fidelity_notes
from autospikformer_cli.report.tables import GAP, MAX_WIDTH, format_accuracy, plain_table
from autospikformer_cli.runs.ablation import Ablation, BlockAblations, left_out_gladly
from autospikformer_cli.runs.selection import silence_notes
from autospikformer_cli.units import EnergyUnit, energy_unit, format_share
from autospikformer_cli.wording import counted

NOTE_WIDTH = 80
HALF_ROWS = {"attention": "  attention", "mlp": "  MLP"}
OPTIONAL_COLUMNS = ("change", "fr", "p", "silenced")
"""Columns that a narrow console leaves out, the first first."""


def ablation_report(found: BlockAblations, verbose: bool = False) -> RenderableType:
    """The table, what it says in words, and what its numbers rest on. verbose: list every switch."""
    says = [*_findings(found), *_warnings(found)]
    rests_on = [*_conditions(found), *fidelity_notes(found.recipe, verbose)]
    paragraphs = (["", *lines] for lines in (says, rests_on) if lines)
    return Group(AblationTable(found), *(Text(textwrap.fill(line, NOTE_WIDTH)) for each in paragraphs for line in each))


@dataclass(frozen=True)
class AblationTable:
    """A line for the whole subnet, and one for each part that it is measured without."""

    found: BlockAblations

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Render with as many columns as fit."""
        found = self.found
        unit = energy_unit([found.whole_j, *(each.energy_j for each in found.ablations)])
        heads = _heads(unit)
        rows = [_whole_cells(found, unit), *(_cells(each, found.whole_j, unit) for each in found.ablations)]
        left_out = _left_out(heads, rows, min(options.max_width, MAX_WIDTH))
        names = ", ".join(heads[name].replace("\n", " ") for name in left_out)
        note = f"not shown at this width: {names} (--json has all)" if left_out else None
        table = plain_table(f"{found.subnet} without each of its parts\n{found.origin}", note)
        shown = [name for name in heads if name not in left_out]
        for name in shown:
            table.add_column(heads[name], justify="left" if name == "part" else "right", no_wrap=True)
        for place, row in enumerate(rows):
            table.add_row(*(Text(row.get(name, "")) for name in shown))
            if place == 0:
                table.add_section()
        yield table


def _heads(unit: EnergyUnit) -> dict[str, str]:
    return {
        "part": "Without",
        "top1": "Acc (%)",
        "points": "Change\n(points)",
        "p": "p",
        "holm": "p of all\n(Holm)",
        "energy": f"Energy\n({unit.symbol})",
        "change": f"Change\n({unit.symbol})",
        "percent": "Change\n(%)",
        "silenced": "Silenced\n(%)",
        "fr": "Fr",
    }


def _left_out(heads: dict[str, str], rows: Sequence[dict[str, str]], width: int) -> tuple[str, ...]:
    """The first optional columns without which the others fit."""
    widths = {
        name: GAP + max(map(cell_len, [*head.splitlines(), *(row.get(name, "") for row in rows)]))
        for name, head in heads.items()
    }
    for num in range(len(OPTIONAL_COLUMNS) + 1):
        left_out = OPTIONAL_COLUMNS[:num]
        if sum(size for name, size in widths.items() if name not in left_out) - GAP <= width:
            break
    return left_out


def _measured_cells(measured: Measurement, energy_j: float, unit: EnergyUnit) -> dict[str, str]:
    interval = binomial_interval(measured.correct, measured.images)
    return {
        "top1": format_accuracy(measured.top1, interval),
        "energy": unit.number(energy_j),
        "fr": format_share(measured.firing_rate),
    }


def _whole_cells(found: BlockAblations, unit: EnergyUnit) -> dict[str, str]:
    return {"part": "nothing", **_measured_cells(found.whole, found.whole_j, unit)}


def _cells(ablation: Ablation, whole_j: float, unit: EnergyUnit) -> dict[str, str]:
    part, change = ablation.part, ablation.change
    return {
        "part": part.name if part.half is None else HALF_ROWS[part.half],
        **_measured_cells(ablation.measurement, ablation.energy_j, unit),
        "points": f"{change.points:+.2f}",
        "p": p_text(change.probability),
        "holm": p_text(change.adjusted),
        "change": f"{(ablation.energy_j - whole_j) / unit.joules:+.{unit.decimals}f}",
        "percent": _percent(ablation.energy_j, whole_j),
        "silenced": _percent(ablation.silenced_j, whole_j),
    }


def _percent(energy_j: float, whole_j: float) -> str:
    return f"{100.0 * (energy_j / whole_j - 1.0):+.1f}"


def _findings(found: BlockAblations) -> Iterator[str]:
    """A sentence for each part without which no loss is measured, and for those with one."""
    num_images = len(found.images)
    least = least_significant(num_images)
    if least is None:
        yield f"! {counted(num_images, 'image')} cannot show any loss: p is never below {SIGNIFICANCE:g}. Take more."
        return
    gladly = left_out_gladly(found.ablations)
    for each in gladly:
        yield _without(each, found)
    by_finding = {
        kind: [each.part.name for each in found.ablations if each.change.finding == kind]
        for kind in ("lower", "undecided")
    }
    if by_finding["lower"]:
        yield f"Accuracy is measurably lower without {_listed(by_finding['lower'])}."
    if by_finding["undecided"]:
        one_by_one = f"p is below {SIGNIFICANCE:g} for each alone, but not for all {len(found.ablations)} together"
        yield f"Undecided: {_listed(by_finding['undecided'])}. {one_by_one}."
    if gladly:
        yield (
            f"! No loss measured is not no loss: on {num_images:,} images, one below {100.0 * least / num_images:.2g} "
            "points is never significant. Parts that were picked by these images look better on them than on others. "
            "Two parts left out together may cost more than each."
        )


def _without(ablation: Ablation, found: BlockAblations) -> str:
    part, change = ablation.part, ablation.change
    higher = change.finding == "higher"
    says = "accuracy is measurably higher" if higher else "accuracy is not measurably lower"
    verb = "falls" if ablation.energy_j <= found.whole_j else "rises"
    percent = abs(100.0 * (ablation.energy_j / found.whole_j - 1.0))
    text = f"Without {part.name}, {says} ({_change_text(change)}); energy {verb} by {percent:.1f} %."
    if part.half is not None or part.block < found.subnet.depth - 1:
        return text
    left = "stem and head" if found.subnet.depth == 1 else found.shallower and f"the subnet {found.shallower}"
    return f"{text} What is left is {left}." if left else text


def _change_text(change: AccuracyChange) -> str:
    low, high = change.interval
    return f"{change.points:+.2f} points, 95 % interval {low:+.1f} to {high:+.1f}, p = {p_text(change.probability)}"


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} or {names[-1]}"


def _warnings(found: BlockAblations) -> Iterator[str]:
    yield from silence_notes([("this subnet", found.whole)])
    networks = [("the whole subnet", found.whole)]
    networks += [(f"that without {each.part.name}", each.measurement) for each in found.ablations]
    infinite = [f"{name} ({each.non_finite} images)" for name, each in networks if each.non_finite]
    if infinite:
        yield f"! not finite, so that its accuracy means nothing: {', '.join(infinite)}"
    if found.images.split == "train":
        yield "! measured on training images, because this run holds no others out: losses look larger than they are"
    elif found.imported:
        yield f"! the weights are imported, and may have been trained on these {found.images.split} images"
    yield from (f"! {remark}" for remark in found.remarks)


def _conditions(found: BlockAblations) -> Iterator[str]:
    recipe, images = found.recipe, len(found.images)
    statistics = batchnorm_text(recipe.model.batchnorm, images, recipe.resolved_switches(), found.calibration_images)
    own = {
        "recalibrate": ", for each network anew: without a part, all later layers read others",
        "running": ': of the training, which knew every part; model.batchnorm = "recalibrate" measures them anew',
    }.get(recipe.model.batchnorm, "")
    tests = counted(len(found.ablations), "part")
    yield f"measured, not retrained: the same {images:,} {found.images.split} images for all; interval: 95 %, Wilson"
    yield f"p: McNemar's exact test, two-sided; Holm: adjusted for {tests}; interval of a change: Bonett and Price"
    yield (
        "Silenced: the change of energy if the part stays and computes, and adds zeros to the stream; all answers are "
        "the same as without it"
    )
    yield f"BatchNorm: {statistics}{own}"
    yield f"engine: {found.engine}; energy: {'; '.join(energy_facts(recipe))}"

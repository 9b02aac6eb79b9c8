"""How the networks of `aspk finish` were trained, tested and compared, in sentences for a methods section."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from autospikformer_cli.analysis.paired import SIGNIFICANCE
from autospikformer_cli.report.finish_notes import named_guessing
from autospikformer_cli.report.training_methods import augmentation_of, batches_of, optimizer_of
from autospikformer_cli.runs.finishing.results import FinishResults
from autospikformer_cli.wording import counted

FinishFacts = Mapping[str, bool | int | float | str | None]


def finish_sentences(found: FinishResults) -> Iterator[str]:
    """Which networks, how they were trained, and what was tested."""
    names = {row.network.name: row.network for row in found.rows}
    num, family, anns = (sum(each.role == role for each in names.values()) for role in ("found", "family", "ann"))
    chosen = "on the Pareto front" if found.best is None else "best by F_AEB"
    others = [f"{counted(family, 'other hand-made Spikformer')}"] if family else []
    others += [f"{counted(anns, 'ANN')} of these shapes"] if anns else []
    *first, last = [f"{counted(num, 'subnet')} {chosen}", "the baseline", *others]
    yield (
        f"For the final comparison, {', '.join(first)} and {last} were tested on all {found.images:,} test images, "
        "each network once a training, after its last epoch; nothing was chosen by them."
    )
    yield from _on_trainings(found, num, family, anns)
    train, data = found.recipe.train, found.recipe.data
    mixup = f"mixup {train.mixup:g}" if train.mixup else "no mixup"
    yield (
        f"These trainings used {optimizer_of(train)} with {batches_of(train)}, learning rate "
        f"{train.lr:g}, weight decay {train.weight_decay:g}, label smoothing {train.label_smoothing:g}, {mixup} and "
        f"{augmentation_of(data)}; warm-up and cool-down were shortened in proportion to the epochs."
    )
    yield from _on_faults(found)
    yield from _on_comparisons(found)


def _on_trainings(found: FinishResults, num: int, family: int, anns: int) -> Iterator[str]:
    """Which weights each training began with. num, family, anns: subnets found, other hand-made networks, ANNs."""
    lengths = [f"{counted(found.retrained_epochs, 'epoch')} from the supernet's weights"]
    scratch = None if found.epochs is None else f"{counted(found.epochs, 'epoch')} from random first weights"
    searched = f"The {'subnet' if num == 1 else 'subnets'} and the baseline were" if num else "The baseline was"
    yield f"{searched} trained alone, for {' and for '.join([*lengths, *([scratch] if scratch else [])])}."
    others = ["the other hand-made Spikformer" + "s" * (family > 1)] if family else []
    others += ["the ANN" + "s" * (anns > 1)] if anns else []
    if others and scratch:
        who, were = " and ".join(others), "were" if family + anns > 1 else "was"
        yield f"{who[:1].upper()}{who[1:]} {were} trained for {scratch} only."
    validated = "those of validation among them" if found.all_images else "those of validation not among them"
    yield (
        f"Each was trained with {counted(len(found.seeds), 'seed')} ({', '.join(map(str, found.seeds))}), on "
        f"{found.train_images:,} images, {validated}."
    )


def _on_faults(found: FinishResults) -> Iterator[str]:
    diverged = sum(len(row.diverged) for row in found.rows)
    if diverged:
        yield f"Of the trainings, {diverged:,} diverged and {'is' if diverged == 1 else 'are'} left out."
    guessing = [row for row in found.rows if found.guessing(row)]
    if guessing:
        num = sum(len(found.guessing(row)) for row in guessing)
        names = "; ".join(named_guessing(row, found) for row in guessing)
        what = f"{num:,} {'shows' if num == 1 else 'show'} an accuracy no better than guessing one of"
        yield f"Of these tests, {what} {found.classes:,} classes ({names})."


def _on_comparisons(found: FinishResults) -> Iterator[str]:
    comparisons = [each for each in found.comparisons if each is not None]
    if not comparisons:
        return
    methods = "; ".join(dict.fromkeys(each.difference.method.partition(" of ")[0] for each in comparisons))
    adjusted = ""
    if len(comparisons) > 1:
        adjusted = (
            f"; probabilities are adjusted for all {len(comparisons):,} comparisons (Holm), and intervals are not"
        )
    yield (
        "Accuracies were compared with the baseline's of weights of the same kind, on the same images "
        f"({methods}){adjusted}; p < {SIGNIFICANCE:g} counts as more than chance."
    )


def finish_facts(found: FinishResults | None) -> FinishFacts:
    """What the sentences state, by name; None for a search that is not finished."""
    if found is None:
        return dict.fromkeys(
            ("finish_tests", "finish_epochs", "finish_retrained_epochs", "finish_seeds", "finish_train_images",
             "finish_all_images", "finish_diverged", "finish_comparisons")
        )  # fmt: skip
    return {
        "finish_tests": sum(len(row.tested) for row in found.rows),
        "finish_epochs": found.epochs,
        "finish_retrained_epochs": found.retrained_epochs,
        "finish_seeds": ", ".join(map(str, found.seeds)),
        "finish_train_images": found.train_images,
        "finish_all_images": found.all_images,
        "finish_diverged": sum(len(row.diverged) for row in found.rows),
        "finish_comparisons": sum(each is not None for each in found.comparisons),
    }

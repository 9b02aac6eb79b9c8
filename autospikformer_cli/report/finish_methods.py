"""How the networks of `aspk finish` were trained, tested and compared, in sentences for a methods section."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from autospikformer_cli.analysis.paired import SIGNIFICANCE
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
    lengths = [f"{counted(found.retrained_epochs, 'epoch')} from the supernet's weights"]
    if found.epochs is not None:
        lengths.append(f"{counted(found.epochs, 'epoch')} from random first weights")
    validated = "those of validation among them" if found.all_images else "those of validation not among them"
    yield (
        f"They were trained alone, for {' and for '.join(lengths)}, with {counted(len(found.seeds), 'seed')} each "
        f"({', '.join(map(str, found.seeds))}), on {found.train_images:,} images, {validated}."
    )
    train, data = found.recipe.train, found.recipe.data
    mixup = f"mixup {train.mixup:g}" if train.mixup else "no mixup"
    yield (
        f"These trainings used {optimizer_of(train)} with {batches_of(train)}, learning rate "
        f"{train.lr:g}, weight decay {train.weight_decay:g}, label smoothing {train.label_smoothing:g}, {mixup} and "
        f"{augmentation_of(data)}; warm-up and cool-down were shortened in proportion to the epochs."
    )
    yield from _on_faults(found)
    yield from _on_comparisons(found)


def _on_faults(found: FinishResults) -> Iterator[str]:
    diverged, guessing = sum(len(row.diverged) for row in found.rows), len(found.guessing)
    if diverged:
        yield f"Of the trainings, {diverged:,} diverged and {'is' if diverged == 1 else 'are'} left out."
    if guessing:
        are = "is" if guessing == 1 else "are"
        yield f"Of the tested networks, {guessing:,} {are} no better than guessing one of {found.classes:,} classes."


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

"""Measure one subnet on the test split, as inherited or retrained."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from autospikformer_cli.cli.completion import complete_split
from autospikformer_cli.cli.options import (
    AllImagesOption,
    ComputeOptions,
    FinetuneOption,
    FromScratchOption,
    RunOption,
    SearchOption,
    SetOption,
    SubnetOption,
    TimingOption,
    VerboseOption,
)
from autospikformer_cli.cli.session import Session

PredictionsOption = Annotated[
    Path | None,
    typer.Option(
        "--predictions", metavar="FILE", help="Write each image's answer to FILE: .csv, .parquet, .h5 or .hdf5."
    ),
]


def evaluate(
    session: Session,
    compute: ComputeOptions,
    subnet: SubnetOption = "best",
    split: Annotated[
        str, typer.Option("--split", help="test, validation or train.", autocompletion=complete_split)
    ] = "test",
    images: Annotated[int | None, typer.Option("--images", min=1, help="The first N images of the split.")] = None,
    finetune: FinetuneOption = None,
    from_scratch: FromScratchOption = False,
    all_images: AllImagesOption = False,
    timing: TimingOption = False,
    predictions: PredictionsOption = None,
    verbose: VerboseOption = False,
    run: RunOption = None,
    search: SearchOption = None,
    overrides: SetOption = [],  # noqa: B006
) -> None:
    """Measure a subnet's accuracy, energy and firing rate, and store the result in the run's evaluations.h5.

    --timing shows which layers fire too densely to profit from the event-driven engine. --predictions writes a row for
    each image: index, label, predicted, label_name, predicted_name, file if it has one, and the logits (logit_0, ...).

    Example: aspk evaluate --subnet best --images 1000
    """
    from autospikformer_cli.cli.next_steps import after_evaluation
    from autospikformer_cli.recipe import Decides
    from autospikformer_cli.report.evaluation_table import evaluation_table
    from autospikformer_cli.report.timing_table import timing_document, timing_table
    from autospikformer_cli.runs.evaluation import EvaluationRun
    from autospikformer_cli.runs.trained_run import open_run
    from autospikformer_cli.store.predictions import require_predictions_writable, write_predictions

    if finetune is None:
        _require_no_training({"--from-scratch": from_scratch, "--all-images": all_images})
    if predictions is not None:
        require_predictions_writable(predictions)
    opened = open_run(run, overrides, search=search, compute=compute.set_up(), say=session)
    opened.remark_idle(overrides, Decides.NOTHING if finetune is None else Decides.TRAINING)
    evaluation = EvaluationRun.open(opened, subnet, split, images, session.interruptible)
    if timing:
        evaluation.require_timing()
    if all_images:
        evaluation.require_all_images()
    results = [evaluation.inherited()]
    if finetune is not None:
        results.append(evaluation.finetuned(finetune, from_scratch, all_images=all_images))
    last = results[-1]
    timed = evaluation.timing(last.evaluator) if timing else None
    if predictions is not None:
        write_predictions(predictions, last.prediction_table(evaluation.images))
        session.remark(f"predictions written to {predictions}")
    session.console.print(evaluation_table(f"Evaluation in {last.origin}", results, verbose=verbose))
    document = last.to_document() | ({} if finetune is None else {"inherited": results[0].to_document()})
    if timed is not None:
        session.console.print(timing_table(f"Where the time of {evaluation.subnet} goes", timed.stages, timed.notes))
        document["timing"] = timing_document(timed.stages)
    after_evaluation(session, opened.path, opened.recipe)
    session.emit(document)


def _require_no_training(options: dict[str, bool]) -> None:
    """Raises UserError if an option says how to train and nothing is trained."""
    from autospikformer_cli.errors import UserError

    for option in (option for option, given in options.items() if given):
        raise UserError("there is nothing to train", option, "say for how many epochs: --finetune N")

"""Measure one subnet on the test split, as inherited or retrained."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from autospikformer_cli.cli.options import ComputeOptions, FromScratchOption, RunOption, SetOption, SubnetOption
from autospikformer_cli.cli.session import Session


def evaluate(
    session: Session,
    compute: ComputeOptions,
    subnet: SubnetOption = "best",
    split: Annotated[str, typer.Option("--split", help="test, validation or train.")] = "test",
    images: Annotated[int | None, typer.Option("--images", min=1, help="The first N images of the split.")] = None,
    finetune: Annotated[int | None, typer.Option("--finetune", min=1, help="Retrain it alone for N epochs.")] = None,
    from_scratch: FromScratchOption = False,
    timing: Annotated[
        bool, typer.Option("--timing", help="Time every stage, event by event and densely, on the same spikes.")
    ] = False,
    predictions: Annotated[
        Path | None, typer.Option("--predictions", help="Write every image's logits to this file.")
    ] = None,
    run: RunOption = None,
    overrides: SetOption = [],  # noqa: B006
) -> None:
    """Measure a subnet's accuracy, energy and firing rate, and store the result in the run's evaluations.h5.

    --timing shows which layers fire too densely to profit from the event-driven engine.

    Example: aspk evaluate --subnet best --images 1000
    """
    from autospikformer_cli.errors import UserError
    from autospikformer_cli.recipe import Decides
    from autospikformer_cli.report.evaluation_table import evaluation_table
    from autospikformer_cli.report.timing_table import timing_document, timing_table
    from autospikformer_cli.runs.evaluation import EvaluationRun
    from autospikformer_cli.runs.trained_run import open_run
    from autospikformer_cli.store.evaluations import require_predictions_writable, write_predictions

    if from_scratch and finetune is None:
        raise UserError("there is nothing to train", "--from-scratch", "say for how many epochs: --finetune N")
    if predictions is not None:
        require_predictions_writable(predictions)
    opened = open_run(run, overrides, compute=compute.set_up(), say=session)
    opened.remark_idle(overrides, Decides.NOTHING if finetune is None else Decides.TRAINING)
    evaluation = EvaluationRun.open(opened, subnet, split, images, session.interruptible)
    if timing:
        evaluation.require_timing()
    results = [evaluation.inherited()]
    if finetune is not None:
        results.append(evaluation.finetuned(finetune, from_scratch))
    last = results[-1]
    timed = evaluation.timing(last.evaluator) if timing else None
    if predictions is not None:
        made = last.predictions
        arrays = [tensor.numpy() for tensor in (made.logits, made.labels, made.index)]
        write_predictions(predictions, *arrays, recipe_toml=opened.recipe.to_toml())
        session.remark(f"predictions written to {predictions}")
    session.console.print(evaluation_table(f"Evaluation in {opened.path}", results))
    document = last.to_document()
    if timed is not None:
        title = f"Where the time of {evaluation.subnet} goes"
        session.console.print(timing_table(title, timed.stages, timed.notes))
        document["timing"] = timing_document(timed.stages)
    if finetune is not None:
        document["inherited"] = results[0].to_document()
    session.emit(document)

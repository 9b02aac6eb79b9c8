"""Measure one subnet on the test split, as inherited or retrained."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from autospikformer_cli.cli.session import Session


def evaluate(
    session: Session,
    subnet: Annotated[
        str, typer.Option("--subnet", help="best, largest, smallest, baseline, a candidate's id, or the paper's tuple.")
    ] = "best",
    split: Annotated[str, typer.Option("--split", help="test, validation or train.")] = "test",
    images: Annotated[int | None, typer.Option("--images", min=1, help="The first N images of the split.")] = None,
    finetune: Annotated[int | None, typer.Option("--finetune", min=1, help="Retrain it alone for N epochs.")] = None,
    from_scratch: Annotated[bool, typer.Option("--from-scratch", help="With --finetune: from first weights.")] = False,
    profile: Annotated[
        bool, typer.Option("--profile", help="Time every stage, event by event and densely, on the same spikes.")
    ] = False,
    predictions: Annotated[Path | None, typer.Option("--predictions", help="Write every image's logits here.")] = None,
) -> None:
    """Measure a subnet's accuracy, energy and firing rate, and store the result in the run's evaluations.h5.

    --profile shows which layers fire too densely to profit from the event-driven engine.

    Example: aspk evaluate --subnet best --images 1000
    """
    from autospikformer_cli.errors import UserError
    from autospikformer_cli.report.evaluation_table import evaluation_table
    from autospikformer_cli.report.timing_table import timing_document, timing_table
    from autospikformer_cli.runs.evaluation import EvaluationRun
    from autospikformer_cli.store.evaluations import require_predictions_writable, write_predictions

    if from_scratch and finetune is None:
        raise UserError("there is nothing to train", "--from-scratch", "say for how many epochs: --finetune N")
    if predictions is not None:
        require_predictions_writable(predictions)
    run = EvaluationRun.open(session, subnet, split, images)
    if profile:
        run.require_profile()
    shown = [run.inherited()]
    if finetune is not None:
        shown.append(run.finetuned(finetune, from_scratch))
    last = shown[-1]
    profiled = run.profile(last.evaluator) if profile else None
    if predictions is not None:
        made = last.predictions
        arrays = [tensor.numpy() for tensor in (made.logits, made.labels, made.index)]
        write_predictions(predictions, *arrays, recipe_toml=run.run.recipe.to_toml())
        session.remark(f"predictions written to {predictions}")
    session.console.print(evaluation_table(f"Evaluation in {run.run.path}", [result.shown for result in shown]))
    document = last.shown.to_document()
    if profiled is not None:
        session.console.print(timing_table(f"Where the time of {run.subnet} goes", profiled.stages, profiled.notes))
        document["profile"] = timing_document(profiled.stages)
    if finetune is not None:
        document["inherited"] = shown[0].shown.to_document()
    session.emit(document)

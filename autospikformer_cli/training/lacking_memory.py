"""A training step for which the memory does not suffice: what is said of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from autospikformer_cli.errors import UserError, no_memory
from autospikformer_cli.recipe import TrainConfig


@contextmanager
def explaining_lack(config: TrainConfig, epoch: int, step: int) -> Iterator[None]:
    """Turn a lack of memory within the context into a UserError that names what lowers a step's need.

    epoch, step: of the step, from 1. A run that has begun has one batch size for ever.
    """
    try:
        yield
    except Exception as error:
        what = no_memory(error)
        if what is None:
            raise
        batch = f"start a new run with a train.batch below {config.batch}"
        same = f"{batch}; with train.accumulate a step has as many images as before"
        fix = same if config.activation_checkpointing else f"set train.activation_checkpointing=true, or {same}"
        where = f"in epoch {epoch}, step {step}, with batches of {config.batch} images"
        raise UserError(f"{what}, {where}", "train.batch", f"{fix}; what was saved before is kept") from error

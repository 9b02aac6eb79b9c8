"""What is said if data.download should fetch a data set that has to be fetched by hand."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from autospikformer_cli.data.events.layouts import LAYOUTS_BY_DATASET as EVENT_FILES
from autospikformer_cli.data.folders import WHERE, absolute
from autospikformer_cli.errors import UserError

if TYPE_CHECKING:
    from autospikformer_cli.recipe import DataConfig


@contextmanager
def fetched_by_hand(config: DataConfig) -> Iterator[None]:
    """Around code that looks for the files of events or of a folder: a missing data set is not downloaded.

    If data.download asks for that, the error of the missing files says so, and where they are from. If they are there,
    there is nothing to fetch, and nothing is said.
    """
    try:
        yield
    except UserError as error:
        if not config.download or error.where != WHERE:
            raise
        if config.dataset in EVENT_FILES:
            kind = EVENT_FILES[config.dataset]
            what = f"{error.what}, and aspk does not download {kind.title}"
            raise UserError(what, "data.download", f"get it from {kind.source}; then {error.fix}") from error
        if absolute(config.root).is_dir():
            raise
        what = f"{error.what}, and a folder of your own images cannot be downloaded"
        raise UserError(what, "data.download", error.fix) from error

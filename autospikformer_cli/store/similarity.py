"""similarity.h5: how similar the channels of a subnet's embedding are, as `aspk analyze channels` measured it last.

matrix is C x C: the structural similarity (SSIM) of every pair of channels. subnet, split and engine are texts, images
and epochs are JSON numbers.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import h5py

from autospikformer_cli.errors import UserError
from autospikformer_cli.space import Subnet, parse_subnet
from autospikformer_cli.store.files import (
    Array,
    get,
    get_json,
    get_text,
    open_h5,
    put,
    put_header,
    put_json,
    put_text,
    write_h5,
)
from autospikformer_cli.store.supernet import read_training
from autospikformer_cli.wording import quoted

SIMILARITY_FILE = "similarity.h5"


@dataclass(frozen=True, eq=False)
class Similarity:
    """SSIM of every pair of channels, C x C. images: of the split, that it is a mean over.

    epochs: of training, at which the weights were. engine: what ran the subnet.
    """

    subnet: Subnet
    matrix: Array
    split: str
    images: int
    engine: str
    epochs: int
    recipe_toml: str


def save_similarity(run: Path, similarity: Similarity) -> None:
    """Write runs/x/similarity.h5, whole or not at all. Raises UserError if it cannot be written."""

    def fill(file: h5py.File) -> None:
        put_header(file, "similarity", similarity.recipe_toml)
        put(file, "matrix", similarity.matrix, compress=True)
        put_text(file, "subnet", str(similarity.subnet))
        put_text(file, "split", similarity.split)
        put_text(file, "engine", similarity.engine)
        put_json(file, "images", similarity.images)
        put_json(file, "epochs", similarity.epochs)

    write_h5(run / SIMILARITY_FILE, fill)


def load_similarity(run: Path) -> Similarity:
    """Read runs/x/similarity.h5. Raises UserError if it is absent or damaged, or if the run was trained on since."""
    path, remedy = run / SIMILARITY_FILE, f"measure it: aspk analyze channels --run {quoted(run)}"
    if not path.exists():
        raise UserError("no similarity of channels is stored", str(run), remedy)
    with open_h5(path, "similarity") as file:
        similarity = Similarity(
            subnet=parse_subnet(get_text(file, "subnet")),
            matrix=get(file, "matrix"),
            split=get_text(file, "split"),
            images=get_json(file, "images"),
            engine=get_text(file, "engine"),
            epochs=get_json(file, "epochs"),
            recipe_toml=get_text(file, "recipe"),
        )
    epochs = read_training(run).state.epoch
    if epochs != similarity.epochs:
        what = f"measured after {similarity.epochs} epochs, and the run has been trained on to {epochs}"
        raise UserError(what, str(path), remedy)
    return similarity

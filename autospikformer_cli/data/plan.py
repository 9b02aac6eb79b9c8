"""What augmentation does to each image of an epoch, drawn once: a function of (seed, epoch, index) alone."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from autospikformer_cli.data.streams import Purpose, stream

Floats = NDArray[np.float64]

MAGNITUDE, MAGNITUDE_DEVIATION, MAX_MAGNITUDE = 9.0, 0.4, 10.0
OPERATION_PROBABILITY = 0.5
MAX_ROTATION_DEGREES, MAX_SHEAR, MAX_TRANSLATION = 30.0, 0.3, 0.45
"""At magnitude 10; shear in pixels a row, translation as a share of the image's side."""
ERASING_PROBABILITY = 0.25
ERASED_AREA = (0.02, 1 / 3)
ERASED_ASPECT = (0.3, 1 / 0.3)
ERASING_ATTEMPTS = 10

LEAST_ROWS = 1024


class Operation(IntEnum):
    """RandAugment's operations of the published Spikformer training, and none."""

    NONE = -1
    EQUALIZE = 0
    ROTATE = 1
    SHEAR_X = 2
    TRANSLATE_X = 3
    TRANSLATE_Y = 4


@dataclass(frozen=True)
class Plan:
    """Augmentation of N images.

    flip: bool (N,). operation: (N,) of Operation. matrix: float64 (N, 2, 3), where an output position (x, y, 1) is read
    in the input; pixels, from the image's top left corner, so that the first pixel's centre is (1/2, 1/2).
    box: (N, 4) top, left, height and width of the erased box in pixels; height 0 where nothing is erased.
    """

    flip: NDArray[np.bool_]
    operation: NDArray[np.int64]
    matrix: Floats
    box: NDArray[np.int64]

    def rows(self, index: NDArray[np.int64]) -> Plan:
        """The plan of some images, in their order."""
        return Plan(self.flip[index], self.operation[index], self.matrix[index], self.box[index])


def plan_for(index: NDArray[np.int64], seed: int, epoch: int, height: int, width: int) -> Plan:
    """The plan of the images with these places in the data set."""
    highest = int(index.max(initial=0))
    return _epoch_plan(max(LEAST_ROWS, 1 << highest.bit_length()), seed, epoch, height, width).rows(index)


@lru_cache(maxsize=2)
def _epoch_plan(num_rows: int, seed: int, epoch: int, height: int, width: int) -> Plan:
    """The plan of all images with an index below num_rows.

    Streams are read row by row, so a row is the same whatever num_rows; a power of two of at least 1024 rows keeps
    vectorised arithmetic free of remainders, which may differ in the last bit.
    """
    choices = stream(Purpose.AUGMENTATION, seed, epoch).random((num_rows, 7 + 2 * ERASING_ATTEMPTS))
    flip, applied, operation, sign, erased, top, left = choices[:, :7].T
    normal = stream(Purpose.MAGNITUDE, seed, epoch).standard_normal(num_rows)
    level = np.clip(MAGNITUDE + MAGNITUDE_DEVIATION * normal, 0.0, MAX_MAGNITUDE) / MAX_MAGNITUDE
    operations = len(Operation) - 1
    chosen = np.where(applied < OPERATION_PROBABILITY, (operation * operations).astype(np.int64), Operation.NONE)
    matrix = affine_maps(chosen, np.where(sign < 0.5, -level, level), height, width)
    size = _box_sizes(choices[:, 7:].reshape(num_rows, ERASING_ATTEMPTS, 2), height, width)
    size[erased >= ERASING_PROBABILITY] = 0
    corner = np.stack([top, left], axis=1) * (np.array([height, width]) - size + 1)
    return Plan(flip < 0.5, chosen, matrix, np.concatenate([corner.astype(np.int64), size], axis=1))


def affine_maps(operation: NDArray[np.int64], level: Floats, height: int, width: int) -> Floats:
    """The affine map (N, 2, 3) of each operation at its signed level; the identity for the others.

    Rotation about the centre, counterclockwise; shear anchored at the top left corner, as timm's.
    """
    matrix = np.zeros((len(operation), 2, 3))
    matrix[:, 0, 0] = matrix[:, 1, 1] = 1.0
    rotated = operation == Operation.ROTATE
    angle = np.radians(MAX_ROTATION_DEGREES * level)
    cos, sin = np.cos(angle), np.sin(angle)
    x, y = width / 2, height / 2
    rotation = np.array([[cos, -sin, x - x * cos + y * sin], [sin, cos, y - x * sin - y * cos]])
    matrix[rotated] = rotation.transpose(2, 0, 1)[rotated]
    for kind, place, unit in (
        (Operation.SHEAR_X, (0, 1), MAX_SHEAR),
        (Operation.TRANSLATE_X, (0, 2), MAX_TRANSLATION * width),
        (Operation.TRANSLATE_Y, (1, 2), MAX_TRANSLATION * height),
    ):
        matrix[:, *place] += np.where(operation == kind, unit * level, 0.0)
    return matrix


def _box_sizes(attempts: Floats, height: int, width: int) -> NDArray[np.int64]:
    """Height and width (N, 2) of each image's box: the first attempt that is smaller than the image, else 0.

    attempts: uniform (N, attempts, 2): area, and logarithm of height over width.
    """
    area = (ERASED_AREA[0] + attempts[..., 0] * (ERASED_AREA[1] - ERASED_AREA[0])) * height * width
    low, high = np.log(ERASED_ASPECT)
    aspect = np.exp(low + attempts[..., 1] * (high - low))
    sizes = np.rint(np.sqrt(np.stack([area * aspect, area / aspect], axis=-1))).astype(np.int64)
    fits = (sizes[..., 0] < height) & (sizes[..., 1] < width)
    first = sizes[np.arange(len(sizes)), fits.argmax(axis=1)]
    return np.where(fits.any(axis=1)[:, None], first, 0)

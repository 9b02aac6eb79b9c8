"""Augmentation of each image, or recording of events, of an epoch: a function of (seed, epoch, index) only.

One plan is drawn for a whole epoch.
"""

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
"""At magnitude 10. Shear in pixels for each row, translation as a share of the image's side."""
ERASING_PROBABILITY = 0.25
ERASED_AREA = (0.02, 1 / 3)
ERASED_ASPECT = (0.3, 1 / 0.3)
ERASING_ATTEMPTS = 10

MAX_EVENT_TRANSLATION = 5 / 128
"""As a share of the side: 5 of 128 pixels, as in the published CIFAR10-DVS model."""
CUTOUT_AREA = (0.001, 0.11)

LEAST_ROWS = 1024
"""Rows of a plan, at least (see `num_rows`)."""


class ImageOp(IntEnum):
    """The operations of the published Spikformer trainings, and NONE."""

    NONE = -1
    EQUALIZE = 0
    ROTATE = 1
    SHEAR_X = 2
    TRANSLATE_X = 3
    TRANSLATE_Y = 4
    CUTOUT = 5


IMAGE_OPERATIONS = (
    ImageOp.EQUALIZE, ImageOp.ROTATE, ImageOp.SHEAR_X, ImageOp.TRANSLATE_X, ImageOp.TRANSLATE_Y,
)  # fmt: skip
EVENT_OPERATIONS = (
    ImageOp.NONE, ImageOp.SHEAR_X, ImageOp.TRANSLATE_X, ImageOp.TRANSLATE_Y, ImageOp.ROTATE, ImageOp.CUTOUT,
)  # fmt: skip
"""All have the same probability."""


@dataclass(frozen=True)
class Plan:
    """Augmentation of N images, or of N recordings of events: the same for all frames of a recording.

    flip: bool (N,). operation: (N,) of ImageOp. matrix: float64 (N, 2, 3); maps an output position (x, y, 1) to an
    input position. Positions are in pixels from the image's top left corner, so the first pixel's centre is (1/2, 1/2).
    box: (N, 4), top, left, height and width of the erased box in pixels; height 0 if nothing is erased.
    """

    flip: NDArray[np.bool_]
    operation: NDArray[np.int64]
    matrix: Floats
    box: NDArray[np.int64]

    def rows(self, index: NDArray[np.int64]) -> Plan:
        """The plan of the images with these indices, in their order."""
        return Plan(self.flip[index], self.operation[index], self.matrix[index], self.box[index])


def plan_for(index: NDArray[np.int64], seed: int, epoch: int, height: int, width: int) -> Plan:
    """The plan of the images at these positions in the data set."""
    return _image_plan(num_rows(index), seed, epoch, height, width).rows(index)


def event_plan_for(index: NDArray[np.int64], seed: int, epoch: int, height: int, width: int) -> Plan:
    """The plan of the recordings of events at these positions in the data set."""
    return _event_plan(num_rows(index), seed, epoch, height, width).rows(index)


def num_rows(index: NDArray[np.int64]) -> int:
    """Number of rows to draw, so that they include these indices.

    Streams are read row by row, so a row does not depend on the number of rows. It is a power of two of at least 1024:
    vectorised arithmetic then has no remainder, which may differ in the last bit.
    """
    return max(LEAST_ROWS, 1 << int(index.max(initial=0)).bit_length())


@lru_cache(maxsize=2)
def _image_plan(num_rows: int, seed: int, epoch: int, height: int, width: int) -> Plan:
    """The plan of all images with an index below num_rows."""
    choices = stream(Purpose.AUGMENTATION, seed, epoch).random((num_rows, 7 + 2 * ERASING_ATTEMPTS))
    flip, applied, operation, sign, erased, top, left = choices[:, :7].T
    normal = stream(Purpose.MAGNITUDE, seed, epoch).standard_normal(num_rows)
    level = np.clip(MAGNITUDE + MAGNITUDE_DEVIATION * normal, 0.0, MAX_MAGNITUDE) / MAX_MAGNITUDE
    chosen = np.where(applied < OPERATION_PROBABILITY, _choose(IMAGE_OPERATIONS, operation), ImageOp.NONE)
    matrix = affine_maps(chosen, np.where(sign < 0.5, -level, level), height, width)
    size = _box_sizes(choices[:, 7:].reshape(num_rows, ERASING_ATTEMPTS, 2), height, width)
    size[erased >= ERASING_PROBABILITY] = 0
    return Plan(flip < 0.5, chosen, matrix, _boxes(size, top, left, height, width))


@lru_cache(maxsize=2)
def _event_plan(num_rows: int, seed: int, epoch: int, height: int, width: int) -> Plan:
    """The plan of all recordings with an index below num_rows."""
    choices = stream(Purpose.EVENT_AUGMENTATION, seed, epoch).random((num_rows, 6))
    flip, operation, level, area, top, left = choices.T
    chosen = _choose(EVENT_OPERATIONS, operation)
    matrix = affine_maps(chosen, 2 * level - 1, height, width, max_translation=MAX_EVENT_TRANSLATION)
    matrix[:, 0, 2] -= np.where(chosen == ImageOp.SHEAR_X, matrix[:, 0, 1] * (height / 2), 0.0)  # about the centre
    share = CUTOUT_AREA[0] + area * (CUTOUT_AREA[1] - CUTOUT_AREA[0])
    side = np.where(chosen == ImageOp.CUTOUT, np.rint(np.sqrt(share * height * width)), 0).astype(np.int64)
    box = _boxes(np.stack([side, side], axis=1), top, left, height, width)
    return Plan(flip < 0.5, chosen, matrix, box)


def _choose(operations: tuple[ImageOp, ...], uniform: Floats) -> NDArray[np.int64]:
    return np.array(operations, dtype=np.int64)[(uniform * len(operations)).astype(np.int64)]


def _boxes(size: NDArray[np.int64], top: Floats, left: Floats, height: int, width: int) -> NDArray[np.int64]:
    """Boxes (N, 4) of sizes (N, 2), height and width. Uniform numbers (N,) place them inside the image."""
    corner = np.stack([top, left], axis=1) * (np.array([height, width]) - size + 1)
    return np.concatenate([corner.astype(np.int64), size], axis=1)


def affine_maps(
    operation: NDArray[np.int64], level: Floats, height: int, width: int, *, max_translation: float = MAX_TRANSLATION
) -> Floats:
    """The affine map (N, 2, 3) of each operation at its signed level; the identity for operations that move nothing.

    Rotation is counterclockwise about the centre. Shear leaves the top left corner in place, as in timm. Translation
    at level 1 is by max_translation of the side.
    """
    matrix = np.zeros((len(operation), 2, 3))
    matrix[:, 0, 0] = matrix[:, 1, 1] = 1.0
    rotated = operation == ImageOp.ROTATE
    angle = np.radians(MAX_ROTATION_DEGREES * level)
    cos, sin = np.cos(angle), np.sin(angle)
    x, y = width / 2, height / 2
    rotation = np.array([[cos, -sin, x - x * cos + y * sin], [sin, cos, y - x * sin - y * cos]])
    matrix[rotated] = rotation.transpose(2, 0, 1)[rotated]
    for kind, place, unit in (
        (ImageOp.SHEAR_X, (0, 1), MAX_SHEAR),
        (ImageOp.TRANSLATE_X, (0, 2), max_translation * width),
        (ImageOp.TRANSLATE_Y, (1, 2), max_translation * height),
    ):
        matrix[:, *place] += np.where(operation == kind, unit * level, 0.0)
    return matrix


def _box_sizes(attempts: Floats, height: int, width: int) -> NDArray[np.int64]:
    """Height and width (N, 2) of each image's box: the first attempt that is smaller than the image, else 0.

    attempts: uniform numbers (N, attempts, 2), for the area and for the logarithm of height / width.
    """
    area = (ERASED_AREA[0] + attempts[..., 0] * (ERASED_AREA[1] - ERASED_AREA[0])) * height * width
    low, high = np.log(ERASED_ASPECT)
    aspect = np.exp(low + attempts[..., 1] * (high - low))
    sizes = np.rint(np.sqrt(np.stack([area * aspect, area / aspect], axis=-1))).astype(np.int64)
    fits = (sizes[..., 0] < height) & (sizes[..., 1] < width)
    first = sizes[np.arange(len(sizes)), fits.argmax(axis=1)]
    return np.where(fits.any(axis=1)[:, None], first, 0)

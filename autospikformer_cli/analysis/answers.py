"""The stored answers of several networks to the same images, as an array."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from autospikformer_cli.measurement import Measurement


def unpacked(answers: Sequence[bytes], images: int) -> NDArray[np.bool_]:
    """Answers by network and image, of those packed as in `measurement.Measurement.answers`.

    >>> unpacked([b"\\xa0", b"\\x40"], images=3)
    array([[ True, False,  True],
           [False,  True, False]])
    """
    packed_NB = np.frombuffer(b"".join(answers), np.uint8).reshape(len(answers), -1)
    return np.unpackbits(packed_NB, axis=1, count=images).astype(np.bool_)


def answers_of(measurements: Sequence[Measurement]) -> NDArray[np.bool_] | None:
    """Whether each answer was right, (networks, images); None if there is no network, or if one's are not stored."""
    packed = [each.answers for each in measurements if each.answers is not None]
    if not packed or len(packed) < len(measurements):
        return None
    return unpacked(packed, measurements[0].images)

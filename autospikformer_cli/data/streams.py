"""Streams of random numbers, keyed by their purpose, so nothing depends on what was drawn before."""

from __future__ import annotations

from enum import IntEnum

import numpy as np

WORD_RANGE = 2**64


class Purpose(IntEnum):
    """The purpose of a stream. Results can be reproduced only with the same numbers: add some, but never renumber."""

    ORDER = 0
    AUGMENTATION = 1
    MAGNITUDE = 2
    MIXUP = 3
    EVENT_AUGMENTATION = 4
    INITIAL_WEIGHTS = 5
    TRANSLATION = 6
    ALTERNATION = 7


def stream(purpose: Purpose, seed: int, epoch: int, step: int = 0) -> np.random.Generator:
    """A generator that is a function of its arguments only. Different arguments give independent streams.

    Philox's key is (seed, epoch). step and purpose are the counter's high words, so streams are at least 2^128 blocks
    apart.
    """
    bits = np.random.Philox(
        key=np.array([seed % WORD_RANGE, epoch % WORD_RANGE], dtype=np.uint64),
        counter=np.array([0, 0, step % WORD_RANGE, purpose], dtype=np.uint64),
    )
    return np.random.Generator(bits)

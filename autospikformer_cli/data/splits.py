"""Splits by class, fixed by a seed: which images are held out, and the order of a split."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from autospikformer_cli.errors import UserError

Indices = NDArray[np.int64]


def hold_out(
    labels: Indices, classes: Sequence[str], shares: Mapping[str, float], seed: int, *, may_lack: bool = False
) -> dict[str, Indices]:
    """Disjoint splits of a pool of images: one for each share, by name, and "train" with the rest.

    Each class is shuffled once. The first share is cut off its front, then the next, so a split does not depend on
    later shares. A share is of what earlier ones left, rounded by class, and at least one image. In a split the classes
    alternate in proportion, so its first N images are a fair sample for every N.
    may_lack: whether a class may have no images; it is then in no split.
    Raises UserError if a class has too few images to give one to each split.
    """
    generator = np.random.Generator(np.random.PCG64(seed % 2**64))
    parts: dict[str, list[Indices]] = {name: [] for name in (*shares, "train")}
    for label, name_of_class in enumerate(classes):
        left = generator.permutation(np.flatnonzero(labels == label))
        if may_lack and not len(left):
            continue
        if len(left) < len(parts):
            raise UserError(
                f"class {name_of_class!r} has too few images to split: {len(left)}, with one each for "
                f"{', '.join(parts)} at least {len(parts)} are needed",
                "data.root",
                "add images to that class, or remove it",
            )
        for needed, (name, share) in zip(range(len(shares), 0, -1), shares.items(), strict=True):
            count = min(max(1, round(len(left) * share)), len(left) - needed)
            parts[name].append(left[:count])
            left = left[count:]
        parts["train"].append(left)
    return {name: alternate(by_class) for name, by_class in parts.items()}


def class_balanced(chosen: Indices, labels: Indices, num: int) -> Indices:
    """The first num images of a training split, as many of each class as of any other. The classes alternate.

    A class with fewer images gives all it has, and the others give more. If num does not divide, the first classes give
    one more. So a larger num contains a smaller one.
    chosen: the split; its order within a class decides. labels: (N,), those of all images.
    Raises UserError if the split has fewer images, or if a class would get none.

    >>> class_balanced(np.array([0, 4, 1, 5, 2, 3]), np.array([0, 0, 0, 0, 1, 1]), 5).tolist()
    [0, 4, 1, 5, 2]
    """
    by_class = [chosen[labels[chosen] == label] for label in np.unique(labels[chosen])]
    key, fix = "data.train_images", "or leave it out to train on all"
    if num > len(chosen):
        what = f"{num:,} images cannot be taken of the train split, which has {len(chosen):,}"
        raise UserError(what, key, f"take at most {len(chosen)}, {fix}")
    if num < len(by_class):
        what = f"{num:,} {'images are' if num > 1 else 'image is'} too few for {len(by_class):,} classes"
        raise UserError(what, key, f"take at least {len(by_class)}, one of each class, {fix}")
    places = np.concatenate([np.arange(len(indices)) for indices in by_class])
    classes = np.repeat(np.arange(len(by_class)), [len(indices) for indices in by_class])
    counts = np.bincount(classes[np.argsort(places, kind="stable")[:num]])
    return alternate([indices[:count] for indices, count in zip(by_class, counts, strict=True)])


def alternate(by_class: list[Indices]) -> Indices:
    """Merge the images of several classes into one list. The classes are in proportion in each prefix.

    Image p of the n of its class sorts by (p + 1/2) / n. Ties are in the order of classes.

    >>> alternate([np.array([0, 1, 2, 3]), np.array([7, 9])]).tolist()
    [0, 7, 1, 2, 9, 3]
    """
    keys = np.concatenate([(np.arange(len(indices)) + 0.5) / len(indices) for indices in by_class])
    return np.concatenate(by_class)[np.argsort(keys, kind="stable")].astype(np.int64)

"""A first convolution that whitens patches of training images (Page, How to train your ResNet; hlb-CIFAR10).

Dimension legend: N images, P patches, H W rows and columns, C channels, D = 9 C values of a patch.
"""

from __future__ import annotations

import torch
from torch import Tensor

from autospikformer_cli.data.description import DataDescription
from autospikformer_cli.data.frames import to_frames
from autospikformer_cli.data.images import ImageSet
from autospikformer_cli.data.reading import LazyImages
from autospikformer_cli.errors import UserError
from autospikformer_cli.spiking.layout import KERNEL
from autospikformer_cli.spiking.supernet import Supernet

MOST_IMAGES = 5000
"""Images whose patches are taken, evenly over the training images."""
PATCHES_AN_IMAGE = 128
"""Patches of an image, evenly over its positions; up to twice as many."""
BATCH = 500
"""Images at once."""
ADDED_VARIANCE = 1e-2
"""Added to a variance, so that directions that hardly vary are not blown up."""


def whiten_stem(supernet: Supernet, images: ImageSet, description: DataDescription) -> None:
    """Set the filters of the first convolution to whitening directions, and as many to their negatives.

    Neurons fire for positive currents, so a direction needs both. The directions of largest variance come first. If the
    convolution has fewer filters, the others are left out; if it has more, the rest keep their random weights.
    Raises UserError if an image has no patch.
    """
    weight = supernet.patch_embed.convolutions[0].weights.weight
    filters = whitening_filters(covariance(images.images, description))
    pairs = min(len(weight) // 2, len(filters))
    chosen = filters[:pairs].reshape(pairs, *weight.shape[1:]).to(weight)
    with torch.no_grad():
        weight[:pairs], weight[pairs : 2 * pairs] = chosen, -chosen


def whitening_filters(covariance_DD: Tensor) -> Tensor:
    """Unit directions of patches over the deviations along them, the largest first.

    v_i / sqrt(lambda_i + ADDED_VARIANCE), from eigenvectors v_i and eigenvalues lambda_i. The sign is free: the
    entry of largest size is positive.
    Returns (D, D) with a filter in each row.
    """
    variances, directions_DD = torch.linalg.eigh(covariance_DD)
    filters: Tensor = (directions_DD / (variances.clamp(min=0) + ADDED_VARIANCE).sqrt()).T.flip(0)
    largest = filters.gather(1, filters.abs().argmax(1, keepdim=True))
    return filters * largest.sign()


def covariance(images: Tensor | LazyImages, description: DataDescription) -> Tensor:
    """Covariance of patches of 3 x 3 pixels, normalised as the network reads them, in float64 on the CPU.

    Shapes: images uint8 (N, H, W, C) -> (D, D). A patch's values are in the order of a filter's: channel, row, column.
    """
    height, width = images.shape[1:3]
    if min(height, width) < KERNEL:
        what = f"images of {height} x {width} pixels have no patches of {KERNEL} x {KERNEL}"
        raise UserError(what, "train.whitened_stem", "leave it out")
    positions = (height - KERNEL + 1) * (width - KERNEL + 1)
    taken = torch.arange(0, positions, max(1, positions // PATCHES_AN_IMAGE))
    row, column = taken // (width - KERNEL + 1), taken % (width - KERNEL + 1)
    total, products, count = torch.tensor(0.0), torch.tensor(0.0), 0
    chosen = torch.arange(0, len(images), max(1, len(images) // MOST_IMAGES))[:MOST_IMAGES]
    for rows in chosen.split(BATCH):
        frames_NHWC = to_frames(images[rows], description, "cpu", torch.float64)[0]
        windows = frames_NHWC.unfold(1, KERNEL, 1).unfold(2, KERNEL, 1)  # a view: N, rows, columns, C, 3, 3
        patches_PD = windows[:, row, column].flatten(0, 1).flatten(1)
        total, products = total + patches_PD.sum(0), products + patches_PD.T @ patches_PD
        count += len(patches_PD)
    mean = total / count
    return products / count - mean[:, None] * mean

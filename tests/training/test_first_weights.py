"""What a training starts from: whitening directions against numpy's covariance, and deviations by fan-in."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import numpy as np
import pytest
import torch
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from autospikformer_cli.data.description import KNOWN, DataDescription
from autospikformer_cli.data.images import ImageSet
from autospikformer_cli.errors import UserError
from autospikformer_cli.recipe import TrainConfig
from autospikformer_cli.space import SearchSpace
from autospikformer_cli.spiking.layout import NetworkShape
from autospikformer_cli.spiking.supernet import NetworkConfig, Supernet
from autospikformer_cli.training.first_weights import set_first_weights
from autospikformer_cli.training.whitening import ADDED_VARIANCE, covariance, whitening_filters

ONE, TWO = Decimal(1), Decimal(2)
SPACE = SearchSpace((1, 2), (TWO,), (2,), (ONE,), (TWO,), (2,), (64,))
RGB, GREY = KNOWN["cifar10"], replace(KNOWN["digits"], image_size=10)


def images(channels: int, number: int = 12, size: int = 10, *, seed: int = 0) -> ImageSet:
    """Smooth noise: sums along both axes, so neighbours are alike."""
    noise = np.random.default_rng(seed).standard_normal((number, size, size, channels)).cumsum(1).cumsum(2)
    pixels = torch.from_numpy(np.clip(128 + 12 * noise, 0, 255).astype(np.uint8))
    return ImageSet(pixels, torch.zeros(number, dtype=torch.int64), torch.arange(number), "train", "")


def network(channels: int, stem: int = 64) -> Supernet:
    shape = NetworkShape(image_size=10, in_channels=channels, num_classes=3, widest_dim=64, stem_dim=stem)
    return Supernet(NetworkConfig(shape, SPACE), seed=1)


def reference(chosen: ImageSet, description: DataDescription) -> NDArray[np.float64]:
    """Covariance of all patches, by numpy."""
    pixels = (chosen.images.numpy() / 255 - np.array(description.mean)) / np.array(description.std)
    windows = sliding_window_view(pixels, (3, 3), axis=(1, 2))  # N, rows, columns, C, 3, 3
    return np.cov(windows.reshape(-1, 9 * pixels.shape[-1]).T, bias=True)


@pytest.mark.parametrize("description", [RGB, GREY])
def test_covariance_is_numpys(description: DataDescription) -> None:
    chosen = images(description.in_channels)
    found = covariance(chosen.images, description).numpy()
    np.testing.assert_allclose(found, reference(chosen, description), rtol=0, atol=1e-9)


def test_a_large_image_gives_some_of_its_patches() -> None:
    chosen = images(1, number=4, size=60)
    found = covariance(chosen.images, replace(GREY, image_size=60)).numpy()
    whole = reference(chosen, GREY)
    assert not np.array_equal(found, whole)
    np.testing.assert_allclose(found, whole, rtol=0.35)


@pytest.mark.parametrize("description", [RGB, GREY])
def test_filters_whiten(description: DataDescription) -> None:
    """Along the filters, patches are uncorrelated with variance lambda / (lambda + ADDED_VARIANCE)."""
    spread = covariance(images(description.in_channels).images, description)
    filters = whitening_filters(spread).numpy()
    variances = np.linalg.eigvalsh(spread.numpy())[::-1]
    np.testing.assert_allclose(
        filters @ spread.numpy() @ filters.T, np.diag(variances / (variances + ADDED_VARIANCE)), atol=1e-9
    )
    assert np.all(filters[np.arange(len(filters)), np.abs(filters).argmax(1)] > 0)


def test_images_of_one_colour_have_finite_filters() -> None:
    filters = whitening_filters(covariance(torch.full((3, 10, 10, 1), 7, dtype=torch.uint8), GREY))
    assert torch.isfinite(filters).all()


@pytest.mark.parametrize(
    ("channels", "stem", "pairs"),
    [(3, 64, 4), (3, 8 * 54, 27), (3, 8 * 60, 27), (1, 64, 4), (1, 8 * 30, 9), (1, 8 * 3, 1)],
)
def test_a_stem_of_any_width(channels: int, stem: int, pairs: int) -> None:
    """Half of the filters are negatives of the others. Odd ones, and those beyond all directions, stay random."""
    description = RGB if channels == 3 else GREY
    supernet, before = network(channels, stem), network(channels, stem)
    config = TrainConfig(epochs=1, whitened_stem=True)
    set_first_weights(supernet, config, images(channels), description, seed=3)
    convolution = supernet.patch_embed.get_submodule("proj_conv")
    weight, random = convolution.weight.detach(), before.patch_embed.get_submodule("proj_conv").weight.detach()  # type: ignore[union-attr]
    assert len(weight) == stem // 8
    filters = whitening_filters(covariance(images(channels).images, description))
    assert torch.equal(weight[:pairs], filters[:pairs].reshape(pairs, channels, 3, 3).float())
    assert torch.equal(weight[pairs : 2 * pairs], -weight[:pairs])
    assert torch.equal(weight[2 * pairs :], random[2 * pairs :])
    others = before.state_dict()
    assert all(
        torch.equal(v, others[n]) for n, v in supernet.state_dict().items() if n != "patch_embed.proj_conv.weight"
    )


def test_an_image_without_a_patch() -> None:
    with pytest.raises(UserError, match=r"images of 2 x 2 pixels have no patches of 3 x 3"):
        covariance(torch.zeros(1, 2, 2, 1, dtype=torch.uint8), GREY)


def test_by_default_nothing_changes() -> None:
    supernet, before = network(1), network(1).state_dict()
    set_first_weights(supernet, TrainConfig(epochs=1), images(1), GREY, seed=3)
    assert all(torch.equal(value, before[name]) for name, value in supernet.state_dict().items())


def test_deviations_by_fan_in() -> None:
    ends = []
    for seed in (3, 3, 4):
        supernet, before = network(1), network(1).state_dict()
        set_first_weights(supernet, TrainConfig(epochs=1, initial_weights="fan_in"), images(1), GREY, seed)
        changed = {name for name, value in supernet.state_dict().items() if not torch.equal(value, before[name])}
        assert changed == {name for name in before if name.endswith("linear.weight")}
        for name in changed:
            weight = supernet.state_dict()[name]
            assert float(weight.std()) == pytest.approx(weight.shape[1] ** -0.5, rel=0.05), name
        ends.append(supernet.block[0].mlp.fc1_linear.weight.detach())  # type: ignore[union-attr]
    assert torch.equal(ends[0], ends[1])
    assert not torch.equal(ends[0], ends[2])

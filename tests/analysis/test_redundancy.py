"""Structural similarity of channels, against scikit-image."""

from __future__ import annotations

import numpy as np
import pytest
from skimage.metrics import structural_similarity

from autospikformer_cli.analysis.redundancy import channel_similarity, mean_similarity, most_and_least


def rates(*shape: int) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    """Random firing rates at T 4, with a constant, a silent and a repeated channel."""
    maps = np.random.default_rng(1).integers(0, 5, shape) / 4
    maps[..., 0, :, :] = 0.5
    maps[..., 1, :, :] = 0.0
    maps[..., 3, :, :] = maps[..., 2, :, :]
    return maps


@pytest.mark.parametrize("size", [(7, 7), (8, 8), (9, 12), (14, 14), (16, 16), (23, 7)])
@pytest.mark.parametrize("kind", ["rates", "thirds", "real"])
def test_it_equals_scikit_image(size: tuple[int, int], kind: str) -> None:
    """Of rates at T 4, which a computer knows exactly; of thirds, which it does not; and of any numbers."""
    maps = rates(7, *size)
    if kind == "thirds":
        maps = np.minimum(maps * 4, 3) / 3
    if kind == "real":
        maps[4:] = np.random.default_rng(2).random((3, *size))
    expected = [[structural_similarity(a, b, data_range=1.0) for b in maps] for a in maps]
    np.testing.assert_allclose(channel_similarity(maps), expected, rtol=0, atol=1e-9)


def test_the_window_is_the_whole_map_where_that_is_smaller() -> None:
    maps = rates(4, 4, 4)
    a, b = maps[2].ravel(), 1 - maps[2].ravel()
    covariance = np.cov(a, b)
    expected = (2 * a.mean() * b.mean() + 1e-4) * (2 * covariance[0, 1] + 9e-4)
    expected /= (a.mean() ** 2 + b.mean() ** 2 + 1e-4) * (covariance[0, 0] + covariance[1, 1] + 9e-4)
    similarity = channel_similarity(np.stack([maps[2], 1 - maps[2]]))
    assert similarity[0, 1] == pytest.approx(expected, abs=1e-12)
    odd = rates(4, 5, 5)
    assert channel_similarity(odd)[0, 2] == pytest.approx(
        structural_similarity(odd[0], odd[2], data_range=1.0, win_size=5), abs=1e-9
    )


def test_images_are_averaged() -> None:
    maps = rates(6, 4, 8, 8)
    expected = np.mean([channel_similarity(image) for image in maps], axis=0)
    np.testing.assert_allclose(channel_similarity(maps), expected, rtol=0, atol=1e-12)


def test_it_is_symmetric_and_one_on_the_diagonal() -> None:
    similarity = channel_similarity(rates(3, 6, 8, 8).astype(np.float32))
    assert similarity.dtype == np.float64
    np.testing.assert_array_equal(similarity, similarity.T)
    np.testing.assert_array_equal(similarity.diagonal(), 1.0)
    assert similarity[2, 3] == 1.0


def test_equal_maps_have_equal_rows_and_threads_change_no_bit() -> None:
    maps = rates(3, 37, 9, 8)
    maps[:, [9, 20, 36]] = maps[:, [5]]
    maps[:, [11, 30]] = 0.0
    maps[:, [14, 15]] = 1 / 3
    similarity = channel_similarity(maps)
    for same in ([5, 9, 20, 36], [1, 11, 30], [14, 15]):
        assert (similarity[same] == similarity[same[0]]).all()
        assert (similarity[np.ix_(same, same)] == 1.0).all()
    for threads in (2, 5):
        np.testing.assert_array_equal(channel_similarity(maps, threads), similarity)
    order = np.random.default_rng(3).permutation(37)
    np.testing.assert_array_equal(channel_similarity(maps[:, order]), similarity[np.ix_(order, order)])


def test_silent_and_saturated_maps_are_as_similar_as_scikit_image_says() -> None:
    maps = np.zeros((3, 8, 8))
    maps[1] = 1.0
    maps[2, 3, 4] = 0.25
    similarity = channel_similarity(maps)
    assert similarity[0, 1] == pytest.approx(1e-4 / (1 + 1e-4))
    assert similarity[0, 2] == pytest.approx(structural_similarity(maps[0], maps[2], data_range=1.0), abs=1e-12)
    assert np.isfinite(similarity).all()


def test_a_single_pixel_compares_means_alone() -> None:
    similarity = channel_similarity(np.array([0.25, 0.75]).reshape(2, 1, 1))
    assert similarity[0, 1] == pytest.approx((2 * 0.25 * 0.75 + 1e-4) / (0.25**2 + 0.75**2 + 1e-4))


def test_other_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match=r"^rate maps of shape \(8, 8\) are not C x H x W or N x C x H x W$"):
        channel_similarity(np.zeros((8, 8)))
    with pytest.raises(ValueError, match=r"^rate maps of shape \(0, 3, 8, 8\) are not"):
        channel_similarity(np.zeros((0, 3, 8, 8)))


def test_mean_similarity_leaves_the_channel_itself_out() -> None:
    matrix = np.array([[1.0, 0.5, 0.1], [0.5, 1.0, 0.3], [0.1, 0.3, 1.0]])
    np.testing.assert_allclose(mean_similarity(matrix), [0.3, 0.4, 0.2])
    with pytest.raises(ValueError, match=r"^a single channel has no others to be similar to$"):
        mean_similarity(np.ones((1, 1)))


def test_most_and_least_are_in_original_order() -> None:
    similarity = np.array([0.2, 0.9, 0.1, 0.8, 0.5])
    matrix = np.minimum.outer(similarity, similarity)
    np.fill_diagonal(matrix, 1.0)
    order = np.argsort(mean_similarity(matrix))
    most, least = most_and_least(matrix, k=2)
    assert most.tolist() == sorted(order[-2:].tolist())
    assert least.tolist() == [0, 2]
    assert [part.tolist() for part in most_and_least(matrix)] == [[0, 1, 2, 3, 4]] * 2

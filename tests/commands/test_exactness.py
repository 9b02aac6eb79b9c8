"""Checkpoints with random weights, imported and evaluated by the command line, against the network in plain NumPy.

In float64, from the pixels on, every image's logits agree to 1e-9. In float32 one spike more or less changes all that
follow it: there, predictions are compared. The pixels, and N-MNIST's events, are read here once more.
"""

from __future__ import annotations

import pickle
import tarfile
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tomli_w
import torch
from numpy.typing import NDArray

from autospikformer_cli.store.files import get, open_h5

Aspk = Callable[..., Any]
Floats = NDArray[np.float64]

TOLERANCE = 1e-9
LOWEST_RATE, HIGHEST_RATE = 0.05, 0.60
DIGITS_MEAN, DIGITS_STD = (0.3053,), (0.3759,)
CIFAR10_MEAN, CIFAR10_STD = (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)
SPACE = {
    "depth": [1, 2],
    "mlp_ratio": [1.4, 2],
    "num_heads": [2, 4],
    "embed_dim": [24, 32],
    "threshold": [0.6, 0.8, 1, 1.4],
    "tau": [1.25, 1.5, 2, 3],
    "time_step": [3, 4, 6],
}
DVS = {"pooled_stages": (1, 2, 3, 4), "attention_scale": 0.25}


@dataclass(frozen=True)
class Case:
    """A network as the reference has it: genes, switches and weights; data, model: the recipe's keys.

    fidelity: the profile that sets the switches; None where the recipe has each of them.
    """

    genes: Any
    switches: Any
    weights: dict[str, Floats]
    data: dict[str, Any]
    model: dict[str, Any]
    fidelity: str | None = None

    @property
    def recipe(self) -> dict[str, Any]:
        """The recipe of the network."""
        keys = {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(self.switches).items()}
        keys["searched_heads"] = keys.pop("fixed_heads") is None
        del keys["stem_tau"]
        if self.fidelity:
            keys = {"pooled_stages": keys["pooled_stages"]}
        tables = {"data": self.data, "model": keys | self.model, "space": SPACE, "train": {"epochs": 30}}
        return {"fidelity": self.fidelity or "sound", **tables, "search": {"baseline": paper_tuple(self.genes)}}


def paper_tuple(genes: Any) -> list[float]:
    """The genes in the paper's order."""
    ratios = [float(ratio) for ratio in genes.mlp_ratio]
    return [len(genes.tau), *ratios, *genes.num_heads, *genes.threshold, *genes.tau, genes.time_step, genes.embed_dim]


def imported(aspk: Aspk, case: Case, precision: str = "float64", folder: str = "case") -> None:
    """The case as a run, imported from a state dict as published ones are, BatchNorm's counters among it.

    The published models for ImageNet and DVS have convolutions of one position where that for CIFAR has linear layers.
    """
    Path("case.toml").write_text(tomli_w.dumps(case.recipe))
    state = {name: torch.from_numpy(array) for name, array in case.weights.items()}
    if not case.model.get("qkv_bias", True):
        images = case.data["dataset"] in ("digits", "cifar10")
        state = dict(pointwise_convolution(*each, wide=images) for each in state.items())
    norms = [name.removesuffix(".running_var") for name in state if name.endswith(".running_var")]
    torch.save(state | {f"{norm}.num_batches_tracked": torch.tensor(1000) for norm in norms}, "case.pth")
    done = aspk("import", "case.pth", "--recipe", "case.toml", "--run", folder, "--precision", precision)
    assert done.exit_code == 0, done.stderr


def pointwise_convolution(name: str, tensor: torch.Tensor, wide: bool) -> tuple[str, torch.Tensor]:
    """A linear layer's weight (D, C) as nn.Conv1d's (D, C, 1); wide: as nn.Conv2d's in the MLP, as for ImageNet."""
    if name.endswith("_linear.weight"):
        tensor = tensor[..., None, None] if wide and ".mlp." in name else tensor[..., None]
    return name.replace("_linear.", "_conv."), tensor


@dataclass(frozen=True, eq=False)
class Predictions:
    """What a network answered. logits: (images, classes). labels, index: (images,)."""

    logits: NDArray[Any]
    labels: NDArray[Any]
    index: NDArray[Any]


def evaluated(
    aspk: Aspk, *options: str, precision: str = "float64", subnet: str = "baseline", folder: str = "case"
) -> Predictions:
    """aspk evaluate with the checkpoint's statistics; the predictions that it wrote."""
    running = ("--set", 'model.batchnorm="running"', "--precision", precision)
    chosen = ("--subnet", subnet, "--predictions", "predictions.h5")
    done = aspk("evaluate", "--run", folder, *running, *chosen, *options)
    assert done.exit_code == 0, done.stderr
    with open_h5(Path("predictions.h5"), "predictions") as file:
        return Predictions(get(file, "logits"), get(file, "labels"), get(file, "index"))


def assert_exact(reference: Any, case: Case, predictions: Predictions, frames_FBHWC: Floats) -> None:
    """Every layer of the reference fires now and then, and every image has the reference's logits."""
    network = reference.NumpySpikformer(case.weights, case.genes, case.switches)
    expected = network(frames_FBHWC)
    assert len(network.rates) == 5 + 7 * len(case.genes.tau)
    assert min(network.rates.values()) > LOWEST_RATE, network.rates
    assert max(network.rates.values()) < HIGHEST_RATE, network.rates
    assert expected.std(axis=0).min() > 0.1
    assert predictions.logits.dtype == np.float64
    assert predictions.logits.shape == expected.shape
    assert np.abs(predictions.logits - expected).max() < TOLERANCE


# Images


@pytest.fixture(scope="module")
def digits(numpy_spikformer: Any) -> Floats:
    """scikit-learn's digits as bytes, white being 16 of 16, normalised: one frame (1, 1797, 8, 8, 1)."""
    from sklearn.datasets import load_digits

    pixels = np.rint(load_digits().images * 255 / 16).astype(np.uint8)[..., None]
    frames: Floats = numpy_spikformer.normalised(pixels, DIGITS_MEAN, DIGITS_STD)[None]
    return frames


def digits_case(
    reference: Any, digits: Floats, seed: int = 1, taus: tuple[float, float] = (1.5, 3), **keys: Any
) -> Case:
    genes = reference.Genes(("2", "2"), (2, 4), (0.8, 1.4), taus, 4, 32)
    switches = reference.Switches(pooled_stages=(4,), **keys)
    weights = reference.random_checkpoint(seed, digits[:, :100], genes, switches, 10)
    return Case(genes, switches, weights, {"dataset": "digits"}, {})


@pytest.mark.parametrize(
    ("fidelity", "keys"),
    [
        ("sound", {}),
        ("paper", {"decay_input": False, "fires_at": "exceed", "stem_threshold": 0.5}),
        ("authors", {"threshold_scope": "fc1", "fixed_heads": 4}),
        (None, {"reset": "soft", "attention_threshold": 0.75, "attention_scale": 0.25, "stem_threshold": 1.5}),
    ],
)
def test_static_model_on_digits(
    aspk: Aspk, numpy_spikformer: Any, digits: Floats, fidelity: str | None, keys: dict[str, Any]
) -> None:
    """Under each profile, named alone, and under other switches."""
    case = replace(digits_case(numpy_spikformer, digits, **keys), fidelity=fidelity)
    imported(aspk, case)
    predictions = evaluated(aspk, "--images", "64")
    assert len(predictions.index) == 64
    assert_exact(numpy_spikformer, case, predictions, digits[:, predictions.index])


def test_heads_do_nothing_under_authors(aspk: Aspk, numpy_spikformer: Any, digits: Floats) -> None:
    """To the last bit; under sound they do."""
    for fidelity in ("authors", "sound"):
        case = replace(digits_case(numpy_spikformer, digits), fidelity=fidelity)
        imported(aspk, case, folder=fidelity)
        logits = []
        for heads in ((2, 2), (4, 4)):
            subnet = str(paper_tuple(replace(case.genes, num_heads=heads)))
            logits.append(evaluated(aspk, "--images", "64", subnet=subnet, folder=fidelity).logits)
        assert np.array_equal(*logits) is (fidelity == "authors")


def test_a_narrower_subnet_of_a_checkpoint(aspk: Aspk, numpy_spikformer: Any, digits: Floats) -> None:
    """The first channels of every layer; 24 x 1.4 hidden neurons are 33."""
    case = digits_case(numpy_spikformer, digits, taus=(1.5, 2))
    imported(aspk, case)
    genes = numpy_spikformer.Genes(("1.4", "2"), (4, 2), (0.8, 1.0), (1.5, 2), 3, 24)
    predictions = evaluated(aspk, "--images", "64", subnet=str(paper_tuple(genes)))
    assert_exact(numpy_spikformer, replace(case, genes=genes), predictions, digits[:, predictions.index])


def test_float32_predicts_the_same(aspk: Aspk, numpy_spikformer: Any, digits: Floats) -> None:
    """At least 99 % of 500 images."""
    case = digits_case(numpy_spikformer, digits)
    imported(aspk, case, precision="float32")
    predictions = evaluated(aspk, "--images", "500", "--split", "train", precision="float32")
    expected = numpy_spikformer.NumpySpikformer(case.weights, case.genes, case.switches)(digits[:, predictions.index])
    same = expected.argmax(1) == predictions.logits.argmax(1)
    assert predictions.logits.dtype == np.float32
    assert len(same) == 500
    assert np.bincount(expected.argmax(1)).max() < 250
    assert same.mean() >= 0.99


@pytest.fixture(scope="module")
def cifar10(cifar10_root: Path, numpy_spikformer: Any) -> Floats:
    """CIFAR10's test images, normalised: one frame (1, 10000, 32, 32, 3). The file has planes of red, green, blue."""
    batch = pickle.loads((cifar10_root / "cifar-10-batches-py" / "test_batch").read_bytes(), encoding="bytes")  # noqa: S301
    pixels = batch[b"data"].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)[:500]
    frames: Floats = numpy_spikformer.normalised(pixels, CIFAR10_MEAN, CIFAR10_STD)[None]
    return frames


@pytest.mark.shared
@pytest.mark.parametrize(
    ("qkv_bias", "keys"),
    [(True, {}), (False, {"pooled_stages": (1, 2, 3, 4)})],
    ids=["CIFAR's model", "ImageNet's model"],
)
def test_static_model_on_cifar10(
    aspk: Aspk, numpy_spikformer: Any, cifar10: Floats, cifar10_root: Path, qkv_bias: bool, keys: dict[str, Any]
) -> None:
    genes = numpy_spikformer.Genes(("2", "2"), (4, 2), (1.0, 0.6), (2.0, 1.25), 4, 32)
    switches = numpy_spikformer.Switches(**keys)
    weights = numpy_spikformer.random_checkpoint(2, cifar10[:, 400:420], genes, switches, 10, qkv_bias)
    data = {"dataset": "cifar10", "root": str(cifar10_root)}
    case = Case(genes, switches, weights, data, {"qkv_bias": qkv_bias})
    imported(aspk, case)
    predictions = evaluated(aspk, "--images", "64")
    assert predictions.index.tolist() == list(range(64))
    assert_exact(numpy_spikformer, case, predictions, cifar10[:, :64])


# Events


DIGITS_EVENTS = {"dataset": "digits-events", "root": "events", "frames": 10, "image_size": 32, "augment": "none"}


def digits_events(split: str, num: int) -> Floats:
    """The first recordings of a split, as counts (F, num, H, W, C)."""
    from autospikformer_cli.data.images import load_split
    from autospikformer_cli.recipe.sections import DataConfig

    images = load_split(DataConfig(**DIGITS_EVENTS), 0, split).first(num).images
    return images.numpy().astype(np.float64).swapaxes(0, 1)


def test_dvs_model_on_digits_events(aspk: Aspk, numpy_spikformer: Any) -> None:
    """Six time steps of ten frames of counts, chosen evenly."""
    frames, data = digits_events("test", 64), DIGITS_EVENTS
    case = dvs_case(numpy_spikformer, frames, data, time_step=6)
    imported(aspk, case)
    predictions = evaluated(aspk, "--images", "64")
    assert len(predictions.index) == 64
    assert_exact(numpy_spikformer, case, predictions, frames)


def test_float32_predicts_the_same_of_events(aspk: Aspk, numpy_spikformer: Any) -> None:
    """At least 99 % of 500 recordings."""
    frames = digits_events("train", 500)
    case = dvs_case(numpy_spikformer, frames, DIGITS_EVENTS, time_step=4)
    imported(aspk, case, precision="float32")
    predictions = evaluated(aspk, "--images", "500", "--split", "train", precision="float32")
    expected = numpy_spikformer.NumpySpikformer(case.weights, case.genes, case.switches)(frames)
    same = expected.argmax(1) == predictions.logits.argmax(1)
    assert predictions.logits.dtype == np.float32
    assert len(same) == 500
    assert np.bincount(expected.argmax(1)).max() < 250
    assert same.mean() >= 0.99


def dvs_case(reference: Any, frames_FBHWC: Floats, data: dict[str, Any], time_step: int) -> Case:
    genes = reference.Genes(("2", "2"), (4, 2), (1.0, 0.8), (2.0, 1.5), time_step, 32)
    switches = reference.Switches(**DVS)
    weights = reference.random_checkpoint(3, frames_FBHWC[:, :40], genes, switches, 10, qkv_bias=False)
    return Case(genes, switches, weights, data, {"qkv_bias": False})


@pytest.fixture(scope="module")
def nmnist_root(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with N-MNIST's Train and Test."""
    root = tmp_path_factory.mktemp("nmnist")
    with tarfile.open(shared_data / "events" / "nmnist-mini.tar.xz") as archive:
        archive.extractall(root, filter="data")
    return next(path.parent for path in root.rglob("Test"))


def nmnist_frames(file: Path, num_frames: int, split_by: str) -> Floats:
    """Counts (F, 34, 34, 2): x, y, then 1 bit of polarity and 23 bits of time in microseconds, from 5 bytes an event.

    Frame i begins at event i floor(N / F), or at the time t_0 + i floor((t_last - t_0) / F); the last has the rest.
    """
    data = file.read_bytes()
    events = []
    for start in range(0, len(data), 5):
        x, y, *rest = data[start : start + 5]
        word = int.from_bytes(rest, "big")
        events.append((x, y, word >> 23, word & 0x7FFFFF))
    first, last = events[0][3], events[-1][3]
    frames = np.zeros((num_frames, 34, 34, 2))
    for place, (x, y, polarity, time) in enumerate(events):
        share = place // (len(events) // num_frames)
        if split_by == "time":
            share = (time - first) // ((last - first) // num_frames)
        frames[min(share, num_frames - 1), y, x, polarity] += 1
    return frames


@pytest.mark.shared
@pytest.mark.parametrize(("split_by", "time_step"), [("count", 4), ("time", 6)])
def test_dvs_model_on_nmnist(
    aspk: Aspk, numpy_spikformer: Any, nmnist_root: Path, split_by: str, time_step: int
) -> None:
    """All test recordings, 34 x 34 pixels: maps of 17, 9, 5 and 3 a side, padded at odd ones."""
    files = sorted((nmnist_root / "Test").glob("*/*.bin"), key=lambda file: (file.parent.name, file.name))
    frames = np.stack([nmnist_frames(file, 6, split_by) for file in files], axis=1)
    data = {"dataset": "nmnist", "root": str(nmnist_root), "frames": 6, "split_by": split_by, "augment": "none"}
    case = dvs_case(numpy_spikformer, frames, data, time_step)
    imported(aspk, case)
    predictions = evaluated(aspk)
    assert sorted(predictions.index.tolist()) == list(range(47))
    assert predictions.labels.tolist() == [int(files[place].parent.name) for place in predictions.index]
    assert_exact(numpy_spikformer, case, predictions, frames[:, predictions.index])

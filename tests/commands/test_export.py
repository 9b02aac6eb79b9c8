"""aspk export: a subnet alone in a file that its own runtime reads as `aspk evaluate` does; and load_subnet."""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch
from PIL import Image
from safetensors import safe_open
from sklearn.datasets import load_digits
from torch import Tensor

import autospikformer_cli
from autospikformer_cli.data.images import load_split
from autospikformer_cli.errors import UserError
from autospikformer_cli.exchange import formats
from autospikformer_cli.exchange.formats import FORMATS, Predict, SafetensorsFile
from autospikformer_cli.recipe import load_recipe, recipe_from_toml
from autospikformer_cli.spiking.extraction import ExtractedSubnet
from autospikformer_cli.store.files import get, open_h5
from autospikformer_cli.store.supernet import load_checkpoint, load_weights, save_checkpoint

Aspk = Callable[..., Any]

SUBNET = "(1, 3, 2, 0.8, 1.5, 2, 16)"
WIDE = "(1, 2, 4, 1, 2, 2, 24)"
KEYS = {
    "run", "subnet", "file", "format", "folded", "precision", "parameters", "images_compared", "max_difference",
    "same_predictions", "predicted_classes", "silent_layers", "silent_blocks", "sha256", "fidelity", "switches",
    "resolved", "schema_version",
}  # fmt: skip


def evaluated(aspk: Aspk, *options: object, split: str = "validation", images: int = 40) -> np.ndarray[Any, Any]:
    """The logits of `aspk evaluate`."""
    done = aspk("evaluate", *options, "--split", split, "--images", images, "--predictions", "made.h5", "--quiet")
    assert done.exit_code == 0, done.stderr
    with open_h5(Path("made.h5"), "predictions") as file:
        return get(file, "logits")


def validation_inputs(network: ExtractedSubnet, dtype: torch.dtype) -> Tensor:
    """The first 40 images as a user would prepare them."""
    recipe = load_recipe("tiny.toml")
    pixels = load_split(recipe.data, recipe.seed, "validation").images[:40].to(dtype) / 255
    mean, std = (torch.tensor(values, dtype=dtype) for values in (network.mean, network.std))
    return ((pixels - mean) / std).permute(0, 3, 1, 2)


def left_here() -> set[str]:
    """Files in the working folder, hidden ones too."""
    return {path.name for path in Path().iterdir() if path.is_file()} - {"tiny.toml", "made.h5"}


@pytest.mark.parametrize("batchnorm", ["recalibrate", "running"])
def test_safetensors(aspk: Aspk, trained: Path, batchnorm: str) -> None:
    option = ("--set", f'model.batchnorm="{batchnorm}"')
    done = aspk("export", "--subnet", SUBNET, "--to", "a.safetensors", "--images", "40", *option, "--json")
    assert done.exit_code == 0, done.stderr
    assert left_here() == {"a.safetensors"}
    document = done.document
    assert set(document) == KEYS
    assert document["subnet"] == [1, 3, 2, 0.8, 1.5, 2, 16]
    assert (document["run"], document["file"]) == ("runs/tiny", "a.safetensors")
    assert (document["format"], document["folded"], document["precision"]) == ("safetensors", False, "float32")
    assert document["images_compared"] == 40
    assert document["same_predictions"] >= 39
    assert 1 <= document["predicted_classes"] <= 10
    assert document["max_difference"] < 0.5
    assert document["sha256"] == hashlib.sha256(Path("a.safetensors").read_bytes()).hexdigest()
    evaluation = aspk("evaluate", "--subnet", SUBNET, "--images", "1", "--json").document
    assert document["parameters"] == evaluation["params"]

    weights = load_weights(trained)
    with safe_open("a.safetensors", "numpy") as file:
        metadata, tensors = file.metadata(), {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    assert {name for name in weights if "block.1" not in name} == set(tensors)
    for name, tensor in tensors.items():
        supernets = weights[name][tuple(slice(size) for size in tensor.shape)]
        own = batchnorm == "recalibrate" and "running" in name
        assert (tensor.tobytes() == np.ascontiguousarray(supernets).tobytes()) is not own

    recipe = load_recipe("tiny.toml")
    assert recipe_from_toml(metadata["recipe"]).model.batchnorm == batchnorm
    assert (metadata["subnet"], metadata["time_step"], metadata["precision"]) == (SUBNET, "2", "float32")
    assert (metadata["batchnorm"], metadata["batchnorm_folded"]) == (batchnorm, "false")
    assert json.loads(metadata["mean"]) == [0.3053]
    assert json.loads(metadata["switches"])["model.fires_at"] == "reach"
    train = load_split(recipe.data, recipe.seed, "train").first(32)
    assert metadata["calibration_hash"] == (train.hash if batchnorm == "recalibrate" else "")
    assert metadata["split_hash"] == load_split(recipe.data, recipe.seed, "validation").first(40).hash


def test_the_best_is_exported(aspk: Aspk, searched: Path) -> None:
    best = aspk("report", "--json").document["candidates"][0]["subnet"]
    done = aspk("export", "--to", "best.safetensors", "--images", "40")
    assert done.exit_code == 0, done.stderr
    first, second, third = done.stdout.splitlines()
    assert first == f"best.safetensors: ({', '.join(f'{gene:g}' for gene in best)}) of runs/tiny, float32"
    assert " parameters, " in second
    assert third.startswith("  read again by safetensors: ")

    network = autospikformer_cli.load_subnet("runs/tiny", precision="float64")
    assert isinstance(network, ExtractedSubnet)
    assert network.subnet.to_numbers() == best
    logits = network(validation_inputs(network, torch.float64))
    assert np.abs(logits.numpy() - evaluated(aspk, "--precision", "float64")).max() < 1e-9


def test_a_program_in_float64(aspk: Aspk, trained: Path) -> None:
    options = ("--subnet", SUBNET, "--precision", "float64")
    done = aspk("export", *options, "--to", "net.pt2", "--fold", "--images", "40")
    assert done.exit_code == 0, done.stderr
    assert f"net.pt2: {SUBNET} of runs/tiny, float64, BatchNorm folded into its weights\n" in done.stdout
    assert "  read again by torch.export: 40 of 40 predictions are the same, logits within " in done.stdout

    expected = evaluated(aspk, *options)
    network = autospikformer_cli.load_subnet(trained, SUBNET, precision="float64")
    inputs = validation_inputs(network, torch.float64)
    program = torch.export.load("net.pt2").module()
    for logits in (network(inputs), program(inputs)):
        assert np.abs(logits.numpy() - expected).max() < 1e-9
    assert np.ptp(expected) > 0.1


def training_digits(network: ExtractedSubnet) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """500 of scikit-learn's digits, prepared here (B, 1, 8, 8), and logits that `aspk evaluate` wrote for them."""
    with open_h5(Path("made.h5"), "predictions") as file:
        logits, index = get(file, "logits"), get(file, "index")
    bytes_BHW = np.rint(load_digits().images[index] * 255 / 16)
    x_BHW = (bytes_BHW / 255 - network.mean[0]) / network.std[0]
    return x_BHW[:, None].astype(np.float32), logits


def test_onnx_runtime_predicts_the_same(aspk: Aspk, trained: Path) -> None:
    """At least 99 % of 500 training images, as it does of the command's own 100."""
    done = aspk("export", "--subnet", SUBNET, "--to", "net.onnx", "--json")
    assert done.exit_code == 0, done.stderr
    assert "Warning" not in done.stderr
    assert done.document["same_predictions"] >= 99
    assert done.document["images_compared"] == 100
    genes = [float(gene) for gene in SUBNET.strip("()").split(",")]
    network = autospikformer_cli.load_subnet(trained, genes)
    session = onnxruntime.InferenceSession("net.onnx", providers=["CPUExecutionProvider"])
    assert session.get_modelmeta().custom_metadata_map["subnet"] == SUBNET
    evaluated(aspk, "--subnet", SUBNET, split="train", images=500)
    inputs, expected = training_digits(network)
    (logits,) = session.run(["logits"], {"x": inputs})
    assert len(logits) == 500
    assert np.bincount(expected.argmax(-1)).max() < 250
    assert (logits.argmax(-1) == expected.argmax(-1)).mean() >= 0.99
    for secret in (b"site-packages", str(Path(__file__).parents[2]).encode()):
        assert secret not in Path("net.onnx").read_bytes()


@pytest.mark.parametrize("dim", [24, 16])
def test_an_exported_file_is_imported_again(aspk: Aspk, trained: Path, dim: int) -> None:
    """A subnet narrower than its supernet keeps the supernet's stem, which the recipe must then tell."""
    subnet = f"(1, 2, 4, 1, 2, 2, {dim})"
    assert aspk("export", "--subnet", subnet, "--to", "alone.safetensors", "--precision", "float64").exit_code == 0
    expected = evaluated(aspk, "--subnet", subnet, "--precision", "float64", split="test")
    Path("alone.toml").write_text(
        'extends = "tiny.toml"\n[space]\ndepth = [1]\nmlp_ratio = [2]\nnum_heads = [4]\nthreshold = [1]\ntau = [2]\n'
        f"time_step = [2]\nembed_dim = [{dim}]\n"
    )
    options = ["--recipe", "alone.toml", "--run", "runs/alone", "--precision", "float64"]
    if dim == 16:
        refused = aspk("import", "alone.safetensors", *options)
        assert refused.exit_code == 2
        assert "half of 24: --set model.stem_dim=24" in refused.stderr
        options += ["--set", "model.stem_dim=24"]
    assert aspk("import", "alone.safetensors", *options).exit_code == 0
    options = ("--run", "runs/alone", "--precision", "float64", "--set", 'model.batchnorm="running"')
    assert np.abs(evaluated(aspk, "--subnet", "largest", *options, split="test") - expected).max() < 1e-9


def test_blocks_of_two_sizes_cannot_be_imported(aspk: Aspk, trained: Path) -> None:
    assert aspk("export", "--subnet", "(2, 2, 3, 2, 4, 1, 1, 2, 2, 2, 24)", "--to", "alone.safetensors").exit_code == 0
    refused = aspk("import", "alone.safetensors", "--recipe", "tiny.toml", "--run", "runs/alone")
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert refused.stderr == (
        "error: alone.safetensors: its blocks have 48 and 72 hidden neurons, and a run's supernet has one size: "
        "it cannot become a run\n  if aspk exported it, keep using it in the run that it was exported from, or read it "
        "from there with autospikformer_cli.load_subnet\n"
    )
    assert not Path("runs/alone").exists()


@pytest.mark.parametrize("recipe", ["ann.toml", "tiny.toml"])
def test_an_ann_cannot_be_imported(aspk: Aspk, recipe: str) -> None:
    """Its tensors would fit the spiking network of the same sizes."""
    Path("ann.toml").write_text(
        'extends = "tiny.toml"\n[model]\nnetwork = "transformer"\n[train]\nepochs = 1\nwarmup_epochs = 0\n'
    )
    assert aspk("train", "ann.toml", "--run", "runs/ann").exit_code == 0
    done = aspk("export", "--run", "runs/ann", "--subnet", "largest", "--to", "ann.safetensors", "--images", "40")
    assert done.exit_code == 0, done.stderr
    refused = aspk("import", "ann.safetensors", "--recipe", recipe)
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert refused.stderr == (
        "error: ann.safetensors: is an ANN that aspk exported; only spiking networks are imported\n"
        "  evaluate it in the run that it was exported from, or import a spiking one\n"
    )


REFUSED = {
    "a.pth": "--to: 'a.pth' has the suffix .pth\n  end it in .safetensors, .pt2, .onnx: it says the format",
    "a": "--to: 'a' has no suffix\n  end it in .safetensors, .pt2, .onnx: it says the format",
    "no/a.pt2": "--to: there is no folder no\n  make it first: mkdir -p no",
    "folder.pt2": "--to: folder.pt2 is a folder\n  name a file in it",
    "there.pt2": "--to: there.pt2 exists\n  name another file, or add --overwrite",
    "a.onnx": "--precision float64: ONNX Runtime has no float64 convolution\n  leave it out, or write a .pt2",
}


@pytest.mark.parametrize("file", REFUSED)
def test_what_cannot_be_written_is_said_first(
    aspk: Aspk, trained: Path, monkeypatch: pytest.MonkeyPatch, file: str
) -> None:
    Path("folder.pt2").mkdir()
    Path("there.pt2").write_text("mine")
    monkeypatch.setattr("autospikformer_cli.runs.trained_run.open_run", None)  # nothing is opened before
    done = aspk("export", "--to", file, "--precision", "float64")
    assert (done.exit_code, done.stdout, done.stderr) == (2, "", f"error: {REFUSED[file]}\n")
    assert Path("there.pt2").read_text() == "mine"
    assert left_here() == {"there.pt2"}


def test_a_folder_that_cannot_be_written(aspk: Aspk, trained: Path) -> None:
    long = "n" * 250 + ".pt2"
    done = aspk("export", "--to", long)
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr.startswith(f"error: {long}: cannot be written: ")
    assert "name another file" in done.stderr


def test_onnx_needs_its_packages(aspk: Aspk, trained: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(formats, "ONNX_PACKAGES", ("torch", "no_such_onnx", "nor_script"))
    done = aspk("export", "--to", "a.onnx")
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr == (
        "error: --to: an .onnx file needs no_such_onnx, nor_script, which are not installed\n"
        '  pip install "autospikformer-cli[onnx]"\n'
    )


def test_statistics_of_a_batch_cannot_be_exported(aspk: Aspk, trained: Path) -> None:
    done = aspk("export", "--subnet", "largest", "--to", "a.pt2", "--set", 'model.batchnorm="batch"')
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr == (
        "error: model.batchnorm: a subnet whose BatchNorm takes the statistics of each batch has none of its own to be "
        "exported with\n  measure them: --set 'model.batchnorm=\"recalibrate\"'\n"
    )


def test_a_subnet_that_there_is_not(aspk: Aspk, trained: Path) -> None:
    done = aspk("export", "--subnet", "(1, 2, 3, 0.5, 2, 2, 48)", "--to", "a.pt2")
    assert done.exit_code == 2
    assert "is outside the search space" in done.stderr
    with pytest.raises(UserError, match="there is no run nowhere"):
        autospikformer_cli.load_subnet("nowhere")
    with pytest.raises(UserError, match="'half' is not a precision"):
        autospikformer_cli.load_subnet(trained, "largest", precision="half")
    assert not left_here()


def test_a_network_of_no_numbers_is_not_exported(aspk: Aspk, trained: Path) -> None:
    checkpoint = load_checkpoint(trained)
    checkpoint.weights["head.weight"][3] = np.finfo(np.float32).max
    save_checkpoint(trained, checkpoint)
    done = aspk("export", "--subnet", SUBNET, "--to", "a.safetensors", "--quiet")
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr == (
        f"error: runs/tiny: subnet {SUBNET} has logits that are no numbers, there is nothing to compare a file with\n"
        "  export another subnet, or train again with smaller learning rates\n"
    )
    assert not left_here()


class Disagreeing(SafetensorsFile):
    """Its reader predicts the opposite."""

    def read(self, network: ExtractedSubnet, path: Path, threads: int) -> Predict:
        predict = super().read(network, path, threads)
        return lambda x: -predict(x)


class Damaging(SafetensorsFile):
    """It writes something else."""

    def write(self, network: ExtractedSubnet, example: Tensor, path: Path, metadata: Mapping[str, str]) -> None:
        super().write(network, example, path, metadata)
        content = path.read_bytes()
        path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))


@pytest.mark.parametrize(
    ("broken", "said"),
    [(Disagreeing(), "not written, safetensors computes something else from it: "), (Damaging(), "not the network's")],
    ids=["prediction", "bit"],
)
def test_a_file_that_disagrees_is_not_left_there(
    aspk: Aspk, trained: Path, monkeypatch: pytest.MonkeyPatch, broken: SafetensorsFile, said: str
) -> None:
    arguments = ("export", "--subnet", "largest", "--to", "a.safetensors", "--images", "40")
    assert aspk(*arguments).exit_code == 0
    before = Path("a.safetensors").read_bytes()
    assert aspk(*arguments).exit_code == 2
    monkeypatch.setitem(FORMATS, ".safetensors", broken)
    done = aspk(*arguments, "--overwrite")
    assert (done.exit_code, done.stdout) == (2, "")
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert left_here() == {"a.safetensors"}
    assert Path("a.safetensors").read_bytes() == before
    monkeypatch.undo()


def _photographs(folder: Path) -> None:
    """Two classes of 24 pictures: light ones and dark ones."""
    generator = np.random.default_rng(0)
    for name, light in (("bright day", 200), ("night", 40)):
        (folder / name).mkdir(parents=True)
        for number in range(24):
            pixels = np.clip(generator.normal(light, 40, (8, 8, 3)), 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{number}.png")


def _metadata(file: Path) -> Mapping[str, str]:
    """What a file's own library finds in it besides the network."""
    if file.suffix == ".onnx":
        return dict(onnxruntime.InferenceSession(file).get_modelmeta().custom_metadata_map)
    if file.suffix == ".safetensors":
        with safe_open(file, "numpy") as opened:
            return dict(opened.metadata())
    names = ("class_names", "image_size", "in_channels", "normalisation", "mean", "std", "recipe")
    extra = dict.fromkeys(names, "")
    torch.export.load(file, extra_files=extra)
    return extra


def test_files_say_what_they_read_and_predict_and_no_path(aspk: Aspk, own_folder: Path) -> None:
    """Of a user's own photographs, given by absolute paths. The bytes are searched, compressed ones too."""
    _photographs(own_folder / "my photographs")
    recipe = own_folder / "elsewhere" / "mine.toml"
    recipe.parent.mkdir()
    recipe.write_text(
        f'extends = "../tiny.toml"\n[data]\ndataset = "folder"\nroot = "{own_folder}/my photographs"\nimage_size = 8\n'
        f'cache = "{own_folder}/cached"\nnormalise = {{mean = [0.4, 0.5, 0.6], std = [0.2, 0.25, 0.3]}}\n'
        "[train]\nepochs = 1\nwarmup_epochs = 0\n"
    )
    assert aspk("train", recipe, "--run", own_folder / "runs" / "photographs").exit_code == 0
    for name in ("a.onnx", "a.pt2", "a.safetensors"):
        to = own_folder / "elsewhere" / name
        done = aspk("export", "--run", own_folder / "runs" / "photographs", "--subnet", "smallest", "--to", to)
        assert done.exit_code == 0, done.stderr
        found = _metadata(to)
        assert json.loads(found["class_names"]) == ["bright day", "night"]
        assert (found["image_size"], found["in_channels"]) == ("8", "3")
        assert found["normalisation"] == "(pixel / 255 - mean) / std"
        assert (json.loads(found["mean"]), json.loads(found["std"])) == ([0.4, 0.5, 0.6], [0.2, 0.25, 0.3])
        assert recipe_from_toml(found["recipe"]).data.root == "data"
        for content in _contents(to):
            for secret in (
                str(own_folder),
                "my photographs",
                "elsewhere",
                "site-packages",
                str(Path(__file__).parents[2]),
            ):
                assert secret.encode() not in content, (name, secret)


def _contents(file: Path) -> list[bytes]:
    """The bytes of a file, and of the files in it."""
    whole = [file.read_bytes()]
    if zipfile.is_zipfile(file):
        with zipfile.ZipFile(file) as archive:
            whole += [archive.read(name) for name in archive.namelist()]
    return whole

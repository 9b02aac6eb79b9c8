"""aspk import: published checkpoints become runs, and nothing else does. The files are torch's and safetensors' own."""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import hashlib
import json
import pickle
import sys
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from autospikformer_cli.data.description import describe
from autospikformer_cli.data.frames import to_frames
from autospikformer_cli.data.images import load_split
from autospikformer_cli.engine.compute import make_compute
from autospikformer_cli.errors import UserError
from autospikformer_cli.exchange.importing import import_checkpoint
from autospikformer_cli.recipe import load_recipe, recipe_from_toml
from autospikformer_cli.runs.building import load_arrays, make_supernet
from autospikformer_cli.spiking.normalisation import RunningStatistics
from autospikformer_cli.store.files import get, open_h5
from autospikformer_cli.store.supernet import load_checkpoint, load_weights, read_training, weights_hash

Aspk = Callable[..., Any]
State = dict[str, Tensor]

IMPORT = ("import", "model.pth", "--recipe", "tiny.toml")
RUNNING = ("--set", 'model.batchnorm="running"')
WITHOUT_BIASES = ("--set", "model.qkv_bias=false")


class Attention(nn.Module):
    """The layers of Spikformer's SSA that have parameters: linear (CIFAR), or Conv1d (ImageNet and DVS)."""

    def __init__(self, dim: int, form: str) -> None:
        super().__init__()
        for name in ("q", "k", "v", "proj"):
            if form != "cifar":
                self.add_module(f"{name}_conv", nn.Conv1d(dim, dim, 1, bias=name == "proj"))
            else:
                self.add_module(f"{name}_linear", nn.Linear(dim, dim))
            self.add_module(f"{name}_bn", nn.BatchNorm1d(dim))


class MLP(nn.Module):
    """The same of its MLP, which has Conv2d for ImageNet."""

    def __init__(self, dim: int, hidden: int, form: str) -> None:
        super().__init__()
        for name, inputs, outputs in (("fc1", dim, hidden), ("fc2", hidden, dim)):
            if form == "events":
                self.add_module(f"{name}_conv", nn.Conv1d(inputs, outputs, 1))
                self.add_module(f"{name}_bn", nn.BatchNorm1d(outputs))
            elif form == "imagenet":
                self.add_module(f"{name}_conv", nn.Conv2d(inputs, outputs, 1))
                self.add_module(f"{name}_bn", nn.BatchNorm2d(outputs))
            else:
                self.add_module(f"{name}_linear", nn.Linear(inputs, outputs))
                self.add_module(f"{name}_bn", nn.BatchNorm1d(outputs))


class Block(nn.Module):
    """The same of an encoder block, with the two norms that it never calls."""

    def __init__(self, dim: int, hidden: int, form: str) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.attn, self.mlp = Attention(dim, form), MLP(dim, hidden, form)


class Stem(nn.Module):
    """The same of the SPS."""

    def __init__(self, channels: int, dim: int) -> None:
        super().__init__()
        inputs = channels
        for suffix, outputs in (("", dim // 8), ("1", dim // 4), ("2", dim // 2), ("3", dim)):
            self.add_module(f"proj_conv{suffix}", nn.Conv2d(inputs, outputs, 3, padding=1, bias=False))
            self.add_module(f"proj_bn{suffix}", nn.BatchNorm2d(outputs))
            inputs = outputs
        self.rpe_conv, self.rpe_bn = nn.Conv2d(dim, dim, 3, padding=1, bias=False), nn.BatchNorm2d(dim)


class Published(nn.Module):
    """A module whose state dict has the names, shapes and order of a published Spikformer's.

    form: of the model for "cifar", "imagenet" or "events".
    """

    def __init__(
        self,
        dim: int = 24,
        depth: int = 2,
        hidden: int = 72,
        classes: int = 10,
        channels: int = 1,
        form: str = "cifar",
    ) -> None:
        super().__init__()
        self.pos_embed = nn.Parameter(torch.zeros(1, 16, dim))
        self.patch_embed = Stem(channels, dim)
        self.block = nn.ModuleList(Block(dim, hidden, form) for _ in range(depth))
        self.norm, self.head = nn.LayerNorm(dim), nn.Linear(dim, classes)


def published(**shape: Any) -> State:
    """Its state dict, with random weights and statistics such that neurons fire."""
    generator = torch.Generator().manual_seed(0)
    state: State = Published(**shape).state_dict()
    for name, tensor in state.items():
        if tensor.is_floating_point():
            tensor.normal_(generator=generator)
            if name.endswith(("running_var", "bn.weight", "bn1.weight", "bn2.weight", "bn3.weight")):
                tensor.abs_().add_(0.5)
    return state


@pytest.fixture(scope="module")
def state() -> State:
    """The state dict of tiny.toml's network, in double precision's digits that single precision holds."""
    return published()


def imported(aspk: Aspk, *options: object) -> Path:
    """The run that a command makes."""
    done = aspk(*(options or IMPORT), "--json")
    assert done.exit_code == 0, done.stderr
    return Path(done.document["run"])


def refused(aspk: Aspk, *options: object) -> str:
    """What a command says that is refused with one message and makes no run."""
    done = aspk(*(options or IMPORT))
    assert done.exit_code == 2, done.stderr
    assert done.stdout == ""
    assert not list(Path("runs").glob("*"))
    return str(done.stderr)


NORMS = ["block.0.norm1", "block.0.norm2", "block.1.norm1", "block.1.norm2", "norm"]
LEFT_OUT = ["pos_embed", *(f"{norm}.{name}" for norm in NORMS for name in ("weight", "bias"))]


def test_what_is_said(aspk: Aspk, state: State) -> None:
    torch.save(state, "model.pth")
    done = aspk(*IMPORT)
    assert done.exit_code == 0, done.stderr
    params = sum(
        tensor.numel()
        for name, tensor in state.items()
        if name not in LEFT_OUT and not name.endswith(("running_mean", "running_var", "num_batches_tracked"))
    )
    assert done.stdout == (
        f"runs/model: 99 tensors ({params:,} parameters) imported from model.pth\n"
        "left out 11 that no layer reads: pos_embed, block.0.norm1.weight, block.0.norm1.bias and 8 more\n"
    )
    assert done.stderr == (
        "next: aspk evaluate --run runs/model --subnet largest --set 'model.batchnorm=\"running\"'  "
        "(statistics come with the checkpoint)\n"
    )
    assert aspk(*IMPORT, "--json", "--quiet").document == {
        "schema_version": 1,
        "run": "runs/model-2",
        "recipe": "tiny",
        "file": "model.pth",
        "sha256": hashlib.sha256(Path("model.pth").read_bytes()).hexdigest(),
        "tensors": 99,
        "left_out": LEFT_OUT,
        "params": params,
        **load_recipe("tiny.toml").fidelity_document(),
    }
    running = aspk(*IMPORT, *RUNNING)
    assert "--subnet largest  (" in running.stderr


def test_what_is_stored(aspk: Aspk, state: State) -> None:
    torch.save(state, "model.pth")
    checkpoint = load_checkpoint(imported(aspk))
    for name, array in checkpoint.weights.items():
        assert array.dtype == np.float32
        assert np.array_equal(array, state[name].numpy())
    assert len(checkpoint.weights) == 99
    assert checkpoint.optimizer == {}
    assert checkpoint.splits == {}
    assert checkpoint.state.finished
    assert checkpoint.origin is not None
    assert (checkpoint.origin.file, checkpoint.origin.left_out) == ("model.pth", tuple(LEFT_OUT))
    assert recipe_from_toml(checkpoint.recipe_toml) == load_recipe("tiny.toml")


def _files(state: State) -> Iterator[str]:
    """Writes the same weights in every form that is read; the names of the files."""
    wrapped = {f"module.{name}": tensor for name, tensor in state.items()}
    args = argparse.Namespace(model="spikformer", lr=5e-4, mean=(0.5,), crop_pct=None)
    optimizer = torch.optim.AdamW([nn.Parameter(torch.ones(3))]).state_dict()
    timm = {"epoch": 299, "arch": "spikformer", "optimizer": optimizer, "version": 2, "args": args, "metric": 95.1}
    forms: dict[str, object] = {
        "bare.pth": state,
        "parameters.pt": {name: nn.Parameter(t) if t.is_floating_point() else t for name, t in state.items()},
        "wrapped.pth": wrapped,
        "compiled.pth": {f"_orig_mod.{name}": tensor for name, tensor in state.items()},
        "timm.pth.tar": {**timm, "state_dict": state},
        "timm-wrapped.pth.tar": {**timm, "state_dict": wrapped},
        "nested.bin": {"model": OrderedDict(state), "best": 0.9},
        "averaged.pth": {"state_dict_ema": state, "epoch": 3},
        "shuffled.pth": dict(reversed(state.items())),
    }
    around = {"best": np.float64(0.9), "seen": np.arange(3), "log": defaultdict(list, {"loss": [np.float32(1)]})}
    lightning = {f"model.{name}": tensor for name, tensor in state.items()}
    thop = {"patch_embed.total_ops": torch.zeros(1, dtype=torch.float64), "total_params": torch.zeros(1)}
    forms |= {
        "numpy.pth": {**around, "net": state},
        "deep.pth": {"checkpoint": {"model_state_dict": wrapped}, "epoch": 3, "rng": torch.zeros(5)},
        "lightning.ckpt": {
            "state_dict": {**lightning, "criterion.weight": torch.ones(10)},
            "hyper_parameters": {"config": Settings(), "optimizer": torch.optim.AdamW},
            "callbacks": {"ModelCheckpoint": {"best_model_score": torch.tensor(0.9)}},
        },
        "compiled-lightning.ckpt": {"state_dict": {f"model._orig_mod.{name}": t for name, t in state.items()}},
        "thop.pth": state | thop,
        "averaged-model.pth": {"n_averaged": torch.tensor(7), **wrapped},
        "noted.pth": {**state, "epoch": 3, "note": "mine"},
        "unknown-key.pth": {"spikformer": state, "optimizer": optimizer},
        "arrays.pth": {"params": arrays(state)},
        "by-columns.pth": {
            name: np.asfortranarray(array).astype(array.dtype.newbyteorder(">"))
            for name, array in arrays(state).items()
        },
    }
    for name, form in forms.items():
        torch.save(form, name)
        yield name
    for protocol in (2, 4, 5):
        name = f"pickle-{protocol}.pkl"
        Path(name).write_bytes(pickle.dumps({**around, "net": arrays(state)}, protocol))
        yield name
    torch.save({**timm, "state_dict": state}, "old-format.pth", _use_new_zipfile_serialization=False)
    yield "old-format.pth"
    for name, tensors in (("plain", state), ("wrapped", wrapped)):
        save_file(tensors, f"{name}.safetensors")
        yield f"{name}.safetensors"


def test_every_form_of_file_gives_the_same_weights(aspk: Aspk, state: State) -> None:
    hashes = {}
    for file in _files(state):
        run = imported(aspk, "import", file, "--recipe", "tiny.toml")
        assert run.name in (Path(file.removesuffix(".tar")).stem, f"{file.split('.')[0]}-2")
        hashes[file] = weights_hash(load_weights(run))
    assert len(hashes) == 25
    assert len(set(hashes.values())) == 1, hashes


def test_averaged_weights_beside_the_others_are_told_of(aspk: Aspk, state: State) -> None:
    torch.save({"state_dict": state, "state_dict_ema": {name: t + 1 for name, t in state.items()}}, "model.pth")
    done = aspk(*IMPORT)
    assert "the file's state_dict is imported, its state_dict_ema is not\n" in done.stderr
    assert np.array_equal(load_weights(Path("runs/model"))["head.bias"], state["head.bias"].numpy())


def test_averaged_weights_without_others_are_told_of(aspk: Aspk, state: State) -> None:
    averaged = "weights averaged over the training, of which it has no others\n"
    torch.save({"epoch": 3, "state_dict_ema": state}, "model.pth")
    assert f"the file's state_dict_ema is imported: {averaged}" in aspk(*IMPORT).stderr
    torch.save({"n_averaged": torch.tensor(7), **{f"module.{name}": t for name, t in state.items()}}, "model.pth")
    done = aspk(*IMPORT)
    assert "its weights are averaged over the training; it has no others\n" in done.stderr
    assert "left out 12 that no layer reads: n_averaged, pos_embed, " in done.stdout


def test_two_networks_in_one_state_dict(aspk: Aspk, state: State) -> None:
    both = {
        f"{prefix}.{name}": t + (prefix == "model_ema")
        for prefix in ("model_ema", "model")
        for name, t in state.items()
    }
    torch.save({"state_dict": both}, "model.pth")
    done = aspk(*IMPORT)
    assert done.exit_code == 0, done.stderr
    assert "the network model.* is imported, model_ema.* is not\n" in done.stderr
    assert np.array_equal(load_weights(Path("runs/model"))["head.bias"], state["head.bias"].numpy())


def test_what_is_no_tensor_is_left_out(aspk: Aspk, state: State) -> None:
    torch.save({**state, "epoch": 3, "note": "mine"}, "model.pth")
    assert "left out 13 that no layer reads: epoch, note, pos_embed and 10 more\n" in aspk(*IMPORT).stdout


JELLY = ("import", "model.pth", "--recipe", "jelly.toml", "--precision", "float64")
JELLY_RECIPE = """extends = "quickstart"
[model]
qkv_bias = false
pooled_stages = [3, 4]
pool = "before"
batchnorm = "running"
[space]
depth = [2]
mlp_ratio = [3]
num_heads = [3]
threshold = [1]
tau = [2]
time_step = [4]
embed_dim = [24]
"""


def test_spikingjelly_s_spikformer_predicts_as_its_own_code(aspk: Aspk) -> None:
    """From the state dict to `aspk evaluate`'s logits, in float64."""
    spikformer = pytest.importorskip("spikingjelly.activation_based.model.spikformer")
    generator = torch.Generator().manual_seed(0)
    network = spikformer.Spikformer(4, 1, 8, 8, 4, 10, 24, 3, 3.0, 2).double().eval()
    for name, tensor in network.state_dict().items():
        if tensor.ndim > 1:
            tensor.normal_(0, tensor[0].numel() ** -0.5, generator=generator)
        elif name.endswith(("running_mean", "bias")):
            tensor.normal_(0.9 * name.endswith("1.bias"), 0.3, generator=generator)
        elif name.endswith("running_var"):
            tensor.uniform_(0.1, 0.3, generator=generator)
    torch.save({"model_state_dict": network.state_dict(), "best": np.float64(0.9)}, "model.pth")
    Path("jelly.toml").write_text(JELLY_RECIPE)
    assert refused(aspk, *JELLY, "--set", 'model.pool="after"') == (
        "error: model.pth: is SpikingJelly's Spikformer, which pools before its neurons; the recipe has "
        'model.pool = "after"\n  --set \'model.pool="before"\'\n'
    )
    assert "pools before its neurons: --set" in refused(
        aspk, *JELLY, "--set", 'model.pool="after"', "--set", "space.depth=[1]"
    )
    done = aspk(*JELLY)
    assert done.exit_code == 0, done.stderr
    assert "it is SpikingJelly's Spikformer: its projections and MLPs have no biases, and zeros are" in done.stderr

    recipe = load_recipe("jelly.toml")
    images = load_split(recipe.data, recipe.seed, "test").first(32)
    frames = to_frames(images.images, describe(recipe.data), "cpu", torch.float64)
    with torch.no_grad():
        expected = network(frames[0].permute(0, 3, 1, 2)).mean(0)
    assert float(expected.std(0).min()) > 1e-3, "the images must differ for the network"
    for engine in ("dense", "event_driven"):
        options = ("--images", "32", "--predictions", "made.h5", "--precision", "float64", "--engine", engine)
        evaluated = aspk("evaluate", "--run", "runs/model", "--subnet", "largest", *options)
        assert evaluated.exit_code == 0, evaluated.stderr
        with open_h5(Path("made.h5"), "predictions") as file:
            assert np.abs(get(file, "logits") - expected.numpy()).max() < 1e-9

    exported = aspk("export", "--subnet", "largest", "--to", "a.safetensors", "--precision", "float64")
    assert exported.exit_code == 0, exported.stderr
    again = ("import", "a.safetensors", *JELLY[2:], "--run", "runs/again")
    assert 'was exported with model.pool = "before"' in aspk(*again, "--set", 'model.pool="after"').stderr
    assert aspk(*again).exit_code == 0


OTHERS = {
    "patch_embed1.proj_conv.weight stage1.0.tssa.q_conv.weight stage3.0.ssa.q_conv.weight": "QKFormer",
    "patch_embed1.conv1.weight stage1.0.attn.qk_conv_bn.0.weight stage3.0.attn.qkv_conv_bn.0.weight": "QKFormer",
    "patch_embed.block0_conv.weight block.0.attn.q_conv.weight block.0.mlp.mlp1_conv.weight": "Spikingformer",
    "patch_embed.proj1_conv.weight block.0.attn.q_conv.weight block.0.mlp.mlp1_conv.weight": "Spikingformer",
    "patch_embed.proj_conv.weight block.0.attn.talking_heads.weight": "Spike-driven Transformer",
    "patch_embed.final_stage.0.weight blocks.0.attn.q_conv.weight": "Spike-driven Transformer",
    "downsample1_1.encode_conv.weight block3.0.attn.q_conv.0.body.0.weight": "Spike-driven Transformer V2",
}
"""Names of their published code, and of SpikingJelly's, and whose they are."""


@pytest.mark.parametrize("prefix", ["", "module.", "model."])
@pytest.mark.parametrize("names", OTHERS)
def test_other_spiking_transformers_are_named(aspk: Aspk, names: str, prefix: str) -> None:
    torch.save({prefix + name: torch.ones(2, 2) for name in (*names.split(), "head.weight")}, "model.pth")
    assert f"error: model.pth: this is a {OTHERS[names]} checkpoint, no Spikformer: it" in refused(aspk)


@pytest.mark.parametrize(("form", "ones"), [("imagenet", (1, 1)), ("events", (1,))])
def test_models_of_convolutions(aspk: Aspk, form: str, ones: tuple[int, ...]) -> None:
    """q, k, v without bias; attention is (out, in, 1), the MLP too, but (out, in, 1, 1) for ImageNet."""
    state = published(form=form)
    assert state["block.0.attn.q_conv.weight"].shape == (24, 24, 1)
    assert state["block.1.mlp.fc1_conv.weight"].shape == (72, 24, *ones)
    torch.save(state, "model.pth")
    weights = load_weights(imported(aspk, *IMPORT, *WITHOUT_BIASES))
    assert np.array_equal(weights["block.0.attn.proj_linear.weight"], state["block.0.attn.proj_conv.weight"][:, :, 0])
    assert np.array_equal(weights["block.1.mlp.fc1_linear.weight"], state["block.1.mlp.fc1_conv.weight"].squeeze())
    assert np.array_equal(weights["patch_embed.proj_conv.weight"], state["patch_embed.proj_conv.weight"])
    assert np.array_equal(weights["block.0.mlp.fc2_linear.bias"], state["block.0.mlp.fc2_conv.bias"])
    assert "block.0.attn.q_linear.bias" not in weights


def test_predictions_are_those_of_the_network_itself(aspk: Aspk, state: State) -> None:
    """The supernet filled by hand from the state dict, against import and evaluate."""
    doubled = {name: t.double() if t.is_floating_point() else t for name, t in state.items()}
    torch.save(doubled, "model.pth")
    run = imported(aspk, *IMPORT, "--precision", "float64")
    options = ("--images", "32", "--predictions", "made.h5", "--precision", "float64")
    assert aspk("evaluate", "--run", run, "--subnet", "largest", *RUNNING, *options).exit_code == 0
    with open_h5(Path("made.h5"), "predictions") as file:
        evaluated = get(file, "logits")

    recipe = load_recipe("tiny.toml")
    description, session = describe(recipe.data), make_compute(precision="float64")
    supernet = make_supernet(recipe, session)
    load_arrays(supernet, {name: tensor.numpy() for name, tensor in doubled.items()}, "here")
    images = load_split(recipe.data, recipe.seed, "test").first(32)
    frames = to_frames(images.images, description, "cpu", torch.float64)
    with torch.no_grad():
        logits = supernet(frames, recipe.space.search_space().largest(), RunningStatistics())
    assert logits.std(0).min() > 1e-3, "the images must differ for the network"
    assert np.abs(evaluated - logits.numpy()).max() < 1e-12


def test_every_other_command_takes_the_run(aspk: Aspk, state: State) -> None:
    torch.save(state, "model.pth")
    run = imported(aspk)
    assert aspk("runs", "--json").document["runs"][0]["state"] == "imported"
    small = ("--set", "search.generations=2", "--set", "search.population=4", "--set", "search.parents=2")
    searched = aspk("search", "--run", run, *small)
    assert searched.exit_code == 0, searched.stderr
    for command in (
        ("evaluate", "--subnet", "best", "--images", "20"),
        ("evaluate", "--subnet", "best", "--images", "20", "--finetune", "1"),
        ("energy", "--subnet", "baseline"),
        ("analyze", "--images", "20"),
        ("report",),
    ):
        done = aspk(*command, "--run", run)
        assert done.exit_code == 0, done.stderr
    assert aspk("runs", "--json").document["runs"][0]["state"] == "searched"


def test_a_run_is_never_overwritten(aspk: Aspk, state: State) -> None:
    torch.save(state, "model.pth")
    assert imported(aspk, *IMPORT, "--run", "./mine") == Path("mine")
    before = Path("mine/supernet.h5").read_bytes()
    assert refused(aspk, *IMPORT, "--run", "./mine") == (
        "error: --run: mine is a run already, and would be overwritten\n"
        "  name a new folder, or leave --run out for one under runs/\n"
    )
    assert Path("mine/supernet.h5").read_bytes() == before
    assert imported(aspk) == Path("runs/model")
    assert imported(aspk) == Path("runs/model-2")
    assert imported(aspk, *IMPORT, "--run", "named") == Path("runs/named")


# Values


@pytest.mark.parametrize(
    ("dtype", "precision", "stored"),
    [
        (torch.float16, "float32", np.float32),
        (torch.bfloat16, "float32", np.float32),
        (torch.float64, "float64", np.float64),
        (torch.float32, "float64", np.float64),
    ],
)
def test_every_float_is_taken(
    aspk: Aspk, state: State, dtype: torch.dtype, precision: str, stored: type[np.floating[Any]]
) -> None:
    cast = {name: tensor.to(dtype) if tensor.is_floating_point() else tensor for name, tensor in state.items()}
    torch.save(cast, "model.pth")
    done = aspk(*IMPORT, "--precision", precision)
    assert done.exit_code == 0, done.stderr
    assert "rounded" not in done.stderr
    for name, array in load_weights(Path("runs/model")).items():
        assert array.dtype == stored
        assert np.array_equal(array, cast[name].to(torch.float64).numpy())


def test_lost_digits_are_told(aspk: Aspk, state: State) -> None:
    torch.save({**state, "head.bias": torch.full((10,), 1 / 3, dtype=torch.float64)}, "model.pth")
    done = aspk(*IMPORT)
    assert done.exit_code == 0
    assert "rounded to float32: head.bias; --precision float64 keeps all digits\n" in done.stderr


def test_impossible_values_are_told_together(aspk: Aspk, state: State) -> None:
    nan, variance = state["head.bias"].clone(), state["patch_embed.rpe_bn.running_var"].clone()
    nan[3], variance[1] = torch.nan, -0.1
    changed = {
        "head.bias": nan,
        "block.0.attn.q_linear.bias": torch.full((24,), 1e300, dtype=torch.float64),
        "patch_embed.rpe_bn.running_var": variance,
        "block.1.attn.v_bn.bias": torch.zeros(24, dtype=torch.int8),
        "block.1.attn.v_bn.weight": torch.zeros(24, device="meta"),
        "block.1.attn.k_linear.weight": torch.eye(24).to_sparse(),
    }
    torch.save({**{f"module.{name}": t for name, t in (state | changed).items()}}, "model.pth")
    said = refused(aspk)
    assert said == (
        "error: model.pth: has tensors that are no plain arrays of float16, bfloat16, float32, float64: "
        "module.block.1.attn.k_linear.weight (float32), module.block.1.attn.v_bn.weight (without values), "
        "module.block.1.attn.v_bn.bias (int8)\n"
        "  import another checkpoint of that training\n"
        "error: model.pth: has values that are not finite in float32: "
        "module.block.0.attn.q_linear.bias, module.head.bias\n"
        "  import another checkpoint of that training\n"
        "error: model.pth: has negative variances: module.patch_embed.rpe_bn.running_var\n"
        "  import another checkpoint of that training\n"
    )


# Names and shapes


def fix_of(said: str) -> list[str]:
    """The lines of a refusal that are remedies: behind the lists of names."""
    lines = said.splitlines()
    last = max(
        number for number, line in enumerate(lines) if line.endswith((" left over:", " missing:", "another shape:"))
    )
    return [line.strip() for line in lines[last + 1 :] if not line.startswith(" " * 4)]


def test_all_that_does_not_fit_is_told_at_once(aspk: Aspk, state: State) -> None:
    changed = {name: t for name, t in state.items() if not name.startswith(("head.", "block.1.attn.q_"))}
    changed |= {"head.weight": torch.zeros(100, 24), "head.bias": torch.zeros(100), "teacher.weight": torch.zeros(3)}
    torch.save({f"module.{name}": tensor for name, tensor in changed.items()}, "model.pth")
    assert refused(aspk) == (
        "error: model.pth: does not fit the network of recipe tiny; tensors are\n"
        "  6 missing:\n"
        "    block.1.attn.q_linear.weight; block.1.attn.q_linear.bias; block.1.attn.q_bn.weight;\n"
        "    block.1.attn.q_bn.bias; block.1.attn.q_bn.running_mean; block.1.attn.q_bn.running_var\n"
        "  1 left over:\n"
        "    module.teacher.weight\n"
        "  2 of another shape:\n"
        "    head.weight is 100 x 24, not 10 x 24;\n"
        "    head.bias is 100, not 10\n"
        "  it knows 100 classes, digits has 10: take a recipe whose data.dataset has as many\n"
    )


@pytest.mark.parametrize(
    ("shape", "remedies"),
    [
        ({"dim": 16, "hidden": 48}, ["embed_dim=[16]"]),
        ({"dim": 32, "hidden": 96}, ["embed_dim=[32]"]),
        ({"depth": 1}, ["depth=[1]"]),
        ({"depth": 3}, ["depth=[3]"]),
        ({"hidden": 96}, ["mlp_ratio=[4]"]),
        ({"hidden": 91}, ["mlp_ratio=[3.8]"]),
        ({"dim": 32, "hidden": 128, "depth": 4}, ["embed_dim=[32]", "mlp_ratio=[4]", "depth=[4]"]),
    ],
)
def test_the_remedy_for_another_size_works(aspk: Aspk, shape: dict[str, int], remedies: list[str]) -> None:
    torch.save(published(**shape), "model.pth")
    fixes = fix_of(refused(aspk))
    assert [fix.partition("--set ")[2] for fix in fixes] == [f"'space.{remedy}'" for remedy in remedies]
    options = [word for remedy in remedies for word in ("--set", f"space.{remedy}")]
    assert imported(aspk, *IMPORT, *options)


def test_the_remedies_for_biases_and_learnable_tau_work(aspk: Aspk, state: State) -> None:
    torch.save(published(form="imagenet"), "model.pth")
    assert fix_of(refused(aspk)) == ["its q, k and v have no biases: --set model.qkv_bias=false"]
    torch.save(state, "model.pth")
    assert fix_of(refused(aspk, *IMPORT, *WITHOUT_BIASES)) == ["its q, k and v have biases: --set model.qkv_bias=true"]
    plif = ("--set", 'model.neuron="plif"')
    assert fix_of(refused(aspk, *IMPORT, *plif)) == ["its neurons have no weight: --set 'model.neuron=\"lif\"'"]
    recipe = load_recipe("tiny.toml", plif[1:])
    network = make_supernet(recipe, make_compute()).state_dict()
    torch.save(state | {name: tensor for name, tensor in network.items() if name.endswith(".w")}, "model.pth")
    assert fix_of(refused(aspk)) == ["its neurons have a weight: --set 'model.neuron=\"plif\"'"]
    done = aspk(*IMPORT, *plif)
    assert done.exit_code == 0, done.stderr
    assert done.stderr.startswith(
        "its neurons' w is read as 1 / tau = sigmoid(w - log(tau_0 - 1)), tau_0 being a subnet's tau: where they were "
        "trained as 1 / tau = sigmoid(w), they are the same at tau 2 only\n"
    )
    options = ("--set", 'model.batchnorm="running"', "--subnet", "largest", "--to", "plif.safetensors")
    assert aspk("export", "--run", "runs/model", *options).exit_code == 0
    again = aspk("import", "plif.safetensors", "--recipe", "tiny.toml", *plif)
    assert again.exit_code == 0, again.stderr
    assert "sigmoid" not in again.stderr


def test_a_width_that_the_heads_do_not_divide(aspk: Aspk) -> None:
    torch.save(published(dim=8, hidden=24), "model.pth")
    heads = ("--set", "space.num_heads=[3, 6]", "--set", "space.embed_dim=[12, 24]")
    (fix,) = fix_of(refused(aspk, *IMPORT, *heads))
    assert fix == (
        "it has 8 channels where the recipe's widest embed_dim is 24: --set 'space.embed_dim=[8]', "
        "and space.num_heads that divide it, as 3 does not"
    )


def test_other_channels(aspk: Aspk) -> None:
    torch.save(published(channels=3), "model.pth")
    assert fix_of(refused(aspk)) == ["it reads 3 channels, not 1: take a recipe whose data.dataset has as many"]


def test_polarities_are_channels(aspk: Aspk) -> None:
    Path("events.toml").write_text(
        'extends = "quickstart-events"\n[model]\nqkv_bias = false\n'
        "[space]\nembed_dim = [24]\nmlp_ratio = [3]\ndepth = [2]\nnum_heads = [2]\n"
    )
    command = ("import", "model.pth", "--recipe", "events.toml")
    torch.save(published(channels=1, form="events"), "model.pth")
    assert fix_of(refused(aspk, *command)) == ["it reads 1 channels, not 2: --set 'data.polarity=\"merged\"'"]
    merged = ("--set", 'data.polarity="merged"')
    assert imported(aspk, *command, *merged)
    torch.save(published(channels=2, form="events"), "two.pth")
    done = aspk("import", "two.pth", *command[2:], *merged)
    assert fix_of(done.stderr) == ["it reads 2 channels, not 1: --set 'data.polarity=\"separate\"'"]


def test_parameters_without_statistics(aspk: Aspk, state: State) -> None:
    torch.save({name: tensor for name, tensor in state.items() if "running" not in name}, "model.pth")
    said = refused(aspk)
    statistics = [name for name in state if "running" in name]
    named = said.partition("  34 missing:\n")[2].partition("\n  save ")[0]
    assert named.replace(";\n   ", ";").strip().split("; ") == statistics
    assert max(map(len, said.splitlines())) <= 110
    assert fix_of(said) == ["save the network's whole state_dict(), running statistics among it"]


def test_very_many_names_are_shortened(aspk: Aspk, state: State) -> None:
    many = {f"teacher.{number}": torch.zeros(1) for number in range(103)}
    torch.save(state | many, "model.pth")
    said = refused(aspk)
    assert "  103 left over:\n    teacher.0; teacher.1; " in said
    assert " teacher.99 and 3 more\n" in said


def test_ten_shapes_are_shown(aspk: Aspk) -> None:
    torch.save(published(dim=16, hidden=48), "model.pth")
    said = refused(aspk)
    assert " missing:" not in said
    assert said.count(", not ") == 10
    assert said.partition(" of another shape:\n")[0].endswith("  98")
    assert " and 88 more\n" in said


def test_another_network(aspk: Aspk) -> None:
    torch.save(nn.Sequential(nn.Linear(2, 2), nn.ReLU(), nn.Linear(2, 2)).state_dict(), "model.pth")
    assert refused(aspk) == (
        "error: model.pth: is no Spikformer: the network knows none of its 4 names, as 0.weight, 0.bias, 2.weight and "
        "1 more\n  names are those of the published state dicts, as patch_embed.proj_conv.weight, "
        "patch_embed.proj_bn.weight, patch_embed.proj_bn.bias and 96 more\n"
    )


def test_the_ann_counterpart_takes_no_spiking_weights(aspk: Aspk, state: State) -> None:
    torch.save(state, "model.pth")
    assert refused(aspk, *IMPORT, "--set", 'model.network="transformer"') == (
        'error: recipe tiny: model.network is "transformer": the weights of spiking neurons mean nothing to it\n'
        "  import with --set 'model.network=\"spikformer\"'\n"
    )


# Files


@dataclasses.dataclass
class Settings:
    """A configuration that lies next to weights."""

    lr: float = 0.1


class Calling:
    """A pickle of it calls a function."""

    def __init__(self, function: Callable[..., object]) -> None:
        self.function = function

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return self.function, ("true",)


def forbidden(*_: object) -> None:
    """Fails the test that calls it."""
    pytest.fail("it ran")


def arrays(state: State) -> dict[str, np.ndarray[Any, Any]]:
    """A state dict of numpy's arrays."""
    return {name: tensor.numpy() for name, tensor in state.items()}


def saved(state: State) -> tuple[str, ...]:
    """The command that imports a state dict."""
    torch.save(state, "model.pth")
    return IMPORT


def refused_file(aspk: Aspk) -> str:
    """What import says that refuses model.pth, where runs may lie already."""
    done = aspk(*IMPORT)
    assert (done.exit_code, done.stdout) == (2, "")
    return str(done.stderr)


class Malice:
    """A pickle of it writes a file when it is read."""

    def __init__(self, victim: Path) -> None:
        self.victim = victim

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return exec, (f"open({str(self.victim)!r}, 'w').close()",)


def _malicious(state: State, malice: Malice) -> Iterator[bytes]:
    """Malice in a state dict, in timm's arguments, in torch's old format; and in a plain pickle."""
    hidden = {"state_dict": state, "args": argparse.Namespace(lr=malice)}
    for content, new in (({"state_dict": state | {"x": malice}}, True), (hidden, True), (hidden, False)):
        torch.save(content, "model.pth", _use_new_zipfile_serialization=new)
        yield Path("model.pth").read_bytes()
    for protocol in (2, 4, 5):
        yield pickle.dumps(malice, protocol)


def test_a_pickle_that_wants_to_run_code_is_refused(aspk: Aspk, state: State, own_folder: Path) -> None:
    victim = own_folder / "victim"
    files = list(_malicious(state, Malice(victim)))
    for file in files:
        Path("model.pth").write_bytes(file)
        victim.unlink(missing_ok=True)
        said = refused(aspk)
        assert not victim.exists()
        assert said == (
            "error: model.pth: refused: reading it would run exec, and a checkpoint needs tensors alone\n"
            "  if you trust its author, load it in a Python of your own and save its state_dict() alone\n"
        )
        with contextlib.suppress(RuntimeError):  # torch finds no tensors behind a plain pickle, once it has run
            torch.load("model.pth", weights_only=False)
        assert victim.exists(), "this pickle is harmless, so the test says nothing"
    assert len(files) == 6


def test_what_is_not_loaded_is_not_imported(aspk: Aspk, state: State, monkeypatch: pytest.MonkeyPatch) -> None:
    """A class and a function of this file, which would raise, and of a package that is not there."""
    monkeypatch.setattr(Settings, "__setstate__", lambda *_: pytest.fail("it ran"), raising=False)
    absent = type("Absent", (), {"__module__": "no_such_package"})
    content = {"net": state, "config": Settings(), "more": Calling(forbidden), "else": absent()}
    with monkeypatch.context() as while_saving:
        while_saving.setitem(sys.modules, "no_such_package", SimpleNamespace(Absent=absent))
        torch.save(content, "model.pth")
        pickled = pickle.dumps({**content, "net": arrays(state)}, 5)
    for whole in (Path("model.pth").read_bytes(), pickled):
        Path("model.pth").write_bytes(whole)
        done = aspk(*IMPORT)
        assert done.exit_code == 0, done.stderr
        names = f"{__name__}.Settings, {__name__}.forbidden, no_such_package.Absent"
        assert f"read without running code; what else the file names was not loaded: {names}\n" in done.stderr


@pytest.mark.parametrize("name", ["os.system", "subprocess.Popen", "builtins.eval", "importlib.import_module"])
def test_hostile_names_are_refused(aspk: Aspk, state: State, name: str) -> None:
    module, _, function = name.rpartition(".")
    torch.save({"net": state, "x": Calling(getattr(import_module(module), function))}, "model.pth")
    as_python_2 = {"os.system": "posix.system", "builtins.eval": "eval", "subprocess.Popen": "commands.Popen"}
    named = as_python_2.get(name, name)
    assert f"error: model.pth: refused: reading it would run {named}, and a checkpoint" in refused(aspk)


def test_a_whole_network_gives_its_state_dict(aspk: Aspk, state: State) -> None:
    network = Published()
    network.load_state_dict(state)
    network.register_buffer("unsaved", torch.ones(2), persistent=False)
    expected = load_weights(imported(aspk, *saved(state)))
    for content in (network, {"model": nn.DataParallel(network), "epoch": 3}):
        for new in (True, False):
            torch.save(content, "whole.pth", _use_new_zipfile_serialization=new)
            found = load_weights(imported(aspk, "import", "whole.pth", "--recipe", "tiny.toml"))
            assert weights_hash(found) == weights_hash(expected)
    torch.save({"model": nn.Linear(2, 2)}, "model.pth")
    assert "is no Spikformer: the network knows none of its 2 names, as weight, bias" in refused_file(aspk)


DAMAGED = (
    "damaged, cut short, or no checkpoint of torch\n  get the file again, and compare its size with the publisher's\n"
)


@pytest.mark.parametrize("old", [False, True])
def test_truncated_and_foreign_files(aspk: Aspk, state: State, old: bool) -> None:
    file = Path("model.pth")
    torch.save(state, file, _use_new_zipfile_serialization=not old)
    whole = file.read_bytes()
    for content in (
        whole[:0],
        whole[:10],
        whole[: len(whole) // 2],
        whole[:-1],
        b"hello\n",
        b"\x89HDF\r\n\x1a\n",
        b"\0" * 99,
    ):
        file.write_bytes(content)
        assert refused(aspk) == f"error: model.pth: {DAMAGED}"


def test_a_damaged_byte_is_no_crash(tiny_recipe: Path) -> None:
    """Of 80 bytes each made another: the file is refused, or reads as weights that fit."""
    file, recipe = Path("model.pth"), load_recipe(str(tiny_recipe), ["space.depth=[1]"])
    torch.save(published(depth=1), file)
    whole = file.read_bytes()
    places = np.random.default_rng(0).integers(len(whole), size=40).tolist()
    refusals = 0
    for place in (*range(0, 400, 10), *places):
        damaged = bytearray(whole)
        damaged[place] ^= 0xFF
        file.write_bytes(damaged)
        try:
            import_checkpoint(file, recipe, make_compute())
        except UserError:
            refusals += 1
    assert refusals > 20


def test_a_damaged_safetensors_file(aspk: Aspk, state: State) -> None:
    file = Path("model.safetensors")
    save_file(state, file)
    whole = file.read_bytes()
    for content in (whole[:0], whole[:100], whole[:-1], b"hello\n" * 9):
        file.write_bytes(content)
        said = refused(aspk, "import", file, "--recipe", "tiny.toml")
        assert said.startswith("error: model.safetensors: damaged, cut short, or no safetensors file\n  get the file")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([1, 2], "holds a list, not a state dict"),
        (torch.ones(3), "holds a Tensor, not a state dict"),
        ({}, "holds no tensors"),
        ({"state_dict": {}}, "holds no tensors, only state_dict"),
        ({"epoch": 3, "lr": 1.0, "x": 2, "y": 1}, "holds no tensors, only epoch, lr, x and 1 more"),
        ({"state": {0: {"w": torch.ones(1)}}}, "holds no tensors, only state"),
    ],
)
def test_checkpoints_without_a_state_dict(aspk: Aspk, content: object, message: str) -> None:
    torch.save(content, "model.pth")
    assert refused(aspk).startswith(f"error: model.pth: {message}\n  ")


def test_missing_files_and_folders(aspk: Aspk) -> None:
    assert refused(aspk) == "error: model.pth: there is no such file\n  write the path of a checkpoint\n"
    Path("model.pth").mkdir()
    suffixes = ".pth, .pt, .ckpt, .pth.tar, .bin, .pkl, .safetensors"
    assert refused(aspk) == f"error: model.pth: it is a folder, not a file\n  name a checkpoint: {suffixes}\n"
    assert "--recipe" in refused(aspk, "import", "model.pth")
    assert "there is no recipe" in refused(aspk, "import", "model.pth", "--recipe", "tinny")


def test_no_data_set_is_read(aspk: Aspk) -> None:
    """CIFAR10 is not here; its recipe's network is enough."""
    torch.save(published(dim=32, hidden=128, depth=1, channels=3), "model.pth")
    small = ("space.embed_dim=[32]", "space.mlp_ratio=[4]", "space.depth=[1]", "space.num_heads=[2]")
    options = [word for text in small for word in ("--set", text)]
    run = imported(aspk, "import", "model.pth", "--recipe", "cifar10-small", *options)
    assert read_training(run).recipe_name == "cifar10-small"
    assert json.loads(aspk("runs", "--json").stdout)["runs"][0]["state"] == "imported"


def test_there_is_nothing_to_train(aspk: Aspk, state: State) -> None:
    torch.save(state, "model.pth")
    run = imported(aspk)
    for command in (("train",), ("train", "tiny.toml", "--run", run)):
        done = aspk(*command)
        assert done.exit_code == 0, done.stderr
        assert done.stdout == f"{run}: its weights were imported, there is nothing to train\n"
    document = aspk("train", "--json").document
    assert (document["epochs"], document["val_top1_largest"]) == (0, None)
    searched = aspk("search", "--set", "search.generations=1")
    assert "has been trained for" not in searched.stderr
    assert "inherited from the imported model.pth" in aspk("report").stdout

"""Names and shapes of published Spikformer state dicts become ours."""

from __future__ import annotations

from dataclasses import replace

import pytest

from autospikformer_cli.spiking.published import Architecture, architecture, translate

CIFAR = {
    "patch_embed.proj_conv.weight": (48, 3, 3, 3),
    "patch_embed.proj_bn.running_var": (48,),
    "patch_embed.proj_bn.num_batches_tracked": (),
    "patch_embed.proj_conv3.weight": (384, 192, 3, 3),
    "patch_embed.rpe_conv.weight": (384, 384, 3, 3),
    "block.0.attn.q_linear.weight": (384, 384),
    "block.0.attn.q_linear.bias": (384,),
    "block.0.attn.proj_bn.bias": (384,),
    "block.3.mlp.fc1_linear.bias": (1536,),
    "block.0.mlp.fc1_linear.weight": (1536, 384),
    "head.weight": (10, 384),
}
"""Some tensors of Spikformer 4-384, by the names of its CIFAR script."""


def test_names_of_the_cifar_model_are_ours() -> None:
    translation = translate(CIFAR)
    assert translation.shapes == {name: shape for name, shape in CIFAR.items() if "tracked" not in name}
    assert all(name == entry.source for name, entry in translation.entries.items())
    assert translation.left_out == ()


@pytest.mark.parametrize(("layer", "ones"), [("attn.q", (1,)), ("attn.proj", (1,)), ("mlp.fc2", (1, 1))])
def test_pointwise_convolutions_are_linear_layers(layer: str, ones: tuple[int, ...]) -> None:
    name = f"block.12.{layer}"
    found = translate({f"{name}_conv.weight": (8, 4, *ones), f"{name}_conv.bias": (8,)})
    assert found.shapes == {f"{name}_linear.weight": (8, 4), f"{name}_linear.bias": (8,)}
    assert found.entries[f"{name}_linear.weight"].source == f"{name}_conv.weight"


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("patch_embed.proj_conv.weight", (8, 2, 1, 1)),  # the stem's first convolution, not an attention's projection
        ("patch_embed.rpe_conv.weight", (8, 8, 3, 3)),
        ("block.0.attn.attn_conv.weight", (8, 8, 1)),
        ("block.0.mlp.proj_conv.weight", (8, 8, 1)),
        ("block.0.attn.q_conv.running_mean", (8,)),
        ("stage.block.0.attn.q_conv.weight", (8, 8, 1)),
    ],
)
def test_other_convolutions_stay_what_they_are(name: str, shape: tuple[int, ...]) -> None:
    assert translate({name: shape}).shapes == {name: shape}


def test_a_wide_kernel_keeps_its_shape() -> None:
    assert translate({"block.0.attn.q_conv.weight": (8, 8, 3)}).shapes == {"block.0.attn.q_linear.weight": (8, 8, 3)}


@pytest.mark.parametrize("linear_first", [True, False])
def test_two_tensors_for_one_layer_are_both_shown(linear_first: bool) -> None:
    names = ["block.0.attn.q_linear.weight", "block.0.attn.q_conv.weight"]
    shapes = dict.fromkeys(names if linear_first else names[::-1], (8, 8))
    assert set(translate(shapes).entries) == set(names)


@pytest.mark.parametrize(
    "prefix", ["", "module.", "_orig_mod.", "module._orig_mod.", "module.module.", "model.", "net.module.", "any.name."]
)
def test_wrappers_are_taken_off(prefix: str) -> None:
    wrapped = translate({prefix + name: shape for name, shape in CIFAR.items()})
    assert wrapped.shapes == translate(CIFAR).shapes
    assert {entry.source for entry in wrapped.entries.values()} == {
        prefix + name for name in CIFAR if "tracked" not in name
    }


def test_a_wrapper_before_some_names_is_part_of_them() -> None:
    assert set(translate({"module.head.weight": (1,), "head.bias": (1,)}).entries) == {
        "module.head.weight",
        "head.bias",
    }
    assert translate({}).entries == {}


def test_what_no_forward_pass_reads_is_left_out() -> None:
    unused = {
        "module.norm.weight": (8,),
        "module.block.0.norm1.bias": (8,),
        "module.block.11.norm2.weight": (8,),
        "module.pos_embed": (1, 64, 8),
    }
    read = {
        "module.block.0.norm3.weight": (8,),
        "module.patch_embed.norm.weight": (8,),
        "module.pos_embed2": (8,),
        "module.normal.weight": (8,),
    }
    found = translate(unused | read)
    assert found.left_out == ("norm.weight", "block.0.norm1.bias", "block.11.norm2.weight", "pos_embed")
    assert list(found.entries) == [name.removeprefix("module.") for name in read]


def test_shapes_tell_the_network() -> None:
    whole = Architecture(
        in_channels=3,
        embed_dim=384,
        stem_dim=384,
        depth=4,
        hidden_dims=(1536,),
        num_classes=10,
        qkv_bias=True,
        learnable_tau=False,
    )
    assert architecture(CIFAR) == whole
    without_bias = {name: shape for name, shape in CIFAR.items() if name != "block.0.attn.q_linear.bias"}
    assert architecture(without_bias) == replace(whole, qkv_bias=False)
    for neuron in ("block.0.attn.attn_lif.w", "patch_embed.proj_lif2.w"):
        assert architecture({**CIFAR, neuron: ()}) == replace(whole, learnable_tau=True)
    assert architecture({"head.weight": ()}) == Architecture(None, None, None, 0, (), None, False, False)
    blocks = {f"block.{block}.mlp.fc1_linear.weight": (hidden, 384) for block, hidden in enumerate((768, 384, 768))}
    assert architecture(blocks).hidden_dims == (384, 768)
    assert (
        architecture({"block.0.mlp.fc1_linear.weight": (), "block.0.mlp.fc2_linear.weight": (384, 9)}).hidden_dims == ()
    )


def test_names_beside_the_network_are_left_out() -> None:
    shapes = {"criterion.weight": (3,), **{f"model.{name}": shape for name, shape in CIFAR.items()}}
    counted = {"model.total_params": (1,), "model.block.0.attn.q_linear.total_ops": (1,)}
    found = translate(shapes | counted)
    assert found.shapes == translate(CIFAR).shapes
    assert found.left_out == ("criterion.weight", "total_params", "block.0.attn.q_linear.total_ops")


def test_averaged_weights_are_the_last_choice() -> None:
    both = {f"{prefix}{name}": shape for prefix in ("ema.", "net.") for name, shape in CIFAR.items()}
    found = translate(both)
    assert {entry.source.partition(".")[0] for entry in found.entries.values()} == {"net"}
    assert found.remarks == ("the network net.* is imported, ema.* is not",)
    averaged = translate({name: shape for name, shape in both.items() if name.startswith("ema.")})
    assert averaged.remarks == ("its weights are averaged over the training; it has no others",)


JELLY = {
    "patch_embed.stages.0.conv_bn.block.0.weight": (3, 3, 3, 3),
    "patch_embed.stages.3.conv_bn.block.1.running_mean": (24,),
    "patch_embed.stages.3.neuron.w": (),
    "patch_embed.positional_encoding.conv_bn.block.1.num_batches_tracked": (),
    "patch_embed.positional_encoding.conv_bn.block.1.bias": (24,),
    "blocks.1.attn.qkv_conv_bn.0.weight": (72, 24, 1),
    "blocks.1.attn.qkv_lif.w": (),
    "blocks.1.attn.proj_conv_bn.1.weight": (24,),
    "blocks.1.mlp.fc2.0.weight": (24, 48, 1),
    "blocks.1.mlp.neuron2.w": (),
    "head.bias": (10,),
}


def test_names_of_spikingjelly_become_ours() -> None:
    found = translate(JELLY)
    assert found.is_spikingjelly
    assert found.shapes == {
        "patch_embed.proj_conv.weight": (3, 3, 3, 3),
        "patch_embed.proj_bn3.running_mean": (24,),
        "patch_embed.proj_lif3.w": (),
        "patch_embed.rpe_bn.bias": (24,),
        "block.1.attn.q_linear.weight": (24, 24),
        "block.1.attn.k_linear.weight": (24, 24),
        "block.1.attn.v_linear.weight": (24, 24),
        "block.1.attn.q_lif.w": (),
        "block.1.attn.k_lif.w": (),
        "block.1.attn.v_lif.w": (),
        "block.1.attn.proj_bn.weight": (24,),
        "block.1.mlp.fc2_linear.weight": (24, 48),
        "block.1.mlp.fc2_lif.w": (),
        "head.bias": (10,),
        "block.1.mlp.fc2_linear.bias": (24,),
    }
    assert found.entries["block.1.attn.k_linear.weight"].third == 1
    assert found.entries["block.1.mlp.fc2_linear.bias"].source == ""

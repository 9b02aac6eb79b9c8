"""A subnet alone: the logits of the supernet's, with its own slices and statistics, folded or not; and its files."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import onnxruntime
import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from autospikformer_cli.errors import UserError
from autospikformer_cli.exchange.formats import FORMATS, SafetensorsFile, format_of
from autospikformer_cli.exchange.tracing import few_operations_lif
from autospikformer_cli.space import parse_subnet
from autospikformer_cli.spiking.extraction import ExtractedSubnet, published_state
from autospikformer_cli.spiking.layout import num_params
from autospikformer_cli.spiking.neuron import Dynamics, Neuron, lif
from autospikformer_cli.spiking.neuron_kinds import NeuronKind, ParametricLIFKind
from autospikformer_cli.spiking.normalisation import FixedStatistics, RecordedStatistics, RunningStatistics, Statistics
from autospikformer_cli.spiking.published import translate
from autospikformer_cli.spiking.supernet import Supernet

MakeLively = Callable[..., Supernet]

pytestmark = pytest.mark.usefixtures("one_thread")

SUBNET = parse_subnet("(2, 1.3, 2, 4, 2, 0.6, 1, 1.5, 2, 3, 12)")
SMALL = parse_subnet("(1, 1.3, 2, 0.8, 1.5, 2, 12)")
EVENTS = {"reads_events": True, "qkv_bias": False}
FORMS = {
    "static": {},
    "without input decay": {"decay_input": False},
    "without biases": {"qkv_bias": False},
    "pools before neurons": {"pool": "before"},
    "plif": {"neuron": ParametricLIFKind},
    "transformer": {"network": "transformer"},
    "events": EVENTS,
    "events plif": {**EVENTS, "neuron": ParametricLIFKind},
    "events transformer": {**EVENTS, "network": "transformer"},
}


@pytest.fixture(scope="module")
def made(make_lively: MakeLively) -> Callable[[str], Supernet]:
    """made("plif") -> a lively network of a form."""
    shape = make_lively().config.shape

    def make(form: str) -> Supernet:
        choices = dict(FORMS[form])
        config: dict[str, Any] = {}
        if "decay_input" in choices:
            config["dynamics"] = replace(make_lively().config.dynamics, decay_input=choices.pop("decay_input"))
        if "neuron" in choices:
            config["neuron"] = choices.pop("neuron")
        supernet = make_lively(shape=replace(shape, **choices), **config)
        for node in supernet.modules():
            if isinstance(node, ParametricLIFKind):
                torch.nn.init.constant_(node.w, 0.3)
        return supernet

    return make


def frames_of(supernet: Supernet, images_BHWC: Tensor) -> Tensor:
    """Frames (1, B, H, W, C), or four different ones of counts."""
    if not supernet.config.shape.reads_events:
        return images_BHWC[None]
    return torch.stack([images_BHWC.roll(step, 0).abs().mul(3).round() for step in range(4)])


def inputs_of(supernet: Supernet, images_BHWC: Tensor) -> Tensor:
    """The same as an extracted network reads them."""
    frames = frames_of(supernet, images_BHWC).permute(1, 0, 4, 2, 3)
    return frames if supernet.config.shape.reads_events else frames[:, 0]


def statistics_of(kind: str, supernet: Supernet, frames: Tensor) -> Statistics:
    """Training's, or the subnet's own."""
    if kind == "running":
        return RunningStatistics()
    recorded = RecordedStatistics()
    supernet(frames, SUBNET, recorded)
    return FixedStatistics(recorded.by_layer)


@pytest.mark.parametrize("fold", [False, True], ids=["", "folded"])
@pytest.mark.parametrize("kind", ["running", "recalibrated"])
@pytest.mark.parametrize("form", FORMS)
def test_alone_it_is_what_it_was_in_the_supernet(
    made: Callable[[str], Supernet], images: Tensor, form: str, kind: str, fold: bool
) -> None:
    supernet = made(form)
    frames = frames_of(supernet, images)
    with torch.no_grad():
        statistics = statistics_of(kind, supernet, frames)
        expected = supernet(frames, SUBNET, statistics)
        network = ExtractedSubnet(supernet, SUBNET, statistics, mean=(0.0,) * 2, std=(1.0,) * 2, fold=fold)
        other = supernet(frames, SUBNET, statistics_of("running", supernet, frames))
    logits = network(inputs_of(supernet, images))
    assert not logits.requires_grad
    assert (logits - expected).abs().max() < 1e-12
    assert logits.std() > 1e-3
    assert kind == "running" or (logits - other).abs().max() > 1e-6


@pytest.mark.parametrize("form", FORMS)
def test_it_holds_its_own_parameters_alone(made: Callable[[str], Supernet], images: Tensor, form: str) -> None:
    supernet = made(form)
    network = ExtractedSubnet(supernet, SUBNET, RunningStatistics(), mean=(0.0,) * 2, std=(1.0,) * 2)
    learned = sum(parameter.numel() for name, parameter in network.named_parameters() if "_lif" not in name)
    assert learned == num_params(supernet.config.shape, SUBNET)
    assert set(network.state_dict()) <= set(supernet.state_dict())
    for name, tensor in network.state_dict().items():
        whole = supernet.state_dict()[name]
        assert torch.equal(tensor, whole[tuple(slice(size) for size in tensor.shape)])

    before = network(inputs_of(supernet, images))
    with torch.no_grad():
        for parameter in supernet.parameters():
            parameter.zero_()
    assert torch.equal(network.train()(inputs_of(supernet, images)), before)


def test_the_stem_keeps_the_supernets_width(lively: Supernet) -> None:
    network = ExtractedSubnet(lively, SMALL, RunningStatistics(), mean=(0.0,) * 2, std=(1.0,) * 2)
    shapes = {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}
    stem = [shapes[f"patch_embed.proj_conv{suffix}.weight"] for suffix in ("", "1", "2", "3")]
    assert stem == [(2, 2, 3, 3), (4, 2, 3, 3), (8, 4, 3, 3), (12, 8, 3, 3)]
    assert shapes["patch_embed.rpe_conv.weight"] == (12, 12, 3, 3)
    assert shapes["block.0.mlp.fc1_linear.weight"] == (15, 12)
    assert shapes["block.0.mlp.fc1_bn.running_var"] == (15,)
    assert shapes["head.weight"] == (5, 12)
    assert not [name for name in shapes if name.startswith("block.1")]


def test_a_folded_network_has_biases_and_no_norms(made: Callable[[str], Supernet]) -> None:
    network = ExtractedSubnet(made("events"), SMALL, RunningStatistics(), mean=(0.0,) * 2, std=(1.0,) * 2, fold=True)
    layers = {name.rpartition(".")[0] for name in network.state_dict()}
    assert set(network.state_dict()) == {f"{layer}.{kind}" for layer in layers for kind in ("weight", "bias")}
    assert not [name for name in layers if "_bn" in name]
    assert {"patch_embed.proj_conv", "block.0.attn.q_linear"} <= layers


@pytest.mark.parametrize(("form", "mlp"), [("static", ()), ("without biases", (1, 1)), ("events", (1,))])
def test_names_are_the_published_ones(made: Callable[[str], Supernet], form: str, mlp: tuple[int, ...]) -> None:
    """The model for CIFAR has nn.Linear, DVS's nn.Conv1d, ImageNet's too, but nn.Conv2d in its MLP."""
    network = ExtractedSubnet(made(form), SMALL, RunningStatistics(), mean=(0.0,) * 2, std=(1.0,) * 2)
    state = network.state_dict()
    shapes = {name: tuple(tensor.shape) for name, tensor in published_state(network).items()}
    if form == "static":
        assert shapes["block.0.attn.q_linear.weight"] == (12, 12)
        assert "block.0.attn.q_linear.bias" in shapes
    else:
        assert shapes["block.0.attn.q_conv.weight"] == (12, 12, 1)
        assert shapes["block.0.attn.proj_conv.weight"] == (12, 12, 1)
        assert shapes["block.0.attn.proj_conv.bias"] == (12,)
        assert shapes["block.0.mlp.fc1_conv.weight"] == (15, 12, *mlp)
        assert shapes["block.0.mlp.fc2_conv.weight"] == (12, 15, *mlp)
        assert shapes["block.0.mlp.fc1_conv.bias"] == (15,)
        assert "block.0.attn.q_conv.bias" not in shapes
    assert translate(shapes).shapes == {name: tuple(tensor.shape) for name, tensor in state.items()}


@pytest.mark.parametrize(("form", "axes"), [("static", "(batch, 2, 8, 8)"), ("events", "(batch, frames, 2, 8, 8)")])
def test_another_number_of_axes_is_refused(
    made: Callable[[str], Supernet], images: Tensor, form: str, axes: str
) -> None:
    supernet = made(form)
    network = ExtractedSubnet(supernet, SMALL, RunningStatistics(), mean=(0.0,) * 2, std=(1.0,) * 2)
    with pytest.raises(ValueError, match=r"this network reads [45]: ") as caught:
        network(inputs_of(supernet, images)[0])
    assert str(caught.value).endswith(axes)


def test_too_few_frames_are_refused(made: Callable[[str], Supernet], images: Tensor) -> None:
    supernet = made("events")
    network = ExtractedSubnet(supernet, SUBNET, RunningStatistics(), mean=(0.0,) * 2, std=(1.0,) * 2)
    inputs = inputs_of(supernet, images)
    assert SUBNET.time_step == 3
    assert network(inputs[:, :3]).shape == (len(images), 5)
    with pytest.raises(ValueError, match="a recording of 2 frames is too short: the subnet's 3 time steps read one"):
        network(inputs[:, :2])


@pytest.mark.parametrize(
    ("form", "suffix", "fold"),
    [("plif", ".safetensors", False), ("without biases", ".safetensors", True),
     ("events", ".safetensors", True), ("events plif", ".pt2", True), ("static", ".pt2", False),
     ("pools before neurons", ".pt2", False), ("transformer", ".pt2", False)],
)  # fmt: skip
def test_a_file_read_again_is_the_network(
    made: Callable[[str], Supernet], images: Tensor, form: str, suffix: str, fold: bool
) -> None:
    supernet, path = made(form), Path(f"network{suffix}")
    network = ExtractedSubnet(supernet, SMALL, RunningStatistics(), mean=(0.0,) * 2, std=(1.0,) * 2, fold=fold)
    inputs = inputs_of(supernet, images)
    FORMATS[suffix].write(network, inputs[:2], path, {"subnet": str(SMALL)})
    predict = FORMATS[suffix].read(network, path, 1)
    for batch in (inputs, inputs[:1]):
        assert (predict(batch) - network(batch)).abs().max() < 1e-9
    if suffix == ".pt2":
        extra = {"subnet": ""}
        torch.export.load(path, extra_files=extra)
        assert extra == {"subnet": str(SMALL)}
        assert b"site-packages" not in path.read_bytes()


@pytest.mark.parametrize("form", ["transformer", "static"])
def test_onnx_runtime_computes_the_same(made: Callable[[str], Supernet], images: Tensor, form: str) -> None:
    supernet = made(form).float()
    network = ExtractedSubnet(supernet, SMALL, RunningStatistics(), mean=(0.0,) * 2, std=(1.0,) * 2)
    inputs = inputs_of(supernet, images.float())
    FORMATS[".onnx"].write(network, inputs[:2], Path("network.onnx"), {"subnet": str(SMALL)})

    session = onnxruntime.InferenceSession("network.onnx", providers=["CPUExecutionProvider"])
    assert session.get_modelmeta().custom_metadata_map == {"subnet": str(SMALL)}
    assert [(each.name, each.shape[1:]) for each in session.get_inputs()] == [("x", [2, 8, 8])]
    for batch in (inputs, inputs[:1]):
        (logits,) = session.run(["logits"], {"x": batch.numpy()})
        assert abs(logits - network(batch).numpy()).max() < 1e-4


DYNAMICS = [
    Dynamics(decay_input=decay, fires_at=fires_at, reset=reset)  # type: ignore[arg-type]
    for decay in (True, False)
    for fires_at in ("reach", "exceed")
    for reset in ("hard", "soft")
]


@pytest.mark.parametrize("dynamics", DYNAMICS, ids=str)
@pytest.mark.parametrize("steps", [1, 4])
def test_fewer_operations_fire_the_same_spikes(dynamics: Dynamics, steps: int) -> None:
    """In each of many neurons. Currents are multiples of 1/4, so potentials meet the threshold exactly."""
    generator = torch.Generator().manual_seed(3)
    current_TMC = torch.randint(-8, 17, (steps, 40, 50), generator=generator).float() / 4
    for tau in (1.0, 1.25, 2.0):
        neuron = Neuron(tau, 1.0)
        expected = lif(current_TMC, time_step=4, dynamics=dynamics, **neuron._asdict())
        fired = torch.stack(few_operations_lif(list(current_TMC), 4, neuron, dynamics))
        assert torch.equal(fired, expected == 1)
        assert 0.1 < fired.float().mean() < 0.9


class Eager(NeuronKind):
    """A plugin's neurons: they fire at every step where the current is positive, and equal no LIF neuron."""

    def forward(self, current_TMC: Tensor, time_step: int, neuron: Neuron) -> Tensor:
        return (current_TMC > 0).to(current_TMC.dtype).expand(time_step, -1, -1)


@pytest.mark.parametrize("suffix", [".onnx", ".pt2"])
def test_a_plugins_neurons_are_traced(make_lively: MakeLively, images: Tensor, suffix: str) -> None:
    supernet, path = make_lively(neuron=Eager).float(), Path(f"network{suffix}")
    network = ExtractedSubnet(supernet, SMALL, RunningStatistics(), mean=(0.0,) * 2, std=(1.0,) * 2)
    inputs = inputs_of(supernet, images.float())
    FORMATS[suffix].write(network, inputs[:2], path, {})
    logits = FORMATS[suffix].read(network, path, 1)(inputs)
    assert (logits - network(inputs)).abs().max() < 1e-4
    assert logits.std() > 1e-3


def test_other_weights_than_the_networks_are_noticed(lively: Supernet, images: Tensor) -> None:
    network = ExtractedSubnet(lively, SMALL, RunningStatistics(), mean=(0.0,) * 2, std=(1.0,) * 2)
    path = Path("network.safetensors")
    SafetensorsFile().write(network, images, path, {})
    assert torch.equal(load_file(path)["head.bias"], lively.head.state_dict()["bias"])
    network.state_dict()["head.bias"][2] = -0.0 if network.state_dict()["head.bias"][2] else 1.0
    with pytest.raises(UserError, match=r"network\.safetensors: not the network's tensor: head\.bias"):
        SafetensorsFile().read(network, path, 1)


@pytest.mark.parametrize(("name", "said"), [("net.pth", "the suffix .pth"), ("net", "no suffix")])
def test_a_suffix_says_the_format(name: str, said: str) -> None:
    assert format_of(Path("a/net.onnx")) is FORMATS[".onnx"]
    with pytest.raises(UserError, match=f"--to: '{name}' has {said}\n  end it in .safetensors, .pt2, .onnx"):
        format_of(Path(name))

"""Training in half precision: what is rounded, what is not, and the scale of the loss in float16."""

from __future__ import annotations

import os
import subprocess
import sys
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from autospikformer_cli.data.description import DataDescription
from autospikformer_cli.data.images import ImageSet
from autospikformer_cli.engine.dense import Dense
from autospikformer_cli.engine.machine_memory import told_if_too_small
from autospikformer_cli.engine.names import OfThisProcess
from autospikformer_cli.errors import Faults, UserError
from autospikformer_cli.evaluation.evaluator import Evaluator
from autospikformer_cli.recipe import TrainConfig, load_recipe
from autospikformer_cli.runs.number_format import require_number_format
from autospikformer_cli.space import SearchSpace
from autospikformer_cli.spiking.elastic import ElasticConvolution, ElasticLinear
from autospikformer_cli.spiking.layout import NetworkShape
from autospikformer_cli.spiking.normalisation import RunningStatistics
from autospikformer_cli.spiking.supernet import NetworkConfig, Supernet
from autospikformer_cli.store.supernet import TrainState
from autospikformer_cli.training.choosing import Accuracies
from autospikformer_cli.training.loop import Divergence, Recorder, Trainer, TrainingData
from autospikformer_cli.training.mixed_precision import LossScale, tf32_products
from autospikformer_cli.training.optimizers import make_optimizer
from autospikformer_cli.training.paths import sampled_paths
from autospikformer_cli.training.readings import StepReport

pytestmark = pytest.mark.usefixtures("one_thread")

SPACE = SearchSpace(
    depth=(1, 2),
    mlp_ratio=(Decimal(2),),
    num_heads=(2,),
    threshold=(Decimal("0.6"), Decimal(1)),
    tau=(Decimal(2),),
    time_step=(2,),
    embed_dim=(8, 16),
)
SIDE, STEPS, BATCH = 8, 6, 8
DESCRIPTION = DataDescription(num_classes=4, in_channels=1, image_size=SIDE, mean=(0.5,), std=(0.25,))
START = TrainState(epoch=0, step=0, finished=False, history=(), loss_sum=0.0, images=0, seconds=0.0)
HALVES = {"bf16": torch.bfloat16, "fp16": torch.float16}


def trainer(half: str = "none", **keys: Any) -> Trainer:
    generator = torch.Generator().manual_seed(1)
    images = torch.randint(256, (STEPS * BATCH, SIDE, SIDE, 1), generator=generator, dtype=torch.uint8)
    numbers = torch.arange(len(images))
    data = TrainingData(ImageSet(images, numbers % 4, numbers, "train", "0" * 64), DESCRIPTION, "flip")
    usual = {"epochs": 1, "batch": BATCH, "warmup_epochs": 0.0, "cooldown_epochs": 0.2, "lr": 1e-3}
    config = TrainConfig(**usual | {"mixed_precision": half} | keys)
    supernet = Supernet(NetworkConfig(NetworkShape(SIDE, 1, 4, 16, pooled_stages=(4,)), SPACE))
    optimizer = make_optimizer(supernet, config)
    return Trainer(supernet, optimizer, data, config, paths=sampled_paths(SPACE, 0, config), seed=0)


def trained(training: Trainer, state: TrainState = START, steps: int = STEPS) -> tuple[TrainState, list[StepReport]]:
    """Trained for so many steps of its epoch."""
    reports: list[StepReport] = []
    recorder = Recorder(
        step=reports.append, between=lambda state: None, epoch=lambda state: None,
        stop=lambda: len(reports) >= steps, accuracy=Accuracies,
    )  # fmt: skip
    return training.run(state, recorder), reports


def parameters(training: Trainer) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in training.supernet.named_parameters()}


# What is rounded


@pytest.mark.parametrize("half", HALVES.values())
def test_weighted_sums_are_those_of_rounded_factors(half: torch.dtype) -> None:
    """Against products in float64 of the same rounded factors. What comes out is rounded once more."""
    generator = torch.Generator().manual_seed(0)
    linear, convolution = ElasticLinear(20, 12, "linear"), ElasticConvolution(20, 12, "convolution")
    for parameter in (linear.weight, linear.bias, convolution.weight):
        assert parameter is not None
        parameter.data = torch.randn(parameter.shape, generator=generator)
    x = torch.randn(2, 3, 4, 4, 20, generator=generator, requires_grad=True)
    factors = x.to(half).double(), linear.weight.to(half).double(), convolution.weight.to(half).double()
    assert linear.bias is not None
    expected = {
        linear: factors[0] @ factors[1].T[:, :9] + linear.bias[:9].to(half).double(),
        convolution: torch.conv2d(
            factors[0].flatten(0, 1).permute(0, 3, 1, 2), factors[2][:9], padding=1
        ).permute(0, 2, 3, 1).unflatten(0, (2, 3)),
    }  # fmt: skip
    for layer, sums in expected.items():
        y = layer(x, 9, half)
        assert y.dtype == torch.float32
        digits = torch.finfo(half).eps
        torch.testing.assert_close(
            y.double(), sums, rtol=2 * digits, atol=2 * digits * float(sums.detach().abs().max())
        )
        y.square().sum().backward()
        assert layer.weight.grad is not None
        assert layer.weight.grad.dtype == torch.float32


class HalfOperators(TorchDispatchMode):
    """The operators that read or return a tensor in half precision, by name."""

    def __init__(self) -> None:
        super().__init__()
        self.names = set[str]()

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Look at what goes in and comes out."""
        made = function(*args, **(kwargs or {}))
        tensors = (each for each in tree_leaves((args, kwargs, made)) if isinstance(each, Tensor))
        if any(each.dtype in HALVES.values() for each in tensors):
            self.names.add(function.overloadpacket.__name__)
        return made


PRODUCTS = {"convolution", "convolution_backward", "mm", "addmm", "bmm", "linear"}
MOVES = {
    "_to_copy", "view", "_unsafe_view", "reshape", "permute", "t", "transpose", "clone", "expand", "detach", "slice",
    "slice_backward", "as_strided", "unsqueeze", "squeeze", "split", "copy_", "empty_like", "contiguous", "alias",
    "_reshape_alias", "reshape_copy", "zeros", "new_zeros", "new_empty", "fill_", "empty_strided",
}  # fmt: skip


@pytest.mark.parametrize("kind", ["spikformer", "transformer"])
@pytest.mark.parametrize("half", HALVES)
def test_nothing_but_weighted_sums_is_in_half_precision(half: str, kind: Any) -> None:
    """No moment, potential, product of spikes, softmax, loss, or state of the optimizer. A bias's gradient is a sum."""
    training = trainer(half)
    if kind == "transformer":
        shape = NetworkShape(SIDE, 1, 4, 16, pooled_stages=(4,), network="transformer")
        ann = Supernet(NetworkConfig(shape, SPACE))
        training = Trainer(
            ann, make_optimizer(ann, training.config), training.data, training.config,
            paths=training.paths, seed=0,
        )  # fmt: skip
    with HalfOperators() as seen:
        training.train_step(0, 0, torch.arange(BATCH))
    assert seen.names & PRODUCTS
    assert seen.names - PRODUCTS - MOVES <= {"sum"}
    assert {value.dtype for value in training.supernet.state_dict().values()} == {torch.float32}
    assert {array.dtype for name, array in training.arrays().items() if "sound" not in name} == {np.dtype(np.float32)}


@pytest.mark.parametrize("half", HALVES)
def test_a_first_step_is_that_of_float32_but_for_rounding(half: str) -> None:
    """The ANN's: spikes that flip would move a spiking network's by more than the rounding."""
    told = []
    for each in ("none", half):
        training = trainer(each)
        shape = NetworkShape(SIDE, 1, 4, 16, pooled_stages=(4,), network="transformer")
        ann = Supernet(NetworkConfig(shape, SPACE))
        training = Trainer(
            ann, make_optimizer(ann, training.config), training.data, training.config, paths=training.paths, seed=0
        )
        taken = training.train_step(0, 0, torch.arange(BATCH))
        told.append(taken.report(taken.on_device.tolist()))
    assert told[0] != told[1]
    assert told[1].loss == pytest.approx(told[0].loss, rel=0.01)
    assert told[1].gradient_norm == pytest.approx(told[0].gradient_norm, rel=0.1)


# The scale of the loss


def test_the_scale_halves_when_gradients_overflow_and_nothing_moves() -> None:
    """The loss is so large that the gradients of the first steps do not fit into float16. That is no divergence."""
    training = trainer("fp16")
    sound = training.loss
    training.loss = lambda *given: sound(*given) * 2.0**10  # type: ignore[method-assign]
    assert training.loss_scale is not None
    scales = []
    for _ in range(40):
        before, scale = parameters(training), float(training.loss_scale.scale)
        _, (report,) = trained(training, steps=1)
        scales.append(scale)
        after = parameters(training)
        has_moved = any(not torch.equal(after[name], before[name]) for name in after)
        assert has_moved == np.isfinite(report.gradient_norm)
        assert np.isfinite(report.loss)
        if has_moved:
            break
    assert has_moved
    assert len(scales) > 1
    assert scales == [LossScale.FIRST / 2**step for step in range(len(scales))]
    assert float(training.loss_scale.scale) == scales[-1]


def test_a_gradient_that_overflows_without_a_scale_is_a_divergence() -> None:
    training = trainer("fp16")
    assert training.loss_scale is not None
    training.loss_scale.scale = torch.tensor(LossScale.LEAST)
    sound, before = training.loss, parameters(training)
    training.loss = lambda *given: sound(*given) * 1e12  # type: ignore[method-assign]
    subnet = training.paths(0, 0.0)[0]
    with pytest.raises(Divergence) as raised:
        trained(training)
    assert raised.value.what == f"the gradient of subnet {subnet} is not finite in epoch 1, step 1"
    after = parameters(training)
    assert all(torch.equal(after[name], before[name]) for name in after)


def test_the_scale_doubles_after_many_sound_steps() -> None:
    scale = LossScale(torch.device("cpu"))
    yes, no = torch.tensor(True), torch.tensor(False)
    for _ in range(LossScale.GROWTH_STEPS - 1):
        scale.update(yes)
    assert float(scale.scale) == 2.0**16
    scale.update(yes)
    assert (float(scale.scale), int(scale.sound_steps)) == (2.0**17, 0)
    for _ in range(3):
        scale.update(yes)
    scale.update(no)
    assert (float(scale.scale), int(scale.sound_steps)) == (2.0**16, 0)
    for _ in range(20):
        scale.update(no)
    assert float(scale.scale) == LossScale.LEAST


def test_a_scale_changes_no_gradient() -> None:
    """It is a power of two, and every gradient is divided by it."""
    norms = []
    for factor in (1.0, 2.0**4):
        training = trainer("fp16")
        assert training.loss_scale is not None
        training.loss_scale.scale = torch.tensor(2.0**8 * factor)
        training.train_step(0, 0, torch.arange(BATCH))
        norms.append(
            {name: value.grad for name, value in training.supernet.named_parameters() if value.grad is not None}
        )
    assert norms[0].keys() == norms[1].keys()
    for name, gradient in norms[0].items():
        torch.testing.assert_close(norms[1][name], gradient, rtol=0.02, atol=1e-5)


@pytest.mark.parametrize("keys", [{}, {"optimizer": "muon", "ema_half_life": 0.3}])
def test_stopped_and_resumed_in_float16_it_ends_alike(keys: dict[str, Any]) -> None:
    """The scale is a part of the state. It has just been halved."""
    whole, stopped, resumed = (trainer("fp16", **keys) for _ in range(3))
    for each in (whole, stopped):
        assert each.loss_scale is not None
        each.loss_scale.scale = torch.tensor(2.0**30)  # it overflows
    trained(whole)
    state, _ = trained(stopped, steps=2)
    assert state.step == 2
    assert stopped.loss_scale is not None
    assert float(stopped.loss_scale.scale) < 2.0**30
    held = {name: value.clone() for name, value in stopped.weights().items()}
    resumed.supernet.load_state_dict(held)
    resumed.restore(stopped.arrays())
    trained(resumed, state)
    ends = [
        each.arrays() | {name: value.numpy() for name, value in each.weights().items()} for each in (whole, resumed)
    ]
    assert ends[0].keys() == ends[1].keys()
    assert "loss_scale/scale" in ends[0]
    for name, value in ends[0].items():
        np.testing.assert_array_equal(ends[1][name], value, err_msg=name)


# What is asked of the device


def test_tf32_is_on_within_and_as_before_after() -> None:
    matmul, cudnn = torch.backends.cuda.matmul, torch.backends.cudnn
    before = matmul.allow_tf32, cudnn.allow_tf32
    with tf32_products(True):
        assert (matmul.allow_tf32, cudnn.allow_tf32) == (True, True)
    with tf32_products(False):
        assert (matmul.allow_tf32, cudnn.allow_tf32) == before
    assert (matmul.allow_tf32, cudnn.allow_tf32) == before


def test_a_cpu_refuses_what_only_a_gpu_has(aspk: Any) -> None:
    """Before anything is written. All faults at once, with their keys."""
    outcome = aspk("train", "quickstart", "--set", 'train.mixed_precision="bf16"', "--set", "train.tf32=true")
    assert outcome.exit_code == 2
    assert outcome.stderr == (
        'error: train.mixed_precision: train.mixed_precision = "bf16" needs a GPU: a CPU trains by compiled loops, in'
        " float32 or float64\n  leave the key out, or compute on a GPU: --device cuda\n"
        "error: train.tf32: train.tf32 = true needs a GPU: a CPU trains by compiled loops, in float32 or float64\n"
        "  leave the key out, or compute on a GPU: --device cuda\n"
    )
    assert not aspk("runs", "--json").document["runs"]


def test_half_precision_is_of_float32() -> None:
    recipe = load_recipe("quickstart", ['train.mixed_precision="fp16"'])
    require_number_format(recipe, OfThisProcess("cuda"))
    with pytest.raises(Faults, match="rounds products of float32, and the training computes in float64"):
        require_number_format(recipe, OfThisProcess("cuda", "float64"))


def test_a_gpu_that_is_too_small_for_an_evaluation_is_a_users_error() -> None:
    class Full(Dense):
        def logits(self, *_: Any) -> Tensor:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")

    training = trainer()
    images = training.data.images
    evaluator = Evaluator(Full(training.supernet), DESCRIPTION, images, "recalibrate", 8)
    with pytest.raises(UserError) as raised:
        evaluator.logits(SPACE.largest(), images, RunningStatistics())
    assert str(raised.value) == (
        "model.evaluation_batch: the GPU has too little memory for an evaluation\n"
        "  lower model.evaluation_batch; what was saved before is kept"
    )
    with pytest.raises(UserError, match="too little memory for a recalibration"):
        evaluator.statistics(SPACE.largest())
    with pytest.raises(RuntimeError, match="another"), told_if_too_small("a training step", "train.batch"):
        raise RuntimeError("another")


def test_a_process_of_ours_repeats_itself_on_a_gpu() -> None:
    """In a process of its own: torch keeps the setting."""
    code = """
import os, torch
from autospikformer_cli.engine.compute import own_process
from autospikformer_cli.errors import UserError
try:
    own_process("cuda:99")
except UserError as error:
    print(str(error).splitlines()[0].partition(": ")[0])
print(torch.are_deterministic_algorithms_enabled(), os.environ["CUBLAS_WORKSPACE_CONFIG"])
"""
    environment = {name: value for name, value in os.environ.items() if name != "CUBLAS_WORKSPACE_CONFIG"}
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True)
    assert ended.stdout == "--device cuda:99\nTrue :4096:8\n"

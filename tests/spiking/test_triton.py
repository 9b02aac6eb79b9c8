"""The Triton kernels: on a CPU by Triton's interpreter, as machine code for a GPU that is not there, and on CUDA."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from autospikformer_cli.spiking import firing, normalisation
from autospikformer_cli.spiking.backends import backend_of
from autospikformer_cli.spiking.firing import normalise_and_fire
from autospikformer_cli.spiking.neuron import Dynamics, Neuron, lif
from autospikformer_cli.spiking.neuron_kinds import LIFKind
from autospikformer_cli.spiking.normalisation import ElasticBatchNorm, batch_moments
from autospikformer_cli.spiking.triton_firing import COMPILER_OPTIONS, TRITON

has_triton = pytest.mark.skipif(
    importlib.util.find_spec("triton") is None, reason="Triton is not installed (Linux: pip install triton)"
)
on_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
PRECISIONS = ["fp32", "bf16", "fp64"]


@has_triton
def test_interpreted_kernels_are_plain_torch() -> None:
    """In a process of its own: Triton decides when it is imported whether it interprets."""
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "--no-header", Path(__file__).with_name("triton_interpreted.py")],
        env=os.environ | {"TRITON_INTERPRET": "1"}, cwd=Path(__file__).parents[2], capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    assert re.search(r"^\d\d+ passed in ", done.stdout, re.MULTILINE), done.stdout


def ptx_of(name: str, precision: str, **choices: Any) -> str:
    """What the compiler makes of a kernel for an H100 (sm_90): instructions for a virtual machine, before ptxas."""
    import triton
    import triton.language as tl
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    from autospikformer_cli.spiking import triton_kernels

    wide = "fp64" if precision == "fp64" else "fp32"
    constants = {
        "STEPS": 4, "REPEATS": False, "U": tl.dtype(wide), "DECAY_INPUT": True, "EXCEEDS": False, "HARD": True,
        "DETACH": True, "SURROGATE": "sigmoid", "NORMALISED": True, "TILES": 8, "ROWS": 16, "CHANNELS": 64, **choices,
    }  # fmt: skip
    float64 = {"tau", "leak", "threshold"}
    kernel = getattr(triton_kernels, name)
    signature = {}
    for argument in kernel.arg_names:
        if argument in constants:
            signature[argument] = "constexpr"
        elif argument in ("sums_S2C", "means_2C"):
            signature[argument] = "*fp64"
        elif argument.endswith("MC"):
            signature[argument] = f"*{precision}"
        elif argument.endswith("_C"):
            signature[argument] = f"*{wide}"
        else:
            signature[argument] = "fp64" if argument in float64 else "i32"
    used = {key: value for key, value in constants.items() if key in signature}
    compiled = triton.compile(
        ASTSource(kernel, signature, used), target=GPUTarget("cuda", 90, 32), options=COMPILER_OPTIONS
    )
    text: str = compiled.asm["ptx"]
    return text


def instructions(ptx: str) -> Counter[str]:
    """How often each instruction stands in it."""
    return Counter(re.findall(r"^\s+(?:@!?%p\d+ )?([a-z][\w.]*) ", ptx, re.MULTILINE))


@has_triton
@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("decay_input", [True, False])
def test_the_forward_kernel_fuses_nothing(precision: str, decay_input: bool) -> None:
    """No multiply-add is fused, and ptxas may not fuse what is marked .rn. Divisions round to the nearest.

    A Triton before 3.9 lets a quotient below 1e-38 be 0 (.ftz). No threshold is so low.
    """
    ptx = ptx_of("fire_tiles", precision, DECAY_INPUT=decay_input)
    found = instructions(ptx.replace("div.rn.ftz.f32", "div.rn.f32"))
    wide = "f64" if precision == "fp64" else "f32"
    assert not [name for name in found if name.startswith(("fma", "mad.f", "div.full", "div.approx"))]
    assert {name for name in found if re.fullmatch(r"(mul|add|sub|div)\..*f(32|64)", name)} == {
        f"{operation}.rn.{wide}" for operation in (["mul", "add", "sub", "div"] if decay_input else ["mul", "add"])
    }
    assert not [name for name in found if ".ftz" in name]


@has_triton
@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("kernel", ["gradient_sums", "input_gradient"])
def test_the_backward_kernels_fuse_nothing_of_the_potentials(kernel: str, precision: str) -> None:
    """Only exp in float64, which only the sigmoid has, is fused inside. It is a function of NVIDIA's library."""
    for surrogate in ("arctan", "rectangular", "sigmoid"):
        found = instructions(ptx_of(kernel, precision, SURROGATE=surrogate, DETACH=False))
        fused = [name for name in found if name.startswith(("fma", "mad.f"))]
        assert fused == (["fma.rn.f64"] if surrogate == "sigmoid" and precision == "fp64" else [])
        assert not [name for name in found if name.startswith(("atom", "red."))]  # sums would depend on the order
    if precision == "bf16" and kernel == "input_gradient":
        assert found["cvt.rn.bf16.f32"] + found["cvt.rn.bf16x2.f32"] > 0


@has_triton
@pytest.mark.parametrize(("steps", "precision"), [(1, "bf16"), (16, "fp32")])
def test_any_number_of_steps_compiles(steps: int, precision: str) -> None:
    for kernel in ("fire_tiles", "gradient_sums", "input_gradient"):
        for repeats in (True, False):
            assert ".entry" in ptx_of(kernel, precision, STEPS=steps, REPEATS=repeats, HARD=False, ROWS=4)


@has_triton
@pytest.mark.parametrize("precision", PRECISIONS)
def test_moments_are_summed_in_float64_in_a_fixed_order(precision: str) -> None:
    found = instructions(ptx_of("moment_sums", precision))
    assert found["add.rn.f64"] > 0
    assert not [name for name in found if name.startswith(("atom", "red.")) or re.search(r"(mul|add)\..*f32", name)]


# On CUDA


def trained(x: Tensor, kind: LIFKind, towards: Tensor) -> list[Tensor]:
    """A layer's spikes, gradients and running statistics."""
    norm = ElasticBatchNorm(x.shape[-1], "norm").to(x.device)
    norm = norm.double() if x.dtype == torch.float64 else norm
    x = x.clone().requires_grad_()
    spikes = normalise_and_fire(x, norm, kind, None, len(towards), Neuron(1.75, 0.6))
    (spikes * towards).sum().backward()
    found = (spikes.detach(), x.grad, norm.weight.grad, norm.bias.grad, norm.running_mean, norm.running_var)
    return [each for each in found if each is not None]


@pytest.mark.gpu
@on_cuda
@pytest.mark.parametrize("surrogate", ["sigmoid", "arctan", "rectangular"])
@pytest.mark.parametrize("given", [1, 4])
@pytest.mark.parametrize(("dtype", "within"), [(torch.float64, 1e-9), (torch.float32, 1e-5)])
def test_cuda_trains_as_the_cpu_does(dtype: torch.dtype, within: float, given: int, surrogate: str) -> None:
    generator = torch.Generator().manual_seed(1)
    x, towards = (torch.randn(steps, 3, 500, 70, dtype=dtype, generator=generator) for steps in (given, 4))
    kind = LIFKind(Dynamics(surrogate=surrogate, detach_reset=False))
    assert backend_of(x.cuda()) is TRITON
    here, there = trained(x, kind, towards), trained(x.cuda(), kind, towards.cuda())
    again = trained(x.cuda(), kind, towards.cuda())
    assert all(torch.equal(a, b) for a, b in zip(there, again, strict=True))
    assert len(here) == 6
    for wanted, found in zip(here, there, strict=True):
        torch.testing.assert_close(found.cpu(), wanted, rtol=0, atol=within * max(1.0, float(wanted.abs().max())))


@pytest.mark.gpu
@on_cuda
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64], ids=str)
def test_cuda_fires_bit_for_bit(dtype: torch.dtype) -> None:
    """As plain torch on a CPU: on CUDA, torch divides by multiplying with the reciprocal."""
    generator = torch.Generator().manual_seed(2)
    wide = TRITON.potential_dtype(torch.empty(0, dtype=dtype))
    x = 2 * torch.randn(4, 5000, 70, dtype=torch.float64, generator=generator).to(dtype)
    scale, shift = torch.randn(2, 70, dtype=wide, generator=generator)
    expected = lif(x.to(wide) * scale + shift, time_step=4, tau=3.3, threshold=0.6, dynamics=Dynamics())
    spikes = TRITON.fire(x.cuda(), scale.cuda(), shift.cuda(), 4, Neuron(3.3, 0.6), Dynamics())
    assert torch.equal(spikes.cpu().to(wide), expected)


@pytest.mark.gpu
@on_cuda
def test_cuda_keeps_the_layers_input_only() -> None:
    """What a layer adds until its backward pass: spikes, and numbers by channel. And no wide copy for the moments."""
    x = torch.randn(4, 16, 1024, 48, device="cuda", requires_grad=True)
    norm = ElasticBatchNorm(48, "norm").cuda()
    batch_moments(x)
    torch.cuda.synchronize()
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    spikes = normalise_and_fire(x, norm, LIFKind(Dynamics()), None, 4, Neuron(2.0, 1.0))
    size = x.numel() * x.element_size()
    assert torch.cuda.max_memory_allocated() - before < 1.2 * size
    assert torch.cuda.memory_allocated() - before < 1.05 * size
    assert spikes.numel() * spikes.element_size() == size


def test_without_triton_plain_torch_trains(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a device without a backend: the same moments and the same training."""
    x, towards = torch.randn(2, 4, 2, 30, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
    kind = LIFKind(Dynamics())
    wanted = trained(x, kind, towards)
    moments = batch_moments(x)
    for module in (firing, normalisation):
        monkeypatch.setattr(module, "backend_of", lambda x: None)
    for found, expected in zip(trained(x, kind, towards), wanted, strict=True):
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-12)
    torch.testing.assert_close(tuple(batch_moments(x)), tuple(moments), rtol=1e-12, atol=1e-14)

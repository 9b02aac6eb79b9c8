"""SpikingJelly's networks in the shapes of subnets, one by one."""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from typing import Any

import torch
from engine_network import print_table
from engine_rivals import logits_of, spikingjelly_subnet
from torch import Tensor

from autospikformer_cli.data.frames import to_frames
from autospikformer_cli.space import Subnet
from autospikformer_cli.spiking.layout import num_params

PEERS, PEER_IMAGES, BATCH = 5, 64, 32


@torch.no_grad()
def print_rivals(work: Any, subnets: Sequence[Subnet], rounds: int, with_compiler: bool) -> None:
    """The tree under the statistics of training, against networks timed on a few subnets and images, and scaled."""
    print(f"## {len(subnets)} random subnets of S_Ts, {len(work.images)} images, statistics of training\n")
    shape = work.run.supernet.config.shape
    by_size = sorted(subnets, key=lambda subnet: num_params(shape, subnet))
    chosen = [by_size[(2 * place + 1) * len(by_size) // (2 * PEERS)] for place in range(PEERS)]
    weights = work.run.supernet.head.weight
    frames = to_frames(work.images.images[:PEER_IMAGES], work.run.description, weights.device, weights.dtype)
    images = frames[0].permute(0, 3, 1, 2).contiguous()
    walked = []
    for _ in range(rounds):
        evaluator = work.evaluator(batchnorm="running")
        begun = time.perf_counter()
        for _part in evaluator.measure_many(subnets, work.images):
            pass
        walked.append(time.perf_counter() - begun)
    tree = statistics.median(walked)
    scale = len(subnets) * len(work.images) / PEER_IMAGES / PEERS
    rows = [("tree", "", f"{tree:.1f}", "1.00")]
    for name, compiled in (("SpikingJelly, eager", False), ("SpikingJelly, torch.compile", True))[: 1 + with_compiler]:
        seconds, compiling = 0.0, 0.0
        for subnet in chosen:
            one, to_compile = _seconds(work, subnet, images, rounds, compiled)
            seconds, compiling = seconds + one, compiling + to_compile
        told = f"{compiling / PEERS:.1f}" if compiled else ""
        rows.append((name, told, f"{seconds * scale:.1f}", f"{seconds * scale / tree:.2f}"))
    print_table(("", "compiling a shape (s)", "all subnets (s)", "over the tree"), rows)
    print(f"Medians of {rounds}. The peer: {PEERS} subnets, of every fifth by parameters the middle one, {PEER_IMAGES}")
    print(
        "images in batches of 32, eagerly in the faster of two memory formats, compiled with channels last, scaled by"
    )
    print("subnets and images. Compiling, which every new shape pays again, is not in its seconds.\n")


def _seconds(work: Any, subnet: Subnet, images: Tensor, rounds: int, compiled: bool) -> tuple[float, float]:
    """Median of all images, and of what had to be compiled before; eagerly in the faster of two memory formats."""
    best, compiling = float("inf"), 0.0
    for memory_format in (torch.channels_last,) if compiled else (torch.contiguous_format, torch.channels_last):
        if compiled:
            torch.compiler.reset()
        network = spikingjelly_subnet(work.run.supernet, subnet).to(images.device, memory_format=memory_format)
        model = torch.compile(network, dynamic=False) if compiled else network
        batches = [batch.contiguous(memory_format=memory_format) for batch in images.split(BATCH)]
        begun = time.perf_counter()
        for _ in range(2):
            float(logits_of(model, network, batches[0]).sum())
        warm = time.perf_counter() - begun
        timed = []
        for _ in range(rounds):
            begun = time.perf_counter()
            for batch in batches:
                float(logits_of(model, network, batch).sum())  # a number: a GPU has then finished
            timed.append(time.perf_counter() - begun)
        if (seconds := statistics.median(timed)) < best:
            best, compiling = seconds, warm
    return best, compiling

"""The same network counted by us and by SpikingJelly's op_counter, every difference explained and computed.

Usage: python benchmarks/op_counter.py [--data ROOT] [--images N] [--rate R]
"""

from __future__ import annotations

import argparse
import copy
import sys
from collections.abc import Iterable, Sequence
from importlib.metadata import version

import torch
from engine_network import SHAPE, SUBNET, Workload, frames_of, make_workload, print_table
from engine_rivals import disagreement, published_rate, spikingjelly_network
from op_counter_counts import (
    COUNTERS,
    NEURON_FLOP,
    NEURONS,
    STEPS,
    Line,
    Ours,
    Tallied,
    Theirs,
    operation_lines,
    other_lines,
    residue_of,
    verdict,
)
from op_counter_energy import print_conventions, print_energy
from spikingjelly.activation_based import op_counter
from spikingjelly.activation_based.layer import SeqToANNContainer
from spikingjelly.activation_based.model.spikformer import Spikformer
from timing import machine
from torch import Tensor, nn

from autospikformer_cli.spiking.supernet import Supernet

RULES = {
    "pixels": "the image is repeated T times and convolved T times, positions beyond the border included: T x our MACs",
    "border": "a spike counts for the outputs that it reaches, as in our exact events; rate x T x MACs knows no border",
    "integers": "an input that is not 0 and 1 throughout is not sparse to it: T x MACs, zeros included, and no SynOp",
    "pairs": "the first product is k^T v, two binary operands: pairs of ones, as our exact events are",
    "rows": "q times (k^T v): each spike of q counts for all D / H outputs, zeros too, as by rate x T x MACs",
    "same": "binary input: each spike for each output, which is rate x T x MACs and our exact events alike",
    "head": "the head runs on every step's mean; ours, which is linear, once on the mean of all: T x our MACs",
    "BatchNorm": "n outputs, c channels: n MACs, n + c ACs, 4 n + 2 c FLOPs; by `sound` it is folded into the weights",
    "LIF neurons": "a neuron and step: 6 ACs, 10 FLOPs; 3 ACs less as long as the whole layer has read zeros only",
    "residual additions": "an addition an element; where both terms are binary (the stem's), one for each 1 of either",
    "scale of the attention": "a product an element in FLOPs, nothing as MAC or AC",
    "mean over tokens": "n - m additions for m means of n elements; n FLOPs",
    "max-pooling": "8 FLOPs an output, nothing as MAC or AC",
    "all other operators": "views and copies",
}


def pooled_behind_neurons(network: Spikformer) -> Spikformer:
    """The network with its pooling where ours has it."""
    for stage in network.patch_embed.stages:
        weights, norm, *pools = stage.conv_bn.block
        stage.conv_bn.block = SeqToANNContainer(weights, norm)
        stage.neuron = nn.Sequential(stage.neuron, *(SeqToANNContainer(pool) for pool in pools))
    return network


def images_of(frames: Tensor) -> Tensor:
    """Frames (1, B, H, W, C) as SpikingJelly reads them, (B, C, H, W)."""
    return frames[0].permute(0, 3, 1, 2).contiguous()


def by_block(name: str) -> str:
    """A line's name with its block's number behind."""
    return name if not name.startswith("block.") else ".".join(name.split(".")[2:]) + f" ({name.split('.')[1]})"


def print_operations(lines: Sequence[Line]) -> None:
    """Every operation, ours beside SpikingJelly's."""
    print("## Operations, all images and steps\n")
    print("SOPs: rate x T x MACs, by `EnergyModel` (of real inputs the MACs, once an image). Events: our exact count.")
    print("SynOps: `SynOpCounter`, of which `ACCounter` says the same here; MACs: `MACCounter`. Block in brackets.\n")
    rows = []
    for line in lines:
        theirs = line.theirs.synop + line.theirs.mac
        events = "" if line.events is None else f"{line.events:,}"
        counted = [f"{line.sops:,}", events, f"{line.theirs.synop:,}", f"{line.theirs.mac:,}"]
        rows.append([by_block(line.name), *counted, f"{theirs / line.sops:.3f}", line.rule, residue_of(line)])
    print_table(("operation", "SOPs", "events", "SynOps", "MACs", "theirs / SOPs", "rule", "residue"), rows)
    same = sum(line.theirs.flop == 2 * line.dense for line in lines)
    print(f"FLOPs are 2 x T x MACs, whatever the input: exact in {same} of {len(lines)} lines; the head adds its bias,")
    print(f"{SHAPE.num_classes} a step and image: {verdict(sum(line.residue.flop for line in lines))}.\n")


def print_others(lines: Sequence[Line], everything: Iterable[Line], theirs: Theirs) -> None:
    """What we list as not counted, and the totals of the counters."""
    print("## What we list as not counted\n")
    print("By us 0 each.\n")
    rows = [[line.name, *(f"{getattr(line.theirs, kind):,}" for kind in COUNTERS), residue_of(line)] for line in lines]
    total = sum((line.predicted for line in everything), Tallied())
    left = Line("", "", theirs.total, total)
    rows.append(["all, operations too", *(f"{getattr(theirs.total, kind):,}" for kind in COUNTERS), residue_of(left)])
    print_table(("", "SynOps", "MACs", "ACs", "FLOPs", "residue"), rows)
    print("Operators that no counter has a rule for, and skips:", ", ".join(theirs.unknown) + ".\n")


def print_rules(lines: Iterable[Line]) -> None:
    """The rules that the lines name."""
    print("## Rules\n")
    print("Each was applied to our counts, which gave theirs; `exact` is that equality, in whole numbers.\n")
    print_table(
        ("rule", "what SpikingJelly does"), [[rule, RULES[rule]] for rule in dict.fromkeys(x.rule for x in lines)]
    )


def print_single_value() -> None:
    """What one value above 1 changes, in a projection of 64 tokens that reads zeros otherwise."""
    dim, tokens = SUBNET.embed_dim, SHAPE.num_tokens
    counted = []
    for value in (1.0, 2.0):
        counters = op_counter.SynOpCounter(), op_counter.MACCounter()
        values = torch.zeros(1, dim, tokens)
        values[0, 0, 0] = value
        with op_counter.DispatchCounterMode(list(counters)):
            nn.Conv1d(dim, dim, 1, bias=False)(values)
        counted.append(" and ".join(f"{counter.get_total():,}" for counter in counters))
    print(f"One value decides `integers`: {dim} to {dim} channels on {tokens} tokens, all 0 but for a single 1, are")
    print(f"{counted[0]} SynOps and MACs; with a single 2 in its place {counted[1]}. By `sound` it is {dim}")
    print(f"and {2 * dim} SOPs.\n")


def print_batch(ours: Sequence[Ours], theirs: Sequence[Theirs], whole: Theirs, lines: Sequence[Line]) -> None:
    """The same images counted one by one."""
    print("## The same images, one by one\n")
    parts = [[*operation_lines(o, t), *other_lines(o, t)] for o, t in zip(ours, theirs, strict=True)]
    total = sum((each.total for each in theirs), Tallied())
    rows = [
        [kind, f"{getattr(whole.total, kind):,}", f"{getattr(total, kind):,}",
         f"{getattr(total, kind) - getattr(whole.total, kind):+,}"] for kind in COUNTERS
    ]  # fmt: skip
    print_table(("SpikingJelly's", "in one batch", "one by one, summed", "differ by"), rows)
    exact = sum(line.residue == Tallied() for part in parts for line in part)
    print(f"By the same rules from our counts of single images: {exact} of {sum(map(len, parts))} lines exact.")
    sops = sum(line.sops for part in parts for line in part) - sum(line.sops for line in lines)
    events = sum(line.events or 0 for part in parts for line in part) - sum(line.events or 0 for line in lines)
    print(
        f"Ours differ by {sops} SOPs and {events} events. Theirs depend on the batch: BatchNorm's channels count once"
    )
    print("a call, and whether a tensor is binary, or a neuron has read anything, is asked of the batch as a whole.\n")


def print_published(supernet: Supernet, workload: Workload, theirs: Theirs, frames: Tensor) -> None:
    """SpikingJelly's network as published, which pools before the neurons."""
    print("## As published\n")
    published = Theirs(spikingjelly_network(supernet, workload.statistics), images_of(frames))
    rows = [[kind, f"{getattr(theirs.total, kind):,}", f"{getattr(published.total, kind):,}"] for kind in COUNTERS]
    print_table(("", "pooling behind the neurons", "as published, before them"), rows)
    widths, sizes = SHAPE.stem_widths(SUBNET.embed_dim), [SHAPE.stage_size(stage) for stage in range(1, 6)]
    spared = sum(widths[s - 1] * (sizes[s - 1] ** 2 - sizes[s] ** 2) for s in SHAPE.pooled_stages)
    fewer = theirs.lines[NEURONS].flop - published.lines[NEURONS].flop
    left = verdict(fewer - NEURON_FLOP * spared * STEPS * frames.shape[1])
    print(f"It has {spared:,} neurons fewer, {NEURON_FLOP} FLOPs a step each: {left}. Its mean input value is")
    print(f"{published_rate(workload):.2f}: it fires other spikes, which no rule leads to from ours.\n")


def options() -> argparse.Namespace:
    """What was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", help="folder of CIFAR-10; without it, normal noise")
    parser.add_argument("--images", type=int, default=4)
    parser.add_argument("--rate", type=float, default=0.12, help="mean input value over layers")
    return parser.parse_args()


@torch.no_grad()
def main() -> None:
    """Print `results/op_counter.md`."""
    chosen = options()
    workload = make_workload(chosen.rate, frames_of(chosen.data, chosen.images))
    supernet, frames = copy.deepcopy(workload.supernet).double(), workload.frames.double()
    network = pooled_behind_neurons(spikingjelly_network(supernet, workload.statistics))
    ours, theirs = Ours(supernet, frames, workload.statistics), Theirs(network, images_of(frames))
    lines, others = operation_lines(ours, theirs), list(other_lines(ours, theirs))
    everything = (*lines, *others)
    source = "CIFAR-10 test images" if chosen.data else "normal noise"
    print("# The same network counted by SpikingJelly's op_counter\n")
    print(f"`python benchmarks/op_counter.py {' '.join(sys.argv[1:])}`\n")
    print(f"{machine()}, spikingjelly {version('spikingjelly')}. Spikformer 4-384, T {STEPS}, float64, mean input")
    print(
        f"value {workload.rate:.2f}, {chosen.images} images ({source}). SpikingJelly's network has our weights, and its"
    )
    print(f"pooling behind the neurons, where ours has it: logits differ by {disagreement(workload)} at most.\n")
    exact = sum(residue_of(line) == "exact" for line in everything)
    print(f"{exact} of {len(everything)} lines follow from our counts to the last integer.\n")
    print_operations(lines)
    print_conventions(ours, theirs)
    print_others(others, everything, theirs)
    print_rules(everything)
    print_single_value()
    print_energy(ours, theirs, lines, others, network, images_of(frames))
    alone = [frames[:, image : image + 1] for image in range(chosen.images)]
    single = [Ours(supernet, each, workload.statistics) for each in alone]
    print_batch(single, [Theirs(network, images_of(each)) for each in alone], theirs, lines)
    print_published(supernet, workload, theirs, frames)
    print(
        "Left out: `MemoryAccessCounter` (traffic of torch's tensors), `NeuronStateCounter`, and the Lemaire, SpikeSim"
    )
    print("and NeuroMC models, which describe a chip and its caches, not a network's counts.")


if __name__ == "__main__":
    main()

"""A forward pass that stores little for the backward pass: only what stands between segments of the network.

The backward pass computes each segment again, one after the other, so the activations of one segment are in memory at
a time (Chen et al. 2016, "Training Deep Nets with Sublinear Memory Cost"). A segment is a layer of the stem with its
pool, or a residual branch: between them there is one tensor, the stream. A segment is never cut by time steps. The
moments of its BatchNorms are over all steps: no step can be computed before all weighted sums of its layer are known.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext

from torch import Tensor
from torch.utils.checkpoint import checkpoint

from autospikformer_cli.space import Subnet
from autospikformer_cli.spiking.normalisation import ElasticBatchNorm
from autospikformer_cli.spiking.passes import ForwardPass
from autospikformer_cli.spiking.stages import Classify, Fire, Stage, State
from autospikformer_cli.spiking.supernet import Supernet


def run_checkpointed(supernet: Supernet, frames_FBHWC: Tensor, subnet: Subnet, run: ForwardPass) -> Tensor:
    """As `Supernet.run`, in training: the same logits, gradients and running statistics, bit by bit on a CPU."""
    stream = supernet.read_frames(frames_FBHWC, subnet.time_step)
    for segment in segments(supernet.stages(subnet)):
        norms = [layer.norm for stage in segment if isinstance(stage, Fire) for layer in stage.layers]

        def contexts(
            norms: Sequence[ElasticBatchNorm] = norms,
        ) -> tuple[AbstractContextManager[None], AbstractContextManager[None]]:
            return nullcontext(), untracked(norms)

        if isinstance(segment[0], Classify):
            stream = _through(segment, run, stream)
        else:
            stream = checkpoint(_through, segment, run, stream, use_reentrant=False, context_fn=contexts)
    return stream


def segments(stages: Iterable[Stage]) -> list[tuple[Stage, ...]]:
    """The stages in groups. Each but the last begins with a layer that reads the stream, and ends in the stream."""
    found: list[list[Stage]] = []
    in_branch = False
    for stage in stages:
        if isinstance(stage, Classify) or (isinstance(stage, Fire) and not in_branch):
            found.append([])
        found[-1].append(stage)
        if isinstance(stage, Fire):
            in_branch = stage.gives == "branch" or (in_branch and stage.gives != "sum")
    return [tuple(segment) for segment in found]


@contextmanager
def untracked(norms: Iterable[ElasticBatchNorm]) -> Iterator[None]:
    """Within the context, running statistics do not move: a batch that passes for the second time is not counted twice.

    The layers have copies of them meanwhile. To move them and back would mark them as changed since they were read.
    """
    own = [(norm, norm.running_mean, norm.running_var) for norm in norms]
    for norm, mean, variance in own:
        norm.running_mean, norm.running_var = mean.clone(), variance.clone()
    try:
        yield
    finally:
        for norm, mean, variance in own:
            norm.running_mean, norm.running_var = mean, variance


def _through(segment: Sequence[Stage], run: ForwardPass, stream: Tensor) -> Tensor:
    state = State(stream)
    for stage in segment:
        state = stage.run(state, run)
    return state.stream

"""A training on several processes, its ranks: their parts of each batch, and sums over all of them.

Rank 0 writes and reports. All ranks train the same subnets at the same step, and have the same weights after it.
Torch is imported when there is something to exchange.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from autospikformer_cli.errors import UserError

if TYPE_CHECKING:
    import torch.distributed as dist
    from torch import Tensor

T = TypeVar("T")


class RankLost(Exception):
    """Another rank has ended, or cannot be reached any more."""


@dataclass(frozen=True)
class BatchPart:
    """One rank's part of a batch. It is a `spiking.shared_batch.SharedBatch`.

    positions: of the images that it computes, among those of the step. images: of the whole batch.
    is_idle: whether there are fewer images than ranks, and this rank borrows one that does not count.
    """

    ranks: Ranks
    positions: Tensor
    images: int
    is_idle: bool = False

    @property
    def num_own(self) -> int:
        """Images of the batch that this rank alone computes."""
        return 0 if self.is_idle else len(self.positions)

    def sum(self, values: Tensor) -> Tensor:
        """The sum of the values over all ranks."""
        return self.ranks.sum(values)


@dataclass
class Groups:
    """How ranks reach each other. A connection is closed when nothing holds its group any more.

    control: the group in which they agree, and wait for each other as long as it takes. tensors: the group that sums
    gradients and moments.
    """

    control: dist.ProcessGroup | None = None
    tensors: dist.ProcessGroup | None = None

    def close(self) -> None:
        """Leave the others, who notice it at once."""
        import torch.distributed as dist

        self.control = self.tensors = None
        if dist.is_initialized():
            dist.destroy_process_group()


@dataclass(frozen=True)
class Ranks:
    """This process among those that train together. By default it is alone, and every exchange is free.

    rank: from 0. world: how many there are. backend: what sums tensors, gloo or nccl.
    """

    rank: int = 0
    world: int = 1
    backend: str = ""
    groups: Groups = field(default_factory=Groups)

    @property
    def is_first(self) -> bool:
        """Whether this one writes and reports."""
        return self.rank == 0

    @property
    def is_alone(self) -> bool:
        """Whether there is no other."""
        return self.world == 1

    def environment(self) -> dict[str, str]:
        """What a run stores of them."""
        return {"world_size": str(self.world), **({"backend": self.backend} if self.backend else {})}

    def parts(self, num_images: int, batch: int) -> list[BatchPart]:
        """This rank's part of every batch of a step of so many images: every world-th image, from its number on."""
        import torch

        parts = []
        for positions in torch.arange(num_images).split(batch):
            own = positions[self.rank :: self.world]
            is_idle = len(own) == 0
            parts.append(BatchPart(self, positions[:1] if is_idle else own, len(positions), is_idle))
        return parts

    def most_of(self, images: int) -> int:
        """How many of a batch's images one rank computes at most."""
        return -(-images // self.world)

    def sum(self, values: Tensor) -> Tensor:
        """The sum over all ranks, the same bits in each."""
        if self.is_alone:
            return values
        import torch
        import torch.distributed as dist

        total = values.clone(memory_format=torch.contiguous_format)
        with _noticing():
            dist.all_reduce(total, group=self.groups.tensors)
        return total

    def agreed(self, wanted: bool) -> bool:
        """Whether any rank wants it. All ask at the same point, and wait for each other there."""
        if self.is_alone:
            return wanted
        import torch
        import torch.distributed as dist

        flag = torch.tensor([wanted], dtype=torch.uint8)
        with _noticing():
            dist.all_reduce(flag, dist.ReduceOp.MAX, group=self.groups.control)
        return bool(flag)

    def from_first(self, make: Callable[[], T]) -> T:
        """What rank 0 makes. The others get a copy."""
        if self.is_alone:
            return make()
        import torch.distributed as dist

        made: list[T | None] = [make() if self.is_first else None]
        with _noticing():
            dist.broadcast_object_list(made, 0, group=self.groups.control)
        return made[0]  # type: ignore[return-value]

    def first_before_others(self, make: Callable[[], T]) -> T:
        """What each rank makes. The others begin when rank 0 is done, so that they find what it has written."""
        if self.is_first:
            made = make()
            self.agreed(False)
            return made
        self.agreed(False)
        return make()

    def require_same(self, values: Mapping[str, str]) -> None:
        """Raises UserError on all ranks if one has other values than rank 0. values: by name, in words."""
        if self.is_alone:
            return
        import torch.distributed as dist

        everyone: list[Mapping[str, str]] = [{}] * self.world
        with _noticing():
            dist.all_gather_object(everyone, dict(values), group=self.groups.control)
        for rank, theirs in enumerate(everyone):
            differing = [name for name, value in everyone[0].items() if theirs.get(name) != value]
            if differing:
                what = f"rank {rank} has other {' and other '.join(differing)} than rank 0"
                raise UserError(what, None, "give all ranks the same arguments, the same data and the same packages")


ONE_RANK = Ranks()
"""A process that trains alone."""


def require_image_for_each(ranks: Ranks, batch: int) -> None:
    """Raises UserError if there are more ranks than images of a whole batch: some would never have any."""
    if ranks.world > batch:
        what = f"{ranks.world} processes share batches of {batch} images"
        raise UserError(what, "train.batch", f"start at most {batch} processes, or raise train.batch")


@contextmanager
def _noticing() -> Iterator[None]:
    """An exchange. Raises RankLost if another rank has ended: torch says so by a RuntimeError."""
    try:
        yield
    except RuntimeError as error:
        raise RankLost(str(error)) from error

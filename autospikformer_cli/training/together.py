"""The beginning and the end of ranks: they find each other, and one of them reports why they ended."""

from __future__ import annotations

import json
import signal
import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from threading import Thread
from typing import Any

import torch
import torch.distributed as dist
from torch.distributed.rendezvous import rendezvous

from autospikformer_cli.errors import UserError
from autospikformer_cli.training.launcher import EndedElsewhere, Launch
from autospikformer_cli.training.ranks import Groups, RankLost, Ranks

MEETING = timedelta(minutes=5)
"""How long a rank waits for the others at the start, and for a GPU's sum."""
AS_LONG_AS_IT_TAKES = timedelta(days=365)
"""Of the ranks that wait while rank 0 validates. A rank that ends closes its connections, which ends this at once."""
ROLL_CALL_S = 5.0
"""How long a rank that ends waits for what the others say of their end."""
EXIT_CODES = {"mistake": 2, "lost": 2, "interrupted": 130, "bug": 1}
"""By kind of end, what `aspk` exits with."""


@contextmanager
def ranks_of(launch: Launch, set_up: Callable[[], torch.device]) -> Iterator[Ranks]:
    """The ranks that a launcher started, within the context.

    set_up: sets up what this one computes on, when all have met.
    If one ends by an error, all end, and one reports why: it raises that error, the others EndedElsewhere.
    SIGTERM, by which launchers end the ranks that are left, is taken as Ctrl-C. Raises UserError if they do not meet.
    """
    signal.signal(signal.SIGTERM, _interrupt)
    groups = Groups()
    store = _met(launch, groups)
    try:
        ranks = Ranks(launch.rank, launch.world, _summing(set_up(), groups), groups)
        yield ranks
        ranks.agreed(False)  # nobody leaves while another one may still fail
    except BaseException as error:
        for number in (signal.SIGTERM, signal.SIGINT):  # the launcher sends them as soon as one rank has ended
            signal.signal(number, signal.SIG_IGN)
        end = _End.of(error)
        _forget_locals(error)  # a call that did not end holds its group
        raise _reported(error, end, _RollCall(store, launch, groups).of(end), launch) from None
    finally:
        groups.close()


def _interrupt(number: int, frame: object) -> None:
    raise KeyboardInterrupt


def _forget_locals(error: BaseException | None) -> None:
    while error is not None:
        traceback.clear_frames(error.__traceback__)
        error = error.__cause__ or error.__context__


def _met(launch: Launch, groups: Groups) -> Any:
    """Meet the others. Returns the store in which ranks leave messages."""

    def meet() -> Any:
        store, rank, world = next(rendezvous("env://", timeout=MEETING))
        dist.init_process_group("gloo", store=store, rank=rank, world_size=world, timeout=MEETING)
        groups.control = dist.new_group(backend="gloo", timeout=AS_LONG_AS_IT_TAKES)
        return store

    try:
        return _interruptibly(meet)
    except (RuntimeError, ValueError) as error:
        why = _first_line(error)
        late = f" within {MEETING.total_seconds() / 60:g} minutes" if "timed out" in why.lower() else ""
        what = f"rank {launch.rank} did not meet the other {launch.world - 1}{late}: {why}"
        raise UserError(what, "environment", "let MASTER_ADDR and MASTER_PORT be the same and free") from error


def _interruptibly(work: Callable[[], Any]) -> Any:
    """What it returns. While torch waits in it, this thread still takes signals."""
    done: Future[Any] = Future()

    def run() -> None:
        try:
            done.set_result(work())
        except BaseException as error:
            done.set_exception(error)

    Thread(target=run, daemon=True).start()
    return done.result()


def _summing(device: torch.device, groups: Groups) -> str:
    """Make the group that sums tensors of a device. Returns its backend."""
    if device.type != "cuda":
        groups.tensors = groups.control
        return "gloo"
    torch.cuda.set_device(device)
    groups.tensors = dist.new_group(backend="nccl", timeout=MEETING)
    return "nccl"


def _first_line(error: BaseException) -> str:
    line = str(error).partition("\n")[0].partition(". ")[0]  # without torch's advice
    return line[line.find("] ") + 2 :] if line.startswith("[/") else line  # nor the place in its sources


@dataclass(frozen=True)
class _End:
    """How a rank ended, in a form that travels. kind: of EXIT_CODES."""

    kind: str
    what: str = ""
    where: str | None = None
    fix: str | None = None

    @classmethod
    def of(cls, error: BaseException) -> _End:
        seen: BaseException | None = error
        while seen is not None and not isinstance(seen, RankLost):
            seen = seen.__cause__ or seen.__context__
        if isinstance(error, RankLost) or (isinstance(error, KeyboardInterrupt) and seen is not None):
            return cls("lost", _first_line(seen or error))
        if isinstance(error, UserError):
            return cls("mistake", error.what, error.where, error.fix)
        if isinstance(error, KeyboardInterrupt):
            return cls("interrupted", str(error))
        return cls("bug", f"{type(error).__name__}: {error}")


class _RollCall:
    """What all ranks say of their end. It goes through the store of the rendezvous, which needs no group."""

    def __init__(self, store: Any, launch: Launch, groups: Groups) -> None:
        self.store, self.launch, self.groups = store, launch, groups

    def of(self, end: _End) -> Mapping[int, _End] | None:
        """By rank, how each ended that says so in time. None if another rank has reported it, or is about to."""
        ends = {self.launch.rank: end}
        with suppress(RuntimeError):  # the rank that has the store is gone
            self.store.set(f"end/{self.launch.rank}", json.dumps(vars(end)))
            self.groups.close()  # so the others notice at once
            for rank in self._until_all_have("end", range(self.launch.world)):
                ends[rank] = _End(**json.loads(self.store.get(f"end/{rank}")))
            is_told = min(ends) != self.launch.rank or self.store.add("reported", 1) > 1
            self.store.set(f"left/{self.launch.rank}", "")
            if self.launch.is_first:  # it may have the store
                list(self._until_all_have("left", ends))
            if is_told:
                return None
        return ends

    def _until_all_have(self, key: str, ranks: Iterable[int]) -> Iterator[int]:
        """Each other one of the ranks, when it has set a key. Gives up after ROLL_CALL_S."""
        missing = set(ranks) - {self.launch.rank}
        last = time.monotonic() + ROLL_CALL_S
        while missing and time.monotonic() < last:
            for rank in [each for each in missing if self.store.check([f"{key}/{each}"])]:
                missing.remove(rank)
                yield rank
            time.sleep(0.05)


def _reported(error: BaseException, end: _End, ends: Mapping[int, _End] | None, launch: Launch) -> BaseException:
    """What this rank raises. Only the first that is left reports, but each reports a bug of its own."""
    causes = {rank: each for rank, each in sorted((ends or {launch.rank: end}).items()) if each.kind != "lost"}
    cause_rank, cause = next(iter(causes.items()), (launch.rank, end))
    if end.kind == "bug":
        return error
    if ends is None or cause.kind == "bug":
        return EndedElsewhere(EXIT_CODES[cause.kind])
    if cause_rank == launch.rank and end.kind != "lost":
        return error
    if cause.kind == "interrupted":
        return KeyboardInterrupt(cause.what)
    if cause.kind == "mistake":
        return UserError(f"rank {cause_rank}: {cause.what}", cause.where, cause.fix)
    return _lost(sorted(set(range(launch.world)) - set(ends)), end, launch)


def _lost(gone: list[int], end: _End, launch: Launch) -> UserError:
    names = f"rank{'s' * (len(gone) > 1)} {', '.join(map(str, gone))}"
    what = f"{names} of {launch.world} ended without a word, so all end" if gone else "the ranks lost their connection"
    fix = "what was saved before is kept, and the same command goes on from there"
    return UserError(f"{what} ({end.what})", None, fix)

"""The search loop: ask, measure, tell, save. It can stop after any part of a generation, and resume from there."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from autospikformer_cli.measurement import Candidate, Measurement
from autospikformer_cli.search.algorithm import Algorithm
from autospikformer_cli.search.ids import CandidateIds
from autospikformer_cli.space import Subnet


def run_search(
    algorithm: Algorithm,
    measured: Iterable[Candidate],
    known: Mapping[Subnet, Measurement],
    measure: Callable[[Sequence[Subnet]], Iterable[Mapping[Subnet, Measurement]]],
    save: Callable[[Sequence[Candidate]], None],
    stop: Callable[[], bool],
    ids: CandidateIds,
) -> bool:
    """Run a search to its end, or until `stop`. Returns whether it ended.

    measured: candidates of an interrupted search, also of its unfinished generation. known: measurements of other
    subnets. Neither is measured again. measure: yields its measurements in parts, in any order. save: takes all
    candidates, after each part and each generation. stop: called after each part. ids: gives candidates their ids, in
    the order asked, not in the order measured.
    """
    archive = list(measured)
    while subnets := algorithm.ask():
        if stop():
            return False
        asked = ids.of(subnets)
        found = {subnet: known[subnet] for subnet in subnets if subnet in known}
        found |= {candidate.subnet: candidate.measurement for candidate in archive if candidate.subnet in asked}
        archive = [candidate for candidate in archive if candidate.subnet not in asked]
        missing = [subnet for subnet in subnets if subnet not in found]
        for part in measure(missing) if missing else ():
            found |= part
            save([*archive, *_measured(asked, found, algorithm.generation)])
            if stop():
                break
        if stop() and len(found) < len(subnets):
            return False
        generation = _measured(asked, found, algorithm.generation)
        algorithm.tell(generation)
        archive += generation
        save(archive)
    return True


def _measured(asked: Mapping[Subnet, str], found: Mapping[Subnet, Measurement], generation: int) -> list[Candidate]:
    """The measured candidates of a generation. asked: its subnets and their ids, in order."""
    return [Candidate(id_, subnet, generation, found[subnet]) for subnet, id_ in asked.items() if subnet in found]

"""The search loop: ask, measure, tell, save. It can stop after any part of a generation, and resume from there."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from autospikformer_cli.measurement import Candidate, Measurement
from autospikformer_cli.search.algorithm import Algorithm
from autospikformer_cli.space import Subnet


def run_search(
    algorithm: Algorithm,
    measured: Iterable[Candidate],
    known: Mapping[Subnet, Measurement],
    measure: Callable[[Sequence[Subnet]], Iterable[Mapping[Subnet, Measurement]]],
    save: Callable[[Sequence[Candidate]], None],
    stop: Callable[[], bool],
) -> bool:
    """Run a search to its end, or until `stop`. Returns whether it ended.

    measured: candidates of an interrupted search, also of its unfinished generation. known: measurements of other
    subnets. Neither is measured again. measure: yields its measurements in parts, in any order. save: takes all
    candidates, after each part and each generation. stop: called after each part. Candidates are numbered c0001, c0002
    and so on, in the order asked, not in the order measured.
    """
    archive = list(measured)
    while subnets := algorithm.ask():
        if stop():
            return False
        pending = set(subnets)
        found = {subnet: known[subnet] for subnet in subnets if subnet in known}
        found |= {candidate.subnet: candidate.measurement for candidate in archive if candidate.subnet in pending}
        archive = [candidate for candidate in archive if candidate.subnet not in pending]
        missing = [subnet for subnet in subnets if subnet not in found]
        for part in measure(missing) if missing else ():
            found |= part
            save([*archive, *_numbered(subnets, found, len(archive), algorithm.generation)])
            if stop():
                break
        if stop() and len(found) < len(subnets):
            return False
        generation = _numbered(subnets, found, len(archive), algorithm.generation)
        algorithm.tell(generation)
        archive += generation
        save(archive)
    return True


def _numbered(
    subnets: Sequence[Subnet], found: Mapping[Subnet, Measurement], before: int, generation: int
) -> list[Candidate]:
    """The measured candidates of a generation."""
    asked = ((f"c{number:04}", subnet) for number, subnet in enumerate(subnets, before + 1))
    return [Candidate(id_, subnet, generation, found[subnet]) for id_, subnet in asked if subnet in found]

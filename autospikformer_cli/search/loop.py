"""The search loop: ask, measure, tell, save; it can stop behind any part of a generation and go on from there."""

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
    """Run a search to its end, or until asked to stop; returns whether it ended.

    measured: candidates of an interrupted search, those of its unfinished generation too. known: what other subnets
    measured before. Neither is measured again. measure: gives parts of what it is asked for, in any order. save: takes
    all candidates, after every part and every generation. stop: asked after every part. Candidates are numbered c0001,
    c0002 and so on, in the order asked, whatever the order in which they are measured.
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
    """Of a generation, what has been measured."""
    asked = ((f"c{number:04}", subnet) for number, subnet in enumerate(subnets, before + 1))
    return [Candidate(id_, subnet, generation, found[subnet]) for id_, subnet in asked if subnet in found]

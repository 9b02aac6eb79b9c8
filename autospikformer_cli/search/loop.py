"""The search loop: ask, measure, tell, save; it can stop behind any measurement and go on from there."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from autospikformer_cli.measurement import Candidate, Measurement
from autospikformer_cli.search.algorithm import Algorithm
from autospikformer_cli.space import Subnet


def run_search(
    algorithm: Algorithm,
    measured: Iterable[Candidate],
    measure: Callable[[Subnet], Measurement],
    save: Callable[[Sequence[Candidate]], None],
    stop: Callable[[], bool],
) -> bool:
    """Run a search to its end, or until asked to stop; returns whether it ended.

    measured: candidates of an interrupted search, those of its unfinished generation too, which are not measured
    again. save: takes all candidates, after every generation and when stopped. Candidates are numbered c0001, c0002
    and so on, in the order asked.
    """
    archive = list(measured)
    known = {candidate.subnet: candidate for candidate in archive}
    while subnets := algorithm.ask():
        pending = set(subnets)
        archive = [candidate for candidate in archive if candidate.subnet not in pending]
        generation: list[Candidate] = []
        for subnet in subnets:
            if subnet not in known and stop():
                save([*archive, *generation])
                return False
            number = f"c{len(archive) + len(generation) + 1:04}"
            done = known.get(subnet) or Candidate(number, subnet, algorithm.generation, measure(subnet))
            generation.append(done)
        algorithm.tell(generation)
        archive += generation
        save(archive)
    return True

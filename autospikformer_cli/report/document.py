"""The JSON document of `search` and `report`."""

from __future__ import annotations

from math import isfinite

from autospikformer_cli.analysis.correlation import binomial_interval, kendall_tau
from autospikformer_cli.report.provenance import Provenance, bounds_document
from autospikformer_cli.search.fitness import Scored, Scores
from autospikformer_cli.search.fronts import pareto_front
from autospikformer_cli.search.hypervolume import Hypervolumes


def search_document(
    scores: Scores, baseline: Scored | None, provenance: Provenance, hypervolume: Hypervolumes | None = None
) -> dict[str, object]:
    """Candidates best first, front, baseline, correlation, hypervolume by generation and what they rest on.

    top1 in percent, energy_j in joules an inference of one image; what is undefined is null.
    """
    generations = {str(number): bounds_document(bounds) for number, bounds in scores.generation_bounds.items()}
    return {
        "candidates": [candidate_document(scored) for scored in scores.ranked],
        "pareto": [scored.id for scored in pareto_front(scores.ranked)],
        "baseline": None if baseline is None else candidate_document(baseline),
        "kendall_tau": correlation(scores),
        "hypervolume": None if hypervolume is None else hypervolume.to_document(),
        "alpha": provenance.alpha,
        "bounds": bounds_document(scores.bounds),
        "generation_bounds": generations or None,
        "rejected": [
            {"id": rejected.candidate.id, "subnet": rejected.candidate.subnet.to_numbers(), "reason": rejected.reason}
            for rejected in scores.rejected
        ],
        "provenance": provenance.to_document(),
    }


def candidate_document(scored: Scored) -> dict[str, object]:
    """One candidate as JSON."""
    measured = scored.candidate.measurement
    return {
        "id": scored.id,
        "subnet": scored.subnet.to_numbers(),
        "top1": scored.top1,
        "top1_interval": list(binomial_interval(measured.correct, measured.images)),
        "energy_j": scored.energy_j,
        "params": measured.params,
        "fitness": _finite(scored.fitness),
        "generation": scored.candidate.generation,
        "firing_rate": measured.firing_rate,
        "silent_channels": measured.silent_channels,
        "correct": measured.correct,
        "images": measured.images,
    }


def correlation(scores: Scores) -> float | None:
    """Kendall's tau between accuracy and energy over all ranked candidates; None where it is undefined."""
    if len(scores.ranked) < 2:
        return None
    tau = kendall_tau([scored.top1 for scored in scores.ranked], [scored.energy_j for scored in scores.ranked])
    return _finite(tau)


def _finite(value: float | None) -> float | None:
    return float(value) if value is not None and isfinite(value) else None

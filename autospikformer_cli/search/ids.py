"""Ids of candidates, which are unique in a run and never change."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from autospikformer_cli.space import Subnet, parse_subnet

_NUMBERED = re.compile(r"(?:.*/)?c([0-9]+)")


@dataclass
class CandidateIds:
    """Gives out ids: a subnet that the run has measured alike keeps the one it has, another takes the next number.

    Ids are c0001, c0002 and so on, in the order asked, through all searches of a run.
    known: ids by subnet, under the conditions of this search. last: the highest number that was given in the run.
    """

    known: dict[Subnet, str] = field(default_factory=dict)
    last: int = 0
    _asked: dict[Subnet, str] = field(default_factory=dict, init=False)

    def of(self, subnets: Sequence[Subnet]) -> dict[Subnet, str]:
        """The ids of a generation."""
        for subnet in subnets:
            if subnet not in self.known:
                self.last += 1
                self.known[subnet] = f"c{self.last:04}"
        self._asked = {subnet: self.known[subnet] for subnet in subnets}
        return self._asked

    def state(self, measured: Collection[Subnet]) -> dict[str, object]:
        """The last number, and the ids of the asked subnets that are not measured yet. In JSON types."""
        waiting = {str(subnet): id_ for subnet, id_ in self._asked.items() if subnet not in measured}
        return {"last": self.last, "asked": waiting}


def asked_ids(state: Mapping[str, Any]) -> dict[Subnet, str]:
    """Ids that a search's state has of subnets that were asked and not measured."""
    return {parse_subnet(text): id_ for text, id_ in state.get("ids", {}).get("asked", {}).items()}


def last_number(ids: Iterable[str], state: Mapping[str, Any]) -> int:
    """The highest number that a search knows to be given in its run, by its candidates' ids and its state.

    >>> last_number(["c0002", "population-2/c0017"], {}), last_number([], {"ids": {"last": 40, "asked": {}}})
    (17, 40)
    """
    numbered = (_NUMBERED.fullmatch(id_) for id_ in ids)
    given = [int(match[1]) for match in numbered if match]
    return max([*given, int(state.get("ids", {}).get("last", 0))], default=0)

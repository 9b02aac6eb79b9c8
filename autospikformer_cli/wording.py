"""Wording that messages share: numbers with nouns, long lists cut short, and the name that was probably meant."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Iterable, Sequence
from difflib import get_close_matches


def shortened(names: Collection[str], separator: str = ", ", most: int = 3, rest: str = " and {:,} more") -> str:
    """The first `most` names; after them, if there are others, the text `rest` with how many.

    >>> shortened(["a", "b", "c", "d", "e"])
    'a, b, c and 2 more'
    >>> shortened(["a", "b", "c", "d", "e"], rest=", ...")
    'a, b, c, ...'
    """
    shown = separator.join(list(names)[:most])
    return shown + rest.format(len(names) - most) if len(names) > most else shown


def counted(number: int, noun: str) -> str:
    """A number with its noun.

    >>> counted(2, "channel")
    '2 channels'
    """
    return f"{number} {noun}" if number == 1 else f"{number:,} {noun}s"


def quoted(word: object) -> str:
    """A path, a name or a subnet as a shell reads it: every command that is suggested has its words so.

    >>> quoted("runs/tiny"), quoted("my run/x")
    ('runs/tiny', "'my run/x'")
    """
    return shlex.quote(str(word))


def nearest_names(name: str, names: Iterable[str], most: int = 1, cutoff: float = 0.6) -> list[str]:
    """The names that are spelled most like `name`, the nearest first; none if all are too different.

    most: names returned. cutoff: the least similarity, 0 to 1, as `difflib` measures it.
    """
    return get_close_matches(name, list(names), most, cutoff)


def did_you_mean(near: Sequence[str]) -> str | None:
    """The question whether one of these was meant; None if there are none.

    >>> did_you_mean(nearest_names("serach", ["search", "train"]))
    'did you mean search?'
    """
    return f"did you mean {' or '.join(near)}?" if near else None


def choice_near(name: str, names: Collection[str]) -> str:
    """The remedy for a name that is not one of these: the one that was probably meant, else all of them.

    >>> choice_near("tset", ["test", "train"]), choice_near("all", ["test", "train"])
    ('did you mean test?', 'choose test or train')
    """
    listed = list(names)
    return did_you_mean(nearest_names(name, listed)) or f"choose {' or '.join([', '.join(listed[:-1]), *listed[-1:]])}"

"""Wording that messages share: long lists cut short."""

from __future__ import annotations

from collections.abc import Collection


def shortened(names: Collection[str], separator: str = ", ", most: int = 3, rest: str = " and {:,} more") -> str:
    """The first `most` names; after them, if there are others, the text `rest` with how many.

    >>> shortened(["a", "b", "c", "d", "e"])
    'a, b, c and 2 more'
    >>> shortened(["a", "b", "c", "d", "e"], rest=", ...")
    'a, b, c, ...'
    """
    shown = separator.join(list(names)[:most])
    return shown + rest.format(len(names) - most) if len(names) > most else shown

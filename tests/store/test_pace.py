"""How often a growing file is written, by a clock of its own."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from autospikformer_cli.store import pace
from autospikformer_cli.store.pace import SavingPace


@pytest.mark.parametrize(("least", "saves"), [(0.0, [1, 43, 85, 127]), (60.0, [60, 122])])
def test_a_save_takes_a_twentieth_of_the_time_and_comes_after_the_least(
    least: float, saves: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every other work takes a second, and a save takes two."""
    now, found = 0.0, []
    monkeypatch.setattr(pace, "time", SimpleNamespace(monotonic=lambda: now))
    saving = SavingPace(least)
    while now < 150:
        now += 1.0
        if saving.is_due():
            found.append(int(now))
            with saving.saving():
                now += 2.0
    assert found == saves

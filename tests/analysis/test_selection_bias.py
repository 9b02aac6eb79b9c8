"""The winner's curse: against all halves of few images, and on candidates whose true accuracy is known."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.special import ndtri

from autospikformer_cli.analysis import selection_bias as module
from autospikformer_cli.analysis.correlation import binomial_interval
from autospikformer_cli.analysis.selection_bias import Choose, most_accurate, on_front, selection_bias

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]


def answers_of(generator: np.random.Generator, true_C: Floats, images: int, shared: float) -> Bools:
    """Answers of candidates with true accuracies, which share a part of what makes an image hard."""
    image_I = generator.normal(size=images) * np.sqrt(shared)
    own_CI = generator.normal(size=(len(true_C), images)) * np.sqrt(1 - shared)
    right: Bools = ndtri(true_C)[:, None] + image_I + own_CI > 0
    return right


@pytest.mark.parametrize("images", [6, 7])
def test_it_is_the_mean_over_all_halves(images: int) -> None:
    answers = np.random.default_rng(images).random((5, images)) < 0.6
    seen = judged = halves = 0
    for half in combinations(range(images), images // 2):
        rest = [image for image in range(images) if image not in half]
        for own, other in ((list(half), rest), (rest, list(half))):
            pick = int(answers[:, own].sum(axis=1).argmax())
            seen += int(answers[pick, own].sum())
            judged += int(answers[pick, other].sum())
        halves += 1
    expected = 100 * np.sqrt(0.5) * (seen - judged) / (images * halves)
    found = selection_bias(answers, splits=20_000).best
    assert expected > 3
    assert found.flattery == pytest.approx(expected, abs=0.4)
    assert found.top1 == pytest.approx(100 * answers.mean(axis=1).max())


@pytest.mark.parametrize("images", [2, 11, 40])
def test_who_is_chosen_whatever_it_answers_is_not_flattered(images: int) -> None:
    answers = np.random.default_rng(0).random((4, images)) < 0.7
    found = selection_bias(answers, lambda accuracies: 2).best
    assert (found.candidate, found.flattery) == (2, 0.0)
    assert (found.low, found.high) == binomial_interval(int(answers[2].sum()), images)
    assert found.flattery_interval == (found.top1 - found.high, found.top1 - found.low)


@pytest.mark.parametrize(("candidates", "shared"), [(40, 0.85), (300, 0.5)])
def test_equals_are_corrected_to_what_they_are(candidates: int, shared: float) -> None:
    """The best of equal candidates. Its plain accuracy is points too high, and its plain interval misses the truth."""
    generator, repetitions, true = np.random.default_rng(1), 60, 0.75
    found = []
    for _ in range(repetitions):
        answers = answers_of(generator, np.full(candidates, true), 300, shared)
        found.append(selection_bias(answers, splits=50).best)
    corrected, plain = (np.array([getattr(each, name) for each in found]) for name in ("corrected", "top1"))
    error = corrected.std(ddof=1) / np.sqrt(repetitions)
    assert corrected.mean() == pytest.approx(100 * true, abs=3 * error)
    assert plain.mean() - 100 * true > 2.5 > 6 * error
    assert np.mean([each.low <= 100 * true <= each.high for each in found]) >= 0.93
    naive = [binomial_interval(each.top1 * 3, 300) for each in found]
    assert np.mean([low <= 100 * true <= high for low, high in naive]) < 0.85


def test_a_clear_winner_is_hardly_flattered() -> None:
    true_C = np.linspace(0.5, 0.9, 9)
    found = selection_bias(answers_of(np.random.default_rng(0), true_C, 2000, 0.5)).best
    assert found.candidate == 8
    assert found.flattery == 0


def test_a_front_is_corrected_place_by_place() -> None:
    """Equal candidates of rising cost: the cheapest has no rival, and the dearest has all others."""
    generator, repetitions = np.random.default_rng(2), 40
    costs = np.arange(200.0)
    excess: dict[str, list[float]] = {"first": [], "last": [], "covered": []}
    for _ in range(repetitions):
        answers = answers_of(generator, np.full(200, 0.8), 400, 0.7)
        accuracies = answers.mean(axis=1)
        members = [c for c in range(200) if accuracies[c] > accuracies[:c].max(initial=-1)]
        found = selection_bias(answers, on_front(members, costs), splits=50)
        assert [each.candidate for each in found.picks] == members
        flattery = [each.flattery for each in found.picks]
        assert flattery[0] == 0
        excess["first"].append(found.picks[0].corrected - 80)
        excess["last"].append(found.picks[-1].corrected - 80)
        excess["covered"] += [float(each.low <= 80 <= each.high) for each in found.picks]
    for name in ("first", "last"):
        error = np.std(excess[name], ddof=1) / np.sqrt(repetitions)
        assert np.mean(excess[name]) == pytest.approx(0, abs=3 * error)
        assert error < 0.5
    assert np.mean(excess["covered"]) >= 0.93


def test_a_member_competes_with_all_that_cost_no_more_in_every_cost() -> None:
    costs = np.array([[1, 9], [5, 5], [9, 1], [9, 9], [5, 5]])
    choose = on_front([0, 1, 2, 3], costs)
    assert list(np.atleast_1d(choose(np.array([50.0, 60.0, 70.0, 80.0, 60.0])))) == [0, 1, 2, 3]
    assert list(np.atleast_1d(choose(np.array([50.0, 60.0, 70.0, 40.0, 65.0])))) == [0, 4, 2, 2]
    assert list(np.atleast_1d(choose(np.array([80.0, 60.0, 80.0, 80.0, 60.0])))) == [0, 1, 2, 0]


def test_any_rule_may_choose() -> None:
    """By a score of accuracy and energy: the flattery is less, as energy decides, too."""
    generator = np.random.default_rng(3)
    energies = np.linspace(0, 1, 100)
    answers = answers_of(generator, np.full(100, 0.75), 500, 0.7)

    def by_score(accuracies: Floats) -> int:
        return int((0.9 * accuracies / 100 - 0.1 * energies).argmax())

    found, plain = selection_bias(answers, by_score).best, selection_bias(answers, most_accurate).best
    assert found.candidate == by_score(answers.mean(axis=1) * 100)
    assert 0 < found.flattery < plain.flattery


def test_it_is_a_function_of_its_seed(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = answers_of(np.random.default_rng(4), np.full(30, 0.75), 101, 0.7)
    found = selection_bias(answers, seed=7)
    assert found == selection_bias(answers, seed=7) != selection_bias(answers, seed=8)
    monkeypatch.setattr(module, "_MOST_COUNTS", 30 * 7)  # in blocks that do not divide
    monkeypatch.setattr(module, "_ROWS_A_BLOCK", 4)
    assert selection_bias(answers, seed=7) == found


@pytest.mark.parametrize(
    "answers", [np.zeros((2, 5)), np.zeros(5, bool), np.zeros((0, 5), bool), np.zeros((3, 1), bool)]
)
def test_what_is_no_table_of_answers_is_refused(answers: Bools) -> None:
    with pytest.raises(ValueError, match="by candidate and image"):
        selection_bias(answers)


@pytest.mark.parametrize(
    ("choose", "what"),
    [
        (lambda accuracies: [], "chose no candidate"),
        (lambda accuracies: np.flatnonzero(accuracies >= accuracies.max()), "by half the images"),
    ],
)
def test_a_rule_that_chooses_none_or_not_always_as_many_is_refused(choose: Choose, what: str) -> None:
    answers = np.random.default_rng(0).random((6, 12)) < 0.5
    with pytest.raises(ValueError, match=what):
        selection_bias(answers, choose)

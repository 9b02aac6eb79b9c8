"""Whether a stored result is used: one answer for train, search, energy, report and recount."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from autospikformer_cli.store.evaluations import load_evaluations
from autospikformer_cli.store.population import load_population, save_population
from autospikformer_cli.store.supernet import load_checkpoint, read_training, save_checkpoint

Aspk = Callable[..., Any]
MORE_MEMORY = "model.evaluation_memory=400"


def half_trained(run: Path) -> Path:
    """The run as if it had been stopped after its last epoch but one."""
    begun = load_checkpoint(run)
    state = replace(begun.state, epoch=begun.state.epoch - 1, finished=False, history=begun.state.history[:-1])
    save_checkpoint(run, replace(begun, state=state))
    return run


@pytest.mark.parametrize("override", ["search.alpha=0.3", MORE_MEMORY, 'energy.profile="loihi"', 'data.cache="other"'])
def test_a_training_goes_on_under_keys_that_decide_nothing_of_it(aspk: Aspk, trained: Path, override: str) -> None:
    assert aspk("train", "tiny.toml", "--set", override).exit_code == 0
    half_trained(trained)
    done = aspk("train", "tiny.toml", "--set", override)
    assert done.exit_code == 0, done.stderr
    assert read_training(trained).state.finished


def test_a_finished_run_says_what_it_does_not_take(aspk: Aspk, trained: Path) -> None:
    """The recipe that it was trained with stays, so another alpha would be lost without a word."""
    said = "search.alpha decides nothing of a training: the run keeps the recipe that it was trained with\n"
    assert said in aspk("train", "tiny.toml", "--set", "search.alpha=0.3").stderr
    assert said not in aspk("train", "tiny.toml", "--set", MORE_MEMORY).stderr
    assert said not in aspk("train", "tiny.toml").stderr


@pytest.mark.parametrize("key", ["train.lr", "model.decay_input", "space.depth", "seed"])
def test_a_training_does_not_go_on_under_keys_that_decide_it(aspk: Aspk, trained: Path, key: str) -> None:
    value = {"model.decay_input": "false", "space.depth": "[1]"}.get(key, "1")
    half_trained(trained)
    done = aspk("train", "tiny.toml", "--set", f"{key}={value}")
    assert done.exit_code == 2
    assert f"this run was begun with another recipe: {key} differs" in done.stderr


def test_energy_takes_what_any_search_of_the_run_measured(aspk: Aspk, searched: Path) -> None:
    """Under a key that decides nothing, and from a search that was set aside."""
    stored = aspk("energy", "--subnet", "best", "--json").document
    assert stored["rates"].startswith("measured by the search on 60 validation images")
    assert aspk("energy", "--subnet", "best", "--set", MORE_MEMORY, "--json").document == stored

    first = {candidate.subnet for candidate in load_population(searched).candidates}
    assert aspk("search", "--alpha", "0.9", "--set", "search.generations=1", "--set", "seed=5").exit_code == 0
    present = {candidate.subnet for candidate in load_population(searched).candidates}
    only_before = str(min(first - present, key=str))
    found = aspk("energy", "--subnet", only_before, "--json").document
    assert found["rates"].startswith("measured by the search on 60 validation images")


def test_energy_of_a_subnet_that_no_search_measured_is_measured_now(aspk: Aspk, searched: Path) -> None:
    known = {str(candidate.subnet) for candidate in load_population(searched).candidates}
    subnet = "(1, 2, 2, 1.4, 5, 2, 16)"
    assert subnet not in known
    assert aspk("energy", "--subnet", subnet, "--json").document["rates"].startswith("measured now on")


def without_events(run: Path) -> Path:
    """The run as an aspk before 0.2 left it: no synaptic events."""
    population = load_population(run)

    def without(candidate: Any) -> Any:
        return replace(candidate, measurement=replace(candidate.measurement, synapses=()))

    baseline = population.baseline and without(population.baseline)
    candidates = tuple(map(without, population.candidates))
    save_population(run, replace(population, candidates=candidates, baseline=baseline))
    return run


def test_recount_takes_keys_that_decide_nothing(aspk: Aspk, searched: Path, searched_once: Any) -> None:
    without_events(searched)
    done = aspk("search", "--recount", "--set", MORE_MEMORY)
    assert done.exit_code == 0, done.stderr
    assert load_population(searched) == load_population(searched_once[0])


def test_recount_scores_as_the_report_does(aspk: Aspk, trained: Path) -> None:
    """A search with keys of its own, scored under another alpha: its own recipe is the one that is rescored."""
    own = ("--set", "search.population=5", "--set", 'search.normalise="percentile"')
    assert aspk("search", "--alpha", "0.9", *own).exit_code == 0
    without_events(trained)
    recounted = aspk("search", "--recount", "--alpha", "0.1", "--json").document
    assert recounted == aspk("report", "--alpha", "0.1", "--json").document
    assert recounted["provenance"]["normalise"] == "percentile"


def test_recount_uses_the_executor(aspk: Aspk, searched: Path, searched_once: Any) -> None:
    without_events(searched)
    done = aspk("search", "--recount", "--executor", "processes", "--workers", "2")
    assert done.exit_code == 0, done.stderr
    assert load_population(searched) == load_population(searched_once[0])


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--recount", "--fresh"), "--fresh: --recount measures again what is there\n  leave one of the two out"),
        (("--recount", "--dry-run"), "--dry-run: --recount measures again what is there\n  leave one of the two out"),
        (("--recount", "--workers", "2"), "--workers: 2 workers do not fit in one process\n  add --executor processes"),
        (("--dry-run", "--executor", "nonsense"), "--executor nonsense: 'nonsense' is not one of the executors"),
        (("--recount", "--set", "search.population=3"), "--set: search.population cannot be changed in what was"),
    ],
)
def test_search_drops_no_option_silently(aspk: Aspk, searched: Path, words: tuple[str, ...], told: str) -> None:
    without_events(searched)
    before = (searched / "population.h5").read_bytes()
    done = aspk("search", *words)
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr.startswith(f"error: {told}")
    assert (searched / "population.h5").read_bytes() == before


def test_a_shared_option_exists_only_where_it_acts(aspk: Aspk, searched: Path) -> None:
    for words in (
        ("runs", "--set", "nonsense.key=1"),
        ("runs", "--device", "cuda:7"),
        ("runs", "--run", "runs/tiny"),
        ("report", "--device", "cuda:7"),
        ("report", "--engine", "dense"),
        ("recipes", "--set", "seed=1"),
        ("energy", "module", "nets:make", "--engine", "dense"),
        ("import", "model.pth", "--recipe", "tiny.toml", "--engine", "dense"),
    ):
        done = aspk(*words)
        assert (done.exit_code, done.stdout) == (2, ""), words
        assert f"no such option: {words[-2]}" in done.stderr


def test_search_takes_hardware_and_rules_as_options(aspk: Aspk, trained: Path) -> None:
    done = aspk("search", "--profile", "loihi", "--convention", "strict", "--set", "search.generations=1", "--json")
    provenance = done.document["provenance"]
    assert (provenance["energy_profile"], provenance["energy_convention"]) == ("loihi", "strict")
    assert aspk("search", "--profile", "lohi").stderr.startswith("error: --profile lohi: energy.profile: ")


FIXTURES = Path(__file__).parents[1] / "fixtures"


@pytest.fixture
def run_of_0_1(own_folder: Path) -> Path:
    """A run with two searches, two evaluations and a retrained subnet, as an earlier commit wrote it."""
    return Path(shutil.copytree(FIXTURES / "run_of_0_1", Path("runs") / "small"))


@pytest.mark.parametrize("words", [("report",), ("energy",), ("runs",), ("evaluate", "--images", "60")])
def test_a_run_of_an_earlier_commit_gives_the_same_documents(
    aspk: Aspk, run_of_0_1: Path, words: tuple[str, ...], recorded: Callable[[str], Any]
) -> None:
    found = aspk(*words, "--json")
    assert found.exit_code == 0, found.stderr
    assert without_dates(found.document) == without_dates(recorded(words[0]))


def without_dates(document: Any) -> Any:
    """A listing of runs says when their files were written."""
    for run in document.get("runs", ()):
        run.pop("date")
    return document


@pytest.fixture
def recorded() -> Callable[[str], Any]:
    """What the earlier commit printed of the run, by command."""
    import json

    return lambda name: json.loads((FIXTURES / "documents_of_0_1" / f"{name}.json").read_text(encoding="utf-8"))


def test_a_run_of_an_earlier_commit_is_searched_on(aspk: Aspk, run_of_0_1: Path) -> None:
    """Measured by this aspk or that one, a subnet has the same counts: on this processor or another."""
    before = {name: load_population(run_of_0_1, name) for name in ("population.h5", "population-2.h5")}
    finished = aspk("search", "--json")
    assert finished.exit_code == 0, finished.stderr
    assert load_population(run_of_0_1) == before["population.h5"]

    again = aspk("search", "--alpha", "0.9", "--set", "seed=3", "--json")
    assert again.exit_code == 0, again.stderr
    assert load_population(run_of_0_1, "population-3.h5") == before["population.h5"]
    assert aspk("search", "--alpha", "0.5", "--json").exit_code == 0
    assert load_population(run_of_0_1) == before["population-2.h5"]


def test_a_run_of_an_earlier_commit_is_exported_and_trained(aspk: Aspk, run_of_0_1: Path) -> None:
    assert aspk("export", "--to", "best.safetensors").exit_code == 0
    done = aspk("train")
    assert done.exit_code == 0, done.stderr
    assert [each.finetuned is not None for each in load_evaluations(run_of_0_1)].count(True) == 1

"""Whether a stored result is used: one answer for train, search, energy, report and recount."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import h5py
import pytest

from autospikformer_cli import search_subnets
from autospikformer_cli.recipe import Recipe, recipe_from_toml
from autospikformer_cli.say import SILENT
from autospikformer_cli.store.evaluations import load_evaluations
from autospikformer_cli.store.files import put_text
from autospikformer_cli.store.population import load_population, save_population
from autospikformer_cli.store.searches import search_file, search_names
from autospikformer_cli.store.supernet import load_checkpoint, read_training, save_checkpoint

Aspk = Callable[..., Any]
FIRST = "searches/evolution-alpha0.5-seed0.h5"
"""The file of the first search of a test's run."""
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


def of_before_its_switches(run: Path) -> Path:
    """The run as an aspk left it that had neither train.schedule nor search.mutation, under the fidelity "paper"."""
    begun = load_checkpoint(run)
    lines = [line for line in begun.recipe_toml.splitlines() if not line.startswith(("schedule = ", "mutation = "))]
    text = "\n".join(lines).replace('fidelity = "sound"', 'fidelity = "paper"')
    text = text.replace("cooldown_epochs = 0.0", "cooldown_epochs = 1.0")
    assert text.count("paper") == text.count("cooldown_epochs = 1.0") == 1
    save_checkpoint(run, replace(begun, recipe_toml=text))
    return run


def test_a_run_of_before_a_switch_goes_on_as_it_began(aspk: Aspk, trained: Path) -> None:
    """timm would add an epoch. The values of then are in force in all that follows, and named, as they differ."""
    half_trained(of_before_its_switches(trained))
    assert aspk("train").exit_code == 0
    state = read_training(trained).state
    assert (state.epoch, state.finished) == (5, True)
    searched = aspk("search", "--json").document
    assert searched["provenance"]["fidelity"] == "paper"
    recipe = recipe_of(trained)
    assert (recipe.fidelity, recipe.train.schedule, recipe.search.mutation) == ("paper", "after_warmup", "each_gene")
    assert {'train.schedule = "after_warmup"', 'search.mutation = "each_gene"'} <= set(recipe.switches())
    file = search_file(trained, searched["search"])
    measured = file.read_bytes()
    again = aspk("search", "--json")
    assert (again.exit_code, again.document) == (0, searched)
    assert file.read_bytes() == measured
    few = ("--set", "search.parents=3")
    done = aspk("train", "tiny.toml", "--set", 'fidelity="paper"', "--set", "train.cooldown_epochs=1", *few)
    assert (done.exit_code, "this run was begun with another recipe: " in done.stderr) == (2, True)
    assert "train.schedule" in done.stderr


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
    before = (searched / FIRST).read_bytes()
    done = aspk("search", *words)
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr.startswith(f"error: {told}")
    assert (searched / FIRST).read_bytes() == before


def test_a_search_keeps_the_training_that_its_supernet_had(aspk: Aspk, trained: Path) -> None:
    """Stored with a search, other keys would say that the supernet was trained otherwise, and retrain so."""
    keys = ("--set", 'train.sampling="sandwich"', "--set", "train.epochs=50")
    said = "train.epochs, train.sampling decide nothing of a search: the supernet keeps the training that it had\n"
    first = aspk("search", "--set", "search.generations=1", *keys)
    assert (first.exit_code, said in first.stderr) == (0, True)
    assert recipe_of(trained).train == recipe_from_toml(read_training(trained).recipe_toml).train
    again = aspk("search", "--dry-run", *keys)
    assert (again.exit_code, said in again.stderr) == (0, True)
    assert "train." not in aspk("report", "--json").document["provenance"]["switches"]


def recipe_of(run: Path) -> Recipe:
    """The recipe of a run's present search."""
    return recipe_from_toml(load_population(run).recipe_toml)


class Breaks:
    """A `Say` that breaks when the search begins to measure."""

    remark = staticmethod(lambda text: None)

    def progress(self, description: str, total: int, *, unit: str = "", start: int = 0) -> Any:
        if description == "searching":
            raise KeyboardInterrupt
        return SILENT.progress(description, total, start=start)


def test_the_search_before_stays_present_until_there_is_another(searched: Path) -> None:
    before = (searched / FIRST).read_bytes()
    with pytest.raises(KeyboardInterrupt):
        search_subnets(searched, {"search.alpha": 0.3}, say=Breaks())
    assert search_names(searched) == ["evolution-alpha0.5-seed0"]
    assert (searched / FIRST).read_bytes() == before


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (
            ("train", "tiny.toml", "--dry-run", "--set", "train.lr=1"),
            "runs/tiny: this run was begun with another recipe",
        ),
        (("search", "--workers", "3"), "--workers: 3 workers do not fit in one process"),
        (("search", "--address", "auto"), "--address: only a cluster has an address"),
        (("report", "--alpha-sweep", "--set", "search.alpha=0.3"), "--set search.alpha: a sweep has every alpha"),
        (("report", "--alpha-sweep", "--top", "3"), "--top: a sweep lists no top accuracy"),
        (
            ("energy", "quickstart", "--firing-rate", "0.2", "--run", "runs/tiny"),
            "--run: a recipe at given rates has no",
        ),
        (("energy", "moduel", "nets:make"), "'moduel' is not a command of aspk energy\n  did you mean module?"),
    ],
)
def test_what_would_be_dropped_is_refused(aspk: Aspk, searched: Path, words: tuple[str, ...], told: str) -> None:
    done = aspk(*words)
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr.startswith(f"error: {told}")


def with_json(file: Path, name: str, value: object) -> None:
    """Replace a JSON text of a store, its checksum right."""
    with h5py.File(file, "r+") as store:
        del store[name]
        put_text(store, name, json.dumps(value))


def test_a_store_of_a_later_aspk_is_named_as_such(aspk: Aspk, searched: Path) -> None:
    file = searched / FIRST
    provenance = {**asdict(load_population(searched).provenance), "temperature": 21}
    with_json(file, "provenance", provenance)
    for words in (("report",), ("energy",), ("search",), ("evaluate",)):
        done = aspk(*words)
        assert (done.exit_code, done.stdout) == (2, "")
        assert "wrote it with temperature, which this aspk" in done.stderr
        assert "read it with the aspk that wrote it, or with a newer one" in done.stderr
    with_json(file, "provenance", ["a list"])
    assert "'Provenance' is not a table of fields" in aspk("report").stderr
    assert aspk("runs").exit_code == 0


def test_a_stored_recipe_of_a_later_aspk_names_its_run(aspk: Aspk, searched: Path) -> None:
    population = load_population(searched)
    toml = population.recipe_toml.replace("[search]", "[search]\nnewer = 1", 1)
    save_population(searched, replace(population, recipe_toml=toml))
    assert aspk("report").stderr.startswith("error: the recipe stored in runs/tiny:")


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
    before = as_now(recorded(words[0]))
    assert with_fields_of(before, found.document) == before


def as_now(document: Any) -> Any:
    """A document of the earlier commit with the version of its schema, and firing rates by the names of layers."""
    if "step_rates" in document:
        names = {layer.replace("_linear", "_bn").replace("_conv", "_bn"): layer for layer in document["input_rates"]}
        names |= {"patch_embed.proj_bn": "patch_embed.proj_conv", "block.0.attn.attn": "block.0.attn.(q@k)@v"}
        document["step_rates"] = {names[layer]: rates for layer, rates in document["step_rates"].items()}
    return document | {"schema_version": 1}


def with_fields_of(before: Any, document: Any) -> Any:
    """What a document has in the fields that an earlier one had: later ones have more.

    Dates are those of files. A profile's source is a citation, which may be worded anew.
    """
    if isinstance(before, dict):
        apart = ("date", "source")
        return {key: value if key in apart else with_fields_of(value, document[key]) for key, value in before.items()}
    if isinstance(before, list) and len(before) == len(document):
        return [with_fields_of(*pair) for pair in zip(before, document, strict=True)]
    return document


@pytest.fixture
def recorded() -> Callable[[str], Any]:
    """What the earlier commit printed of the run, by command."""
    return lambda name: json.loads((FIXTURES / "documents_of_0_1" / f"{name}.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    ("key", "name", "option"), [("profile", "cmos45", "--profile"), ("convention", "sound", "--convention")]
)
def test_a_run_of_an_earlier_commit_that_names_what_this_aspk_lacks(
    aspk: Aspk, run_of_0_1: Path, recorded: Callable[[str], Any], key: str, name: str, option: str
) -> None:
    population = load_population(run_of_0_1)
    text = population.recipe_toml.replace(f'{key} = "{name}"', f'{key} = "gone"')
    assert text != population.recipe_toml
    save_population(run_of_0_1, replace(population, recipe_toml=text))
    found = aspk("report", "--json").document
    assert found["provenance"]["unknown"][0] == f"energy.{key}: the {key} gone is not known to this aspk"
    assert {each["energy_j"] for each in found["candidates"]} == {None}
    priced = aspk("report", option, name, "--json").document
    before = as_now(recorded("report"))["candidates"]
    assert with_fields_of(before, priced["candidates"]) == before


def test_a_run_of_an_earlier_commit_is_searched_on(aspk: Aspk, run_of_0_1: Path) -> None:
    """Measured by this aspk or that one, a subnet has the same counts: on this processor or another."""
    before = {name: load_population(run_of_0_1, name) for name in ("population", "population-2")}
    files = {name: (run_of_0_1 / f"{name}.h5").read_bytes() for name in before}
    finished = aspk("search", "--json")
    assert finished.exit_code == 0, finished.stderr
    assert load_population(run_of_0_1) == before["population"]

    again = aspk("search", "--alpha", "0.9", "--set", "seed=3", "--json")
    assert again.exit_code == 0, again.stderr
    assert again.document["search"] == "evolution-alpha0.9-seed3"
    back = aspk("search", "--alpha", "0.5", "--json")
    assert (back.exit_code, back.document["search"]) == (0, "population-2")
    assert load_population(run_of_0_1) == before["population-2"]
    assert {name: (run_of_0_1 / f"{name}.h5").read_bytes() for name in before} == files


def test_candidates_of_an_earlier_commit_are_told_apart(aspk: Aspk, run_of_0_1: Path) -> None:
    """Both of its searches began with c0001. So an id of its files may name two networks."""
    names = ("population", "population-2")
    pairs = zip(*(load_population(run_of_0_1, name).candidates for name in names), strict=False)
    first, second = next(pair for pair in pairs if pair[0].subnet != pair[1].subnet)
    assert second.id == f"population-2/{first.id}"
    for asked, candidate, name in (
        (first.id, first, "population"), (f"population/{first.id}", first, "population"),
        (second.id, second, "population-2"),
    ):  # fmt: skip
        document = aspk("energy", "--subnet", asked, "--json").document
        assert document["subnet"] == candidate.subnet.to_numbers()
        assert document["origin"] == f"runs/small, search {name}: {candidate.id}"
    largest = max(int(each.id[-4:]) for name in names for each in load_population(run_of_0_1, name).candidates)
    done = aspk("search", "--set", "seed=9", "--set", "search.generations=1", "--json")
    assert done.exit_code == 0, done.stderr
    ids = sorted(candidate["id"] for candidate in done.document["candidates"])
    assert ids[0] == f"c{largest + 1:04}"


def test_a_run_of_an_earlier_commit_is_exported_and_trained(aspk: Aspk, run_of_0_1: Path) -> None:
    assert aspk("export", "--to", "best.safetensors").exit_code == 0
    done = aspk("train")
    assert done.exit_code == 0, done.stderr
    assert [each.finetuned is not None for each in load_evaluations(run_of_0_1)].count(True) == 1


@pytest.mark.parametrize(
    ("words", "setting", "idle"),
    [
        (("evaluate", "--images", "5"), "search.population=8", True),
        (("evaluate", "--images", "5"), "search.images=8", True),
        (("evaluate", "--images", "5"), "train.epochs=3", True),
        (("evaluate", "--images", "5"), MORE_MEMORY, False),
        (("evaluate", "--images", "5"), "search.alpha=0.3", False),
        (("evaluate", "--images", "5", "--finetune", "1"), "train.lr=0.01", False),
        (("analyze", "channels", "--images", "5"), "train.epochs=3", True),
        (("export", "--to", "a.safetensors", "--images", "5"), "search.population=8", True),
        (("energy",), "search.population=8", True),
        (("energy",), "search.images=20", False),
    ],
)
def test_keys_that_cannot_act_are_named(
    aspk: Aspk, searched: Path, words: tuple[str, ...], setting: str, idle: bool
) -> None:
    done = aspk(*words, "--set", setting)
    assert done.exit_code == 0, done.stderr
    assert (f"{setting.split('=')[0]} decides nothing here: not used" in done.stderr) == idle


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("finished", None),
        ("generation", None),
        ("generation", -1),
        ("ids", []),
        ("ids", {"last": 3}),
        ("ids", {"last": 3, "asked": {"(1, 2)": "c0009"}}),
    ],
)
def test_a_state_that_was_changed_by_hand(aspk: Aspk, searched: Path, key: str, value: Any) -> None:
    population = load_population(searched)
    save_population(searched, replace(population, state={**population.state, key: value}))
    for words in (("report",), ("search",), ("evaluate", "--images", "5")):
        done = aspk(*words)
        assert done.exit_code == 2, done.stderr
        assert done.stderr.startswith(
            f"error: runs/tiny/searches/evolution-alpha0.5-seed0.h5: damaged, 'state' has no usable {key}\n"
        )


@pytest.mark.parametrize("lacking", [("asked",), ("random", "samples")])
def test_a_search_that_cannot_go_on_from_its_state(aspk: Aspk, searched: Path, lacking: tuple[str, ...]) -> None:
    population = load_population(searched)
    state = {**population.state, "finished": False} | dict.fromkeys(lacking)
    save_population(searched, replace(population, state=state))
    done = aspk("search")
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr == (
        f"error: {searched / FIRST}: the search cannot go on: its state has no usable {', '.join(lacking)}\n"
        "  restore it from a copy, or search anew: aspk search --run runs/tiny --fresh\n"
    )
    assert aspk("report").exit_code == 0
    assert aspk("search", "--fresh").exit_code == 0
    assert load_population(searched).candidates == population.candidates

"""Populations come back equal, are small, and are readable as plain tables."""

from __future__ import annotations

import os
import tempfile
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import h5py
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autospikformer_cli.errors import UserError
from autospikformer_cli.measurement import Candidate, InputCount, Measurement, SpikeCount, SynapseCount
from autospikformer_cli.space import Subnet
from autospikformer_cli.store.population import (
    HypervolumeHistory,
    Population,
    Provenance,
    load_population,
    read_search,
    save_population,
)
from autospikformer_cli.store.searches import is_search_name, make_present, present_search, search_names

counts = st.integers(0, 2**62)
texts = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=12)
decimals = st.decimals(Decimal("0.05"), Decimal(40), places=2)


@st.composite
def input_counts(draw: st.DrawFn) -> InputCount:
    steps = draw(st.integers(0, 4))
    sums, nonzeros = (draw(st.tuples(*[counts] * steps)) for _ in range(2))
    return InputCount(draw(texts), sums, nonzeros, draw(counts), draw(counts))


@st.composite
def spike_counts(draw: st.DrawFn) -> SpikeCount:
    return SpikeCount(draw(texts), tuple(draw(st.lists(counts, max_size=4))), draw(counts))


@st.composite
def synapse_counts(draw: st.DrawFn) -> SynapseCount:
    steps = draw(st.integers(0, 4))
    events, passes = (draw(st.tuples(*[counts] * steps)) for _ in range(2))
    return SynapseCount(draw(texts), events, passes)


@st.composite
def subnets(draw: st.DrawFn) -> Subnet:
    depth = draw(st.integers(1, 4))
    ratio, threshold, tau = (draw(st.tuples(*[decimals] * depth)) for _ in range(3))
    heads = draw(st.tuples(*[st.integers(1, 16)] * depth))
    return Subnet(ratio, heads, threshold, tau, draw(st.integers(1, 16)), draw(st.integers(1, 999)))


def several(strategy: st.SearchStrategy[object]) -> st.SearchStrategy[tuple[object, ...]]:
    return st.lists(strategy, max_size=4).map(tuple)


measurements = st.builds(
    Measurement,
    correct=counts,
    images=st.integers(1, 2**62),
    params=counts,
    inputs=several(input_counts()),
    spikes=several(spike_counts()),
    synapses=several(synapse_counts()),
    silent_channels=counts,
    answers=st.none() | st.binary(min_size=1, max_size=9),
)
candidates = st.builds(Candidate, id=texts, subnet=subnets(), generation=counts, measurement=measurements)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
populations = st.builds(
    Population,
    recipe_name=texts,
    recipe_toml=texts,
    provenance=st.builds(
        Provenance,
        **dict.fromkeys(("split", "split_hash", "calibration_hash", "batchnorm", "fidelity", "weights_hash"), texts),
        **dict.fromkeys(("precision", "device"), texts),
        images=counts,
        calibration_images=counts,
    ),
    candidates=several(candidates),
    baseline=st.none() | candidates,
    state=st.dictionaries(st.text(), json_values, max_size=4).map(
        lambda state: {**state, "generation": 4, "finished": True}
    ),
    hypervolume=st.none()
    | st.builds(
        HypervolumeHistory,
        shares=st.lists(st.floats(0, 1), max_size=4).map(tuple),
        measure=st.dictionaries(st.text(), json_values, max_size=4),
    ),
    name=st.just("first"),
)


@settings(max_examples=60)
@given(populations)
def test_a_population_comes_back_equal(population: Population) -> None:
    with tempfile.TemporaryDirectory() as folder:
        save_population(Path(folder), population)
        assert load_population(Path(folder)) == population


def test_equal_populations_give_equal_files(runs: Path, population: Population) -> None:
    for name in ("a", "b"):
        (runs / name).mkdir()
        save_population(runs / name, population)
    assert (runs / "a/searches/first.h5").read_bytes() == (runs / "b/searches/first.h5").read_bytes()
    assert replace(population, candidates=population.candidates[:2]) != population


def test_the_tables_are_plain_columns(run: Path, population: Population) -> None:
    save_population(run, population)
    with h5py.File(run / "searches/first.h5", "r") as file:
        assert file.attrs["schema_version"] == 1
        assert file.attrs["kind"] == "population"
        columns = {name: file["layers"][name][:7].tolist() for name in file["layers"]}
        names = file["layer_names"].asstr()[:].tolist()
        ids = file["candidates/id"].asstr()[:].tolist()
        texts = file["candidates/subnet"].asstr()[:].tolist()
        spikes = {name: file["spikes"][name][:5].tolist() for name in file["spikes"]}
        synapses = {name: file["synapses"][name][:5].tolist() for name in file["synapses"]}
        recipe = file["recipe"].asstr()[()]
    assert columns == {
        "candidate": [0, 0, 0, 0, 0, 1, 1],
        "layer": [0, 1, 1, 2, 2, 0, 1],
        "step": [-1, 0, 1, 0, 1, -1, 0],
        "input_sum": [0, 7, 9, 12, 0, 0, 7],
        "input_nonzeros": [0, 6, 8, 5, 0, 0, 6],
        "input_size": [768_000, 500, 500, 300, 300, 768_000, 500],
        "macs": [1_327_104, 40_000, 40_000, 1_000, 1_000, 1_327_104, 40_000],
    }
    assert spikes == {
        "candidate": [0, 0, 0, 0, 1],
        "layer": [3, 3, 4, 4, 3],
        "step": [0, 1, 0, 1, 0],
        "spikes": [7, 9, 1, 2, 7],
        "neurons": [64, 64, 32, 32, 64],
    }
    assert synapses == {
        "candidate": [0, 0, 0, 0, 1],
        "layer": [1, 1, 5, 5, 1],
        "step": [0, 1, 0, 1, 0],
        "events": [4_000, 5_000, 6, 0, 4_000],
        "passes": [3_500, 4_500, 6, 0, 3_500],
    }
    assert names == ["stem.0", "stem.1", "block.0.fc1", "stem.0.lif", "block.0.fc1.lif", "block.0.attn.q@k"]
    assert ids == ["g0-0", "g0-1", "g0-2"]
    assert texts == ["(2, 3.8, 3.6, 12, 3, 1.4, 2, 5, 1.25, 2, 348)"] * 3
    assert recipe == population.recipe_toml


def test_a_file_without_synapses_has_none(run: Path, population: Population) -> None:
    """As an aspk before 0.2 stored it."""

    def without(candidate: Candidate) -> Candidate:
        return replace(candidate, measurement=replace(candidate.measurement, synapses=()))

    save_population(run, population)
    with h5py.File(run / "searches/first.h5", "r+") as file:
        tables: list[str] = []
        file.visit(lambda name: tables.append(name) if name.rpartition("/")[2] == "synapses" else None)
        assert tables
        for name in tables:
            del file[name]
    old = replace(population, candidates=tuple(map(without, population.candidates)))
    assert population.baseline is not None
    assert load_population(run) == replace(old, baseline=without(population.baseline))


def values_of(population: Population) -> str:
    """Of all candidates and the baseline in the objectives of plugins; as text, nan equals nan."""
    assert population.baseline is not None
    return str([dict(each.plugin_values) for each in (*population.candidates, population.baseline)])


def test_values_of_objectives_come_back_equal(run: Path, population: Population) -> None:
    save_population(run, population)
    found = load_population(run)
    assert (values_of(found), found.objectives) == (values_of(population), population.objectives)
    with h5py.File(run / "searches/first.h5") as file:
        assert sorted(file["objectives"]) == sorted(file["baseline/objectives"]) == ["area", "latency"]
        assert file["objectives/latency"].dtype == "<f8"
        assert file["objectives/latency"][1:].tolist() == [2.5, 0.1]
        assert file["baseline/objectives/latency"][:].tolist() == [7.0]


def test_a_changed_value_of_an_objective_is_noticed(run: Path, population: Population) -> None:
    save_population(run, population)
    with h5py.File(run / "searches/first.h5", "r+") as file:
        file["objectives/latency"][1] = 2.4
    with pytest.raises(UserError, match=r"damaged, 'objectives/latency' does not match its SHA-256"):
        load_population(run)


def test_a_file_without_values_of_objectives_has_none(run: Path, population: Population) -> None:
    """As an earlier aspk stored it, and as any search without plugins is stored."""
    save_population(run, population)
    with h5py.File(run / "searches/first.h5", "r+") as file:
        for name in ("plugin_objectives", "objectives", "baseline/objectives"):
            del file[name]
    found = load_population(run)
    assert found == replace(population, objectives=())
    assert values_of(found) == "[{}, {}, {}, {}]"
    save_population(run, found)
    with h5py.File(run / "searches/first.h5") as file:
        assert not {"plugin_objectives", "objectives"} & set(file)


def num_arrays(run: Path) -> int:
    """How many arrays the population's file holds."""
    found: list[str] = []
    with h5py.File(run / "searches/first.h5", "r") as file:
        file.visititems(lambda name, item: found.append(name) if isinstance(item, h5py.Dataset) else None)
    return len(found)


def test_a_thousand_candidates_take_no_more_arrays_than_three(
    run: Path, population: Population, subnet: Subnet
) -> None:
    """Saving costs time by the array, hardly by the candidate."""
    many = tuple(
        Candidate(
            str(number),
            subnet,
            number // 50,
            Measurement(
                correct=number,
                images=1000,
                params=number,
                inputs=tuple(
                    InputCount(f"layer.{layer}", *((number * 7 + layer, 5, 6, 7),) * 2, 4096, 90_000)
                    for layer in range(25)
                ),
                spikes=tuple(SpikeCount(f"layer.{layer}.lif", (number, 2, 3, 4), 64) for layer in range(25)),
                synapses=tuple(
                    SynapseCount(f"layer.{layer}", *((number * 700 + layer, 5, 6, 7),) * 2) for layer in range(25)
                ),
                silent_channels=0,
            ),
        )
        for number in range(1000)
    )
    population = replace(population, objectives=population.objectives[:1])
    many = tuple(replace(each, plugin_values={"latency": each.generation * 0.25}) for each in many)
    large = replace(population, candidates=many)
    save_population(run, population)
    before = num_arrays(run)
    save_population(run, large)
    assert num_arrays(run) == before
    assert (run / "searches/first.h5").stat().st_size < 1_500_000
    assert load_population(run) == large


def test_the_head_of_a_search_is_read_alone(run: Path, population: Population) -> None:
    save_population(run, population)
    head = read_search(run)
    assert (head.name, head.recipe_name, head.num_candidates) == ("first", "quickstart", 3)
    assert (head.ids, head.top1s) == (("g0-0", "g0-1", "g0-2"), (None, 80.0, 80.0))
    assert (head.state, head.provenance) == (population.state, population.provenance)
    save_population(run, replace(population, candidates=()))
    assert read_search(run).top1s == ()


def test_sums_without_their_nonzeros_are_refused(
    run: Path, population: Population, subnet: Subnet, measurement: Measurement
) -> None:
    torn = replace(measurement, inputs=(InputCount("fc", (1, 2), (1,), 4, 5),))
    with pytest.raises(ValueError, match=r"^an InputCount has as many sums as non-zeros$"):
        save_population(run, replace(population, baseline=Candidate("b", subnet, 0, torn), objectives=()))


def test_searches_are_read_by_name(run: Path, population: Population) -> None:
    assert (search_names(run), present_search(run)) == ([], None)
    for number, name in enumerate(("b", "a", "population-10", "population-2", "population")):
        save_population(run, replace(population, recipe_name=str(number), name=name))
    assert sorted(path.name for path in run.glob("**/*.h5")) == [
        "a.h5", "b.h5", "population-10.h5", "population-2.h5", "population.h5"
    ]  # fmt: skip
    for stranger in ("population-02.h5", "population-x.h5", "population-2.h5.tmp", "searches/.hidden.h5"):
        (run / stranger).write_text("no search")
    assert search_names(run) == ["population", "population-2", "population-10", "a", "b"]
    assert [load_population(run, name).recipe_name for name in search_names(run)] == ["4", "3", "2", "1", "0"]
    assert [read_search(run, name).recipe_name for name in search_names(run)] == ["4", "3", "2", "1", "0"]
    assert load_population(run, "a").name == read_search(run, "a").name == "a"


def test_one_search_is_present(run: Path, population: Population) -> None:
    for name, seconds in (("b", 200), ("a", 100), ("c", 200)):
        save_population(run, replace(population, name=name))
        os.utime(run / "searches" / f"{name}.h5", (seconds, seconds))
    assert present_search(run) == "c", "without a word, the one written last"
    save_population(run, replace(population, name="population"))
    assert present_search(run) == "population", "which an older aspk left as the present one"
    make_present(run, "a")
    assert (present_search(run), load_population(run).name) == ("a", "a")
    (run / "searches" / "a.h5").unlink()
    assert present_search(run) == "population"


def test_a_search_that_is_absent_is_named(run: Path, population: Population) -> None:
    save_population(run, population)
    for name, remedy in (("frist", "did you mean first?"), ("x", "its searches: first")):
        with pytest.raises(UserError) as caught:
            load_population(run, name)
        assert str(caught.value) == f"--search: runs/x has no search {name}\n  {remedy}"


@pytest.mark.parametrize(
    ("name", "is_one"),
    [("mine", True), ("a.b_c+d-e", True), ("0", True), ("population", False), ("population-2", False), ("", False),
     ("../x", False), (".x", False), ("a/b", False), ("-a", False), ("a b", False), ("a" * 101, False)],
)  # fmt: skip
def test_names_that_a_search_may_have(name: str, is_one: bool) -> None:
    assert is_search_name(name) is is_one


def test_ids_of_an_older_aspk_are_told_apart_by_their_search(run: Path, population: Population) -> None:
    for name in ("population", "population-2", "population-3", "later"):
        save_population(run, replace(population, name=name))
    assert [each.id for each in load_population(run, "population").candidates] == ["g0-0", "g0-1", "g0-2"]
    older = load_population(run, "population-2")
    assert [each.id for each in older.candidates] == ["population-2/g0-0", "population-2/g0-1", "population-2/g0-2"]
    assert read_search(run, "population-2").ids == tuple(each.id for each in older.candidates)
    assert [each.id for each in load_population(run, "later").candidates] == ["g0-0", "g0-1", "g0-2"]

    save_population(run, older)
    assert load_population(run, "population-2") == older, "saved once more, it is the same"
    gone_on = replace(
        older,
        candidates=(*older.candidates, replace(older.candidates[0], id="c0041")),
        state={**older.state, "ids": {"last": 41, "asked": {}}},
    )
    save_population(run, gone_on)
    assert load_population(run, "population-2") == gone_on, "ids that are unique in the run stay as they are"


def test_a_run_that_was_not_searched(run: Path) -> None:
    for read in (load_population, read_search):
        with pytest.raises(UserError) as caught:
            read(run)
        assert str(caught.value) == "runs/x has no search\n  search first: aspk search --run runs/x"


def test_a_population_without_a_name_has_no_file(run: Path, population: Population) -> None:
    with pytest.raises(ValueError, match=r"^a population without a name has no file$"):
        save_population(run, replace(population, name=""))

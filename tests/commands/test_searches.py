"""Results that keep their meaning: searches have names, candidates have ids, and best is what a search chose."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from autospikformer_cli.space import Subnet
from autospikformer_cli.store.population import Population, load_population
from autospikformer_cli.store.searches import present_search, search_names

Aspk = Callable[..., Any]
Once = tuple[Path, Any]
FIRST = "evolution-alpha0.5-seed0"
CHIP = """\
name = "chip"
title = "a chip on which everything costs 1000 times as much"
source = "made up"
process = "none"
unit = "nJ"
mac = 4.6
ac = 0.9

[left_out]
int8 = "it has no integers"
memory = "made up"
"""


def all_ids(*populations: Population) -> dict[str, set[Subnet]]:
    """The subnets of each id."""
    found: dict[str, set[Subnet]] = {}
    for population in populations:
        for candidate in population.candidates:
            found.setdefault(candidate.id, set()).add(candidate.subnet)
    return found


def test_an_id_is_one_network_in_all_searches_of_a_run(aspk: Aspk, searched: Path, searched_once: Once) -> None:
    assert aspk("search", "--alpha", "0.9").exit_code == 0
    assert aspk("search", "--set", "seed=1", "--set", "search.generations=1").exit_code == 0
    searches = [load_population(searched, name) for name in search_names(searched)]
    assert len(searches) == 3
    ids = all_ids(*searches)
    assert all(len(subnets) == 1 for subnets in ids.values())
    every = {candidate.subnet for population in searches for candidate in population.candidates}
    assert len(ids) == len(every), "a subnet that was measured alike has one id"
    numbers = sorted(int(id_.removeprefix("c")) for id_ in ids)
    assert numbers == list(range(1, len(every) + 1))
    first = load_population(searched, FIRST).candidates
    assert first == load_population(searched_once[0]).candidates
    assert [candidate.id for candidate in first] == [f"c{number:04}" for number in range(1, 19)]


def test_a_search_finds_in_an_archive_what_it_finds_alone(aspk: Aspk, trained: Path, searched_once: Once) -> None:
    """Ids are the only thing that differs, and the order of a search's draws does not depend on them."""
    assert aspk("search", "--algorithm", "random", "--set", "seed=4").exit_code == 0
    assert aspk("search", "--set", "seed=0").exit_code == 0
    alone, after = load_population(searched_once[0]), load_population(trained, FIRST)

    def without_ids(population: Population) -> list[Any]:
        return [(each.subnet, each.generation, each.measurement) for each in population.candidates]

    assert without_ids(after) == without_ids(alone)
    assert after.state["random"] == alone.state["random"]
    assert after.hypervolume == alone.hypervolume


def test_what_is_measured_otherwise_is_another_id(aspk: Aspk, searched: Path) -> None:
    assert aspk("search", "--set", "search.images=50", "--set", "search.generations=1").exit_code == 0
    assert [candidate.id for candidate in load_population(searched).candidates] == [
        f"c00{number}" for number in range(19, 25)
    ]


def test_a_name_is_the_users(aspk: Aspk, searched: Path) -> None:
    assert aspk("search", "--alpha", "0.9", "--name", "frugal", "--json").document["search"] == "frugal"
    before = (searched / "searches" / "frugal.h5").read_bytes()
    assert (search_names(searched), present_search(searched)) == ([FIRST, "frugal"], "frugal")
    assert aspk("search", "--name", FIRST, "--json").document["search"] == FIRST
    assert aspk("search", "--name", "frugal", "--json").document["alpha"] == 0.9
    assert aspk("search", "--alpha", "0.9", "--json").document["search"] == "frugal", "the name is not compared"
    assert aspk("search", "--alpha", "0.9", "--fresh", "--json").document["search"] == "evolution-alpha0.9-seed0"
    assert (searched / "searches" / "frugal.h5").read_bytes() == before


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--name", "a/b"), "--name: 'a/b' cannot be the name of a search\n  use letters, digits and . _ + -, "),
        (("--name", "population-3"), "--name: 'population-3' cannot be the name of a search\n"),
        (
            ("--name", "other"),
            f"--name: this search has been begun, it is called {FIRST}\n  go on with it: --name {FIRST}",
        ),
        (
            ("--name", FIRST, "--alpha", "0.9"),
            f"--name: the search {FIRST} is another one: it differs in search.alpha\n",
        ),
        (("--name", FIRST, "--fresh"), f"--name: runs/tiny has a search {FIRST}\n  choose another name with --fresh"),
    ],
)
def test_a_name_that_cannot_be(aspk: Aspk, searched: Path, words: tuple[str, ...], message: str) -> None:
    done = aspk("search", *words)
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr.startswith(f"error: {message}")
    assert search_names(searched) == [FIRST]


def test_every_search_can_be_read(aspk: Aspk, searched: Path, searched_once: Once) -> None:
    assert aspk("search", "--alpha", "1", "--name", "frugal", "--set", "search.images=50").exit_code == 0
    earlier = aspk("report", "--search", FIRST, "--json").document
    assert earlier == searched_once[1]
    present = aspk("report", "--json").document
    assert (present["search"], present["alpha"]) == ("frugal", 1.0)
    for words in (("energy",), ("evaluate", "--images", "5")):
        found = {name: aspk(*words, "--search", name, "--json").document for name in (FIRST, "frugal")}
        for name, document in ((FIRST, earlier), ("frugal", present)):
            assert found[name]["subnet"] == document["candidates"][0]["subnet"]
            assert found[name]["origin"] == f"runs/tiny, search {name}: {document['best']}"
    exported = aspk("export", "--search", FIRST, "--to", "b.safetensors", "--json").document
    assert exported["subnet"] == earlier["candidates"][0]["subnet"]
    absent = aspk("report", "--search", "frugl")
    assert (absent.exit_code, absent.stderr) == (
        2, "error: --search: runs/tiny has no search frugl\n  did you mean frugal?\n"
    )  # fmt: skip


def test_an_id_is_found_in_whatever_search_it_is(aspk: Aspk, searched: Path) -> None:
    assert aspk("search", "--alpha", "1", "--name", "frugal", "--set", "search.images=50").exit_code == 0
    for name in (FIRST, "frugal"):
        candidate = load_population(searched, name).candidates[-1]
        for asked in (candidate.id, f"{name}/{candidate.id}"):
            document = aspk("energy", "--subnet", asked, "--json").document
            assert document["subnet"] == candidate.subnet.to_numbers()
            assert document["origin"] == f"runs/tiny, search {name}: {candidate.id}"


def test_titles_name_the_run_and_the_search(aspk: Aspk, searched: Path) -> None:
    best = load_population(searched).candidates
    assert best
    title = f"runs/tiny, search {FIRST}"
    assert aspk("report").stdout.splitlines()[0] == title
    assert aspk("energy").stdout.splitlines()[1].startswith(f"{title}: c00")
    assert aspk("energy", "--subnet", "smallest").stdout.splitlines()[1].strip() == "runs/tiny"
    assert aspk("analyze", "--subnet", "best").stdout.splitlines()[1].startswith(f"{title}: c00")
    assert " ".join(aspk("evaluate", "--images", "5").stdout.split()).startswith(f"Evaluation in {title}: c00")
    assert aspk("report", "--alpha-sweep").stdout.splitlines()[0] == f"runs/tiny, searches {FIRST}"
    quick = aspk("energy", "quickstart", "--subnet", "smallest", "--firing-rate", "0.1").stdout.splitlines()
    assert quick[1].strip() == "recipe quickstart"


@pytest.fixture
def limited(aspk: Aspk, searched: Path) -> dict[str, Any]:
    """A search within 1.2 times the least energy of an earlier one; its document. chip.toml costs 1000 times more."""
    Path("chip.toml").write_text(CHIP)
    least = min(each["energy_j"] for each in aspk("report", "--json").document["candidates"])
    done = aspk("search", "--max-energy", f"{1.2 * least:.4e}", "--name", "small", "--json")
    assert done.exit_code == 0, done.stderr
    document: dict[str, Any] = done.document
    return document


def test_best_stays_what_the_search_chose_under_another_price(aspk: Aspk, limited: dict[str, Any]) -> None:
    chosen = limited["candidates"][0]
    assert limited["best"] == chosen["id"]
    priced = aspk("energy", "--profile", "chip.toml", "--json")
    assert priced.exit_code == 0, priced.stderr
    assert priced.document["subnet"] == chosen["subnet"]
    assert priced.document["energy_j"] == pytest.approx(1000 * chosen["energy_j"])
    (remark,) = priced.document["remarks"]
    assert remark.startswith(f"under these prices {chosen['id']} breaks search.limits.energy (energy at most ")
    assert remark.endswith("; the search kept it under profile cmos45, convention sound")
    shown = " ".join(aspk("energy", "--profile", "chip.toml").stdout.split())
    assert f"under these prices {chosen['id']} breaks search.limits.energy" in shown
    evaluated = aspk("evaluate", "--images", "5", "--set", 'energy.profile="chip.toml"', "--json").document
    assert (evaluated["subnet"], evaluated["remarks"]) == (chosen["subnet"], [remark])
    assert aspk("energy", "--json").document["remarks"] == []


def test_a_report_under_another_price_keeps_the_candidates(aspk: Aspk, limited: dict[str, Any]) -> None:
    document = aspk("report", "--profile", "chip.toml", "--json").document
    kept = [candidate["id"] for candidate in limited["candidates"]]
    assert [candidate["id"] for candidate in document["candidates"]] == kept
    assert (document["best"], document["rejected"]) == (limited["best"], limited["rejected"])
    (remark,) = document["price_remarks"]
    assert remark.startswith(f"under these prices {len(kept)} of {len(kept)} candidates break search.limits.energy (")
    text = " ".join(aspk("report", "--profile", "chip.toml").stdout.split())
    assert f"of {len(kept)} candidates" in text
    assert f"best, the search's own choice: {limited['best']}" in text
    assert remark in text
    tighter = aspk("report", "--profile", "chip.toml", "--set", "search.limits={energy = 1}", "--json").document
    assert (tighter["price_remarks"], len(tighter["candidates"])) == ([], 18)


def test_best_is_not_chosen_again_by_other_keys_of_the_search(aspk: Aspk, searched: Path) -> None:
    best, *others = aspk("report", "--json").document["candidates"]
    # A best may lead in all but the rate of its quietest block, and may lead in some of these, too.
    limits = [f"params={max(each['params'] for each in others) - 1}", f"firing_rate={best['firing_rate'] / 1.001}"]
    limits += [f"min_block_rate={rate / 1000}" for rate in range(1, 100)]
    for limit in limits:
        key = ("--set", f"search.limits.{limit}")
        done = aspk("report", *key, "--json")
        other = done.document
        if done.exit_code == 0 and best["id"] not in {candidate["id"] for candidate in other["candidates"]}:
            break
    assert (other["best"], best["id"] in {candidate["id"] for candidate in other["candidates"]}) == (best["id"], False)
    found = aspk("evaluate", "--subnet", "best", *key, "--images", "5", "--json").document
    assert found["subnet"] == best["subnet"]
    named = aspk("evaluate", "--subnet", best["id"], *key, "--images", "5", "--json").document
    of_dead_layers = named["remarks"]
    assert found["remarks"] == [f"best is what {FIRST} chose with its own search.limits: {best['id']}", *of_dead_layers]
    assert not [remark for remark in of_dead_layers if "search.limits" in remark]


def test_the_list_of_runs_counts_no_rejected_candidate_and_all_searches(aspk: Aspk, limited: dict[str, Any]) -> None:
    """The search within limits rejects candidates, some more accurate than those that it keeps."""
    first = aspk("report", "--search", FIRST, "--json").document
    most = max(candidate["top1"] for candidate in first["candidates"])
    kept = max(candidate["top1"] for candidate in limited["candidates"])
    (run,) = aspk("runs", "--json").document["runs"]
    assert (run["best_top1"], run["searches"]) == (max(most, kept), 2)
    listed = {search["name"]: search for search in aspk("runs", "show", "tiny", "--json").document["searches"]}
    assert list(listed) == [FIRST, "small"]
    assert (listed["small"]["best"], listed["small"]["best_top1"]) == (limited["best"], kept)
    assert (listed["small"]["candidates"], listed["small"]["rejected"]) == (18, len(limited["rejected"]))
    assert limited["rejected"]
    assert (listed[FIRST]["best_top1"], listed[FIRST]["present"], listed["small"]["present"]) == (most, False, True)


@pytest.mark.parametrize(
    ("words", "option", "times"),
    [
        (("energy", "--run", "runs/tiny", "--run", "runs/other"), "--run", "twice"),
        (("report", "--alpha", "0.3", "--alpha=0.4", "--alpha", "0.5"), "--alpha", "3 times"),
        (("energy", "--subnet", "best", "--subnet", "smallest"), "--subnet", "twice"),
        (("runs", "show", "--json", "--json", "a", "b"), None, ""),
        (("search", "--set", "seed=1", "--set", "search.alpha=0.2", "--dry-run"), None, ""),
    ],
)
def test_an_option_that_is_given_twice(
    aspk: Aspk, searched: Path, words: tuple[str, ...], option: str | None, times: str
) -> None:
    done = aspk(*words)
    said = f"{option}: {option} is given {times}\n  it takes one value, leave out the rest\n"
    assert (done.stderr == f"error: {said}") == (option is not None)
    assert option is None or (done.exit_code, done.stdout) == (2, "")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ("search", "--set", "seed=1", "--set", "seed = 2"),
            "--set seed: seed is given twice\n  it has one value, leave out the rest\n",
        ),
        (
            ("report", "--alpha", "0.3", "--set", "search.alpha=0.5"),
            "--alpha: search.alpha is given twice, by --alpha and by --set\n  leave one of the two out\n",
        ),
        (
            ("search", "--set", "search.limits={sops=1}", "--max-sops", "2"),
            (
                "--max-sops: search.limits.sops is given twice, by --max-sops and by --set search.limits\n"
                "  leave one of the two out\n"
            ),
        ),
        (
            ("energy", "--set", 'energy={profile="loihi"}', "--profile", "cmos45"),
            "--profile: energy.profile is given twice, by --profile and by --set energy\n  leave one of the two out\n",
        ),
        (
            ("search", "--set", "search.alpha=0.3", "--set", "search={alpha=0.2}"),
            "--set search: search.alpha is given twice, by --set search and by --set\n  leave one of the two out\n",
        ),
    ],
)
def test_a_key_that_is_given_twice(aspk: Aspk, searched: Path, words: tuple[str, ...], message: str) -> None:
    done = aspk(*words)
    assert (done.exit_code, done.stdout, done.stderr) == (2, "", f"error: {message}")


@pytest.mark.parametrize(
    ("words", "split", "number"),
    [
        (("evaluate",), "test", 359),
        (("evaluate", "--split", "validation"), "validation", 359),
        (("analyze", "--subnet", "smallest"), "validation", 359),
        (("export", "--to", "b.safetensors"), "validation", 359),
    ],
)
def test_more_images_than_there_are(
    aspk: Aspk, searched: Path, words: tuple[str, ...], split: str, number: int
) -> None:
    done = aspk(*words, "--images", "99999")
    assert (done.exit_code, done.stdout) == (2, "")
    assert f"error: --images: 99,999 images cannot be taken of the {split} split, which has {number}\n" in done.stderr
    assert f"  ask for at most {number}\n" in done.stderr
    assert not Path("b.safetensors").exists()


@pytest.mark.parametrize("dry", [(), ("--dry-run",)])
def test_more_images_than_there_are_in_a_recipe_are_said(aspk: Aspk, searched: Path, dry: tuple[str, ...]) -> None:
    done = aspk("search", "--set", "search.images=99999", "--set", "search.generations=1", *dry)
    assert done.exit_code == 0
    assert "search.images: the validation split has 359 images, not 99,999: all are taken\n" in done.stderr


@pytest.mark.parametrize("said", ["gone", "", "folder"])
def test_another_search_is_not_shown_in_place_of_the_present_one(aspk: Aspk, searched: Path, said: str) -> None:
    present = searched / "searches" / "present"
    present.unlink()
    if said == "folder":
        present.mkdir()
    else:
        present.write_text(said)
    done = aspk("report")
    assert done.exit_code == 2
    what = (
        "the present search gone is not there" if said == "gone" else "it does not say which search is the present one"
    )
    assert done.stderr.startswith(f"error: {present}: {what}\n  name one with --search: ")
    assert aspk("report", "--search", "evolution-alpha0.5-seed0").exit_code == 0

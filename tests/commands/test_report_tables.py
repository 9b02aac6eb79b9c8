"""aspk report --table and --methods: the user's rows next to the paper's, files, and what does not fit together."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from autospikformer_cli import read_results
from autospikformer_cli.recipe import recipe_from_toml
from autospikformer_cli.report.page.facts import page_facts
from autospikformer_cli.runs.building import energy_model
from autospikformer_cli.store.evaluations import EVALUATIONS_FILE, append_evaluation, load_evaluations
from autospikformer_cli.store.population import load_population, save_population
from autospikformer_cli.store.searches import search_names
from autospikformer_cli.store.supernet import load_checkpoint, read_training, save_checkpoint
from autospikformer_cli.wording import counted

Aspk = Callable[..., Any]
CIFAR100_SMALL = {
    "depth": "[2, 3, 4]",
    "mlp_ratio": "[3.0, 3.2, 3.4, 3.6, 3.8, 4.0]",
    "num_heads": "[6, 12]",
    "embed_dim": "[336, 348, 360, 372, 384]",
}


def as_if_of(run: Path, dataset: str, to: str | None = None) -> Path:
    """A copy of a run whose files say that it is of another data set. The counts are those of the digits."""
    copy = run.parent / (to or dataset)
    shutil.copytree(run, copy)

    def changed(text: str) -> str:
        return text.replace('dataset = "digits-events"', f'dataset = "{dataset}"').replace(
            'dataset = "digits"', f'dataset = "{dataset}"'
        )

    checkpoint = load_checkpoint(copy)
    save_checkpoint(copy, replace(checkpoint, recipe_toml=changed(checkpoint.recipe_toml)))
    for name in search_names(copy):
        population = load_population(copy, name)
        save_population(copy, replace(population, recipe_toml=changed(population.recipe_toml)))
    evaluations = load_evaluations(copy)
    (copy / EVALUATIONS_FILE).unlink(missing_ok=True)
    for each in evaluations:
        append_evaluation(copy, replace(each, recipe_toml=changed(each.recipe_toml)), recipe_name="tiny")
    return copy


def yours(document: Any) -> list[dict[str, Any]]:
    return [row["cells"] for row in document["rows"] if row["source"] == "yours"]


def table(aspk: Aspk, *words: object) -> Any:
    done = aspk("report", "--table", *words, "--json")
    assert done.exit_code == 0, done.stderr
    return done.document


def test_front_and_top_are_those_of_the_report(aspk: Aspk, searched: Path) -> None:
    report = aspk("report", "--json").document
    by_id = {each["id"]: each for each in report["candidates"]}
    front, top = table(aspk, "front"), table(aspk, "top", "--top", "3")
    assert [row["id"] for row in yours(front)] == [*report["pareto"], "baseline"]
    accurate = sorted(report["candidates"], key=lambda each: (-each["top1"], each["energy_j"]))[:3]
    assert [row["id"] for row in yours(top)] == [*(each["id"] for each in accurate), "baseline"]
    unit = {column["key"]: column["unit"] for column in front["columns"]}["energy"]
    joules = {"mJ": 1e-3, "µJ": 1e-6, "nJ": 1e-9}[unit]
    for row in yours(front)[:-1]:
        known = by_id[row["id"]]
        assert row["top1"] == pytest.approx(known["top1"], abs=0.005)
        assert row["energy"] * joules == pytest.approx(known["energy_j"], rel=5e-3)  # three digits are shown
        assert (row["params"], row["fitness"]) == (known["params"], pytest.approx(known["fitness"], abs=5e-4))
        assert [row["top1_low"], row["top1_high"]] == pytest.approx(known["top1_interval"], abs=0.005)


def test_table_4_joins_runs_and_marks_whose_rows_they_are(aspk: Aspk, searched: Path) -> None:
    assert aspk("evaluate", "--subnet", "best", "--images", "50", "--quiet").exit_code == 0
    tune = ("--finetune", "1", "--from-scratch")
    assert aspk("evaluate", "--subnet", "baseline", *tune, "--images", "50", "--quiet").exit_code == 0
    runs = [as_if_of(searched, dataset) for dataset in ("cifar10", "cifar100")]
    done = table(aspk, "table4", *(word for run in runs for word in ("--run", run)))
    assert sum(row["source"] == "paper" for row in done["rows"]) == 22
    best, inherited, alone = load_evaluations(runs[0])
    search = load_population(runs[0])
    recipe = recipe_from_toml(search.recipe_toml, "tiny")
    expected = {
        "evolution search": (best.subnet, best.measurement, "auto"),
        "Spikformer, trained alone": (alone.subnet, alone.measurement, "manual"),
        "Spikformer": (inherited.subnet, inherited.measurement, "manual"),
    }
    found = {row["method"]: row for row in yours(done)}
    assert found.keys() == expected.keys()
    for method, (subnet, measured, design) in expected.items():
        row = found[method]
        assert [row["cifar10"], row["cifar100"]] == pytest.approx([measured.top1] * 2, abs=0.005)
        energy = energy_model(recipe).of(subnet, measured).energy_j
        assert row["energy"] == pytest.approx(energy * 1e3, rel=5e-3)
        assert row["params"] == pytest.approx(measured.params / 1e6, rel=5e-3)
        assert (row["time_step"], row["design"]) == (subnet.time_step, design)
    texts = [note["text"] for note in done["notes"]]
    assert any("50 test images of runs/cifar10" in text and "50 test images of runs/cifar100" in text for text in texts)


def test_without_test_evaluations_it_has_what_the_search_measured(aspk: Aspk, searched: Path) -> None:
    run = as_if_of(searched, "cifar10")
    done = table(aspk, "table4", "--run", run)
    search = load_population(run)
    assert search.baseline is not None
    best = aspk("report", "--run", run, "--json").document["best"]
    (chosen,) = (each for each in search.candidates if each.id == best)
    found = {row["architecture"].split()[0]: row["cifar10"] for row in yours(done)}
    assert found == {
        "Spikformer-2-24": pytest.approx(search.baseline.measurement.top1, abs=0.005),
        best: pytest.approx(chosen.measurement.top1, abs=0.005),
    }
    text = f"60 validation images of {run}, which it was selected on, 95 % interval"
    assert sum(text in note["text"] for note in done["notes"]) == 1


def test_two_runs_of_one_data_set_have_a_row_each(aspk: Aspk, searched: Path) -> None:
    runs = [as_if_of(searched, "cifar10", name) for name in ("first", "second")]
    done = table(aspk, "table4", *(word for run in runs for word in ("--run", run)))
    assert [row["method"] for row in yours(done)] == ["Spikformer", "evolution search"] * 2


def test_a_run_without_a_search_stands_with_its_test_evaluations(aspk: Aspk, trained: Path) -> None:
    run = as_if_of(trained, "cifar10")
    fault = aspk("report", "--table", "table4", "--run", run)
    assert fault.exit_code == 2
    assert "it has no search and no test evaluation" in fault.stderr
    assert aspk("evaluate", "--subnet", "largest", "--images", "40", "--run", trained, "--quiet").exit_code == 0
    run = as_if_of(trained, "cifar10", "evaluated")
    (row,) = yours(table(aspk, "table4", "--run", run))
    assert row["cifar10"] == pytest.approx(load_evaluations(run)[0].measurement.top1, abs=0.005)
    assert row["cifar100"] is None


def test_table_5_has_the_time_steps_of_each_data_set(aspk: Aspk) -> None:
    small = (
        "space.embed_dim=[16]", "space.mlp_ratio=[2]", "space.num_heads=[2]", "space.depth=[1]", "space.time_step=[2]",
        "train.epochs=1", "train.warmup_epochs=0", "data.train_images=100", "model.calibration_images=16",
        "train.validation_images=20", 'search.baseline="none"', 'data.augment="events"',
    )  # fmt: skip
    options = [word for option in small for word in ("--set", option)]
    assert aspk("train", "quickstart-events", *options, "--quiet").exit_code == 0
    assert aspk("evaluate", "--subnet", "largest", "--images", "20", "--quiet").exit_code == 0
    runs = [as_if_of(Path("runs/quickstart-events"), name) for name in ("cifar10dvs", "dvs128-gesture")]
    done = table(aspk, "table5", "--run", runs[0], "--run", runs[1])
    (row,) = yours(done)
    top1 = load_evaluations(runs[0])[0].measurement.top1
    assert row["method"].startswith("Spikformer")
    assert [row["cifar10dvs_top1"], row["dvs128_top1"]] == pytest.approx([top1] * 2, abs=0.005)
    assert (row["cifar10dvs_time_step"], row["dvs128_time_step"], row["spikes"]) == (2, 2, True)
    marks = done["rows"][-1]["marks"]
    assert (marks["cifar10dvs_top1"], marks["dvs128_top1"]) == ("*", "*")
    fault = aspk("report", "--table", "table4", "--run", runs[0])
    assert "the paper's Table 4 has cifar10 and cifar100, this run is of cifar10dvs" in fault.stderr


def test_table_3_has_the_front_and_the_top_of_a_run_in_its_space(aspk: Aspk, searched: Path) -> None:
    run = as_if_of(searched, "cifar100")
    fault = aspk("report", "--table", "table3", "--run", run)
    assert (fault.exit_code, "its search space is not that of the paper's Table 3" in fault.stderr) == (2, True)

    def in_the_papers_space(text: str) -> str:
        lines = text.splitlines()
        at = lines.index("[space]")
        for place in range(at + 1, len(lines)):
            gene = lines[place].partition(" = ")[0]
            if gene in CIFAR100_SMALL:
                lines[place] = f"{gene} = {CIFAR100_SMALL[gene]}"
        return "\n".join(lines) + "\n"

    population = load_population(run)
    save_population(run, replace(population, recipe_toml=in_the_papers_space(population.recipe_toml)))
    done = table(aspk, "table3", "--run", run, "--top", "2")
    groups = {row["name"]: row["group"] for row in yours(done)}
    report = aspk("report", "--run", run, "--json").document
    accurate = sorted(report["candidates"], key=lambda each: (-each["top1"], each["energy_j"]))[:2]
    assert {name for name, group in groups.items() if "Pareto" in group} == set(report["pareto"])
    assert {name for name, group in groups.items() if "top" in group} == {each["id"] for each in accurate}
    assert groups["baseline"] == "baseline"
    assert {row["part"] for row in yours(done)} == {"A", None}


def test_files_and_formats(aspk: Aspk, searched: Path) -> None:
    for name, beginning in {
        "a.tex": "% \\usepackage",
        "a.md": "**Pareto",
        "a.csv": "id,candidate",
        "a.txt": "Par",
    }.items():
        done = aspk("report", "--table", "front", "--to", name)
        assert (done.exit_code, "error" in done.stderr) == (0, False)
        assert done.stdout.startswith(f"front: {name}, ")
        written = Path(name).read_text(encoding="utf-8")
        assert written.startswith(beginning)
        formats = {"a.tex": "latex", "a.md": "markdown", "a.csv": "csv", "a.txt": "text"}
        shown = aspk("report", "--table", "front", "--format", formats[name]).stdout
        assert [line.rstrip() for line in shown.splitlines()] == written.splitlines()
    aspk("report", "--table", "front", "--to", "a.json")
    assert json.loads(Path("a.json").read_text()) == table(aspk, "front")
    assert json.loads(aspk("report", "--table", "front", "--format", "json").stdout) == table(aspk, "front")


LITERATURE = ("report", "--table", "table5", "--literature", "--format", "csv")


@pytest.mark.parametrize("into_a_file", [False, True])
def test_dev_stdout_gets_the_table_and_nothing_else(aspk: Aspk, into_a_file: bool) -> None:
    command = [sys.executable, "-m", "autospikformer_cli", *LITERATURE, "--to", "/dev/stdout"]
    if into_a_file:
        with Path("a").open("w") as stdout:
            subprocess.run(command, stdout=stdout, check=True)
        assert Path("a").read_text() == aspk(*LITERATURE).stdout
    else:
        assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == aspk(*LITERATURE).stdout
    assert Path("/dev/stdout").is_symlink()


def test_a_fifo_gets_the_table_and_a_link_stays(aspk: Aspk) -> None:
    os.mkfifo("pipe")
    with ThreadPoolExecutor(1) as threads:
        read = threads.submit(Path("pipe").read_text)
        done = aspk(*LITERATURE, "--to", "pipe")
        assert (done.exit_code, done.stdout, read.result()) == (0, "", aspk(*LITERATURE).stdout)
    assert Path("pipe").is_fifo()
    Path("link.csv").symlink_to("a.csv")
    assert aspk(*LITERATURE, "--to", "link.csv").exit_code == 0
    assert Path("link.csv").is_symlink()
    assert Path("a.csv").read_text() == aspk(*LITERATURE).stdout


def test_the_papers_rows_alone_need_no_run(aspk: Aspk) -> None:
    for name, rows in {"table2": 15, "table3": 19, "table4": 22, "table5": 13}.items():
        assert len(table(aspk, name, "--literature")["rows"]) == rows


def test_the_methods_are_those_of_the_store(aspk: Aspk, searched: Path) -> None:
    assert aspk("evaluate", "--subnet", "best", "--images", "50", "--quiet").exit_code == 0
    document = aspk("report", "--methods", "--json").document
    facts, text = document["facts"], document["text"]
    population, training = load_population(searched), read_training(searched)
    recipe, measured = recipe_from_toml(population.recipe_toml, "tiny"), population.provenance
    tested = load_evaluations(searched)[0].provenance
    stored = {
        "dataset": recipe.data.dataset, "split": measured.split, "images": measured.images,
        "split_sha256": measured.split_hash, "batchnorm": measured.batchnorm,
        "calibration_images": measured.calibration_images, "calibration_sha256": measured.calibration_hash,
        "weights_sha256": measured.weights_hash, "imported_from": None, "imported_sha256": None,
        "training_images": 1079, "epochs": training.state.epoch, "training_seed": 0, "engine": measured.engine,
        "precision": measured.precision, "device": measured.device, "space_size": recipe.space.search_space().size(),
        "algorithm": "evolution", "search_seed": recipe.seed, "candidates": len(population.candidates),
        "alpha": recipe.search.alpha, "normalise": recipe.search.normalise,
        "energy_profile": recipe.energy.profile_name, "energy_source": recipe.energy.hardware.source,
        "energy_convention": recipe.energy.convention_name, "fidelity": recipe.fidelity, "test_evaluations": 1,
        **{f"version_{name}": version for name, version in measured.computed_with.items() if name != "threads"},
        **{name: None for name in facts if name.startswith("finish_")},
    }  # fmt: skip
    assert facts == stored
    for said in (
        f"for {training.state.epoch} epochs with AdamW",
        "was trained on 1,079 training images of digits, after 25 % of",
        f"first 16 digits of the SHA-256 of the weights: {measured.weights_hash[:16]}",
        (
            f"at most {recipe.search.generations} generations of {recipe.search.population} candidates, "
            f"{recipe.search.parents} parents"
        ),
        f"measured {len(population.candidates)} subnets",
        (
            f"top-1 on {measured.images} {measured.split} images (first 16 digits of the SHA-256: "
            f"{measured.split_hash[:16]})"
        ),
        (
            f"on {measured.calibration_images} training images without augmentation (first 16 digits of the "
            f"SHA-256: {measured.calibration_hash[:16]})"
        ),
        "event by event, with exact counts of synaptic events, in float32 on cpu",
        "the convention sound: the first layer multiplies the pixels once for each image",
        "a whole number n, which a residual sum of spikes can be, costs n accumulates",
        "cmos45 (45 nm CMOS at 0.9 V, 32-bit floating point): 4.6 pJ for a multiply-accumulate, 0.9 pJ for an accum",
        " ".join(recipe.energy.hardware.source.split()).rstrip("."),
        f"used 50 test images (first 16 digits of the SHA-256: {tested.split_hash[:16]})",
        "1 evaluation of single subnets",
        f"torch {measured.computed_with['torch']}",
        "the reading that aspk calls sound was followed, with one exception in the recipe: search.parents = 3",
        f"measured by aspk (autospikformer-cli {measured.computed_with['autospikformer-cli']}), ",
    ):
        assert said in text
    assert " ".join(aspk("report", "--methods").stdout.split()) == text
    aspk("report", "--methods", "--to", "methods.tex")
    assert "``Computing's energy problem (and what we can do about it)''" in Path("methods.tex").read_text()
    strict = aspk("report", "--methods", "--convention", "strict", "--json").document
    assert strict["facts"]["energy_convention"] == "strict"
    assert "a residual sum of spikes can be, costs one multiply-accumulate" in strict["text"]
    loihi = aspk("report", "--methods", "--profile", "loihi", "--json").document["text"]
    assert "loihi (Intel Loihi, 14 nm FinFET at 0.75 V): 23.6 pJ for an accumulate" in loihi
    assert "multiply-accumulates have no price and are left out" in loihi


@pytest.mark.parametrize("name", ["front", "top"])
def test_the_notes_explain_the_columns_and_advise_nobody(name: str, aspk: Aspk, searched: Path) -> None:
    """In every format. CSV has no place for them: standard error has them."""
    document = table(aspk, name)
    recipe = recipe_from_toml(load_population(searched).recipe_toml, "tiny")
    texts = [note["text"] for note in document["notes"] if not note["mark"]]
    heads = {head for text in texts for head in text.partition(":")[0].split(", ")}
    explained = any("; Acc from, Acc to: its 95 % Wilson interval." in text for text in texts)
    heads |= {"Acc from", "Acc to"} if explained else set()
    assert {column["head"] for column in document["columns"]} <= heads
    (fitness,) = (text for text in texts if text.startswith("F_AEB"))
    bounds = aspk("report", "--json").document["bounds"]
    assert f"with alpha {recipe.search.alpha:g}" in fitness
    assert f"accuracy {bounds['top1'][0]:.2f} to {bounds['top1'][1]:.2f} %, energy " in fitness
    assert any(
        text.startswith("Candidate: (depth, MLP ratios, numbers of heads, thresholds, taus, T, ") for text in texts
    )
    chance = [text for text in texts if text.startswith("The order by accuracy is mostly chance: on 60 validation")]
    assert len(chance) == 1
    for chosen in ("text", "markdown", "latex", "csv"):
        done = aspk("report", "--table", name, "--format", chosen)
        for words in ("measure on more", "search.images", "! "):
            assert words not in done.stdout
        said = " ".join((done.stderr if chosen == "csv" else done.stdout).split())
        assert all(part in said for part in ("mean firing rate, in spikes a neuron and time step", "Wilson interval"))
        assert "measure on more images: search.images" in " ".join(done.stderr.split())
        assert aspk("report", "--table", name, "--format", chosen, "--quiet").stderr == ""


def test_a_search_with_no_and_with_one_candidate(aspk: Aspk, searched: Path) -> None:
    population = load_population(searched)
    for num in (0, 1):
        save_population(searched, replace(population, candidates=population.candidates[:num]))
        for name in ("front", "top"):
            rows = yours(table(aspk, name))
            assert [row["id"] for row in rows] == [*(each.id for each in population.candidates[:num]), "baseline"]
            for chosen in ("text", "markdown", "latex", "csv"):
                assert aspk("report", "--table", name, "--format", chosen).exit_code == 0
        assert f"measured {num} subnet" in aspk("report", "--methods", "--json").document["text"]
    run = as_if_of(searched, "cifar10")
    save_population(run, replace(load_population(run), candidates=()))
    assert [row["method"] for row in yours(table(aspk, "table4", "--run", run))] == ["Spikformer"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--table", "tabel4"), "error: --table: 'tabel4' is no table\n  did you mean table4?"),
        (("--table", "front", "--format", "latx"), "did you mean latex?"),
        (("--table", "front", "--to", "a.docx"), "the name of a.docx does not say a format"),
        (("--table", "front", "--to", "no/a.tex"), "error: no/a.tex: there is no folder no"),
        (("--methods", "--format", "csv"), "'csv' is no format of it"),
        (("--methods", "--table", "front"), "--methods is a text of its own"),
        (("--methods", "--top", "3"), "it acts on tables only"),
        (("--table", "front", "--alpha-sweep"), "--alpha-sweep: it does nothing with --table"),
        (("--table", "front", "--top", "3"), "front lists no top accuracy"),
        (("--table", "front", "--literature"), "the paper has no table front"),
        (("--table", "table4", "--literature", "--alpha", "0.2"), "the paper's rows depend on no run"),
        (("--format", "latex"), "it acts on tables and methods only"),
        (("--table", "front", "--figure", "front"), "--figure: it does nothing with --table"),
        (("--methods", "--best", "3"), "it acts on tables only"),
        (("--table", "table4"), "the paper's Table 4 has cifar10 and cifar100, this run is of digits"),
        (("--table", "table2"), "the paper's Table 2 is of cifar100, this run is of digits"),
        (("--table", "front", "--run", "runs/tiny", "--run", "runs/other"), "--run runs/other: this is of one run"),
        (("--run", "runs/tiny", "--run", "runs/other"), "--run runs/other: this is of one run"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_one_message(aspk: Aspk, searched: Path, words: tuple[str, ...], said: str) -> None:
    done = aspk("report", *words)
    assert (done.exit_code, done.stdout) == (2, "")
    assert said in done.stderr
    assert done.stderr.count("error:") == 1


def test_json_and_another_format_need_a_file(aspk: Aspk, searched: Path) -> None:
    done = aspk("report", "--table", "front", "--format", "csv", "--json")
    assert (done.exit_code, done.document["error"]) == (2, "--json prints JSON, not csv")
    done = aspk("report", "--table", "front", "--format", "csv", "--json", "--to", "a.csv")
    assert done.document == table(aspk, "front")
    assert Path("a.csv").read_text().startswith("id,candidate,")


def test_without_a_run_and_without_a_search(aspk: Aspk, trained_once: tuple[Path, Any]) -> None:
    for words in (("--table", "front"), ("--table", "table4"), ("--methods",)):
        done = aspk("report", *words)
        assert (done.exit_code, "there is no run under runs" in done.stderr) == (2, True)
        done = aspk("report", *words, "--run", trained_once[0])
        assert (done.exit_code, "no search" in done.stderr) == (2, True)


def test_runs_that_cannot_stand_in_one_table(aspk: Aspk, searched: Path) -> None:
    first, second = (as_if_of(searched, "cifar10", name) for name in ("first", "second"))
    twice = aspk("report", "--table", "table4", "--run", first, "--run", first)
    assert (twice.exit_code, "it is named twice" in twice.stderr) == (2, True)
    population = load_population(second)
    strict = population.recipe_toml.replace('convention = "sound"', 'convention = "strict"')
    save_population(second, replace(population, recipe_toml=strict))
    words = ("--table", "table4", "--run", first, "--run", second)
    done = aspk("report", *words)
    assert done.exit_code == 2
    assert "energies under profile cmos45, convention strict; those of" in done.stderr
    assert "give one --profile and one --convention for all runs" in done.stderr
    assert aspk("report", *words, "--convention", "strict").exit_code == 0
    assert aspk("evaluate", "--subnet", "baseline", "--images", "20", "--run", searched, "--quiet").exit_code == 0
    third, fourth = (as_if_of(searched, "cifar10", name) for name in ("third", "fourth"))
    (tested,) = load_evaluations(fourth)
    (fourth / EVALUATIONS_FILE).unlink()
    other = replace(tested, provenance=replace(tested.provenance, split_hash="0" * 64))
    append_evaluation(fourth, other, recipe_name="tiny")
    done = aspk("report", "--table", "table4", "--run", third, "--run", fourth)
    assert (done.exit_code, "20 test images of cifar10 are not those of" in done.stderr) == (2, True)


@pytest.mark.parametrize("name", ["front", "top"])
def test_pandas_reads_the_csv_of_a_run_with_its_units(name: str, aspk: Aspk, searched: Path) -> None:
    """The numbers of --json under heads that say the unit."""
    document = table(aspk, name)
    frame = pd.read_csv(StringIO(aspk("report", "--table", name, "--format", "csv").stdout))
    units = {"%": "_percent", "mJ": "_mJ", "µJ": "_uJ", "nJ": "_nJ", "": ""}
    heads = [f"{column['key']}{units[column['unit']]}" for column in document["columns"]]
    assert frame.columns.tolist() == [*heads, "notes"]
    assert len(frame) == len(document["rows"])
    for column, head in zip(document["columns"], heads, strict=True):
        expected = [row["cells"][column["key"]] for row in document["rows"]]
        if column["key"] in ("energy", "top1", "top1_low", "top1_high", "params"):
            assert frame[head].dtype.kind in "if"
            assert frame[head].tolist() == pytest.approx(expected, abs=1e-12)


def test_a_store_is_never_replaced_by_a_table_or_a_text(aspk: Aspk, searched: Path) -> None:
    present = searched / "searches" / "present"
    stores = [searched / "supernet.h5", present, *sorted((searched / "searches").glob("*.h5"))]
    before = {path: path.read_bytes() for path in stores}
    for path in stores:
        for words in (("--table", "front", "--format", "csv"), ("--methods", "--format", "text")):
            done = aspk("report", *words, "--to", str(path))
            assert done.exit_code == 2
            assert done.stderr == f"error: {path}: this file holds results of a run\n  name another file\n"
    assert {path: path.read_bytes() for path in stores} == before


@pytest.mark.parametrize("words", [
    ("--html", "."), ("--html", ""), ("--html", ".."), ("--table", "front", "--format", "csv", "--to", "."),
])  # fmt: skip
def test_a_folder_is_no_file(words: tuple[str, ...], aspk: Aspk, searched: Path) -> None:
    done = aspk("report", *words)
    assert (done.exit_code, done.stderr.splitlines()[1]) == (2, "  name a file in it")


def test_a_supernet_that_was_trained_on_is_told_everywhere(aspk: Aspk, searched: Path) -> None:
    """Epochs are those of the weights that were measured."""
    checkpoint = load_checkpoint(searched)
    epochs = checkpoint.state.epoch
    assert "weights_remark" in aspk("report", "--json").document
    assert aspk("report", "--json").document["weights_remark"] == ""
    save_checkpoint(searched, replace(checkpoint, state=replace(checkpoint.state, epoch=epochs + 7, chosen_epoch=0)))
    remark = f"measured with weights after {counted(epochs, 'epoch')}; the run's supernet has {epochs + 7} now"
    assert f"! {remark}" in " ".join(aspk("report").stdout.split())
    assert aspk("report", "--json").document["weights_remark"] == remark
    methods = aspk("report", "--methods", "--json").document
    assert methods["facts"]["epochs"] == epochs
    assert f"It was trained for {counted(epochs, 'epoch')}" in aspk("report", "--methods").stdout
    assert remark in repr(page_facts(read_results(searched)))

"""aspk finish: retrained, tested once, stored, resumed at any moment, on any executor, and compared."""

from __future__ import annotations

import csv
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from multiprocessing import active_children
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import numpy as np
import pytest

from autospikformer_cli import finish_search, read_results
from autospikformer_cli.analysis.paired import holm
from autospikformer_cli.analysis.paired_networks import compare_networks
from autospikformer_cli.analysis.selection_bias import on_front, selection_bias
from autospikformer_cli.api import open_finish
from autospikformer_cli.cli.__main__ import main
from autospikformer_cli.cli.documents import DOCUMENTS
from autospikformer_cli.cli.session import plain_text
from autospikformer_cli.data.images import load_split
from autospikformer_cli.errors import UserError
from autospikformer_cli.recipe import changed, recipe_from_toml
from autospikformer_cli.report.finish_methods import finish_sentences
from autospikformer_cli.report.finish_sheet import finish_sheet
from autospikformer_cli.report.finish_table import finish_report
from autospikformer_cli.runs.building import energy_model
from autospikformer_cli.runs.finishing import work
from autospikformer_cli.runs.finishing.options import FinishOptions
from autospikformer_cli.runs.finishing.results import FinishResults, FinishRow
from autospikformer_cli.runs.finishing.statistics import flattery_of
from autospikformer_cli.runs.finishing.stored import read_finished
from autospikformer_cli.say import SILENT, Stop
from autospikformer_cli.store.evaluations import EVALUATIONS_FILE, Evaluation, append_evaluation, load_evaluations
from autospikformer_cli.store.population import load_population, save_population
from autospikformer_cli.store.runs import prepared_run, run_lock
from autospikformer_cli.store.searches import search_names
from autospikformer_cli.store.supernet import (
    load_checkpoint,
    load_weights,
    read_training,
    save_checkpoint,
    weights_hash,
)

Aspk = Callable[..., Any]
ONE = ("finish", "--best", "1", "--epochs", "1")
FINISH = (*ONE, "--seeds", "2")
TRAININGS = 12
"""Two seeds of: the best and the baseline, each retrained and from scratch, and the ANN of both."""
NEXT = (
    "next: aspk report --table finish --to finish.tex --run runs/tiny; aspk report --figures figures --run runs/tiny\n"
)
SEED_0 = (*ONE, "--seeds", "1")
"""Half of that, which a finished run has, too."""


@pytest.fixture(scope="module")
def finished_once(searched_once: tuple[Path, Any], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A finished run. Tests that write to it take a copy: another order of tests would find another run."""
    folder = tmp_path_factory.mktemp("finished") / "tiny"
    shutil.copytree(searched_once[0], folder)
    assert main([*FINISH, "--run", str(folder), "--quiet", "--json"]) == 0
    before = contents(folder)
    yield folder
    assert contents(folder) == before


def contents(run: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in run.rglob("*") if path.is_file()}


@pytest.fixture
def finished(finished_once: Path, own_folder: Path) -> Path:
    """runs/tiny, finished."""
    to = Path("runs") / finished_once.name
    shutil.copytree(finished_once, to)
    return to


def of_seed_0(finished: Path) -> Any:
    """What a finished run says of one training a network, from a copy: the run's own record tells of two."""
    copy = Path("of_seed_0")
    shutil.copytree(finished, copy)
    return without_run(finish_search(copy, best=1, epochs=1, seeds=1))


def document(aspk: Aspk, run: Path, *words: object) -> Any:
    done = aspk(*FINISH, *words, "--run", run, "--json", "--quiet")
    assert done.exit_code == 0, done.stderr
    DOCUMENTS["finish"].model_validate_json(done.stdout)
    return {**done.document, "run": ""}


def answers(evaluations: list[Evaluation]) -> Any:
    packed = [np.frombuffer(each.measurement.answers or b"", np.uint8) for each in evaluations]
    return np.array([np.unpackbits(each)[: evaluations[0].measurement.images] for each in packed]).astype(bool)


def written(run: Path) -> dict[str, int]:
    return {str(path): path.stat().st_mtime_ns for path in run.rglob("*.h5")}


def test_the_table_is_of_what_is_stored(aspk: Aspk, finished: Path) -> None:
    before = written(finished)
    found = document(aspk, finished)
    assert written(finished) == before
    stored = load_evaluations(finished)
    assert len(stored) == TRAININGS + 2
    assert {each.split for each in stored} == {"test"}
    rows = {(row["network"], row["weights"]): row for row in found["rows"]}
    best = read_results(finished).scores.ranked[0]
    assert [each for each in rows if each[0] == best.id] == [
        (best.id, "inherited"), (best.id, "retrained"), (best.id, "from scratch"),
    ]  # fmt: skip
    assert {(row["role"], row["weights"]) for row in found["rows"]} == {
        *((role, way) for role in ("found", "baseline") for way in ("inherited", "retrained", "from scratch")),
        ("ann", "from scratch"),
    }
    assert (found["images"], found["epochs"], found["seeds"], found["all_images"]) == (359, 1, [0, 1], True)
    assert found["train_images"] == 1797 - 359
    for row in found["rows"]:
        own = [each for each in stored if belongs(each, row)]
        assert [each.finetuned.seed if each.finetuned else None for each in own] == [
            each["seed"] for each in row["trainings"]
        ]
        tops = [each.measurement.top1 for each in own]
        assert row["top1"] == pytest.approx(fmean(tops))
        assert row["top1_deviation"] == (None if len(tops) == 1 else pytest.approx(stdev(tops)))
        energy = energy_model(recipe_from_toml(own[0].recipe_toml))
        assert row["energy_j"] == pytest.approx(fmean(energy.of(e.subnet, e.measurement).energy_j for e in own))
        assert row["firing_rate"] is None if row["role"] == "ann" else row["firing_rate"] > 0
        assert row["time_step"] == (1 if row["role"] == "ann" else row["subnet"][-2])
    for each in stored:
        if each.finetuned is not None:
            assert each.finetuned.all_images
            trained = load_checkpoint(finished / "finetuned" / each.finetuned.folder)
            recipe = recipe_from_toml(trained.recipe_toml)
            assert (recipe.seed, recipe.data.validation, trained.state.finished) == (each.finetuned.seed, 0, True)
            assert trained.splits.keys() == {"train"}


def belongs(each: Evaluation, row: Any) -> bool:
    kinds = {"inherited": None, "retrained": False, "from scratch": True}
    kind = None if each.finetuned is None else each.finetuned.from_scratch
    is_ann = recipe_from_toml(each.recipe_toml).model.network == "transformer"
    same = [float(gene) for gene in each.subnet.to_numbers()] == row["subnet"]
    return same and kind is kinds[row["weights"]] and is_ann == (row["role"] == "ann")


def test_differences_are_paired_and_adjusted_together(aspk: Aspk, finished: Path) -> None:
    found, stored = document(aspk, finished), load_evaluations(finished)
    baselines = {row["weights"]: row for row in found["rows"] if row["role"] == "baseline"}
    tested, expected = [], []
    for row in found["rows"]:
        if row["role"] == "baseline":
            assert (row["difference"], row["energy_of_baseline"]) == (None, 1)
            continue
        other = baselines[row["weights"]]
        assert row["energy_of_baseline"] == pytest.approx(row["energy_j"] / other["energy_j"])
        pair = [answers([each for each in stored if belongs(each, which)]) for which in (row, other)]
        expected.append(compare_networks(*pair))
        tested.append(row["difference"])
    assert len(tested) == len(found["rows"]) - 3
    adjusted = holm([each.p_value for each in expected])
    for shown, difference, p_holm in zip(tested, expected, adjusted, strict=True):
        assert shown == {**difference.to_document(), "p_holm": p_holm}


def test_what_choosing_flatters_is_of_the_whole_search(aspk: Aspk, finished: Path) -> None:
    """The best by F_AEB, and the members of a front."""
    (best,) = document(aspk, finished)["flattery"]
    assert best["candidate"] == read_results(finished).scores.ranked[0].id
    assert 0 <= best["top1"] - best["top1_corrected"] == pytest.approx(best["flattery"])
    results = read_results(finished)
    ranked = [alike.best for alike in results.different]
    packed = [np.frombuffer(each.candidate.measurement.answers or b"", np.uint8) for each in ranked]
    right = np.array([np.unpackbits(each)[:60] for each in packed]).astype(bool)
    members = [ranked.index(each) for each in results.front]
    energies = np.array([each.energy_j for each in ranked])
    picks = selection_bias(right, on_front(members, energies)).picks
    assert len(picks) == len(results.front)
    found = flattery_of(results, [each.id for each in results.front], None)
    assert [(each.id, each.accuracy) for each in found] == [
        (member.id, pick) for member, pick in zip(results.front, picks, strict=True)
    ]


def test_evaluate_takes_the_same_training(aspk: Aspk, finished: Path) -> None:
    best = read_results(finished).scores.ranked[0]
    before = written(finished / "finetuned")
    tuned = ("--finetune", "1", "--from-scratch", "--all-images")
    done = aspk("evaluate", "--subnet", best.id, *tuned, "--json").document
    assert written(finished / "finetuned") == before
    (row,) = (
        row for row in document(aspk, finished)["rows"]
        if (row["network"], row["weights"]) == (best.id, "from scratch")
    )  # fmt: skip
    assert done["top1"] == row["trainings"][0]["top1"]


def test_the_printed_table(aspk: Aspk, finished: Path) -> None:
    done = aspk(*FINISH, "--run", finished)
    assert (done.exit_code, done.stderr) == (0, "everything is trained and tested: nothing is left to do\n" + NEXT)
    assert max(map(len, done.stdout.splitlines())) <= 120
    for text in ("ANN of baseline", "retrained", "±", "Corrected", "How these numbers were obtained", "seeds 0, 1",
                 "Test - validation", "of each comparison alone"):  # fmt: skip
        assert text in " ".join(done.stdout.split())
    assert aspk(*FINISH, "--run", finished, "--dry-run").stdout.endswith("  no training is left\n")
    assert "decay_input true" in " ".join(aspk(*FINISH, "--run", finished, "--verbose").stdout.split())
    plan = aspk(*FINISH, "--run", finished, "--dry-run", "--json").document
    assert (plan["trainings"], plan["tests"], plan["networks"]) == (TRAININGS, TRAININGS + 2, len({
        row["network"] for row in document(aspk, finished)["rows"]
    }))  # fmt: skip
    assert plan["images_done"] == plan["images"] == TRAININGS * 1438
    assert plan["seconds"] == 0


def test_stopped_at_any_moment_it_ends_in_the_same_table(
    searched: Path, finished_once: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each call does 29 steps of training, of 23 that an epoch has. All is saved between calls."""
    monkeypatch.setattr(work, "SECONDS_A_PART", 0.0)

    @contextmanager
    def after_some() -> Iterator[Stop]:
        asked = iter([False] * 29)
        yield lambda: next(asked, True)

    calls = 0
    while True:
        try:
            found = finish_search(searched, best=1, epochs=1, seeds=1, interruptible=after_some)
            break
        except KeyboardInterrupt:
            calls += 1
            for folder in (searched / "finetuned").iterdir():
                assert read_training(folder).state.step or read_training(folder).state.finished
    assert calls > 3
    assert without_run(found) == of_seed_0(finished_once)


def without_run(found: Any) -> dict[str, Any]:
    return {**found.to_document(), "run": ""}


def test_killed_and_gone_on_with_it_is_the_same(
    aspk: Aspk, searched: Path, finished_once: Path, background: Callable[..., Any]
) -> None:
    """kill -9 inside an epoch, before the first save of another training, and while the test of that one is stored."""
    expected = aspk(*SEED_0, "--run", shutil.copytree(finished_once, "left-alone"), "--json", "--quiet").stdout
    moments = (
        {"at": "supernet.h5", "number": 7},
        {"at": "supernet.h5", "file": 2, "before": True},
        {"at": "evaluations.h5", "before": True},
    )
    stored = []
    for moment in moments:
        background(*SEED_0, "--run", searched, **moment).kill()
        stored.append(len(load_evaluations(searched)))
    assert stored == [2, 3, 3]
    resumed = aspk(*SEED_0, "--run", searched, "--json", "--quiet").stdout
    assert resumed.replace(str(searched), "RUN") == expected.replace("left-alone", "RUN")


class KillsAWorker:
    """Hears remarks, and kills one worker at the first that tells a result."""

    def __init__(self) -> None:
        self.heard: list[str] = []

    def remark(self, text: str) -> None:
        if " test images (" in text and not any(" test images (" in each for each in self.heard):
            active_children()[0].kill()
        self.heard.append(text)

    progress = SILENT.progress


def test_processes_do_the_same_though_they_are_stopped_and_one_is_killed(searched: Path, finished_once: Path) -> None:
    @contextmanager
    def after_some() -> Iterator[Stop]:
        asked = iter([False] * 9)
        yield lambda: next(asked, True)

    how: dict[str, Any] = {"best": 1, "epochs": 1, "seeds": 1, "executor": "processes", "workers": 2}
    with pytest.raises(KeyboardInterrupt):
        finish_search(searched, **how, interruptible=after_some)
    assert active_children() == []
    begun = list((searched / "finetuned").iterdir())
    assert begun
    for folder in begun:
        assert read_training(folder).state.step or read_training(folder).state.finished

    say = KillsAWorker()
    found = finish_search(searched, **how, say=say)
    assert without_run(found) == of_seed_0(finished_once)
    (loss,) = (each for each in say.heard if "SIGKILL" in each)
    assert loss.endswith("was killed by SIGKILL: 1 go on with its network")
    assert active_children() == []


def test_seeds_that_nobody_trains_are_refused_before_anything_is_planned(aspk: Aspk, searched: Path) -> None:
    done = aspk(*ONE, "--seeds", "100000000", "--dry-run", "--run", searched)
    told = "error: aspk finish: invalid value for '--seeds': Input should be less than or equal to 1000\n"
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr.startswith(told)
    with pytest.raises(UserError, match="100,000,000 seeds are too many"):
        finish_search(searched, seeds=100_000_000)


def test_a_run_that_another_process_writes_to_is_left_alone(aspk: Aspk, searched: Path) -> None:
    """Nothing is tested before that is known."""
    with run_lock(searched, "aspk finish"):
        done = aspk(*SEED_0, "--run", searched)
    assert (done.exit_code, done.stdout) == (2, "")
    assert f"{searched} is in use by process " in done.stderr
    assert "(aspk finish)" in done.stderr
    assert not (searched / EVALUATIONS_FILE).exists()


def test_keys_that_decide_nothing_of_a_subnet_alone_are_told_and_train_nothing_anew(aspk: Aspk, finished: Path) -> None:
    before = written(finished)
    keys = ("--set", 'train.sampling="sandwich"', "--set", "train.matrix_lr=0.05")
    done = aspk(*FINISH, *keys, "--run", finished, "--json")
    assert (done.exit_code, done.document["training_keys"]) == (0, [])
    assert "train.sampling decides nothing here: not used\n" in done.stderr
    assert 'train.matrix_lr decides nothing here: it needs train.optimizer = "muon"\n' in done.stderr
    assert written(finished) == before


def test_a_training_that_diverges_is_named_and_the_others_go_on(aspk: Aspk, searched: Path) -> None:
    words = (*SEED_0, "--set", "train.lr=1e30", "--set", "train.weight_decay=0")
    done = aspk(*words, "--run", searched)
    assert done.exit_code == 2
    assert "Traceback" not in done.stderr
    # Whichever is seen first.
    broken = r"(the (loss|gradient) of subnet .+ is|weights or statistics are) not finite in epoch 1, step "
    for text in (done.stderr, " ".join(done.stdout.split())):
        assert re.search(f"! baseline, retrained, seed 0: {broken}", text)
    assert "the others go on" in done.stderr
    again = aspk(*words, "--run", searched, "--json")
    assert again.exit_code == 2
    assert again.document["training_keys"] == ["train.lr = 1e+30", "train.weight_decay = 0.0"]
    assert "otherwise than the supernet was trained: train.lr = 1e+30" in done.stdout
    rows = {(row["network"], row["weights"]): row for row in again.document["rows"]}
    assert rows["baseline", "inherited"]["top1"] > 20
    row = rows["baseline", "retrained"]
    assert (row["top1"], row["trainings"], len(row["diverged"])) == (None, [], 1)
    sheet = aspk("report", "--table", "finish", "--run", searched, "--json").document
    (shown,) = (
        each for each in sheet["rows"]
        if (each["cells"]["network"], each["cells"]["weights"]) == ("baseline", "retrained")
    )  # fmt: skip
    (note,) = (each["text"] for each in sheet["notes"] if each["mark"] == shown["marks"]["network"])
    assert re.match(f"the training with seed 0 diverged: {broken}", note)
    assert shown["cells"]["top1"] is None
    assert "everything is trained and tested" in again.stderr
    assert "diverged, so the table is not whole: exit code 2" in again.stderr


def test_a_training_that_cannot_go_on_ends_no_other(aspk: Aspk, searched: Path) -> None:
    options = FinishOptions(best=1, epochs=1, seeds=1, from_scratch=False)
    first, *others = (task for task in open_finish(searched, (), None, options, None, SILENT).tasks if task.retraining)
    assert others
    words = ("finish", "--best", "1", "--epochs", "1", "--seeds", "1", "--no-from-scratch", "--run", searched)
    with run_lock(prepared_run(first.retraining.folder), "another"):
        done = aspk(*words)
        assert (done.exit_code, done.stdout) == (2, "")
        assert f"! {first.label}: {first.retraining.folder} is in use by process " in " ".join(done.stderr.split())
        assert "1 of 4 networks could not be trained; the others are." in done.stderr
    assert all(task.retraining.seconds is not None for task in others)
    again = aspk(*words)
    assert again.exit_code == 0
    assert "1 training of 1 epoch, 1 test to do of 4" in again.stderr


def folders_of(run: Path) -> list[Path]:
    """The baseline's trainings with seed 0: one with inherited weights, and one from scratch with the same genes."""
    trained = recipe_from_toml(read_training(run).recipe_toml)
    genes = "_".join(str(trained.baseline()).strip("()").split(", "))
    own = []
    for folder in (run / "finetuned").glob(f"{genes}-*"):
        recipe = recipe_from_toml(read_training(folder).recipe_toml)
        if (recipe.seed, recipe.model.network) == (0, trained.model.network):
            own.append(folder)
    return sorted(own, key=lambda each: "scratch" in each.name)


def refused_folder(aspk: Aspk, run: Path, folder: Path, what: str) -> None:
    """finish refuses it with the remedy that suits it, and stores nothing."""
    (run / EVALUATIONS_FILE).unlink(missing_ok=True)
    for words in (SEED_0, (*SEED_0, "--dry-run")):
        done = aspk(*words, "--run", run)
        assert (done.exit_code, done.stdout) == (2, "")
        fix = f"remove the folder {folder} and run the same command again: it is then trained anew"
        assert what in done.stderr, done.stderr
        assert done.stderr.endswith(f"\n  {fix}\n")
    assert not (run / EVALUATIONS_FILE).exists()


def test_a_training_that_was_copied_from_another_folder_is_not_believed(aspk: Aspk, finished: Path) -> None:
    one, other = folders_of(finished)
    shutil.copy(other / "supernet.h5", one / "supernet.h5")
    refused_folder(aspk, finished, one, f"error: {one}: it holds another training, that of {other.name}\n")
    done = aspk("train", "tiny.toml", "--run", other)
    assert (done.exit_code, done.stdout) == (2, "")
    assert f"it holds a subnet that was trained alone, {other.name}" in done.stderr
    (other / "divergence.json").write_text('{"why": "the loss is not finite", "folder": "another"}')
    done = aspk(*SEED_0, "--run", finished)
    assert (done.exit_code, done.stdout) == (2, "")
    told = "divergence.json: it is of another training, another\n  delete it: the training is then done again\n"
    assert done.stderr.endswith(told)


def test_a_training_on_other_images_is_not_believed(aspk: Aspk, finished: Path) -> None:
    """As after another seed of the supernet in the same folder: a test image may have been trained on."""
    folder = folders_of(finished)[1]
    checkpoint = load_checkpoint(folder)
    save_checkpoint(folder, replace(checkpoint, splits={"train": "0" * 64}))
    (finished / EVALUATIONS_FILE).unlink()
    told = "the train images are not those that this run was trained with\n  remove the folder "
    done = aspk(*SEED_0, "--executor", "in-process", "--run", finished)
    assert (done.exit_code, told in done.stderr) == (2, True), done.stderr
    tuned = ("--finetune", "1", "--from-scratch", "--all-images")
    done = aspk("evaluate", "--subnet", "baseline", *tuned, "--run", finished)
    assert (done.exit_code, told in done.stderr) == (2, True), done.stderr


def test_a_damaged_training_is_done_anew_once_its_folder_is_gone(aspk: Aspk, finished: Path) -> None:
    folder = folders_of(finished)[0]
    (folder / "supernet.h5").write_bytes(b"no file of ours")
    refused_folder(aspk, finished, folder, "supernet.h5: not an HDF5 file\n")
    shutil.rmtree(folder)
    tuned = ("evaluate", "--subnet", "baseline", "--finetune", "1", "--all-images", "--run", finished)
    assert aspk(*tuned).exit_code == 0
    assert read_training(folder).state.finished


def test_a_damaged_training_whose_result_is_stored_is_named_and_not_needed(aspk: Aspk, finished: Path) -> None:
    folder = folders_of(finished)[0]
    whole = (folder / "supernet.h5").read_bytes()
    (folder / "supernet.h5").write_bytes(whole[: len(whole) // 2])
    before = load_evaluations(finished)
    plan, done = (aspk(*SEED_0, *more, "--run", finished, "--json") for more in (("--dry-run",), ()))
    for each in (plan, done):
        assert each.exit_code == 0, each.stderr
        assert f"{folder}/supernet.h5: damaged or cut short" in each.stderr
        assert "its result is stored, so it is not trained anew\n" in each.stderr
    assert plan.document["images_done"] == plan.document["images"]
    assert plan.document["seconds"] == 0
    assert "everything is trained and tested: nothing is left to do" in done.stderr
    assert load_evaluations(finished) == before


def test_inherited_weights_are_retrained_for_a_fifth_of_the_epochs(aspk: Aspk, searched: Path) -> None:
    """Without trainings from scratch there is neither family nor ANN."""
    words = ("finish", "--best", "1", "--seeds", "1", "--run", searched)
    plan = aspk(*words, "--epochs", "6", "--dry-run", "--json").document
    assert (plan["epochs"], plan["retrained_epochs"]) == (6, 2)
    assert plan["images"] == (2 * 2 + 4 * 6) * 1438
    plan = aspk(*words, "--epochs", "6", "--no-from-scratch", "--dry-run", "--json").document
    assert (plan["epochs"], plan["retrained_epochs"]) == (None, 2)
    assert (plan["networks"], plan["trainings"], plan["tests"], plan["images"]) == (2, 2, 4, 2 * 2 * 1438)
    done = aspk(*words, "--retrained-epochs", "2", "--no-from-scratch", "--threads", "1", "--json")
    assert "2 trainings of 2 epochs, 4 tests to do of 4, on 1,438 images each" in done.stderr
    rows = done.document["rows"]
    assert [(row["role"], row["weights"]) for row in rows] == [
        (role, way) for role in ("found", "baseline") for way in ("inherited", "retrained")
    ]
    assert {each.finetuned.epochs for each in load_evaluations(searched) if each.finetuned} == {2}


def test_data_train_images_restricts_the_last_trainings_too(aspk: Aspk, searched: Path) -> None:
    """They are taken of all images that are not tested. The plan reads the keys that the trainings have."""
    run = rewritten(searched, 'train_images = "none"', "train_images = 1200")
    words = ("finish", "--best", "1", "--epochs", "2", "--seeds", "1", "--run", run)
    plan = aspk(*words, "--dry-run", "--json").document
    assert (plan["train_images"], plan["images"]) == (1200, (2 * 1 + 4 * 2) * 1200)
    finishing = open_finish(run, (), None, FinishOptions(1, 2, None, True, 1), None, SILENT)
    (data,) = {task.retraining.recipe.data for task in finishing.tasks if task.retraining is not None}
    assert (data.validation, data.train_images) == (0, 1200)
    assert len(load_split(data, 0, "train")) == 1200


def test_table_4_has_means_over_seeds_and_the_ann(aspk: Aspk, finished: Path) -> None:
    found = document(aspk, finished)
    run = as_if_of_cifar10(finished)
    done = aspk("report", "--table", "table4", "--run", run, "--json").document
    yours = [row["cells"] for row in done["rows"] if row["source"] == "yours"]
    assert sorted(row["cifar10"] for row in yours) == pytest.approx(
        sorted(row["top1"] for row in found["rows"]), abs=0.0051
    )
    alone = [row for row in yours if row["method"] == "ANN, trained alone"]
    assert len(alone) == sum(row["role"] == "ann" for row in found["rows"])
    assert {row["time_step"] for row in alone} == {1}
    assert sum("mean of 2 trainings, standard deviation" in note["text"] for note in done["notes"]) == len(yours) - 2


def test_table_4_has_no_mean_of_trainings_that_differ_in_more_than_the_seed(aspk: Aspk, finished: Path) -> None:
    """Another learning rate, another precision and earlier weights of the supernet: none joins a mean."""
    run = as_if_of_cifar10(finished)
    before = own_rows(aspk, run)
    stored = load_evaluations(run)
    tuned, inherited = (next(each for each in stored if (each.finetuned is None) is kind) for kind in (False, True))
    assert tuned.finetuned is not None
    recipe, seed_7 = recipe_from_toml(tuned.recipe_toml), replace(tuned.finetuned, seed=7)
    assert tuned.finetuned.first_weights == weights_hash(load_weights(run))
    worst = replace(tuned.measurement, correct=0)
    for other in (
        replace(tuned, finetuned=seed_7, recipe_toml=changed(recipe, {"train.lr": 0.125}).to_toml()),
        replace(tuned, finetuned=seed_7, provenance=replace(tuned.provenance, precision="float64")),
        replace(tuned, finetuned=replace(seed_7, first_weights="0" * 64)),
        replace(inherited, provenance=replace(inherited.provenance, weights_hash="0" * 64)),
    ):
        append_evaluation(run, replace(other, measurement=worst), recipe_name="tiny")
    after = own_rows(aspk, run)
    assert len(after) == len(before) + 2
    assert [row for row in after if row in before] == before
    words = [note for top1, note in after if top1 == 0]
    assert ["train.lr = 0.125: " in words[0], "in float64: " in words[1]] == [True, True], words
    text = aspk("report", "--table", "table4", "--run", run, "--quiet").stdout
    assert "2 evaluations of earlier weights of the supernet are left out" in " ".join(text.split())


def own_rows(aspk: Aspk, run: Path) -> list[tuple[float, str]]:
    """The accuracy and the note of each own row of Table 4."""
    done = aspk("report", "--table", "table4", "--run", run, "--json").document
    notes = {note["mark"]: note["text"] for note in done["notes"]}
    own = [row for row in done["rows"] if row["source"] == "yours"]
    return [(row["cells"]["cifar10"], notes[row["marks"]["architecture"]].replace("; ", ": ")) for row in own]


def test_the_stored_table_is_reported_in_every_format(aspk: Aspk, finished: Path) -> None:
    """It is what aspk finish prints, and no image is read."""
    printed = aspk(*FINISH, "--run", finished, "--quiet").stdout
    (stored,) = (finished / "finished").iterdir()
    taken = aspk("report", "--table", "front", "--format", "json", "--to", stored, "--run", finished)
    assert taken.stderr == f"error: {stored}: this file holds results of a run\n  name another file\n"
    (finished / "finished").rename("kept")
    done = aspk("report", "--table", "finish", "--run", finished)
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr.endswith("  retrain and test it: aspk finish --run runs/tiny\n")
    Path("kept").rename(finished / "finished")
    words = ("report", "--table", "finish", "--run", finished)
    assert aspk(*words).stdout == printed
    found, sheet = document(aspk, finished), aspk(*words, "--json").document
    DOCUMENTS["report --table"].model_validate(sheet)
    assert len(sheet["rows"]) == len(found["rows"])
    for row, shown in zip(found["rows"], sheet["rows"], strict=True):
        cells = shown["cells"]
        assert (cells["network"], cells["weights"], cells["params"]) == (row["network"], row["weights"], row["params"])
        assert (cells["top1"], cells["p"] is None) == (pytest.approx(row["top1"], abs=0.0051), not row["difference"])
        guessing = [each["seed"] for each in row["trainings"] if each["is_guessing"]]
        assert ("network" in shown["marks"]) == bool(guessing)
    aspk(*words, "--to", "finish.csv")
    table = list(csv.DictReader(Path("finish.csv").read_text().splitlines()))
    assert [row["energy_of_baseline"] for row in table] == [f"{row['energy_of_baseline']:.2f}" for row in found["rows"]]
    latex = aspk(*words, "--format", "latex", "--quiet").stdout
    assert "\\setlength{\\tabcolsep}" in latex
    assert not re.search(r"(?<!\\)[%_&](?! \\)", latex.split("\\toprule")[1].replace(" & ", " "))
    assert "0.00 of" not in latex
    other = aspk(*words, "--alpha", "0.3")
    assert other.exit_code == 2
    assert "search.alpha decides nothing of the table of aspk finish\n  leave it out\n" in other.stderr
    text = aspk("report", "--methods", "--run", finished, "--json").document
    assert "with 2 seeds (0, 1), on 1,438 images, those of validation among them" in text["text"]
    assert (text["facts"]["finish_tests"], text["facts"]["finish_epochs"]) == (TRAININGS + 2, 1)


@pytest.mark.parametrize("width", [80, 100, 160])
def test_it_is_a_table_at_any_width_of_a_usual_terminal(finished_once: Path, width: int) -> None:
    lines = plain_text(finish_report(read_finished(finished_once)), width).splitlines()
    rows = [line for line in lines if line.startswith(("baseline", "ANN of"))]
    assert len(rows) >= 4
    assert max(map(len, lines)) <= max(width, 100)
    text = " ".join(lines)
    if width != 100:  # there it depends on how long the numbers are
        assert ("not shown at this width" in text) == (width < 100)
    assert "of base: share of the baseline's energy" in text
    assert "other weights" not in text


def guessing_in(found: FinishResults, seeds: set[int]) -> FinishResults:
    """The baseline from scratch has no right answer with these seeds; all others have only right ones."""

    def answered(row: FinishRow, each: Any) -> Any:
        measured = each.evaluation.measurement
        is_wrong = row.label == "baseline, from scratch" and each.seed in seeds
        changed = replace(measured, correct=0 if is_wrong else measured.images)
        return replace(each, evaluation=replace(each.evaluation, measurement=changed))

    rows = (replace(row, tested=tuple(answered(row, each) for each in row.tested)) for row in found.rows)
    return replace(found, rows=tuple(rows))


def test_a_mean_of_which_one_training_guesses_is_not_marked_and_the_training_is_named(finished_once: Path) -> None:
    found = read_finished(finished_once)
    text = " ".join(plain_text(finish_report(guessing_in(found, {1})), 160).split())
    assert "50.00 ± 70.71 " in text
    assert (
        "no better than guessing one of 10 classes (its 95 % interval reaches 10 %): baseline, from scratch, seed 1 of "
        "2 trainings"
    ) in text
    assert "?" not in text
    (noted,) = (note.text for note in finish_sheet(guessing_in(found, {1})).notes if "guessing" in note.text)
    assert noted.startswith("seed 1 of 2 trainings: no better than guessing")
    said = " ".join(finish_sentences(guessing_in(found, {1})))
    assert (
        "Of these tests, 1 shows an accuracy no better than guessing one of 10 classes (baseline, from scratch, seed 1 "
        "of 2 trainings)."
    ) in said
    text = " ".join(plain_text(finish_report(guessing_in(found, {0, 1})), 160).split())
    assert "0.00 ± 0.00? " in text
    assert "? no better than guessing" in text
    assert "baseline, from scratch, seeds 0, 1 of 2 trainings" in text
    assert "guessing" not in " ".join(finish_sentences(guessing_in(found, set())))


def test_the_methods_say_which_networks_began_with_which_weights(finished_once: Path) -> None:
    found = read_finished(finished_once)
    said = " ".join(finish_sentences(found))
    assert (
        "The subnet and the baseline were trained alone, for 1 epoch from the supernet's weights and for 1 epoch from "
        "random first weights. The ANNs were trained for 1 epoch from random first weights only. Each was trained "
        "with 2 seeds (0, 1), on 1,438 images, those of validation among them."
    ) in said
    without = replace(found, epochs=None, rows=tuple(row for row in found.rows if row.way != "from scratch"))
    said = " ".join(finish_sentences(without))
    assert "for 1 epoch from the supernet's weights. Each was trained" in said


def test_a_search_that_was_done_anew_has_no_table(aspk: Aspk, finished: Path) -> None:
    population = load_population(finished)
    best = read_results(finished).scores.ranked[0].candidate
    other = next(each for each in population.candidates if each.subnet != best.subnet)
    swapped = {best.id: replace(other, id=best.id), other.id: replace(best, id=other.id)}
    candidates = tuple(swapped.get(each.id, each) for each in population.candidates)
    save_population(finished, replace(population, candidates=candidates))
    done = aspk("report", "--table", "finish", "--run", finished)
    assert (done.exit_code, done.stdout) == (2, "")
    assert f"{best.id} is another subnet now" in done.stderr


def as_if_of_cifar10(run: Path) -> Path:
    """A copy of a run whose files say that it is of CIFAR10."""
    return rewritten(run, 'dataset = "digits"', 'dataset = "cifar10"')


def rewritten(run: Path, before: str, after: str) -> Path:
    """A copy of a run with another text in all of its recipes."""
    copy = run.parent / "rewritten"
    shutil.copytree(run, copy)

    def reworded(text: str) -> str:
        assert before in text
        return text.replace(before, after)

    checkpoint = load_checkpoint(copy)
    save_checkpoint(copy, replace(checkpoint, recipe_toml=reworded(checkpoint.recipe_toml)))
    for name in search_names(copy):
        population = load_population(copy, name)
        save_population(copy, replace(population, recipe_toml=reworded(population.recipe_toml)))
    evaluations = load_evaluations(copy)
    (copy / EVALUATIONS_FILE).unlink(missing_ok=True)
    for each in evaluations:
        append_evaluation(copy, replace(each, recipe_toml=reworded(each.recipe_toml)), recipe_name="tiny")
    return copy


@pytest.mark.parametrize(
    ("words", "what"),
    [
        (
            ["--set", "search.limits.top1=100"],
            "search.limits: no subnet keeps to the limits: search.limits.top1 excluded 100 % of 18 measured subnets",
        ),
        (
            ["--executor", "in-process", "--workers", "2"],
            "--workers: 2 workers do not fit in one process\n  add --executor processes",
        ),
        (["--address", "auto"], "--address"),
        (["--executor", "rai"], "--executor rai: 'rai' is not one of the executors"),
        (["--search", "nothing"], "no search"),
        (
            ["--set", "model.decay_input=false"],
            "trained with model.decay_input = true, which cannot change here\n  leave out --set model.decay_input",
        ),
        (["--set", "model.calibration_images=16"], "it was trained with model.calibration_images = 32"),
        (["--set", "space.depth=[1]"], "it was trained with space.depth = [1, 2], which cannot change here"),
        (["--set", "data.train_images=100"], 'it was trained with data.train_images = "none"'),
        (
            ["--set", "search.baseline=[1, 2, 2, 1, 2, 2, 16]"],
            "runs/tiny: search.baseline: search evolution-alpha0.5-seed0 was compared with the baseline (",
        ),
        (["--set", "train.epochs=3"], "--set train.epochs: train.epochs is given twice, by --epochs and by --set\n"),
    ],
)
def test_mistakes(aspk: Aspk, searched: Path, words: list[str], what: str) -> None:
    done = aspk(*FINISH, *words, "--run", searched)
    assert (done.exit_code, done.stdout) == (2, "")
    assert what in done.stderr, done.stderr
    assert not (searched / "finetuned").exists()


def test_a_front_that_is_empty(aspk: Aspk, searched: Path) -> None:
    population = load_population(searched)
    save_population(searched, replace(population, candidates=(), hypervolume=None))
    done = aspk("finish", "--run", searched)
    assert (done.exit_code, done.stdout) == (2, "")
    assert "the Pareto front is empty: no candidate is measured\n  search on: aspk search --run" in done.stderr


def test_a_search_by_test_images(aspk: Aspk, searched: Path) -> None:
    words = ("--set", 'search.split="test"', "--set", "search.generations=1")
    assert aspk("search", "--run", searched, *words, "--quiet").exit_code == 0
    done = aspk("finish", "--run", searched)
    assert (done.exit_code, done.stdout) == (2, "")
    assert "its search chose among subnets by test images: no unbiased test accuracy is left" in done.stderr


def test_a_recipe_without_validation_images(aspk: Aspk) -> None:
    words = ("--set", "data.validation=0", "--set", "train.epochs=1", "--set", "train.warmup_epochs=0")
    assert aspk("train", "tiny.toml", *words, "--quiet").exit_code == 0
    done = aspk("finish")
    assert (done.exit_code, done.stdout) == (2, "")
    assert "data.validation: its recipe holds out no validation images" in done.stderr


def test_before_a_search(aspk: Aspk, trained: Path) -> None:
    done = aspk("finish", "--run", trained)
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr == "error: runs/tiny has no search\n  search first: aspk search --run runs/tiny\n"

"""aspk evaluate: one subnet on a split, inherited or retrained, with its predictions; what is outside is refused."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from autospikformer_cli.data.images import load_split
from autospikformer_cli.recipe import load_recipe
from autospikformer_cli.store.evaluations import load_evaluations
from autospikformer_cli.store.files import get, open_h5
from autospikformer_cli.store.population import load_population
from autospikformer_cli.store.supernet import load_checkpoint, load_weights, weights_hash

Aspk = Callable[..., Any]
Once = tuple[Path, Any]

KEYS = {"subnet", "split", "images", "top1", "params", "energy_j", "firing_rate", "batchnorm", "fidelity"}
LARGEST = [2, 3, 3, 4, 4, 1, 1, 2, 2, 3, 24]
SMALLEST = [1, 2, 2, 1, 2, 2, 16]


def test_the_document(aspk: Aspk, searched: Path, searched_once: Once) -> None:
    done = aspk("evaluate", "--json")
    assert done.exit_code == 0
    document, best = done.document, searched_once[1]["candidates"][0]
    recipe = load_recipe("tiny.toml")
    test = load_split(recipe.data, recipe.seed, "test")

    assert set(document) >= KEYS
    assert "inherited" not in document
    assert document["subnet"] == best["subnet"]
    assert (document["split"], document["images"]) == ("test", len(test)) == ("test", 359)
    assert document["params"] == best["params"]
    assert (document["batchnorm"], document["fidelity"], document["weights"]) == ("recalibrate", "sound", "inherited")
    assert document["calibration_images"] == 32
    assert 0 < document["firing_rate"] < 1
    assert 0 < document["energy_j"] < 1e-3

    (stored,) = load_evaluations(searched)
    assert stored.subnet.to_numbers() == document["subnet"]
    assert (stored.split, stored.finetuned) == ("test", None)
    assert stored.measurement.top1 == document["top1"]
    assert stored.measurement.firing_rate == document["firing_rate"]
    assert stored.provenance.split_hash == test.hash
    assert stored.provenance.weights_hash == weights_hash(load_weights(searched))


def test_other_calibration_images_are_told(aspk: Aspk, trained: Path) -> None:
    command = ("evaluate", "--subnet", "largest", "--json")
    three = aspk(*command, "--set", "model.calibration_images=3").document
    assert (three["calibration_images"], aspk(*command).document["calibration_images"]) == (3, 32)
    running = aspk(*command, "--set", 'model.batchnorm="running"').document
    assert (running["batchnorm"], running["calibration_images"]) == ("running", None)


def test_on_the_searchs_images_it_is_the_searchs_result(aspk: Aspk, searched: Path, searched_once: Once) -> None:
    candidates = searched_once[1]["candidates"]
    for words, expected in (
        (("--subnet", "best"), candidates[0]),
        (("--subnet", candidates[3]["id"]), candidates[3]),
        (("--subnet", "baseline"), searched_once[1]["baseline"]),
        (("--subnet", str(candidates[5]["subnet"])), candidates[5]),
    ):
        document = aspk("evaluate", *words, "--split", "validation", "--images", "60", "--json").document
        for key in ("subnet", "top1", "energy_j", "params", "firing_rate", "images"):
            assert document[key] == expected[key]


def test_best_is_what_the_search_calls_so(aspk: Aspk, trained: Path) -> None:
    options = ("--alpha", "1", "--set", "search.generations=1", "--set", 'energy.convention="paper"')
    best = aspk("search", *options, "--json").document["candidates"][0]
    document = aspk("evaluate", "--split", "validation", "--images", "60", "--json").document
    assert (document["subnet"], document["energy_j"]) == (best["subnet"], best["energy_j"])
    other = aspk("evaluate", "--set", "search.alpha=0", "--images", "1", "--json").document
    assert other["subnet"] == best["subnet"], "under another alpha it is not chosen again"
    assert other["remarks"]


def test_words_and_tuples_name_subnets(aspk: Aspk, trained: Path) -> None:
    for text, subnet in (
        ("largest", LARGEST),
        ("smallest", SMALLEST),
        ("baseline", LARGEST),
        ("(1, 2, 2, 0.8, 1.25, 2, 16)", [1, 2, 2, 0.8, 1.25, 2, 16]),
        ("[1, 2, 2, 0.80, 1.25, 2, 16]", [1, 2, 2, 0.8, 1.25, 2, 16]),
    ):
        document = aspk("evaluate", "--subnet", text, "--images", "4", "--json").document
        assert (document["subnet"], document["images"]) == (subnet, 4)
    assert len(load_evaluations(trained)) == 5


def test_a_table_for_a_reader(aspk: Aspk, trained: Path) -> None:
    done = aspk("evaluate", "--subnet", "smallest", "--images", "10", "--quiet")
    assert (done.exit_code, done.stderr) == (0, "")
    assert done.stdout.startswith("Evaluation in runs/tiny")
    assert "(1, 2, 2, 1, 2, 2, 16)" in done.stdout
    assert "of 10 test images" in done.stdout
    told = "SOPs: rate x T x MACs. Synaptic events (aspk evaluate): as executed, so without what a padded convolution's"
    assert told in " ".join(done.stdout.split())
    priced = aspk("energy", "--subnet", "smallest", "--quiet")
    assert told in " ".join(priced.stdout.split())
    exact = aspk("evaluate", "--subnet", "smallest", "--images", "10", "--set", 'energy.convention="border-exact"')
    assert "SOPs" not in exact.stdout
    assert exact.stderr.endswith("next: aspk search --run runs/tiny\n")


def test_predictions(aspk: Aspk, trained: Path) -> None:
    done = aspk("evaluate", "--subnet", "largest", "--images", "50", "--predictions", "made.h5", "--json")
    assert "predictions written to made.h5\n" in done.stderr
    recipe = load_recipe("tiny.toml")
    with open_h5(Path("made.h5"), "predictions") as file:
        logits, labels, index = (get(file, name) for name in ("logits", "labels", "index"))
    test = load_split(recipe.data, recipe.seed, "test").first(50)

    assert logits.shape == (50, 10)
    assert np.array_equal(labels, test.labels.numpy())
    assert np.array_equal(index, test.index.numpy())
    assert done.document["top1"] == 100 * np.sum(logits.argmax(-1) == labels) / 50


def test_splits_share_no_image(aspk: Aspk, trained: Path) -> None:
    places = {}
    for split in ("train", "validation", "test"):
        file = Path(f"{split}.h5")
        document = aspk("evaluate", "--subnet", "smallest", "--split", split, "--predictions", file, "--json").document
        assert document["split"] == split
        with open_h5(file, "predictions") as predictions:
            places[split] = set(get(predictions, "index").tolist())
        assert len(places[split]) == document["images"]
    assert sum(map(len, places.values())) == len(set.union(*places.values())) == 1797
    assert len({evaluation.provenance.split_hash for evaluation in load_evaluations(trained)}) == 3


@pytest.mark.shared
def test_training_and_search_read_no_test_image(aspk: Aspk, tmp_path: Path, cifar10_root: Path) -> None:
    root = tmp_path / "training part"
    shutil.copytree(cifar10_root, root)
    (root / "cifar-10-batches-py" / "test_batch").unlink()
    cifar = (
        "--set", f'data.root="{root}"', "--set", "data.validation=0.9975", "--set", "train.validation_images=8",
        "--set", "search.images=8", "--set", "search.population=2", "--set", "search.parents=1",
        "--set", "search.generations=1",
    )  # fmt: skip
    recipe = tmp_path / "cifar.toml"
    recipe.write_text('extends = "tiny.toml"\n[data]\ndataset = "cifar10"\n[train]\nepochs = 1\nwarmup_epochs = 0\n')
    assert aspk("train", recipe, *cifar).exit_code == 0
    assert len(aspk("search", "--json").document["candidates"]) == 2
    done = aspk("evaluate")
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr == (
        f"error: data.root: cifar10 in {root}/cifar-10-batches-py is incomplete or damaged: test_batch\n"
        "  replace these files, or set data.download = true to fetch the data set again\n"
    )
    assert load_evaluations(Path("runs/cifar")) == ()


def test_finetuned_stands_beside_inherited(aspk: Aspk, trained: Path) -> None:
    options = ("--subnet", "smallest", "--finetune", "1", "--json")
    tuned = aspk("evaluate", *options)
    scratch = aspk("evaluate", *options, "--from-scratch")
    assert (tuned.exit_code, scratch.exit_code) == (0, 0)
    assert " val=" in tuned.stderr, "one subnet has one accuracy"
    assert "val_smallest" not in tuned.stderr
    assert tuned.document["weights"] == "fine-tuned, 1 epoch"
    assert scratch.document["weights"] == "from scratch, 1 epoch"
    for document in (tuned.document, scratch.document):
        assert set(document) >= KEYS | {"inherited"}
        assert document["inherited"] == tuned.document["inherited"]
        assert document["subnet"] == document["inherited"]["subnet"] == SMALLEST
        assert document["params"] == document["inherited"]["params"]
    assert tuned.document["firing_rate"] != scratch.document["firing_rate"]

    inherited, first, again, second = load_evaluations(trained)
    assert inherited.finetuned is None
    assert again.finetuned is None
    assert first.finetuned is not None
    assert second.finetuned is not None
    assert (first.finetuned.epochs, first.finetuned.from_scratch) == (1, False)
    assert (second.finetuned.epochs, second.finetuned.from_scratch) == (1, True)
    hashes = {evaluation.provenance.weights_hash for evaluation in (inherited, first, second)}
    assert hashes == {weights_hash(load_weights(trained)), first.finetuned.weights_hash, second.finetuned.weights_hash}
    assert len(hashes) == 3
    assert first.measurement.top1 == tuned.document["top1"]

    folders = set((trained / "finetuned").iterdir())
    assert sorted(folder.name.rpartition("-")[0] for folder in folders) == [
        "1_2_2_1_2_2_16-1-epochs",
        "1_2_2_1_2_2_16-1-epochs-from-scratch",
    ]
    assert aspk("evaluate", *options).document == tuned.document
    assert set((trained / "finetuned").iterdir()) == folders
    assert [run["name"] for run in aspk("runs", "--json").document["runs"]] == ["tiny"]


def test_other_settings_are_another_retraining(aspk: Aspk, trained: Path) -> None:
    options = ("--subnet", "smallest", "--finetune", "1", "--images", "10")
    assert aspk("evaluate", *options).exit_code == 0
    assert aspk("evaluate", *options, "--set", "train.lr=1e-3", "--set", "seed=5").exit_code == 0
    folders = list((trained / "finetuned").iterdir())
    assert len(folders) == 2
    trained_on = load_checkpoint(trained).splits
    assert [load_checkpoint(folder).splits for folder in folders] == [trained_on] * 2


def test_from_scratch_alone_is_nothing(aspk: Aspk, trained: Path) -> None:
    done = aspk("evaluate", "--subnet", "largest", "--from-scratch")
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr == (
        "error: --from-scratch: there is nothing to train\n  say for how many epochs: --finetune N\n"
    )


def test_a_subnet_outside_the_space(aspk: Aspk, trained: Path) -> None:
    done = aspk("evaluate", "--subnet", "(1, 2, 3, 0.5, 2, 2, 48)")
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr == (
        "error: --subnet: subnet (1, 2, 3, 0.5, 2, 2, 48) is outside the search space: "
        "embed_dim is 48, the choices are 16, 24; num_heads of block 0 is 3, the choices are 2, 4; "
        "threshold of block 0 is 0.5, the choices are 0.6, 0.8, 1, 1.2, 1.4\n"
        "  choose a member, or widen [space] in the recipe and train again\n"
    )
    assert load_evaluations(trained) == ()


def test_a_subnet_that_is_none(aspk: Aspk, searched: Path) -> None:
    unknown = aspk("evaluate", "--subnet", "c9999")
    assert (unknown.exit_code, unknown.stdout) == (2, "")
    assert unknown.stderr == (
        "error: --subnet: 'c9999' is no candidate of runs/tiny\n"
        "  choose best, largest, smallest, baseline, an id of aspk report, or a tuple such as "
        "'(2, 3, 3, 4, 4, 1, 1, 2, 2, 3, 24)'\n"
    )
    short = aspk("evaluate", "--subnet", "(1, 2)")
    assert short.exit_code == 2
    assert short.stderr == (
        "error: --subnet: subnet (1, 2) is not (depth, mlp_ratio x depth, num_heads x depth, threshold x depth, "
        "tau x depth, time_step, embed_dim)\n"
        "  a subnet of depth d has 4 d + 3 numbers, for example (2, 3.8, 3.6, 12, 12, 1.4, 2.0, 5, 2, 4, 348)\n"
    )
    letters = aspk("evaluate", "--subnet", "(1, two)")
    assert letters.exit_code == 2
    assert letters.stderr == (
        "error: --subnet: '(1, two)' is not a subnet\n"
        "  write numbers in parentheses, for example '(2, 3.8, 3.6, 12, 12, 1.4, 2.0, 5, 2, 4, 348)'\n"
    )
    assert load_evaluations(searched) == ()


def test_best_before_a_search(aspk: Aspk, trained: Path) -> None:
    done = aspk("evaluate")
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr == "error: runs/tiny has no search\n  search first: aspk search --run runs/tiny\n"


def test_a_split_that_is_none(aspk: Aspk, trained: Path) -> None:
    done = aspk("evaluate", "--subnet", "largest", "--split", "dev")
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr == "error: --split: 'dev' is not a split\n  choose test, validation or train\n"


def test_a_missing_run(aspk: Aspk, own_folder: Path) -> None:
    done = aspk("evaluate", "--run", "nowhere")
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr == "error: --run: there is no run nowhere, here or under runs\n  list the runs: aspk runs\n"
    assert sorted(path.name for path in own_folder.iterdir()) == ["tiny.toml"]


def test_float64_hardly_differs(aspk: Aspk, trained: Path) -> None:
    options = ("--subnet", "largest", "--images", "60", "--json")
    single, double = aspk("evaluate", *options).document, aspk("evaluate", *options, "--precision", "float64").document
    assert double["energy_j"] == pytest.approx(single["energy_j"], rel=0.02)
    assert [each.provenance.precision for each in load_evaluations(trained)] == ["float32", "float64"]


def test_the_search_is_left_as_it_was(aspk: Aspk, searched: Path) -> None:
    before = load_population(searched)
    assert aspk("evaluate", "--images", "5").exit_code == 0
    assert load_population(searched) == before


@pytest.mark.parametrize(
    ("file", "message"),
    [
        ("runs/tiny/supernet.h5", "runs/tiny/supernet.h5 exists, and holds no predictions\n  name another file"),
        ("tiny.toml", "tiny.toml names no format of predictions\n  choose a suffix of .csv, .parquet, .h5, .hdf5"),
        ("absent/p.h5", "there is no folder absent\n  make it first: mkdir -p absent"),
        ("runs", "runs is a folder\n  name a file in it"),
    ],
)
def test_predictions_replace_no_other_file(aspk: Aspk, trained: Path, file: str, message: str) -> None:
    before = {path: path.read_bytes() for path in (trained / "supernet.h5", Path("tiny.toml"))}
    done = aspk("evaluate", "--subnet", "largest", "--images", "5", "--predictions", file)
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr == f"error: --predictions: {message}\n"
    assert {path: path.read_bytes() for path in before} == before
    assert not (trained / "evaluations.h5").exists()


def test_other_test_images_than_before_are_told(aspk: Aspk, own_folder: Path, tiny_recipe: Path) -> None:
    """A training does not open the test images, so only earlier evaluations know which they were."""
    draw = np.random.default_rng(0)
    for split, name, number in product(("train", "test"), ("cat", "dog"), range(6)):
        path = own_folder / "mine" / split / name / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(draw.integers(0, 256, (8, 8, 3), dtype=np.uint8)).save(path)
    mine = ("--set", 'data={dataset="folder", root="mine", image_size=8}', "--set", "model.calibration_images=6")
    assert aspk("train", "tiny.toml", *mine, "--set", "train.epochs=1", "--set", "train.warmup_epochs=0").exit_code == 0
    told = "! the test images differ from those of earlier evaluations of this run: do not compare the accuracies"
    for _ in range(2):
        assert told not in aspk("evaluate", "--subnet", "largest").stderr
    Image.new("RGB", (8, 8)).save(own_folder / "mine" / "test" / "cat" / "0.png")
    assert told in aspk("evaluate", "--subnet", "largest").stderr
    assert told not in aspk("evaluate", "--subnet", "largest", "--images", "3").stderr
    (own_folder / "mine" / "test" / "cat" / "0.png").unlink()
    assert told in aspk("evaluate", "--subnet", "largest").stderr

"""Trees of event data sets in their own layouts: what is found, in which order, in which part, and what is said."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from autospikformer_cli.data.description import DataDescription, describe
from autospikformer_cli.data.events.layouts import LAYOUTS_BY_DATASET, list_recordings
from autospikformer_cli.data.images import load_split, num_images
from autospikformer_cli.errors import UserError

SPLITS = ("train", "validation", "test")


def failure(settings: Any, split: str = "train") -> str:
    with pytest.raises(UserError) as raised:
        load_split(settings, 0, split)
    return str(raised.value)


def names(dataset: str, root: Path, part: str) -> list[str]:
    listing = list_recordings(dataset, str(root), part)
    return [str(Path(recording.path).relative_to(listing.folder)) for recording in listing.recordings]


def test_constants_are_tonic_s() -> None:
    from tonic import datasets

    for name, theirs in (("nmnist", "NMNIST"), ("cifar10dvs", "CIFAR10DVS"), ("dvs128-gesture", "DVSGesture")):
        ours, tonic_class = LAYOUTS_BY_DATASET[name], getattr(datasets, theirs)
        assert (*ours.sensor, 2) == tonic_class.sensor_size
        assert ours.classes is not None
        assert len(ours.classes) == len(tonic_class.classes)
        assert ours.tonic_folder == theirs
    sources = {name: layout.source for name, layout in LAYOUTS_BY_DATASET.items()}
    assert sources["cifar10dvs"] == datasets.CIFAR10DVS.url
    test_files = datasets.DVSGesture.test_url.rpartition("/")[2]
    assert sources["dvs128-gesture"] == f"{datasets.DVSGesture.train_url} (training) and {test_files} (test)"
    assert f"<{sources['nmnist']}>" in str(datasets.NMNIST.__doc__)
    assert f"<{sources['ncaltech101']}>" in str(datasets.NCALTECH101.__doc__)
    assert LAYOUTS_BY_DATASET["cifar10dvs"].classes == tuple(datasets.CIFAR10DVS.classes)
    assert LAYOUTS_BY_DATASET["ncaltech101"].part_folders["train"] == datasets.NCALTECH101.folder_name


def test_descriptions(config, recordings: Any, tmp_path: Path) -> None:
    assert describe(config(dataset="nmnist", root="nowhere", frames=8)) == DataDescription(
        10, 2, 34, (0.0, 0.0), (1.0, 1.0), 8
    )
    merged = describe(config(dataset="dvs128-gesture", root="nowhere", polarity="merged", image_size=64))
    assert merged == DataDescription(11, 1, 64, (0.0,), (1.0,), 4)
    assert describe(config(dataset="cifar10dvs", root="nowhere")).image_size == 128
    for name in ("ant", "BACKGROUND_Google", "cup"):
        recordings.bin(tmp_path / "Caltech101" / name / "image_0001.bin", recordings.make(0))
    (tmp_path / "Caltech101" / "empty").mkdir()
    assert describe(config(dataset="ncaltech101", root=str(tmp_path), image_size=48)).num_classes == 3
    with pytest.raises(UserError) as raised:
        describe(config(dataset="ncaltech101", root=str(tmp_path)))
    assert str(raised.value) == (
        "data.image_size: data.image_size is not set\n"
        "  recordings of ncaltech101 differ in size, up to 240 x 180 pixels: set the height and width that the whole "
        "sensor gets, for example data.image_size = 64"
    )


def test_a_few_training_recordings(config, recordings: Any, tmp_path: Path) -> None:
    recordings.nmnist(tmp_path, per_class=4)
    settings = config(dataset="nmnist", root=str(tmp_path), validation=0.25, train_images=15)
    train = load_split(settings, 0, "train")
    assert train.labels.bincount().tolist() == [2] * 5 + [1] * 5
    assert train.images.sum(dim=(1, 2, 3, 4)).tolist() == [60] * 15
    assert train.labels.tolist() == [index // 4 for index in train.index.tolist()]
    everything = config(dataset="nmnist", root=str(tmp_path), validation=0.25)
    assert load_split(settings, 0, "validation").hash == load_split(everything, 0, "validation").hash


@pytest.mark.parametrize("above", ["", "NMNIST"])
def test_nmnist_that_is_incomplete(above: str, config, recordings: Any, tmp_path: Path) -> None:
    recordings.nmnist(tmp_path / above, per_class=4)
    recordings.nmnist(tmp_path / above, per_class=2, part="Test")
    settings = config(dataset="nmnist", root=str(tmp_path), validation=0.25)
    sets = {split: load_split(settings, 0, split) for split in SPLITS}
    assert {split: len(images) for split, images in sets.items()} == {"train": 30, "validation": 10, "test": 20}
    assert {split: num_images(settings, 0, split) for split in SPLITS} == {"train": 30, "validation": 10, "test": 20}
    assert sorted(sets["train"].index.tolist() + sets["validation"].index.tolist()) == list(range(40))
    assert sets["test"].labels.tolist() == list(range(10)) * 2
    assert sorted(sets["test"].index.tolist()) == list(range(20))
    assert sets["train"].notes == (f"N-MNIST in {tmp_path} is incomplete: 40 of 60,000 training recordings",)
    assert sets["test"].notes == (f"N-MNIST in {tmp_path} is incomplete: 20 of 10,000 test recordings",)
    assert sets["train"].first(3).notes == sets["train"].notes
    for images in sets.values():
        assert images.images.shape[1:] == (4, 34, 34, 2)
        assert images.images.sum(dim=(1, 2, 3, 4)).tolist() == [60] * len(images)
        for frames, label, index in zip(images.images, images.labels, images.index, strict=True):
            per_class = 2 if images.split == "test" else 4
            assert index // per_class == label
            events = recordings.make(100 * int(label) + int(index) % per_class)
            places = {(y, x, p) for x, y, _, p in events.tolist()}
            assert {tuple(place) for place in frames.sum(dim=0).nonzero().tolist()} == places


def test_nmnist_without_some_digits_has_ten_classes_still(config, recordings: Any, tmp_path: Path) -> None:
    for digit in (3, 8):
        for number in range(5):
            recordings.bin(tmp_path / "Train" / str(digit) / f"{number}.bin", recordings.make(number))
    settings = config(dataset="nmnist", root=str(tmp_path), validation=0.2)
    assert load_split(settings, 0, "train").labels.tolist() == [3, 8] * 4
    assert describe(settings).num_classes == 10


def test_training_needs_no_test_recordings(config, recordings: Any, tmp_path: Path) -> None:
    recordings.nmnist(tmp_path, per_class=2)
    settings = config(dataset="nmnist", root=str(tmp_path))
    assert len(load_split(settings, 0, "train")) == 10
    assert failure(settings, "test") == (
        f"data.root: {tmp_path} has no recordings of N-MNIST\n  set data.root to the folder that holds them: "
        "data.root/Train/<digit>/*.bin and data.root/Test/<digit>/*.bin"
    )


@pytest.mark.parametrize("above", ["", "CIFAR10DVS"])
def test_cifar10dvs_is_split_by_file_name(above: str, config, recordings: Any, aedat4: Any, tmp_path: Path) -> None:
    folder = tmp_path / above
    for name, num in (("cat", 10), ("truck", 12)):
        for number in reversed(range(num)):
            events = recordings.make(number, num=50 + number, side=128)
            aedat4.write_aedat4(folder / name / f"cifar10_{name}_{number}.aedat4", events)
    (tmp_path / "cifar-10-batches-py").mkdir()
    settings = config(dataset="cifar10dvs", root=str(tmp_path), image_size=32)
    cats = [f"cat/cifar10_cat_{number}.aedat4" for number in range(10)]
    trucks = [f"truck/cifar10_truck_{number}.aedat4" for number in (0, 1, 10, 11, 2, 3, 4, 5, 6, 7, 8, 9)]
    assert names("cifar10dvs", tmp_path, "train") == cats[:9] + trucks[:11]
    assert names("cifar10dvs", tmp_path, "test") == cats[9:] + trucks[11:]
    sets = {split: load_split(settings, 0, split) for split in SPLITS}
    assert {split: len(images) for split, images in sets.items()} == {"train": 18, "validation": 2, "test": 2}
    assert sets["test"].labels.tolist() == [3, 9]
    assert sets["test"].images.sum(dim=(1, 2, 3, 4)).tolist() == [59, 59]
    absent = "airplane, automobile, bird, deer, dog, frog, horse, ship"
    note = f"CIFAR10-DVS in {tmp_path} is incomplete: 22 of 10,000 recordings, none of {absent}"
    assert sets["train"].notes == (note,)
    again = {split: load_split(settings, 0, split).hash for split in SPLITS}
    assert again == {split: images.hash for split, images in sets.items()}
    assert len(set(again.values())) == 3


def test_every_class_of_cifar10dvs_has_a_test_recording_from_two_on(aedat4: Any, recordings: Any, tmp_path) -> None:
    for number, (name, num) in enumerate((("bird", 1), ("cat", 2), ("deer", 5), ("dog", 11), ("frog", 20))):
        for place in range(num):
            aedat4.write_aedat4(tmp_path / name / f"{place:02}.aedat4", recordings.make(number))
    sizes = [
        [
            sum(name.startswith(kind) for name in names("cifar10dvs", tmp_path, part))
            for kind in ("b", "c", "de", "do", "f")
        ]
        for part in ("train", "test")
    ]
    assert sizes == [[1, 1, 4, 10, 18], [0, 1, 1, 1, 2]]


@pytest.mark.parametrize("above", ["", "DVSGesture"])
def test_dvs128_gesture_has_its_own_split(above: str, config, recordings: Any, tmp_path: Path) -> None:
    for part, users in (("ibmGestureTrain", ("user02_led", "user01_lab")), ("ibmGestureTest", ("user24_led",))):
        for user in users:
            for label in range(11):
                events = recordings.make(label, num=40, side=128, duration=10**6)
                recordings.npy(tmp_path / above / part / user / f"{label}.npy", events)
    settings = config(dataset="dvs128-gesture", root=str(tmp_path), split_by="time", image_size=16, validation=0.5)
    order = [0, 1, 10, 2, 3, 4, 5, 6, 7, 8, 9]
    found = names("dvs128-gesture", tmp_path, "train")
    assert found == [f"{user}/{label}.npy" for user in ("user01_lab", "user02_led") for label in order]
    sets = {split: load_split(settings, 0, split) for split in SPLITS}
    assert {split: len(images) for split, images in sets.items()} == {"train": 11, "validation": 11, "test": 11}
    assert sets["test"].labels.tolist() == list(range(11))
    assert sets["test"].index.tolist() == [order.index(label) for label in range(11)]
    assert sets["test"].notes == (f"DVS128 Gesture in {tmp_path} is incomplete: 11 of 264 test recordings",)


@pytest.mark.parametrize("above", ["", "NCALTECH101"])
def test_ncaltech101_is_scaled_and_its_test_recordings_held_out(
    above: str, config, recordings: Any, tmp_path: Path
) -> None:
    for name in ("ant", "BACKGROUND_Google", "cup"):
        for number in range(10):
            events = recordings.make(number, num=30, side=180)
            events["x"][0], events["y"][0] = 239, 179
            recordings.bin(tmp_path / above / "Caltech101" / name / f"image_{number:04}.bin", events)
    settings = config(dataset="ncaltech101", root=str(tmp_path), image_size=12)
    sets = {split: load_split(settings, 0, split) for split in SPLITS}
    assert {split: len(images) for split, images in sets.items()} == {"train": 21, "validation": 3, "test": 6}
    assert sorted(i for images in sets.values() for i in images.index.tolist()) == list(range(30))
    assert sets["train"].images.shape[1:] == (4, 12, 12, 2)
    assert (sets["train"].images[:, :, 11, 11].sum(dim=(1, 2)) > 0).all()
    assert sets["test"].notes == (f"N-Caltech101 in {tmp_path} is incomplete: 30 of 8,709 recordings",)


@pytest.mark.shared
def test_the_real_ncaltech101_recording(config, shared_data: Path, tmp_path: Path) -> None:
    for number in range(3):
        for name in ("Faces", "Faces_easy"):
            path = tmp_path / "Caltech101" / name / f"image_{number:04}.bin"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes((shared_data / "events" / "ncaltech101_faces_easy_0001.bin").read_bytes())
    images = load_split(config(dataset="ncaltech101", root=str(tmp_path), image_size=60, frames=10), 0, "train")
    assert images.images.sum().item() == 2 * 67_445
    by_frame = images.images[0].sum(dim=(1, 2, 3)).tolist()
    assert by_frame == [6744] * 9 + [6749]


def test_one_class_is_refused(config, recordings: Any, tmp_path: Path) -> None:
    recordings.bin(tmp_path / "Caltech101" / "ant" / "image_0001.bin", recordings.make(0, num=30, side=180))
    with pytest.raises(UserError) as raised:
        load_split(config(dataset="ncaltech101", root=str(tmp_path), image_size=12), 0, "train")
    assert str(raised.value) == (
        f"data.root: {tmp_path}/Caltech101 has recordings of one class only, ant\n  add the folders of other classes"
    )


def test_digits_seen_by_a_simulated_camera(config) -> None:
    from sklearn.datasets import load_digits

    settings = config(dataset="digits-events", frames=3)
    train, test = (load_split(settings, 0, split) for split in ("train", "test"))
    assert (len(train), len(test), num_images(settings, 0, "validation")) == (1295, 359, 143)
    assert test.labels.tolist() == load_digits().target[test.index.numpy()].tolist()
    description = describe(settings)
    size = description.image_size
    assert test.images.shape[1:] == (3, size, size, 2)
    assert (description.num_classes, description.in_channels, description.num_frames) == (10, 2, 3)
    assert (test.images.sum(dim=(1, 2, 3, 4)) > 100).all()
    assert test.notes == ()


@pytest.mark.parametrize("dataset", list(LAYOUTS_BY_DATASET))
def test_no_folder_and_a_folder_without_data(dataset: str, config, tmp_path: Path) -> None:
    kind = LAYOUTS_BY_DATASET[dataset]
    settings = config(dataset=dataset, root=str(tmp_path / "data"), image_size=34)
    assert failure(settings) == (
        f"data.root: no folder {tmp_path / 'data'}\n  set data.root to the folder of {kind.title}: {kind.layout}"
    )
    for folder in ("", kind.part_folders["train"]):
        place = tmp_path / "data" / folder
        place.mkdir(parents=True, exist_ok=True)
        assert failure(settings) == (
            f"data.root: {place} has no recordings of {kind.title}\n"
            f"  set data.root to the folder that holds them: {kind.layout}"
        )


def test_recordings_of_an_unknown_class(config, recordings: Any, tmp_path: Path) -> None:
    recordings.nmnist(tmp_path, per_class=1)
    recordings.bin(tmp_path / "Train" / "ten" / "0.bin", recordings.make(0))
    assert failure(config(dataset="nmnist", root=str(tmp_path))) == (
        f"{tmp_path / 'Train' / 'ten'}: is of no class of N-MNIST, but has recordings\n"
        "  remove it, or name it by its class: 0, 1, 2, 3, 4, 5, 6, 7, 8, 9"
    )
    path = recordings.npy(tmp_path / "ibmGestureTrain" / "user01_led" / "11.npy", recordings.make(0))
    assert failure(config(dataset="dvs128-gesture", root=str(tmp_path))) == (
        f"{path}: is of no class of DVS128 Gesture\n"
        "  remove it, or name it by its class: 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10"
    )


def test_what_is_no_recording_is_passed_over(recordings: Any, tmp_path: Path) -> None:
    recordings.nmnist(tmp_path, per_class=1)
    (tmp_path / "Train" / "3" / "._00000.bin").write_bytes(b"left by a file manager")
    (tmp_path / "Train" / "3" / "list.txt").write_text("notes")
    (tmp_path / "Train" / ".hidden").mkdir()
    (tmp_path / "Train" / "notes").mkdir()
    assert names("nmnist", tmp_path, "train") == [f"{digit}/00000.bin" for digit in range(10)]


def test_a_class_without_recordings_is_named(config, recordings, tmp_path: Path) -> None:
    recordings.nmnist(tmp_path)
    for path in (tmp_path / "Train" / "3").iterdir():
        path.unlink()
    note = f"N-MNIST in {tmp_path} is incomplete: 27 of 60,000 training recordings, none of 3"
    assert load_split(config(dataset="nmnist", root=str(tmp_path)), 0, "train").notes == (note,)

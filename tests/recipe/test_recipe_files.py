"""Finding, reading and extending recipe files."""

from pathlib import Path

import numpy as np
import pytest

from autospikformer_cli.errors import Faults, UserError
from autospikformer_cli.recipe import load_recipe, recipe_from_toml
from autospikformer_cli.recipe.sections import KnownImages


def error_of(name_or_path: str) -> tuple[str | None, str, str | None]:
    """Where, what and fix of the error that loading ends in."""
    with pytest.raises(UserError) as caught:
        load_recipe(name_or_path)
    return caught.value.where, caught.value.what, caught.value.fix


def write(name: str, text: str) -> None:
    path = Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8", newline="")


def test_unknown_names() -> None:
    listed = "`aspk recipes` lists those that come with aspk; the path of a file of yours ends in .toml"
    assert error_of("quickstrat") == (
        None,
        'there is no recipe "quickstrat"',
        "did you mean quickstart or quickstart-events?",
    )
    assert error_of("zzz") == (None, 'there is no recipe "zzz"', listed)


def test_files_that_cannot_be_read() -> None:
    Path("folder.toml").mkdir()
    Path("latin.toml").write_bytes(b"seed = 1\n# caf\xe9\n")
    assert error_of("no/such.toml") == (None, "no/such.toml does not exist", None)
    assert error_of("./quickstart") == (None, "quickstart does not exist", None)
    assert error_of("folder.toml") == (None, "folder.toml cannot be read: is a directory", None)
    assert error_of("latin.toml") == ("latin.toml:2", "not valid TOML: not UTF-8", "save the file as UTF-8")


@pytest.mark.parametrize(
    ("text", "where", "what"),
    [
        ("seed = 1\nseed =\n", "bad.toml:2", "not valid TOML: invalid value (column 7)"),
        ("a = 1\na = 2\nb = 3\n", "bad.toml:2", "not valid TOML: cannot overwrite a value (column 6)"),
        ("seed = " + "1" * 5000, "bad.toml", "not valid TOML: a number has too many digits"),
        ("seed = " + "[" * 5000, "bad.toml", "not valid TOML: nested too deeply"),
    ],
)
def test_syntax_errors(text: str, where: str, what: str) -> None:
    write("bad.toml", text)
    assert error_of("bad.toml") == (where, what, None)


def test_a_base_gives_what_the_file_does_not(small: str) -> None:
    write("bases/base.toml", small)
    write("mine.toml", 'extends = "bases/base.toml"\n[space]\ndepth = {low = 2, high = 4, step = 2}\n')
    recipe = load_recipe("mine.toml")
    assert (recipe.name, recipe.seed, recipe.space.depth, recipe.space.time_step) == ("mine", 3, (2, 4), (4,))


def test_a_shipped_recipe_can_be_the_base_of_a_file_or_of_a_text() -> None:
    write("mine.toml", 'extends = "quickstart"\nseed = 5\n')
    assert load_recipe("mine.toml") == recipe_from_toml('extends = "quickstart"\nseed = 5')


def test_an_inherited_mistake_is_located_in_the_base(small: str) -> None:
    write("base.toml", small + "btach = 3\nlr = 0\n")
    write("sub/mine.toml", 'extends = "../base.toml"\n[train]\nlr = 1\nbatch = 0\n')
    with pytest.raises(Faults) as caught:
        load_recipe("sub/mine.toml")
    assert str(caught.value) == (
        "base.toml:15: train.btach is not a key\n  did you mean train.batch?\n"
        "sub/mine.toml:4: train.batch is 0, it must be at least 1"
    )


def test_missing_and_wrong_bases() -> None:
    write("mine.toml", '\nextends = "base.toml"\n')
    assert error_of("mine.toml") == ("mine.toml:2", "extends: base.toml does not exist", None)
    write("mine.toml", 'extends = "quickstrat"\n')
    told = ("mine.toml:1", 'extends: there is no recipe "quickstrat"', "did you mean quickstart or quickstart-events?")
    assert error_of("mine.toml") == told
    write("mine.toml", "extends = 3\n")
    assert error_of("mine.toml") == ("mine.toml:1", "extends must be a string, not 3", None)


def test_circles() -> None:
    write("a.toml", 'extends = "sub/b.toml"\n')
    write("sub/b.toml", '# b\nextends = "../a.toml"\n')
    told = ("sub/b.toml:2", "extends goes in a circle: a.toml -> sub/b.toml -> a.toml", "remove one extends of them")
    assert error_of("a.toml") == told
    write("self.toml", 'extends = "self.toml"\n')
    assert error_of("self.toml")[1] == "extends goes in a circle: self.toml -> self.toml"


def test_windows_line_ends_and_byte_order_mark(small: str) -> None:
    write("mine.toml", "\ufeff" + (small + "batch = 0\n").replace("\n", "\r\n"))
    with pytest.raises(Faults) as caught:
        load_recipe("mine.toml")
    assert str(caught.value) == "mine.toml:15: train.batch is 0, it must be at least 1"


def test_numbers_and_arrays_of_numpy_are_values() -> None:
    given = {
        "search.population": np.int64(8),
        "search.parents": np.int32(3),
        "search.alpha": np.float64(0.3),
        "train.lr": np.float32(0.5),
        "space.tau": np.array([1.5, 2.0]),
        "space.depth": [np.int64(1), np.int64(2)],
        "search.limits": {"params": np.int64(5000)},
        "model.searched_heads": np.bool_(True),
    }
    plain = {
        "search.population": 8,
        "search.parents": 3,
        "search.alpha": 0.3,
        "train.lr": 0.5,
        "space.tau": [1.5, 2.0],
        "space.depth": [1, 2],
        "search.limits": {"params": 5000},
        "model.searched_heads": True,
    }
    assert load_recipe("quickstart", given) == load_recipe("quickstart", plain)
    with pytest.raises(Faults, match=r"search\.population must be a whole number, not 8\.5"):
        load_recipe("quickstart", {"search.population": np.float64(8.5)})


@pytest.mark.parametrize(
    ("comment", "images"),
    [
        ("# classes: 4", KnownImages(4)),
        ("# images: classes 4, channels 3, image_size 32", KnownImages(4, 3, 32)),
        ("# images: classes 11, channels 2, image_size 128, frames 16", KnownImages(11, 2, 128, 16)),
    ],
)
def test_what_a_store_says_of_its_images_comes_back(comment: str, images: KnownImages) -> None:
    """The first is of an earlier commit."""
    text = f"{load_recipe('quickstart').to_toml()}\n{comment}\n"
    recipe = recipe_from_toml(text)
    assert recipe.data.known_images == images
    assert recipe.to_toml() == text
    assert recipe == load_recipe("quickstart")
    assert recipe_from_toml(recipe.with_images(None).to_toml()).data.known_images is None

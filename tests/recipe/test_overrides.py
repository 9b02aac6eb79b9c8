"""--set KEY=VALUE: the recipe's own grammar, laid over the file."""

from collections.abc import Callable
from decimal import Decimal

import pytest

from autospikformer_cli.recipe import differing_keys, load_recipe

FaultsOf = Callable[..., list[tuple[str | None, str, str | None]]]


def test_a_value_is_toml_and_the_last_one_counts() -> None:
    recipe = load_recipe(
        "quickstart",
        [
            "search.alpha=0.25",
            "seed=1",
            "seed = 2",
            'data."root"="a=b"',
            "space.tau={low=2, high=3, step=0.5}",
            "train={batch=7}",
        ],
    )
    assert (recipe.search.alpha, recipe.seed, recipe.data.root, recipe.train.batch) == (0.25, 2, "a=b", 7)
    assert recipe.space.tau == (Decimal(2), Decimal("2.5"), Decimal(3))
    assert recipe.train.epochs == load_recipe("quickstart").train.epochs
    assert differing_keys(recipe, load_recipe("quickstart")) == [
        "seed",
        "data.root",
        "space.tau",
        "train.batch",
        "search.alpha",
    ]


def test_none_takes_a_value_back() -> None:
    assert load_recipe("cifar10-small-laptop").search.images == 1000
    assert load_recipe("cifar10-small-laptop", ['search.images="none"']).search.images is None


FORM = [
    ("search.alpha", "search.alpha has no value", "write --set search.alpha=VALUE"),
    ("", "the option has no value", "write --set KEY=VALUE"),
    ("a b=3", '"a b" cannot be a key', "write KEY=VALUE, for example --set search.alpha=0.3"),
    ("=3", '"" cannot be a key', "write KEY=VALUE, for example --set search.alpha=0.3"),
    ("data.root=/tmp/x", 'data.root: "/tmp/x" is not a TOML value', "quote a string: --set 'data.root=\"/tmp/x\"'"),
    (
        "data.root=it's",
        'data.root: "it\'s" is not a TOML value',
        "quote a string: --set 'data.root=\"it'\"'\"'s\"'",
    ),
    ("data.download=True", 'data.download: "True" is not a TOML value', "write true"),
    ("seed=1\nx=2", 'seed: "1\\nx=2" is not a TOML value', "quote a string: --set 'seed=\"1\\nx=2\"'"),
    ('extends="cifar10-small"', "extends stands in recipe files only", None),
    ("populaton=3", "populaton is not a key", "did you mean search.population?"),
    ("search.populaton=3", "search.populaton is not a key", "did you mean search.population?"),
    ("search=3", "search must be a table, not 3", None),
    ("space.depth.low=1", "space.depth.high is missing", "write space.depth = {low = , high = , step = }"),
]


@pytest.mark.parametrize(("override", "what", "fix"), FORM)
def test_mistakes_are_located_at_the_option(
    override: str, what: str, fix: str | None, faults_of: FaultsOf, small: str
) -> None:
    assert (f"--set {override}", what, fix) in faults_of(small, override)

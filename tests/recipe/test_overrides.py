"""--set KEY=VALUE: the recipe's own grammar, laid over the file."""

from collections.abc import Callable
from decimal import Decimal

import pytest

from autospikformer_cli.recipe import differing_keys, given_twice, load_recipe, option_override, parsed

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


COLLIDING = [
    ("search.alpha=1", 'search."alpha"=0', "search.alpha"),
    ("search={alpha=1, images=9}", "search.images=8", "search.images"),
    ("search.images=8", "search={alpha=1, images=9}", "search.images"),
    ("search.limits={params=1}", "search.limits.params=2", "search.limits.params"),
    ("search={limits={params=1}}", "search.limits={params=2}", "search.limits.params"),
    ("search.limits.params=1", 'search.limits="none"', "search.limits.params"),
    ("search.limits=5", "search.limits.params=1", "search.limits.params"),
    ("search.bounds={top1=[0, 1]}", "search.bounds.energy_j=[0, 1]", "search.bounds"),
    ("space.tau={low=2}", "space.tau.high=3", "space.tau"),
    ("search=3", "search.alpha=1", "search.alpha"),
    ("search={images=9}", "search.alpha=1", None),
    ("search={images=9}", "search={alpha=1}", None),
    ("search.limits={params=1}", "search.limits.sops=2", None),
    ('search.limits="none"', "search.limits.params=1", None),
    ("seed=1", "search.alpha=1", None),
]


@pytest.mark.parametrize(("first", "second", "key"), COLLIDING)
def test_a_key_that_two_overrides_give(first: str, second: str, key: str | None) -> None:
    one, other = parsed(first), parsed(second)
    assert given_twice([one, other]) == (key and (key, one, other))


def test_an_option_of_a_key_and_its_table() -> None:
    table, option = parsed("search={alpha=1}"), option_override("--alpha", "search.alpha", 0.5)
    assert given_twice([parsed("seed=1"), table, option]) == ("search.alpha", table, option)
    assert load_recipe(
        "quickstart", ["search.limits.params=9", 'search.limits="none"', "search.limits.sops=1"]
    ).search.limits == {"sops": 1}

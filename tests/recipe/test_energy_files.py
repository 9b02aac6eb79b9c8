"""A user's own hardware profiles and conventions, by path: found, embedded, refused word for word in their lines."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from autospikformer_cli.errors import Faults, UserError
from autospikformer_cli.recipe import differing_keys, load_recipe, recipe_from_toml
from autospikformer_cli.recipe.energy.models import RULES, shipped_convention, shipped_names, shipped_profile

FaultsOf = Callable[..., list[tuple[str | None, str, str | None]]]

HARDWARE = """\
title = "A chip"
process = "28 nm"
unit = "fJ"
source = "its data sheet"
mac = 4000
ac = 900.5

[memory]
read = 20
write = 30
weight_bits = 8
activation_bits = 8
potential_bits = 16

[left_out]
int8 = "the same"
"""
CONVENTION = """\
about = "ours, but strict at the border"
border = "exact"
residual = "mac"
"""


def write(name: str, text: str) -> None:
    Path(name).parent.mkdir(parents=True, exist_ok=True)
    Path(name).write_text(text, encoding="utf-8")


def faults_with(hardware: str, faults_of: FaultsOf, small: str) -> list[tuple[str | None, str, str | None]]:
    """What is wrong with a recipe that names this profile."""
    write("chips/mine.toml", hardware)
    return faults_of(small + '[energy]\nprofile = "chips/mine.toml"\n')


# Found


def test_a_file_is_named_by_a_path_relative_to_the_recipe(small: str) -> None:
    write("lab/chips/a.toml", HARDWARE)
    write("lab/own.toml", CONVENTION)
    write("lab/recipe.toml", small + '[energy]\nprofile = "chips/a.toml"\nconvention = "./own.toml"\n')
    energy = load_recipe("lab/recipe.toml").energy
    assert (energy.hardware.name, energy.hardware.title, energy.hardware.unit) == ("a.toml", "A chip", "fJ")
    assert (energy.hardware.mac, energy.hardware.ac) == (4000, 900.5)
    assert energy.hardware.memory is not None
    assert energy.hardware.memory.potential_bits == 16
    assert dict(energy.hardware.left_out) == {"int8": "the same"}
    said = {"border": "exact", "residual": "mac"}
    assert energy.rules.rules() == shipped_convention("sound").rules() | said
    assert (energy.named_convention.name, energy.rules.about) == ("own.toml", "ours, but strict at the border")


def test_each_layer_s_path_is_relative_to_that_layer(small: str) -> None:
    for number, place in enumerate(("base", "top", "."), 1):
        write(f"{place}/chip.toml", HARDWARE.replace("900.5", str(number)))
    write("base/recipe.toml", small + '[energy]\nprofile = "chip.toml"\n')
    write("top/plain.toml", 'extends = "../base/recipe.toml"\n')
    write("top/recipe.toml", 'extends = "../base/recipe.toml"\nenergy.profile = "chip.toml"\n')
    assert load_recipe("top/plain.toml").energy.hardware.ac == 1
    assert load_recipe("top/recipe.toml").energy.hardware.ac == 2
    assert load_recipe("top/recipe.toml", ['energy.profile="chip.toml"']).energy.hardware.ac == 3
    absolute = Path("base/chip.toml").resolve()
    assert load_recipe("top/recipe.toml", [f'energy.profile="{absolute}"']).energy.hardware.ac == 1
    assert load_recipe("top/recipe.toml", ['energy.profile="loihi"']).energy.hardware == shipped_profile("loihi")


def test_a_key_beside_a_convention_overrides_its_file(small: str) -> None:
    write("own.toml", CONVENTION)
    write("mine.toml", small + '[energy]\nconvention = "own.toml"\nresidual = "ac"\n')
    recipe = load_recipe("mine.toml", ["energy.head=false"])
    rules = recipe.energy.rules
    assert (rules.border, rules.residual, rules.head) == ("exact", "ac", False)
    assert recipe.switches() == ('energy.convention = "own.toml"', 'energy.residual = "ac"', "energy.head = false")
    assert recipe.resolved_switches()["energy.border"] == "exact"


def test_a_fidelity_names_a_convention_under_the_file_s_own(small: str) -> None:
    write("own.toml", CONVENTION)
    write("mine.toml", 'fidelity = "paper"\n' + small + '[energy]\nconvention = "own.toml"\n')
    assert load_recipe("mine.toml").energy.rules.head is True
    assert load_recipe("mine.toml", ['fidelity="paper"']).energy.rules.head is False


@pytest.mark.parametrize("name", shipped_names("conventions"))
@pytest.mark.parametrize("profile", shipped_names("profiles"))
def test_what_comes_with_aspk_is_named_and_stays_a_name(name: str, profile: str) -> None:
    recipe = load_recipe("quickstart", [f'energy.convention="{name}"', f'energy.profile="{profile}"'])
    assert recipe.energy.rules == recipe.energy.named_convention == shipped_convention(name)
    assert f'convention = "{name}"\n' in recipe.to_toml()
    assert f'profile = "{profile}"\n' in recipe.to_toml()
    assert recipe.resolved_switches()["energy.convention"] == name
    assert set(recipe.energy.rules.rules()) == set(RULES)


# Stored


def test_a_stored_recipe_outlives_the_files(small: str) -> None:
    written = HARDWARE.replace('"its data sheet"', '"""\nits "data sheet",\n\tµ \\\\ \\u007f 2nd"""').replace(
        "900.5", "9e-7"
    )
    write("chip.toml", written)
    write("own.toml", CONVENTION)
    write("mine.toml", small + '[energy]\nprofile = "chip.toml"\nconvention = "own.toml"\n')
    recipe = load_recipe("mine.toml")
    stored = recipe.to_toml()
    Path("chip.toml").unlink()
    Path("own.toml").unlink()
    again = recipe_from_toml(stored)
    assert again == recipe
    assert (again.energy.hardware, again.energy.rules) == (recipe.energy.hardware, recipe.energy.rules)
    assert again.energy.hardware.source == 'its "data sheet",\n\tµ \\ \x7f 2nd'
    assert again.energy.hardware.ac == 9e-7
    assert again.to_toml() == stored
    assert differing_keys(again, recipe_from_toml(stored, overrides=['energy.profile="cmos45"'])) == ["energy.profile"]
    assert again.switches() == recipe.switches()


def test_another_figure_is_another_recipe(small: str) -> None:
    write("mine.toml", small + '[energy]\nprofile = "chip.toml"\n')
    recipes = []
    for figure in ("900.5", "900.25"):
        write("chip.toml", HARDWARE.replace("900.5", figure))
        recipes.append(load_recipe("mine.toml"))
    assert recipes[0] != recipes[1]
    assert differing_keys(*recipes) == ["energy.profile"]


# Refused


REFUSED = [
    ("ac = 900.5", "ac = -0.9", 6, "ac is -0.9, it must be greater than 0", None),
    ("ac = 900.5", "ac = 0", 6, "ac is 0, it must be greater than 0", None),
    ("ac = 900.5", "ac = nan", 6, "ac must be finite, not nan", None),
    ("ac = 900.5", "ac = -inf", 6, "ac must be finite, not -inf", None),
    ("ac = 900.5", 'ac = "0.9"', 6, 'ac must be a number, not "0.9"', None),
    ("ac = 900.5", "", None, "ac is missing", "write ac in the profile"),
    ('title = "A chip"', "", None, "title is missing", "write title in the profile"),
    ('process = "28 nm"', "", None, "process is missing", "write process in the profile"),
    ('unit = "fJ"', "", None, "unit is missing", "write unit in the profile"),
    ('source = "its data sheet"', "", None, "source is missing", "write source in the profile"),
    ('"its data sheet"', '" "', 4, "source must not be empty", None),
    ('"its data sheet"', "[]", 4, "source must be a string, not []", None),
    ('unit = "fJ"', 'unit = "pj"', 3, 'unit must be "fJ", "pJ" or "nJ", not "pj"', None),
    ("mac = 4000", "", None, "mac is missing", "write it, or say why there is none: left_out.mac"),
    ('int8 = "the same"', "", None, "int8 is missing", "write it, or say why there is none: left_out.int8"),
    (
        'int8 = "the same"',
        'int8 = "the same"\nmac = "?"',
        None,
        "mac has a figure, and is left out",
        "remove one of the two: mac",
    ),
    (
        "ac = 900.5",
        "ac = 900.5\nneuron_updat = 3",
        7,
        "neuron_updat is not a key",
        "did you mean energy.profile.neuron_update?",
    ),
    (
        "ac = 900.5",
        "ac = 900.5\nzzz = 3",
        7,
        "zzz is not a key",
        (
            "energy.profile has the keys name, title, process, unit, source, mac, ac, neuron_update, int8, memory, "
            "left_out"
        ),
    ),
    ("write = 30", "", 8, "memory.write is missing", "write memory.write in the profile"),
    ("write = 30", "write = -30", 10, "memory.write is -30, it must be greater than 0", None),
    (
        "write = 30",
        "write = 30\nwidth = 3",
        11,
        "memory.width is not a key",
        "did you mean energy.profile.memory.write?",
    ),
    ("weight_bits = 8", "weight_bits = 7.5", 11, "memory.weight_bits must be a whole number, not 7.5", None),
    ("weight_bits = 8", "weight_bits = 0", 11, "memory.weight_bits is 0, it must be at least 1", None),
    ('int8 = "the same"', "int8 = 3", 16, "left_out.int8 must be a string, not 3", None),
    ('int8 = "the same"', 'int8 = ""', 16, "left_out.int8 must not be empty", None),
]


@pytest.mark.parametrize(("right", "wrong", "line", "what", "fix"), REFUSED, ids=lambda value: str(value)[:40])
def test_a_profile_that_is_refused(
    right: str, wrong: str, line: int | None, what: str, fix: str | None, faults_of: FaultsOf, small: str
) -> None:
    ((where, told, remedy),) = faults_with(HARDWARE.replace(right, wrong), faults_of, small)
    assert (where, told) == (f"chips/mine.toml:{line}" if line else "chips/mine.toml", f"energy.profile.{what}")
    assert remedy == fix


def test_the_whole_message_wherever_the_file_is_named(small: str) -> None:
    negative = HARDWARE.replace("900.5", "-0.9")
    told = "energy.profile.ac is -0.9, it must be greater than 0"
    write("chips/file.toml", negative)
    write("chips/base.toml", small + '[energy]\nprofile = "file.toml"\n')
    write("mine.toml", 'extends = "chips/base.toml"\n')
    for name, options in (
        ("chips/base.toml", []),
        ("mine.toml", []),
        ("quickstart", ['energy.profile="chips/file.toml"']),
    ):
        with pytest.raises(Faults) as caught:
            load_recipe(name, options)
        assert str(caught.value) == f"chips/file.toml:6: {told}"
    write(
        "inline.toml",
        small + "[energy.profile]\nname = 'mine'\n" + HARDWARE.partition("\n\n")[0].replace("900.5", "-1"),
    )
    with pytest.raises(Faults) as caught:
        load_recipe("inline.toml")
    assert str(caught.value) == "inline.toml:22: energy.profile.ac is -1, it must be greater than 0"


def test_every_fault_of_a_file_is_told_beside_those_of_the_recipe(faults_of: FaultsOf, small: str) -> None:
    write("chip.toml", HARDWARE.replace("900.5", "0").replace('"fJ"', '"J"'))
    found = faults_of(small + '[energy]\nprofile = "chip.toml"\norder = "x"\n', 'energy.convention="sund"')
    assert [(where, what) for where, what, _ in found] == [
        ("mine.toml:17", 'energy.order must be "qk_v", "q_kv" or "none", not "x"'),
        ("chip.toml:3", 'energy.profile.unit must be "fJ", "pJ" or "nJ", not "J"'),
        ("chip.toml:6", "energy.profile.ac is 0, it must be greater than 0"),
        (
            '--set energy.convention="sund"',
            'energy.convention: "sund" is not one of sound, border-exact, every-step, mean-rate, paper, strict',
        ),
    ]
    assert found[-1][2] == 'did you mean "sound"?'


CONVENTIONS = [
    ('residual = "mca"', 1, 'residual must be "ac" or "mac", not "mca"', 'did you mean "mac"?'),
    ('residul = "mac"', 1, "residul is not a key", "did you mean energy.convention.residual?"),
    ("\nhead = 1", 2, "head must be true or false, not 1", None),
    ('rate = "none"', 1, 'rate must be "layer" or "mean", not "none"', None),
    ("about = ''", 1, "about must not be empty", None),
]


@pytest.mark.parametrize(("text", "line", "what", "fix"), CONVENTIONS)
def test_a_convention_that_is_refused(
    text: str, line: int, what: str, fix: str | None, faults_of: FaultsOf, small: str
) -> None:
    write("own.toml", text)
    expected = [(f"own.toml:{line}", f"energy.convention.{what}", fix)]
    assert faults_of(small + '[energy]\nconvention = "own.toml"\n') == expected


NEAR = [
    ('profile = "cmos54"', 'profile: "cmos54" is not one of cmos45, cmos45-memory, loihi', 'did you mean "cmos45"?'),
    ('profile = "Loihi"', 'profile: "Loihi" is not one of cmos45, cmos45-memory, loihi', 'did you mean "loihi"?'),
    (
        'profile = "truenorth"',
        'profile: "truenorth" is not one of cmos45, cmos45-memory, loihi',
        "the path of a file of yours ends in .toml",
    ),
    (
        'convention = "border_exact"',
        'convention: "border_exact" is not one of sound, border-exact, every-step, mean-rate, paper, strict',
        'did you mean "border-exact"?',
    ),
    ("profile = 3", "profile must be a string, not 3", None),
    ('convention = ""', "convention must not be empty", None),
]


@pytest.mark.parametrize(("text", "what", "fix"), NEAR)
def test_a_name_that_there_is_not(text: str, what: str, fix: str | None, faults_of: FaultsOf, small: str) -> None:
    assert faults_of(f"{small}[energy]\n{text}\n") == [("mine.toml:16", f"energy.{what}", fix)]


@pytest.mark.parametrize("key", ["profile", "convention"])
def test_a_file_that_cannot_be_read(key: str, small: str) -> None:
    write("mine.toml", f'{small}[energy]\n{key} = "lab/own.toml"\n')

    def told() -> str:
        with pytest.raises(UserError) as caught:
            load_recipe("mine.toml")
        return str(caught.value)

    assert told() == f"mine.toml:16: energy.{key}: lab/own.toml does not exist"
    write("lab/own.toml", "a = 1\nb = = 2\n")
    assert told() == "lab/own.toml:2: not valid TOML: invalid value (column 5)"
    Path("lab/own.toml").write_bytes(b"a = 1\nb = '\xff'\n")
    assert told() == "lab/own.toml:2: not valid TOML: not UTF-8\n  save the file as UTF-8"
    Path("lab/own.toml").unlink()
    Path("lab/own.toml").mkdir()
    assert told() == f"mine.toml:16: energy.{key}: lab/own.toml cannot be read: is a directory"
    with pytest.raises(UserError) as caught:
        load_recipe("quickstart", [f'energy.{key}="gone.toml"'])
    assert str(caught.value) == f'--set energy.{key}="gone.toml": energy.{key}: gone.toml does not exist'


# Exact counts and a mean exclude each other


BOTH = 'energy.border = "exact" counts each operation, energy.rate = "mean" none of them'
WHERE = [
    ('rate = "mean"\nborder = "exact"', "", "mine.toml:16"),
    ('convention = "border-exact"\nrate = "mean"', "", "mine.toml:16"),
    ('convention = "mean-rate"\nborder = "exact"', "", "mine.toml:16"),
    ('border = "exact"\nconvention = "mean-rate"', "", "mine.toml:17"),
    ('convention = "own.toml"', 'border = "exact"\nrate = "mean"', "own.toml"),
    ('convention = "own.toml"\nrate = "mean"', 'border = "exact"', "own.toml"),
    ('rate = "mean"\nconvention = "own.toml"', 'border = "exact"', "own.toml"),
    ('convention = "own.toml"\nborder = "exact"', 'rate = "mean"', "own.toml"),
]


@pytest.mark.parametrize(("keys", "own", "where"), WHERE)
def test_exact_counts_have_no_mean(keys: str, own: str, where: str, faults_of: FaultsOf, small: str) -> None:
    write("own.toml", own)
    assert faults_of(f"{small}[energy]\n{keys}\n") == [(where, BOTH, "choose one of the two")]


@pytest.mark.parametrize(
    "keys", ['rate = "layer"\nconvention = "own.toml"', 'border = "ignored"\nconvention = "own.toml"']
)
def test_a_key_that_takes_one_of_them_back_makes_it_right(keys: str, small: str) -> None:
    write("own.toml", 'border = "exact"\nrate = "mean"')
    write("mine.toml", f"{small}[energy]\n{keys}\n")
    rules = load_recipe("mine.toml").energy.rules
    assert (rules.border == "exact") is ("layer" in keys)
    assert (rules.rate == "mean") is ("ignored" in keys)


def test_exact_counts_have_no_mean_by_option(faults_of: FaultsOf, small: str) -> None:
    for options in (
        ['energy.rate="mean"', 'energy.border="exact"'],
        ['energy.convention="mean-rate"', 'energy.border="exact"'],
        ['energy.border="exact"', 'energy.convention="mean-rate"'],
        ['energy.convention="border-exact"', 'energy.rate="mean"'],
    ):
        assert faults_of(small, *options) == [(f"--set {options[-1]}", BOTH, "choose one of the two")]


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        (("ac = 900.5", "ac = 1e308"), "energy.profile.ac is 1e+308, it must be at most 1000000000"),
        (('title = "', 'title = "\\u001b[31m'), "energy.profile.title must be one line without control characters"),
    ],
)
def test_absurd_figures_and_titles(changed: tuple[str, str], told: str) -> None:
    text = HARDWARE.replace(*changed)
    assert text != HARDWARE
    write("absurd.toml", text)
    with pytest.raises(Faults) as raised:
        load_recipe("quickstart", ['energy.profile="absurd.toml"'])
    assert told in str(raised.value)


def test_a_table_cannot_take_a_shipped_name() -> None:
    table = (
        '{name = "cmos45", title = "t", process = "p", unit = "pJ", source = "s", mac = 9.0, ac = 9.0, '
        'left_out = {int8 = "x"}}'
    )
    with pytest.raises(Faults) as raised:
        load_recipe("quickstart", [f"energy.profile={table}"])
    assert "energy.profile.name: cmos45 is one of those that come with aspk" in str(raised.value)
    with pytest.raises(Faults):
        load_recipe("quickstart", ['energy.convention={name = "paper", head = true}'])

"""Pages made from the code are fresh, and what other pages say of the code is so: names, paths, tables, examples."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import re
from collections.abc import Iterator
from functools import reduce
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import tomli
import yaml

import autospikformer_cli
from autospikformer_cli.evaluation.tree import TreeNode, grow
from autospikformer_cli.recipe.effects import Decides
from autospikformer_cli.recipe.fidelity import CONVENTION_SWITCHES, PROFILE_SWITCHES
from autospikformer_cli.recipe.rules import RULES_BETWEEN_KEYS
from autospikformer_cli.recipe.whole import SECTIONS, effects, known_keys
from autospikformer_cli.say import SILENT, uninterrupted
from autospikformer_cli.space import SearchSpace, Subnet, parse_subnet
from autospikformer_cli.spiking.layout import NetworkShape
from autospikformer_cli.spiking.stages import Attend, Fire, Stage
from autospikformer_cli.spiking.supernet import NetworkConfig, Supernet

ROOT = Path(__file__).parents[1]
PACKAGE = Path(autospikformer_cli.__file__).parent
PLACES = ("README.md", "CHANGELOG.md", "docs/*.md", "plugins/*/README.md", "benchmarks/**/*.md")
PAGES = sorted(path for place in PLACES for path in ROOT.glob(place))


def module_at(path: str) -> ModuleType:
    """A module that no import finds, by its path in the repository."""
    spec = importlib.util.spec_from_file_location(Path(path).stem, ROOT / path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def pages_module() -> ModuleType:
    return module_at("docs/pages.py")


def page(name: str) -> str:
    return (ROOT / "docs" / name).read_text(encoding="utf-8")


def table_rows(text: str, head: str) -> list[list[str]]:
    """The cells of the table with this head."""
    lines = text[text.index(head) :].splitlines()[2:]
    end = next((number for number, line in enumerate(lines) if not line.startswith("|")), len(lines))
    return [[cell.strip() for cell in line.removeprefix("|").removesuffix("|").split("|")] for line in lines[:end]]


def in_backticks(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


MADE = ("recipe-keys.md", "commands.md", "fidelity.md", "json.md")


def test_pages_makes_these_and_no_others() -> None:
    assert tuple(pages_module().PAGES) == MADE


@pytest.mark.parametrize("name", MADE)
def test_a_page_made_from_the_code_is_fresh(name: str) -> None:
    made = pages_module().PAGES[name]()
    assert (ROOT / "docs" / name).read_text(encoding="utf-8") == made, "run: python docs/pages.py"


def test_the_page_of_keys_has_the_values_of_a_choice_and_what_keys_need() -> None:
    rows = [line.strip("| ").split(" | ") for line in page("recipe-keys.md").splitlines() if line.startswith("| `")]
    values = {in_backticks(row[0])[0]: in_backticks(row[2]) for row in rows if len(row) == 5}
    assert values["train.distillation"] == ['"none"', '"soft_labels"']
    assert values["train.sampling"] == ['"single"', '"fair"', '"sandwich"']
    assert values["energy.residual"] == ['"ac"', '"mac"', '"none"']
    assert values["energy.profile"] == ['"cmos45"', '"cmos45-memory"', '"loihi"']
    assert values["energy.head"] == ["true", "false", '"none"']
    assert values["train.lr"] == values["data.image_size"] == []
    assert values.keys() - {"seed", "fidelity"} == {f"{name}.{key}" for name in SECTIONS for key in known_keys()[name]}
    rules = [in_backticks(row[0]) for row in rows if len(row) == 2]
    assert [tuple(keys) for keys in rules] == [rule.keys for rule in RULES_BETWEEN_KEYS]


def test_the_fidelity_page_has_every_reading_and_every_switch_and_stands_alone() -> None:
    lines = page("fidelity.md").splitlines()
    rows = [line.strip("| ").split(" | ") for line in lines if line.startswith("| ")]
    numbers = {int(row[0].split(",")[0]) for row in rows if row[0][0].isdigit()}
    assert numbers == set(range(1, 35))
    switches = [row[1] for row in rows if row[1].startswith("`") and "." in row[1]]
    assert switches == [f"`{switch.key}`" for switch in (*PROFILE_SWITCHES, *CONVENTION_SWITCHES)]
    assert len({len(row) for row in rows}) == 3, "a | in a cell"


def readings() -> list[dict[str, Any]]:
    """Every reading of the paper, as the page is made of them."""
    found: list[dict[str, Any]] = tomli.loads(pages_module().READINGS.read_text(encoding="utf-8"))["reading"]
    return found


def test_every_switch_has_one_reading_and_every_reading_with_a_key_one_switch() -> None:
    keys = [reading["key"] for reading in readings() if "key" in reading]
    assert sorted(keys) == sorted(switch.key for switch in (*PROFILE_SWITCHES, *CONVENTION_SWITCHES))


@pytest.mark.parametrize("reading", readings(), ids=lambda reading: f"{reading['number']}, {reading['title']}")
def test_a_reading_has_every_field_of_its_kind_and_what_computes_it_exists(reading: dict[str, Any]) -> None:
    fields = {"key", "changes", "why"} if "key" in reading else {"paper", "authors", "ours"}
    assert reading.keys() - {"silent"} == {"number", "title", "computed"} | fields
    assert "key" in reading or "silent" not in reading
    for place in reading["computed"]:
        module, _, attribute = place.partition(":")
        reduce(getattr, attribute.split("."), importlib.import_module(module))


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_to_files_and_to_headings_in_them(path: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", prose_of(path)):
        if target.startswith("http"):
            continue
        file, _, anchor = target.partition("#")
        page = path.parent / file if file else path
        assert page.is_file(), target
        assert not anchor or anchor in anchors_of(page), target


def prose_of(path: Path) -> str:
    """A page without its blocks of code."""
    return re.sub(r"^```.*?^```", "", path.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)


def anchors_of(path: Path) -> set[str]:
    """What a link may name after #, by GitHub's rule: the words of a heading with hyphens between them."""
    headings = re.findall(r"^#+ (.+)$", prose_of(path), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_every_page_is_in_the_contents_once() -> None:
    """docs/index.md, of which the site's contents are made. The README leads there."""
    listed = re.findall(r"^- \[[^]]+\]\(([^)]+)\): ", page("index.md"), re.MULTILINE)
    assert len(listed) == page("index.md").count("\n- ")
    assert len(listed) == len(set(listed))
    results = set((ROOT / "benchmarks" / "results").glob("*.md"))  # the benchmarks' page has them
    pages = {path for path in PAGES if path.name != "index.md"} - results - {ROOT / "README.md"}
    assert {(ROOT / "docs" / name).resolve() for name in listed} == pages
    assert "](docs/index.md)" in (ROOT / "README.md").read_text(encoding="utf-8")
    benchmarks = (ROOT / "benchmarks" / "README.md").read_text(encoding="utf-8")
    assert {path.name for path in results} == set(re.findall(r"\(results/([^)]+)\)", benchmarks))


def test_figures_of_speed_in_the_readme_stand_in_the_results() -> None:
    rows = table_rows((ROOT / "README.md").read_text(encoding="utf-8"), "| what | figure | measured in |")
    assert len(rows) == 4
    for _, figure, link in rows:
        result = (ROOT / re.findall(r"\(([^)]+)\)", link)[0]).read_text(encoding="utf-8")
        figures = re.findall(r"(\d\.\d+) times", figure)
        assert figures
        assert all(f"| {each} |" in result for each in figures)


def test_the_citation_is_whole_and_of_this_version() -> None:
    """Citation File Format 1.2.0; its schema's required fields and those that we promise."""
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    project = tomli.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert cited["cff-version"] == "1.2.0"
    assert {"message", "title", "authors"} <= cited.keys()
    assert (cited["type"], cited["version"], cited["license"]) == ("software", project["version"], project["license"])
    assert cited["keywords"] == project["keywords"]
    assert [author.keys() for author in cited["authors"]] == [{"name"}]
    (paper,) = cited["references"]
    assert {"type", "title", "authors"} <= paper.keys()
    assert all(author.keys() == {"family-names", "given-names"} for author in paper["authors"])
    assert f"https://doi.org/{paper['doi']}" in (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_architecture_page_names_every_part() -> None:
    text = page("architecture.md")
    parts = {path.stem for path in PACKAGE.iterdir() if not path.stem.startswith("__")}
    assert not {part for part in parts if f"`{part}`" not in text}


@pytest.mark.usefixtures("one_thread")
def test_the_examples_of_the_python_page_run() -> None:
    blocks = re.findall(r"^```python\n(.*?)^```", page("python.md"), re.DOTALL | re.MULTILINE)
    assert len(blocks) > 5
    names: dict[str, Any] = {"__name__": "examples"}
    for number, block in enumerate(blocks, 1):
        exec(compile(block, f"docs/python.md, example {number}", "exec"), names)  # noqa: S102


def test_the_python_page_names_the_whole_api() -> None:
    named = [in_backticks(row[0])[0] for row in table_rows(page("python.md"), "| name | what it does | returns |")]
    assert sorted(named) == sorted(autospikformer_cli.__all__)


def default_as_written(value: object) -> str:
    if value is inspect.Parameter.empty:
        return ""
    known = {id(SILENT): "SILENT", id(uninterrupted): "uninterrupted"}
    return known.get(id(value), repr(value).replace("'", '"'))


def api_parameters() -> Iterator[tuple[str, str, str]]:
    """Function, parameter and default of all that the API takes."""
    for name in autospikformer_cli.__all__:
        function = getattr(autospikformer_cli, name)
        if inspect.isfunction(function):
            for parameter in inspect.signature(function).parameters.values():
                yield name, parameter.name, default_as_written(parameter.default)


def test_the_python_page_has_every_parameter_with_its_default() -> None:
    rows = table_rows(page("python.md"), "| parameter | default | function | meaning |")
    described = [
        (function, in_backticks(row[0])[0], "".join(in_backticks(row[1])))
        for row in rows
        for function in in_backticks(row[2])
    ]
    assert sorted(described) == sorted(api_parameters())


IMPORTS = module_at("tests/test_imports.py")


def test_the_architecture_page_has_the_layers_of_the_tests() -> None:
    rows = table_rows(page("architecture.md"), "| row | packages | what they are |")
    assert [int(row[0]) for row in rows] == list(range(1, len(rows) + 1))
    assert [set(in_backticks(row[1])) for row in rows] == list(IMPORTS.LAYERS)
    assert all(len(in_backticks(row[1])) == len(row[2].split(";")) for row in rows[:2])


def test_the_architecture_page_says_who_alone_may_what() -> None:
    rows = table_rows(page("architecture.md"), "| who alone | may |")
    said = {name: set(in_backticks(who)) for who, what in rows for name in [*in_backticks(what), what.split()[-1]]}
    for name, who in IMPORTS.ONLY_MAKERS.items():
        assert said[name] == who
    installed = {stranger for module in IMPORTS.MODULES for stranger in IMPORTS.strangers_imported(module)}
    for name, who in IMPORTS.ONLY_IMPORTERS.items():
        assert name not in installed or said[name] == who, name


def test_the_architecture_page_says_what_has_no_import_of_torch() -> None:
    said = r"These packages have no import of torch of their own: (.*?)\.\s+In `energy`"
    without = re.search(said, page("architecture.md"), re.DOTALL)
    assert without
    assert set(in_backticks(without[1])) == IMPORTS.WITHOUT_TORCH
    energy = [module for module in IMPORTS.MODULES if IMPORTS.part_of(module) == "energy"]
    with_torch = {module for module in energy if IMPORTS.strangers_imported(module) & IMPORTS.TORCH}
    assert {each.parent for each in with_torch} == {PACKAGE / "energy" / "tracing"}


ABOUT_THE_CODE = ("architecture.md", "tree-walk.md", "conditions.md", "stores.md")


@pytest.mark.parametrize("name", ABOUT_THE_CODE)
def test_paths_of_the_code_exist(name: str) -> None:
    """Every path with a folder of the tests or a suffix of source, in the package or in the repository."""
    prose = re.sub(r"^```.*?^```", "", page(name), flags=re.DOTALL | re.MULTILINE)
    source, folder = r"[\w*./-]+\.(?:py|toml|md)", r"(?:tests|benchmarks|plugins)/[\w./-]*"
    named = [each for each in in_backticks(prose) if re.fullmatch(f"{source}|{folder}", each)]
    assert len(named) > 5
    wrong = [each for each in named if not any(any(root.glob(each.rstrip("/"))) for root in (PACKAGE, ROOT))]
    assert not wrong


@pytest.mark.parametrize("name", ABOUT_THE_CODE)
def test_names_of_the_code_exist(name: str) -> None:
    """Written as `engine/choice.py`: `make_engine`."""
    named = re.findall(r"`([\w/]+\.py)`:\s+`(\w+)`", page(name))
    assert named or name != "architecture.md"
    for path, attribute in named:
        module = importlib.import_module(f"{PACKAGE.name}.{path.removesuffix('.py').replace('/', '.')}")
        assert hasattr(module, attribute), f"{path}: {attribute}"


def test_what_is_to_be_changed_where_exists_and_is_guarded() -> None:
    rows = table_rows(page("architecture.md"), "| to change | edit | the test that guards it |")
    assert len(rows) > 20
    for change, edit, tests in rows:
        assert any("/" in each or each == "api.py" for each in in_backticks(edit)), change
        assert in_backticks(tests), change
        assert all((ROOT / each).exists() for each in in_backticks(tests)), change


def test_names_to_edit_are_in_the_file_that_is_named_next() -> None:
    """Written as `KNOWN` of `data/description.py`."""
    named = re.findall(r"`(\w+)` of\s+`([\w/.]+\.py)`", page("architecture.md"))
    assert len(named) > 10
    for attribute, path in named:
        file = next(root / path for root in (PACKAGE, ROOT) if (root / path).is_file())
        assert re.search(
            rf"^(?:def|class) {attribute}\b|^{attribute}\b", file.read_text(encoding="utf-8"), re.MULTILINE
        ), attribute


def test_the_conditions_page_has_every_question() -> None:
    from autospikformer_cli.runs import conditions

    public = {
        name
        for name, each in vars(conditions).items()
        if inspect.isfunction(each) and each.__module__ == conditions.__name__ and not name.startswith("_")
    }
    rows = table_rows(page("conditions.md"), "| question | asked by | function | compares |")
    asked = {name for row in rows for name in in_backticks(row[2])}
    assert {name for name in asked if "Conditions" not in name and name != "=="} == public
    assert all(hasattr(conditions.Conditions, name.split(".")[1]) for name in asked if name.startswith("Conditions."))


def test_the_conditions_page_has_every_effect_with_true_examples() -> None:
    rows = table_rows(page("conditions.md"), "| effect | what depends on the key | examples |")
    assert [in_backticks(row[0]) for row in rows] == [[each.name] for each in (*Decides, Decides.NOTHING)]
    for row in rows:
        effect = Decides[in_backticks(row[0])[0]]
        for key in in_backticks(row[2]):
            assert effects()[key] & effect or effects()[key] == effect, key


def drawn(node: TreeNode, subnets: dict[Subnet, str], depth: int = 0) -> Iterator[str]:
    """A tree as docs/tree-walk.md draws it: = for the members of a group of several, - for all others."""
    for group in node.groups.values():
        mark = "=" if len(group.children) > 1 else "-"
        for child in group.children.values():
            ends = "".join(f" {subnets[each]}" for each in child.subnets)
            yield f"{'  ' * depth}{mark} {stage_in_words(child.stage)}{ends}"
            yield from drawn(child, subnets, depth + 1)


def stage_in_words(stage: Stage | None) -> str:
    if isinstance(stage, Fire):
        layers = ", ".join(layer.weights.name.rpartition(".")[2].removesuffix("_linear") for layer in stage.layers)
        return f"{layers}: {stage.outputs} channels, tau {stage.neuron.tau:g}"
    return f"attention: {stage.heads} heads" if isinstance(stage, Attend) else "classifier:"


def test_the_tree_on_the_page_is_the_tree_of_its_subnets() -> None:
    text = page("tree-walk.md")
    subnets = {parse_subnet(genes): name for name, genes in re.findall(r"^([A-D]) (\([^)]+\))", text, re.MULTILINE)}
    space = SearchSpace(
        **{gene: tuple(sorted({value for subnet in subnets for value in getattr(subnet, gene)}))
           for gene in ("mlp_ratio", "num_heads", "threshold", "tau")},
        depth=(1,), time_step=(4,), embed_dim=(16,),
    )  # fmt: skip
    supernet = Supernet(NetworkConfig(NetworkShape(8, 1, 10, 16), space))
    tree = grow(((each, supernet.encoder_stages(each)) for each in subnets), merges_outputs=True)
    lines = list(drawn(tree, subnets))
    assert "\n".join(lines) in text
    alone = sum(len(list(supernet.encoder_stages(each))) for each in subnets)
    assert f"the four subnets have {alone} stages. The tree has {len(lines)}." in " ".join(text.split())

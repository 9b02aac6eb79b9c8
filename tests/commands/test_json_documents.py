"""Every command's document has exactly the fields that docs/json.md says; with --json, an error is a document too."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from autospikformer_cli.cli.documents import DOCUMENTS, Document, ErrorDocument

Aspk = Callable[..., Any]

EXAMPLES: dict[str, tuple[str, ...]] = {
    "train": ("--set", "train.epochs=5"),
    "train --dry-run": (),
    "search": (),
    "search --seeds": ("2",),
    "search --dry-run": (),
    "evaluate": ("--images", "20", "--timing", "--finetune", "1"),
    "finish": ("--best", "1", "--epochs", "1", "--seeds", "1"),
    "finish --dry-run": (),
    "energy": (),
    "energy module": ("tiny_net:make", "--input-shape", "1,4"),
    "analyze": ("--images", "8", "--channels", "2"),
    "analyze blocks": ("--images", "20"),
    "analyze genes": ("--resamples", "100"),
    "analyze ranking": ("--sample", "3", "--finetune", "1", "--seeds", "2", "--recalibrate", "16"),
    "analyze ranking --dry-run": ("--finetune", "1"),
    "analyze spikes": ("--subnet", "largest", "--subnet", "smallest"),
    "report": (),
    "report --watch": (),
    "report --alpha-sweep": (),
    "report --table": ("front",),
    "report --methods": (),
    "report --figure": ("front", "--to", "front.svg"),
    "report --html": ("page.html",),
    "compare": ("--best", "5"),
    "import": ("best.safetensors", "--recipe", "tiny.toml", "--set", "model.calibration_images=16"),
    "export": ("--to", "out.safetensors"),
    "recipes": (),
    "recipes show": ("quickstart",),
    "profiles": (),
    "profiles show": ("loihi",),
    "runs": (),
    "runs show": (),
}


def test_every_document_has_an_example() -> None:
    assert EXAMPLES.keys() == DOCUMENTS.keys()


@pytest.mark.parametrize("command", DOCUMENTS)
def test_a_document_has_the_documented_fields(
    command: str, aspk: Aspk, searched: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("tiny_net.py").write_text("from torch import nn\n\ndef make():\n    return nn.Linear(4, 2)\n")
    monkeypatch.syspath_prepend(str(Path.cwd()))
    monkeypatch.delitem(sys.modules, "tiny_net", raising=False)
    if command == "import":
        assert aspk("export", "--subnet", "largest", "--to", "best.safetensors").exit_code == 0
    if command == "compare":
        assert aspk("search", "--alpha", "0.9", "--set", "search.generations=1").exit_code == 0
    done = aspk(*command.split(), *EXAMPLES[command], "--json", "--quiet")
    assert done.exit_code == 0, done.stderr
    model = DOCUMENTS[command]
    model.model_validate_json(done.stdout)
    always = {name for name, field in model.model_fields.items() if field.is_required()}
    assert always <= done.document.keys() <= model.model_fields.keys()
    assert next(iter(done.document)) == "schema_version"


def test_the_check_can_fail(aspk: Aspk) -> None:
    text = aspk("runs", "--json").stdout
    for wrong in (text.replace('"runs"', '"run"'), text.replace("1", '"1"'), text.replace("{", '{"more": 1,')):
        with pytest.raises(ValidationError):
            DOCUMENTS["runs"].model_validate_json(wrong)


@pytest.mark.parametrize("words", [("report",), ("report", "--top", "many"), ("train", "quikstart"), ("nothing",)])
def test_an_error_is_a_document(words: tuple[str, ...], aspk: Aspk) -> None:
    done = aspk(*words, "--json")
    found = ErrorDocument.model_validate_json(done.stdout)
    assert (done.exit_code, found.exit_code) == (2, 2)
    assert found.error in done.stderr
    assert aspk(*words).stderr == done.stderr


def documented(model: type[Document]) -> list[str]:
    return [name for name, field in model.model_fields.items() if not field.description]


def test_every_field_has_its_meaning() -> None:
    assert not {model.__name__: documented(model) for model in DOCUMENTS.values() if documented(model)}

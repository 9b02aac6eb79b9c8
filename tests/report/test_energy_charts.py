"""Pictures of energies and firing rates, written and read back."""

from __future__ import annotations

import os
import struct
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from autospikformer_cli.energy.pricing import LayerEnergy
from autospikformer_cli.errors import UserError
from autospikformer_cli.report.energy_charts import bar_chart, heat_map

NAMES = ["patch_embed.proj_conv", "block.0.attn.(q@k)@v", "block.0.mlp.fc1_linear", "head"]
RATES = [("stem.lif", (0.5,)), ("block.0.attn.q_lif", (0.125, 0.25, 0.875)), ("block.0.mlp.fc1_lif", (0.0, 0.0, 0.0))]
TITLE = "Energy of $S_T$ <1> & more"
Draw = Callable[[Path], None]


def layer(name: str, energy_j: float = 2e-6) -> LayerEnergy:
    return LayerEnergy(name, "linear", 10, 4, 0.25, 0.25, 10.0, 10.0, 0.0, energy_j, 0.0, 0.0, 0.0)


LAYERS = [layer(name, (place + 1) * 1e-6) for place, name in enumerate(NAMES)]


def bars(path: Path) -> None:
    bar_chart(path, TITLE, LAYERS)


def cells(path: Path) -> None:
    heat_map(path, TITLE, RATES)


def texts(path: Path) -> list[str]:
    """What an SVG shows as text, in the order of its elements."""
    root = ET.fromstring(path.read_bytes())
    return ["".join(found.itertext()) for found in root.iter("{http://www.w3.org/2000/svg}text")]


def png_size(path: Path) -> tuple[int, int]:
    content = path.read_bytes()
    assert content[:8] == b"\x89PNG\r\n\x1a\n"
    assert content[12:16] == b"IHDR"
    assert content[-8:-4] == b"IEND"
    width, height = struct.unpack(">II", content[16:24])
    return width, height


def test_a_bar_for_each_layer_with_its_name_energy_and_share(tmp_path: Path) -> None:
    bars(tmp_path / "bars.svg")
    shown = texts(tmp_path / "bars.svg")
    assert [text for text in shown if text in NAMES] == [*NAMES, "head"], "layers, then the legend's part"
    assert [text for text in shown if text.endswith(" %")] == [
        "1.000, 10.0 %",
        "2.000, 20.0 %",
        "3.000, 30.0 %",
        "4.000, 40.0 %",
    ]
    assert {TITLE, "Energy of one image (µJ)", "stem", "blocks", "head"} <= set(shown)
    assert "compute" not in shown


def test_bars_are_stacked_where_there_are_several_costs_and_unpriced_has_no_number(tmp_path: Path) -> None:
    layers = [replace(LAYERS[0], memory_j=1e-6), replace(LAYERS[1], neurons_j=1e-6, compute_j=0.0, unpriced=5.0)]
    bar_chart(tmp_path / "bars.svg", "Energy", layers)
    shown = texts(tmp_path / "bars.svg")
    assert {"compute", "memory", "neurons", "no figure"} <= set(shown)
    assert [text for text in shown if text.endswith(" %")] == ["2.000, 66.7 %"]


def test_rates_stand_in_their_cells_and_missing_steps_are_blank(tmp_path: Path) -> None:
    cells(tmp_path / "rates.svg")
    shown = texts(tmp_path / "rates.svg")
    assert [text for text in shown if text in dict(RATES)] == list(dict(RATES))
    values = [text for text in shown if text in {".500", ".125", ".250", ".875", ".000"}]
    assert values == [".500", ".125", ".250", ".875"]
    assert shown.count("0") == 3, "never: 0 is not rounded"
    assert [text for text in shown if text in {"1", "2", "3", "4"}] == ["1", "2", "3"]
    assert "Time step" in shown
    assert any(text.startswith("Output firing rate") for text in shown)


def test_hardly_ever_is_not_never(tmp_path: Path) -> None:
    heat_map(tmp_path / "rates.svg", "Rates", [("never", (0.0, 0.5)), ("hardly", (0.0004, 0.5))])
    shown = texts(tmp_path / "rates.svg")
    assert (shown.count("0"), shown.count(".000")) == (1, 1)


def test_many_steps_have_no_room_for_numbers(tmp_path: Path) -> None:
    heat_map(tmp_path / "rates.svg", "Rates", [("lif", tuple(0.5 for _ in range(40))), ("late", (float("nan"),))])
    shown = texts(tmp_path / "rates.svg")
    assert ".500" not in shown
    assert {"lif", "late", "1", "39"} <= set(shown)
    assert "40" not in shown


@pytest.mark.parametrize("draw", [bars, cells])
def test_the_same_numbers_give_the_same_bytes_whatever_the_user_s_style(draw: Draw, tmp_path: Path) -> None:
    import matplotlib as mpl

    for suffix in (".svg", ".png", ".PNG", ".pdf"):
        first, second = tmp_path / f"first{suffix}", tmp_path / f"second{suffix}"
        draw(first)
        with mpl.rc_context({"axes.facecolor": "black", "svg.fonttype": "path", "font.size": 20}):
            draw(second)
            assert mpl.rcParams["font.size"] == 20
        assert first.read_bytes() == second.read_bytes()
    assert png_size(tmp_path / "first.PNG") == png_size(tmp_path / "first.png")


def test_a_picture_grows_with_layers_and_with_names(tmp_path: Path) -> None:
    for name, layers in (
        ("few", LAYERS),
        ("many", LAYERS * 10),
        ("long", [layer("encoder." + "inner_block." * 6 + "linear")] * 4),
    ):
        bar_chart(tmp_path / f"{name}.png", "Energy", layers)
    few, many, long = (png_size(tmp_path / f"{name}.png") for name in ("few", "many", "long"))
    assert many[0] == few[0]
    assert many[1] > 3 * few[1]
    assert long[1] == few[1]
    assert long[0] > few[0] + 300


def test_no_energy_at_all_is_drawn(tmp_path: Path) -> None:
    bar_chart(tmp_path / "bars.svg", "Energy", [layer("fc1", 0.0), layer("fc2", 0.0)])
    assert texts(tmp_path / "bars.svg").count("0") >= 2


@pytest.mark.parametrize("draw", [bars, cells])
def test_other_files_and_missing_folders_are_refused(draw: Draw, tmp_path: Path) -> None:
    with pytest.raises(UserError) as refused:
        draw(tmp_path / "picture.gif")
    assert refused.value.what == "a picture is written as .png, .svg or .pdf, not as .gif"
    png, svg, pdf = (tmp_path / f"picture{suffix}" for suffix in (".png", ".svg", ".pdf"))
    assert refused.value.fix == f"write {png}, {svg} or {pdf}"
    with pytest.raises(UserError, match="not as a file without a suffix"):
        draw(tmp_path / "picture")
    with pytest.raises(UserError, match="there is no folder"):
        draw(tmp_path / "missing" / "picture.png")
    assert not any(tmp_path.iterdir())


def test_nothing_to_draw_is_said(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no firing rate"):
        heat_map(tmp_path / "rates.png", "Rates", [("lif", ())])
    with pytest.raises(UserError, match="no layer"):
        bar_chart(tmp_path / "bars.png", "Energy", [])
    assert not any(tmp_path.iterdir())


def test_a_failed_write_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "bars.png").mkdir()
    with pytest.raises(UserError, match="a folder of this name is there"):
        bars(tmp_path / "bars.png")
    assert [file.name for file in tmp_path.iterdir()] == ["bars.png"]
    if os.geteuid():
        closed = tmp_path / "closed"
        closed.mkdir(mode=0o555)
        with pytest.raises(UserError, match="cannot be written: Permission denied"):
            bars(closed / "bars.png")

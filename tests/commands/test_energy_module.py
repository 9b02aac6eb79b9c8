"""aspk energy --module: networks of other authors' layers, and what is said where one cannot be counted."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

Aspk = Callable[..., Any]

NETS = '''
import snntorch
import torch
from spikingjelly.activation_based import functional, layer, neuron
from torch import nn
from torch.nn.utils import prune


class Csnn(nn.Module):
    """SpikingJelly's layers, all steps at once: (T, N, 1, 6, 6)."""

    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(
            layer.Conv2d(1, 3, 3, padding=1, bias=False), neuron.LIFNode(), layer.MaxPool2d(2, 2),
            layer.Flatten(), layer.Linear(27, 5), neuron.LIFNode(),
        )
        functional.set_step_mode(self, "m")

    def forward(self, x):
        return self.net(x).mean(0)


class Leaky(nn.Module):
    """snnTorch's neurons in a loop over three steps: (N, 8)."""

    def __init__(self):
        super().__init__()
        self.fc1, self.lif1 = nn.Linear(8, 6), snntorch.Leaky(beta=0.9)
        self.fc2, self.lif2 = nn.Linear(6, 4), snntorch.Leaky(beta=0.9)

    def forward(self, x):
        first, second = self.lif1.init_leaky(), self.lif2.init_leaky()
        total = 0
        for _ in range(3):
            spikes, first = self.lif1(self.fc1(x), first)
            spikes, second = self.lif2(self.fc2(spikes), second)
            total = total + spikes
        return total


class Pairs(nn.Module):
    def __init__(self):
        super().__init__()
        self.pairs = nn.Bilinear(4, 4, 3)
        self.fc = nn.Linear(3, 2)

    def forward(self, x):
        return self.fc(self.pairs(x, x))


def csnn():
    torch.manual_seed(0)
    return Csnn()


def leaky():
    torch.manual_seed(1)
    return Leaky()


def broken():
    raise ValueError("no weights here")


number = 3


class Plain(nn.Module):
    """What it multiplies depends on how it is asked for."""

    def __init__(self, how):
        super().__init__()
        self.how, self.fc = how, nn.Linear(8, 3, bias=False)

    def forward(self, x):
        print("forward is running")
        if self.how == "exits":
            raise SystemExit(0)
        if self.how == "spread":
            return (x.unsqueeze(-2) * self.fc.weight).sum(-1)
        if self.how == "thread":
            import threading

            worker = threading.Thread(target=self.fc, args=(x,))
            worker.start()
            worker.join()
        return self.fc(x)


def plain():
    return Plain("plain")


def pruned():
    net = nn.Sequential(nn.Linear(8, 10), nn.ReLU(), nn.Linear(10, 2))
    return prune.l1_unstructured(net[0], "weight", 20) and net


class Shared(nn.Module):
    """One layer reads the image, and then its own spikes, three times."""

    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(8, 8)

    def forward(self, x):
        for _ in range(4):
            x = (self.fc(x) > 0).float()
        return x


def silent():
    net = nn.Sequential(
        nn.Linear(8, 6), neuron.IFNode(v_threshold=1e6), layer.Linear(6, 4), neuron.IFNode(), layer.Linear(4, 2)
    )
    return net


class Drawing(nn.Module):
    """Codes its input by random numbers of its own generator."""

    def __init__(self):
        super().__init__()
        self.fc, self.numbers = nn.Linear(8, 3), torch.Generator().manual_seed(1)

    def forward(self, x):
        return self.fc((torch.rand(x.shape, generator=self.numbers) < x).float())


def keeping():
    return nn.Sequential(layer.Linear(8, 64), neuron.IFNode(v_threshold=0.9), layer.Linear(64, 2))


def exits():
    return Plain("exits")


def spread():
    return Plain("spread")


def lazy():
    return nn.LazyLinear(3)


def meta():
    return nn.Linear(8, 3, device="meta")


def imaginary():
    return nn.Linear(8, 3, dtype=torch.complex64)
'''


@pytest.fixture(autouse=True)
def nets(own_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """nets.py in the working folder, forgotten afterwards."""
    (own_folder / "nets.py").write_text(NETS)
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield
    sys.modules.pop("nets", None)


def test_a_spikingjelly_network(aspk: Aspk) -> None:
    done = aspk("energy", "module", "nets:csnn", "--input-shape", "4,2,1,6,6", "--json")
    assert done.exit_code == 0, done.stderr
    convolution, linear = done.document["layers"]
    assert (convolution["name"], convolution["macs"], convolution["sops"]) == ("net.0", 9 * 3 * 36, None)
    assert (linear["name"], linear["macs"], linear["steps"]) == ("net.4", 27 * 5, 4)
    assert linear["sops"] == pytest.approx(linear["input_rate"] * 4 * 27 * 5, rel=1e-12)
    assert done.document["module"] == "nets:csnn"
    assert done.document["unattributed"] == []
    shown = " ".join(aspk("energy", "module", "nets:csnn", "--input-shape", "4,2,1,6,6").stdout.split())
    assert "counted on random numbers from 0 to 1, seed 0, of shape 4,2,1,6,6, read as TNCHW" in shown
    assert "operators that cost 0:" in shown


def test_an_snntorch_network_on_ones_own_input(aspk: Aspk) -> None:
    images = np.random.default_rng(0).random((5, 8), np.float32)
    np.save("images.npy", images)
    options = ("nets:leaky", "--input", "images.npy", "--time-steps", "3", "--json")
    document = aspk("energy", "module", *options).document
    first, second = document["layers"]
    # The image is the same at every step: convolved once, unless every step is counted.
    assert (first["name"], first["macs"], first["steps"], first["multiplies"]) == ("fc1", 48, 1, 48)
    assert (second["name"], second["macs"], second["steps"]) == ("fc2", 24, 3)
    every = aspk("energy", "module", *options, "--convention", "every-step").document
    assert every["layers"][0]["multiplies"] == 3 * 48
    expected = 48 * 4.6e-12 + second["sops"] * 0.9e-12
    assert document["energy_j"] == pytest.approx(expected, rel=1e-12)
    np.save("permuted.npy", images[[4, 2, 0, 1, 3]])
    permuted = aspk("energy", "module", "nets:leaky", "--input", "permuted.npy", "--time-steps", "3", "--json").document
    assert permuted["layers"] == document["layers"]
    exact = aspk("energy", "module", *options, "--convention", "border-exact").document
    assert exact["layers"][1]["sops"] == second["sops"]


def test_what_cannot_be_attributed_is_named(aspk: Aspk) -> None:
    options = ("nets:Pairs", "--input-shape", "2,7,4", "--input-layout", "NSF")
    document = aspk("energy", "module", *options, "--json").document
    assert [work["module"] for work in document["unattributed"]] == ["pairs"]
    assert [layer["name"] for layer in document["layers"]] == ["fc"]
    assert "NOT COUNTED:" in aspk("energy", "module", *options).stdout


def test_weights_that_are_spread_elementwise_are_named(aspk: Aspk) -> None:
    options = ("nets:spread", "--input-shape", "2,8")
    assert [work["operator"] for work in aspk("energy", "module", *options, "--json").document["unattributed"]] == [
        "aten.mul"
    ]
    assert "of what could be counted" in aspk("energy", "module", *options).stdout


def shown_and_document(aspk: Aspk, *options: str) -> tuple[str, Any, str]:
    """The text of the table, the document, and what standard error says next to it."""
    done = aspk("energy", "module", *options, "--json")
    return " ".join(aspk("energy", "module", *options).stdout.split()), done.document, done.stderr


def test_a_layer_that_reads_an_image_and_spikes_has_two_rows(aspk: Aspk) -> None:
    options = ("nets:Shared", "--input-shape", "3,8", "--time-steps", "4")
    shown, document, _ = shown_and_document(aspk, *options)
    real, binary = document["layers"]
    assert [real["name"], binary["name"]] == ["fc (real)", "fc (binary)"]
    assert (real["steps"], real["multiplies"], binary["steps"], binary["multiplies"]) == (1, 64, 3, 0)
    assert (real["runs_a_step"], binary["runs_a_step"], document["macs"]) == (0.25, 0.75, 64)
    assert document["energy_j"] == pytest.approx(64 * 4.6e-12 + binary["sops"] * 0.9e-12, rel=1e-12)
    assert document["ann_energy_j"] == pytest.approx(64 * 4.6e-12, rel=1e-12)
    assert document["split_layers"] == {"fc": ["fc (real)", "fc (binary)"]}
    assert "fc reads several kinds of input, so it has a row for each: fc (real), fc (binary)" in shown


def test_weights_that_are_zero_are_said_to_be_counted(aspk: Aspk) -> None:
    shown, document, _ = shown_and_document(aspk, "nets:pruned", "--input-shape", "3,8")
    assert document["connection_sparsity"] == {
        "share": 0.2,
        "weights": 100,
        "zeros": 20,
        "layers": {"0": 0.25, "2": 0.0},
    }
    assert document["macs"] == 100
    note = "20.0 % of the weights are 0 (connection sparsity), 20 of 100; they are counted like the others"
    assert note in shown
    plain, document, _ = shown_and_document(aspk, "nets:plain", "--input-shape", "3,8")
    assert document["connection_sparsity"]["share"] == 0.0
    assert "connection sparsity" not in plain


def test_layers_that_no_spike_reaches_are_named(aspk: Aspk) -> None:
    options = ("nets:silent", "--input-shape", "3,8")
    shown, document, remarks = shown_and_document(aspk, *options)
    assert document["silent_layers"] == ["2", "4"]
    warning = "WARNING: no spike reaches 2 of 2 layers that read spikes, so they cost nothing: 2, 4;"
    assert warning in shown
    assert warning in remarks
    assert "an untrained network is often silent: load trained weights, or give a real input (--input)" in shown
    assert warning in aspk("energy", "module", *options, "--csv").stderr
    shown, document, remarks = shown_and_document(aspk, "nets:Shared", "--input-shape", "3,8", "--time-steps", "4")
    assert document["silent_layers"] == []
    assert "WARNING" not in shown + remarks


def test_a_state_that_is_kept_between_calls_is_said(aspk: Aspk) -> None:
    shown, document, remarks = shown_and_document(aspk, "nets:keeping", "--input-shape", "3,8")
    second = document["second_run"]
    assert (second["verdict"], second["changed"], second["error"]) == ("different", ["1.v"], None)
    assert second["energy_j"] > document["energy_j"]
    warning = "WARNING: the module keeps a state: a second run on the same input has other results and costs"
    for text in (shown, remarks):
        assert warning in text
        assert "the first is counted; reset the state at the start of forward" in text
        assert "changed by the runs: 1.v" in text
    _, document, remarks = shown_and_document(aspk, "nets:leaky", "--input-shape", "3,8", "--time-steps", "3")
    assert document["second_run"] == {"verdict": "same", "changed": [], "error": None, "energy_j": None}
    assert "state" not in remarks


def test_random_numbers_are_not_called_a_state(aspk: Aspk) -> None:
    shown, document, _ = shown_and_document(aspk, "nets:Drawing", "--input-shape", "3,8")
    assert (document["second_run"]["verdict"], document["second_run"]["changed"]) == ("random", ["numbers"])
    assert "so whether it keeps a state is not known; changed by the runs: numbers" in shown
    assert "the module keeps a state" not in shown


def test_what_a_module_prints_is_no_part_of_the_document(aspk: Aspk) -> None:
    done = aspk("energy", "module", "nets:plain", "--input-shape", "2,8", "--json")
    assert done.document["macs"] == 24
    assert "forward is running" in done.stderr


def test_large_numbers_are_no_spikes(aspk: Aspk) -> None:
    np.save("large.npy", np.full((2, 8), 1e30, np.float32))
    layer = aspk("energy", "module", "nets:plain", "--input", "large.npy", "--json").document["layers"][0]
    assert (layer["sops"], layer["multiplies"]) == (None, 24)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("nets:exits",), "Plain raises SystemExit: 0"),
        (("nets:lazy",), "nets:lazy has layers without sizes"),
        (("nets:meta",), "they are on the meta device"),
        (("nets:imaginary",), "nets:imaginary has complex weights"),
        (("nets.py:plain",), "leave out .py: nets:plain"),
        (("nets:plain", "--chart", "a.svg", "--heatmap", "a.svg"), "two pictures cannot have one file"),
        (("nets:plain", "--csv", "--ann"), "--csv and --ann both want standard output"),
        (("nets",), "aspk energy module"),
        (("nets:csn",), "did you mean csnn?"),
        (("absent_package:make",), "absent_package"),
        (("nets:broken",), "no weights here"),
        (("nets:number",), "aspk energy module"),
        (("nets:csnn", "--subnet", "best"), "no such option: --subnet"),
        (("nets:csnn", "--set", "train.epochs=3"), "train.epochs means nothing for a module"),
        (("nets:leaky", "--input-shape", "a,b"), "'a,b' is not a shape"),
        (("nets:leaky", "--input-shape", "8"), "1 dimensions have no usual layout"),
        (("nets:leaky", "--input-layout", "TT"), "'TT' is no layout"),
        (("nets:leaky", "--input-shape", "2,9"), "aspk energy module"),
        (("nets:leaky", "--input", "absent.npy"), "absent.npy cannot be read: it does not exist"),
        (("nets:leaky", "--input", "nets.py"), "nets.py cannot be read: it is no array of numbers"),
    ],
    ids=lambda value: "-".join(value[1:]) if isinstance(value, tuple) else "",
)
def test_mistakes(aspk: Aspk, options: tuple[str, ...], told: str) -> None:
    shape = () if {"--input-shape", "--input"} & set(options) else ("--input-shape", "2,8")
    done = aspk("energy", "module", *options, *shape)
    assert (done.exit_code, done.stdout) == (2, "")
    assert told in done.stderr
    assert "Traceback" not in done.stderr


def test_a_module_needs_an_input(aspk: Aspk) -> None:
    done = aspk("energy", "module", "nets:leaky")
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr.startswith("error: aspk energy module: a module needs an input")

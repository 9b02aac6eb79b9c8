"""torchvision beside a torch of another build."""

from __future__ import annotations

import subprocess
import sys

import pytest


def run_python(code: str) -> str:
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_data_sets_and_transforms_work_in_a_new_process() -> None:
    printed = run_python(
        "from autospikformer_cli.data.torchvision_import import torchvision\n"
        "import torch\n"
        "import torchvision as imported_later\n"
        "print(imported_later is torchvision)\n"
        "image = torch.arange(3 * 32 * 32, dtype=torch.uint8).view(3, 32, 32)\n"
        "print(torchvision.datasets.CIFAR10.base_folder)\n"
        "print(torchvision.transforms.v2.functional.equalize(image).shape)\n"
    )
    assert printed == "True\ncifar-10-batches-py\ntorch.Size([3, 32, 32])\n"


def test_schemas_are_defined_only_where_the_normal_import_fails() -> None:
    printed = run_python(
        "try:\n"
        "    import torchvision\n"
        "    fails = False\n"
        "except RuntimeError as error:\n"
        "    fails = 'operator torchvision::nms does not exist' in str(error)\n"
        "from autospikformer_cli.data import torchvision_import\n"
        "print(bool(torchvision_import._schemas) == fails)\n"
    )
    assert printed == "True\n"


@pytest.mark.parametrize("error", [RuntimeError("something else"), ImportError("torchvision is broken")])
def test_another_failure_is_passed_on(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    from autospikformer_cli.data import torchvision_import

    def fail(name: str) -> None:
        raise error

    monkeypatch.setattr(torchvision_import, "import_module", fail)
    with pytest.raises(type(error), match=str(error)):
        torchvision_import.import_torchvision()


def test_describing_a_data_set_imports_no_torch() -> None:
    printed = run_python(
        "import sys\n"
        "from autospikformer_cli.data.description import describe\n"
        "from autospikformer_cli.data.description import KNOWN\n"
        "print(sorted(KNOWN), 'torch' in sys.modules)\n"
    )
    assert printed == "['cifar10', 'cifar100', 'digits'] False\n"

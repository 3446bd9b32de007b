"""Importing `models` and timm in either order."""

import subprocess
import sys

import pytest

BUILD = "print(timm.create_model('mini_deit_1m_patch4_32').__class__.__name__)"


@pytest.mark.slow
@pytest.mark.parametrize("imports", ["import models, timm", "import timm, models"])
def test_timm_builds_the_multiplexed_networks_whichever_is_imported_first(imports: str) -> None:
    assert answer(f"{imports}\n{BUILD}") == "MultiplexedViT"


def test_importing_models_loads_neither_torch_nor_timm() -> None:
    assert answer("import sys, models\nprint({'timm', 'torch'} & set(sys.modules))") == "set()"


def answer(program: str) -> str:
    """The output of ``program``, in which no warning of a name that is registered twice is allowed."""
    command = [sys.executable, "-W", "error::UserWarning", "-c", program]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

"""``import scaler``: a few names, loaded when they are used."""

import subprocess
import sys
from pathlib import Path

import pytest

import scaler


def test_importing_loads_nothing_heavy() -> None:
    program = (
        "import sys, scaler; dir(scaler); scaler.feasible_set('tiny_vit_5m_224', 'flops=50%').size; "
        "print({'torch', 'timm', 'optuna', 'pandas'} & {*sys.modules})"
    )
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout == "set()\n"


def test_every_name_is_there_and_they_are_few() -> None:
    assert len(scaler.__all__) <= 20
    assert {getattr(scaler, name).__name__ for name in scaler.__all__} == set(scaler.__all__)


def test_type_checkers_see_the_same_names() -> None:
    stub = Path(scaler.__file__).with_suffix(".pyi").read_text()
    assert sorted(line.rpartition(" as ")[2] for line in stub.splitlines()) == sorted(scaler.__all__)


def test_another_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'scaler' has no attribute 'serch'"):
        scaler.serch  # noqa: B018

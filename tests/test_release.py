"""A release: one version, packages that work without the checkout, files that people and forges look for."""

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import tomllib
from pathlib import Path
from zipfile import ZipFile

import pytest
import yaml

from tests.experiments.cli.test_cli import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def test_the_version_is_the_same_everywhere() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert citation["version"] == PROJECT["version"]
    assert f"## [{PROJECT['version']}] - {citation['date-released']}" in (ROOT / "CHANGELOG.md").read_text()
    assert (citation["license"], citation["cff-version"]) == (PROJECT["license"], "1.2.0")


def test_the_changelog_has_the_usual_headings() -> None:
    headings = re.findall(r"^(##+) (.*)$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert headings[0] == ("##", "[Unreleased]")
    assert {text for level, text in headings if level == "###"} <= {
        "Added",
        "Changed",
        "Deprecated",
        "Removed",
        "Fixed",
        "Security",
    }


def test_the_workflow_runs_the_check_on_two_systems_and_supported_pythons() -> None:
    job = yaml.safe_load((ROOT / ".github" / "workflows" / "test.yml").read_text())["jobs"]["test"]
    assert job["steps"][-1]["run"] == "make test"
    assert {name.partition("-")[0] for name in job["strategy"]["matrix"]["os"]} == {"ubuntu", "macos"}
    assert f">={job['strategy']['matrix']['python'][0]}" == PROJECT["requires-python"]


@pytest.mark.parametrize("form", ["bug.yml", "result.yml", "feature.yml"])
def test_forms_ask_for_the_run_record(form: str) -> None:
    asked = yaml.safe_load((ROOT / ".github" / "ISSUE_TEMPLATE" / form).read_text())
    assert asked.keys() >= {"name", "description", "body"}
    assert all(item.keys() >= {"type", "id", "attributes"} for item in asked["body"])
    assert any("run.json" in str(item["attributes"].get("description")) for item in asked["body"])


def _built(kind: str, source: Path, out: Path) -> Path:
    """Build a ``wheel`` or an ``sdist`` of ``source``, and return its path."""
    code = f"from setuptools import build_meta; print(build_meta.build_{kind}({str(out)!r}))"
    done = subprocess.run([sys.executable, "-c", code], cwd=source, capture_output=True, text=True, check=True)
    return out / done.stdout.split()[-1]


@pytest.mark.slow
def test_a_wheel_of_the_sdist_works_without_the_checkout(tmp_path: Path) -> None:
    copy, installed = tmp_path / "checkout", tmp_path / "installed"  # a build writes into its folder
    for package in ("scaler", "search_spaces", "models", "experiments"):
        shutil.copytree(ROOT / package, copy / package, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "setup.py", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, copy / name)
    with tarfile.open(_built("sdist", copy, tmp_path)) as archive:
        archive.extractall(tmp_path / "unpacked", filter="data")
    (source,) = (tmp_path / "unpacked").iterdir()
    with ZipFile(_built("wheel", source, tmp_path)) as archive:
        archive.extractall(installed)
    # Without -S, the environment's link to the checkout would serve what the wheel lacks.
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(installed), sysconfig.get_path("purelib")])}
    for words in (["space", "tiny_vit_1m_32", "--budget", "flops=1M"], ["count", "tiny_vit_1m_32"], ["train", "--help"]):
        command = [sys.executable, "-S", "-m", "scaler", *words]
        done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    names = {path.relative_to(installed).as_posix() for path in installed.rglob("*") if path.is_file()}
    assert names >= {"models/zoo/published.csv", "experiments/report/page/report.html", "scaler/py.typed", "scaler/__init__.pyi"}
    assert not any(name.startswith(("tests/", "docs/", "benchmarks/")) for name in names)

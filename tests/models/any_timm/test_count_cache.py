"""The cache of counts: what is kept, and that its loss costs time alone."""

import os
import sqlite3
from pathlib import Path

import pytest

from models.any_timm.arch import TimmArch, count_networks
from models.any_timm.count_cache import CountCache, Failure
from scaler.cost.operators import Cost


@pytest.fixture(autouse=True)
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file of counts, in an empty cache folder."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "scaler" / "counts.db"


def test_costs_and_failures_are_kept(file: Path) -> None:
    with CountCache() as cache:
        cache.put("a", Cost(1, 2))
        cache.put("b", Failure(reason="TypeError: no"))
        cache.put("a", Cost(3, 4))
    with CountCache() as cache:
        assert cache.get("a") == Cost(3, 4)
        assert cache.get("b") == Failure(reason="TypeError: no")
        assert cache.get("c") is None
    assert file.exists()


def test_a_damaged_file_is_left_alone(file: Path) -> None:
    file.parent.mkdir(parents=True)
    file.write_text("no database, whatever its name says" * 100)
    before = file.read_bytes()
    with CountCache() as cache:
        cache.put("a", Cost(1, 2))
        assert cache.get("a") == Cost(1, 2)
    assert file.read_bytes() == before


def test_without_a_cache_folder_networks_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", os.devnull)
    arch = TimmArch(model="resnet10t", resolution=33, num_classes=3)
    assert count_networks([arch, arch]) == count_networks([arch]) * 2
    assert isinstance(count_networks([arch])[0], Cost)


def test_a_file_that_cannot_be_written_is_read(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with CountCache() as cache:
        cache.put("a", Cost(1, 2))
    connect = sqlite3.connect
    monkeypatch.setattr(sqlite3, "connect", lambda path: connect(f"file:{path}?mode=ro", uri=True))
    with CountCache() as cache:
        cache.put("b", Cost(3, 4))
        assert (cache.get("a"), cache.get("b")) == (Cost(1, 2), None)

"""Writing a store: the same bytes whoever writes it and however often they are killed; damage found and mended alone."""

import errno
import json
import os
import random
import signal
import time
from collections.abc import Iterator
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest
import torch

from experiments.logits import shards
from experiments.logits.manifest import Manifest
from experiments.logits.store import Store
from experiments.logits.writer import ROWS, write_store
from models.networks.model_spec import ModelSpec
from scaler.errors import DamagedFileError, ScalerError
from scaler.files import write_bytes
from tests.experiments.logits.small_teacher import manifest, teacher, writer

KILLS = int(os.environ.get("KILLS", "6"))


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """Children are forked here, where OpenMP has to have no threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> tuple[ModelSpec, Store]:
    folder = tmp_path_factory.mktemp("store")
    spec = teacher(folder / "teacher")
    return spec, write_store(writer(spec), manifest(spec), folder / "logits")


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.slow
def test_the_bytes_are_the_same_for_any_workers_and_processes(stored: tuple[ModelSpec, Store], tmp_path: Path) -> None:
    spec, store = stored
    expected = files(store.folder)
    assert len(expected) == 1 + 2 * 5  # two epochs of 151 inputs in files of 32
    write_store(writer(spec, workers=2), manifest(spec), tmp_path / "workers")
    write_store(writer(spec), manifest(spec), tmp_path / "processes", processes=2)
    assert files(tmp_path / "workers") == files(tmp_path / "processes") == expected


def test_killed_at_random_points_it_ends_with_the_same_bytes(stored: tuple[ModelSpec, Store], tmp_path: Path) -> None:
    spec, _ = stored
    work, rng = (writer(spec), manifest(spec, epochs=max(4, KILLS // 2))), random.Random(0)
    began = time.monotonic()
    write_store(*work, tmp_path / "whole")
    each, unfinished = (time.monotonic() - began) / KILLS, 0
    for _ in range(KILLS):
        child = get_context("fork").Process(target=write_store, args=(*work, tmp_path / "killed"))
        child.start()
        child.join(rng.uniform(0, 2.5 * each))
        unfinished += child.is_alive()
        child.kill()
        child.join()
    assert unfinished > KILLS / 2
    write_store(*work, tmp_path / "killed")
    assert files(tmp_path / "killed") == files(tmp_path / "whole")


@pytest.mark.parametrize("damage", ["flip", "truncate", "empty", "remove", "swap"])
def test_damage_is_found_and_mended_alone(stored: tuple[ModelSpec, Store], tmp_path: Path, damage: str) -> None:
    spec, _ = stored
    store = write_store(writer(spec), manifest(spec), tmp_path)
    before = files(tmp_path)
    broken = tmp_path / "epoch-0001" / "shard-00002.safetensors"
    raw = bytearray(broken.read_bytes())
    if damage == "flip":
        raw[-1] ^= 1
        broken.write_bytes(raw)
    elif damage in ("truncate", "empty"):
        broken.write_bytes(raw[: len(raw) // 2 if damage == "truncate" else 0])
    elif damage == "remove":
        broken.unlink()
    else:
        broken.write_bytes((tmp_path / "epoch-0001" / "shard-00001.safetensors").read_bytes())
    with pytest.raises(ScalerError, match=r"shard-00002\.safetensors .*: `scaler teach` with the arguments of the first"):
        Store.open(tmp_path).verify()
    times = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.safetensors") if path != broken}
    write_store(writer(spec), manifest(spec), tmp_path).verify()
    assert files(tmp_path) == before
    assert all(path.stat().st_mtime_ns == then for path, then in times.items())
    assert store.damaged() == []


def test_every_flipped_byte_of_a_file_is_found(stored: tuple[ModelSpec, Store], tmp_path: Path) -> None:
    _, store = stored
    place = Path("epoch-0000/shard-00000.safetensors")
    raw = (store.folder / place).read_bytes()
    (tmp_path / place).parent.mkdir()
    for at in range(len(raw)):
        (tmp_path / place).write_bytes(raw[:at] + bytes([raw[at] ^ 0x10]) + raw[at + 1 :])
        assert store.format(0).fault(tmp_path, place), at
    (tmp_path / place).write_bytes(raw)
    assert store.format(0).fault(tmp_path, place) is None


def test_a_store_is_continued_only_with_the_same_arguments(stored: tuple[ModelSpec, Store], tmp_path: Path) -> None:
    spec, store = stored
    with pytest.raises(ScalerError, match=r"was begun with topk = 4, not 5: choose another --out or the same arguments"):
        write_store(writer(spec), manifest(spec, topk=5), store.folder)
    (tmp_path / "mine.txt").write_text("something else")
    with pytest.raises(ScalerError, match="is not empty and holds no"):
        write_store(writer(spec), manifest(spec), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_what_is_no_store_is_refused(stored: tuple[ModelSpec, Store], tmp_path: Path) -> None:
    with pytest.raises(ScalerError, match="holds no stored logits"):
        Store.open(tmp_path)
    (tmp_path / "manifest.json").write_text("{}")
    with pytest.raises(ScalerError, match="has format None, not 1"):
        Store.open(tmp_path)
    (tmp_path / "manifest.json").write_text('{"format": 1, "topk"')
    with pytest.raises(ScalerError, match="is damaged"):
        Store.open(tmp_path)
    assert Manifest.read(stored[1].folder) == stored[1].manifest


@pytest.mark.parametrize(
    "change",
    [
        {"mean": [0.5, "x", 0.5]},
        {"rows": None},
        {"augmentation": {"color_jitter": "x"}},
        {"unknown": 1},
        {"parts": 7},
        {"topk": 1.5},
    ],
)
def test_a_manifest_of_another_form_is_named(stored: tuple[ModelSpec, Store], tmp_path: Path, change: dict[str, Any]) -> None:
    data = json.loads((stored[1].folder / "manifest.json").read_text())
    (tmp_path / "manifest.json").write_text(json.dumps({**data, **change}))
    with pytest.raises(DamagedFileError, match=r"manifest.json is damaged \(.+\): restore it, or teach into another folder"):
        Manifest.read(tmp_path)


def test_a_full_disk_is_told_and_what_was_written_stays(
    stored: tuple[ModelSpec, Store], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec, store = stored
    written: list[Path] = []

    def write(path: Path, data: bytes) -> None:
        if len(written) == 3:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        written.append(path)
        write_bytes(path, data)

    monkeypatch.setattr(shards, "write_bytes", write)
    with pytest.raises(ScalerError, match=r"No space left on device.*: free some space and repeat the command"):
        write_store(writer(spec), manifest(spec), tmp_path)
    assert sorted(tmp_path.rglob("*.safetensors")) == written
    monkeypatch.undo()
    write_store(writer(spec), manifest(spec), tmp_path)
    assert files(tmp_path) == files(store.folder)


@pytest.mark.slow
def test_a_failing_process_is_told(tmp_path: Path) -> None:
    spec = teacher(tmp_path / "teacher")
    (tmp_path / "teacher" / "model.safetensors").write_bytes(b"torn")
    with pytest.raises(ScalerError, match=r"model.safetensors is damaged"):
        write_store(writer(spec), manifest(spec), tmp_path / "logits", processes=2)


@pytest.mark.slow
def test_processes_end_with_the_one_that_started_them(stored: tuple[ModelSpec, Store], tmp_path: Path) -> None:
    spec, _ = stored
    child = get_context("fork").Process(
        target=write_store, args=(writer(spec), manifest(spec, epochs=500), tmp_path / "logits", 2), daemon=False
    )
    child.start()
    deadline = time.monotonic() + 30
    while not list(tmp_path.rglob("*.safetensors")):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    os.kill(child.pid or 0, signal.SIGKILL)
    child.join()
    time.sleep(1)
    settled = len(list(tmp_path.rglob("*.safetensors")))
    time.sleep(1)
    assert len(list(tmp_path.rglob("*.safetensors"))) == settled < 2500
    assert ROWS % 2 == 0  # partners of a mix are in one file

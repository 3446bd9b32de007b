"""Files from others run no code, fetch nothing, and reach nothing outside of their folder."""

import json
import os
import socket
from pathlib import Path
from typing import Any

import pytest
import torch

from experiments.training.checkpoints import Checkpoints
from models.networks.model_spec import model_spec_of, open_model_spec
from models.zoo.seeds import SEEDS
from scaler.errors import ScalerError
from scaler.results import variant

ELSEWHERE = (
    "hf-hub:timm/resnet18.a1_in1k",
    "local-dir:/etc",
    "https://127.0.0.1/x",
    "../resnet18",
    "os.system",
    "timm/resnet18",
    "",
)


@pytest.fixture
def closed(monkeypatch: pytest.MonkeyPatch) -> None:
    """No connection can be opened and no process started."""
    for place, name in ((socket.socket, "connect"), (socket, "getaddrinfo"), (os, "system")):
        monkeypatch.setattr(place, name, lambda *_, **__: pytest.fail("something outside is reached"))


def hostile(folder: Path, **changes: Any) -> str:
    """Write a folder in timm's hub layout with ``changes`` of its configuration; return its name."""
    folder.mkdir()
    config = model_spec_of("tiny", SEEDS["tiny_vit_1m_32"]).config
    (folder / variant.CONFIG).write_text(json.dumps({**config, **changes}))
    return str(folder)


@pytest.mark.usefixtures("closed")
@pytest.mark.parametrize("name", ELSEWHERE)
def test_an_architecture_is_a_name_of_timms_and_nothing_else(tmp_path: Path, name: str) -> None:
    with pytest.raises(ScalerError, match="unknown timm architecture"):
        open_model_spec(hostile(tmp_path / "x", architecture=name))


@pytest.mark.usefixtures("closed")
def test_what_a_config_says_of_weights_elsewhere_is_left_out(tmp_path: Path) -> None:
    config = model_spec_of("tiny", SEEDS["tiny_vit_1m_32"]).config
    sources = {
        "url": "https://127.0.0.1/x",
        "hf_hub_id": "timm/resnet18",
        "file": "/etc/passwd",
        "checkpoint_path": "/etc/passwd",
    }
    arguments = {"pretrained": True, "checkpoint_path": "/etc/passwd", "cache_dir": "/tmp", "pretrained_cfg": sources}
    changes = {"pretrained_cfg": config["pretrained_cfg"] | sources, "model_args": config["model_args"] | arguments}
    opened = open_model_spec(hostile(tmp_path / "x", **changes))
    assert opened.config == config
    opened.build()


def test_a_pickle_with_code_in_place_of_a_checkpoint_is_set_aside(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    class Hostile:
        def __reduce__(self) -> Any:
            return (Path.touch, (tmp_path / "ran",))

    torch.save({"model": Hostile()}, tmp_path / "checkpoint-000000002.pt")
    assert Checkpoints(tmp_path).newest() is None
    assert not (tmp_path / "ran").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint-000000002.pt.damaged"]
    assert "was set aside" in capsys.readouterr().err

"""Model names: what they stand for, what is suggested for an unknown one, and what is loaded to tell."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import timm
from timm.models import register_model

from models.networks.model_spec import open_model_spec
from models.zoo import timm_names
from models.zoo.names import SeedName, TimmName, VariantFolder, resolve_model_name
from models.zoo.seeds import SEEDS
from scaler.errors import ScalerError, UnknownNameError
from scaler.files import write_json
from scaler.results.variant import config
from search_spaces import architecture, open_space

USERS = "made_by_a_user"  # registered with timm by a test, for the rest of the process


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache folder; the file that timm's names are kept in."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "scaler" / f"timm-{timm.__version__}-models.json"


def test_a_name_is_a_seed_a_folder_or_a_timm_model(tmp_path: Path) -> None:
    assert resolve_model_name("tiny_vit_21m_224") == SeedName(name="tiny_vit_21m_224")
    assert resolve_model_name(str(tmp_path)) == VariantFolder(folder=tmp_path)
    assert resolve_model_name("resnet18") == TimmName(name="resnet18")
    assert resolve_model_name("resnet18.a1_in1k") == TimmName(name="resnet18.a1_in1k")


def test_every_model_that_timm_builds_is_named() -> None:
    names = set(timm_names.timm_model_names())
    registered_here = SEEDS.keys() | {USERS}
    assert {*timm.list_models(), *timm.list_models(pretrained=True)} - registered_here <= names
    assert "convnext_base_in22k" in names  # deprecated: built, and not listed
    assert not {name for name in SEEDS if name.startswith("mini_")} & names  # ours: known to timm in this process alone


TINY_21M = ("tiny_vit_21m_224", "tiny_vit_21m_384", "tiny_vit_21m_512")


@pytest.mark.parametrize(
    ("text", "near"),
    [
        ("tinyvit_21m", TINY_21M),
        ("TinyViT-21M", TINY_21M),
        ("tinyvit", ("tiny_vit_5m_224", "tiny_vit_11m_224", "tiny_vit_21m_224", "tiny_vit_21m_384")),
        ("tiny_vit_21m_244", ("tiny_vit_21m_224",)),
        ("tiny_vit_21_224", ("tiny_vit_21m_224",)),
        ("vit_smal_patch16_224", ("vit_small_patch16_224",)),
        ("convnext_atoo", ("convnext_atto",)),
        ("tiny_vit_1m_32.in1k", ("tiny_vit_1m_32",)),
        ("abc", ()),
    ],
)
@pytest.mark.parametrize("reader", [open_model_spec, architecture])
def test_the_closest_seeds_are_suggested_before_timm_models(
    reader: Callable[[str], Any], text: str, near: tuple[str, ...]
) -> None:
    with pytest.raises(UnknownNameError, match=f"unknown model '{text}': ") as error:
        reader(text)
    assert error.value.near == near


@pytest.mark.parametrize("reader", [open_model_spec, architecture])
def test_an_unknown_tag_is_answered_with_tags_of_that_model(reader: Callable[[str], Any]) -> None:
    with pytest.raises(UnknownNameError, match=r"unknown model 'resnet18.nosuch': did you mean 'resnet18', 'resnet18\.") as error:
        reader("resnet18.nosuch")
    assert all(timm.get_pretrained_cfg(name, allow_unregistered=False) for name in error.value.near)


@pytest.mark.parametrize("reader", [open_model_spec, architecture])
def test_a_path_without_a_folder_is_told_from_a_name(reader: Callable[[str], Any]) -> None:
    with pytest.raises(ScalerError, match="no folder 'no/where': give a variant's folder, a seed or a timm model"):
        reader("no/where")


def test_a_folder_that_is_no_variants_is_no_seed(tmp_path: Path) -> None:
    with pytest.raises(ScalerError, match=r"holds no config.json: give a variant's folder, or one in timm's hub layout"):
        architecture(str(tmp_path))


def test_a_folder_that_only_timm_knows_is_a_seed_of_its_configuration(tmp_path: Path) -> None:
    cfg = {"input_size": [3, 96, 96], "mean": [0.5] * 3, "std": [0.5] * 3}
    given = {"num_classes": 7, "in_chans": 3, "layers": [1, 1, 1, 1]}
    write_json(tmp_path / "config.json", config("resnet10t", given, 96, cfg))
    found = architecture(str(tmp_path))
    assert found.to_dict() == {"model": "resnet10t", "layers": [1, 1, 1, 1], "resolution": 96, "num_classes": 7, "in_chans": 3}
    axes = tmp_path / "axes.json"
    write_json(axes, {"resolution": [64, 96]})
    assert open_space(str(tmp_path), axes=axes).size == 2


def test_a_model_that_is_registered_later_opens(cache: Path) -> None:
    timm_names.timm_model_names()

    def create(pretrained: bool = False, **kwargs: Any) -> Any:
        return timm.create_model("resnet10t", pretrained=pretrained, **kwargs)

    create.__name__ = USERS
    register_model(create)
    assert USERS not in timm_names.timm_model_names()
    assert resolve_model_name(USERS) == TimmName(name=USERS)
    cache.unlink()
    assert USERS not in timm_names.timm_model_names()  # another process does not know it


def test_an_unknown_name_is_answered_without_timm_or_torch(cache: Path) -> None:
    timm_names.timm_model_names()
    program = (
        "import sys\nfrom search_spaces import architecture\n"
        "try: architecture('resnet81')\nexcept Exception as error: print(error)\n"
        "print({'timm', 'torch'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[0].startswith("unknown model 'resnet81': did you mean 'resnet18'?")
    assert done.stdout.splitlines()[-1] == "set()"


@pytest.mark.parametrize("content", ["", "{}", "[1]", "[]", '{"names": ["resnet19"], "digest": "0"}'])
def test_a_damaged_list_of_names_is_made_anew(cache: Path, content: str) -> None:
    cache.parent.mkdir(parents=True)
    cache.write_text(content)
    assert resolve_model_name("resnet18") == TimmName(name="resnet18")
    assert "resnet18" in json.loads(cache.read_text())["names"]


@pytest.mark.skipif(not Path("/dev/null").exists(), reason="no file that is no folder")
def test_without_a_cache_folder_timm_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", os.devnull)
    assert resolve_model_name("resnet18") == TimmName(name="resnet18")
    with pytest.raises(UnknownNameError, match="did you mean 'resnet18'"):
        resolve_model_name("resnet81")

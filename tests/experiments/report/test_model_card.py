"""The model card of a trained variant: the Hub's metadata, and what a reader needs to use and to repeat it."""

from dataclasses import replace
from pathlib import Path

import yaml

from experiments.report.model_card import CARD, Training, render_card, write_card
from scaler.results import variant
from scaler.results.intervals import wilson
from tests.experiments.report.fake_ledger import SEED
from tests.scaler.results.records import changed

RECORD = changed(SEED, role="chosen", name="flops-5M", budget="flops=5M", top1=97.25, start="given weights")
NOTE = variant.VariantInfo(
    family="tiny_vit",
    arch={},
    seed_model="big_seed",
    budget="flops=5M",
    flops=RECORD.flops,
    params=RECORD.params,
    weights="abc123",
)
TRAINING = Training(command="scaler train variants/flops-5M --data digits --out trained", teacher="`runs/seed`")

CFG = {"mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5]}


def test_the_metadata_is_the_hubs_and_names_no_licence() -> None:
    _, head, _ = render_card(RECORD, NOTE, TRAINING, ()).split("---\n", 2)
    found = yaml.safe_load(head)
    assert (found["library_name"], found["pipeline_tag"]) == ("timm", "image-classification")
    assert {"timm", "tiny_vit"} <= set(found["tags"])
    assert "license" not in found
    (model,) = found["model-index"]
    (result,) = model["results"]
    assert result["dataset"]["name"] == "digits"
    assert result["metrics"][0]["value"] == 97.25


def test_it_tells_cost_accuracy_training_and_classes() -> None:
    text = render_card(RECORD, NOTE, TRAINING, ["zero", "one"])
    low, high = wilson(97.25, 360)
    for said in (f"97.25 % on 360 test images, 95 % interval {low:.2f} to {high:.2f}",
                 "shrunk from `big_seed` under the budget `flops=5M`",
                 "35,000,000", "1,000,000", "`small`, 60 epochs", "| teacher | `runs/seed` |", "given weights", TRAINING.command,
                 "1. `one`", "widths 32, 64, 96"):  # fmt: skip
        assert said in text
    assert "| --- | --- |\n| top-1 |" in text  # the rows of a table follow each other
    assert "| data | `digits` |\n| recipe |" in text
    assert "\n0. `zero`\n1. `one`\n" in text


def test_names_with_markup_are_code() -> None:
    sly = "a`b|c\n# <script>"
    text = render_card(replace(RECORD, data=sly, budget=sly), NOTE, TRAINING, [sly])
    assert "`a'b\\|c # <script>`" in text
    assert "\n# <script>" not in text.split("---\n", 2)[2]


def test_a_card_of_the_same_weights_keeps_its_owners_changes(tmp_path: Path) -> None:
    configuration = variant.config("resnet18", {"num_classes": 2, "in_chans": 3}, 32, CFG | {"label_names": ["cat", "dog"]})
    (tmp_path / variant.WEIGHTS).write_bytes(b"weights")
    variant.write(tmp_path, configuration, NOTE)
    write_card(tmp_path, RECORD, TRAINING)
    path = tmp_path / CARD
    assert "1. `dog`" in path.read_text()
    path.write_text(path.read_text().replace("library_name", "license: mit\nlibrary_name"))
    write_card(tmp_path, RECORD, TRAINING)
    assert "license: mit" in path.read_text()
    (tmp_path / variant.WEIGHTS).write_bytes(b"other weights")
    variant.write(tmp_path, configuration, NOTE)
    write_card(tmp_path, RECORD, TRAINING)
    assert "license: mit" not in path.read_text()

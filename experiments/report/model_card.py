"""The model card of a trained variant: README.md with the metadata block of the Hugging Face Hub."""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import as_file, files
from pathlib import Path
from typing import TYPE_CHECKING

from experiments.report.wording import data_label, describe
from scaler.files import write_text
from scaler.results.intervals import wilson
from scaler.results.ledger import Record
from scaler.results.variant import VariantInfo, read_config, read_info

if TYPE_CHECKING:
    from huggingface_hub import ModelCardData

CARD = "README.md"
_MOST_CLASSES = 1000  # that are listed


@dataclass(frozen=True, kw_only=True)
class Training:
    """The parts of a training that its ledger does not hold: the ``command``, and the ``teacher`` in words."""

    command: str
    teacher: str


def write_card(folder: Path, record: Record, training: Training) -> None:
    """Write the card of the trained variant in ``folder``; one that is of the same weights stays, with its owner's changes."""
    note, path = read_info(folder), folder / CARD
    if note is None or (path.is_file() and note.weights in path.read_text(encoding="utf-8", errors="replace")):
        return
    labels = read_config(folder)["pretrained_cfg"].get("label_names") or ()
    write_text(path, render_card(record, note, training, labels))


def render_card(record: Record, note: VariantInfo, training: Training, labels: Sequence[str]) -> str:
    """Return the card's text."""
    from huggingface_hub import ModelCard  # a second to load

    with as_file(files("experiments.report").joinpath("model_card.md")) as template:
        card = ModelCard.from_template(
            card_data=_metadata(record),
            template_path=str(template),
            name=_plain(record.name),
            summary=_summary(record, note),
            facts=_facts(record, note),
            training=_training(record, training),
            command=training.command,
            classes=list(enumerate(map(_code, labels[:_MOST_CLASSES]))),
        )
    return str(card)


def _metadata(record: Record) -> "ModelCardData":
    from huggingface_hub import EvalResult, ModelCardData

    data = data_label(record.data)
    result = EvalResult(
        task_type="image-classification",
        dataset_type=data,
        dataset_name=data,
        dataset_split=record.split,
        metric_type="accuracy",
        metric_name="top-1",
        metric_value=round(record.top1, 2),
    )
    return ModelCardData(
        library_name="timm",
        pipeline_tag="image-classification",
        tags=[tag for tag in ("timm", "scaler", record.family) if tag],
        model_name=record.name,
        eval_results=[result],
    )


def _summary(record: Record, note: VariantInfo) -> str:
    origin = f", shrunk from {_code(note.seed_model)}" if note.seed_model and note.seed_model != record.name else ""
    under = f" under the budget {_code(record.budget)}" if record.budget else ""
    return f"An image classifier of the family {_code(record.family or 'timm')}{origin}{under}. It opens in timm."


def _facts(record: Record, note: VariantInfo) -> list[tuple[str, str]]:
    low, high = wilson(record.top1, record.images)
    score = f"{record.top1:.2f} % on {record.images:,} {record.split} images, 95 % interval {low:.2f} to {high:.2f}"
    return [
        ("top-1", score),
        ("top-5", f"{record.score.metrics.top5:.2f} %"),
        ("FLOPs", f"{record.flops:,} at batch 1, one multiply-add is one"),
        ("parameters", f"{record.params:,}"),
        ("input", f"{record.resolution} x {record.resolution} pixels"),
        ("architecture", _code(describe(record.arch))),
        ("budget", _code(record.budget) if record.budget else "none"),
        ("weights", f"`model.safetensors`, xxh3 digest `{note.weights}`"),
    ]


def _training(record: Record, training: Training) -> list[tuple[str, str]]:
    return [
        ("data", _code(data_label(record.data))),
        ("recipe", f"{_code(record.recipe)}, {record.epochs:g} epochs"),
        ("teacher", training.teacher or "none"),
        ("start of the weights", record.start),
        ("random seed", str(record.seed)),
        ("time", f"{record.seconds:.0f} s"),
        ("forward FLOPs of the training", f"{record.score.train_flops:,}"),
    ]


def _code(text: str) -> str:
    """Return ``text`` as code in a table's cell, whatever characters it has."""
    plain = _plain(text).replace("`", "'").replace("|", "\\|")
    return f"`{plain}`"


def _plain(text: str) -> str:
    return " ".join(text.split())

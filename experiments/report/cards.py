"""The cards of the page: one for each budget, with everything that a reader needs to take the model."""

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path

from experiments.report.answers import Answer, Trained, as_trials, estimate, gain_of
from experiments.report.drawings import Drawings
from experiments.report.page_data import Card
from experiments.report.runs import Run
from experiments.report.seed import Seed
from experiments.report.wording import budget_use, describe
from scaler.units import format_quantity


def card_of(answer: Answer, runs: Sequence[Run], seed: Seed | None, drawings: Drawings, latencies: Mapping[str, float]) -> Card:
    """Return the card of one budget.

    Args:
        latencies: measured milliseconds by architecture.
    """
    model, record, top1 = answer.model, answer.model.record, estimate(answer.model.records)
    trials = as_trials(answer, runs) if answer.is_trained else None
    return Card(
        budget=answer.budget.text,
        name=record.name,
        is_trained=answer.is_trained,
        arch=describe(record.arch),
        drawing=drawings.add(record.arch),
        flops=record.flops,
        params=record.params,
        resolution=record.resolution,
        latency_ms=latencies.get(record.arch),
        use=budget_use(answer.budget, record),
        top1=top1,
        gain=gain_of(answer),
        trial_gain=gain_of(trials) if trials else None,
        kept=_kept(model, seed),
        saved=100 * (1 - record.flops / seed.flops) if seed else None,
        note=_note(answer, trials),
        folder=str(_folder(answer)),
        train="" if answer.is_trained else _train_line(answer),
    )


def latencies_of(runs: Sequence[Run]) -> dict[str, float]:
    """Return the measured latencies of chosen architectures, in milliseconds."""
    choices = [choice for run in runs for choice in run.result.get("budgets", ()) if choice.get("latency")]
    return {choice["chosen"]["arch"]: choice["latency"]["least_ms"] for choice in choices}


def _kept(model: Trained, seed: Seed | None) -> float | None:
    """Return the fraction of the seed's accuracy in percent, if both were scored on the same kind of images."""
    if seed is None or not seed.records or seed.records[0].split != model.record.split:
        return None
    whole = estimate(seed.records).value
    return 100 * model.top1 / whole if whole else None


def _note(answer: Answer, trials: Answer | None) -> str:
    model, own = answer.model, answer.own
    if not answer.is_trained:
        return "Not trained in full yet: the score is that of a short trial on held-out images, and the best of several."
    if model is own:
        return _same_as_uniform(answer) or (_same_as_uniform(trials) if trials else "")
    saved = f"{format_quantity(model.record.flops)} FLOPs and {format_quantity(model.record.params)} parameters"
    return (
        f"This is the model of {model.record.budget}. It costs no more than this budget allows ({saved}) and scored "
        f"{model.top1:.2f} %, while {own.record.name}, trained for this budget, scored {own.top1:.2f} %."
    )


def _same_as_uniform(answer: Answer) -> str:
    is_same = answer.baseline is not None and answer.baseline.record.arch == answer.model.record.arch
    return "Uniform scaling itself is the choice here: no candidate scored higher." if is_same else ""


def _folder(answer: Answer) -> Path:
    """Return the folder of the trained model, or of the variant that waits for its training."""
    if answer.is_trained:
        return answer.model.run.path
    found = {choice["budget"]: choice.get("folder") for choice in answer.model.run.result.get("budgets", ())}
    folder = found.get(answer.budget.text)
    return Path(folder) if folder else answer.model.run.path / "trials" / answer.model.record.name


def _train_line(answer: Answer) -> str:
    folder, run = _folder(answer), answer.model.run
    words = ["scaler", "train", str(folder), "--data", answer.model.record.data]
    words += ["--start", "random"] if folder.parent.name == "trials" else []
    return shlex.join([*words, "--out", str(run.path / "trained" / folder.name)])

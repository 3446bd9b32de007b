"""Cases: a folder with damage, the command that reads it, and the result that must not change in silence."""

import csv
import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from benchmarks.faults import command_lines, images
from benchmarks.faults.damage import Edit, edits
from benchmarks.faults.judge import Ran
from benchmarks.faults.values import documents, nested
from benchmarks.faults.world import DATA, SEED, World

AT = "{AT}"  # in words: the copy of the damaged folder
_TIMES = ("seconds", "images_per_s", "digest", "run", "target", "variant", "model", "folder")


@dataclass(frozen=True, kw_only=True)
class Case:
    """One case.

    Attributes:
        words: the command line; `AT` stands for the case's folder.
        base: the folder of the world that is copied to `AT`; empty for an empty folder.
        edits: of the copy.
        files: further files in it.
        result: a key of `RESULTS`, if the result is compared with that of the undamaged folder.
        read_only: nothing can be written beside `AT` and in it.
        vanishes: `AT` is deleted as soon as a file in it matches this pattern; empty for never.
    """

    words: tuple[str, ...]
    base: str = ""
    edits: tuple[Edit, ...] = ()
    files: Mapping[str, bytes] = field(default_factory=dict)
    result: str = ""
    read_only: bool = False
    vanishes: str = ""


def _scores(ran: Ran, folder: Path) -> Any:
    return _timeless(json.loads(ran.out)), _sha(folder / "model.safetensors")


def _choices(ran: Ran, folder: Path) -> Any:
    chosen = [
        {key: value for key, value in one.items() if key not in ("why", "folder", "baseline")} for one in json.loads(ran.out)
    ]
    return list(map(_timeless, chosen)), _table(folder / "ledger.csv")


def _frontier(ran: Ran, folder: Path) -> Any:
    return _table(folder / "drawn" / "frontier.csv")


def _shards(ran: Ran, folder: Path) -> Any:
    return {path.name: _sha(path) for path in sorted(folder.rglob("*.safetensors"))}


def _output(ran: Ran, folder: Path) -> Any:
    return _timeless(json.loads(ran.out))


RESULTS: dict[str, Callable[[Ran, Path], Any]] = {
    "scores": _scores, "choices": _choices, "frontier": _frontier, "shards": _shards, "output": _output,
}  # fmt: skip


def _timeless(data: Any) -> Any:
    return {key: value for key, value in data.items() if key not in _TIMES} if isinstance(data, dict) else data


def _table(path: Path) -> Any:
    with path.open(encoding="utf-8", newline="") as file:
        return sorted(json.dumps(_timeless(row), sort_keys=True) for row in csv.DictReader(file))


def _sha(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _damaged(
    world: World, base: str, words: tuple[str, ...], result: str, *, only: str = "", sealed: bool = False
) -> st.SearchStrategy[Case]:
    """Return cases of one or two edits of the files of ``base``, of those whose path holds ``only``."""
    paths = [path for path in world.files(base) if only in path and not path.startswith("frontier/")]
    changes = st.lists(edits(paths, sealed), min_size=1, max_size=2, unique_by=lambda edit: edit.path)
    return changes.map(lambda found: Case(words=words, base=base, edits=tuple(found), result=result))


def kinds(world: World) -> dict[str, st.SearchStrategy[Case]]:
    """Return the strategies of cases by kind."""
    out, made = ("--out", AT, "--json"), world.commands
    evaluate = ("evaluate", AT, "--data", "digits", "--json")
    stored = ("train", str(world.root / "small"), *DATA, "--epochs", "1", "--logits", AT, "--out", f"{AT}-out", "--json")
    finetune = ("train", AT, *DATA, "--epochs", "1", "--out", f"{AT}-out", "--json")
    return {
        "budgets": command_lines.budgets().map(lambda words: Case(words=words)),
        "words": command_lines.words(world).map(lambda words: Case(words=words)),
        "axes": command_lines.axes().map(
            lambda data: Case(words=("space", SEED, "--axes", f"{AT}/a.json", "--json"), files={"a.json": data})
        ),
        "classes": st.binary(max_size=30).map(
            lambda data: Case(words=("space", SEED, "--axes", f"{AT}/a.json"), files={"a.json": data})
        ),
        "count": _damaged(world, "trained", ("count", AT, "--json"), "output", only="on", sealed=True).map(_unsealed_compares),
        "space": _damaged(world, "trained", ("space", AT, "--json"), "output", only="scaler.json", sealed=True).map(
            _unsealed_compares
        ),
        "evaluate": _damaged(world, "trained", evaluate, "output"),
        "finetune": _damaged(world, "trained", finetune, ""),
        "import": _damaged(
            world, "trained", ("import", f"{AT}/model.safetensors", "--model", SEED, "--out", f"{AT}-out"), "", only="model"
        ),
        "train again": _damaged(world, "trained", (*made["trained"], *out), "scores"),
        "train on": _damaged(world, "interrupted", (*made["interrupted"], *out), "scores"),
        "search again": _damaged(world, "search", (*made["search"], *out), "choices"),
        "search on": _damaged(world, "pruned", (*made["pruned"], *out), "choices"),
        "frontier": _damaged(world, "search", ("frontier", AT, "--out", f"{AT}/drawn"), "frontier", sealed=True).map(
            _unsealed_compares
        ),
        "teach again": _damaged(world, "logits", (*made["logits"], *out), "shards"),
        "logits": _damaged(world, "logits", stored, "output"),
        "images": images.folders().map(
            lambda files: Case(
                words=("evaluate", str(world.root / "seen"), "--data", f"folder:{AT}"), base="images", files=files
            )
        ),
        "foreign": st.builds(
            lambda config, note: Case(words=("count", AT), files={"config.json": config, "scaler.json": note}),
            documents.map(_json), documents.map(_json),
        ),
        **_of_folders(world),
        **_of_surroundings(world),
    }  # fmt: skip


def _of_folders(world: World) -> dict[str, st.SearchStrategy[Case]]:
    """Return the strategies of kinds of damage that random edits of random files seldom hit."""
    latency = ("space", SEED, "--axes", str(world.axes), "--budget", "latency=60%", "--json")
    shrink = (*world.commands["shrunk"], "--out", AT, "--json")
    frontier = ("frontier", AT, "--out", f"{AT}/drawn")
    return {
        "latency cache": _damaged(world, "cache", latency, "output", only=".json", sealed=True).map(_unsealed_compares),
        "shrink again": _damaged(world, "shrunk", shrink, "output"),
        "ledger lines": st.integers(0, 99)
        .map(lambda at: Edit(path="ledger.csv", how="lines", at=at))
        .map(lambda edit: Case(words=frontier, base="search", edits=(edit,), result="frontier")),
        "deep": st.sampled_from(_json_readers(world)).flatmap(_with_deep_json),
        "manifest": st.builds(
            lambda key, value: Case(
                words=_again(world, "logits"),
                base="logits",
                edits=(Edit(path="manifest.json", how="put", key=key, value=value),),
            ),
            st.sampled_from(("epochs", "rows", "topk", "parts", "num_classes", "resolution", "train_images", "augmentation")),
            st.sampled_from([10**12, 10**6, 0, -1, 2**63, 10**400, 1e308, [10**12], [0], [], {}, None, "9", [1, -1], True]),
        ),
        "workers": st.sampled_from(("search", "pruned")).flatmap(
            lambda base: _damaged(world, base, (*_again(world, base), "--workers", "2"), "choices")
        ),
    }  # fmt: skip


def _again(world: World, base: str) -> tuple[str, ...]:
    """Return the command that made ``base``, for its copy."""
    return (*world.commands[base], "--out", AT, "--json")


def _json_readers(world: World) -> list[tuple[str, str, tuple[str, ...]]]:
    """Return each JSON file that a command reads back: the folder, the path in it, and the words."""
    readers = {base: _again(world, base) for base in ("trained", "interrupted", "search", "pruned", "logits", "shrunk")}
    readers |= {"cache": ("space", SEED, "--axes", str(world.axes), "--budget", "latency=60%", "--json")}
    return [
        (base, path, words)
        for base, words in readers.items()
        for path in world.files(base)
        if path.endswith(".json") and not path.startswith("frontier/")
    ]


def _with_deep_json(reader: tuple[str, str, tuple[str, ...]]) -> st.SearchStrategy[Case]:
    base, path, words = reader
    whole = st.builds(lambda how, at: Edit(path=path, how=how, at=at), st.sampled_from(("deep", "nested")), st.integers(0, 2**20))
    inner = st.builds(
        lambda levels, sealed: Edit(path=path, how="put", key="x", value=nested(levels), sealed=sealed),
        st.integers(1, 400), st.booleans(),
    )  # fmt: skip
    return (whole | inner).map(lambda edit: Case(words=words, base=base, edits=(edit,)))


def _of_surroundings(world: World) -> dict[str, st.SearchStrategy[Case]]:
    """Return the strategies of cases in places where nothing can be written, or that vanish under a command."""
    bases = ("trained", "interrupted", "search", "pruned", "logits", "shrunk")
    new = [(*words, "--out", f"{AT}/new") for words in (*(world.commands[base] for base in bases), ("demo",))]
    frontier = Case(words=("frontier", AT), base="search", read_only=True)
    again = [Case(words=_again(world, base), base=base, read_only=True) for base in bases]
    fresh = [Case(words=words, read_only=True) for words in new]
    vanishing = st.builds(
        lambda base, pattern: Case(words=_again(world, base), vanishes=pattern),
        st.sampled_from(bases),
        st.sampled_from(("run.json", "study.db", "ledger.csv", "trials/*", "trials/*/training-*/*", "**/*.pt", "**/score.json",
                         "**/metrics.csv", "manifest.json", "epoch-*", "shrink.json", ".lock", ".turn", "variants", "frontier")),
    )  # fmt: skip
    places = ("/proc/x", "/dev/null", "/dev/full/x", f"{AT}/a.json", f"{AT}/a.json/x", "/" + "x" * 300, f"{AT}/{'x' * 300}")
    return {
        "read-only": st.sampled_from([frontier, *again, *fresh]),
        "vanishing": vanishing,
        "demo": st.sampled_from(places).map(lambda place: Case(words=("demo", "--out", place), files={"a.json": b"{}"})),
    }


def _json(value: Any) -> bytes:
    return json.dumps(value).encode()


def _unsealed_compares(case: Case) -> Case:
    """Return ``case`` without a comparison if an edit has a new digest: such a file is another one, and not damaged."""
    sealed = any(edit.sealed for edit in case.edits)
    return Case(words=case.words, base=case.base, edits=case.edits, result="" if sealed else case.result)

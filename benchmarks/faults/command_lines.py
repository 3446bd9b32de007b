"""Command lines without a damaged file: budgets, axes, and options with values that they do not take."""

import json
from dataclasses import fields
from typing import Any

from hypothesis import strategies as st

from benchmarks.faults.values import NUMBERS, TEXTS, documents, numbers, texts
from benchmarks.faults.world import DATA, SEED, World
from experiments.cli import COMMANDS
from experiments.options.common import MAX_PROCESSES
from experiments.options.declare import flag_of, info_of

_KEYS = ("flops", "params", "latency", "resolution", "FLOPS", "", "flops ", "top1")
_UNITS = ("", "k", "M", "G", "T", "ms", "us", "s", "%", "x", " M", "e9")
_AXES = ("embed_dims", "depths", "window_sizes", "mlp_ratio", "mbconv_expand_ratio", "resolution", "head_dim", "share")
_AMOUNTS = (0, 1, 3, 30, 60.5, -1, 1e6, ".5", "1.", "1e3", "nan", 10**20, "²")
_UNKNOWN = ("--nosuch", "-q", "--epochs=", "--=", "--json=1", "extra", "--help", "--seed", "-n")
# Options whose accepted values start many processes, and those that start a long compilation or a long measurement.
_PROCESSES, _COSTLY = ("--workers", "--loader-workers", "--processes"), ("--compile", "--learn")
_PLACES = ("{AT}", "{AT}/none/none", "/etc/passwd", "/proc/x/y", "/dev/null", "/dev/full/x")


def budgets() -> st.SearchStrategy[tuple[str, ...]]:
    """Draw commands with a budget."""
    amount = st.builds("{}{}".format, st.sampled_from(_AMOUNTS) | numbers, st.sampled_from(_UNITS))
    side = amount | st.sampled_from(["", SEED, "resnet18.nosuch", "tiny_vit_5m_224"]) | texts
    value = side | st.builds("{}..{}".format, side, side)
    bound = st.builds("{}={}".format, st.sampled_from(_KEYS), value) | texts
    text = st.lists(bound, min_size=1, max_size=3).map(",".join)
    sample = text.map(lambda budget: ("sample", SEED, f"--budget={budget}", "-n", "2", "--json"))
    return sample | text.map(lambda budget: ("space", SEED, f"--budget={budget}", "--json"))


def axes() -> st.SearchStrategy[bytes]:
    """Draw the contents of axes files: objects with axes, near misses and other JSON."""
    choice = st.sampled_from([1, 2, 7, 16, 32, 64, 3.5, 0, -1, 10**6, 10**7, True, None, "1"]) | numbers
    entry = st.lists(choice, max_size=3)
    value = entry | st.lists(entry, max_size=5) | documents
    found = st.dictionaries(st.sampled_from(_AXES) | texts.filter(str.isprintable), value, max_size=3)
    return (found | documents).map(lambda data: json.dumps(data).encode())


def words(world: World) -> st.SearchStrategy[tuple[str, ...]]:
    """Draw command lines of every command with one to three options that are wrong, odd or extreme."""
    return st.sampled_from(COMMANDS).flatmap(lambda command: _line(command, _begun(world)[command.name]))


def _begun(world: World) -> dict[str, tuple[str, ...]]:
    """Return a quick line for each command, to which further options are added; later options overrule earlier ones."""
    trained, small, out = str(world.root / "trained"), str(world.root / "small"), ("--out", "{AT}/out")
    budget = ("--axes", str(world.axes), "--budget", "flops=1M")
    return {
        "demo": ("--out", "/proc/x"),
        "list": (),
        "count": (small,),
        "space": (SEED,),
        "sample": (SEED, *budget),
        "search": (SEED, *budget, *DATA, "--trials", "1", *out),
        "frontier": (str(world.root / "search"), *out),
        "watch": (str(world.root / "search"), "--once"),
        "latency": (small,),
        "train": (small, *DATA, "--epochs", "1", *out),
        "teach": (trained, *DATA, "--epochs", "1", "--topk", "2", *out),
        "shrink": (trained, "--budget", "flops=60%", *out),
        "elastic": (trained, *DATA, "--epochs", "1", *out),
        "evaluate": (trained, "--data", "digits"),
        "predict": (trained, "{AT}"),
        "import": (f"{trained}/model.safetensors", "--model", SEED, *out),
        "export": ("{AT}", "--out", "{AT}/out"),
    }


def _line(command: Any, begun: tuple[str, ...]) -> st.SearchStrategy[tuple[str, ...]]:
    items = [item for item in fields(command.options) if not info_of(item).is_argument]
    extra = [_option(item) for item in items if flag_of(item) not in _COSTLY and command.name != "demo"]
    unknown = st.sampled_from(_UNKNOWN).map(lambda word: (word,))
    options = st.lists(st.one_of(*extra, unknown), min_size=1, max_size=3)
    return options.map(lambda found: (command.name, *begun, *(word for option in found for word in option)))


def _option(item: Any) -> st.SearchStrategy[tuple[str, ...]]:
    flag, info = flag_of(item).partition("/")[0], info_of(item)
    if isinstance(item.default, bool):
        return st.just((flag,))
    extreme = [str(number) for number in NUMBERS if number not in (7, 2**31, 1)]
    limits = [str(limit) for limit in (info.minimum, info.maximum) if limit is not None and limit < 100]
    values = st.sampled_from([*TEXTS, *extreme, *limits, *_PLACES]) | texts
    if flag in _PROCESSES:
        values = values.filter(lambda text: not _is_number(text))
    if flag == "--out":  # a folder of the machine is none to write in
        values = values.filter(lambda text: text not in ("/", "..", "../../x", "") and "\0" not in text)
    return values.map(lambda value: (f"{flag}={value}",) if len(flag) > 2 else (flag, value))


def _is_number(text: str) -> bool:
    """Return True if ``text`` is a number of processes that a machine can start."""
    try:
        return 1 <= int(text) <= MAX_PROCESSES
    except ValueError:
        return False

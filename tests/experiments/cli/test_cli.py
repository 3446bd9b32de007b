"""The command line as a user meets it: what it prints, what it returns, and how fast it decides."""

import json
import os
import signal
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from experiments.cli import run
from experiments.data.datasets import open_data
from scaler.errors import ScalerError
from tests.command_line import ENV, ROOT, run_scaler


def scaler(*words: str, cwd: Path | None = None, **env: str) -> subprocess.CompletedProcess[str]:
    return run_scaler(words, cwd or ROOT, ENV | env)


SEARCH = ("search", "tiny_vit_1m_32", "--budget", "flops=50%", "--data", "digits", "--out", "x")


def answer(*words: str) -> Any:
    """The one JSON document on stdout."""
    done = scaler(*words, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def refused(*words: str, cwd: Path | None = None) -> str:
    """The message of a request that cannot be met: one or two lines, status 2, nothing on stdout."""
    done = scaler(*words, cwd=cwd)
    assert done.returncode == 2, done.stdout + done.stderr
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    assert 1 <= len(done.stderr.strip().splitlines()) <= 2, done.stderr
    return done.stderr


DECIDING = [
    ("--help",),
    ("list",),
    ("space", "tiny_vit_21m_224", "--budget", "flops=1.3G,params=5.4M"),
    ("sample", "tiny_vit_21m_224", "--budget", "flops=60%", "-n", "3"),
    ("search", "tiny_vit_1m_32", "--budget", "flops=1k", "--data", "digits", "--out", "nowhere"),
]


@pytest.mark.slow
@pytest.mark.parametrize("words", DECIDING, ids=lambda words: words[0])
def test_deciding_loads_no_torch(words: tuple[str, ...], tmp_path: Path) -> None:
    program = (
        "import sys; from experiments.cli import run; sys.argv = ['scaler', *sys.argv[1:]]\n"
        "try: run()\nfinally: print(sorted({'torch', 'timm', 'optuna', 'pandas', 'sklearn'} & set(sys.modules)), file=sys.stderr)"
    )
    command = [sys.executable, "-c", program, *words]
    done = subprocess.run(command, capture_output=True, text=True, env=ENV, cwd=tmp_path, check=False)
    assert done.stderr.splitlines()[-1] == "[]", done.stderr
    assert list(tmp_path.iterdir()) == []


def test_importing_the_core_loads_no_torch() -> None:
    program = (
        "import sys, scaler, scaler.space.feasible_set, scaler.trials.strategy, search_spaces; print('torch' in sys.modules)"
    )
    assert (
        subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=ENV, check=True).stdout == "False\n"
    )


@pytest.mark.slow
def test_count_gives_the_published_figures() -> None:
    # Source: fvcore on timm's networks with attention unfused, 1000 classes.
    found = answer("count", "tiny_vit_21m_224")
    assert (found["params"], round(found["flops"] / 1e9, 4)) == (21_198_568, 4.2758)
    found = answer("count", "deit_base_patch16_224")
    assert (found["params"], round(found["flops"] / 1e9, 4)) == (86_567_656, 17.5827)


@pytest.mark.slow
def test_count_breaks_down_into_parts_that_sum_to_the_total() -> None:
    found = answer("count", "tiny_vit_5m_224", "--resolution", "192", "--num-classes", "10", "--parts")
    assert sum(part["flops"] for part in found["parts"]) == found["flops"]
    assert sum(part["params"] for part in found["parts"]) == found["params"]


def test_space_is_exact() -> None:
    found = answer("space", "tiny_vit_5m_224", "--budget", "flops=50%")
    assert found["size"] == 2_654_208 == np.prod([len(c) for axis in found["axes"].values() for c in nested(axis)])
    assert 0 < found["feasible"] < found["size"]
    assert found["bounds"]["flops"][1] <= 1_270_432_960 // 2
    assert len(found["bounds"]["embed_dims"]) == 4


def test_an_empty_space_names_the_nearest() -> None:
    found = answer("space", "tiny_vit_5m_224", "--budget", "flops=20M,params=1M")
    assert (found["feasible"], found["bounds"]) == (0, {})
    assert "the nearest has flops" in found["nearest"]


def nested(axis: list[Any]) -> list[list[Any]]:
    return axis if isinstance(axis[0], list) else [axis]


@pytest.mark.slow
def test_samples_meet_the_budget_and_repeat_with_the_seed() -> None:
    words = ("sample", "tiny_vit_21m_224", "--budget", "flops=1.25G..1.3G,params=5.4M,resolution=192", "-n", "5")
    found = answer(*words)
    assert found == answer(*words) != answer(*words, "--seed", "1")
    assert len(found) == 5
    for one in found:
        assert 1.25e9 <= one["flops"] <= 1.3e9
        assert one["params"] <= 5.4e6
        assert one["arch"]["resolution"] <= 192
        assert one["arch"]["head_dim"] == 32


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("search", "tiny_vit_1m_32", "--budget", "flops=1k", "--data", "digits", "--out", "x"), "the nearest has flops 252k"),
        (("space", "tiny_vit_21_224"), "unknown model 'tiny_vit_21_224': did you mean 'tiny_vit_21m_224'"),
        (("count", "tiny_vit_21m_244"), "unknown model 'tiny_vit_21m_244': did you mean 'tiny_vit_21m_224'"),
        (("sample", "tiny_vit_5m_224", "--budget", "flops=fast%"), "'fast%' is not a percentage: write, for example, 60%"),
        (("space", "tiny_vit_1m_32", "--budget", "resolution=20"), "is 24 (20.00% beyond its bound; at most 20 asked)"),
        (("sample", "tiny_vit_1m_32", "--budget", "flops=9M", "--seed", "-1"), "--seed -1: it must be at least 0"),
        (("train", "tiny_vit_1m_32", "--data", "folder:none", "--out", "x"), "no folder 'none'"),
        (("train", "tiny_vit_1m_32", "--data", "digits", "--out", "x", "--recipe", "smal"), "did you mean 'small'"),
        (("search", "tiny_vit_1m_32", "--data", "digits", "--out", "x"), "Missing option '--budget'"),
        ((*SEARCH, "--first-rung", "200"), "--first-rung 200: nothing is looked at without a pruner: add --pruner halving"),
        (
            (*SEARCH, "--pruner", "halving", "--first-rung", "9"),
            "take at least 64 images, an update's, and less than a training's 6,528",
        ),
        ((*SEARCH, "--low-resolution", "1.5"), "--low-resolution 1.5: it must be at most 1"),
        (("frontier", "none"), "none"),
        (("evaluate", "tiny_vit_1m_32", "--data", "digits"), "has no weights: train it first"),
        (("list", "seed"), "did you mean 'seeds'"),
        (("serch",), "No such command 'serch'"),
    ],
    ids=lambda value: " ".join(value)[:40] if isinstance(value, tuple) else "",
)
def test_what_cannot_be_met_is_said_in_a_line(words: tuple[str, ...], message: str, tmp_path: Path) -> None:
    assert message in refused(*words, cwd=tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_a_corrupt_image_leaves_nothing_behind(tmp_path: Path) -> None:
    digits = open_data("digits").train
    for label in (0, 1):
        (tmp_path / "images" / str(label)).mkdir(parents=True)
        for i in np.flatnonzero(digits.labels == label)[:5]:
            digits.image(int(i)).save(tmp_path / "images" / str(label) / f"{i}.png")
    broken = next((tmp_path / "images" / "1").iterdir())
    broken.write_bytes(broken.read_bytes()[:60])
    words = ("--data", f"folder:{tmp_path / 'images'}", "--out", "out")
    assert broken.name in refused("train", "tiny_vit_1m_32", *words, cwd=tmp_path)
    assert broken.name in refused("search", "tiny_vit_1m_32", "--budget", "flops=50%", *words, cwd=tmp_path)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("module", ["scaler", "scaler.launch", "experiments"])
def test_folders_of_the_same_names_hide_nothing(tmp_path: Path, module: str) -> None:
    """The current folder is first on the path under ``python -m``; it may have packages called like ours."""
    for package in ("models", "search_spaces"):
        (tmp_path / package).mkdir()
        (tmp_path / package / "__init__.py").write_text("raise RuntimeError('not ours')")
    command, env = [sys.executable, "-m", module, "list", "families"], {**ENV, "PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}"}
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=env, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "mini_deit" in done.stdout


def broken_off(words: list[str], *, after: str, by: signal.Signals) -> str:
    """Start a command, send it a signal once a line of its messages starts with ``after``; the messages that followed."""
    started = subprocess.Popen(
        [sys.executable, "-m", "scaler.launch", *words], cwd=ROOT, env=ENV, stderr=subprocess.PIPE, text=True,
        # A shell starts background jobs with interrupts ignored, and this test may run in one.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )  # fmt: skip
    assert started.stderr is not None
    next(line for line in started.stderr if line.startswith(after))
    started.send_signal(by)
    _, said = started.communicate(timeout=60)
    assert started.returncode == (130 if by == signal.SIGINT else -by), said
    return said


@pytest.mark.slow
def test_search_is_interrupted_continued_trained_evaluated_and_drawn(tmp_path: Path) -> None:
    """One small run through all commands that train; the search is interrupted once and killed once."""
    run, trained = tmp_path / "run", tmp_path / "trained"
    words = ["search", "tiny_vit_1m_32", "--budget", "flops=10%", "--budget", "flops=400k..600k", "--data", "digits",
             "--train-images", "250", "--trials", "5", "--workers", "1", "--out", str(run)]  # fmt: skip
    said = broken_off(words, after="trial-0000 (1 of 5)", by=signal.SIGINT)
    assert "the same command continues" in said
    broken_off(words, after="trial-", by=signal.SIGKILL)
    finished = len((run / "ledger.csv").read_text().splitlines()) - 1
    assert 2 <= finished < 5

    words[words.index("--workers") + 1] = "2"
    done = scaler(*words, "--json")
    assert done.returncode == 0, done.stderr
    request = json.loads((run / "run.json").read_text())
    assert (request["threads"], request["lag"]) == (1, 1)  # as it began
    assert done.stderr.count("  top-1 ") == 5 - finished
    chosen = json.loads(done.stdout)
    assert [choice["budget"] for choice in chosen] == ["flops=10%", "flops=400k..600k"]
    for choice in chosen:
        counted = answer("count", choice["folder"])
        assert (counted["flops"], counted["params"]) == (choice["flops"], choice["params"])

    scored = answer(
        "train", chosen[1]["folder"], "--data", "digits", "--train-images", "250", "--epochs", "2", "--out", str(trained)
    )
    evaluated = answer("evaluate", str(trained), "--data", "digits")
    assert {k: evaluated[k] for k in ("top1", "top5", "loss", "images")} == {
        k: scored[k] for k in ("top1", "top5", "loss", "images")
    }
    files = answer("frontier", str(run), str(trained), "--out", str(tmp_path / "frontier"))
    assert all(Path(path).stat().st_size > 0 for path in files.values())
    assert (run / "frontier" / "report.html").exists()


def test_scaler_alone_prints_its_help(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["scaler"])
    assert run() == 0
    captured = capsys.readouterr()
    assert (captured.err, captured.out.startswith("Usage: ")) == ("", True)
    assert "..." not in captured.out.replace("[ARGS]...", "")


def test_the_storage_may_come_from_the_environment(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str | None] = []
    monkeypatch.setattr("experiments.commands.search.search", lambda options: asked.append(options.storage) or None)
    monkeypatch.setattr(sys, "argv", ["scaler", *SEARCH])
    monkeypatch.setenv("SCALER_STORAGE", "sqlite:///x.db")
    assert run() == 0
    assert asked == ["sqlite:///x.db"]


def test_a_librarys_warning_does_not_stand_before_a_message(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def warned(options: Any) -> None:
        warnings.warn("from a library", UserWarning, stacklevel=1)
        raise ScalerError("the message")

    monkeypatch.setattr("experiments.commands.listing.listing", warned)
    monkeypatch.setattr(sys, "argv", ["scaler", "list"])
    monkeypatch.setattr(sys, "warnoptions", [])
    assert run() == 2
    assert capsys.readouterr().err == "scaler: the message\n"


@pytest.mark.parametrize("model", ["tiny_vit_1m_32", "deit_tiny_patch16_224", "swin_tiny_patch4_window7_224", "resnet18"])
def test_a_resolution_below_a_patch_is_refused(
    model: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    words = ["scaler", "train", model, "--data", "digits", "--resolution", "1", "--out", str(tmp_path / "x")]
    monkeypatch.setattr(sys, "argv", words)
    assert run() == 2
    assert capsys.readouterr().err == "scaler: --resolution 1: it must be at least 4\n"
    assert not (tmp_path / "x").exists()

"""Does a training that is killed again and again end with the bits of one that is not?

`python -m experiments.studies.kills --out DIR`: the digits, with workers, on the processor; SIGKILL at random moments, in a step,
in the loading of images or in the writing of a checkpoint.
"""

import os
import random
import signal
import time
from dataclasses import replace
from hashlib import sha256
from multiprocessing import get_context
from multiprocessing.context import ForkProcess
from pathlib import Path
from typing import Annotated, Any

import torch
import typer

from experiments.data.datasets import open_data
from experiments.data.input_format import InputFormat
from experiments.recipes import RECIPES
from experiments.runtime.console import print_json, say
from experiments.runtime.setup import Setup
from experiments.training.checkpoints import Checkpoints
from experiments.training.job import Job
from experiments.training.loop import train_model
from models.networks.model_spec import model_spec_of
from models.zoo.seeds import SEEDS
from scaler.files import write_atomic, write_json

_RECIPE = replace(RECIPES["small"], epochs=4, ema_decay=0.99, drop_path=0.1, mixup=0.8, cutmix=1.0, reprob=0.25)
_WEIGHTS = "weights.pt"


def study(
    out: Annotated[Path, typer.Option("--out")],
    kills: Annotated[int, typer.Option("--kills", min=1)] = 20,
    seed: Annotated[int, typer.Option("--seed", help="Of the moments.")] = 0,
) -> None:
    """Train once in peace and once under fire, print digests of the weights as JSON and write them to ``out``/results.json."""
    peace = _started(out / "whole")
    peace.join()
    steps = _last(out / "whole")
    rng = random.Random(seed)
    moments = sorted(rng.sample(range(1, steps), kills))
    for moment in moments:
        _kill(out / "killed", moment, rng.random())
    _started(out / "killed").join()
    digests = {name: _digest(out / name / _WEIGHTS) for name in ("whole", "killed")}
    found: dict[str, Any] = {"kills": kills, "steps": steps, "after_steps": moments, "torch": torch.__version__, **digests}
    found["identical"] = digests["whole"] == digests["killed"]
    write_json(out / "results.json", found)
    print_json(found)


def _work(folder: Path) -> None:
    os.setsid()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    spec, data = model_spec_of("seed", SEEDS["tiny_vit_1m_32"]), open_data("digits", train_images=1000)
    job = Job(
        data=data, recipe=_RECIPE, input_format=InputFormat.of(spec), seed=0,
        device=torch.device("cpu"), workers=2, setup=Setup(save_every=0),
    )  # fmt: skip
    weights = train_model(spec.build(drop_path_rate=_RECIPE.drop_path), job, folder).state_dict()
    write_atomic(folder / _WEIGHTS, lambda path: torch.save(weights, path))


def _started(folder: Path) -> ForkProcess:
    process = get_context("fork").Process(target=_work, args=(folder,))
    process.start()
    return process


def _kill(folder: Path, moment: int, delay: float) -> None:
    """Start or continue, and kill the process and its workers up to a second after step ``moment``."""
    process = _started(folder)
    while process.is_alive() and _last(folder) < moment:
        time.sleep(0.005)
    time.sleep(delay)
    if process.is_alive() and process.pid:
        os.killpg(process.pid, signal.SIGKILL)
    process.join()
    say(f"killed after step {_last(folder)}")


def _last(folder: Path) -> int:
    paths = Checkpoints(folder).paths()
    return int(paths[-1].stem.partition("-")[2]) if paths else 0


def _digest(path: Path) -> str:
    weights = torch.load(path, weights_only=True)
    return sha256(b"".join(weights[name].numpy().tobytes() for name in sorted(weights))).hexdigest()


if __name__ == "__main__":
    typer.run(study)

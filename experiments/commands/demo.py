"""The demo: the main job on the 1,797 scans of handwritten digits that scikit-learn carries, in a few minutes on two cores."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from experiments.commands.search import search
from experiments.commands.space import search_space
from experiments.commands.train import train
from experiments.data.datasets import open_data
from experiments.report.frontier import write_frontier
from experiments.runtime.console import print_table
from scaler.units import format_quantity

SEED, DATA = "tiny_vit_1m_32", "digits"
BUDGETS = ("flops=800k..1M", "flops=1.6M..2M", "flops=3.2M..4M,params=60%")
TRIALS = 15

Say = Callable[[str], None]


def demo(out: Path, say: Say) -> None:
    """Train the seed, search under three budgets with it as the teacher, train the choices, and draw the frontier."""
    say(f"1/4  the seed {SEED}, trained on {DATA}: it will teach the others")
    train(SEED, data=DATA, out=out / "seed")
    say(f"2/4  the search: {TRIALS} candidates under {', '.join(BUDGETS)}")
    space, sets = search_space(SEED, list(BUDGETS), None, DATA)
    found = search(
        seed=SEED, budgets=BUDGETS, space=space, sets=sets, data=DATA, out=out / "search", teacher=str(out / "seed"),
        strategy="uniform", trials=TRIALS, recipe="proxy", train_images=None, draw_seed=0,
    )  # fmt: skip
    say("3/4  the chosen variants, trained in full by the seed")
    trained = [out / "trained" / Path(choice["folder"]).name for choice in found]
    rows = [
        train(choice["folder"], data=DATA, out=folder, teacher=str(out / "seed"))
        for choice, folder in zip(found, trained, strict=True)
    ]
    say("4/4  the frontier")
    files = write_frontier([out / "search", out / "seed", *trained], out / "frontier")
    _print(rows, trained)
    print(f"Logistic regression on the same split: {logistic_regression():.2f} % top-1.")
    for name, path in files.items():
        print(f"{name}: {path}")


def _print(rows: list[dict[str, Any]], folders: list[Path]) -> None:
    quantities = ("flops", "params")
    cells = [
        (row["budget"], *(format_quantity(row[q]) for q in quantities), f"{row['top1']:.2f}", folder)
        for row, folder in zip(rows, folders, strict=True)
    ]
    print_table(("budget", *quantities, "test top-1 %", "trained variant"), cells, right=(*quantities, "test top-1 %"))


def logistic_regression() -> float:
    """Top-1 in percent of scikit-learn's logistic regression on the pixels of the same split, as a yardstick."""
    import numpy as np
    from sklearn.linear_model import LogisticRegression

    data = open_data(DATA).for_final_training()
    (train, labels), (test, truth) = (
        (np.stack([np.asarray(images.image(i), float)[..., 0].ravel() / 255 for i in range(len(images))]), images.labels)
        for images in (data.train, data.test)
    )
    return float(100 * LogisticRegression(max_iter=1000).fit(train, labels).score(test, truth))

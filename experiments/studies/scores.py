"""Score the networks of a table of truth in cheap ways.

`python -m experiments.studies.scores --data torch/fashion_mnist:ROOT --out DIR`, with the folder of `experiments.studies.truth`:
each finished score is a line of ``scores.jsonl``. Interrupted, the same command continues.
"""

from pathlib import Path
from typing import Annotated

import torch
import typer

from experiments.commands.elastic import elastic
from experiments.options.train import ElasticOptions
from experiments.ranking.nets import networks
from experiments.ranking.scores import Score, add_scores, elastic_probe, probes, read_scores
from experiments.ranking.truth import Settings, TruthTable
from experiments.runtime.console import print_json, say
from experiments.studies.truth import open_workshop
from scaler.budget import Budget
from scaler.files import write_json
from scaler.lock import only_process_in
from scaler.space.feasible_set import FeasibleSet
from search_spaces.spaces import open_space


def study(
    data: Annotated[str, typer.Option("--data")],
    out: Annotated[Path, typer.Option("--out", help="Folder of the table.")],
    elastic_epochs: Annotated[int, typer.Option("--elastic-epochs", help="Of an elastic seed; 0 for no score of members.")] = 0,
) -> None:
    """Compute the scores that the table lacks, group by group and score by score."""
    torch.set_num_threads(1)
    settings = TruthTable(out).settings
    shop = open_workshop(settings, data, out)
    with only_process_in(out / "scores"):
        members = [elastic_probe(shop, _elastic(out, settings, data, elastic_epochs))] if elastic_epochs else []
        for group, archs in networks(settings, shop.data.num_classes).items():
            for probe in (*probes(shop, out / "seed"), *members):
                done = {(score.name, score.group, score.net) for score in read_scores(out)}
                missing = [net for net in range(len(archs)) if (probe.names[0], group, net) not in done]
                for net in missing:
                    found = probe(archs[net])
                    add_scores(out, [Score(name=name, group=group, net=net, reading=found[name]) for name in found])
                say(f"{group}: {', '.join(probe.names)} of {len(missing)} networks")
    print_json({"scores": len(read_scores(out)), "folder": str(out)})


def _elastic(out: Path, settings: Settings, data: str, epochs: int) -> Path:
    """Return the folder of an elastic seed whose members are all networks of the table, which is made if it is missing."""
    space, axes = open_space(settings.seed_model), out / "elastic-axes.json"
    least, whole = FeasibleSet(space, Budget()).bounds()["flops"]
    write_json(axes, space.axes())
    asked = ElasticOptions(
        seed_model=str(out / "seed"),
        data=data,
        train_images=settings.seed_images,
        axes=axes,
        least=least / whole,
        epochs=epochs,
        out=out / "elastic",
    )
    elastic(asked)
    return asked.out


if __name__ == "__main__":
    typer.run(study)

"""Options that several commands take."""

from pathlib import Path
from typing import Annotated

import typer

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
Budget = Annotated[str, typer.Option("--budget", help="Such as flops=1.3G,params=60%; see `scaler space --help`.")]
Budgets = Annotated[list[str], typer.Option("--budget", help="A budget; several make a family.")]
Axes = Annotated[Path | None, typer.Option("--axes", help="JSON file with axes that replace the space's own.")]
Classes = Annotated[int | None, typer.Option("--num-classes", min=1, help="Classes of the task.")]
Resolution = Annotated[int | None, typer.Option("--resolution", min=1, help="Side of the input in pixels.")]
Data = Annotated[str, typer.Option("--data", help="digits, folder:PATH, or a timm data set such as torch/fashion_mnist:ROOT.")]
Images = Annotated[int | None, typer.Option("--train-images", min=2, help="Use only so many training images.")]
Teacher = Annotated[str | None, typer.Option("--teacher", help="A trained variant's folder to distil from.")]
Logits = Annotated[Path | None, typer.Option("--logits", help="Stored logits of a teacher (`scaler teach`) to distil from.")]
Recipe = Annotated[str, typer.Option("--recipe", help="How to train.")]
Seed = Annotated[int, typer.Option("--seed", min=0, max=2**32 - 1, help="Seed of every random draw.")]
Out = Annotated[Path, typer.Option("--out", help="Folder for the results.")]

"""The page docs/options.md: `python -m experiments.cli.options_page` prints it from the declared options."""

from collections.abc import Iterator
from dataclasses import MISSING, Field, fields
from inspect import cleandoc
from typing import Any

from experiments.cli import COMMANDS
from experiments.cli.adapter import Command
from experiments.options.declare import flag_of, info_of

_HEAD = """# Options of every command

`python -m experiments.cli.options_page > docs/options.md` prints this page from the declarations in `experiments/options/`.
In Python an option has the same name, with underscores: `--train-images` is `train_images`."""


def page() -> str:
    """Return the page in Markdown."""
    return "\n\n".join([_HEAD, *map(_section, COMMANDS)]) + "\n"


def _section(command: Command) -> str:
    summary = cleandoc(command.options.__doc__ or "").splitlines()[0]
    rows = "\n".join(_rows(command))
    return f"## scaler {command.name}\n\n{summary}\n\n| option | default | meaning |\n| --- | --- | --- |\n{rows}"


def _rows(command: Command) -> Iterator[str]:
    for item in sorted(fields(command.options), key=lambda item: not info_of(item).is_argument):
        info = info_of(item)
        names = f" One of {', '.join(info.choices())}." if info.choices else ""
        yield f"| `{flag_of(item)}` | {_default(item)} | {info.help}{names} |"
    if command.to_json is not None:
        yield "| `--json` | off | Print one JSON document. |"


def _default(item: "Field[Any]") -> str:
    if item.default is MISSING:
        return "required"
    if isinstance(item.default, bool):
        return "on" if item.default else "off"
    return "" if item.default is None else f"`{item.default}`"


if __name__ == "__main__":
    print(page(), end="")

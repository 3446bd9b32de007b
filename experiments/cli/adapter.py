"""From a dataclass of options to a command of Typer."""

from collections.abc import Callable
from dataclasses import MISSING, Field, dataclass, fields
from importlib import import_module
from inspect import Parameter, Signature, cleandoc
from pathlib import Path
from types import UnionType
from typing import Any, get_args, get_origin, get_type_hints

import typer
from typer.core import TyperCommand, TyperGroup

from experiments.options.common import RUNNING, SCORING, TRAINING, WHAT
from experiments.options.declare import OptionInfo, Options, flag_of, info_of
from experiments.runtime.console import print_json

_METAVARS = {int: "N", float: "X", Path: "PATH"}
_OUTPUT = "Output"
_GROUPS = ("Arguments", WHAT, SCORING, TRAINING, RUNNING, _OUTPUT)  # in this order in a command's help
_JSON = Parameter(
    "as_json",
    Parameter.KEYWORD_ONLY,
    default=typer.Option(False, "--json", help="Print one JSON document.", rich_help_panel=_OUTPUT),
    annotation=bool,
)


@dataclass(frozen=True, kw_only=True)
class Command:
    """One command: its options, the function that runs it, and how its result is shown.

    Attributes:
        run: "module:function", imported when the command runs: deciding commands must not load torch.
        show: prints the result for people.
        to_json: turns the result into JSON values; None for a command without ``--json``.
    """

    name: str
    group: str
    options: type[Options]
    run: str
    show: Callable[[Any, Any], None]
    to_json: Callable[[Any], Any] | None = lambda found: found


def add(app: typer.Typer, command: Command) -> None:
    """Add ``command`` to ``app``."""
    example = getattr(command.options, "EXAMPLE", "")
    register = app.command(
        command.name,
        cls=GroupedCommand,
        help=cleandoc(command.options.__doc__ or ""),
        epilog=f"Example:  {example}" if example else None,
        rich_help_panel=command.group,
    )
    register(_callback(command))


def _callback(command: Command) -> Callable[..., None]:
    """Return a function with the signature that Typer reads options from."""
    hints = get_type_hints(command.options)
    parameters = [_parameter(item, hints[item.name]) for item in fields(command.options)]

    def callback(as_json: bool = False, **given: Any) -> None:
        options = command.options(**given)
        module, _, function = command.run.partition(":")
        found = getattr(import_module(module), function)(options)
        if as_json and command.to_json is not None:
            print_json(command.to_json(found))
        elif found is not None:
            command.show(found, options)

    signature = Signature([*parameters, *([_JSON] if command.to_json else [])])
    callback.__signature__ = signature  # type: ignore[attr-defined]
    callback.__annotations__ = {name: found.annotation for name, found in signature.parameters.items()}
    return callback


def _parameter(item: "Field[Any]", hint: Any) -> Parameter:
    info, kind = info_of(item), _kind(hint)
    default = ... if item.default is MISSING else item.default
    named: dict[str, Any] = {"help": _help(info), "metavar": _metavar(item, kind)}
    if info.is_argument:
        declared: Any = typer.Argument(default, **named)
    else:
        declared = typer.Option(
            default, flag_of(item), rich_help_panel=info.group, envvar=info.variable or None, show_envvar=False, **named
        )
    return Parameter(item.name, Parameter.KEYWORD_ONLY, default=declared, annotation=kind)


def _help(info: OptionInfo) -> str:
    names = ", ".join(info.choices()) if info.choices else ""
    return f"{info.help} One of {names}." if names else info.help


def _metavar(item: "Field[Any]", kind: Any) -> str | None:
    info = info_of(item)
    if kind is bool:
        return None
    if info.is_argument:
        return flag_of(item)
    return info.metavar or ("NAME" if info.choices else _METAVARS.get(kind, "TEXT"))


def _kind(hint: Any) -> Any:
    """Return the type that Typer reads: lists for tuples, the type itself for an optional one."""
    if get_origin(hint) is tuple:
        return list[get_args(hint)[0]]  # type: ignore[misc]
    if isinstance(hint, UnionType):
        return next(kind for kind in get_args(hint) if kind is not type(None))
    return hint


class GroupedCommand(TyperCommand):
    """A command whose options are listed under headings."""

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write the options by group."""
        found: dict[str, list[tuple[str, str]]] = {}
        for parameter in self.get_params(ctx):
            name, text = parameter.get_help_record(ctx) or ("", "")
            found.setdefault(_group_of(parameter), []).append((name.partition(" <")[0], text))
        for group in sorted(found, key=_GROUPS.index):
            with formatter.section(group):
                formatter.write_dl(found[group])


def _group_of(parameter: Any) -> str:
    default = "Arguments" if parameter.param_type_name == "argument" else _OUTPUT
    return str(getattr(parameter, "rich_help_panel", None) or default)


class GroupedCommands(TyperGroup):
    """Commands listed under headings."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write the commands by group, in the order of their registration."""
        found: dict[str, list[tuple[str, str]]] = {}
        for name in self.list_commands(ctx):
            command: Any = self.get_command(ctx, name)
            found.setdefault(command.rich_help_panel, []).append((name, command.get_short_help_str(limit=200)))
        for group, records in found.items():
            with formatter.section(group):
                formatter.write_dl(records)

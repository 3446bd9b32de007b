"""Options as fields of frozen dataclasses: name, type, default, help and check are declared once.

The command line (`experiments.cli.adapter`), ``run.json``, the Python functions and docs/options.md all read these
fields. A field's name is the option's name everywhere; its flag is the name with dashes.
"""

from collections.abc import Callable, Iterable
from dataclasses import MISSING, Field, dataclass, field, fields
from pathlib import Path
from typing import Any, get_args, get_type_hints

from scaler.errors import ScalerError, UnknownNameError

_INFO = "option"


@dataclass(frozen=True, kw_only=True)
class OptionInfo:
    """Everything about an option that its type and default do not say.

    Attributes:
        help: one sentence.
        group: the heading under which `--help` lists it.
        choices: the names that are accepted; None for any value. Called when needed, as the names may be many.
        minimum, maximum: bounds of a number, inclusive.
        is_argument: True for a positional argument of the command line.
        is_fixed: False if the option may differ when a run is continued.
        is_recorded: False if the option is not kept in ``run.json``: it decides where to run, not what is found.
        flag: the flag, where it is not the name with dashes.
        metavar: the placeholder of the value in `--help`.
        variable: the environment variable that gives the value where the command line does not; empty for none.
    """

    help: str
    group: str = ""
    choices: Callable[[], Iterable[str]] | None = None
    minimum: float | None = None
    maximum: float | None = None
    is_argument: bool = False
    is_fixed: bool = True
    is_recorded: bool = True
    flag: str = ""
    metavar: str = ""
    variable: str = ""


def option(default: Any = MISSING, *, help: str, **info: Any) -> Any:
    """Return a dataclass field that declares an option; ``info`` holds `OptionInfo`'s other fields."""
    return field(default=default, metadata={_INFO: OptionInfo(help=help, **info)})


def argument(*, help: str, **info: Any) -> Any:
    """Return a dataclass field that declares a positional argument."""
    return option(help=help, is_argument=True, **info)


def info_of(item: "Field[Any]") -> OptionInfo:
    """Return the declaration of a field made by `option` or `argument`."""
    found: OptionInfo = item.metadata[_INFO]
    return found


@dataclass(frozen=True, kw_only=True)
class Options:
    """Base of the commands' options; checks every value.

    Strings are accepted for paths, and lists or one string for tuples, so that Python callers write plain values.

    Raises:
        ScalerError: if a value is out of its range or not among its choices.
    """

    def __post_init__(self) -> None:
        types = get_type_hints(type(self))
        for item in fields(self):
            value = _coerced(getattr(self, item.name), types[item.name])
            object.__setattr__(self, item.name, value)
            _check(item, value)

    def recorded(self) -> dict[str, Any]:
        """Return the options that ``run.json`` keeps, as JSON values."""
        return {item.name: _plain(getattr(self, item.name)) for item in fields(self) if info_of(item).is_recorded}

    @classmethod
    def fixed_names(cls) -> set[str]:
        """Return the names of the recorded options that a continued run must repeat."""
        return {item.name for item in fields(cls) if info_of(item).is_recorded and info_of(item).is_fixed}

    def words(self) -> list[str]:
        """Return the command line that gives these options: arguments first, without defaults."""
        items = sorted(fields(self), key=lambda item: not info_of(item).is_argument)
        return [word for item in items for word in _words(item, getattr(self, item.name))]


def flag_of(item: "Field[Any]") -> str:
    """Return the flag of an option, or the name of a positional argument in capitals."""
    info = info_of(item)
    if info.is_argument:
        return info.metavar or item.name.upper()
    return info.flag or f"--{item.name.replace('_', '-')}"


def _coerced(value: Any, kind: Any) -> Any:
    kinds = get_args(kind) or (kind,)
    if isinstance(value, str) and Path in kinds and str not in kinds:
        return Path(value)
    if getattr(kind, "__origin__", None) is tuple:
        values = (value,) if isinstance(value, str | Path) else tuple(value)
        return tuple(map(kinds[0], values))
    return value


def _check(item: "Field[Any]", value: Any) -> None:
    flag, info = flag_of(item), info_of(item)
    if value is None:
        return
    if info.choices is not None and value not in (known := tuple(info.choices())):
        raise UnknownNameError(item.name.replace("_", " "), value, known)
    if info.minimum is not None and not value >= info.minimum:
        raise ScalerError(f"{flag} {value}: it must be at least {info.minimum:g}")
    if info.maximum is not None and not value <= info.maximum:
        raise ScalerError(f"{flag} {value}: it must be at most {info.maximum:g}")


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return list(map(_plain, value))
    return str(value) if isinstance(value, Path) else value


def _words(item: "Field[Any]", value: Any) -> list[str]:
    flag, info = flag_of(item), info_of(item)
    values = value if isinstance(value, tuple) else (value,)
    if info.is_argument:
        return list(map(str, values))
    if value == item.default:
        return []
    if isinstance(value, bool):
        on, _, off = flag.partition("/")
        return [on if value else off or f"--no-{on[2:]}"]
    return [word for entry in values for word in (flag, str(entry))]

"""The ``scaler`` command: starts the application, wherever it is called from.

The folders beside this package are ordinary top-level packages, and ``models`` or ``experiments`` may be names in the user's own
project too. Where such a name hides ours, this says so instead of failing somewhere inside.
"""

import os
import sys
import warnings
from contextlib import suppress
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

ROOMS = ("search_spaces", "models", "experiments")


def main() -> None:
    # With spinning OpenMP threads, training on a shared machine was measured several times slower. Read when torch loads.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    os.environ.setdefault("PYTHONWARNINGS", "ignore::FutureWarning")  # in processes that this one starts, and here:
    warnings.filterwarnings("ignore", category=FutureWarning, module=r"torch\.")  # PyTorch's notes to its own developers
    home = Path(__file__).resolve().parent.parent
    for room in ROOMS:
        spec = find_spec(room)
        found = Path(spec.origin).resolve() if spec and spec.origin else None
        if found is None or found.parent.parent != home:
            place = f"hidden by {found.parent}" if found else f"not installed beside {home / 'scaler'}"
            sys.exit(_complain(f"the package {room!r} of scaler is {place}: take that folder off PYTHONPATH or reinstall scaler"))
    _end(import_module("experiments.cli").run())


def _end(status: int) -> None:
    """Ends this process; at once where it is one of several: gloo's threads, which outlive their process group, may abort the
    interpreter's own end (https://github.com/pytorch/pytorch/issues/190489). Whatever is kept was synced when it was written."""
    if os.environ.get("WORLD_SIZE", "1") != "1":
        with suppress(OSError, ValueError):  # closed at the other end
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(status)
    sys.exit(status)


def _complain(message: str) -> int:
    print(f"scaler: {message}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    main()

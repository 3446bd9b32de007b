"""The ``scaler`` command: starts the application, wherever it is called from.

The folders beside this package are ordinary top-level packages, and ``models`` or ``experiments`` may be names in the user's own
project too. Where such a name hides ours, this says so instead of failing somewhere inside.
"""

import os
import sys
import warnings
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
    sys.exit(import_module("experiments.cli").run())


def _complain(message: str) -> int:
    print(f"scaler: {message}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    main()

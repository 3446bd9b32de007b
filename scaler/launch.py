"""The ``scaler`` command: starts the application, wherever it is called from.

The folders beside this package are ordinary top-level packages, and ``models`` or ``experiments`` may be names in the user's own
project too. Our own folder is put before any that would hide them.
"""

import os
import sys
import warnings
from contextlib import suppress
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

PACKAGES = ("search_spaces", "models", "experiments")
_HOME = Path(__file__).resolve().parent.parent


def main() -> None:
    """Run the command line and end the process with its exit status."""
    # With spinning OpenMP threads, training on a shared machine was measured several times slower. Read when torch loads.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    os.environ.setdefault("PYTHONWARNINGS", "ignore::FutureWarning")  # in child processes, and here:
    warnings.filterwarnings("ignore", category=FutureWarning, module=r"torch\.")  # PyTorch's notes to its own developers
    put_packages_first()
    for package in PACKAGES:
        if not _is_ours(package):
            sys.exit(_complain(f"the package {package!r} of scaler is not installed beside {_HOME / 'scaler'}: reinstall scaler"))
    _end(import_module("experiments.cli").run())


def put_packages_first() -> None:
    """Put the folder of these packages on ``sys.path`` before a folder that has packages of the same names.

    Such a folder is the current one under ``python -m``, or one on ``PYTHONPATH``. Child processes inherit ``sys.path``.
    """
    if not all(map(_is_ours, PACKAGES)):
        sys.path.insert(0, str(_HOME))


def _is_ours(package: str) -> bool:
    spec = find_spec(package)
    found = spec.origin if spec else None
    return found is not None and Path(found).resolve().parent.parent == _HOME


def _end(status: int) -> None:
    """End this process; at once if it is one of several launched ones.

    gloo's threads outlive their process group and may abort the interpreter's own end
    (https://github.com/pytorch/pytorch/issues/190489). Files were synced when they were written.
    """
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

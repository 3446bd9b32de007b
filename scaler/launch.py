"""The ``scaler`` command: starts the application, wherever it is called from.

The packages beside this one are ordinary top-level packages, and ``models`` or ``experiments`` may be names in the user's own
project too. Ours are loaded from beside this package, whatever the path holds.
"""

import gc
import os
import sys
import warnings
from contextlib import suppress
from importlib import import_module
from importlib.abc import Loader
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import find_spec, module_from_spec
from pathlib import Path
from typing import cast

PACKAGES = ("search_spaces", "models", "experiments")
_HOME = Path(__file__).resolve().parent.parent


def main() -> None:
    """Run the command line and end the process with its exit status."""
    # With spinning OpenMP threads, training on a shared machine was measured several times slower. Read when torch loads.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    os.environ.setdefault("PYTHONWARNINGS", "ignore::FutureWarning")  # in child processes, and here:
    warnings.filterwarnings("ignore", category=FutureWarning, module=r"torch\.")  # PyTorch's notes to its own developers
    gc.set_threshold(50_000, 20, 50)  # the default's collections are a sixth of the time that PyTorch and timm take to load
    load_packages()
    _end(import_module("experiments.cli").run())


def load_packages() -> None:
    """Load our packages where others of the same names come first on ``sys.path``.

    Such packages lie in the current folder under ``python -m``, or on ``PYTHONPATH``. Child processes inherit ``sys.path``.
    """
    if all(_is_ours(find_spec(package)) for package in PACKAGES):
        return
    sys.path.insert(0, str(_HOME))
    specs = {package: PathFinder.find_spec(package, [str(_HOME)]) for package in PACKAGES}
    for package, spec in specs.items():
        if spec is None or not _is_ours(spec):
            sys.exit(_complain(f"the package {package!r} of scaler is not installed beside {_HOME / 'scaler'}: reinstall scaler"))
        sys.modules[package] = module_from_spec(spec)
        sys.modules[package].__path__ = [str(_HOME / package)]
    for package, spec in specs.items():  # now that all names are taken
        if spec and spec.origin:
            cast(Loader, spec.loader).exec_module(sys.modules[package])


def _is_ours(spec: ModuleSpec | None) -> bool:
    places = list(spec.submodule_search_locations or []) if spec else []
    return bool(places) and Path(places[0]).resolve().parent == _HOME


def _end(status: int) -> None:
    """End this process; at once if it has loaded PyTorch, which takes the interpreter's own end over a second to take down.

    Also, gloo's threads outlive their process group and may abort that end (https://github.com/pytorch/pytorch/issues/190489).
    Files were synced when they were written.
    """
    if "torch" in sys.modules:
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

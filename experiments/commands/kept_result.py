"""The result of a command that makes one thing in its folder: made once, and read by the same command afterwards."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from experiments.search.request import require_same
from experiments.search.run_folder import RESULT
from scaler.errors import ScalerError
from scaler.json_files import read_sealed, write_sealed
from scaler.lock import is_empty


def kept_result(kind: str, request: Path, recorded: Mapping[str, Any], make: Callable[[], Mapping[str, Any]]) -> dict[str, Any]:
    """Return the result that the folder of ``request`` keeps; the first call makes it.

    Args:
        kind: of the work, for messages.
        request: the file that keeps ``recorded``, which a continuation must repeat.

    Raises:
        ScalerError: if the folder holds work of another request, or something else.
    """
    folder, result = request.parent, request.with_name(RESULT)
    if request.exists():
        require_same(kind, request, recorded)
    elif not is_empty(folder):
        raise ScalerError(f"{folder} is there and holds something else: give a new folder for --out")
    write_sealed(request, dict(recorded))
    if not result.exists():
        write_sealed(result, dict(make()))
    return read_sealed(result, dict[str, Any], "delete it, and the same command makes it again")

"""``run.json``: the request that a search or a shrinking keeps in its folder, and that its continuation must repeat."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from experiments.data.image_set import HOLDOUT_SHARE
from experiments.options.search import TRAINING_SCORE
from scaler.errors import ScalerError
from scaler.json_files import read_sealed

REQUEST = "run.json"
_REMEDY = "restore it, or choose another --out"
# Values of runs that recorded none.
_BEFORE = {
    "start": "random",
    "score": TRAINING_SCORE,
    "holdout_share": HOLDOUT_SHARE,
    "on_bad_image": "stop",
    "deterministic": False,
}


def require_same(kind: str, path: Path, request: Mapping[str, Any]) -> None:
    """Check that the file at ``path``, which keeps the request of a ``kind`` of run, has every value of ``request``.

    Raises:
        ScalerError: if it differs; the message names the first difference.
        DamagedFileError: if it is not as it was written.
    """
    before = _BEFORE | read_sealed(path, dict[str, Any], _REMEDY)
    for name, value in sorted(request.items()):
        if before.get(name) != value:
            raise ScalerError(
                f"{path.parent} holds a {kind} with {name} = {before.get(name)}, not {value}: choose another --out to start anew"
            )


def recorded_request(out: Path) -> dict[str, Any]:
    """Return the content of ``run.json`` in ``out``; empty if there is none.

    Raises:
        DamagedFileError: if it is not as it was written.
    """
    path = out / REQUEST
    return read_sealed(path, dict[str, Any], _REMEDY) if path.exists() else {}

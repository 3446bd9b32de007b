"""Image files that cannot be read: found before work begins, and, if asked for, left out of the data set.

Files are left out before the images are split and numbered, as if they had been deleted from their folder.
"""

from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import numpy as np

from experiments.data.sources import Files, UnreadableImageError
from experiments.runtime.console import is_main_process, say
from experiments.runtime.progress import meter
from scaler.errors import ScalerError
from scaler.files import cache_folder
from scaler.json_files import read_sealed, write_sealed

SKIPPED = "skipped_images.json"  # in the folder of a run
_CHECKED_MOST, _NAMED = 20_000, 3


@dataclass(frozen=True, kw_only=True)
class Reading:
    """The outcome of reading every file of a data set once.

    Attributes:
        depths: the number of images by their bit depth.
        bad: the reason by the path of each file that cannot be read.
    """

    depths: dict[int, int]
    bad: dict[str, str]


def check(sources: Sequence[Files], name: str) -> None:
    """Decode every file, or 20,000 evenly spread files of a larger source, to find broken ones before work begins.

    One message tells how many images of the data set called ``name`` have more than 8 bits and are scaled.

    Raises:
        ScalerError: if a file cannot be read.
    """
    paths = [source.paths[index] for source in sources for index in _spread(len(source.paths))]
    reading = _read(paths)
    for path, reason in reading.bad.items():
        raise ScalerError(f"{UnreadableImageError(path, reason)}, or leave such files out (--on-bad-image skip)")
    _tell_depths(reading, name)


def without_bad_images(sources: Sequence[Files], name: str) -> tuple[list[Files], dict[str, str]]:
    """Return ``sources`` without the files that cannot be read, and the reason by the path of each of these.

    All files are read, once for each state of the folder: the outcome is kept in the user's cache.

    Raises:
        ScalerError: if a class of the first source, the training images, loses all its images.
    """
    reading = _known_or_read([path for source in sources for path in source.paths])
    _tell_depths(reading, name)
    if reading.bad and is_main_process():
        say(f"{name}: {_summary(reading.bad)}")
    kept = [_without(source, reading.bad) for source in sources]
    lost = set(sources[0].labels.tolist()) - set(kept[0].labels.tolist())
    for label in sorted(lost):
        raise ScalerError(f"{name}: no image of the class {sources[0].class_names[label]!r} can be read: repair some of them")
    return kept, reading.bad


def record_skipped(skipped: dict[str, str], out: Path) -> None:
    """Write the files that were left out, and the reason of each, to `SKIPPED` in ``out``; nothing if there are none."""
    if skipped and is_main_process():
        write_sealed(out / SKIPPED, {"images": skipped})


def _summary(bad: dict[str, str]) -> str:
    named = ", ".join(f"{path} ({reason})" for path, reason in list(bad.items())[:_NAMED])
    more = f" and {len(bad) - _NAMED:,} more" if len(bad) > _NAMED else ""
    return f"{len(bad):,} unreadable image{'s' * (len(bad) > 1)} left out: {named}{more}"


def _without(source: Files, bad: dict[str, str]) -> Files:
    kept = [index for index, path in enumerate(source.paths) if path not in bad]
    return Files(tuple(source.paths[index] for index in kept), source.labels[kept], source.class_names)


def _known_or_read(paths: Sequence[str]) -> Reading:
    """Return the outcome that the cache keeps for these files as they are now, or read them all."""
    with suppress(ScalerError, OSError):  # a cache that is damaged or cannot be used
        return read_sealed(_cached(paths), Reading, "")
    reading = _read(paths)
    with suppress(ScalerError, OSError):
        write_sealed(_cached(paths), reading)
    return reading


def _cached(paths: Sequence[str]) -> Path:
    states = ((Path(path).stat(), path) for path in paths)
    text = "\n".join(f"{path!r} {state.st_size} {state.st_mtime_ns}" for state, path in states)
    return cache_folder() / f"images-{sha256(text.encode()).hexdigest()[:16]}.json"


def _read(paths: Sequence[str]) -> Reading:
    files, depths, bad = Files(tuple(paths), np.zeros(len(paths), np.int64)), Counter[int](), dict[str, str]()
    with ThreadPoolExecutor() as pool, meter("reading every image once", len(paths)) as progress:
        for path, found in zip(paths, pool.map(lambda index: _depth_or_reason(files, index), range(len(paths))), strict=True):
            progress.advance(1)
            if isinstance(found, str):
                bad[path] = found
            else:
                depths[found] += 1
    return Reading(depths=dict(depths), bad=bad)


def _depth_or_reason(files: Files, index: int) -> int | str:
    try:
        return files.decode(index)[1]
    except UnreadableImageError as error:
        return error.reason


def _tell_depths(reading: Reading, name: str) -> None:
    number = sum(reading.depths.values())
    deep = [f"{reading.depths[depth]:,} of {number:,} images of {depth} bits" for depth in sorted(reading.depths) if depth > 8]
    if deep and is_main_process():
        say(f"{name}: {' and '.join(deep)} are scaled to 8")


def _spread(number: int) -> list[int]:
    """Return the indices of ``number`` files, or of 20,000 that are evenly spread among more."""
    indices: list[int] = np.unique(np.linspace(0, number - 1, min(number, _CHECKED_MOST)).astype(int)).tolist()
    return indices

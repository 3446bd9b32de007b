"""SIGTERM as a request that training answers between two updates."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class StopRequest:
    """A request to stop.

    Attributes:
        requested: True once `request` was called.
    """

    def __init__(self) -> None:
        self.requested = False

    def request(self, number: int, frame: FrameType | None) -> None:
        """Set ``requested``. The signature is that of a signal handler."""
        self.requested = True


@contextmanager
def stop_on_sigterm() -> Iterator[StopRequest]:
    """Yield a `StopRequest` that SIGTERM sets. Outside of the main thread, which alone gets signals, nothing sets it."""
    stop = StopRequest()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    before = signal.signal(signal.SIGTERM, stop.request)
    try:
        yield stop
    finally:
        signal.signal(signal.SIGTERM, before)

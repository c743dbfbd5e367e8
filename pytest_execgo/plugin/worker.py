"""Ends an xdist worker whose controller has ended."""

from __future__ import annotations

import os
import threading

_LOOK_SECONDS = 0.2


def end_with_controller() -> None:
    """End this process as soon as the controller has ended, even in the middle of a trial.

    xdist itself ends a worker only between two tests. No process is left that could report the trial.
    The services of this worker end with it, because it holds the other end of their pipes.
    """
    controller = os.getppid()

    def watch() -> None:
        pause = threading.Event()
        while os.getppid() == controller:
            pause.wait(_LOOK_SECONDS)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()

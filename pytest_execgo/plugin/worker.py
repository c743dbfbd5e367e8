"""An xdist worker must not outlive its controller."""

from __future__ import annotations

import os
import threading

_LOOK_SECONDS = 0.2


def end_with_controller() -> None:
    """Leave at once when the controller is gone, also in the middle of a trial.

    xdist ends a worker only between two tests. Nobody is left to report to, and the services of this
    worker end as soon as the process that holds their pipes does.
    """
    controller = os.getppid()

    def watch() -> None:
        pause = threading.Event()
        while os.getppid() == controller:
            pause.wait(_LOOK_SECONDS)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()

"""Small HTTP servers for tests, with the answers that a test needs."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress

from pytest_execgo.emulators.httpd import Request, Response, Server


@contextmanager
def serving(handle: Callable[[Request], Response]) -> Iterator[str]:
    """Serve HTTP with ``handle``; yields the URL."""
    server = Server("127.0.0.1", 0, handle)
    threading.Thread(target=server.serve_forever, args=(0.002,), daemon=True).start()
    try:
        yield server.url
    finally:
        server.shutdown()
        server.server_close()


@contextmanager
def hanging_up() -> Iterator[str]:
    """An endpoint that accepts connections and closes them at once; yields the URL."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def accept() -> None:
            with suppress(OSError):
                while True:
                    listener.accept()[0].close()

        threading.Thread(target=accept, daemon=True).start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        # Ends the thread: closing the socket alone does not wake it.
        listener.shutdown(socket.SHUT_RDWR)


class Document:
    """An endpoint that answers from a list, repeats the last answer, and keeps the requests.

    ``before`` is called before each answer, for example to delay it.
    """

    def __init__(self, *answers: Response) -> None:
        self.answers = list(answers)
        self.asked: list[Request] = []
        self.before: Callable[[], object] = lambda: None
        self._stack = ExitStack()
        self.url = f"{self._stack.enter_context(serving(self._handle))}/v1"

    def _handle(self, request: Request) -> Response:
        self.asked.append(request)
        self.before()
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]

    def close(self) -> None:
        """Stop the server; a second call does nothing."""
        self._stack.close()

"""``python -m pytest_execgo.emulators.execgo``, with the environment variables and flags of ExecGo."""

from __future__ import annotations

import argparse
import os
import sys
import threading
from pathlib import Path

from pytest_execgo.emulators import guard, httpd
from pytest_execgo.emulators.execgo import VERSION
from pytest_execgo.emulators.execgo.mcp import Handles
from pytest_execgo.emulators.execgo.runtime_client import RuntimeSettings
from pytest_execgo.emulators.execgo.scheduler import Scheduler
from pytest_execgo.emulators.execgo.server import EngineApi
from pytest_execgo.emulators.execgo.store import Store

SAVE_EVERY_SECONDS = 30.0
DEFAULT_CONCURRENCY = 10


def main(argv: list[str] | None = None) -> int:
    """Run until SIGTERM, SIGINT or (``--exit-with-stdin``) the end of standard input."""
    options = _parser().parse_args(argv)
    try:
        host, port = httpd.parse_addr(options.addr, default_host="0.0.0.0")
        store = Store(Path(options.data_dir))
        server = httpd.Server(host, port, lambda request: httpd.Response(503))
        server.token = guard.take_token(guard.OWN_TOKEN)
        server.is_open = lambda path: path == "/health"
    except (OSError, ValueError) as error:
        print(f"execgo: cannot start on {options.addr}: {error}", file=sys.stderr)
        return 1
    handles = Handles()
    scheduler = Scheduler(store, _runtime_settings(), handles, _positive(options.max_concurrency))
    server.handle_one = EngineApi(store, scheduler, handles).handle
    saving = threading.Event()
    threading.Thread(target=_save_regularly, args=(store, saving), daemon=True).start()

    def stop() -> None:
        scheduler.stop()
        saving.set()
        store.save()

    return httpd.run(
        "execgo", VERSION, server, exit_with_stdin=options.exit_with_stdin, on_stop=stop
    )


def _parser() -> argparse.ArgumentParser:
    env = os.environ.get
    parser = argparse.ArgumentParser(prog="python -m pytest_execgo.emulators.execgo")
    parser.add_argument("-addr", "--addr", default=env("EXECGO_ADDR") or ":8080")
    parser.add_argument("-data-dir", "--data-dir", default=env("EXECGO_DATA_DIR") or "data")
    parser.add_argument(
        "-max-concurrency", "--max-concurrency", default=env("EXECGO_MAX_CONCURRENCY", "")
    )
    # Accepted, because start lines for ExecGo have them: there is no gRPC, and a stop takes no time.
    parser.add_argument("-grpc-addr", "--grpc-addr", help="no effect")
    parser.add_argument("-shutdown-timeout", "--shutdown-timeout", help="no effect")
    parser.add_argument(
        "--exit-with-stdin", action="store_true", help="end when standard input closes"
    )
    return parser


def _runtime_settings() -> RuntimeSettings:
    env = os.environ.get
    url = (env("EXECGO_RUNTIME_URL") or "http://127.0.0.1:8080").strip().rstrip("/")
    tenant, owner = env("EXECGO_RUNTIME_TENANT", ""), env("EXECGO_RUNTIME_OWNER", "")
    token = guard.take_token(guard.RUNTIME_TOKEN)
    return RuntimeSettings(url, tenant.strip(), owner.strip(), token)


def _positive(text: str) -> int:
    try:
        number = int(text)
    except ValueError:
        return DEFAULT_CONCURRENCY
    return number if number > 0 else DEFAULT_CONCURRENCY


def _save_regularly(store: Store, stop: threading.Event) -> None:
    while not stop.wait(SAVE_EVERY_SECONDS):
        try:
            store.save()
        except OSError as error:
            httpd.log("state_not_saved", error=str(error))


if __name__ == "__main__":
    sys.exit(main())

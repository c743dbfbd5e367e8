"""``python -m fixtures_server --port 0``: print a JSON ready line, then serve."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from fixtures_server import VERSION
from fixtures_server.app import App
from pytest_execgo.emulators import guard, httpd


def main(argv: list[str] | None = None) -> int:
    """Run until SIGTERM, SIGINT or (``--exit-with-stdin``) the end of standard input."""
    parser = argparse.ArgumentParser(prog="python -m fixtures_server")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument(
        "--data-dir", type=Path, help="keep access log and faults here, to survive a restart"
    )
    parser.add_argument(
        "--exit-with-stdin", action="store_true", help="end when standard input closes"
    )
    options = parser.parse_args(argv)
    try:
        server = httpd.Server(options.host, options.port, App(options.data_dir).handle)
        server.token = guard.take_token(guard.OWN_TOKEN)
        # Tasks fetch content without the token. Nothing in it is secret.
        server.is_open = lambda path: path == "/healthz" or path.startswith("/t/")
    except OSError as error:
        print(f"fixtures: cannot start on {options.host}:{options.port}: {error}", file=sys.stderr)
        return 1
    return httpd.run("fixtures", VERSION, server, exit_with_stdin=options.exit_with_stdin)


if __name__ == "__main__":
    sys.exit(main())

"""``python -m pytest_execgo.emulators.runtime``, with the flags of ``execgo-runtime serve``."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from pytest_execgo.emulators import guard, httpd
from pytest_execgo.emulators.runtime import VERSION
from pytest_execgo.emulators.runtime.documents import Settings, total_memory
from pytest_execgo.emulators.runtime.server import RuntimeApi
from pytest_execgo.emulators.runtime.supervisor import Supervisor


def main(argv: list[str] | None = None) -> int:
    """Run until SIGTERM, SIGINT or (``--exit-with-stdin``) the end of standard input."""
    options = _parser().parse_args(argv)
    try:
        host, port = httpd.parse_addr(options.listen_addr)
        server = httpd.Server(host, port, lambda request: httpd.Response(503))
        server.token = guard.take_token(guard.OWN_TOKEN)
        server.is_open = lambda path: path in ("/readyz", "/healthz")
        settings = Settings(
            listen_addr=server.url.removeprefix("http://"),
            data_dir=Path(options.data_dir).absolute(),
            max_running=options.max_running_tasks,
            max_queued=options.max_queued_tasks,
            grace_ms=options.termination_grace_ms,
            default_mode=options.default_capability_mode,
            own_id=options.runtime_id,
            memory_bytes=options.capacity_memory_bytes or total_memory(),
            pids=options.capacity_pids,
        )
        supervisor = Supervisor(settings)
        server.handle_one = RuntimeApi(supervisor).handle
    except (OSError, ValueError) as error:
        print(f"runtime: cannot start on {options.listen_addr}: {error}", file=sys.stderr)
        return 1
    return httpd.run(
        "runtime",
        VERSION,
        server,
        exit_with_stdin=options.exit_with_stdin,
        on_stop=supervisor.stop,
    )


_WITHOUT_EFFECT = (
    "--result-retention-secs",
    "--gc-interval-ms",
    "--dispatch-poll-interval-ms",
    "--cgroup-root",
    "--tenant-quota",
)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m pytest_execgo.emulators.runtime")
    parser.add_argument("--listen-addr", default="127.0.0.1:8080")
    parser.add_argument("--data-dir", default="data")
    parser.add_argument("--max-running-tasks", type=int, default=4)
    parser.add_argument("--max-queued-tasks", type=int, default=128)
    parser.add_argument("--termination-grace-ms", type=int, default=5000)
    parser.add_argument("--runtime-id", default=os.environ.get("EXECGO_RUNTIME_ID") or None)
    mode = os.environ.get("EXECGO_RUNTIME_DEFAULT_CAPABILITY_MODE") or "adaptive"
    parser.add_argument("--default-capability-mode", choices=("adaptive", "strict"), default=mode)
    for flag, variable in (
        ("--capacity-memory-bytes", "EXECGO_RUNTIME_CAPACITY_MEMORY_BYTES"),
        ("--capacity-pids", "EXECGO_RUNTIME_CAPACITY_PIDS"),
    ):
        parser.add_argument(flag, type=int, default=os.environ.get(variable) or None)
    # Accepted, because start lines for execgo-runtime have them: there are no cgroups, sandboxes and
    # quotas, tasks begin at once, and results are kept.
    for flag in _WITHOUT_EFFECT:
        parser.add_argument(flag, help="no effect")
    for flag in ("--disable-linux-sandbox", "--disable-cgroup"):
        parser.add_argument(flag, action="store_true", help="no effect")
    parser.add_argument("command", nargs="?", choices=("serve",), help="no effect")
    parser.add_argument(
        "--exit-with-stdin", action="store_true", help="end when standard input closes"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())

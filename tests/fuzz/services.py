"""The embedded services against mutated requests.

    python -m tests.fuzz.services --requests 10000 --seed 1

Every request must get an answer or a closed connection within ten seconds, the service must stay
healthy, and no log may hold a traceback. Prints what breaks this, and exits with 1.
"""

from __future__ import annotations

import argparse
import http.client
import sys
from collections.abc import Iterator
from random import Random
from time import monotonic
from urllib.parse import urlsplit

from pytest_execgo.extensions.registry import Registry
from pytest_execgo.harness.fleet import Fleet, FleetSpec
from tests.differential.generate import Sent, requests
from tests.fuzz.files import mutated

MOST_SECONDS = 10.0
_FAULT = '{"scope": "x", "effect": "error", "status": 500, "times": 1, "path": "/advisories"}'
_FIXTURES = [
    Sent("POST", "/__control/faults", _FAULT),
    Sent("DELETE", "/__control/faults/1"),
    Sent("GET", "/t/x/advisories?package=a"),
    Sent("GET", "/__control/access?scope=x"),
    Sent("POST", "/v1/chat/completions", '{"model": "m", "messages": [{"role": "user"}]}'),
]


def problems(count: int, seed: int) -> Iterator[str]:
    """One line for each request that a service does not handle."""
    with Fleet(FleetSpec(), Registry.build().launchers) as fleet:
        for service in ("execgo", "runtime", "fixtures"):
            rng = Random(f"{service}:{seed}")
            generated = requests(service, seed)
            for number in range(count):
                sent = rng.choice(_FIXTURES) if service == "fixtures" else next(generated)
                problem = _problem(fleet, service, sent, rng, f"f{number}")
                if problem:
                    yield f"{service}, seed {seed}, request {number}: {problem}"
            if fleet.unready():
                yield f"{service}: not healthy: {fleet.unready()}"
        for name, path in fleet.log_paths().items():
            log = path.read_text(errors="replace")
            if "Traceback" in log:
                yield f"{name}: its log holds a traceback: {log[log.index('Traceback') :][:3000]}"


def _problem(fleet: Fleet, service: str, sent: Sent, rng: Random, name: str) -> str | None:
    parts = urlsplit(fleet.url(service))
    body = (sent.body or "").replace("ID", name).encode("utf-8", "surrogatepass")
    path = sent.path.replace("ID", name)
    if rng.random() < 0.7:
        body = mutated(body, rng)
    if rng.random() < 0.2:
        path = mutated(path.encode(), rng).decode("latin-1")[:2000]
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=MOST_SECONDS)
    began = monotonic()
    try:
        headers = {
            **fleet.headers(service),
            "Content-Type": sent.content_type or "application/json",
        }
        connection.request(sent.method, path, body or None, headers)
        reply = connection.getresponse()
        reply.read()
    except TimeoutError:
        return f"no answer within {MOST_SECONDS:.0f} s"
    except (OSError, http.client.HTTPException, UnicodeError, ValueError):
        # The service closed the connection, or the client itself refused the request.
        return None
    finally:
        connection.close()
    if monotonic() - began > MOST_SECONDS:
        return f"took {monotonic() - began:.0f} s"
    return f"status {reply.status}" if not 200 <= reply.status < 600 else None


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz.services")
    parser.add_argument("--requests", type=int, default=10_000, help="for each service")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    count = 0
    for line in problems(options.requests, options.seed):
        count += 1
        print(line)
    print(f"{count} problems")
    return 1 if count else 0


if __name__ == "__main__":
    sys.exit(main())

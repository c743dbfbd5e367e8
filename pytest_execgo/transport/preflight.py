"""Whether a model's endpoint accepts connections, before the first trial."""

from __future__ import annotations

from urllib.parse import urlsplit

from requests.utils import get_environ_proxies

from pytest_execgo.system import sockets
from pytest_execgo.transport.client import is_local

_SECONDS = 5.0
_PORTS = {"http": 80, "https": 443}


def refusal(base_url: str) -> str | None:
    """Why no connection to the endpoint is possible; ``None`` if one is, or if a proxy would make it.

    Nothing is sent: an endpoint gets requests to the paths of a model only.
    """
    parts = urlsplit(base_url)
    if not is_local(base_url) and get_environ_proxies(base_url):
        return None
    port = parts.port or _PORTS.get(parts.scheme, 443)
    try:
        sockets.connect(parts.hostname, port, _SECONDS).close()
    except OSError as error:
        return error.strerror or str(error)
    return None

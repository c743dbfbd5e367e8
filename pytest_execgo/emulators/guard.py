"""Which requests a service refuses: those without the token of its fleet, and those of web pages.

The token keeps other users of the machine out. It comes in an environment variable, which other users
cannot read, and clients send it as a header.

A browser lets every page send requests to services on the loopback interface. It marks them: requests
that could change something have the header ``Origin``, and the header ``Host`` holds the name that the
page used. No client of a fleet sends ``Origin``, and each calls services by address.
"""

from __future__ import annotations

import hmac
import ipaddress
import os
from collections.abc import Mapping
from urllib.parse import urlsplit


def refusal(headers: Mapping[str, str]) -> str | None:
    """Why a request is refused; ``None`` if it is served. Names of ``headers`` are in lower case.

    A name with a dot in ``Host`` is refused: its owner can make it resolve to this machine (DNS
    rebinding), and the browser then treats the service as a part of the owner's site.
    """
    if "origin" in headers:
        return "requests of web pages are refused: remove the header Origin"
    if headers.get("sec-fetch-site", "none") != "none":
        return "requests of web pages are refused: remove the header Sec-Fetch-Site"
    host = headers.get("host", "")
    if host and not _is_local(host):
        return f"unknown host {host[:100]!r}: call the service by its IP address or as localhost"
    return None


ACCESS_HEADER = "x-execgo-token"
OWN_TOKEN = "EXECGO_ACCESS_TOKEN"
RUNTIME_TOKEN = "EXECGO_RUNTIME_ACCESS_TOKEN"


def take_token(variable: str) -> str:
    """A token from the environment, which is then without it: tasks inherit the environment."""
    return os.environ.pop(variable, "")


def has_token(headers: Mapping[str, str], token: str) -> bool:
    """Whether a request has the token. Names of ``headers`` are in lower case."""
    given = headers.get(ACCESS_HEADER, "")
    return hmac.compare_digest(given.encode("utf-8", "replace"), token.encode())


def without_token(path: str, token: str) -> str | None:
    """The rest of a path whose first part is the token; ``None`` for any other path.

    For a client that can be given a URL, but no header: a real ExecGo.
    """
    first, _, rest = path.removeprefix("/").partition("/")
    if not hmac.compare_digest(first.encode("utf-8", "replace"), token.encode()):
        return None
    return f"/{rest}"


def is_json(content_type: str) -> bool:
    """Whether a media type is ``application/json`` or ``application/…+json``.

    A browser sends neither to a service without asking it first.
    """
    essence = content_type.partition(";")[0].strip().lower()
    main, _, sub = essence.partition("/")
    return main == "application" and (sub == "json" or sub.endswith("+json"))


def _is_local(host: str) -> bool:
    """Whether a value of ``Host`` is an IP address, or a name without a dot."""
    try:
        name = urlsplit(f"//{host}").hostname or ""
        ipaddress.ip_address(name)
    except ValueError:
        return "." not in host and all(c.isalnum() or c in "-_:" for c in host)
    return True

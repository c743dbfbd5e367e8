"""HTTP to our own services: never through a proxy that the user's environment names."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import requests


def request(method: str, url: str, **options: Any) -> requests.Response:
    """One request on a connection of its own; takes and raises what ``requests.request`` does."""
    with requests.Session() as session:
        session.trust_env = False
        return session.request(method, url, **options)


def beside_us(url: str) -> bool:
    """Whether a URL leads to this machine, and no proxy is to be asked for it."""
    return urlsplit(url).hostname in ("127.0.0.1", "localhost", "::1")

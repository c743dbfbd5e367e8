"""Rules for HTTP requests: proxies, certificates and credentials of the user's environment."""

from __future__ import annotations

import os
from types import FunctionType, MethodType
from typing import Any
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter

# The methods before a test can replace them.
_SESSION = {
    name: function
    for name, function in vars(requests.Session).items()
    if isinstance(function, FunctionType) and not name.startswith("__")
}
_send = HTTPAdapter.send


def request(method: str, url: str, **options: Any) -> requests.Response:
    """One request on its own connection to a service of the fleet, never through a proxy of the user.

    Takes the options of :func:`requests.request`, and raises the same errors.
    """
    with requests.Session() as session:
        session.trust_env = False
        return session.request(method, url, **options)


def is_local(url: str) -> bool:
    """Whether a URL points to the loopback of this machine, which needs no proxy."""
    host = urlsplit(url).hostname or ""
    return host in ("localhost", "::1") or host.startswith("127.")


def media_type(content_type: str) -> str:
    """The media type of a ``Content-Type``, without parameters, in lower case."""
    return content_type.partition(";")[0].strip().lower()


def shield(session: requests.Session) -> None:
    """Keep tools such as responses and requests-mock away from a session that another package makes.

    They replace methods of the classes of requests, so the session and its adapters get the original
    methods for themselves.
    """
    for name, function in _SESSION.items():
        if getattr(type(session), name) is getattr(requests.Session, name) or name == "get_adapter":
            setattr(session, name, MethodType(function, session))
    for adapter in session.adapters.values():
        adapter.send = MethodType(_send, adapter)  # type: ignore[method-assign]


class ShieldedAdapter(HTTPAdapter):
    """An adapter that tools of tests do not change."""

    send = HTTPAdapter.send


class DirectSession(requests.Session):
    """A session that follows no redirect, and that tools of tests do not change. Even with
    ``allow_redirects=False``, requests would parse the target of a redirect, and read the whole body of
    the answer."""

    vars().update(_SESSION)

    def get_redirect_target(self, resp: requests.Response) -> None:
        """There is none."""


def session_for(url: str) -> requests.Session:
    """A session for an endpoint that the user configured, local or not.

    It uses the user's proxy, except for a local URL, and the user's certificates. It never uses the
    user's ``.netrc``, and follows no redirect.
    """
    session = DirectSession()
    if is_local(url):
        session.trust_env = False
        bundle = os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE")
        session.verify = bundle or True
    # Without an ``auth`` of its own, requests replaces any authorization header by that of .netrc.
    session.auth = lambda request: request
    return session

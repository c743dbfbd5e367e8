"""The real desktop client on a display of its own, driven by WebDriver."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil
from selenium import webdriver
from selenium.common.exceptions import StaleElementReferenceException, WebDriverException
from selenium.webdriver.common.by import By
from selenium.webdriver.common.options import ArgOptions
from selenium.webdriver.remote.client_config import ClientConfig
from selenium.webdriver.remote.remote_connection import RemoteConnection
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.wait import WebDriverWait
from Xlib import X
from Xlib.display import Display
from Xlib.protocol.event import ClientMessage

from tests.desktop.artefacts import application, program
from tests.processes import await_

SECONDS = 60.0
CONFIG = "dev.execgo.pytest-execgo"


class Application:
    """The window. Elements are found by what a user reads."""

    def __init__(self, driver: webdriver.Remote, process: psutil.Process, display: str) -> None:
        self.driver, self.process, self._display = driver, process, display

    def find(self, xpath: str) -> WebElement:
        """The first element that is shown, once it is there."""
        wait = WebDriverWait(
            self.driver, SECONDS, 0.05, ignored_exceptions=[StaleElementReferenceException]
        )
        found = wait.until(lambda driver: self._shown(driver, xpath), xpath)
        assert found is not None
        return found

    def _shown(self, driver: webdriver.Remote, xpath: str) -> WebElement | None:
        shown = [one for one in driver.find_elements(By.XPATH, xpath) if one.is_displayed()]
        return shown[0] if shown else None

    def text(self, words: str) -> WebElement:
        """The innermost element with this text."""
        return self.find(f"//*[contains(normalize-space(.), {words!r})][not(self::script)]"
                         f"[not(.//*[contains(normalize-space(.), {words!r})])]")  # fmt: skip

    def click(self, name: str, kind: str = "button") -> None:
        """Click a button or link by its text, also one that a new list replaces just now."""

        def clicked(_: webdriver.Remote) -> bool:
            self.find(f"//{kind}[contains(normalize-space(.), {name!r})]").click()
            return True

        WebDriverWait(self.driver, SECONDS, 0.05, ignored_exceptions=[WebDriverException]).until(
            clicked, name
        )

    def view(self, name: str) -> None:
        self.find(f"//nav[contains(@class, 'views')]//button[normalize-space(.)={name!r}]").click()

    def check(self, name: str) -> None:
        """Click the check box whose label begins with this name."""
        self.find(f"//label[.//b[normalize-space(.)={name!r}]]").click()

    def picture(self, path: Path) -> None:
        """What is on the display, without its border. WebDriver takes no picture of this window."""
        command = ["import", "-display", self._display, "-window", "root", "-trim", str(path)]
        subprocess.run(command, check=True, timeout=SECONDS)

    def close_window(self) -> None:
        """Close the window as its button does. There is no window manager that has the button, so the
        message that such a button sends comes from here."""
        screen = Display(self._display)
        window = next(_windows(screen.screen().root, "pytest-execgo"))
        protocols = screen.intern_atom("WM_PROTOCOLS")
        close = screen.intern_atom("WM_DELETE_WINDOW")
        facts = (32, [close, X.CurrentTime, 0, 0, 0])
        window.send_event(ClientMessage(window=window, client_type=protocols, data=facts))
        screen.sync()
        screen.close()


def _windows(window: Any, title: str) -> Iterator[Any]:
    """The windows of this title that can be seen."""
    for child in window.query_tree().children:
        visible = child.get_attributes().map_state == X.IsViewable
        if visible and child.get_wm_name() == title:
            yield child
        yield from _windows(child, title)


@contextmanager
def display() -> Iterator[str]:
    """A virtual screen, such as ``:99``."""
    reader, writer = os.pipe()
    command = [
        program("Xvfb", "apt-get install xvfb"), "-displayfd", str(writer), "-screen", "0",
        "1400x1000x24", "-nolisten", "tcp",
    ]  # fmt: skip
    with subprocess.Popen(command, pass_fds=(writer,), stderr=subprocess.DEVNULL) as server:
        os.close(writer)
        try:
            with os.fdopen(reader) as lines:
                yield f":{lines.readline().strip()}"
        finally:
            server.terminate()


def settings(home: Path, *projects: Path, language: str = "en", theme: str = "light") -> None:
    """Write the settings of the client before it starts."""
    folder = home / "config" / CONFIG
    folder.mkdir(parents=True, exist_ok=True)
    document = {"language": language, "theme": theme, "projects": [str(one) for one in projects]}
    (folder / "settings.json").write_text(json.dumps(document))


@contextmanager
def started(home: Path, display_name: str, **environment: str) -> Iterator[Application]:
    """The client with ``home`` as the home of its user."""
    port, native_port = _free_port(), _free_port()
    driver_program = program("tauri-driver", "cargo install tauri-driver --version 2.1.0 --locked")
    native = program("WebKitWebDriver", "apt-get install webkit2gtk-driver")
    command = [
        program("dbus-run-session", "apt-get install dbus-x11"), "--", driver_program,
        "--port", str(port), "--native-port", str(native_port), "--native-driver", native,
    ]  # fmt: skip
    variables = {
        **os.environ, "DISPLAY": display_name, "NO_AT_BRIDGE": "1", "HOME": str(home),
        "XDG_CONFIG_HOME": str(home / "config"), "XDG_DATA_HOME": str(home / "data"),
        "XDG_CACHE_HOME": str(home / "cache"), "EXECGO_PYTHON": sys.executable, **environment,
    }  # fmt: skip
    with ExitStack() as stack:
        log = stack.enter_context((home / "driver.log").open("wb"))
        server = stack.enter_context(
            subprocess.Popen(command, env=variables, stdout=log, stderr=log, start_new_session=True)
        )
        stack.callback(_end_group, server)
        await_(lambda: _listens(port) and _listens(native_port))
        # Without the name of a browser, which the driver of WebKitGTK refuses.
        options = ArgOptions()
        options.set_capability("tauri:options", {"application": str(application())})
        address = ClientConfig(remote_server_addr=f"http://127.0.0.1:{port}")
        driver = webdriver.Remote(RemoteConnection(client_config=address), options=options)
        stack.callback(_quit, driver)
        yield Application(driver, _process_of(server), display_name)


def _process_of(server: subprocess.Popen[bytes]) -> psutil.Process:
    name = application().name
    children = psutil.Process(server.pid).children(recursive=True)
    # The kernel keeps 15 characters of a name.
    return next(one for one in children if one.name() == name[:15] or one.name() == name)


def _quit(driver: webdriver.Remote) -> None:
    # The test may have closed or killed the client.
    with suppress(WebDriverException, OSError):
        driver.quit()


def _end_group(server: subprocess.Popen[bytes]) -> None:
    with suppress(ProcessLookupError):
        os.killpg(server.pid, signal.SIGKILL)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0

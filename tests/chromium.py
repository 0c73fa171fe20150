"""Chromium without a window, told what to do over pipes: `CHROMIUM` is where it is, or None."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

_NAMES = (os.environ.get("CHROMIUM"), "chromium", "chromium-browser", "google-chrome")
CHROMIUM = next((path for path in map(shutil.which, filter(None, _NAMES)) if path), None)

_COMMAND_END = 3
_REPORT_END = 4
"""The numbers that the pipes have in Chromium."""

_NUMBERS = {"Tab": 9, "Enter": 13, "Escape": 27, "ArrowLeft": 37, "ArrowRight": 39}
"""Of keys that do what they do by their number."""

_READ_CANVAS = """
(() => {
  const canvas = %s;
  const pixels = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  let text = "";
  for (let i = 0; i < pixels.data.length; i += 4096) text += String.fromCharCode(...pixels.data.slice(i, i + 4096));
  return { width: canvas.width, height: canvas.height, data: btoa(text) };
})()
"""
_UNTIL_STILL = """
new Promise((resolve) => {
  const look = () => {
    if (document.getElementById("stage").getAttribute("aria-busy") === "false") resolve();
    else setTimeout(look, 20);
  };
  setTimeout(look, 60);
})
"""


class Tab:
    """A page that is open."""

    def __init__(self, commands: int, reports: int) -> None:
        self._commands, self._reports = commands, reports
        self._numbers = count(1)
        self._rest = b""
        self._session: str | None = None
        self.events: list[dict[str, Any]] = []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Give a command of the DevTools protocol, and return what it returns."""
        number = next(self._numbers)
        message: dict[str, Any] = {"id": number, "method": method, "params": parameters}
        if self._session is not None:
            message["sessionId"] = self._session
        os.write(self._commands, json.dumps(message).encode() + b"\0")
        while (report := self._next()).get("id") != number:
            self.events.append(report)
        assert "error" not in report, report
        result: dict[str, Any] = report["result"]
        return result

    def _next(self) -> dict[str, Any]:
        while b"\0" not in self._rest:
            piece = os.read(self._reports, 1 << 16)
            assert piece, "Chromium has ended"
            self._rest += piece
        report, _, self._rest = self._rest.partition(b"\0")
        found: dict[str, Any] = json.loads(report)
        return found

    def open(self, path: Path, width: int = 1280, height: int = 800, density: float = 1, mobile: bool = False) -> None:
        """Go to a page of `tgs view`, and wait until it has been drawn."""
        self.visit(path.resolve().as_uri(), width, height, density, mobile)
        self.rest()

    def visit(self, url: str, width: int = 1280, height: int = 800, density: float = 1, mobile: bool = False) -> None:
        """Go to any page, and wait until it has been loaded."""
        metrics = {"width": width, "height": height, "deviceScaleFactor": density, "mobile": mobile}
        self.call("Emulation.setDeviceMetricsOverride", **metrics)
        self.events.clear()
        self.call("Page.navigate", url=url)
        while not self.value("document.readyState === 'complete'"):
            pass

    def value(self, code: str) -> Any:
        """What an expression of JavaScript is, or what its promise becomes."""
        done = self.call("Runtime.evaluate", expression=code, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in done, done["exceptionDetails"]
        return done["result"].get("value")

    def rest(self) -> None:
        """Wait until the page of `tgs view` has drawn all that it is going to."""
        self.value(_UNTIL_STILL)

    def press(self, key: str) -> None:
        """Press a key on the page of `tgs view`, and wait for what comes of it."""
        self.type(key)
        self.rest()

    def type(self, key: str) -> None:
        """Press a key."""
        text = "\r" if key == "Enter" else key
        more: dict[str, Any] = {"text": text} if len(text) == 1 else {}
        if key in _NUMBERS:
            more["windowsVirtualKeyCode"] = _NUMBERS[key]
        for kind in ("keyDown", "keyUp"):
            self.call("Input.dispatchKeyEvent", type=kind, key=key, **(more if kind == "keyDown" else {}))

    def mouse(self, kind: str, x: float, y: float, **more: Any) -> None:
        """Let a mouse do something."""
        self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, **more)

    def canvas(self, selector: str) -> NDArray[np.uint8]:
        """The pixels of a canvas of the page, [H, W, 4]."""
        return self.canvas_of(f"document.querySelector({json.dumps(selector)})")

    def canvas_of(self, expression: str) -> NDArray[np.uint8]:
        """The pixels of the canvas that an expression of JavaScript is, [H, W, 4]."""
        found = self.value(_READ_CANVAS % expression)
        pixels = np.frombuffer(base64.b64decode(found["data"]), np.uint8)
        return pixels.reshape(found["height"], found["width"], 4)

    def screenshot(self) -> bytes:
        """What is seen, as a PNG file."""
        return base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"])

    def complaints(self, server: str = "file:") -> list[str]:
        """What the console has, and what has been asked of other servers than the page's since it was opened."""
        self.value("1")
        found = []
        for event in self.events:
            method, parameters = event.get("method"), event.get("params", {})
            # Besides errors, the log has hints on the speed of WebGL.
            is_hint = method == "Log.entryAdded" and parameters["entry"]["level"] != "error"
            if method in ("Runtime.exceptionThrown", "Log.entryAdded", "Runtime.consoleAPICalled") and not is_hint:
                found.append(f"{method}: {parameters}")
            if method == "Network.requestWillBeSent":
                url = parameters["request"]["url"]
                if not url.startswith((server, "data:")):
                    found.append(url)
        return found


@contextlib.contextmanager
def chromium(profile: Path) -> Iterator[Tab]:
    """Chromium with one tab, which keeps what it has to keep in a folder."""
    assert CHROMIUM is not None
    command_end, commands = os.pipe()
    reports, report_end = os.pipe()

    def give_numbers() -> None:
        # Through higher numbers, because one may stand where the other goes.
        ends = [os.dup2(command_end, 100), os.dup2(report_end, 101)]
        os.dup2(ends[0], _COMMAND_END)
        os.dup2(ends[1], _REPORT_END)

    options = "--headless --no-sandbox --enable-unsafe-swiftshader --hide-scrollbars --remote-debugging-pipe".split()
    process = subprocess.Popen(
        [CHROMIUM, *options, f"--user-data-dir={profile}"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        close_fds=False,
        preexec_fn=give_numbers,
    )
    os.close(command_end)
    os.close(report_end)
    try:
        yield Tab(commands, reports)
    finally:
        os.close(commands)
        process.kill()
        process.wait(30)
        os.close(reports)

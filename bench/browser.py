"""Headless Chromium with one tab, driven over the DevTools protocol's pipe: for measurements and tests."""

from __future__ import annotations

import json
import os
import select
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

PROGRAMS = ("chromium", "chromium-headless-shell", "google-chrome")  # a Debian package of either name will do
TIMEOUT_S = 60.0


def find_browser() -> str | None:
    """The path of the browser; None if it is not installed."""
    return next(filter(None, map(shutil.which, PROGRAMS)), None)


class Browser:
    """Headless Chromium with one tab. Messages are JSON ended by a zero byte, over file descriptors 3 and 4."""

    def __init__(self, folder: Path) -> None:
        program = find_browser()
        if program is None:
            raise FileNotFoundError("Chromium is not installed (Debian: apt-get install chromium)")
        to_read, self._write = os.pipe()
        self._read, to_write = os.pipe()
        flags = [
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--disable-quic",
            "--remote-debugging-pipe",
            f"--user-data-dir={folder}",
            "about:blank",
        ]
        # The shell moves the pipes to the numbers that Chromium wants.
        script = f'exec 3<&{to_read} 4>&{to_write}; exec "$@"'
        self._link: dict[str, Any] = {}
        self._process = subprocess.Popen(
            ["/bin/bash", "-c", script, "bash", program, *flags],
            pass_fds=(to_read, to_write),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(to_read)
        os.close(to_write)
        self._buffer, self._count, self._session = b"", 0, None
        self.events: list[dict[str, Any]] = []
        target = self("Target.createTarget", url="about:blank")["targetId"]
        self._session = self("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self(f"{domain}.enable")

    def __call__(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Send a command and wait for its result; events that arrive meanwhile are kept."""
        self._count += 1
        message: dict[str, Any] = {"id": self._count, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._write, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._receive()
            if answer.get("id") == self._count:
                assert "error" not in answer, answer
                return dict(answer["result"])
            self.events.append(answer)

    def throttle(self, latency_ms: float, bytes_per_s: float) -> None:
        """Slow the network down for pages and workers from here on.

        Args:
            latency_ms: milliseconds before each answer.
            bytes_per_s: bytes per second of all answers.
        """
        self._link = {"offline": False, "latency": latency_ms, "downloadThroughput": bytes_per_s}
        self._link["uploadThroughput"] = -1
        self("Network.emulateNetworkConditions", **self._link)
        self("Target.setAutoAttach", autoAttach=True, waitForDebuggerOnStart=True, flatten=True)

    def _admit(self, worker: str) -> None:
        """Slow a new worker down too, and let it start."""
        slow = "Network.emulateNetworkConditions"
        methods = [("Network.enable", {}), (slow, self._link), ("Runtime.runIfWaitingForDebugger", {})]
        for number, (method, parameters) in enumerate(methods):
            message = {"id": -1 - number, "method": method, "params": parameters, "sessionId": worker}
            os.write(self._write, json.dumps(message).encode() + b"\0")

    def _receive(self) -> dict[str, Any]:
        end = time.monotonic() + TIMEOUT_S
        while b"\0" not in self._buffer:
            ready, _, _ = select.select([self._read], [], [], max(0, end - time.monotonic()))
            chunk = os.read(self._read, 1 << 20) if ready else b""
            if not chunk:
                raise TimeoutError("Chromium does not answer")
            self._buffer += chunk
        line, self._buffer = self._buffer.split(b"\0", 1)
        event = dict(json.loads(line))
        if event.get("method") == "Target.attachedToTarget" and event["params"]["waitingForDebugger"]:
            self._admit(event["params"]["sessionId"])
        return event

    def open(self, page: Path | str, width: int, height: int = 900) -> None:
        """Show a file or an address in a window of this size, wait until it has loaded; events start anew."""
        self("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600)
        self("Emulation.setTouchEmulationEnabled", enabled=width < 600)
        self.events.clear()
        self("Page.navigate", url=page if isinstance(page, str) else page.as_uri())
        while not any(event.get("method") == "Page.loadEventFired" for event in self.events):
            self.events.append(self._receive())
        self.run("Promise.all([...document.images].map(i => i.decode().catch(() => 0))).then(() => 1)")

    def run(self, script: str) -> Any:
        """Value of a JavaScript expression."""
        answer = self("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def key(self, name: str) -> None:
        """Press and release a key."""
        codes = {"ArrowLeft": 37, "ArrowRight": 39, "Home": 36, "End": 35, "Tab": 9}
        for kind in ("keyDown", "keyUp"):
            self("Input.dispatchKeyEvent", type=kind, key=name, code=name, windowsVirtualKeyCode=codes[name])

    def errors(self) -> list[str]:
        """Everything logged as an error, and every request for anything that is not on the page."""
        self.run("1")
        found = []
        for event in self.events:
            method, values = event.get("method"), event.get("params", {})
            if method == "Runtime.exceptionThrown":
                found.append(str(values["exceptionDetails"]))
            if method == "Log.entryAdded" and values["entry"]["level"] == "error":
                found.append(values["entry"]["text"])
            if method == "Runtime.consoleAPICalled" and values["type"] in ("error", "assert"):
                found.append(str(values["args"]))
            if method == "Network.requestWillBeSent" and not values["request"]["url"].startswith(("file:", "data:")):
                found.append(values["request"]["url"])
        return found

    @property
    def pid(self) -> int:
        """Number of the browser's process."""
        return self._process.pid

    def close(self) -> None:
        """End the browser."""
        os.close(self._write)
        self._process.terminate()
        self._process.wait(20)
        os.close(self._read)

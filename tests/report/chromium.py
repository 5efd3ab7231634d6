"""A headless Chromium that tests drive through a pipe, by the DevTools protocol."""

import json
import os
import shutil
import subprocess
from base64 import b64decode
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from select import select
from typing import Any

PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "chrome")
# No name is looked up, and nothing is asked for that the page does not ask for itself.
OPTIONS = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--no-first-run",
    "--host-resolver-rules=MAP * ~NOTFOUND",
    "--remote-debugging-pipe",
]
LONGEST_WAIT = 120  # seconds


def program() -> str | None:
    return next(filter(None, map(shutil.which, PROGRAMS)), None)


class Browser:
    """One page of the browser.

    Attributes:
        requests: addresses that the page asked for, but its own.
        messages: errors, warnings and other lines of its console.
    """

    def __init__(self, commands: int, answers: int) -> None:
        self._commands, self._answers = commands, answers
        self._number, self._buffer, self._session = 0, b"", ""
        self.requests: list[str] = []
        self.messages: list[str] = []
        self._loaded = False
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        found = self.call("Target.attachToTarget", targetId=target, flatten=True)
        self._session = found["sessionId"]
        for domain in ("Page", "Network", "Runtime", "Log"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Call a method of the protocol; events before its answer are noted."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._commands, json.dumps(message).encode() + b"\0")
        while (answer := self._read()).get("id") != self._number:
            self._note(answer)
        assert "error" not in answer, (method, answer["error"])
        result: dict[str, Any] = answer["result"]
        return result

    def _read(self) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            assert select([self._answers], [], [], LONGEST_WAIT)[0], "the browser does not answer"
            part = os.read(self._answers, 1 << 16)
            assert part, "the browser has ended"
            self._buffer += part
        message, _, self._buffer = self._buffer.partition(b"\0")
        read: dict[str, Any] = json.loads(message)
        return read

    def _note(self, event: dict[str, Any]) -> None:
        match event:
            case {"method": "Page.loadEventFired"}:
                self._loaded = True
            case {"method": "Network.requestWillBeSent", "params": {"request": {"url": url}}}:
                self.requests.append(url)
            case {"method": "Runtime.exceptionThrown" | "Runtime.consoleAPICalled"}:
                self.messages.append(json.dumps(event["params"]))
            case {"method": "Log.entryAdded", "params": {"entry": entry}}:
                self.messages.append(f"{entry['level']}: {entry['text']}")

    def open(self, path: Path) -> None:
        """Load a page, up to its event ``load``."""
        self._loaded = False
        self.call("Page.navigate", url=path.as_uri())
        while not self._loaded:
            self._note(self._read())
        self.requests.remove(path.as_uri())

    def value(self, expression: str) -> Any:
        """Evaluate JavaScript in the page."""
        result = self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in result, result["exceptionDetails"]
        return result["result"].get("value")

    def show(self, width: int, height: int, scheme: str = "light") -> None:
        """Set the size of the window, and the colours that its user prefers."""
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width, height=height, deviceScaleFactor=1, mobile=False,
        )  # fmt: skip
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.call("Emulation.setEmulatedMedia", features=features)

    def point(self, selector: str) -> None:
        """Move the mouse onto the first element of a selector."""
        x, y = self.value(
            f"(() => {{const each = document.querySelector({json.dumps(selector)});"
            "each.scrollIntoView({block: 'center', behavior: 'instant'});"
            "const box = each.getClientRects()[0];"
            "return [box.x + box.width / 2, box.y + box.height / 2]})()"
        )
        self.call("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)

    def press(self, key: str) -> None:
        """Press and release a key that writes nothing."""
        codes = {"Tab": 9, "End": 35, "Home": 36, "ArrowLeft": 37, "ArrowRight": 39}
        for kind in ("rawKeyDown", "keyUp"):
            self.call(
                "Input.dispatchKeyEvent",
                type=kind, key=key, code=key, windowsVirtualKeyCode=codes[key],
            )  # fmt: skip

    def screenshot(self, *, whole: bool = False) -> bytes:
        """Take a PNG of the window, or of the whole page."""
        found = self.call(
            "Page.captureScreenshot", captureBeyondViewport=whole, **self._clip(whole)
        )
        return b64decode(found["data"])

    def _clip(self, whole: bool) -> dict[str, Any]:
        if not whole:
            return {}
        size = self.call("Page.getLayoutMetrics")["cssContentSize"]
        return {"clip": {**size, "scale": 1}}

    def pdf(self) -> bytes:
        """Print the page."""
        return b64decode(self.call("Page.printToPDF", printBackground=False)["data"])


@contextmanager
def browser(path: str, profile: Path) -> Iterator[Browser]:
    """Start the browser ``path``, with files of its own in ``profile``.

    It reads commands from the file descriptor 3, and writes answers to 4.
    """
    read_commands, commands = os.pipe()
    answers, write_answers = os.pipe()
    shell = f'exec 3<&{read_commands} 4>&{write_answers}; exec "$@"'
    process = subprocess.Popen(
        ["bash", "-c", shell, "bash", path, *OPTIONS, f"--user-data-dir={profile}"],
        pass_fds=(read_commands, write_answers),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    os.close(read_commands)
    os.close(write_answers)
    try:
        yield Browser(commands, answers)
    finally:
        os.close(commands)
        os.close(answers)
        process.terminate()
        process.wait(60)

"""The session in README.md runs, and its commands print what it shows, but for the numbers."""

import re
import subprocess
from pathlib import Path

from doc_pages import README, ROOT, blocks

LEFT_OUT = "…"
# What makes the session's corpus and model small enough for a test.
PAIRS = "--train 300 --valid 20 --test 10"
TINY = {"hidden-size": "16", "embedding-size": "16", "epochs": "1", "log-every": "1"}


def session() -> list[tuple[str, list[str]]]:
    """Each command of the session with the lines that it prints."""
    (text,) = blocks(README, "console")
    found = []
    for entry in re.split(r"^\$ ", text, flags=re.M)[1:]:
        command, *shown = entry.removesuffix("\n").split("\n")
        found.append((command, [line for line in shown if line != LEFT_OUT]))
    return found


def alike(line: str) -> str:
    """A line without its numbers, and with single spaces."""
    return re.sub(r"\d[\d,.e-]*", "0", " ".join(line.split()))


def make_tiny(settings: Path) -> None:
    text = settings.read_text("utf-8")
    for key, value in TINY.items():
        text, count = re.subn(rf"^{key} = \S+", f"{key} = {value}", text, flags=re.M)
        assert count == 1, key
    text = text.replace("[train]\n", '[train]\ndevice = "cpu"\n')
    settings.write_text(re.sub(r"(\[(?:train|decode)\]\n)", r"\1threads = 1\n", text), "utf-8")


def test_the_session_prints_what_it_shows(fast_s2s: None, tmp_path: Path) -> None:
    (tmp_path / "recipes").symlink_to(ROOT / "recipes")
    commands = session()
    assert len(commands) >= 8
    for command, shown in commands:
        sized = f"{command} {PAIRS}" if "number_phrases.py" in command else command
        run = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", sized],
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            check=False,
        )
        assert run.returncode == 0, run.stdout
        if command.startswith("s2s init"):
            make_tiny(tmp_path / "s2s.toml")
        if command.startswith("echo"):  # a sentence, which this model cannot translate
            assert len(shown) == 1
            continue
        printed = iter([alike(line) for line in run.stdout.split("\n")])
        for line in shown:
            assert alike(line) in printed, f"{command}: {line}\n{run.stdout}"

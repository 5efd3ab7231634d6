"""The first signal ends a command cleanly wherever it is; a second one at once."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

BEGIN = """
import signal, sys, time
from s2s_cli.commands.command import report_user_errors
from s2s_cli.interrupts import end_on_signals, held, unhandled

def wait():
    print(flush=True)
    time.sleep(60)

class Last:
    def __del__(self):
        wait()

signal.signal(signal.SIGHUP, signal.SIG_DFL)  # also where the tests run under nohup
end_on_signals()
with report_user_errors():
"""
# What the command is at when the signal comes.
PLACES = {
    "work": "try: wait()\n    finally: print('cleared')",
    "a handler of everything": "try: wait()\n    except Exception: print('caught')",
    "an import": "import slow",
    "a destructor": "last = Last(); del last; print('went on')",
    "a pipe": "import os; print(flush=True); open('pipe').read()",
}


def ended(script: str, folder: Path, *numbers: signal.Signals) -> tuple[int, str, str]:
    """Exit code and outputs of a script that gets a signal after each line that it prints."""
    with subprocess.Popen(
        [sys.executable, "-c", BEGIN + f"    {script}\n"],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout and process.stderr
        for number in numbers:
            assert process.stdout.readline()
            process.send_signal(number)
        out, err = process.communicate(timeout=60)
        return process.returncode, out, err


@pytest.mark.parametrize("place", PLACES)
def test_one_signal_is_one_line_wherever_it_comes(tmp_path: Path, place: str) -> None:
    import os

    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "slow.py").write_text(
        "import __main__\ntry:\n    __main__.wait()\nexcept BaseException:\n    raise ImportError\n"
    )
    out = {"work": "cleared\n"}.get(place, "")
    assert ended(PLACES[place], tmp_path, signal.SIGTERM) == (143, out, "s2s: terminated\n")


def test_a_second_signal_ends_it_whatever_it_does_still(tmp_path: Path) -> None:
    script = "try: wait()\n    finally: wait()"
    numbers = signal.SIGINT, signal.SIGTERM
    assert ended(script, tmp_path, *numbers) == (-signal.SIGTERM, "", "")


def test_a_held_signal_comes_at_the_end_of_the_block(tmp_path: Path) -> None:
    script = "with held(): print(flush=True); time.sleep(0.3); print('done')\n    print('not this')"
    code, out, err = ended(script, tmp_path, signal.SIGHUP)
    assert (code, out, err) == (129, "done\n", "s2s: terminal closed\n")


def test_a_set_of_files_gets_all_of_its_names(tmp_path: Path) -> None:
    script = """from pathlib import Path
    from s2s_cli import atomic_files
    move = atomic_files.move
    atomic_files.move = lambda *names: (print(flush=True), time.sleep(0.3), move(*names))
    with atomic_files.AtomicFiles() as files:
        for name in "abc":
            files.open(Path(name)).write(name.encode())
    print("not this")"""
    assert ended(script, tmp_path, signal.SIGTERM) == (143, "\n\n", "s2s: terminated\n")
    assert {each.name: each.read_text() for each in tmp_path.iterdir()} == {
        each: each for each in "abc"
    }


def test_code_that_runs_no_handler_is_ended_by_the_system(tmp_path: Path) -> None:
    code, _, err = ended("with unhandled(): wait()", tmp_path, signal.SIGINT)
    assert (code, err) == (-signal.SIGINT, "")

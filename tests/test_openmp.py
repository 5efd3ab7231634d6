"""What threads do while they wait for each other."""

import os
import subprocess
import sys


def waits_with(**variables: str) -> str:
    """What the command's environment says of waiting threads, once it has begun."""
    code = (
        "import os; from s2s_cli import __main__; from s2s_cli.commands import app\n"
        "app.run_app = lambda: print(os.environ.get('GOMP_SPINCOUNT'), flush=True)\n"
        "__main__.main()"
    )
    kept = {k: v for k, v in os.environ.items() if k not in ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT")}
    ran = subprocess.run(
        [sys.executable, "-c", code], env=kept | variables, capture_output=True, text=True
    )
    return ran.stdout.strip()


def test_threads_that_wait_sleep_soon_unless_the_user_has_set_it() -> None:
    assert waits_with() == "1000"
    assert waits_with(OMP_WAIT_POLICY="ACTIVE") == "None"
    assert waits_with(GOMP_SPINCOUNT="5") == "5"

"""The ``s2s`` command, also as ``python -m s2s_cli``."""

import signal


def main() -> None:
    """Entry point of the ``s2s`` command; ends by `SystemExit`."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # no traceback until the next line is done
    from s2s_cli.interrupts import end_at_once, end_on_signals
    from s2s_cli.openmp import wait_without_spinning

    end_on_signals()
    wait_without_spinning()
    try:
        # Each worker process imports the module that the program began with, this one, and has no
        # use for the commands.
        from s2s_cli.commands.app import run_app

        run_app()
    finally:
        end_at_once()  # nothing is left to be cleared up


if __name__ == "__main__":
    main()

"""The ``s2s`` command, also as ``python -m s2s_cli``."""

from typing import NoReturn


def main() -> NoReturn:
    """Entry point of the ``s2s`` command."""
    # Each worker process imports the module that the program began with, this one, and has no
    # use for the commands.
    from s2s_cli.commands.app import run_app

    run_app()


if __name__ == "__main__":
    main()

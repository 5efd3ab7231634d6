"""``python -m s2s_cli`` is the ``s2s`` command."""

from s2s_cli.commands.app import main

main()

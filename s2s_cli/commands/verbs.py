"""Importing this module registers the subcommands, in the order in which they are used."""

from s2s_cli.commands import prep, vocab, train, decode, rescore, score  # noqa: F401, I001
from s2s_cli.commands import export, show, show_models  # noqa: F401

"""The command ``s2s vocab``: vocabularies and the numericalised corpus."""

from s2s_cli.commands.command import command
from s2s_cli.console import say
from s2s_cli.data.numericalise import VocabConfig, numericalise


@command
def vocab_command(config: VocabConfig) -> None:
    """Choose the most frequent words of both languages and write the text as ids.

    Reads what `s2s prep` wrote and leaves vocab.LANGUAGE and the corpus for `s2s train` beside it.
    Every word outside the vocabulary becomes the unknown word.
    """
    for line in numericalise(config).lines():
        say(line)

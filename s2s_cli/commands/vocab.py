"""The command ``s2s vocab``: vocabularies and the numericalised corpus."""

from s2s_cli.commands.command import command
from s2s_cli.commands.next_step import NextStep
from s2s_cli.console import say
from s2s_cli.data.numericalise import VocabConfig, numericalise
from s2s_cli.text.layout import vocabulary_file


@command
def vocab_command(config: VocabConfig) -> NextStep:
    """Choose the most frequent words of both languages and write the text as ids.

    Reads what `s2s prep` wrote and leaves vocab.LANGUAGE and the corpus for `s2s train` beside it.
    Every word outside the vocabulary becomes the unknown word.
    """
    report = numericalise(config)
    for line in report.lines():
        say(line)
    files = [str(vocabulary_file(config.data, each.language)) for each in report.languages]
    say(f"wrote {', '.join(files)} and the ids of {', '.join(report.pairs)}")
    return NextStep("train", {"data": config.data})

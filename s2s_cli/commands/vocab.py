"""The command ``s2s vocab``: vocabularies and the numericalised corpus."""

from functools import partial
from pathlib import Path

from s2s_cli.commands.command import command
from s2s_cli.commands.next_step import NextStep
from s2s_cli.console import say
from s2s_cli.data.manifest import Manifest
from s2s_cli.data.numericalise import VocabConfig, numericalise
from s2s_cli.errors import UserError
from s2s_cli.files import read_json
from s2s_cli.text.layout import MANIFEST, vocabulary_file
from s2s_cli.training.record import TrainingRecord


@command
def vocab_command(config: VocabConfig) -> NextStep:
    """Choose the most frequent words of both languages as vocabularies, and write the text as ids.

    Reads the directory that `s2s prep` wrote, and adds vocab.LANGUAGE and the corpus for `s2s
    train` to it. All words outside the vocabulary become UNK, the unknown word.

    Examples:
        s2s vocab
        s2s vocab --min-count 2
        s2s vocab --data data/big --source-size 30000 --target-size 30000
    """
    report = numericalise(config)
    for line in report.lines():
        say(line)
    files = [str(vocabulary_file(config.data, each.language)) for each in report.languages]
    say(f"wrote {', '.join(files)} and the ids of {', '.join(report.pairs)}")
    return NextStep("train", {"data": config.data}, fresh=("model", partial(is_other, config.data)))


def is_other(data: Path, model: Path) -> bool:
    """Check for a model directory whose training was on other data, by its record."""
    try:
        record = TrainingRecord.read(model)
    except UserError:
        return False
    path = data / MANIFEST
    return record is not None and record.data.sha256 != Manifest(path, read_json(path)).digest

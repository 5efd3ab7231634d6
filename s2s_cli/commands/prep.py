"""The command ``s2s prep``: raw parallel text in, tokenised and filtered text out."""

from s2s_cli.commands.command import command
from s2s_cli.commands.next_step import NextStep
from s2s_cli.console import say, warn
from s2s_cli.preparation.config import PrepConfig
from s2s_cli.preparation.earlier import DROPPED
from s2s_cli.preparation.filter import filter_stdin
from s2s_cli.preparation.prepare import prepare


@command
def prep_command(config: PrepConfig) -> NextStep | None:
    """Tokenise parallel text and drop sentence pairs that are unsuitable for training.

    Reads {train,valid,test}.LANGUAGE from the corpus directory, compressed (.gz) or not, with one
    sentence on each line. Writes the tokenised text and facts.json, which records these options for
    the commands after it. No pair of the test text is dropped.

    Examples:
        s2s prep
        s2s prep --reverse-source --source-language de --target-language en
        s2s prep --subwords bpe --subword-size 4000
        s2s prep --train corpus/big --valid corpus/dev -o data/big
        s2s prep --filter fr < ref.fr > ref.tok.fr
    """
    if config.filter is not None:
        filter_stdin(config, config.filter)
        return None
    report = prepare(config)
    for line in report.lines():
        say(line)
    if any(split.dropped for split in report.splits.values()):
        say(f"the dropped pairs are listed in {config.output / DROPPED}")
    if report.changes:
        warn(
            f"{config.output}: was prepared with other settings before: "
            f"{'; '.join(report.changes)}; run `s2s vocab` and `s2s train` again"
        )
    say(f"wrote {config.output}: tokenised text of {', '.join(report.splits)}")
    return NextStep("vocab", {"data": config.output})

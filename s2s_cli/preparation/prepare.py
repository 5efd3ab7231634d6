"""From parallel raw text to tokenised pairs worth training on; ``s2s prep``."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import BinaryIO

from s2s_cli.atomic_files import AtomicFiles, json_bytes
from s2s_cli.console import progress
from s2s_cli.errors import UserError
from s2s_cli.files import existing
from s2s_cli.locks import exclusive_lock
from s2s_cli.parallel import Workers, available_cores, worker_processes
from s2s_cli.preparation.chunks import SplitFiles, cut_chunks, scan_split
from s2s_cli.preparation.config import (
    PrepConfig,
    check_languages,
    check_subwords,
    find_splits,
    warn_about_language,
)
from s2s_cli.preparation.earlier import (
    DROPPED,
    REPORT,
    changed_settings,
    earlier_facts,
    earlier_files,
    output_files,
    refuse_foreign_files,
)
from s2s_cli.preparation.pairs import PreparedChunk, make_tokenisers, prepare_chunk
from s2s_cli.preparation.report import PrepReport, SplitReport
from s2s_cli.preparation.segmentation import SubwordSettings, TemporaryText, segment_text
from s2s_cli.processes import most_processes
from s2s_cli.text.facts import FACTS_FILE, Facts
from s2s_cli.text.layout import AT_WORK, MANIFEST, text_file
from s2s_cli.text.subwords import Subwords, subword_origin
from s2s_cli.text.tokenise import Tokeniser, make_tokeniser

# Less text is done before a second process has started.
BYTES_PER_WORKER = 4 << 20
TEXT_IN_GZIP = 4  # bytes of text that a byte of a .gz file may stand for


def prepare(config: PrepConfig) -> PrepReport:
    """Tokenise and filter the text of every split into ``config.output``.

    Every file there appears at the end or not at all, and so does the directory; what an earlier
    ``vocab`` made of earlier text is taken away. Nothing changes until all is on the disk.

    Raises:
        UserError: languages, files or their lines that cannot be used; no pair left; another
            process is at work there; files there that no ``prep`` has made.
    """
    check_languages(config)
    check_subwords(config)
    for language in config.languages:
        warn_about_language(config, language)
    texts = find_splits(config)
    report = PrepReport(config.languages, config.tokeniser_kind)
    report.splits = {split: SplitReport() for split in texts}
    count = worker_count(config, texts)
    with (
        removing_on_failure(config.output),
        exclusive_lock(config.output, AT_WORK),
        TemporaryText(config.output) as waiting,
        AtomicFiles() as outputs,
        worker_processes(count, partial(make_tokenisers, config), "--workers") as workers,
    ):
        earlier, before = earlier_files(config.output), earlier_facts(config.output)
        refuse_foreign_files(config.output, config.languages, earlier)
        # The first to get its name: after a kill it still tells which files are ours.
        told = outputs.open(config.output / REPORT)
        splits = [scan_split(split, paths) for split, paths in texts.items()]
        write_pairs(config, splits, report, outputs, waiting, workers)
        if report.splits["train"].kept == 0:
            raise UserError(f"{splits[0].paths[0]}: no pair fit for training in this text")
        subwords = split_into_pieces(config, report, waiting, outputs)
        remove_stale_files(config, splits, earlier, outputs)
        told.write(json_bytes(report.as_json()))
        facts = make_facts(config, subwords)
        outputs.write_json(config.output / FACTS_FILE, facts.as_json())
    report.changes = changed_settings(before, facts) if before else []
    return report


def make_facts(config: PrepConfig, subwords: Subwords) -> Facts:
    name = make_tokeniser(config.tokeniser_kind, config.source_language).name
    nfc = config.nfc and config.tokeniser_kind != "sacremoses"
    decided = *config.languages, config.tokenised, config.reverse_source, name, subwords
    return Facts(*decided, raw_tokeniser=config.tokeniser, nfc=nfc)


def split_into_pieces(
    config: PrepConfig, report: PrepReport, waiting: TemporaryText, outputs: AtomicFiles
) -> Subwords:
    """Learn pieces and split the waiting text, where they are to be learned."""
    if subword_origin(config.subwords) != "learned":
        return Subwords(config.subwords)
    learning = SubwordSettings(config.subwords, config.subword_size, config.character_coverage)
    splits = [split for split in report.splits if split != "test"]
    pieces = segment_text(learning, waiting, config.languages, splits, outputs)
    for split, counts in pieces.counts.items():
        report.splits[split].pieces = counts
    return pieces.subwords


@contextmanager
def removing_on_failure(directory: Path) -> Iterator[None]:
    """Remove ``directory`` if the block fails, unless it was there before."""
    directory = Path(os.path.realpath(directory))
    missing = [each for each in (directory, *directory.parents) if not each.exists()]
    try:
        yield
    except BaseException:
        with suppress(OSError):  # never made, or someone put something there
            for each in missing:
                each.rmdir()
        raise


def write_pairs(
    config: PrepConfig,
    splits: list[SplitFiles],
    report: PrepReport,
    outputs: AtomicFiles,
    waiting: TemporaryText,
    workers: Workers[list[Tokeniser]],
) -> None:
    """Run every chunk through `prepare_chunk` and write what comes back, in order.

    Text goes to ``outputs``, or where it is to be split, to ``waiting``.
    """
    files: dict[str, list[BinaryIO]] = {}
    for each in splits:
        waits = subword_origin(config.subwords) == "learned" and each.split != "test"
        files[each.split] = [
            (waiting if waits else outputs).open(text_file(config.output, each.split, language))
            for language in config.languages
        ]
    dropped = outputs.open(config.output / DROPPED)
    dropped.write(b"split\tline\treason\n")
    total = sum(each.lines for each in splits)
    prepare_one = partial(prepare_chunk, config)
    with progress("preparing", total, "pairs") as advance:
        for prepared in workers.in_order(prepare_one, cut_chunks(splits)):
            for stream, text in zip(files[prepared.split], prepared.text, strict=True):
                stream.write(text)
            for number, reason in prepared.dropped:
                dropped.write(f"{prepared.split}\t{number}\t{reason}\n".encode())
            add_counts(report, prepared)
            advance(prepared.read)


def worker_count(config: PrepConfig, texts: dict[str, tuple[Path, Path]]) -> int:
    """Choose as many processes as asked for, but none that would have next to nothing to do."""
    wanted = config.workers or min(available_cores(), most_processes())
    size = sum(text_size(path) for paths in texts.values() for path in paths)
    return max(1, min(wanted, size // BYTES_PER_WORKER))


def text_size(path: Path) -> int:
    """Estimate the bytes of text in ``path``; they are exact unless it is compressed."""
    found = existing(path)
    return found.stat().st_size * (TEXT_IN_GZIP if found.suffix == ".gz" else 1)


def add_counts(report: PrepReport, prepared: PreparedChunk) -> None:
    split = report.splits[prepared.split]
    split.read += prepared.read
    split.kept += prepared.kept
    split.dropped.update(reason for _, reason in prepared.dropped)
    for side in (0, 1):
        split.words[side] += prepared.words[side]
        report.odd[side].update(prepared.odd[side])


def remove_stale_files(
    config: PrepConfig, splits: list[SplitFiles], earlier: set[Path], outputs: AtomicFiles
) -> None:
    """Remove what does not belong to the new text before that moves into place.

    Without facts the directory is not prepared and without manifest it is no corpus, so a kill
    between there and the last file, the facts, leaves nothing that could be taken for either.
    """
    outputs.remove(config.output / FACTS_FILE)
    outputs.remove(config.output / MANIFEST)
    written = output_files(
        config.output,
        [each.split for each in splits],
        config.languages,
        pieces=subword_origin(config.subwords) == "learned",
    )
    for path in sorted(earlier - written - {config.output / MANIFEST}):
        outputs.remove(path)

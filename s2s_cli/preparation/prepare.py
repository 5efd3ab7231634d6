"""From parallel raw text to tokenised pairs worth training on; ``s2s prep``."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache, partial
from itertools import compress
from pathlib import Path
from typing import BinaryIO, Literal

from s2s_cli.atomic_files import AtomicFiles
from s2s_cli.console import progress, say, warn
from s2s_cli.errors import UsageError, UserError
from s2s_cli.files import (
    BOM,
    STDIO,
    bounded_lines,
    decode_line,
    existing,
    reading,
    replacing,
)
from s2s_cli.locks import exclusive_lock
from s2s_cli.parallel import Workers, available_cores, worker_processes
from s2s_cli.preparation.chunks import Chunk, SplitFiles, cut_chunks, scan_split
from s2s_cli.preparation.report import PrepReport, SplitReport
from s2s_cli.preparation.splitting import SubwordSettings, TemporaryText, segment_text
from s2s_cli.settings import setting
from s2s_cli.text.cleaning import FILE_START_MARK, LINE_END_RETURN
from s2s_cli.text.facts import FACTS_FILE, Facts, is_language
from s2s_cli.text.layout import AT_WORK, MANIFEST, SPLITS, pieces_file, text_file
from s2s_cli.text.subwords import LEARNED_KINDS, SubwordKind, Subwords, require_sentencepiece
from s2s_cli.text.tokenise import Tokeniser, tokeniser_name

# Less text is done before a second process has started.
BYTES_PER_WORKER = 4 << 20
TEXT_IN_GZIP = 4  # bytes of text that a byte of a .gz file may stand for
FILTERED_TOGETHER = 1 << 16  # bytes
REPORT = "prep.json"
DROPPED = "dropped.tsv"

DropReason = Literal["empty", "too long", "length ratio"]


@dataclass(frozen=True)
class PrepConfig:
    """What ``s2s prep`` reads, keeps and writes."""

    corpus: Path = setting(Path("corpus"), "Directory of the text: {train,valid,test}.LANGUAGE.")
    train: Path | None = setting(None, "Training text: PREFIX of PREFIX.LANGUAGE[.gz].")
    valid: Path | None = setting(None, "Validation text, likewise.")
    test: Path | None = setting(None, "Test text, likewise.")
    output: Path = setting(Path("data"), "Directory to write.")
    source_language: str = setting("en", "Language translated from.")
    target_language: str = setting("fr", "Language translated into.")
    tokenised: bool = setting(False, "The text is tokenised: words stand between spaces.")
    reverse_source: bool = setting(False, "Models read the source last word first (section 3.3).")
    subwords: SubwordKind = setting(
        "none",
        "Pieces of words: none; bpe, unigram: learned from the training text; subword-nmt, "
        "sentencepiece: the text came split so.",
    )
    subword_size: int = setting(8000, "Pieces to learn for each language.", min=2)
    character_coverage: float = setting(
        1.0, "Share of the characters of the text that pieces are learned for.", min=0.98, max=1.0
    )
    max_length: int = setting(100, "Drop pairs with more words on a side.", min=1)
    max_ratio: float = setting(9.0, "Drop pairs with a side this much longer.", min=1.0)
    workers: int = setting(0, "Processes; 0: one for each core.", min=0)
    filter: str | None = setting(None, "Only tokenise stdin, in this LANGUAGE, to stdout.")

    @property
    def languages(self) -> tuple[str, str]:
        return self.source_language, self.target_language

    def prefix(self, split: str) -> Path:
        """Where the text of ``split`` is, without language."""
        given: Path | None = getattr(self, split)
        return given or self.corpus / split


@dataclass
class PreparedChunk:
    """What a worker made of a chunk: lines to write, dropped line numbers, counts by side."""

    split: str
    read: int
    kept: int = 0
    text: list[bytes] = field(default_factory=list)
    words: list[int] = field(default_factory=lambda: [0, 0])
    dropped: list[tuple[int, DropReason]] = field(default_factory=list)
    odd: list[Counter[str]] = field(default_factory=list)


def prepare(config: PrepConfig) -> PrepReport:
    """Tokenise and filter the text of every split into ``config.output``.

    Every file there appears at the end or not at all, and so does the directory; what an earlier
    ``vocab`` made of earlier text is taken away. Nothing changes until all is on the disk.

    Raises:
        UserError: languages, files or their lines that cannot be used; no pair left; another
            process is at work there.
    """
    check_languages(config)
    check_subwords(config)
    named = find_splits(config)
    report = PrepReport(config.languages, config.tokenised)
    report.splits = {split: SplitReport() for split in named}
    count = worker_count(config, named)
    with (
        removing_on_failure(config.output),
        exclusive_lock(config.output, AT_WORK),
        TemporaryText(config.output) as waiting,
        AtomicFiles() as outputs,
        worker_processes(count, partial(make_tokenisers, config), "--workers") as workers,
    ):
        sources = [scan_split(split, paths) for split, paths in named.items()]
        write_pairs(config, sources, report, outputs, waiting, workers)
        if report.splits["train"].kept == 0:
            raise UserError(f"{sources[0].paths[0]}: no pair fit for training in this text")
        subwords = split_into_pieces(config, report, waiting, outputs)
        remove_stale_files(config, sources, outputs)
        outputs.write_json(config.output / REPORT, report.as_json())
        outputs.write_json(config.output / FACTS_FILE, make_facts(config, subwords).as_json())
    return report


def make_facts(config: PrepConfig, subwords: Subwords) -> Facts:
    name = tokeniser_name(config.tokenised)
    return Facts(*config.languages, config.tokenised, config.reverse_source, name, subwords)


def split_into_pieces(
    config: PrepConfig, report: PrepReport, waiting: TemporaryText, outputs: AtomicFiles
) -> Subwords:
    """Split what waits, where pieces are to be learned."""
    if config.subwords not in LEARNED_KINDS:
        return Subwords(config.subwords)
    learning = SubwordSettings(config.subwords, config.subword_size, config.character_coverage)
    splits = [split for split in report.splits if split != "test"]
    pieces = segment_text(learning, waiting, config.languages, splits, outputs)
    for split, counts in pieces.counts.items():
        report.splits[split].pieces = counts
    return pieces.subwords


def filter_stdin(language: str, tokenised: bool) -> None:
    """Tokenise stdin to stdout, a line for each line, as `prepare` and decoding do.

    Raises:
        UserError: invalid UTF-8 (names the line), after the lines before it were written.
    """
    check_language(language)
    tokeniser = Tokeniser(language, tokenised)
    number = 1
    with reading(STDIO) as stream, replacing(STDIO) as out:
        lines, error = bounded_lines(stream, STDIO), None
        while error is None:
            text, error = decode_until_bad(lines, number)
            if not text:
                break
            out.write(tokeniser.tokenise_block("\n".join([*text, ""]))[0].encode())
            number += len(text)
        if error:
            raise error


def decode_until_bad(lines: Iterator[bytes], first: int) -> tuple[list[str], UserError | None]:
    """About `FILTERED_TOGETHER` bytes of stdin as text, and what is wrong with the line after it.

    That is None unless it is no UTF-8, or endless.
    """
    text: list[str] = []
    size = 0
    try:
        for number, raw in enumerate(lines, first):
            text.append(decode_line(raw, STDIO, number))
            size += len(raw)
            if size >= FILTERED_TOGETHER:
                break
    except UserError as error:
        return text, error
    return text, None


@contextmanager
def removing_on_failure(directory: Path) -> Iterator[None]:
    """Where ``directory`` is not there yet, leave none behind if the block fails."""
    missing = [each for each in (directory, *directory.parents) if not each.exists()]
    try:
        yield
    except BaseException:
        with suppress(OSError):  # never made, or someone put something there
            for each in missing:
                each.rmdir()
        raise


def check_languages(config: PrepConfig) -> None:
    for language in config.languages:
        check_language(language)
    if config.source_language == config.target_language:
        raise UsageError(
            f"source and target language are both {config.source_language!r}: name two with "
            "--source-language and --target-language"
        )


def check_subwords(config: PrepConfig) -> None:
    if config.subwords in LEARNED_KINDS:
        require_sentencepiece()  # better missed now than after all text was read
        return
    of_learning = config.subword_size, config.character_coverage
    if of_learning != (PrepConfig.subword_size, PrepConfig.character_coverage):
        warn("--subword-size, --character-coverage: no pieces are learned; add --subwords bpe")
    if config.subwords != "none" and not config.tokenised:
        raise UsageError(
            f"--subwords {config.subwords} is text that came in pieces between spaces, which "
            "must not be tokenised again; add --tokenised"
        )


def check_language(language: str) -> None:
    if not is_language(language):
        raise UsageError(f"{language!r} is not a language code such as en or pt-BR")


def find_splits(config: PrepConfig) -> dict[str, tuple[Path, Path]]:
    """The splits there are, in order; training text must be, test text may be missing."""
    found = {}
    for split in SPLITS:
        paths = input_files(config, split)
        if any(map(exists, paths)) or getattr(config, split) is not None:
            refuse_same_files(config, paths)
            found[split] = paths
        elif split == "train":
            raise UserError(
                f"{paths[0]}: no such file (nor {paths[0].name}.gz); name the directory of the "
                "text with --corpus or the training text with --train"
            )
        elif split == "valid":
            say(f"no validation text ({paths[0]} and {paths[1]}): going on without")
    return found


def exists(path: Path) -> bool:
    return path.exists() or path.with_name(f"{path.name}.gz").exists()


def input_files(config: PrepConfig, split: str) -> tuple[Path, Path]:
    source, target = (Path(f"{config.prefix(split)}.{each}") for each in config.languages)
    return source, target


def refuse_same_files(config: PrepConfig, paths: tuple[Path, Path]) -> None:
    """Raw text must not be replaced by what is made of it."""
    written = {
        text_file(config.output, each, lang).resolve()
        for each in SPLITS
        for lang in config.languages
    }
    for path in paths:
        if path.resolve() in written:
            raise UsageError(f"{path}: would be overwritten; give another --output")


def write_pairs(
    config: PrepConfig,
    sources: list[SplitFiles],
    report: PrepReport,
    outputs: AtomicFiles,
    waiting: TemporaryText,
    workers: Workers,
) -> None:
    """Run every chunk through `prepare_chunk` and write what comes back, in order.

    Text goes to ``outputs``, or where it is to be split, to ``waiting``.
    """
    files: dict[str, list[BinaryIO]] = {}
    for source in sources:
        waits = config.subwords in LEARNED_KINDS and source.split != "test"
        files[source.split] = [
            (waiting if waits else outputs).open(text_file(config.output, source.split, language))
            for language in config.languages
        ]
    dropped = outputs.open(config.output / DROPPED)
    dropped.write(b"split\tline\treason\n")
    total = sum(source.lines for source in sources)
    prepare_one = partial(prepare_chunk, config)
    with progress("preparing", total, "pairs") as advance:
        for prepared in workers.in_order(prepare_one, cut_chunks(sources)):
            for stream, text in zip(files[prepared.split], prepared.text, strict=True):
                stream.write(text)
            for number, reason in prepared.dropped:
                dropped.write(f"{prepared.split}\t{number}\t{reason}\n".encode())
            add_counts(report, prepared)
            advance(prepared.read)


def worker_count(config: PrepConfig, named: dict[str, tuple[Path, Path]]) -> int:
    """As many processes as asked for, but none that would have next to nothing to do."""
    wanted = config.workers or available_cores()
    size = sum(text_size(path) for paths in named.values() for path in paths)
    return max(1, min(wanted, size // BYTES_PER_WORKER))


def text_size(path: Path) -> int:
    """Bytes of text in ``path``, roughly where it is compressed."""
    found = existing(path)
    return found.stat().st_size * (TEXT_IN_GZIP if found.suffix == ".gz" else 1)


def make_tokenisers(config: PrepConfig) -> None:
    """What takes a worker long that can be done before its first chunk is there."""
    for language in config.languages:
        tokeniser(language, config.tokenised).tokenise_block("a\n")


def prepare_chunk(config: PrepConfig, chunk: Chunk) -> PreparedChunk:
    """Tokenise each pair and keep it or say why not; runs in a worker."""
    prepared = PreparedChunk(chunk.source.split, chunk.pairs)
    raw = chunk.read()
    sides: list[list[str]] = []
    for side, text in enumerate(chunk.decode(raw)):
        block, odd = tokeniser(config.languages[side], config.tokenised).tokenise_block(text)
        sides.append(block.split("\n")[:-1])
        prepared.odd.append(odd + count_odd_edges(raw[side], chunk.first))
    lengths = [[line.count(" ") + 1 if line else 0 for line in lines] for lines in sides]
    reasons = [reason_to_drop(config, *pair) for pair in zip(*lengths, strict=True)]
    if chunk.source.split == "test":
        reasons = [None] * chunk.pairs
    prepared.dropped = [(n, why) for n, why in enumerate(reasons, chunk.first) if why is not None]
    prepared.kept = chunk.pairs - len(prepared.dropped)
    kept = [why is None for why in reasons]
    for side, lines in enumerate(sides):
        prepared.words[side] = sum(compress(lengths[side], kept))
        prepared.text.append("\n".join([*compress(lines, kept), ""]).encode())
    return prepared


@cache
def tokeniser(language: str, tokenised: bool) -> Tokeniser:
    """One for all the chunks of a process: making it takes longer than using it."""
    return Tokeniser(language, tokenised)


def count_odd_edges(raw: bytes, first: int) -> Counter[str]:
    """What `Chunk.decode` takes off the lines without a word; ``first`` is the first's number."""
    found: Counter[str] = Counter()
    if returns := raw.count(b"\r\n"):
        found[LINE_END_RETURN] = returns
    if first == 1 and raw.startswith(BOM):
        found[FILE_START_MARK] = 1
    return found


def reason_to_drop(config: PrepConfig, source: int, target: int) -> DropReason | None:
    """Why a pair of these lengths in words is no good for training; None where it is."""
    shorter, longer = (source, target) if source < target else (target, source)
    if shorter == 0:
        return "empty"
    if longer > config.max_length:
        return "too long"
    if longer > config.max_ratio * shorter:
        return "length ratio"
    return None


def add_counts(report: PrepReport, prepared: PreparedChunk) -> None:
    split = report.splits[prepared.split]
    split.read += prepared.read
    split.kept += prepared.kept
    split.dropped.update(reason for _, reason in prepared.dropped)
    for side in (0, 1):
        split.words[side] += prepared.words[side]
        report.odd[side].update(prepared.odd[side])


def remove_stale_files(config: PrepConfig, sources: list[SplitFiles], outputs: AtomicFiles) -> None:
    """Have what would not belong to the new text go before that moves into place.

    Without facts the directory is not prepared and without manifest it is no corpus, so a kill
    between there and the last file, the facts, leaves nothing that could be taken for either.
    """
    outputs.remove(config.output / FACTS_FILE)
    outputs.remove(config.output / MANIFEST)
    for language in config.languages:
        for split in set(SPLITS) - {source.split for source in sources}:
            outputs.remove(text_file(config.output, split, language))
        if config.subwords not in LEARNED_KINDS:
            outputs.remove(pieces_file(config.output, language))

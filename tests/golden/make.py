"""Make the directories of this folder anew: a model and a data directory, and what they must give.

A directory is made once for each number of a file format, and kept: later versions of s2s have to
read it as the version did that wrote it. The name tells the number: ``python make.py 1`` writes
``model-1`` and ``data-1``, and refuses where they are. Options after it are those of ``prep``:
``python make.py 2-bpe --subwords bpe --subword-size 22`` made ``model-2-bpe`` and ``data-2-bpe``.
Options after ``--`` are those of ``train``; its data are not new, and no directory of them is made:

    python make.py 2-peephole -- --cell lstm-peephole --bridge concat
    python make.py 2-attention -- --cell gru --bidirectional --bridge linear --peeky \
        --attention additive --input-feeding
    python make.py 2-dot -- --attention dot

`test_golden` reads them.
"""

import itertools
import random
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
ENGLISH, FRENCH = ("one", "two", "three", "four"), ("un", "deux", "trois", "quatre")
# Two words of the model's, one that it does not know, a blank line, a literal UNK.
LINES = ["one", "two three", "four one two", "", "three seven", "UNK two", "four four"]
# What is not the same everywhere must not decide which of two hypotheses is the better one.
MARGIN = 1e-3
SETTINGS = [
    *("--layers", "1", "--hidden-size", "4", "--embedding-size", "4", "--batch-size", "8"),
    *("--optimiser", "adam", "--learning-rate", "0.05", "--epochs", "30", "--device", "cpu"),
    *("--threads", "1", "--validate-every", "100000"),
]
DECODE = ["decode", "--beam", "4", "--device", "cpu", "--threads", "1"]


def s2s(*arguments: str, cwd: Path, text: str = "") -> str:
    run = subprocess.run(
        [sys.executable, "-m", "s2s_cli", *arguments],
        cwd=cwd,
        input=text.encode(),
        stdout=subprocess.PIPE,
        check=True,
    )
    return run.stdout.decode()


def write_corpus(directory: Path) -> None:
    draw = random.Random(1)
    for split, count in (("train", 120), ("valid", 6)):
        pairs = [[draw.randrange(4) for _ in range(draw.randint(1, 3))] for _ in range(count)]
        for language, words in (("en", ENGLISH), ("fr", FRENCH)):
            lines = (" ".join(words[each] for each in pair) + "\n" for pair in pairs)
            (directory / f"{split}.{language}").write_text("".join(lines), "utf-8")


def some_list() -> str:
    """Hypotheses as another system would have them, with words that the model does not know."""
    hypotheses = ["un", "deux trois", "trois deux", "", "sept", "un un un", "quatre un deux"]
    return "".join(
        f"{segment} ||| {words} ||| LM0= -{place}.5 ||| -{place}\n"
        for segment in range(len(LINES))
        for place, words in enumerate(hypotheses)
    )


def check_margins(listed: str, column: int) -> None:
    scores = [line.split(" ||| ") for line in listed.splitlines()]
    for one, two in itertools.pairwise(scores):
        if one[0] == two[0] and abs(float(one[column]) - float(two[column])) < MARGIN:
            sys.exit(f"make.py: {one} and {two} are too close; change the settings")


def main(name: str, *options: str) -> None:
    prepared, training = list(options), list[str]()
    if "--" in prepared:
        place = prepared.index("--")
        prepared, training = prepared[:place], prepared[place + 1 :]
    model, data = HERE / f"model-{name}", HERE / f"data-{name}"
    if model.exists() or data.exists():
        sys.exit(f"make.py: {model} or {data} is there; golden files stay as they are")
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        (work / "corpus").mkdir()
        write_corpus(work / "corpus")
        s2s("prep", "--reverse-source", *prepared, cwd=work)
        s2s("vocab", cwd=work)
        s2s("train", *SETTINGS, *training, cwd=work)
        lines = "".join(f"{line}\n" for line in LINES)
        (work / "corpus/test.en").write_text(lines)
        (work / "list.txt").write_text(some_list())
        nbest = s2s(*DECODE, "--nbest", "4", cwd=work, text=lines)
        check_margins(nbest, 3)
        model.mkdir()
        for name in ("model.json", "vocab.en", "vocab.fr", "best.pt"):
            shutil.copy(work / "model" / name, model)
        for each in sorted((work / "data").glob("subwords.*")):
            shutil.copy(each, model)
        if not training:
            copy_data(work / "data", data)
        (model / "lines.en").write_text(lines, "utf-8")
        (model / "lines.fr").write_text(s2s(*DECODE, cwd=work, text=lines), "utf-8")
        (model / "nbest.txt").write_text(nbest, "utf-8")
        (model / "list.txt").write_text(some_list(), "utf-8")
        scored = s2s("rescore", "list.txt", "--add-feature", "--threads", "1", cwd=work)
        (model / "list.scored.txt").write_text(scored, "utf-8")
        winners = s2s("rescore", "list.txt", "--threads", "1", cwd=work)
        (model / "winners.fr").write_text(winners, "utf-8")


def copy_data(made: Path, data: Path) -> None:
    data.mkdir()
    for name in ("facts.json", "corpus.json", "vocab.en", "vocab.fr", "train.fr", "valid.fr"):
        shutil.copy(made / name, data)
    for each in (*sorted(made.glob("*.id[sx]")), *sorted(made.glob("subwords.*"))):
        shutil.copy(each, data)


if __name__ == "__main__":
    main(*sys.argv[1:])

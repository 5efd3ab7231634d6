"""``s2s score`` as a process."""

import gzip
import json
import math
import os
import shlex
import subprocess
import sys
import unicodedata
from collections.abc import Callable
from itertools import chain
from pathlib import Path
from typing import Any

import pytest

from s2s_cli.text.facts import Facts

Run = Callable[..., "subprocess.CompletedProcess[bytes]"]

REFERENCE = "Le chat noir dort sur le lit.\n\nUn homme, assis, lit un livre.\n"
HYPOTHESIS = "Le chat noir dort sous le lit.\n\nUn homme assis lit un livre.\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "ref.fr").write_text(REFERENCE, "utf-8")
    (tmp_path / "out.fr").write_text(HYPOTHESIS, "utf-8")
    return tmp_path


def test_each_metric_has_its_own_line_with_its_signature(s2s: Run, folder: Path) -> None:
    run = s2s("score", "ref.fr", cwd=folder, input=HYPOTHESIS.encode())
    assert (run.returncode, run.stderr) == (0, b"")
    names, rest = zip(
        *(line.split(" = ") for line in run.stdout.decode().splitlines()), strict=True
    )
    assert names == ("BLEU (tokenised)", "BLEU (detokenised)", "chrF2 (detokenised)")
    for each, part in zip(rest, ("tok:none", "tok:13a", "nc:6"), strict=True):
        number, *parts, signature = each.split(" ")
        assert 0 < float(number) < 100
        assert bool(parts) is (part != "nc:6")
        assert part in signature.split("|")
        assert "version:" in signature


def test_the_reference_has_a_default_and_stdin_may_be_it(s2s: Run, folder: Path) -> None:
    (folder / "corpus").mkdir()
    (folder / "corpus" / "test.fr.gz").write_bytes(gzip.compress(REFERENCE.encode()))
    outputs = {
        s2s("score", cwd=folder, input=HYPOTHESIS.encode()).stdout,
        s2s("score", "ref.fr", "--hypothesis", "out.fr", cwd=folder).stdout,
        s2s("score", "-", "--hypothesis", "out.fr", cwd=folder, input=REFERENCE.encode()).stdout,
    }
    assert len(outputs) == 1
    assert b"nrefs:1" in outputs.pop()


def test_identical_text_scores_a_hundred_with_any_other_reference(s2s: Run, folder: Path) -> None:
    references = ["out.fr", "--reference", "ref.fr"]
    run = s2s("score", *references, "--json", cwd=folder, input=REFERENCE.encode())
    result = json.loads(run.stdout)
    assert result["lines"] == 3
    assert list(result["scores"]) == ["bleu-tokenised", "bleu-detokenised", "chrf"]
    for score in result["scores"].values():
        assert score["value"] == pytest.approx(100)
        assert (score["low"], score["high"]) == (None, None)
        assert score["signature"].startswith("nrefs:2|")


def test_bare_is_a_number_and_nothing_else(s2s: Run, folder: Path) -> None:
    whole = json.loads(
        s2s("score", "ref.fr", "--hypothesis", "out.fr", "--json", cwd=folder).stdout
    )
    for metric, score in whole["scores"].items():
        bare = s2s("score", "ref.fr", "--hypothesis", "out.fr", "--bare", metric, cwd=folder)
        assert bare.stdout.decode() == f"{score['value']:.2f}\n"


def test_the_bootstrap_brackets_the_score_and_is_reproducible(s2s: Run, folder: Path) -> None:
    command = ["score", "ref.fr", "--hypothesis", "out.fr", "--bootstrap", "200", "--json"]
    first, second = s2s(*command, cwd=folder), s2s(*command, cwd=folder)
    assert first.stdout == second.stdout
    score = json.loads(first.stdout)["scores"]["chrf"]
    assert score["low"] < score["value"] < score["high"]
    assert "bs:200" in score["signature"]


def test_tokenised_text_is_taken_at_its_spaces(s2s: Run, tmp_path: Path) -> None:
    (tmp_path / "ref.fr").write_text("L' homme dort .\n", "utf-8")
    command = ["score", "ref.fr", "--bare", "bleu-tokenised", "--tokenised"]
    assert s2s(*command, cwd=tmp_path, input=b"L' homme dort .\n").stdout == b"100.00\n"
    assert s2s(*command, cwd=tmp_path, input=b"L'homme dort .\n").stdout == b"0.00\n"
    (tmp_path / "ref.fr").write_text("L'homme dort.\n", "utf-8")
    assert s2s(*command[:-1], cwd=tmp_path, input=b"L'homme dort .\n").stdout == b"100.00\n"


def test_empty_hypotheses_score_zero(s2s: Run, folder: Path) -> None:
    run = s2s("score", "ref.fr", cwd=folder, input=b"\n\n\n")
    assert (run.returncode, run.stderr) == (0, b"")
    assert run.stdout.count(b" = 0.00 ") == 3


def test_text_that_looks_tokenised_is_remarked_on_stderr(s2s: Run, tmp_path: Path) -> None:
    text = b"Il dort .\n" * 100
    (tmp_path / "ref.fr").write_bytes(text)
    assert b"--tokenised" in s2s("score", "ref.fr", cwd=tmp_path, input=text).stderr
    assert s2s("score", "ref.fr", "--tokenised", cwd=tmp_path, input=text).stderr == b""


@pytest.mark.parametrize(
    ("arguments", "stdin", "code", "parts"),
    [
        (["ref.fr"], b"a\nb\n", 1, [b"stdin has 2 lines", b"ref.fr has 3"]),
        (["ref.fr"], b"", 1, [b"stdin has 0 lines", b"ref.fr has 3"]),
        (["/dev/null"], b"", 1, [b"stdin", b"no lines"]),
        (["ref.fr", "out2.fr"], b"a\n", 1, [b"out2.fr", b"no such file"]),
        ([], b"a\n", 1, [b"corpus/test.fr", b"no such file"]),
        (["ref.fr"], b"a\n\xff\nb\n", 1, [b"stdin:2", b"UTF-8"]),
        (["-"], b"a\n", 2, [b"stdin can be one text only"]),
        (["ref.fr", "--bootstrap", "7"], b"a\n", 2, [b"--bootstrap 7"]),
        (["ref.fr", "--bare", "perplexity"], b"a\n", 2, [b"--model"]),
        (["ref.fr", "--json", "--bare", "chrf"], b"a\n", 2, [b"--bare", b"--json"]),
        (["ref.fr", "--model", "m", "--source", "-"], b"a\n", 2, [b"stdin"]),
        (["ref.fr", "--bare", "log-probability"], b"a\n", 2, [b"--sentences"]),
        (["ref.fr", "--bare", "log-probability", "--sentences"], b"a\n", 2, [b"--model"]),
        (["ref.fr", "--sentences", "--baseline", "out.fr"], b"a\n", 2, [b"--baseline"]),
        (["ref.fr", "out.fr", "ref.fr", "--sentences"], b"", 2, [b"--sentences is for one"]),
        (["ref.fr", "out.fr", "--model", "m", "--bare", "perplexity"], b"", 2, [b"leave out out"]),
        (["ref.fr", "--sentences"], b"a\n", 1, [b"stdin has 1 line ", b"ref.fr has 3"]),
    ],
)
def test_bad_input_is_told_in_one_sentence(
    s2s: Run, folder: Path, arguments: list[str], stdin: bytes, code: int, parts: list[bytes]
) -> None:
    run = s2s("score", *arguments, cwd=folder, input=stdin)
    assert (run.returncode, run.stdout) == (code, b"")
    assert run.stderr.startswith(b"s2s: ")
    assert run.stderr.count(b"\n") == 1
    for part in parts:
        assert part in run.stderr


def test_settings_file_names_references_and_an_empty_list_is_refused(
    s2s: Run, folder: Path
) -> None:
    settings = folder / "s2s.toml"
    settings.write_text('[score]\nreferences = ["ref.fr"]\nhypothesis = "out.fr"\nbare = "chrf"\n')
    run = s2s("score", cwd=folder)
    assert (run.returncode, run.stderr) == (0, b"settings from s2s.toml\n")
    assert 0 < float(run.stdout) < 100
    settings.write_text("[score]\nreferences = []\n")
    run = s2s("score", cwd=folder)
    assert run.returncode == 2
    assert run.stderr.count(b"\n") == 1


def test_no_torch_without_a_model(folder: Path) -> None:
    program = (
        "import sys\n"
        "from s2s_cli.__main__ import main\n"
        "sys.argv = ['s2s', 'score', 'ref.fr', '--hypothesis', 'out.fr', '--bootstrap', '100']\n"
        "try:\n"
        "    main()\n"
        "finally:\n"
        "    print('torch' in sys.modules)\n"
    )
    run = subprocess.run([sys.executable, "-c", program], cwd=folder, capture_output=True)
    assert run.stdout.decode().splitlines()[-1] == "False"
    assert run.returncode == 0


def write_uniform_model(directory: Path) -> None:
    """A model all of whose weights are zero: every word is as likely as every other."""
    from torch import zeros_like

    from s2s_cli.model.config import Shape
    from s2s_cli.model.description import BEST, Description
    from s2s_cli.model.directory import save_tensors
    from s2s_cli.model.seq2seq import Seq2Seq
    from s2s_cli.text.facts import Facts
    from s2s_cli.text.vocabulary import Vocabulary

    source, target = Vocabulary(["a", "cat"], [2, 1]), Vocabulary(["un", "chat", "."], [2, 1, 1])
    shape = Shape(len(source), len(target), layers=1, hidden_size=2, embedding_size=2)
    directory.mkdir()
    Description(shape, Facts("en", "fr", False, True, "any"), source, target).write(directory)
    weights = {key: zeros_like(each) for key, each in Seq2Seq(shape).state_dict().items()}
    save_tensors(directory / BEST, {"model": weights})


def test_the_perplexity_of_a_model_that_knows_nothing_is_its_vocabulary(
    s2s: Run, tmp_path: Path
) -> None:
    write_uniform_model(tmp_path / "model")
    (tmp_path / "in.en").write_text("A cat.\nA dog.\n", "utf-8")
    (tmp_path / "ref.fr").write_text("un chat .\nun chien vert .\n", "utf-8")
    (tmp_path / "out.fr").write_text("un chat .\nun chat .\n", "utf-8")
    command = ["score", "ref.fr", "--hypothesis", "out.fr", "--source", "in.en"]
    models = ["--model", "model", "--model", "model"]
    result = json.loads(s2s(*command, *models, "--json", cwd=tmp_path).stdout)
    perplexity = result["scores"]["perplexity"]
    assert perplexity["value"] == pytest.approx(5, rel=1e-5)  # three words, UNK and EOS
    assert perplexity["signature"] == "words:9|eos:counted|models:2"
    assert len(result["scores"]) == 4
    bare = s2s(*command, *models, "--bare", "perplexity", cwd=tmp_path)
    assert bare.stdout == b"5.00\n"
    last = s2s(*command, *models, cwd=tmp_path).stdout.decode().splitlines()[-1]
    assert last == "perplexity = 5.00 words:9|eos:counted|models:2"


def test_a_perplexity_is_computed_where_and_as_it_was_asked_for(
    s2s: Run, tiny_experiment: Path
) -> None:
    command = ["score", "--hypothesis", "corpus/test.fr", "--model", "model", "--json"]

    def perplexity(*arguments: str) -> dict[str, Any]:
        run = s2s(*command, "--device", "cpu", *arguments, cwd=tiny_experiment)
        found: dict[str, Any] = json.loads(run.stdout)["scores"]["perplexity"]
        return found

    whole, half = perplexity(), perplexity("--precision", "bf16")
    assert half["value"] != whole["value"]
    assert half["value"] == pytest.approx(whole["value"], rel=0.05)
    assert half["signature"] == whole["signature"] + "|precision:bf16"
    quantised = perplexity("--precision", "int8")
    assert quantised["value"] == pytest.approx(whole["value"], rel=0.05)
    assert quantised["signature"] == whole["signature"] + "|precision:int8"
    run = s2s(*command, "--device", "cuda:99", cwd=tiny_experiment)
    assert (run.returncode, run.stdout) == (2, b"")
    assert b"--device cuda:99: no such device here" in run.stderr


def test_every_text_may_be_a_pipe(s2s: Run, tmp_path: Path) -> None:
    """Each is read once: the reference is compared with three texts, and scored by a model."""
    write_uniform_model(tmp_path / "model")
    texts = {"in.en": "a cat\n", "ref.fr": "un chat .\n", "out.fr": "un .\n", "base.fr": "un\n"}
    for name, text in texts.items():
        (tmp_path / name).write_text(text, "utf-8")
    command = ["score", "--model", "model", "--trials", "100", "--bootstrap", "100"]
    options = ["", "--source", "--hypothesis", "--baseline"]
    names = dict(zip(options, ("ref.fr", "in.en", "out.fr", "base.fr"), strict=True))
    files = s2s(*command, *filter(None, chain(*names.items())), cwd=tmp_path)
    assert (files.returncode, len(files.stdout.splitlines())) == (0, 7)
    pipes, writers = {}, []
    for option, name in names.items():
        pipe = tmp_path / f"{name}.pipe"
        os.mkfifo(pipe)
        writer = ["sh", "-c", f"cat {shlex.quote(name)} > {shlex.quote(pipe.name)}"]
        writers.append(subprocess.Popen(writer, cwd=tmp_path))
        pipes[option] = pipe.name
    piped = s2s(*command, *filter(None, chain(*pipes.items())), cwd=tmp_path, timeout=60)
    assert (piped.stdout, piped.returncode) == (files.stdout, 0)
    assert [each.wait() for each in writers] == [0] * 4


def test_sentences_have_a_line_each(s2s: Run, folder: Path) -> None:
    command = ["score", "ref.fr", "--sentences"]
    run = s2s(*command, cwd=folder, input=HYPOTHESIS.encode())
    assert (run.returncode, run.stderr) == (0, b"")
    rows = [line.split("\t") for line in run.stdout.decode().splitlines()]
    assert [row[3:] for row in rows] == [["8", "8"], ["0", "0"], ["7", "9"]]
    objects = s2s(*command, "--json", cwd=folder, input=HYPOTHESIS.encode()).stdout.splitlines()
    names = ["bleu-tokenised", "bleu-detokenised", "chrf", "length", "reference_length"]
    for each, row in zip(map(json.loads, objects), rows, strict=True):
        assert list(each) == names
        assert [f"{each[name]:.2f}" for name in names[:3]] == row[:3]
    bare = s2s(*command, "--bare", "chrf", cwd=folder, input=HYPOTHESIS.encode())
    assert bare.stdout.decode().splitlines() == [row[2] for row in rows]


def test_log_probabilities_of_given_pairs_need_no_hypothesis(s2s: Run, tmp_path: Path) -> None:
    """Each word of a model that knows nothing, and the end, is one of five."""
    write_uniform_model(tmp_path / "model")
    (tmp_path / "in.en").write_text("a cat\na\n\n", "utf-8")
    given = "un chat .\n\nun\n"
    (tmp_path / "given.fr").write_text(given, "utf-8")
    command = ["score", "--source", "in.en", "--model", "model", "--sentences"]
    bare = ["--bare", "log-probability"]
    run = s2s(*command, "given.fr", *bare, cwd=tmp_path)
    assert (run.returncode, run.stderr) == (0, b"")
    found = list(map(float, run.stdout.split()))
    assert found == pytest.approx([words * -math.log(5) for words in (4, 1, 2)], rel=1e-5)
    piped = s2s(*command, "-", *bare, cwd=tmp_path, input=given.encode())
    assert piped.stdout == run.stdout
    whole = s2s(*command, "given.fr", cwd=tmp_path, input=given.encode())
    assert [line.split(b"\t")[5] for line in whole.stdout.splitlines()] == run.stdout.split()
    perplexity = s2s(*command[:-1], "given.fr", "--bare", "perplexity", cwd=tmp_path)
    assert perplexity.stdout == b"5.00\n"


def test_log_probabilities_are_those_of_rescore(s2s: Run, tiny_experiment: Path) -> None:
    lines = (tiny_experiment / "corpus" / "test.fr").read_text("utf-8").splitlines()
    nbest = "".join(f"{number} ||| {line} |||  ||| 0\n" for number, line in enumerate(lines))
    scored = s2s("rescore", "-", "--add-feature", cwd=tiny_experiment, input=nbest.encode())
    pairs = ["score", "--model", "model", "--sentences", "--bare", "log-probability"]
    run = s2s(*pairs, "--device", "cpu", cwd=tiny_experiment)
    features = [line.split(b"s2s= ")[1].split(b" ")[0] for line in scored.stdout.splitlines()]
    assert run.stdout.splitlines() == features
    assert len(features) == len(lines) == 10


def test_parts_of_bleu_are_those_that_sacrebleu_counts(s2s: Run, folder: Path) -> None:
    """A hypothesis of half the reference's words: all precisions 100, a brevity penalty of 1/e."""
    (folder / "long.fr").write_text("a b c d e f g h\n", "utf-8")
    run = s2s("score", "long.fr", "--tokenised", cwd=folder, input=b"a b c d\n")
    first = run.stdout.decode().splitlines()[0]
    parts = "100.0/100.0/100.0/100.0 (BP 0.368, length ratio 0.500)"
    assert first.startswith(f"BLEU (tokenised) = 36.79 {parts} ")
    run = s2s("score", "long.fr", "--tokenised", "--json", cwd=folder, input=b"a b c d\n")
    score = json.loads(run.stdout)["scores"]["bleu-tokenised"]
    assert score["parts"]["brevity_penalty"] == pytest.approx(math.exp(-1))
    assert (score["parts"]["length"], score["parts"]["reference_length"]) == (4, 8)


def test_identical_text_scores_exactly_a_hundred(s2s: Run, folder: Path) -> None:
    run = s2s("score", "ref.fr", "--json", cwd=folder, input=REFERENCE.encode())
    scores = json.loads(run.stdout)["scores"]
    assert {each["value"] for each in scores.values()} == {100.0}


def test_decomposed_letters_are_those_of_the_reference(s2s: Run, folder: Path) -> None:
    (folder / "ref.fr").write_text("Où est l’été ?\n", "utf-8")
    hypothesis = unicodedata.normalize("NFD", "Où est l’été ?\n").encode()
    for options in ([], ["--tokenised"]):
        run = s2s("score", "ref.fr", *options, "--bare", "bleu-tokenised", cwd=folder,
                  input=hypothesis)  # fmt: skip
        assert run.stdout == b"100.00\n"


CHINESE = "我昨天在北京看了一部很好的电影。\n他们明天要去上海开会。\n"
CHINESE_HYPOTHESIS = "我昨天在北京看了一部不错的电影。\n他们明天去上海开会。\n"


@pytest.mark.parametrize("code", ["zh", "zho_Hans", "cmn", "chinese"])
def test_chinese_is_scored_as_sacrebleu_scores_it(s2s: Run, folder: Path, code: str) -> None:
    """73.24 is what ``sacrebleu -l en-zh`` prints for the two lines."""
    (folder / "ref.zh").write_text(CHINESE, "utf-8")
    run = s2s("score", "ref.zh", "--language", code, cwd=folder, input=CHINESE_HYPOTHESIS.encode())
    words, running, _ = run.stdout.decode().splitlines()
    assert running.startswith("BLEU (detokenised) = 73.24 ")
    assert "|tok:zh|" in running
    assert words.startswith("BLEU (tokenised) = 73.24 ")


def test_a_tokeniser_of_sacrebleu_can_be_named(s2s: Run, folder: Path) -> None:
    run = s2s("score", "ref.fr", "--tokenize", "char", cwd=folder, input=HYPOTHESIS.encode())
    assert b"|tok:char|" in run.stdout


def test_thai_is_compared_in_characters(s2s: Run, folder: Path) -> None:
    (folder / "ref.th").write_text("ฉันรักเธอมาก\n", "utf-8")
    hypothesis = "ฉันรักเธอ\n".encode()
    run = s2s("score", "ref.th", "--language", "tha", cwd=folder, input=hypothesis)
    words, running, _ = run.stdout.decode().splitlines()
    assert "|tok:char|" in running
    assert not words.startswith("BLEU (tokenised) = 0.00")


def test_language_is_that_of_the_data_before_it_is_french(s2s: Run, folder: Path) -> None:
    (folder / "data").mkdir()
    Facts("en", "deu", False, False, "s2s moses 2", raw_tokeniser="moses").write(folder / "data")
    run = s2s("score", "ref.fr", cwd=folder, input=HYPOTHESIS.encode())
    assert run.stderr == b""
    assert b"words:s2s-moses-2-deu" in run.stdout
    run = s2s("score", "ref.fr", "--language", "fr", cwd=folder, input=HYPOTHESIS.encode())
    assert b"words:s2s-moses-2-fr" in run.stdout
    assert run.stderr.decode() == "warning: --language fr, but data/facts.json says deu\n"
    run = s2s("score", "ref.fr", "--language", "german", cwd=folder, input=HYPOTHESIS.encode())
    assert run.stderr == b""


def test_entities_of_moses_are_undone_in_tokenised_text(s2s: Run, folder: Path) -> None:
    plain = ["L' été & l' [ hiver ] | < a > \" b \" .", "Il n' y a pas d' été ."]
    escaped = [
        "L&apos; été &amp; l&apos; &#91; hiver &#93; &#124; &lt; a &gt; &quot; b &quot; .",
        "Il n&apos; y a pas d&apos; été .",
    ]
    outputs = []
    for lines in (plain, escaped):
        text = "".join(f"{line}\n" for line in lines)
        (folder / "ref.tok").write_text(text, "utf-8")
        hypothesis = text.replace("été", "hiver").encode()
        outputs.append(s2s("score", "ref.tok", "--tokenised", cwd=folder, input=hypothesis))
    assert outputs[0].stdout == outputs[1].stdout
    assert outputs[0].stderr == b""
    assert b"4 lines with entities as Moses escapes them" in outputs[1].stderr


def test_several_translations_are_a_table(s2s: Run, folder: Path) -> None:
    (folder / "short.fr").write_text("Le chat\n\nUn homme\n", "utf-8")
    names = ["out.fr", "short.fr", "ref.fr"]
    run = s2s("score", "ref.fr", *names, cwd=folder)
    heading, *rows = run.stdout.decode().splitlines()
    assert heading.split("  ")[0] == ""
    assert [row.split()[0] for row in rows[:3]] == names
    assert rows[2].split() == ["ref.fr", "100.00", "100.00", "100.00", "1.000", "1.000"]
    assert float(rows[1].split()[4]) < 1
    assert [row.partition(": ")[0] for row in rows[3:]] == [
        "BLEU (tokenised)", "BLEU (detokenised)", "chrF2 (detokenised)"
    ]  # fmt: skip
    alone = s2s("score", "ref.fr", "--json", cwd=folder, input=HYPOTHESIS.encode())
    both = s2s("score", "ref.fr", *names, "--json", cwd=folder)
    assert json.loads(both.stdout)["systems"]["out.fr"] == json.loads(alone.stdout)["scores"]
    systems = [word for name in names for word in ("--system", name)]
    assert s2s("score", "ref.fr", *systems, cwd=folder).stdout == run.stdout


def test_one_translation_is_scored_as_stdin_is(s2s: Run, folder: Path) -> None:
    runs = [
        s2s("score", "ref.fr", cwd=folder, input=HYPOTHESIS.encode()),
        s2s("score", "ref.fr", "out.fr", cwd=folder),
        s2s("score", "ref.fr", "-", cwd=folder, input=HYPOTHESIS.encode()),
        s2s("score", "ref.fr", "--hypothesis", "out.fr", cwd=folder),
    ]
    assert {(run.returncode, run.stdout, run.stderr) for run in runs} == {(0, runs[0].stdout, b"")}


def test_more_references_are_options_or_stand_beside_the_old_options(
    s2s: Run, folder: Path
) -> None:
    (folder / "ref2.fr").write_text(HYPOTHESIS, "utf-8")
    best = {"value": 100.0}
    for arguments, told in (
        (["ref.fr", "out.fr", "--reference", "ref2.fr"], b""),
        (["ref.fr", "--hypothesis", "out.fr", "--reference", "ref2.fr"], b""),
        (["--reference", "ref.fr", "--reference", "ref2.fr", "--hypothesis", "out.fr"], b""),
        (["ref.fr", "ref2.fr", "--hypothesis", "out.fr"], b"references: ref.fr, ref2.fr\n"),
    ):
        run = s2s("score", *arguments, "--json", cwd=folder)
        assert (run.returncode, run.stderr) == (0, told)
        score = json.loads(run.stdout)["scores"]["chrf"]
        assert score.items() >= best.items() and score["signature"].startswith("nrefs:2|")


def test_text_on_stdin_that_nobody_reads_is_remarked(s2s: Run, folder: Path) -> None:
    """In earlier versions the second argument was one more reference."""
    run = s2s("score", "ref.fr", "out.fr", cwd=folder, input=REFERENCE.encode())
    assert run.returncode == 0
    assert b"stdin is not read: out.fr is scored" in run.stderr
    assert b"--reference out.fr" in run.stderr
    with subprocess.Popen(["echo", "text"], stdout=subprocess.PIPE) as echo:
        echo.wait()
        command = [sys.executable, "-m", "s2s_cli", "score", "ref.fr", "out.fr"]
        piped = subprocess.run(command, cwd=folder, stdin=echo.stdout, capture_output=True)
    assert b"stdin is not read" in piped.stderr


def test_arguments_hide_what_the_settings_file_names(s2s: Run, folder: Path) -> None:
    toml = '[score]\nreferences = ["none.fr"]\nhypothesis = "out.fr"\nbare = "chrf"\n'
    (folder / "s2s.toml").write_text(toml, "utf-8")
    assert s2s("score", "out.fr", cwd=folder).stdout == b"100.00\n"
    assert s2s("score", "ref.fr", "ref.fr", cwd=folder).stdout == b"100.00\n"


@pytest.mark.parametrize("options", [["--bare", "chrf"], ["--baseline", "ref.fr"]])
def test_a_table_of_systems_goes_with_nothing_else(
    s2s: Run, folder: Path, options: list[str]
) -> None:
    run = s2s("score", "ref.fr", "--system", "out.fr", *options, cwd=folder)
    assert run.returncode == 2
    assert b"a table, which goes with none of" in run.stderr


def test_stdin_is_one_of_the_texts_of_a_table(s2s: Run, folder: Path) -> None:
    table = ["--system", "out.fr"]
    whole = s2s("score", "ref.fr", *table, cwd=folder)
    assert s2s("score", "-", *table, cwd=folder, input=REFERENCE.encode()).stdout == whole.stdout
    for arguments in (["-", "--system", "-"], ["ref.fr", "--system", "-", "--system", "-"]):
        run = s2s("score", *arguments, cwd=folder, input=REFERENCE.encode())
        assert (run.returncode, run.stdout) == (2, b"")

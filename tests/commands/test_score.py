"""``s2s score`` as a process."""

import gzip
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

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
        number, signature = each.split(" ")
        assert 0 < float(number) < 100
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
    run = s2s("score", "out.fr", "ref.fr", "--json", cwd=folder, input=REFERENCE.encode())
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
        (["-"], b"a\n", 2, [b"stdin", b"--hypothesis"]),
        (["ref.fr", "--bootstrap", "7"], b"a\n", 2, [b"--bootstrap 7"]),
        (["ref.fr", "--bare", "perplexity"], b"a\n", 2, [b"--model"]),
        (["ref.fr", "--json", "--bare", "chrf"], b"a\n", 2, [b"--bare", b"--json"]),
        (["-", "--hypothesis", "out.fr", "--model", "m"], b"a\n", 2, [b"--model", b"stdin"]),
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
    assert (run.returncode, run.stderr) == (0, b"")
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
    from s2s_cli.model.directory import BEST, Description, save_tensors
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
    run = s2s(*command, "--device", "cuda:99", cwd=tiny_experiment)
    assert (run.returncode, run.stdout) == (2, b"")
    assert b"--device cuda:99: no such device here" in run.stderr

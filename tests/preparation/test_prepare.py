"""Preparing parallel text: the right pairs, the right reasons, nothing half-written."""

import gzip
import html
import json
import os
import re
import shutil
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from s2s_cli.errors import UserError
from s2s_cli.preparation.chunks import PAIRS_PER_CHUNK
from s2s_cli.preparation.config import PrepConfig
from s2s_cli.preparation.prepare import prepare
from s2s_cli.text.facts import Facts
from s2s_cli.text.layout import MANIFEST


def write(path: Path, lines: Iterable[str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes("".join(f"{line}\n" for line in lines).encode())


def lines_of(path: Path) -> list[str]:
    text = path.read_bytes().decode()
    assert text == "" or text.endswith("\n")
    return text.split("\n")[:-1]


def contents(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in directory.iterdir()}


@pytest.fixture
def config(tmp_path: Path) -> PrepConfig:
    """A small corpus of three splits."""
    corpus = tmp_path / "corpus"
    for split, size in (("train", 5), ("valid", 3), ("test", 2)):
        write(corpus / f"{split}.en", (f"The {split} {number}." for number in range(size)))
        write(corpus / f"{split}.fr", (f"L'{split} {number}." for number in range(size)))
    return PrepConfig(corpus=corpus, output=tmp_path / "data", workers=1)


def letters(line: str) -> str:
    """What tokenising and normalising must leave as it was."""
    return re.sub(r"[\W_]", "", line)


@pytest.mark.parametrize("name", ["news-commentary-v8.head", "europarl-v7.head"])
def test_noisy_text_keeps_its_alignment(real_data: Path, tmp_path: Path, name: str) -> None:
    output = tmp_path / "data"
    prepare(PrepConfig(corpus=tmp_path, train=real_data / "noise" / name, output=output))
    raw = {
        language: (real_data / "noise" / f"{name}.{language}").read_bytes().decode().split("\n")
        for language in ("en", "fr")
    }
    rows = [row.split("\t") for row in lines_of(output / "dropped.tsv")[1:]]
    dropped = {int(number): reason for _, number, reason in rows}
    assert "empty" in dropped.values()
    kept = [number for number in range(1, len(raw["en"])) if number not in dropped]
    for language in ("en", "fr"):
        prepared = lines_of(output / f"train.{language}")
        expected = [letters(html.unescape(raw[language][number - 1])) for number in kept]
        assert [letters(line) for line in prepared] == expected
    for number, reason in dropped.items():
        sides = [letters(raw[language][number - 1]) for language in ("en", "fr")]
        assert (not all(sides)) == (reason == "empty")


def test_text_stays_in_natural_order_and_the_facts_say_it_will_be_reversed(
    config: PrepConfig,
) -> None:
    prepare(replace(config, reverse_source=True))
    assert lines_of(config.output / "train.en")[0] == "The train 0 ."
    assert lines_of(config.output / "train.fr")[0] == "L' train 0 ."
    facts = Facts.read(config.output)
    assert facts.reverse_source and not facts.tokenised
    assert (facts.source_language, facts.target_language) == ("en", "fr")


def test_pairs_are_dropped_both_sides_together_for_the_reason_given(config: PrepConfig) -> None:
    english = ["a", "", "a b c d e f", "a", "a b", "a b c d e", "   ", "a"]
    french = ["a", "a", "a", "a b c d e f g", "", "a", " ", "a b c d"]
    for split in ("train", "valid", "test"):
        write(config.corpus / f"{split}.en", english)
        write(config.corpus / f"{split}.fr", french)
    report = prepare(replace(config, tokenised=True, max_length=5, max_ratio=4.0))
    for split in ("train", "valid"):
        assert lines_of(config.output / f"{split}.en") == ["a", "a"]
        assert lines_of(config.output / f"{split}.fr") == ["a", "a b c d"]
        counted = report.splits[split]
        assert (counted.read, counted.kept) == (8, 2)
        assert counted.dropped == {"empty": 3, "too long": 2, "length ratio": 1}
    rows = [line.split("\t") for line in lines_of(config.output / "dropped.tsv")]
    assert rows[0] == ["split", "line", "reason"]
    assert [row[1:] for row in rows if row[0] == "train"] == [
        ["2", "empty"],
        ["3", "too long"],
        ["4", "too long"],
        ["5", "empty"],
        ["6", "length ratio"],
        ["7", "empty"],
    ]


def test_test_text_is_never_filtered(config: PrepConfig) -> None:
    write(config.corpus / "test.en", ["a", "", "b " * 300, "\u2028", "c"])
    write(config.corpus / "test.fr", ["", "a", "b", "c", "d"])
    prepare(config)
    assert lines_of(config.output / "test.en") == ["a", "", " ".join("b" * 300), "", "c"]
    assert lines_of(config.output / "test.fr") == ["", "a", "b", "c", "d"]


@pytest.mark.parametrize("tokenised", [False, True])
def test_the_number_of_workers_changes_no_byte(
    config: PrepConfig, tmp_path: Path, tokenised: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("s2s_cli.preparation.prepare.BYTES_PER_WORKER", 1)
    size = 4 * PAIRS_PER_CHUNK + 17
    write(config.corpus / "train.en", (f"The dog, {n}." * (n % 70) for n in range(size)))
    write(config.corpus / "train.fr", (f"Le\u00a0chien,\r {n}&nbsp;!" for n in range(size)))
    outputs = []
    for workers in (1, 2):
        output = tmp_path / str(workers)
        prepare(replace(config, output=output, workers=workers, tokenised=tokenised))
        outputs.append(contents(output))
    assert outputs[0] == outputs[1]
    assert b"too long" in outputs[0]["dropped.tsv"]


def test_crlf_bom_and_gzip_give_the_same_text(config: PrepConfig, tmp_path: Path) -> None:
    prepare(config)
    other = tmp_path / "other"
    other.mkdir()
    for path in config.corpus.iterdir():
        dressed = b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n")
        (other / f"{path.name}.gz").write_bytes(gzip.compress(dressed))
    report = prepare(replace(config, corpus=other, output=tmp_path / "again"))
    first, second = contents(config.output), contents(tmp_path / "again")
    for name in first.keys() - {"prep.json"}:
        assert first[name] == second[name], name
    assert report.odd[0]["carriage return at the end of a line"] == 10
    assert report.odd[0]["byte-order mark at the start of a file"] == 3


def test_words_that_files_would_change_at_their_edges_read_back_the_same(
    config: PrepConfig,
) -> None:
    write(config.corpus / "train.en", ["\ufeff\ufeff a b\r\r", "\ufeff a \r"])
    write(config.corpus / "train.fr", ["c", "d"])
    prepare(replace(config, tokenised=True))
    assert lines_of(config.output / "train.en") == ["a b", "a"]


def test_the_last_line_needs_no_line_end(config: PrepConfig) -> None:
    (config.corpus / "train.en").write_text("a\nb")
    (config.corpus / "train.fr").write_text("c\nd\n")
    prepare(config)
    assert lines_of(config.output / "train.en") == ["a", "b"]


def test_odd_characters_are_counted_with_what_became_of_them(config: PrepConfig) -> None:
    write(config.corpus / "train.en", ["a\u00a0b\u202fc &amp; d", "x\u00ady\rz"])
    write(config.corpus / "train.fr", ["a", "b"])
    prepare(config)
    counted = json.loads((config.output / "prep.json").read_bytes())["odd_characters"]
    assert counted == {
        "en": {
            "HTML entity": {"count": 1, "done": "replaced by its character"},
            "carriage return inside a line": {"count": 1, "done": "read as a space"},
            "no-break space": {"count": 2, "done": "read as a space, but kept inside a number"},
            "soft hyphen": {"count": 1, "done": "removed"},
        },
        "fr": {},
    }
    assert lines_of(config.output / "train.en") == ["a b c & d", "xy z"]


def test_unequal_files_are_refused_with_both_names_and_counts(config: PrepConfig) -> None:
    write(config.corpus / "valid.fr", ["x"] * 1234)
    with pytest.raises(UserError) as caught:
        prepare(config)
    message = str(caught.value)
    for part in ("valid.en", "valid.fr", " 3 ", "1,234"):
        assert part in message
    assert not config.output.exists()


@pytest.mark.parametrize("workers", [1, 2])
def test_invalid_utf8_names_file_and_line_and_leaves_the_old_output(
    config: PrepConfig, workers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("s2s_cli.preparation.prepare.BYTES_PER_WORKER", 1)
    prepare(config)
    before = contents(config.output)
    size = 5 * PAIRS_PER_CHUNK
    bad = 3 * PAIRS_PER_CHUNK + 5
    good = b"a\n" * size
    (config.corpus / "train.fr").write_bytes(good)
    (config.corpus / "train.en").write_bytes(
        b"a\n" * (bad - 1) + b"a \xe9t\xe9\n" + b"a\n" * (size - bad)
    )
    with pytest.raises(UserError, match=rf"train\.en:{bad}: invalid UTF-8"):
        prepare(replace(config, workers=workers))
    assert contents(config.output) == before


def test_a_truncated_gzip_is_an_error_that_leaves_the_old_output(config: PrepConfig) -> None:
    prepare(config)
    before = contents(config.output)
    path = config.corpus / "train.en"
    whole = gzip.compress("".join(f"line {n}\n" for n in range(9999)).encode())
    path.unlink()
    path.with_name("train.en.gz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UserError, match=r"train\.en\.gz: damaged or truncated"):
        prepare(config)
    assert contents(config.output) == before


@pytest.mark.parametrize("line", [None, "", "word " * 101])
def test_a_corpus_without_a_usable_pair_is_an_error(config: PrepConfig, line: str | None) -> None:
    write(config.corpus / "train.en", [] if line is None else [line])
    write(config.corpus / "train.fr", [] if line is None else ["mot"])
    with pytest.raises(UserError, match=r"train\.en: no pair"):
        prepare(config)
    assert not config.output.exists()


def test_missing_training_text_says_what_to_name(config: PrepConfig) -> None:
    with pytest.raises(UserError, match=r"train\.en: no such file .*--corpus"):
        prepare(replace(config, corpus=config.corpus / "nowhere"))


def test_one_missing_side_is_an_error(config: PrepConfig) -> None:
    (config.corpus / "valid.fr").unlink()
    with pytest.raises(UserError, match=r"valid\.fr: no such file"):
        prepare(config)


def test_a_named_test_text_must_be_there(config: PrepConfig, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"nothing\.en: no such file"):
        prepare(replace(config, test=tmp_path / "nothing"))


def test_splits_and_corpora_of_an_earlier_run_do_not_stay(config: PrepConfig) -> None:
    prepare(config)
    (config.output / MANIFEST).write_text("{}")
    for split in ("valid", "test"):
        for language in ("en", "fr"):
            (config.corpus / f"{split}.{language}").unlink()
    prepare(config)
    assert set(contents(config.output)) == {
        "train.en", "train.fr", "facts.json", "prep.json", "dropped.tsv",
    }  # fmt: skip


def test_raw_text_is_never_overwritten(config: PrepConfig) -> None:
    before = contents(config.corpus)
    with pytest.raises(UserError, match="--output"):
        prepare(replace(config, output=config.corpus))
    assert contents(config.corpus) == before


@pytest.mark.parametrize(
    ("source", "target"), [("en", "en"), ("", "fr"), ("../x", "fr"), ("en", "gz")]
)
def test_languages_that_cannot_be_are_refused(config: PrepConfig, source: str, target: str) -> None:
    with pytest.raises(UserError) as caught:
        prepare(replace(config, source_language=source, target_language=target))
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    ("language", "lines"),
    [
        (
            "zh",
            ["昨天晚上我在北京市中心看了一部很好的电影。", "他们明天要去上海开会，星期五回来。"],
        ),
        ("jpn", ["昨日の夜、北京の中心でとても良い映画を見ました。", "明日、上海へ行きます。"]),
        ("tha_Thai", ["เมื่อคืนนี้ฉันดูหนังดีมากเรื่องหนึ่งที่ใจกลางกรุงปักกิ่ง", "พรุ่งนี้พวกเขาจะไปเซี่ยงไฮ้"]),
    ],
)
def test_pairs_of_a_language_without_spaces_are_not_of_unlike_length(
    config: PrepConfig, language: str, lines: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    english = [
        "I saw a very good film in the centre of Beijing yesterday evening.",
        "They will go to Shanghai for a meeting tomorrow and come back on Friday.",
    ]
    write(config.corpus / "train.en", [*english, "Yes."])
    write(config.corpus / f"train.{language}", [*lines, "很" * 60])
    write(config.corpus / f"valid.{language}", ["一"] * 3)
    write(config.corpus / f"test.{language}", ["一"] * 2)
    report = prepare(replace(config, target_language=language))
    assert report.splits["train"].kept == 2
    assert report.splits["train"].dropped == {"length ratio": 1}
    told = capsys.readouterr().err
    assert f"{language} has no spaces between words" in told


@pytest.mark.parametrize(
    ("language", "told"), [("fra", False), ("fra_Latn", False), ("xx", True), ("tlh", True)]
)
def test_a_language_without_rules_is_told_once(
    config: PrepConfig, language: str, told: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    for split in ("train", "valid", "test"):
        shutil.copy(config.corpus / f"{split}.fr", config.corpus / f"{split}.{language}")
    prepare(replace(config, target_language=language))
    sentence = f"no rules for the language {language!r}"
    assert capsys.readouterr().err.count(sentence) == told


def test_codes_of_one_language_make_the_same_words(config: PrepConfig) -> None:
    for split in ("train", "valid", "test"):
        shutil.copy(config.corpus / f"{split}.fr", config.corpus / f"{split}.fra_Latn")
    prepare(config)
    prepare(replace(config, target_language="fra_Latn", output=config.output.with_name("other")))
    other = config.output.with_name("other") / "train.fra_Latn"
    assert lines_of(other) == lines_of(config.output / "train.fr")


PANGRAMS = [
    "the quick brown fox jumps over the lazy dog",
    "pack my box with five dozen liquor jugs",
    "how vexingly quick daft zebras jump",
    "sphinx of black quartz judge my vow",
]


@pytest.mark.parametrize(("language", "size"), [("zh", 36), ("ja", 30)])
def test_pieces_of_a_language_without_spaces_give_back_its_text(
    config: PrepConfig, language: str, size: int
) -> None:
    """SentencePiece learns them from raw text; what ``decode`` joins is the text again."""
    lines = {
        "zh": [
            "我爱北京。你好，世界！",
            "他说：“好。”（完）",
            "价格是5元，3.5%。",
            "我们去上海看电影。",
        ],
        "ja": [
            "これはテストです。",
            "「はい」と言った。",
            "東京で映画を見ました。",
            "東京の映画は5円です。",
        ],
    }[language]
    for split in ("train", "valid", "test"):
        write(config.corpus / f"{split}.en", PANGRAMS)
        write(config.corpus / f"{split}.{language}", lines)
    changed = replace(
        config, target_language=language, subwords="unigram", subword_size=size, max_ratio=50.0
    )
    prepare(changed)
    facts = Facts.read(config.output)
    models = facts.subwords.read_models(config.output, facts.languages)
    _, pieces = facts.subwords.splitters(models, facts.languages)
    _, tokeniser = facts.tokenisers(tokenised=False)
    made = [line.split(" ") for line in lines_of(config.output / f"train.{language}")]
    assert [tokeniser.detokenise(pieces.join(each)) for each in made] == lines
    assert min(map(len, made)) > 3


FOREIGN = ["train.fr", "test.en", "valid.fr", "subwords.en.model", "corpus.json", "prep.json"]


@pytest.mark.parametrize("name", FOREIGN)
def test_files_that_no_prep_made_are_neither_replaced_nor_removed(
    config: PrepConfig, name: str
) -> None:
    path = config.output / name
    write(path, ["{}" if name == "prep.json" else "mine"])
    for split in ("valid", "test"):  # of which there is no new text that would be written
        for language in ("en", "fr"):
            (config.corpus / f"{split}.{language}").unlink()
    before = contents(config.output)
    with pytest.raises(UserError, match=re.escape(name)):
        prepare(config)
    assert contents(config.output) == before
    path.unlink()
    prepare(config)
    assert "train.en" in contents(config.output)


def test_a_report_names_no_files_elsewhere(config: PrepConfig) -> None:
    prepare(config)
    report = config.output / "prep.json"
    told = json.loads(report.read_bytes())
    told["odd_characters"] = {"en": {}, "x/../../../corpus/train.en": {}}
    report.write_text(json.dumps(told))
    with pytest.raises(UserError, match=r"prep\.json: is no report of `s2s prep`"):
        prepare(config)


def test_other_languages_take_the_place_of_those_before(config: PrepConfig) -> None:
    prepare(config)
    for split in ("train", "valid", "test"):
        (config.corpus / f"{split}.fr").rename(config.corpus / f"{split}.de")
    prepare(replace(config, target_language="de"))
    assert not list(config.output.glob("*.fr"))
    (config.output / "train.fr").write_text("mine")
    prepare(replace(config, target_language="de"))  # which has no use for it
    assert (config.output / "train.fr").read_text() == "mine"


def test_a_pipe_is_refused_since_text_is_read_twice(config: PrepConfig) -> None:
    (config.corpus / "valid.fr").unlink()
    os.mkfifo(config.corpus / "valid.fr")
    with pytest.raises(UserError, match=r"valid\.fr: is a pipe or a device, and is read more than"):
        prepare(config)
    assert not config.output.exists()


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({}, []),
        ({"max_length": 50}, []),
        ({"reverse_source": True}, ["reverse-source was false, now true"]),
        ({"tokenised": True}, ["tokenised was false, now true"]),
        ({"tokeniser": "joiner"}, ["tokeniser was moses, now joiner"]),
        ({"tokenised": True, "subwords": "sentencepiece"}, ["tokenised", "subwords was none"]),
    ],
)
def test_settings_that_differ_from_those_of_the_earlier_run_are_named(
    config: PrepConfig, changed: dict[str, Any], named: list[str]
) -> None:
    assert prepare(config).changes == []
    changes = prepare(replace(config, **changed)).changes
    assert len(changes) == len(named)
    assert all(each.startswith(start) for each, start in zip(changes, named, strict=True))
    (config.output / "facts.json").write_bytes(b"no facts")
    assert prepare(config).changes == [], "there is nothing to compare with"

"""``s2s rescore`` of lists that have their scores: no use needs a model."""

import json
from pathlib import Path

import pytest
from odd_models import s2s_here

# Language, words and running text: of the second hypothesis, which only the kept score prefers.
TEXTS = {
    "fr": ("L' été d' une fille dure longtemps !", "L'été d'une fille dure longtemps !"),
    "en": ("The girl 's dog didn 't bark at me !", "The girl's dog didn't bark at me!"),
    "it": ("L' acqua dell' isola non è fredda !", "L'acqua dell'isola non è fredda!"),
    "fi": ("EU:n päätös ei ole hyvä ja se on uusi", "EU:n päätös ei ole hyvä ja se on uusi"),
}
OTHER = "one two three four five six"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "in").write_text("x\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(folder: Path, words: str, running: str) -> None:
    """A list with kept scores, its reference, and weights that choose it."""
    lines = f"0 ||| {OTHER} ||| lstm= -9 ||| -1\n0 ||| {words} ||| lstm= -1 ||| -2\n"
    (folder / "list").write_text(lines, "utf-8")
    (folder / "ref").write_text(running + "\n", "utf-8")
    (folder / "made.toml").write_text("[weights]\nlstm = 1\ntotal = 0.1\n", "utf-8")


RESCORE = ["rescore", "list", "--source", "in", "--feature-name", "lstm", "--output", "out"]
TUNE = ["--tune", "ref", "--weights", "w.toml", "--restarts", "1"]


def rescored(*arguments: str) -> tuple[str, str]:
    """What `s2s rescore` of the list writes and tells."""
    done = s2s_here(*RESCORE, *arguments)
    assert (done.code, done.out) == (0, ""), done.told
    return Path("out").read_text("utf-8"), done.told


@pytest.mark.parametrize("code", TEXTS)
def test_every_use_works_without_a_model(folder: Path, code: str) -> None:
    words, running = TEXTS[code]
    write(folder, words, running)
    for use in ([], ["--weights", "made.toml"], TUNE):
        for detokenise, expected in ((["--detokenise"], running), ([], words)):
            written, told = rescored(*use, *detokenise)
            assert written == expected + "\n"
            assert ("100.00 tuned" in told) == (use == TUNE)
            guessed = use == TUNE or bool(detokenise)
            assert (f"rules of text are those of {code}" in told) == guessed
    (folder / "ref").write_text(words + "\n", "utf-8")
    _, told = rescored(*TUNE, "--tokenised", "--tune", "ref")
    assert "100.00 tuned" in told and "rules of text" not in told
    assert rescored("--add-feature")[0] == (folder / "list").read_text("utf-8")


def test_the_option_names_the_language(folder: Path) -> None:
    write(folder, "xyz 's !", "xyz's!")
    for code, expected in (("en", "xyz's!"), ("fra_Latn", "xyz 's !"), ("sw", "xyz 's!")):
        written, told = rescored("--detokenise", "--language", code)
        assert written == expected + "\n"
        assert ("no rules for the language 'sw'" in told) == (code == "sw")
    assert "its language is not known; general rules" in rescored("--detokenise")[1]


def test_facts_of_the_data_say_more_than_words(folder: Path) -> None:
    write(folder, *TEXTS["en"])
    (folder / "data").mkdir()
    facts = {"source_language": "fr", "target_language": "en", "tokenised": False}
    facts |= {"reverse_source": False, "tokeniser": "", "format": 1}
    (folder / "data" / "facts.json").write_text(json.dumps(facts))
    written, told = rescored("--detokenise")
    assert (written, "looks like" in told) == (TEXTS["en"][1] + "\n", False)
    facts["target_language"] = "fr"
    (folder / "data" / "facts.json").write_text(json.dumps(facts))
    _, told = rescored("--detokenise")
    assert "list: looks like en, but its text follows the rules of fr, which data" in told
    written, told = rescored("--detokenise", "--language", "en")
    assert (written, "looks like" in told) == (TEXTS["en"][1] + "\n", False)


def test_pieces_of_words_need_the_model(folder: Path) -> None:
    write(folder, "▁le ▁ch at", "le chat")
    for use in (["--detokenise"], TUNE):
        done = s2s_here(*RESCORE, *use)
        assert done.code == 1 and "list: holds pieces of words" in done.told
        assert not {"out", "w.toml"} & {path.name for path in folder.iterdir()}
    assert rescored()[0] == "▁le ▁ch at\n"


def test_an_empty_list_needs_no_model(folder: Path) -> None:
    write(folder, "", "")
    (folder / "list").write_text("")
    written, told = rescored("--detokenise")
    assert written == "\n" and "no hypotheses for 1 of the sources" in told

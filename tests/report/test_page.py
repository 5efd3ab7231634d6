"""The page of ``s2s show report``: whole, self-contained, and what is in it."""

import json
import sys
from base64 import b64encode
from hashlib import sha256
from pathlib import Path

import pytest
from odd_models import s2s_here
from report_pages import BAD_NAME, HOSTILE, TITLE, ParsedPage, show_report, write_experiment

from s2s_cli import Translator, __version__


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_experiment(tmp_path_factory.mktemp("report"))


@pytest.fixture(autouse=True)
def here(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)


@pytest.fixture(scope="module")
def text(folder: Path) -> str:
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        done = show_report("report.html")
    assert (done.code, done.out) == (0, ""), done.told
    assert "wrote report.html" in done.told
    return (folder / "report.html").read_text("utf-8")


@pytest.fixture(scope="module")
def page(text: str) -> ParsedPage:
    return ParsedPage(text)


def test_ids_are_unique_and_links_lead_somewhere(page: ParsedPage) -> None:
    ids = page.values("id")
    assert len(set(ids)) == len(ids)
    named = [value.removeprefix("#") for value in page.values("href")]
    named += page.values("aria-labelledby")
    assert len(named) > 10 and set(named) <= set(ids)
    assert {f"#{name}" for name in ("scores", "lengths", "rarity", "models", "sentences")} <= set(
        page.values("href", "a")
    )


def test_it_names_no_other_file_and_only_its_own_script_may_run(
    text: str, page: ParsedPage
) -> None:
    assert "://" not in text and "@import" not in text
    assert not {"link", "img", "iframe", "object", "base"} & {name for name, _ in page.tags}
    assert not page.values("src")
    assert not any(name.startswith("on") for _, attributes in page.tags for name in attributes)
    (policy,) = (each for each in page.values("content", "meta") if "-src" in each)
    rules = dict(each.strip().split(" ", 1) for each in policy.split(";"))
    assert rules.pop("default-src") == "'none'"
    for kind in ("script", "style"):
        digest = b64encode(sha256(page.raw[kind].encode()).digest()).decode()
        assert rules.pop(f"{kind}-src") == f"'sha256-{digest}'"
    assert set(rules.values()) == {"'none'"}


def test_markup_in_texts_names_and_titles_is_text(page: ParsedPage) -> None:
    assert page.texts.count(TITLE) == 2  # the title, and the heading
    assert BAD_NAME in page.texts
    assert any(HOSTILE in each for each in page.texts) or HOSTILE in " ".join(page.texts)
    assert [name for name, _ in page.tags].count("script") == 1
    assert not {"b"} & {name for name, _ in page.tags}


def test_the_same_texts_give_the_same_bytes(text: str) -> None:
    assert show_report("again.html").code == 0
    assert Path("again.html").read_text("utf-8") == text


def test_scores_are_those_of_score(page: ParsedPage) -> None:
    printed = s2s_here(
        *("score", "ref.fr", "--hypothesis", "bad.fr", "--baseline", "good.fr", "--tokenised"),
        *("--bootstrap", 100, "--json"),
    )
    found = json.loads(printed.out)
    score = found["scores"]["bleu-tokenised"]
    place = page.texts.index(BAD_NAME, page.texts.index("Scores of all sentences"))
    interval = f"[{score['low']:.2f}, {score['high']:.2f}]"
    assert page.texts[place + 1 : place + 3] == [f"{score['value']:.2f} ", interval]
    tested = found["baseline"]["bleu-tokenised"]
    assert f"{tested['difference']:+.2f}" in page.texts
    assert any(score["signature"] in each for each in page.texts)
    assert any(tested["score"]["signature"] in each for each in page.texts)


def test_curves_and_settings_of_all_models(page: ParsedPage) -> None:
    place = page.texts.index("Trainings")
    head, row = page.texts[place + 1 : place + 6], page.texts[place + 6 : place + 11]
    assert head == ["model", "updates", "epochs", "best validation perplexity", "at epoch"]
    assert row == ["looking", "20", "1.00", "8.50", "0.50"]
    place = page.texts.index("source reversed")
    assert page.texts[place : place + 3] == ["source reversed", "no", "yes"]
    place = page.texts.index("attention", place)
    assert page.texts[place : place + 3] == ["attention", "–", "dot"]


def test_weights_are_those_of_the_model(page: ParsedPage, folder: Path) -> None:
    line = "one two é two"
    target = "un deux deux un UNK"
    weights = Translator("looking", device="cpu").attention(line, target).weights
    expected = [
        " ".join(f"{place}:{round(100 * each)}" for place, each in enumerate(row) if each >= 0.005)
        for row in weights.tolist()[:-1]
    ]
    listed = page.values("data-weights")
    starts = [at for at in range(len(listed)) if listed[at : at + len(expected)] == expected]
    assert starts, (expected, listed[:20])


def test_directions_and_languages_are_those_of_the_texts(page: ParsedPage) -> None:
    rows = [attributes for name, attributes in page.tags if name == "dd"]
    assert {row["dir"] for row in rows} == {"auto"}
    assert {row["lang"] for row in rows} == {"en", "fr"}


def test_every_column_and_row_of_a_table_has_a_heading(page: ParsedPage) -> None:
    scopes = page.values("scope", "th")
    assert len(scopes) == [name for name, _ in page.tags].count("th")
    assert set(scopes) == {"col", "row"}
    names = [name for name, _ in page.tags]
    assert names.count("caption") == names.count("table") > 5


def test_missing_parts_are_left_out_and_said(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("ref.fr", "good.fr"):
        (tmp_path / name).write_bytes(Path(name).read_bytes())
    monkeypatch.chdir(tmp_path)
    done = s2s_here("show", "report", "ref.fr", "good.fr", "--tokenised", "--bootstrap", 0)
    assert done.code == 0, done.told
    assert "no model/" in done.told and "no corpus/test.en" in done.told
    page = ParsedPage(Path("report.html").read_text("utf-8"))
    assert page.values("href", "a") == ["#scores"]
    assert any(__version__ in each for each in page.texts)


def test_an_experiment_needs_no_options(
    folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Source and model are those that other commands take, too."""
    for name, source in (("corpus/test.en", "in.en"), ("ref.fr", "ref.fr"), ("out.fr", "bad.fr")):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes((folder / source).read_bytes())
    (tmp_path / "model").symlink_to(folder / "looking")
    monkeypatch.chdir(tmp_path)
    done = s2s_here("show", "report", "ref.fr", "out.fr", "--bootstrap", 0)
    assert done.code == 0, done.told
    page = ParsedPage(Path("report.html").read_text("utf-8"))
    sections = ["#scores", "#lengths", "#rarity", "#models"]
    assert page.values("href", "a") == sections  # and nothing to compare a single system with


def test_without_matplotlib_there_are_the_tables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    done = show_report("plain.html", "--bootstrap", 0, "--examples", 0)
    assert done.code == 0 and "pip install" in done.told
    page = ParsedPage(Path("plain.html").read_text("utf-8"))
    assert not page.values("role", "svg") and "Data of the figure" not in page.texts
    assert any("matplotlib" in each for each in page.texts)
    assert "#sentences" not in page.values("href", "a")


@pytest.mark.parametrize(
    ("arguments", "code", "parts"),
    [
        (["--output", "a.svg"], 2, ["a.svg", ".html"]),
        (["--bootstrap", 9], 2, ["--bootstrap 9"]),
        (["--model", "good.fr"], 1, ["not a model directory"]),
        (["--source", "short.en"], 1, ["short.en has 2 lines", "ref.fr has 70"]),
        (["--source", "none.en"], 1, ["none.en: no such file"]),
        (["--name", "one"], 2, ["--name"]),
    ],
)
def test_bad_input_is_told_in_one_sentence_and_leaves_nothing(
    arguments: list[object], code: int, parts: list[str]
) -> None:
    Path("short.en").write_text("one\ntwo\n", "utf-8")
    before = set(Path().iterdir())
    done = s2s_here("show", "report", "ref.fr", "good.fr", "bad.fr", *arguments)
    assert done.code == code and all(part in done.told for part in parts), done.told
    assert done.told.splitlines()[-1].startswith("s2s: ")
    assert set(Path().iterdir()) == before

"""Memory of a GPU that does not hold whole batches: they are computed in parts."""

import json
import shutil
from pathlib import Path

import pytest
from conftest import Run
from gpus import Gpus, counts

SMALL = ["--layers", "2", "--hidden-size", "64", "--embedding-size", "64", "--batch-size", "256"]
OFTEN = ["--log-every", "2", "--validate-every", "4", "--save-every", "3", "--samples", "0"]
TRAIN = ["train", "--threads", "1", *SMALL, *OFTEN]
pytestmark = pytest.mark.mock_cuda


@pytest.fixture(scope="module")
def data(tiny_experiment: Path, s2s: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Prepared text whose validation takes more than the parts of a training batch."""
    directory = tmp_path_factory.mktemp("memory")
    shutil.copytree(tiny_experiment / "corpus", directory / "corpus")
    for language in ("en", "fr"):
        corpus = directory / "corpus"
        lines = (corpus / f"train.{language}").read_text("utf-8")
        (corpus / f"train.{language}").write_text(4 * lines, "utf-8")
        (corpus / f"valid.{language}").write_text(4 * lines, "utf-8")
    for command in ("prep", "vocab"):
        run = s2s(command, cwd=directory)
        assert run.returncode == 0, run.stderr.decode()
    return directory


def measures(model: Path) -> list[float]:
    """Losses and validation perplexities, in order."""
    records = map(json.loads, (model / "metrics.jsonl").read_text("utf-8").splitlines())
    names = "loss", "validation_perplexity"
    return [each[name] for each in records for name in names if name in each]


def test_a_training_in_parts_validates_and_resumes_in_parts(
    s2s: Run, pretend_gpus: Gpus, data: Path, tmp_path: Path
) -> None:
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    run = s2s(*TRAIN, "--max-updates", "8", "--model", whole, "--device", "cpu", cwd=data)
    assert run.returncode == 0 and b"in parts" not in run.stderr
    for updates in ("5", "8"):
        run = pretend_gpus.s2s(
            *TRAIN,
            *("--max-updates", updates, "--model", parts),
            cwd=data,
            MOCK_CUDA_LIMIT="0:1800000",
            MOCK_CUDA_STATS=str(tmp_path / updates),
        )
        assert run.returncode == 0, run.stderr.decode()
        assert run.stderr.count(b"largest batches: they are computed in parts") == 1
        assert run.stderr.count(b"largest validation batches: they are") == 1
        # What fits is known before the first update, so nothing is tried in vain in it.
        assert 2 <= counts(tmp_path / updates)["empty_cache"] <= 10
    assert measures(parts) == pytest.approx(measures(whole), rel=1e-4)


def test_decode_writes_the_same_lines_where_batches_do_not_fit(
    pretend_gpus: Gpus, tiny_experiment: Path, tmp_path: Path
) -> None:
    text, model = tmp_path / "in.en", tiny_experiment / "model"
    text.write_text(5 * (tiny_experiment / "corpus" / "train.en").read_text("utf-8"), "utf-8")
    decode = "decode", text, "--model", model, "--device", "cuda"
    whole = pretend_gpus.s2s(*decode, cwd=tmp_path)
    assert whole.returncode == 0 and b"in parts" not in whole.stderr
    parts = pretend_gpus.s2s(
        *decode,
        cwd=tmp_path,
        MOCK_CUDA_LIMIT="0:300000",
        MOCK_CUDA_STATS=str(tmp_path / "stats"),
    )
    assert parts.returncode == 0, parts.stderr.decode()
    assert parts.stderr.count(b"in parts, with the same results") == 1
    assert 1 <= counts(tmp_path / "stats")["empty_cache"] <= 4
    assert parts.stdout == whole.stdout

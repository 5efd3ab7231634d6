"""Run the notebook of docs/ and write it as a page: ``python tests/docs/notebook.py`` does both.

Code cells are Python, or commands behind ``!`` as in Jupyter. Nothing but Python is needed.
"""

import contextlib
import io
import json
import os
import re
import subprocess
import tempfile
from pathlib import Path
from typing import Any

NOTEBOOK = Path(__file__).parents[2] / "docs" / "notebook.ipynb"
PAGE = NOTEBOOK.with_suffix(".md")
HEAD = """\
<!-- Written from notebook.ipynb by `python tests/docs/notebook.py`. -->

"""
COMMAND = re.compile(r"^!(.*)$", re.M)


def read() -> dict[str, Any]:
    notebook: dict[str, Any] = json.loads(NOTEBOOK.read_text("utf-8"))
    return notebook


def shell(command: str) -> None:
    """Run a command as ``!`` does, and print what it prints."""
    run = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", command],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
        check=False,
    )
    print(run.stdout, end="")
    assert run.returncode == 0, f"{command}\n{run.stdout}"


def execute(notebook: dict[str, Any], names: dict[str, Any]) -> list[str]:
    """Run the code cells in their order, in the current directory; return what each prints.

    Args:
        notebook: as it is in the file.
        names: constants that the notebook sets (``NAME = ...``), and what they are to be instead.
    """
    namespace: dict[str, Any] = {"__name__": "notebook", "shell": shell}
    printed = []
    for cell in notebook["cells"]:
        if cell["cell_type"] != "code":
            continue
        code = COMMAND.sub(lambda found: f"shell({found[1]!r})", "".join(cell["source"]))
        for name, value in names.items():
            code = re.sub(rf"^{name} = .*$", f"{name} = {value!r}", code, flags=re.M)
        with contextlib.redirect_stdout(io.StringIO()) as output:
            exec(compile(code, NOTEBOOK.name, "exec"), namespace)
        printed.append(output.getvalue())
    return printed


def outputs(notebook: dict[str, Any]) -> list[str]:
    """What each code cell has printed, as it is in the file."""
    return [
        "".join(line for each in cell["outputs"] for line in each["text"])
        for cell in notebook["cells"]
        if cell["cell_type"] == "code"
    ]


def store(notebook: dict[str, Any], printed: list[str]) -> None:
    """Put what the code cells printed into the notebook."""
    cells = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    for number, (cell, text) in enumerate(zip(cells, printed, strict=True), start=1):
        lines = text.splitlines(keepends=True)
        cell["execution_count"] = number
        cell["outputs"] = (
            [{"name": "stdout", "output_type": "stream", "text": lines}] if text else []
        )


def page(notebook: dict[str, Any]) -> str:
    """The notebook as Markdown."""
    parts = []
    texts = iter(outputs(notebook))
    for cell in notebook["cells"]:
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            parts.append(source)
            continue
        language = "sh" if source.startswith("!") else "python"
        code = COMMAND.sub(r"\1", source)
        parts.append(f"```{language}\n{code}\n```")
        if text := next(texts):
            parts.append(f"```text\n{text.rstrip()}\n```")
    return HEAD + "\n\n".join(parts) + "\n"


def main() -> None:
    notebook = read()
    with tempfile.TemporaryDirectory() as directory:
        os.chdir(directory)
        store(notebook, execute(notebook, {}))
    NOTEBOOK.write_text(json.dumps(notebook, indent=1, ensure_ascii=False) + "\n", "utf-8")
    PAGE.write_text(page(notebook), "utf-8")


if __name__ == "__main__":
    main()

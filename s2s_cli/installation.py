"""How to add an optional library to the installation that is running."""

import json
import shlex
import shutil
import sys
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

DISTRIBUTION = "s2s-cli"
PACKAGE = Path(__file__).parent


def install_extra(extra: str) -> str:
    """The command that installs the optional libraries of ``extra``, such as ``plot``."""
    source, editable = installed_from()
    if source is None:
        return install_packages(f"{DISTRIBUTION}[{extra}]")
    place = "." if source.resolve() == Path.cwd() else str(source)
    return install_packages(f"{place}[{extra}]", *["-e"] * editable)


def install_packages(what: str, *options: str) -> str:
    """The command that installs ``what`` beside this Python, for a shell.

    That is ``pip`` where the shell finds the one of this environment.
    """
    own = Path(sys.executable).parent
    found = shutil.which("pip")
    pip = "pip" if found and Path(found).parent == own else f"{shlex.quote(sys.executable)} -m pip"
    return " ".join([pip, "install", *options, f"'{what}'"])


def installed_from() -> tuple[Path | None, bool]:
    """The directory that s2s was installed from, and whether changes there have effect (-e).

    None if it came from an index or a file: then its name is enough. A clone that runs without
    being installed has effect, too.
    """
    from importlib import metadata

    try:
        origin = json.loads(metadata.distribution(DISTRIBUTION).read_text("direct_url.json") or "")
        url, editable = origin["url"], bool(origin["dir_info"].get("editable", False))
    except metadata.PackageNotFoundError:
        return (PACKAGE.parent, True) if is_source(PACKAGE.parent) else (None, False)
    except (ValueError, KeyError, TypeError, AttributeError):
        return None, False
    directory = Path(url2pathname(urlsplit(url).path))
    return (directory, editable) if is_source(directory) else (None, False)


def is_source(directory: Path) -> bool:
    return (directory / "pyproject.toml").is_file()

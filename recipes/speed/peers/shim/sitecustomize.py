"""Lets fairseq 0.12.2 start on Python 3.11: put this folder on PYTHONPATH.

Since 3.11 a dataclass may not have a default that cannot be hashed. fairseq's settings have such
defaults; with a hash for every mutable dataclass they are accepted as before.
"""

import dataclasses
from typing import Any

original = dataclasses.dataclass


def dataclass(cls: Any = None, /, **options: Any) -> Any:
    def wrap(each: Any) -> Any:
        hashed = each.__dict__.get("__hash__") is not None
        if options.get("eq", True) and not options.get("frozen", False) and not hashed:
            options.setdefault("unsafe_hash", True)
        return original(each, **options)

    return wrap if cls is None else wrap(cls)


dataclasses.dataclass = dataclass

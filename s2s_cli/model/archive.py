"""The container of a weights file, looked through before PyTorch takes anything from it.

`torch.save` writes a zip archive of uncompressed records, each with its CRC-32. `torch.load` trusts
sizes and offsets in it, and looks at no CRC-32: a flipped bit would be a wrong weight.
"""

import os
import pickletools
import re
import struct
import zipfile
import zlib
from collections.abc import Iterator
from io import BufferedReader
from pathlib import Path
from typing import Any, BinaryIO

from torch import Tensor

BLOCK = 1 << 20
# Bytes; the pickle holds names and sizes alone, about a hundred bytes a tensor.
LARGEST_PICKLE = 1 << 20
# The classes and functions that a pickle of plain containers and tensors names, and the operations
# that make it; others make other objects, or hide what they make.
PLAIN = re.compile(r"collections OrderedDict|torch\._utils _rebuild_tensor_v2|torch \w+Storage")
OPERATIONS = re.compile(
    r"PROTO|STOP|MARK|NONE|NEWTRUE|NEWFALSE|BININT[12]?|LONG1|BINFLOAT|BINUNICODE|EMPTY_TUPLE|"
    r"TUPLE[123]?|EMPTY_LIST|APPENDS?|EMPTY_DICT|SETITEMS?|(LONG_)?BIN(PUT|GET)|GLOBAL|REDUCE|"
    r"BUILD|BINPERSID"
)
# Tuples that stand twice. A key made of two tuples, each made of two, and so on, takes for ever.
MOST_SHARED_TUPLES = 16
LOCAL_HEADER = struct.Struct("<4s22xHH")
END = struct.Struct("<4s4H2LH")
LOCATOR = struct.Struct("<4sLQL")
LARGE_END = struct.Struct("<4sQ2H2L4Q")
DEEPEST = 8


class DamagedError(ValueError):
    """Damage found in a file, in a few words."""


def check_archive(path: Path) -> None:
    """Read ``path`` from end to end, and refuse what `torch.save` would not have written so.

    Raises:
        DamagedError: no such archive; a record that is compressed, lies over another one, or is not
            what its CRC-32 says; a pickle that names more than containers and tensors.
    """
    with path.open("rb") as stream:
        check_end(stream)
        try:
            records = zipfile.ZipFile(stream).infolist()
        except (zipfile.BadZipFile, NotImplementedError, ValueError, struct.error) as error:
            raise DamagedError(str(error)) from None
        names = {record.filename.lower() for record in records}
        if len(names) != len(records):
            raise DamagedError("two records of one name")
        behind, block = 0, memoryview(bytearray(BLOCK))
        for record in sorted(records, key=lambda each: each.header_offset):
            start = start_of(record, stream)
            if record.header_offset < behind:
                raise DamagedError(f"{record.filename} lies over another record")
            behind = start + record.file_size
            check_record(record, start, stream, block)


def check_end(stream: BinaryIO) -> None:
    """The directory ends where the file ends: whoever looks for it finds the same one.

    Raises:
        DamagedError: it does not.
    """
    size = os.fstat(stream.fileno()).st_size
    mark, *disks, count, length, start, comment = read_struct(END, size - END.size, stream)
    if mark != b"PK\x05\x06" or comment:
        raise DamagedError("its end is missing")
    behind = size - END.size
    locator = read_struct(LOCATOR, behind - LOCATOR.size, stream)
    if locator[0] == b"PK\x06\x07":
        behind -= LOCATOR.size + LARGE_END.size
        mark, _, _, _, *disks, _, count, length, start = read_struct(LARGE_END, behind, stream)
        if mark != b"PK\x06\x06" or locator[1:] != (0, behind, 1):
            raise DamagedError("its end is malformed")
    if start + length != behind or disks[:2] != [0, 0] or not count:
        raise DamagedError("its directory is not at its end")


def read_struct(layout: struct.Struct, start: int, stream: BinaryIO) -> tuple[Any, ...]:
    stream.seek(max(0, start))
    content = stream.read(layout.size)
    if start < 0 or len(content) != layout.size:
        raise DamagedError("it ends too early")
    return layout.unpack(content)


def start_of(record: zipfile.ZipInfo, stream: BinaryIO) -> int:
    """Offset of the bytes of ``record``, behind the header that PyTorch goes by."""
    mark, name, padding = read_struct(LOCAL_HEADER, record.header_offset, stream)
    start: int = record.header_offset + LOCAL_HEADER.size + name + padding
    if mark != b"PK\x03\x04":
        raise DamagedError(f"no record where {record.filename} should be")
    if record.compress_type != zipfile.ZIP_STORED or record.compress_size != record.file_size:
        raise DamagedError(f"{record.filename} is compressed")
    return start


def check_record(
    record: zipfile.ZipInfo, start: int, stream: BufferedReader, block: memoryview
) -> None:
    """The bytes of ``record`` are those that were written; ``block`` is room to read into."""
    is_pickle = record.filename.lower().endswith("data.pkl")
    if is_pickle and record.file_size > LARGEST_PICKLE:
        raise DamagedError(f"{record.filename} is too large")
    stream.seek(start)
    found, left = 0, record.file_size
    while left:
        read = stream.readinto(block[:left])
        if not read:
            raise DamagedError(f"it ends within {record.filename}")
        found = zlib.crc32(block[:read], found)
        left -= read
    if found != record.CRC:
        raise DamagedError(f"the checksum of {record.filename} is not that of its bytes")
    if is_pickle:
        stream.seek(start)
        check_pickle(stream.read(record.file_size))


def check_pickle(content: bytes) -> None:
    """Check that every name in a pickle stands for a container or a tensor.

    Raises:
        DamagedError: one does, or this is no pickle.
    """
    try:
        operations = [(each.name, argument) for each, argument, _ in pickletools.genops(content)]
    except Exception as error:  # of several types, for bytes of any kind
        raise DamagedError("its pickle is malformed") from error
    tuples, shared, made = set(), 0, ""
    for name, argument in operations:
        told = str(argument) if name == "GLOBAL" else name
        if not OPERATIONS.fullmatch(name) or (name == "GLOBAL" and not PLAIN.fullmatch(told)):
            raise DamagedError(f"holds more than tables of numbers: {told!r:.80}")
        if not name.endswith("BINPUT"):
            made = name
        elif "TUPLE" in made:
            tuples.add(argument)
        shared += name.endswith("BINGET") and argument in tuples
    if shared > MOST_SHARED_TUPLES:
        raise DamagedError("its tuples stand in each other")


def check_content(content: Any, size: int) -> None:
    """Tensors do not claim more bytes than their file has, containers not more entries.

    A tensor may repeat its numbers (stride 0), and a list the same list: a few bytes could stand
    for any number of them.

    Args:
        content: what was loaded.
        size: bytes of the file.

    Raises:
        DamagedError: they do; containers nest deeper than any that `s2s train` writes.
    """
    claimed = 0
    for entries, entry in enumerate(entries_of(content, DEEPEST)):
        if isinstance(entry, Tensor):
            claimed += entry.numel() * entry.element_size()
        if max(claimed, entries) > size:
            raise DamagedError("its tensors are larger than the file")


def entries_of(value: Any, deepest: int) -> Iterator[Any]:
    """``value`` and all that is in it."""
    yield value
    inside: list[Any] = []
    if isinstance(value, dict):
        inside = [*value, *value.values()]
    elif isinstance(value, list | tuple):
        inside = [*value]
    if inside and not deepest:
        raise DamagedError("its containers are too deep")
    for each in inside:
        yield from entries_of(each, deepest - 1)

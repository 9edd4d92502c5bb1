"""What a file is, found on its first bytes: packed or not, a table or something else, in which encoding."""

from __future__ import annotations

import codecs
import json
from pathlib import Path

import pyarrow as pa

from helpers.problems import FaultyData, faulty

COMPRESSIONS = {".gz": "gzip", ".zst": "zstd"}
BOMB_FREE, BOMB_RATIO = 256 * 2**20, 200
BAD_LINES = 0.2
MARKS = {
    codecs.BOM_UTF32_LE: "utf-32", codecs.BOM_UTF32_BE: "utf-32", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16",
}  # fmt: skip
KINDS = {
    b"PK\x03\x04": "an Excel workbook or a zip archive",
    b"\xd0\xcf\x11\xe0": "an old Excel workbook",
    b"%PDF": "a PDF",
    b"PAR1": "a Parquet file: let its name end in .parquet",
    b"SQLite format 3\0": "an SQLite database",
    b"\x1f\x8b": "packed by gzip: let its name end in .gz",
    b"\x28\xb5\x2f\xfd": "packed by zstd: let its name end in .zst",
    b"BZh": "packed by bzip2: unpack it",
    b"\xfd7zXZ": "packed by xz: unpack it",
    b"7z\xbc\xaf": "a 7z archive: unpack it",
    b"ARROW1": "an Arrow file",
    b"ORC": "an ORC file",
    b"Obj\x01": "an Avro file",
    b"{\\rtf": "a text document",
}
PICKLES = (b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05")
PAGES = (b"<!doctype html", b"<html", b"<head", b"<body", b"<script", b"<?xml")


class Unpacked:
    """The bytes of a file, unpacked when its name ends in .gz or .zst, and as UTF-8 when they are in another encoding."""

    def __init__(self, path: Path, label: str, encoding: str | None = None) -> None:
        self.path, self.label, self.given = path, label, 0
        self.packed = COMPRESSIONS.get(path.suffix.lower())
        self.most = max(BOMB_FREE, BOMB_RATIO * path.stat().st_size) if self.packed else None
        self.stream: pa.NativeFile = pa.OSFile(str(path), "rb")
        if self.packed:
            self.stream = pa.CompressedInputStream(self.stream, self.packed)
        if encoding:
            self.stream = pa.transcoding_input_stream(self.stream, encoding, "utf-8")

    def __enter__(self) -> Unpacked:
        return self

    def __exit__(self, *_) -> None:
        self.stream.close()

    def read(self, size: int) -> bytes:
        """The next bytes, as many as there are up to `size`.

        Raises:
            FaultyData: They cannot be unpacked or are none of the encoding, or far more come out than went in.
        """
        parts, wanted = [], size
        try:
            while wanted and (part := self.stream.read(wanted)):
                parts.append(part)
                wanted -= len(part)
        except UnicodeDecodeError as fault:
            said = f"byte {fault.object[fault.start]:#04x} is none of the encoding {fault.encoding}. Name the file's own."
            raise faulty("encoding", self.label, said) from None
        except OSError as fault:
            said = f"cannot be unpacked ({fault}). The file may be cut off; fetch it again."
            raise faulty("unreadable", self.label, said) from None
        self.given += size - wanted
        if self.most is not None and self.given > self.most:
            size = self.path.stat().st_size
            said = f"{size:,} bytes unpack to more than {self.most:,}, the limit. If it is right, unpack it by hand."
            raise faulty("bomb", self.label, said)
        return b"".join(parts)


def refuse_other_kinds(head: bytes, label: str) -> None:
    """Look at a file's first bytes.

    Raises:
        FaultyData: It is no table of text; names its real kind.
    """
    kind = next((named for mark, named in KINDS.items() if head.startswith(mark)), "")
    text = head.removeprefix(codecs.BOM_UTF8).lstrip()
    if head[8:12] == b"DUCK":
        kind = "a DuckDB database"
    elif head.startswith(PICKLES):
        kind = "a Python pickle"
    elif text[:14].lower().startswith(PAGES):
        kind = "an XML file" if text[:5].lower() == b"<?xml" else "an HTML page, as a login or an error page is"
    elif text[:1] in b"{[" and text and _is_json(text):
        kind = "JSON"
    if kind:
        raise faulty("not_a_table", label, f"this is not a CSV file but {kind}. Export a CSV or a Parquet file.")


def _is_json(text: bytes) -> bool:
    line = text.split(b"\n", 1)[0].strip()
    try:
        json.loads(line)
    except ValueError:
        return line in (b"{", b"[") or line.startswith((b'{"', b'[{"'))
    return True


def encoding_of(path: Path, label: str, said: str | None) -> str | None:
    """The encoding that a file must be read in: None for UTF-8; its first bytes are looked at for more.

    Args:
        said: As dataset.toml says; it is taken as it is.

    Raises:
        FaultyData: It is no table; or no encoding is said, more than a few lines are no UTF-8, and nothing at the file's
            beginning names another; says which it looks like.
    """
    with Unpacked(path, label) as stream:
        head = stream.read(2**18)
    refuse_other_kinds(head, label)
    if said:
        return said
    marked = next((encoding for mark, encoding in MARKS.items() if head.startswith(mark)), None)
    if marked:
        return marked
    end = head.find(b"\n\0")
    if end > 0 and end % 2 == 0 and head[1:end:2].count(0) > 0.3 * end / 2 and b"\n" not in head[:end]:
        return "utf-16-le"
    lines = head.split(b"\n")
    lines = lines[: max(1, len(lines) - 1)]  # the last one may be cut
    bad = [number for number, line in enumerate(lines, 1) if not _is_utf8(line)]
    if bad and (bad[0] == 1 or len(bad) > BAD_LINES * len(lines)):
        raise _other_encoding(lines, bad[0], label)
    return None


def _is_utf8(line: bytes) -> bool:
    try:
        line.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _other_encoding(lines: list[bytes], first: int, label: str) -> FaultyData:
    from charset_normalizer import from_bytes

    found = from_bytes(b"\n".join(lines)).best()
    hint = f' It looks like {found.encoding}: set encoding = "{found.encoding}".' if found else ' Set encoding = "...".'
    place = sum(len(line) + 1 for line in lines[: first - 1])
    try:
        lines[first - 1].decode("utf-8")
    except UnicodeDecodeError as fault:
        place += fault.start
    return faulty("encoding", label, f"byte {place}: not UTF-8 text.{hint}", line=first)

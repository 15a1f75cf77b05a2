"""Path or buffer → text: encodings; what is no text is named."""

from __future__ import annotations

import codecs
import os
import re
from pathlib import Path
from typing import Any, NamedTuple

from ews.errors import ArgumentError, InputTypeError, UnknownNameError, described

__all__ = ["Source", "Text", "decoded", "opened"]

ENCODINGS = ("utf-8", "cp1252", "latin-1", "utf-16", "cp1250", "cp1251", "cp1253", "mac_roman", "gb18030", "shift_jis")
# Codecs of Python that turn text into other text, and never were the encoding of a table.
_NO_ENCODINGS = {"idna", "punycode", "unicode_escape", "raw_unicode_escape", "undefined", "mbcs", "oem"}
_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"), (codecs.BOM_UTF32_BE, "utf-32"), (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"),
)  # fmt: skip
_ZIP, _OLD_EXCEL = b"PK\x03\x04", b"\xd0\xcf\x11\xe0"
_BINARY = {
    _OLD_EXCEL: ("an old Excel file (.xls)", "the sheet saved as .xlsx or CSV"),
    b"\x1f\x8b": ("a file compressed with gzip", "the file unpacked"),
    b"BZh": ("a file compressed with bzip2", "the file unpacked"),
    b"\xfd7zXZ": ("a file compressed with xz", "the file unpacked"),
    b"CDF": ("a netCDF file", "a table; xarray opens netCDF, and ews.detect takes its variables"),
    b"\x89HDF": ("an HDF5 or netCDF file", "a table; xarray opens netCDF, and ews.detect takes its variables"),
    b"PAR1": ("a Parquet file", "a table in text; pandas.read_parquet opens it, and ews.detect takes its columns"),
    b"\x89PNG": ("a picture", "a table in text (UTF-8)"),
    b"%PDF": ("a PDF document", "a table in text (UTF-8)"),
}


class Source(NamedTuple):
    """The content of a file before it is read."""

    name: str  # what the report calls it
    content: bytes | str  # everything in it
    is_sheet: bool  # whether it is a workbook (.xlsx, .ods)


class Text(NamedTuple):
    """Decoded text."""

    text: str  # with ``\n`` at the end of every line
    encoding: str | None  # the encoding used, in words; None where text was given
    remark: str | None  # what the reader should know of it


def opened(source: Any) -> Source:
    """Take in a path, or a buffer of text or bytes; a folder is refused."""
    name: Any
    if hasattr(source, "read"):
        content = source.read()
        name = getattr(source, "name", None)
        if isinstance(content, bytearray | memoryview):
            content = bytes(content)
        if not isinstance(content, str | bytes):
            raise InputTypeError("path", described(f"a buffer of {type(content).__name__}"), "one of text or bytes")
        name = Path(name).name if isinstance(name, str) else "a buffer"
    elif isinstance(source, str | os.PathLike):
        if isinstance(source, str) and ("\n" in source or "\0" in source):
            given = described("text of several lines" if "\n" in source else "a name with a NUL in it")
            raise ArgumentError("path", given, "the path of a file, or io.StringIO(text)")
        path = Path(source)
        if path.is_dir():
            raise ArgumentError("path", described(f"the folder {path}"), "a file")
        content, name = path.read_bytes(), path.name
    else:
        raise InputTypeError("path", source, "the path of a file, or a buffer of text or bytes")
    is_sheet = isinstance(content, bytes) and content.startswith(_ZIP)
    if is_sheet and not re.search(rb"xl/|content\.xml", content):
        raise ArgumentError("path", described("a zip archive"), "a table: unpack it")
    return Source(name, content, is_sheet)


def decoded(source: Source, encoding: str | None) -> Text:
    """Turn the content into text, in the `encoding` that the user named.

    By default the mark at the beginning tells, else it is UTF-16 without a mark, UTF-8, or Windows-1252 where letters
    beyond ASCII stand alone.
    """
    content = source.content
    if encoding is not None:
        _check_encoding(encoding)
    if isinstance(content, str):
        text, named, remark = content, None, None
    else:
        for magic, (what, way) in _BINARY.items():
            if content.startswith(magic):
                raise ArgumentError("path", described(what), way)
        chosen = encoding or next((name for mark, name in _MARKS if content.startswith(mark)), None) or _bare(content)
        remark = None
        try:
            text = content.decode(chosen)
        except UnicodeError as error:
            if encoding is not None:
                place = content.count(b"\n", 0, getattr(error, "start", 0)) + 1
                given = described(f"{encoding!r}, which does not fit the bytes of line {place}")
                raise ArgumentError("encoding", given, _others(encoding)) from None
            text, chosen = _western(content), "cp1252"
            remark = (
                "the bytes are not UTF-8 and were read as Windows-1252: if letters beyond ASCII look wrong, "
                "name the encoding, for example encoding='latin-1'"
            )
        named = {"utf-8-sig": "UTF-8", "cp1252": "Windows-1252"}.get(chosen, chosen.upper())
    # Written through two layers that each add a carriage return, lines end in two of them.
    text = re.sub(r"\r\r\n|\r\n?", "\n", text.removeprefix("\ufeff"))
    if (place := text.find("\0")) >= 0:
        given = described(f"a NUL character in line {text.count(chr(10), 0, place) + 1}")
        raise ArgumentError(
            "path", given, "text: another encoding, as in encoding='utf-16', or a file that is no binary"
        )
    if re.match(r"\s*(<!doctype|<html|<\?xml|[\[{]\s*[\"{\[])", text, re.IGNORECASE):
        raise ArgumentError("path", described(f"no table but {text.strip()[:20]!r}…"), "rows of cells, such as CSV")
    return Text(text, named, remark)


def _check_encoding(encoding: Any) -> None:
    try:
        known = isinstance(encoding, str) and codecs.lookup(encoding)
    except (LookupError, ValueError):
        known = False
    if not known or not known._is_text_encoding or known.name.replace("-", "_") in _NO_ENCODINGS:
        raise UnknownNameError("encoding", encoding, ENCODINGS)


def _bare(content: bytes) -> str:
    """UTF-16 without a mark shows in every second byte; else UTF-8."""
    head = content[:4096]
    half = len(head) // 2
    if half >= 4 and len(content) % 2 == 0:
        even, odd = head[0::2].count(0), head[1::2].count(0)
        if odd > 0.4 * half and even < 0.05 * half:
            return "utf-16-le"
        if even > 0.4 * half and odd < 0.05 * half:
            return "utf-16-be"
    return "utf-8"


def _western(content: bytes) -> str:
    """Windows-1252, where letters beyond ASCII stand alone, as in a Western alphabet; else refused."""
    found = re.search(rb"[\x80-\xff]{3,}", content) or re.search(rb"[\x81\x8d\x8f\x90\x9d]", content)
    if found is None:
        return content.decode("cp1252")
    line = content.count(b"\n", 0, found.start()) + 1
    given = described(f"bytes in line {line} that are neither UTF-8 nor single letters of a Western alphabet")
    raise ArgumentError("path", given, f"UTF-8; {_others('utf-8', keyword=True)}")


def _others(encoding: str, *, keyword: bool = False) -> str:
    others = ", ".join(repr(name) for name in ENCODINGS if name != encoding)
    return f"or name the encoding, as in encoding='cp1251': one of {others}, …" if keyword else f"another: {others}, …"

"""What a file is that is neither CSV nor Parquet, by its first bytes. Pure."""

import re
from typing import Final

BEGINNINGS: Final = {
    b"\x1f\x8b": "compressed by gzip: unpack it with gunzip",
    b"BZh": "compressed by bzip2: unpack it with bunzip2",
    b"\xfd7zXZ\x00": "compressed by xz: unpack it with unxz",
    b"\x28\xb5\x2f\xfd": "compressed by zstd: unpack it with unzstd",
    b"PK\x03\x04": "a zip archive, as Excel's workbooks are: unpack it, or save the sheet as CSV",
    b"\xd0\xcf\x11\xe0": "an old Excel workbook: save the sheet as CSV",
    b"ORC": "ORC: write it as Parquet",
    b"Obj\x01": "Avro: write it as Parquet",
    b"ARROW1": "Arrow or Feather: write it as Parquet",
    b"\x89HDF": "HDF5: write it as Parquet",
    b"SQLite format 3": "an SQLite database: export the table as CSV",
    b"%PDF": "PDF",
}
JSON: Final = re.compile(rb"\s*(\{\s*[\"}]|\[\s*[\[{\"\d\]])")
HTML: Final = re.compile(rb"\s*<(!doctype|!--|html|table|\?xml)", re.IGNORECASE)
MARKS: Final = (b"\xff\xfe", b"\xfe\xff")  # of UTF-16, which is read


def other_format(beginning: bytes) -> str:
    """What it is and what to do; empty where it may be CSV."""
    for magic, said in BEGINNINGS.items():
        if beginning.startswith(magic):
            return said
    if beginning.startswith((b"\xff\xfe\x00\x00", b"\x00\x00\xfe\xff")):
        return "text in UTF-32: write it in UTF-8"
    if b"\x00" in beginning and not beginning.startswith(MARKS):
        return "binary (it begins with NUL bytes), or UTF-16 without a byte order mark: write it in UTF-8"
    if JSON.match(beginning.removeprefix(b"\xef\xbb\xbf")):
        return "JSON: write the rows as a table"
    return "HTML or XML, perhaps the page of an error" if HTML.match(beginning) else ""

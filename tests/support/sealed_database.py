"""Databases whose pages have checksums (shared/sqlite/README.md), changed by SQLite's own library, which knows of none."""

import contextlib
import sqlite3
import struct

CHECKSUM_BYTES = 8
CHECKSUMMED_VERSION = 0x10000


def _table():
    table = []
    for value in range(256):
        for _ in range(8):
            value = value >> 1 ^ (0x82F63B78 if value & 1 else 0)
        table.append(value)
    return table


_TABLE = _table()


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ _TABLE[(crc ^ byte) & 0xFF]
    return crc ^ 0xFFFFFFFF


def page_bytes(path):
    """The size of a page; asserts that pages have checksums."""
    with open(path, "rb") as file:
        header = file.read(100)
    assert header[20] == CHECKSUM_BYTES and struct.unpack(">I", header[60:64])[0] >= CHECKSUMMED_VERSION, f"{path} has no checksums"
    return struct.unpack(">H", header[16:18])[0]


def seal(path):
    """Makes every checksum right."""
    size = page_bytes(path)
    with open(path, "r+b") as file:
        number = 0
        while page := file.read(size):
            number += 1
            sealed = page[:-CHECKSUM_BYTES] + struct.pack("<I", number)
            sealed += struct.pack("<I", crc32c(sealed))
            if sealed != page:
                file.seek(-size, 1)
                file.write(sealed)


@contextlib.contextmanager
def changed_database(path):
    """A connection to a database that nobody else has open; what it did is committed and sealed."""
    connection = sqlite3.connect(path)
    try:
        yield connection
        connection.commit()
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    finally:
        connection.close()
    seal(path)

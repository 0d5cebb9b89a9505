#!/usr/bin/env python3
"""Checks what no compiler does: direction of imports, vendor headers in their rooms, sizes, registered tests.

Prints one line a finding and exits 1 if there is any that counts; sizes over the aim are only reported.
"""

import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).parents[2]

# Room -> rooms it may include. Everything may include shared/base.
SHARED = {"shared/base", "shared/model", "shared/block", "shared/crypto", "shared/sqlite", "shared/protocol"}
ALLOWED = {
    "shared/base": set(),
    "shared/model": set(),
    "shared/sqlite": set(),
    "shared/crypto": {"shared/model"},
    "shared/block": {"shared/crypto", "shared/model"},
    "shared/protocol": {"shared/model", "shared/block"},
    "fuse/journal": SHARED,
    "fuse/cache": SHARED,
    "fuse/remote": SHARED,
    "fuse/filesystem": SHARED | {"fuse/journal", "fuse/cache"},
    "fuse/sync": SHARED | {"fuse/journal", "fuse/cache", "fuse/remote"},
    "fuse/channel": SHARED | {"fuse/filesystem", "fuse/journal", "fuse/cache"},
    "fuse/app": SHARED | {"fuse/channel", "fuse/filesystem", "fuse/journal", "fuse/cache", "fuse/sync", "fuse/remote"},
    "backend-server/metadata_store": SHARED,
    "backend-server/cluster": SHARED,
    "backend-server/block_store": SHARED | {"backend-server/cluster"},
    "backend-server/services": SHARED | {"backend-server/metadata_store", "backend-server/block_store"},
    "backend-server/maintenance": SHARED | {"backend-server/metadata_store", "backend-server/block_store"},
    "backend-server/http": SHARED,
    "backend-server/api": SHARED | {"backend-server/http", "backend-server/services"},
    "backend-server/app": SHARED | {"backend-server/api", "backend-server/http", "backend-server/services",
                                    "backend-server/metadata_store", "backend-server/block_store"},
}

# Vendor header prefix -> the only rooms that may include it.
VENDOR = {
    r"fuse3/": {"fuse/channel"},
    r"curl/": {"fuse/remote"},
    r"sqlite3\.h": {"shared/sqlite"},
    r"openssl/": {"shared/crypto"},
    r"boost/(asio|beast)": {"backend-server/http"},
}
# TLS of the listener is Asio's, which takes an OpenSSL context; libcurl gives its own away to be set up.
VENDOR_EXCEPTIONS = {("backend-server/http", r"openssl/"), ("fuse/remote", r"openssl/")}

LIMITS = {".h": (100, 350), ".cc": (400, 600)}
MAX_FILES_IN_FOLDER = 15


def room_of(path):
    """shared/base for shared/base/x/y.h; None outside the rooms."""
    parts = path.relative_to(ROOT).parts
    if len(parts) < 3 or parts[0] not in ("shared", "fuse", "backend-server"):
        return None
    return "/".join(parts[:2])


def sources(*folders):
    for folder in folders:
        for path in sorted((ROOT / folder).rglob("*")):
            if path.suffix in (".h", ".cc"):
                yield path


def check_imports(findings):
    for path in sources("shared", "fuse", "backend-server"):
        room = room_of(path)
        if room not in ALLOWED:
            findings.append(f"{path.relative_to(ROOT)}: '{room}' is not a room of the house")
            continue
        for number, line in enumerate(path.read_text().splitlines(), 1):
            where = f"{path.relative_to(ROOT)}:{number}"
            own = re.match(r'\s*#include "([^"]+)"', line)
            if own:
                target = "/".join(own.group(1).split("/")[:2])
                if target.count("/") == 1 and target.split("/")[0] in ("shared", "fuse", "backend-server"):
                    if target not in (room, "shared/base") and target not in ALLOWED[room]:
                        findings.append(f"{where}: {room} must not include {target}")
            vendor = re.match(r"\s*#include <([^>]+)>", line)
            if vendor:
                for prefix, rooms in VENDOR.items():
                    if re.match(prefix, vendor.group(1)) and room not in rooms and (room, prefix) not in VENDOR_EXCEPTIONS:
                        findings.append(f"{where}: <{vendor.group(1)}> belongs to {', '.join(sorted(rooms))}")


def check_sizes(findings, remarks):
    for path in sources("shared", "fuse", "backend-server"):
        lines = len(path.read_text().splitlines())
        aim, limit = LIMITS[path.suffix]
        if lines > limit:
            findings.append(f"{path.relative_to(ROOT)}: {lines} lines, over {limit}: split it by operation")
        elif lines > aim * 1.5:
            remarks.append(f"{path.relative_to(ROOT)}: {lines} lines (aim {aim})")
    for folder in {p.parent for p in sources("shared", "fuse", "backend-server")}:
        files = [p for p in folder.iterdir() if p.suffix == ".cc"]
        if len(files) > MAX_FILES_IN_FOLDER:
            remarks.append(f"{folder.relative_to(ROOT)}: {len(files)} sources (aim {MAX_FILES_IN_FOLDER})")


def check_registered(findings):
    lists = "\n".join(p.read_text() for p in (ROOT / "tests").rglob("CMakeLists.txt"))
    for path in sorted((ROOT / "tests").rglob("*_test.*")):
        if path.suffix in (".cc", ".py", ".sh") and "support" not in path.parts and path.stem not in lists:
            findings.append(f"{path.relative_to(ROOT)}: not registered in a CMakeLists.txt")
    for folder in ("shared", "fuse", "backend-server"):
        for path in sources(folder):
            if path.suffix == ".cc":
                room = ROOT / room_of(path)
                lists = "\n".join(p.read_text() for p in room.rglob("CMakeLists.txt"))
                if path.name not in lists:
                    findings.append(f"{path.relative_to(ROOT)}: not in its room's CMakeLists.txt")


def check_rooms(findings):
    for room in ALLOWED:
        folder = ROOT / room
        if folder.is_dir() and any(folder.glob("*.h")):
            readme = folder / "README.md"
            if not readme.exists():
                findings.append(f"{room}: no README.md")
            elif len(readme.read_text().splitlines()) > 60:
                findings.append(f"{room}/README.md: over 60 lines")


def check_words(findings):
    unfinished = re.compile(r"\b(TODO|FIXME|XXX)\b")
    for path in sources("shared", "fuse", "backend-server", "tests"):
        for number, line in enumerate(path.read_text().splitlines(), 1):
            if unfinished.search(line):
                findings.append(f"{path.relative_to(ROOT)}:{number}: says that something is not done")
            if re.search(r"\bco_(await|return|yield)\b", line):
                findings.append(f"{path.relative_to(ROOT)}:{number}: coroutine (g++ 12.2 miscompiles them)")


def main():
    findings, remarks = [], []
    check_imports(findings)
    check_sizes(findings, remarks)
    check_registered(findings)
    check_rooms(findings)
    check_words(findings)
    for remark in remarks:
        print("remark:", remark)
    for finding in findings:
        print(finding)
    print(f"house lint: {len(findings)} findings, {len(remarks)} remarks")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())

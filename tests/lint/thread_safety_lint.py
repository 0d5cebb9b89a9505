#!/usr/bin/env python3
"""clang's thread-safety analysis of every source that meets a lock. Needs clang 19; without it there is nothing to say.

Prints what the analysis finds and exits 1 if there is anything. GCC, which makes the programs, ignores the annotations.
"""

import concurrent.futures
import json
import pathlib
import re
import shlex
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).parents[2]
BUILD = ROOT / "build" / "lint"
COMPILER = "clang++-19"
LOCKS = re.compile(r"\b(GUARDED_BY|REQUIRES|ACQUIRE|RELEASE|MutexLock|MutexUnlock)\b")


def configure():
    """compile_commands.json as clang wants it, and the precompiled headers that its commands use."""
    BUILD.mkdir(parents=True, exist_ok=True)
    for command in (["cmake", "-S", ROOT, "-B", BUILD, "-G", "Ninja", "-DCMAKE_BUILD_TYPE=Debug", "-DSKYMOOR_TESTS=OFF",
                     "-DCMAKE_C_COMPILER=clang-19", f"-DCMAKE_CXX_COMPILER={COMPILER}"],
                    ["ninja", "-C", BUILD, "skymoor_pch"]):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            sys.exit(f"thread-safety lint: {' '.join(map(str, command))}\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return json.loads((BUILD / "compile_commands.json").read_text())


def meets_locks(source):
    """It, or a header of ours that it includes, speaks of locks."""
    text = source.read_text()
    included = [ROOT / name for name in re.findall(r'^#include "([^"]+)"', text, re.MULTILINE)]
    return any(LOCKS.search(path.read_text()) for path in [source, *included] if path.exists())


def analyse(entry):
    """What clang says of one source."""
    words = shlex.split(entry["command"])
    words = words[words.index(next(word for word in words if word.endswith(COMPILER))):]   # without a compiler cache
    output = words.index("-o")
    del words[output:output + 2]
    return subprocess.run(words + ["-fsyntax-only", "-Wno-everything", "-Wthread-safety"], cwd=entry["directory"],
                          capture_output=True, text=True, check=False).stderr.strip()


def main():
    if not shutil.which(COMPILER):
        print(f"thread-safety lint: no {COMPILER}, nothing checked")
        return 0
    entries = [entry for entry in configure() if meets_locks(pathlib.Path(entry["file"]))]
    with concurrent.futures.ThreadPoolExecutor() as pool:
        findings = [said for said in pool.map(analyse, entries) if said]
    for said in findings:
        print(said)
    print(f"thread-safety lint: {len(entries)} sources, {len(findings)} with findings")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())

"""What the programs' --help says, taken apart."""

import re

from harness import run

IN_EVERY_COMMAND = {"--help", "--json", "--state-dir", "--data", "--config"}


def commands(program, *words):
    """{"volume create": its --help} of all that can be run."""
    text = run(program, *words, "--help").stdout
    listed = re.search(r"^Subcommands:\n((?:  .*\n)+)", text, re.MULTILINE)
    found = {}
    for name in re.findall(r"^  ([a-z-]+)", listed.group(1), re.MULTILINE) if listed else []:
        found.update(commands(program, *words, name))
    if not listed or "[SUBCOMMAND]" in text:
        found[" ".join(words)] = text
    return found


def options(text):
    """The long options that a --help lists (none of those that its examples name)."""
    listed = re.search(r"^Options:\n((?:  .*\n)+)", text, re.MULTILINE)
    heads = re.findall(r"^  (-\S+)", listed.group(1), re.MULTILINE)
    return {name for head in heads for name in head.split(",") if name.startswith("--")} - IN_EVERY_COMMAND

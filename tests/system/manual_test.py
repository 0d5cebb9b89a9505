"""The manual pages say what --help says: every command, every option, and no others."""

import pathlib
import re
import shutil

import pytest

from harness import SKYMOOR, SKYMOORD, run
from help_texts import IN_EVERY_COMMAND, commands, options

PAGES = pathlib.Path(__file__).parents[2] / "packaging" / "man"


def plain(text):
    """Roff without its fonts and escapes."""
    text = re.sub(r"\\f[BIRP]", "", text)
    return text.replace("\\-", "-").replace("\\e", "\\")


def sections(page):
    """{"SH NAME" or a command: its text}, commands being the subheadings."""
    found, title = {}, None
    for line in plain((PAGES / page).read_text(encoding="utf-8")).splitlines():
        if line.startswith((".SH ", ".SS ")):
            title = line[1:] if line.startswith(".SH") else " ".join(re.findall(r"^\.SS ([a-z -]+)", line)[0].split())
            found[title] = ""
        elif title:
            found[title] += line + "\n"
    return found


def named(text):
    """The long options that a page's section defines or mentions."""
    return set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", text)) - IN_EVERY_COMMAND


def test_the_client_page_names_every_command_and_option():
    page = sections("skymoor.1")
    helps = commands(SKYMOOR)
    assert set(helps) == {title for title in page if not title.startswith("SH ")}
    for command, text in helps.items():
        assert named(page[command]) == options(text), command
    listed = re.search(r"^Mount options \(-o\):\n((?:  .*\n)+)", helps["mount"], re.MULTILINE).group(1)
    for name in re.findall(r"^  ([a-z_-]+=?)", listed, re.MULTILINE):
        assert re.search(rf"(?<![\w-]){name}", page["SH MOUNT OPTIONS"]), name
    for number, meaning in re.findall(r"(\d) ([a-z ]+)", run(SKYMOOR, "--help").stdout.split("Exit codes:")[1]):
        assert f"{number}|{meaning.strip()}" in page["SH EXIT STATUS"], number


def test_the_server_page_names_every_command_and_setting():
    page = sections("skymoord.8")
    helps = commands(SKYMOORD)
    assert set(helps) == {title for title in page if not title.startswith("SH ")}
    for command, text in helps.items():
        settings = page["SH SETTINGS"] if command == "serve" else ""
        assert named(page[command] + settings) - ({"--fingerprint"} if command == "fingerprint" else set()) == options(text), command


@pytest.mark.skipif(not shutil.which("groff"), reason="groff shows pages")
@pytest.mark.parametrize("page", sorted(path.name for path in PAGES.iterdir()))
def test_a_page_is_sound(page):
    shown = run("groff", "-t", "-man", "-Tutf8", "-ww", PAGES / page)
    assert not shown.stderr
    assert "NAME" in re.sub(".\b", "", shown.stdout)

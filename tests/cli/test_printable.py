"""What users' files are called cannot act on the terminal."""

import subprocess
import sys

import pytest

from tidemill.core.text import on_one_line, printable


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain, ünï, 東京 👩‍🚀", "plain, ünï, 東京 👩‍🚀"),
        ("a\x1b[2Jb", "a\\x1b[2Jb"),
        ("a\rb\x07", "a\\rb\\x07"),
        ("two\r\nlines\tof", "two\nlines\tof"),
        ("\u202egnp.exe", "\\u202egnp.exe"),
        ("\udcff", "\\udcff"),
    ],
)
def test_what_a_terminal_would_obey_is_shown(text: str, shown: str) -> None:
    assert printable(text) == shown
    assert "\n" not in on_one_line(text)


def test_names_of_files_with_escape_codes_and_lines_are_shown_not_obeyed(project, record) -> None:
    folder = project / "pictures"
    folder.mkdir()
    names = ["a\x1b[31mred.txt", "b\nc.txt", "d.t\x07t"]
    for name in names:
        (folder / name).write_text(name)

    def said(*words: str) -> str:
        command = [sys.executable, "-m", "tidemill", *words]
        done = subprocess.run(command, cwd=project, capture_output=True, check=False, timeout=60)
        return (done.stdout + done.stderr).decode()

    texts = [said("data", "add", "hf", "pictures"), said("show", "data:hf"), said("list", "data")]
    (folder / "e\x1b]0;x\x07.txt").write_text("e")
    texts += [said("data", "add", "hf", "pictures"), said("diff", "data:hf@1", "data:hf@2")]
    texts += [said("show", "data:\x1b[31mred")]
    assert not [text for text in texts if "\x1b" in text or "\x07" in text]
    assert "a\\x1b[31mred.txt" in texts[1]
    assert "b\\nc.txt" in texts[1]
    assert "e\\x1b]0;x\\x07.txt" in texts[4]

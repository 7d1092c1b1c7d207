"""The templates of a new project: eight files each, of which one is data or makes them."""

from __future__ import annotations

from importlib.resources import files
from typing import TYPE_CHECKING, Literal

import msgspec

from tidemill.practices.infrastructure.template_data import flats, machines, messages, sales

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

TemplateName = Literal["tabular", "timeseries", "images", "text", "minimal"]

SHARED = {
    ".gitignore": "gitignore.txt",
    ".github/workflows/check.yml": "check.yml.txt",
    "requirements.txt": "requirements.txt",
}
"""Files that every project has, by their template; `.txt`, so that no tool takes them for ours."""
OWN = ("README.md", "pipeline.py", "test_pipeline.py", "tidemill.toml")
_WORKFLOW_LINE = "      - run: COMMAND\n"


class Template(msgspec.Struct, frozen=True, kw_only=True):
    """A project to begin with: what it needs besides tidemill, and the commands to a model."""

    extra: str
    steps: tuple[str, ...]
    data: str
    """The file with its data, or the program that draws them."""

    @property
    def requirement(self) -> str:
        """What pip installs for it."""
        return f"tidemill[{self.extra}]" if self.extra else "tidemill"


TEMPLATES: Mapping[TemplateName, Template] = {
    "tabular": Template(
        extra="sklearn", data="data/flats.csv",
        steps=("tidemill data add flats data/flats.csv", "tidemill run price"),
    ),
    "timeseries": Template(
        extra="sklearn", data="data/sales.csv",
        steps=("tidemill data add sales data/sales.csv --at 2025-07-01", "tidemill run demand"),
    ),
    "images": Template(
        extra="torch", data="draw.py",
        steps=("python draw.py", "tidemill data add shapes shapes", "tidemill run shape"),
    ),
    "text": Template(
        extra="sklearn", data="data/messages.csv",
        steps=("tidemill data add messages data/messages.csv", "tidemill run desk"),
    ),
    "minimal": Template(
        extra="", data="data/machines.csv",
        steps=("tidemill data add machines data/machines.csv", "tidemill run failure"),
    ),
}  # fmt: skip
_MADE: Mapping[str, Callable[[], Iterator[str]]] = {
    "data/flats.csv": flats,
    "data/sales.csv": sales,
    "data/messages.csv": messages,
    "data/machines.csv": machines,
}


def template_files(template: TemplateName, name: str) -> Iterator[tuple[str, str]]:
    """Yield path and text of each file of a new project called `name`."""
    chosen = TEMPLATES[template]
    for path in OWN:
        yield path, _text(f"{template}/{path}.txt").replace("PROJECT", name)
    for path, file in SHARED.items():
        yield path, _filled(_text(f"shared/{file}"), chosen)
    made = _MADE.get(chosen.data)
    yield chosen.data, "".join(made()) if made else _text(f"{template}/{chosen.data}.txt")


def _filled(text: str, template: Template) -> str:
    commands = (_WORKFLOW_LINE.replace("COMMAND", command) for command in template.steps)
    return text.replace("REQUIREMENT", template.requirement).replace(
        _WORKFLOW_LINE, "".join(commands)
    )


def _text(path: str) -> str:
    folder = files("tidemill.practices.infrastructure") / "template"
    return (folder / path).read_text(encoding="utf-8")

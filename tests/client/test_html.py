"""What notebooks show: the same as the text, escaped, and whole in itself."""

import html
import re
from html.parser import HTMLParser

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidemill.client.drawable import drawable
from tidemill.client.html import html_of
from tidemill.client.html_drawings import curves, lineage
from tidemill.client.html_parts import card, table
from tidemill.client.live_run import LiveRun
from tidemill.core.query import Figure
from tidemill.lineage.comparison import difference
from tidemill.lineage.explain import WhyNode, explained
from tidemill.lineage.history import history
from tidemill.lineage.impact import impact_of
from tidemill.lineage.search import listed_refs, listed_runs
from tidemill.lineage.show import shown
from tidemill.practices.validation.operations import add_data

HOSTILE = "<script>alert(1)</script>\"'&<img src=http://evil.example/x>"


class Tags(HTMLParser):
    """Collects the tags and attributes of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.links: list[str] = []
        self.depth = 0

    def handle_starttag(self, tag, attrs):
        self.found.append(tag)
        self.links += [value or "" for name, value in attrs if name in {"src", "href"}]
        self.links += [name for name, _ in attrs if name.startswith("on")]
        self.depth += tag != "br" and not self.get_starttag_text().endswith("/>")

    def handle_endtag(self, tag):
        self.depth -= 1

    def handle_startendtag(self, tag, attrs):
        self.found.append(tag)


def tags(page: str) -> Tags:
    parser = Tags()
    parser.feed(page)
    parser.close()
    return parser


def assert_safe(page: str) -> None:
    found = tags(page)
    assert found.depth == 0
    assert found.links == []
    assert not {"script", "img", "link", "iframe", "style", "object"} & set(found.found)
    assert "url(" not in page


@pytest.fixture
def answers(record):
    """One answer of each kind, with hostile words wherever people may write them."""
    add_data(record, "houses", pl.DataFrame({"a": [1, 2]}), because=HOSTILE)
    add_data(record, "houses", pl.DataFrame({"a": [1, 3]}))
    with LiveRun(record, "try", because=HOSTILE, parameters={HOSTILE: HOSTILE}) as run:
        run.use("data:houses")
        run.figure(HOSTILE, 1.0)
        run.figure(HOSTILE, 2.0, step=1)
        run.note(HOSTILE)
        run.tag(stage=HOSTILE)
    pointer = f"run:{run.id}"
    return [
        shown(record, pointer), shown(record, "data:houses"), explained(record, pointer, 5),
        difference(record, "data:houses@1", "data:houses@2"), history(record, pointer, 50),
        impact_of(record, "data:houses@2", 5), listed_refs(record, "data", record.project, 10),
        listed_runs(record, record.project, 10), listed_refs(record, "model", record.project, 5),
    ], run  # fmt: skip


def test_every_answer_is_static_and_takes_nothing_of_the_users_for_markup(answers):
    values, run = answers
    for value in values:
        assert_safe(html_of(value))
    assert_safe(run._repr_html_())
    assert html.escape("<script>") in run._repr_html_()


def test_the_page_says_what_the_text_says(answers):
    values, _ = answers
    for value in values[:2]:
        page = html.unescape(re.sub(r"<[^>]*>", " ", html_of(value)))
        for row in value.rows:
            assert row.text.replace("\n", " ")[:40] in page.replace("\n", " ")


@given(st.text(), st.text())
def test_no_text_breaks_out(title, cell):
    assert_safe(card(title, table((cell,), [(cell, title)])))


@given(st.lists(st.floats(width=32), min_size=1, max_size=50), st.text(max_size=30))
def test_any_figures_can_be_drawn(values, name):
    page = curves({name: list(enumerate(values))})
    assert_safe(page)
    assert "nan" not in re.sub(r">[^<]*<", "><", page)


def test_a_deep_and_wide_lineage_is_cut_and_drawn():
    node = WhyNode(id="b3:0", kind="value", title="end")
    for depth in range(300):
        title = f"n{depth} {HOSTILE}"
        node = WhyNode(id=f"b3:{depth}", kind="value", title=title, below=(node,) * 2)
    page = lineage(node)
    assert_safe(page)
    assert page.count("<rect") == 60


def test_an_answer_of_any_class_learns_to_be_drawn_once():
    figure = Figure(run="0" * 32, key="<b>", value=1.0, step=0, at=None)
    assert drawable(figure) is figure
    assert_safe(figure._repr_html_())

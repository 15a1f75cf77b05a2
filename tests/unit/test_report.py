"""The page stands alone, escapes what users name their columns, and holds the numbers."""

from __future__ import annotations

import base64
import dataclasses
import re
from html.parser import HTMLParser

import pytest

from ews import report
from ews.results import Detections

EVIL = "<script>alert('x')</script> & \"quoted\""


class Checker(HTMLParser):
    """Collects text, tags and the addresses that a browser would fetch; notices tags that do not close."""

    VOID = frozenset({"meta", "img", "br", "link", "hr"})

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.tags: list[str] = []
        self.addresses: list[str] = []
        self.text: list[str] = []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        if tag not in self.VOID:
            self.open.append(tag)
        self.addresses += [value or "" for name, value in attrs if name in ("src", "href", "data", "action")]

    def handle_endtag(self, tag):
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


def read(html: str) -> Checker:
    checker = Checker()
    checker.feed(html)
    checker.close()
    assert checker.open == []
    return checker


@pytest.fixture(params=["one", "several", "without surrogates"])
def result(request, make_detection):
    if request.param == "several":
        few = {"indicators": ("ac1",)}
        return Detections({"a": make_detection(**few), "b": make_detection(verdict="no warning", **few)})
    if request.param == "without surrogates":
        return make_detection(n_surrogates=0, verdict="inconclusive", indicators=("ac1",))
    return make_detection()


def test_page_needs_nothing_from_outside(result):
    html = report.page(result)
    checker = read(html)
    assert checker.addresses
    assert all(address.startswith("data:image/") for address in checker.addresses)
    assert not re.search(r"@import|url\(", html)
    assert "script" not in checker.tags
    assert "link" not in checker.tags


def test_page_has_verdict_table_methods_configuration_and_references(make_detection):
    text = " ".join("".join(read(report.page(make_detection())).text).split())
    for said in ("▲ Warning", "Lag-1 autocorrelation rises (τ = +0.84).", "Methods", "Configuration", "References"):
        assert said in text
    for number in ("+0.37", "+0.84", "−0.53", "+0.55 to +0.93", "< 0.001", "0.41", "1729", "200 surrogates", "34 %"):
        assert number in text
    assert "not every slowing down ends in a shift" in text


def test_page_lists_every_choice(make_detection):
    detection = make_detection(indicators=("ac1",))
    text = "".join(read(report.page(detection)).text)
    for field in dataclasses.fields(detection.config):
        assert field.name in text


def test_names_and_notes_are_escaped(make_detection):
    detection = make_detection(name=EVIL, indicators=("ac1",))
    noted = dataclasses.replace(detection.series, notes=(EVIL,))
    detection = dataclasses.replace(detection, series=noted, reasons=(EVIL,))
    for html in (report.page(detection), report.page(Detections({EVIL: detection})), report.fragment(detection)):
        checker = read(html)
        assert "script" not in checker.tags
        assert EVIL in "".join(checker.text)


def test_verdict_does_not_hang_on_colour_alone(make_detection):
    symbols = {
        verdict: re.search(
            r'class="card [a-z]+"><p>(.)', report.page(make_detection(verdict=verdict, indicators=("ac1",)))
        ).group(1)
        for verdict in ("warning", "no warning", "inconclusive")
    }
    assert len(set(symbols.values())) == 3


def test_figure_is_an_svg_with_words_for_who_cannot_see_it(make_detection):
    html = report.page(make_detection())
    kind, content = re.search(r"data:image/([a-z+]+);base64,([^\"]+)", html).groups()
    assert kind == "svg+xml"
    assert b"<svg" in base64.b64decode(content)
    assert "lake: warning. Trends of the indicators: Variance +0.37" in re.search(r'alt="([^"]*)"', html).group(1)


def test_long_series_is_drawn_as_a_bitmap(make_detection):
    html = report.page(make_detection(n=report.SVG_POINTS // 4 + 1, indicators=("ac1",)))
    assert "data:image/png;base64," in html
    assert "svg+xml" not in html


def test_same_result_gives_the_same_page(make_detection):
    detection = make_detection(indicators=("ac1",))
    assert report.page(detection) == report.page(detection)


def test_page_follows_dark_mode_and_prints(make_detection):
    html = report.page(make_detection(indicators=("ac1",)))
    assert "prefers-color-scheme: dark" in html
    assert "@media print" in html


def test_page_of_several_has_a_section_each_and_the_warnings_of_chance(make_detection):
    few = {"indicators": ("ac1",)}
    html = report.page(Detections({"a": make_detection(**few), "b": make_detection(verdict="no warning", **few)}))
    assert html.count('<section class="one">') == 2
    assert "<td>no warning</td><td>34 %</td>" in html
    assert "at most about 0.1 warnings would be expected by chance" in html


def test_fragment_is_compact(result):
    html = result._repr_html_()
    checker = read(html)
    assert not {"html", "body", "style", "script"} & set(checker.tags)
    assert "table" in checker.tags
    assert all(address.startswith("data:image/png") for address in checker.addresses)
    assert len(html) < 400_000


def test_no_series_gives_a_page_that_says_so():
    assert "No series." in report.page(Detections({}))
    assert "img" not in read(report.fragment(Detections({}))).tags


def test_page_does_not_say_that_surrogates_of_differences_are_detrended_again(make_detection):
    detection = make_detection(indicators=("ac1",))
    detection = dataclasses.replace(detection, config=dataclasses.replace(detection.config, detrend="difference"))
    html = report.page(detection)
    assert "each windowed as the differences were" in html
    assert "detrended and windowed again" not in html

"""What our mails ask of mail programs, against what caniemail.com found that these can do."""

import json
import re
from functools import cache
from html import escape
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element

import html5lib
import pytest

from tests.making.samples import kinds
from tests.making.tools import CANIEMAIL

DOCUMENT = Path(__file__).parents[2] / "docs" / "clients.md"

CLIENTS = {
    "Gmail": ["gmail.desktop-webmail", "gmail.ios", "gmail.android"],
    "Outlook on Windows": ["outlook.windows"],
    "new Outlook": ["outlook.outlook-com"],
    "Outlook on phones": ["outlook.ios", "outlook.android"],
    "Apple Mail": ["apple-mail.macos", "apple-mail.ios"],
    "Yahoo": ["yahoo.desktop-webmail", "yahoo.ios", "yahoo.android"],
    "Thunderbird": ["thunderbird.macos", "thunderbird.windows"],
}

# What we use although some of them cannot, and what their readers see instead.
DEGRADES = {
    "css-at-media": "The wide margins of a desktop on a phone; the single column needs no query.",
    "css-at-media-prefers-color-scheme": "Light colours, or the program's own inversion of them.",
    "css-border": "Perhaps no rule above a keyword; the heading's size and space still set it off.",
    "css-color-scheme": "Light colours, or the program's own inversion of them.",
    "css-display": "Nothing is lost: links stand as they do on a desktop.",
    "css-font-size": "Nothing is lost: all sizes are in px.",
    "css-font-weight": "Nothing is lost: the only weight is bold.",
    "css-important": "Nothing is lost: it stands in the head only, in lower case, after a space.",
    "css-line-height": "Lines a little closer together.",
    "css-margin": "Nothing is lost: none is negative, and a table of its own centres the column.",
    "css-max-height": "Nothing is lost: Outlook hides the first line by a property of its own.",
    "css-max-width": "Nothing is lost: a table of its own keeps the column at 640 px.",
    "css-overflow": "Nothing is lost: it only hides the first line, as `max-height` does.",
    "css-overflow-wrap": "Only a word longer than a line sticks out; `word-break` catches most.",
    "css-padding": "Nothing is lost: that table's own padding takes its place.",
    "css-pseudo-class-hover": "Titles are not underlined under the pointer; colour tells a link.",
    "css-selector-attribute": "Nothing is lost: `[data-ogsc]` is for Outlook's own dark mode.",
    "css-selector-class": "As without a style sheet: the light colours, written into the elements.",
    "css-selector-grouping": "Nothing is lost: it stands in the head only, for the dark colours.",
    "css-selector-descendant": "Nothing is lost: `[data-ogsc] .name` is for Outlook's dark mode.",
    "css-text-decoration": "Nothing is lost: the only values are `none` and `underline`.",
    "css-word-break": "Only a word longer than a line sticks out.",
    "html-anchor-links": "The list of keywords of a long mail does not jump; titles lead to arXiv.",
    "html-aria-hidden": "A screen reader also reads the first line, which has the next titles.",
    "html-aria-label": 'A screen reader says "PDF" without the title; the title stands above.',
    "html-body": "Nothing is lost: the `div` inside it has the same colours.",
    "html-dir": "Links take the direction of the paragraph around them.",
    "html-doctype": "Nothing is lost: the layout needs no standards mode.",
    "html-lang": "Nothing is lost: it stands on the `div` around everything.",
    "html-lists": "Nothing is lost: the only list is a plain `ul`.",
    "html-meta-color-scheme": "Light colours, or the program's own inversion of them.",
    "html-role": "A screen reader does not announce an article; headings are what it goes by.",
    "html-style": "No dark colours and no wider margins; all else is written into the elements.",
}

# How caniemail names what elements and attributes are called in HTML.
NAMES = {
    **dict.fromkeys(["html-h1", "html-h2", "html-h3"], "html-h1-h6"),
    **dict.fromkeys(["html-ul", "html-li"], "html-lists"),
    "html-b": "html-strong",
}
SELECTORS = {"class": " .", "attribute": "[", "grouping": ", .", "descendant": "] ."}

pytestmark = pytest.mark.caniemail


@pytest.mark.slow
def test_what_a_mail_program_cannot_do_degrades_in_a_way_that_we_know() -> None:
    assert sorted(DEGRADES) == sorted(shortcomings())


def test_the_list_of_losses_in_the_docs_is_the_one_that_is_tested(
    request: pytest.FixtureRequest,
) -> None:
    if request.config.getoption("--rewrite-golden"):
        DOCUMENT.write_text(document(), "utf-8")
    assert document() == DOCUMENT.read_text("utf-8")


def test_the_values_that_some_mail_program_does_not_know_are_not_used() -> None:
    used = set().union(*(declarations(kind.html()) for kind in kinds().values()))
    values = {name: {value for each, value in used if each == name} for name, _ in used}
    assert values["display"] == {"block", "inline-block"}
    assert values["font-weight"] == {"bold"}
    assert values["text-decoration"] == {"none", "underline"}
    assert not [value for value in values["margin"] if "-" in value]
    assert all(re.fullmatch(r"[\d.]+px", value) for value in values["font-size"])


@cache
def shortcomings() -> dict[str, dict[str, list[str]]]:
    """Return what our mails use and some client lacks (`n`) or has in part (`a`, for almost)."""
    used = set().union(*(features(kind.html()) for kind in kinds().values()))
    found = {name: {"n": lacking(name, "n"), "a": lacking(name, "a")} for name in used}
    return {name: clients for name, clients in sorted(found.items()) if any(clients.values())}


def lacking(feature: str, verdict: str) -> list[str]:
    """Return the clients of which an up-to-date version has this verdict on a feature."""
    return [
        client
        for client, versions in CLIENTS.items()
        if verdict in {_latest(feature, *version.split(".")) for version in versions}
    ]


def features(page: str) -> set[str]:
    """Return what a page uses, as caniemail calls it; what it has never tested is left out."""
    used = {"html-doctype"}
    for element in _elements(page):
        used |= {f"html-{element.tag}", *(f"html-{name}" for name in element.attrib)}
        if element.get("href", "").startswith("#"):
            used.add("html-anchor-links")
        if element.tag == "meta":
            used.add(f"html-meta-{element.get('name')}")
    styles = _styles(page)
    used |= {f"css-{name}" for name, _ in declarations(page)}
    used |= {f"css-unit-{unit}" for unit in re.findall(r"\d(px|em|rem|%|vw)", styles)}
    used |= {f"css-at-{name}" for name in re.findall(r"@([a-z-]+)", styles)}
    used |= {f"css-at-media-{name}" for name in re.findall(r"\(([a-z-]+):", styles)}
    used |= {f"css-pseudo-class-{name}" for name in re.findall(r":([a-z-]+)(?=[^;}]*{)", styles)}
    used |= {f"css-selector-{kind}" for kind, sign in SELECTORS.items() if sign in styles}
    used |= {"css-important"} if "!important" in styles else set()
    return {name for name in map(_known, used) if name}


def declarations(page: str) -> set[tuple[str, str]]:
    """Return the properties a page sets and the values it gives them."""
    found = re.findall(r"[{;]\s*([a-z-]+)\s*:\s*([^;{}]+)", _styles(page))
    return {(name, value.replace("!important", "").strip()) for name, value in found}


def document() -> str:
    """Return docs/clients.md."""
    measured = _caniemail()["last_update_date"][:10]
    lines = [
        "# Mail programs",
        "",
        "What our mails use and some mail program lacks, and what its readers see instead.",
        "",
        "`tests/mails/test_clients.py` finds this out from the mails and from the data of",
        f"caniemail.com (of {measured}), and fails when it is no longer true;",
        "`pytest tests/mails/test_clients.py --rewrite-golden` writes it anew.",
        "",
        "| feature | without it | partly | what is seen there |",
        "| --- | --- | --- | --- |",
    ]
    for name, clients in shortcomings().items():
        feature = f"[{escape(_feature(name)['title'], quote=False)}]({_feature(name)['url']})"
        without, partly = ", ".join(clients["n"]), ", ".join(clients["a"])
        lines.append(f"| {feature} | {without} | {partly} | {DEGRADES.get(name, '')} |")
    return "\n".join([*lines, ""])


def _elements(page: str) -> list[Element]:
    tree = html5lib.parse(page, namespaceHTMLElements=False)
    return [element for element in tree.iter() if isinstance(element.tag, str)]


@cache
def _styles(page: str) -> str:
    """Return the style sheets of a page, the styles of its elements among them."""
    elements = _elements(page)
    sheets = [element.text or "" for element in elements if element.tag == "style"]
    inline = {element.get("style", "") for element in elements}
    return "\n".join([*sheets, *(f"x {{{style}}}" for style in inline)])


def _known(name: str) -> str | None:
    """Return the name under which caniemail has a feature: `border` for `border-top-color`."""
    name = NAMES.get(name, name)
    while name.count("-") > 1 and name not in _by_name():
        name = name.rpartition("-")[0]
    return name if name in _by_name() else None


def _latest(feature: str, family: str, platform: str) -> str:
    versions = _feature(feature)["stats"].get(family, {}).get(platform, {"": "u"})
    return str(list(versions.values())[-1])[:1]


def _feature(name: str) -> dict[str, Any]:
    return _by_name()[name]


@cache
def _by_name() -> dict[str, dict[str, Any]]:
    return {feature["slug"]: feature for feature in _caniemail()["data"]}


@cache
def _caniemail() -> dict[str, Any]:
    data: dict[str, Any] = json.loads(CANIEMAIL.read_text("utf-8"))
    return data

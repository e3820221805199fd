"""What was announced, as scripts read it."""

import json

import pytest

from tests.making.commands import DAY_ONE, DAY_TWO, Command


@pytest.mark.slow
@pytest.mark.usefixtures("sample")
def test_papers_are_an_object_a_line_from_a_day_on(newsletter: Command) -> None:
    assert newsletter("papers", "--json").out == ""
    newsletter("run", "--now", DAY_ONE)
    first = [json.loads(line) for line in newsletter("papers", "--json").out.splitlines()]
    assert first
    assert {each["form"] for each in first} == {1}
    assert {each["kind"] for each in first} == {"new"}
    assert first[0]["id"].startswith("arxiv:")
    assert first[0]["links"]
    only = newsletter("papers", "--keyword", "protein folding", "--json").out.splitlines()
    assert {json.loads(line)["keyword"] for line in only} == {"protein folding"}
    day = first[0]["date"]
    assert newsletter("papers", "--since", day).out.splitlines()[0].startswith(day)
    assert newsletter("papers", "--since", "2099-01-01").out == ""
    newsletter("run", "--now", DAY_TWO)
    assert newsletter("papers", "--json").out.count("\n") >= len(first)


@pytest.mark.usefixtures("sample")
def test_an_unknown_keyword_and_a_bad_date_are_said(newsletter: Command) -> None:
    ended = newsletter("papers", "--keyword", "protein foldin")
    assert (ended.code, "protein folding" in ended.err) == (2, True)
    assert newsletter("papers", "--since", "soon").code == 2

"""A look at keywords: what a phrase would bring, and what the configured ones brought."""

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace

from newsletter.config.loading import Config, load
from newsletter.errors import ConfigError, SourceError
from newsletter.keywords.matching import is_initials_only, namesakes
from newsletter.models import Keyword
from newsletter.operating.check import findings
from newsletter.operating.looks import configured, lines, read_as, tried
from newsletter.operating.status import pace_remarks
from newsletter.state.state import State
from tests.making.commands import Command
from tests.making.newsroom import Newsroom
from tests.making.papers import DAY, NOW, paper
from tests.peers.replica import Clock, Replica, faults, record_of

GRAPHS = [
    paper(f"2611.{number:05}", submitted=NOW - (1 + number % 20) * DAY) for number in range(40)
]
SURVEY = paper("2611.00900", title="A survey of graph neural networks", submitted=NOW - DAY)


@pytest.fixture
def replica() -> Iterator[Replica]:
    records = [record_of(each, announced=each.submitted) for each in (*GRAPHS, SURVEY)]
    with Replica(records, clock=Clock(NOW), index_delay=timedelta()) as replica:
        yield replica


def configuration(folder: Path, replica: Replica, keywords: str) -> Config:
    (folder / "newsletter.toml").write_text(
        f"""
[newsletter]
id = "daily"
title = "Daily"
sender = "papers@example.org"
[source]
url = "{replica.url}"
interval_seconds = 0
{keywords}
"""
    )
    return load(folder / "newsletter.toml", environ={})


def remembered(folder: Path, *keywords: Keyword) -> None:
    """Let a newsroom run, so that the state knows the papers."""
    room = Newsroom(folder, keywords=keywords)
    room.told.papers = {each.name: (*GRAPHS, SURVEY) for each in keywords}
    room.run()


@pytest.mark.slow
def test_a_phrase_is_looked_up_at_arxiv_by_one_request(tmp_path: Path, replica: Replica) -> None:
    config = configuration(tmp_path, replica, '[[keywords]]\nname = "neural"')
    keyword = Keyword(name="graph neural network", exclude=("survey", "moon"))
    found = tried(config, keyword, days=30, now=NOW)
    assert len(replica.requests) == 1
    assert (found["source"], found["papers"], found["a_day"]) == ("arXiv", 40, 1.3)
    assert found["excluded"] == {
        "survey": {"papers": 1, "titles": [SURVEY.title]},
        "moon": {"papers": 0, "titles": []},
    }
    assert found["overlap"] == {"neural": 40}
    assert len(found["newest"]) == 10
    assert found["newest"][0]["id"].startswith("arxiv:2611.")
    assert found["newest"][0]["matched"] == ["graph neural networks"]
    assert set(found) == {
        *("phrase", "source", "days", "papers", "a_day"),
        *("newest", "excluded", "overlap", "judgement"),
    }
    assert lines(found)[0] == "graph neural network: 40 papers in 30 days, from arXiv; 1.3 a day"


@pytest.mark.slow
def test_a_phrase_that_the_state_covers_is_looked_up_there(
    tmp_path: Path, replica: Replica
) -> None:
    remembered(tmp_path, Keyword(name="neural networks"))
    config = configuration(tmp_path, replica, '[[keywords]]\nname = "neural networks"')
    for phrase in ("neural network", "graph neural network"):
        found = tried(config, Keyword(name=phrase), days=30, now=NOW)
        assert (found["source"], found["papers"]) == ("state", 41)
    assert replica.requests == []
    for wider in (Keyword(name="neural"), Keyword(name="graph")):
        assert tried(config, wider, days=30, now=NOW)["source"] == "arXiv"
    narrow = Keyword(name="neural network", categories=("cs.CV",))
    assert tried(config, narrow, days=30, now=NOW)["papers"] == 0


@pytest.mark.slow
@pytest.mark.parametrize(
    ("keyword", "judgement"),
    [
        (Keyword(name="moonlight"), "nothing"),
        (
            Keyword(name="graph neural networks", exclude=("quiet", "survey")),
            "leave out everything",
        ),
        (Keyword(name="graph"), "a number that can be read"),
        (Keyword(name="on graphs"), "'on graphs' must stand in what it returns"),
        (Keyword(name="graph ∞"), "no words for ∞"),
    ],
)
def test_the_judgement_is_one_line(
    tmp_path: Path, replica: Replica, keyword: Keyword, judgement: str
) -> None:
    config = configuration(tmp_path, replica, '[[keywords]]\nname = "x"')
    said = tried(config, keyword, days=30, now=NOW)["judgement"]
    assert judgement in said
    assert "\n" not in said


@pytest.mark.slow
def test_more_than_forty_a_day_is_more_than_anybody_reads(tmp_path: Path, replica: Replica) -> None:
    config = configuration(tmp_path, replica, '[[keywords]]\nname = "x"')
    replica.records = [
        record_of(paper(f"2611.{n:05}", submitted=NOW - n * DAY / 60), announced=NOW - n * DAY / 60)
        for n in range(1, 1501)
    ]
    found = tried(config, Keyword(name="graph"), days=30, now=NOW)
    assert "more than 40 a day" in found["judgement"]
    assert (found["papers"], found["a_day"]) == (1000, 60)  # of a page that reaches 16.7 days back
    assert len(replica.requests) == 1


def test_an_outage_is_no_empty_answer(tmp_path: Path, replica: Replica) -> None:
    config = configuration(tmp_path, replica, '[[keywords]]\nname = "x"')
    replica.faults = (faults.UNAVAILABLE,)
    with pytest.raises(SourceError):
        tried(config, Keyword(name="graph"), days=30, now=NOW)
    assert len(replica.requests) == 1


@pytest.mark.slow
@pytest.mark.usefixtures("sample")
def test_a_phrase_can_be_tried_on_the_sample(newsletter: Command) -> None:
    ended = newsletter(
        "keywords", "try", "protein", "--exclude", "survey", "--days", "365", "--json"
    )
    assert ended.code == 0, ended.err
    assert json.loads(ended.out)["source"] == "file"
    for wrong in (("of the",), ("mri", "--category", "cs.NL"), ("mri", "--exclude", "MRI")):
        assert newsletter("keywords", "try", *wrong).code == 2
    listed = newsletter("keywords", "list")
    assert listed.code == 0
    assert "protein folding: 0 papers announced in 30 days" in listed.out


def test_the_configured_keywords_say_what_they_brought_and_left_out(tmp_path: Path) -> None:
    keyword = Keyword(name="gnn", exclude=("survey",))
    room = Newsroom(tmp_path, keywords=[keyword])
    room.run(now=NOW - DAY)
    room.told.papers = {"gnn": (paper(), SURVEY)}
    room.run()
    with State.open(tmp_path / "state.sqlite3") as state:
        (found,) = configured(state, [keyword], days=30, now=NOW)
        assert (found["announced"], found["left_out"]) == (1, {"survey": 1})
        (later,) = configured(state, [keyword], days=30, now=NOW + 31 * DAY)
        assert (later["announced"], later["left_out"]) == (0, {})


@pytest.mark.parametrize(
    ("keyword", "reason"),
    [
        (Keyword(name="x"), "spelled as authors write it"),
        (Keyword(name="x", exclude=("survey",)), "'survey' left out 1 paper"),
        (Keyword(name="x", exact=True), "only as they are written"),
        (Keyword(name="x", match="title-and-abstract"), "title and abstract must both"),
        (Keyword(name="x", categories=("cs.CV",)), "found in cs.CV at all"),
        (Keyword(name="x", phrases=(), authors=("Ada Quill",)), "are the names spelled"),
    ],
)
def test_a_keyword_that_brings_nothing_is_pointed_out_with_the_likeliest_reason(
    tmp_path: Path, keyword: Keyword, reason: str
) -> None:
    room = Newsroom(tmp_path, keywords=[keyword])
    room.run()
    if keyword.exclude:
        room.told.papers = {"x": (SURVEY,)}
    room.run(now=NOW + 13 * DAY)
    with State.open(tmp_path / "state.sqlite3") as state:
        ((name, remark),) = pace_remarks(state, [keyword], now=NOW + 15 * DAY)
    assert name == "x"
    assert reason in remark


def test_exclusions_that_leave_out_everything_are_pointed_out_at_once(tmp_path: Path) -> None:
    keyword = Keyword(name="x", exclude=("survey",))
    room = Newsroom(tmp_path, keywords=[keyword])
    room.run(now=NOW - DAY)
    room.told.papers = {"x": (SURVEY,)}
    room.run()
    with State.open(tmp_path / "state.sqlite3") as state:
        ((_, remark),) = pace_remarks(state, [keyword], now=NOW + DAY)
    assert remark == "nothing for 30 days: 'survey' left out 1 paper; is the exclusion too wide?"


def test_what_a_baseline_kept_is_not_left_out(tmp_path: Path) -> None:
    keyword = Keyword(name="gnn", exclude=("survey",))
    room = Newsroom(tmp_path, keywords=[keyword])
    room.told.papers = {"gnn": (paper(submitted=NOW - 9 * DAY), replace(SURVEY, submitted=NOW))}
    room.run()
    with State.open(tmp_path / "state.sqlite3") as state:
        assert state.papers.left_out("gnn") == {"survey": 1}
        assert pace_remarks(state, [keyword], now=NOW + DAY) == []


def noted(config: Config, *, offline: bool = False) -> list[str]:
    found = findings(config, now=NOW, offline=offline)
    return [each.text for each in found if each.what == "keywords"]


@pytest.mark.slow
def test_exclusions_that_no_run_has_asked_for_are_judged_by_asking(
    tmp_path: Path, replica: Replica
) -> None:
    keywords = """
[[keywords]]
name = "graph neural network"
exclude = ["network"]
[[keywords]]
name = "graph"
exclude = ["survey"]
"""
    # The first excludes a word of its own phrase, which the configuration refuses.
    with pytest.raises(ConfigError, match="stands in the phrase"):
        configuration(tmp_path, replica, keywords)
    config = configuration(tmp_path, replica, keywords.replace('"network"', '"part", "survey"'))
    (told,) = noted(config)
    assert told.startswith("graph neural network: its exclusions leave out everything")
    assert "30 days, 'part' 40 papers; remove it from 'exclude'" in told
    assert noted(config, offline=True) == []


@pytest.mark.slow
def test_exclusions_that_runs_have_asked_for_are_judged_from_the_state(
    tmp_path: Path, replica: Replica
) -> None:
    remembered(tmp_path, Keyword(name="graph", exclude=("survey",)))
    config = configuration(tmp_path, replica, '[[keywords]]\nname = "graph"\nexclude = ["survey"]')
    before = len(replica.requests)
    assert noted(config) == []
    assert len(replica.requests) == before + 1  # how fresh arXiv is


@pytest.mark.parametrize(
    ("phrase", "words"),
    [
        (r"$\alpha$-stable", r"'$\\alpha$-stable' is looked for as it is read, 'α-stable'"),
        (r"\textbf{deep} learning", "is looked for as it is read, 'deep learning'"),
        (r"\foo learning", r"\foo in"),
        ("CO$_2$", "as it is read, 'CO2'"),
        ("deep learning", ""),
        ("A* search", ""),
    ],
)
def test_a_macro_in_a_phrase_is_pointed_out(phrase: str, words: str) -> None:
    told = read_as(phrase)
    assert words in told
    assert bool(told) == bool(words)


@pytest.mark.parametrize(
    ("wanted", "names", "people"),
    [
        ("Y. Wang", ["Yang Wang", "Yu Wang", "Y. Wang", "Li Wang"], ["Yang Wang", "Yu Wang"]),
        ("Y. Wang", ["Y. Wang", "Yang Wang", "Yu Wang"], ["Yang Wang", "Yu Wang"]),
        ("Ada Quill", ["Ada Quill", "Ada M. Quill", "A. Quill"], ["Ada Quill"]),
        ("Ada Quill", ["Ada M. Quill", "Ada Quill"], ["Ada M. Quill"]),
        ("Ada Quill", ["Ada Maria Quill", "Ada Zoe Quill"], ["Ada Maria Quill", "Ada Zoe Quill"]),
        ("Ada Quill", [], []),
    ],
)
def test_a_name_of_several_people_is_known_by_those_seen(
    wanted: str, names: list[str], people: list[str]
) -> None:
    assert namesakes(wanted, names) == people


def test_a_name_without_a_first_name_is_ambiguous() -> None:
    for name in ("Y. Wang", "Wang", "Wang, Y. Z.", "?"):
        assert is_initials_only(name)
    assert not is_initials_only("J. Robert Oppenheimer")


def test_the_preflight_names_followed_people_and_signs_that_are_doubtful(
    tmp_path: Path, replica: Replica
) -> None:
    keyword = Keyword(name="people", phrases=(), authors=("B. Fir", "Y. Wang"))
    room = Newsroom(tmp_path, keywords=[keyword])
    room.told.papers = {"people": (paper(authors=("Yang Wang", "Yu Wang", "Bo Fir")),)}
    room.run()
    config = configuration(
        tmp_path,
        replica,
        '[[keywords]]\nname = "people"\nphrases = []\nauthors = ["B. Fir", "Y. Wang"]\n'
        '[[keywords]]\nname = "O₃"\n',
    )
    (tmp_path / "subscribers.csv").write_text("email\n")
    said = [each.text for each in findings(config, now=NOW, offline=True) if each.mark == "note"]
    assert any("'Y. Wang' may be 2 people: Yang Wang, Yu Wang" in each for each in said)
    assert any("'B. Fir' has no first name" in each for each in said)
    assert any("no words for small digits in 'O₃'" in each for each in said)

"""The papers the state knows, and those of which it knows no more than the id."""

import json
from collections.abc import Collection, Iterable, Iterator
from datetime import date, datetime
from itertools import chain

from msgspec import Struct, to_builtins

from newsletter.models import Day, Keyword, Kind, Link, News, Paper
from newsletter.moments import iso, moment_of
from newsletter.state.engines import Connection, Database, json_text

_ENOUGH = 10  # runs that asked in vain; an index may be broken for days


class Announced(Struct, frozen=True, kw_only=True):
    """A paper as an issue announced it for a keyword; `date` is the one that people saw."""

    keyword: str
    kind: Kind
    issue: int
    date: date
    paper: Paper


class PaperBook:
    """The data of papers. Methods raise StateError."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def last_seen(self, limit: int) -> list[Paper]:
        """Return the papers submitted last, each in its highest version, the newest first."""
        rows = self._database.rows(
            "select data from papers as each"
            " where version = (select max(version) from papers where id = each.id)"
            " order by data ->> 'submitted' desc, id limit ?",
            limit,
        )
        return [paper_from(data) for (data,) in rows]

    def by_id(self, ids: Collection[str]) -> dict[str, Paper]:
        """Return those of some papers whose data are there, in their highest version, by id."""
        rows = self._database.rows(
            "select data from papers where id in (select value from json_each(?, '$'))"
            " order by version",
            json_text(list(ids)),
        )
        return {paper.id: paper for (data,) in rows for paper in [paper_from(data)]}

    def without_data(self, limit: int) -> list[str]:
        """Return the ids of up to `limit` papers whose data are to be fetched, least asked first.

        They were recorded by a version that kept ids alone. What ten good answers did not have
        is no longer among them.
        """
        rows = self._database.rows(
            "select paper from lacking where asked < ? order by asked, paper limit ?",
            _ENOUGH,
            limit,
        )
        return [paper for (paper,) in rows]

    def announced(
        self, *, keyword: str | None = None, since: date | None = None
    ) -> Iterator[Announced]:
        """Yield what issues announced, oldest first: for one keyword or all, from a day on."""
        rows = self._database.rows(
            "select announced.keyword, announced.kind, announced.issue, issues.date, papers.data"
            " from announced join issues on number = issue"
            " join papers on papers.id = announced.paper and papers.version = announced.version"
            " where announced.keyword = coalesce(?, announced.keyword) and issues.date >= ?"
            " order by issue, announced.keyword, position",
            keyword,
            since.isoformat() if since else "",
        )
        for name, kind, issue, day, data in rows:
            yield Announced(
                keyword=name,
                kind=kind,
                issue=issue,
                date=date.fromisoformat(day),
                paper=paper_from(data),
            )

    def of_keyword(self, keyword: str, since: datetime) -> list[Paper] | None:
        """Return all that is known for a keyword and was submitted from `since` on.

        Each paper once, in the highest version; None where the data of one is missing.
        """
        rows = self._database.rows(
            "select data from (select paper, max(version) as version from announced"
            " where keyword = ? and submitted >= ? group by paper) as known"
            " left join papers on id = paper and papers.version = known.version",
            keyword,
            iso(since),
        )
        found = [data for (data,) in rows]
        return None if None in found else [paper_from(data) for data in found]

    def left_out(self, name: str, *, since: datetime | None = None) -> dict[str, int]:
        """Count what is on record as left out of a keyword, by exclusion, the most first."""
        return dict(
            self._database.rows(
                "select excluded_by, count(*) from announced"
                " where keyword = ? and kind = 'left-out' and recorded >= ?"
                " group by 1 order by 2 desc, 1",
                name,
                iso(since) if since else "",
            )
        )

    def kept_since(self, name: str, moment: datetime) -> int:
        """Count the papers of a keyword recorded from `moment` on that no exclusion left out."""
        ((number,),) = self._database.rows(
            "select count(distinct paper) from announced"
            " where keyword = ? and kind <> 'left-out' and recorded >= ?",
            name,
            iso(moment),
        )
        return int(number)

    def authors(self) -> list[str]:
        """Return the names of all authors of papers that are known, each once."""
        rows = self._database.rows(
            "select distinct value from papers, json_each(data, '$.authors') order by value"
        )
        return [name for (name,) in rows]

    def complete(self, asked: Collection[str], found: Iterable[Paper]) -> None:
        """Keep what a good answer to the question for `asked` had, in their current versions."""
        papers = {each.id: each for each in found if each.id in asked}
        with self._database.transaction() as db:
            keep(db, papers.values())
            db.executemany(
                "update lacking set asked = asked + 1 where paper = ?",
                ((each,) for each in asked if each not in papers),
            )

    def looked_up(self, keyword: Keyword) -> set[str]:
        """Return the months (`2025-01`) of which all papers of a keyword were looked up."""
        rows = self._database.rows(
            "select month from looked_up where keyword = ? and definition = ?",
            keyword.name,
            json_text(to_builtins(keyword)),
        )
        return {month for (month,) in rows}

    def keep_past(
        self,
        keyword: Keyword,
        papers: Collection[Paper],
        *,
        now: datetime,
        month: str,
        whole: bool,
    ) -> None:
        """Keep papers of a month for the archive. Whether they are news is another matter.

        `whole` says that there can be no more of that month.
        """
        with self._database.transaction() as db:
            keep(db, papers)
            db.executemany(
                "insert into past values (?, ?, ?, ?, ?) on conflict (keyword, paper)"
                " do update set version = excluded.version where past.version < excluded.version",
                [(keyword.name, p.id, p.version, iso(p.submitted), iso(now)) for p in papers],
            )
            if whole:
                db.execute(
                    "insert into looked_up values (?, ?, ?) on conflict (keyword, month)"
                    " do update set definition = excluded.definition",
                    (keyword.name, month, json_text(to_builtins(keyword))),
                )


def keep(db: Connection, papers: Collection[Paper]) -> None:
    """Write down papers; one that is there in the same version stays as it is."""
    db.executemany(
        "insert into papers values (?, ?, ?) on conflict do nothing",
        ((each.id, each.version, _text(each)) for each in papers),
    )
    db.executemany("delete from lacking where paper = ?", ((each.id,) for each in papers))


def paper_from(text: str) -> Paper:
    """Return the paper that stands in a column."""
    fields = json.loads(text)
    lists = {name: tuple(fields[name]) for name in ("authors", "categories")}
    times = {name: moment_of(fields[name]) for name in ("submitted", "updated")}
    links = tuple(Link(**each) for each in fields["links"])
    return Paper(**fields | lists | times | {"links": links})


def keyword_from(text: str) -> Keyword:
    """Return the keyword that stands in a column."""
    fields = json.loads(text)
    lists = {name: tuple(each) for name, each in fields.items() if isinstance(each, list)}
    return Keyword(**fields | lists)


def _text(paper: Paper) -> str:
    return json_text(
        to_builtins(paper) | {"submitted": iso(paper.submitted), "updated": iso(paper.updated)}
    )


def keep_known(db: Connection, news: Iterable[News]) -> None:
    """Write down the papers that some answers made known: each once, however many list it."""
    papers: dict[tuple[str, int], Paper] = {}
    for each in news:
        excluded = (paper.paper for paper in each.excluded)
        announced = (paper.paper for paper in each.announcements)
        for paper in chain(each.recorded, excluded, announced):
            papers.setdefault((paper.id, paper.version), paper)
    keep(db, papers.values())


def note_announced(db: Connection, news: News, day: Day, *, issue: int | None) -> None:
    """Note what a keyword's answer made known: recorded, left out, announced by `issue`.

    The papers themselves are kept before, see `keep_known`.
    """
    name = news.keyword.name
    excluded = [each.paper for each in news.excluded]
    db.executemany(
        "insert into announced (keyword, paper, version, submitted, kind, recorded)"
        " values (?, ?, ?, ?, 'baseline', ?) on conflict do nothing",
        [(name, p.id, p.version, iso(p.submitted), iso(day.now)) for p in news.recorded],
    )
    db.executemany(
        "insert into announced"
        " (keyword, paper, version, submitted, kind, recorded, excluded_by)"
        " values (?, ?, ?, ?, 'left-out', ?, ?) on conflict do nothing",
        [
            (name, p.id, p.version, iso(p.submitted), iso(day.now), each.by)
            for p, each in zip(excluded, news.excluded, strict=True)
        ],
    )
    for position, announcement in enumerate(news.announcements):
        paper = announcement.paper
        db.execute(
            "insert into announced"
            " (keyword, paper, version, submitted, kind, replaces, issue, position, recorded)"
            " values (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                name,
                paper.id,
                paper.version,
                iso(paper.submitted),
                announcement.kind,
                announcement.replaces,
                issue,
                position,
                iso(day.now),
            ),
        )

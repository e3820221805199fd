"""The papers the state knows, and those of which it knows no more than the id."""

import json
from collections.abc import Collection, Iterable, Iterator
from dataclasses import asdict, dataclass
from datetime import date, datetime, timedelta

from newsletter.models import Day, Keyword, Kind, Link, News, Paper
from newsletter.moments import iso, moment_of
from newsletter.state.engines import Connection, Database, json_text

_NO_LIMIT = 2**62
_ENOUGH = 10  # runs that asked in vain; an index may be broken for days


@dataclass(frozen=True, slots=True, kw_only=True)
class Announced:
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

    def newest(self, keyword: str, limit: int) -> list[Paper]:
        """Return the papers that stand under a keyword, each in its newest version, newest first.

        Also those recorded without being announced, and those of the past that were looked up; not
        those known by id alone.
        """
        rows = self._database.rows(
            "select data from (select paper, max(version) as version from"
            " (select paper, version from announced where keyword = ?"
            " union all select paper, version from past where keyword = ?)"
            " group by paper) as newest"
            " join papers on id = paper and papers.version = newest.version"
            " order by data ->> 'updated' desc, id desc limit ?",
            keyword,
            keyword,
            limit,
        )
        return [paper_from(data) for (data,) in rows]

    def recent(
        self, *, days: int, limit: int, keyword: str | None = None
    ) -> list[tuple[Paper, datetime, tuple[str, ...]]]:
        """Return what was announced for a keyword, or for any, when, and for which keywords.

        Each version of a paper once, as first announced, newest first; of the last `days` before
        the newest issue.
        """
        ((newest,),) = self._database.rows("select max(opened) from issues")
        if newest is None:
            return []
        rows = self._database.rows(
            "with lately as (select min(number) as first from issues where opened >= ?),"
            " candidates as (select distinct paper, version from announced, lately"
            " where issue >= first and keyword = coalesce(?, keyword))"
            " select data, opened, (select json_group_array(keyword) from announced"
            " where keyword in (select name from keywords) and paper = id"
            " and announced.version = papers.version and issue is not null)"
            " from (select paper, version, min(issue) as first_issue, min(position) as place"
            " from candidates join keywords on name = coalesce(?, name)"
            " join announced using (paper, version)"
            " where announced.keyword = name and issue is not null"
            " group by paper, version) as found"
            " join papers on id = paper and papers.version = found.version"
            " join issues on number = first_issue, lately where first_issue >= lately.first"
            " order by first_issue desc, place, id limit ?",
            iso(moment_of(newest) - timedelta(days=days)),
            keyword,
            keyword,
            limit,
        )
        return [
            (paper_from(data), moment_of(opened), tuple(sorted(json.loads(names))))
            for data, opened, names in rows
        ]

    def years(self) -> dict[str, list[tuple[str, int]]]:
        """Return the papers by the year of their submission: id, and newest version known.

        Oldest known first, so that what is added stands at the end.
        """
        found: dict[str, list[tuple[str, int]]] = {}
        for year, paper, version in self._database.rows(
            "select year, paper, newest from (select min(substr(submitted, 1, 4)) as year, paper,"
            " max(version) as newest, min(recorded) as known"
            " from (select paper, version, submitted, recorded from announced union all"
            " select paper, version, submitted, recorded from past) group by paper)"
            " join papers on id = paper and version = newest order by year, known, paper"
        ):
            found.setdefault(year, []).append((paper, version))
        return found

    def versions(self, wanted: Iterable[tuple[str, int]]) -> list[Paper]:
        """Return some papers, given by id and version, in their order."""
        return [
            paper_from(data)
            for each in wanted
            for (data,) in self._database.rows(
                "select data from papers where id = ? and version = ?", *each
            )
        ]

    def looked_up(self, keyword: Keyword) -> set[str]:
        """Return the months (`2025-01`) of which all papers of a keyword were looked up."""
        rows = self._database.rows(
            "select month from looked_up where keyword = ? and definition = ?",
            keyword.name,
            json_text(asdict(keyword)),
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
                    (keyword.name, month, json_text(asdict(keyword))),
                )

    def first_issues(self, papers: Iterable[tuple[str, int]]) -> dict[str, int]:
        """Return the issues that first announced some papers in a version, by id."""
        found = {}
        for paper, version in papers:
            ((issue,),) = self._database.rows(
                "select min(issue) from announced where keyword in (select name from keywords)"
                " and paper = ? and version = ?",
                paper,
                version,
            )
            if issue is not None:
                found[paper] = issue
        return found

    def mark(self) -> str:
        """Return a text that changes whenever a paper, an announcement or an issue is added."""
        ((issue, papers, announced),) = self._database.rows(
            "select (select coalesce(max(number), 0) from issues), (select count(*) from papers),"
            " (select count(*) from announced) + (select count(*) from past)"
        )
        return f"{issue} {papers} {announced}"

    def keywords(self) -> list[str]:
        """Return the keywords that issues or baselines have ever had papers for, by name."""
        rows = self._database.rows("select name from keywords order by name")
        return [name for (name,) in rows]

    def contents(
        self, *, month: str = "", keyword: str | None = None, limit: int = _NO_LIMIT
    ) -> list[tuple[int, date, int]]:
        """Return number, date and number of papers of issues, newest first.

        Those of a month (`2026-11`) or of all; those with news of a keyword, and only its papers.
        """
        rows = self._database.rows(
            "select number, date, count(distinct paper) as papers"
            " from issues left join announced on issue = number and keyword = coalesce(?, keyword)"
            " where substr(date, 1, length(?)) = ?"
            " group by number having count(distinct paper) > 0 or cast(? as text) is null"
            " order by number desc limit ?",
            keyword,
            month,
            month,
            keyword,
            limit,
        )
        return [(number, date.fromisoformat(day), papers) for number, day, papers in rows]

    def months(self) -> list[tuple[str, int]]:
        """Return the months in which issues were opened (`2026-11`) and how many, newest first."""
        return self._database.rows(
            "select substr(date, 1, 7) as month, count(*) from issues"
            " group by month order by month desc"
        )

    def announced_in(self, keyword: str, papers: Collection[Paper]) -> dict[tuple[str, int], int]:
        """Return the issues that announced some papers for a keyword, by id and version."""
        found = {}
        for each in papers:
            for (issue,) in self._database.rows(
                "select issue from announced where keyword = ? and paper = ? and version = ?"
                " and issue is not null",
                keyword,
                each.id,
                each.version,
            ):
                found[each.id, each.version] = issue
        return found

    def sources(self) -> list[str]:
        """Return what people call the sources that issues have drawn on."""
        rows = self._database.rows("select distinct source from digests order by source")
        return [source for (source,) in rows]

    def began(self) -> datetime | None:
        """Return where the first window of any keyword opened, None before the first answer."""
        ((moment,),) = self._database.rows("select min(since) from keywords")
        return moment_of(moment) if moment else None

    def last_recorded(self) -> datetime | None:
        """Return when a paper last became known, None before the first."""
        ((moment,),) = self._database.rows("select max(recorded) from announced")
        return moment_of(moment) if moment else None


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


def _text(paper: Paper) -> str:
    return json_text(
        asdict(paper) | {"submitted": iso(paper.submitted), "updated": iso(paper.updated)}
    )


def note_announced(db: Connection, news: News, day: Day, *, issue: int | None) -> None:
    """Note what a keyword's answer made known: recorded, left out, announced by `issue`."""
    name = news.keyword.name
    excluded = [each.paper for each in news.excluded]
    keep(db, [*news.recorded, *excluded, *(each.paper for each in news.announcements)])
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

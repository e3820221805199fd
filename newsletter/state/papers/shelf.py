"""What pages show of the papers: the newest, the latest news, a year of them. It only reads."""

import json
from collections.abc import Collection, Iterable
from datetime import date, datetime, timedelta

from newsletter.models import Paper
from newsletter.moments import iso, moment_of
from newsletter.state.engines import Database
from newsletter.state.papers.book import paper_from

_MANY = 2000  # papers of a keyword: fewer are sorted in no time
_NO_LIMIT = 2**62

# What stands under a keyword, whether it was announced, recorded or looked up later.
_KNOWN = (
    "select paper, max(version) as newest from (select paper, version from announced"
    " where keyword = ? and kind != 'left-out'"
    " union all select paper, version from past where keyword = ?) as known group by paper"
)
_SORTED = (
    f"select data from ({_KNOWN}) as mine join papers on id = paper and version = newest"  # noqa: S608
    " order by data ->> 'updated' desc, id desc limit ?"
)
# The same for a keyword with many papers: walks through all papers, newest first, up to the limit.
_WALKED = (
    "select data from papers where version = (select max(version) from (select version"
    " from announced where keyword = ? and paper = id and kind != 'left-out'"
    " union all select version from past where keyword = ? and paper = id) as known)"
    " order by data ->> 'updated' desc, id desc limit ?"
)


class Shelf:
    """The papers as an archive shows them. Methods raise StateError."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def newest(self, keyword: str, limit: int) -> list[Paper]:
        """Return the papers that stand under a keyword, each in its newest version, newest first.

        Also those recorded without being announced, and those of the past that were looked up; not
        those that were left out, nor those known by id alone.
        """
        ((count,),) = self._database.rows(
            "select count(*) from announced where keyword = ?", keyword
        )
        rows = self._database.rows(_WALKED if count > _MANY else _SORTED, keyword, keyword, limit)
        return [paper_from(data) for (data,) in rows]

    def recent(
        self, *, days: int, limit: int, keyword: str | None = None
    ) -> list[tuple[str, int, datetime, tuple[str, ...]]]:
        """Return what was announced for a keyword, or for any: id, version, when, and for which.

        Each version of a paper once, as first announced, newest first; of the last `days` before
        the newest of them. The keywords are those that had it by then: later ones change nothing.
        `shown` has what it says, and that never changes.
        """
        ((newest,),) = self._database.rows(
            "select max(opened) from issues where cast(? as text) is null or number ="
            " (select max(issue) from announced where keyword = ? and issue is not null)",
            keyword,
            keyword,
        )
        if newest is None:
            return []
        rows = self._database.rows(
            "with lately as (select min(number) as first from issues where opened >= ?),"
            " candidates as (select distinct paper, version from announced, lately"
            " where issue >= first and keyword = coalesce(?, keyword))"
            " select id, papers.version, opened, (select json_group_array(keyword) from announced"
            " where keyword in (select name from keywords) and paper = id"
            " and announced.version = papers.version and issue <= first_issue)"
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
            (paper, version, moment_of(opened), tuple(sorted(json.loads(names))))
            for paper, version, opened, names in rows
        ]

    def years(self) -> dict[str, str]:
        """Return the years in which known papers were submitted, each with a mark of its papers.

        The mark changes whenever something is added to the papers of the year.
        """
        rows = self._database.rows(
            "select year, sum(papers) || ' ' || (select count(*) from lacking) from"
            " (select substr(submitted, 1, 4) as year, count(*) as papers from announced group by 1"
            " union all select substr(submitted, 1, 4), count(*) from past group by 1) as known"
            " group by year order by year"
        )
        return dict(rows)

    def of_year(self, year: str) -> list[tuple[str, int]]:
        """Return the papers submitted in a year, id and version, in the order they became known.

        A new version of one comes at the end, like all that is new.
        """
        span = year, f"{int(year) + 1:04}"
        return self._database.rows(
            "select paper, version from (select paper, version, min(recorded) as known"
            " from (select paper, version, recorded from announced"
            " where keyword in (select name from keywords) and kind != 'left-out'"
            " and submitted >= ? and submitted < ?"
            " union all select paper, version, recorded from past"
            " where submitted >= ? and submitted < ?) as every group by paper, version) as each"
            " where paper not in (select paper from lacking) order by known, paper, version",
            *span,
            *span,
        )

    def shown(self, wanted: Iterable[tuple[str, int]]) -> list[tuple[Paper, int | None]]:
        """Return some papers, given by id and version, each with the issue that first had it."""
        return [
            (paper_from(data), issue)
            for each in wanted
            for data, issue in self._database.rows(
                "select data, (select min(issue) from announced where paper = id"
                " and announced.version = papers.version"
                " and keyword in (select name from keywords))"
                " from papers where id = ? and version = ?",
                *each,
            )
        ]

    def mark_of(self, keyword: str) -> str:
        """Return a text that changes whenever something is added to what stands under a keyword."""
        ((announced, last, past, lacking),) = self._database.rows(
            "select count(*), max(recorded), (select count(*) from past where keyword = ?),"
            " (select count(*) from lacking) from announced where keyword = ?",
            keyword,
            keyword,
        )
        return f"{announced} {last} {past} {lacking}"

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

    def week_of(self, number: int) -> list[int]:
        """Return the issues before one whose news weekly readers got with it, none for others'."""
        rows = self._database.rows(
            "select number from issues where number < ? and number >= (select max(number)"
            " from (select 0 as number union all"
            " select number + 1 from issues where weekly = 1 and number < ?) as weeks)"
            " and exists (select 1 from issues where number = ? and weekly = 1) order by number",
            *(number, number, number),
        )
        return [each for (each,) in rows]

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

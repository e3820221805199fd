"""Which papers answer a query, in which order: arXiv's index in memory. Pure but for its caches."""

import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from random import Random
from typing import Literal

from tests.peers.replica import english, taxonomy
from tests.peers.replica.query import Between, Both, InvalidQueryError, Not, Query, Term
from tests.peers.replica.store import Record

SortBy = Literal["relevance", "submittedDate", "lastUpdatedDate"]
SORTS: tuple[SortBy, ...] = ("relevance", "lastUpdatedDate", "submittedDate")

_Terms = Sequence[str | None]
_Postings = dict[str, list[int]]  # words to places: a paper, and a position in its text, as one int
_PLACES = 16


class Index:
    """Inverted lists over fixed records, each built when a query first needs it.

    Papers are named by their position in `records`.
    """

    def __init__(self, records: Sequence[Record]) -> None:
        self.records = records
        self._postings: dict[str, _Postings] = {}

    def matches(self, query: Query, among: set[int]) -> set[int]:
        """Return those of `among` that answer the query. Raises InvalidQueryError."""
        match query:
            case Both("AND", left, right):
                return self.matches(left, among) & self.matches(right, among)
            case Both("OR", left, right):
                return self.matches(left, among) | self.matches(right, among)
            case Both("ANDNOT", left, right):
                return self.matches(left, among) - self.matches(right, among)
            case Not(operand):
                return among - self.matches(operand, among)
            case Between(start, end):
                return {at for at in among if start <= self.records[at].published <= end}
            case Term():
                return self._term(query, among)
        raise AssertionError(query)

    def scores(self, query: Query, among: set[int]) -> dict[int, int]:
        """Return how many terms of the query each paper has: a stand-in for relevance."""
        scores = dict.fromkeys(among, 0)
        for term in _terms(query):
            for at in self._term(term, among):
                scores[at] += 1
        return scores

    def _term(self, term: Term, among: set[int]) -> set[int]:
        if not term.quoted and term.text[:1] in {"*", "?"}:
            raise InvalidQueryError(term.text)
        match term.field:
            case "ti" | "abs":
                found = self._words(f"{term.field}.english", english.english, term)
                if term.quoted:  # the unstemmed field is searched too, never instead
                    found = found | self._words(f"{term.field}.standard", english.standard, term)
                return found & among
            case "co" | "jr" | "rn":
                return self._words(f"{term.field}.standard", english.standard, term) & among
            case "all":
                return self._anywhere(term, among)
            case _:
                accepts = _acceptor(term)
                return {at for at in among if accepts(self.records[at])}

    def _anywhere(self, term: Term, among: set[int]) -> set[int]:
        found = self._words("combined", _folded_words, term)
        for field in ("ti", "abs", "co", "jr", "rn", "au", "doi", "id"):
            found = found | self._term(Term(field, term.text, term.quoted), among)
        if re.fullmatch(r"\d{4}", term.text):
            found = found | {at for at in among if _announced_in(self.records[at], term.text)}
        return found & among

    def _words(self, name: str, analysed: Callable[[str], _Terms], term: Term) -> set[int]:
        postings = self._field(name, analysed)
        if not term.quoted and re.search(r"[*?]", term.text):
            return _by_wildcard(postings, term.text.lower())
        wanted = [(gap, word) for gap, word in enumerate(analysed(term.text)) if word is not None]
        if not wanted:
            return set()
        if not term.quoted:
            return set.intersection(*(_papers(postings.get(word, ())) for _, word in wanted))
        last = wanted[-1][0]  # every word is looked for where it would be if it were the last one
        ends = ({place + last - gap for place in postings.get(word, ())} for gap, word in wanted)
        return _papers(set.intersection(*ends))

    def _field(self, name: str, analysed: Callable[[str], _Terms]) -> _Postings:
        if name not in self._postings:
            postings: _Postings = {}
            text = _TEXTS[name.partition(".")[0]]
            for at, record in enumerate(self.records):
                for position, word in enumerate(analysed(text(record)), start=at << _PLACES):
                    if word is not None:
                        postings.setdefault(word, []).append(position)
            self._postings[name] = postings
        return self._postings[name]


def in_order(keys: Mapping[int, float], *, ascending: bool, chance: Random) -> list[int]:
    """Return positions by key. Equal keys come in any order: the server breaks no ties."""
    positions = sorted(keys)
    chance.shuffle(positions)
    return sorted(positions, key=keys.__getitem__, reverse=not ascending)


_TEXTS: dict[str, Callable[[Record], str]] = {
    "ti": lambda record: record.title,
    "abs": lambda record: record.abstract,
    "co": lambda record: record.comment,
    "jr": lambda record: record.journal_ref,
    "rn": lambda record: record.report_number,
    "combined": lambda record: " ".join(_everything(record)),
}


def _everything(record: Record) -> Iterable[str]:
    yield from (record.title, record.abstract, record.comment, record.journal_ref)
    yield from (record.report_number, record.arxiv_id, record.name, *record.dois)
    for author in record.authors:
        yield author.name
        yield from author.affiliations
    for category in record.categories:
        yield from (category, category.partition(".")[0], *taxonomy.names(category))


def _terms(query: Query) -> list[Term]:
    match query:
        case Term():
            return [query]
        case Both(_, left, right):
            return _terms(left) + _terms(right)
        case _:
            return []


def _folded_words(text: str) -> list[str | None]:
    return [*_folded(text).split()]


def _folded(text: str) -> str:
    decomposed = unicodedata.normalize("NFKD", text.lower())
    return "".join(letter for letter in decomposed if not unicodedata.combining(letter))


def _acceptor(term: Term) -> Callable[[Record], bool]:
    """Return the test for a field that is looked up as a whole."""
    wanted = term.text.lower()
    match term.field:
        case "cat":
            return lambda record: any(_fits(each.lower(), wanted) for each in record.categories)
        case "id":
            return lambda record: _fits(record.arxiv_id, wanted) or _fits(record.name, wanted)
        case "doi":
            return lambda record: any(_fits(doi.lower(), wanted) for doi in record.dois)
        case "au":
            words = re.findall(r"\w+", _folded(term.text))
            return lambda record: (
                bool(words) and any(_is_named(author.name, words) for author in record.authors)
            )
        case _:
            raise InvalidQueryError(term.field)


def _fits(value: str, pattern: str) -> bool:
    return value == pattern or fnmatchcase(value, pattern.replace("[", "[[]"))


def _is_named(name: str, words: Iterable[str]) -> bool:
    """Return whether one author has all the words, in any order; a letter stands for a name."""
    names = re.findall(r"\w+", _folded(name))
    return all(
        any(each == word or (len(word) == 1 and each.startswith(word)) for each in names)
        for word in words
    )


def _announced_in(record: Record, digits: str) -> bool:
    return digits in {f"{record.announced:%Y}", f"{record.announced:%y%m}"}


def _by_wildcard(postings: _Postings, pattern: str) -> set[int]:
    fitting = (places for word, places in postings.items() if _fits(word, pattern))
    return {at for places in fitting for at in _papers(places)}


def _papers(places: Iterable[int]) -> set[int]:
    return {place >> _PLACES for place in places}

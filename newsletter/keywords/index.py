"""Find which of many keywords a paper belongs to without asking each. Pure; it decides nothing.

Whoever has a phrase of a keyword, or the surname of an author followed, is asked about by the
keyword's own matcher; all others are passed over. So the answers are the matcher's, and the time
grows with the papers and what they match, not with the keywords.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable
from functools import cached_property

from newsletter.keywords.matching import Phrase, matcher, name_words
from newsletter.keywords.reading import as_read
from newsletter.keywords.stemming import line
from newsletter.models import Keyword, Paper


class Index:
    """Some keywords by what must stand in a paper of theirs; raw queries are none of them."""

    def __init__(self, keywords: Iterable[Keyword]) -> None:
        self._entries = [_Entry(each) for each in keywords if each.query is None]
        self._phrases = {exact: _Phrases() for exact in (False, True)}
        self._surnames: dict[str, set[int]] = defaultdict(set)
        for number, entry in enumerate(self._entries):
            keyword = entry.keyword
            for text in keyword.looked_for:
                if phrase := Phrase.of(text, exact=keyword.exact):
                    self._phrases[keyword.exact].add(phrase.line, number)
            for author in keyword.authors:
                if words := name_words(author):
                    self._surnames[words[-1]].add(number)

    def of(self, paper: Paper) -> list[Keyword]:
        """Return the keywords that a paper belongs to, in the order in which they were given."""
        asked: set[int] = set()
        for exact, phrases in self._phrases.items():
            for text in (paper.title, paper.abstract) if phrases else ():
                asked |= phrases.within(line(as_read(text), exact=exact))
        if self._surnames:
            for author in paper.authors:
                for word in name_words(author):
                    asked |= self._surnames.get(word, _NONE)
        entries = (self._entries[number] for number in sorted(asked))
        return [entry.keyword for entry in entries if entry.belongs(paper)]


_NONE: frozenset[int] = frozenset()


class _Entry:
    """A keyword, and its matcher once a paper needs it."""

    def __init__(self, keyword: Keyword) -> None:
        self.keyword = keyword

    @cached_property
    def belongs(self) -> Callable[[Paper], bool]:
        return matcher(self.keyword) or (lambda _: False)


class _Phrases:
    """Phrases as they stand in a `line`, by their first words, and whose they are."""

    def __init__(self) -> None:
        self._whose: dict[str, set[int]] = defaultdict(set)
        self._lengths: dict[str, set[int]] = defaultdict(set)

    def __len__(self) -> int:
        return len(self._whose)

    def add(self, phrase: str, number: int) -> None:
        words = phrase.split()
        self._whose[" ".join(words)].add(number)
        self._lengths[words[0]].add(len(words))

    def within(self, known: str) -> set[int]:
        """Return whose phrases stand in the line of a text."""
        words, found = known.split(), set[int]()
        for at, word in enumerate(words):
            for length in self._lengths.get(word, ()):
                found |= self._whose.get(" ".join(words[at : at + length]), _NONE)
        return found

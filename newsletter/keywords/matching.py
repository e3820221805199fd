"""Decide which papers a keyword means, and where a text says so. Pure: it fetches none.

The written words decide: what people read must hold the phrase, word by word in stems ("imaging"
finds "images"), with the stop words and signs that arXiv's own search takes no notice of.
"""

import functools
import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from itertools import islice, pairwise
from typing import Self

from msgspec import Struct

from newsletter.keywords.reading import as_read, folded, places, signs, signs_after, signs_before
from newsletter.keywords.stemming import Token, line, tokens
from newsletter.models import Keyword, Paper


def matcher(keyword: Keyword) -> Callable[[Paper], bool] | None:
    """Return the decision whether a paper belongs to a keyword; None for a raw query.

    It finds less than arXiv does: stop words and signs must stand where the phrase has them,
    `exact` wants the words as written, and an author must have the name asked for (an initial may
    stand for a name), where arXiv also takes others of the same surname and initials. Exclusions
    are no part of it: what they leave out belongs to the keyword, and is counted.
    """
    if keyword.query is not None:
        return None
    wanted = [name_words(author) for author in keyword.authors]
    return decision(
        keyword,
        occurs=_holds_one(keyword.looked_for, exact=keyword.exact),
        is_theirs=lambda names: any(is_called(name, want) for name in names for want in wanted),
    )


def excluder(keyword: Keyword) -> Callable[[Paper], str]:
    """Return what tells which of its exclusions leaves a paper out, the first; empty for none."""
    each = [(text, _holds_one([text], exact=keyword.exact)) for text in keyword.exclude]

    def left_out_by(paper: Paper) -> str:
        return next((text for text, held in each if held(paper.title) or held(paper.abstract)), "")

    return left_out_by


def marks(keyword: Keyword, text: str) -> list[tuple[int, int]]:
    """Return the character spans that the keyword matched: in order, not overlapping.

    `text` is a title or abstract as people read it (see `prose`). Empty for a raw query, of which
    only arXiv knows what matched.
    """
    found: list[tuple[int, int]] = []
    compared, place = folded(text), places(text)
    wanted = (_phrase(each, keyword.exact) for each in keyword.looked_for)
    spans = (span for phrase in wanted if phrase for span in phrase.spans(compared))
    for first, last in sorted(spans):
        start, end = place[first], next(p for p in place[last:] if p > place[last - 1])
        if found and start < found[-1][1]:
            start, end = found[-1][0], max(end, found.pop()[1])
        found.append((start, end))
    return found


def called(keyword: Keyword, paper: Paper) -> str:
    """Return the author for whom a paper is the keyword's, as written there; empty for none."""
    wanted = [name_words(author) for author in keyword.authors]
    theirs = (name for name in paper.authors if any(is_called(name_words(name), x) for x in wanted))
    return next(theirs, "")


class Phrase(Struct, frozen=True, kw_only=True):
    """A phrase as it is compared.

    `line` is how it stands in a text's `line`. `signs` are those before its first word, between
    its words, and after the last; `literal` the words whose capitals count, None for the others.
    `apart` is whether a blank may stand between the first and last signs and their words, as the
    phrase has it: `C ++` is C++, too.
    """

    line: str
    signs: tuple[str, ...]
    literal: tuple[str | None, ...]
    exact: bool
    apart: bool

    @classmethod
    def of(cls, text: str, *, exact: bool) -> Self | None:
        """Read a phrase as it was written; None if there is no word in it."""
        text = as_read(text).replace(":", " ")  # to the index, a:b is one word
        read = list(tokens(text))
        if not read:
            return None
        gaps = [text[one.end : other.start] for one, other in pairwise(read)]
        start, end = read[0].start, read[-1].end
        edges = signs_before(text, start), signs_after(text, end)
        loose = signs_before(text, start, apart=True), signs_after(text, end, apart=True)
        return cls(
            line=line(text, exact=exact),
            signs=(loose[0], *map(signs, gaps), loose[1]),
            literal=tuple(
                token.word if exact and _has_inner_capital(token.word) else None for token in read
            ),
            exact=exact,
            apart=loose != edges,
        )

    def spans(self, text: str) -> Iterator[tuple[int, int]]:
        """Yield where the phrase stands in a text that is as it is compared."""
        known = line(text, exact=self.exact)
        at = known.find(self.line)
        read: list[Token] = []
        rest = tokens(text)  # is read as far as the phrase stands in it
        while at >= 0:
            first = known.count(" ", 0, at)
            read += islice(rest, first + len(self.literal) - len(read))
            found = read[first : first + len(self.literal)]
            if self._is_written_so(text, found):
                yield self._with_signs(text, found[0].start, found[-1].end)
            at = known.find(self.line, at + 1)

    @property
    def is_said_by_its_words(self) -> bool:
        """Whether signs and capitals play no part."""
        return not any(self.signs) and not any(self.literal)

    def _is_written_so(self, text: str, found: list[Token]) -> bool:
        if self.is_said_by_its_words:
            return True
        before, *between, after = self.signs
        gaps = [text[one.end : other.start] for one, other in pairwise(found)]
        return (
            all(
                not want or want == each.word
                for want, each in zip(self.literal, found, strict=True)
            )
            and all(not want or want == signs(gap) for want, gap in zip(between, gaps, strict=True))
            and _touches(signs_before(text, found[0].start, apart=self.apart)[::-1], before[::-1])
            and _touches(signs_after(text, found[-1].end, apart=self.apart), after)
        )

    def _with_signs(self, text: str, start: int, end: int) -> tuple[int, int]:
        before = [self.signs[0] + gap for gap in ("", " ")]
        after = [gap + self.signs[-1] for gap in ("", " ", "^")]
        return (
            start - next((len(each) for each in before if text.endswith(each, 0, start)), 0),
            end + next((len(each) for each in after if text.startswith(each, end)), 0),
        )


# Kept, because a keyword's places are looked for in every paper that it announces.
@functools.lru_cache(maxsize=16_384)
def _phrase(text: str, exact: bool) -> Phrase | None:  # noqa: FBT001 (a cache knows places)
    return Phrase.of(text, exact=exact)


def _touches(run: str, wanted: str) -> bool:
    """Tell whether a run of signs begins with those wanted, and not with more of the last."""
    return run.startswith(wanted) and (not wanted or run[len(wanted) :][:1] != wanted[-1])


def _holds_one(phrases: Iterable[str], *, exact: bool) -> Callable[[str], bool]:
    """Return the decision whether a title or abstract holds one of the phrases."""
    wanted = [phrase for each in phrases if (phrase := Phrase.of(each, exact=exact))]

    def holds(text: str) -> bool:
        compared = as_read(text)
        known = line(compared, exact=exact)
        return any(
            phrase.line in known
            and (phrase.is_said_by_its_words or any(True for _ in phrase.spans(compared)))
            for phrase in wanted
        )

    return holds


def in_reading_order(author: str) -> str:
    """Return a name as it is spoken: `Lovelace, Ada` is Ada Lovelace."""
    last, _, first = author.partition(",")
    return f"{first} {last}".strip()


def decision(
    keyword: Keyword,
    *,
    occurs: Callable[[str], bool],
    is_theirs: Callable[[list[list[str]]], bool],
) -> Callable[[Paper], bool]:
    """Return what decides whether a paper is one of the keyword's, by phrase, category and author.

    `occurs` is told a title or abstract, `is_theirs` the words of each author's name.
    """
    both = all if keyword.match == "title-and-abstract" else any
    archives = [category.removesuffix(".*").lower() for category in keyword.categories]

    def belongs(paper: Paper) -> bool:
        if archives and not any(_is_in(paper, archive) for archive in archives):
            return False
        if both(occurs(text) for text in (paper.title, paper.abstract)):
            return True
        return bool(keyword.authors) and is_theirs([name_words(name) for name in paper.authors])

    return belongs


def _is_in(paper: Paper, archive: str) -> bool:
    names = (category.lower() for category in paper.categories)
    return any(name == archive or name.startswith(f"{archive}.") for name in names)


def _has_inner_capital(word: str) -> bool:
    return word[1:] != word[1:].lower()


# What Unicode does not decompose, as ICU's folding does on arXiv's side.
_FOLDED = str.maketrans({"ø": "o", "ł": "l", "đ": "d", "ı": "i", "æ": "ae", "œ": "oe"})


@functools.lru_cache(maxsize=65536)
def name_words(author: str) -> list[str]:
    """Return the words of a name in reading order, without case and accents."""
    decomposed = unicodedata.normalize("NFKD", in_reading_order(author).casefold())
    return re.findall(r"[^\W_]+", re.sub(r"[\u0300-\u036f]", "", decomposed).translate(_FOLDED))


def is_called(name: list[str], wanted: list[str]) -> bool:
    """Tell whether a name has the words wanted, in order; others may stand between."""
    *given, surname = wanted or [""]
    rest = iter(name)
    return all(any(_agree(have, want) for have in rest) for want in given) and surname in rest


def _agree(one: str, other: str) -> bool:
    return one == other or (1 in (len(one), len(other)) and one[0] == other[0])


def is_initials_only(author: str) -> bool:
    """Tell a name that says too little to be one person's: Y. Wang."""
    *given, _ = name_words(author) or [""]
    return all(len(word) == 1 for word in given)


def namesakes(author: str, names: Iterable[str]) -> list[str]:
    """Return the different people among some names whose papers following an author brings.

    Two names are one person's where either may stand for the other: Ada Quill, Ada M. Quill.
    """
    wanted = name_words(author)
    people: dict[str, list[str]] = {}
    for name in names:
        words = name_words(name)
        if not is_called(words, wanted) or is_initials_only(name):
            continue
        if not any(is_called(words, each) or is_called(each, words) for each in people.values()):
            people[name] = words
    return list(people)

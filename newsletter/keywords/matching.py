"""Turn a keyword into what arXiv is asked, and decide locally what arXiv would decide.

arXiv's search is a phrase search over stems ("imaging" finds "images"). The same analysis is done
here, so that one request can serve many keywords. Pure: it sees papers, and never fetches any.
"""

import functools
import re
import unicodedata
from collections.abc import Callable, Iterator, Sequence

from newsletter.keywords.stemming import stems, tokens, words
from newsletter.models import Keyword, Paper


def matcher(keyword: Keyword) -> Callable[[Paper], bool] | None:
    """Return the decision whether a paper belongs to a keyword; None for a raw query.

    It equals arXiv's own for phrases. It is stricter where arXiv is not literal enough: `exact`
    wants the words as written, and an author must have the name asked for (an initial may stand
    for a name), where arXiv also takes others of the same surname and initials.
    """
    if keyword.query is not None:
        return None
    wanted = [name_words(author) for author in keyword.authors]
    return decision(
        keyword,
        exact=keyword.exact,
        is_theirs=lambda names: any(_is_called(name, want) for name in names for want in wanted),
    )


def marks(keyword: Keyword, text: str) -> list[tuple[int, int]]:
    """Return the character spans in `text` that the keyword matched: in order, not overlapping.

    Empty for a raw query, of which only arXiv knows what matched.
    """
    if keyword.query is not None:
        return []
    phrase = _phrase(keyword.name, exact=keyword.exact)
    read = list(tokens(text))
    found: list[tuple[int, int]] = []
    for position in _positions(phrase, _analysed(text, phrase, exact=keyword.exact)):
        start, end = read[position].start, read[position + len(phrase) - 1].end
        if found and start < found[-1][1]:
            start, _ = found.pop()
        found.append((start, end))
    return found


def plain(text: str) -> str:
    """Return the words of a text with nothing that arXiv's query parser would act on.

    Accents are composed, as in arXiv's texts: to its index a decomposed ö is another letter.
    """
    composed = unicodedata.normalize("NFC", text)
    return " ".join("".join(c if _is_plain(c) else " " for c in composed).split())


def _is_plain(character: str) -> bool:
    return character in "-'’.,/_" or unicodedata.category(character)[0] in "LMN"


def in_reading_order(author: str) -> str:
    """Return a name as it is spoken: `Lovelace, Ada` is Ada Lovelace."""
    last, comma, first = author.partition(",")
    return f"{first.strip()} {last.strip()}" if comma else author


def decision(
    keyword: Keyword, *, exact: bool, is_theirs: Callable[[list[list[str]]], bool]
) -> Callable[[Paper], bool]:
    """Return what decides whether a paper is one of the keyword's, by phrase, category and author.

    `is_theirs` is told the words of each author's name.
    """
    phrase = _phrase(keyword.name, exact=exact)
    both = all if keyword.match == "title-and-abstract" else any
    archives = [category.removesuffix(".*").lower() for category in keyword.categories]

    def occurs(text: str) -> bool:
        return next(_positions(phrase, _analysed(text, phrase, exact=exact)), None) is not None

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


def _phrase(name: str, *, exact: bool) -> tuple[str | None, ...]:
    """Return what to look for at consecutive positions; None stands for any one word."""
    asked_for = plain(name)
    if exact:
        return tuple(
            word if _has_inner_capital(word) else word.lower() for word in words(asked_for)
        )
    looked_for = stems(asked_for)
    asked = [position for position, stem in enumerate(looked_for) if stem is not None]
    return looked_for[asked[0] : asked[-1] + 1] if asked else ()


def _analysed(text: str, phrase: Sequence[str | None], *, exact: bool) -> tuple[str | None, ...]:
    """Return a text as words that can be compared with those of the phrase.

    With `exact`, case counts only where the phrase has capitals beyond a first letter: SAM, mRNA.
    """
    if not exact:
        return stems(text)
    literal = {word for word in phrase if word is not None and word != word.lower()}
    return tuple(word if word in literal else word.lower() for word in words(text))


def _has_inner_capital(word: str) -> bool:
    return word[1:] != word[1:].lower()


def _positions(phrase: Sequence[str | None], text: Sequence[str | None]) -> Iterator[int]:
    """Yield where a phrase begins in a text."""
    if not phrase or phrase[0] not in text:
        return
    for start in range(len(text) - len(phrase) + 1):
        if text[start] == phrase[0] and all(
            wanted is None or wanted == text[start + offset] for offset, wanted in enumerate(phrase)
        ):
            yield start


# What Unicode does not decompose, as ICU's folding does on arXiv's side.
_FOLDED = str.maketrans({"ø": "o", "ł": "l", "đ": "d", "ı": "i", "æ": "ae", "œ": "oe"})


@functools.lru_cache(maxsize=65536)
def name_words(author: str) -> list[str]:
    """Return the words of a name in reading order, without case and accents."""
    decomposed = unicodedata.normalize("NFKD", in_reading_order(author).casefold())
    return re.findall(r"[^\W_]+", re.sub(r"[\u0300-\u036f]", "", decomposed).translate(_FOLDED))


def _is_called(name: list[str], wanted: list[str]) -> bool:
    """Tell whether a name has the words wanted, in order; others may stand between."""
    *given, surname = wanted or [""]
    rest = iter(name)
    return all(any(_agree(have, want) for have in rest) for want in given) and surname in rest


def _agree(one: str, other: str) -> bool:
    return one == other or (1 in (len(one), len(other)) and one[0] == other[0])

"""Turn a keyword into what arXiv is asked, and decide locally what arXiv would decide.

arXiv's search is a phrase search over stems ("imaging" finds "images"). The same analysis is done
here, so that one request can serve many keywords. Pure: it sees papers, and never fetches any.
"""

import functools
import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain, pairwise
from typing import Any, NamedTuple
from urllib.parse import quote_plus

from newsletter.models import Keyword, Paper

MAX_PHRASE = 200
MAX_QUERY = 1000
MAX_ENCODED = 7500  # of the 8,190 bytes of a request line, the dates and the rest left out

# Lucene's EnglishAnalyzer.ENGLISH_STOP_WORDS_SET
_STOP_WORDS = frozenset(
    "a an and are as at be but by for if in into is it no not of on or such that the their "  # noqa: SIM905
    "then there these they this to was will with".split()
)
# arxiv.org/category_taxonomy
_ARCHIVES = frozenset(
    "astro-ph cond-mat cs econ eess gr-qc hep-ex hep-lat hep-ph hep-th math math-ph nlin "  # noqa: SIM905
    "nucl-ex nucl-th physics q-bio q-fin quant-ph stat".split()
)
_SUBCLASS = re.compile(r"[A-Za-z]{2}|[a-z]+(-[a-z]+)+|optics|other|soft|\*")
# info.arxiv.org/help/api/user-manual.html#51-details-of-query-construction
_PREFIXES = frozenset(
    {"abs", "all", "au", "cat", "co", "doi", "id", "jr", "rn", "submittedDate", "ti", "title"}
)
_OPERATORS = frozenset({"AND", "OR", "ANDNOT"})


def search_query(keyword: Keyword) -> str:
    """Return the arXiv expression for one keyword, quoted, and in its own parentheses.

    The category filter applies to all of it, the authors' papers included. Whatever arXiv would
    take for syntax inside a phrase (quotes, wildcards, TeX, control characters) becomes a blank.
    """
    if keyword.query is not None:
        wanted = [f"({' '.join(keyword.query.split())})"]
    else:
        phrase = _plain(keyword.name)
        joint = "AND" if keyword.match == "title-and-abstract" else "OR"
        wanted = [f'(ti:"{phrase}" {joint} abs:"{phrase}")']
    wanted += [f'au:"{_plain(_in_reading_order(author))}"' for author in keyword.authors]
    terms = [f"cat:{term}" for category in keyword.categories for term in _terms(category)]
    expression = _any_of(wanted)
    return f"({expression} AND {_any_of(terms)})" if terms else expression


def matcher(keyword: Keyword) -> Callable[[Paper], bool] | None:
    """Return the decision whether a paper belongs to a keyword; None for a raw query.

    It equals arXiv's own for phrases. It is stricter where arXiv is not literal enough: `exact`
    wants the words as written, and an author must have the name asked for (an initial may stand
    for a name), where arXiv also takes others of the same surname and initials.
    """
    if keyword.query is not None:
        return None
    wanted = [_name_words(author) for author in keyword.authors]
    return _decision(
        keyword,
        exact=keyword.exact,
        is_theirs=lambda names: any(_is_called(name, want) for name in names for want in wanted),
    )


def claimer(keyword: Keyword) -> Callable[[Paper], bool]:
    """Return the decision whether arXiv may have returned a paper because of this keyword.

    The generous counterpart of `matcher`: stems even where `exact` is set, an author's surname is
    enough, and a raw query claims whatever it is shown.
    """
    if keyword.query is not None:
        return lambda _: True
    surnames = {words[-1] for author in keyword.authors if (words := _name_words(author))}
    return _decision(
        keyword,
        exact=False,
        is_theirs=lambda names: any(not surnames.isdisjoint(name) for name in names),
    )


def marks(keyword: Keyword, text: str) -> list[tuple[int, int]]:
    """Return the character spans in `text` that the keyword matched: in order, not overlapping.

    Empty for a raw query, of which only arXiv knows what matched.
    """
    if keyword.query is not None:
        return []
    phrase = _phrase(keyword.name, exact=keyword.exact)
    tokens = list(_tokens(text))
    found: list[tuple[int, int]] = []
    for position in _positions(phrase, _analysed(text, phrase, exact=keyword.exact)):
        start, end = tokens[position].start, tokens[position + len(phrase) - 1].end
        if found and start < found[-1][1]:
            start, _ = found.pop()
        found.append((start, end))
    return found


def problems(keyword: Keyword) -> list[str]:
    """Return everything wrong with a keyword as a person wrote it, each with what to do."""
    found = []
    if ";" in keyword.name:
        found.append("name: ';' separates keywords in the list file; leave it out")
    if keyword.query is None:
        found += _phrase_problems(keyword.name)
    else:
        found += _query_problems(keyword.query)
        if keyword.exact or keyword.match != "title-or-abstract":
            found.append("query: a raw query says all itself; remove 'exact' and 'match'")
    for category in keyword.categories:
        found += _category_problems(category)
    found += [
        f"authors: {author!r} has no name in it; write 'First Last'"
        for author in keyword.authors
        if not _name_words(author)
    ]
    if not found and (size := len(quote_plus(search_query(keyword)))) > MAX_ENCODED:
        found.append(
            f"{size} bytes in a URL, where {MAX_ENCODED} are allowed; make several keywords of it"
        )
    return found


def _plain(text: str) -> str:
    """Return the words of a text with nothing that arXiv's query parser would act on.

    Accents are composed, as in arXiv's texts: to its index a decomposed ö is another letter.
    """
    composed = unicodedata.normalize("NFC", text)
    return " ".join("".join(c if _is_plain(c) else " " for c in composed).split())


def _is_plain(character: str) -> bool:
    return character in "-'’.,/_" or unicodedata.category(character)[0] in "LMN"


def _in_reading_order(author: str) -> str:
    last, comma, first = author.partition(",")
    return f"{first.strip()} {last.strip()}" if comma else author


def _any_of(expressions: list[str]) -> str:
    # arXiv knows no precedence among operators, so every OR gets its parentheses.
    return expressions[0] if len(expressions) == 1 else f"({' OR '.join(expressions)})"


def _terms(category: str) -> list[str]:
    """Return what to ask for a category: "cs" is the whole archive, whatever its subclasses."""
    archive = category.removesuffix(".*")
    return [category] if "." in archive else [archive, f"{archive}.*"]


def _decision(
    keyword: Keyword, *, exact: bool, is_theirs: Callable[[list[list[str]]], bool]
) -> Callable[[Paper], bool]:
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
        return bool(keyword.authors) and is_theirs([_name_words(name) for name in paper.authors])

    return belongs


def _is_in(paper: Paper, archive: str) -> bool:
    names = (category.lower() for category in paper.categories)
    return any(name == archive or name.startswith(f"{archive}.") for name in names)


class _Token(NamedTuple):
    word: str
    start: int
    end: int


# Lucene's StandardTokenizer (Unicode UAX #29): split at hyphen and slash, keep don't, 3.5 and a_b;
# an ideograph is a word of its own, a superscript digit is no part of any.
_IDEOGRAPH = "\u3041-\u309f\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
_CHARACTER = rf"(?:[^\W{_IDEOGRAPH}¹²³¼-¾⁰⁴-⁹₀-₉]|[\u0300-\u036f])"
_JOINT = r"(?:(?<=[^\W\d_])[.:'’·](?=[^\W\d_])|(?<=\d)[.,;'’](?=\d))"
_TOKEN = re.compile(rf"[{_IDEOGRAPH}]|{_CHARACTER}+(?:{_JOINT}{_CHARACTER}+)*")
_POSSESSIVE = re.compile(r"['’＇][sS]$")


def _tokens(text: str) -> Iterator[_Token]:
    for match in _TOKEN.finditer(text):
        word = _POSSESSIVE.sub("", match.group())
        if word.strip("_"):
            yield _Token(word, match.start(), match.start() + len(word))


# A paper is analysed once, however many keywords look at it.
@functools.lru_cache(maxsize=8192)
def _words(text: str) -> tuple[str, ...]:
    return tuple(token.word for token in _tokens(text))


@functools.lru_cache(maxsize=8192)
def _stems(text: str) -> tuple[str | None, ...]:
    """Return the stem at each position of a text, None where a stop word leaves a gap."""
    lowered = (token.word.lower() for token in _tokens(text))
    return tuple(None if word in _STOP_WORDS else _stem(word) for word in lowered)


_LATER_RULES = re.compile(r"(.+)(bl|log)(?:y|ies|is?)")
_MEASURED = re.compile(r"(?:[aeiou]|(?<=[^aeiou])y)[^aeiou]")
_DOUBLED = re.compile(r"(.*[aeiouy].*)([chjkqvwx])\2(?:ed|ing)s?")


@functools.lru_cache(maxsize=65536)
def _stem(word: str) -> str:
    """Return the Porter stem as Lucene has it, which is not quite as Snowball has it.

    Lucene has two later rules (-bli becomes -ble, -logi becomes -log: radiology meets
    radiological), halves any double consonant (grokking), and leaves very short words alone.
    """
    if len(word) < 3:
        return word
    if (later := _LATER_RULES.fullmatch(word)) and _MEASURED.search(later[1]):
        word = later[1] + ("ble" if later[2] == "bl" else "log")
    elif doubled := _DOUBLED.fullmatch(word):
        word = doubled[1] + doubled[2]
    stem: str = _porter().stemWord(word)
    return stem


@functools.cache
def _porter() -> Any:  # noqa: ANN401  (snowballstemmer has no types)
    import snowballstemmer  # slow to import, and only what fetches needs it

    return snowballstemmer.stemmer("porter")


def _phrase(name: str, *, exact: bool) -> tuple[str | None, ...]:
    """Return what to look for at consecutive positions; None stands for any one word."""
    asked_for = _plain(name)
    if exact:
        words = _words(asked_for)
        return tuple(word if _has_inner_capital(word) else word.lower() for word in words)
    stems = _stems(asked_for)
    asked = [position for position, stem in enumerate(stems) if stem is not None]
    return stems[asked[0] : asked[-1] + 1] if asked else ()


def _analysed(text: str, phrase: Sequence[str | None], *, exact: bool) -> tuple[str | None, ...]:
    """Return a text as words that can be compared with those of the phrase.

    With `exact`, case counts only where the phrase has capitals beyond a first letter: SAM, mRNA.
    """
    if not exact:
        return _stems(text)
    literal = {word for word in phrase if word is not None and word != word.lower()}
    return tuple(word if word in literal else word.lower() for word in _words(text))


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
def _name_words(author: str) -> list[str]:
    """Return the words of a name in reading order, without case and accents."""
    decomposed = unicodedata.normalize("NFKD", _in_reading_order(author).casefold())
    return re.findall(r"[^\W_]+", re.sub(r"[\u0300-\u036f]", "", decomposed).translate(_FOLDED))


def _is_called(name: list[str], wanted: list[str]) -> bool:
    """Tell whether a name has the words wanted, in order; others may stand between."""
    *given, surname = wanted or [""]
    rest = iter(name)
    return all(any(_agree(have, want) for have in rest) for want in given) and surname in rest


def _agree(one: str, other: str) -> bool:
    return one == other or (1 in (len(one), len(other)) and one[0] == other[0])


def _phrase_problems(name: str) -> Iterable[str]:
    if len(name) > MAX_PHRASE:
        yield f"name: {len(name)} characters; a phrase has at most {MAX_PHRASE}"
    elif not _words(name):
        yield f"name: {name!r} has no word that arXiv could look for; write a word or a phrase"
    elif not any(_stems(name)):
        yield f"name: arXiv ignores every word of {name!r}; add a word that says more"
    if re.search(r"[*?]", name):
        yield "name: '*' and '?' are not understood in a phrase; endings are found without them"


def _category_problems(category: str) -> Iterable[str]:
    archive, _, subclass = category.partition(".")
    if archive not in _ARCHIVES:
        yield (
            f"categories: {category!r} is no arXiv category; write one like 'cs.CV', or an "
            f"archive: {', '.join(sorted(_ARCHIVES))}"
        )
    elif "." in category and not _SUBCLASS.fullmatch(subclass):
        yield f"categories: {category!r} is no arXiv category; write one like '{archive}.XX'"


def _query_problems(query: str) -> Iterable[str]:
    if len(query) > MAX_QUERY:
        yield f"query: {len(query)} characters; at most {MAX_QUERY} fit into a request"
    if query.count('"') % 2:
        yield "query: a quotation mark is not closed"
        return
    pieces = _PIECE.findall(query)
    if not any(_words(piece) for piece in pieces):
        yield "query: is empty; remove it, or write a query"
        return
    for piece in pieces:
        prefix, colon, name = piece.partition(":")
        if piece.upper() in _OPERATORS | {"NOT"} and piece not in _OPERATORS:
            yield f"query: {piece!r} is no operator; write AND, OR or ANDNOT"
        elif prefix == "au" and "_" in name and '"' not in name:
            yield f'query: arXiv does not find {piece!r}; write au:"{name.replace("_", " ")}"'
        elif piece[0] != '"' and colon and prefix not in _PREFIXES:
            yield f"query: '{prefix}:' is no field; there are {', '.join(sorted(_PREFIXES))}"
    yield from dict.fromkeys(chain(_neighbour_problems(pieces), _level_problems(pieces)))


_PIECE = re.compile(r'\w+:\[[^\]]*\]|(?:\w+:)?"[^"]*"|[()]|[^\s()"]+')


def _neighbour_problems(pieces: list[str]) -> Iterable[str]:
    """Say where arXiv would find no term, or add an OR of its own."""
    for before, piece in pairwise(["", *pieces, ""]):
        wanted = before in {"", "(", *_OPERATORS} or before.endswith(":")
        is_term = piece not in {"", ")", *_OPERATORS}
        if is_term and not wanted:
            yield f"query: nothing joins {piece!r} to what is before it; write AND, OR, or quotes"
        elif is_term or not wanted or (before in {"", "("} and piece == "ANDNOT"):
            continue
        elif before in {"", "("} and piece in _OPERATORS:
            yield f"query: nothing stands before {piece!r}; remove it, or write what it joins"
        else:
            yield f"query: nothing follows {before!r}; remove it, or write what it is for"


def _level_problems(pieces: list[str]) -> Iterable[str]:
    """Say where arXiv would read something else: it groups from the right."""
    levels: list[list[str]] = [[]]
    for piece in pieces:
        if piece == "(":
            levels.append([])
        elif piece in _OPERATORS:
            levels[-1].append(piece)
        elif piece == ")":
            if len(levels) == 1:
                yield "query: a ')' has no '(' before it"
                return
            yield from _mixture_problems(levels.pop())
    if len(levels) > 1:
        yield "query: a '(' is not closed"
    yield from _mixture_problems(levels[0])


def _mixture_problems(operators: list[str]) -> Iterable[str]:
    if len(set(operators)) > 1 or operators.count("ANDNOT") > 1:
        names = " and ".join(dict.fromkeys(operators))
        yield f"query: {names} side by side have no precedence; put parentheses"

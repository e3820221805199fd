"""arXiv's query language: what is asked for a keyword, and which keywords cannot be asked for."""

import re
from collections.abc import Callable, Iterable, Sequence
from itertools import chain, pairwise
from operator import methodcaller
from urllib.parse import quote_plus

from newsletter.keywords.categories import is_category, nearest
from newsletter.keywords.matching import Phrase, decision, in_reading_order, name_words
from newsletter.keywords.reading import as_read
from newsletter.keywords.spellings import indexable, spellings
from newsletter.keywords.stemming import STOP_WORDS, is_stop_word, line, words
from newsletter.models import Keyword, Paper
from newsletter.prose import prose

MAX_PHRASE = 200
MAX_QUERY = 1000
MAX_EXCLUSIONS = 100
MAX_ENCODED = 7500  # of the 8,190 bytes of a request line, the dates and the rest left out

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
    wanted = [f'au:"{indexable(in_reading_order(author))}"' for author in keyword.authors]
    if keyword.query is not None:
        wanted.insert(0, f"({' '.join(keyword.query.split())})")
    elif phrases := asked(keyword):
        wanted.insert(0, _anywhere(phrases, joint=_JOINTS[keyword.match]))
    terms = [f"cat:{term}" for category in keyword.categories for term in _terms(category)]
    expression = _any_of(wanted)
    return f"({expression} AND {_any_of(terms)})" if terms else expression


def asked(keyword: Keyword) -> tuple[str, ...]:
    """Return the phrases that arXiv is asked for: each of the keyword's in every spelling."""
    found = chain.from_iterable(map(spellings, keyword.looked_for))
    return tuple(dict.fromkeys(found))


def claimer(keyword: Keyword) -> Callable[[Paper], bool]:
    """Return the decision whether arXiv may have returned a paper because of this keyword.

    The generous counterpart of `matcher`: it reads TeX as arXiv's index does, stems even where
    `exact` is set, any word stands for a stop word, an author's surname is enough, and a raw query
    claims whatever it is shown.
    """
    if keyword.query is not None:
        return lambda _: True
    surnames = {words[-1] for author in keyword.authors if (words := name_words(author))}
    sought = [pattern for phrase in asked(keyword) if (pattern := _in_index(phrase))]
    return decision(
        keyword,
        occurs=lambda text: any(map(methodcaller("search", line(text)), sought)),
        is_theirs=lambda names: any(not surnames.isdisjoint(name) for name in names),
    )


def problems(keyword: Keyword) -> list[str]:
    """Return everything wrong with a keyword as a person wrote it, each with what to do."""
    found = []
    if ";" in keyword.name:
        found.append("name: ';' separates keywords in the list file; leave it out")
    if keyword.query is None:
        found += _looked_for_problems(keyword)
    else:
        found += _query_problems(keyword.query)
        if keyword.exact or keyword.match != "title-or-abstract" or keyword.phrases is not None:
            found.append(
                "query: a raw query says all itself; remove 'exact', 'match' and 'phrases'"
            )
    found += _exclusion_problems(keyword)
    for category in keyword.categories:
        found += _category_problems(category)
    found += [
        f"authors: {author!r} has no name in it; write 'First Last'"
        for author in keyword.authors
        if not name_words(author)
    ]
    if not found and (size := len(quote_plus(search_query(keyword)))) > MAX_ENCODED:
        found.append(
            f"{size} bytes in a URL, where {MAX_ENCODED} are allowed; make several keywords of it"
        )
    return found


_JOINTS = {"title-or-abstract": "OR", "title-and-abstract": "AND"}


def _anywhere(phrases: Sequence[str], *, joint: str) -> str:
    title, abstract = (
        _any_of([f'{field}:"{phrase}"' for phrase in phrases]) for field in ("ti", "abs")
    )
    return f"({title} {joint} {abstract})"


def _in_index(phrase: str) -> re.Pattern[str] | None:
    """Return how a phrase stands in a `line` of arXiv's index; None if that has no word of it."""
    keys = line(phrase).split()
    while keys and is_stop_word(keys[0]):
        keys.pop(0)
    while keys and is_stop_word(keys[-1]):
        keys.pop()
    each = (r"\S+" if is_stop_word(key) else re.escape(key) for key in keys)
    return re.compile(f" {' '.join(each)} ") if keys else None


def _any_of(expressions: list[str]) -> str:
    # arXiv knows no precedence among operators, so every OR gets its parentheses.
    return expressions[0] if len(expressions) == 1 else f"({' OR '.join(expressions)})"


def _terms(category: str) -> list[str]:
    """Return what to ask for a category: "cs" is the whole archive, whatever its subclasses."""
    archive = category.removesuffix(".*")
    return [category] if "." in archive else [archive, f"{archive}.*"]


def _looked_for_problems(keyword: Keyword) -> Iterable[str]:
    key = "name" if keyword.phrases is None else "phrases"
    if not keyword.looked_for and not keyword.authors:
        yield "phrases: nothing is looked for; write a phrase, or 'authors' to follow"
    if len(keyword.name) > MAX_PHRASE and keyword.phrases is not None:
        yield f"name: {len(keyword.name)} characters; at most {MAX_PHRASE}"
    for phrase in keyword.looked_for:
        yield from _phrase_problems(key, phrase)


def _phrase_problems(key: str, phrase: str) -> Iterable[str]:
    if len(phrase) > MAX_PHRASE:
        yield f"{key}: {len(phrase)} characters; a phrase has at most {MAX_PHRASE}"
        return
    known = words(as_read(phrase).replace(":", " "))
    if not known:
        yield f"{key}: {phrase!r} has no word that arXiv could look for; write a word or a phrase"
    elif all(word.lower() in STOP_WORDS for word in known):
        yield f"{key}: arXiv ignores every word of {phrase!r}; add a word that says more"
    if wildcard := _WILDCARD.search(prose(phrase)):
        yield (
            f"{key}: {wildcard[0]!r} is not understood in a phrase; endings are found without it"
        )


# A star that belongs to a name stands behind a capital: A*, C*-algebra, RRT*.
_WILDCARD = re.compile(r"\?|(?<![A-Z0-9*])\*|\*(?=\w)")


def _exclusion_problems(keyword: Keyword) -> Iterable[str]:
    if len(keyword.exclude) > MAX_EXCLUSIONS:
        yield (
            f"exclude: {len(keyword.exclude)} texts; at most {MAX_EXCLUSIONS}: leave out what is "
            "rare, or narrow the keyword by categories"
        )
        return
    for text in keyword.exclude:
        found = Phrase.of(text, exact=keyword.exact) if len(text) <= MAX_PHRASE else None
        if found is None:
            yield (
                f"exclude: {text[:MAX_PHRASE]!r} is no phrase; write a word or a phrase of at most"
                f" {MAX_PHRASE} characters, or remove it"
            )
        elif found.line.strip().lstrip("=") in STOP_WORDS:
            yield f"exclude: {text!r} stands in nearly every paper; add a word that says more"
        else:
            yield from (
                f"exclude: {text!r} stands in the phrase {phrase!r} itself, and would leave out"
                " every paper that it finds; remove one of them"
                for phrase in keyword.looked_for
                if next(found.spans(as_read(phrase)), None)
            )


def _category_problems(category: str) -> Iterable[str]:
    if not is_category(category):
        yield f"categories: {category!r} is no arXiv category; {nearest(category)}"


def _query_problems(query: str) -> Iterable[str]:
    if len(query) > MAX_QUERY:
        yield f"query: {len(query)} characters; at most {MAX_QUERY} fit into a request"
    if query.count('"') % 2:
        yield "query: a quotation mark is not closed"
        return
    pieces = _PIECE.findall(query)
    if not any(words(piece) for piece in pieces):
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

"""arXiv's query language: what is asked for a keyword, and which keywords cannot be asked for."""

import re
from collections.abc import Callable, Iterable
from itertools import chain, pairwise
from urllib.parse import quote_plus

from newsletter.keywords.matching import decision, in_reading_order, name_words, plain
from newsletter.keywords.stemming import stems, words
from newsletter.models import Keyword, Paper

MAX_PHRASE = 200
MAX_QUERY = 1000
MAX_ENCODED = 7500  # of the 8,190 bytes of a request line, the dates and the rest left out

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
        phrase = plain(keyword.name)
        joint = "AND" if keyword.match == "title-and-abstract" else "OR"
        wanted = [f'(ti:"{phrase}" {joint} abs:"{phrase}")']
    wanted += [f'au:"{plain(in_reading_order(author))}"' for author in keyword.authors]
    terms = [f"cat:{term}" for category in keyword.categories for term in _terms(category)]
    expression = _any_of(wanted)
    return f"({expression} AND {_any_of(terms)})" if terms else expression


def claimer(keyword: Keyword) -> Callable[[Paper], bool]:
    """Return the decision whether arXiv may have returned a paper because of this keyword.

    The generous counterpart of `matcher`: stems even where `exact` is set, an author's surname is
    enough, and a raw query claims whatever it is shown.
    """
    if keyword.query is not None:
        return lambda _: True
    surnames = {words[-1] for author in keyword.authors if (words := name_words(author))}
    return decision(
        keyword,
        exact=False,
        is_theirs=lambda names: any(not surnames.isdisjoint(name) for name in names),
    )


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
        if not name_words(author)
    ]
    if not found and (size := len(quote_plus(search_query(keyword)))) > MAX_ENCODED:
        found.append(
            f"{size} bytes in a URL, where {MAX_ENCODED} are allowed; make several keywords of it"
        )
    return found


def _any_of(expressions: list[str]) -> str:
    # arXiv knows no precedence among operators, so every OR gets its parentheses.
    return expressions[0] if len(expressions) == 1 else f"({' OR '.join(expressions)})"


def _terms(category: str) -> list[str]:
    """Return what to ask for a category: "cs" is the whole archive, whatever its subclasses."""
    archive = category.removesuffix(".*")
    return [category] if "." in archive else [archive, f"{archive}.*"]


def _phrase_problems(name: str) -> Iterable[str]:
    if len(name) > MAX_PHRASE:
        yield f"name: {len(name)} characters; a phrase has at most {MAX_PHRASE}"
    elif not words(name):
        yield f"name: {name!r} has no word that arXiv could look for; write a word or a phrase"
    elif not any(stems(name)):
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

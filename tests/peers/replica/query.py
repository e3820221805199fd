"""arXiv's query language: repairs first, then a grammar without precedence. Pure.

What the server does with a query is described in its own words nowhere; this follows the behaviour
of its public source (arXiv/arxiv-search, domain/classic_api), oddities included.
"""

import calendar
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal, NamedTuple, cast

Operator = Literal["AND", "OR", "ANDNOT"]


@dataclass(frozen=True, slots=True)
class Term:
    """A field and what to look for in it; `quoted` makes several words a phrase."""

    field: str
    text: str
    quoted: bool = False


@dataclass(frozen=True, slots=True)
class Between:
    """When v1 was submitted: both ends belong to it."""

    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True)
class Not:
    """Everything else."""

    operand: "Query"


@dataclass(frozen=True, slots=True)
class Both:
    """Two queries and the operator between them."""

    operator: Operator
    left: "Query"
    right: "Query"


Query = Term | Between | Not | Both


class InvalidQueryError(ValueError):
    """The grammar has no reading for the repaired query."""


def repaired(text: str) -> str:
    """Return the query as the server understands it, in the form its answer echoes."""
    text = re.sub(r"[\r\n]", " ", text).replace("lastUpdatedDate:", "submittedDate:")
    tokens = _tokens(_RANGE.sub(_range_as_phrase, text))
    tokens = _with_outer_prefixes(_andnots(tokens))
    tokens = _with_default_prefix(tokens)
    tokens = _with_default_operator(_single_operators(tokens))
    tokens = _spelled_out_authors(tokens)
    return _written(_without_empty_prefixes(_without_aliases(tokens)))


def parsed(text: str) -> Query:
    """Return the meaning of a repaired query; all operators are right-associative.

    Raises InvalidQueryError.
    """
    tokens = _tokens(text)
    query, rest = _expression(tokens, 0)
    if rest != len(tokens):
        raise InvalidQueryError(text)
    return query


def rewritten(query: Query, *, outermost: bool = True) -> str:
    """Return a parsed query as text: the form in which the feed links to itself."""
    match query:
        case Term(field, text):
            return f'{field}:"{text}"' if re.search(r"\s", text) else f"{field}:{text}"
        case Between(start, end):
            return f'submittedDate:"{start:%Y%m%d%H%M} TO {end:%Y%m%d%H%M}"'
        case Not(operand):
            text = f"ANDNOT {rewritten(operand, outermost=False)}"
        case Both(operator, left, right):
            sides = rewritten(left, outermost=False), rewritten(right, outermost=False)
            text = f"{sides[0]} {operator} {sides[1]}"
    return text if outermost else f"({text})"


class _Token(NamedTuple):
    kind: Literal["prefix", "(", ")", "operator", "text"]
    text: str


_FIELDS = "abs|all|au|cat|co|doi|id|jr|lastUpdatedDate|rn|submittedDate|ti|title"
_TOKEN = re.compile(
    r'(?P<quoted>"[^"]*")'
    r"|(?P<paren>[()])"
    r"|(?P<operator>\b(?:AND|ANDNOT|NOT|OR)\b(?=[()\s]|$))"
    rf"|(?P<prefix>(?:{_FIELDS}):)"
    r'|(?P<word>[^"()\s]+)'  # a quote without its partner fits nowhere and is dropped
)
_RANGE = re.compile(r"submittedDate:\[([\d-]{4,14}) TO ([\d-]{4,14})\]")


def _tokens(text: str) -> list[_Token]:
    found = []
    for match in _TOKEN.finditer(text):
        piece = match.group()
        if match.lastgroup == "paren":
            found.append(_Token("(" if piece == "(" else ")", piece))
        elif match.lastgroup == "operator":
            found.append(_Token("operator", piece))
        else:
            found.append(_Token("prefix" if match.lastgroup == "prefix" else "text", piece))
    return found


def _range_as_phrase(match: re.Match[str]) -> str:
    start, end = _filled(match[1], end=False), _filled(match[2], end=True)
    return f'submittedDate:"{start} TO {end}"'


def _filled(digits: str, *, end: bool) -> str:
    """Return a year, month or day as the first or last minute of it."""
    if not digits.isdigit():
        return digits
    digits = digits[:12]
    if len(digits) == 4:
        digits += "12" if end else "01"
    if len(digits) == 6 and digits[4:] in {f"{month:02}" for month in range(1, 13)}:
        last = calendar.monthrange(int(digits[:4]) or 1, int(digits[4:]))[1]
        digits += str(last) if end else "01"
    return digits + ("2359" if end else "0000") if len(digits) == 8 else digits


def _andnots(tokens: list[_Token]) -> list[_Token]:
    """AND NOT and NOT are both ANDNOT."""
    found: list[_Token] = []
    for token in tokens:
        if token == ("operator", "NOT"):
            if found and found[-1] == ("operator", "AND"):
                found.pop()
            found.append(_Token("operator", "ANDNOT"))
        else:
            found.append(token)
    return found


def _with_outer_prefixes(tokens: list[_Token]) -> list[_Token]:
    """`ti:(a b)` is `(ti:a ti:b)`."""
    found: list[_Token] = []
    outer, depth = None, 0
    for token in tokens:
        if outer and token.kind == "(":
            depth += 1
        elif outer and token.kind == ")":
            depth -= 1
            outer = outer if depth else None
        elif outer and token.kind == "text" and found[-1].kind != "prefix":
            found.append(outer)
        elif not outer and token.kind == "(" and found and found[-1].kind == "prefix":
            outer, depth = found.pop(), 1
        found.append(token)
    return found


def _with_default_prefix(tokens: list[_Token]) -> list[_Token]:
    found: list[_Token] = []
    for token in tokens:
        if token.kind == "text" and not (found and found[-1].kind == "prefix"):
            found.append(_Token("prefix", "all:"))
        found.append(token)
    return found


def _single_operators(tokens: list[_Token]) -> list[_Token]:
    """Of several operators in a row the last counts."""
    found: list[_Token] = []
    for token in tokens:
        if token.kind == "operator" and found and found[-1].kind == "operator":
            found.pop()
        found.append(token)
    return found


def _with_default_operator(tokens: list[_Token]) -> list[_Token]:
    found: list[_Token] = []
    for token in tokens:
        before = found[-1].kind if found else "("
        if (before in {")", "text"} and token.kind in {"prefix", "(", "text"}) or (
            before == token.kind == "prefix"
        ):
            found.append(_Token("operator", "OR"))
        found.append(token)
    return found


def _spelled_out_authors(tokens: list[_Token]) -> list[_Token]:
    """`au:del_maestro` is a phrase, but the server always reads the name of the first term."""
    first = tokens[1].text if len(tokens) > 1 else ""
    if "_" not in first:
        return tokens
    name = first.replace("_", " ")
    phrase = _Token("text", name if '"' in name else f'"{name}"')
    return [
        phrase
        if token.kind == "text" and position and tokens[position - 1].text == "au:"
        else token
        for position, token in enumerate(tokens)
    ]


def _without_aliases(tokens: list[_Token]) -> list[_Token]:
    return [_Token("prefix", "ti:") if token == ("prefix", "title:") else token for token in tokens]


def _without_empty_prefixes(tokens: list[_Token]) -> list[_Token]:
    followers = [*tokens, _Token(")", "")][1:]
    return [
        token
        for token, follower in zip(tokens, followers, strict=True)
        if token.kind != "prefix" or follower.kind == "text"
    ]


def _written(tokens: list[_Token]) -> str:
    text = ""
    before = ""
    for token in tokens:
        joined = (before, token.kind) in {("(", "prefix"), ("text", ")"), ("prefix", "text")}
        text += token.text if joined else f" {token.text}"
        before = token.kind
    return text.strip()


def _expression(tokens: list[_Token], at: int) -> tuple[Query, int]:
    left, at = _operand(tokens, at)
    if at < len(tokens) and tokens[at].kind == "operator":
        operator = tokens[at].text
        right, at = _expression(tokens, at + 1)
        return Both(cast("Operator", operator), left, right), at
    return left, at


def _operand(tokens: list[_Token], at: int) -> tuple[Query, int]:
    token, following = [*tokens[at : at + 2], _Token(")", ""), _Token(")", "")][:2]
    if token.kind == "(":
        inner, after = _expression(tokens, at + 1)
        if after < len(tokens) and tokens[after].kind == ")":
            return inner, after + 1
    elif token == ("operator", "ANDNOT"):
        inner, after = _expression(tokens, at + 1)
        return Not(inner), after
    elif token.kind == "prefix" and following.kind == "text":
        return _term(token.text[:-1], following.text), at + 2
    raise InvalidQueryError(token.text)


def _term(field: str, text: str) -> Query:
    quoted = text.startswith('"')
    if quoted and re.search(r'(?<!\\)(\\\\)*\\"$', text):  # the grammar takes \" for a quote inside
        raise InvalidQueryError(text)
    text = text.strip('"').strip()
    if field != "submittedDate":
        return Term(field, text, quoted)
    ends = text.split(" TO ")
    try:
        start, end = (datetime.strptime(end, "%Y%m%d%H%M").replace(tzinfo=UTC) for end in ends)
    except ValueError as e:
        raise InvalidQueryError(text) from e
    return Between(start, end)

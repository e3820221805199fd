"""Understand what survey forms export: other headers, and topics joined by commas. Pure."""

from collections.abc import Collection, Mapping, Sequence

from newsletter.errors import SubscribersError
from newsletter.subscribers.listfile import header_name
from newsletter.subscribers.reading import name_key

# Google Forms in a few languages, and what people call these questions.
_HEADERS: Mapping[str, Collection[str]] = {
    "email": (
        "email address", "e-mail address", "e-mail", "mail", "e-mail-adresse", "adresse e-mail",
        "dirección de correo electrónico", "indirizzo email", "endereço de e-mail", "e-mailadres",
        "电子邮件地址", "電子郵件地址", "メールアドレス",
    ),
    "name": ("full name", "your name"),
    "keywords": ("keyword", "topics", "topic", "interests"),
}  # fmt: skip


def columns_for(headers: Sequence[str], given: Mapping[str, str]) -> list[str]:
    """Return the columns that headers stand for, those as they are that stand for none.

    `given` has headers by column, for those that nobody can guess. Raises SubscribersError where
    there is no such header, or no column of addresses.
    """
    wanted = {column: header_name(header) for column, header in given.items()}
    found = ", ".join(repr(each[:40]) for each in headers)
    missing = [header for header in wanted.values() if header not in headers]
    if missing:
        raise SubscribersError([f"there is no header {missing[0]!r}; there are {found}"])
    columns = {header: column for column, header in wanted.items()}
    for column, known in _HEADERS.items():
        if column not in headers and column not in wanted:
            columns |= {each: column for each in headers if each in known and each not in columns}
    named = [columns.get(each, "" if each in wanted else each) for each in headers]
    if "email" not in named:
        raise SubscribersError(
            [f'no header stands for email; say which one: --column email="..."; there are {found}']
        )
    return named


def parted(cell: str, keywords: Collection[str]) -> str:
    """Return a cell of keywords with semicolons where it has commas, but in names with commas."""
    if ";" in cell or "," not in cell:
        return cell
    known = {name_key(each) for each in keywords}
    pieces = [each.strip() for each in cell.split(",")]
    names = []
    while pieces:
        # A name may have commas itself: the longest that is known counts.
        joins = (", ".join(pieces[:number]) for number in range(len(pieces), 0, -1))
        name = next((each for each in joins if name_key(each) in known), pieces[0])
        names.append(name)
        del pieces[: name.count(", ") + 1]
    return "; ".join(filter(None, names))

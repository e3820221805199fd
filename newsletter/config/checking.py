"""Make what the file says into the values of its tables, and name everything that is wrong.

No reason quotes a value: it may be a secret.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, get_args, get_origin

from msgspec import NODEFAULT, Struct, ValidationError, convert
from msgspec.structs import FieldInfo, fields

from newsletter.phrases import did_you_mean

T = TypeVar("T", bound=Struct)
Problem = tuple[tuple[int | str, ...], str]  # the steps to it, and what is wrong in plain words

MUST_BE_A_TABLE = "must be a table"
MUST_BE_A_LIST = 'must be a list, ["...", "..."]'
# msgspec's messages, and what is said in their place.
_PLAIN_WORDS = (
    (r"Expected `\w+` >= (.*?)(\.0)?", r"must be greater than or equal to \1"),
    (r"Expected `\w+` <= (.*?)(\.0)?", r"must be less than or equal to \1"),
    (r"Expected `\w+` > (.*?)(\.0)?", r"must be greater than \1"),
    (r"Expected `str` of length <= (\d+)", r"must have at most \1 characters"),
    (r"Expected `int`.*", "must be a whole number"),
    (r"Expected `float`.*", "must be a number"),
    (r"Expected `bool`.*", "must be true or false"),
    (r"Expected `str`.*", "must be text in quotes"),
    (r"Expected `object`.*", "must be a table"),
)
# What environment variables may say beside msgspec's own `true`, `false`, 1 and 0.
_SWITCHES = {"yes": True, "y": True, "on": True, "no": False, "n": False, "off": False}


class Secret:
    """A text that no picture of the configuration shows."""

    def __init__(self, text: str) -> None:
        self._text = text

    def get_secret_value(self) -> str:
        """Return the text."""
        return self._text

    def __bool__(self) -> bool:
        return bool(self._text)

    def __repr__(self) -> str:
        return "**********"


class Table(Struct, frozen=True, kw_only=True):
    """A table of the file, checked key by key: its type first, then the functions beside it.

    Such a function in `Annotated` takes the value and returns it, or raises ValueError.
    """

    @classmethod
    def gathered(cls, given: Mapping[str, object]) -> Mapping[str, object]:
        """Return the table as it is checked. Raises ValueError."""
        return given

    @classmethod
    def disagreements(cls, found: Mapping[str, Any]) -> Iterator[tuple[str, str]]:  # noqa: ARG003
        """Yield the keys that do not go with others, and why; each `found` is sound by itself."""
        return iter(())


class WrongError(Exception):
    """Everything that is wrong with a table."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__(problems)
        self.problems = problems


def checked(kind: type[T], given: Mapping[str, object], *, folder: Path) -> T:
    """Return a table of this kind, whose paths lead from `folder`.

    Raises WrongError, or ValueError for the table as a whole.
    """
    keys = {each.name: each for each in fields(kind)}
    if issubclass(kind, Table):
        given = kind.gathered(given)
    unknown: list[Problem] = [
        ((name,), f"unknown key{did_you_mean(name, keys)}") for name in given if name not in keys
    ]
    found, wrong = _made({name: partial(_value, key, given, folder) for name, key in keys.items()})
    if issubclass(kind, Table):
        wrong += [((name,), reason) for name, reason in kind.disagreements(found) if name in found]
    if unknown or wrong:
        raise WrongError(unknown + wrong)
    return kind(**found)


def _made(makers: Mapping[Any, Callable[[], Any]]) -> tuple[dict[Any, Any], list[Problem]]:
    """Return what could be made, and what is wrong with the others."""
    found: dict[Any, Any] = {}
    wrong: list[Problem] = []
    for step, make in makers.items():
        try:
            found[step] = make()
        except WrongError as error:
            wrong += [((step, *below), reason) for below, reason in error.problems]
        except ValueError as error:
            wrong += [((step,), reason) for reason in str(error).splitlines()]
    return found, wrong


def _value(key: FieldInfo, given: Mapping[str, object], folder: Path) -> Any:  # noqa: ANN401
    if key.name in given:
        return _converted(key.type, given[key.name], folder)
    if key.required:
        raise ValueError("missing")
    if key.type is Path and key.default:
        return placed(Path(key.default), folder)
    if key.default is not NODEFAULT:
        return key.default
    made = key.default_factory
    return checked(made, {}, folder=folder) if issubclass(made, Table) else made()


def _converted(kind: Any, given: object, folder: Path) -> Any:  # noqa: ANN401 - any type
    """Return a value of this kind, its functions asked. Raises as `checked` does."""
    if type(None) in get_args(kind):
        kind = get_args(kind)[0]
    plain, *beside = get_args(kind) if get_origin(kind) is Annotated else (kind,)
    found: Any
    if get_origin(plain) is tuple:
        found = _listed(get_args(plain)[0], given, folder)
    elif isinstance(plain, type) and issubclass(plain, Struct):
        if not isinstance(given, dict):
            raise ValueError(MUST_BE_A_TABLE)
        found = checked(plain, given, folder=folder)
    else:
        found = _simple(kind, given, folder)
    for function in filter(callable, beside):
        found = function(found)
    return found


def _listed(kind: Any, given: object, folder: Path) -> tuple[Any, ...]:  # noqa: ANN401
    if not isinstance(given, list):
        raise ValueError(MUST_BE_A_LIST)  # noqa: TRY004
    found, wrong = _made({at: partial(_converted, kind, x, folder) for at, x in enumerate(given)})
    if wrong:
        raise WrongError(wrong)
    return tuple(found.values())


def _simple(kind: Any, given: object, folder: Path) -> Any:  # noqa: ANN401 - any type
    def hook(made: type, text: object) -> object:
        if not isinstance(text, str):
            raise TypeError("Expected `str`")
        return placed(Path(text), folder) if made is Path else made(text)

    if kind is bool and isinstance(given, str):
        given = _SWITCHES.get(given.lower(), given)
    try:
        return convert(given, kind, strict=False, dec_hook=hook)
    except ValidationError as error:
        if get_origin(kind) is Literal:
            *most, last = map(repr, get_args(kind))
            raise ValueError(f"must be {', '.join(most)} or {last}") from error
        said = str(error).partition(" - at `")[0]
        for pattern, words in _PLAIN_WORDS:
            if match := re.fullmatch(pattern, said):
                raise ValueError(match.expand(words)) from error
        raise ValueError(said) from error


def placed(path: Path, folder: Path) -> Path:
    """Return where a path leads from `folder`; raises ValueError for a home that is not known."""
    try:
        return folder / path.expanduser()
    except RuntimeError as error:
        raise ValueError(f"{path}: nobody knows where {path.parts[0]} is; write it out") from error

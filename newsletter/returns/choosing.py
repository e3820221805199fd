"""What somebody asks for in their own words: other keywords, to join, or to confirm it. Pure.

Only what is plain is taken for a wish: names of keywords, a line each or between commas. A word
more, and it is for the sender to say what they mean.
"""

import re
import unicodedata
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from newsletter.returns.wishes import is_courtesy, without_prefixes
from newsletter.subscribers.joining import KEEP

ALL = "*"

_BULLET = re.compile(r"(?:[-*+•·–]|\(?\d{1,2}[.)])\s+")
_BETWEEN = re.compile(r"[;,；，、]")
_ALL = {ALL, "all", "everything", "all keywords", "alle", "alles", "tous", "tout", "全部", "所有"}
_CLOSING = re.compile(
    r"(?:(?:with|many|kind|kindest|best|warm|warmest) )*"
    r"(?:thanks?|thank you|thx|regards|wishes|cheers|best|sincerely|yours)"
    r"(?: (?:a lot|so much|very much|in advance|again|truly|sincerely))?"
    r"(?: and (?:best |kind )?regards)?"
    r"|(?:vielen |besten |herzlichen )?(?:danke?)(?: schön| im voraus)?"
    r"|(?:mit |viele |beste |liebe |schöne |freundlichen? |herzliche )*gr(?:ü|u|ue)(?:ß|ss)en?"
    r"|lg|vg|mfg|merci(?: beaucoup| d'avance)?|(?:bien )?cordialement|bien à vous"
    r"|(?:谢谢|謝謝|多谢|感谢)(?:您|你|大家)?|此致(?:敬礼)?|敬礼|祝好",
    re.IGNORECASE,
)
_JOIN = {
    "join", "join us", "subscribe", "please subscribe me", "subscribe me", "anmelden", "anmeldung",
    "abonnieren", "beitreten", "inscription", "s'abonner", "abonnement", "订阅", "訂閱", "加入",
}  # fmt: skip
_YES = re.compile(
    r"(?:yes|yep|ok|okay|confirm(?:ed)?|i confirm|ja|bestätigt|ich bestätige|oui|je confirme"
    r"|sí|si|sim|join|是|是的|好|好的|确认|確認|はい)(?:[\s,.!。！，]+(?:please|bitte|gern|gerne"
    r"|s'il vous plaît|thanks|thank you|danke|merci|谢谢))?[\s.!。！]*",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Which keywords somebody named, all of them as `*`; `unclear` is what else they wrote."""

    keywords: tuple[str, ...] = ()
    unclear: tuple[str, ...] = ()

    @property
    def is_plain(self) -> bool:
        """Whether keywords were named, and nothing else was said."""
        return bool(self.keywords and not self.unclear)


def choice(lines: Sequence[str], *, keywords: Sequence[str], signed: str = "") -> Choice:
    """Return what the lines that somebody wrote choose of `keywords`; `signed` is their name."""
    names = {_folded(each): each for each in keywords}
    chosen: dict[str, None] = {}
    unclear: list[str] = []
    closed = False
    for line in lines:
        found = _named(line, names)
        if chosen and not found and _closes(line, signed):
            closed = True
        elif closed and (found or not _is_signed(line, names)):
            unclear.append(line)
        elif found:
            chosen |= dict.fromkeys(found)
        elif not closed and not _is_silent(line, signed):
            unclear.append(line)
    if ALL in chosen and len(chosen) > 1:
        unclear.append(ALL)
    return Choice(keywords=tuple(chosen), unclear=tuple(unclear))


def asks_to_join(subject: str, lines: Sequence[str]) -> bool:
    """Return whether a mail asks to join: by its subject, or without one by its first line."""
    said = without_prefixes(subject) or (lines[0] if lines else "")
    return _folded(said) in _JOIN


def without_asking(lines: Sequence[str]) -> list[str]:
    """Return lines without a first one that asks to join."""
    return list(lines[1:] if lines and _folded(lines[0]) in _JOIN else lines)


def confirms(lines: Sequence[str], *, signed: str = "") -> bool:
    """Return whether an answer to `please confirm` does: it says yes, or nothing at all."""
    said = [line for line in lines if not _is_silent(line, signed)]
    return not said or bool(_YES.fullmatch(said[0]) and all(map(_is_short, said[1:])))


def _is_short(line: str) -> bool:
    return len(line) <= 60 and not line.rstrip().endswith("?")


def _closes(line: str, signed: str) -> bool:
    """Return whether what comes after a line is who wrote it: `Thanks`, `Best, Ada`."""
    said, _, name = line.partition(",")
    ends = not name.strip() or _folded(name) in {_folded(signed), *_folded(signed).split()}
    return ends and bool(_CLOSING.fullmatch(said.strip(" .!;，。！")))


def _is_signed(line: str, names: Collection[str]) -> bool:
    """Return whether a line behind the closing is a name or a place, and no second thought."""
    folded = _folded(line)
    return _is_short(line) and not any(each in folded for each in names)


def _named(line: str, names: dict[str, str]) -> list[str]:
    """Return the keywords that a line consists of; empty where there is a word more."""
    bare = _BULLET.sub("", line, count=1) if line.strip() != ALL else line
    for text in (line, bare):
        if _folded(text) in names:
            return [names[_folded(text)]]
        if _folded(text) in _ALL:
            return [ALL]
    pieces = [_folded(each) for each in _BETWEEN.split(bare) if each.strip()]
    return [names[each] for each in pieces] if pieces and all(map(names.get, pieces)) else []


def _is_silent(line: str, signed: str) -> bool:
    return _folded(line) in {_folded(KEEP), _folded(signed)} or is_courtesy(line)


def _folded(text: str) -> str:
    text = unicodedata.normalize("NFKC", text).replace("’", "'").casefold()
    return " ".join(text.split()).strip(" .;,:!\"'*_") or text.strip()

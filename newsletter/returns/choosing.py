"""What somebody asks for in their own words: other keywords, to join, or to confirm it. Pure.

Only what is plain is taken for a wish: names of keywords, a line each or between commas, and lines
that say how often or as what mails are to come, or that none is for a while. A word more, and it is
for the sender to say what they mean.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from datetime import date

from msgspec import Struct, field

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
    r"|(?:muchas )?gracias(?: de antemano)?|(?:un )?(?:cordial(?:es)? )?saludos?(?: cordiales)?"
    r"|atentamente"
    r"|(?:谢谢|謝謝|多谢|感谢)(?:您|你|大家)?|此致(?:敬礼)?|敬礼|祝好",
    re.IGNORECASE,
)
_JOIN = {
    "join", "join us", "subscribe", "please subscribe me", "subscribe me", "anmelden", "anmeldung",
    "abonnieren", "beitreten", "inscription", "s'abonner", "abonnement", "suscribirme",
    "suscripción", "darme de alta", "订阅", "訂閱", "加入",
}  # fmt: skip
_YES = re.compile(
    r"(?:yes|yep|ok|okay|confirm(?:ed)?|i confirm|ja|bestätigt|ich bestätige|oui|je confirme"
    r"|sí|si|sim|join|是|是的|好|好的|确认|確認|はい)(?:[\s,.!。！，]+(?:please|bitte|gern|gerne"
    r"|s'il vous plaît|thanks|thank you|danke|merci|谢谢))?[\s.!。！]*",
    re.IGNORECASE,
)


# Lines by which a reader sets a column of their row.
_SETTINGS: Mapping[tuple[str, str], Collection[str]] = {
    ("frequency", "daily"): {
        "daily", "every day", "once a day", "täglich", "jeden tag", "quotidien", "chaque jour",
        "tous les jours", "diario", "cada día", "todos los días", "每天", "每日",
    },
    ("frequency", "weekly"): {
        "weekly", "every week", "once a week", "wöchentlich", "jede woche", "einmal pro woche",
        "einmal in der woche", "hebdomadaire", "chaque semaine", "une fois par semaine", "semanal",
        "cada semana", "una vez por semana", "每周", "每週", "每星期",
    },
    ("format", "html"): {"html"},
    ("format", "text"): {
        "plain text", "plain text only", "text only", "nur text", "reiner text", "texte brut",
        "texte seul", "solo texto", "texto sin formato", "纯文本", "純文字",
    },
    ("abstracts", "full"): {
        "whole abstracts", "full abstracts", "ganze zusammenfassungen", "résumés entiers",
        "resúmenes enteros", "完整摘要",
    },
    ("abstracts", "none"): {
        "titles only", "only titles", "nur titel", "titres seuls", "solo títulos", "只要标题",
        "仅标题",
    },
    ("status", "paused"): {"pause", "pausieren", "pausa", "pausar", "暂停", "暫停"},
    ("status", "active"): {
        "resume", "unpause", "weiter", "fortsetzen", "pause beenden", "reprendre", "reanudar",
        "恢复", "恢復", "继续", "繼續",
    },
}  # fmt: skip
_SETTING_OF = {words: setting for setting, every in _SETTINGS.items() for words in every}
_COLUMNS = {
    "frequency": "frequency", "häufigkeit": "frequency", "fréquence": "frequency",
    "frecuencia": "frequency", "频率": "frequency", "format": "format", "formato": "format",
    "格式": "format", "abstracts": "abstracts",
}  # fmt: skip
_COLUMN = re.compile(rf"({'|'.join(_COLUMNS)})\s*[:=：]\s*(.+)")
# Single words that are plain only behind the name of their column, as in `format: text`.
_SHORT = {
    "text": ("format", "text"), "texte": ("format", "text"), "texto": ("format", "text"),
    "full": ("abstracts", "full"), "excerpt": ("abstracts", "excerpt"),
    "none": ("abstracts", "none"),
}  # fmt: skip
_PAUSE = re.compile(
    r"(?:pause|pausieren|pausa|pausar|暂停|暫停)\s*"
    r"(?:until|till|to|bis(?: zum)?|jusqu'(?:au|à)|hasta(?: el)?|到|至)?\s*"
    r"(?:(?P<y>\d{4})(?:-|年)(?P<m>\d{1,2})(?:-|月)(?P<d>\d{1,2})日?"
    r"|(?P<d2>\d{1,2})\.\s?(?P<m2>\d{1,2})\.\s?(?P<y2>\d{4}))"
)
_POLITE = re.compile(
    r"^(?:please|bitte|svp|s'il vous plaît|por favor|请|請)[,\s]*"
    r"|[,\s]*(?:please|bitte|svp|s'il vous plaît|por favor|谢谢|謝謝)$"
)
# Words that tell a language from the others, as they stand in short mails.
_SPOKEN: Mapping[str, Collection[str]] = {
    "de": {
        "bitte", "danke", "dank", "ich", "mich", "möchte", "und", "nicht", "gruß", "grüße",
        "grüßen", "hallo", "guten", "geehrte", "täglich", "wöchentlich", "pausieren", "bis", "nur",
        "alle", "alles", "ja", "anmelden", "anmeldung", "abonnieren", "beitreten", "bestätige",
        "bestätigt", "bestätigen", "weiter", "fortsetzen", "aw", "antwort", "keine", "jeden",
    },
    "fr": {
        "merci", "bonjour", "je", "vous", "plaît", "svp", "cordialement", "et", "oui", "tous",
        "tout", "inscription", "s'abonner", "confirme", "confirmer", "quotidien", "hebdomadaire",
        "reprendre", "jusqu'au", "seulement", "chaque", "une", "voudrais",
    },
    "es": {
        "gracias", "hola", "por", "favor", "quiero", "saludos", "sí", "todos", "todas", "diario",
        "semanal", "hasta", "reanudar", "confirmo", "confirme", "solo", "cada", "quisiera",
    },
}  # fmt: skip
_CJK = re.compile("[\u4e00-\u9fff]")
_KANA = re.compile("[\u3040-\u30ff]")


class Choice(Struct, frozen=True, kw_only=True):
    """Which keywords somebody named, all of them as `*`; `unclear` is what else they wrote.

    `settings` has other cells of their row by column.
    """

    keywords: tuple[str, ...] = ()
    unclear: tuple[str, ...] = ()
    settings: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_something(self) -> bool:
        """Whether anything was chosen, whatever else was said."""
        return bool(self.keywords or self.settings)

    @property
    def is_plain(self) -> bool:
        """Whether something was chosen, and nothing else was said."""
        return self.is_something and not self.unclear


def choice(lines: Sequence[str], *, keywords: Sequence[str], signed: str = "") -> Choice:
    """Return what the lines that somebody wrote choose of `keywords`; `signed` is their name."""
    names = {_folded(each): each for each in keywords}
    chosen: dict[str, None] = {}
    settings: dict[str, str] = {}
    unclear: list[str] = []
    closed = False
    for line in lines:
        found = _named(line, names)
        setting = {} if found else _setting(line)
        if (chosen or settings) and not found and not setting and _closes(line, signed):
            closed = True
        elif closed and (found or setting or not _is_signed(line, names)):
            unclear.append(line)
        elif found:
            chosen |= dict.fromkeys(found)
        elif setting:
            if any(settings.get(column, text) != text for column, text in setting.items()):
                unclear.append(line)  # daily, and weekly
            settings |= setting
        elif not closed and not _is_silent(line, signed):
            unclear.append(line)
    if ALL in chosen and len(chosen) > 1:
        unclear.append(ALL)
    return Choice(keywords=tuple(chosen), unclear=tuple(unclear), settings=settings)


def language(text: str, *, hint: str = "") -> str:
    """Return in which of five languages somebody wrote, `en` where nothing tells.

    `hint` is what the mail program says (Content-Language); words count more.
    """
    if _CJK.search(text) and not _KANA.search(text):
        return "zh"
    words = set(re.findall(r"[\w']+", text.casefold().replace("’", "'")))
    counts = Counter({each: len(words & set(known)) for each, known in _SPOKEN.items()})
    (best, most), (_, second) = counts.most_common(2)
    if most > second:
        return best
    said = hint.strip().lower()[:2]
    return said if not most and said in {*_SPOKEN, "zh"} else "en"


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


def _setting(line: str) -> dict[str, str]:
    """Return the cells that a line sets; empty where it says anything else."""
    folded = _POLITE.sub("", _folded(_BULLET.sub("", line, count=1)))
    if found := _COLUMN.fullmatch(folded):
        said = found[2].strip()
        column, value = _SETTING_OF.get(said) or _SHORT.get(said) or ("", "")
        return {column: value} if column == _COLUMNS[found[1]] else {}
    if paused := _PAUSE.fullmatch(folded):
        year, month, day = (int(paused[each] or paused[f"{each}2"]) for each in "ymd")
        try:
            until = date(year, month, day).isoformat()
        except ValueError:
            return {}
        return {"status": "paused", "paused_until": until}
    if setting := _SETTING_OF.get(folded):
        return {setting[0]: setting[1]} | ({"paused_until": ""} if setting[0] == "status" else {})
    return {}


def _is_silent(line: str, signed: str) -> bool:
    return _folded(line) in {_folded(KEEP), _folded(signed)} or is_courtesy(line)


def _folded(text: str) -> str:
    text = unicodedata.normalize("NFKC", text).replace("’", "'").casefold()
    return " ".join(text.split()).strip(" .;,:!\"'*_") or text.strip()

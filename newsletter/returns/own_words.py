"""What somebody wrote in a mail, without what they quote and how they sign. Pure.

Where it is not plain which words are theirs, too many are returned: whoever reads them must take
what it does not know for a reason to ask.
"""

import re
from collections.abc import Sequence
from email.message import Message
from html import unescape

from newsletter.returns.parsing import BLOCK, BODY, TAG, text_of, texts

_LONGEST = 100_000  # characters; what people write stands before that
_MOST_LINES = 2_000
_LONGEST_LINE = 500
_WRAPPED = 3  # lines over which `On ... somebody wrote:` may be broken

_HIDDEN = re.compile(r"<(?:(style|script|title)\b[^<>]{0,500}>|!--)", re.IGNORECASE)
_QUOTE = re.compile(r"<(/?)blockquote\b[^<>]*>", re.IGNORECASE)
# Where Gmail, Outlook, Apple and QQ begin what they quote, and Thunderbird and Gmail a signature.
_FOREIGN = re.compile(
    r"<\w{1,12}\b[^<>]{0,300}\b(?:id|class)\s?=\s?[\"']?[^\"'<>]{0,100}"
    r"(?:gmail_quote|gmail_signature|gmail_extra|divRplyFwdMsg|appendonsend|OutlookMessageHeader"
    r"|moz-signature|yahoo_quoted|protonmail_quote|mail-editor-reference|isReplyContent)",
    re.IGNORECASE,
)

_SIGNATURE = re.compile(r"--|__+|—")
_FROM_A_PHONE = re.compile(
    r"sent (?:from|with|via) .{1,60}|get outlook for .{1,20}|von mein(?:em|er) .{1,40} gesendet"
    r"|gesendet (?:von|mit) .{1,60}|diese nachricht wurde von .{1,60} gesendet"
    r"|envoyé (?:de|depuis|à partir de) .{1,60}|télécharger outlook .{1,30}"
    r"|(?:发自|發自|從我的|从我的|来自).{1,40}",
    re.IGNORECASE,
)
# `-----Original Message-----`, `------------------ 原始邮件 ------------------`
_ORIGINAL = re.compile(
    r"[-_=]{2,}\s*(?:original|ursprüngliche|forwarded|weitergeleitete|message|原始|转发|回复的?原?)"
    r"[^-_=]{0,60}[-_=]{2,}",
    re.IGNORECASE,
)
_HEADER_FROM = re.compile(
    r"\*?(?:from|von|de|da|van|发件人|寄件者|差出人)\*?\s*[:：]", re.IGNORECASE
)
_HEADER_MORE = re.compile(
    r"\*?(?:sent|date|to|subject|gesendet|datum|an|betreff|envoyé|objet|à|发送时间|日期|收件人|主题"
    r"|傳送時間|收件者|主旨)\*?(?:\s[^:：]{0,20})?\s*[:：]",
    re.IGNORECASE,
)
_VERB = (
    r"(?:wrote|schrieb|geschrieben|a écrit|escribió|ha scritto|schreef|escreveu|写道|寫道|写到)"
    r"[^:：]{0,120}[:：]"
)
_WROTE = re.compile(rf"(?:(?:on|am|le|el|il|op|em) |[在于於]).{{0,400}}{_VERB}", re.IGNORECASE)
_SOMEBODY_WROTE = re.compile(
    r"[^:：<>@]{0,200}[<(][^<>()@\s]{1,100}@[^<>()@\s]{1,100}[>)][^:：<>@]{0,100}" + _VERB,
    re.IGNORECASE,
)


def own_lines(mail: Message) -> list[str]:
    """Return the lines that say something and were written by the sender of the mail.

    The part of plain text counts where it says something, else the one in HTML.
    """
    plain, rich = "", ""
    for part in texts(mail):
        text = text_of(part)[:_LONGEST]
        if part.get_content_subtype() == "html":
            rich = rich or _as_text(text)
        elif part.get_content_subtype() == "plain" and part.get_filename() is None:
            plain = plain if plain.strip() else text
    text = (plain if plain.strip() else rich).replace("\u200b", "")
    lines = [line.strip()[:_LONGEST_LINE] for line in text.splitlines()[:_MOST_LINES]]
    return _without_quotes(lines)


def _as_text(html: str) -> str:
    """Return HTML as lines, with `>` before what is quoted.

    It ends where a mail program says that what follows is an older mail, or a signature.
    """
    body = BODY.split(_visible(html), maxsplit=1)[-1]
    written, depth = [], 0
    for number, piece in enumerate(_QUOTE.split(body)):
        if number % 2:
            depth = max(0, depth - 1) if piece else depth + 1
            written.append("\n")
            continue
        end = None if depth else _FOREIGN.search(piece)
        shown = (piece[: end.start()] if end else piece).replace("\r", "").replace("\n", " ")
        text = unescape(TAG.sub("", BLOCK.sub("\n", shown)))
        mark = "> " if depth else ""
        written += [f"{mark}{line}\n" for line in text.split("\n")]
        if end:
            break
    return "".join(written)


def _visible(html: str) -> str:
    """Return HTML without style sheets, scripts and comments."""
    kept, position = [], 0
    while found := _HIDDEN.search(html, position):
        end = re.compile(f"</{found[1]}" if found[1] else "-->", re.IGNORECASE)
        kept.append(html[position : found.start()])
        closing = end.search(html, found.end())
        if closing is None:
            return "".join(kept)
        position = closing.end() if found[1] is None else closing.start()
    return "".join([*kept, html[position:]])


def _without_quotes(lines: Sequence[str]) -> list[str]:
    own: list[str] = []
    number = 0
    while number < len(lines):
        line = lines[number]
        if _SIGNATURE.fullmatch(line) or _ORIGINAL.match(line) or _is_header(lines, number):
            break
        wrapped = _introduction(lines, number)
        if wrapped:
            number += wrapped
            # Where no line is marked as quoted, all that follows may be: nobody sees where it ends.
            if not any(each.startswith((">", "|")) for each in lines[number:]):
                break
            continue
        if line and not line.startswith((">", "|")) and not _FROM_A_PHONE.fullmatch(line):
            own.append(line)
        number += 1
    return own


def _introduction(lines: Sequence[str], number: int) -> int:
    """Return over how many lines a quote is introduced from here on, 0 where none is."""
    if _SOMEBODY_WROTE.fullmatch(lines[number]):
        return 1
    for count in range(1, _WRAPPED + 1):
        together = lines[number : number + count]
        if all(together) and _WROTE.fullmatch(" ".join(together)):
            # A line of the reader's own above the introduction must not be taken into it.
            return count if count == 1 or not _introduction(lines, number + 1) else 0
    return 0


def _is_header(lines: Sequence[str], number: int) -> bool:
    """Return whether the headers of a quoted mail begin here, as Outlook writes them."""
    following = [line for line in lines[number + 1 : number + 8] if line][:3]
    return bool(
        _HEADER_FROM.match(lines[number]) and any(_HEADER_MORE.match(line) for line in following)
    )

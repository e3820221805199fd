"""What readers write about what they get, as real programs send it, and what each is taken for."""

from base64 import b64encode
from email.message import EmailMessage
from time import process_time

import pytest

from newsletter.returns.meaning import Clerk
from tests.making.inboxes import ADA, KEYS, MASTHEAD, mail, token

KEYWORDS = ("mri", "magnetic resonance imaging", "PET", "diffusion")
BOB = "bob@example.net"

CHANGE = f"change {token()}"
DOOR = f"leave+{token()}@example.org"
DIGEST = f"""Daily Papers
3 papers

mri
- A title that was announced

Change what you get:
mailto:leave+{token()}@example.org?subject=change%20{token()}
Unsubscribe:
mailto:leave+{token()}@example.org?subject=unsubscribe%20{token()}
"""
QUOTED = "\n".join(f"> {line}" for line in DIGEST.splitlines())
QUOTED_HTML = (
    "<p>3 papers</p><ul><li>mri</li><li>PET</li></ul>"
    f'<a href="mailto:leave+{token()}@example.org?subject=unsubscribe%20{token()}">Unsubscribe</a>'
)
KEEP = "Keep the lines that you want, delete the others, and send this:"


def html(text: str, *, plain: str | None = None, subject: str = CHANGE, to: str = DOOR) -> bytes:
    """Return a mail of a program that writes HTML, alone or beside plain text."""
    made = EmailMessage()
    made["From"] = "Ada <ada@example.net>"
    made["To"] = to
    made["Subject"] = subject
    if plain is None:
        made.set_content(text, subtype="html")
    else:
        made.set_content(plain)
        made.add_alternative(text, subtype="html")
    return made.as_bytes()


def letter(text: str, **fields: str) -> bytes:
    """Return a mail as the link in the foot begins it."""
    return mail(to=DOOR, subject=CHANGE, text=text, **fields)


def reply(text: str, **fields: str) -> bytes:
    """Return an answer to a digest."""
    given = {"to": "papers@example.org", "subject": "Re: Daily Papers: 3 papers"} | fields
    return mail(text=text, **given)


def encoded(text: str, charset: str, how: str = "base64") -> bytes:
    """Return a letter in another charset and transfer encoding."""
    assert how == "base64"
    return letter(
        b64encode(text.encode(charset)).decode(),
        MIME_Version="1.0",
        Content_Type=f"text/plain; charset={charset}",
        Content_Transfer_Encoding="base64",
    )


CHOSEN = {
    "the prepared letter with two lines kept": (letter(f"{KEEP}\nmri\nPET\n"), "mri PET"),
    "CR LF, and upper case": (letter("MRI\r\nPet\r\n"), "mri PET"),
    "one name of several words, oddly spaced": (
        letter("Magnetic  resonance   imaging"),
        "magnetic resonance imaging",
    ),
    "bullets": (letter("- mri\n* PET\n• diffusion"), "mri PET diffusion"),
    "numbers": (letter("1. mri\n2) PET"), "mri PET"),
    "names between commas": (letter("mri, PET; diffusion."), "mri PET diffusion"),
    "everything": (letter("*"), "*"),
    "Apple Mail, German": (
        letter(f"mri\n\nVon meinem iPhone gesendet\n\n> Am 24.11.2026 schrieb X:\n{QUOTED}"),
        "mri",
    ),
    "an answer above the quoted digest": (
        reply(f"PET\n\nOn Tue, Nov 24, 2026 at 10:00 AM Daily Papers <papers@example.org>\n"
              f"wrote:\n\n{QUOTED}"),
        "PET",
    ),
    "an answer below the quoted digest": (
        reply(f"On 24.11.26 10:00, Daily Papers wrote:\n{QUOTED}\n\nPET\n\n-- \nAda\nmri lab"),
        "PET",
    ),
    "Outlook, which marks no line": (
        reply(f"PET\n\n-----Original Message-----\nFrom: Daily Papers\nSent: Tuesday\n{DIGEST}"),
        "PET",
    ),
    "Outlook, German": (
        reply(f"Hallo,\n\nPET\nmri\n\nViele Grüße\nAda Lovelace\n\n"
              f"Von: Daily Papers <papers@example.org>\nGesendet: Dienstag\nAn: Ada\n\n{DIGEST}"),
        "PET mri",
    ),
    "Outlook on the web, with its line": (
        reply(f"PET\n________________________________\nFrom: Daily Papers\nSent: x\n{DIGEST}"),
        "PET",
    ),
    "Thunderbird, French": (
        reply(f"Bonjour,\n\nmri\n\nMerci\nAda\n\nLe 24/11/2026 à 10:00, Daily Papers a écrit :\n"
              f"{QUOTED}"),
        "mri",
    ),
    "QQ, Chinese": (
        reply("您好\n\nPET\n\n谢谢\n\n------------------ 原始邮件 ------------------\n"
              f"发件人: Daily Papers\n发送时间: 2026年11月24日\n\n{DIGEST}"),
        "PET",
    ),
    "Gmail, Chinese": (
        reply(f"PET\n\nDaily Papers <papers@example.org> 于2026年11月24日写道：\n\n{QUOTED}"),
        "PET",
    ),
    "a line right above the quote": (
        reply(f"PET\nOn Tue, Nov 24, 2026 Daily Papers <papers@example.org>\nwrote:\n{QUOTED}"),
        "PET",
    ),
    "NetEase, Chinese in GB 18030": (encoded("mri、PET\n谢谢", "gb18030"), "mri PET"),
    "German in Latin-1": (encoded("mri\n\nMit freundlichen Grüßen\nAda", "latin-1"), "mri"),
    "a signature behind its mark": (letter("mri\n-- \nAda Lovelace\nPET centre"), "mri"),
    "a signature without one": (letter("mri\n\nBest regards,\nAda Lovelace\nLondon"), "mri"),
    "only a name below": (letter("mri\n\nAda"), "mri"),
    "Gmail, HTML alone": (
        html('<div dir="ltr">mri<br>PET</div><br><div class="gmail_quote"><div dir="ltr">On Tue'
             f" Daily Papers wrote:</div><blockquote>{QUOTED_HTML}</blockquote></div>"),
        "mri PET",
    ),
    "Apple Mail, HTML alone": (
        html("<html><head><style>p {color: red}</style></head><body><div>diffusion</div>"
             f'<blockquote type="cite">{QUOTED_HTML}</blockquote></body></html>'),
        "diffusion",
    ),
    "Thunderbird, HTML, below the quote": (
        html(f"<blockquote><p>x</p><blockquote>y</blockquote>{QUOTED_HTML}</blockquote><p>PET</p>"),
        "PET",
    ),
    "Outlook, HTML alone": (
        html('<p class="MsoNormal">mri<o:p></o:p></p><p class="MsoNormal">PET</p>'
             f'<div id="divRplyFwdMsg"><b>From:</b> Daily Papers</div>{QUOTED_HTML}'),
        "mri PET",
    ),
    "a list in HTML": (html("<ul><li>mri</li><li>PET</li></ul>"), "mri PET"),
    "HTML beside an empty text": (html("<p>mri</p>", plain="\n"), "mri"),
    "text beside HTML": (html(f"<p>mri</p>{QUOTED_HTML}", plain=f"mri\n\n{QUOTED}"), "mri"),
    "a gateway's mark in the subject": (
        mail(to="leave@example.org", subject=f"[EXTERN] Re: {CHANGE}", text="PET"),
        "PET",
    ),
    "a name with a comma, encoded, and below": (
        letter("mri\n\nLövelace, Ada").replace(
            b"From: Ada ", b"From: =?utf-8?q?L=C3=B6velace=2C_Ada?= ", 1
        ),
        "mri",
    ),
    "another sender, with the token of the link": (
        letter("PET", X_Note="x").replace(b"ada@example.net", b"ada.lovelace@example.com", 1),
        "PET",
    ),
}  # fmt: skip

UNCLEAR = {
    "nothing written": letter(""),
    "a wish in words": letter("Only the PET papers please"),
    "a name and what it is not": letter("mri\nnot PET"),
    "a second thought below": letter("mri\nPET\n\nThanks\nPS: no PET after all"),
    "a keyword that does not exist": letter("mri\nmrt"),
    "everything, and one": letter("*\nPET"),
    "boxes": letter("[x] mri\n[ ] PET"),
    "German words": letter("Bitte nur noch mri, kein PET mehr"),
    "French words": letter("Je ne veux plus recevoir PET"),
    "Chinese words": letter("我不要 PET"),
    "to leave some": letter("unsubscribe\nPET"),
    "an answer to a digest": reply(f"mri\nBut not so many of them!\n\n{QUOTED}"),
}

# What no answer goes to, and changes nothing: machines, lists, people who write to people.
SILENT = {
    "out of office, with its mark": letter("mri", Auto_Submitted="auto-replied"),
    "out of office, by its subject": reply("mri", subject=f"Automatic reply: {CHANGE}"),
    "out of office, German": reply("PET", subject=f"Abwesenheitsnotiz: {CHANGE}"),
    "out of office, Chinese": reply("PET", subject=f"自动回复: {CHANGE}"),
    "an answering machine with no mark but its path": letter("mri", Return_Path="<>"),
    "Exchange": letter("mri", X_Auto_Response_Suppress="All"),
    "bulk": letter("mri", Precedence="bulk"),
    "a list": letter("mri", List_Id="<imaging.example.net>"),
    "another list": letter("mri", List_Unsubscribe="<mailto:x@example.net>"),
    "no sender": letter("mri").replace(b"From: Ada <ada@example.net>\n", b""),
    "two senders": letter("mri").replace(b"Ada <ada@example.net>", b"a@example.net, b@example.net"),
    "the mail system": letter("mri").replace(b"ada@example.net", b"MAILER-DAEMON@example.net", 1),
    "one who takes no answer": letter("mri").replace(b"ada@example.net", b"noreply@example.net", 1),
    "ourselves": letter("mri").replace(b"ada@example.net", b"papers@example.org", 1),
    "a forged token": mail(to="papers@example.org", subject=f"change {'a' * 40}", text="mri"),
    "somebody else by a digest that was passed on": reply(f"mri\n\n{QUOTED}").replace(
        b"ada@example.net", b"bob@example.net", 1
    ),
    "praise": reply(f"What a fine selection!\n\n{QUOTED}"),
    "a question": reply(f"Why is there no paper of mine under mri?\n\n{QUOTED}"),
    "a list of keywords by nobody": reply("mri\nPET"),
}


@pytest.fixture(scope="module")
def clerk() -> Clerk:
    return Clerk(MASTHEAD, keys=KEYS, addresses=lambda: [ADA, BOB], keywords=KEYWORDS)


@pytest.mark.parametrize("name", CHOSEN)
def test_keywords_that_are_named_and_nothing_else_are_a_choice(clerk: Clerk, name: str) -> None:
    content, chosen = CHOSEN[name]
    found = clerk.meaning(content)
    assert (found.kind, found.address) == ("changed", ADA), found.choice
    assert " ".join(found.choice.keywords) == chosen


@pytest.mark.parametrize("name", UNCLEAR)
def test_what_is_not_plain_is_asked_about(clerk: Clerk, name: str) -> None:
    found = clerk.meaning(UNCLEAR[name])
    assert (found.kind, found.address) == ("unclear", ADA), found.choice


@pytest.mark.parametrize("name", SILENT)
def test_machines_and_those_who_ask_for_nothing_change_nothing(clerk: Clerk, name: str) -> None:
    found = clerk.meaning(SILENT[name])
    assert found.kind in {"automatic", "unknown", "refused"}


def test_there_are_enough_cases() -> None:
    assert len(CHOSEN) + len(UNCLEAR) + len(SILENT) >= 60


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (mail(to=DOOR, subject=f"unsubscribe {token()}", text="mri"), "unsubscribed"),
        (mail(to=DOOR, subject="", text=""), "unsubscribed"),
        (letter("unsubscribe"), "unsubscribed"),
        (reply(f"Bitte abmelden\n\n{QUOTED}"), "unsubscribed"),
        (mail(to=DOOR, subject="bye", text="thanks for all the papers"), "unsubscribed"),
    ],
)
def test_who_wants_to_leave_is_not_asked_what_to_get(
    clerk: Clerk, content: bytes, kind: str
) -> None:
    assert clerk.meaning(content).kind == kind


@pytest.mark.parametrize(
    ("subject", "text", "chosen"),
    [
        ("join", "", ""),
        ("Join", "mri\nPET", "mri PET"),
        ("", "join\nmri", "mri"),
        ("[EXTERNAL] subscribe", "Thanks\nAda", ""),
        ("订阅", "PET\n谢谢", "PET"),
        ("Anmeldung", "", ""),
        ("s'abonner", "", ""),
    ],
)
def test_who_writes_join_would_join(clerk: Clerk, subject: str, text: str, chosen: str) -> None:
    found = clerk.meaning(mail(to="leave@example.org", subject=subject, text=text))
    assert (found.kind, found.address) == ("joining", ADA)
    assert " ".join(found.choice.keywords) == chosen


@pytest.mark.parametrize(
    "content",
    [
        mail(to="papers@example.org", subject="join"),
        mail(to="leave@example.org", subject="join", Precedence="list"),
        mail(to="leave@example.org", subject="join us at our conference in Rome"),
        mail(to="leave@example.org", subject="join", Return_Path="<>"),
    ],
)
def test_nobody_joins_elsewhere_or_by_a_machine(clerk: Clerk, content: bytes) -> None:
    assert clerk.meaning(content).kind in {"unknown", "automatic", "refused"}


@pytest.mark.slow
@pytest.mark.parametrize(
    "piece", ["<style>", "<a id=", "<!--", "On <a@b>", "<blockquote>", "mri, "]
)
def test_a_mail_made_to_be_hard_to_read_is_read_in_a_moment(clerk: Clerk, piece: str) -> None:
    start = process_time()
    clerk.meaning(html(piece * 100_000))
    clerk.meaning(letter(piece * 100_000))
    clerk.meaning(letter(f"{piece}\n" * 20_000))
    assert process_time() - start < 5

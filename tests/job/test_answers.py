"""Readers who choose, join and confirm by mail: what becomes of it, and what they are told."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from email.message import EmailMessage
from pathlib import Path

import pytest
from msgspec.structs import fields, replace

from newsletter.errors import InboxError, TransportError
from newsletter.job.letters.words import WORDS
from newsletter.returns.choosing import choice, confirms
from newsletter.returns.choosing import language as spoken
from newsletter.returns.wishes import is_plain_wish
from newsletter.subscribers import editing
from tests.making.inboxes import ADA, MASTHEAD, MaildirBox, Office, mail, offices, token
from tests.making.mailing import Refusing
from tests.making.papers import NOW

BOB = "bob@example.net"
HOUR = timedelta(hours=1)
LIST = f"email,name,keywords,note\n# mine\n{ADA},Ada,mri,likes tea\nr1@example.net,,*,\n"


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    for each in offices(tmp_path, MaildirBox(tmp_path / "inbox")):
        each.keywords = ("mri", "PET", "diffusion")
        each.list_file.write_text(LIST)
        yield each


def wish(text: str, *, email: str = ADA, **fields: str) -> bytes:
    """Return a mail as the link in the foot begins it."""
    known = token(email)
    content = mail(to=f"leave+{known}@example.org", subject=f"change {known}", text=text, **fields)
    return content.replace(b"ada@example.net", email.encode(), 1)


def replied(answer: EmailMessage, text: str) -> bytes:
    """Return what somebody answers to an answer of ours, as mail programs do."""
    content = EmailMessage()
    content["From"] = str(answer["To"])
    content["To"] = str(answer["Reply-To"])
    content["Subject"] = f"Re: {answer['Subject']}"
    quoted = "".join(f"> {line}\n" for line in str(answer.get_content()).splitlines())
    content.set_content(f"{text}\n\nOn Tue, Daily Papers wrote:\n{quoted}")
    return content.as_bytes()


def text_of(answer: EmailMessage) -> str:
    return str(answer.get_content()).replace("\r\n", "\n")


def test_a_choice_changes_one_cell_and_one_answer_says_what_was_understood(office: Office) -> None:
    office.box.put(wish("PET\ndiffusion"))
    assert office.heard().kinds == {"changed": 1}
    assert office.list_file.read_text() == LIST.replace("Ada,mri", "Ada,PET;diffusion")
    (answer,) = office.answers()
    assert answer["To"] == ADA
    assert answer["Auto-Submitted"] == "auto-replied"
    assert "- PET\n- diffusion\n" in text_of(answer)
    assert office.heard().kinds == {}
    assert len(office.answers()) == 1


def test_all_is_a_choice_and_naming_all_keeps_it(office: Office) -> None:
    office.box.put(wish("*"))
    office.heard()
    assert office.chosen() == "*"
    office.box.put(wish("mri\nPET\ndiffusion"))
    assert office.heard().kinds == {"changed": 1}
    assert office.chosen() == "*"


@pytest.mark.parametrize(
    ("text", "cells"),
    [
        ("weekly", {"frequency": "weekly"}),
        ("PET\nonce a week, please", {"keywords": "PET", "frequency": "weekly"}),
        ("Format: text\nThanks, Ada", {"format": "text"}),
        ("abstracts: full", {"abstracts": "full"}),
        ("pause", {"status": "paused"}),
        ("pause until 2026-12-24", {"status": "paused", "paused_until": "2026-12-24"}),
        ("Pause bis zum 24.12.2026\nDanke!", {"status": "paused", "paused_until": "2026-12-24"}),
        ("请暂停到2026年12月24日", {"status": "paused", "paused_until": "2026-12-24"}),
        ("en pause", None),
        ("pause until 12/01/2026", None),  # the first of December, or the twelfth of January?
        ("pause until 2026-02-30", None),
        ("pause until 2026-01-01", None),  # that day is gone
        ("weekly\ndaily", None),
        ("weekly, but not in August", None),
        ("frequency: text", None),
        ("weekly\nunsubscribe", None),
    ],
)
def test_how_mails_come_is_chosen_by_a_line_too(
    office: Office, text: str, cells: dict[str, str] | None
) -> None:
    office.box.put(wish(text))
    assert office.heard().kinds == {"changed" if cells else "unclear": 1}
    (answer,) = office.answers()
    row = editing.row_of(office.list_file, ADA)
    assert row is not None
    before = {"email": ADA, "name": "Ada", "keywords": "mri", "note": "likes tea"}
    assert row == {**before, **(cells or {})}
    if cells is None:
        assert "Nothing was changed" in text_of(answer)
        assert office.list_file.read_text() == LIST


def test_who_paused_goes_on_by_a_line(office: Office) -> None:
    office.box.put(wish("pause until 2026-12-24"))
    office.heard()
    assert "- paused until 2026-12-24\n" in text_of(office.answers()[0])
    office.box.put(wish("resume"))
    assert office.heard().kinds == {"changed": 1}
    row = editing.row_of(office.list_file, ADA)
    assert row is not None
    assert (row["status"], row["paused_until"]) == ("active", "")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("PET\nDanke", "Das wurde verstanden"),
        ("wöchentlich", "einmal in der Woche, montags"),
        ("Bitte auch die über Katzen", "Es wurde nichts geändert"),
        ("PET\nMerci beaucoup", "C'est compris"),
        ("hebdomadaire", "une fois par semaine, le lundi"),
        ("PET\nMuchas gracias", "Se ha entendido"),
        ("semanal", "una vez por semana, los lunes"),
        ("PET\n谢谢", "已经明白"),
        ("每周", "每周一次"),
        ("PET\nThanks", "This was understood"),
        ("PET", "This was understood"),
    ],
)
def test_readers_are_answered_in_their_language(office: Office, text: str, said: str) -> None:
    office.box.put(wish(text))
    office.heard()
    assert said in text_of(office.answers()[0])


def test_where_no_word_tells_the_mail_program_does(office: Office) -> None:
    office.box.put(b"Content-Language: de-DE\n" + wish("PET"))
    office.heard()
    assert "Das wurde verstanden" in text_of(office.answers()[0])


def test_who_joins_in_french_is_answered_in_french_to_the_end(office: Office) -> None:
    office.box.put(join("PET\nhebdomadaire", subject="inscription"))
    assert office.heard().kinds == {"joining": 1}
    (letter,) = office.answers()
    assert letter["Subject"].startswith("Merci de confirmer")
    assert "- PET\n\n- une fois par semaine, le lundi\n" in text_of(letter)
    office.box.put(replied(letter, ""))
    assert office.heard(now=NOW + 2 * HOUR).kinds == {"joined": 1}
    assert "Vous êtes abonné" in text_of(office.answers()[-1])
    row = editing.row_of(office.list_file, BOB)
    assert row is not None
    assert (row["keywords"], row["frequency"]) == ("PET", "weekly")


# What `also` tells to write, with what it does; and the words in `leave` and `not_confirmed`.
TOLD: Mapping[str, tuple[Sequence[str], str, str]] = {
    "en": (
        ("weekly", "daily", "plain text", "html", "pause until 2027-01-07", "resume"),
        "unsubscribe",
        "yes",
    ),
    "de": (
        ("wöchentlich", "täglich", "nur Text", "html", "Pause bis 2027-01-07", "weiter"),
        "abmelden",
        "ja",
    ),
    "fr": (
        (
            "hebdomadaire",
            "quotidien",
            "texte brut",
            "html",
            "pause jusqu'au 2027-01-07",
            "reprendre",
        ),
        "désabonner",
        "oui",
    ),
    "es": (
        ("semanal", "diario", "solo texto", "html", "pausa hasta 2027-01-07", "reanudar"),
        "baja",
        "sí",
    ),
    "zh": (("每周", "每天", "纯文本", "html", "暂停到 2027-01-07", "恢复"), "退订", "是"),
}


@pytest.mark.parametrize("language", WORDS)
def test_what_an_answer_tells_to_write_is_understood(language: str) -> None:
    words, (settings, leave, yes) = WORDS[language], TOLD[language]
    assert all(each in words.also for each in settings)
    chosen = [choice([each], keywords=["mri"]).settings for each in settings]
    assert chosen == [
        {"frequency": "weekly"},
        {"frequency": "daily"},
        {"format": "text"},
        {"format": "html"},
        {"status": "paused", "paused_until": "2027-01-07"},
        {"status": "active", "paused_until": ""},
    ]
    assert leave in words.leave
    assert is_plain_wish(leave)
    assert yes in words.not_confirmed
    assert confirms([yes])


@pytest.mark.parametrize("language", WORDS)
def test_a_language_is_known_by_its_own_letters_and_has_every_sentence(language: str) -> None:
    words = WORDS[language]
    assert all(getattr(words, each.name).strip() for each in fields(words))
    assert spoken(f"{words.confirm_subject} {words.confirm}") == language


def test_what_is_not_plain_changes_nothing_and_is_asked_about_once(office: Office) -> None:
    office.box.put(wish("mri but not those about PET"))
    assert office.heard().kinds == {"unclear": 1}
    assert office.list_file.read_text() == LIST
    assert len(office.box.mails("newsletter-unknown")) == 1  # a person may want to read it, too
    (question,) = office.answers()
    assert "Nothing was changed" in question.get_content()
    assert "> mri but not those about PET" in question.get_content()
    assert "  diffusion\n" in text_of(question)


def test_the_answer_to_a_question_is_a_choice(office: Office) -> None:
    office.box.put(wish("hm"))
    office.heard()
    (question,) = office.answers()
    office.box.put(replied(question, "PET"))
    assert office.heard(now=NOW + HOUR).kinds == {"changed": 1}
    assert office.chosen() == "PET"


def test_an_answer_to_our_answer_never_makes_anybody_leave(office: Office) -> None:
    office.box.put(wish("PET"))
    office.heard()
    (answer,) = office.answers()
    office.box.put(replied(answer, "Thank you, that was quick! How do you do that?"))
    office.heard(now=NOW + 2 * HOUR)
    assert office.suppressed() == {}
    assert office.chosen() == "PET"


def test_a_machine_that_answers_our_answer_gets_none(office: Office) -> None:
    office.box.put(wish("hm"))
    office.heard()
    (question,) = office.answers()
    for marks in (
        b"Auto-Submitted: auto-replied",
        b"Return-Path: <>",
        b"Precedence: bulk",
        b"List-Id: <x.example>",
    ):
        office.box.put(marks + b"\n" + replied(question, "PET"))
    office.heard(now=NOW + 2 * HOUR)
    assert len(office.answers()) == 1
    assert office.list_file.read_text() == LIST
    assert office.suppressed() == {}


def test_an_address_gets_one_answer_an_hour_and_every_change_counts(office: Office) -> None:
    for minute, name in enumerate(["PET", "diffusion", "mri", "PET", "diffusion"]):
        office.box.put(wish(name, Message_ID=f"<{minute}@a>"))
        office.heard(now=NOW + timedelta(minutes=10 * minute))
        assert office.chosen() == name
    assert len(office.answers()) == 1
    office.box.put(wish("mri"), wish("PET", Message_ID="<x@a>"))
    office.heard(now=NOW + HOUR)
    assert len(office.answers()) == 2


def test_an_answer_goes_to_the_address_on_the_list_alone(office: Office) -> None:
    office.box.put(wish("PET").replace(b"From: Ada <ada@example.net>", b"From: x@example.com"))
    office.heard()
    assert [each["To"] for each in office.answers()] == [ADA]


@pytest.mark.parametrize("reason", ["unsubscribed", "bounced", "complained"])
def test_nobody_who_gets_no_mails_gets_an_answer(office: Office, reason: str) -> None:
    office.suppressions.add(ADA, reason=reason, now=NOW, detail="")
    office.box.put(wish("PET"))
    assert office.heard().kinds == {"refused": 1}
    assert office.answers() == []
    assert office.list_file.read_text() == LIST


def test_somebody_who_is_not_on_the_list_any_more_is_not_answered(office: Office) -> None:
    office.box.put(wish("PET", email="r2@example.net"))
    assert office.heard().kinds == {"refused": 1}
    assert office.answers() == []


# Joining


def join(text: str = "", *, email: str = BOB, subject: str = "join") -> bytes:
    content = mail(to="leave@example.org", subject=subject, text=text)
    return content.replace(b"ada@example.net", email.encode(), 1)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("text", "keywords"), [("", "*"), ("PET\ndiffusion", "PET;diffusion"), ("Hello!\nPET", "PET")]
)
@pytest.mark.parametrize("yes", ["", "Yes, please", "ja", "是的"])
def test_who_writes_join_is_asked_and_joins_by_an_answer(
    office: Office, text: str, keywords: str, yes: str
) -> None:
    office.box.put(join(text))
    assert office.heard().kinds == {"joining": 1}
    assert office.chosen(BOB) is None
    (letter,) = office.answers()
    assert (letter["To"], letter["Reply-To"]) == (BOB, "leave@example.org")
    office.box.put(replied(letter, yes))
    assert office.heard(now=NOW + 24 * HOUR).kinds == {"joined": 1}
    assert office.chosen(BOB) == keywords
    assert len(office.answers()) == 2


def test_an_answer_that_says_something_else_adds_nobody(office: Office) -> None:
    office.box.put(join())
    office.heard()
    (letter,) = office.answers()
    office.box.put(replied(letter, "I never asked for this, what is it?"))
    assert office.heard(now=NOW + HOUR).kinds == {"unclear": 1}
    assert office.chosen(BOB) is None


def test_a_confirmation_that_is_forged_or_too_old_adds_nobody(office: Office) -> None:
    office.box.put(join())
    office.heard()
    (letter,) = office.answers()
    forged = replied(letter, "yes").replace(b"Please", b"P").replace(b".", b".A")
    office.box.put(forged)
    office.heard(now=NOW + HOUR)
    assert office.chosen(BOB) is None
    office.box.put(replied(letter, "yes"))
    assert office.heard(now=NOW + timedelta(days=8)).kinds == {"refused": 1}
    assert office.chosen(BOB) is None


def test_with_a_web_address_the_confirmation_has_its_link_too(office: Office) -> None:
    office.masthead = replace(MASTHEAD, base_url="https://papers.example.org")
    office.box.put(join())
    office.heard()
    (letter,) = office.answers()
    assert "https://papers.example.org/confirm/" in letter.get_content()


def test_who_left_may_come_back_and_who_complained_may_not(office: Office) -> None:
    office.suppressions.add(BOB, reason="unsubscribed", now=NOW - HOUR, detail="")
    office.suppressions.add("eve@example.net", reason="complained", now=NOW - HOUR, detail="")
    office.box.put(join(), join(email="eve@example.net"))
    office.heard()
    (letter,) = office.answers()
    assert letter["To"] == BOB
    office.box.put(replied(letter, "yes"))
    office.heard(now=NOW + HOUR)
    assert office.chosen(BOB) == "*"
    assert office.suppressed() == {"eve@example.net": "complained"}


def test_who_is_on_the_list_is_told_so(office: Office) -> None:
    office.box.put(join(email=ADA))
    office.heard()
    (letter,) = office.answers()
    assert "is subscribed already, to:\n\n- mri\n" in text_of(letter)
    assert office.list_file.read_text() == LIST


@pytest.mark.slow
def test_strangers_get_only_so_many_letters(office: Office) -> None:
    office.box.put(*(join(email=f"s{number}@example.net") for number in range(30)))
    office.heard()
    assert len(office.answers()) == 20


# Trouble


def test_where_the_list_cannot_be_changed_the_mail_waits_and_the_others_are_read(
    office: Office,
) -> None:
    office.list_file.write_bytes(b"\x00" * 200)
    leaving = mail(to=f"leave+{token('r1@example.net')}@example.org", subject="unsubscribe")
    office.box.put(wish("PET"), leaving)
    reading = office.heard()
    assert reading.kinds == {"unsubscribed": 1}
    assert isinstance(reading.trouble, InboxError)
    assert reading.trouble.exit_code == 65
    assert reading.stayed() == {"cannot be done now": 1}
    assert office.suppressed() == {"r1@example.net": "unsubscribed"}
    office.list_file.write_text(LIST)
    assert office.heard().kinds == {"changed": 1}
    assert office.chosen() == "PET"
    assert len(office.answers()) == 1


def test_a_server_that_takes_no_answer_keeps_no_change_back(office: Office) -> None:
    office.box.put(wish("PET"))
    with pytest.raises(TransportError):
        office.heard(transport=Refusing(TransportError("the server is down", exit_code=69)))
    assert office.chosen() == "PET"

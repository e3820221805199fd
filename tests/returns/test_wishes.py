"""What counts as the wish to leave, and what is for a person to read."""

from time import process_time

import pytest

from newsletter.returns.wishes import (
    is_courtesy,
    is_doubtful,
    is_plain_wish,
    speaks_of_leaving,
)

TOKEN = "abcdefghijklmnopqrstuvwxyz234567abcdefgh"

PLAIN = [
    "unsubscribe",
    "UNSUBSCRIBE!!!",
    f"unsubscribe {TOKEN}",
    "Please unsubscribe me",
    "Could you please unsubscribe me from this mailing list? Thank you",
    "unsubscribe ada@example.net",
    "Unsubscribe from Daily Papers",
    # German
    "Abmelden",
    "Abmeldung",
    "Bitte abmelden",
    "Ich möchte mich abmelden",
    "Newsletter abbestellen",
    "Bitte melden Sie mich vom Newsletter ab",
    "Bitte austragen, danke",
    # French
    "Désabonner",
    "desabonnement",
    "Se désabonner",
    "Me désabonner s’il vous plaît",
    "Désinscription",
    "Veuillez me désinscrire de cette liste",
    # Spanish
    "Baja",
    "darme de baja",
    "Quiero darme de baja de la lista",
    "Cancelar suscripción, por favor",
    "Desuscribirme",
    # Italian
    "Disiscrizione",
    "Disiscrivimi",
    "Cancellami dalla lista, grazie",
    "annulla iscrizione",
    # Portuguese
    "Cancelar inscrição",
    "cancelar a minha assinatura",
    "Cancelar subscrição",
    "Descadastrar",
    # Dutch
    "Afmelden",
    "Graag uitschrijven",
    "Meld me af voor de nieuwsbrief",
    # Chinese
    "退订",
    "退訂",
    "请取消订阅",
    "取消訂閱",
    # Japanese
    "配信停止",
    "登録解除",
    "購読を解除してください",
    "配信停止をお願いします",
    "退会します",
]

FOR_A_PERSON = [
    "Unsubscribe link is broken, but I want to stay",
    "Unsubscribe works, but what about the archive",
    "How do I unsubscribe?",
    "Why did you unsubscribe me?",
    "Do not unsubscribe me",
    "My colleague could not unsubscribe",
    "unsubscribe and subscribe me with the other address",
    "Abmelden funktioniert wunderbar, ich bleibe",
    "Le lien de désinscription ne marche pas",
    "取消订阅的链接坏了",
    "配信停止のリンクが壊れています",
    "",
    "Nice!",
    "unsubscribe " + "please " * 40,
]

IN_FRONT = [
    "Re: ",
    "RE: AW: ",
    "SV: ",
    "Antw: ",
    "WG: ",
    "RV: ",
    "Fwd: ",
    "回复: ",
    "回复：",
    "Re[2]: ",
    "[EXTERNAL] ",
    "[EXT] Re: ",
    "***SPAM*** ",
    "*** SPAM *** Re: [EXTERNAL] ",
    "(Spam?) ",
]


@pytest.mark.parametrize("line", PLAIN)
def test_a_plain_wish_counts_in_nine_languages(line: str) -> None:
    assert is_plain_wish(line, title="Daily Papers")
    assert speaks_of_leaving(line)
    assert not is_doubtful(line)


@pytest.mark.parametrize("line", ["unsubscribe", "Abmelden", "退订"])
@pytest.mark.parametrize("front", IN_FRONT)
def test_what_programs_put_in_front_does_not_matter(front: str, line: str) -> None:
    assert is_plain_wish(front + line)


@pytest.mark.parametrize("line", ["Abmelden: Daily Papers", "[unsubscribe]", "baja:"])
def test_a_wish_is_not_taken_for_what_stands_in_front(line: str) -> None:
    assert is_plain_wish(line, title="Daily Papers")


@pytest.mark.parametrize("line", FOR_A_PERSON)
def test_who_says_more_than_that_writes_to_a_person(line: str) -> None:
    assert not is_plain_wish(line)


@pytest.mark.parametrize(
    "line",
    [
        "Unsubscribe link is broken, but I want to stay",
        "How do I unsubscribe?",
        "Please don't unsubscribe me",
        "Bitte nicht abmelden",
        "我不想取消订阅",
        "配信停止したくない",
    ],
)
def test_the_word_alone_is_no_wish_where_the_opposite_is_said(line: str) -> None:
    assert is_doubtful(line)


@pytest.mark.parametrize("line", ["Hello,", "Dear Sir, dear Madam", "Guten Tag", "Bonjour", "您好"])
def test_a_courtesy_says_nothing_yet(line: str) -> None:
    assert is_courtesy(line)
    assert not is_courtesy("Nice!")


@pytest.mark.parametrize(
    "line", ["[" * 100_000, "re:" * 50_000, "a@" * 50_000, "please " * 50_000, "*" * 100_000]
)
def test_no_line_takes_long(line: str) -> None:
    started = process_time()
    assert not is_plain_wish(line)
    assert not is_doubtful(line)
    assert not is_courtesy(line)
    assert process_time() - started < 1

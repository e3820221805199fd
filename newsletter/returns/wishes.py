"""The wish to leave, as people write it in nine languages. Pure: it reads words, and nothing else.

A wish is plain when nothing else is said. Whoever writes more than that, or asks, writes to a
person.
"""

import re
import unicodedata
from collections.abc import Iterable

from newsletter.subscribers.tokens import LENGTH

# Longer lines are no plain wish, and subjects do not hold more of use.
_LONGEST = 1000
_PLAIN_LONGEST = 160


def _folded(text: str) -> str:
    """Return a text without case and accents, which half of the people leave out."""
    decomposed = unicodedata.normalize("NFKD", text.casefold().replace("’", "'"))
    return "".join(each for each in decomposed if not unicodedata.combining(each))


def _either(patterns: Iterable[str]) -> str:
    return "|".join(map(_folded, patterns))


# Words between spaces, and words of scripts that have none.
_LEAVING = (
    r"un-?subscri(?:be|bing|ption)",
    # German
    r"ab(?:zu)?meld(?:en|ung)|(?:newsletter)?ab(?:zu)?bestell(?:en|ung)|aus(?:zu)?tragen",
    r"meld(?:e|en sie)? (?:mich|uns) (?:[\w-]+ ){0,3}ab",
    r"(?:bestell|trag)(?:e|en sie)? (?:[\w-]+ ){1,4}(?:ab|aus)",
    # French
    r"des?abonn(?:er|ez|ement)|desinscri(?:re|ption|vez)(?:-moi)?|desabonnez-moi",
    # Spanish
    r"(?:dar(?:me|se|nos)?|den?me|dame) de baja|baja",
    r"de(?:s|sub)?suscri(?:bir|birme|bidme|banme|pcion)",
    r"(?:cancelar|anular|cancelacion de|baja de) (?:la |mi )?suscripcion",
    # Italian
    r"disiscri(?:vi|vere|vermi|vimi|vetemi|zione)|disabbon(?:are|armi|atemi)|cancell(?:ami|atemi)",
    r"(?:annulla(?:re)?|cancella(?:re)?|cancellazione(?: della)?) (?:l'|la |mia )*iscrizione",
    r"cancellazione",
    # Portuguese
    r"(?:cancelar|anular|cancelamento d[ae]) (?:a |minha )*(?:inscricao|assinatura|subscricao)",
    r"descadastr(?:ar|amento|e-me|em-me|ar-me)|desinscrever(?:-me)?|desinscricao",
    # Dutch
    r"af(?:te)?meld(?:en|ing)|uit(?:te)?schrijv(?:en|ing)|opzeggen|opzegging",
    r"(?:meld|schrijf)(?:t u)? (?:mij|me|ons) (?:[\w-]+ ){0,3}(?:af|uit)",
)
_LEAVING_UNSPACED = (
    # Chinese
    r"(?:退|取消)(?:订阅?|訂閱?)|取消(?:电子报|電子報)",
    # Japanese
    r"(?:配信|購読|登録|メルマガ|メールマガジン)の?を?(?:停止|解除|中止|退会)|退会|配信不要",
)
_BESIDE = (
    r"please|pls|kindly|can|could|would|will|me|us|my|i|we|want|wish|like|to|be|from|of|this|these|the|your|all|any",
    r"further|future|mailing|lists?|newsletters?|digests?|e-?mails?|mails?|messages?|address",
    r"subscription|now|immediately|thanks|thank|you|thx|hi|hello|dear|sir|madam|team|best|regards",
    r"bitte|mich|uns|mir|ich|mochte|moechte|will|von|vom|dem|der|den|das|diesem|dieser|diesen",
    r"ihrem|ihren|eurem|verteiler|liste|mailingliste|danke|vielen|dank|hallo|guten|tag|und|herren",
    r"sehr|geehrte|damen|sie|zu|hiermit|mit|freundlichen|grussen|viele|grusse",
    r"s'il|s'?il|vous|plait|svp|stp|veuillez|je|souhaite|voudrais|veux|de|du|la|le|les|cette|votre",
    r"vos|bonjour|merci|d'|l'|moi|m'|information|diffusion|se|lettre|cordialement",
    r"por|favor|quiero|deseo|solicito|el|del|esta|este|lista|boletin|correos?|gracias|hola|mi|su",
    r"per|favore|prego|vorrei|voglio|desidero|dalla|dal|dai|grazie|ciao|buongiorno|questa|vostra",
    r"quero|gostaria|desejo|da|do|o|a|obrigad[oa]|ola|minha|meu|desta|deste|em",
    r"alstublieft|aub|a\.u\.b|graag|mij|ik|wil|willen|van|voor|het|deze|nieuwsbrief|bedankt|u|je",
    r"mailinglijst|lijst|abonnement|iscrizione|inscricao|suscripcion",
)
_BESIDE_UNSPACED = (
    r"请|請|我|要|想|您好|你好|谢谢|謝謝|帮|幫|将|將|把|从|從|此|这个|這個|邮件|郵件|列表|了",
    r"お?願い(?:いた)?します|お?願い申し上げます|ください|下さい|希望|いたし?ます|します|したい|です",
    r"ます|メール|メルマガ|ニュースレター|の|を|は|が|して|から|と|に|よろしく|こんにちは",
)
# Who writes one of these beside "unsubscribe" may want something else.
_DOUBT = (
    r"stay|remain|keep me|why|how|bleiben|warum|wieso|rester|pourquoi|comment",
    r"quedar(?:me)?|por que|como|restare|rimanere|perche|come|ficar|blijven|waarom|hoe",
)
_DOUBT_UNSPACED = (
    r"不想退|不要退|不想取消|不要取消|为什么|為什麼|怎么|怎麼",
    r"したくな|しないで|なぜ",
)
_NOT = r"(?:not|don't|never|nicht|ne|no|non|nao|niet)"
_SIGNED = rf"\b[a-z2-7]{{{LENGTH}}}\b"
_ADDRESS = r"<?[\w.+=-]{1,100}@[\w.-]{1,200}>?"

_WISH = re.compile(rf"\b(?:{_either(_LEAVING)})\b|{_either(_LEAVING_UNSPACED)}")
_BESIDES = re.compile(
    rf"{_SIGNED}|{_ADDRESS}|\b(?:{_either(_BESIDE)})(?!\w)|{_either(_BESIDE_UNSPACED)}"
)
_DOUBTFUL = re.compile(
    rf"\b(?:{_either(_DOUBT)})\b|{_either(_DOUBT_UNSPACED)}"
    rf"|\b{_NOT}(?: [\w'-]+){{0,2}} (?:{_either(_LEAVING)})\b"
)
# What mail programs, gateways and lists put in front: `Re:`, `Antw:`, `[EXTERNAL]`, `***SPAM***`.
_IN_FRONT = re.compile(
    r"\s*(?:\[[^\[\]]{0,40}\]|\([^()]{0,40}\)|\*+[^*]{0,40}\*+|[^\W\d_]{1,8}(?:[\[(]\d+[\])])?\s*[:：])"
)


def speaks_of_leaving(text: str) -> bool:
    """Return whether a text has a word for leaving in it, whatever else it says."""
    return bool(_WISH.search(_folded(text[:_LONGEST])))


def without_prefixes(subject: str) -> str:
    """Return a subject without what mail programs, gateways and lists put in front of it."""
    while found := _IN_FRONT.match(subject):
        subject = subject[found.end() :]
    return subject.strip()


def is_plain_wish(line: str, *, title: str = "") -> bool:
    """Return whether a line says that somebody wants to leave, politely or not, and no more.

    `title` is what the newsletter calls itself.
    """
    text = _folded(line[:_LONGEST])
    while (found := _IN_FRONT.match(text)) and not _WISH.search(found[0]):
        text = text[found.end() :]
    if title:
        text = text.replace(_folded(title), " ")
    if len(text) > _PLAIN_LONGEST or not _WISH.search(text):
        return False
    return not _says_something(_WISH.sub(" ", text))


def is_doubtful(line: str) -> bool:
    """Return whether a line speaks of leaving without wanting it: that is for a person to read."""
    text = _folded(line[:_LONGEST])
    return bool(_WISH.search(text) and _DOUBTFUL.search(text))


def is_courtesy(line: str) -> bool:
    """Return whether a line says nothing yet, as `Hello,` does."""
    return len(line) <= _PLAIN_LONGEST and not _says_something(_folded(line))


def _says_something(text: str) -> bool:
    return any(each.isalnum() for each in _BESIDES.sub(" ", text))

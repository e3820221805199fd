"""What answers to readers say, in the languages in which wishes are understood. Nothing but text.

Every word that a sentence tells to write is one that `returns.choosing` or `returns.wishes` knows.
"""

from msgspec import Struct


class Words(Struct, frozen=True, kw_only=True):
    """The sentences of one language."""

    understood: str
    nothing_changed: str
    not_understood: str
    now: str
    how: str
    also: str
    leave: str
    asked: str
    already: str
    confirm_subject: str
    confirm: str
    confirm_link: str
    not_you: str
    not_confirmed: str
    subscribed: str
    all: str
    daily: str
    weekly: str
    text: str
    full: str
    excerpt: str
    none: str
    paused: str
    paused_until: str


WORDS = {
    "en": Words(
        understood="This was understood, and it holds from the next mail on. You get:",
        nothing_changed="Which keywords would you like to get? Nothing was changed.",
        not_understood="This was not understood:",
        now="You get now:",
        how="To change it, answer this mail and write the names of the keywords that you want, one"
        " a line and nothing else, or * for all. There are:",
        also="A line that says weekly or daily, plain text or html, pause until 2027-01-07 or"
        " resume, changes that.",
        leave="To leave, write `unsubscribe` to {address}",
        asked="Somebody, probably you, asked to subscribe this address to {title}:",
        already="Somebody, probably you, asked to subscribe this address. It is subscribed already,"
        " to:",
        confirm_subject="Please confirm: {title}",
        confirm="To confirm, answer this mail within two days and leave its subject as it is;"
        " nothing else needs to be written.",
        confirm_link="or open this page and press its button:",
        not_you="If it was not you, do nothing: nothing is sent to you without it.",
        not_confirmed="Your answer was not understood. If {title} is to come to this address,"
        " answer with the word yes, and leave the subject as it is. If not, do nothing.",
        subscribed="You are subscribed. The next issue comes to you, with:",
        all="all keywords",
        daily="on every day with news",
        weekly="once a week, on Mondays",
        text="as plain text",
        full="with whole abstracts",
        excerpt="with the sentence that matched",
        none="with titles alone",
        paused="paused until you write `resume`",
        paused_until="paused until {day}",
    ),
    "de": Words(
        understood="Das wurde verstanden und gilt von der nächsten Mail an. Sie bekommen:",
        nothing_changed="Welche Stichwörter möchten Sie bekommen? Es wurde nichts geändert.",
        not_understood="Das wurde nicht verstanden:",
        now="Jetzt bekommen Sie:",
        how="Um das zu ändern, antworten Sie auf diese Mail mit den Namen der Stichwörter, die Sie"
        " möchten, einem in jeder Zeile und sonst nichts, oder mit * für alle. Es gibt:",
        also="Eine Zeile mit wöchentlich oder täglich, nur Text oder html, Pause bis 2027-01-07"
        " oder weiter ändert dies.",
        leave="Um sich abzumelden, schreiben Sie `abmelden` an {address}",
        asked="Jemand, vermutlich Sie, möchte mit dieser Adresse {title} abonnieren:",
        already="Jemand, vermutlich Sie, möchte mit dieser Adresse abonnieren. Sie ist schon"
        " angemeldet, für:",
        confirm_subject="Bitte bestätigen: {title}",
        confirm="Zum Bestätigen antworten Sie innerhalb von zwei Tagen auf diese Mail und lassen"
        " den Betreff, wie er ist; sonst muss nichts darin stehen.",
        confirm_link="oder öffnen Sie diese Seite und drücken den Knopf:",
        not_you="Wenn Sie es nicht waren, tun Sie nichts: Ohne das bekommen Sie nichts.",
        not_confirmed="Ihre Antwort wurde nicht verstanden. Wenn {title} an diese Adresse gehen"
        " soll, antworten Sie mit dem Wort ja und lassen den Betreff, wie er ist. Wenn nicht, tun"
        " Sie nichts.",
        subscribed="Sie sind angemeldet. Die nächste Ausgabe kommt zu Ihnen, mit:",
        all="alle Stichwörter",
        daily="an jedem Tag mit Neuem",
        weekly="einmal in der Woche, montags",
        text="als reiner Text",
        full="mit ganzen Zusammenfassungen",
        excerpt="mit dem Satz, der passte",
        none="nur mit Titeln",
        paused="Pause, bis Sie `weiter` schreiben",
        paused_until="Pause bis {day}",
    ),
    "fr": Words(
        understood="C'est compris, à partir du prochain message. Vous recevez :",
        nothing_changed="Quels mots-clés souhaitez-vous recevoir ? Rien n'a été changé.",
        not_understood="Ceci n'a pas été compris :",
        now="Vous recevez actuellement :",
        how="Pour changer, répondez à ce message avec les noms des mots-clés que vous voulez, un"
        " par ligne et rien d'autre, ou * pour tous. Il y a :",
        also="Une ligne qui dit hebdomadaire ou quotidien, texte brut ou html, pause jusqu'au"
        " 2027-01-07 ou reprendre, change cela.",
        leave="Pour vous désabonner, écrivez `désabonner` à {address}",
        asked="Quelqu'un, sans doute vous, a demandé d'abonner cette adresse à {title} :",
        already="Quelqu'un, sans doute vous, a demandé d'abonner cette adresse. Elle l'est déjà,"
        " pour :",
        confirm_subject="Merci de confirmer : {title}",
        confirm="Pour confirmer, répondez à ce message dans les deux jours en laissant l'objet tel"
        " quel ; il n'y a rien d'autre à écrire.",
        confirm_link="ou ouvrez cette page et appuyez sur son bouton :",
        not_you="Si ce n'était pas vous, ne faites rien : sans cela, rien ne vous est envoyé.",
        not_confirmed="Votre réponse n'a pas été comprise. Si {title} doit arriver à cette adresse,"
        " répondez par le mot oui en laissant l'objet tel quel. Sinon, ne faites rien.",
        subscribed="Vous êtes abonné. Le prochain numéro vous parviendra, avec :",
        all="tous les mots-clés",
        daily="chaque jour où il y a du nouveau",
        weekly="une fois par semaine, le lundi",
        text="en texte brut",
        full="avec les résumés entiers",
        excerpt="avec la phrase qui correspond",
        none="avec les titres seuls",
        paused="en pause, jusqu'à ce que vous écriviez `reprendre`",
        paused_until="en pause jusqu'au {day}",
    ),
    "es": Words(
        understood="Se ha entendido, y vale desde el próximo mensaje. Usted recibe:",
        nothing_changed="¿Qué palabras clave quiere recibir? No se ha cambiado nada.",
        not_understood="Esto no se ha entendido:",
        now="Ahora recibe:",
        how="Para cambiarlo, responda a este mensaje con los nombres de las palabras clave que"
        " quiere, una por línea y nada más, o * para todas. Hay:",
        also="Una línea que diga semanal o diario, solo texto o html, pausa hasta 2027-01-07 o"
        " reanudar, cambia eso.",
        leave="Para darse de baja, escriba `baja` a {address}",
        asked="Alguien, probablemente usted, pidió suscribir esta dirección a {title}:",
        already="Alguien, probablemente usted, pidió suscribir esta dirección. Ya está suscrita,"
        " a:",
        confirm_subject="Por favor, confirme: {title}",
        confirm="Para confirmar, responda a este mensaje en dos días y deje el asunto como está; no"
        " hace falta escribir nada más.",
        confirm_link="o abra esta página y pulse su botón:",
        not_you="Si no fue usted, no haga nada: sin eso no se le envía nada.",
        not_confirmed="No se ha entendido su respuesta. Si {title} ha de llegar a esta dirección,"
        " responda con la palabra sí y deje el asunto como está. Si no, no haga nada.",
        subscribed="Está suscrito. El próximo número le llegará, con:",
        all="todas las palabras clave",
        daily="cada día con novedades",
        weekly="una vez por semana, los lunes",
        text="como solo texto",
        full="con los resúmenes enteros",
        excerpt="con la frase que coincide",
        none="solo con títulos",
        paused="en pausa, hasta que escriba `reanudar`",
        paused_until="en pausa hasta {day}",
    ),
    "zh": Words(
        understood="已经明白，从下一封邮件起生效。您将收到：",
        nothing_changed="您想收到哪些关键词？目前没有任何改动。",
        not_understood="以下内容没有看懂：",
        now="您目前收到：",
        how="如需更改，请回复此邮件，写上您想要的关键词名称，每行一个，不写其他内容；"
        "写 * 表示全部。可选的有：",
        also="写一行“每周”或“每天”、“纯文本”或“html”、“暂停到 2027-01-07”或“恢复”，"
        "可以更改这些设置。",
        leave="如需退订，请写信“退订”至 {address}",
        asked="有人（很可能是您）请求用此地址订阅 {title}：",
        already="有人（很可能是您）请求用此地址订阅。此地址已经订阅：",
        confirm_subject="请确认：{title}",
        confirm="请在两天内回复此邮件以确认，主题保持不变，不必写其他内容。",
        confirm_link="或者打开此页面并点击按钮：",
        not_you="如果不是您，请不要理会：不确认就不会给您寄任何邮件。",
        not_confirmed="没有看懂您的回复。如果希望把 {title} 寄到此地址，请回复“是”，主题保持不变。"
        "否则请不要理会。",
        subscribed="您已订阅。下一期将寄给您，包括：",
        all="全部关键词",
        daily="有新内容的每一天",
        weekly="每周一次，星期一",
        text="纯文本",
        full="附完整摘要",
        excerpt="附相关的句子",
        none="只有标题",
        paused="暂停，直到您写“恢复”",
        paused_until="暂停到 {day}",
    ),
}

"""One SMTP connection after the login: a pipelined dialogue that knows its phase.

It waits for nothing, retries nothing, and knows neither state nor suppressions.
"""

import re
import socket
import ssl
from collections import deque
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from functools import lru_cache
from math import inf
from typing import Literal

from msgspec import Struct

from newsletter.models import Outgoing
from newsletter.sending.replies import Meaning, Phase, ProtocolError, Reply, ReplyReader, meaning

_CHUNK = 65536
_NOT_XTEXT = re.compile(r"[^!-*,-<>-~]")
_NOT_YET = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)
_QUICKACK = getattr(socket, "TCP_QUICKACK", socket.TCP_NODELAY)  # Linux has it
_DATA = (b"DATA\r\n",)
_RESET = (b"RSET\r\n",)
_ROOM = 200_000  # the largest digest leaves in one write
_UNWRITABLE = re.compile(r"[\x00-\x20\x7f<>]")
_YES = {"MAIL": 250, "RCPT": 250, "DATA": 354, "dot": 250}  # what nearly every reply is
_NOTHING = memoryview(b"")


class Patience(Struct, frozen=True, kw_only=True):
    """How many seconds each phase may take, the first back-off, and the end after a stop.

    Before the dot it is less than RFC 5321 4.5.3.2 allows a daemon, which can wait; after it, it
    is all of the ten minutes, because giving up early makes second copies. `grace` leaves time
    to write things down: process managers kill ten seconds after asking.
    """

    connect: float = 30
    command: float = 60
    body: float = 180
    dot: float = 600
    quit: float = 2
    backoff: float = 1
    grace: float = 8


class Answer(Struct, frozen=True):
    """How one message fared: the reply that decided, None where the connection ended first.

    `lost` is before its final dot left, `unknown` after it.
    """

    outgoing: Outgoing
    phase: Phase
    meaning: Meaning | Literal["lost", "unknown"]
    reply: Reply | None = None


class Session:
    """One connection after login, which never blocks.

    It has at most two messages on it: one whose dot is out, and one whose MAIL, RCPT and DATA went
    along with that dot (RFC 2920 3.1). `loaded` is the message whose text the server waits for.
    Since the login, `taken` counts messages, `served` those on which the server had the last word
    (accepted, or a recipient refused), and `errors` its replies of 4yz and 5yz. `lost` says why the
    connection is over, empty while it is not, and `busy` whether the server ended it by a 421.
    `deadline` is on the clock that `now` is on, and so is `rests_at`: when it is our turn again, if
    the server takes as long as it did the last time. `holds` says of a delivery, right before its
    final dot is written, whether it still may leave.
    """

    def __init__(
        self, sock: socket.socket, features: Mapping[str, str], patience: Patience
    ) -> None:
        self.sock = sock
        self.sock.settimeout(0)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _ROOM)
        self.features = features
        self.pipelining = "pipelining" in features
        self.dsn = "dsn" in features
        self.size_limit = _number(self.features.get("size", ""))
        self.loaded: Outgoing | None = None
        self.deadline = inf
        self.lost = ""
        self.busy = self.leaving = False
        self.taken = self.served = self.errors = 0
        self.rests_at = 0.0
        self.given_up: set[str] = set()
        self.holds: Callable[[int], bool] = lambda _delivery: True
        self._patience = patience
        self._reader = ReplyReader()
        self._unsent: deque[_Step] = deque()
        self._awaited: deque[_Step] = deque()
        self._amends: list[_Step] = []
        self._settled: set[int] = set()
        self._out = _NOTHING
        self._dot: _Step | None = None  # the step of the last final dot that was to be written
        self._queued = self._written = 0
        self._began = self._took = 0.0  # when our last turn was, and how long the one before took
        self._heard = 0  # replies to what was written last
        self._answers: list[Answer] = []

    @property
    def resting(self) -> bool:
        """Whether every reply has come, so that it is our turn."""
        return not (self._awaited or self._unsent or self.leaving or self.lost)

    @property
    def due(self) -> bool:
        """Whether the server waits for something even if no message follows."""
        return bool(self.loaded or self._amends)

    @property
    def at_stake(self) -> int:
        """How many errors the next group could bring, if the server says no to all of it.

        With PIPELINING a refused recipient is two: RCPT and the DATA that is out already.
        """
        return len(self._amends) + bool(self.loaded) + (3 if self.pipelining else 1)

    @property
    def writing(self) -> bool:
        """Whether bytes wait for room in the socket."""
        return bool(self._out)

    def too_large(self, outgoing: Outgoing) -> bool:
        """Return whether the server takes less than the message has."""
        return 0 < self.size_limit < outgoing.size

    def obstacle(self, outgoing: Outgoing) -> str:
        """Return why this server can never take the message, in plain words; empty if it can."""
        if _UNWRITABLE.search(outgoing.envelope.recipient):
            return "the address has characters that no SMTP command can carry"
        if "smtputf8" not in self.features and _international(outgoing):
            return "the address needs SMTPUTF8, which the server does not offer"
        if "8bitmime" not in self.features and _eight_bit(outgoing):
            return "the message needs 8BITMIME, which the server does not offer"
        return ""

    def do_without(self, extensions: Collection[str]) -> None:
        """Do without some of what the server offers, from the next message on."""
        self.dsn = self.dsn and "dsn" not in extensions
        self.pipelining = self.pipelining and "pipelining" not in extensions

    def advance(self, following: Outgoing | None, *, now: float) -> None:
        """Write the text of the loaded message and the envelope of the one that follows it.

        Only while `resting`. With PIPELINING they leave as one group, and a message costs one
        round trip.
        """
        self._began, self.rests_at = now, now + self._took
        self._unsent.extend(self._amends)
        self._amends.clear()
        self._settled.clear()
        if self.loaded:
            self._dot = _Step(_text(self.loaded), "dot", self.loaded)
            self._unsent.append(self._dot)
            self.loaded = None
        if following:
            self.taken += 1
            mail, rcpt = self._envelope(following)
            self._unsent += (
                _Step((mail,), "MAIL", following),
                _Step((rcpt,), "RCPT", following),
                _Step(_DATA, "DATA", following),
            )
        self._send_steps(now)

    def quit(self, *, now: float) -> None:
        """Take leave; whatever comes of it, what was accepted stays accepted."""
        self.leaving = True
        self._unsent.append(_Step((b"QUIT\r\n",)))
        self._send_steps(now)

    def pump(self, now: float) -> list[Answer]:
        """Move what can move without waiting, and return what became known by it."""
        if not self.lost:
            if self._out:
                self._flush(now)
            self._read(now)
        if not self.lost and now >= self.deadline:
            if self.pipelining and self._heard and self._awaited[0].phase != "dot":
                self._give_up("pipelining")  # the rest of a group was thrown away
            self.abandon(f"waited too long for {self._awaited_now()}")
        answers, self._answers = self._answers, []
        return answers

    def abandon(self, reason: str, *, busy: bool = False) -> None:
        """Close the connection; the next `pump` tells what became of the messages on it."""
        if self.lost:
            return
        self.lost, self.busy = reason, busy
        with suppress(OSError):
            self.sock.close()
        if self.loaded:
            self._answers.append(Answer(self.loaded, "DATA", "lost"))
        for step in (*self._awaited, *self._unsent):
            if step.outgoing and step.outgoing.delivery not in self._settled:
                dot_is_out = step.phase == "dot" and 0 < step.end <= self._written
                self._settle(step.outgoing, step.phase, "unknown" if dot_is_out else "lost")

    def _send_steps(self, now: float) -> None:
        """Write all steps under PIPELINING, else the first: the others wait for its reply."""
        pieces: list[bytes] = []
        while self._unsent and (self.pipelining or not self._awaited):
            step = self._unsent.popleft()
            pieces += step.parts
            self._queued += sum(map(len, step.parts))
            step.end = self._queued
            self._awaited.append(step)
        if pieces:
            self._heard = 0
            self._out = memoryview(b"".join(pieces))  # the one time that a text is copied
            self.deadline = now + self._patience.body
            self._flush(now)

    def _flush(self, now: float) -> None:
        while self._out:
            if not self._may_leave():
                self.abandon("too late to be sure that nobody else sends it")
                return
            try:
                count = self.sock.send(self._out)
            except _NOT_YET:
                return
            except OSError as error:
                self._out = _NOTHING
                self._read(now)  # the server may have said why
                if not self.lost:
                    self.abandon(f"{error}, where we awaited {self._awaited_now()}")
                return
            self._written += count
            self._out = self._out[count:]
            if not self._out:
                self._set_deadline(now)

    def _may_leave(self) -> bool:
        """Return whether the message whose final dot is yet to be written still may leave."""
        step = self._dot
        if step is None or step.outgoing is None or step.end <= self._written:
            return True
        return self.holds(step.outgoing.delivery)

    def _read(self, now: float) -> None:
        more = True
        while more and not self.lost:
            try:
                data = self.sock.recv(_CHUNK)
            except _NOT_YET:
                return
            except OSError as error:
                self.abandon(f"{error}, where we awaited {self._awaited_now()}")
                return
            if not data:
                self.abandon(f"the server hung up, where we awaited {self._awaited_now()}")
                return
            self._hear(data, now)
            more = isinstance(self.sock, ssl.SSLSocket) and self.sock.pending() > 0

    def _hear(self, data: bytes, now: float) -> None:
        try:
            replies = self._reader.feed(data)
            for reply in replies:
                self._match(reply)
        except ProtocolError as error:
            self.abandon(str(error))
            return
        if replies and not self.lost:
            if self._unsent:
                self._send_steps(now)
            if not self._out:
                self._set_deadline(now)
        if not self._awaited:
            self._took = now - self._began
        elif not self.lost:
            # Else the rest may wait 40 ms: it for our ACK (Nagle), we with it (delayed ACK).
            self.sock.setsockopt(socket.IPPROTO_TCP, _QUICKACK, 1)

    def _match(self, reply: Reply) -> None:
        """Take a reply as the answer to the first step that awaits one."""
        if self.lost:
            return
        if not self._awaited:
            self.abandon(f"the server said {reply}", busy=reply.code == 421)
            return
        self._heard += 1
        step = self._awaited[0]
        outgoing = step.outgoing
        if (
            outgoing
            and reply.code == _YES[step.phase]
            and step.end <= self._written
            and outgoing.delivery not in self._settled
        ):
            self._go_on(step.phase, outgoing, reply)
        else:
            self._consider(step, reply)
        if not self.lost:
            self._awaited.popleft()
            if self.leaving and not self._awaited:
                self.abandon("we took our leave")

    def _consider(self, step: "_Step", reply: Reply) -> None:
        """Take a reply that is not simply what was hoped for."""
        self.errors += reply.code >= 400
        if step.outgoing is None:
            if step.parts is _RESET and reply.code not in {250, 421}:
                raise ProtocolError(f"{reply} in answer to RSET")
        elif step.outgoing.delivery in self._settled:
            self._hear_out(step, reply)
        else:
            self._judge(step, step.outgoing, reply)
        if reply.code == 421:
            self.abandon(f"the server said {reply}", busy=True)

    def _go_on(self, phase: Phase, outgoing: Outgoing, reply: Reply) -> None:
        """Take a yes."""
        if phase == "DATA":
            self.loaded = outgoing
        elif phase == "dot":
            self.served += 1
            self._settle(outgoing, phase, "done", reply)

    def _judge(self, step: "_Step", outgoing: Outgoing, reply: Reply) -> None:
        ours = outgoing.envelope.ours if reply.code >= 500 else ()
        what = meaning(step.phase, reply, ours=ours)
        if what in {"suspect", "do without"}:
            what = "do without" if self._spared(step, reply) else "suspect"
        too_early = self._written < step.end
        if what == "done" and too_early:
            raise ProtocolError(f"{reply} before the end of {step.phase}")
        if what == "done":
            self._go_on(step.phase, outgoing, reply)
        else:
            self.served += what in {"refused", "suspect"}
            self._settle(outgoing, step.phase, what, reply)
            self._unsent = deque(each for each in self._unsent if each.outgoing is not outgoing)
            if step.phase != "dot":
                self._amends.append(_Step(_RESET))
            if too_early:
                self.abandon(f"the server said {reply} in the middle of the text")
            elif self.leaving:
                self.abandon(f"the server said {reply}")

    def _spared(self, step: "_Step", reply: Reply) -> bool:
        """Return whether a refusal is one of something that can be left out; leave it out then."""
        why = reply.refusal(step.phase).why
        if why == "pipelining" and self.pipelining:
            self._give_up("pipelining")
            return True
        # RFC 5321 4.1.1.11 knows 555 for this; 501 and 504 are in use.
        of_parameters = why == "unclear" and reply.code in {501, 504, 555}
        if _asks_for_notification(step) and (why == "parameter" or of_parameters):
            self._give_up("dsn")
            return True
        return False

    def _give_up(self, extension: str) -> None:
        """Do without something that the server offered and does not want."""
        self.given_up.add(extension)
        self.do_without(self.given_up)
        # Of a group that the server has begun to throw away nobody knows what it will answer.
        self.leaving = self.leaving or extension == "pipelining"

    def _hear_out(self, step: "_Step", reply: Reply) -> None:
        """Take the remaining replies to the envelope of a message that was refused."""
        if step.phase == "RCPT" and reply.code < 300:
            raise ProtocolError("a recipient accepted after the sender was refused")
        if step.phase == "DATA" and reply.code == 354:
            # A text is wanted although nobody is to get it: RFC 2920 3.1 says to send the dot.
            self._amends.insert(0, _Step((b".\r\n",)))

    def _settle(
        self,
        outgoing: Outgoing,
        phase: Phase,
        what: Meaning | Literal["lost", "unknown"],
        reply: Reply | None = None,
    ) -> None:
        self._settled.add(outgoing.delivery)
        self._answers.append(Answer(outgoing, phase, what, reply))

    def _set_deadline(self, now: float) -> None:
        if not self._awaited:
            self.deadline = inf
        elif self.leaving:
            self.deadline = now + self._patience.quit
        elif self._awaited[0].phase == "dot":
            self.deadline = now + self._patience.dot
        else:
            self.deadline = now + self._patience.command

    def _awaited_now(self) -> str:
        if not self._awaited:
            return "nothing"
        step = self._awaited[0]
        if self._out:
            return "room to write"
        return "the reply to the final dot" if step.phase == "dot" else f"the reply to {step.phase}"

    def _envelope(self, outgoing: Outgoing) -> tuple[bytes, bytes]:
        """Return MAIL and RCPT with what the server offers (RFC 1870, 6152, 6531, 3461)."""
        envelope = outgoing.envelope
        mail, rcpt = [f"MAIL FROM:<{envelope.sender}>"], [f"RCPT TO:<{envelope.recipient}>"]
        if "size" in self.features:
            mail.append(f"SIZE={outgoing.size}")
        if _eight_bit(outgoing):
            mail.append("BODY=8BITMIME")
        if _international(outgoing):
            mail.append("SMTPUTF8")
        if self.dsn:
            mail.append("RET=HDRS")
            if envelope.id:
                mail.append(f"ENVID={_xtext(envelope.id)}")
            rcpt.append("NOTIFY=FAILURE")
            if envelope.recipient.isascii():
                rcpt.append(f"ORCPT=rfc822;{_xtext(envelope.recipient)}")
        return f"{' '.join(mail)}\r\n".encode(), f"{' '.join(rcpt)}\r\n".encode()


class _Step(Struct):
    """What is written at once and gets one reply; `end` is where in the stream it ends."""

    parts: tuple[bytes, ...]
    phase: Phase = "MAIL"
    outgoing: Outgoing | None = None
    end: int = 0


def _asks_for_notification(step: _Step) -> bool:
    return step.phase in {"MAIL", "RCPT"} and any(
        word in step.parts[0] for word in (b" RET=", b" ENVID=", b" NOTIFY=", b" ORCPT=")
    )


def _eight_bit(outgoing: Outgoing) -> bool:
    # To look through 60 KB for each recipient would take as long as to copy them.
    parts = outgoing.message[:2] if outgoing.encoded else outgoing.message
    return not all(map(bytes.isascii, parts))


def _international(outgoing: Outgoing) -> bool:
    return not (outgoing.envelope.sender.isascii() and outgoing.envelope.recipient.isascii())


def _text(outgoing: Outgoing) -> tuple[bytes, ...]:
    """Return the message as it goes over the wire, final dot included (RFC 5321 4.5.2)."""
    parts = outgoing.message
    return (*(parts if outgoing.encoded else map(_dot_stuffed, parts)), b".\r\n")


# Parts that messages share are the same object, whose hash is kept: finding them costs nothing.
@lru_cache(maxsize=256)
def _dot_stuffed(part: bytes) -> bytes:
    stuffed = part.replace(b"\n.", b"\n..")
    return b"." + stuffed if stuffed.startswith(b".") else stuffed


def _xtext(value: str) -> str:
    """Encode for ENVID and ORCPT (RFC 3461 4)."""
    if not _NOT_XTEXT.search(value):
        return value  # as most are: to replace nothing takes twice as long
    return _NOT_XTEXT.sub(lambda found: f"+{ord(found[0]):02X}", value)


def _number(value: str) -> int:
    return int(value) if value.isdecimal() else 0

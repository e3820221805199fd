"""A name server on loopback that knows a few TXT records, or keeps silent."""

import socket
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from threading import Thread

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset


@contextmanager
def dns_server(records: Mapping[str, Sequence[str]]) -> Iterator[int]:
    """Answer TXT questions over UDP on the port that is yielded; other names do not exist.

    A text is sent in pieces of 255 bytes, as servers must (RFC 1035 3.3).
    """
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        thread = Thread(target=_serve, args=(sock, records))
        thread.start()
        try:
            yield sock.getsockname()[1]
        finally:
            sock.sendto(b"", sock.getsockname())
            thread.join()


def _serve(sock: socket.socket, records: Mapping[str, Sequence[str]]) -> None:
    while True:
        data, asker = sock.recvfrom(4096)
        if not data:
            return
        question = dns.message.from_wire(data)
        answer = dns.message.make_response(question, recursion_available=True)
        name = question.question[0].name
        texts = records.get(name.to_text(omit_final_dot=True).lower(), ())
        if not texts:
            answer.set_rcode(dns.rcode.NXDOMAIN)
        else:
            quoted = [
                " ".join(f'"{text[at : at + 255]}"' for at in range(0, len(text), 255))
                for text in texts
            ]
            answer.answer.append(dns.rrset.from_text_list(name, 60, "IN", "TXT", quoted))
        sock.sendto(answer.to_wire(), asker)

"""Sign and read the tokens in unsubscribe links and bounce addresses, and notes to ourselves. Pure.

A token is 25 bytes in base32: 12 that name the subscriber, a keyed hash of the address, and 13 of
signature over these and the list. It is 40 characters in any case, so that `bounces+TOKEN` fits
the 64 octets of a local part (RFC 5321 4.5.3.1.1) and survives hosts that fold case.
"""

import base64
import binascii
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from newsletter.addresses import folded

# Imported where tokens are made or read: the configuration needs no more than their LENGTH.
if TYPE_CHECKING:
    from itsdangerous import Signer
    from itsdangerous.signer import HMACAlgorithm

LENGTH = 40

_ID_BYTES = 12
_SIGNATURE_BYTES = 13
_CLOCKS_DIFFER = timedelta(minutes=5)


class BadToken(ValueError):  # noqa: N818 (reads as what it is: except BadToken)
    """A token that we did not sign for this list: forged, truncated or another list's."""


class SubscriberRef(Struct, frozen=True, kw_only=True):
    """Who a token names: nobody can tell the address from it, but it knows its own."""

    id: str
    _key: bytes

    def __repr__(self) -> str:
        return f"SubscriberRef({self.id})"  # without the key

    def names(self, address: str) -> bool:
        """Return whether this is the subscriber with that address, however it is spelled."""
        import hmac  # and with it hashlib and OpenSSL; who knows only the length needs none of them

        return hmac.compare_digest(self.id, keyed_id(address, key=self._key))


class Tokens:
    """The tokens of one list.

    The first key signs; the others are older ones, whose tokens are still good. A key can go when
    the mails that carry its tokens have been forgotten.
    """

    def __init__(self, keys: Sequence[bytes], list_id: str) -> None:
        """Make ready the signatures of each key. Raises ValueError without a key."""
        if not keys:
            raise ValueError("tokens need at least one key")
        self._signers = tuple((key, _signer(key, list_id)) for key in keys)

    def token(self, address: str) -> str:
        """Return the token that names the subscriber: 40 characters of a-z and 2-7."""
        key, signer = self._signers[0]
        identity = bytes.fromhex(keyed_id(address, key=key))
        signature = signer.algorithm.get_signature(signer.derive_key(), identity)
        return base64.b32encode(identity + signature).decode().lower()

    def reads(self, token: str) -> SubscriberRef:
        """Return who `token` names, in whatever case it arrived. Raises BadToken."""
        from itsdangerous.encoding import base64_encode

        if len(token) != LENGTH:
            raise BadToken(f"a token has {LENGTH} characters, not {len(token)}")
        try:
            raw = base64.b32decode(token, casefold=True)
        except (binascii.Error, ValueError) as e:
            raise BadToken("a token has only the letters a to z and the digits 2 to 7") from e
        identity, signature = raw[:_ID_BYTES], base64_encode(raw[_ID_BYTES:])
        for key, signer in self._signers:
            if signer.verify_signature(identity, signature):
                return SubscriberRef(id=identity.hex(), _key=key)
        raise BadToken("a token with a signature that is not ours")

    def subscriber_id(self, address: str) -> str:
        """Return the id that new tokens carry for this address: 24 hexadecimal digits."""
        return keyed_id(address, key=self._signers[0][0])


class Notes:
    """Notes to ourselves that others carry: signed for one list and purpose, good for a while.

    They can be read by whoever has them, but not changed. Raises ValueError without a key.
    """

    def __init__(self, keys: Sequence[bytes], list_id: str, purpose: str) -> None:
        if not keys:
            raise ValueError("notes need at least one key")
        from hashlib import sha256

        from itsdangerous import URLSafeSerializer

        signed = {"key_derivation": "hmac", "digest_method": sha256}
        # itsdangerous signs with the last key; ours is the first.
        oldest_first = list(reversed(keys))
        self._serializer = URLSafeSerializer(
            oldest_first, salt=f"newsletter:{list_id}:{purpose}", signer_kwargs=signed
        )

    def written(self, content: Any, *, now: datetime) -> str:  # noqa: ANN401 - any JSON
        """Return a note of some JSON as letters that may stand in an address."""
        return str(self._serializer.dumps([int(now.timestamp()), content]))

    def is_ours(self, note: str) -> bool:
        """Return whether we wrote a note, however long ago."""
        from itsdangerous import BadData

        try:
            self._serializer.loads(note)
        except (BadData, ValueError):
            return False
        return True

    def read(self, note: str, *, now: datetime, lasts: timedelta) -> tuple[Any, datetime]:
        """Return what a note says and when it was written. Raises BadToken."""
        from itsdangerous import BadData

        try:
            written, content = self._serializer.loads(note)
            moment = datetime.fromtimestamp(written, UTC)
        except (BadData, ValueError, TypeError, OverflowError, OSError) as e:
            raise BadToken("a note that is not ours") from e
        if not timedelta(0) <= now - moment + _CLOCKS_DIFFER <= lasts + _CLOCKS_DIFFER:
            raise BadToken("a note that is too old")
        return content, moment


def keyed_id(address: str, *, key: bytes) -> str:
    """Return a short hash of the address that nobody without the key can compute or search."""
    import hmac

    digest = hmac.digest(key, b"subscriber\0" + folded(address).encode(), "sha256")
    return digest[:_ID_BYTES].hex()


def _signer(key: bytes, list_id: str) -> "Signer":
    from itsdangerous import Signer

    # The list is the salt, so that a token is good for one list only.
    return Signer(key, salt=f"newsletter:{list_id}", key_derivation="hmac", algorithm=_short_hmac())


@cache
def _short_hmac() -> "HMACAlgorithm":
    import hmac

    from itsdangerous.signer import HMACAlgorithm

    class ShortHmac(HMACAlgorithm):
        """HMAC-SHA256 cut to 104 bits: a forger who may try once a second needs 10^23 years."""

        def get_signature(self, key: bytes, value: bytes) -> bytes:
            return hmac.digest(key, value, "sha256")[:_SIGNATURE_BYTES]

    return ShortHmac()

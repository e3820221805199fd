"""A port for a server that cannot be told to take any and say which."""

import random
import socket
from contextlib import suppress

# Below those that systems hand out, to which other tests connect and listen meanwhile.
_PORTS = range(10_000, 32_000)
# Hypothesis seeds the common one, alike in all processes that run tests beside each other.
_chance = random.SystemRandom()


def free_port() -> int:
    """Return a port of loopback that was free a moment ago."""
    while True:
        port = _chance.choice(_PORTS)
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port

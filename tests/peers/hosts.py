"""A machine of its own: a network namespace with a cable to the database and one to the relay."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Self


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True)


class Host:
    """A machine: `number` is that of its networks, 10.77.x for the database, 10.78.x for mail."""

    def __init__(self, number: int) -> None:
        self.name = f"news-{number}"
        self.database, self.relay = f"10.77.{number}.1", f"10.78.{number}.1"
        self._cable = f"newsdb{number}"
        self._number = number

    @contextmanager
    def up(self) -> Iterator[Self]:
        ip("netns", "add", self.name)
        try:
            for kind, net in (("db", "10.77"), ("mx", "10.78")):
                here, there = f"news{kind}{self._number}", f"{kind}0"
                ip("link", "add", here, "type", "veth", "peer", there, "netns", self.name)
                ip("address", "add", f"{net}.{self._number}.1/30", "dev", here)
                ip("link", "set", here, "up")
                address = f"{net}.{self._number}.2/30"
                ip("-n", self.name, "address", "add", address, "dev", there)
                ip("-n", self.name, "link", "set", there, "up")
            ip("-n", self.name, "link", "set", "lo", "up")
            yield self
        finally:
            ip("netns", "delete", self.name)

    def cut(self) -> None:
        """Let nothing come through to the database or back, without a word."""
        ip("link", "set", self._cable, "down")

    def heal(self) -> None:
        """Let everything through again."""
        ip("link", "set", self._cable, "up")

    def slow(self, *, milliseconds: int, loss: int) -> None:
        """Let every packet to and from the database take its time, and some get lost.

        Raises CalledProcessError where the kernel has no netem.
        """
        there = ["ip", "netns", "exec", self.name]
        for command, device in (([], self._cable), (there, "db0")):
            rule = [*command, "tc", "qdisc", "replace", "dev", device, "root", "netem"]
            rule += ["delay", f"{milliseconds // 2}ms", "loss", f"{loss}%"]
            subprocess.run(rule, check=True, capture_output=True)

"""A replica of arXiv's query API for tests, built from what is known of the real one."""

from tests.peers.replica.clock import Clock
from tests.peers.replica.faults import Fault
from tests.peers.replica.server import Replica, Request
from tests.peers.replica.store import Author, Record, record_of

__all__ = ["Author", "Clock", "Fault", "Record", "Replica", "Request", "record_of"]

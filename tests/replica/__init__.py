"""A replica of arXiv's query API for tests, built from what is known of the real one."""

from tests.replica.clock import Clock
from tests.replica.faults import Fault
from tests.replica.server import Replica, Request
from tests.replica.store import Author, Record, record_of

__all__ = ["Author", "Clock", "Fault", "Record", "Replica", "Request", "record_of"]

"""A daily arXiv digest by mail: fetch, diff, compile an issue, deliver it once to everyone."""

__version__ = "0.1.0"

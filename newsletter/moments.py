"""Times as ISO 8601 text in UTC, to the second."""

from datetime import UTC, datetime


def iso(moment: datetime) -> str:
    """Return a moment as ISO 8601 in UTC, to the second."""
    # strftime(3) asks the kernel for the time zone's file each time, and this is in every commit.
    return f"{moment.astimezone(UTC).isoformat(timespec='seconds')[:19]}Z"


def moment_of(text: str) -> datetime:
    """Return the moment that a column says, which `iso` wrote."""
    return datetime.fromisoformat(text)


def stamp(moment: datetime) -> str:
    """Return a moment in UTC as it stands in file names."""
    return moment.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")

"""Tell by its words whether a paper was withdrawn."""

import re

from newsletter.models import Paper

# arXiv has no flag for it: authors say so in the comment, in their own words, or in the abstract.
_WITHDRAWN_COMMENT = re.compile(r"\bwithdr(?:aw|awn|ew|awing|awal)\b", re.IGNORECASE)
# Comments that withdraw no paper: a part of it is withdrawn, or the word means something else.
_PART = (
    r"(?:appendix|claims?|conjecture|corollary|data(?:set)?s?|figures?|lemma|patients?|proof"
    r"|propositions?|sections?|tables?|theorems?)"
)
_NOT_THE_PAPER = re.compile(
    rf"\b{_PART}\b[^.;]{{0,30}}\bwithdr|\bwithdr\w+ (?:\w+ ){{0,2}}{_PART}\b|\bwithdr\w+ from\b"
    r"|\b(?:alcohol|bank|cash|drug|nicotine|opioid) withdrawal|\bwithdrawals?-(?!of)"
    r"|\bwithdrawal (?:detection|symptoms?|syndrome|limits?)",
    re.IGNORECASE,
)
_WITHDRAWN_ABSTRACT = re.compile(
    r"\bthis (?:paper|article|manuscript|submission|preprint|work)"
    r"(?: and abstract)? (?:has|have) been withdrawn\b",
    re.IGNORECASE,
)


def is_withdrawn(paper: Paper) -> bool:
    """Return whether a paper says that it was withdrawn; that takes a second version."""
    if paper.version < 2:
        return False
    said = _NOT_THE_PAPER.sub("", paper.comment)
    return bool(_WITHDRAWN_COMMENT.search(said) or _WITHDRAWN_ABSTRACT.search(paper.abstract))

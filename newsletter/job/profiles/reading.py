"""Read readers' own papers, and ask elsewhere for what they lack; it orders nothing."""

import logging
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from msgspec import Struct

from newsletter.errors import NewsletterError, ProfileError
from newsletter.issues.ranking import terms_of
from newsletter.models import IDS_A_REQUEST, OwnPaper, Paper, Profile, Recalled
from newsletter.prose import prose
from newsletter.state.papers.book import PaperBook
from newsletter.subscribers.profiles.kept import Copies
from newsletter.subscribers.profiles.own import (
    Library,
    file_in,
    meaning,
    newest,
    own_paper,
    profile_of,
    shown_as,
    texts_in,
)
from newsletter.subscribers.profiles.texts import OwnText, Texts
from newsletter.subscribers.profiles.zotero import Zotero

_REQUESTS = 10  # a run, for papers that are known by id alone

_LEARNED = "papers.json"

_log = logging.getLogger(__name__)


class Profiles(Struct, kw_only=True):
    """What cells of the column `profile` mean.

    `folder` is that of the list, where files lie; `copies` hold what was learned of files, ids
    and libraries. `fetch` asks for papers by id, `paper_id` names one of arXiv. `requests` counts
    what that took.
    """

    folder: Path
    copies: Copies
    papers: PaperBook
    zotero: Zotero
    fetch: Callable[[Sequence[str]], Recalled]
    paper_id: Callable[[str], str]
    now: datetime
    _learned: "_Learned | None" = None
    requests: int = 0
    _asking: bool = True

    def profile(self, cell: str) -> Profile:
        """Return the profile that a cell means. Raises ProfileError."""
        means = meaning(cell)
        if isinstance(means, Library):
            held = self.zotero.library(means)
            return profile_of(held.papers, held.notes)
        if isinstance(means, tuple):
            return self._profile_of(Texts(arxiv_ids=means))
        found, status = file_in(means, self.folder)
        if kept := self.copies.profile(means, status):
            return kept
        texts = texts_in(found, status, shown=shown_as(means))
        profile = self._profile_of(texts)
        # A profile that needs papers from the state is not kept: tomorrow it may know more of them.
        if not texts.arxiv_ids and not any(map(_lacks_abstract, texts.papers)):
            self.copies.keep(means, status, profile)
        return profile

    def _profile_of(self, texts: Texts) -> Profile:
        written, notes = newest(texts.papers)
        papers, more = self._completed(written)
        notes += more
        if texts.arxiv_ids:
            known, lost = self._by_id([self.paper_id(each) for each in texts.arxiv_ids])
            papers += known
            if lost:
                shown = ", ".join(each.partition(":")[2] for each in lost[:10])
                shown += " …" if len(lost) > 10 else ""
                if not papers:
                    raise ProfileError(
                        f"arXiv has, or had when it was asked, no paper {shown}; correct the ids"
                    )
                notes.append(f"arXiv has, or had when it was asked, no paper {shown}")
        return profile_of(papers, [*texts.notes, *notes])

    def _completed(self, written: Sequence[OwnText]) -> tuple[list[OwnPaper], list[str]]:
        """Return papers as they were written down; what has no abstract, as the state knows it."""
        bare = [self.paper_id(each.arxiv_id) for each in written if _lacks_abstract(each)]
        seen = self.papers.by_id(bare) if bare else {}
        papers = [
            _own(seen[id_])
            if _lacks_abstract(each) and (id_ := self.paper_id(each.arxiv_id)) in seen
            else own_paper(each, self.paper_id)
            for each in written
        ]
        return papers, [f"known here with their abstracts: {len(seen)} of them"] if seen else []

    def may_ask_for(self, cell: str) -> bool:
        """Return whether reading a cell may take a question to Zotero or arXiv, beyond `learn`."""
        try:
            means = meaning(cell)
        except ProfileError:
            return False
        if isinstance(means, Path):
            return not self.copies.of_file(means).exists()
        return isinstance(means, Library)

    def learn(self, cells: Iterable[str]) -> None:
        """Ask for the papers that some cells name by id and nobody knows yet, many at once."""
        ids: dict[str, None] = {}
        for cell in cells:
            try:
                means = meaning(cell)
            except ProfileError:
                continue
            if isinstance(means, tuple):
                ids |= dict.fromkeys(map(self.paper_id, means))
        self._ask(list(ids))

    def _by_id(self, ids: Sequence[str]) -> tuple[list[OwnPaper], list[str]]:
        """Return the papers behind some ids, and the ids behind which there is none."""
        self._ask(ids)
        seen, learned = self.papers.by_id(ids), self._notes.papers
        found = {id_: _own(paper) for id_, paper in seen.items()}
        known = [found.get(id_) or learned.get(id_) for id_ in ids]
        lost = [id_ for id_, paper in zip(ids, known, strict=True) if paper is None]
        return [each for each in known if each], lost

    def _ask(self, ids: Sequence[str]) -> None:
        """Ask for what nobody knows yet; what was asked for in vain is asked for on another day."""
        notes = self._notes
        today = self.now.date().isoformat()
        seen = self.papers.by_id(ids)
        asked = [
            id_
            for id_ in ids
            if id_ not in seen and id_ not in notes.papers and notes.in_vain.get(id_) != today
        ]
        for first in range(0, len(asked), IDS_A_REQUEST):
            if not self._asking or self.requests >= _REQUESTS:
                return
            some = asked[first : first + IDS_A_REQUEST]
            try:
                answer = self.fetch(some)
            except (NewsletterError, OSError) as error:
                answer = Recalled(papers=(), requests=0, reason=str(error))
            self.requests += answer.requests
            if answer.reason:
                _log.warning("own papers given by id could not be fetched: %s", answer.reason)
                self._asking = False
                return
            found = {each.id: each for each in answer.papers}
            notes.papers |= {id_: _own(found[id_]) for id_ in some if id_ in found}
            notes.in_vain |= dict.fromkeys(set(some) - found.keys(), today)
            self.copies.write(self.copies.folder / _LEARNED, notes.known)

    @property
    def _notes(self) -> "_Learned":
        if self._learned is None:
            learned = self.copies.read(self.copies.folder / _LEARNED)
            self._learned = _Learned.of(learned)
        return self._learned


class _Learned(Struct):
    """Own papers that were asked for by id, and on which day an id was asked for in vain."""

    papers: dict[str, OwnPaper]
    in_vain: dict[str, str]

    @classmethod
    def of(cls, known: Any) -> "_Learned":  # noqa: ANN401 (JSON)
        """Return what a file says; a damaged one says nothing."""
        try:
            papers = {
                id_: OwnPaper(id=id_, name=name, categories=tuple(categories), terms=terms)
                for id_, (name, categories, terms) in known["papers"].items()
            }
            return cls(papers, dict(known["in_vain"]))
        except (ValueError, KeyError, TypeError, AttributeError):
            return cls({}, {})

    @property
    def known(self) -> dict[str, Any]:
        """What a file is to say for the next run."""
        papers = {
            id_: (each.name, each.categories, each.terms) for id_, each in self.papers.items()
        }
        return {"papers": papers, "in_vain": self.in_vain}


def _own(paper: Paper) -> OwnPaper:
    return OwnPaper(
        id=paper.id, name=prose(paper.title), terms=terms_of(paper), categories=paper.categories
    )


def _lacks_abstract(text: OwnText) -> bool:
    """Return whether the state may know more of a paper than was written down."""
    return bool(text.arxiv_id) and not text.abstract

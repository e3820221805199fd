from pathlib import Path

import pytest

from newsletter.errors import ProfileError
from newsletter.models import Profile
from newsletter.subscribers.profiles.own import (
    Library,
    file_texts,
    meaning,
    newest,
    own_paper,
    profile_of,
)
from newsletter.subscribers.profiles.texts import OwnText
from tests.making.shared_data import shared_data

LONG = "We measure widget{0} and gadget{0} in depth{0} and see that they are as they should be."


def in_file(folder: Path, content: bytes | str, name: str = "ada.txt") -> Profile:
    """Return the profile that a file in the folder of the list makes."""
    raw = content.encode() if isinstance(content, str) else content
    (folder / name).write_bytes(raw)
    texts = file_texts(Path(name), folder)
    papers, notes = newest(texts.papers)
    return profile_of([own_paper(each, str) for each in papers], [*texts.notes, *notes])


@pytest.mark.parametrize(
    ("cell", "means"),
    [
        ("ada.bib", Path("ada.bib")),
        ("profiles/ada lovelace.txt", Path("profiles/ada lovelace.txt")),
        ("2401.01234; arXiv:2402.00001v2;2401.01234", ("2401.01234", "2402.00001")),
        ("zotero:user/475425", Library("user", "475425")),
        ("Zotero:Group/7/abcd2345", Library("group", "7", "ABCD2345")),
    ],
)
def test_a_column_means_a_file_ids_or_a_library(cell: str, means: object) -> None:
    assert meaning(cell) == means


@pytest.mark.parametrize(
    ("cell", "reason"),
    [
        ("zotero:475425", "is no Zotero library; write zotero:user/NUMBER"),
        ("zotero:user/ada", "is no Zotero library"),
        ("zotero:user/1/short", "is no Zotero library"),
        ("zotero:user/1/../../groups/2", "is no Zotero library"),
        ("2401.01234; papers.txt", "'papers.txt' is no arXiv id, and there are others"),
    ],
)
def test_what_only_looks_like_one_is_said_so(cell: str, reason: str) -> None:
    with pytest.raises(ProfileError, match=reason):
        meaning(cell)


def test_a_path_addresses_zotero_as_its_api_does() -> None:
    assert Library("user", "7").path == "users/7"
    assert Library("group", "7", "ABCD2345").path == "groups/7/collections/ABCD2345"


def test_near_copies_count_once(tmp_path: Path) -> None:
    one, other = LONG.format(1), LONG.format(2)
    found = in_file(tmp_path, f"{one}\n{other}\n{one} Indeed.\n")
    assert len(found.papers) == 2
    assert found.notes == ("near-copies that count once: 1",)


def test_the_same_title_or_id_counts_once_whatever_the_words() -> None:
    papers = [
        OwnText(title="On Widgets", abstract=LONG.format(1)),
        OwnText(title="On widgets!", abstract=LONG.format(2)),
        OwnText(title="Gadgets", abstract=LONG.format(3), arxiv_id="2401.01234"),
        OwnText(title="Gadgets, revised", abstract=LONG.format(4), arxiv_id="2401.01234"),
    ]
    assert len(profile_of([own_paper(each, str) for each in papers]).papers) == 2


def test_the_words_of_two_copies_are_compared_wherever_their_rare_words_stand() -> None:
    """Whatever the order of the rare words, what is 0.9 alike is found."""
    base = [f"word{n}" for n in range(40)]
    for missing in range(40):
        two = [
            OwnText(abstract=" ".join(base)),
            OwnText(abstract=" ".join(base[:missing] + base[missing + 1 :])),
        ]
        assert len(profile_of([own_paper(each, str) for each in two]).papers) == 1


def test_a_single_word_is_a_profile(tmp_path: Path) -> None:
    [paper] = in_file(tmp_path, "tomography\n").papers
    assert (paper.name, dict(paper.terms)) == ("tomography", {"tomography": 1})


@pytest.mark.slow
def test_5000_papers_are_read_and_the_newest_2000_count(tmp_path: Path) -> None:
    entries = (
        f"@article{{k{n}, title = {{Widget{n}}}, abstract = {{{LONG.format(n)}}},"
        f" year = {1900 + n // 40}}}"
        for n in range(5000)
    )
    found = in_file(tmp_path, "\n".join(entries), "all.bib")
    assert len(found.papers) == 2000
    assert "widget4999" in {word for each in found.papers for word in each.terms}
    assert "5,000 papers: the newest 2,000 count" in found.notes


@pytest.mark.slow
def test_10_mb_are_read(tmp_path: Path) -> None:
    lines = (LONG.format(n % 3000) for n in range(10_000_000 // len(LONG)))
    assert 0 < len(in_file(tmp_path, "\n".join(lines)).papers) <= 2000


def test_old_letters_and_utf_16_are_read(tmp_path: Path) -> None:
    for encoding in ("utf-8", "utf-8-sig", "cp1252", "utf-16"):
        [paper] = in_file(tmp_path, "Étude über Größe".encode(encoding)).papers
        assert "größe" in paper.terms


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR", "is not text"),
        (b"%PDF-1.7\n\x01\x02 \xe2\xe3", "is not text"),
        (b"", "has no papers in it"),
        (b"@article{a, year = 1}", "has no papers in it; BibTeX: left out"),
        (b"the of and\n", "there are no words in it"),
        (b"x" * 16_000_001, "more than 16 MB"),
    ],
)
def test_what_is_no_profile_is_said_so(tmp_path: Path, content: bytes, reason: str) -> None:
    with pytest.raises(ProfileError, match=reason):
        in_file(tmp_path, content)


def test_a_file_must_lie_in_the_folder_of_the_list(tmp_path: Path) -> None:
    folder = tmp_path / "list"
    (folder / "sub").mkdir(parents=True)
    (tmp_path / "secret.txt").write_text("widgets")
    (folder / "link.txt").symlink_to(tmp_path / "secret.txt")
    (folder / "loop").symlink_to(folder / "loop")
    (folder / "within.txt").symlink_to(folder / "sub" / "mine.txt")
    (folder / "sub" / "mine.txt").write_text("widgets")
    reasons = {
        "link.txt": "leads out of the folder",
        "../secret.txt": "leads out of the folder",
        "../nothing.txt": "leads out of the folder",
        str(tmp_path / "secret.txt"): "leads out of the folder",
        "sub": "sub is no file but a folder; name one in it",
        "missing.txt": "there is no file missing.txt in the folder of the list$",
        "2401.1; hello": "arXiv ids are written 2401.01234; 2402.00001",
        "loop": "cannot be read",
        "n" * 300: "cannot be read",
        "nul\0.txt": "cannot be read",
    }
    for name, reason in reasons.items():
        with pytest.raises(ProfileError, match=reason):
            file_texts(Path(name), folder)
    assert file_texts(Path("within.txt"), folder).papers


def test_the_seed_abstracts_are_nine_papers_and_a_near_copy() -> None:
    folder = shared_data("seeds")
    texts = file_texts(Path("author-abstracts.txt"), folder)
    found = profile_of([own_paper(each, str) for each in texts.papers])
    assert len(found.papers) == 9
    assert found.papers[0].name.startswith("Vision-language models (VLMs)")

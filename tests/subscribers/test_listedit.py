import io
import multiprocessing
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from newsletter.errors import SubscribersError
from newsletter.subscribers.editing import (
    Imported,
    add,
    change,
    export,
    import_rows,
    remove,
    row_of,
)
from newsletter.subscribers.forms import parted
from newsletter.subscribers.listfile import value, written
from newsletter.subscribers.reading import read

KEYWORDS = ("mri", "ct; no, this is no keyword", "diffusion for PET")

# Written by a person with a taste of their own: none of it may change by itself.
CONTENT = (
    '\ufeff# Our readers; keep this "line\r\n'
    'Name, "EMAIL" ,notes,Keywords\r\n'
    "\r\n"
    'Ada,"ada@example.org","two\r\nlines, even",mri\r\n'
    " Bob , bob@example.org ,, mri ; diffusion for PET ,,\r\n"
    '"Broken,carol@example.org\r\n'
    "#Dan,dan@example.org,,\r\n"
    'Eve,eve@example.org,"a ""quote""",*'
)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "subscribers.csv"
    path.write_bytes(CONTENT.encode())
    return path


def text(path: Path) -> str:
    return path.read_bytes().decode()


def test_a_row_is_appended_in_the_file_s_own_way(file: Path) -> None:
    add(file, {"email": "fay@example.org", "keywords": "mri", "name": "Fay, F."}, keywords=KEYWORDS)
    assert text(file) == CONTENT + '\r\n"Fay, F.",fay@example.org,,mri\r\n'


def test_columns_that_a_new_row_needs_are_added(file: Path) -> None:
    add(file, {"email": "fay@example.org", "frequency": "weekly"}, keywords=KEYWORDS)
    assert text(file) == CONTENT.replace("Keywords\r\n", "Keywords,frequency\r\n") + (
        "\r\n,fay@example.org,,,weekly\r\n"
    )
    found = read(file, keywords=KEYWORDS, accept=True).subscribers
    assert [each.frequency for each in found] == ["daily", "daily", "daily", "weekly"]


@pytest.mark.parametrize(
    ("cells", "reason"),
    [
        ({"email": "ADA@example.org"}, "ADA@example.org is on the list"),
        ({"email": "fay@"}, "email: 'fay@' is not an address"),
        ({}, "email: missing"),
        ({"email": "fay@example.org", "keywords": "mri; x-ray"}, "unknown keyword 'x-ray'"),
        ({"email": "fay@example.org", "name": "a\nb@example.org"}, "name: has control"),
    ],
)
def test_a_row_that_must_not_be_added_changes_nothing(
    file: Path, cells: Mapping[str, str], reason: str
) -> None:
    with pytest.raises(SubscribersError, match=reason):
        add(file, cells, keywords=KEYWORDS)
    assert text(file) == CONTENT


@pytest.mark.parametrize(
    ("email", "cells", "before", "after"),
    [
        ("Bob@example.org", {"keywords": "mri"}, " mri ; diffusion for PET ", "mri"),
        ("ada@example.org", {"name": "Ada, L."}, "Ada,", '"Ada, L.",'),
        ("eve@example.org", {"keywords": "*", "name": "=Eve"}, "Eve,", "'=Eve,"),
    ],
)
def test_one_cell_is_changed_and_nothing_else(
    file: Path, email: str, cells: Mapping[str, str], before: str, after: str
) -> None:
    change(file, email, cells, keywords=KEYWORDS)
    assert text(file) == CONTENT.replace(before, after)


def test_a_change_that_says_what_is_there_leaves_the_cells_as_written(file: Path) -> None:
    change(file, "bob@example.org", {"name": "Bob"}, keywords=KEYWORDS)
    assert text(file) == CONTENT


def test_a_row_can_be_paused_in_a_file_without_that_column(file: Path) -> None:
    assert change(file, "eve@example.org", {"status": "paused"}, keywords=KEYWORDS).paused
    assert text(file).endswith('Eve,eve@example.org,"a ""quote""",*,paused')


def test_who_is_not_on_the_list_cannot_be_changed(file: Path) -> None:
    with pytest.raises(SubscribersError, match=r"dan@example\.org is not on the list"):
        change(file, "dan@example.org", {"name": "Dan"}, keywords=KEYWORDS)
    assert text(file) == CONTENT


def test_every_row_of_an_address_is_removed(file: Path) -> None:
    with file.open("ab") as out:
        out.write(b"\r\nAda again,ADA@Example.org,,")
    assert remove(file, "ada@example.org") == 2
    start = CONTENT.index('Ada,"ada')
    end = CONTENT.index(" Bob ,")
    assert text(file) == CONTENT[:start] + CONTENT[end:] + "\r\n"
    assert remove(file, "ada@example.org") == 0


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-8"])
def test_the_encoding_is_kept(file: Path, encoding: str) -> None:
    content = "\ufeffname;email\nJürgen;j@bücher.example\n"
    file.write_bytes(content.encode(encoding))
    add(file, {"email": "ada@example.org", "name": "Ådå; Lovelace"}, keywords=KEYWORDS)
    expected = content + '"Ådå; Lovelace";ada@example.org\n'
    assert file.read_bytes() == expected.encode(encoding)
    assert remove(file, "J@xn--bcher-kva.example") == 1


def test_mode_and_link_are_kept_and_nothing_is_left_behind(file: Path, tmp_path: Path) -> None:
    file.chmod(0o640)
    link = tmp_path / "link.csv"
    link.symlink_to(file)
    remove(link, "ada@example.org")
    assert link.is_symlink()
    assert file.stat().st_mode & 0o777 == 0o640
    assert "ada@" not in text(file)
    assert {path.name for path in tmp_path.iterdir()} == {
        "subscribers.csv",
        "link.csv",
        ".subscribers.csv.lock",
    }


def test_a_row_is_shown_as_it_is_written(file: Path) -> None:
    row = row_of(file, "BOB@example.org")
    assert row == {
        "name": "Bob",
        "email": "bob@example.org",
        "notes": "",
        "keywords": "mri ; diffusion for PET",
    }
    assert row_of(file, "dan@example.org") is None


def imported(
    file: Path, content: str, *, dry_run: bool = False, headers: Mapping[str, str] | None = None
) -> Imported:
    source = file.with_name("more.csv")
    source.write_text(content, newline="")
    return import_rows(
        file,
        source,
        keywords=KEYWORDS,
        kept_off=lambda address: "forgotten" if address.startswith("gone") else None,
        headers=headers or {},
        dry_run=dry_run,
    )


MORE = (
    "email,name,keywords,status\n"
    "ada@example.org,Ada,mri,\n"
    "Bob@example.org,Robert,,paused\n"
    "fay@example.org,Fay,mri,\n"
    "FAY@example.org,Fay again,,\n"
    "gone@example.org,,,\n"
    "x@,,,\n"
)


def test_an_import_merges_and_sums_up(file: Path) -> None:
    found = imported(file, MORE)
    assert (found.added, found.changed, found.unchanged) == (
        ("fay@example.org",),
        ("Bob@example.org",),
        ("ada@example.org",),
    )
    assert [problem.partition(": ")[0] for problem in found.problems] == [
        "more.csv:5",
        "more.csv:6",
        "more.csv:7",
    ]
    assert "gone@example.org is kept off the list: forgotten" in found.problems[1]
    bob = row_of(file, "bob@example.org") or {}
    fay = row_of(file, "fay@example.org") or {}
    assert (bob["name"], bob["status"]) == ("Robert", "paused")
    assert bob["keywords"] == "mri ; diffusion for PET"
    assert (fay["name"], fay["keywords"]) == ("Fay", "mri")


def test_a_dry_import_says_the_same_and_changes_nothing(file: Path) -> None:
    found = imported(file, MORE, dry_run=True)
    assert text(file) == CONTENT
    assert imported(file, MORE) == found


SWALLOWING = (
    "email,name,keywords\n"
    'ada@example.org,"Ada,mri\n'
    "bob@example.org,Bob,mri\n"
    'eve@example.org,Eve",mri\n'
)


def test_who_follows_an_open_quote_is_not_removed_with_it(file: Path) -> None:
    file.write_text(SWALLOWING)
    assert row_of(file, "bob@example.org")
    assert remove(file, "ada@example.org") == 0
    assert remove(file, "bob@example.org") == 1
    assert text(file) == SWALLOWING.replace("bob@example.org,Bob,mri\n", "")


def test_who_follows_an_open_quote_is_imported(file: Path) -> None:
    file.write_text("email\n")
    found = imported(file, SWALLOWING)
    assert found.added == ("bob@example.org", "eve@example.org")
    assert found.problems == ("more.csv:2: a line break inside quotes; is a quote missing?",)


def test_an_import_takes_no_row_that_has_more_cells_than_columns(file: Path) -> None:
    found = imported(file, "email,name\nfay@example.org,Fay, F.\n")
    assert found.added == ()
    assert found.problems[0].startswith("more.csv:2: 3 cells for 2 columns")


def test_an_import_twice_is_an_import_once(file: Path) -> None:
    imported(file, MORE)
    content = text(file)
    assert not imported(file, MORE).added
    assert text(file) == content


def test_an_import_carries_the_columns_of_ones_own_that_the_list_has(file: Path) -> None:
    rows = 'bob@example.org,met in Graz,43\nfay@example.org,"two, words",38\n'
    found = imported(file, f"email,notes,shoe size\n{rows}")
    assert (row_of(file, "bob@example.org") or {})["notes"] == "met in Graz"
    assert (row_of(file, "fay@example.org") or {})["notes"] == "two, words"
    assert found.problems == ("more.csv:1: left out, as the list has none: 'shoe size'",)
    assert found.skipped == 0
    assert "shoe" not in text(file)


def test_an_export_imported_into_the_list_it_came_from_changes_nothing(
    file: Path, tmp_path: Path
) -> None:
    copy = tmp_path / "copy.csv"
    with copy.open("w", newline="") as out:
        export(file, out)
    found = imported(file, copy.read_bytes().decode())
    assert (found.added, found.changed) == ((), ())
    assert text(file) == CONTENT


def test_a_row_keeps_its_own_spelling_of_the_address(file: Path) -> None:
    imported(file, "email,name\nBOB@Example.ORG,Robert\n")
    bob = row_of(file, "bob@example.org") or {}
    assert (bob["email"], bob["name"]) == ("bob@example.org", "Robert")
    content = text(file)
    assert imported(file, "email\nbOb@example.org\n").unchanged == ("bOb@example.org",)
    assert text(file) == content


def test_a_name_is_imported_as_it_can_be_seen(file: Path) -> None:
    found = imported(file, 'email,name\nfay@example.org,"Fay\nFoo"\nbob@example.org,B\u200bob\n')
    assert found.added == ("fay@example.org",)
    assert (row_of(file, "fay@example.org") or {})["name"] == "Fay Foo"
    assert (row_of(file, "bob@example.org") or {})["name"] == "Bob"
    assert found.skipped == 0
    assert len(found.problems) == 2


FORM = (
    '"Timestamp","Email Address","Your name","Which topics?"\r\n'
    '"2026/11/20 9:00:00 AM GMT+1","fay@example.org","Fay","mri, diffusion for PET"\r\n'
    '"2026/11/20 9:01:00 AM GMT+1","Bob@example.org","",""\r\n'
    '"2026/11/20 9:02:00 AM GMT+1","gil@example.org","Gil","mri, x-ray"\r\n'
)


def test_the_answers_of_a_form_are_a_list(file: Path) -> None:
    found = imported(file, FORM, headers={"keywords": "Which topics?"})
    assert found.added == ("fay@example.org", "gil@example.org")
    assert found.unchanged == ("Bob@example.org",)
    fay = row_of(file, "fay@example.org") or {}
    assert (fay["name"], fay["keywords"]) == ("Fay", "mri; diffusion for PET")
    assert found.problems[0] == "more.csv:1: left out, as the list has none: 'timestamp'"
    assert "more.csv:4: keywords: unknown keyword 'x-ray'" in found.problems[1]
    assert found.skipped == 0


@pytest.mark.parametrize("given", ["Which topics? (choose  any)", "Which topics?\r\n(choose any)"])
def test_a_question_may_have_line_breaks(file: Path, given: str) -> None:
    form = FORM.replace("Which topics?", "Which topics?\r\n(choose any)")
    found = imported(file, form, headers={"keywords": given})
    assert found.added == ("fay@example.org", "gil@example.org")
    assert found.unchanged == ("Bob@example.org",)
    assert (row_of(file, "fay@example.org") or {})["keywords"] == "mri; diffusion for PET"
    assert "more.csv:5: keywords: unknown keyword 'x-ray'" in found.problems[1]


def test_the_usual_questions_need_no_explanation(file: Path) -> None:
    found = imported(file, FORM.replace("Which topics?", "Topics"))
    assert (row_of(file, "fay@example.org") or {})["keywords"] == "mri; diffusion for PET"
    assert len(found.problems) == 2


@pytest.mark.parametrize(
    ("headers", "words"),
    [
        ({"keywords": "Which subjects?"}, "there is no header 'which subjects?'"),
        ({"name": "Email Address"}, 'no header stands for email; say which one: --column email="'),
    ],
)
def test_a_header_that_is_not_there_is_a_mistake(
    file: Path, headers: Mapping[str, str], words: str
) -> None:
    with pytest.raises(SubscribersError, match=re.escape(words)):
        imported(file, FORM, headers=headers)
    assert text(file) == CONTENT


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        ("mri", "mri"),
        ("mri; pet", "mri; pet"),
        ("mri, pet", "mri; pet"),
        ("MRI,pet,", "MRI; pet"),
        ("magnets, strong, pet", "magnets, strong; pet"),
        ("pet, magnets, strong", "pet; magnets, strong"),
        ("x-ray, magnets", "x-ray; magnets"),
        ("*", "*"),
        ("", ""),
    ],
)
def test_topics_are_parted_at_commas_but_not_inside_a_name(cell: str, expected: str) -> None:
    assert parted(cell, ["mri", "pet", "magnets, strong"]) == expected


def test_an_export_opens_in_a_spreadsheet_without_running(file: Path) -> None:
    file.write_text("# c\nname;email;notes\n=HYPERLINK(1);-bob@example.org;+1, 2\n;;\n")
    out = io.StringIO()
    assert export(file, out) == 1
    assert out.getvalue() == "name,email,notes\n'=HYPERLINK(1),'-bob@example.org,\"'+1, 2\"\n"


def test_an_export_reads_back_as_the_list_it_was(file: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy.csv"
    with copy.open("w", newline="") as out:
        export(file, out)
    assert read(copy, keywords=KEYWORDS).subscribers == (
        read(file, keywords=KEYWORDS, accept=True).subscribers
    )


def test_what_an_editor_saves_meanwhile_is_not_lost(file: Path) -> None:
    class SlowCells(dict[str, str]):
        """While they are asked for, somebody saves the file."""

        def get(self, column: str, default: Any = None) -> Any:
            file.write_text("email\nzoe@example.org\n")
            return super().get(column, default)

    with pytest.raises(SubscribersError, match="an editor changed it meanwhile; try again"):
        add(file, SlowCells(email="fay@example.org"), keywords=KEYWORDS)
    assert text(file) == "email\nzoe@example.org\n"


names = st.text(st.characters(exclude_categories=["C", "Z"]), max_size=20)


@pytest.mark.slow
@settings(max_examples=25)  # each adds several rows, durably
@given(st.dictionaries(st.emails(domains=st.just("example.org")), names, max_size=5))
def test_rows_added_are_rows_read(
    tmp_path_factory: pytest.TempPathFactory, rows: dict[str, str]
) -> None:
    file = tmp_path_factory.getbasetemp() / "round-trip.csv"
    file.write_text("email,name\nada@example.org,\n")
    added = []
    for email, name in rows.items():
        try:
            added.append(add(file, {"email": email, "name": name}, keywords=KEYWORDS))
        except SubscribersError:
            continue
    assert [*read(file, keywords=KEYWORDS).subscribers][1:] == added


@pytest.mark.slow
@given(st.text(st.sampled_from("a@.,;\"'\r\n\t #=\u2028é")))
def test_a_row_added_and_removed_leaves_no_trace(
    tmp_path_factory: pytest.TempPathFactory, rest: str
) -> None:
    file = tmp_path_factory.getbasetemp() / "trace.csv"
    content = f"email,name\n{rest}\n".encode()
    file.write_bytes(content)
    add(file, {"email": "fay@example.org", "name": "Fay"}, keywords=KEYWORDS)
    assert file.read_bytes() == content + b"fay@example.org,Fay\n"
    assert remove(file, "fay@example.org") == 1
    assert file.read_bytes() == content


def _add_many(file: Path, who: str) -> None:
    for n in range(20):
        add(file, {"email": f"{who}{n}@example.org"}, keywords=KEYWORDS)


@pytest.mark.slow
def test_changes_at_the_same_time_all_count(file: Path) -> None:
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=_add_many, args=(file, who)) for who in "xyz"]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert len(read(file, keywords=KEYWORDS, accept=True).subscribers) == 3 + 60


def test_a_new_column_never_closes_a_quote_that_was_open_without_it(tmp_path: Path) -> None:
    path = tmp_path / "open.csv"
    content = b'email;notes\n"ada@example.org";"two\nlines.org";"two\nlines"\n'
    path.write_bytes(content)
    with pytest.raises(SubscribersError, match=r"open\.csv:2: a line break inside"):
        add(path, {"email": "fay@example.org", "name": "Fay"}, keywords=KEYWORDS)
    assert path.read_bytes() == content


def test_a_new_column_never_gives_a_name_to_cells_beyond_the_header(tmp_path: Path) -> None:
    path = tmp_path / "wide.csv"
    path.write_text("email\nada@example.org,a note of mine\n")
    with pytest.raises(SubscribersError, match="more cells than there are columns"):
        add(path, {"email": "fay@example.org", "name": "Fay"}, keywords=KEYWORDS)
    assert path.read_text() == "email\nada@example.org,a note of mine\n"


@pytest.mark.parametrize(
    "text", ["=1+1", "mri;=1+1", "a\t@sum", "x, -2", "'=1", "a;'=1", "o'brien"]
)
def test_no_part_of_a_cell_is_a_formula_and_what_it_says_comes_back(text: str) -> None:
    cell = written(text, ",")
    assert not re.search(r"(\A|[;,\t])\s*[=+\-@]", cell.strip('"'))
    assert value(cell) == text

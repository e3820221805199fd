import csv
import io
from collections import UserList
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext, suppress
from pathlib import Path
from time import process_time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from newsletter.errors import SubscribersError
from newsletter.models import Subscriber
from newsletter.phrases import counted
from newsletter.subscribers.listfile import opened, split, value, written
from newsletter.subscribers.people import People
from newsletter.subscribers.reading import SubscriberList, read

KEYWORDS = ("magnetic resonance imaging", "mri", "diffusion for PET")
ADA = Subscriber(email="ada@example.org", name="Ada", keywords=("mri",))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "subscribers.csv"


def listed(file: Path, content: str | bytes, *, accept: bool = True) -> SubscriberList:
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read(file, keywords=KEYWORDS, accept=accept)


def only(file: Path, row: str, header: str = "email,name,keywords") -> Subscriber:
    (subscriber,) = listed(file, f"{header}\n{row}\n").subscribers
    return subscriber


def test_every_column_is_read(file: Path) -> None:
    found = listed(
        file,
        "email,name,keywords,frequency,status,format,profile\n"
        "ada@example.org,Ada,magnetic resonance imaging; mri,daily,active,html,2401.00001\n"
        "bob@example.org,,*,weekly,paused,text,\n",
    )
    assert found == SubscriberList(
        subscribers=People(
            (
                Subscriber(
                    email="ada@example.org",
                    name="Ada",
                    keywords=("magnetic resonance imaging", "mri"),
                    profile="2401.00001",
                ),
                Subscriber(email="bob@example.org", frequency="weekly", paused=True, format="text"),
            )
        ),
        rows=2,
    )


def test_only_the_address_is_needed(file: Path) -> None:
    assert only(file, "ada@example.org", header="email") == Subscriber(email="ada@example.org")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
def test_a_file_may_be_written_in_any_usual_way(
    file: Path, encoding: str, delimiter: str, line_end: str
) -> None:
    rows = [["Name", " EMAIL ", "notes", "Keywords"], ["Jürgen", "ada@example.org", "x", "MRI"]]
    text = line_end.join([*(delimiter.join(row) for row in rows), "# the end"])
    assert tuple(listed(file, text.encode(encoding)).subscribers) == (
        Subscriber(email="ada@example.org", name="Jürgen", keywords=("mri",)),
    )


def test_a_line_that_only_excel_understands_is_passed_over(file: Path) -> None:
    assert (
        len(listed(file, "\ufeffsep=;\r\nemail;name\r\nada@example.org;Ada\r\n").subscribers) == 1
    )


def test_big_endian_utf_16_is_read_by_its_mark(file: Path) -> None:
    text = "\ufeffemail\nada@example.org\n".encode("utf-16-be")
    assert len(listed(file, text).subscribers) == 1


@pytest.mark.parametrize(
    "row",
    [
        "ada@example.org,Ada,mri",
        '"ada@example.org","Ada","mri"',
        'ada@example.org, "Ada" , "mri"',
        "  ada@example.org , Ada , mri ; ;",
        "ada@example.org,Ada,MRI;mri",
        "ada@example.org,Ada,mri,,,",
        '# a comment, with a "quote\nada@example.org,Ada,mri',
        "\n,,\n ada@example.org,Ada,mri\n,,\n\n",
    ],
)
def test_rows_that_say_the_same(file: Path, row: str) -> None:
    assert only(file, row) == ADA


@pytest.mark.parametrize(
    ("cell", "chosen"),
    [
        ("", None),
        ("*", None),
        (" ; ", None),
        ("mri; *", None),
        ("  Magnetic   RESONANCE imaging ", ("magnetic resonance imaging",)),
        ("diffusion for pet;mri", ("diffusion for PET", "mri")),
    ],
)
def test_keywords_are_found_in_any_case_and_kept_in_order(
    file: Path, cell: str, chosen: tuple[str, ...] | None
) -> None:
    assert only(file, f"ada@example.org,,{cell}").keywords == chosen


def test_equal_sets_of_keywords_are_one_object(file: Path) -> None:
    one, two = listed(file, "email,keywords\na@example.org,mri\nb@example.org,mri").subscribers
    assert one.keywords is two.keywords


HEADER = "email,name,keywords,frequency,status,format\n"


@pytest.mark.parametrize(
    ("row", "problems"),
    [
        ("bob@,,", ["email: 'bob@' is not an address"]),
        (",Bob,mri", ["email: missing"]),
        ("bob@example.org,,mri scans", ["keywords: unknown keyword 'mri scans'"]),
        ("bob@example.org,,,hourly", ["frequency: 'hourly' is none of daily, weekly"]),
        ("bob@example.org,,,,pasued", ["(did you mean 'paused'?)"]),
        ("bob@example.org,,,,,pdf", ["format: 'pdf' is none of html, text"]),
        ("bob@,,x,y,z,w", ["email: ", "frequency: ", "status: ", "format: ", "keywords: "]),
        ("bob@example.org\u200b,,", ["email: has control, invisible"]),
        ("bob@example.org,,,,act\u200bive", ["status: has control, invisible"]),
        (f"bob@example.org,{'a' * 201},", ["name: longer than 200 characters"]),
        (f"bob@example.org,{'a' * 1_000_000},", ["name: longer than 200 characters"]),
        ("bob@example.org,Smith, Bob,,,,,x", ["quote a cell that has ',' in it"]),
        ('bob@example.org,"Bob', ["a quote is out of place"]),
        ('bob@example.org,"Bob"by,', ["a quote is out of place"]),
        ("a@example.org; b@example.org,,", ["email: "]),
    ],
)
def test_a_bad_row_is_named_and_stops_no_other(file: Path, row: str, problems: list[str]) -> None:
    found = listed(file, f"{HEADER}{row}\nada@example.org,Ada,mri\n")
    assert tuple(found.subscribers) == (ADA,)
    assert (found.rows, found.bad) == (2, 1)
    assert len(found.problems) == len(problems)
    for line, problem in zip(found.problems, problems, strict=True):
        assert line.startswith("subscribers.csv:2: ")
        assert problem in line


def test_a_problem_says_where_it_is_and_what_was_meant(file: Path) -> None:
    rows = "".join(f"a{n}@example.org,mri\n" for n in range(11))
    found = listed(file, f"# ours\nemail,keywords\n{rows}ada@example.org,mri scans\n")
    assert found.problems == (
        "subscribers.csv:14: keywords: unknown keyword 'mri scans' (did you mean 'mri'?)",
    )


def test_an_unknown_keyword_beside_a_known_one_leaves_nobody_out(file: Path) -> None:
    found = listed(file, "email,name,keywords\nada@example.org,Ada,mri; x-ray\n")
    assert tuple(found.subscribers) == (ADA,)
    assert found.bad == 0
    assert "unknown keyword 'x-ray'" in found.problems[0]


@pytest.mark.parametrize(("column", "longest"), [("name", 200), ("profile", 10_000)])
def test_a_cell_may_be_as_long_as_that_and_no_longer(file: Path, column: str, longest: int) -> None:
    cells = [letter * (longest + more) for letter, more in (("a", 0), ("b", 1))]
    rows = "".join(f"{cell[0]}@example.org,{cell}\n" for cell in cells)
    found = listed(file, f"email,{column}\n{rows}")
    assert [each.email for each in found.subscribers] == ["a@example.org"]
    assert found.problems == (f"subscribers.csv:3: {column}: longer than {longest:,} characters",)


@pytest.mark.parametrize(("unknown", "last"), [(20, "'never 19'"), (21, "and 1 more that are")])
def test_of_many_unknown_keywords_the_first_twenty_are_named(
    file: Path, unknown: int, last: str
) -> None:
    names = "; ".join(f"never {n}" for n in range(unknown))
    found = listed(file, f"email,keywords\nada@example.org,mri; {names}\n")
    assert len(found.subscribers) == 1
    assert len(found.problems) == unknown
    assert last in found.problems[-1]


def test_a_misspelled_column_is_pointed_out(file: Path) -> None:
    found = listed(file, "email,keyword,notes,forename\nada@example.org,mri,,\n")
    assert found.problems == (
        "subscribers.csv:1: unknown column 'keyword' is ignored (did you mean 'keywords'?)",
    )


def test_an_open_quote_swallows_no_rows(file: Path) -> None:
    rows = "".join(f'p{n}@example.org,"P {n}",mri\n' for n in range(100))
    found = listed(file, f'email,name,keywords\nbob@example.org,"Bob,mri\n{rows}p@,,\n')
    assert len(found.subscribers) == 100
    assert [line.partition(": ")[0] for line in found.problems] == [
        "subscribers.csv:2",
        "subscribers.csv:103",
    ]


def test_a_line_break_in_a_cell_that_is_read_gives_the_lines_back(file: Path) -> None:
    found = listed(file, 'email,name\nbob@example.org,"Bob\nada@example.org,Ada"\nc@example.org,\n')
    assert [each.email for each in found.subscribers] == ["ada@example.org", "c@example.org"]
    assert found.problems == ("subscribers.csv:2: a line break inside quotes; is a quote missing?",)


def test_an_open_quote_that_makes_too_many_cells_gives_the_lines_back(file: Path) -> None:
    found = listed(file, 'email,name\nbob@example.org,"Bob\nada@example.org,Ada\neve@,",x\n')
    assert [each.email for each in found.subscribers] == ["ada@example.org"]


@pytest.mark.parametrize(
    ("name", "read_as"),
    [
        ("a\x07b", "a b"),
        ("a\x00b", "a b"),
        ("a\u202eb", "ab"),
        ("A\u200bda", "Ada"),
        ("\ufeffAda", "Ada"),
        ('"Ada\nLovelace"', "Ada Lovelace"),  # Alt-Enter in Excel
        ('"Ada\r\nLovelace\r\n"', "Ada Lovelace"),
        ('"Ada\u2028Lovelace"', "Ada Lovelace"),
    ],
)
def test_a_name_with_what_nobody_sees_is_cleaned_and_costs_no_mail(
    file: Path, name: str, read_as: str
) -> None:
    found = listed(file, f"email,name,keywords\nbob@example.org,{name},mri\nada@example.org,,\n")
    assert [(each.email, each.name) for each in found.subscribers] == [
        ("bob@example.org", read_as),
        ("ada@example.org", ""),
    ]
    assert found.bad == 0
    (problem,) = found.problems
    assert problem.startswith("subscribers.csv:2: name: has control, invisible or line-breaking")
    assert problem.endswith(f"read as {read_as!r}")


def test_keywords_on_lines_of_one_cell_are_several(file: Path) -> None:
    found = listed(file, f'email,keywords\nada@example.org,"{KEYWORDS[0]}\n{KEYWORDS[1]}"\n')
    assert found.subscribers[0].keywords == tuple(KEYWORDS[:2])
    assert found.bad == 0


@pytest.mark.parametrize(
    "rows",
    [
        'bob@example.org,"Bob\nada@example.org,Ada"\n',  # as many cells, and Ada in one of them
        'bob@example.org,"Bob\nada@example.org,Ada",\n',
        'bob@example.org,"Bob\nada@example.org,Ada\n',
        '"bob\n@example.org",Bob\nada@example.org,Ada\n',
        'bob@example.org,"Bo\nb",x\nada@example.org,Ada\n',
    ],
)
def test_a_quote_that_is_not_closed_stays_damage_and_swallows_nobody(file: Path, rows: str) -> None:
    found = listed(file, f"email,name\n{rows}c@example.org,\n")
    assert [each.email for each in found.subscribers] == ["ada@example.org", "c@example.org"]
    assert found.bad >= 1
    assert found.problems[0].startswith("subscribers.csv:2: ")


def test_a_line_break_in_a_column_of_ones_own_is_fine(file: Path) -> None:
    found = listed(file, 'email,notes\nada@example.org,"two\nlines\u2028"\nbob@,\n')
    assert len(found.subscribers) == 1
    assert found.problems[0].startswith("subscribers.csv:4: email: ")


def test_spellings_of_one_address_are_merged_with_a_warning(file: Path) -> None:
    found = listed(
        file,
        "email,name,keywords,status\n"
        "ada@example.org,Ada,mri,\n"
        "ADA@Example.org,,diffusion for PET,paused\n"
        "bob@bücher.example,,,\n"
        "Bob@xn--bcher-kva.example,Bob,mri,\n"
        "cy@example.org,Cy,mri,paused\n"
        "Cy@example.org,,,\n",
    )
    assert tuple(found.subscribers) == (
        Subscriber(
            email="ada@example.org", name="Ada", keywords=("mri", "diffusion for PET"), paused=True
        ),
        Subscriber(email="bob@xn--bcher-kva.example"),
        Subscriber(email="cy@example.org", name="Cy", paused=True),
    )
    assert [line.partition(": ")[0] for line in found.problems] == [
        "subscribers.csv:3",
        "subscribers.csv:5",
        "subscribers.csv:7",
    ]
    assert found.bad == 0


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "empty; its first row must name the columns"),
        (b"\n# nothing\n\n", "empty"),
        (b"ada@example.org\n", "subscribers.csv:1: no column is named 'email'"),
        (b"# x\ne-mail,name\nada@example.org,\n", "subscribers.csv:2: no column is named 'email'"),
        (b'email,"name\na@example.org,A\n', "subscribers.csv:1: no column is named 'email'"),
        (b"email,Email\n", "subscribers.csv:1: several columns are named 'email'"),
        ("email,name\nada@example.org,Jürgen\n".encode("latin-1"), "subscribers.csv:2: not UTF-8"),
        ("email\nada@example.org\n".encode("utf-16-le"), "no column is named 'email'"),
        ("\ufeffemail\n".encode("utf-16-le") + b"a", "not UTF-16-LE; save the file as UTF-8"),
        (b"email\n" + b"a" * (1 << 22), "subscribers.csv:2: a line of more than"),
    ],
)
def test_a_file_that_cannot_be_read_is_not_trusted_even_if_accepted(
    file: Path, content: bytes, reason: str
) -> None:
    with pytest.raises(SubscribersError, match=reason) as caught:
        listed(file, content, accept=True)
    assert caught.value.exit_code == 65


@pytest.mark.parametrize(
    ("header", "rows"),
    [
        (b'email,"name\nas in the\nregister",keywords\n', 3),
        (b'email;"topics, or\nsubjects";name\n', 3),
        (b'email,what is 12" wide\n', 3),  # no quote that opens a cell
    ],
)
def test_a_header_may_have_line_breaks_in_quotes(file: Path, header: bytes, rows: int) -> None:
    mark = b";" if b";" in header else b","
    people = [b"ada@example.org", b"bob@example.org", b"cy@example.org"]
    found = listed(file, header + b"".join(each + mark + b"\n" for each in people))
    assert [each.email.encode() for each in found.subscribers] == people
    assert found.rows == rows


@pytest.mark.slow
def test_the_line_of_a_wrong_byte_is_found_in_a_long_file(file: Path) -> None:
    content = b"email\n" + b"ada@example.org\n" * 9_000 + b"\xe9\n" + b"ada@example.org\n" * 9_000
    with pytest.raises(SubscribersError, match=r"subscribers\.csv:9002: not UTF-8"):
        listed(file, content)


def test_a_missing_file_is_named_with_its_path(file: Path) -> None:
    with pytest.raises(SubscribersError, match=str(file)):
        read(file, keywords=KEYWORDS)


def people(valid: int, bad: int = 0) -> str:
    rows = [f"p{n}@example.org" for n in range(valid)] + ["p@"] * bad
    return "\n".join(["email", *rows])


@pytest.mark.parametrize(
    ("valid", "bad", "previous", "trusted"),
    [
        (0, 0, None, False),
        (0, 2, None, False),
        (1, 2, None, True),
        (1, 3, None, False),
        (57, 3, None, True),
        (56, 3, None, False),
        (70, 0, 100, False),
        (71, 0, 100, True),
        (10, 0, 19, True),
        (10, 0, 20, False),
        (200, 0, 100, True),
    ],
)
def test_a_list_that_lost_too_much_is_trusted_only_when_accepted(
    file: Path, valid: int, bad: int, previous: int | None, trusted: bool
) -> None:
    file.write_text(people(valid, bad))

    def found(*, accept: bool) -> SubscriberList:
        before = [f"p{n}@example.org" for n in range(previous or 0)]
        return read(file, keywords=KEYWORDS, previous=before, accept=accept)

    if trusted:
        assert len(found(accept=False).subscribers) == valid
    else:
        with pytest.raises(SubscribersError, match=r"subscribers\.csv: "):
            found(accept=False)
    assert len(found(accept=True).subscribers) == valid


@pytest.mark.parametrize(
    ("listed", "since", "trusted"),
    [(range(200), 1, True), (range(200), 40, True), (range(50, 150), 1, False)],
)
def test_those_who_left_do_not_hide_who_is_lost(
    file: Path, listed: range, since: int, trusted: bool
) -> None:
    file.write_text("\n".join(["email", *(f"P{n}@example.org" for n in listed)]))
    left = {f"p{n}@example.org": "unsubscribed" for n in range(50, 120)}
    mailed = [f"p{n}@example.org" for n in range(200) if f"p{n}@example.org" not in left]
    left |= {f"p{n}@example.org": "bounced" for n in range(since)}
    with (
        nullcontext() if trusted else pytest.raises(SubscribersError, match="30 subscribers where")
    ):
        read(file, keywords=KEYWORDS, previous=mailed, kept_off=lambda x: left.get(x.lower()))


def test_a_distrusted_list_still_names_its_bad_rows(file: Path) -> None:
    with pytest.raises(SubscribersError) as caught:
        listed(file, people(3, 3), accept=False)
    assert "3 of 6 rows are bad" in caught.value.problems[0]
    assert caught.value.problems[1].startswith("subscribers.csv:5: email: ")


def test_nobody_is_told_of_a_million_problems(file: Path) -> None:
    found = listed(file, people(1, 3000))
    assert found.bad == 3000
    assert 1000 <= len(found.problems) <= 1001
    assert found.problems[-1].endswith(f": and problems in {counted(found.bad - 1000, 'more row')}")


class Meddler(UserList[str]):
    """Names of keywords; while they are asked for, the list file is replaced, so many times."""

    def __init__(self, file: Path, times: int) -> None:
        super().__init__(KEYWORDS)
        self.file = file
        self.times = times

    def __iter__(self) -> Iterator[str]:
        if self.times:
            self.times -= 1
            copy = self.file.with_name("copy")
            copy.write_text(people(self.times + 7))
            copy.replace(self.file)
        return super().__iter__()


def test_a_file_that_is_replaced_while_it_is_read_is_read_again(file: Path) -> None:
    file.write_text(people(5))
    assert len(read(file, keywords=Meddler(file, 2)).subscribers) == 7


def test_a_file_that_keeps_changing_while_it_is_read_is_not_trusted(file: Path) -> None:
    file.write_text(people(5))
    with pytest.raises(SubscribersError, match="changed while it was read"):
        read(file, keywords=Meddler(file, 9), accept=True)


@pytest.mark.parametrize(
    "meddle",
    [
        lambda file: file.unlink(),
        lambda file: file.write_text(people(6)),
        lambda file: file.rename(file.with_name("other")),
    ],
)
def test_whatever_happens_to_an_open_file_is_noticed(
    file: Path, meddle: Callable[[Path], object]
) -> None:
    file.write_text(people(5))
    with opened(file) as listed:
        assert not listed.replaced()
        meddle(file)
        assert listed.replaced()


def test_a_link_to_a_list_is_followed(file: Path, tmp_path: Path) -> None:
    listed(file, people(3))
    link = tmp_path / "link.csv"
    link.symlink_to(file)
    assert len(read(link, keywords=KEYWORDS).subscribers) == 3


@pytest.mark.slow
@given(st.binary())
def test_random_bytes_are_a_list_or_an_error(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    file = tmp_path_factory.getbasetemp() / "random.csv"
    for start in (b"", b"email,name,keywords\n"):
        file.write_bytes(start + content)
        with suppress(SubscribersError):
            found = read(file, keywords=KEYWORDS, accept=True)
            assert len(found.subscribers) <= found.rows - found.bad


cells = st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]))


@pytest.mark.slow
@given(st.lists(cells, min_size=1), st.sampled_from(",;\t"))
def test_cells_that_are_written_are_read_back(row: Sequence[str], delimiter: str) -> None:
    raw = delimiter.join(written(cell, delimiter) for cell in row) + "\r\n"
    assert [value(cell) for cell in split(raw, delimiter) or ()] == [cell.strip() for cell in row]


@pytest.mark.slow
@given(st.lists(cells.map(str.strip), min_size=1))
def test_rows_of_other_programs_are_read_as_they_read_them(row: Sequence[str]) -> None:
    raw = io.StringIO()
    csv.writer(raw, quoting=csv.QUOTE_ALL).writerow(row)
    guarded = [cell for cell in row if cell.startswith("'")]
    if not guarded:
        assert [value(cell) for cell in split(raw.getvalue(), ",") or ()] == row


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@sum", "'=1", "''@x"])
def test_no_cell_we_write_is_a_formula(text: str) -> None:
    assert written(text, ",")[0] == "'"
    assert value(written(text, ",")) == text


@pytest.mark.slow
def test_a_hundred_thousand_rows_are_read_in_seconds(file: Path) -> None:
    rows = "".join(
        f"person{n}@host{n % 500}.example.org,P,mri,weekly,active,text\n" for n in range(100_000)
    )
    found = listed(file, HEADER + rows, accept=False)
    assert (len(found.subscribers), found.problems) == (100_000, ())


@pytest.mark.slow
def test_unknown_keywords_by_the_thousand_are_named_in_part_and_soon(tmp_path: Path) -> None:
    rows = [
        f"a{n}@example.org,mri; {';'.join(f'mr{i}-{n}' for i in range(900))}" for n in range(99)
    ]
    rows += [f"b{n}@example.org,mri; {'x' * 9_900}{n}" for n in range(99)]
    path = tmp_path / "subscribers.csv"
    path.write_text("email,keywords\n" + "\n".join(rows))
    began = process_time()
    found = read(path, keywords=["mri", *(f"keyword {n}" for n in range(100))])
    assert process_time() - began < 5
    assert len(found.subscribers) == len(rows)
    assert any("and 880 more that are unknown" in each for each in found.problems)
    assert max(map(len, found.problems)) < 200

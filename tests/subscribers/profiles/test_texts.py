import pytest

from newsletter.subscribers.profiles.texts import OwnText, arxiv_id, read_texts

BIBTEX = r"""% exported on a rainy day
@string{jl = "Journal of Long Studies"}
@article{quill2024,
  author = {Quill, Ada},
  title = {{WidgetNet}: An {\'E}tude of "gadgets" in {PET}},
  abstract = "A widget {"}sees{"} what a gadget does.",
  journal = jl # { 3},
  year = 2024,
  eprint = {2401.01234v2},
}
@comment{nothing of @interest}
@InProceedings(quill2023, title="Caf{\'e} widgets", url = {https://arxiv.org/abs/2302.00001v1},
  month = jan, year = "2023")
"""

RIS = """TY  - JOUR
TI  - Widgets in depth
AB  - A widget that
goes on and on
PY  - 2021/03/04
UR  - https://arxiv.org/pdf/2103.00005
ER  -

TY  - CONF
T1  - Gadgets
ER  -
"""


def test_bibtex_gives_titles_abstracts_ids_and_years() -> None:
    found = read_texts(BIBTEX)
    assert found.papers == (
        OwnText(
            title='WidgetNet: An Étude of "gadgets" in PET',
            abstract='A widget "sees" what a gadget does.',
            arxiv_id="2401.01234",
            year=2024,
        ),
        OwnText(title="Café widgets", arxiv_id="2302.00001", year=2023),
    )
    assert found.notes == ("1 paper of 2 without an abstract: the title serves",)


def test_ris_gives_them_too() -> None:
    found = read_texts(RIS)
    assert found.papers == (
        OwnText(
            title="Widgets in depth",
            abstract="A widget that goes on and on",
            arxiv_id="2103.00005",
            year=2021,
        ),
        OwnText(title="Gadgets"),
    )


@pytest.mark.parametrize(
    ("broken", "titles"),
    [
        ("@article{a, title = {never closed\n@article{b, title = {Whole}}", ["Whole"]),
        ("@article{a}\n@article{b, title = {Whole}}", ["Whole"]),
        ("@article{a, author = {Nobody}}\n@article{b, title = {Whole}}", ["Whole"]),
        ('@article{a, title = "Whole" year = 1', ["Whole"]),
        ("@article{a, title = , year = 1}\n@misc{b, title = {Whole}}", ["Whole"]),
        ("@article{a, title = {" + "{" * 5000 + "\n@misc{b, title={Whole}}", ["Whole"]),
        ("@article{a, title = #}\n@misc{b, title={Whole}}", ["Whole"]),
    ],
)
def test_what_is_broken_in_a_bibliography_costs_its_entry_alone(
    broken: str, titles: list[str]
) -> None:
    assert [each.title for each in read_texts(broken).papers] == titles


def test_what_was_left_out_is_counted() -> None:
    assert read_texts("@a{1}\n@a{2, year = 3}\n@a{3, title = {T}, abstract={A}}").notes == (
        "BibTeX: left out what has no title or no end: 2",
    )


def test_other_text_is_an_abstract_a_line() -> None:
    found = read_texts("Abstract: We look at widgets.\r\n\r\n# mine\r\nABSTRACT. Gadgets, too.\n")
    assert [each.abstract for each in found.papers] == ["We look at widgets.", "Gadgets, too."]
    assert found.notes == ()


def test_lines_of_arxiv_ids_are_ids() -> None:
    found = read_texts("arXiv:2401.01234v3\n2401.01234\n\nhep-th/9901001\nmath.GT/0309136v1\n")
    assert found.arxiv_ids == ("2401.01234", "hep-th/9901001", "math.GT/0309136")
    assert not found.papers


@pytest.mark.parametrize("content", ["", "\n \n", "# a remark\n", "@comment{x}", "Abstract:"])
def test_nothing_is_no_papers(content: str) -> None:
    found = read_texts(content)
    assert (found.papers, found.arxiv_ids) == ((), ())


@pytest.mark.parametrize(
    ("text", "id_"),
    [
        ("2401.01234", "2401.01234"),
        (" arXiv: 2401.01234v12 ", "2401.01234"),
        ("cond-mat/0101001", "cond-mat/0101001"),
        ("2401.1", ""),
        ("papers/1234567.bib", ""),
        ("papers.txt", ""),
    ],
)
def test_an_arxiv_id_is_told_from_anything_else(text: str, id_: str) -> None:
    assert arxiv_id(text) == id_


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (OwnText(title="Widgets", abstract="We look."), "Widgets"),
        (OwnText(abstract="We look at widgets."), "We look at widgets."),
        (
            OwnText(
                abstract="Positron widgets (PWs) are, as far as anybody can tell, there to stay"
            ),
            "Positron widgets (PWs) are, as far as anybody can tell…",
        ),
        (OwnText(abstract="x" * 99), "x" * 60 + "…"),
        (OwnText(title=r"$\alpha$-widgets"), "α-widgets"),
    ],
)
def test_a_paper_is_called_by_its_title_or_its_first_words(text: OwnText, name: str) -> None:
    assert text.name == name

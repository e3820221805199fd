from math import log

import pytest

from newsletter.keywords.terms import Commonness, passing, terms, usual


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Deep learning, and deep nets", {"deep": 2, "learning": 1, "nets": 1}),
        ("Vision-language models", {"vision": 1, "language": 1, "models": 1}),
        (r"\textbf{PET} and $\alpha$ rays", {"pet": 1, "rays": 1}),
        (
            "3D, GPT-4o, x, F1, 3DGS and U-Net in 2024",
            {"3d": 1, "gpt": 1, "4o": 1, "f1": 1, "3dgs": 1, "net": 1},
        ),
        ("Ångström über 脳画像", {"ångström": 1, "über": 1, "脳画像": 1}),
        ("the of and we", {}),
        ("", {}),
    ],
)
def test_words_are_plain_and_in_lower_case(text: str, words: dict[str, int]) -> None:
    assert terms(text) == words


def test_papers_are_counted_that_have_a_word_however_often_it_is_in_them() -> None:
    found = Commonness.among([terms("pet pet pet"), terms("pet scan"), terms("graph")])
    assert (found.papers, dict(found.having)) == (3, {"pet": 2, "scan": 1, "graph": 1})


def test_a_rare_word_is_worth_more_and_an_unknown_one_most() -> None:
    common = Commonness(99, {"model": 99, "pet": 4})
    assert common.weight("model") == 1
    assert common.weight("pet") == pytest.approx(log(100 / 5) + 1)
    assert common.weight("dcformer") == pytest.approx(log(100) + 1)


def test_a_vector_has_length_one_and_repetition_counts_less_than_its_number() -> None:
    vector = Commonness(9, {}).vector({"pet": 10, "scan": 1})
    assert sum(weight * weight for weight in vector.values()) == pytest.approx(1)
    assert vector["pet"] / vector["scan"] == pytest.approx(1 + log(10))


@pytest.mark.parametrize(("having", "telling"), [(5, True), (6, False), (0, True)])
def test_a_word_tells_something_where_at_most_five_of_a_hundred_papers_have_it(
    having: int, telling: bool
) -> None:
    assert Commonness(100, {"pet": having}).is_telling("pet") is telling


def test_the_table_that_ships_knows_common_words_and_which_are_said_in_passing() -> None:
    common = usual()
    assert common.papers > 4000
    assert 0.4 < common.having["models"] / common.papers < 0.8
    assert common.having["segmentation"] < common.having["models"]
    assert all(5 <= each <= common.papers for each in common.having.values())
    assert {"unlike", "limits", "innovations"} <= passing()
    assert not {"segmentation", "retrieval", "visual"} & passing()

import random
from collections.abc import Mapping
from statistics import fmean

import pytest

from newsletter.issues.ranking import Ranking, emphasis, kinds_of, terms_of
from newsletter.keywords.terms import Commonness, terms
from newsletter.models import OwnPaper, Paper, Profile
from tests.making.papers import paper

FILLER = "We propose a method and show results on data."


def told(number: int, title: str, abstract: str = FILLER, *categories: str) -> Paper:
    return paper(
        f"2611.{number:05}", title=title, abstract=abstract, categories=categories or ("cs.CV",)
    )


def own(title: str, abstract: str = FILLER, **known: object) -> OwnPaper:
    return OwnPaper(name=title, terms=terms(f"{title} {abstract}"), **known)  # type: ignore[arg-type]


def ranking(*papers: Paper) -> Ranking:
    """Rank papers in a state that has seen four hundred others."""
    others = [told(90000 + n, f"Matter {n} of subject {n}") for n in range(400)]
    seen = [*others, *papers]
    return Ranking(papers, Commonness.among(terms_of(each) for each in seen), seen)


PET = told(1, "Denoising of low-dose PET images", "Positron emission tomography is noisy.")
VLM = told(2, "Vision-language models read chest radiographs", "Radiology reports, retrieval.")
SAND = told(3, "Sand dunes on Mars", "Dunes move.")
ALL = (SAND, VLM, PET)


def profile(*papers: OwnPaper) -> Profile:
    return Profile(papers=papers)


def test_papers_stand_in_the_order_of_their_closeness() -> None:
    order = ranking(*ALL).order(profile(own("PET images without noise", "Positron emission.")))
    assert order
    assert order.ids[0] == PET.id
    assert set(order.ids) == {each.id for each in ALL}


def test_a_reason_names_the_nearest_own_paper_and_the_strongest_words_of_both() -> None:
    mine = (own("Sand"), own("Med3DVLM: radiology", "A vision-language model, retrieval of chests"))
    order = ranking(*ALL).order(profile(*mine))
    assert order
    [reason, *_] = (each for each in order.closest if each.id == VLM.id)
    assert reason.own == "Med3DVLM: radiology"
    assert reason.words[0] == "vision-language"
    assert set(reason.words) <= {"vision-language", "radiology", "retrieval"}


def test_a_reason_names_no_word_that_many_papers_have() -> None:
    crowd = [told(10 + n, f"Radiology of organ{n}") for n in range(30)]
    found = ranking(*crowd, VLM).order(profile(own("Radiology retrieval")))
    assert found
    assert [(each.id, each.words) for each in found.closest] == [(VLM.id, ("retrieval",))]


@pytest.mark.parametrize(
    ("abstract", "words"),
    [
        ("MRI of the brain", ("MRI",)),
        ("Mri of the brain", ("mri",)),
        ("MRI, Mri and MRI", ("MRI",)),
        ("Mri, MRI and MRI", ("MRI",)),
        ("Mri, MRI and Mri", ("mri",)),
        ("Mri and MRI", ("mri",)),
        ("An MRI-guided MRI-guided biopsy", ("MRI",)),
        ("A post-MRI post-MRI biopsy", ("MRI",)),
        ("Image of images and imaging: an image", ("image",)),
    ],
)
def test_words_of_a_reason_are_spelled_as_the_paper_spells_them(
    abstract: str, words: tuple[str, ...]
) -> None:
    order = ranking(told(4, "Brains", abstract)).order(profile(own("mri image images imaging")))
    assert order
    assert order.closest[0].words == words


def test_own_papers_come_last_are_named_and_are_not_recommended() -> None:
    by_id = own("Another title", "Nothing alike", id=SAND.id)
    by_title = own("denoising of LOW-dose pet images", "Another abstract about scanners.")
    by_words = own("Vision-language models that read chest radiographs", VLM.abstract)
    new = told(4, "Low-dose PET scanners")
    found = ranking(*ALL, new).order(profile(by_id, by_title, by_words))
    assert found
    assert found.yours == {each.id for each in ALL}
    assert found.ids == (new.id, *sorted(found.yours))
    assert [each.id for each in found.closest] == [new.id]


def test_what_was_withdrawn_keeps_its_place_and_is_recommended_to_nobody() -> None:
    gone = paper("2611.00004", version=2, title=PET.title, comment="Withdrawn by the authors")
    found = ranking(gone, PET, VLM).order(profile(own("Denoising of low-dose PET images, again")))
    assert found
    assert {*found.ids[:2]} == {gone.id, PET.id}
    assert [each.id for each in found.closest] == [PET.id]


def test_with_many_own_papers_the_nearest_counts_beyond_their_mean() -> None:
    fields = [own(f"Matter {n} of subject {n}") for n in range(9)]
    one = told(5, "Dunes of subject 0 through 8, matter for all of them")
    found = ranking(one, SAND).order(profile(own("Sand dunes on Mars are moving"), *fields))
    assert found
    assert found.ids[0] == SAND.id


@pytest.mark.parametrize(
    ("own", "counts"), [(1, 0.05), (2, 0.1), (9, 0.45), (10, 0.5), (11, 0.5), (5000, 0.5)]
)
def test_what_the_nearest_counts_grows_with_the_profile_to_a_half(own: int, counts: float) -> None:
    assert emphasis(own) == pytest.approx(counts)


def test_a_score_is_the_one_of_the_formula_in_the_docs() -> None:
    papers = [PET, told(2, VLM.title, VLM.abstract, "cs.CV", "cs.CL"), SAND]
    behind = [told(n, f"Images of matter {n}", "Noisy reports.", "cs.CV") for n in range(10, 14)]
    mine = [
        own("Retrieval for radiology", categories=("cs.CL",)),
        own("PET images with little noise", categories=("eess.IV", "cs.CV")),
    ]
    common = Commonness.among(terms_of(each) for each in [*papers, *behind])
    found = Ranking(papers, common, behind).places(profile(*mine))

    def cosine(one: Mapping[str, float], other: Mapping[str, float]) -> float:
        return sum(one[word] * other.get(word, 0.0) for word in one)

    for each, score in zip(papers, found.scores, strict=True):
        vector = common.vector(terms_of(each))
        s = [cosine(vector, common.vector(one.terms)) for one in mine]
        usual = fmean(cosine(vector, common.vector(terms_of(one))) for one in behind)
        kind = kinds_of([each.categories])
        kinds = [cosine(kind, kinds_of(of)) for of in ([x.categories for x in mine], [["cs.CV"]])]
        wanted = fmean(s) + 0.05 * 2 * (max(s) - fmean(s)) - usual + 0.05 * (kinds[0] - kinds[1])
        assert score == pytest.approx(wanted, abs=1e-8)
    assert len({*found.scores}) == 3


def test_a_kind_is_a_direction_however_many_categories_there_are() -> None:
    assert kinds_of([]) == kinds_of([()]) == {}
    assert kinds_of([("cs.CV",), ()]) == {"cs.CV": 1}
    assert kinds_of([("cs.CV", "eess.IV")]) == pytest.approx(
        {"cs.CV": 0.5**0.5, "eess.IV": 0.5**0.5}
    )
    assert kinds_of([("cs.CV",)] * 3 + [("math.AG",)] * 4) == pytest.approx(
        {"cs.CV": 0.6, "math.AG": 0.8}
    )


def test_a_reason_has_three_words_at_most_and_who_is_no_nearer_than_usual_has_none() -> None:
    mine, papers = (
        profile(own("Chest radiographs: models", "Retrieval of reports.")),
        ranking(VLM, SAND),
    )
    order = papers.order(mine)
    assert order
    assert [len(each.words) for each in order.closest] == [3]
    places = papers.places(mine)._replace(scores=[0.0, 0.0])
    order = papers.order(mine, places=places)
    assert order
    assert order.closest == ()


def test_a_word_that_says_nothing_of_a_field_is_no_reason_however_rare() -> None:
    order = ranking(told(4, "Abrupt sandstorms")).order(profile(own("Abrupt sandstorms on Titan")))
    assert order
    assert order.closest[0].words == ("sandstorms",)


@pytest.mark.parametrize("first", ["radiographs", "retrieval", "reports"])
def test_what_the_own_paper_says_most_is_the_first_reason(first: str) -> None:
    mine = profile(own("Radiographs, retrieval, reports", " ".join([first] * 20)))
    order = ranking(VLM, SAND).order(mine)
    assert order
    assert order.closest[0].words[0] == first


def test_ties_go_by_id_whatever_the_order_of_the_papers() -> None:
    same = [told(n, "PET images") for n in range(1, 9)]
    shuffled = random.Random(3).sample(same, k=len(same))
    found = ranking(*shuffled).order(profile(own("PET")))
    assert found
    assert list(found.ids) == [each.id for each in same]


def test_categories_decide_between_papers_of_equal_words() -> None:
    here = told(1, "PET images", FILLER, "math.AG")
    there = told(2, "PET images", FILLER, "eess.IV", "cs.CV")
    mine = own("PET scanners", categories=("eess.IV",))
    order = ranking(here, there).order(profile(mine))
    assert order
    assert order.ids == (there.id, here.id)
    without = ranking(here, there).order(profile(own("PET scanners")))
    assert without
    assert without.ids == (here.id, there.id)


@pytest.mark.parametrize("words", ["", "Gehirnbilder aus Röntgenstrahlen", "脳画像"])
def test_a_profile_without_a_word_in_common_orders_nothing(words: str) -> None:
    assert ranking(*ALL).order(profile(own(words, ""))) is None


@pytest.mark.parametrize(
    "abstract",
    [
        "Wir entrauschen Aufnahmen der PET mit wenig Dosis: die Positron-Emission ist schwach.",
        "Nous débruitons des images TEP (PET) à faible dose, où l'émission du positron est rare.",
        "本文研究低剂量 PET 图像的去噪, 即 positron emission 断层成像。",
    ],
)
def test_a_profile_in_another_language_orders_by_the_words_it_has_in_common(abstract: str) -> None:
    order = ranking(*ALL).order(profile(own("", abstract)))
    assert order
    assert order.ids[0] == PET.id
    assert {each.id for each in order.closest} == {PET.id}
    assert {"PET", "positron"} & set(order.closest[0].words)


def test_a_profile_without_papers_orders_nothing() -> None:
    assert ranking(*ALL).order(profile()) is None


def test_only_the_papers_asked_for_are_ordered_and_named() -> None:
    among = [SAND.id, VLM.id]
    order = ranking(*ALL).order(profile(own("PET images, positron emission")), among=among)
    assert order
    assert sorted(order.ids) == among[::-1]


def test_every_reader_gets_the_papers_of_their_own_keywords() -> None:
    papers, mine = ranking(*ALL), profile(own("PET images, positron emission"))
    for among in ([SAND.id, VLM.id], [VLM.id, PET.id], [PET.id]):
        order = papers.order(mine, among=among)
        assert order
        assert set(order.ids) == set(among)


def test_at_most_five_papers_stand_first_and_none_without_a_reason() -> None:
    papers = [told(n, f"PET images {n}", f"Positron emission, way {n}") for n in range(1, 6)]
    papers += [told(n, "Positron tomography", f"Way {n}") for n in range(6, 9)]
    order = ranking(*papers, SAND).order(profile(own("Tomography of positron rays")))
    assert order
    assert len(order.closest) == 5
    assert all(each.words for each in order.closest)
    assert SAND.id not in {each.id for each in order.closest}


@pytest.mark.slow
def test_a_profile_of_5000_papers_is_ordered_too() -> None:
    many = profile(*(own(f"Matter {n % 100} of PET {n}") for n in range(5000)))
    order = ranking(*ALL).order(many)
    assert order
    assert order.ids[0] == PET.id

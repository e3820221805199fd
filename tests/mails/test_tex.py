"""TeX reads as text: a table of what people write, and what must hold for anything at all."""

import gzip
import json
import re
import time
import unicodedata
from collections.abc import Iterator

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from newsletter.tex import readable
from tests.making.shared_data import shared_data

# The strings on which pylatexenc, unicodeit and flatlatex fail, one way or another.
HARD = [
    (r"Fr\'echet means on $\mathbb{S}^2$", "Fréchet means on S²"),
    (r"a fraction $\mu$ of 5% of users & more", "a fraction μ of 5% of users & more"),
    (r"reach $2.09 \pm 1.48$ dB", "reach 2.09 ± 1.48 dB"),
    (r"\textbf{Results:} of the \emph{two}", "Results: of the two"),
    (r"\url{https://example.org/a_b/c~d%20e}", "https://example.org/a_b/c~d%20e"),
    (r"M\"uller, Erd\H{o}s, \v{C}ech", "Müller, Erdős, Čech"),
    (r"$\mathcal{O}(n^{3/2})$", "O(n^(3/2))"),
    (r"$_{SR}$, H$_2$O, CO$_{2}$", "_SR, H₂O, CO₂"),
    (r"\$5 to $10 per user, not $20", "$5 to $10 per user, not $20"),
    (r"A$^{*}$ at $10^{-3}$", "A* at 10⁻³"),
    (r"$\alpha$-divergence, $\ell_1$/$\ell_\infty$", "α-divergence, ℓ₁/ℓ_∞"),
    (r"$\frac{1}{2}\sum_{i=1}^{n} x_i^2 \leq \sqrt{n}$", "1/2∑ᵢ₌₁ⁿ xᵢ² ≤ √n"),
    (r"{\it Gaia} -- 30\% of ``stars''", "Gaia – 30% of “stars”"),
    (
        r"\cite{Doe20}, \eqref{eq:1}; \href{https://a.example}{here}",
        "[Doe20], (eq:1); here (https://a.example)",
    ),
    (r"$\sim$ 5$\times$, $>$99\% & $p<0.05$", "∼ 5×, >99% & p<0.05"),
    (r"\L{}\'od\'z, \O{}rsted, na\"{\i}ve, \ss", "Łódź, Ørsted, naïve, ß"),
    (r"$\rm{Li_7La_3Zr_2O_{12}}$", "Li₇La₃Zr₂O₁₂"),
    (r"unbalanced $x^2 and 5% of 20", r"unbalanced $x² and 5% of 20"),
    (r"C:\Users\name and a\b 100%", r"C:\Users\name and a\b 100%"),
    (r"$\psi\rangle$, $\ket{\psi}$, $\hat{H}$", "ψ⟩, |ψ⟩, Ĥ"),
]

ACCENTS = [
    (r"Schr\"odinger and Ren\'e", "Schrödinger and René"),
    (r"Garc\'\i a, Mart{\'\i}nez, \'{E}tale", "García, Martínez, Étale"),
    (r"Erd\H os, \v S, Fran\c cois", "Erdős, Š, François"),
    (r"M\o ller at 5 \AA resolution", "Møller at 5 Å resolution"),
    (r"a\b code, \d item, \q\w", r"a\b code, \d item, \q\w"),
    (r"\"x, \'{3}, \^{}", r"ẍ, \'{3}, \^{}"),
    (r"\c{opyright} 2025, \k{appa}=0.8", "© 2025, κ=0.8"),
    (r"$\tilde{x}$, $\bar x_i$, $\tildeΩ$, $\vec{x}_1$", "x̃, x̄ᵢ, Ω̃, x⃗₁"),
    (r"$\widehat{AB}$ and $\dot{x_i}$", "hat(AB) and ẋᵢ"),
]

TEXT = [
    (r"10\,ms, 5\%, R\&D, a\_b, \#1, \{x\}", "10 ms, 5%, R&D, a_b, #1, {x}"),
    (r"pages 3--5 --- and Navier--Stokes", "pages 3–5 — and Navier–Stokes"),
    (r"use --fast \& a --> b <!-- c", "use --fast & a --> b <!-- c"),
    ("``one'' and ``two\" of 5''", "“one” and “two” of 5''"),
    (r"Fig.~\ref{x}, Dr.~Who, $2$~s, H~II", "Fig. [x], Dr. Who, 2 s, H II"),
    (r"\& ~5 ms, 5~10, z~3, https://a.example/~b", "& ~5 ms, 5~10, z~3, https://a.example/~b"),
    (r"end. \\ Next, a\\b, {\\srv}", r"end. Next, a\\b, {\\srv}"),
    (r"{\em stop gradient} of {Only {\em some} left}", "stop gradient of {Only some left}"),
    (r"\textbf{\ours}, which \ours does, \ours{}", r"\ours, which \ours does, \ours"),
    (r"{\em our \ours}is", r"our \ours is"),
    (r"{\ours} and \shiny{words stay}", r"{\ours} and \shiny{words stay}"),
    (r"30{\deg}C, {\mu}m, {\gamma}-ray", "30°C, μm, γ-ray"),
    (r"data\footnote{Later.} in \textcolor{red}{red}", "data (Later.) in red"),
    (r"\href{https://a.example/b}", "https://a.example/b"),
    (r"\href{https://a.example/b}{\texttt{a.example/b}}", "https://a.example/b"),
    (r"https://a.example/b\_c--d", "https://a.example/b_c--d"),
    (r"\underline{Med}ical, M\textsuperscript{3}B", "Medical, M³B"),
    (r"\cite[p.~3]{a, b}", "[a, b, p. 3]"),
    (r"$\unicode{x2014}$such \unicode{nonsense}", r"—such \unicode{nonsense}"),
    (r"pre\--trained, under-investi\-gated", "pre-trained, under-investigated"),
]  # fmt: skip

# What authors of 39,000 papers wrote and an earlier version left raw, or changed.
SEEN = [
    (r"R^2, O(N^2), ug/m^3, E^2GraphRAG and pass^k", r"R², O(N²), ug/m³, E²GraphRAG and passᵏ"),
    (r"10^-3 of 2^125, an n^th A^* in ms^-1", r"10⁻³ of 2¹²⁵, an nᵗʰ A* in ms⁻¹"),
    (r"(J^α), x^verylong, a ^ b, ^_^", r"(J^α), x^verylong, a ^ b, ^_^"),
    (r"O(m^2l) and CO$_2$", r"O(m²l) and CO₂"),
    (r"31{,}000 of 2{.}5", r"31,000 of 2.5"),
    (r"50\\% of S\&P, and\/or, {\it f\/} x\@.", r"50% of S&P, and/or, f x."),
    (r"\ours{} is \ours{}is, PFN{} too", r"\ours is \ours is, PFN too"),
    (r"mod{è}les, na{ï}ve, {Only} these", r"modèles, naïve, {Only} these"),
    (r"''winning ticket,'' and ``x''", r"“winning ticket,” and “x”"),
    ('a "responsibility gap\'\'. It\'s 5\'\' wide', 'a "responsibility gap". It\'s 5\'\' wide'),
    (r"''open and 5''", r"“open and 5”"),
    (r"fast.\footnote{Code at x", r"fast. (Code at x"),
    (
        r"\enquote{a}, \say{b}, \textquote{c}, \ding{51}, \ding{172}, \ding{55}",
        r"“a”, “b”, “c”, ✓, ①, ✗",
    ),
    (r"\textgreater 5, \textless{}6, $a\lt b\gt c$, and\slash or", r"> 5, <6, a<b>c, and/or"),
    (
        r"\numprint{1234}, \num{1e-3}, \SI{9}{\micro\metre}, \qty{3}{\kilo\gram}, \unit{km/h}",
        r"1234, 1×10⁻³, 9 μm, 3 kg, km/h",
    ),
    (r"\gls{llm}, \hyperlink{a}{b}, \romannumeral 4, \romannumeral3", r"llm, b, iv, iii"),
    (r"\ce{H2O}, \ce{SO4^{2-}}, \ch{CO2}", r"H₂O, SO₄²⁻, CO₂"),
    (r"$\Tilde{x}$, $\Bar{x}$, $\Hat x$, $\Vec{v}$, $\Box$, $\vDash$", r"x̃, x̄, x̂, v⃗, □, ⊨"),
    (
        r"${1 \over \rho}$, ${n \choose k}$, ${a \atop b}$, $1 \over 2$",
        r"1/ρ, (n choose k), a, b, 1/2",
    ),
    (
        r"$\smash{x}$, $\smash[b]{y}$, \b{R}etrieval, $a\mkern-2mu b$, ${\mkern-2mu b}$",
        r"x, y, Retrieval, ab, b",
    ),
    (r"$\foo{ab}{cd}$ and $\bi{3k}{k,k,k}$", r"\foo{ab}{cd} and \bi{3k}{k,k,k}"),
    (r"$\begin{pmatrix} a & b \\ c & d \end{pmatrix}$", r"(a, b; c, d)"),
    (r"\nu\bar\nu flux, \hat\ell norm", r"νν̄ flux, ℓ̂ norm"),
    ('\\" atze, G\\"odel', r"ätze, Gödel"),
    (r"the $ N $ of $ n $ and $ \alpha $", r"the N of n and α"),
    (r"${g}$ and ${h}$, |a }$ and ${ b", r"g and h, |a }$ and ${ b"),
    (r"from $5 and $6, US$ 5 or $ 6", r"from $5 and $6, US$ 5 or $ 6"),
    (r"$\overset{d}{=}$, $\underset{x}{\max}$, $\stackrel{d}{\to}$", r"=ᵈ, maxₓ, →ᵈ"),
]  # fmt: skip

MATH = [
    ("$β_2$, $\\bmμ$ and \\bmμ", "β₂, μ and μ"),
    (r"OCP$_{(\mu)}$s, $x_{a,b}$, $x_{SR}y$", "OCP_(μ)s, x_(a,b), x_(SR)y"),
    (r"$x^{10}$, $e^{-x/2}$, $A^\top$, $90^\circ$, 30^\circ C", "x¹⁰, e^(-x/2), Aᵀ, 90°, 30°C"),
    (r"M$_\odot$, $f''(x)$, $x^{\prime}$", "M⊙, f′′(x), x′"),
    (r"$n\log n$, $\log\log n$, $\sin\theta$, $\max_i x$", "n log n, log log n, sin θ, maxᵢ x"),
    (r"$x\in A$, $2\times 3$, $a \to b$, $\forall x$", "x∈A, 2×3, a → b, ∀x"),
    (r"$\tilde{\mathcal{O}}\left(\frac{\sqrt{r}}{N+1}\right)$", "Õ(√r/(N+1))"),
    (r"$\frac12$, $\sqrt[3]{x+y}$, $\binom{n}{k}$", "1/2, ³√(x+y), (n choose k)"),
    (r"$\not\in$, $a \not= b$, $\{x\,|\,x>0\}$", "∉, a ≠ b, {x | x>0}"),
    (r"\(x_1\), \[ y^2 \], $$ z_3 $$, $a$$b$", "x₁, y², z₃, ab"),
    (r"$\mathbb{R}^d$, $\mathbb N$", "ℝᵈ, ℕ"),
    (r"$ x_1 $ costs $5/hr ($10/hr), $\beta$", "x₁ costs $5/hr ($10/hr), β"),
    (r"$45\%$, $30$-$35$, $2,017$ of 5$\times$10", "45%, 30-35, 2,017 of 5×10"),
    (r"$5M and $6M, US$ and A$, the $COIN token", "$5M and $6M, US$ and A$, the $COIN token"),
    (r"$\frac{a}", r"$\frac{a}"),
    (r"$x^$ and $\hat$", r"x^ and \hat"),
]

PLAIN = [
    "",
    "A plain sentence, with 5% of a_b, x ^ 2, {braces}, 'quotes' & a < b.",
    "It's 5'' wide -- no",
    "Grüße, 北京, e\u0301",
    "tabs\tand\nlines",
]


@pytest.mark.parametrize(("tex", "text"), HARD + ACCENTS + TEXT + SEEN + MATH)
def test_tex_reads_as_text(tex: str, text: str) -> None:
    assert readable(tex) == unicodedata.normalize("NFC", text)


@pytest.mark.parametrize(("tex", "text"), HARD + ACCENTS + TEXT + SEEN + MATH)
def test_reading_twice_changes_nothing(tex: str, text: str) -> None:
    assert readable(text) == text


@pytest.mark.parametrize("text", [text for text in PLAIN if "--" not in text])
def test_text_without_tex_comes_back_as_the_same_object(text: str) -> None:
    assert readable(text) is text


MACROS = (
    r"\alpha \beta_ \frac \sqrt \textbf \ours \al \left \right \hat \not \' \" \c \v \i \url \href"
    r" \cite \it \\ \$ \% \{ \} \( \) \[ \] \- \, $ $$ { } ^ _ ~ -- --- `` '' ( ) [ ] . , % & # : ="
)
FRAGMENTS = st.lists(
    st.one_of(
        st.sampled_from(MACROS.split()),
        st.sampled_from(
            [" ", "\n", "_{", "^{", "$5", "\\unicode{x41}", "https://a.example/~b\\_c"]
        ),
        st.text(alphabet="abcxyzABC0123456789éµ√²", min_size=1, max_size=5),
        st.text(max_size=3),
    ),
    max_size=25,
)


@pytest.mark.slow
@given(FRAGMENTS)
@example([r"\$", "x", r"\$"])
@example(["\\_", "{x}"])
def test_anything_can_be_read_and_read_again(fragments: list[str]) -> None:
    once = readable("".join(fragments))
    assert readable(once) == once


WORDS = st.text(alphabet="bcdgjklmpqwxyzBCDGJKLMPQWXYZ23456789", min_size=1, max_size=6)
OPENINGS = (
    r"\textbf{ \frac \hat{ \sqrt{ \left( \right) \(  \) \foo{ \footnote{ \url{ \' \%"
    r" \$ \\ \- $ $$ { } ^{ _{ ^ _ ~ -- `` '' ( ) ."
)
STRUCTURES = st.sampled_from([" ", "{\\it ", "\\alpha ", *OPENINGS.split()])


@pytest.mark.slow
@given(st.lists(st.one_of(WORDS, STRUCTURES), max_size=30))
@example([r"{\it \al}", "pha"])
def test_no_letter_or_digit_is_lost_but_the_names_of_macros(parts: list[str]) -> None:
    text = "".join(parts)
    kept = _letters(re.sub(r"\\[A-Za-z]+", "", text))
    assert _is_subsequence(kept, _letters(readable(text))), readable(text)


def _letters(text: str) -> str:
    return "".join(filter(str.isalnum, unicodedata.normalize("NFKD", text)))


def _is_subsequence(short: str, long: str) -> bool:
    rest = iter(long)
    return all(letter in rest for letter in short)


HOSTILE = (
    r"{ } ${ $ $$ \ \frac \frac{ \hat\hat x^ ^{ _ \( \) {$x$} \textbf{\emph{ \sqrt[ `` ~ -- \' "
    r" \left {\it $a_{ \cite[ https:// \href{ $5 \$x"
)


@pytest.mark.slow
@pytest.mark.parametrize("hostile", HOSTILE.split())
def test_hostile_text_takes_time_in_proportion_to_its_length(hostile: str) -> None:
    short, long = hostile * 1_000, hostile * 8_000
    assert _seconds(long) < 24 * max(_seconds(short), 0.002)


@pytest.mark.slow
def test_formulas_within_formulas_do_too() -> None:
    short, long = ("{$" * depth + "x" + "$}" * depth for depth in (1_000, 8_000))
    assert _seconds(long) < 24 * max(_seconds(short), 0.002)


@pytest.mark.slow
def test_groups_can_be_nested_beyond_any_stack() -> None:
    assert "x" in readable("{" * 50_000 + r"\alpha x" + "}" * 50_000)
    assert "x" in readable("$" + "{" * 50_000 + "x_1" + "}" * 50_000 + "$")


def _seconds(text: str) -> float:
    """Return the processor time of the fastest of three readings."""
    spent = []
    for _ in range(3):
        began = time.process_time()
        readable(text)
        spent.append(time.process_time() - began)
    return min(spent)


def _real_texts() -> Iterator[str]:
    folder = shared_data("arxiv", "metadata")
    with gzip.open(folder / "cs.AI_2025-06-01_2025-06-30.jsonl.gz", "rt", encoding="utf-8") as rows:
        for row in map(json.loads, rows):
            yield from (row["title"], row["abstract"])


@pytest.mark.slow
def test_real_titles_and_abstracts_keep_hardly_any_tex() -> None:
    shown = [readable(text) for text in _real_texts()]
    # What is left are the authors' own macros (`\ours`) and dollars that are money.
    assert sum("\\" in text for text in shown) <= 22
    assert sum(text.count("$") % 2 for text in shown) <= 6
    assert all(readable(text) == text for text in shown if "\\" in text or "$" in text)

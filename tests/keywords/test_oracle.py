"""What keywords mean, held against plain regular expressions over a month of real papers.

The expressions know nothing of the matcher: a word is any of the words that the replica of arXiv's
index has under the same stem, and what stands around and between words is written out.
"""

import re
import unicodedata
from functools import cache

import pytest

from newsletter.keywords.matching import excluder, matcher
from newsletter.models import Keyword
from newsletter.prose import prose
from tests.making.shared_data import june_papers
from tests.peers.replica import english

PHRASES = """
diffusion model; large language model; chain of thought; reinforcement learning; graph neural
network; retrieval-augmented generation; retrieval and generation; on-policy; off-policy; text
to image; text-to-speech; image to text; state of the art; if-then rules; out of distribution;
in-context learning; in-context; few-shot; zero-shot learning; one-shot; end-to-end;
human-in-the-loop; on-device; on the fly; AI in education; not only; theory of mind; mixture of
experts; bag of words; internet of things; a priori; the web; as a service; LLM as a judge;
learning to rank; sim-to-real; black-box; such as; proof of concept; tree of thoughts; question
answering; knowledge graph; medical imaging; robot manipulation; autonomous driving; federated
learning; continual learning; transfer learning; self-supervised; multi-agent; multi-modal;
multimodal; multi-task learning; speech recognition; machine translation; named entity; object
detection; semantic segmentation; point cloud; video generation; protein folding; drug
discovery; time series; anomaly detection; recommender system; information retrieval; code
generation; software engineering; formal verification; theorem proving; mathematical reasoning;
causal inference; causal discovery; fairness; bias; explainable AI; interpretability;
mechanistic interpretability; sparse autoencoder; adversarial attack; jailbreak; red teaming;
prompt injection; prompt engineering; fine-tuning; parameter-efficient; low-rank adaptation;
quantization; pruning; knowledge distillation; speculative decoding; attention mechanism;
self-attention; transformer; vision transformer; state space model; recurrent neural network;
convolutional neural network; generative adversarial network; variational autoencoder;
normalizing flow; flow matching; score matching; optimal transport; Bayesian optimization;
Gaussian process; Monte Carlo; Monte Carlo tree search; Markov decision process; multi-armed
bandit; policy gradient; reward model; reward hacking; preference optimization; human feedback;
instruction tuning; alignment; hallucination; uncertainty quantification; calibration; conformal
prediction; out-of-distribution detection; domain adaptation; domain generalization; data
augmentation; synthetic data; active learning; curriculum learning; meta-learning;
representation learning; contrastive learning; foundation model; world model; embodied AI;
vision-language model; vision-language-action; visual question answering; image captioning;
image editing; 3D; 3D reconstruction; gaussian splatting; neural radiance field; pose
estimation; face recognition; emotion recognition; sentiment analysis; text classification;
summarization; dialogue; conversational agent; tool use; planning; agentic; GPT-4; GPT-4o;
GPT-3.5; Llama 3; DeepSeek-R1; COVID-19; Parkinson's disease; Alzheimer's; electronic health
record; MRI; CT; EEG; clinical trial; radiology; pathology; generalization; university;
organization; news; business; ethics; governance; regulation; law; education; students;
blockchain; quantum computing; edge computing; cloud; hardware accelerator; FPGA; RISC-V;
compiler; smart contract; malware; intrusion detection; differential privacy; homomorphic
encryption; watermark; deepfake; misinformation; hate speech
"""
EXACT = """
SAM; RAG; LoRA; PyTorch; segmentation; the art of; general; model; models; MoE; on-policy;
Mamba; AI in; CoT; data; agent
"""
# A sign is written out; TeX and Unicode may write it otherwise.
SIGNED = {
    "C++": r"(?<!\w)C\+\+(?!\+)",
    "C#": r"(?<!\w)C\s?#(?!#)",
    ".NET": r"(?<![\w.])\.NET(?!\w)",
    "R&D": r"(?<!\w)R\s?&\s?D(?!\w)",
    "A* search": r"(?<!\w)A\s?\*[^\w*]*\s*search(?:es|ed|ing|er|ers)?(?!\w)",
    "Q*": r"(?<!\w)Q\^?\*(?!\*)",
    "CO₂": r"(?<!\w)CO2(?!\w)",
    "H₂O": r"(?<!\w)H2O(?!\w)",
    "R²": r"(?<!\w)R2(?!\w)",
    "α": r"(?<!\w)α(?!\w)",
}
EXCLUSIONS = """
survey; review; benchmark; a survey of; dataset; position paper; workshop; challenge;
competition; tutorial; demo; thesis; in this paper; we propose; medical; clinical; robot;
quantum; protein; finance; legal; education; code; math; chemistry; video; audio; speech; image;
3D; GPT-4; LLM; LLMs; large language models; transformer; diffusion; graph; reinforcement
learning; on-policy; end-to-end; state-of-the-art; C++; human; safety; security; privacy; bias;
hallucination; open-source; low-resource
"""
STAYS_APART: dict[tuple[str, str], str] = {}  # (keyword, paper): why they differ; none does


def listed(text: str) -> list[str]:
    return [each.strip() for each in text.replace("\n", " ").split(";") if each.strip()]


@cache
def papers() -> tuple[tuple[str, str], ...]:
    """Return title and abstract of each paper as people read it."""
    texts = ((paper.title, paper.abstract) for paper in june_papers())
    return tuple((_shown(title), _shown(abstract)) for title, abstract in texts)


def _shown(text: str) -> str:
    return unicodedata.normalize("NFKC", prose(text)).replace("−", "-").replace("∗", "*")


@cache
def papers_by_word() -> dict[str, set[int]]:
    found: dict[str, set[int]] = {}
    for at, texts in enumerate(papers()):
        for word in re.findall(r"[^\W_]+", " ".join(texts).lower()):
            found.setdefault(word, set()).add(at)
    return found


@cache
def words_by_stem() -> dict[str, list[str]]:
    tokens = {
        token.lower() for texts in papers() for text in texts for token in english.tokens(text)
    }
    found: dict[str, list[str]] = {}
    for word in sorted({re.sub(r"['’]s$", "", token) for token in tokens}):
        found.setdefault(english.porter(word), []).append(word)
    return found


def expression(phrase: str, *, exact: bool) -> re.Pattern[str]:
    words = [re.sub(r"['’]s$", "", word) for word in english.tokens(phrase)]
    return re.compile(r"\W+(?:_+\W+)*".join(_word(word, exact=exact) for word in words))


def _word(word: str, *, exact: bool) -> str:
    lowered = word.lower()
    if exact and word[1:] != lowered[1:]:
        forms = re.escape(word)
    elif exact or lowered in english.STOP_WORDS:
        forms = f"(?i:{re.escape(lowered)})"
    else:
        same = words_by_stem().get(english.porter(lowered), [lowered])
        known = sorted((each for each in same if each not in english.STOP_WORDS), key=len)
        forms = f"(?i:{'|'.join(map(re.escape, reversed(known)))})"
    # What UAX #29 joins is one word: U.S, don't, 3.5.
    before = r"(?<!\w)(?<![^\W\d_][.:'’·](?=[^\W\d_]))(?<!\d[.,;'’](?=\d))"
    after = r"(?:['’][sS])?(?!\w)(?!(?<=[^\W\d_])[.:'’·][^\W\d_])(?!(?<=\d)[.,;'’]\d)"
    return f"{before}(?:{forms}){after}"


def holding(pattern: re.Pattern[str], phrase: str) -> set[int]:
    """Return the papers whose title or abstract has it; only those with its longest word can."""
    words = re.findall(r"[^\W_]+", unicodedata.normalize("NFKC", phrase).lower())
    longest = max((w for w in words if w not in english.STOP_WORDS), key=len, default=words[0])
    same = {longest, *words_by_stem().get(english.porter(longest), ())}
    parts = {part for word in same for part in re.findall(r"[^\W_]+", word)}
    may = set().union(*(papers_by_word().get(part, set()) for part in parts))
    return {at for at in may if any(pattern.search(text) for text in papers()[at])}


CASES = [
    *((Keyword(name=each), None) for each in listed(PHRASES)),
    *((Keyword(name=each, exact=True), None) for each in listed(EXACT)),
    *((Keyword(name=each), each_is) for each, each_is in SIGNED.items()),
]


def test_there_are_two_hundred_keywords_and_fifty_exclusions() -> None:
    assert len(CASES) >= 200
    assert len(listed(EXCLUSIONS)) == 50


@pytest.mark.slow
@pytest.mark.parametrize(
    ("one_in", "least", "rarest"),
    [(4, 1_000, 0), pytest.param(1, 20_000, 2, marks=pytest.mark.full)],
)
def test_a_month_of_papers_is_matched_as_plain_expressions_do(
    one_in: int, least: int, rarest: int
) -> None:
    kept_apart: dict[tuple[str, str], list[str]] = {}
    month, matched = dict([*enumerate(june_papers())][::one_in]), 0
    excluded = {}
    for text in listed(EXCLUSIONS):
        pattern = (
            re.compile(SIGNED[text], re.IGNORECASE)
            if text in SIGNED
            else expression(text, exact=False)
        )
        excluded[text] = holding(pattern, text) & month.keys()
    excluders = {text: excluder(Keyword(name="x", exclude=(text,))) for text in excluded}
    by_us = {
        text: {at for at, paper in month.items() if left_out_by(paper)}
        for text, left_out_by in excluders.items()
    }
    for keyword, written in CASES[::one_in]:
        pattern = (
            re.compile(written, re.IGNORECASE)
            if written
            else expression(keyword.name, exact=keyword.exact)
        )
        expected = holding(pattern, keyword.name) & month.keys()
        belongs = matcher(keyword)
        assert belongs
        found = {at for at, paper in month.items() if belongs(paper)}
        for text, taken in excluded.items():
            for at in (found - by_us[text]) ^ (expected - taken):
                kept_apart.setdefault((keyword.name, month[at].local_id), []).append(text)
        matched += len(found)
    assert kept_apart.keys() == STAYS_APART.keys(), kept_apart
    assert matched > least
    assert min(map(len, by_us.values())) >= rarest

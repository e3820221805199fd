"""The categories of arXiv: arxiv.org/category_taxonomy, as in arXiv/arxiv-base of April 2024.

Pure. All of them that papers are submitted to, and the archives that they belong to.
"""

from difflib import SequenceMatcher
from functools import cache

_ARCHIVES = {
    "astro-ph": (
        "CO Cosmology and Nongalactic Astrophysics; EP Earth and Planetary Astrophysics; "
        "GA Astrophysics of Galaxies; HE High Energy Astrophysical Phenomena; "
        "IM Instrumentation and Methods for Astrophysics; SR Solar and Stellar Astrophysics"
    ),
    "cond-mat": (
        "dis-nn Disordered Systems and Neural Networks; mes-hall Mesoscale and Nanoscale Physics; "
        "mtrl-sci Materials Science; other Other Condensed Matter; quant-gas Quantum Gases; "
        "soft Soft Condensed Matter; stat-mech Statistical Mechanics; "
        "str-el Strongly Correlated Electrons; supr-con Superconductivity"
    ),
    "cs": (
        "AI Artificial Intelligence; AR Hardware Architecture; CC Computational Complexity; "
        "CE Computational Engineering, Finance, and Science; CG Computational Geometry; "
        "CL Computation and Language; CR Cryptography and Security; "
        "CV Computer Vision and Pattern Recognition; CY Computers and Society; DB Databases; "
        "DC Distributed, Parallel, and Cluster Computing; DL Digital Libraries; "
        "DM Discrete Mathematics; DS Data Structures and Algorithms; ET Emerging Technologies; "
        "FL Formal Languages and Automata Theory; GL General Literature; GR Graphics; "
        "GT Computer Science and Game Theory; HC Human-Computer Interaction; "
        "IR Information Retrieval; IT Information Theory; LG Machine Learning; "
        "LO Logic in Computer Science; MA Multiagent Systems; MM Multimedia; "
        "MS Mathematical Software; NA Numerical Analysis; NE Neural and Evolutionary Computing; "
        "NI Networking and Internet Architecture; OH Other Computer Science; "
        "OS Operating Systems; PF Performance; PL Programming Languages; RO Robotics; "
        "SC Symbolic Computation; SD Sound; SE Software Engineering; "
        "SI Social and Information Networks; SY Systems and Control"
    ),
    "econ": "EM Econometrics; GN General Economics; TH Theoretical Economics",
    "eess": (
        "AS Audio and Speech Processing; IV Image and Video Processing; SP Signal Processing; "
        "SY Systems and Control"
    ),
    "gr-qc": "",
    "hep-ex": "",
    "hep-lat": "",
    "hep-ph": "",
    "hep-th": "",
    "math": (
        "AC Commutative Algebra; AG Algebraic Geometry; AP Analysis of PDEs; "
        "AT Algebraic Topology; CA Classical Analysis and ODEs; CO Combinatorics; "
        "CT Category Theory; CV Complex Variables; DG Differential Geometry; "
        "DS Dynamical Systems; FA Functional Analysis; GM General Mathematics; "
        "GN General Topology; GR Group Theory; GT Geometric Topology; HO History and Overview; "
        "IT Information Theory; KT K-Theory and Homology; LO Logic; MG Metric Geometry; "
        "MP Mathematical Physics; NA Numerical Analysis; NT Number Theory; OA Operator Algebras; "
        "OC Optimization and Control; PR Probability; QA Quantum Algebra; RA Rings and Algebras; "
        "RT Representation Theory; SG Symplectic Geometry; SP Spectral Theory; "
        "ST Statistics Theory"
    ),
    "math-ph": "",
    "nlin": (
        "AO Adaptation and Self-Organizing Systems; CD Chaotic Dynamics; "
        "CG Cellular Automata and Lattice Gases; PS Pattern Formation and Solitons; "
        "SI Exactly Solvable and Integrable Systems"
    ),
    "nucl-ex": "",
    "nucl-th": "",
    "physics": (
        "acc-ph Accelerator Physics; ao-ph Atmospheric and Oceanic Physics; "
        "app-ph Applied Physics; atm-clus Atomic and Molecular Clusters; atom-ph Atomic Physics; "
        "bio-ph Biological Physics; chem-ph Chemical Physics; class-ph Classical Physics; "
        "comp-ph Computational Physics; data-an Data Analysis, Statistics and Probability; "
        "ed-ph Physics Education; flu-dyn Fluid Dynamics; gen-ph General Physics; "
        "geo-ph Geophysics; hist-ph History and Philosophy of Physics; "
        "ins-det Instrumentation and Detectors; med-ph Medical Physics; optics Optics; "
        "plasm-ph Plasma Physics; pop-ph Popular Physics; soc-ph Physics and Society; "
        "space-ph Space Physics"
    ),
    "q-bio": (
        "BM Biomolecules; CB Cell Behavior; GN Genomics; MN Molecular Networks; "
        "NC Neurons and Cognition; OT Other Quantitative Biology; PE Populations and Evolution; "
        "QM Quantitative Methods; SC Subcellular Processes; TO Tissues and Organs"
    ),
    "q-fin": (
        "CP Computational Finance; EC Economics; GN General Finance; MF Mathematical Finance; "
        "PM Portfolio Management; PR Pricing of Securities; RM Risk Management; "
        "ST Statistical Finance; TR Trading and Market Microstructure"
    ),
    "quant-ph": "",
    "stat": (
        "AP Applications; CO Computation; ME Methodology; ML Machine Learning; "
        "OT Other Statistics; TH Statistics Theory"
    ),
}
_LIKE = 0.6


def is_category(text: str) -> bool:
    """Tell whether this is a category such as cs.CV, or a whole archive: `cs` or `cs.*`.

    Case does not matter, as it does not to arXiv.
    """
    return text.removesuffix(".*").lower() in _by_folded_name()


def nearest(text: str) -> str:
    """Return what somebody may have meant by a category that there is not."""
    names, folded = _by_folded_name(), text.lower()
    likeness = {name: _likeness(folded, name) for name in names}
    best = max(likeness.values())
    near = [names[name] for name in names if likeness[name] > best - 0.01]
    if best < _LIKE:
        return f"write one like 'cs.CV', or an archive: {', '.join(_ARCHIVES)}"
    return f"nearest are {', '.join(near)}"


def _likeness(text: str, name: str) -> float:
    """Compare a text with a category; the subclass alone is as good as both."""
    return 1 if name.partition(".")[2] == text else SequenceMatcher(None, text, name).ratio()


@cache
def _by_folded_name() -> dict[str, str]:
    """Return each category in lower case, as it is written and what it is about."""
    found = {}
    for archive, subclasses in _ARCHIVES.items():
        found[archive] = archive
        for each in filter(None, subclasses.split("; ")):
            subclass, _, about = each.partition(" ")
            found[f"{archive}.{subclass}".lower()] = f"{archive}.{subclass} ({about})"
    return found

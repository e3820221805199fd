"""How inputs are made from a corpus, and how many of them: few in CI, more by `make fuzz`."""

import os
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "60"))
_CORPUS = Path(__file__).parent / "corpus"


def inputs(name: str) -> st.SearchStrategy[bytes]:
    """Return bytes: those of a corpus, cut, spliced, repeated and changed; or any."""
    corpus = [path.read_bytes() for path in sorted((_CORPUS / name).iterdir())]
    return st.one_of(st.sampled_from(corpus), _changed(corpus), st.binary(max_size=2000))


@st.composite
def _changed(draw: st.DrawFn, corpus: list[bytes]) -> bytes:
    content = draw(st.sampled_from(corpus))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(content)))
        until = draw(st.integers(at, min(len(content), at + 50)))
        piece = draw(
            st.one_of(
                st.binary(max_size=20),
                st.sampled_from([b"\r\n", b"\n\n", b"\x00", b'"', b"<", b"\x1b[2J", b"\xff", b"@"]),
                st.just(content[at:until] * draw(st.integers(1, 30))),
            )
        )
        content = content[:at] + piece + content[until:]
    return content


def fuzzing(*, share: float = 1.0) -> settings:
    """Return how a target is tried; a slow one takes its share of the examples."""
    return settings(
        max_examples=max(5, int(EXAMPLES * share)),
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    )

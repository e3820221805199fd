"""Draw how something grows: points on two logarithmic scales, as SVG."""

from collections.abc import Mapping
from html import escape
from math import ceil, floor, log10

WIDTH, HEIGHT, EDGE = 480, 300, 56


def svg(points: Mapping[int, float], title: str) -> str:
    """Return a plot of seconds by number; a dashed line is what growth in proportion would be."""
    low, high = floor(log10(min(points))), ceil(log10(max(points)))
    seconds = [max(each, 0.001) for each in points.values()]
    bottom, top = floor(log10(min(seconds))), ceil(log10(max(seconds)) + 0.01)

    def place(number: float, taken: float) -> tuple[float, float]:
        across = (log10(number) - low) / max(high - low, 1)
        up = (log10(taken) - bottom) / max(top - bottom, 1)
        return EDGE + across * (WIDTH - 2 * EDGE), HEIGHT - EDGE - up * (HEIGHT - 2 * EDGE)

    drawn = []
    for power in range(low, high + 1):
        x, _ = place(10**power, 10**bottom)
        drawn.append(_line(x, EDGE, x, HEIGHT - EDGE, "#ddd"))
        drawn.append(_text(x, HEIGHT - EDGE + 18, f"{10**power:,}", "middle"))
    for power in range(bottom, top + 1):
        _, y = place(10**low, 10**power)
        drawn.append(_line(EDGE, y, WIDTH - EDGE, y, "#ddd"))
        drawn.append(_text(EDGE - 6, y + 4, f"{10**power:g} s", "end"))
    places = [place(number, each) for number, each in zip(points, seconds, strict=True)]
    last, most = max(points), seconds[-1]
    first = max(10**low, last * 10**bottom / most)
    drawn.append(_line(*place(first, most * first / last), *places[-1], "#999", dashed=True))
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    drawn.append(f'<polyline points="{path}" fill="none" stroke="#1f5fa8" stroke-width="2"/>')
    for (x, y), each in zip(places, seconds, strict=True):
        drawn.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="#1f5fa8"/>')
        drawn.append(_text(x, y - 9, f"{each:.2g}", "middle"))
    drawn.append(_text(WIDTH / 2, 28, title, "middle", size=15))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}"'
        f' height="{HEIGHT}" role="img" aria-label="{escape(title)}" font-family="sans-serif">\n'
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>\n' + "\n".join(drawn) + "\n</svg>\n"
    )


def _line(x1: float, y1: float, x2: float, y2: float, colour: str, *, dashed: bool = False) -> str:
    dashes = ' stroke-dasharray="5 4"' if dashed else ""
    return (
        f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}"{dashes}/>'
    )


def _text(x: float, y: float, text: str, anchor: str, *, size: int = 11) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" text-anchor="{anchor}" fill="#333">'
        f"{escape(text)}</text>"
    )

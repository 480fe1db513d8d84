"""Bar charts as SVG, with nothing but text: groups of bars side by side, each bar with its value."""

import math
from html import escape

WIDTH, HEIGHT = 720, 340
LEFT, RIGHT, TOP, BOTTOM = 16, 16, 72, 44
WIDE = 50  # beyond this ratio of the highest value to the lowest, heights are logarithmic
COLOURS = ("#2f6f4f", "#c98a2b", "#7aa892", "#e3c58f")


def number(value):
    """Three figures that count, without an exponent."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def text(x, y, what, size=13, anchor="middle", weight="normal", colour="#222"):
    return (f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" text-anchor="{anchor}" font-weight="{weight}" '
            f'fill="{colour}">{escape(what)}</text>')


def legend(names):
    x = LEFT
    for colour, name in zip(COLOURS, names):
        yield f'<rect x="{x}" y="46" width="12" height="12" fill="{colour}"/>'
        yield text(x + 17, 56, name, anchor="start")
        x += 32 + 7.5 * len(name)


def share_of_height(value, lowest, highest):
    """Logarithmic heights begin at a tenth of the lowest value."""
    if highest / lowest <= WIDE:
        return value / highest
    return math.log(value / lowest * 10) / math.log(highest / lowest * 10)


def bars(groups, series, lowest, highest):
    """One rectangle and one number for each group and series; a value of None leaves its place empty."""
    group_width = (WIDTH - LEFT - RIGHT) / len(groups)
    bar_width = min(86, group_width * 0.8 / len(series))
    floor = HEIGHT - BOTTOM
    for at, group in enumerate(groups):
        middle = LEFT + group_width * (at + 0.5)
        yield text(middle, floor + 20, group)
        left = middle - bar_width * len(series) / 2
        for index, (_, values) in enumerate(series):
            if values[at] is None:
                continue
            height = (floor - TOP - 16) * share_of_height(values[at], lowest, highest)
            x = left + bar_width * index
            yield (f'<rect x="{x + 2:.1f}" y="{floor - height:.1f}" width="{bar_width - 4:.1f}" '
                   f'height="{height:.1f}" fill="{COLOURS[index]}"/>')
            yield text(x + bar_width / 2, floor - height - 5, number(values[at]), size=12)


def bar_chart(title, unit, groups, series):
    """The SVG text. `series`: pairs of a name and one value a group, in `unit`."""
    known = [value for _, values in series for value in values if value]
    lowest, highest = min(known, default=1), max(known, default=1)
    scale = ", logarithmic" if highest / lowest > WIDE else ""
    lines = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" '
             f'height="{HEIGHT}" font-family="system-ui, sans-serif" role="img" aria-label="{escape(title)}">',
             f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>',
             text(LEFT, 28, f"{title} ({unit}{scale})", size=17, anchor="start", weight="600"),
             *legend([name for name, _ in series]),
             *bars(groups, series, lowest, highest),
             f'<line x1="{LEFT}" y1="{HEIGHT - BOTTOM}" x2="{WIDTH - RIGHT}" y2="{HEIGHT - BOTTOM}" stroke="#888"/>',
             "</svg>", ""]
    return "\n".join(lines)

"""Pictures of results, as SVG: bars beside each other, and curves over logarithmic axes."""

import math
from xml.sax.saxutils import escape

WIDTH = 820
LEFT = 70
COLOURS = ["#336791", "#e6526f", "#7a7a7a", "#c0a030"]
STYLE = "text { font: 12px sans-serif; fill: #333 } .small { font-size: 10px; fill: #666 } .title { font-size: 15px }"


def _text(x, y, text, anchor="start", kind=""):
    return f'<text x="{x:.0f}" y="{y:.0f}" text-anchor="{anchor}" class="{kind}">{escape(str(text))}</text>'


def _line(x1, y1, x2, y2, colour="#ddd", dash=""):
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}" stroke-dasharray="{dash}"/>'


def _svg(height, title, note, parts):
    head = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}">',
            f"<style>{STYLE}</style>", f'<rect width="{WIDTH}" height="{height}" fill="white"/>',
            _text(LEFT, 24, title, kind="title"), _text(LEFT, height - 10, note, kind="small")]
    return "\n".join([*head, *parts, "</svg>"]) + "\n"


def _legend(names):
    parts = []
    for i, name in enumerate(names):
        x = LEFT + 170 * i
        parts.append(f'<rect x="{x}" y="36" width="12" height="12" fill="{COLOURS[i]}"/>')
        parts.append(_text(x + 18, 46, name))
    return parts


def bars(title, note, unit, names, rows, levels=()):
    """Each row is (label, remark, values), one value for each of the names; levels are (name, value), drawn across."""
    step = 22 * len(names) + 16
    height = 100 + step * len(rows)
    largest = max([value or 0 for _, _, values in rows for value in values] + [value for _, value in levels] + [1])
    scale = (WIDTH - LEFT - 110) / largest
    parts = _legend(names)
    for i, (label, remark, values) in enumerate(rows):
        y = 64 + i * step
        parts.append(_text(LEFT - 10, y + step / 2 - 4, label, "end"))
        for j, value in enumerate(values):
            length = (value or 0) * scale
            parts.append(f'<rect x="{LEFT}" y="{y + 22 * j}" width="{length:.1f}" height="18" fill="{COLOURS[j]}"/>')
            words = "" if value is None else f"{value / 1000:,.0f} k" + (f"   {remark}" if j == 0 else "")
            parts.append(_text(LEFT + length + 6, y + 22 * j + 13, words))
    for name, value in levels:
        x = LEFT + value * scale
        parts.append(_line(x, 56, x, height - 34, "#999", "4 3"))
        parts.append(_text(x, height - 24, name, "middle", "small"))
    parts.append(_text(WIDTH - 10, 46, unit, "end", "small"))
    return _svg(height, title, note, parts)


def curves(title, note, x_name, y_name, lines):
    """Each line is (name, [(x, y), …]); both axes are logarithmic."""
    height = 420
    top, bottom, right = 64, height - 60, WIDTH - 30
    points = [point for _, line in lines for point in line]
    bounds = []
    for axis in (0, 1):
        values = [point[axis] for point in points]
        low, high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
        bounds.append((low, max(high, low + 1)))
    (x_low, x_high), (y_low, y_high) = bounds

    def place(x, y):
        return (LEFT + (math.log10(x) - x_low) / (x_high - x_low) * (right - LEFT),
                bottom - (math.log10(y) - y_low) / (y_high - y_low) * (bottom - top))

    parts = _legend([name for name, _ in lines])
    for power in range(x_low, x_high + 1):
        x, _ = place(10**power, 10**y_low)
        parts += [_line(x, top, x, bottom), _text(x, bottom + 16, f"{10**power:,}", "middle", "small")]
    for power in range(y_low, y_high + 1):
        _, y = place(10**x_low, 10**power)
        parts += [_line(LEFT, y, right, y), _text(LEFT - 8, y + 4, f"{10**power:g}", "end", "small")]
    for i, (_, line) in enumerate(lines):
        path = " ".join("{:.1f},{:.1f}".format(*place(x, y)) for x, y in line)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{COLOURS[i]}" stroke-width="2"/>')
    parts += [_text((LEFT + right) / 2, bottom + 32, x_name, "middle", "small"), _text(right, 46, y_name, "end", "small")]
    return _svg(height, title, note, parts)

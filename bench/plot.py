"""Small line plots as SVG: logarithmic axes, the same bytes for the same figures, no library.

    svg(title, x_label, y_label, series)   series: {label: [(x, y), ...]} with x > 0 and y > 0
"""
import html
import math

WIDTH, HEIGHT = 640, 380
LEFT, RIGHT, TOP, BOTTOM = 72, 16, 40, 52
COLOURS = ("#1b6ca8", "#c8553d", "#4a7c59", "#7d5ba6", "#b8860b")
UNITS = ((1e9, "G"), (1e6, "M"), (1e3, "k"))


def short(value):
    for size, unit in UNITS:
        if value >= size:
            return f"{value / size:.3g}{unit}"
    return f"{value:.3g}"


def decades(values):
    """The powers of ten around all values: (lowest, highest) exponent, at least one decade."""
    low = math.floor(math.log10(min(values)) + 1e-9)
    high = math.ceil(math.log10(max(values)) - 1e-9)
    return low, max(high, low + 1)


class Axis:
    def __init__(self, values, begin, end):
        self.low, self.high = decades(values)
        self._begin, self._end = begin, end

    def at(self, value):
        share = (math.log10(value) - self.low) / (self.high - self.low)
        return self._begin + share * (self._end - self._begin)

    def ticks(self):
        return [10.0 ** exponent for exponent in range(self.low, self.high + 1)]


def text(x, y, words, anchor="middle", extra=""):
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{extra}>{html.escape(words)}</text>'


def grid(x_axis, y_axis):
    bottom, right = HEIGHT - BOTTOM, WIDTH - RIGHT
    lines = []
    for value in x_axis.ticks():
        at = x_axis.at(value)
        lines += [f'<path class="grid" d="M{at:.1f} {TOP}V{bottom}"/>', text(at, bottom + 18, short(value))]
    for value in y_axis.ticks():
        at = y_axis.at(value)
        lines += [f'<path class="grid" d="M{LEFT} {at:.1f}H{right}"/>', text(LEFT - 8, at + 4, short(value), "end")]
    return lines


def line(points, colour, x_axis, y_axis):
    at = [(x_axis.at(x), y_axis.at(y)) for x, y in points]
    path = "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in at)
    dots = [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" fill="{colour}"><title>{short(a)}: {short(b)}</title></circle>'
            for (x, y), (a, b) in zip(at, points)]
    return [f'<path d="{path}" fill="none" stroke="{colour}" stroke-width="2"/>', *dots]


def svg(title, x_label, y_label, series):
    series = {label: points for label, points in series.items() if points}
    x_axis = Axis([x for points in series.values() for x, _ in points], LEFT, WIDTH - RIGHT)
    y_axis = Axis([y for points in series.values() for _, y in points], HEIGHT - BOTTOM, TOP)
    lines = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="12">',
             "<style>.grid{stroke:#ddd}text{fill:#222}</style>", f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>',
             text(LEFT, 22, title, "start", ' font-size="14" font-weight="bold"'), *grid(x_axis, y_axis),
             text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 12, x_label),
             text(0, 0, y_label, extra=f' transform="translate(16 {(TOP + HEIGHT - BOTTOM) / 2:.0f}) rotate(-90)"')]
    for number, (label, points) in enumerate(series.items()):
        colour = COLOURS[number % len(COLOURS)]
        lines += line(points, colour, x_axis, y_axis)
        lines.append(text(LEFT + 10, TOP + 18 + 16 * number, label, "start", f' style="fill:{colour}"'))
    return "\n".join([*lines, "</svg>"]) + "\n"

"""Drawing for the HTML report: rows of estimates, lines by week, and their SVG."""

import io
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from xml.etree import ElementTree

import numpy as np
import pandas as pd
from markupsafe import Markup
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

WIDTH, ROW, MAX_ROWS = 4.0, 0.44, 12
INK, MUTED, GRID = "#1b2430", "#566070", "#dde2e8"
# Distinguished by marker and dash too, for print and for readers with color blindness.
LOOKS = (
    ("#0b5c9e", "o", "-"),
    ("#b4500b", "s", "--"),
    ("#0b7a5b", "^", "-."),
    ("#7b4b9c", "D", ":"),
)
BLUE = LOOKS[0][0]
STYLE = {
    "svg.fonttype": "none",
    "svg.hashsalt": "voice-ai",
    "font.family": ["DejaVu Sans"],
    "font.size": 10,
    "text.color": INK,
    # A dollar sign in a label is a dollar sign.
    "text.parse_math": False,
    "axes.axisbelow": True,
    "axes.edgecolor": MUTED,
    "axes.facecolor": "none",
    "axes.labelcolor": MUTED,
    "axes.labelsize": 9.5,
    "axes.spines.left": False,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "figure.facecolor": "none",
    "grid.color": GRID,
    "legend.fontsize": 9.5,
    "legend.frameon": False,
    "xtick.color": MUTED,
    "xtick.labelsize": 9.5,
    "xtick.major.pad": 5,
    "xtick.major.size": 0,
    "ytick.color": MUTED,
    "ytick.labelsize": 9.5,
    "ytick.major.size": 0,
}


@dataclass(frozen=True)
class Mark:
    """One line of a row plot: text at both ends, with an estimate and its interval below."""

    label: str
    text: str
    estimate: float = np.nan
    low: float = np.nan
    high: float = np.nan
    hollow: bool = False


@dataclass(frozen=True)
class Plot:
    """A figure with its question, its caption and its numbers as a table.

    `svg` is None where there is nothing to draw; `note` then says why.
    """

    name: str
    question: str
    svg: Markup | None
    note: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]


def row_plot(
    marks: Sequence[Mark],
    ticks: dict[float, str],
    xlabel: str,
    reference: float | None = None,
    bars: bool = False,
) -> Figure:
    """Return a figure with one row per mark, as an estimate with its interval or as a bar."""
    tall = ROW * len(marks)
    height = tall + 0.5
    figure = Figure(figsize=(WIDTH, height))
    axes = figure.add_axes((0.05, 0.48 / height, 0.9, tall / height))
    first, last = min(ticks), max(ticks)
    axes.set(xlim=(first, last), ylim=(len(marks) - 0.42, -0.58), xlabel=xlabel)
    axes.set_xticks(list(ticks), list(ticks.values()))
    axes.yaxis.set_visible(False)
    for y, mark in enumerate(marks):
        place, middle = {"transform": axes.get_yaxis_transform(), "va": "center"}, y + 0.17
        known = np.isfinite(mark.estimate)
        axes.text(-0.055, y - 0.2, mark.label, **place)
        colour = INK if known else MUTED
        axes.text(1.055, y - 0.2, mark.text, ha="right", color=colour, **place)
        axes.vlines(list(ticks), y + 0.02, y + 0.32, color=GRID, linewidth=0.8, zorder=0)
        if reference is not None:
            axes.vlines(reference, y - 0.02, y + 0.36, color=INK, linewidth=1.2, zorder=0)
        if not known:
            continue
        if bars:
            axes.barh(middle, mark.estimate, 0.24, color=BLUE, edgecolor=INK, linewidth=0.6)
            continue
        # A mark on the edge is drawn whole; a mark beyond it isn't drawn.
        look = {"color": BLUE, "clip_on": not first <= mark.estimate <= last}
        ends = np.clip([mark.low, mark.high], first, last)
        axes.plot(ends, [middle] * 2, "|-", linewidth=2, markersize=7, markeredgewidth=1.6, **look)
        face = "white" if mark.hollow else BLUE
        axes.plot(mark.estimate, middle, "o", markerfacecolor=face, markersize=6.5, **look)
        arrows = {"<": (first, mark.low < first), ">": (last, mark.high > last)}
        for arrow, (edge, is_beyond) in arrows.items():
            if is_beyond:
                axes.plot(edge, middle, arrow, color=BLUE, markersize=7, clip_on=False)
    return figure


def week_plot(
    weeks: pd.Series,
    unfinished: np.ndarray,
    lines: dict[str, tuple],
    ylabel: str,
    text: Callable[[float], str],
) -> Figure:
    """Return a figure with lines and intervals by week; a week without data is a gap."""
    every = pd.date_range(weeks.min(), weeks.max(), freq="7D")

    def placed(values) -> np.ndarray:
        return pd.Series(np.asarray(values, float), weeks).reindex(every).to_numpy()

    keys = -(-(len(lines) + unfinished.any()) // 2)
    height = 2.6 + 0.2 * keys
    figure = Figure(figsize=(WIDTH, height))
    axes = figure.add_axes((0.16, 0.6 / height, 0.81, 1.9 / height))
    hollow, few, top = placed(unfinished) == 1, len(every) <= 30, 0.0
    for number, (label, values) in enumerate(lines.items()):
        (estimate, low, high), (colour, marker, dash) = map(placed, values), LOOKS[number]
        # Side by side, overlapping intervals remain distinguishable.
        x = np.arange(len(every)) + (0.12 * (number - (len(lines) - 1) / 2) if few else 0)
        if few:
            axes.vlines(x, low, high, color=colour, linewidth=1.2)
        else:
            axes.fill_between(x, low, high, color=colour, alpha=0.2, linewidth=0)
        axes.plot(x, estimate, dash, color=colour, linewidth=1.6)
        axes.plot([], [], dash + marker, color=colour, markersize=5.5, label=label)
        for some, face in ((~hollow, colour), (hollow, "white")):
            look = {"color": colour, "markerfacecolor": face, "markersize": 5.5 if few else 3}
            axes.plot(x[some], estimate[some], marker, clip_on=False, **look)
        top = np.nanmax([top, *estimate, *high])
    if hollow.any():
        axes.plot(
            [], [], "o", color=MUTED, markerfacecolor="white", label="hollow: unfinished week"
        )
    ticks = axis_ticks(0, top or 1, text)
    axes.set_yticks(list(ticks), list(ticks.values()))
    axes.set(ylim=(0, max(ticks)), xlim=(-0.6, len(every) - 0.4))
    axes.set(xlabel="week starting", ylabel=ylabel)
    shown = np.unique(np.linspace(0, len(every) - 1, 4).round().astype(int))
    is_new_year = np.r_[True, np.diff(every.year[shown]) > 0]
    labels = [f"{day.day} {day:%b}" for day in every[shown]]
    labels = [
        f"{label}\n{day.year}" if is_new else label
        for label, day, is_new in zip(labels, every[shown], is_new_year, strict=True)
    ]
    axes.set_xticks(shown, labels)
    axes.grid(axis="y", linewidth=0.8)
    place = {"loc": "upper left", "bbox_to_anchor": (0, 1), "borderaxespad": 0, "borderpad": 0}
    figure.legend(ncols=2, handlelength=2.4, columnspacing=1.2, labelspacing=0.35, **place)
    return figure


def axis_ticks(low: float, high: float, text: Callable[[float], str]) -> dict[float, str]:
    """Return ticks at round values from `low` to `high` or just outside."""
    locator = MaxNLocator(nbins=4, steps=[1, 2, 2.5, 5, 10], min_n_ticks=2)
    return {tick: text(tick) for tick in locator.tick_values(low, high).round(10)}


def svg(figure: Figure, name: str, title: str, description: str) -> Markup:
    """Return a figure as SVG for a page with others: with unique ids, and text kept as text."""
    file = io.BytesIO()
    figure.savefig(file, format="svg", metadata={"Date": None})
    root = ElementTree.fromstring(file.getvalue())  # noqa: S314, matplotlib wrote it
    for part in root.findall("./*"):
        # matplotlib's style sheet would apply to the whole page.
        if part.find("./*") is not None and part[0].tag.endswith(("}style", "}RDF")):
            root.remove(part)
    used = set()
    for element in root.iter():
        element.tag = element.tag.split("}")[-1]
        attributes = {key.split("}")[-1]: value for key, value in element.attrib.items()}
        for key in {"href", "clip-path"} & set(attributes):
            used |= set(re.findall(r"#([\w-]+)", attributes[key]))
            attributes[key] = attributes[key].replace("#", f"#{name}-")
        for key in {"d", "x", "y", "transform"} & set(attributes):
            shorter = re.sub(r"\d+\.\d{3,}", lambda m: f"{float(m[0]):.2f}", attributes[key])
            attributes[key] = " ".join(shorter.split())
        element.attrib = attributes
    for element in root.iter():
        if "id" in element.attrib:
            own = element.attrib.pop("id")
            if own in used:
                element.set("id", f"{name}-{own}")
    texts = {"title": title, "desc": description}
    for at, (tag, text) in enumerate(texts.items()):
        root.insert(at, ElementTree.Element(tag, {"id": f"{name}-{tag}"}))
        root[at].text = text
    root.attrib = {"class": "plot", "role": "img", "viewBox": root.get("viewBox")}
    root.set("aria-labelledby", f"{name}-title {name}-desc")
    return Markup(ElementTree.tostring(root, encoding="unicode"))  # noqa: S704, serialised


def describe(marks: Sequence[Mark]) -> str:
    """Return one text that describes the marks of a plot."""
    return "; ".join(f"{mark.label}: {mark.text}" for mark in marks) + "."

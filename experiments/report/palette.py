"""The colours and markers of each kind of point, the same in the page's pictures and in the figures for papers.

The colours are those of Okabe and Ito, "Color Universal Design", 2008, which colour-blind readers can tell apart.
"""

from dataclasses import dataclass

VERMILION, BLUE, SKY, GREEN, ORANGE, PURPLE = "#D55E00", "#0072B2", "#56B4E9", "#009E73", "#E69F00", "#CC79A7"
BLACK, GREY = "#1a1a1a", "#9a9a9a"
RUNS = (VERMILION, GREEN, ORANGE, PURPLE)  # of the choices of several runs, in turn


@dataclass(frozen=True, kw_only=True)
class Style:
    """A kind of point: its colour, Chart.js's point style and the line that joins its points."""

    label: str
    colour: str
    marker: str
    joined: str = ""


CHOSEN = Style(label="chosen by the search", colour=VERMILION, marker="rectRot", joined="line")
UNIFORM = Style(label="uniform scaling", colour=BLUE, marker="rect", joined="line")
SEED = Style(label="seed", colour=BLACK, marker="star")
RANDOM = Style(label="random draws", colour=SKY, marker="circle")
OTHER = Style(label="other models trained in full", colour=GREEN, marker="circle")
PUBLISHED = Style(label="published models (ImageNet-1k, authors' figures)", colour=PURPLE, marker="triangle")
FRONT = Style(label="front of the trials", colour=VERMILION, marker="rectRot", joined="step")
LOST = Style(label="candidates that lost", colour=GREY, marker="circle")
STOPPED = Style(label="stopped early", colour=GREY, marker="crossRot")

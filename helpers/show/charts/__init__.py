"""Figures in one house style: the finding is the title, the measure the subtitle, labels stand where the marks are.

All take a frame, columns by name, `finding`, `measure` and `unit`, and give a `gate.Shown`: an inline SVG with an alt
text, its data folded under it. Colours follow keys (`colour`), grey is what is not the point.
"""

from helpers.show.charts.flows import flows
from helpers.show.charts.grids import cross, heat
from helpers.show.charts.ranks import bars, forest
from helpers.show.charts.trends import lines
from helpers.show.palette import colour

__all__ = ["bars", "colour", "cross", "flows", "forest", "heat", "lines"]

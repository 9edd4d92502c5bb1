"""Chinese sentences around what is filled in: one blank between a Chinese character and a letter or number, none between two
Chinese characters. Only the seams are touched: what is filled in stays exactly as it is."""

from __future__ import annotations

import re
import string
from collections.abc import Mapping

_HAN = re.compile(r"[\u3400-\u9fff]")
_WIDE = re.compile(r"[\u3400-\u9fff\u3001-\u301f\uff01-\uff5e“”‘’]")  # with the marks that bring a blank of their own
_SLIM = re.compile(r"[A-Za-z0-9+%<-]")


def filled(template: str, values: Mapping[str, object]) -> str:
    """The template with its places filled, as `str.format` does it, and its blanks set by what stands beside them."""
    made = ""
    for said, name, spec, _ in string.Formatter().parse(template):
        made = _joined(made, said, is_left=False)
        if name is not None:
            made = _joined(made, format(values[name], spec or ""), is_left=True)
    return made


def _joined(left: str, right: str, *, is_left: bool) -> str:
    """Both parts; `is_left`: the left one is of the template, so that its blanks may go, else the right one."""
    near, far = (left.rstrip(" "), right) if is_left else (left, right.lstrip(" "))
    if not near or not far:
        return left + right
    last, first = near[-1], far[0]
    if _WIDE.match(last) and _WIDE.match(first):
        return near + far
    apart = (_HAN.match(last) and _SLIM.match(first)) or (_SLIM.match(last) and _HAN.match(first))
    return f"{near} {far}" if apart else left + right

"""Choices that several cells share: who stands in which group, and what was chosen last in it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from helpers.show.controls.explorer import Explorer

_members: dict[str, dict[tuple, tuple[Explorer, str]]] = {}  # by group and place: who, and which of its choices
_chosen: dict[str, Any] = {}


def place(function: Callable[..., Any]) -> tuple:
    """Where a cell stands, the same when it is run again: its id where the front end tells it, else the code's own place."""
    code = getattr(function, "__code__", None)
    return (_cell() or getattr(code, "co_filename", ""), getattr(code, "co_firstlineno", 0))


def _cell() -> str:
    import IPython

    shell = IPython.get_ipython()
    header = getattr(shell, "parent_header", None) or {}
    return header.get("metadata", {}).get("cellId") or ""


def join(group: str, at: tuple, explorer: Explorer, name: str) -> None:
    """Make an explorer a member; the one that its cell made before is one no longer."""
    _members.setdefault(group, {})[at] = (explorer, name)


def chosen(group: str) -> Any:
    """What was chosen last in a group; None where nobody has chosen yet."""
    return _chosen.get(group)


def tell(group: str, value: Any, by: Explorer) -> None:
    """Let the other members of a group follow."""
    _chosen[group] = value
    for explorer, name in list(_members.get(group, {}).values()):
        if explorer is not by:
            explorer.follow(name, value)


def forget() -> None:
    """Forget all groups, as a fresh kernel would."""
    _members.clear()
    _chosen.clear()

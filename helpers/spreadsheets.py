"""Cells that a spreadsheet would run: every CSV that leaves disarms them in the same way, which can be undone."""

from __future__ import annotations

# What a spreadsheet takes for the beginning of a formula, full-width forms among them; and the mark that disarms it.
DISARMED = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠", "'")


def disarmed(cell: str) -> str:
    """The cell with an apostrophe in front, where a spreadsheet would run it, or where it begins with one of its own."""
    return f"'{cell}" if cell.startswith(DISARMED) else cell


def armed(cell: str) -> str:
    """The cell as it stood before it was disarmed."""
    return cell[1:] if cell.startswith("'") else cell

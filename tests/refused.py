"""What is said where the toolkit has no answer to a reference case."""

from __future__ import annotations


class NotCovered(Exception):
    """The present helpers do not answer cases of this topic, or not this one; says why."""

"""The change of a whole in parts that add up, slice by slice (Kitagawa 1955), and what each part can be off by."""

from __future__ import annotations

import numpy as np
import pandas as pd

STEP = 1e-30  # into the imaginary: derivatives without rounding (Squire and Trapp 1998)


def decompose(before: pd.DataFrame, now: pd.DataFrame) -> pd.DataFrame:
    """Split the change of a share into rate and mix, by slice; the parts sum exactly (Kitagawa 1955, midpoint).

    Args:
        before, now: Indexed by slice: `size` and `active` (people). A slice that only one of them has is all mix.

    Returns:
        One row per slice: `slice`, `rate`, `mix` (share; their total is the change of the pooled share, and NaN where
        one of the two has nobody).
    """
    both = before.join(now, how="outer", suffixes=("_before", "_now")).fillna(0).astype(float)
    four = both[["size_before", "active_before", "size_now", "active_now"]].to_numpy()
    _, mix, rate = parts(four, total=False).T
    return pd.DataFrame({"slice": both.index, "rate": rate, "mix": mix})


def parts(four: np.ndarray, *, total: bool) -> np.ndarray:
    """Size, mix and rate of each slice, by Kitagawa's midpoints; they sum exactly to the change of the whole.

    Args:
        four: One row a slice (axes before it are further tables): people and amount of the base, people and amount now.
        total: The whole is the amount of all; else amount per person, and there is no part of size.
    """
    people, amount = four[..., [0, 2]], four[..., [1, 3]]
    whole = people.sum(axis=-2, keepdims=True)
    there = people.real > 0
    each = np.divide(amount, people, out=np.zeros_like(people), where=there)
    each = np.where(there, each, each[..., ::-1])  # a slice that only one span has is all mix
    weight = np.divide(people, whole, out=np.full_like(people, np.nan), where=whole.real > 0)
    average = (weight * each).sum(axis=-2, keepdims=True).mean(axis=-1)
    middle, step = weight.mean(axis=-1), weight[..., 1] - weight[..., 0]
    scale = whole.mean(axis=-1) if total else 1.0
    size = average * (people[..., 1] - people[..., 0]) if total else np.zeros_like(middle)
    mix, rate = scale * step * (each.mean(axis=-1) - average), scale * middle * (each[..., 1] - each[..., 0])
    return np.stack([size, mix, rate], axis=-1)


def errors(four: np.ndarray, moments: np.ndarray, *, total: bool) -> np.ndarray:
    """The standard error of each part by the delta method: as `parts`, given the covariances of each slice's four numbers."""
    slices = len(four)
    moved = np.broadcast_to(four.astype(complex), (slices, 4, slices, 4)).copy()
    moved[np.arange(slices)[:, None], np.arange(4), np.arange(slices)[:, None], np.arange(4)] += STEP * 1j
    slopes = parts(moved, total=total).imag / STEP
    variance = np.einsum("aisp,aij,ajsp->sp", slopes, moments, slopes, optimize=True)
    return np.sqrt(np.maximum(variance, 0))

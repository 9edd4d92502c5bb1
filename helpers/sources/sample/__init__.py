"""The built-in community: a paid circle of 6,000 members over 26 weeks, simulated from a seed, its truths known.

`build` writes the CSV files that a platform would export, and `truth.json`; `ensure` does so only where it is needed.
Tests read the truth; notebooks and helpers never do. All times are naive local times of Asia/Shanghai; weeks are ISO
weeks.

Files: `events/<month>.csv` (uid, time, type, channel_name = topic, content_id, content_kind, parent_id, duration_s,
fee, discount, campaign), `users.csv`, `assignments.csv`, `touches.csv`, `spend.csv`, `feedback.csv`. `fee` is what
was paid, after `discount`, in fen, and on a refund what was paid back (a positive number); costs in `touches` and
`spend` are in CNY. A view, like or share names in `content_id` the post (or comment) that it refers to; a post or
comment names there what it makes; `parent_id` of a comment is the earlier post or comment that it answers.

truth.json, key by key (under `null=True` every effect is off and the keys stay):

- `seed`, `null`, `first_day`, `last_day`, `timezone`: what was built.
- `users`: `members` (each active at least once), `prospects` (in users.csv, never active), `in_users_csv`,
  `in_events` (members and the bot), `bot` (its uid, not in users.csv, and its clean events).
- `files`: by file `rows_in`; for events also the rows of each fault. Each faulty row is a copy of a clean one with
  one fault.
- `rows`: over all event files `rows_in` = `kept` + `duplicates` + `quarantined` (blank_user, bad_time, future_time,
  ragged), `kept_by_event`; `kept` counts the bot's events, `active_member_days` (member and local day with an active
  event) does not.
- `weekly_actives`: members with an active event by ISO week, without the bot.
- `survival`: alive in week k means: k = 0 is the ISO week of joining (registration and first activity fall on the
  same day); a member is alive in week k with chance `curve[k]` = B(alpha, beta + k) / B(alpha, beta), once dead stays
  dead, and is active in every ISO week in which it is alive. So retention "on" week k equals the curve, but for the
  worse channel and for those who come back at the win-back. `joined_by_week`: members by ISO week of joining. The
  experiments move no one's survival.
- `channel_retention`: members who join through `channel` in `from_week` or later follow this `alpha`, `beta`, `curve`
  instead.
- `topic_drift`: `fans` are the members whose favourite topic is `from`; shares of the fans' events with a topic that
  fall on `from` and `to` before `from_week` and from it on.
- `contribution`: each member is of one kind; `planned_shares` and `members` are of all members. In each week alive a
  creator posts, a commenter comments and never posts, a sharer shares and does neither, a reactor likes and does none
  of these, a reader only views (each at least once); hence the shares among the members active in any span of whole
  weeks are the same.
- `payments`: `conversion` is the chance that a member ever pays within the data; list price (`fee` + `discount`) is
  Pareto with floor and alpha, rounded down to whole fen; `refund_chance` of a payment, refunded whole, 1 to 7 days
  later.
- `referral`: `invitations` (invite events), `invited_members` (with an inviter), `inviters`, `depth` (longest chain).
- `experiments`: day-7 return = an active event on the local day of assignment + 7 days. `variants` leave out members
  in several arms. `welcome_tour` (on joining) has the effect `day7_effect`, `feed_order` none, `share_button` none
  and a broken split: planned 50:50, `given_control_share` exactly.
- `winback`: members whose last active day lies more than 42 days before the Monday of `week`; returned = an active
  event on one of the `window_days` local days after the day of the touch. Who returns stays a geometric number of
  weeks (mean 2).
- `feedback`: mean score of `satisfaction` (1 to 5) of all others and of the low groups: members of `low_city`, and
  joiners of `low_channel` from its week on.
- `spend`: CNY by channel.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from helpers import paths
from helpers.errors import InputError

STAMP = ".made.json"


def build(folder: Path, *, seed: int = 2026, null: bool = False, members: int = 6000, weeks: int = 26) -> dict:
    """Write the community into the folder, in place of one that is there, whole or not at all; gives the truth.

    Raises:
        InputError: The folder holds other files.
        ValueError: Fewer than 200 members or 13 weeks, for which the effects cannot be planted.
    """
    folder = Path(folder)
    with _alone(folder):
        return _build(folder, _wanted(seed, null, members, weeks))


def ensure(folder: Path, seed: int = 2026, null: bool = False, *, members: int = 6000, weeks: int = 26) -> bool:
    """Build the community unless this very one, made by this version, is there and whole; says whether it was built."""
    folder, wanted = Path(folder), _wanted(seed, null, members, weeks)
    if _is_whole(folder, wanted):
        return False
    with _alone(folder):
        if _is_whole(folder, wanted):
            return False
        _build(folder, wanted)
    return True


def _wanted(seed: int, null: bool, members: int, weeks: int) -> dict:
    """What identifies a community: its arguments and the source that makes it."""
    source = hashlib.sha256(b"".join(path.read_bytes() for path in sorted(Path(__file__).parent.glob("*.py"))))
    return {"seed": seed, "null": null, "members": members, "weeks": weeks, "version": source.hexdigest()}


def _is_whole(folder: Path, wanted: dict) -> bool:
    """Whether the stamp is of the wanted community and every file has the size that it had."""
    try:
        stamp = json.loads((folder / STAMP).read_text(encoding="utf-8"))
        return stamp["made"] == wanted and all((folder / f).stat().st_size == n for f, n in stamp["sizes"].items())
    except (OSError, ValueError, KeyError, TypeError):
        return False


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Hold the parent folder's lock, so that two runs do not build the same community at once."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(folder.parent, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _must_be_ours(folder: Path) -> None:
    if folder.is_dir() and any(folder.iterdir()) and not (folder / STAMP).is_file():
        raise InputError(
            f"{folder}: the built-in community is written into a folder of its own, and this one holds other files. "
            "Leave --root away, or name a folder that is empty or not there yet."
        )


def _build(folder: Path, wanted: dict) -> dict:
    """Write beside the folder, then swap; what a killed build left behind goes first.

    Raises:
        InputError: The folder holds what is not ours.
    """
    _must_be_ours(folder)
    from helpers.sources.sample.community import write_community  # numpy, pandas, pyarrow: only where they are needed

    new, old = (folder.with_name(f".{folder.name}.{state}") for state in ("new", "old"))
    for rest in (new, old):
        shutil.rmtree(rest, ignore_errors=True)
    new.mkdir()
    try:
        numbers = {key: wanted[key] for key in ("seed", "null", "weeks")}
        truth = write_community(new, count=wanted["members"], **numbers)
        files = sorted(path for path in new.rglob("*.*") if path.is_file())
        sizes = {path.relative_to(new).as_posix(): path.stat().st_size for path in files}
        (new / STAMP).write_text(json.dumps({"made": wanted, "sizes": sizes}, indent=2) + "\n", encoding="utf-8")
        paths.flush_all(new)
        if folder.exists():
            folder.rename(old)
        new.rename(folder)
    finally:
        for rest in (new, old):
            shutil.rmtree(rest, ignore_errors=True)
    return truth

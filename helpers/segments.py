"""Tiers: what each user is on each dimension, as of the end of a local day, by fixed limits; the first that holds.

The same function serves this week and any week before it, so that a move between tiers is a fact.
"""

from __future__ import annotations

from datetime import date, timedelta

import ibis
import pandas as pd

from helpers import contracts

DIMENSIONS = ("activity", "contribution", "payment", "value", "lifecycle")
TIERS = {
    "activity": ("high", "medium", "low", "none"),
    "contribution": ("creator", "commenter", "sharer", "reactor", "reader", "none"),
    "payment": ("high payer", "payer", "potential payer", "non-payer"),
    "value": ("high", "mid", "low"),
    "lifecycle": ("prospect", "lost", "silent", "first purchase", "new", "active"),
}
POTENTIAL_DAYS = 28
ACTIVITY_STEPS = (1, 2, 4, 8, 12, 16)

SEGMENTS = contracts.declare(
    "segments",
    grain="one row per user, whether ever active or only signed up",
    key=["user_id"],
    needs="events",
    nullable=("pay_probability",),
    columns={
        "user_id": ("string", "", "pseudonym of the user"),
        "activity": ("string", "", "tier by active days of the last 28"),
        "contribution": ("string", "", "tier by what was done in the last 28 days"),
        "payment": ("string", "", "tier by net amount of the last 90 days"),
        "value": ("string", "", "level by the sum of the RFM scores"),
        "lifecycle": ("string", "", "stage of life"),
        "resurrected": ("boolean", "", "active in the last 7 days after a gap of over 42"),
        "recency_score": ("int64", "", "1 to 5"),
        "frequency_score": ("int64", "", "1 to 5"),
        "monetary_score": ("int64", "", "1 to 5"),
        "active_days": ("int64", "days", "active days of the last 28"),
        "net_90": ("decimal", "currency", "net amount of the last 90 days"),
        "pay_probability": ("float64", "share", "of paying in 28 days, by the past of people alike; non-payers only"),
    },
)
TIER_SIZES = contracts.declare(
    "tier_sizes",
    grain="one row per dimension and tier",
    key=["dimension", "tier"],
    needs="events",
    small=True,
    nullable=("share",),
    columns={
        "dimension": ("string", "", "activity, contribution, payment, value or lifecycle"),
        "tier": ("string", "", "tier of the dimension"),
        "people": ("int64", "people", "size at the end of the week"),
        "before": ("int64", "people", "size at the end of the week before"),
        "came": ("int64", "people", "in the tier now and not a week ago, newcomers among them"),
        "left": ("int64", "people", "in the tier a week ago and not now"),
        "share": ("float64", "share", "of all users"),
    },
)


def tiers(
    first_seen: ibis.Table, user_day: ibis.Table, users: ibis.Table | None, *, last_day: date, rules: dict
) -> ibis.Table:
    """Every user's tiers as of the end of `last_day` (contract `segments`); later rows change nothing.

    Args:
        users: Adds those who have only signed up; None where the dataset has no users table.
        rules: The limits, by section (`activity`, `contribution`, `payment`, `value`, `lifecycle`).
    """
    people = _people(first_seen, users, last_day)
    past = user_day.filter(user_day.day <= last_day)
    for part in (_recent(past, last_day, rules), _paid(past, last_day, rules), _worth(past, last_day, rules)):
        people = people.left_join(part, "user_id").drop("user_id_right")
    people = people.mutate(
        active_days=people.active_days.fill_null(0),
        net_90=people.net_90.fill_null(0),
        ever_paid=people.ever_paid.fill_null(False),
    )
    people = people.mutate(
        activity=_activity(people, rules["activity"]),
        contribution=_contribution(people),
        lifecycle=_lifecycle(people, last_day, rules["lifecycle"]),
        resurrected=_resurrected(people, rules["lifecycle"]),
        **_scores(people, last_day, rules["value"]),
    )
    total = people.recency_score + people.frequency_score + people.monetary_score
    limits = rules["value"]
    people = people.mutate(
        value=ibis.cases((total >= limits["high"], "high"), (total >= limits["mid"], "mid"), else_="low")
    )
    people = _payment(people, past, last_day, rules)
    return people.select(**{name: _as(people[name], spec.dtype) for name, spec in SEGMENTS.columns.items()})


def _as(value: ibis.Value, dtype: str) -> ibis.Value:
    return value.cast({"decimal": "decimal(38, 4)"}.get(dtype, dtype))


def _people(first_seen: ibis.Table, users: ibis.Table | None, last_day: date) -> ibis.Table:
    """Everyone known by then: first active day and first payment, empty for who only signed up."""
    seen = first_seen.filter(first_seen.first_day <= last_day).select("user_id")
    if users is None:
        return seen
    signed = users.filter(ibis.coalesce(users.registered_day <= last_day, True))
    return seen.union(signed.select("user_id"), distinct=True)


def _recent(past: ibis.Table, last_day: date, rules: dict) -> ibis.Table:
    """Activity: counts over the window of the limits, first and last active day, and the days around the last week."""
    since = last_day - timedelta(days=rules["activity"]["days"])
    done = last_day - timedelta(days=rules["contribution"]["days"])
    week = last_day - timedelta(days=rules["lifecycle"]["resurrected"])
    active = past.active > 0
    return past.group_by("user_id").agg(
        active_days=(active & (past.day > since)).sum(),
        last_active=past.day.max(where=active),
        first_active=past.day.min(where=active),
        first_pay=past.day.min(where=past.pay > 0),
        back=past.day.min(where=active & (past.day > week)),
        gone=past.day.max(where=active & (past.day <= week)),
        **{f"did_{role}": (past[role] * (past.day > done).cast("int64")).sum() > 0
           for role in ("create", "comment", "share", "react", "active")},
    )  # fmt: skip


def _paid(past: ibis.Table, last_day: date, rules: dict) -> ibis.Table:
    since = last_day - timedelta(days=rules["payment"]["days"])
    return (
        past.group_by("user_id")
        .agg(net_90=past.net.sum(where=past.day > since), ever_paid=(past.pay > 0).any())
        .mutate(net_90=ibis._.net_90.fill_null(0))
    )


def _worth(past: ibis.Table, last_day: date, rules: dict) -> ibis.Table:
    """What RFM is scored on: payments, or activity and contributions where nothing at all is paid."""
    since = last_day - timedelta(days=rules["value"]["days"])
    recent = past.day > since
    pays = past.aggregate(pays=(past.pay > 0).any()).as_scalar().fill_null(False)
    scored = past.mutate(pays=pays, made=past.create * 10 + past.comment * 5, recent=recent)
    scored = scored.mutate(counts=ibis.ifelse(scored.pays, scored.pay > 0, scored.active > 0))
    sums = scored.group_by("user_id").agg(
        recency_day=scored.day.max(where=scored.counts),
        frequency=(scored.counts & scored.recent).sum(),
        pays=scored.pays.any(),
        net=scored.net.sum(where=scored.recent),
        made=scored.made.sum(where=scored.recent),
    )  # amounts are added as decimals, so that a sum meets its limit in any order
    monetary = ibis.ifelse(sums.pays, sums.net.cast("float64"), sums.made.cast("float64"))
    return sums.select("user_id", "recency_day", "frequency", monetary=monetary)


def _activity(people: ibis.Table, limits: dict) -> ibis.Value:
    branches = [(people.active_days >= limits[tier], tier) for tier in ("high", "medium", "low")]
    return ibis.cases(*branches, else_="none")


def _contribution(people: ibis.Table) -> ibis.Value:
    named = {"create": "creator", "comment": "commenter", "share": "sharer", "react": "reactor", "active": "reader"}
    branches = [(people[f"did_{role}"].fill_null(False), tier) for role, tier in named.items()]
    return ibis.cases(*branches, else_="none")


def _lifecycle(people: ibis.Table, last_day: date, limits: dict) -> ibis.Value:
    away = _days_since(people.last_active, last_day)
    return ibis.cases(
        (people.last_active.isnull(), "prospect"),
        (away > limits["lost"], "lost"),
        (away > limits["silent"], "silent"),
        ((_days_since(people.first_pay, last_day) < limits["first_purchase"]).fill_null(False), "first purchase"),
        (_days_since(people.first_active, last_day) < limits["new"], "new"),
        else_="active",
    )


def _resurrected(people: ibis.Table, limits: dict) -> ibis.Value:
    gap = people.back.epoch_days() - people.gone.epoch_days()
    return (gap > limits["lost"]).fill_null(False)


def _days_since(day: ibis.Value, last_day: date) -> ibis.Value:
    return ibis.literal(last_day).epoch_days() - day.epoch_days()


def _scores(people: ibis.Table, last_day: date, limits: dict) -> dict[str, ibis.Value]:
    """1 plus the number of limits reached: equal values always score alike."""
    away = _days_since(people.recency_day, last_day)

    def reached(conditions) -> ibis.Value:
        found = ibis.literal(1)
        for condition in conditions:
            found = found + condition.fill_null(False).cast("int64")
        return found

    return {
        "recency_score": reached(away <= limit for limit in limits["recency"]),
        "frequency_score": reached(people.frequency >= limit for limit in limits["frequency"]),
        "monetary_score": reached(people.monetary >= limit for limit in limits["monetary"]),
    }


def _payment(people: ibis.Table, past: ibis.Table, last_day: date, rules: dict) -> ibis.Table:
    """Payers by the quantile of the payers; among the others, the most likely to pay.

    Who is as likely as another stays together: a group that does not fit into the top share whole does not stand out.
    """
    limits = rules["payment"]
    paying = people.net_90 > 0
    amount = people.filter(paying).net_90.cast("float64")
    bound = amount.quantile(limits["high_quantile"]).as_scalar()
    likely = _likelihood(people.mutate(paying=paying), past, last_day, rules)
    known = likely.pay_probability.notnull()
    as_likely = (
        (-likely.pay_probability).cume_dist().over(ibis.window(group_by=known))
    )  # share of those at least as likely
    stands_out = known & (as_likely <= limits["potential_share"])
    high = likely.paying & (likely.net_90.cast("float64") >= bound)
    branches = [(high, "high payer"), (likely.paying, "payer"), (stands_out, "potential payer")]
    return likely.mutate(payment=ibis.cases(*branches, else_="non-payer"))


def _likelihood(people: ibis.Table, past: ibis.Table, last_day: date, rules: dict) -> ibis.Table:
    """How often people like each non-payer paid in the 28 days that have just gone by.

    Alike means: as many active days in the 28 days before (in steps), and paid before or not. Empty where nobody was
    alike 28 days ago.
    """
    then = last_day - timedelta(days=POTENTIAL_DAYS)
    earlier = past.filter(past.day <= then)
    known = _paid(earlier, then, rules).join(_active_before(earlier, then, rules), "user_id")
    paid = past.filter((past.day > then) & (past.pay > 0)).select("user_id").distinct().mutate(did=True)
    open_then = known.filter(known.net_90 <= 0).left_join(paid, "user_id")
    open_then = open_then.mutate(step=_step(open_then.active_days), did=open_then.did.fill_null(False))
    rates = open_then.group_by(["step", "ever_paid"]).agg(pay_probability=open_then.did.mean())
    cells = people.mutate(step=_step(people.active_days))
    met = cells.left_join(rates, ["step", "ever_paid"]).drop("step_right", "ever_paid_right")
    return met.mutate(pay_probability=ibis.ifelse(met.paying, ibis.null("float64"), met.pay_probability.round(9)))


def _active_before(earlier: ibis.Table, then: date, rules: dict) -> ibis.Table:
    since = then - timedelta(days=rules["activity"]["days"])
    return earlier.group_by("user_id").agg(active_days=((earlier.active > 0) & (earlier.day > since)).sum())


def _step(active_days: ibis.Value) -> ibis.Value:
    return ibis.cases(*[(active_days >= step, step) for step in reversed(ACTIVITY_STEPS)], else_=0)


def tier_sizes(now: ibis.Table, before: ibis.Table) -> pd.DataFrame:
    """Sizes of all tiers, this week and the week before, and who came and left (contract `tier_sizes`).

    Args:
        now, before: As `tiers` gives them for two days.
    """
    both = now.outer_join(before, "user_id")
    ends = {f"{dimension}_{when}": both[f"{dimension}{suffix}"]
            for dimension in DIMENSIONS for when, suffix in (("now", ""), ("before", "_right"))}  # fmt: skip
    joint = both.select(**ends).group_by(list(ends)).agg(people=ibis._.count()).to_pandas()
    parts = []
    for dimension in DIMENSIONS:
        pairs = joint[[f"{dimension}_now", f"{dimension}_before", "people"]].set_axis(["tier", "was", "people"], axis=1)
        everyone = pairs.loc[pairs["tier"].notna(), "people"].sum()
        for tier in TIERS[dimension]:
            inside, was = pairs["tier"] == tier, pairs["was"] == tier
            people = pairs.loc[inside, "people"].sum()
            parts.append(
                {
                    "dimension": dimension,
                    "tier": tier,
                    "people": people,
                    "before": pairs.loc[was, "people"].sum(),
                    "came": pairs.loc[inside & ~was, "people"].sum(),
                    "left": pairs.loc[was & ~inside, "people"].sum(),
                    "share": people / everyone if everyone else float("nan"),
                }
            )
    frame = pd.DataFrame(parts).astype(dict.fromkeys(("people", "before", "came", "left"), "int64"))
    assert (frame["people"] == frame["before"] + frame["came"] - frame["left"]).all()
    return frame


def cross(segments: ibis.Table, row: str, column: str) -> pd.DataFrame:
    """People by two dimensions: `row`, `column`, `people`; every pair of tiers, the empty ones too."""
    counted = segments.group_by([row, column]).agg(people=segments.count()).to_pandas()
    full = pd.MultiIndex.from_product([TIERS[row], TIERS[column]], names=[row, column])
    return counted.set_index([row, column])["people"].reindex(full, fill_value=0).rename("people").reset_index()


def summary(sizes: pd.DataFrame) -> dict[str, int]:
    """People in all, now and a week ago."""
    own = sizes[sizes["dimension"] == DIMENSIONS[0]]
    return {"people": int(own["people"].sum()), "a week ago": int(own["before"].sum())}

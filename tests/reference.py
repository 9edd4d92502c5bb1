"""The toolkit's answers to the vectors of tests/reference/analytics.json and experiments.json.

`answer(case)` sees a case's topic and input, and gives what the public helpers say, under the names of `expected`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import ibis
import made
import pandas as pd
import reference_effects
import reference_looks
from refused import NotCovered

from helpers import facts, portraits, retention, segments, stats
from helpers.retention import periods
from helpers.retention.lives import beta_geometric


def answer(case: Mapping) -> dict:
    """What the toolkit says to one case.

    Args:
        case: At least `topic` and `input`.

    Returns:
        Numbers by the names of the case's `expected`, those that the toolkit stands for.

    Raises:
        NotCovered: No helper answers it yet.
    """
    if case["topic"] not in TOPICS:
        raise NotCovered(f"no helper for {case['topic']} yet")
    return TOPICS[case["topic"]](case["input"])


def small_numbers(given: Mapping) -> dict:
    return stats.wilson(given["k"], given["n"], confidence=given["confidence"])._asdict()


def tags(given: Mapping) -> dict:
    """The vector's weights are of one person and without rarity."""
    rows = [
        {"user_id": "u", "topic": topic, "day": date.fromisoformat(day), "weight": Decimal(weight)}
        for topic, day, weight in given["events"]
    ]
    found = portraits.interests(
        made.table("user_topic_day", rows), last_day=date.fromisoformat(given["as_of"]),
        half_life_days=given["half_life_days"], rarity=False,
    ).order_by("rank").to_pandas()  # fmt: skip
    return {"weights": dict(zip(found["topic"], found["weight"], strict=True)), "top": found["topic"].iloc[0]}


def composition(given: Mapping) -> dict:
    before, now = (
        pd.DataFrame(
            {"size": [n for n, _ in given[week]], "active": [n * rate for n, rate in given[week]]}, given["segments"]
        )
        for week in ("last_week", "this_week")
    )
    parts = retention.decompose(before, now)
    overall = [float(table["active"].sum() / table["size"].sum()) for table in (before, now)]
    return {"overall": overall, "rate_effect": float(parts["rate"].sum()), "mix_effect": float(parts["mix"].sum())}


def sessions(given: Mapping) -> dict:
    """The rule is told by what two events do that lie just one timeout apart, and a second more."""
    if not given["timeout"].endswith("m"):
        raise NotCovered(f"a timeout of {given['timeout']}")
    timeout = 60 * int(given["timeout"].removesuffix("m"))

    def count(moments: list[datetime]) -> int:
        events = made.events([{"user_id": "u", "ts": moment, "event": "$pageview"} for moment in moments])
        return int(facts.sessions(facts.timed(events), timeout_s=timeout).starts.sum().to_pandas())

    moments = [datetime.fromisoformat(f"2026-01-05T{at}Z") for at in given["times"]]
    equal, longer = (count([moments[0], moments[0] + timedelta(seconds=gap)]) for gap in (timeout, timeout + 1))
    rule = {(1, 2): "new session iff gap > timeout (equal gap stays)"}.get(
        (equal, longer), f"{equal}, {longer} sessions"
    )
    return {"sessions": count(moments), "rule": rule}


def active_users(given: Mapping) -> dict:
    days = [date.fromisoformat(day) for day in given["days"]]
    presence = retention.presence_day(_active_days(given), last_day=days[-1])
    found = retention.actives_day(presence, last_day=days[-1])
    shown = found.set_index(found["day"].dt.date).reindex(days)[["dau", "wau", "mau"]].fillna(0)  # before the data nobody was
    named = {"dau": "dau", "wau_trailing7": "wau", "mau_trailing30": "mau"}
    return {name: [int(people) for people in shown[column]] for name, column in named.items()}


def accounting(given: Mapping) -> dict:
    """By day, week or month, the last one counted whole; or the quick ratio of counts, which some call the pulse."""
    if "dormant" in given:
        counts = [pd.Series(given[name], dtype="float64") for name in ("new", "resurrected", "dormant")]
        ratios = retention.quick_ratio(*counts)["quick_ratio"]
        return {"pulse": [None if pd.isna(ratio) else float(ratio) for ratio in ratios]}
    if not {"events", "active_days"} & set(given):
        raise NotCovered("a rule in words, which test_growth_accounting holds")
    first, last, how = _range(given)
    ends = periods.begins([periods.number(last, **how) + 1], **how)[0]
    last_day = pd.Timestamp(ends).date() - timedelta(days=1)
    found = retention.growth(retention.presence_day(_active_days(given), last_day=last_day), last_day=last_day, **how)
    every = periods.begins(range(periods.number(first, **how), periods.number(last, **how) + 1), **how)
    shown = found.set_index(how["unit"]).reindex(every)
    named = {"new": "new", "returning": "retained", "resurrecting": "resurrected", "dormant": "churned"}
    return {name: shown[column].fillna(0).astype("int64").tolist() for name, column in named.items()}


def stickiness(given: Mapping) -> dict:
    """Only what lies within the range counts, also where it begins or ends within a week or a month."""
    first, last, how = _range(given)
    window = periods.number(last, **how) - periods.number(first, **how) + 1
    days = _active_days(given)
    found = retention.active_days(days.filter(days.day >= first), last_day=last, window=window, **how)
    times = [str(number) for number in found[f"{how['unit']}s"]]
    counts = {name: zip(times, found[name].tolist(), strict=True) for name in ("exactly", "at_least")}
    return {name: {number: people for number, people in pairs if people} for name, pairs in counts.items()}


def _range(given: Mapping) -> tuple[date, date, dict]:
    """The first and the last day of a case, its unit and the first day of its weeks."""
    first, last = (date.fromisoformat(str(end)[:10]) for end in (given.get("from_", given.get("from")), given["to"]))
    how = {"unit": given.get("unit", "day"), "week_start": given.get("week_start", "monday").lower()}
    if how["unit"] not in periods.UNITS:
        raise NotCovered(f"facts know local days, no {how['unit']}")
    return first, last, how


def _active_days(given: Mapping) -> ibis.Table:
    """The facts of a case that gives events or, for each person, the days."""
    if "active_days" in given:
        met = sorted({(user, date.fromisoformat(day)) for user, days in given["active_days"].items() for day in days})
        return made.table("user_day", [{"user_id": user, "day": day, "active": 1} for user, day in met])
    alias = given.get("alias", {})
    people = [_event(alias.get(user, user), moment, event) for user, event, moment in given["events"]]
    events = facts.timed(made.events(people, ZoneInfo(given.get("timezone", "UTC"))))
    return facts.user_day(events, {"active": sorted({row["event"] for row in people})})


def retention_average(given: Mapping) -> dict:
    """Each cohort as a row of a cohort table at one age; the incomplete one is open."""
    if "cohorts" not in given:
        raise NotCovered("a rule in words, which test_retention holds")
    rows = [
        {"cohort": pd.Timestamp(made.day(7 * at)), "age": 1, "size": one["size"], "first": False,
         "active": one["retained"] if one["complete"] else float("nan"),
         "closes": pd.NaT if one["complete"] else pd.Timestamp(made.day(7 * at + 14))}
        for at, one in enumerate(given["cohorts"], start=1)
    ]  # fmt: skip
    return {"pooled_size_weighted": float(retention.average(pd.DataFrame(rows))["rate"].iloc[0])}


def cohort_counts(given: Mapping) -> dict:
    """One row per period of the start from the first on: people of the cohort, then those who came back at each age.

    Facts know local days: a return is told by calendar days, weeks or months. Two moments alone are asked for their age.
    """
    if "ret" in given:
        stamps = [datetime.fromisoformat(given[name]).replace(tzinfo=UTC) for name in ("start", "ret")]
        days = made.table("user_day", [{"user_id": "u", "day": day, "active": 1} for day in {stamp.date() for stamp in stamps}])
        cube = retention.cohort_cube(days, rule=retention.Rule(unit="day"))
        return {"calendar_day": int(cube.loc[cube["active"] > 0, "age"].max())}
    if given["unit"] not in periods.UNITS:
        raise NotCovered(f"facts know local days, no {given['unit']}")
    zone, brackets = ZoneInfo(given["timezone"]), ()
    if given["criteria"] == "bracket":
        brackets = tuple(tuple(bracket) for bracket in given["brackets"])
    rule = retention.Rule(
        unit=given["unit"], start="create", returns="active", times=given.get("min_occurrences", 1), brackets=brackets,
        first_time=given["cohort"] == "first_time", criterion=given["criteria"], horizon=given.get("horizon"),
        week_start=given.get("week_start", "monday").lower(), zone=given["timezone"],
    )  # fmt: skip
    how = {"unit": rule.unit, "week_start": rule.week_start}
    first = periods.number(_begun(given["first_period"], zone), **how)
    every = periods.begins(range(first, first + given["intervals"] + 1), **how)
    last_day = pd.Timestamp(every[-1]).date() - timedelta(days=1)
    days = _roles_of(given, {"create": given["start_event"], "active": given["return_event"]}, zone)
    counted = (retention.cohort_spans if rule.by_span else retention.cohort_cube)(days, rule=rule, last_day=last_day)
    table = retention.cohorts(counted, last_day=last_day, rule=rule, ages=given["intervals"])
    cells = brackets or tuple((age, rule.horizon or age) for age in range(1, given["intervals"]) if age <= (rule.horizon or age))
    sizes, counts = table.groupby("cohort")["size"].first(), table.set_index(["cohort", "age"])["active"]
    if brackets:
        counts = table.set_index(["cohort", "age", "until"])["active"]
    rows = []
    for room, begun in zip(range(given["intervals"], 0, -1), every, strict=False):
        keys = [(begun, *cell) if brackets else (begun, cell[0]) for cell in cells if cell[1] < room]
        rows.append([int(sizes.get(begun, 0)), *(int(counts.get(key, 0)) for key in keys)])
    return {"counts": rows}


def _begun(moment: str, zone: ZoneInfo) -> date:
    """The local day of a moment; one at midnight in its own writing is a day by itself, whatever it is in the zone."""
    written = datetime.fromisoformat(moment)
    at_midnight = written.time() == datetime.min.time()
    return written.date() if at_midnight or written.tzinfo is None else written.astimezone(zone).date()


def _roles_of(given: Mapping, named: Mapping[str, str], zone: ZoneInfo) -> ibis.Table:
    """The facts of a case, in which each role is one event by name, or any."""
    alias = given.get("alias", {})
    people = [_event(alias.get(user, user), moment, event) for user, event, moment in given["events"]]
    every = sorted({row["event"] for row in people})
    roles = {role: every if event == "any" else [event] for role, event in named.items()}
    return facts.user_day(facts.timed(made.events(people, zone)), roles)


def values(given: Mapping) -> dict:
    """Of each cohort its size and what it brought within so many days, which all cohorts have had."""
    if not given.get("all_mature", False):
        raise NotCovered("which cohorts have had the days")
    rows = [
        {"cohort": at, "age": age, "size": size, "net": Decimal(str(net)) * (age == 0), "closes": pd.NaT, "first": False}
        for at, (size, net) in enumerate(given["cohorts"]) for age in range(given["n_days"])
    ]  # fmt: skip
    found = retention.member_value(pd.DataFrame(rows), ages=given["n_days"])
    return {"per_cohort": found.cohorts["value"].tolist(), "overall": found.overall.rate}


def purchases(given: Mapping) -> dict:
    """Payments of a day are one purchase; customers come in the order of their names, as they are written."""
    if "transactions" not in given or given.get("unit", "day") != "day":
        raise NotCovered("a rule in words, which test_segments holds, or another unit than days")
    sums: dict[tuple, Decimal] = {}
    for customer, day, amount in given["transactions"]:
        key = (customer, date.fromisoformat(day))
        sums[key] = sums.get(key, Decimal(0)) + Decimal(str(amount))
    rows = [{"user_id": str(customer), "day": day, "pay": 1, "gross": gross} for (customer, day), gross in sums.items()]
    last_day = date.fromisoformat(given["observation_end"])
    found = made.records(segments.purchase_summary(made.table("user_day", rows), last_day=last_day))
    columns = ["frequency", "recency", "T", "monetary"]
    customers = sorted({customer for customer, day in sums if day <= last_day})
    table = [[customer, *(found[str(customer)][name] for name in columns)] for customer in customers]
    return {"columns": ["customer", *columns], "rows": table}


def win_back(given: Mapping) -> dict:
    """What is undefined, as there is no holdout or no return, is null."""
    (touched, returned), (holdout, back) = given["treated"], given["holdout"]
    found = retention.incremental(touched, returned, holdout, back, cost=given["cost_per_treated"] * touched)
    told = {
        "raw_return_rate": found.share, "incremental_returns": found.incremental, "lift_pp": 100 * found.lift,
        "cost_per_return_naive": found.cost_naive, "cost_per_incremental_return": found.cost_incremental, "z": found.z,
    }  # fmt: skip
    return {name: None if value != value else value for name, value in told.items()}


def churn_survival(given: Mapping) -> dict:
    """Survival after each time at which somebody's life ended."""
    curve = retention.survival(retention.life_table(given["time"], given["event"]))
    half = retention.median(curve)
    ended = curve[curve["ended"] > 0]
    return {"S": {f"{time:g}": float(share) for time, share in zip(ended["week"], ended["survival"], strict=True)},
            "median": None if pd.isna(half) else int(half) if half == int(half) else half}  # fmt: skip


def projection(given: Mapping) -> dict:
    """Fitted on the first periods of a published curve in per cent, read over all of them."""
    shares = next(values for name, values in given.items() if name.startswith("survival_pct"))
    fitted = next(number for name, number in given.items() if name.startswith("fit_"))
    found = beta_geometric.fit(beta_geometric.from_shares(shares[: fitted + 1], given["n"]))
    ahead = found.alpha, found.beta, len(shares) - 1
    return {"alpha": found.alpha, "beta": found.beta, "LL": found.log_likelihood,
            "S_model_pct": [100 * float(share) for share in beta_geometric.survivors(*ahead)],
            "retention_rate": [float(rate) for rate in beta_geometric.retention_rates(*ahead)]}  # fmt: skip


def _event(user: str, moment: str, event: str) -> dict:
    return {"user_id": user, "ts": datetime.fromisoformat(moment), "event": event}


TOPICS: dict[str, Callable[[Mapping], dict]] = {
    "DAU/WAU/MAU": active_users,
    "LTV": values,
    "RFM": purchases,
    "churn survival": churn_survival,
    "composition": composition,
    "growth accounting": accounting,
    "retention": cohort_counts,
    "retention average": retention_average,
    "retention projection": projection,
    "sessions": sessions,
    "small numbers": small_numbers,
    "stickiness": stickiness,
    "tags": tags,
    "win-back": win_back,
    **reference_effects.TOPICS,
    **reference_looks.TOPICS,
}

"""What each person of an experiment came to: one row a person, a column a quantity, which every statistic begins with."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from typing import NamedTuple

import ibis

from helpers.errors import InputError, nearest
from helpers.experiments.counted import members
from helpers.experiments.counted.cube import PER, UNCAPPED, VALUE

LARGEST = 1e100  # what is larger (NaN and infinity, too) is no measurement, and its square would stop the query
DAY_MEASURES = {"active_days": "active", "events": "events", "net": "net", "create": "create", "pay_days": "pay"}
SENIORITY = "seniority"
SHARES = ("proportion", "retention")


class Asked(NamedTuple):
    """A metric of an experiment, and the columns that its quantities are in."""

    experiment: str
    metric: str
    kind: str
    columns: dict[str, str]


class Gathered(NamedTuple):
    """One row a person and experiment.

    `table`: `experiment`, `variant`, `day` (of exposure), the slices, and the quantities (numbers; empty where somebody has
    none, or has not had the days that it looks ahead). `cuts`: which slices each experiment asks for.
    """

    table: ibis.Table
    asked: list[Asked]
    cuts: dict[str, list[str]]


class Window(NamedTuple):
    """What is added up: a day's measure over local days after the exposure (before it, where they are below 0)."""

    measure: str
    first: int
    last: int
    share: bool = False  # of people with any

    @property
    def column(self) -> str:
        return f"{self.measure}_{self.first}_{self.last}{'_any' if self.share else ''}".replace("-", "before_")


def gather(
    plans: Sequence[dict], assignments: ibis.Table | None, units: ibis.Table | None, user_day: ibis.Table | None,
    users: ibis.Table | None = None, first_seen: ibis.Table | None = None, *, last_day: date | None,
) -> list[Gathered]:  # fmt: skip
    """The people of all experiments with what their metrics are made of; one pass over the facts for all experiments.

    Args:
        plans: Experiments; those that the dataset does not hold are passed over.
        assignments, units, user_day, users, first_seen: Contracts of these names, or None.
        last_day: People whose time ahead reaches beyond it have no value.

    Raises:
        InputError: A metric calls a proportion what is not 0 or 1; a column that the unit table does not have.
    """
    found = []
    events = [plan for plan in plans if not plan["units"]]
    if events and assignments is not None and user_day is not None:
        people = members.assigned(events, assignments, user_day)
        people = _sliced(people.filter(people.kept), events, users, first_seen).cache()
        found.append(_of_events(events, people, user_day, last_day))
    found += [_of_units(plan, members.listed(plan, units)) for plan in plans if plan["units"] and units is not None]
    return [_checked(_capped(own, plans), plans) for own in found]


def cuts(plan: dict) -> list[str]:
    """The slices and strata of a plan, each once."""
    return list(dict.fromkeys([*plan["slices"], *plan["strata"]]))


def _sliced(
    people: ibis.Table, plans: Sequence[dict], users: ibis.Table | None, first_seen: ibis.Table | None
) -> ibis.Table:
    wanted = sorted({cut for plan in plans for cut in cuts(plan)})
    attributes = [cut for cut in wanted if users is not None and cut != SENIORITY and cut in users.columns]
    if attributes:
        people = people.left_join(users.select("user_id", **{f"of_{cut}": users[cut] for cut in attributes}), "user_id")
        known = {cut: people[f"of_{cut}"].cast("string").fill_null("") for cut in attributes}
        people = people.mutate(**known).drop("user_id_right", *[f"of_{cut}" for cut in attributes])
    if SENIORITY in wanted and first_seen is not None:
        people = people.left_join(first_seen.select("user_id", "first_day"), "user_id")
        before = (people.first_day < people.day).fill_null(False)
        people = people.mutate(**{SENIORITY: ibis.ifelse(before, "known", "new")}).drop("user_id_right", "first_day")
    missing = [cut for cut in wanted if cut not in people.columns]
    return people.mutate(**{cut: ibis.literal("") for cut in missing})


def windows(metric: dict, plan: dict) -> dict[str, Window]:
    """The windows of a metric on events by quantity."""
    kind = metric["kind"]
    if kind == "retention":
        found = {VALUE: Window("active_days", metric["from"], metric["to"], share=True)}
    else:
        found = {VALUE: Window(metric["of"], 1, metric["days"], share=kind == "proportion")}
    if kind == "ratio":
        found[PER] = Window(metric["per"], 1, metric["days"])
    return found | {name: Window(name, -plan["covariate_days"], -1) for name in metric["covariates"]}


def _of_events(plans: Sequence[dict], people: ibis.Table, user_day: ibis.Table, last_day: date) -> Gathered:
    asked = [(plan, metric, windows(metric, plan)) for plan in plans for metric in plan["metric"]]
    every = sorted({window for _, _, own in asked for window in own.values()})
    totals = totalled(people, user_day, every)
    masked, columns = {}, []
    for plan, metric, own in asked:
        named = {}
        for quantity, window in own.items():
            ahead = metric["horizon"] if quantity in (VALUE, PER) else 0
            named[quantity] = f"{window.column}_from_{ahead}" if ahead else window.column
            had = totals.day <= last_day - timedelta(days=ahead)
            value = totals[window.column]
            masked[named[quantity]] = ibis.ifelse(had, value, ibis.null(value.type())) if ahead else value
        columns.append(Asked(plan["name"], metric["name"], metric["kind"], named))
    slices = sorted({cut for plan in plans for cut in cuts(plan)})
    table = totals.select("experiment", "user_id", "variant", "day", *slices, **masked).cache()
    return Gathered(table, columns, {plan["name"]: cuts(plan) for plan in plans})


def totalled(people: ibis.Table, user_day: ibis.Table, every: Sequence[Window]) -> ibis.Table:
    """The people with a column a window, 0 where they did nothing."""
    sums = sorted({window._replace(share=False) for window in every})
    measures = sorted({window.measure for window in sums})
    days = user_day.select("user_id", on="day", **{name: measured(user_day, name) for name in measures})
    met = people.select("experiment", "user_id", "day").join(days, "user_id")
    met = met.mutate(age=met.on.epoch_days() - met.day.epoch_days())
    met = met.filter(met.age.between(min(own.first for own in sums), max(own.last for own in sums)))
    inside = {own.column: met[own.measure].sum(where=met.age.between(own.first, own.last)) for own in sums}
    totals = met.group_by(["experiment", "user_id"]).agg(**inside)
    everyone = people.left_join(totals, ["experiment", "user_id"]).drop("experiment_right", "user_id_right")
    plain = {own.column: everyone[own.column].fill_null(0).cast(_type(own.measure)) for own in sums}
    everyone = everyone.mutate(**plain)
    shares = {own.column: (everyone[own._replace(share=False).column] > 0).cast("int64") for own in every if own.share}
    return everyone.mutate(**shares)


def measured(user_day: ibis.Table, measure: str) -> ibis.Value:
    """A day's measure: days count as 1."""
    value = user_day[DAY_MEASURES[measure]]
    return (value > 0).cast("int64") if measure.endswith("_days") else value


def _type(measure: str) -> str:
    return "float64" if measure == "net" else "int64"


def _of_units(plan: dict, units: ibis.Table) -> Gathered:
    units = units.filter(units.kept)
    made, asked = {}, []
    for metric in plan["metric"]:
        named = {VALUE: metric["column"]} | ({PER: metric["per"]} if metric["kind"] == "ratio" else {})
        named |= {name: name for name in metric["covariates"]}
        for column in named.values():
            if column not in units.columns:
                near = nearest(column, units.columns)
                raise InputError(f'experiment {plan["name"]}: [units.{plan["units"]}] has no column "{column}".{near}')
            made[f"of_{column}"] = _number(units[column])
        asked.append(Asked(plan["name"], metric["name"], metric["kind"], {key: f"of_{own}" for key, own in named.items()}))
    slices = {cut: units[cut].cast("string").fill_null("") for cut in cuts(plan)}
    return Gathered(units.select("experiment", "variant", "day", **slices, **made), asked, {plan["name"]: cuts(plan)})


def _number(value: ibis.Value) -> ibis.Value:
    """A metric as a number: numbers as they are, texts read, yes and no in their usual spellings as 1 and 0."""
    if value.type().is_boolean() or value.type().is_integer():
        return value.cast("int64")
    if value.type().is_numeric():
        number = value.cast("float64")
        return ibis.ifelse(number.abs() <= LARGEST, number, ibis.null("float64"))
    lower = value.cast("string").strip().lower()
    number = lower.try_cast("float64")
    finite = ibis.ifelse(number.abs() <= LARGEST, number, ibis.null("float64"))
    return ibis.cases((lower.isin(["true", "yes", "t"]), 1.0), (lower.isin(["false", "no", "f"]), 0.0), else_=finite)


def _capped(gathered: Gathered, plans: Sequence[dict]) -> Gathered:
    """Revenue beside itself cut at the pooled quantile that the plan states."""
    limits = {(plan["name"], metric["name"]): metric["cap_quantile"] for plan in plans for metric in plan["metric"]
              if metric["kind"] == "revenue"}  # fmt: skip
    table, asked, made = gathered.table, [], {}
    wanted = sorted({(own.columns[VALUE], limits[own[:2]]) for own in gathered.asked if own.kind == "revenue"})
    if not wanted:
        return gathered
    quantiles = table.group_by("experiment").agg(
        **{f"cap_{at}": table[column].cast("float64").quantile(share) for at, (column, share) in enumerate(wanted)}
    )
    known = quantiles.to_pandas().set_index("experiment")
    for at, (column, _) in enumerate(wanted):
        caps = [(table.experiment == name, float(limit)) for name, limit in known[f"cap_{at}"].dropna().items()]
        cap = ibis.cases(*caps, else_=LARGEST) if caps else ibis.literal(LARGEST)
        value = table[column].cast("float64")
        made[f"capped_{at}_{column}"] = ibis.ifelse(value > cap, cap, value)
    for own in gathered.asked:
        if own.kind == "revenue":
            at = wanted.index((own.columns[VALUE], limits[own[:2]]))
            capped = {VALUE: f"capped_{at}_{own.columns[VALUE]}", UNCAPPED: own.columns[VALUE]}
            own = own._replace(columns=capped | {name: column for name, column in own.columns.items() if name != VALUE})
        asked.append(own)
    table = table.mutate(**made)
    return Gathered(table.cache() if "user_id" in table.columns else table, asked, gathered.cuts)


def _checked(gathered: Gathered, plans: Sequence[dict]) -> Gathered:
    """A proportion is of zeros and ones."""
    table = gathered.table
    shares = [own for own in gathered.asked if own.kind == "proportion" and table[own.columns[VALUE]].type().is_floating()]
    if not shares:
        return gathered
    odd = {
        f"odd_{at}": ((table[own.columns[VALUE]] != 0) & (table[own.columns[VALUE]] != 1)).sum().fill_null(0)
        for at, own in enumerate(shares)
    }
    counted = table.aggregate(**odd).to_pandas().iloc[0]
    for at, own in enumerate(shares):
        if counted[f"odd_{at}"]:
            raise InputError(
                f"experiment {own.experiment}: metric {own.metric} is a proportion, but {int(counted[f'odd_{at}']):,} values "
                'are not 0 or 1. Call it kind = "mean".'
            )
    return gathered

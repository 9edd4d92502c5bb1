"""Metrics of experiments.toml: what each kind needs, on events or on a unit table, and what is wrong with one."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from helpers.errors import nearest
from helpers.sources import mistakes
from helpers.sources.mistakes import Mistake

if TYPE_CHECKING:
    from helpers.sources.dataset import Source

MEASURES = ("active_days", "events", "net", "create", "pay_days")  # what is added up over a person's local days
LONGEST = 730  # days that a metric may look ahead
# What a kind must say and may say, on events; on a unit table `column` takes the place of `of` and of the days.
NEEDS = {
    "mean": (("of", "days"), ()),
    "proportion": (("days",), ("of",)),
    "retention": ((), ("day", "days")),
    "ratio": (("of", "per", "days"), ("unit",)),
    "quantile": (("of", "days", "quantile"), ()),
    "revenue": (("days", "cap_quantile"), ("of",)),
}
UNIT_NEEDS = {
    "mean": ((), ("column",)),
    "proportion": ((), ("column",)),
    "ratio": (("per",), ("column", "unit")),
    "quantile": (("quantile",), ("column",)),
    "revenue": (("cap_quantile",), ("column",)),
}
USUAL = {"proportion": "active_days", "retention": "active_days", "revenue": "net"}  # `of`, where nothing is said
SAID = {
    "of": f"what is added up: {', '.join(MEASURES)}.",
    "per": "what it is divided by.",
    "days": "so many local days after the exposure.",
    "quantile": "which quantile is compared, such as 0.9.",
    "cap_quantile": "the quantile of all arms at which a value is cut, such as 0.99.",
}
OF_AFTER = "It is measured as a metric, so after the exposure; here belongs what was known before it."
Fault = tuple[str, str, Any]  # key, what is wrong, the value
TAKEN = ("value", "per", "uncapped", "missing", "slope")  # what the cube calls its own quantities


def one_of(*allowed: str) -> AfterValidator:
    """A check that a text is one of these."""

    def check(value: str) -> str:
        if value not in allowed:
            raise ValueError(f"Allowed: {', '.join(allowed)}.{nearest(value, allowed)}")
        return value

    return AfterValidator(check)


def _span(value: list[int]) -> list[int]:
    if len(value) != 2 or not 1 <= value[0] <= value[1] <= LONGEST:
        raise ValueError(f"It must be a first and a last day, such as [1, 7]: 1 to {LONGEST}, the last not before the first.")
    return value


def _days(value: Any) -> Any:
    """A number of days, or the first and the last of them."""
    whole = [type(item) is int for item in (value if isinstance(value, list) else [value])]
    if not whole or not all(whole):
        raise ValueError("It must be a whole number of days, or for a retention a first and a last day, such as [1, 7].")
    if isinstance(value, list):
        return _span(value)
    if not 1 <= value <= LONGEST:
        raise ValueError(f"It must be from 1 to {LONGEST} days.")
    return value


Text = Annotated[str, Field(min_length=1)]
Between = Annotated[float, Field(gt=0, lt=1)]


class Part(BaseModel):
    """A block of the file: its keys and their types."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class Metric(Part):
    """Everything that a [[metric]] may say; which keys go together depends on its kind."""

    name: Text
    kind: Text
    better: Annotated[str, one_of("more", "less")] = "more"
    of: Annotated[str, one_of(*MEASURES)] | None = None
    per: Text | None = None
    column: Text | None = None
    day: Annotated[int, Field(ge=1, le=LONGEST)] | None = None
    days: Annotated[Any, AfterValidator(_days)] = None
    quantile: Between | None = None
    cap_quantile: Between | None = None
    unit: Text | None = None
    covariates: list[Text] | None = None


def checked(model: type[Part], block: dict[str, Any], at: str) -> tuple[dict[str, Any], list[Mistake]]:
    """What a block says rightly, and the keys that do not exist or have values of another type or range.

    Args:
        at: The block as messages call it.
    """
    known = list(model.model_fields)
    wrong = [Mistake(f"{at}: {key}", no_such_key(key, known), value) for key, value in block.items() if key not in known]
    named = {key: value for key, value in block.items() if key in known}
    faulty = set()
    try:
        model.model_validate(named)
    except ValidationError as fault:
        told = zip(fault.errors(include_url=False), mistakes.from_pydantic(fault, named, {}), strict=True)
        for error, mistake in told:
            place = " ".join(str(part + 1 if isinstance(part, int) else part) for part in error["loc"])
            wrong.append(Mistake(f"{at}: {place}", mistake.text, mistake.value))
            faulty.add(error["loc"][0])
    return {key: value for key, value in named.items() if key not in faulty}, wrong


def no_such_key(key: str, allowed: list[str] | tuple[str, ...]) -> str:
    """What is said of a key that does not exist here."""
    return f"There is no such key.{nearest(key, allowed)} Allowed: {', '.join(allowed)}."


def own_columns(source: Source) -> list[str]:
    """The columns of a unit table that may be measured or tell its units apart."""
    return [name for name in source.columns if name not in ("variant", "unit_id")]


def read(block: dict[str, Any], at: str) -> tuple[dict[str, Any], list[Mistake]]:
    """A metric's keys and types, wherever it is used; and what is wrong with them."""
    found, wrong = checked(Metric, block, at)
    kind = found.get("kind")
    if kind is not None and kind not in NEEDS:
        wrong.append(Mistake(f"{at}: kind", f"Allowed: {', '.join(NEEDS)}.{nearest(kind, NEEDS)}", kind))
        del found["kind"]
    return found, wrong


def fits(
    metric: dict[str, Any], written: dict[str, Any], source: Source | None, measured: Collection[str] = ()
) -> Iterator[Fault]:
    """What is wrong with a metric that has been read, where an experiment uses it.

    Args:
        written: The block as it was written: what is wrong already is not told again.
        source: The unit table that it is a column of, if it is one.
        measured: Columns of the unit table that are metrics of the experiment.
    """
    kind, needs = metric.get("kind"), NEEDS if source is None else UNIT_NEEDS
    if kind is None:
        return
    if kind not in needs:
        yield "kind", f"A unit table has no days, so no {kind}. Allowed: {', '.join(needs)}.", kind
        return
    must, may = needs[kind]
    allowed = ("name", "kind", *must, *may, "better", "covariates")
    where = f"A {kind}" if source is None else f"A {kind} on a unit table"
    for key, value in metric.items():
        if key not in allowed:
            yield key, f"{where} has no such key. Allowed: {', '.join(allowed)}.", value
    yield from ((key, f"{where} needs it: {SAID[key]}", mistakes.NOTHING) for key in must if key not in written)
    yield from _unfit(metric, written) if source is None else _no_columns(metric, source)
    yield from covariate_faults(metric.get("covariates", []), source, measured)


def _unfit(metric: dict[str, Any], written: dict[str, Any]) -> Iterator[Fault]:
    """Days and measures that do not fit the kind."""
    kind, days, per = metric["kind"], metric.get("days"), metric.get("per")
    if kind == "retention" and ("day" in written) == ("days" in written):
        told = "A retention needs one of both: day = 7, or days = [1, 7] for any of these days."
        yield "day", told, written.get("day", mistakes.NOTHING)
    elif kind == "retention" and isinstance(days, int):
        yield "days", "For one day write day = 7, for any of several days = [1, 7].", days
    elif kind != "retention" and isinstance(days, list):
        yield "days", f"A {kind} counts from the first day on: give a whole number of days.", days
    if kind == "ratio" and per is not None:
        if per not in MEASURES:
            yield "per", f"Allowed: {', '.join(MEASURES)}.{nearest(per, MEASURES)}", per
        elif per == metric.get("of"):
            yield "per", "It must be another measure than the one that is divided.", per


def columns(metric: dict[str, Any]) -> dict[str, str]:
    """The columns of a unit table that make a metric, by the key that names them."""
    named = {"column" if "column" in metric else "name": metric.get("column", metric.get("name", ""))}
    return named | ({"per": metric["per"]} if "per" in metric else {})


def _no_columns(metric: dict[str, Any], source: Source) -> Iterator[Fault]:
    """Keys that name a column which the unit table does not map."""
    have, named = own_columns(source), columns(metric)
    for key, column in named.items():
        if column not in have:
            yield key, no_such_column(column, source), column
    if len(set(named.values())) < len(named):
        yield "per", "It must be another column than the one that is divided.", metric["per"]


def no_such_column(column: str, source: Source) -> str:
    """What is said of a column that a unit table does not map."""
    have = own_columns(source)
    told = f"[{source.name}] of dataset.toml maps no such column, or its file lacks it.{nearest(column, have)}"
    return f"{told} It maps: {', '.join(have) or 'none'}."


def covariate_faults(names: list[str], source: Source | None, measured: Collection[str]) -> Iterator[Fault]:
    """What is wrong with a list of covariates.

    Args:
        measured: Columns of the unit table that are metrics of the experiment, so of after the exposure.
    """
    for number, name in enumerate(names, start=1):
        told = ""
        if name in names[: number - 1]:
            told = "It stands there twice."
        elif source is None and name not in MEASURES:
            told = f"Allowed: {', '.join(MEASURES)}.{nearest(name, MEASURES)}"
        elif source is not None and name not in own_columns(source):
            told = no_such_column(name, source)
        elif name in measured:
            told = OF_AFTER
        elif source is not None and name in TAKEN:
            told = "Experiments use this word themselves; map the column under another name in dataset.toml."
        if told:
            yield f"covariates {number}", told, name


def resolved(metric: dict[str, Any], role: str, source: Source | None, covariates: list[str] | None) -> dict[str, Any]:
    """A metric that is right, as the analysis takes it.

    Args:
        covariates: The plan's, or None where it says nothing of them.
    """
    kind = metric["kind"]
    made = {"name": metric["name"], "kind": kind, "better": metric.get("better", "more"), "role": role}
    made |= _of_units(metric) if source is not None else _of_events(metric)
    made |= {key: metric[key] for key in ("quantile", "cap_quantile") if key in metric}
    if kind == "ratio":
        over = made["column" if source is not None else "of"]
        made["unit"] = metric.get("unit", f"{over} per {metric['per']}".replace("_", " "))
    own = metric.get("covariates", covariates)
    made["covariates"] = list(own) if own is not None else _usual_covariates(made)
    return made


def _of_units(metric: dict[str, Any]) -> dict[str, Any]:
    per = {"per": metric["per"]} if "per" in metric else {}
    return {"column": metric.get("column", metric["name"]), **per, "horizon": 0}


def _of_events(metric: dict[str, Any]) -> dict[str, Any]:
    if metric["kind"] == "retention":
        first, last = metric.get("days") or [metric["day"]] * 2
        return {"from": first, "to": last, "horizon": last}
    made = {"of": metric.get("of", USUAL.get(metric["kind"]))}
    made |= {"per": metric["per"]} if "per" in metric else {}
    return {**made, "days": metric["days"], "horizon": metric["days"]}


def _usual_covariates(metric: dict[str, Any]) -> list[str]:
    """What foretells a metric on events best: the same of before; on unit tables nothing is known to be of before."""
    if "column" in metric:
        return []
    if metric["kind"] in ("proportion", "retention"):
        return ["active_days"]
    return [metric[key] for key in ("of", "per") if key in metric]

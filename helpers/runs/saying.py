"""What cleaning found, in sentences: what, where, why, what to do. Ids and long text are masked."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING

from helpers import cleaning
from helpers.problems import BY_NAME, ERROR, Problem, masked, problem, told

if TYPE_CHECKING:
    import ibis
    import pandas as pd

    from helpers.sources.dataset import Dataset
    from helpers.sources.profile import Part

EXAMPLES = 200
OF_DAYS, NEWEST = ("volume", "missing_hours"), 5
EPOCH_SHARE = 0.2  # of a file: more bad times than this that are numbers are numbers since 1970
FORMATS = (
    "%d/%m/%Y %H:%M", "%m/%d/%Y %H:%M", "%d/%m/%Y %H:%M:%S", "%m/%d/%Y %H:%M:%S", "%d.%m.%Y %H:%M", "%d.%m.%Y %H:%M:%S",
    "%Y/%m/%d %H:%M:%S", "%Y/%m/%d %H:%M", "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M", "%d/%m/%Y", "%m/%d/%Y", "%d.%m.%Y", "%Y/%m/%d",
    "%Y%m%d", "%Y%m%d%H%M%S", "%d-%m-%Y %H:%M", "%d-%m-%Y %H:%M:%S", "%d %b %Y %H:%M", "%b %d, %Y %I:%M %p", "%m/%d/%Y %I:%M %p",
)  # fmt: skip
EPOCHS = {10: "s", 13: "ms", 16: "us", 19: "ns"}
CURRENCIES = ("$", "€", "£", "¥", "￥", "USD", "EUR", "GBP", "CNY", "RMB", "JPY", "元")
IDS = ("user_id", "referrer_id", "unit_id")


def set_aside(
    reasons: pd.DataFrame, ledger: pd.DataFrame, parts: list[Part], judged: dict[str, ibis.Table]
) -> list[Problem]:
    """One message for each file and reason for which rows were set aside, and for what was emptied."""
    found = []
    by_file = {(part.source.kind, part.label): part for part in parts}
    for row in reasons.to_dict("records"):
        part = by_file[row["table"], row["file"]]
        if row["status"] == "quarantined":
            found += _quarantined(row, part, ledger, judged[row["table"]])
        elif row["status"] == "duplicates":
            said = f"{row['rows']:,} rows repeat an earlier row in every column; the first of each is kept."
            found.append(problem("exact_duplicate", row["file"], said, line=row["first_line"]))
        elif row["changed"]:
            said = f"{row['changed']:,} rows have a cell that cannot be; it was emptied, the row kept. Fix the export."
            found.append(problem("emptied", row["file"], said))
    return found


def _quarantined(row: dict, part: Part, ledger: pd.DataFrame, judged: ibis.Table) -> Iterator[Problem]:
    reason, rows, column = row["reason"], row["rows"], cleaning.column_of(row["table"], row["reason"])
    code = BY_NAME.get(reason)
    text = _first(row, part)
    seen = _cell(text, column, part)
    many = f"{rows:,} row{' like this was' if rows == 1 else 's like this were'} set aside."
    total = int(ledger.loc[(ledger["table"] == row["table"]) & (ledger["file"] == row["file"]), "rows_in"].iloc[0])
    hint = code.remedy if code else "Fix the export."
    if reason == "ragged":
        said = f"{_expected(text, part)} (rule: ragged)"
    elif reason.startswith("blank"):
        said = f"{column} is blank (rule: {reason})"
    elif column and seen:
        said = f"{seen} {_is_no(reason)} (rule: {'ts_format' if reason == 'bad_time' else reason})"
    else:
        said = f"{code.meaning if code else reason} (rule: {reason})"
    examples = _examples(row, part, judged, column) if reason in ("bad_time", "bad_amount") else []
    if reason == "bad_time":
        formats = " or ".join(f'ts_format="{form}"' for form in FORMATS if all(_fits(text, form) for text in examples))
        hint = f"Fix the export or set {formats}." if formats else hint
        unit = EPOCHS.get(len(examples[0].split(".")[0])) if examples and examples[0].replace(".", "").isdigit() else None
        if unit and rows > EPOCH_SHARE * total:
            asks = f'{seen} is a number: times since 1970, it seems. Set ts_unit = "{unit}".'
            yield problem("epoch", row["file"], asks, line=row["first_line"], column=column)
    currencies = sorted({sign for sign in CURRENCIES for text in examples if sign in text.upper()})
    if reason == "bad_amount" and len(currencies) > 1:
        asks = f"several currencies in one column: {', '.join(currencies)}. Give each currency a column, or a dataset."
        yield problem("currencies", row["file"], asks, line=row["first_line"], column=column)
    yield problem(reason, row["file"], f"{said}. {many} {hint}", line=row["first_line"], column=column)


def _first(row: dict, part: Part) -> str:
    from helpers.sources import raw

    place = None if row["first_byte"] != row["first_byte"] else int(row["first_byte"])
    return raw.record_at(part, row["first_line"], place)


def _cell(text: str, column: str, part: Part) -> str:
    """What stands in the cells from which a column is made, masked."""
    from helpers.sources import raw

    expression = part.source.columns.get(column)
    if expression is None:
        return ""
    cells = {name.strip().casefold(): value for name, value in raw.cells(part, text).items()}
    values = [cells.get(name.strip().casefold(), "") for name in expression.columns]
    return ", ".join(masked(value) if column in IDS else told(value) for value in values)


def _expected(text: str, part: Part) -> str:
    from helpers.sources import raw, scan

    shape = scan.shape(part.path, part.label, part.source.delimiter, part.source.encoding)
    return f"expected {len(shape.columns)} cells, found {raw.count_cells(part, text)}"


def _is_no(reason: str) -> str:
    return {
        "bad_time": "is not a date-time in the form YYYY-MM-DD HH:MM:SS",
        "ancient_time": "lies before 2000",
        "future_time": "lies after the day that follows the data's end",
    }.get(reason, "is not a plain decimal number")


def _examples(row: dict, part: Part, judged: ibis.Table, column: str) -> list[str]:
    """What stands in the first cells that were set aside for a reason, as it stands: never shown."""
    from helpers.sources import raw

    expression = part.source.columns.get(column)
    if expression is None or len(expression.columns) != 1:
        return []
    own = judged.filter((judged["_file"] == row["file"]) & (judged["_reason"] == row["reason"]))
    places = own.order_by("_line").limit(EXAMPLES).select("_line", "_byte", "_size").to_pyarrow().to_pylist()
    texts = raw.records(part, [(place["_line"], place["_byte"], place["_size"]) for place in places])
    wanted = expression.columns[0].strip().casefold()
    named = [{name.strip().casefold(): value for name, value in cells.items()} for cells in raw.cells_of(part, texts)]
    return [cells.get(wanted, "").strip() for cells in named]


def _fits(text: str, form: str) -> bool:
    try:
        return bool(datetime.strptime(text, form))
    except ValueError:
        return False


def odd(judged: dict[str, ibis.Table]) -> list[Problem]:
    """Times that were read by a rule of ours rather than as they stand; a sign-up is often a day alone, and needs no more."""
    found = []
    for kind, table in judged.items():
        if kind == "users":
            continue
        kept = table.filter((table["_status"] == "kept") & table["_odd"].notnull())
        counted = kept.group_by(["_file", "_odd"]).agg(rows=kept.count(), line=kept["_line"].min()).to_pandas()
        for row in counted.sort_values(["_file", "_odd"]).to_dict("records"):
            said = {
                "date_only": "{:,} times are dates alone, read as midnight. Export the time of day, too.",
                "clock_change": "{:,} times fall where the clock is changed: one that it leaves out is read on the clock before, "
                "one that it strikes twice as the second. Export times with their offset.",
            }[row["_odd"]]
            found.append(problem(row["_odd"], row["_file"], said.format(row["rows"]), line=int(row["line"])))
    return found


def limits(reasons: pd.DataFrame, ledger: pd.DataFrame, dataset: Dataset) -> list[Problem]:
    """Files of which too much was set aside."""
    allowed = dataset.cleaning
    over = cleaning.over_limits(
        reasons, ledger, quarantined=allowed.max_quarantined_share, mandatory=allowed.max_bad_mandatory_share
    )
    return [problem(name, file, said, severity=ERROR) for name, file, said in over]


def suspicions(found: pd.DataFrame) -> list[Problem]:
    """The rules that warn, as messages; of unusual days and hours the newest, and how many there are."""
    messages = []
    for rule, own in found.groupby("rule", sort=False):
        rows = own.to_dict("records")
        newest = rows if rule not in OF_DAYS else sorted(rows, key=lambda row: row["subject"])[-NEWEST:]
        for row in newest:
            messages.append(problem(rule, row["file"], row["said"], line=int(row["line"]), column=row["column"]))
        if len(newest) < len(rows):
            messages.append(problem(rule, "", f"{len(rows) - len(newest):,} earlier ones are like these."))
    return messages

"""What the parts of a query give: a text, a floating point number, a time of one kind or another, as far as it can be told."""

from __future__ import annotations

from sqlglot import exp

from helpers.sources.spark import formats

Kind = exp.DataType.Type
LOCAL, INSTANT, DATE, FLOAT, REAL, TEXT, BINARY = "local time", "instant", "date", "float", "short float", "text", "binary"
FLOATS = (FLOAT, REAL)
KINDS = {
    Kind.TIMESTAMP: LOCAL, Kind.TIMESTAMPNTZ: LOCAL, Kind.TIMESTAMPTZ: INSTANT, Kind.TIMESTAMPLTZ: INSTANT, Kind.DATE: DATE,
    Kind.DOUBLE: FLOAT, Kind.FLOAT: REAL, Kind.TEXT: TEXT, Kind.VARCHAR: TEXT, Kind.CHAR: TEXT,
}  # fmt: skip
KNOWN = "kind"  # in the notes of a column of which it is known
OF_TEXTS = (
    exp.Lower, exp.Upper, exp.Trim, exp.Substring, exp.Left, exp.Right, exp.Replace, exp.Translate, exp.Concat, exp.ConcatWs,
    exp.SplitPart, exp.Pad, exp.Reverse, exp.RegexpExtract, exp.RegexpReplace, exp.JSONExtractScalar, exp.TimeToStr, exp.MD5,
    exp.SHA2,
)  # fmt: skip
OF_FLOATS = (exp.Div, exp.TimeToUnix)
AS_ITS_PARTS = (
    exp.Paren, exp.Case, exp.If, exp.Coalesce, exp.Greatest, exp.Least, exp.Nullif, exp.Add, exp.Sub, exp.Neg, exp.Mul, exp.Mod,
    exp.Abs, exp.Round, exp.TimestampTrunc, exp.DateTrunc,
)  # fmt: skip


def know(tree: exp.Expression, tables: dict[str, dict[str, str]]) -> None:
    """Note the kinds of columns, which decide what a cast means.

    Args:
        tables: By name, the types of a table's columns as DuckDB calls them, by the columns' names in lower case.
    """
    for select in tree.find_all(exp.Select):
        froms = [select.args.get("from_"), *select.args.get("joins", ())]
        own: dict[str, str] = {}
        for name in [each.this.name for each in froms if each is not None and isinstance(each.this, exp.Table)]:
            own |= tables.get(name, {})
        for column in select.find_all(exp.Column) if own else ():
            if column.find_ancestor(exp.Select) is select and column.name.lower() in own:
                column.meta[KNOWN] = kind_of_type(own[column.name.lower()])


def kind_of_type(name: str) -> str | None:
    """The kind of a type as DuckDB calls it."""
    return {
        "VARCHAR": TEXT, "BLOB": BINARY, "DOUBLE": FLOAT, "FLOAT": REAL, "DATE": DATE, "TIMESTAMP": LOCAL,
        "TIMESTAMP WITH TIME ZONE": INSTANT,
    }.get(name)  # fmt: skip


def kind(node: exp.Expression | None) -> str | None:
    """What a node gives, as far as it can be told without the types of columns."""
    if isinstance(node, exp.Column):
        return node.meta.get(KNOWN)
    if isinstance(node, exp.Cast):
        return KINDS.get(node.to.this)
    if isinstance(node, exp.Literal):
        return TEXT if node.is_string else FLOAT if "e" in node.name.lower() else None
    if isinstance(node, exp.UnixToTime):
        return LOCAL if node.args.get("scale") else INSTANT
    if isinstance(node, exp.AtTimeZone):
        return {LOCAL: INSTANT, INSTANT: LOCAL}.get(kind(node.this))
    if isinstance(node, exp.Anonymous):
        return _kind_by_name(node)
    if isinstance(node, exp.Unhex | exp.Encode):
        return BINARY
    if isinstance(node, exp.DPipe):
        return BINARY if BINARY in (kind(node.this), kind(node.expression)) else TEXT
    if isinstance(node, exp.Extract):
        return FLOAT if node.name.upper() == "EPOCH" else None
    if isinstance(node, (*OF_TEXTS, *OF_FLOATS)):
        return TEXT if isinstance(node, OF_TEXTS) else FLOAT
    return _kind_of_parts(node) if isinstance(node, AS_ITS_PARTS) else None


def _kind_by_name(node: exp.Anonymous) -> str | None:
    name = node.name.lower()
    if name == "timezone":
        return {LOCAL: INSTANT, INSTANT: LOCAL}.get(kind(node.expressions[1]))
    if name == "try_strptime":
        return INSTANT if formats.has_offset(node.expressions[1].name) else LOCAL
    return None


def _kind_of_parts(node: exp.Expression) -> str | None:
    """Of several kinds that of floating point numbers, which makes such of the others; a day becomes a time in arithmetic."""
    if isinstance(node, exp.Case):
        parts = [*(branch.args["true"] for branch in node.args["ifs"]), node.args.get("default")]
    elif isinstance(node, exp.If):
        parts = [node.args["true"], node.args.get("false")]
    elif isinstance(node, exp.Coalesce | exp.Greatest | exp.Least):
        parts = [node.this, *node.expressions]
    else:
        parts = [node.this, node.expression if isinstance(node, exp.Binary) else None]
    found = [own for part in parts if part is not None and (own := kind(part))]
    if isinstance(node, exp.Sub) and set(found) & {LOCAL, INSTANT, DATE} and len(found) == 2:
        return None
    made = FLOAT if set(found) & set(FLOATS) else next(iter(found), None)
    return LOCAL if made == DATE and isinstance(node, exp.Add | exp.Sub | exp.TimestampTrunc | exp.DateTrunc) else made

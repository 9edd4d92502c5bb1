"""Types for expressions over text: casts where a number or a time is meant, and the test for what did not cast.

Numbers are decimals with six places, DECIMAL(18, 6): the widest that the engine holds in a machine word; casting text to
one digit more takes sixty times as long. The engine computes within the width of its operands, so that 1000 x 1000 in
DECIMAL(18, 6) would stop the query. Sums are therefore widened by one digit, products and quotients computed in floating
point (right to 15 digits; exact products take twenty times as long), and all brought back to six places, which leaves what a
person would write down. A divisor of 0 gives an empty value. What does not fit on the way back is counted like a text that
does not cast, so no row stops the run and none is lost in silence.
"""

from __future__ import annotations

from sqlglot import exp

NUMBER = exp.DataType.build("DECIMAL(18, 6)", dialect="duckdb")
WIDER = exp.DataType.build("DECIMAL(19, 6)", dialect="duckdb")
WIDEST = exp.DataType.build("DECIMAL(38, 6)", dialect="duckdb")
FLOAT = exp.DataType.build("DOUBLE", dialect="duckdb")
TIME = exp.DataType.build("TIMESTAMP", dialect="duckdb")
TRUTH = exp.DataType.build("BOOLEAN", dialect="duckdb")
TEXT = exp.DataType.build("TEXT", dialect="duckdb")
ARITHMETIC = (exp.Add, exp.Sub, exp.Mul, exp.Div, exp.Mod, exp.Neg)
COMPARISONS = (exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE, exp.NullSafeEQ, exp.NullSafeNEQ, exp.Nullif, exp.Is)
OF_NUMBERS = (exp.Abs, exp.Round, exp.Floor, exp.Ceil, exp.Trunc, exp.Sign)
OF_TIMES = (
    exp.Year, exp.Month, exp.Day, exp.Hour, exp.Minute, exp.Second, exp.TimeToStr, exp.TimestampTrunc, exp.DateTrunc,
    exp.DateDiff, exp.Extract, exp.TimeToUnix, exp.AtTimeZone,
)  # fmt: skip
TIMES = (exp.Anonymous, exp.Interval, exp.UnixToTime, exp.TimestampTrunc, exp.DateTrunc, exp.AtTimeZone)
TRUTHS = (
    exp.Boolean, exp.And, exp.Or, exp.Not, exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE, exp.NullSafeEQ, exp.Is,
    exp.NullSafeNEQ, exp.In, exp.Between, exp.Like, exp.ILike, exp.SimilarTo, exp.Escape, exp.RegexpLike,
    exp.RegexpFullMatch, exp.Contains, exp.StartsWith, exp.EndsWith,
)  # fmt: skip
TEXTS = (
    exp.Column, exp.Lower, exp.Upper, exp.Trim, exp.Substring, exp.Left, exp.Right, exp.Replace, exp.Translate,
    exp.DPipe, exp.Concat, exp.ConcatWs, exp.SplitPart, exp.Pad, exp.Reverse, exp.RegexpExtract, exp.RegexpReplace,
    exp.JSONExtractScalar,
)  # fmt: skip
CHOICES = (exp.Case, exp.Coalesce, exp.Greatest, exp.Least)
COUNTED = "counted"


def typed(tree: exp.Expression, *, condition: bool = False) -> exp.Expression:
    """The tree with text cast wherever its place asks for another type; the argument is left as it was.

    Raises:
        ValueError: It should be a condition and is a number, a time or a text.
    """
    made = _settled(tree.copy())
    made = _as(made, TRUTH) if condition else made
    if condition and _type(made) is not TRUTH:
        raise ValueError('It must be true or false for a row, such as "type <> \'ping\'" or "quantity > 0".')
    for column in list(made.find_all(exp.Column)):
        column.this.set("quoted", True)
        if column.parent is not None and not _is_text(column.parent):
            column.replace(exp.Cast(this=column.copy(), to=TEXT.copy()))  # a Parquet column may be of another type
    return made


def columns(tree: exp.Expression) -> tuple[str, ...]:
    """Names of the columns read, in the order in which they first stand."""
    return tuple(dict.fromkeys(column.name for column in tree.find_all(exp.Column, bfs=False)))


def cast_columns(tree: exp.Expression) -> tuple[str, ...]:
    """Names of the columns of which `bad` asks whether they cast."""
    cast = {name for node in tree.walk() if node.meta.get(COUNTED) for name in columns(node)}
    return tuple(name for name in columns(tree) if name in cast)


def bad(node: exp.Expression) -> exp.Expression | None:
    """A condition: something counted is not blank and does not cast. None where nothing is counted."""
    if isinstance(node, exp.Case):
        return _bad_case(node)
    found = [condition for child in node.iter_expressions() if (condition := bad(child)) is not None]
    if not node.meta.get(COUNTED):
        return exp.or_(*found) if found else None
    empty = exp.Is(this=exp.paren(node.copy()), expression=exp.Null())
    given = _given(node.expressions[0] if isinstance(node, exp.Anonymous) else node.this)
    if node.find(*CHOICES):
        return exp.or_(*found, exp.and_(empty, given))
    return exp.and_(empty, exp.or_(*found, given))  # nothing to look for where the whole has a value, which is quick


def _given(source: exp.Expression) -> exp.Expression:
    """A condition: what is cast is not blank."""
    if not isinstance(source, TEXTS) and not _is_text(source):
        return exp.not_(exp.Is(this=exp.paren(source.copy()), expression=exp.Null()))
    text = source if isinstance(source, exp.Trim) else _trimmed(source.copy())
    blank = exp.Literal.string("")
    return exp.NEQ(this=exp.Coalesce(this=text.copy(), expressions=[blank]), expression=blank.copy())


def _bad_case(node: exp.Case) -> exp.Expression | None:
    """A branch is judged only in the rows that take it."""
    branches, default = node.args["ifs"], node.args.get("default")
    asked = [part for part in (node.this, *(branch.this for branch in branches)) if part is not None]
    judged = [condition for part in asked if (condition := bad(part)) is not None]
    wrong, otherwise = [bad(branch.args["true"]) for branch in branches], bad(default) if default else None
    if any(condition is not None for condition in (*wrong, otherwise)):
        ifs = [
            exp.If(this=branch.this.copy(), true=condition if condition is not None else exp.false())
            for branch, condition in zip(branches, wrong, strict=True)
        ]
        subject = node.this.copy() if node.this else None
        judged.append(exp.Case(this=subject, ifs=ifs, default=otherwise if otherwise is not None else exp.false()))
    return exp.or_(*judged) if judged else None


def _settled(node: exp.Expression) -> exp.Expression:
    """The node with its children settled first, then cast as its own kind asks."""
    for key, value in list(node.args.items()):
        if isinstance(value, exp.Expression):
            node.set(key, _settled(value))
        elif isinstance(value, list):
            node.set(key, [_settled(item) if isinstance(item, exp.Expression) else item for item in value])
    if isinstance(node, ARITHMETIC):
        return _arithmetic(node)
    if isinstance(node, exp.If) and not isinstance(node.parent, exp.Case):
        branch = exp.If(this=node.this, true=node.args["true"])
        return _choice(exp.Case(ifs=[branch], default=node.args.get("false")))
    if isinstance(node, exp.Case):
        return _choice(node)
    return _cast_by_place(node)


def _cast_by_place(node: exp.Expression) -> exp.Expression:
    if type(node) is exp.Cast and not isinstance(node.this, exp.Literal):
        return _count(exp.TryCast(this=node.this, to=node.to))
    if isinstance(node, exp.StrToTime):
        return _count(exp.Anonymous(this="try_strptime", expressions=[node.this, node.args["format"]]))
    if isinstance(node, exp.And | exp.Or | exp.Not):
        _set(node, TRUTH, "this", "expression")
    elif isinstance(node, (*OF_NUMBERS, exp.UnixToTime)):
        _set(node, NUMBER, "this")
    elif isinstance(node, OF_TIMES):
        _set(node, TIME, *(("expression",) if isinstance(node, exp.Extract) else ("this", "expression")))
    elif isinstance(node, (*COMPARISONS, exp.Between, exp.In, exp.Coalesce, exp.Greatest, exp.Least)):
        _same_type([part for part in _parts(node) if not isinstance(part, exp.Null)])
    return node


def _choice(node: exp.Case) -> exp.Case:
    branches = node.args["ifs"]
    if node.this:
        _same_type([node.this, *(branch.this for branch in branches)])
    else:
        for branch in branches:
            _set(branch, TRUTH, "this")
    _same_type(_parts(node))
    return node


def _arithmetic(node: exp.Expression) -> exp.Expression:
    if any(_type(part) is TIME for part in _parts(node)):
        _set(node, TIME, "this", "expression")
        return node
    _set(node, FLOAT if isinstance(node, exp.Div) else NUMBER, "this", "expression")
    if isinstance(node, exp.Neg | exp.Mod):
        return node
    wider = {exp.Div: FLOAT, exp.Mul: WIDEST}.get(type(node), WIDER)
    for part in _parts(node):
        if not isinstance(part, exp.Literal):
            part.replace(_widened(part.copy(), wider))
            if wider is WIDEST:
                break  # a product of two of them would have more digits than there are
    if isinstance(node, exp.Div) and not (isinstance(node.expression, exp.Literal) and float(node.expression.name)):
        node.set("expression", exp.Nullif(this=node.expression, expression=exp.Literal.number(0)))
    return _count(exp.TryCast(this=node, to=NUMBER.copy()))


def _widened(part: exp.Expression, to: exp.DataType) -> exp.Expression:
    """The operand in a type that cannot overflow; one that is of it already stays, and a number of ours always fits."""
    inner = part.unnest()
    if isinstance(inner, exp.TryCast) and inner.to == to:
        return part
    wider = exp.TryCast(this=part, to=to.copy())
    return wider if isinstance(inner, exp.TryCast) and inner.to == NUMBER else _count(wider)


def _set(node: exp.Expression, to: exp.DataType, *keys: str) -> None:
    for key in keys:
        if isinstance(node.args.get(key), exp.Expression):
            node.set(key, _as(node.args[key], to))


def _as(node: exp.Expression, to: exp.DataType) -> exp.Expression:
    """The node as a type: text is cast; of brackets and choices, what they hold; all else stays."""
    if isinstance(node, TEXTS) or (isinstance(node, exp.Nullif) and _type(node) is None):
        return _count(exp.TryCast(this=_trimmed(node), to=to.copy()))
    if isinstance(node, exp.Paren):
        node.set("this", _as(node.this, to))
    elif isinstance(node, CHOICES):
        for part in _parts(node):
            part.replace(_as(part.copy(), to))
    return node


def _same_type(parts: list[exp.Expression]) -> None:
    """Where one of the parts is of a type other than text, the texts among them are made so too."""
    to = next((kind for part in parts if (kind := _type(part)) is not None), None)
    if to is not None:
        for part in parts:
            part.replace(_as(part.copy(), to))


def _parts(node: exp.Expression) -> list[exp.Expression]:
    """What a node compares, computes with or chooses among."""
    if isinstance(node, exp.Case):
        parts = [*(branch.args["true"] for branch in node.args["ifs"]), node.args.get("default")]
    elif isinstance(node, exp.Between):
        parts = [node.this, node.args["low"], node.args["high"]]
    elif isinstance(node, exp.Coalesce | exp.Greatest | exp.Least | exp.In):
        parts = [node.this, *node.expressions]
    else:
        parts = [node.this, node.args.get("expression")]
    return [part for part in parts if isinstance(part, exp.Expression)]


def _type(node: exp.Expression) -> exp.DataType | None:
    """NUMBER, TIME or TRUTH; None for text and for what is not known."""
    node = node.unnest()
    if isinstance(node, exp.Literal):
        return None if node.is_string else NUMBER
    if isinstance(node, exp.Cast):
        return _family(node.to)
    if isinstance(node, TRUTHS):
        return TRUTH
    if isinstance(node, TIMES):
        return TIME
    if isinstance(node, ARITHMETIC):
        return TIME if any(_type(part) is TIME for part in _parts(node)) else NUMBER
    if isinstance(node, (*OF_NUMBERS, *OF_TIMES, exp.Length, exp.StrPosition)):
        return None if isinstance(node, exp.TimeToStr) else NUMBER
    if isinstance(node, exp.Nullif):
        return _type(node.this)
    if isinstance(node, CHOICES):
        return next((kind for part in _parts(node) if (kind := _type(part)) is not None), None)
    return None


def _family(to: exp.DataType) -> exp.DataType | None:
    if to.this in exp.DataType.NUMERIC_TYPES:
        return NUMBER
    if to.this in exp.DataType.TEMPORAL_TYPES:
        return TIME
    return TRUTH if to.this == exp.DataType.Type.BOOLEAN else None


def _trimmed(node: exp.Expression) -> exp.Trim:
    """Its text without outer blanks."""
    return exp.Trim(this=node if _is_text(node) else exp.Cast(this=node, to=TEXT.copy()))


def _is_text(node: exp.Expression) -> bool:
    return type(node) is exp.Cast and node.to == TEXT


def _count(node: exp.Expression) -> exp.Expression:
    node.meta[COUNTED] = True
    return node

"""How the SQL of ibis reaches DuckDB: what is only picked is read again wherever it is used, and a sum is no wider than a count.

DuckDB 1.4 and later makes a table of its own of each common table expression that is used twice. That is right for what was
joined or counted. Rows that a large table merely has are read again in a fraction of the time that such a copy takes.

Its sum of whole numbers has 128 bits. What is grouped, joined or summed by such a column afterwards takes several times as
long as with the 64 that ibis promises.
"""

from __future__ import annotations

import ibis.expr.operations as ops
import sqlglot.expressions as sge
from ibis.backends.sql.compilers.duckdb import DuckDBCompiler

WORK = (sge.AggFunc, sge.Window, sge.Join, sge.Group, sge.Distinct, sge.SetOperation, sge.Unnest, sge.Explode, sge.Limit)


class Compiler(DuckDBCompiler):
    """The compiler of ibis, which says besides what is not to be copied, and how wide a sum is."""

    __slots__ = ()

    def visit_Sum(self, op, *, arg, where):
        total = super().visit_Sum(op, arg=arg, where=where)
        return self.cast(total, op.dtype) if op.dtype.is_integer() else total

    def visit_WindowFunction(self, op, *, func, **frame):
        if isinstance(op.func, ops.Sum) and isinstance(func, sge.Cast):
            return self.cast(super().visit_WindowFunction(op, func=func.this, **frame), op.dtype)
        return super().visit_WindowFunction(op, func=func, **frame)

    def to_sqlglot(self, expr, *, limit=None, params=None):
        query = super().to_sqlglot(expr, limit=limit, params=params)
        for own in query.find_all(sge.CTE):
            if own.this.find(*WORK) is None:
                own.set("materialized", False)
        return query

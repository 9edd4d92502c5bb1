"""How the SQL of ibis reaches DuckDB: what is only picked from a table is read again wherever it is used, and not copied first.

DuckDB 1.4 and later makes a table of its own of each common table expression that is used twice. That is right for what was
joined or counted. Rows that a large table merely has are read again in a fraction of the time that such a copy takes.
"""

from __future__ import annotations

import sqlglot.expressions as sge
from ibis.backends.sql.compilers.duckdb import DuckDBCompiler

WORK = (sge.AggFunc, sge.Window, sge.Join, sge.Group, sge.Distinct, sge.SetOperation, sge.Unnest, sge.Explode, sge.Limit)


class Compiler(DuckDBCompiler):
    """The compiler of ibis, which says besides what is not to be copied."""

    __slots__ = ()

    def to_sqlglot(self, expr, *, limit=None, params=None):
        query = super().to_sqlglot(expr, limit=limit, params=params)
        for own in query.find_all(sge.CTE):
            if own.this.find(*WORK) is None:
                own.set("materialized", False)
        return query

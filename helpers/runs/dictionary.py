"""The data dictionary: every table that one notebook leaves for another, as its contract declares it."""

from __future__ import annotations

from collections.abc import Iterator

from helpers import contracts, paths
from helpers.runs import graph, notebooks


def lines(name: str | None = None) -> Iterator[str]:
    """What is to be read about one artefact, or about all in the order of the notebooks that make them.

    Raises:
        RunFailed: There is none of that name; says which is nearest.
    """
    makers = {made: book.name for book in notebooks.read_all(paths.NOTEBOOKS) for made in sorted(graph.names(book).writes)}
    declared = contracts.all_contracts()
    wanted = [contracts.find(name)] if name else [declared[made] for made in makers if made in declared]
    for contract in wanted:
        yield from _told(contract, makers.get(contract.name, ""))


def _told(contract: contracts.Contract, maker: str) -> Iterator[str]:
    facts = [f"key {', '.join(contract.key)}", *([f"made by {maker}"] if maker else [])]
    facts += [f"needs {contract.needs}"] if contract.needs else []
    yield f"{contract.name}: {contract.grain}"
    yield f"  {'; '.join(facts)}"
    width = max(map(len, contract.columns))
    for column, spec in contract.columns.items():
        kind = f"{spec.dtype}{'?' if column in contract.nullable else ''}"
        unit = f" [{spec.unit}]" if spec.unit else ""
        yield f"  {column:<{width}}  {kind:<9}  {spec.meaning}{unit}"
    yield ""

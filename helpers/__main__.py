"""The command line: `python -m helpers report`, and what belongs to it. Thin; the work is in helpers.runs."""

from __future__ import annotations

import atexit
import gc
import os
import signal
import sys

if __name__ == "__main__":
    if not sys.flags.safe_path:
        del sys.path[0]  # the folder where one stands: a html.py or pandas.py may lie there, beside somebody's data
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # no traceback of an import; `main` says more

from pathlib import Path
from typing import Annotated

from helpers.errors import GrowthRingsError, Stopped, without_passwords
from helpers.runs import doctor as machine
from helpers.runs import stopping

try:
    import typer
    from typer.core import TyperCommand
except ImportError as missing:
    print(machine.of_import(missing), file=sys.stderr)
    sys.exit(machine.EnvironmentFault.exit_code)

app = typer.Typer(
    add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False, rich_markup_mode=None,
    help="Growth Rings: weekly reports on a community or a shop, from its raw event log.",
)  # fmt: skip


class _WithParameters(TyperCommand):
    """A command whose help ends with the parameters of all notebooks, read when the help is asked for."""

    def format_help(self, ctx, formatter) -> None:
        super().format_help(ctx, formatter)
        from helpers import paths
        from helpers.runs import notebooks, parameters

        known = parameters.collect(notebooks.read_all(paths.NOTEBOOKS))
        rows = [
            (f"{name}={parameters.shown(found.default)}", f"{found.help} ({found.kind}; {', '.join(found.notebooks)})")
            for name, found in known.items()
            if name not in parameters.RESERVED
        ]
        if rows:
            with formatter.section("Parameters of the notebooks, with their defaults (-p name=value)"):
                formatter.write_dl(rows)


Dataset = Annotated[str, typer.Argument(help="A name under data/, or a folder with a dataset.toml.")]
Week = Annotated[str, typer.Option(help="An ISO week such as 2026-W10, or latest.")]
Root = Annotated[str | None, typer.Option(help="Where the source files lie, if not in data/<name>/raw.")]
Given = Annotated[
    list[str] | None, typer.Option("-p", metavar="NAME=VALUE", help="A notebook's parameter; repeatable.")
]
Only = Annotated[
    str | None, typer.Option(metavar="NOTEBOOK", help="One notebook and what it needs; nothing is published.")
]
Force = Annotated[bool, typer.Option("--force", help="Run every step again, whether or not it changed.")]


def _request(dataset: str, week: str, root: str | None, given: list[str] | None, only: str | None, force: bool):
    from helpers.runs.planning import Request

    return Request(dataset=dataset, week=week, root=root, given=tuple(given or ()), only=only, force=force)


@app.command(cls=_WithParameters)
def report(
    dataset: Dataset = "sample",
    week: Week = "latest",
    root: Root = None,
    given: Given = None,
    only: Only = None,
    force: Force = False,
    count: Annotated[int, typer.Option("--weeks", help="How many weeks up to --week, oldest first.")] = 1,
    every: Annotated[bool, typer.Option("--all", help="Every dataset under data/ whose sources are there.")] = False,
) -> None:
    """Build the weekly report of a dataset; steps whose key has not changed are reused."""
    from helpers.runs import failures, pipeline, progress
    from helpers.show import gate

    machine.check_versions()
    request = _request(dataset, week, root, given, only, force)
    if count != 1 or every:
        _report_several(request, count, every)
    with progress.shown() as shown:
        outcome = pipeline.report(request, shown)
    print(failures.short(outcome.front))
    print(gate.plain(outcome.sentence))


def _report_several(request, count: int, every: bool) -> None:
    from helpers.runs import failures, progress, several

    with progress.shown() as shown:
        made = (several.all_datasets if every else several.weeks_up_to)(request, count, shown)
    print(failures.short(made.front))
    raise typer.Exit(made.exit_code)


@app.command(cls=_WithParameters)
def plan(
    dataset: Dataset = "sample",
    week: Week = "latest",
    root: Root = None,
    given: Given = None,
    only: Only = None,
    force: Force = False,
) -> None:
    """Print the order of the steps, and why each would run, without running them."""
    from helpers.runs import planning

    made = planning.plan(planning.check(_request(dataset, week, root, given, only, force)))
    print(made.title())
    for step in made.steps:
        decision = made.decisions[step.name]
        after = f"  after {', '.join(sorted(step.after))}" if step.after else ""
        print(f"  {step.name:<16} {decision.action:<6} {without_passwords(decision.why)}{after}")


@app.command()
def check(
    dataset: Dataset = "sample",
    root: Root = None,
    as_of: Annotated[str | None, typer.Option(metavar="DAY", help="Judge as of the end of this day: 2026-03-08.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the findings for a machine.")] = False,
    strict: Annotated[bool, typer.Option("--strict", help="Exit with 3 when there is a warning.")] = False,
) -> None:
    """Judge a dataset's files without building anything: what is wrong, where, and what to do."""
    import json

    from helpers.runs import checking, weeks

    found = checking.check(dataset, root, weeks.day(as_of) if as_of else None)
    if as_json:
        print(json.dumps(found.as_json(), ensure_ascii=False, indent=1))
    else:
        print("\n".join(found.lines()))
    raise typer.Exit(found.exit_code(strict=strict))


@app.command("fix-list")
def fix_list(
    dataset: Dataset = "sample",
    week: Week = "latest",
    out: Annotated[str | None, typer.Option(metavar="FILE", help="The file to write; else beside the quarantine.")] = None,
) -> None:
    """Write the rows that were set aside as a CSV, to send back to the owner of the data: it holds what they hold."""
    from helpers.runs import failures, fixing

    path, rows = fixing.write(dataset, week, out)
    print(f"{failures.short(path)}: {rows:,} rows, readable by you alone.")
    print("They hold ids and text as they stand in the sources: send them to the owner of the data only.")


@app.command()
def dictionary(artefact: Annotated[str | None, typer.Argument(metavar="ARTEFACT", help="One table; else all.")] = None) -> None:
    """Print the data dictionary: grain, key, columns, types (? = may be empty), units and meanings of all tables."""
    from helpers.runs import dictionary as told

    print("\n".join(told.lines(artefact)))


@app.command()
def doctor() -> None:
    """Say what is missing or unsuitable on this machine, with the remedy, one line each."""
    faults = machine.faults()
    for fault in faults:
        print(fault)
    if faults:
        raise typer.Exit(4)
    print("Everything is as it should be.")


@app.command()
def verify(
    what: Annotated[
        Path, typer.Argument(metavar="WEEK|RECORD", help="reports/NAME/WEEK, or a record as the page of experiments names it.")
    ],
    dataset: Annotated[str | None, typer.Option(metavar="FOLDER", help="Of a week: where its dataset.toml lies.")] = None,
    root: Root = None,
) -> None:
    """Build a published week again and compare it number by number; or the numbers of an experiment, from its record alone."""
    from helpers.runs import progress, records, verifying

    if verifying.is_of_week(what):
        with progress.shown() as shown:
            found = verifying.verify(what, dataset=dataset, root=root, progress=shown)
    else:
        found = records.verify(what)
    print("\n".join(found.lines))
    raise typer.Exit(0 if found.holds else 1)


@app.command()
def tidy() -> None:
    """Strip the notebooks of what is not committed: outputs (but those of check cells), counters, metadata."""
    from helpers import paths
    from helpers.runs import notebooks

    for path in notebooks.tidy(paths.NOTEBOOKS):
        print(f"tidied {path.name}")


@app.command(cls=_WithParameters)
def lab(
    dataset: Dataset = "sample",
    week: Week = "latest",
    root: Root = None,
    given: Given = None,
    port: Annotated[int, typer.Option(help="The port of JupyterLab.")] = 8888,
) -> None:
    """Open JupyterLab on copies of the notebooks with these parameters; copies that were edited are kept."""
    from helpers import paths
    from helpers.runs import scratch, store

    machine.check_versions()
    if root:
        os.environ[store.SOURCES_VARIABLE] = str(Path(root).resolve())
    made = scratch.prepare(_request(dataset, week, root, given, None, False))
    for line in made.lines:
        print(line)
    os.chdir(paths.PROJECT)
    os.execv(sys.executable, [sys.executable, *scratch.lab(paths.NOTEBOOKS, made.first, port)])


Of = Annotated[str, typer.Option("--dataset", metavar="NAME", help="A name under data/, or a folder with a dataset.toml.")]


@app.command()
def ids(
    source: Annotated[
        str, typer.Argument(metavar="LIST", help="A pseudonym a line, or a CSV with a column user_id; - for standard input.")
    ],
    dataset: Of = "sample",
    root: Root = None,
    out: Annotated[str | None, typer.Option(metavar="FILE", help="The file to write; else beside LIST, .ids.csv.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Write over a file that is there already.")] = False,
) -> None:
    """Join pseudonyms back to source ids, for those who hold the key and the sources; every use is logged."""
    from helpers.runs import identities

    print("\n".join(identities.join_back(source, dataset=dataset, root=root, out=out, force=force)))


@app.command()
def forget(
    user: Annotated[str, typer.Argument(metavar="USER_ID", help="The id as the sources spell it.")],
    dataset: Of = "sample",
    root: Root = None,
    pseudonym: Annotated[bool, typer.Option("--pseudonym", help="USER_ID is a pseudonym.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Remove a person from everything built, and see to it that no later run brings the person back."""
    from helpers.runs import forgetting

    confirm = None if yes else typer.confirm
    lines = forgetting.forget(user, dataset=dataset, root=root, is_pseudonym=pseudonym, confirm=confirm, say=print)
    print("\n".join(lines))


def main() -> None:
    """Run the command; what a person can mend is said without a traceback, with its own exit code."""
    sys.stdout.reconfigure(errors="backslashreplace")  # a log in a poor encoding is no reason to fail
    atexit.register(gc.freeze)  # or the interpreter sifts all memory once more at its end, a third of a second
    with stopping.by_signals() as asked:
        try:
            app(prog_name="python -m helpers")
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        except (Exception, Stopped) as fault:
            said = asked[0] if asked else fault
            if isinstance(said, ImportError) and not str(said.name).startswith("helpers"):
                said = machine.of_import(said)
            if not isinstance(said, GrowthRingsError | Stopped):
                raise
            print(f"\n{said}", file=sys.stderr)
            sys.exit(said.exit_code)


if __name__ == "__main__":
    main()

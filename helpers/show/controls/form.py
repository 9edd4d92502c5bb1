"""The form of conditions: lines that are added and taken away, and a name under which the condition is kept."""

from __future__ import annotations

import ipywidgets
import traitlets

from helpers.errors import GrowthRingsError
from helpers.show import gate, words
from helpers.show.controls import conditions
from helpers.show.controls.conditions import AND, OR, Conditions, Row
from helpers.show.words import word

NARROW = {"width": "auto"}


class Form(ipywidgets.VBox):
    """A widget whose `value` is SQL; a value that it has had before brings its lines back."""

    value = traitlets.Unicode("")

    def __init__(self, choice: Conditions, value: str) -> None:
        super().__init__()
        self.choice = choice
        self._lines: list[_Line] = []
        self._known: dict[str, list[Row]] = {}
        self._busy = False
        self.fault = ipywidgets.HTML()
        self.add = ipywidgets.Button(description=word("conditions.add"), layout=NARROW)
        self.add.on_click(lambda _: self.append(choice.first_row()))
        self._list = ipywidgets.VBox()
        self.children = [self._list, ipywidgets.HBox([self.add, self.fault]), *self._saving()]
        self.add_class("gr-form")
        self._set([choice.first_row()])
        if value != self.value:
            self.value = value  # a condition that was written by hand: it holds until somebody moves a line

    def rows(self) -> list[Row]:
        """What the lines say."""
        return [line.row() for line in self._lines]

    def append(self, row: Row) -> None:
        """One more line."""
        self._set([*self.rows(), row])

    def remove(self, line: _Line) -> None:
        """Take a line away; the last one stays."""
        if len(self._lines) > 1:
            self._set([own.row() for own in self._lines if own is not line])

    def _set(self, rows: list[Row]) -> None:
        self._lines = [_Line(self, row, is_first=at == 0) for at, row in enumerate(rows)]
        self._lines[0].join.layout.display = "none" if len(rows) == 1 else None  # no place is kept for what joins nothing
        self._list.children = [line.box for line in self._lines]
        self.changed()

    def changed(self) -> None:
        """A line was moved: the new condition, or what is still missing."""
        if self._busy:
            return
        rows = self.rows()
        try:
            made = conditions.sql(rows, self.choice)
        except ValueError as fault:
            self.fault.value = _said(str(fault), "alarm")
            return
        self._known[made] = rows
        self.fault.value = f"<code>{gate.escape(made)}</code>"
        self._busy, self.value = True, made
        self._busy = False

    @traitlets.observe("value")
    def _brought_back(self, change) -> None:
        if not self._busy and change["new"] in self._known:
            self._set(self._known[change["new"]])

    def _saving(self) -> list[ipywidgets.Widget]:
        if self.choice.save is None:
            return []
        self.name = ipywidgets.Text(placeholder=word("conditions.name"), layout={"width": "16rem"})
        self.keep = ipywidgets.Button(description=word("conditions.save"), layout=NARROW)
        self.back = ipywidgets.Button(description=word("conditions.drop"), layout=NARROW, disabled=True)
        self.said = ipywidgets.HTML()
        self._saved = ""
        self.keep.on_click(lambda _: self._save())
        self.back.on_click(lambda _: self._drop())
        return [ipywidgets.HBox([self.name, self.keep, self.back]), self.said]

    def _save(self) -> None:
        name = self.name.value.strip()
        if self._tried(lambda: self.choice.save(name, self.value), "conditions.saved"):
            self._saved, self.back.disabled = name, False

    def _drop(self) -> None:
        if self._tried(lambda: self.choice.drop(self._saved), "conditions.dropped"):
            self._saved, self.back.disabled = "", True

    def _tried(self, act, done: str) -> bool:
        try:
            kept = act()
            self.said.value = _said(word(done, file=kept.file, line=kept.line, text=kept.text), "good")
        except (GrowthRingsError, OSError) as fault:
            self.said.value = _said(str(fault), "alarm")
            return False
        return True


class _Line:
    """The widgets of one condition."""

    def __init__(self, form: Form, row: Row, *, is_first: bool) -> None:
        self.form, self._is_settling = form, True
        joins = [(word("conditions.and"), AND), (word("conditions.or"), OR)]
        self.join = ipywidgets.Dropdown(options=joins, value=row.join, layout={"width": "4.5rem"})
        self.join.layout.visibility = "hidden" if is_first else "visible"
        names = [(words.label(name), name) for name in form.choice.columns]
        self.column = ipywidgets.Dropdown(options=names, value=row.column, layout={"width": "12rem"})
        self.comparison = ipywidgets.Dropdown(layout={"width": "10rem"})
        self.away = ipywidgets.Button(description="×", tooltip=word("conditions.remove")).add_class("gr-away")
        self.away.on_click(lambda _: form.remove(self))
        self.box = ipywidgets.HBox(layout={"flex_flow": "row wrap"})
        self._fit(row)
        self.join.observe(lambda _: form.changed(), names="value")
        self.column.observe(lambda _: self._refit(), names="value")
        self.comparison.observe(lambda _: self._show_value(), names="value")
        self._is_settling = False

    def row(self) -> Row:
        """What it says."""
        return Row(self.column.value, self.comparison.value, self.value.value or "", self.join.value)

    def _fit(self, row: Row) -> None:
        """The comparisons and the field that suit the column."""
        column = self.form.choice.column(row.column)
        sort = conditions.kind(column.dtype)
        options = [(word(f"conditions.{key}"), key) for key in conditions.COMPARISONS[sort]]
        self.comparison.options, self.comparison.value = options, row.comparison
        if column.values and sort == "text":
            known = [(words.tier(value), value) for value in column.values]
            self.value = ipywidgets.Dropdown(options=known, value=row.value or known[0][1], layout={"width": "13rem"})
        else:
            self.value = ipywidgets.Text(value=row.value, continuous_update=False, layout={"width": "13rem"})
        self.value.observe(lambda _: self.form.changed(), names="value")
        self._show_value()
        self.box.children = [self.join, self.column, self.comparison, self.value, self.away]

    def _refit(self) -> None:
        """Another column was chosen: its first comparison, its first value."""
        single = Conditions({self.column.value: self.form.choice.columns[self.column.value]})
        self._is_settling = True
        self._fit(single.first_row())
        self._is_settling = False
        self.form.changed()

    def _show_value(self) -> None:
        if self.comparison.value is None:  # between the old menu and the new one
            return
        self.value.layout.visibility = "visible" if conditions.needs_value(self.row()) else "hidden"
        if not self._is_settling:
            self.form.changed()


def _said(text: str, tone: str) -> str:
    return f'<div class="gr"><p class="gr-say {tone}">{gate.escape(text)}</p></div>'

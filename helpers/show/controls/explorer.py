"""The widgets of one cell and what they show: greyed while it works, with a way back and the code of what is seen."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Mapping
from contextlib import contextmanager
from functools import cache
from typing import Any

import ipywidgets

from helpers.errors import GrowthRingsError
from helpers.show import gate
from helpers.show.controls import choices as kinds
from helpers.show.controls import code, linking
from helpers.show.controls.choices import Linked
from helpers.show.words import word

BUSY = "gr-busy"
MOST_KEPT = 100
# Runs in the reader's browser alone, on a text that stands beside it; nothing of the data is in it.
COPY = (
    "const box=this.closest('.gr-explore'),text=box.querySelector('.gr-code textarea');"
    "if(box.classList.toggle('gr-coded')){text.focus();text.select();"
    "if(navigator.clipboard)navigator.clipboard.writeText(text.value).catch(()=>{})}"
)


class Explorer:
    """One call of `explore`, live; `box` is what is displayed."""

    def __init__(self, function: Callable[..., Any], choices: Mapping[str, Any], first: Mapping[str, Any]) -> None:
        self.function, self.choices = function, dict(choices)
        self.inputs: dict[str, Any] = {}
        self.past: list[dict[str, Any]] = []
        self._quiet = True
        for name, choice in self.choices.items():
            self.inputs[name] = kinds.widget(name, kinds.settled(choice, first), first[name])
            self.inputs[name].observe(lambda change, name=name: self._changed(name, change["old"]), names="value")
        # Not an Output: a kernel that is driven by plain papermill or nbconvert may wait for its front end for ever.
        self.shown = ipywidgets.HTML().add_class("gr-shown")
        self.code = ipywidgets.Textarea(rows=8).add_class("gr-code")
        self.undo = ipywidgets.Button(description=word("explore.undo"), tooltip=word("explore.undo_tip"))
        self.reset = ipywidgets.Button(description=word("explore.reset"), tooltip=word("explore.reset_tip"))
        self.undo.on_click(lambda _: self._back())
        self.reset.on_click(lambda _: self._to(self.start))
        self.box = self._laid_out()
        self._take_part()
        self.start = self.values()
        self._quiet = False
        self._answer()

    def values(self) -> dict[str, Any]:
        """The present choices by name."""
        return {name: widget.value for name, widget in self.inputs.items()}

    def keys(self) -> dict[str, Any]:
        """Where each value stands in its menu: its label, or its number in a list."""
        menus = {name: widget for name, widget in self.inputs.items() if isinstance(widget, ipywidgets.Dropdown)}
        named = {name: isinstance(kinds.settled(self.choices[name], self.values()), dict) for name in menus}
        return {name: widget.label if named[name] else widget.index for name, widget in menus.items()}

    def follow(self, name: str, value: Any) -> None:
        """Take over a choice that was made in another cell, where there is such a value here."""
        if value != self.inputs[name].value and value in _values_of(self.inputs[name]):
            self._to({**self.values(), name: value}, tell=False)

    def _laid_out(self) -> ipywidgets.VBox:
        menus = ipywidgets.HBox(list(self.inputs.values())).add_class("gr-choices")
        copy = ipywidgets.HTML(
            f'<button type="button" class="jupyter-button widget-button" onclick="{COPY}"'
            f' title="{gate.escape(word("explore.code_tip"))}">{gate.escape(word("explore.code"))}</button>'
        )
        tools = ipywidgets.HBox([self.undo, self.reset, copy, waiting()]).add_class("gr-tools")
        return ipywidgets.VBox([menus, self.shown, tools, self.code, look()]).add_class("gr-explore")

    def _take_part(self) -> None:
        at = linking.place(self.function)
        for name, choice in self.choices.items():
            if isinstance(choice, Linked):
                self.inputs[name].tooltip = word("explore.linked")
                linking.join(choice.group, at, self, name)
                known = linking.chosen(choice.group)
                if known in _values_of(self.inputs[name]):
                    self.inputs[name].value = known
                    self._let_follow(name)

    def _changed(self, name: str, old: Any) -> None:
        """Somebody moved a widget."""
        if self._quiet:
            return
        before = {**self.values(), name: old}
        self._keep(before)
        with self._silently():
            self._let_follow(name)
        self._answer()
        self._tell(before)

    def _let_follow(self, name: str) -> None:
        """Give the menus that depend on a choice their new values; one that is still there stays chosen."""
        names = list(self.choices)
        for later in names[names.index(name) + 1 :]:
            if not callable(kinds.plain(self.choices[later])):
                continue
            widget, options = self.inputs[later], kinds.options(kinds.settled(self.choices[later], self.values()))
            if list(widget.options) != options:
                kept = widget.value
                widget.options = options
                widget.value = kept if kept in [value for _, value in options] else options[0][1]

    def _keep(self, values: dict[str, Any]) -> None:
        self.past = [*self.past[-MOST_KEPT:], values]

    def _back(self) -> None:
        if self.past:
            values = self.past.pop()
            self._to(values, keep=False)

    def _to(self, values: Mapping[str, Any], *, keep: bool = True, tell: bool = True) -> None:
        """Set all choices at once, and answer once."""
        before = self.values()
        if keep and before != values:
            self._keep(before)
        with self._silently():
            for name, value in values.items():
                if self.inputs[name].value != value and (value in _values_of(self.inputs[name])):
                    self.inputs[name].value = value
                    self._let_follow(name)
        self._answer()
        if tell:
            self._tell(before)

    def _tell(self, before: Mapping[str, Any]) -> None:
        for name, choice in self.choices.items():
            if isinstance(choice, Linked) and self.inputs[name].value != before[name]:
                linking.tell(choice.group, self.inputs[name].value, self)

    @contextmanager
    def _silently(self):
        self._quiet = True
        try:
            yield
        finally:
            self._quiet = False

    def _answer(self) -> None:
        """Show what the function returns for the present choices, the old greyed until then; its error in words."""
        values = self.values()
        self.undo.disabled, self.reset.disabled = not self.past, values == self.start
        self.box.add_class(BUSY)
        try:
            self.shown.value = answered(self.function, values)
            self.code.value = written(self.function, values, self.keys())
            self.code.rows = min(20, self.code.value.count("\n") + 2)
        finally:
            self.box.remove_class(BUSY)


def waiting() -> ipywidgets.HTML:
    """A spinner and a bar, which the style sheet shows when their box has been busy for a second."""
    said = gate.escape(word("explore.busy"))
    return ipywidgets.HTML(f'<div class="gr-wait" role="status"><i></i><span>{said}</span><b role="progressbar"></b></div>')


def look() -> ipywidgets.HTML:
    """The style sheet, once a cell."""
    return ipywidgets.HTML(gate.lab_style() + _style(), layout={"display": "none"})


def _values_of(widget: Any) -> Any:
    """What a widget can be set to: the values of a menu; of any other, whatever comes from it."""
    is_menu = isinstance(widget, ipywidgets.Dropdown)
    return [value for _, value in widget.options] if is_menu else _Anything()


class _Anything:
    def __contains__(self, value: Any) -> bool:
        return value is not None


def answered(function: Callable[..., Any], values: Mapping[str, Any]) -> str:
    """The markup of what the function returns; of its error, a message for people, with the place folded under it."""
    try:
        return markup(function(**values))
    except Exception as fault:
        said = str(fault) if isinstance(fault, GrowthRingsError | ValueError) else f"{type(fault).__name__}: {fault}"
        place = "".join(traceback.format_exception(fault)[-3:])
        return (
            f'<div class="gr"><p class="gr-say alarm"><strong>{gate.escape(word("explore.failed"))}</strong> '
            f'{gate.escape(said)}</p><details><summary>{gate.escape(word("explore.place"))}</summary>'
            f"<pre>{gate.escape(place)}</pre></details></div>"
        )


def markup(result: Any) -> str:
    """What is shown of a result."""
    if isinstance(result, gate.Shown):
        return result.html
    if result is None:
        return f'<p class="gr gr-skipped">{gate.escape(word("explore.empty"))}</p>'
    return getattr(result, "_repr_html_", lambda: None)() or f"<pre>{gate.escape(result)}</pre>"


def written(function: Callable[..., Any], values: Mapping[str, Any], keys: Mapping[str, Any]) -> str:
    """The code of the call; a comment that says why there is none."""
    try:
        return code.of(function, values, keys)
    except code.Unwritable as why:
        return "# " + (word("explore.no_source") if str(why) == "source" else word("explore.no_literal", name=why))


@cache
def _style() -> str:
    """The look of the widgets themselves, in JupyterLab's own colours."""
    css = (gate.TEMPLATE / "controls.css").read_text(encoding="utf-8")
    return f"<style data-growth-rings>{gate.squeeze(css)}</style>"

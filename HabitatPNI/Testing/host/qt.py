"""The module `qt`: PySide6 as PythonQt of Qt 5.15 shows it, and nothing that Slicer lacks."""

import atexit
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from PySide6 import QtCore, QtWidgets

from host import dialogs, strict
from host.allowed import CLASSES
from host.signals import slot_of
from host.spec import LISTING, NotInHost

opened: list[str] = []
"""Addresses that scripts asked the desktop to open; nothing is opened."""

_ACCEPT = ("Ok", "Cancel")


def make_module(name: str) -> ModuleType:
    """A module `name` ("qt" or "ctk") whose classes are the proxies; AttributeError for a class that Slicer does not have."""
    module = ModuleType(name, f"Stand-in for Slicer's module {name}.")

    def find(attribute: str) -> Any:
        if attribute.startswith("__"):
            raise AttributeError(attribute)
        return strict.proxy_class(f"{name}.{attribute}")

    def names() -> list[str]:
        return sorted(full.partition(".")[2] for full in {**LISTING, **CLASSES} if full.startswith(f"{name}."))

    module.__dict__.update(__getattr__=find, __dir__=names)
    return module


class Settings(QtCore.QSettings):
    """QSettings that without arguments keeps its values in a file of this process, so that no test sees another's."""

    _folder: str | None = None

    def __init__(self, *arguments: Any) -> None:
        if not arguments:
            arguments = (str(Path(self._of_process()) / "Slicer.ini"), QtCore.QSettings.Format.IniFormat)
        super().__init__(*arguments)

    @classmethod
    def _of_process(cls) -> str:
        if Settings._folder is None:
            Settings._folder = tempfile.mkdtemp(prefix="habitatpni-host-")
            atexit.register(shutil.rmtree, Settings._folder, ignore_errors=True)
        return Settings._folder


def install() -> None:
    """Teach the proxies what PySide6 does differently from PythonQt."""
    strict.register("qt.QSettings", Settings)
    answers: tuple[tuple[str, str, Any], ...] = (
        ("qt.QTimer", "singleShot", staticmethod(_single_shot)),
        ("qt.QByteArray", "data", lambda proxy: bytes(proxy._real.data())),
        ("qt.QDesktopServices", "openUrl", staticmethod(_open_url)),
        ("qt.QDialog", "exec", _exec_dialog),
        ("qt.QMessageBox", "exec", _exec_message_box),
        ("qt.QFileDialog", "exec", _exec_file_dialog),
        ("qt.QMenu", "exec", _exec_menu),
        ("qt.QFileDialog", "getOpenFileName", staticmethod(_ask_file(QtWidgets.QFileDialog.getOpenFileName))),
        ("qt.QFileDialog", "getOpenFileNames", staticmethod(_ask_files)),
        ("qt.QFileDialog", "getSaveFileName", staticmethod(_ask_file(QtWidgets.QFileDialog.getSaveFileName))),
        ("qt.QFileDialog", "getExistingDirectory", staticmethod(_ask_file(QtWidgets.QFileDialog.getExistingDirectory))),
        *(("qt.QMessageBox", kind, staticmethod(_ask_message(kind))) for kind in ("information", "warning", "critical", "question")),
        *(("qt.QInputDialog", kind, staticmethod(_refuse)) for kind in ("getText", "getInt", "getDouble", "getItem", "getMultiLineText")),
    )
    for name, member, function in answers:
        strict.override(name, member, function)


def _refuse(*_: Any) -> None:
    raise NotInHost("the stand-in host does not imitate QInputDialog")


def _single_shot(milliseconds: int, function: Callable[[], Any]) -> None:
    QtCore.QTimer.singleShot(int(milliseconds), slot_of(function, 0, strict.wrap))


def _open_url(url: Any) -> bool:
    opened.append(strict.unwrap(url).toString())
    return True


def _button_names(buttons: Any) -> tuple[str, ...]:
    return tuple(b.name for b in QtWidgets.QMessageBox.StandardButton if b.name and b.value and (b & buttons) == b and b.name in _STANDARD)


_STANDARD = (
    *("Ok", "Open", "Save", "Cancel", "Close", "Discard", "Apply", "Reset", "RestoreDefaults", "Help", "SaveAll", "Yes", "YesToAll"),
    *("No", "NoToAll", "Abort", "Retry", "Ignore"),
)


def _exec_message_box(proxy: Any) -> int:
    box = proxy._real
    if box.standardButtons() == QtWidgets.QMessageBox.StandardButton.NoButton and not box.buttons():
        box.setStandardButtons(QtWidgets.QMessageBox.StandardButton.Ok)
    by_name = {name: box.button(QtWidgets.QMessageBox.StandardButton[name]) for name in _button_names(box.standardButtons())}
    # "Show Details..." is Qt's own addition and closes nothing.
    details = QtWidgets.QMessageBox.ButtonRole.ActionRole
    own = [b for b in box.buttons() if b not in by_name.values() and not (box.detailedText() and box.buttonRole(b) == details)]
    by_name |= {button.text().replace("&", ""): button for button in own}
    kind = {2: "warning", 3: "error", 4: "question"}.get(int(box.icon().value), "message")
    done: list[int] = []
    text = " ".join(part for part in (box.text(), box.informativeText()) if part)

    def show() -> str:
        done.append(box.exec())
        return next((name for name, button in by_name.items() if button is box.clickedButton()), "Cancel")

    answer = dialogs.ask(kind, text, title=box.windowTitle(), detailed_text=box.detailedText(), buttons=tuple(by_name), show=show)
    if done:
        return done[0]
    button = by_name[answer]
    button.click()
    return own.index(button) if button in own else int(box.standardButton(button).value)


def _ask_message(kind: str) -> Callable[..., Any]:
    default = ("Yes", "No") if kind == "question" else ("Ok",)

    def ask(parent: Any, title: str, text: str, buttons: Any = None, *_: Any) -> Any:
        standard = QtWidgets.QMessageBox.StandardButton
        names = default if buttons is None else _button_names(strict.unwrap(buttons))

        def show() -> str:
            offered = standard.NoButton
            for name in names:
                offered |= standard[name]
            return str(getattr(QtWidgets.QMessageBox, kind)(strict.unwrap(parent), title, text, offered).name)

        word = {"critical": "error", "information": "info"}.get(kind, kind)
        return strict.wrap(standard[dialogs.ask(word, text, title=title, buttons=names, show=show)])

    return ask


def _ask_file(show: Callable[..., Any]) -> Callable[..., str]:
    def ask(parent: Any = None, caption: str = "", folder: str = "", *rest: Any) -> str:
        def from_person() -> str:
            found = show(strict.unwrap(parent), caption, folder, *strict.unwrap(list(rest)))
            return str(found[0] if isinstance(found, tuple) else found)

        return dialogs.ask("file", caption, buttons=(), show=from_person)

    return ask


def _ask_files(parent: Any = None, caption: str = "", *rest: Any) -> list[str]:
    def from_person() -> str:
        return "\n".join(QtWidgets.QFileDialog.getOpenFileNames(strict.unwrap(parent), caption, *strict.unwrap(list(rest)))[0])

    return [path for path in dialogs.ask("file", caption, buttons=(), show=from_person).split("\n") if path]


def _exec_dialog(proxy: Any) -> int:
    dialog = proxy._real
    answer = dialogs.ask("dialog", dialog.windowTitle(), buttons=_ACCEPT, show=lambda: _ACCEPT[0 if dialog.exec() else 1])
    dialog.done(int(answer == "Ok"))
    return int(dialog.result())


def _exec_file_dialog(proxy: Any) -> int:
    dialog = proxy._real
    path = dialogs.ask("file", dialog.windowTitle(), buttons=(), show=lambda: dialog.selectedFiles()[0] if dialog.exec() else "")
    if path:
        dialog.selectFile(path)
    return int(bool(path))


def _exec_menu(proxy: Any, *position: Any) -> Any:
    menu = proxy._real
    by_name = {action.text().replace("&", ""): action for action in menu.actions() if not action.isSeparator()}

    def show() -> str:
        chosen = menu.exec(*strict.unwrap(list(position)))
        return "" if chosen is None else str(chosen.text().replace("&", ""))

    answer = dialogs.ask("menu", menu.title(), buttons=(*by_name, ""), show=show)
    if answer and not dialogs.interactive():
        by_name[answer].trigger()
    return strict.wrap(by_name.get(answer))

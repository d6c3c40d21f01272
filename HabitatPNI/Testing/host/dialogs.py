"""Message boxes and file dialogs of the stand-in: kept in a list, and answered from a script instead of by a person.

In a test nobody can click a modal dialog away, so one that no answer was scripted for raises instead of waiting for ever.
Because Qt swallows what a slot raises, such a dialog is also kept, and `verify` raises for it at the end of the test.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

__all__ = ["Dialog", "UnexpectedDialog", "answer_with", "ask", "forget", "interactive", "set_interactive", "shown", "verify"]


class UnexpectedDialog(AssertionError):
    """A modal dialog for which the test had scripted no answer, or an answer that the dialog does not offer."""


@dataclass(frozen=True)
class Dialog:
    """One dialog as the user would have seen it.

    Parameters
    ----------
    kind : ``error``, ``warning``, ``info``, ``question``, ``message``, ``file``, ``input`` or ``dialog``
    text, title, detailed_text : what stood in it
    buttons : names of its buttons in Qt's spelling, without ``Button`` (``Ok``, ``Cancel``, ``Yes`` ...); empty for those that ask for
        a file or a text
    answer : the button's name, or the file or text given ("" when it was cancelled); None when it was unexpected
    """

    kind: str
    text: str
    title: str = ""
    detailed_text: str = ""
    buttons: tuple[str, ...] = ()
    answer: str | None = None


shown: list[Dialog] = []
"""Every dialog since the last `forget`, in order."""

_answers: list[str | Callable[[Dialog], str]] = []
_unexpected: list[str] = []
_mode = {"interactive": False}


def answer_with(*answers: str | Callable[[Dialog], str]) -> None:
    """Script the answers to the next dialogs, in order: a button's name, a path or text, or a function of the `Dialog`."""
    _answers.extend(answers)


def forget() -> None:
    """Empty the list of dialogs and the script."""
    shown.clear()
    _answers.clear()
    _unexpected.clear()


def verify() -> None:
    """Raise `UnexpectedDialog` when a dialog came that no answer was scripted for, or an answer is left over."""
    problems = [*_unexpected, *(f"no dialog came for the scripted answer {answer!r}" for answer in _answers)]
    if problems:
        raise UnexpectedDialog("; ".join(problems))


def interactive() -> bool:
    """Whether dialogs are shown to a person (the stand-in as a program) instead of being answered from the script."""
    return _mode["interactive"]


def set_interactive(on: bool) -> None:
    """Show dialogs to a person from now on, or answer them from the script."""
    _mode["interactive"] = on


def ask(
    kind: str,
    text: str,
    *,
    title: str = "",
    detailed_text: str = "",
    buttons: tuple[str, ...] = ("Ok",),
    show: Callable[[], str] | None = None,
) -> str:
    """Answer of a dialog: from the script, or in interactive mode from ``show``.

    Raises
    ------
    UnexpectedDialog
        when no answer is scripted, or one that the dialog has no button for
    """
    dialog = Dialog(kind, text, title.strip(), detailed_text, buttons)
    if interactive() and show is not None:
        answer = show()
    elif not _answers:
        shown.append(dialog)
        return _refuse(f"a dialog came that no answer was scripted for: {kind} {text!r} {_offer(buttons)}".rstrip())
    else:
        scripted = _answers.pop(0)
        answer = scripted(dialog) if callable(scripted) else scripted
    if buttons and answer not in buttons:
        shown.append(dialog)
        return _refuse(f"the scripted answer {answer!r} is no button of: {kind} {text!r} {_offer(buttons)}")
    shown.append(Dialog(kind, text, title.strip(), detailed_text, buttons, answer))
    return answer


def _offer(buttons: tuple[str, ...]) -> str:
    return f"[{', '.join(buttons)}]" if buttons else ""


def _refuse(problem: str) -> Any:
    _unexpected.append(problem)
    raise UnexpectedDialog(problem)

"""Signals by their Qt 5 signatures: connecting Python functions to them as PythonQt does."""

import inspect
import sys
import traceback
import types
from collections.abc import Callable
from typing import Any

import shiboken6
from PySide6 import QtCore

from host.spec import NotInHost, Spec

# Signals whose overloads are one signal with a default argument: connecting them by name is not ambiguous.
CLONES = frozenset({"clicked", "destroyed", "triggered", "validInputChanged"})
# Qt 5 signals that Qt 6 renamed.
RENAMED = {
    "currentIndexChanged(QString)": "currentTextChanged",
    "activated(QString)": "textActivated",
    "highlighted(QString)": "textHighlighted",
    "valueChanged(QString)": "textChanged",
    "error(QProcess::ProcessError)": "errorOccurred",
    "buttonClicked(int)": "idClicked",
    "buttonPressed(int)": "idPressed",
    "buttonReleased(int)": "idReleased",
    "buttonToggled(int,bool)": "idToggled",
}

errors: list[BaseException] = []
"""Exceptions raised by connected functions; Qt goes on after them, as PythonQt does, so a test looks here."""

_connections: dict[int, list[tuple[str, Any, Callable[..., None]]]] = {}


def only_signature(spec: Spec, name: str) -> str:
    """The signature that `object.name` means; TypeError where Qt 5 has several."""
    found = sorted((s for s in spec.signals if s.partition("(")[0] == name), key=len)
    if len(found) > 1 and name not in CLONES:
        raise TypeError(f"{spec.name}.{name} has several forms ({', '.join(found)}): name one, as in connect({found[-1]!r}, f)")
    return found[-1]


def find(real: Any, spec: Spec, signature: str) -> Any:
    """The PySide6 signal behind a signature of the listing."""
    name = signature.partition("(")[0]
    found = getattr(real, getattr(type(real), "SIGNALS", {}).get(signature) or RENAMED.get(signature, name), None)
    found = found if hasattr(found, "connect") else getattr(real, name, None)
    if not hasattr(found, "connect"):
        raise NotInHost(f"{spec.name}.{signature} exists in Slicer; the stand-in host never sends it")
    return found


def _normal(spec: Spec, signature: str) -> str:
    normalized: Any = QtCore.QMetaObject.normalizedSignature  # its type stub asks for bytes, which it refuses
    normal = normalized(signature).data().decode()
    if normal not in spec.signals:
        raise AttributeError(f"{spec.name} has no signal {signature!r} in Slicer")
    return normal


def connect(real: Any, spec: Spec, signature: str, function: Callable[..., Any], wrap: Callable[[Any], Any]) -> bool:
    """Call `function` whenever the signal is sent, with its arguments given through `wrap`."""
    signature = _normal(spec, signature)
    given = signature.partition("(")[2].rstrip(")")
    receiver = slot_of(function, given.count(",") + 1 if given else 0, wrap)
    find(real, spec, signature).connect(receiver)
    pointer = shiboken6.getCppPointer(real)[0]
    if pointer not in _connections:
        _connections[pointer] = []
        real.destroyed.connect(lambda: _connections.pop(pointer, None))
    _connections[pointer].append((signature, function, receiver))
    return True


def disconnect(real: Any, spec: Spec, signature: str, function: Any = None) -> bool:
    """End the connections of a signal to `function`, or to all; True where there was one."""
    signature = _normal(spec, signature)
    known = _connections.get(shiboken6.getCppPointer(real)[0], [])
    ended = [entry for entry in known if entry[0] == signature and (function is None or entry[1] == function)]
    for entry in ended:
        find(real, spec, signature).disconnect(entry[2])
        known.remove(entry)
    return bool(ended)


def _arity(function: Any) -> int | None:
    # PythonQt cuts the arguments to those that a Python function or method takes, and gives all to any other callable.
    plain = function.__func__ if isinstance(function, types.MethodType) else function
    if not isinstance(plain, types.FunctionType) or plain.__code__.co_flags & inspect.CO_VARARGS:
        return None
    return plain.__code__.co_argcount - (plain is not function)


def slot_of(function: Any, count: int, wrap: Callable[[Any], Any]) -> Callable[..., None]:
    """A receiver that gives a script's function at most `count` arguments and keeps its exceptions in `errors`."""
    limit = _arity(function)

    def call(*arguments: Any) -> None:
        given = [wrap(argument) for argument in arguments]
        try:
            function(*(given if limit is None else given[:limit]))
        except Exception as error:
            errors.append(error)
            traceback.print_exc(file=sys.stderr)

    # PySide6 gives a signal's arguments by the receiver's number of parameters, so each number has a receiver of its own.
    by_count: tuple[Callable[..., None], ...] = (
        lambda: call(),
        lambda a: call(a),
        lambda a, b: call(a, b),
        lambda a, b, c: call(a, b, c),
        lambda a, b, c, d: call(a, b, c, d),
    )
    return by_count[count]

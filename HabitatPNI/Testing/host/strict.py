"""PythonQt's dialect over PySide6 objects, each access checked against the listing of what Slicer really has.

A proxy stands for one Qt object. What it does with `proxy.name` is decided by the listing of its class, not by PySide6: a Qt property is a
value (read without a call, assignable), a signal has connect/disconnect, everything else is a method or an enum value, and a name that the
listing does not have raises AttributeError. A name that Slicer has and this host does not imitate raises NotInHost.

Classes that PySide6 lacks (ctk, qMRML) are ordinary PySide6 classes with Qt's getter and setter methods and `Signal`s under the listed
names, made known by `register`.
"""

import enum
import weakref
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import shiboken6
from PySide6 import QtCore, QtWidgets

from host import signals
from host.allowed import CLASSES
from host.enums import EnumType, EnumValue
from host.spec import LISTING, NotInHost, Spec, qt_class_of, spec_of

_proxies: "weakref.WeakValueDictionary[int, Proxy]" = weakref.WeakValueDictionary()
_classes: dict[type, "ProxyType"] = {}
_names: dict[str, "ProxyType"] = {}
_overrides: dict[tuple[str, str], Callable[..., Any]] = {}


def wrap(value: Any) -> Any:
    """What a script in Slicer would hold for a PySide6 value: a proxy, an enum value, or the plain value itself."""
    if isinstance(value, enum.Enum) and type(value).__module__.startswith("PySide6"):
        return EnumValue(value)
    if isinstance(value, shiboken6.Shiboken.Object):
        return _wrap_object(value)
    if type(value) in (list, tuple):
        return type(value)(wrap(item) for item in value)
    return value


def _wrap_object(real: Any) -> Any:
    pointer = shiboken6.getCppPointer(real)[0] if isinstance(real, QtCore.QObject) else 0
    known = _proxies.get(pointer) if pointer else None
    if known is not None and shiboken6.isValid(known._real):
        return known
    cls: Any = class_for(type(real))
    proxy = object.__new__(cls)
    object.__setattr__(proxy, "_real", real)
    if pointer:
        _proxies[pointer] = proxy
    return proxy


def unwrap(value: Any) -> Any:
    """The PySide6 value behind a proxy or enum value; lists, tuples and dicts are looked through."""
    if isinstance(value, Proxy):
        _alive(value, "")
        return value._real
    if isinstance(value, EnumValue):
        return value.qt
    if type(value) in (list, tuple):
        return type(value)(unwrap(item) for item in value)
    if type(value) is dict:
        return {key: unwrap(item) for key, item in value.items()}
    return value


def class_for(qt_class: type) -> "ProxyType":
    """The proxy class of a PySide6 class, or of its nearest base that Slicer has."""
    for base in qt_class.__mro__:
        if base in _classes:
            return _classes[base]
        name = f"qt.{base.__name__}"
        if base.__module__.startswith("PySide6") and (name in LISTING or name in CLASSES):
            return register(name, base)
    raise NotInHost(f"{qt_class.__name__} is neither in the listing nor in host/allowed.py")


# --------------------------------------------------------------------------------------------------------------- proxies
class ProxyType(type):
    """Class of the proxy classes: enum values, static methods and methods taken from the class."""

    _spec: Spec
    _implementation: type

    def __getattr__(cls, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        override = _override(cls, name)
        if override is not None:
            return override
        if name not in cls._spec.members:
            raise AttributeError(f"{cls._spec.name} has no {name!r} in Slicer")
        found = getattr(cls._implementation, name, None)
        if found is None:
            raise NotInHost(f"{cls._spec.name}.{name} exists in Slicer; the stand-in host does not imitate it")
        if isinstance(found, type) and issubclass(found, enum.Enum):
            return EnumType(found)
        return partial(_call, found) if callable(found) and not isinstance(found, enum.Enum) else wrap(found)

    def __dir__(cls) -> list[str]:
        return sorted(cls._spec.members)


class Proxy(metaclass=ProxyType):
    """A Qt object as PythonQt shows it."""

    __slots__ = ("__weakref__", "_real")
    _real: Any
    _spec: Spec = Spec("qt", frozenset(), frozenset(), frozenset())
    _implementation: type = object

    def __init__(self, *arguments: Any) -> None:
        real = _call_raw(type(self)._implementation, arguments)
        object.__setattr__(self, "_real", real)
        if isinstance(real, QtCore.QObject):
            _proxies[shiboken6.getCppPointer(real)[0]] = self
            if hasattr(self, "__dict__"):
                real.__dict__["_script_side"] = self  # the Python half of a script's own subclass lives as long as the Qt half

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        spec = self._spec
        _alive(self, name)
        if name in spec.properties:
            return wrap(read(self._real, name))
        if name in spec.signal_names:
            return BoundSignal(self, name)
        if name in spec.members:
            return _member(self, name)
        if _has_dynamic(self._real, name):
            return wrap(self._real.property(name))
        raise AttributeError(f"{spec.name} has no {name!r} in Slicer")

    def __setattr__(self, name: str, value: Any) -> None:
        spec = self._spec
        _alive(self, name)
        if name in spec.properties:
            write(self._real, name, unwrap(value))
        elif name in spec.members or name in spec.signal_names:
            raise AttributeError(f"{spec.name}.{name} is a method or signal and cannot be assigned")
        elif _has_dynamic(self._real, name):
            self._real.setProperty(name, unwrap(value))
        elif hasattr(self, "__dict__"):
            object.__setattr__(self, name, value)
        else:
            raise AttributeError(f"{spec.name} has no {name!r} in Slicer")

    def __bool__(self) -> bool:
        return not isinstance(self._real, shiboken6.Shiboken.Object) or shiboken6.isValid(self._real)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Proxy):
            return NotImplemented
        if isinstance(self._real, QtCore.QObject) or isinstance(other._real, QtCore.QObject):
            return self._real is other._real
        return bool(self._real == other._real)

    def __hash__(self) -> int:
        return hash(self._real)

    def __dir__(self) -> list[str]:
        return sorted(self._spec.members)

    def __repr__(self) -> str:
        return f"{self._spec.name.partition('.')[2]} (C++ object)"


def _has_dynamic(real: Any, name: str) -> bool:
    return isinstance(real, QtCore.QObject) and name.encode() in [n.data() for n in real.dynamicPropertyNames()]


def _alive(proxy: Proxy, name: str) -> None:
    real = proxy._real
    if isinstance(real, shiboken6.Shiboken.Object) and not shiboken6.isValid(real):
        raise ValueError(f"Trying to use {name or 'it'!r} of a destroyed {proxy._spec.name} object")


def _override(cls: type, name: str) -> Callable[..., Any] | None:
    for base in cls.__mro__:
        spec = base.__dict__.get("_spec")
        if spec is not None and (spec.name, name) in _overrides:
            return _overrides[spec.name, name]
    return None


def _call_raw(function: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
    return function(*(unwrap(argument) for argument in arguments))


def _call(function: Callable[..., Any], *arguments: Any) -> Any:
    return wrap(_call_raw(function, arguments))


def _member(proxy: Proxy, name: str) -> Any:
    override = _override(type(proxy), name)
    if override is not None:
        return override if isinstance(override, staticmethod) else partial(override, proxy)
    if name in SPECIAL and isinstance(proxy._real, QtCore.QObject):
        return partial(SPECIAL[name], proxy)
    if name in ("className", "inherits"):
        own = proxy._spec.name.partition(".")[2]
        return (lambda: own) if name == "className" else (lambda other: other in [c.__name__ for c in type(proxy._real).__mro__])
    # Enum values are found on PySide6's classes only.
    found = getattr(proxy._real, name, getattr(type(proxy._real), name, None))
    if found is None:
        raise NotInHost(f"{proxy._spec.name}.{name} exists in Slicer; the stand-in host does not imitate it")
    if isinstance(found, type) and issubclass(found, enum.Enum):
        return EnumType(found)
    return partial(_call, found) if callable(found) and not isinstance(found, enum.Enum) else wrap(found)


def _capital(name: str) -> str:
    return name[:1].upper() + name[1:]


def read(real: Any, name: str) -> Any:
    """Value of a Qt property of a PySide6 object."""
    for getter in (f"is{_capital(name)}", f"has{_capital(name)}", name):
        if callable(getattr(type(real), getter, None)):
            return getattr(real, getter)()
    if real.metaObject().indexOfProperty(name) >= 0:
        return real.property(name)
    raise NotInHost(f"{type(real).__name__}.{name} exists in Slicer; the stand-in host does not imitate it")


def write(real: Any, name: str, value: Any) -> None:
    """Set a Qt property of a PySide6 object; AttributeError where it is read-only."""
    setter = getattr(real, f"set{_capital(name)}", None)
    meta = real.metaObject()
    index = meta.indexOfProperty(name)
    if setter is not None:
        if type(value) is int and isinstance(current := read(real, name), enum.Enum):
            value = type(current)(value)
        setter(value)
    elif index >= 0 and meta.property(index).isWritable():
        real.setProperty(name, value)
    else:
        read(real, name)
        raise AttributeError(f"{type(real).__name__}.{name} is read-only")


# --------------------------------------------------------------------------------------------------------------- signals
class BoundSignal:
    """A signal of an object: connect, disconnect, and a call to send it."""

    def __init__(self, owner: Proxy, name: str) -> None:
        self._owner, self._name = owner, name

    def _signature(self) -> str:
        return signals.only_signature(self._owner._spec, self._name)

    def connect(self, function: Callable[..., Any]) -> bool:
        """Call the function whenever the signal is sent."""
        return _connect(self._owner, self._signature(), function)

    def disconnect(self, function: Callable[..., Any] | None = None) -> bool:
        """Stop calling the function, or all functions."""
        return _disconnect(self._owner, self._signature(), function)

    def __call__(self, *arguments: Any) -> None:
        signals.find(self._owner._real, self._owner._spec, self._signature()).emit(*(unwrap(a) for a in arguments))


def _connect(proxy: Proxy, signature: str, function: Any, *slot: Any) -> bool:
    if slot or not callable(function):
        raise NotInHost(f"connect({signature!r}, ...) takes one Python function in the stand-in host")
    return signals.connect(proxy._real, proxy._spec, signature, function, wrap)


def _disconnect(proxy: Proxy, signature: str, function: Any = None) -> bool:
    return signals.disconnect(proxy._real, proxy._spec, signature, function)


# ------------------------------------------------------------------------------------------------------- special members
def _children(proxy: Proxy, kind: Any = None, name: str = "") -> Iterator[Any]:
    for child in proxy._real.findChildren(QtCore.QObject):
        if name and child.objectName() != name:
            continue
        if isinstance(kind, ProxyType) and not isinstance(child, kind._implementation):
            continue
        if isinstance(kind, str) and not _member(wrap(child), "inherits")(kind):
            continue
        yield wrap(child)


def _set_property(proxy: Proxy, name: str, value: Any) -> bool:
    if name not in proxy._spec.properties:
        return bool(proxy._real.setProperty(name, unwrap(value)))
    write(proxy._real, name, unwrap(value))
    return True


def _delete(proxy: Proxy) -> None:
    shiboken6.delete(proxy._real)


def _property(proxy: Proxy, name: str) -> Any:
    return wrap(read(proxy._real, name) if name in proxy._spec.properties else proxy._real.property(name))


SPECIAL: dict[str, Callable[..., Any]] = {
    "connect": _connect,
    "disconnect": _disconnect,
    "property": _property,
    "setProperty": _set_property,
    "findChild": lambda proxy, kind=None, name="": next(_children(proxy, kind, name), None),
    "findChildren": lambda proxy, kind=None, name="": list(_children(proxy, kind, name)),
    "delete": _delete,
}


# ---------------------------------------------------------------------------------------------------------- registration
def register(name: str, implementation: type) -> ProxyType:
    """Make a PySide6 class known as Slicer's class `name` ("slicer.qMRMLNodeComboBox"); returns the class that scripts use.

    The implementation has the getters (`currentPath`, or isX/hasX), setters (`setCurrentPath`), methods and `Signal`s under the listed
    names, and gets and gives PySide6 objects. Overloaded signals are in its class attribute SIGNALS, {"currentNodeChanged(bool)": "name of
    the attribute that is its Signal"}. For ui files the class is named as in Slicer ("qMRMLNodeComboBox").
    """
    if name in _names and _names[name]._implementation is implementation:
        return _names[name]
    bases = [class_for(base) for base in implementation.__mro__[1:] if _has_class(base)][:1]
    made = ProxyType(
        name.partition(".")[2],
        tuple(bases) or (Proxy,),
        {"__slots__": (), "_spec": spec_of(name), "_implementation": implementation, "__module__": name.partition(".")[0]},
    )
    _names[name] = _classes[implementation] = made
    return made


def _has_class(base: type) -> bool:
    name = f"qt.{base.__name__}"
    return base in _classes or (base.__module__.startswith("PySide6") and (name in LISTING or name in CLASSES))


def override(name: str, member: str, function: Callable[..., Any]) -> None:
    """Let `function(proxy, *arguments)` answer a method of a class; a staticmethod object for `function(*arguments)`."""
    _overrides[name, member] = function


def proxy_class(name: str) -> ProxyType:
    """The class that scripts use for Slicer's class `name`, such as "qt.QLabel" or a registered one."""
    if name in _names:
        return _names[name]
    spec_of(name)
    if not name.startswith("qt."):
        raise NotInHost(f"{name} exists in Slicer; the stand-in host does not imitate it")
    return register(name, qt_class_of(name))


def registered() -> dict[str, ProxyType]:
    """All proxy classes made so far, by name."""
    return dict(_names)


def application() -> QtWidgets.QApplication:
    """The one QApplication, made on first use, in the style that Slicer's own builds upon."""
    known = QtWidgets.QApplication.instance()
    if isinstance(known, QtWidgets.QApplication):
        return known
    made = QtWidgets.QApplication(["HabitatPNI stand-in host"])
    made.setStyle("Fusion")
    return made

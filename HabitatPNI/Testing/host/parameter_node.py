"""`slicer.parameterNodeWrapper` for the types and widgets that the module uses, with Slicer's names and encodings.

Values stand in the `vtkMRMLScriptedModuleNode` as Slicer's wrapper writes them, so that a scene saved here is read by Slicer:
numbers and strings as ``str(value)``, booleans as ``True``/``False``, a node as an empty parameter and a node reference of the same
name, a dictionary as ``name.len`` and ``name.<i>.0`` / ``name.<i>.1``. Values are cached until the node's ModifiedEvent, as there.
"""

from __future__ import annotations

import logging
import types
import typing
import weakref
from collections.abc import Callable, Iterator, MutableMapping
from dataclasses import dataclass
from typing import Any

import slicer
import vtk

from . import connectors, validators
from .connectors import Connector, connector_for
from .validators import Default, split_annotations

NAME_PROPERTY = "SlicerParameterName"
_RESERVED = """
allParameters default isCached dataType getValue setValue connectGui connectParametersToGui disconnectGui StartModify EndModify
AddObserver RemoveObserver Modified parameterNode
"""


class Parameters(MutableMapping):
    """Dictionary parameter: every change is written to the node. As Slicer's ObservedDict it is no ``dict``, and `get` takes no default."""

    def __init__(self, serializer: _DictSerializer, node: Any, name: str, values: dict[str, Any]) -> None:
        self._serializer, self._node, self._name, self._values = serializer, node, name, values

    def __getitem__(self, key: str) -> Any:
        return self._values[key]

    def __setitem__(self, key: str, value: Any) -> None:
        self._save({**self._values, key: value})

    def __delitem__(self, key: str) -> None:
        if key not in self._values:
            raise KeyError(key)
        self._save({k: v for k, v in self._values.items() if k != key})

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        return f"ObservedDict({self._values})"

    def __eq__(self, other: object) -> bool:
        return self._values == (other._values if isinstance(other, Parameters) else other)

    def get(self, key: str) -> Any:  # type: ignore[override]
        return self._values.get(key)

    def pop(self, key: str) -> Any:  # type: ignore[override]
        value = self._values[key]
        del self[key]
        return value

    def clear(self) -> None:
        self._save({})

    def _save(self, values: dict[str, Any]) -> None:
        self._serializer.write(self._node, self._name, values)
        self._values = values


class _ScalarSerializer:
    """`str`, `int`, `float` and `bool`."""

    def __init__(self, kind: type) -> None:
        self.kind = kind
        self.default = kind()

    def has(self, node: Any, name: str) -> bool:
        return node.HasParameter(name)

    def check(self, value: Any) -> None:
        if value is None:
            raise ValueError("Value must not be None")
        allowed = (int, float) if self.kind is float else self.kind
        if not isinstance(value, allowed):
            raise TypeError(f"Value must be of type {allowed}, is {value!r} of type {type(value)}")

    def write(self, node: Any, name: str, value: Any) -> None:
        self.check(value)
        node.SetParameter(name, str(bool(value)) if self.kind is bool else str(value))

    def read(self, node: Any, name: str) -> Any:
        text = node.GetParameter(name)
        return text == "True" if self.kind is bool else self.kind(text)

    def remove(self, node: Any, name: str) -> None:
        node.UnsetParameter(name)


class _NodeSerializer:
    """MRML node or None."""

    default = None

    def __init__(self, kind: type) -> None:
        self.kind = kind

    def has(self, node: Any, name: str) -> bool:
        return node.HasParameter(name)

    def write(self, node: Any, name: str, value: Any) -> None:
        if value is not None and not isinstance(value, self.kind):
            raise TypeError(f"Value must be of type {self.kind}, is {type(value)}")
        # None is a value too, so an empty parameter of the same name says that there is one.
        node.SetParameter(name, "")
        node.SetNodeReferenceID(name, value.GetID() if value is not None else None)

    def read(self, node: Any, name: str) -> Any:
        return node.GetNodeReference(name)


class _DictSerializer:
    """Dictionary of scalars, in the order of its keys."""

    def __init__(self, key: _ScalarSerializer, value: _ScalarSerializer) -> None:
        self.pair = (key, value)

    @property
    def default(self) -> dict:
        return {}

    def has(self, node: Any, name: str) -> bool:
        return node.HasParameter(f"{name}.len")

    def write(self, node: Any, name: str, values: Any) -> None:
        for item in values.items():
            for serializer, part in zip(self.pair, item, strict=True):
                serializer.check(part)
        earlier = self._length(node, name)
        with slicer.util.NodeModify(node):
            for index, item in enumerate(values.items()):
                for number, (serializer, part) in enumerate(zip(self.pair, item, strict=True)):
                    serializer.write(node, f"{name}.{index}.{number}", part)
            node.SetParameter(f"{name}.len", str(len(values)))
            for index in range(len(values), earlier):
                for number, serializer in enumerate(self.pair):
                    serializer.remove(node, f"{name}.{index}.{number}")

    def read(self, node: Any, name: str) -> Parameters:
        values = {}
        for index in range(self._length(node, name)):
            key, value = (serializer.read(node, f"{name}.{index}.{number}") for number, serializer in enumerate(self.pair))
            values[key] = value
        return Parameters(self, node, name, values)

    def _length(self, node: Any, name: str) -> int:
        return int(node.GetParameter(f"{name}.len")) if self.has(node, name) else 0


@dataclass(frozen=True)
class _Parameter:
    """One annotated member of the wrapped class."""

    name: str
    annotated: Any
    serializer: Any
    checks: tuple[Any, ...]
    default: Default

    def write(self, node: Any, value: Any) -> None:
        for check in self.checks:
            check.validate(value)
        self.serializer.write(node, self.name, value)

    def read(self, node: Any) -> Any:
        # After the scene was closed the node has lost its parameters; the default comes back.
        if not self.serializer.has(node, self.name):
            self.write(node, self.default.value)
        return self.serializer.read(node, self.name)


class _Cached:
    """Value of one parameter, read again whenever the node says that it was modified."""

    def __init__(self, parameter: _Parameter, node: Any) -> None:
        self.parameter, self.node, self.writing = parameter, node, False
        self.value = parameter.read(node)
        myself = weakref.ref(self)
        self.tag = node.AddObserver(vtk.vtkCommand.ModifiedEvent, lambda *_: _refresh(myself()))

    def __del__(self) -> None:
        if hasattr(self, "tag"):
            self.node.RemoveObserver(self.tag)

    def write(self, value: Any) -> None:
        self.writing = True
        try:
            with slicer.util.NodeModify(self.node):
                self.parameter.write(self.node, value)
                self.value = self.parameter.read(self.node)
        finally:
            self.writing = False


def _refresh(cached: _Cached | None) -> None:
    if cached is not None and not cached.writing:
        cached.value = cached.parameter.read(cached.node)


def wrap(cls: type) -> type:
    """The decorator ``parameterNodeWrapper``.

    Raises
    ------
    TypeError, ValueError
        for a type that the stand-in does not know, or a name that the wrapper uses itself
    """
    parameters = {name: _parameter(cls, name, hint) for name, hint in typing.get_type_hints(cls, include_extras=True).items()}
    for name in _RESERVED.split():
        if name in parameters or name in vars(cls):
            raise ValueError(f"Cannot use reserved name {name!r} in a parameterNodeWrapper")
    for name in parameters:
        setattr(cls, name, _property(name))
    cls.allParameters = parameters  # type: ignore[attr-defined]
    cls._is_parameter_node_wrapper = True  # type: ignore[attr-defined]
    for name, member in vars(_Wrapper).items():
        if not name.startswith("__") or name in ("__init__", "__setattr__"):
            setattr(cls, name, member)
    return cls


def _parameter(cls: type, name: str, hint: Any) -> _Parameter:
    kind, annotations = split_annotations(hint)
    defaults = [a for a in annotations if isinstance(a, Default)]
    serializer = _serializer(kind, f"{cls.__name__}.{name}")
    if hasattr(cls, name):
        default = Default(getattr(cls, name))
    else:
        default = defaults[0] if defaults else Default(generator=lambda: serializer.default)
    known = (validators.Validator, Default, connectors.Decimals, connectors.SingleStep)
    for unused in (a for a in annotations if not isinstance(a, known)):
        logging.warning("Unused annotation: %s", unused)
    return _Parameter(name, hint, serializer, tuple(a for a in annotations if isinstance(a, validators.Validator)), default)


def _serializer(kind: Any, where: str) -> Any:
    if kind in (str, int, float, bool):
        return _ScalarSerializer(kind)
    if isinstance(kind, type) and issubclass(kind, slicer.vtkMRMLNode):
        return _NodeSerializer(kind)
    if typing.get_origin(kind) is dict and all(part in (str, int, float, bool) for part in typing.get_args(kind)):
        return _DictSerializer(*(_ScalarSerializer(part) for part in typing.get_args(kind)))
    raise TypeError(f"{where}: the stand-in has no serializer for the type {kind}")


def _property(name: str) -> property:
    def read(self: Any) -> Any:
        return self._cached[name].value

    def write(self: Any, value: Any) -> None:
        self._cached[name].write(value)

    return property(read, write)


class _Wrapper:
    """What the wrapped class is given; the names are Slicer's."""

    allParameters: dict[str, _Parameter]

    def __init__(self, parameterNode: Any, prefix: str | None = None) -> None:
        if prefix:
            raise ValueError("the stand-in's parameter nodes take no prefix")
        state = self.__dict__
        state["parameterNode"] = parameterNode
        state["_guis"], state["_gui_observers"], state["_next_tag"], state["_updating"] = {}, {}, 0, False
        state["_cached"] = {name: _Cached(parameter, parameterNode) for name, parameter in self.allParameters.items()}

    def __setattr__(self, name: str, value: Any) -> None:
        # Slicer would keep such a value silently, and forget it with the wrapper: always a slip of the pen.
        if name not in self.allParameters:
            raise AttributeError(f"{type(self).__name__} has no parameter {name!r}")
        object.__setattr__(self, name, value)

    def default(self, name: str) -> Default:
        return _known(self, name).default

    def isCached(self, name: str) -> bool:
        return _known(self, name) is not None

    @classmethod
    def dataType(cls, name: str) -> Any:
        return _known(cls, name).annotated

    def getValue(self, name: str) -> Any:
        _known(self, name)
        return getattr(self, name)

    def setValue(self, name: str, value: Any) -> None:
        _known(self, name)
        setattr(self, name, value)

    def connectGui(self, gui: Any) -> int:
        """Bind every widget that has the dynamic property SlicerParameterName; returns a tag for `disconnectGui`."""
        is_widget = getattr(gui, "isWidgetType", lambda: False)()
        widgets = connectors.all_child_widgets(gui) if is_widget else list(vars(gui).values())
        return self.connectParametersToGui({w.property(NAME_PROPERTY): w for w in widgets if w.property(NAME_PROPERTY)})

    def connectParametersToGui(self, mapping: dict[str, Any]) -> int:
        for name in mapping:
            _known(self, name)
        found = {
            name: widget if isinstance(widget, Connector) else connector_for(widget, self.dataType(name))
            for name, widget in mapping.items()
        }
        state = self.__dict__
        tag = state["_next_tag"]
        state["_next_tag"] += 1
        state["_guis"][tag] = found
        for name, connector in found.items():
            connector.write(self.getValue(name))
            connector.connect(_gui_to_node(self, name, connector))
        state["_gui_observers"][tag] = self.AddObserver(vtk.vtkCommand.ModifiedEvent, lambda *_: _node_to_gui(self))
        return tag

    def disconnectGui(self, guiTag: int) -> None:
        for connector in self._guis.pop(guiTag, {}).values():
            connector.disconnect()
        if guiTag in self._gui_observers:
            self.RemoveObserver(self._gui_observers.pop(guiTag))

    def StartModify(self) -> int:
        return self.parameterNode.StartModify()

    def EndModify(self, wasModifying: int) -> int:
        return self.parameterNode.EndModify(wasModifying)

    def AddObserver(self, event: Any, callback: Callable[..., None], priority: float = 0.0) -> int:
        return self.parameterNode.AddObserver(event, callback, priority)

    def RemoveObserver(self, tag: int) -> None:
        self.parameterNode.RemoveObserver(tag)

    def Modified(self) -> None:
        self.parameterNode.Modified()


def _known(wrapper: Any, name: str) -> _Parameter:
    if name not in wrapper.allParameters:
        raise ValueError(f"Cannot find a param with the given name: {name}; there are {', '.join(wrapper.allParameters)}")
    return wrapper.allParameters[name]


def _gui_to_node(wrapper: Any, name: str, connector: Connector) -> Callable[[], None]:
    def changed() -> None:
        with slicer.util.NodeModify(wrapper):
            if not wrapper._updating:
                wrapper.setValue(name, connector.read())

    return changed


def _node_to_gui(wrapper: Any) -> None:
    if wrapper._updating:
        return
    state = wrapper.__dict__
    state["_updating"] = True
    try:
        with slicer.util.NodeModify(wrapper):
            for found in wrapper._guis.values():
                for name, connector in found.items():
                    connector.write(wrapper.getValue(name))
    finally:
        state["_updating"] = False


def _decorator(classtype: type | None = None) -> Any:
    return wrap if classtype is None else wrap(classtype)


def install(slicer_module: Any, sys_modules: dict[str, Any]) -> None:
    """Put ``slicer.parameterNodeWrapper`` in its place."""
    module = types.ModuleType("slicer.parameterNodeWrapper")
    module.__dict__.update(
        parameterNodeWrapper=_decorator,
        isParameterNodeWrapper=lambda thing: getattr(thing, "_is_parameter_node_wrapper", False),
        SlicerParameterNamePropertyName=NAME_PROPERTY,
        **{name: getattr(validators, name) for name in validators.__all__},
        **{name: getattr(connectors, name) for name in ("Decimals", "SingleStep")},
    )
    slicer_module.parameterNodeWrapper = module
    sys_modules["slicer.parameterNodeWrapper"] = module

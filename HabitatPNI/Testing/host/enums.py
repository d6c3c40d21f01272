"""Qt enums as PythonQt shows them: ints that are named on the class."""

import enum
from collections.abc import Callable
from typing import Any


class EnumValue(int):
    """A Qt enum value: an int, as in PythonQt, that remembers what PySide6 wants to be given."""

    qt: enum.Enum

    def __new__(cls, real: Any) -> "EnumValue":
        """Stand for a PySide6 enum member or combination of flags."""
        value = super().__new__(cls, int(real.value))
        value.qt = real
        return value

    def _combine(self, other: Any, operation: Callable[[Any, Any], Any]) -> Any:
        if isinstance(self.qt, enum.Flag):
            other = other.qt if isinstance(other, EnumValue) else type(self.qt)(other)
            return EnumValue(operation(self.qt, other))
        return operation(int(self), int(other))

    def __or__(self, other: Any) -> Any:
        return self._combine(other, lambda a, b: a | b)

    def __and__(self, other: Any) -> Any:
        return self._combine(other, lambda a, b: a & b)

    def __xor__(self, other: Any) -> Any:
        return self._combine(other, lambda a, b: a ^ b)

    def __invert__(self) -> Any:
        return EnumValue(~self.qt) if isinstance(self.qt, enum.Flag) else ~int(self)

    def __repr__(self) -> str:
        return f"{self.qt.name} ({int(self)})"

    __str__ = __repr__


class EnumType:
    """A Qt enum type such as qt.QProcess.ProcessState: callable with an int."""

    def __init__(self, real: type[enum.Enum]) -> None:
        self._real = real

    def __call__(self, value: int) -> EnumValue:
        return EnumValue(self._real(int(value)))

    def __getattr__(self, name: str) -> EnumValue:
        raise AttributeError(f"PythonQt has enum values on the class, not on the enum: leave out {self._real.__name__} before {name}")

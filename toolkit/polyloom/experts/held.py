"""How many bytes of memory an object holds: arrays, tensors and byte strings, however deep in it, each once.

    held_bytes(expert)                    all of it
    held_bytes(expert, shared=[base])     without what it has from the base model

What is mapped from a file counts nothing: the system reads it when it is looked at, and may drop it again.  Views count
as what they look into.  Python's own objects around all that are small beside it and do not count either.
"""

import mmap
from collections.abc import Iterable, Mapping
from types import BuiltinFunctionType, FunctionType, MappingProxyType, MethodType, ModuleType
from typing import Any, cast

import numpy as np

CLOSED = (str, int, float, complex, type, ModuleType, FunctionType, BuiltinFunctionType, MethodType)


def held_bytes(value: object, shared: Iterable[object] = ()) -> int:
    """Bytes that are in memory because of `value` and that nothing in `shared` holds."""
    seen = dict[int, object]()  # by identity; kept, so that no identity is given twice while we look
    for one in shared:
        _walked(one, seen)
    return _walked(value, seen)


def _walked(value: object, seen: dict[int, object]) -> int:
    found, ahead = 0, [value]
    while ahead:
        one = ahead.pop()
        if isinstance(one, CLOSED) or id(one) in seen:
            continue
        seen[id(one)] = one
        bytes_, inside = _opened(one, seen)
        found += bytes_
        ahead += inside
    return found


def _opened(value: object, seen: dict[int, object]) -> tuple[int, list[object]]:
    """What an object holds itself, and the objects in it."""
    if isinstance(value, np.ndarray):
        array = cast("np.ndarray[Any, np.dtype[Any]]", value)
        if array.base is not None:
            return 0, [array.base]
        return array.nbytes, cast("list[object]", array.ravel().tolist()) if array.dtype == object else []
    if isinstance(value, mmap.mmap):
        return 0, []
    if isinstance(value, memoryview):
        return 0, [cast("object", value.obj)]
    if isinstance(value, bytes | bytearray):
        return len(value), []
    if isinstance(value, dict | MappingProxyType):  # other mappings may make what they give: only what they keep counts
        return 0, list(cast("Mapping[object, object]", value).values())
    if isinstance(value, list | tuple | set | frozenset):
        return 0, list(cast("Iterable[object]", value))
    return _stored(value, seen), _attributes(value)


def _stored(value: Any, seen: dict[int, object]) -> int:
    """What a tensor stores, told apart by where it lies: two tensors may look into one storage."""
    storage = getattr(value, "untyped_storage", None)
    if storage is None:
        return 0
    found = storage()
    place = ("storage", str(value.device), int(found.data_ptr()))
    if hash(place) in seen:
        return 0
    seen[hash(place)] = place
    return int(found.nbytes())


def _attributes(value: object) -> list[object]:
    slots = [name for kind in type(value).__mro__ for name in _names(getattr(kind, "__slots__", ()))]
    held = [getattr(value, name) for name in slots if name != "__dict__" and hasattr(value, name)]
    return [*held, *getattr(value, "__dict__", {}).values()]


def _names(slots: str | Iterable[str]) -> Iterable[str]:
    return (slots,) if isinstance(slots, str) else slots

"""A pickle machine that cannot run code, nor be made to use much memory or time.

The standard unpickler calls whatever a file names; restricted by ``find_class`` it still calls
what is allowed, and its C code can be led to allocate gigabytes (LONG_BINPUT, "billion laughs").
This one knows only the opcodes that occur in weights and calls nothing at all: an allowed global
is a name, calling it yields a ``Call`` that remembers the arguments, and whoever asked for the
pickle turns calls into arrays with all sizes checked. Large strings stay in the file.

Source: the opcodes as documented in the standard library's ``pickletools``.
"""

from __future__ import annotations

import pickle
import pickletools
import struct
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import IO, Any

from jaxstyle.errors import WeightFileError
from jaxstyle.network.weights.safe_parsers.refusals import shown

BUDGET = 200_000
"""Units of work a pickle may cost: one an opcode, one a byte of a string, one an item moved.
The state dict of a VGG-19 costs about 3,000."""

INLINE = 4096
"""Longer strings stay in the file, as a ``Blob``. In bytes."""

ORDERED_DICT = "collections.OrderedDict"

_KEYS = (str, int, float, bool, type(None))
_TUPLES = (pickle.TUPLE1, pickle.TUPLE2, pickle.TUPLE3)
_NAMES = {code.code.encode("latin-1"): code.name for code in pickletools.opcodes}
_NUMBERS = {  # opcode -> form of the value, length or index that follows it
    pickle.BININT: "<i",
    pickle.BININT1: "<B",
    pickle.BININT2: "<H",
    pickle.BINFLOAT: ">d",
    pickle.LONG1: "<B",
    pickle.BINPUT: "<B",
    pickle.BINGET: "<B",
    pickle.LONG_BINPUT: "<I",
    pickle.LONG_BINGET: "<I",
    pickle.PROTO: "<B",
    pickle.FRAME: "<Q",
    pickle.SHORT_BINSTRING: "<B",
    pickle.BINSTRING: "<i",
    pickle.SHORT_BINBYTES: "<B",
    pickle.BINBYTES: "<I",
    pickle.BINBYTES8: "<Q",
    pickle.SHORT_BINUNICODE: "<B",
    pickle.BINUNICODE: "<I",
    pickle.BINUNICODE8: "<Q",
}


@dataclass(frozen=True)
class Global:
    """An allowed global, by its full name. It is never looked up."""

    name: str


@dataclass(frozen=True)
class Blob:
    """A long string that is still in the file: bytes, or text in UTF-8."""

    offset: int
    length: int
    text: bool


@dataclass(eq=False)
class Call:
    """What a pickle wanted to be called. Inert.

    Attributes:
        name: full name of the global.
        arguments: what it was to be called with.
        state: what the result was to be given by ``__setstate__``; None if nothing.
    """

    name: str
    arguments: tuple
    state: Any = None


def unpickle(
    source: IO[bytes],
    allowed: frozenset[str] = frozenset(),
    persistent: Callable[[Any], Any] | None = None,
) -> Any:
    """Read one pickle from where ``source`` stands and leave it standing behind.

    Args:
        allowed: full names of the globals that may occur, such as ``numpy.dtype``.
        persistent: what makes a value of a persistent id; without it none may occur.

    Returns:
        None, bool, int, float, str, bytes, tuple, list, dict, ``Global``, ``Blob`` and ``Call``,
        nested, possibly with cycles. An ``OrderedDict`` becomes a dict.

    Raises:
        WeightFileError: the pickle is damaged, too costly, or asks for anything not allowed.
    """
    machine = _Machine(source, allowed, persistent)
    while (opcode := machine.take(1)) != pickle.STOP:
        machine.spend(1)
        machine.step(opcode)
    return machine.pop()


class _Machine:
    """The state of one reading: a stack, the marks on it, and the memo."""

    def __init__(
        self, source: IO[bytes], allowed: frozenset[str], persistent: Callable[[Any], Any] | None
    ) -> None:
        self.source, self.allowed, self.persistent = source, allowed, persistent
        start = source.tell()
        self.size = source.seek(0, 2)
        source.seek(start)
        self.stack: list[Any] = []
        self.marks: list[int] = []
        self.memo: dict[int, Any] = {}
        self.budget = BUDGET

    def step(self, opcode: bytes) -> None:
        """Carry out one opcode."""
        match opcode:
            case pickle.PROTO | pickle.FRAME:  # hints to a reader in a hurry
                self.number(opcode)
            case pickle.MARK:
                self.marks.append(len(self.stack))
            case pickle.NONE:
                self.stack.append(None)
            case pickle.NEWTRUE | pickle.NEWFALSE:
                self.stack.append(opcode == pickle.NEWTRUE)
            case pickle.BININT | pickle.BININT1 | pickle.BININT2 | pickle.BINFLOAT:
                self.stack.append(self.number(opcode))
            case pickle.LONG1:
                self.stack.append(
                    int.from_bytes(self.take(self.number(opcode)), "little", signed=True)
                )
            case pickle.SHORT_BINSTRING | pickle.BINSTRING:  # Python 2's str, bytes in truth
                value = self.string(self.number(opcode), text=False)
                self.stack.append(value.decode("latin-1") if isinstance(value, bytes) else value)
            case pickle.SHORT_BINBYTES | pickle.BINBYTES | pickle.BINBYTES8:
                self.stack.append(self.string(self.number(opcode), text=False))
            case pickle.SHORT_BINUNICODE | pickle.BINUNICODE | pickle.BINUNICODE8:
                value = self.string(self.number(opcode), text=True)
                self.stack.append(_utf8(value) if isinstance(value, bytes) else value)
            case pickle.EMPTY_TUPLE:
                self.stack.append(())
            case pickle.TUPLE1 | pickle.TUPLE2 | pickle.TUPLE3:
                count = _TUPLES.index(opcode) + 1
                self.stack.append(tuple([self.pop() for _ in range(count)][::-1]))
            case pickle.TUPLE:
                self.stack.append(tuple(self.pop_to_mark()))
            case pickle.EMPTY_LIST:
                self.stack.append([])
            case pickle.APPEND:
                item = self.pop()
                self.top(list).append(item)
            case pickle.APPENDS:
                items = self.pop_to_mark()
                self.top(list).extend(items)
            case pickle.EMPTY_DICT:
                self.stack.append({})
            case pickle.SETITEM:
                value, key = self.pop(), self.pop()
                self.fill(self.top(dict), [key, value])
            case pickle.SETITEMS:
                items = self.pop_to_mark()
                self.fill(self.top(dict), items)
            case pickle.BINPUT | pickle.LONG_BINPUT:
                self.memo[self.number(opcode)] = self.top(object)
            case pickle.MEMOIZE:
                self.memo[len(self.memo)] = self.top(object)
            case pickle.BINGET | pickle.LONG_BINGET:
                index = self.number(opcode)
                if index not in self.memo:
                    raise WeightFileError("its pickle is damaged: it recalls what it never stored")
                self.stack.append(self.memo[index])
            case pickle.GLOBAL:
                module, name = self.line(), self.line()
                self.stack.append(self.named(module, name))
            case pickle.STACK_GLOBAL:
                name, module = self.pop(), self.pop()
                self.stack.append(self.named(module, name))
            case pickle.REDUCE:
                arguments, function = self.pop(), self.pop()
                self.stack.append(self.call(function, arguments))
            case pickle.BUILD:
                state = self.pop()
                self.build(self.top((dict, Call)), state)
            case pickle.BINPERSID if self.persistent:
                self.stack.append(self.persistent(self.pop()))
            case _:
                name = _NAMES.get(opcode, f"0x{opcode.hex()}")
                raise WeightFileError(f"refusing pickle opcode {name}: no file of weights needs it")

    def spend(self, cost: int) -> None:
        self.budget -= cost
        if self.budget < 0:
            raise WeightFileError("its pickle is absurdly long for a file of weights")

    def take(self, count: int) -> bytes:
        data = self.source.read(count)
        if len(data) != count:
            raise WeightFileError("its pickle is cut short: download the file again")
        return data

    def number(self, opcode: bytes) -> Any:
        form = _NUMBERS[opcode]
        return struct.unpack(form, self.take(struct.calcsize(form)))[0]

    def line(self) -> str:
        data = self.source.readline(INLINE)
        self.spend(len(data))
        if not data.endswith(b"\n"):
            raise WeightFileError("its pickle is damaged: a global has no name")
        return data[:-1].decode("latin-1")

    def string(self, length: int, *, text: bool) -> bytes | Blob:
        offset = self.source.tell()
        if not 0 <= length <= self.size - offset:
            raise WeightFileError("its pickle is cut short: download the file again")
        if length <= INLINE:
            self.spend(length)
            return self.take(length)
        self.source.seek(length, 1)
        return Blob(offset, length, text)

    def pop(self) -> Any:
        if len(self.stack) <= (self.marks[-1] if self.marks else 0):
            raise WeightFileError("its pickle is damaged: it takes more than it put")
        return self.stack.pop()

    def top(self, kind: type | tuple[type, ...]) -> Any:
        value = self.pop()
        if not isinstance(value, kind):
            raise WeightFileError(f"refusing to change a {type(value).__name__} in its pickle")
        self.stack.append(value)
        return value

    def pop_to_mark(self) -> list[Any]:
        if not self.marks:
            raise WeightFileError("its pickle is damaged: a collection has no beginning")
        start = self.marks.pop()
        items = self.stack[start:]
        del self.stack[start:]
        self.spend(len(items))
        return items

    def fill(self, target: dict, items: list[Any]) -> None:
        keys = items[::2]
        # Nothing else: hashing nested tuples takes exponential time, and larger integers can be
        # made to have one hash, which takes quadratic time.
        plain = all(type(key) in _KEYS and _hashes_apart(key) for key in keys)
        if len(items) % 2 or not plain:
            raise WeightFileError("its pickle has a dict with keys that are no names")
        target.update(zip(keys, items[1::2], strict=True))

    def named(self, module: Any, name: Any) -> Global:
        if not (isinstance(module, str) and isinstance(name, str)):
            raise WeightFileError("refusing a global whose name is no text")
        full = f"{module}.{name}"
        if full not in self.allowed:
            raise WeightFileError(
                f"refusing global {shown(full, 80)}: only tensors are read, since anything else "
                "could run code; save a state dict"
            )
        return Global(full)

    def call(self, function: Any, arguments: Any) -> Any:
        if not isinstance(function, Global) or not isinstance(arguments, tuple):
            raise WeightFileError(f"refusing to call a {type(function).__name__} in its pickle")
        if function.name != ORDERED_DICT:
            return Call(function.name, arguments)
        ordered: dict = {}
        for pairs in arguments:  # Python 2 hands over the items, Python 3 nothing
            if not isinstance(pairs, list) or not all(
                isinstance(pair, list | tuple) and len(pair) == 2 for pair in pairs
            ):
                raise WeightFileError("its pickle has an OrderedDict of no pairs")
            self.spend(len(pairs))
            self.fill(ordered, [item for pair in pairs for item in pair])
        return ordered

    def build(self, target: Any, state: Any) -> None:
        if isinstance(target, dict):
            return  # attributes of an OrderedDict, such as PyTorch's _metadata: not wanted
        if target.state is not None:
            raise WeightFileError(f"its pickle sets the state of one {target.name} twice")
        target.state = state


def _hashes_apart(key: Any) -> bool:
    return type(key) is not int or abs(key) < sys.hash_info.modulus


def _utf8(data: bytes) -> str:
    try:
        return data.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        raise WeightFileError("its pickle is damaged: a name is no UTF-8") from None

"""The pickle machine: reads what weights need, runs nothing, and cannot be made to explode."""

from __future__ import annotations

import copyreg
import io
import os
import pickle
import random
import struct
import sys
from pathlib import Path

import pytest
from fuzzing import CASES, bounded, mutations
from hypothesis import given, settings
from hypothesis import strategies as st
from weight_files import Name, PersistentId, Reduce, pickled

from jaxstyle.network.network import WeightFileError
from jaxstyle.network.weights.safe_parsers.pickle_machine import (
    BUDGET,
    INLINE,
    Blob,
    Call,
    Global,
    unpickle,
)

ALLOWED = frozenset({"collections.OrderedDict", "numpy.dtype"})


def read(data: bytes, allowed: frozenset[str] = ALLOWED):
    return unpickle(io.BytesIO(data), allowed)


scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**500), 2**500)
    | st.floats(allow_nan=False)
    | st.text()
    | st.binary()
)
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner)
        | st.lists(inner).map(tuple)
        | st.dictionaries(st.text() | st.integers(-(2**60), 2**60), inner)
    ),
)


@settings(max_examples=50, deadline=None)
@given(values, st.sampled_from([3, 4, 5]))
def test_plain_values_come_back(value, protocol):
    found = read(pickle.dumps(value, protocol))
    assert found == value
    assert repr(found) == repr(value)  # True is not 1, and 1 is not 1.0


def test_the_next_pickle_of_a_stream_can_be_read():
    stream = io.BytesIO(pickle.dumps([1], 2) + pickle.dumps("two", 2) + b"rest")
    assert unpickle(stream) == [1]
    assert unpickle(stream) == "two"
    assert stream.read() == b"rest"


def test_shared_and_cyclic_values_stay_so():
    twin: list = [1]
    twin.append(twin)
    found = read(pickle.dumps((twin, twin), 4))
    assert found[0] is found[1]
    assert found[0][1] is found[0]


def test_long_strings_stay_in_the_file():
    data, text = os.urandom(INLINE + 1), "ü" * INLINE
    whole = pickle.dumps([data, text], 4)
    found = read(whole)
    assert [type(part) for part in found] == [Blob, Blob]
    contents = [whole[blob.offset : blob.offset + blob.length] for blob in found]
    assert contents == [data, text.encode()]
    assert [blob.text for blob in found] == [False, True]


def test_strings_of_python_2_are_latin_1():
    assert read(b"\x80\x02U\x02\xff\x00.") == "\xff\x00"
    assert read(b"\x80\x02T\x02\x00\x00\x00\xff\x00.") == "\xff\x00"


def test_ordered_dicts_of_python_2_and_3_and_their_attributes():
    ordered = Name("collections", "OrderedDict")
    assert read(pickled(Reduce(ordered, ([["a", 1], ("b", 2)],)))) == {"a": 1, "b": 2}
    assert read(pickled(Reduce(ordered, (), {"_metadata": {"": 1}}))) == {}


def test_an_allowed_global_is_remembered_and_not_called():
    found = read(pickled(Reduce(Name("numpy", "dtype"), ("f4",), (3, "<"))))
    assert isinstance(found, Call)
    assert (found.name, found.arguments, found.state) == ("numpy.dtype", ("f4",), (3, "<"))
    assert read(pickled(Name("numpy", "dtype"))) == Global("numpy.dtype")


def _mark(path: Path) -> str:
    return f"open({str(path)!r}, 'w')"


def malicious(path: Path) -> dict[str, bytes]:
    """Pickles that would make ``path`` if anything of them were run."""
    command, code = f"touch {path}", _mark(path)
    evaluate = Name("builtins", "eval")
    attribute = Name("builtins", "getattr")
    importer = Reduce(Name("builtins", "__import__"), ("os",))
    allowed = Name("collections", "OrderedDict")

    class Eval:
        def __reduce__(self):
            return eval, (code,)

    class Set:
        def __reduce__(self):
            return allowed_class, (), {"__class__": 1}, iter([Eval()])

    from collections import OrderedDict as allowed_class

    system = os.system.__module__
    return {
        "os.system": pickled(Reduce(Name(system, "system"), (command,))),
        "subprocess": pickled(Reduce(Name("subprocess", "Popen"), (["touch", str(path)],))),
        "eval": pickled(Reduce(evaluate, (code,))),
        "eval, protocol 5": pickle.dumps(Eval(), 5),
        "eval of Python 2": pickled(Reduce(Name("__builtin__", "eval"), (code,))),
        "getattr chain": pickled(
            Reduce(Reduce(attribute, (importer, "system")), (command,))  # type: ignore[arg-type]
        ),
        "dotted name": b"\x80\x04\x8c\x0bcollections\x8c\x13OrderedDict.__init__\x93.",
        "dotted module": b"\x80\x02ccollections.OrderedDict\n__class__\n.",
        "split otherwise": b"\x80\x02ccollections.abc\nOrderedDict\n.",
        "empty module": b"\x80\x02c\ncollections.OrderedDict\n.",
        "nested reduce": pickled([(Reduce(allowed, (Reduce(evaluate, (code,)),)),)]),
        "inside a state": pickled(Reduce(allowed, (), Reduce(evaluate, (code,)))),
        "after an item": pickle.dumps({"a": 1, "b": [Eval()]}, 2),
        "list items of an allowed": pickle.dumps(Set(), 2),
        "name from the memo": b"\x80\x04\x8c\x04eval\x94\x8c\x08builtins\x94h\x01h\x00\x93"
        + pickle.dumps((code,), 4)[2:-1]
        + b"R.",
        "INST": b"(S'" + command.encode() + b"'\ni" + system.encode() + b"\nsystem\n.",
        "OBJ": b"\x80\x02(c" + system.encode() + b"\nsystem\nX\x01\x00\x00\x00ao.",
        "NEWOBJ": b"\x80\x02ccollections\nOrderedDict\n)\x81.",
        "NEWOBJ_EX": b"\x80\x04\x8c\x0bcollections\x8c\x0bOrderedDict\x93)}\x92.",
        "EXT1": b"\x80\x02\x82\x01.",
        "EXT4": b"\x80\x02\x84\x01\x00\x00\x00.",
        "PERSID": b"\x80\x02Pstorage\n.",
        "BINPERSID without leave": pickled(PersistentId(("storage",))),
        "NEXT_BUFFER": b"\x80\x05\x97.",
    }


CASES_OF_CODE = list(malicious(Path("nowhere")))


@pytest.mark.parametrize("case", CASES_OF_CODE)
def test_no_code_is_run(case, tmp_path):
    path = tmp_path / "ran"
    copyreg.add_extension("builtins", "eval", 1)
    try:
        with bounded(), pytest.raises(WeightFileError, match="refusing"):
            read(malicious(path)[case])
    finally:
        copyreg.remove_extension("builtins", "eval", 1)
    assert not path.exists()


def test_the_payloads_of_this_file_do_run_elsewhere(tmp_path):
    # Else the test above would prove nothing.
    for number, case in enumerate(("os.system", "eval", "name from the memo", "after an item")):
        path = tmp_path / str(number)
        result = pickle.loads(malicious(path)[case])
        assert path.exists(), case
        for opened in (result, result["b"][0] if isinstance(result, dict) else None):
            if isinstance(opened, io.IOBase):
                opened.close()


def test_a_refusal_names_the_global_in_one_printable_line():
    with pytest.raises(WeightFileError, match=r"^refusing global posix\.system: ") as caught:
        read(pickled(Reduce(Name("posix", "system"), ("true",))))
    assert "\n" not in str(caught.value)
    hostile = b"\x80\x04\x8c\x06a\nb\x1b[0\x8c\x02\xc3\xbc\x93."
    with pytest.raises(WeightFileError) as caught:
        read(hostile)
    assert str(caught.value).isprintable()
    assert str(caught.value).isascii()


DTYPE = b"cnumpy\ndtype\n"

ABUSES = {
    "call of a string": b"\x80\x02X\x01\x00\x00\x00a)R.",
    "call of a result": b"\x80\x02" + DTYPE + b")R)R.",
    "arguments that are a list": b"\x80\x02" + DTYPE + b"]R.",
    "state for a list": b"\x80\x02]}b.",
    "state for a global": b"\x80\x02" + DTYPE + b"}b.",
    "state for a number": b"\x80\x02K\x01}b.",
    "state set twice": b"\x80\x02" + DTYPE + b")R(K\x01t(K\x01tbb.",
    "state twice, by turns": b"\x80\x02" + DTYPE + b")RK\x01bK\x02b.",
    "append to a tuple": b"\x80\x02)K\x01a.",
    "append to a dict": b"\x80\x02}K\x01a.",
    "append to a result": b"\x80\x02" + DTYPE + b")RK\x01a.",
    "set an item of a list": b"\x80\x02]K\x01K\x01s.",
    "set items of a result": b"\x80\x02" + DTYPE + b")R(K\x01K\x01u.",
    "odd number of items": b"\x80\x02}(K\x01u.",
    "list as a key": b"\x80\x02}]K\x01s.",
    "tuple as a key": b"\x80\x02})K\x01s.",
    "global as a key": b"\x80\x02}" + DTYPE + b"K\x01s.",
    "pairs that are none": b"\x80\x02ccollections\nOrderedDict\n(](K\x01etR.",
    "pairs with bad keys": b"\x80\x02ccollections\nOrderedDict\n(](]K\x01\x86etR.",
    "a string of pairs": b"\x80\x02ccollections\nOrderedDict\n(X\x02\x00\x00\x00abtR.",
    "global named by a number": b"\x80\x04K\x01\x8c\x01a\x93.",
    "global named by a long string": b"\x80\x04X\x00\x20\x00\x00" + b"a" * 8192 + b"\x8c\x01a\x93.",
    "global with an endless name": b"\x80\x02c" + b"a" * 100_000 + b"\nb\n.",
    "stop with nothing": b"\x80\x02.",
    "stop behind a mark": b"\x80\x02K\x01(.",
    "take from before a mark": b"\x80\x02K\x01(\x85.",
    "collection without a mark": b"\x80\x02K\x01t.",
    "store nothing": b"\x80\x02q\x00.",
    "recall nothing": b"\x80\x02h\x07.",
    "recall a far index": b"\x80\x02K\x01r\xff\xff\xff\xffj\xfe\xff\xff\xff.",
    "no opcode": b"\x80\x02\xff.",
    "protocol 0": b"I1\n.",
    "empty file": b"",
    "no end": b"\x80\x02]",
    "cut in a number": b"\x80\x02J\x01",
    "cut in a string": b"\x80\x02X\x10\x00\x00\x00abc",
    "text that is no UTF-8": b"\x80\x02X\x01\x00\x00\x00\xff.",
    "text of 2**63 bytes": b"\x80\x04\x8d" + struct.pack("<Q", 2**63) + b"a.",
    "text of 2**64-1 bytes": b"\x80\x04\x8d" + b"\xff" * 8 + b"a.",
    "bytes of 2**62 bytes": b"\x80\x04\x8e" + struct.pack("<Q", 2**62) + b"a.",
    "string of 2 GB": b"\x80\x02T\xff\xff\xff\x7fa.",
    "string of -1 bytes": b"\x80\x02T\xff\xff\xff\xffa.",
    "bytearray": b"\x80\x05\x96" + struct.pack("<Q", 2**62) + b"a.",
    "integer of 2 GB": b"\x80\x02\x8b\xff\xff\xff\x7fa.",
}


@pytest.mark.parametrize("case", ABUSES)
def test_abuse_is_refused(case):
    with bounded(1, 2**26), pytest.raises(WeightFileError):
        read(ABUSES[case])


def test_sizes_of_frames_and_far_memo_indices_cost_nothing():
    with bounded(1, 2**26):
        assert read(b"\x80\x04\x95" + b"\xff" * 8 + b"K\x01.") == 1
        assert read(b"\x80\x02K\x01r\xff\xff\xff\xffj\xff\xff\xff\xff\x86.") == (1, 1)


def test_a_billion_laughs():
    double = (
        b"\x80\x04)"
        + b"\x94h\x00"
        + b"\x86"
        + b"".join(b"\x94h" + bytes([level]) + b"\x86" for level in range(1, 200))
    )
    with bounded(1, 2**26):
        read(double + b".")  # shared, so small
        with pytest.raises(WeightFileError):  # hashing or comparing it would take for ever
            read(b"\x80\x04}" + double[2:] + b"K\x01s.")
        for end in (b"K\x01R.", b"}b.", b"\x8c\x01a\x93."):  # nor may a message unfold it
            with pytest.raises(WeightFileError):
                read(double + end)


BOMBS = {
    "opcodes": b"N" * (2 * BUDGET),
    "marks": b"(" * (2 * BUDGET),
    "dicts": b"}" * (2 * BUDGET),
    "a list in a list": b"]" * (2 * BUDGET) + b"a" * (2 * BUDGET),
    "strings": (b"\x8c\xff" + b"a" * 255) * (BUDGET // 100),
    "names": (b"cnumpy\ndtype\n") * (BUDGET // 5),
    "a dict copied": b"ccollections\nOrderedDict\nq\x00]("
    + b"NN\x86" * 1000
    + b"e\x85q\x01"
    + b"h\x00h\x01R" * BUDGET,
}


@pytest.mark.parametrize("case", BOMBS)
def test_bombs_run_into_the_budget(case):
    with bounded(5, 2**27), pytest.raises(WeightFileError, match="absurdly long"):
        read(b"\x80\x04" + BOMBS[case] + b".")


def test_keys_that_collide_are_refused():
    """Python's integers have one hash if they differ by a multiple of its modulus."""
    prime = sys.hash_info.modulus
    whole = pickle.dumps(dict.fromkeys(range(1, 40_000)), 4)
    assert read(whole).keys() == set(range(1, 40_000))
    colliding = b"".join(
        b"\x8a" + bytes([len(key)]) + key + b"N"
        for key in ((number * prime).to_bytes(12, "little") for number in range(40_000))
    )
    with bounded(2, 2**27), pytest.raises(WeightFileError, match="keys that are no names"):
        read(b"\x80\x04}(" + colliding + b"u.")


def test_deep_nesting_within_the_budget_neither_recurses_nor_crashes():
    depth = BUDGET // 3
    with bounded(5, 2**28):
        found = read(b"\x80\x02" + b"]" * depth + b"a" * (depth - 1) + b".")
        assert isinstance(found, list)
        del found
        found = read(b"\x80\x02)" + b"\x85" * depth + b".")
        del found


def test_damaged_pickles_are_refused_or_read():
    valid = pickled(
        {
            "a": Reduce(Name("numpy", "dtype"), ("f4", 0, 1), (3, "<", None)),
            "b": Reduce(Name("collections", "OrderedDict"), ([["x", 1.5]],), {"y": [None, True]}),
            "c": (2**40, b"bytes", "text", -1),
        }
    )
    refused = 0
    for damaged in mutations(valid, 1, CASES):
        try:
            with bounded():
                read(damaged)
        except WeightFileError as error:
            assert "\n" not in str(error)
            refused += 1
    assert refused > CASES // 3


def test_random_programs_are_refused_or_read():
    """Sequences of the opcodes that the machine knows, most of which get past the first few."""
    words = [
        *(b"(", b"N", b"\x88", b"\x89", b"K\x01", b"M\x01\x02", b"J\1\0\0\0", b"\x8a\x01\x07"),
        *(b"G" + bytes(8), b"U\x01a", b"C\x01b", b"\x8c\x01c", b"X\1\0\0\0d", b")", b"t", b"]"),
        *(b"\x85", b"\x86", b"\x87", b"e", b"}", b"s", b"u", b"q\x00", b"q\x01", b"\x94", b"h\x00"),
        *(b"h\x01", b"h\x02", b"a", DTYPE, b"ccollections\nOrderedDict\n", b"\x93", b"R", b"b"),
        *(DTYPE + b")R", b"Q"),
    ]
    chance = random.Random(9)
    outcomes = set()
    for _ in range(10 * CASES):
        program = b"".join(chance.choices(words, k=chance.randint(1, 40))) + b"."
        try:
            with bounded():
                outcomes.add(type(unpickle(io.BytesIO(program), ALLOWED, lambda pid: "storage")))
        except WeightFileError as error:
            assert "\n" not in str(error)
            outcomes.add(WeightFileError)
    assert {WeightFileError, dict, list, tuple, Call, Global, str} <= outcomes

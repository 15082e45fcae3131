"""The test vectors of the message protocol, from its document: `python -m tests.vectors.make` writes them anew.

Rule: what is right is put together here with struct and json alone, and with no code of the services, so that a bug of
theirs is not in the vectors as well. README.md in this folder says what a vector is; a test fails when a file differs
from what is made here.
"""

import json
import struct
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Final

FOLDER: Final = Path(__file__).parent
MACHINES: Final = {"big": ">", "little": "<"}  # and struct's prefix for the machine's byte order
Case = dict[str, object]

CODES: Final = {
    **{f"int{8 << at}": code for at, code in enumerate("bhiq")},
    **{f"uint{8 << at}": code for at, code in enumerate("BHIQ")},
    "float32": "f",
    "float64": "d",
}


def framed(header: bytes, content: bytes = b"") -> bytes:
    return struct.pack(">H", len(header)) + header + content


def header(
    machine: str, kind: str, encoding: str, length: object, further: Mapping[str, object] | None = None
) -> bytes:
    """A header as the lab writes it: in this order, UTF-8, one space behind each comma and colon."""
    named = {"byteorder": machine, "content-type": kind, "content-encoding": encoding, "content-length": length}
    return json.dumps({**named, **(further or {})}, ensure_ascii=False).encode("utf-8", "backslashreplace")


def message(
    machine: str, kind: str, encoding: str, content: bytes, further: Mapping[str, object] | None = None
) -> bytes:
    return framed(header(machine, kind, encoding, len(content), further), content)


def on_each_machine(name: str, make: Callable[[str], Case]) -> list[Case]:
    return [{"name": f"{name}, {machine}-endian", "machine": machine, **make(machine)} for machine in MACHINES]


# Messages -----------------------------------------------------------------------------------------------------------


def whole(
    name: str, kind: str, encoding: str, content: bytes, further: Mapping[str, object] | None = None
) -> list[Case]:
    def make(machine: str) -> Case:
        raw = message(machine, kind, encoding, content, further)
        said = {"content-type": kind, "content-encoding": encoding, "further": further or {}, "content": content.hex()}
        return {"bytes": raw.hex(), **said}

    return on_each_machine(name, make)


def other_way(name: str, raw: bytes, **said: object) -> Case:
    """One that is right and that the lab would have written otherwise."""
    right = {"content-type": "a/b", "content-encoding": "binary", "further": {}, "content": ""}
    return {"name": name, "machine": "big", "bytes": raw.hex(), **right, **said, "written": False}


PLAIN: Final = header("big", "a/b", "binary", 0)


def beside(member: str) -> bytes:
    """A right header with one member more."""
    return PLAIN[:-1] + b", " + member.encode() + b"}"


def messages() -> Iterable[Case]:
    yield from whole("a search", "text/json", "utf-8", b'{"action": "search", "value": "morpheus"}')
    yield from whole("an answer", "text/json", "utf-8", '{"result": "Follow the white rabbit. 🐰"}'.encode())
    yield from whole("ten bytes", "binary/custom-client-binary-type", "binary", "binary😃".encode())
    yield from whole("an empty content", "a/b", "binary", b"")
    yield from whole("every byte", "a/b", "binary", bytes(range(256)))
    yield from whole("an empty content-type", "", "binary", b"x")
    further = {"z": [1, {"é": None}], "a": -0.5, "big": 2**64, "🐰": "\ud800", "byteOrder": True}
    yield from whole("further names, in their order", "a/b", "binary", b"x", further)
    yield other_way("names in another order", framed(json.dumps(dict(reversed(json.loads(PLAIN).items()))).encode()))
    yield other_way("other white space", framed(b" \r\n\t" + PLAIN.replace(b": ", b"\t:\n") + b" "))
    yield other_way("names and values as escapes", framed(PLAIN.replace(b"byteorder", rb"\u0062yte\u006frder")))
    yield other_way("a length of -0", framed(PLAIN.replace(b": 0}", b": -0}")))
    depth = "[" * 99 + "]" * 99
    yield other_way("100 objects and arrays", framed(beside(f'"x": {depth}')), further={"x": json.loads(depth)})
    digits = int("9" * 4300)
    yield other_way("an integer of 4300 digits", framed(beside(f'"x": {digits}')), further={"x": digits})
    forty = b"x" * 40
    at_limit = message("big", "a/b", "binary", forty)
    yield {**other_way("a content at the limit", at_limit, content=forty.hex()), "content-limit": 40}


# Text ---------------------------------------------------------------------------------------------------------------


def as_written(text: str, encoding: str, machine: str) -> bytes:
    if encoding not in ("utf-16", "utf-32"):
        return text.encode(encoding)
    return ("\ufeff" + text).encode(f"{encoding}-{machine[0]}e")  # utf-16-be or utf-16-le


def text() -> Iterable[Case]:
    texts = {
        "ASCII": "search",
        "nothing": "",
        "Latin": "Zürich ÿ",
        "a NUL and a control character": "\0\x1f",
        "the basic plane": "中\ufffd\uffff\u2028",
        "beyond the basic plane": "🐰\U0010ffff",
    }
    for encoding in ("utf-8", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "latin-1"):
        for name, said in texts.items():
            if encoding == "latin-1" and max(said, default="") > "ÿ":
                continue

            def make(machine: str, said: str = said, encoding: str = encoding) -> Case:
                raw = message(machine, "text/plain", encoding, as_written(said, encoding, machine))
                return {"bytes": raw.hex(), "content-type": "text/plain", "content-encoding": encoding, "text": said}

            yield from on_each_machine(f"{name} in {encoding}", make)
    for name, encoding, content, said in (
        ("a mark in utf-8", "utf-8", b"\xef\xbb\xbfmarked", "marked"),
        ("a second mark in utf-8 is a character", "utf-8", b"\xef\xbb\xbf\xef\xbb\xbf", "\ufeff"),
        ("U+FEFF in the middle of utf-8", "utf-8", b"a\xef\xbb\xbf", "a\ufeff"),
        ("a little-endian mark from a big-endian machine in utf-16", "utf-16", b"\xff\xfea\0", "a"),
        ("a second mark in utf-16 is a character", "utf-16", b"\xfe\xff\xfe\xff", "\ufeff"),
        ("a little-endian mark from a big-endian machine in utf-32", "utf-32", b"\xff\xfe\0\0a\0\0\0", "a"),
        ("U+FEFF first in utf-16-be is a character", "utf-16-be", b"\xfe\xff\0a", "\ufeffa"),
        ("U+FEFF first in utf-16-le is a character", "utf-16-le", b"\xff\xfea\0", "\ufeffa"),
    ):
        raw = message("big", "text/plain", encoding, content)
        said_so = {"content-type": "text/plain", "content-encoding": encoding, "text": said}
        is_written = encoding in ("utf-16-be", "utf-16-le") or name.startswith(("U+FEFF in", "a second mark in utf-16"))
        yield {"name": name, "machine": "big", "bytes": raw.hex(), **said_so, "written": is_written}


# Arrays -------------------------------------------------------------------------------------------------------------


def array(name: str, element: str, values: list[str], reckoned: Mapping[str, object]) -> list[Case]:
    """`values` as the vector has them; `reckoned` is what the search service answers."""
    numbers = [float.fromhex(value) if "float" in element else int(value) for value in values]

    def make(machine: str) -> Case:
        content = struct.pack(f"{MACHINES[machine]}{len(numbers)}{CODES[element]}", *numbers)
        raw = message(machine, "binary/array", "binary", content, {"element": element, "count": len(numbers)})
        said = {"content-type": "binary/array", "content-encoding": "binary", "element": element, "values": values}
        return {"bytes": raw.hex(), **said, "answer": reckoned}

    return on_each_machine(f"{element}: {name}", make)


def sums(total: str, least: str | None, most: str | None, doubled: list[str]) -> Case:
    return {"sum": total, "minimum": least, "maximum": most, "doubled": doubled}


def arrays() -> Iterable[Case]:
    for bits in (8, 16, 32, 64):
        low, high, all_ones = -(2 ** (bits - 1)), 2 ** (bits - 1) - 1, 2**bits - 1
        half = 2 ** (bits - 2)
        ends = [str(-half), "-1", "0", "1", str(half - 1)]
        doubled = [str(2 * int(value)) for value in ends]
        yield from array("least and greatest with a double", f"int{bits}", ends, sums("-1", ends[0], ends[4], doubled))
        yield from array("the least", f"int{bits}", ["0", str(low)], {"overflow": 1})
        yield from array("the greatest", f"int{bits}", [str(high)], {"overflow": 0})
        yield from array("one more than has a double", f"int{bits}", [str(half)], {"overflow": 0})
        yield from array("one less than has a double", f"int{bits}", [str(-half - 1)], {"overflow": 0})
        ends = ["0", "1", str(high)]
        doubled = ["0", "2", str(all_ones - 1)]
        yield from array("greatest with a double", f"uint{bits}", ends, sums(str(high + 1), "0", ends[2], doubled))
        yield from array("the greatest", f"uint{bits}", ["7", "7", str(all_ones)], {"overflow": 2})
        for element in (f"int{bits}", f"uint{bits}"):
            yield from array("none", element, [], sums("0", None, None, []))
        order = str(int.from_bytes(bytes(range(1, bits // 8 + 1)), "big"))
        twice = str(2 * int(order))
        yield from array("each byte another", f"uint{bits}", [order], sums(order, order, order, [twice]))
    twenty = [str(2**62 - 1)] * 20
    most = twenty[0]
    yield from array(
        "a sum beyond 64 bits", "int64", twenty, sums(str(20 * (2**62 - 1)), most, most, [str(2**63 - 2)] * 20)
    )
    for element, greatest, tiny in (
        ("float32", "0x1.fffffe0000000p+127", "0x1.0000000000000p-149"),
        ("float64", "0x1.fffffffffffffp+1023", "0x0.0000000000001p-1022"),
    ):
        zero, minus, one, two = "0x0.0p+0", "-0x0.0p+0", "0x1.0000000000000p+0", "0x1.0000000000000p+1"
        tiny_text = repr(float.fromhex(tiny))
        twice_tiny = (2 * float.fromhex(tiny)).hex()
        greatest_text = repr(float.fromhex(greatest))
        yield from array("none", element, [], sums("0.0", None, None, []))
        yield from array("one", element, [one], sums("1.0", "1.0", "1.0", [two]))
        yield from array("zero after negative zero", element, [minus, zero], sums("0.0", "-0.0", "0.0", [minus, zero]))
        yield from array("negative zero after zero", element, [zero, minus], sums("0.0", "-0.0", "0.0", [zero, minus]))
        yield from array("negative zero alone", element, [minus], sums("0.0", "-0.0", "-0.0", [minus]))
        yield from array("the least above 0", element, [tiny], sums(tiny_text, tiny_text, tiny_text, [twice_tiny]))
        yield from array("an infinity", element, ["inf", one], sums("Infinity", "1.0", "Infinity", ["inf", two]))
        both = sums("NaN", "-Infinity", "Infinity", ["-inf", "inf"])
        yield from array("both infinities", element, ["-inf", "inf"], both)
        yield from array("NaN last", element, [one, "nan"], sums("NaN", "NaN", "NaN", [two, "nan"]))
        yield from array("NaN first", element, ["nan", one], sums("NaN", "NaN", "NaN", ["nan", two]))
        yield from array(
            "the greatest", element, [greatest], sums(greatest_text, greatest_text, greatest_text, ["inf"])
        )
    big, small = (1e16).hex(), (1.0).hex()
    in_order = sums("1e+16", "1.0", "1e+16", [(2e16).hex(), (2.0).hex(), (2.0).hex()])
    yield from array("a sum rounded at each step", "float64", [big, small, small], in_order)
    last = sums("1.0000000000000002e+16", "1.0", "1e+16", [(2.0).hex(), (2.0).hex(), (2e16).hex()])
    yield from array("the same in another order", "float64", [small, small, big], last)
    huge = (1e308).hex()
    over = sums("Infinity", "-1e+308", "1e+308", ["inf", "inf", "-inf"])
    yield from array("a sum that is too great on its way", "float64", [huge, huge, (-1e308).hex()], over)
    for name, raw, element in (
        ("a NaN that says something", b"\x7f\xf8\0\0\0\0\0\x2a", "float64"),
        ("a negative NaN that says something", b"\xff\xc0\0\x2a", "float32"),
    ):
        for machine in MACHINES:
            said = {"element": element, "count": 1}
            encoded = message(machine, "binary/array", "binary", raw if machine == "big" else raw[::-1], said)
            case: Case = {"name": f"{element}: {name}, {machine}-endian", "machine": machine, "bytes": encoded.hex()}
            case |= {"content-type": "binary/array", "content-encoding": "binary", "element": element}
            yield {**case, "values": ["nan"], "answer": sums("NaN", "NaN", "NaN", ["nan"])}


# What must be refused -----------------------------------------------------------------------------------------------


def refused(name: str, raw: bytes, part: str, reads: str, **more: object) -> Case:
    """`reads`: at which step it is found out: of framing, or when its content is read as json, text or array."""
    return {"name": name, "bytes": raw.hex(), "refused": {"part": part, "reads": reads}, **more}


def header_with(**changed: object) -> bytes:
    """A right header, but for these names (with _ for -); None takes one away."""
    names = {name.replace("_", "-"): value for name, value in changed.items()}
    return framed(json.dumps({k: v for k, v in (json.loads(PLAIN) | names).items() if v is not None}).encode())


# By the encoding, and what is wrong.
NO_TEXT = {
    "utf-8": {
        "no UTF-8": b"a\xff",
        "an overlong form": b"\xc0\xaf",
        "a surrogate": b"\xed\xa0\x80",
        "half a character": b"\xf0\x9f\x90",
    },
    "utf-16": {
        "no mark": b"\0a",
        "nothing, and no mark": b"",
        "an odd byte": b"\xfe\xff\0",
        "half a pair": b"\xfe\xff\xd8\x3d",
    },
    "utf-16-le": {"half a pair": b"\x3d\xd8"},
    "utf-16-be": {"the second half of a pair first": b"\xdc\x30\xd8\x3d"},
    "utf-32": {
        "no mark": b"\0\0\0a",
        "a mark of utf-16": b"\xff\xfea\0",
        "beyond U+10FFFF": b"\0\0\xfe\xff\0\x11\0\0",
        "a surrogate": b"\0\0\xfe\xff\0\0\xd8\0",
        "three bytes": b"\0\0\xfe\xff\0\0\0",
    },
    "binary": {"bytes that are no text": b"a"},
}
NO_JSON = {
    "utf-8": {"nothing": b"", "something behind it": b"{} x", "two marks": b"\xef\xbb\xbf\xef\xbb\xbf{}"},
    "utf-16-be": {"U+FEFF, which is no mark there": b"\xfe\xff\0{\0}"},
    "utf-16-le": {"the other byte order's braces": b"\0{\0}"},
    "binary": {"no encoding": b"{}"},
}


def refused_contents(what: str, content_type: str, wrong: Mapping[str, Mapping[str, bytes]]) -> Iterable[Case]:
    for encoding, contents in wrong.items():
        part = "content-encoding" if encoding == "binary" else "content"
        for name, content in contents.items():
            raw = message("big", content_type, encoding, content)
            yield refused(f"{what} in {encoding}: {name}", raw, part, what.lower())


def refusals() -> Iterable[Case]:
    for name, raw in (
        ("no header", framed(b"")),
        ("a header that is not UTF-8", framed(b'{"\xff": 1}')),
        ("an overlong form", framed(b'{"\xc0\xaf": 1}')),
        ("a surrogate in UTF-8", framed(b'{"\xed\xa0\x80": 1}')),
        ("a header with a byte order mark", framed(b"\xef\xbb\xbf" + PLAIN)),
        ("a header in UTF-16", framed(PLAIN.decode().encode("utf-16"))),
        ("no JSON", framed(b"{byteorder}")),
        ("something behind the header", framed(PLAIN + b" x")),
        ("NaN in the header", framed(beside('"x": NaN'))),
        ("Infinity in the header", framed(beside('"x": -Infinity'))),
        ("a name twice", framed(beside('"byteorder": "big"'))),
        ("a name twice, once as escapes", framed(beside(r'"\u0062yteorder": "big"'))),
        ("a name twice within", framed(beside('"x": {"y": 1, "y": 1}'))),
        ("a control character", framed(beside('"x": "\n"'))),
        ("101 objects and arrays", framed(beside('"x": ' + "[" * 100 + "]" * 100))),
        ("an integer of 4301 digits", framed(beside('"x": 1' + "0" * 4300))),
        ("an array for the header", framed(b"[]")),
        ("null for the header", framed(b"null")),
    ):
        yield refused(name, raw, "header", "framing")
    for part in ("byteorder", "content-type", "content-encoding", "content-length"):
        yield refused(f"{part}: missing", header_with(**{part: None}), part, "framing")
        for wrong in ("5.5", "true", '["x"]', "{}", "null"):
            raw = header_with(**{part: "@"}).replace(b'"@"', wrong.encode())
            yield refused(f"{part}: {wrong}", framed(raw[2:]), part, "framing")
    for part, value in (
        ("byteorder", "middle"),
        ("byteorder", "BIG"),
        ("content-encoding", "utf-7"),
        ("content-encoding", "UTF-8"),
        ("content-encoding", "latin1"),
        ("content-encoding", "utf-32-le"),
        ("content-length", "0"),
        ("content-length", -1),
        ("content-length", 16777217),
        ("content-length", 2**64),
        ("content-length", 0.0),
    ):
        yield refused(f"{part}: {json.dumps(value)}", header_with(**{part: value}), part, "framing")
    over = message("big", "a/b", "binary", b"x" * 41)
    yield refused("a content of the limit and 1", over, "content-length", "framing", **{"content-limit": 40})
    right = message("little", "a/b", "binary", b"abc")
    yield refused("a wrong message behind a right one", right + framed(b"[]"), "header", "framing", whole=1)
    for name, at in (("length", 1), ("header", 50), ("content", len(right) - 1)):
        cut = right + right[:at]
        yield refused(f"the end in the {name}", cut, "end of stream inside a message", "framing", whole=1)
    yield from refused_contents("text", "text/plain", NO_TEXT)
    yield from refused_contents("JSON", "text/json", NO_JSON)
    yield from refused_arrays()


def refused_arrays() -> Iterable[Case]:
    def sent(element: object, count: object, content: bytes = bytes(12), encoding: str = "binary") -> bytes:
        further = {k: v for k, v in {"element": element, "count": count}.items() if v is not None}
        return message("big", "binary/array", encoding, content, further)

    for name, raw, part in (
        ("no element", sent(None, 3), "element"),
        ("no count", sent("int32", None), "count"),
        ("an element that there is not", sent("int128", 3), "element"),
        ("an element in capitals", sent("INT32", 3), "element"),
        ("an element of Python", sent("i", 3), "element"),
        ("an element that is a number", sent(32, 3), "element"),
        ("an element that is an array", sent(["int32"], 3), "element"),
        ("a count that is a string", sent("int32", "3"), "count"),
        ("a count that is a float", sent("int32", 3.0), "count"),
        ("a count that is true", sent("int8", True, b"x"), "count"),
        ("a count below 0", sent("int32", -3), "count"),
        ("a count of one too many", sent("int32", 4), "count"),
        ("a count of one too few", sent("int32", 2), "count"),
        ("a count of 0 with a content", sent("int32", 0), "count"),
        ("a count with no content", sent("int32", 3, b""), "count"),
        ("a content of one byte too many", sent("int32", 3, bytes(13)), "count"),
        ("a content of one byte too few", sent("float64", 1, bytes(7)), "count"),
        ("a count of bytes", sent("int32", 12), "count"),
        ("a count that no machine has", sent("int32", 2**64 + 3), "count"),
        ("a text for an array", sent("int8", 12, encoding="utf-8"), "content-encoding"),
    ):
        yield refused(f"array: {name}", raw, part, "array")
    null = sent("int32", 3).replace(b'"count": 3', b'"count": null')
    yield refused("array: a count of null", framed(null[2 : null.index(b"}") + 1], bytes(12)), "count", "array")


# Framings -----------------------------------------------------------------------------------------------------------


def framings() -> Iterable[Case]:
    """The four ways of services/framing to end a message; `limit` is a message's, and of `fixed` its length."""

    def of(framing: str, name: str, limit: int, raw: bytes, contents: list[bytes], error: str | None = None) -> Case:
        said: Case = {"name": f"{framing}: {name}", "framing": framing, "limit": limit, "bytes": raw.hex()}
        return {**said, "messages": [content.hex() for content in contents], "error": error}

    yield of("fixed", "two", 4, b"abcd\0\xff\r\n", [b"abcd", b"\0\xff\r\n"])
    yield of("fixed", "none", 4, b"", [])
    yield of("fixed", "the end inside the second", 4, b"abcdefg", [b"abcd"], "end")
    yield of("delimited", "three", 9, b"one\r\n\r\n\ra\n\r\n", [b"one", b"", b"\ra\n"])
    yield of("delimited", "at the limit", 4, b"abcd\r\n", [b"abcd"])
    yield of("delimited", "over the limit", 4, b"abcde\r\n", [], "framing")
    yield of("delimited", "over the limit, without an end", 4, b"abcdefgh", [], "framing")
    yield of("delimited", "the end inside the second", 9, b"one\r\ntwo\r", [b"one"], "end")
    prefixed = [struct.pack(">I", len(content)) + content for content in (b"one", b"", b"x" * 256)]
    yield of("length-prefixed", "three", 256, b"".join(prefixed), [b"one", b"", b"x" * 256])
    yield of("length-prefixed", "over the limit", 255, b"".join(prefixed), [b"one", b""], "framing")
    yield of("length-prefixed", "a length in the other byte order", 65536, b"\3\0\0\0one", [], "framing")
    yield of("length-prefixed", "the end inside a length", 256, prefixed[0] + b"\0\0\0", [b"one"], "end")
    yield of("length-prefixed", "the end inside a message", 256, prefixed[0][:-1], [], "end")
    yield of("shutdown", "one", 16, b"all of\r\n it", [b"all of\r\n it"])
    yield of("shutdown", "at the limit", 4, b"abcd", [b"abcd"])
    yield of("shutdown", "over the limit", 4, b"abcde", [], "framing")


FILES: Final[Mapping[str, Callable[[], Iterable[Case]]]] = {
    "messages": messages,
    "text": text,
    "arrays": arrays,
    "refused": refusals,
    "framings": framings,
}


def rendered(name: str) -> str:
    """The file of this name: a JSON array with a case a line, in ASCII."""
    lines = [json.dumps(case) for case in FILES[name]()]
    return "[\n" + ",\n".join(lines) + "\n]\n"


def main() -> None:
    for name in FILES:
        (FOLDER / f"{name}.json").write_text(rendered(name), encoding="ascii")


if __name__ == "__main__":
    main()

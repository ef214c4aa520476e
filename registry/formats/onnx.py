"""Reads the header of an ONNX file: a protobuf message, of which only a few fields are looked at.

The messages, by field number (onnx.proto): ModelProto 1 ir_version, 2 producer_name,
3 producer_version, 7 graph, 8 opset_import; GraphProto 5 initializer, 11 input, 12 output;
ValueInfoProto 1 name, 2 type; TypeProto 1 tensor_type; Tensor 1 elem_type, 2 shape; Shape 1 dim;
Dim 1 dim_value.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from registry.formats.reading import Read, Unreadable

MAX_FIELDS = 200_000  # of the model and its graph; large models have some ten thousand nodes
MAX_SMALL = 65_536  # bytes of a part that is read whole
MAX_INPUTS = 1_000
WINDOW = 65_536
DTYPES = {
    1: "float32",
    2: "uint8",
    3: "int8",
    4: "uint16",
    5: "int16",
    6: "int32",
    7: "int64",
    8: "str",
    9: "bool",
    10: "float16",
    11: "float64",
    12: "uint32",
    13: "uint64",
}


class Field(NamedTuple):
    """One field of a message: a number in `value`, or the place of its bytes."""

    number: int
    value: int
    start: int
    size: int  # -1 for a number


def look(path: str, size: int, read: Read) -> dict[str, Any]:
    """What an ONNX file says of itself.

    Returns: `version` (of the producer, "skl2onnx 1.19.1"), `ir`, `opset`, `inputs` and `outputs`
        as lists of {"name", "dtype", "shape"}; a shape is None where it is not told.
    Raises:
        Unreadable: it is no ONNX file.
    """
    source = _Source(path, size, read)
    said: dict[str, Any] = {"version": "", "ir": 0, "opset": 0, "inputs": [], "outputs": []}
    names = {"producer": "", "version": ""}
    has_graph = False
    for found in source.fields(0, size):
        if found.number == 1 and found.size < 0:
            said["ir"] = found.value
        elif found.number in (2, 3):
            names["producer" if found.number == 2 else "version"] = source.text(found)
        elif found.number == 7 and found.size >= 0:
            has_graph = True
            said["inputs"], said["outputs"] = _graph(source, found)
        elif found.number == 8 and found.size >= 0:
            said["opset"] = said["opset"] or _opset(source, found)
    if not has_graph or not 0 < said["ir"] < 1000:
        raise Unreadable
    said["version"] = " ".join(part for part in names.values() if part)[:100]
    return said


def _opset(source: _Source, place: Field) -> int:
    """The version of ONNX's own operators; 0 for another domain's."""
    fields = list(source.inner(place))
    if any(item.number == 1 and item.size > 0 for item in fields):
        return 0
    return next((item.value for item in fields if item.number == 2 and item.size < 0), 0)


def _graph(source: _Source, graph: Field) -> tuple[list[Any], list[Any]]:
    inputs, outputs, constants = [], [], set()
    for found in source.inner(graph):
        if found.number == 5 and found.size >= 0:
            constants.add(_name_of_tensor(source, found))
        elif found.number == 11:
            inputs.append(_value(source, found))
        elif found.number == 12:
            outputs.append(_value(source, found))
        if len(inputs) > MAX_INPUTS or len(outputs) > MAX_INPUTS:
            raise Unreadable
    return [item for item in inputs if item["name"] not in constants], outputs


def _name_of_tensor(source: _Source, place: Field) -> str:
    """TensorProto's name is field 8; its data, which may be huge, are skipped over."""
    for item in source.inner(place):
        if item.number == 8 and item.size >= 0:
            return source.text(item)
    return ""


def _value(source: _Source, place: Field) -> dict[str, Any]:
    name, dtype, shape = "", "", None
    for item in source.inner(place):
        if item.number == 1 and item.size >= 0:
            name = source.text(item)
        elif item.number == 2 and item.size >= 0:
            dtype, shape = _type(source, item)
    return {"name": name, "dtype": dtype, "shape": shape}


def _type(source: _Source, place: Field) -> tuple[str, list[int] | None]:
    for item in source.inner(place):
        if item.number == 1 and item.size >= 0:
            return _tensor(source, item)
    return "", None  # a sequence or a map


def _tensor(source: _Source, place: Field) -> tuple[str, list[int] | None]:
    dtype, shape = "", None
    for item in source.inner(place):
        if item.number == 1 and item.size < 0:
            dtype = DTYPES.get(item.value, "")
        elif item.number == 2 and item.size >= 0:
            dims = [field for field in source.inner(item) if field.number == 1 and field.size >= 0]
            shape = [_dimension(source, field) for field in dims[:16]]
    return dtype, shape


def _dimension(source: _Source, place: Field) -> int:
    """A length, -1 where any is meant."""
    for item in source.inner(place):
        if item.number == 1 and 0 < item.value < 2**31:
            return item.value
    return -1


class _Source:
    """Walks over the fields of messages in a file without reading what is skipped."""

    def __init__(self, path: str, size: int, read: Read) -> None:
        self.path, self.size, self.read = path, size, read
        self.left = MAX_FIELDS
        self.window, self.window_start = b"", 0

    def inner(self, place: Field) -> Iterator[Field]:
        if place.size < 0:
            raise Unreadable
        return self.fields(place.start, place.start + place.size)

    def fields(self, at: int, end: int) -> Iterator[Field]:
        if end > self.size:
            raise Unreadable
        while at < end:
            self.left -= 1
            if self.left < 0:
                raise Unreadable
            key, at = self._varint(at)
            number, kind = key >> 3, key & 7
            if kind == 0:
                value, at = self._varint(at)
                yield Field(number, value, 0, -1)
            elif kind == 2:
                length, at = self._varint(at)
                if at + length > end:
                    raise Unreadable
                yield Field(number, 0, at, length)
                at += length
            elif kind in (1, 5):
                at += 8 if kind == 1 else 4
            else:
                raise Unreadable

    def text(self, place: Field) -> str:
        if not 0 <= place.size <= MAX_SMALL:
            raise Unreadable
        data = b"".join(self._byte(place.start + n) for n in range(min(place.size, 1000)))
        return data.decode("utf-8", "replace").replace("\x00", "\ufffd")

    def _varint(self, at: int) -> tuple[int, int]:
        value = 0
        for shift in range(0, 70, 7):
            byte = self._byte(at)[0]
            at += 1
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value & (2**64 - 1), at
        raise Unreadable

    def _byte(self, at: int) -> bytes:
        place = at - self.window_start
        if not 0 <= place < len(self.window):
            self.window, self.window_start, place = self.read(self.path, at, WINDOW), at, 0
            if not self.window:
                raise Unreadable
        return self.window[place : place + 1]

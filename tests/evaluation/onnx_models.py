"""A network as small as they come: the mean of each channel, as an ONNX file written by hand.

Field numbers are those of onnx.proto3 (ModelProto, GraphProto, NodeProto, ValueInfoProto).
"""

FLOAT = 1


def _field(number: int, value: bytes | int) -> bytes:
    if isinstance(value, int):
        return bytes([number << 3]) + _varint(value)
    return bytes([number << 3 | 2]) + _varint(len(value)) + value


def _varint(value: int) -> bytes:
    out = b""
    while value > 0x7F:
        out, value = out + bytes([value & 0x7F | 0x80]), value >> 7
    return out + bytes([value])


def _tensor(name: str, shape: tuple[int, ...]) -> bytes:
    dimensions = b"".join(_field(1, _field(1, size)) for size in shape)
    kind = _field(1, _field(1, FLOAT) + _field(2, dimensions))
    return _field(1, name.encode()) + _field(2, kind)


def channel_means(side: int) -> bytes:
    """(1, 3, side, side) to (1, 3, 1, 1)."""
    node = _field(1, b"x") + _field(2, b"y") + _field(4, b"GlobalAveragePool")
    graph = _field(1, node) + _field(2, b"means")
    graph += _field(11, _tensor("x", (1, 3, side, side))) + _field(12, _tensor("y", (1, 3, 1, 1)))
    return _field(1, 8) + _field(8, _field(1, b"") + _field(2, 13)) + _field(7, graph)

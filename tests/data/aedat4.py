"""A writer of AEDAT 4 files with uncompressed packets of events, byte by byte: the container that CIFAR10-DVS is in."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

MAGIC = b"#!AER-DAT4.0\r\n"
UNCOMPRESSED = 0
EVENT = np.dtype([("t", "<i8"), ("x", "<i2"), ("y", "<i2"), ("on", "?"), ("padding", "V3")])
DESCRIPTION = """<dv version="2.0"><node name="outInfo" path="/mainloop/Recorder/outInfo/">
<node name="0" path="/mainloop/Recorder/outInfo/0/">
<attr key="compression" type="string">NONE</attr>
<attr key="originalModuleName" type="string">capture</attr>
<attr key="originalOutputName" type="string">events</attr>
<attr key="typeDescription" type="string">Array of events (polarity ON/OFF).</attr>
<attr key="typeIdentifier" type="string">{identifier}</attr>
<node name="info" path="/mainloop/Recorder/outInfo/0/info/">
<attr key="sizeX" type="int">{width}</attr><attr key="sizeY" type="int">{height}</attr>
<attr key="source" type="string">test</attr><attr key="tsOffset" type="long">0</attr>
</node></node></node></dv>"""


def write_aedat4(
    path: Path, events: NDArray[Any], *, sensor: tuple[int, int] = (128, 128), packet: int = 1000, stream: str = "EVTS"
) -> Path:
    """Write events (fields x, y, t, p) in packets of so many; without the table that a recorder adds at the end."""
    body = MAGIC + header(DESCRIPTION.format(identifier=stream, width=sensor[0], height=sensor[1]))
    for start in range(0, len(events), packet):
        content = packet_of_events(events[start : start + packet])
        body += struct.pack("<iI", 0, len(content)) + content
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(body)
    return path


def header(text: str | bytes, *, packets_end: int = -1) -> bytes:
    """The header with its length: a flatbuffer "IOHE" of compression, packets_end and text."""
    encoded = text.encode() if isinstance(text, str) else text
    fields = struct.pack("<5H", 10, 20, 4, 12, 8)  # sizes of this list and of the table; places of the fields in it
    table_at = 8 + 6 + len(fields)
    table = struct.pack("<iiIq", len(fields), UNCOMPRESSED, 12, packets_end)  # the text begins 12 bytes after its field
    string = struct.pack("<I", len(encoded)) + encoded + b"\0"
    buffer = struct.pack("<I4s6x", table_at, b"IOHE") + fields + table + string
    return struct.pack("<I", len(buffer)) + buffer


def packet_of_events(events: NDArray[Any]) -> bytes:
    """A flatbuffer "EVTS", after its length: one vector of events of 16 bytes, at a multiple of 8."""
    structs = np.zeros(len(events), EVENT)
    for name, field in (("t", "t"), ("x", "x"), ("y", "y"), ("on", "p")):
        structs[name] = events[field]
    fields = struct.pack("<3H", 6, 8, 4)
    table = struct.pack("<iI", len(fields), 4)  # the vector begins 4 bytes after its field
    buffer = struct.pack("<I4s", 14, b"EVTS") + fields + table + struct.pack("<I", len(events))
    padding = -(4 + len(buffer)) % 8
    buffer = struct.pack("<I4s", 14 + padding, b"EVTS") + bytes(padding) + buffer[8:]
    content = buffer + structs.tobytes()
    return struct.pack("<I", len(content)) + content

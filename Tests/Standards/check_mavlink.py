#!/usr/bin/env python3
"""check_mavlink.py: judges a line for each message by pymavlink, which is not ours.

Each line of the input is "NAME HEX FIELD=VALUE...", HEX being our frame. Prints their frame of the same values for each
line. Ends with 1 and the reason where their reader finds another message or other values in
ours.
"""

import struct
import sys

from pymavlink.dialects.v20 import common as mavlink

ARRAYS = {"repr_offset_q": 4}


def same(theirs, ours):
    """Floats as their four bytes, since ours come as text of single precision."""
    if isinstance(theirs, list):
        return len(theirs) == len(ours) and all(same(a, b) for a, b in zip(theirs, ours))
    if isinstance(theirs, float):
        return struct.pack("<f", theirs) == struct.pack("<f", ours)
    return theirs == ours


def main():
    count = 0
    for line in sys.stdin:
        name, hexed, *pairs = line.split()
        values = {}
        for pair in pairs:
            field, text = pair.split("=")
            numbers = [float(part) if "." in part or "e" in part else int(part) for part in text.split(",")]
            values[field] = numbers if field in ARRAYS else numbers[0]
        sender = mavlink.MAVLink(None, srcSystem=values.pop("system"), srcComponent=values.pop("component"))
        sender.seq = values.pop("sequence")
        kind = getattr(mavlink, f"MAVLink_{name}_message")
        message = kind(**values)
        sequence = sender.seq
        frame = message.pack(sender)
        reader = mavlink.MAVLink(None)
        found = reader.parse_buffer(bytearray(bytes.fromhex(hexed))) or []
        if [type(each) for each in found] != [kind]:
            sys.exit(f"{name}: they read {found} in {hexed}")
        read = found[0]
        if (read.get_srcSystem(), read.get_srcComponent(), read.get_seq()) != (
            sender.srcSystem,
            sender.srcComponent,
            sequence,
        ):
            sys.exit(f"{name}: they read another sender in {hexed}")
        for field, value in values.items():
            if not same(getattr(read, field), value):
                sys.exit(f"{name}.{field}: they read {getattr(read, field)} in {hexed}, sent was {value}")
        print(bytes(frame).hex(), flush=True)
        count += 1
    print(f"{count} messages", file=sys.stderr)


if __name__ == "__main__":
    main()

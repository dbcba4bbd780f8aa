#!/usr/bin/env python3
"""check_sparkplug.py CAPTURE GROUP NODE BDSEQ...: judges what an edge node said, as capture.py wrote it, by pysparkplug.

BDSEQ are the numbers of its connections, in order. The values that a host has after each message must be those of the
`state` message of the same tick.
"""

import json
import sys

from google.protobuf.unknown_fields import UnknownFieldSet
from pysparkplug import DataType, NBirth, NData, NDeath
from pysparkplug._protobuf import Payload

from capture import read


def main():
    path, group, node, *connections = sys.argv[1:]
    connections = [int(number) for number in connections]
    captured = read(path)
    messages = [message for message in captured if message]
    topic = {kind: f"spBv1.0/{group}/{kind}/{node}" for kind in ("NBIRTH", "NDATA", "NDEATH")}
    states = {}
    channels = {}
    for message in messages:
        if message.topic == f"motorhand/hand/{node}/state":
            value = json.loads(message.payload)
            states[(value["run_id"], value["seq"])] = value
        elif message.topic == f"motorhand/hand/{node}/birth":
            channels = {c["name"]: c for c in json.loads(message.payload)["channels"]}

    birth = None
    known = {}
    expected = None
    alive = False
    counts = {"NBIRTH": 0, "NDATA": 0, "NDEATH": 0, "compared": 0, "values": 0}
    seen = []
    for message in captured:
        if message is None:
            # What came meanwhile nobody knows: a host waits for a birth.
            alive = None
            continue
        kind = {name: kind for kind, name in topic.items()}.get(message.topic)
        if kind is None:
            continue
        if alive is None and kind != "NBIRTH":
            continue
        counts[kind] += 1
        assert not message.retain, f"{kind} is retained"
        assert message.qos == (1 if kind == "NDEATH" else 0), f"{kind} with QoS {message.qos}"
        raw = Payload.FromString(message.payload)
        assert not any(len(UnknownFieldSet(part)) for part in [raw, *raw.metrics]), "a field that nobody knows"
        assert abs(raw.timestamp / 1000 - message.time) < 60, "the payload's time is no time in ms"
        if kind == "NDEATH":
            assert not raw.HasField("seq"), "NDEATH has a seq"
            assert [m.name for m in raw.metrics] == ["bdSeq"]
            assert NDeath.decode(message.payload).bd_seq_metric.value == seen[-1], "death of another connection"
            alive = False
            continue
        if kind == "NBIRTH":
            birth = NBirth.decode(message.payload)
            assert birth.seq == 0
            number = check_birth(birth, raw, channels)
            if not alive:
                seen.append(number)
            assert number == seen[-1], "bdSeq changed without a new connection"
            alive = True
            known = {m.name: None if m.is_null else m.value for m in birth.metrics}
            expected = 1
        else:
            assert alive, "data of an edge node that is not born"
            assert all(m.HasField("alias") and not m.HasField("name") and not m.HasField("datatype")
                       for m in raw.metrics), "data by something else than alias"
            data = NData.decode(message.payload, birth=birth)
            assert data.seq == expected, f"seq {data.seq}, expected {expected}"
            expected = (expected + 1) % 256
            for metric in data.metrics:
                value = None if metric.is_null else metric.value
                assert value != known[metric.name], f"{metric.name} is sent without a change"
                known[metric.name] = value
        assert all(m.HasField("timestamp") for m in raw.metrics), "a metric without a time"
        assert not any(m.is_historical for m in raw.metrics)
        state = states.get((known["run_id"], str(known["seq"])))
        if state:
            counts["compared"] += 1
            counts["values"] += compare(known, state)
    assert seen == connections, f"connections {seen}, expected {connections}"
    assert not alive, "the last edge node did not die"
    assert counts["compared"] >= 20, counts
    print(counts)


def check_birth(birth, raw, channels):
    """A birth's bdSeq."""
    metrics = {m.name: m for m in birth.metrics}
    assert len(metrics) == len(birth.metrics), "a name twice"
    assert metrics["bdSeq"].datatype == DataType.INT64 and metrics["bdSeq"].alias is None
    rebirth = metrics["Node Control/Rebirth"]
    assert rebirth.datatype == DataType.BOOLEAN and rebirth.value is False and rebirth.alias is None
    aliases = [m.alias for m in birth.metrics if m.alias is not None]
    assert len(set(aliases)) == len(aliases) == len(metrics) - 2
    assert all(m.datatype != DataType.UNKNOWN for m in birth.metrics)
    for metric in raw.metrics:
        channel = channels.get(metric.name.replace("/", "."))
        if channel is None:
            continue
        properties = dict(zip(metric.properties.keys, metric.properties.values))
        assert ("engUnit" in properties) == bool(channel["unit"]), metric.name
        if channel["unit"]:
            assert properties["engUnit"].string_value == channel["unit"] and properties["engUnit"].type == 12
        for name, key in (("engLow", "lower"), ("engHigh", "upper")):
            assert (name in properties) == (key in channel), metric.name
            if key in channel:
                assert properties[name].double_value == channel[key] and properties[name].type == 10
    return metrics["bdSeq"].value


def compare(known, state):
    """How many values of a host are those of a state message; all that it has must be."""
    count = 0
    for name, value in known.items():
        if name in ("bdSeq", "Node Control/Rebirth"):
            continue
        told = state[name.replace("/", ".")]
        if isinstance(value, int) and isinstance(told, str):
            told = int(told)
        # A clock that was synchronised within a tick is not worth a failure; everything else is exact.
        assert value == told or name == "clock_synced", f"{name}: a host has {value!r}, state says {told!r}"
        count += 1
    missing = {k for k, v in state.items() if v is not None} - {n.replace("/", ".") for n in known}
    assert missing <= {"schema", "mono_ns", "t"}, f"not told: {missing}"
    return count


main()

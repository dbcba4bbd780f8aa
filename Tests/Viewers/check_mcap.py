#!/usr/bin/env python3
"""Reads a file of MCAP with the readers of the format's authors, and compares it with other exports of one recording.

  check_mcap.py FILE.mcap EXPORT.csv RUN_DIRECTORY

Structure: every record, chunk and index, all sums, the summary against what is there. Content: every message of every
tick with the CSV, value for value; transforms with the angles, by the geometry of the URDF in the file; the log with
events.sqlite; attachments with what a segment holds. Prints what was compared; ends with 1 at the first difference.
"""

import csv
import math
import sqlite3
import struct
import sys
import xml.etree.ElementTree
import zlib

import zstandard
from mcap.reader import NonSeekingReader, SeekingReader
from mcap.records import Channel, Chunk, ChunkIndex, Message, MessageIndex, Statistics
from mcap.stream_reader import StreamReader
from mcap_ros2.decoder import DecoderFactory


def require(condition, *what):
    if not condition:
        print("DIFFERENT:", *what)
        sys.exit(1)


def same(found, expected):
    """Equal to the bit, but for the kind of NaN."""
    return found == expected or (math.isnan(found) and math.isnan(expected))


# ---- structure


def records_at(data, start, end):
    """Opcode, place and content of each record between two places."""
    while start < end:
        opcode, length = struct.unpack_from("<BQ", data, start)
        require(start + 9 + length <= end, "a record at", start, "goes beyond", end)
        yield opcode, start, data[start + 9 : start + 9 + length]
        start += 9 + length


def check_structure(path):
    with open(path, "rb") as file:
        data = file.read()
    magic = b"\x89MCAP0\r\n"
    require(data[:8] == magic and data[-8:] == magic, "no magic at an end")
    footer = len(data) - 8 - 29
    require(data[footer] == 2, "no footer before the magic")
    summary, offsets, crc = struct.unpack_from("<QQI", data, footer + 9)
    require(0 < summary < offsets < footer, "places in the footer")
    require(crc and crc == zlib.crc32(data[summary : footer + 25]), "the sum of the summary")
    data_end = summary - 13
    require(data[data_end] == 15, "no end of data before the summary")
    require(
        struct.unpack_from("<I", data, data_end + 9)[0] == zlib.crc32(data[:data_end]), "the sum of the data")

    # The summary's groups are where its offsets say, one opcode each, and no other.
    groups = {}
    for opcode, start, _ in records_at(data, summary, offsets):
        first, _ = groups.get(opcode, (start, start))
        groups[opcode] = (first, start + 9 + struct.unpack_from("<Q", data, start + 1)[0])
    told = {}
    for opcode, _, content in records_at(data, offsets, footer):
        require(opcode == 14, "opcode", opcode, "among the summary's offsets")
        group, start, length = struct.unpack("<BQQ", content)
        told[group] = (start, start + length)
    require(told == groups, "offsets of the summary", told, groups)

    # Each chunk by its index, and each message by the index of its channel.
    found = {"chunks": 0, "messages": 0}
    by_channel = {}
    times = []
    previous_end = 0
    with open(path, "rb") as file:
        with_chunks = SeekingReader(file, validate_crcs=True).get_summary()
    for index in with_chunks.chunk_indexes:
        require(data[index.chunk_start_offset] == 6, "no chunk where an index says")
        content = data[index.chunk_start_offset + 9 : index.chunk_start_offset + index.chunk_length]
        start, end, size, chunk_crc, name = struct.unpack_from("<QQQII", content)
        require(content[32 : 32 + name] == b"zstd", "a chunk that is not compressed by zstd")
        packed = content[32 + name + 8 :]
        raw = zstandard.decompress(packed, size)
        require(len(raw) == size and chunk_crc and zlib.crc32(raw) == chunk_crc, "size or sum of a chunk")
        require(
            (start, end, size, len(packed))
            == (index.message_start_time, index.message_end_time, index.uncompressed_size, index.compressed_size),
            "a chunk and its index")
        require(start >= previous_end, "chunks overlap in time")
        previous_end = end
        indexed = set()
        place = index.chunk_start_offset + index.chunk_length
        ends = place + index.message_index_length
        for opcode, at, entry in records_at(data, place, ends):
            require(opcode == 7, "opcode", opcode, "among a chunk's indexes")
            channel, length = struct.unpack_from("<HI", entry)
            require(index.message_index_offsets.get(channel) == at, "place of the index of channel", channel)
            require(length == len(entry) - 6 and length % 16 == 0, "length of an index")
            last = 0
            for log_time, offset in struct.iter_unpack("<QQ", entry[6:]):
                opcode, _, of, _, message_time, _ = struct.unpack_from("<BQHIQQ", raw, offset)
                require((opcode, of, message_time) == (5, channel, log_time), "a message and its index")
                require(log_time >= last, "an index is not in order of time")
                last = log_time
                indexed.add(offset)
        inside = [at for opcode, at, _ in records_at(raw, 0, len(raw)) if opcode == 5]
        require(indexed == set(inside), "messages without an index, or indexes without a message")
        found["chunks"] += 1
        found["messages"] += len(inside)
        for at in inside:
            channel, _, log_time = struct.unpack_from("<HIQ", raw, at + 9)
            by_channel[channel] = by_channel.get(channel, 0) + 1
            require(not times or log_time >= times[-1], "messages are not in order of time")
            times = [times[0] if times else log_time, log_time]
    statistics = with_chunks.statistics
    require(statistics.message_count == found["messages"], "count of messages")
    require(statistics.chunk_count == found["chunks"], "count of chunks")
    require(statistics.channel_message_counts == by_channel, "counts of the channels")
    require(statistics.schema_count == len(with_chunks.schemas), "count of schemas")
    require(statistics.channel_count == len(with_chunks.channels), "count of channels")
    require([statistics.message_start_time, statistics.message_end_time] == (times or [0, 0]), "first and last time")

    # The authors' own readers, one from front to end and one by the indexes, see the same.
    with open(path, "rb") as file:
        streamed = sum(1 for _ in NonSeekingReader(file, validate_crcs=True).iter_messages())
    with open(path, "rb") as file:
        sought = sum(1 for _ in SeekingReader(file, validate_crcs=True).iter_messages())
    require(streamed == sought == found["messages"], "messages read", streamed, sought, found["messages"])
    counts = {}
    with open(path, "rb") as file:
        for record in StreamReader(file, validate_crcs=True, emit_chunks=True).records:
            counts[type(record)] = counts.get(type(record), 0) + 1
    require(counts[Chunk] == counts[ChunkIndex] == found["chunks"], "chunks and their indexes")
    require(counts[Statistics] == 1 and counts.get(MessageIndex, 0) > 0 and Message not in counts, "records")
    require(counts[Channel] == 2 * len(with_chunks.channels), "channels, once more in the summary")
    print(f"structure: {found['messages']} messages in {found['chunks']} chunks, every index and sum")


# ---- content

# Each column of the hand with a topic; words are codes in MCAP.
WORDS = {
    "state": "state_name", "fault": "fault_name", "certificate": "certificate_name",
}


class Table:
    """The CSV export, a row at a time."""

    def __init__(self, path):
        self.rows = csv.reader(open(path, newline=""))
        # Heading without its unit.
        self.columns = {heading.split(" [")[0]: at for at, heading in enumerate(next(self.rows))}
        joints = [name.rsplit(".", 1)[0] for name in self.columns if name.endswith(".position_radians")]
        self.joints = joints
        self.row = None

    def next(self):
        self.row = next(self.rows, None)
        return self.row is not None

    def text(self, column):
        return self.row[self.columns[column]]

    def number(self, column):
        text = self.text(column) if column in self.columns else ""
        return float(text) if text else math.nan


def multiply(a, b):
    ax, ay, az, aw = a
    bx, by, bz, bw = b
    return (
        aw * bx + ax * bw + ay * bz - az * by, aw * by - ax * bz + ay * bw + az * bx,
        aw * bz + ax * by - ay * bx + az * bw, aw * bw - ax * bx - ay * by - az * bz)


def about(axis, angle):
    return tuple(part * math.sin(angle / 2) for part in axis) + (math.cos(angle / 2),)


class Robot:
    """The URDF: a tree of links."""

    def __init__(self, text):
        root = xml.etree.ElementTree.fromstring(text)
        self.links = {link.get("name") for link in root.findall("link")}
        require(len(self.links) == len(root.findall("link")), "two links of one name")
        self.joints = {}
        for joint in root.findall("joint"):
            parent, child = joint.find("parent").get("link"), joint.find("child").get("link")
            require(parent in self.links and child in self.links, "a joint between links that are not there")
            require(child not in self.joints, "a link with two parents")
            origin = joint.find("origin")
            numbers = lambda element, key: [float(part) for part in element.get(key, "0 0 0").split()]
            axis = joint.find("axis")
            limit = joint.find("limit")
            self.joints[child] = {
                "name": joint.get("name"), "parent": parent, "xyz": numbers(origin, "xyz"),
                "rpy": numbers(origin, "rpy"), "axis": numbers(axis, "xyz") if axis is not None else None,
                "limits": (float(limit.get("lower")), float(limit.get("upper"))) if limit is not None else None,
            }
        roots = self.links - set(self.joints)
        require(len(roots) == 1, "not one root of the tree", roots)
        # From each link the root is reached: no loop.
        for link in self.links:
            steps = 0
            while link in self.joints:
                link = self.joints[link]["parent"]
                steps += 1
                require(steps <= len(self.links), "a loop of links")

    def rotation(self, child, angle):
        joint = self.joints[child]
        roll, pitch, yaw = joint["rpy"]
        turn = multiply(multiply(about((0, 0, 1), yaw), about((0, 1, 0), pitch)), about((1, 0, 0), roll))
        return turn if joint["axis"] is None else multiply(turn, about(joint["axis"], angle))


def check_content(path, table_path, run):
    segments = sqlite3.connect(f"file:{run}/segment-0001.sqlite?mode=ro", uri=True)
    meta = dict(segments.execute("SELECT key, value FROM meta"))
    servos = {name for name, actuator in segments.execute("SELECT name, actuator FROM joint") if actuator == "servo"}
    codes = {
        column: {word: code for code, word in segments.execute(f"SELECT code, name FROM {table}")}
        for column, table in WORDS.items()
    }
    events = sqlite3.connect(f"file:{run}/events.sqlite?mode=ro", uri=True).execute(
        "SELECT number, sequence, wall_nanoseconds, kind, joint, text FROM event ORDER BY number").fetchall()
    table = Table(table_path)
    counts = {}
    robot = None
    names = None
    first = None
    sequence = None
    moved = 0
    logged = []
    wanted = set()
    with open(path, "rb") as file:
        reader = SeekingReader(file, decoder_factories=[DecoderFactory()], validate_crcs=True)
        summary = reader.get_summary()
        topics = {channel.topic: channel for channel in summary.channels.values()}
        attachments = {item.name: item.data.decode() for item in reader.iter_attachments()}
        metadata = {item.name: item.metadata for item in reader.iter_metadata()}
        for schema, channel, message, decoded in reader.iter_decoded_messages(log_time_order=False):
            topic = channel.topic
            counts[topic] = counts.get(topic, 0) + 1
            if topic == "/rosout":
                logged.append((message, decoded))
                continue
            if topic == "/robot_description":
                robot = Robot(decoded.data)
                continue
            if topic == "/joint_states":
                # The first message of a tick.
                require(table.next(), "more ticks than the CSV has")
                names = list(decoded.name)
                sequence = int(table.text("sequence"))
                now = int(table.text("deadline_nanoseconds")) + int(table.text("wake_up_nanoseconds"))
                if first is None:
                    first = (message.log_time, now)
                    require(set(names) <= set(table.joints), "joints", names, table.joints)
                    # Without a choice of joints all are there, in their order.
                    require(names == table.joints, "joints", names, table.joints)
            where = (topic, "tick", sequence)
            require(message.sequence == sequence % 2**32, *where, "has number", message.sequence)
            require(message.publish_time == int(table.text("wall_nanoseconds")), *where, "publish time")
            require(message.log_time == first[0] + now - first[1], *where, "log time")
            if topic in ("/joint_states", "/joint_setpoints"):
                stamp = decoded.header.stamp
                require(stamp.sec * 10**9 + stamp.nanosec == message.log_time, *where, "stamp")
                position, velocity = (
                    ("position_radians", "velocity_radians_per_second") if topic == "/joint_states"
                    else ("setpoint_radians", "setpoint_radians_per_second"))
                effort = "torque_newton_metres" if topic == "/joint_states" and not set(names) <= servos else None
                require(list(decoded.name) == names, *where, "names")
                for column, values in ((position, decoded.position), (velocity, decoded.velocity), (effort, decoded.effort)):
                    require(len(values) == (len(names) if column else 0), *where, "length of", column)
                    for joint, value in zip(names, values):
                        expected = table.number(f"{joint}.{column}")
                        require(same(value, expected), *where, joint, column, value, expected)
            elif topic == "/tf":
                moved += 1
                wanted.add(sequence)
                angles = {joint: table.number(f"{joint}.position_radians") for joint in table.joints}
                children = [transform.child_frame_id for transform in decoded.transforms]
                require(sorted(children) == sorted(robot.joints), *where, "links", children)
                for transform in decoded.transforms:
                    joint = robot.joints[transform.child_frame_id]
                    require(transform.header.frame_id == joint["parent"], *where, "parent of", joint["name"])
                    place, turn = transform.transform.translation, transform.transform.rotation
                    expected = robot.rotation(transform.child_frame_id, angles.get(joint["name"], 0))
                    for value, wants in zip(
                        [place.x, place.y, place.z, turn.x, turn.y, turn.z, turn.w], [*joint["xyz"], *expected]
                    ):
                        # The same formula in another order.
                        require(abs(value - wants) < 1e-12, *where, joint["name"], value, wants)
            elif topic.startswith("/hand/"):
                column = topic[len("/hand/") :]
                expected = (
                    codes[column].get(table.text(column), 0) if column in WORDS else table.number(column))
                require(len(decoded.data) == 1 and same(decoded.data[0], expected), *where, decoded.data, expected)
            elif topic.startswith("/joints/"):
                column = topic[len("/joints/") :]
                require(channel.metadata["joints"].split(",") == names, *where, "joints of the channel")
                require(len(decoded.data) == len(names), *where, "values")
                for joint, value in zip(names, decoded.data):
                    expected = table.number(f"{joint}.{column}")
                    require(same(value, expected), *where, joint, value, expected)
            else:
                require(False, "a topic that nobody expects:", topic)
    require(not table.next(), "fewer ticks than the CSV has")
    ticks = counts["/joint_states"]
    for topic in topics:
        if topic.startswith(("/hand/", "/joints/", "/joint_")):
            require(counts[topic] == ticks, topic, counts[topic], "messages of", ticks, "ticks")
    require(counts["/robot_description"] == 1, "robot descriptions")
    for joint in robot.joints.values():
        require(joint["axis"] is None or joint["name"] in table.joints, "a joint of the URDF", joint)
    require(
        sorted(joint["name"] for joint in robot.joints.values() if joint["axis"]) == sorted(table.joints), "joints of the URDF")
    require(moved >= ticks * 50 // int(meta["rate_hertz"]) - 1, "transforms", moved)

    # In the order of their ticks, one without a tick behind the one before.
    place = 0
    placed = []
    for event in events:
        place = place if event[1] is None else event[1]
        placed.append((place, event[0], event))
    events = [event for _, _, event in sorted(placed)]
    require([message.sequence for message, _ in logged] == [event[0] for event in events], "events in the log")
    for (message, decoded), (number, _, wall, kind, joint, text) in zip(logged, events):
        require((decoded.function, decoded.line) == (kind, number), "event", number, decoded)
        require(decoded.msg == (f"{text} ({joint})" if joint else text), "event", number, decoded.msg, text)
        require(message.publish_time == wall, "event", number, "wall clock")
        require(decoded.name == meta["hand_id"] and decoded.level in (20, 30, 40), "event", number, decoded)

    for name, key in (
        ("board.yaml", "board_yaml"), ("calibration.yaml", "calibration_yaml"), ("certificate.json", "certificate_json"),
    ):
        require(attachments[name] == meta[key], "attachment", name)
    for key in ("run_id", "hand_id", "version", "rate_hertz"):
        require(metadata["motorhand"][key] == meta[key], "metadata", key)
    print(
        f"content: {ticks} ticks of {len(names)} joints in {len(topics)} topics, {moved} transforms, "
        f"{len(logged)} events")


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    check_structure(sys.argv[1])
    check_content(*sys.argv[1:])

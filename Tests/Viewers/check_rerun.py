#!/usr/bin/env python3
"""Reads a file of MCAP with Rerun and compares what Rerun would draw with the CSV export of the same recording.

  check_rerun.py FILE.mcap EXPORT.csv

Curves: angles, speeds and torques of the joints under their names, and the numbers of hand and joints, value for value.
The hand: links of the robot description, and a transform of each. The log: its lines. Then Rerun's own check of the
file, and its converter. Prints what was compared; ends with 1 at the first difference.
"""

import csv
import math
import os
import subprocess
import sys
import tempfile

import pyarrow
from rerun.chunk import McapReader

PARTS = {"Scalars:scalars", "SeriesLines:names", "TextLog:text", "Transform3D:child_frame"}
WORDS = ("state", "fault", "certificate")


def require(condition, *what):
    if not condition:
        print("DIFFERENT:", *what)
        sys.exit(1)


def same(found, expected):
    return found == expected or (math.isnan(found) and math.isnan(expected))


def read(path):
    """Columns of components under each entity, and their values in order."""
    values, places = {}, {}
    for chunk in McapReader(path).stream():
        batch = chunk.to_record_batch()
        entity = str(chunk.entity_path)
        places.setdefault(entity, set()).update(batch.schema.names)
        for name in set(batch.schema.names) & PARTS:
            column = batch.column(name).to_pylist()
            # What is static, as a description, has no time.
            timed = "message_log_time" in batch.schema.names
            times = batch.column("message_log_time").cast(pyarrow.int64()).to_pylist() if timed else [0] * len(column)
            values.setdefault((entity, name), []).extend(zip(times, column))
    # Chunks may come in any order, rows within one not.
    return {key: [row for _, row in sorted(rows, key=lambda row: row[0])] for key, rows in values.items()}, places


def check(path, table_path):
    with open(table_path, newline="") as file:
        rows = list(csv.reader(file))
    columns = {heading.split(" [")[0]: at for at, heading in enumerate(rows.pop(0))}
    joints = [name.rsplit(".", 1)[0] for name in columns if name.endswith(".position_radians")]
    values, places = read(path)

    def number(row, column):
        text = row[columns[column]] if column in columns else ""
        return float(text) if text else math.nan

    def curve(entity, names):
        drawn = values.get((entity, "Scalars:scalars"), [])
        require(len(drawn) == len(rows), entity, len(drawn), "points of", len(rows), "ticks")
        for row, point in zip(rows, drawn):
            for name, value in zip(names, point, strict=True):
                require(same(value, number(row, name)), entity, "tick", row[0], name, value, number(row, name))
        return len(drawn) * len(names)

    compared = 0
    has_effort = any(number(row, f"{joint}.torque_newton_metres") == 0 for row in rows[:1] for joint in joints)
    for topic, parts in (
        ("joint_states", {"position": "position_radians", "velocity": "velocity_radians_per_second"}),
        ("joint_setpoints", {"position": "setpoint_radians", "velocity": "setpoint_radians_per_second"}),
    ):
        if topic == "joint_states" and has_effort:
            parts["effort"] = "torque_newton_metres"
        for part, column in parts.items():
            entity = f"/{topic}/{part}"
            compared += curve(entity, [f"{joint}.{column}" for joint in joints])
            names = values[(entity, "SeriesLines:names")][0]
            require([name.split("/")[-1] for name in names] == joints, entity, names)
    curves = [entity for entity, part in values if part == "Scalars:scalars"]
    for entity in curves:
        if entity.startswith("/hand/") and not entity.endswith(WORDS):
            compared += curve(entity, [entity[len("/hand/") :]])
        elif entity.startswith("/joints/"):
            compared += curve(entity, [f"{joint}.{entity[len('/joints/'):]}" for joint in joints])
    for entity in ("/hand/lipschitz", "/hand/window_product", "/hand/state", "/hand/fault", "/joints/lipschitz"):
        require(entity in curves, entity, "is no curve")

    drawn = {part for parts in places.values() for part in parts}
    require({"Boxes3D:half_sizes", "Cylinders3D:lengths"} <= drawn, "no shape of the hand", sorted(drawn))
    links = {place.split("/")[-2] for place in places if "/visual_geometries/" in place}
    moved = set()
    for children in values[("/tf", "Transform3D:child_frame")]:
        moved |= set(children)
    require({f"{joint}_link" for joint in joints} <= moved, "links without a transform", moved)
    require(moved <= links | {"palm"} and links - moved <= {"palm"}, "links and transforms", links, moved)
    lines = values[("/rosout", "TextLog:text")]
    require(lines and "first tick seen" in lines[0][0], "the log does not begin with the first tick", lines[:1])

    rerun = os.path.join(os.path.dirname(sys.executable), "rerun")
    report = subprocess.run([rerun, "mcap", "check", "--full", path], capture_output=True, text=True)
    topics = [line for line in report.stdout.splitlines() if "/" in line.split(path)[-1] and line[:1].islower()]
    require(report.returncode == 0 and topics and all(line.startswith("ok ") for line in topics), report.stdout, report.stderr)
    with tempfile.TemporaryDirectory() as folder:
        target = os.path.join(folder, "converted.rrd")
        for command in ([rerun, "mcap", "convert", path, "-o", target], [rerun, "rrd", "verify", target]):
            result = subprocess.run(command, capture_output=True, text=True)
            require(result.returncode == 0, " ".join(command), result.stderr)
    print(
        f"rerun: {compared} values of {len(curves)} curves, {len(links)} links of which {len(moved)} move, "
        f"{len(lines)} lines of the log")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    check(*sys.argv[1:])

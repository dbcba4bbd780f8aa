#!/usr/bin/env python3
"""check_home_assistant.py CAPTURE: judges what a hand said to Home Assistant, as capture.py wrote it.

Home Assistant's own schemas must take the announcement and each entity, and refuse each when it is spoilt; its templates,
rendered over the payloads that were really published, must give values that the schemas allow and that the payloads hold.
"""

import copy
import json
import pathlib
import sys

import voluptuous

import home_assistant_schemas
from capture import read

ENTITIES = {
    "status": "sensor", "commands": "sensor", "fault": "sensor", "certificate": "sensor",
    "outputs_enabled": "binary_sensor", "estop_line_active": "binary_sensor", "event": "event", "stop": "button",
    "disarm": "button", "lipschitz": "sensor", "rate_per_second": "sensor", "window_product": "sensor",
    "uncertified_ticks": "sensor", "overruns": "sensor", "current_amperes": "sensor",
}


def refuses(schema, config, what):
    try:
        schema(config)
    except (voluptuous.Invalid, KeyError):
        return
    raise SystemExit(f"Home Assistant's schema does not refuse {what}: the check is void")


def main():
    messages = [message for message in read(sys.argv[1]) if message]
    assistant = home_assistant_schemas.load(pathlib.Path(sys.prefix).parent)
    announcements = [m for m in messages if m.topic.endswith("/config")]
    assert len(announcements) >= 2, "announced once only: not again when Home Assistant said online"
    assert all(m.retain and m.qos == 1 for m in announcements)
    assert len({m.payload for m in announcements}) == 1
    announcement = json.loads(announcements[0].payload)

    schema = assistant.schemas.DEVICE_DISCOVERY_SCHEMA
    checked = assistant.schemas.validate_device_discovery_components(schema(announcement))
    for key in ("device", "origin"):
        spoilt = copy.deepcopy(announcement)
        del spoilt[key]
        refuses(schema, spoilt, f"an announcement without {key}")
    assert {k: c["platform"] for k, c in checked["components"].items()} == ENTITIES

    # What entities inherit, as async_process_discovery_payload of discovery.py does it.
    shared = {key: announcement[key] for key in assistant.schemas.SHARED_OPTIONS if key in announcement}
    entities = {}
    for key, component in announcement["components"].items():
        config = {**shared, **component, "device": announcement["device"], "origin": announcement["origin"]}
        platform = getattr(assistant, config.pop("platform"))
        # A key that no entity knows is dropped in silence: the strict schema refuses it.
        platform.PLATFORM_SCHEMA_MODERN(config)
        refuses(platform.PLATFORM_SCHEMA_MODERN, {**config, "object_id": "x"}, f"{key} with a key that is gone")
        entities[key] = platform.DISCOVERY_SCHEMA(config)
        topic = "command_topic" if "command_topic" in config else "state_topic"
        refuses(platform.DISCOVERY_SCHEMA, {k: v for k, v in config.items() if k != topic}, f"{key} without {topic}")
        refuses(platform.DISCOVERY_SCHEMA, {**config, topic: "a/#/b"}, f"{key} with a bad topic")
    ids = [e["unique_id"] for e in entities.values()]
    assert len(set(ids)) == len(ids)

    render(messages, entities)
    births = {}
    for message in messages:
        if message.topic.endswith("/birth"):
            births[json.loads(message.payload)["run_id"]] = json.loads(message.payload)["rate_hz"]
    seconds = [json.loads(m.payload) for m in messages if m.topic.endswith("/summary")]
    assert len(seconds) >= 5, f"{len(seconds)} summaries"
    for before, after in zip(seconds, seconds[1:]):
        steps = (int(after["seq"]) - int(before["seq"])) / births[after["run_id"]]
        assert before["run_id"] != after["run_id"] or (steps >= 1 and steps == int(steps)), f"{steps} s apart"
    print(f"{len(entities)} entities, {len(announcements)} announcements, {len(seconds)} summaries")


def render(messages, entities):
    environment = home_assistant_schemas.environment()
    availability = set()
    seen = {key: set() for key in entities}
    for message in messages:
        for key, entity in entities.items():
            if message.topic == entity["availability_topic"]:
                value = json.loads(message.payload)
                text = environment.from_string(entity["availability_template"]).render(value_json=value)
                assert text == {"lost": "offline", "disconnected": "offline"}.get(value["status"], "online")
                assert text in (entity["payload_available"], entity["payload_not_available"])
                availability.add(text)
            if message.topic == entity.get("state_topic"):
                value = json.loads(message.payload)
                text = environment.from_string(entity["value_template"]).render(value_json=value)
                check(key, entity, value, text)
                seen[key].add(text)
    assert availability == {"online", "offline"}, availability
    for key, texts in seen.items():
        assert texts or "command_topic" in entities[key], f"{key} has never had a value"
    assert {"ready", "armed", "moving", "estop", "lost", "disconnected"} <= seen["status"], seen["status"]
    assert {"ON", "OFF"} == seen["outputs_enabled"]
    assert {"none", "e-stop-remote"} <= seen["fault"], seen["fault"]
    # "None" is unknown.
    assert seen["lipschitz"] - {"None"}, "L has never had a number"


def check(key, entity, value, text):
    assert len(text) <= 255 or key == "event", f"{key}: Home Assistant refuses states of more than 255 characters"
    if key == "event":
        event = json.loads(text)
        assert event["event_type"] == value["kind"] and event["event_type"] in entity["event_types"]
        assert event["text"] == value["text"] and event["number"] == value["number"]
    elif "options" in entity:
        assert text in entity["options"], f"{key}: {text}"
        expected = {"status": value.get("status"), "certificate": value.get("certificate"),
                    "fault": value.get("fault") or "none",
                    "commands": value.get("commands", {"state": "down"})["state"]}[key]
        assert text == expected
    elif key in ("outputs_enabled", "estop_line_active"):
        assert text == {True: entity["payload_on"], False: entity["payload_off"]}[value[key]]
    else:
        assert text == "None" if value[key] is None else float(text) == float(value[key]), f"{key}: {text}"


main()

#!/usr/bin/env python3
"""check_asyncapi.py DOCS [CAPTURE [UNSEEN...]]: judges docs/asyncapi.yaml and its schemas.

With a capture of capture.py: each message must be one of the document, with QoS and retain as said and a payload that its
schema takes, and each of the document must have been seen but for those that UNSEEN names. Keys that a schema does not
name are an error here, so that no message says more than is documented.
"""

import collections
import json
import pathlib
import re
import sys
import warnings

import jsonschema
import yaml

warnings.filterwarnings("ignore", message="Field name")
from asyncapi3.models.asyncapi import AsyncAPI3  # noqa: E402

from capture import read  # noqa: E402

WORDS = {"id": "[A-Za-z0-9_-]{1,64}", "metric": "(current|force)-[a-z-]+", "group": "[^/]+", "prefix": "[^/]+"}


def main():
    docs = pathlib.Path(sys.argv[1])
    document = yaml.safe_load((docs / "asyncapi.yaml").read_text())
    AsyncAPI3.model_validate(document)
    topics = resolve(document, docs)
    used = {t["schema"] for t in topics if t["schema"]}
    files = {path.name for path in (docs / "schemas").glob("*.json")}
    assert used == files, f"schemas that no topic has, or the other way round: {used ^ files}"
    print(f"{len(topics)} topics, {len(files)} schemas")
    if len(sys.argv) > 2:
        check([m for m in read(sys.argv[2]) if m], topics, set(sys.argv[3:]))


def pointer(document, reference):
    """What a reference within the document names; the validator does not follow them."""
    assert reference.startswith("#/"), reference
    for part in reference[2:].split("/"):
        document = document[part]
    return document


def resolve(document, docs):
    topics = []
    named = set()
    for operation in document["operations"].values():
        reference = operation["channel"]["$ref"]
        named.add(reference)
        channel = pointer(document, reference)
        [message] = [pointer(document, m["$ref"]) for m in channel["messages"].values()]
        address = channel["address"]
        parameters = set(re.findall(r"{(\w+)}", address))
        assert parameters == set(channel["parameters"]), address
        pattern = re.escape(address)
        for name in parameters:
            pattern = pattern.replace(re.escape("{" + name + "}"), f"({WORDS[name]})")
        file = message["payload"].get("$ref")
        schema = json.loads((docs / file).read_text()) if file else None
        if schema:
            jsonschema.Draft7Validator.check_schema(schema)
        topics.append({
            "name": message["name"], "pattern": re.compile(pattern), "type": message["contentType"],
            "schema": pathlib.Path(file).name if file else None,
            "validator": jsonschema.Draft7Validator(closed(schema)) if schema else None,
            "qos": operation["bindings"]["mqtt"]["qos"], "retain": operation["bindings"]["mqtt"]["retain"],
            "sent": operation["action"] == "send"})
    assert named == {f"#/channels/{name}" for name in document["channels"]}, "a channel without an operation"
    return topics


def closed(schema):
    """The schema, that takes no key beyond those that it names."""
    if isinstance(schema, list):
        return [closed(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    made = {key: closed(value) for key, value in schema.items()}
    if isinstance(schema.get("properties"), dict) and schema.get("type") == "object":
        # Of a message that somebody else defines not all is named.
        if schema.get("title") != "discovery":
            made.setdefault("additionalProperties", False)
    return made


def check(messages, topics, unseen):
    seen = collections.Counter()
    for message in messages:
        matching = [t for t in topics if t["pattern"].fullmatch(message.topic)]
        assert len(matching) == 1, f"{message.topic} is {[t['name'] for t in matching]} in the document"
        topic = matching[0]
        seen[topic["name"]] += 1
        if topic["sent"]:
            found = (message.qos, message.retain)
            assert found == (topic["qos"], topic["retain"]), f"{message.topic}: QoS, retain {found}"
        if topic["validator"] and (message.payload or topic["sent"]):
            value = json.loads(message.payload)
            errors = [f"{'/'.join(map(str, e.path))}: {e.message}" for e in topic["validator"].iter_errors(value)]
            assert not errors, f"{message.topic}: {errors[:3]}: {message.payload[:300]}"
    never = {t["name"] for t in topics} - set(seen)
    assert never == unseen, f"never seen: {sorted(never)}, expected {sorted(unseen)}"
    print(", ".join(f"{name} {count}" for name, count in sorted(seen.items())))


main()

#!/usr/bin/env python3
"""capture.py PORT: prints each message of a broker on a loopback port as a line of JSON, until it is ended.

MQTT 5 with QoS 2 and the retain flag as published, so that each message comes as it was sent. Says "ready" first, and again
after a lost connection. As a module: reads what was printed.
"""

import base64
import dataclasses
import json
import sys
import time


@dataclasses.dataclass(frozen=True)
class Message:
    topic: str
    qos: int
    retain: bool
    payload: bytes
    time: float


def read(path):
    """The messages of a file, in their order; None where the connection was lost and made again. A last line that is cut
    short was being written."""
    messages = []
    for line in open(path, encoding="utf-8"):
        if line == "ready\n":
            messages += [None] if messages else []
        if not line.endswith("\n") or line == "ready\n":
            continue
        topic, qos, retain, payload, at = json.loads(line)
        messages.append(Message(topic, qos, retain, base64.b64decode(payload), at))
    return messages


def main():
    from paho.mqtt import client as mqtt
    from paho.mqtt.subscribeoptions import SubscribeOptions

    client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id="capture", protocol=mqtt.MQTTv5)
    client.reconnect_delay_set(1, 1)
    client.on_connect = lambda c, *_: c.subscribe("#", options=SubscribeOptions(qos=2, retainAsPublished=True))
    client.on_subscribe = lambda *_: print("ready", flush=True)
    client.on_message = lambda _c, _u, m: print(
        json.dumps([m.topic, m.qos, bool(m.retain), base64.b64encode(m.payload).decode(), time.time()]), flush=True)
    client.connect("127.0.0.1", int(sys.argv[1]))
    client.loop_forever()


if __name__ == "__main__":
    main()

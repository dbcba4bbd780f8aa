"""A client of the gateway, as a program of somebody else would be: logs in, sees a hand's state by REST and by
WebSocket, commands it, sees what it did and what was written down of it.

tour.py API WEBSOCKET USER HAND     (the password on standard input)

Each step prints a line; the first that fails ends with 1.
"""
import asyncio
import json
import sys
import time
import urllib.error
import urllib.request

import websockets

api, socket, user, hand = sys.argv[1:5]
password = sys.stdin.readline().strip()
token = None


def call(method, path, body=None):
    """One request; the answer's status and its JSON."""
    headers = {"Authorization": "Bearer " + token} if token else {}
    data = None
    if body is not None:
        data = json.dumps(body).encode()
        headers["Content-Type"] = "application/json"
    request = urllib.request.Request(api + path, data=data, headers=headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def until(what, seconds, look):
    """Looks again and again until there is something to see."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found = look()
        if found:
            return found
        time.sleep(0.1)
    sys.exit(f"✘ {what}: not within {seconds} s")


def step(what, told):
    print(f"✔ {what:<46} {told}", flush=True)


status, refused = call("GET", "/hands")
if status != 401:
    sys.exit(f"✘ without a token: {status} {refused}")
step("without a token nothing is told", f"401 {refused['detail']}")

status, grant = call("POST", "/auth/login", {"username": user, "password": password})
if status != 200:
    sys.exit(f"✘ login: {status} {grant}")
token = grant["access_token"]
step("login", f"{grant['user']['username']}, {grant['user']['role']}, for {grant['expires_in']} s")

online = until("a hand", 60, lambda: [h for h in call("GET", "/hands")[1] if h["hand_id"] == hand and h["is_online"]])
step("GET /hands", f"{online[0]['hand_id']}: {online[0]['status']}")

shown = call("GET", f"/hands/{hand}/state")[1]
step("GET /hands/{hand}/state", f"tick {shown['state']['seq']}, {shown['state']['state']}, L {shown['state']['lipschitz']}")


async def listen():
    """Hears the hand by WebSocket while it is armed by REST."""
    async with websockets.connect(socket, open_timeout=60) as connection:
        await connection.send(json.dumps({"type": "auth", "token": token}))
        welcome = json.loads(await connection.recv())
        step("WebSocket", welcome["message"])
        await connection.send(json.dumps(
            {"type": "subscribe", "topics": [f"motorhand/hand/{hand}/state", f"motorhand/hand/{hand}/event"]}))
        if json.loads(await connection.recv())["status"] != "ok":
            sys.exit("✘ subscribe")
        status, reply = await asyncio.to_thread(call, "POST", f"/hands/{hand}/commands", {"verb": "arm"})
        if status != 200 or reply["result"] != "executed":
            sys.exit(f"✘ arm: {status} {reply}")
        step("POST /hands/{hand}/commands arm", reply["result"])
        event = state = None
        end = time.monotonic() + 120
        while time.monotonic() < end and not (event and state):
            message = json.loads(await asyncio.wait_for(connection.recv(), 120))
            payload = json.loads(message["payload"])
            if payload.get("kind") == "state" and payload.get("to") in ("holding", "armed", "tracking"):
                event = payload
            if message["topic"].endswith("/state") and payload["outputs_enabled"]:
                state = payload
        if not (event and state):
            sys.exit("✘ neither event nor state of the armed hand came by WebSocket")
        step("event by WebSocket", f"{event['from']} → {event['to']} in tick {event['seq']}")
        step("state by WebSocket", f"tick {state['seq']}, outputs live, L {state['lipschitz']}")


asyncio.run(listen())
status, reply = call("POST", f"/hands/{hand}/stop")
if status != 200:
    sys.exit(f"✘ stop: {status} {reply}")
step("POST /hands/{hand}/stop", reply["result"])

until("audit", 10, lambda: any(row["action"] == "stop" for row in call("GET", "/audit?limit=1000")[1]))
rows = call("GET", "/audit?limit=1000")[1]
step("GET /audit", ", ".join(f"{row['action']} {row['subject']}" for row in rows[-4:]))

stored = until("stored ticks", 60, lambda: [r for r in call("GET", f"/hands/{hand}/runs")[1] if r["ticks"]])
step("GET /hands/{hand}/runs", f"ticks {stored[0]['ticks']}, events {stored[0]['events']}")
told = until("whole events", 60, lambda: (lambda r: r if r["events_missing"] == "0" else None)(
    call("GET", f"/hands/{hand}/reconciliation")[1]))
step("GET /hands/{hand}/reconciliation", told["summary"])
run = stored[0]
now = time.time()
series = call("GET", f"/hands/{hand}/series?channel=0.position_radians&buckets=20"
              + f"&from={time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime(now - 60))}"
              + f"&to={time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime(now + 5))}")[1]
step("GET /hands/{hand}/series", f"{series['ticks']} ticks in {len(series['buckets'])} parts")

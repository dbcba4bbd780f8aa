"""What a gateway does with clients of its WebSocket that mean well and with those that do not.

check_websocket.py PORT TOKEN VIEWER_TOKEN     (tokens of an operator and of a viewer)

Prints a line for each check; ends with 1 at the first that fails.
"""
import asyncio
import json
import sys
import urllib.request

import websockets

port, token, viewer = sys.argv[1:4]
url = f"ws://127.0.0.1:{port}/ws"


def fail(text):
    sys.exit("✘ " + text)


async def connect(**options):
    return await websockets.connect(url + options.pop("query", ""), ping_interval=None, open_timeout=60, **options)


async def ask(connection, message):
    await connection.send(message if isinstance(message, (str, bytes)) else json.dumps(message))
    return json.loads(await asyncio.wait_for(connection.recv(), 60))


async def login(secret=None):
    connection = await connect()
    welcome = await ask(connection, {"type": "auth", "token": secret or token})
    if welcome["type"] != "welcome" or "timestamp" not in welcome:
        fail(f"welcome: {welcome}")
    return connection


async def closed(connection, code, what, or_code=None):
    """The connection ends with this code, whatever was said before."""
    try:
        while True:
            await asyncio.wait_for(connection.recv(), 60)
    except websockets.ConnectionClosed as end:
        if end.code not in (code, or_code):
            fail(f"{what}: closed with {end.code}, expected {code}")


async def grammar():
    connection = await login()
    for message, expected in [
        ({"type": "subscribe", "topics": ["motorhand/hand/"]}, {"status": "ok", "subscribed": ["motorhand/hand/"]}),
        ({"type": "unsubscribe", "topics": ["motorhand/hand/"]}, {"status": "ok", "subscribed": []}),
        ({"type": "subscribe", "topics": ["a/+"], "id": 7}, {"status": "ok", "subscribed": ["a/+"], "id": 7}),
        ({"type": "query", "query_type": "telemetry", "params": {"spacecraft_id": "none"}}, {"status": "ok", "data": []}),
        ({"type": "query", "query_type": "agp_state", "params": {"system_id": "none"}}, {"status": "ok", "data": []}),
    ]:
        answer = await ask(connection, message)
        if answer != expected:
            fail(f"{message}: {answer}")
    if (await ask(connection, {"type": "ping"}))["type"] != "pong":
        fail("ping")
    for message in ["no JSON", [], {}, {"type": "dance"}, {"type": "subscribe"}, {"type": "subscribe", "topics": ["a/#/b"]},
                    {"type": "subscribe", "topics": [f"t{n}" for n in range(101)]}, {"type": "query", "query_type": "x"},
                    {"type": "query", "query_type": "telemetry", "params": {"spacecraft_id": "a", "limit": 100000}},
                    {"type": "publish", "topic": "motorhand/hand/sim/cmd/arm", "payload": "{}"},
                    {"type": "publish", "topic": "motorhand/nasa/x"}, {"type": "subscribe", "topics": ["a"], "since": "x"}]:
        answer = await ask(connection, message if isinstance(message, str) else json.dumps(message))
        if answer.get("status") != "error" or not answer.get("message"):
            fail(f"{message}: {answer}")
    # There is no broker here, and that is said.
    answer = await ask(connection, {"type": "publish", "topic": "motorhand/nasa/x", "payload": "1"})
    if "no connection" not in answer["message"]:
        fail(f"publish without a broker: {answer}")
    await connection.close()
    looker = await login(viewer)
    answer = await ask(looker, {"type": "publish", "topic": "motorhand/nasa/x", "payload": "1"})
    if "may not publish" not in answer["message"]:
        fail(f"a viewer publishes: {answer}")
    await looker.close()
    print("✔ the grammar, and what is said of everything else")


async def strangers():
    for first in ["no JSON", json.dumps({"type": "ping"}), json.dumps({"type": "auth", "token": "x"}),
                  json.dumps({"type": "auth"})]:
        connection = await connect()
        answer = await ask(connection, first)
        if answer.get("status") != "error":
            fail(f"{first}: {answer}")
        await closed(connection, 1008, f"first {first}")
    # Who says nothing is not waited for.
    connection = await connect()
    await closed(connection, 1008, "silence")
    print("✔ who does not say who it is, is closed")


async def tickets():
    def ticket():
        request = urllib.request.Request(f"http://127.0.0.1:{port}/auth/ticket", method="POST",
                                         headers={"Authorization": "Bearer " + token})
        with urllib.request.urlopen(request) as answer:
            return json.load(answer)["ticket"]
    secret = await asyncio.to_thread(ticket)
    connection = await connect(query=f"?ticket={secret}")
    if json.loads(await connection.recv())["type"] != "welcome":
        fail("ticket")
    again = await connect(query=f"?ticket={secret}")
    await closed(again, 1008, "a ticket twice")
    await connection.close()
    header = await connect(extra_headers={"Authorization": "Bearer " + token})
    if json.loads(await header.recv())["type"] != "welcome":
        fail("header")
    await header.close()
    print("✔ a ticket is good once; a header does too")


async def origins():
    for origin, allowed in [(f"http://127.0.0.1:{port}", True), ("https://evil.example", False), ("null", False)]:
        try:
            connection = await connect(origin=origin)
            await connection.close()
            if not allowed:
                fail(f"a page of {origin} opens a WebSocket")
        except (websockets.InvalidStatusCode, websockets.InvalidMessage, websockets.ConnectionClosed, EOFError) as error:
            if allowed:
                fail(f"{origin}: {error!r}")
    print("✔ pages of others open none")


async def floods():
    connection = await login()
    # 64 KiB a message, in one frame or in many.
    await connection.send("x" * 70_000)
    await closed(connection, 1009, "a large frame")
    connection = await login()
    await connection.send(iter(["x" * 10_000] * 10))
    await closed(connection, 1009, "a large message")
    connection = await login()
    await connection.send(b"binary")
    await closed(connection, 1003, "a binary message")
    connection = await login()

    async def flood():
        while True:
            await connection.send('{"type":"ping"}')
    sender = asyncio.create_task(flood())
    # What is still on its way to a closed socket makes the kernel reset it, and the last words are lost.
    await closed(connection, 1008, "a flood", or_code=1006)
    sender.cancel()
    # A crowd comes and goes.
    crowd = await asyncio.gather(*[login() for _ in range(200)])
    await asyncio.gather(*[each.close() for each in crowd])
    await (await login()).close()
    print("✔ floods end their connection and no other")


async def main():
    await grammar()
    await tickets()
    await origins()
    await strangers()
    await floods()


asyncio.run(main())

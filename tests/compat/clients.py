"""Reads a URL as a program would, coming back when a stream ends, and prints a line of JSON for all that it sees."""

import json
import sys


def say(what):
    print(json.dumps(what), flush=True)
    return '"bye"' in what


def httpx_sse(url):
    import httpx
    from httpx_sse import connect_sse

    with httpx.Client(timeout=30) as client, connect_sse(client, "GET", url) as source:
        for event in source.iter_sse():
            retry = "" if event.retry is None else ", retry " + ("long" if event.retry >= 300 else str(event.retry))
            if say(f"{event.event or 'message'} {event.data}{retry}"):
                return True


def openai(url):
    from openai import OpenAI

    client = OpenAI(base_url=url, api_key="none", max_retries=0)
    for chunk in client.chat.completions.create(model="none", messages=[], stream=True):
        if say(json.dumps(chunk.to_dict(), separators=(",", ":"))):
            return True


read = {"httpx-sse": httpx_sse, "openai": openai}[sys.argv[1]]
for _ in range(3):
    try:
        if read(sys.argv[2]):
            break
    except Exception as error:
        say(f"error {type(error).__name__}")

"""Two people talk in a room of a running server, one of them over a line that breaks: a part of `make demo`."""

import argparse
import asyncio
import secrets
import sys
from contextlib import AsyncExitStack
from typing import Final

from layerline_client import Account, ProblemError, Room, call

_SECONDS: Final = 30


def say(text: str) -> None:
    """Print a line of the story."""
    sys.stdout.write(f"  {text}\n")


async def play(base_url: str) -> None:
    """Play it, and take away what it made."""
    run = secrets.token_hex(3)
    slug, password = f"demo-{run}", secrets.token_urlsafe(12)
    sys.stdout.write("\nA room, two sockets and a break\n")
    async with AsyncExitStack() as at_end:
        ada, bob = [await _account(base_url, f"{name}-{run}@demo.example", password, at_end) for name in ("ada", "bob")]
        await ada.request("POST", "/chat/rooms/", {"slug": slug, "name": "Demo", "visibility": "public"})
        at_end.push_async_callback(ada.request, "DELETE", f"/chat/rooms/{slug}/")
        say(f"Ada has opened the room {slug}.")
        async with asyncio.timeout(_SECONDS), ada.room(slug) as hers, bob.room(slug) as his:
            await _talk(hers, his)
            await _break(hers, his)
            await ada.request("POST", f"/chat/rooms/{slug}/announce/", {"message": "The demo ends here."})
            told = await _next_message(his)
            say(f"A task let the room itself say: “{told['message']}” (from {told['from']}).")
    say("The room and the accounts are gone again.")


async def _account(base_url: str, email: str, password: str, at_end: AsyncExitStack) -> Account:
    name = email.partition("-")[0].capitalize()
    await call(base_url, "POST", "/auth/register/", {"email": email, "name": name, "password": password})
    account = await Account.login(base_url, email, password)
    at_end.push_async_callback(account.request, "POST", "/auth/me/erase/", {"password": password})
    return account


async def _talk(hers: Room, his: Room) -> None:
    sent = await hers.send("Good morning, Bob.")
    heard = await _next_message(his)
    say(f"Ada says “{heard['message']}” and it is stored as number {sent.seq}; Bob hears it.")
    say(f"Its whole way is drawn at /dev/flows/: look for {sent.request_id}.")


async def _break(hers: Room, his: Room) -> None:
    before = his.connections
    await his.break_off()
    numbers = [(await hers.send(f"Are you there, Bob? ({number})")).seq for number in (1, 2, 3)]
    say(f"Bob's line breaks, and Ada says numbers {numbers[0]} to {numbers[-1]}.")
    heard = [(await _next_message(his))["seq"] for _ in numbers]
    if heard != numbers:
        raise SystemExit(f"Bob heard {heard} instead of {numbers}.")
    say(f"Bob is back (connection {his.connections} after {before}) and has heard {heard}, each once and in order.")


async def _next_message(room: Room) -> dict[str, object]:
    return await room.next("message")


def main() -> None:
    """Read the command line, and play."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--base-url", default="http://127.0.0.1:8000", help="where the server answers")
    base_url = parser.parse_args().base_url
    try:
        asyncio.run(play(base_url))
    except (OSError, TimeoutError) as error:
        raise SystemExit(
            f"Nothing answers at {base_url}, or not in time ({type(error).__name__}). Is `make run` on?"
        ) from None
    except ProblemError as problem:
        raise SystemExit(f"The server refused: {problem}") from None


if __name__ == "__main__":
    main()

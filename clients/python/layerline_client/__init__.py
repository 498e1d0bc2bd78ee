"""A client of the API and of its rooms: signs in, stays signed in, and sees each change of a room once, in order.

async with await Account.login("https://api.example.com", email, password) as account:
    async with account.room("harbour") as room:
        await room.send("Good morning.")
        async for frame in room:
            print(frame["type"], frame.get("message"))
"""

from layerline_client.account import Account, Tokens, call
from layerline_client.errors import ClientError, GoneError, ProblemError, RefusedError
from layerline_client.room import Room, Sent

__all__ = ["Account", "ClientError", "GoneError", "ProblemError", "RefusedError", "Room", "Sent", "Tokens", "call"]

"""Work goes to a thread together with its context.

The incident: a consumer called the ORM through `loop.run_in_executor`. The thread knew neither the request id nor that
it had a database connection to close; the logs lost the request, and PostgreSQL ran out of connections.

BAD (apps/rooms/consumers.py):
    import asyncio

    async def work(job):
        await asyncio.get_running_loop().run_in_executor(None, job)

GOOD (apps/rooms/consumers.py):
    import asyncio

    async def work(job):
        await asyncio.to_thread(job)
"""

import ast
from collections.abc import Iterator
from typing import Final

from layerline.contract.rule import Hit, Rule, Source, at, in_code


def _find(source: Source) -> Iterator[Hit]:
    for call in source.calls():
        match call:
            case ast.Call(func=ast.Attribute(attr="run_in_executor"), args=[_, ast.Attribute(attr="run"), *_]):
                # `contextvars.copy_context().run`: the context goes along.
                continue
            case ast.Call(func=ast.Attribute(attr="run_in_executor")):
                yield at(call, "runs in a thread without its context")


RULE: Final = Rule(
    name="bare-run-in-executor",
    doc=__doc__,
    mend="use `asyncio.to_thread`, or `database_sync_to_async` where it touches the database",
    applies=in_code,
    find=_find,
)

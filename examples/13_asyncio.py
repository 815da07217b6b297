"""In an asyncio program: the event loop stays free while pictures are made, and a task can be cancelled."""

import asyncio

import sdkit
from sdkit.types import Finished, StepDone


async def draw(pipe: sdkit.Pipeline, prompt: str) -> sdkit.Result | None:
    async for event in pipe.astream(prompt, seed=3):
        if isinstance(event, StepDone):
            print(f"{prompt}: step {event.index + 1} of {event.steps}")
        if isinstance(event, Finished):
            return event.result
    return None


async def main() -> None:
    pipe = sdkit.Pipeline.load()
    hasty = asyncio.create_task(draw(pipe, "a gray square on a red background"))
    result = await draw(pipe, "a white star on a blue background")
    hasty.cancel()  # stops within one step, if it has not finished already
    await asyncio.gather(hasty, return_exceptions=True)
    assert result is not None
    result.images[0].save("13_asyncio.png", overwrite=True)


asyncio.run(main())

"""`server`: packs add routes to ComfyUI's web server, and tell the browser things. Here is neither."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, TypeVar

_LOG = logging.getLogger(__name__)
FunctionT = TypeVar("FunctionT", bound=Callable[..., Any])


class _Routes:
    """Takes routes, and forgets them."""

    def get(self, path: str, **_: Any) -> Callable[[FunctionT], FunctionT]:
        """A decorator that leaves the function as it is."""
        return lambda function: function

    post = put = delete = patch = head = options = view = get

    def static(self, prefix: str, path: Any, **_: Any) -> None:
        """Files that a browser would get."""


class _Router(_Routes):
    frozen = False

    def add_get(self, *_: Any, **__: Any) -> None:
        """A route."""

    add_post = add_put = add_delete = add_patch = add_route = add_routes = add_static = add_view = add_get


class _App:
    router = _Router()

    def add_routes(self, *_: Any, **__: Any) -> None:
        """Routes."""


class _Queue:
    @property
    def currently_running(self) -> dict[str, Any]:
        """Runs by number."""
        return {}

    def get_tasks_remaining(self) -> int:
        """How many runs wait."""
        return 0


class _Server:
    """The one server that packs talk to."""

    routes = _Routes()
    app = _App()
    prompt_queue = _Queue()
    client_id: str | None = None
    last_node_id: str | None = None
    last_prompt_id: str | None = None
    number = 0
    loop = None
    port, address = 8188, "127.0.0.1"
    supports: tuple[str, ...] = ()

    @property
    def sockets(self) -> dict[str, Any]:
        """Connections to browsers."""
        return {}

    def send_sync(self, event: str, data: Any, sid: str | None = None) -> None:
        """Tell the browser something: there is none."""
        _LOG.debug("a pack tells the editor %s: %.200r", event, data)

    def send_progress_text(self, text: str, node_id: str, sid: str | None = None) -> None:
        """The same."""
        _LOG.debug("a pack tells the editor of node %s: %.200r", node_id, text)

    async def send(self, event: str, data: Any, sid: str | None = None) -> None:
        """The same."""

    async def send_json(self, event: str, data: Any, sid: str | None = None) -> None:
        """The same."""

    def add_on_prompt_handler(self, handler: Callable[..., Any]) -> None:
        """Functions that change what a browser sends: nothing is sent."""


class PromptServer:
    """ComfyUI's server, as far as packs call it while they load and run."""

    instance = _Server()


class BinaryEventTypes:
    """Kinds of messages with pictures."""

    PREVIEW_IMAGE = 1
    UNENCODED_PREVIEW_IMAGE = 2

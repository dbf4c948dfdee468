"""The agent that runs already, asked once for all checks: what it has written, whether the port is its own."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from agent.cli.ask import Agent, Unreachable
from agent.threads import in_thread

if TYPE_CHECKING:
    from agent.settings import HttpSettings


@dataclass(frozen=True, slots=True)
class Answer:
    """``about`` is the document of /api/v1/agent, None where none came; ``why`` then says why not."""

    about: Mapping[str, Any] | None
    why: str = ""


class RunningAgent:
    """Where the settings say that the page is, or nowhere."""

    def __init__(self, http: "HttpSettings | None") -> None:
        self._http = http if http is not None and http.enabled else None
        self._asking: asyncio.Task[Answer] | None = None

    async def ask(self) -> Answer:
        """The same answer for everybody who asks. At most 5 s."""
        if self._asking is None:
            self._asking = asyncio.create_task(self._ask(), name="doctor agent")
        return await asyncio.shield(self._asking)

    async def _ask(self) -> Answer:
        http = self._http
        if http is None:
            return Answer(None, "No page is configured.")
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(http.host, http.host)  # noqa: S104 - from where it listens to whom to ask
        host = f"[{host}]" if ":" in host else host
        code = (http.access_code.reveal() or None) if http.access_code is not None else None

        def about() -> Answer:
            try:
                agent = Agent(f"{'https' if http.cert else 'http'}://{host}:{http.port}", code, http.cert)
                return Answer(agent.about())
            except Unreachable as error:
                return Answer(None, str(error))

        return await in_thread(about)

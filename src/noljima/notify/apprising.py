"""Channels through apprise, which knows mail and more than a hundred services by their addresses.

It is an extra, imported only where a channel needs it. It is asked in a thread of its own for each
message, which nobody waits for beyond the time-out: a thread that hangs keeps its channel from
starting another, and nobody else from anything.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import logging
import re
import threading
from typing import Final, Self

from noljima.model.bounds import InvalidFieldError
from noljima.notify.channel import ChannelError
from noljima.notify.kinds import Kind
from noljima.notify.message import Message
from noljima.notify.secret import Secret
from noljima.notify.settings import Route
from noljima.notify.words import Text, worded

_WARNING: Final = frozenset({Kind.SUSPECTED, Kind.PROMISE_MISSED, Kind.EVICTED})
_FAILURE: Final = frozenset({Kind.FAILED, Kind.ENDED})
_STATUS: Final = re.compile(r"error=(\d{3})\b")


class Apprised:
    """A `Channel` of a service that apprise knows."""

    def __init__(self, name: str, route: Route, service: Secret, *, timeout_s: float) -> None:
        if importlib.util.find_spec("apprise") is None:
            limit = "needs apprise: pip install 'noljima[notify]'"
            raise InvalidFieldError(f"channels.{name}.url", service, limit)
        import apprise  # noqa: PLC0415 - an extra, loaded only where a channel needs it

        _quieten()
        # One after the other: threads of its own could not be told apart from ours.
        asset = apprise.AppriseAsset(app_id="Noljima", async_mode=False, secure_logging=True)
        plugin = apprise.Apprise.instantiate(service.reveal(), asset=asset)
        if plugin is None:
            limit = "is no address that apprise understands"
            raise InvalidFieldError(f"channels.{name}.url", service, limit)
        self.name = name
        self.route = route
        self.timeout_s = timeout_s
        self._service = apprise.Apprise(asset=asset)
        self._service.add(plugin)
        self._thread: threading.Thread | None = None

    def __repr__(self) -> str:
        """Name it."""
        return f"Apprised({self.name!r})"

    async def send(self, message: Message, notice: str, at_s: float) -> None:  # noqa: ARG002 - has no place for them
        """Have apprise send a message."""
        if self._thread is not None and self._thread.is_alive():
            raise ChannelError("the message before has not been sent yet, and hangs")
        loop = asyncio.get_running_loop()
        done: asyncio.Future[str] = loop.create_future()

        def told(error: str) -> None:
            if not done.done():
                done.set_result(error)

        def work() -> None:
            error = self._sent(worded(message), message.what)
            # The loop may be gone by the time that a hanging service answers.
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(told, error)

        # Not a pool's: a pool would be waited for at the end of the program.
        self._thread = threading.Thread(target=work, name=f"notify {self.name}", daemon=True)
        self._thread.start()
        error = await done
        if error:
            raise ChannelError(error)

    def _sent(self, text: Text, kind: Kind) -> str:
        """Send, in a thread; return what went wrong, or nothing."""
        import apprise  # noqa: PLC0415 - there, since the channel was made

        importance = apprise.NotifyType.INFO
        if kind in _WARNING:
            importance = apprise.NotifyType.WARNING
        elif kind in _FAILURE:
            importance = apprise.NotifyType.FAILURE
        with _Overheard() as overheard:
            try:
                sent = self._service.notify(
                    title=text.subject,
                    body=text.body,
                    notify_type=importance,
                    body_format=apprise.NotifyFormat.TEXT,
                )
            except Exception as error:  # noqa: BLE001 - over a hundred services, each its own
                # Its words may hold the address, which holds a password.
                return f"the service could not be asked: {type(error).__name__}"
        if sent:
            return ""
        status = f"it answered {overheard.status}" if overheard.status else "it gives no reason"
        return f"the service has not taken the message: {status}"


def _quieten() -> None:
    """Keep what apprise logs out of our logs: an address may be in it."""
    logger = logging.getLogger("apprise")
    logger.propagate = False
    if not logger.handlers:
        logger.addHandler(logging.NullHandler())


class _Overheard(logging.Handler):
    """Hears which status apprise logs in this thread, and keeps nothing else."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.status = ""
        self._thread = threading.get_ident()

    def __enter__(self) -> Self:
        logging.getLogger("apprise").addHandler(self)
        return self

    def __exit__(self, *exception: object) -> None:
        logging.getLogger("apprise").removeHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        """Look for a status."""
        if record.thread == self._thread:
            found = _STATUS.search(record.getMessage())
            self.status = found[1] if found else self.status

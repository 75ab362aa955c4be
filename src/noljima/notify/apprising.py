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
from contextvars import ContextVar
from functools import partial
from typing import Final

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

        logging.getLogger("apprise").addFilter(_ear)
        # Its work is to be done in the thread that asks. Since 2.2 it has a time-out, for which it
        # has a pool of threads, that hanging services could fill and the program's end waits for.
        make = partial(
            apprise.AppriseAsset, app_id="Noljima", async_mode=False, secure_logging=True
        )
        try:
            asset = make(service_timeout=0)
        except (AttributeError, TypeError):
            asset = make()
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
        heard = _Heard()
        _hearing.set(heard)
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
        status = f"it answered {heard.status}" if heard.status else "it gives no reason"
        return f"the service has not taken the message: {status}"


class _Heard:
    """What one message's log has told."""

    status = ""


_hearing: ContextVar[_Heard | None] = ContextVar("hearing", default=None)


class _Ear(logging.Filter):
    """Hears which status apprise logs, and lets none of it pass: an address may be in it."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Look for a status, and drop the record."""
        heard = _hearing.get()
        found = _STATUS.search(record.getMessage())
        if heard is not None and found is not None:
            heard.status = found[1]
        return False


_ear: Final = _Ear()

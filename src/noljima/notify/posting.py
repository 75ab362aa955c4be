"""One HTTP request, as little as a webhook needs: no redirects, no cookies, no answer read.

Nothing of an answer is kept but its status: what a receiver writes is of no use here, may be
endless, and may repeat what is secret.
"""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import Mapping
from typing import Final

from noljima.notify.address import Address
from noljima.notify.channel import ChannelError

_HEAD_BYTES_MAX: Final = 16_384
_INTERIM_MAX: Final = 8
_STATUS: Final = re.compile(rb"HTTP/1\.[01] (\d{3})(?: [^\r\n]*)?\r?\n\Z")


async def post(
    address: Address, headers: Mapping[str, str], body: bytes, context: ssl.SSLContext
) -> int:
    """Post a body and return the status of the answer; the caller sees to the time."""
    try:
        reader, writer = await asyncio.open_connection(
            address.host,
            address.port,
            ssl=context if address.secure else None,
            limit=_HEAD_BYTES_MAX,
        )
    except ssl.SSLCertVerificationError as error:
        words = f"the certificate of {address} is not good: {error.verify_message}"
        raise ChannelError(words) from None
    except OSError as error:
        raise ChannelError(f"{address} cannot be reached: {_reason(error)}") from None
    try:
        writer.write(_head(address, headers, body) + body)
        await writer.drain()
        return await _status(reader)
    except (OSError, asyncio.IncompleteReadError) as error:
        raise ChannelError(f"{address} broke off: {_reason(error)}") from None
    except (ValueError, asyncio.LimitOverrunError):
        raise ChannelError(f"{address} does not answer in HTTP") from None
    finally:
        # Not a polite end: whoever goes on talking would be listened to.
        writer.transport.abort()


def _head(address: Address, headers: Mapping[str, str], body: bytes) -> bytes:
    shown = f"[{address.host}]" if ":" in address.host else address.host
    lines = [
        f"POST {address.path.reveal()} HTTP/1.1",
        f"Host: {shown}:{address.port}",
        "User-Agent: noljima",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
        "Connection: close",
        *(f"{name}: {value}" for name, value in headers.items()),
    ]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("ascii")


async def _status(reader: asyncio.StreamReader) -> int:
    """Read the status, behind interim answers that there may be."""
    for _ in range(_INTERIM_MAX):
        found = _STATUS.match(await reader.readuntil(b"\n"))
        if found is None:
            raise ValueError("no status line")
        status = int(found[1])
        if status >= 200:
            return status
        await _skip_headers(reader)
    raise ValueError("nothing but interim answers")


async def _skip_headers(reader: asyncio.StreamReader) -> None:
    size = 0
    while (line := await reader.readuntil(b"\n")) not in {b"\r\n", b"\n"}:
        size += len(line)
        if size > _HEAD_BYTES_MAX:
            raise ValueError("endless headers")


def _reason(error: Exception) -> str:
    if isinstance(error, asyncio.IncompleteReadError):
        return "no answer"
    return getattr(error, "strerror", None) or type(error).__name__

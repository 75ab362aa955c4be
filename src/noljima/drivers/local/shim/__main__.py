"""`python -m noljima.drivers.local.shim FOLDER`, or `--zygote DESCRIPTOR` for many.

Also run by the path of its folder, which needs no site packages and starts faster for it.
"""

from __future__ import annotations

import os
import signal
import sys

_PYTHONS = {signal.SIGPIPE, signal.SIGXFSZ}


def heed_all_signals() -> None:
    """Ignore nothing that whoever started this has ignored: jobs would too."""
    for number in range(1, signal.NSIG):
        if signal.getsignal(number) is signal.SIG_IGN and number not in _PYTHONS:
            signal.signal(number, signal.SIG_DFL)


def main(arguments: list[str]) -> int:
    """Run one shim, or the zygote."""
    # By its path this package is not known by its name yet.
    sys.path[0] = os.path.abspath(f"{__file__}/../../../../..")
    heed_all_signals()
    match arguments:
        case ["--zygote", descriptor]:
            from noljima.drivers.local.shim.zygote import serve  # noqa: PLC0415 - after the path

            serve(int(descriptor))
            return 0
        case [folder]:
            from noljima.drivers.local.shim.attempt import attend  # noqa: PLC0415 - after the path

            return attend(os.path.abspath(folder))
        case _:
            pass
    sys.stderr.write("usage: python -m noljima.drivers.local.shim FOLDER\n")
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

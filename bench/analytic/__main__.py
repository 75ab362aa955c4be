"""Compare with every measured table, or fit the constants: `python -m bench.analytic`."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence

from bench.analytic import constants, report, tables


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(prog="python -m bench.analytic", description=report.__doc__)
    parser.add_argument("--json", action="store_true", help="figures as JSON")
    parser.add_argument("--fit", action="store_true", help="write the constants anew")
    parser.add_argument("--draws", type=int, default=20, help="random sets of probes to try")
    parser.add_argument("--ablate", action="store_true", help="leave out each part in turn")
    parser.add_argument("--only", help="one section, by name")
    given = parser.parse_args(arguments)
    try:
        if given.fit:
            constants.write(tables.products())
            return 0
        wanted = report.sections(given.draws, ablate=given.ablate)
        found = {name: make() for name, make in wanted.items() if given.only in (None, name)}
    except tables.MissingTablesError as error:
        print(error, file=sys.stderr)
        return 2
    if given.json:
        print(json.dumps({name: each.figures for name, each in found.items()}, indent=2))
    else:
        print("\n\n".join(each.text() for each in found.values()))
    return 0


if __name__ == "__main__":
    sys.exit(main())

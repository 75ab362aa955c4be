"""`noljima place`: how full each placement strategy gets a cluster."""

from __future__ import annotations

from pathlib import Path

import click

from noljima.cli.options import in_words, seed, share

EPILOG = """\
Exit codes: 0 done; 2 bad input, told in one line; 130 interrupted.

Examples:

\b
  The published benchmark, one seed:
    noljima place openb_pod_list_default.csv.gz \\
        --cluster openb_node_list_gpu_node.csv.gz --placement fgd --seed 42

\b
  All strategies over the published seeds, for a script and as a picture:
    noljima place openb_pod_list_default.csv.gz \\
        --cluster openb_node_list_gpu_node.csv.gz --placement all --seeds 42:51 \\
        --json packing.json --plot packing.svg

\b
  What would twice as many pods find?
    noljima place pods.csv --cluster nodes.csv --demand 2 --json - | jq .means
"""

_FILE = click.Path(path_type=Path)


def times(words: str) -> float:
    """Read how many times the cluster's GPUs are asked for."""
    value = share(100.0)(str(words))
    if not value:
        raise click.BadParameter("0 asks for nothing")
    return value


@click.command(epilog=EPILOG)
@click.argument("pods", type=_FILE)
@click.option(
    "--cluster", type=_FILE, required=True, metavar="NODES", help="An openb node list, CSV or .gz."
)
@click.option(
    "--demand",
    type=times,
    default=1.3,
    show_default=True,
    metavar="TIMES",
    help="Pods come until they have asked for so many times the cluster's GPUs.",
)
@click.option(
    "--seed",
    "seeds",
    type=seed(),
    multiple=True,
    metavar="N",
    help="Order and choice of the pods; repeatable. Default: 42.",
)
@click.option("--seeds", "span", metavar="A:B", help="All seeds from A to B, B included.")
@click.option(
    "--placement",
    "placements",
    multiple=True,
    default=["refill"],
    show_default=True,
    metavar="NAME",
    help="A strategy, or `all`; repeatable: pack, refill, fgd, best-fit, gpu-packing, "
    "dot-product, first-fit, worst-fit, random.",
)
@click.option("--strict", is_flag=True, help="Refuse a file with a bad row; else it is left out.")
@click.option(
    "--json", "json_to", metavar="FILE", help="Write all runs as JSON; - for the standard output."
)
@click.option("--plot", type=_FILE, metavar="FILE", help="Draw allocation against demand, as SVG.")
@in_words
def place(**options: object) -> None:
    """Pack PODS onto the nodes of a cluster and measure how much of its GPUs is allocated.

    PODS is an openb pod list (CSV, plain or .gz): name, cpu_milli, memory_mib, num_gpu,
    gpu_milli and, if it has them, gpu_spec. The pods come in an order by chance; where they ask
    for less than --demand, pods drawn from them follow, where they ask for more, some are left
    out. None ever ends, and one that does not fit is not tried again. `refill` and `fgd` know how
    often each kind of pod is in PODS, not which comes next.
    """
    from noljima.cli import packing  # noqa: PLC0415 - numpy and rich, only when it runs

    packing.run(packing.request_of(options))

"""What is measured, at which size, against which budget (docs/benchmarks.md)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import msgspec

from bench import cycles, placing, shares, starting, traces
from bench.row import Row

SECTIONS: Final = (
    "Trace simulation",
    "Where the time goes",
    "One decision",
    "Memory",
    "Placement",
    "Reasons",
    "Start",
    "Install",
)
NAMES: Final = ("traces", "months", "shares", "cycles", "growth", "placing", "starting")

Plan = traces.Plan | shares.Plan | cycles.Plan | placing.Plan | starting.Plan


class Measurement(msgspec.Struct, frozen=True, kw_only=True):
    """One process to run."""

    name: str
    """What `--only` chooses it by."""
    title: str
    module: str
    plan: Plan
    rss_gib_max: float | None = None

    def memory(self, rss_mib: float) -> Row:
        """Make a row of the memory that the process took."""
        return Row(
            section="Memory",
            what=f"{self.title}: resident memory, the workload included",
            values=(rss_mib / 1024,),
            unit="GiB",
            budget=self.rss_gib_max,
        )


def measurements(*, quick: bool) -> Iterator[Measurement]:
    """List everything that there is to measure."""
    yield from _traces(quick=quick)
    yield from _months(quick=quick)
    yield from _shares(quick=quick)
    yield from _cycles(quick=quick)
    if not quick:
        yield from _growth()
    sizes = (100,) if quick else (1_000, 10_000)
    for nodes in sizes:
        plan = placing.Plan(
            nodes=nodes, workers_min=2_000 if quick else 50_000, runs=1 if quick else 3
        )
        yield Measurement(
            name="placing", title=f"placement on {nodes:,} nodes", module="placing", plan=plan
        )
    plan_ = starting.Plan(runs=3 if quick else 15)
    yield Measurement(name="starting", title="start and install", module="starting", plan=plan_)


def _traces(*, quick: bool) -> Iterator[Measurement]:
    runs = 1 if quick else 3
    for log, gpus in (("KTH-SP2", 100), ("SDSC-SP2", 128)):
        for policy, estimates in (("easy", "limit"), ("easy-sjbf", "last-two"), ("fair", "limit")):
            if quick and (log != "KTH-SP2" or policy == "easy-sjbf"):
                continue
            rate_min = 20_000.0 if (log, policy) == ("KTH-SP2", "easy") else None
            yield _trace(
                traces.Plan(
                    what=f"{log} on {gpus} processors",
                    log=f"{log}.swf.gz",
                    gpus=gpus,
                    policy=policy,
                    estimates=estimates,
                    runs=runs,
                    rate_min=rate_min,
                )
            )
    if quick:
        return
    for cluster, gpus in (("b436b2", 56), ("ee9e8c", 232), ("0e4a51", 88)):
        for nodes in (False, True):
            for policy in ("easy", "fair"):
                where = f"{gpus // 8} nodes" if nodes else f"a pool of {gpus}"
                yield _trace(
                    traces.Plan(
                        what=f"Philly {cluster} on {where}",
                        log="philly.csv.gz",
                        cluster=cluster,
                        gpus=gpus,
                        nodes=nodes,
                        policy=policy,
                        estimates="noisy:1",
                        runs=runs,
                    )
                )


def _trace(plan: traces.Plan, name: str = "traces") -> Measurement:
    title = f"{plan.what}, {plan.policy} ({plan.estimates})"
    return Measurement(name=name, title=title, module="traces", plan=plan)


def _months(*, quick: bool) -> Iterator[Measurement]:
    """Run a generated month, 100,000 and 1,000,000 jobs, in a pool and on nodes."""
    sizes = ((5_000, 64),) if quick else ((100_000, 512), (1_000_000, 4_096))
    for jobs, gpus in sizes:
        for nodes, policy in ((False, "easy"), (True, "easy"), (True, "fair")):
            where = f"{gpus // 8:,} nodes" if nodes else f"a pool of {gpus:,}"
            plan = traces.Plan(
                what=f"generated month on {where}",
                gpus=gpus,
                jobs=jobs,
                nodes=nodes,
                policy=policy,
                estimates="last-two",
                runs=1,
                seconds_max=120.0 if jobs == 1_000_000 else None,
            )
            yield _trace(plan, "months")


def _shares(*, quick: bool) -> Iterator[Measurement]:
    if quick:
        return
    kth = traces.Plan(
        what="KTH-SP2 on 100 processors",
        log="KTH-SP2.swf.gz",
        gpus=100,
        policy="easy",
        estimates="limit",
    )
    month = traces.Plan(
        what="generated month on 64 nodes",
        jobs=100_000,
        gpus=512,
        nodes=True,
        policy="fair",
        estimates="last-two",
    )
    for plan in (kth, msgspec.structs.replace(kth, policy="fair"), month):
        title = f"profile of {plan.what}, {plan.policy}"
        yield Measurement(name="shares", title=title, module="shares", plan=shares.Plan(trace=plan))


def _cycles(*, quick: bool) -> Iterator[Measurement]:
    if quick:
        yield from _both(cycles.Plan(nodes=50, waiting=500, running=250, samples=50), None)
        return
    large = cycles.Plan(nodes=1_000, waiting=10_000, running=5_000, samples=1_000)
    largest = cycles.Plan(nodes=10_000, waiting=100_000, running=50_000, samples=300)
    replace = msgspec.structs.replace
    yield from _both(replace(large, p50_ms_max=50.0, p99_ms_max=250.0), 1.0)
    yield from _both(replace(largest, p99_ms_max=1_000.0), 3.0)


def _both(size: cycles.Plan, rss_gib_max: float | None) -> Iterator[Measurement]:
    for policy in ("fair", "easy"):
        plan = msgspec.structs.replace(size, policy=policy, explain=True)
        title = f"{policy} on {size.nodes:,} nodes with {size.waiting:,} waiting"
        yield Measurement(
            name="cycles", title=title, module="cycles", plan=plan, rss_gib_max=rss_gib_max
        )


def _growth() -> Iterator[Measurement]:
    """Add points to the curves: by nodes with the queue in proportion, and by the queue alone."""
    by_nodes = [("nodes", nodes, 10 * nodes) for nodes in (100, 300, 1_000, 3_000)]
    by_queue = [("waiting", 1_000, waiting) for waiting in (300, 1_000, 3_000, 10_000, 30_000)]
    for curve, nodes, waiting in by_nodes + by_queue:
        for policy in ("fair", "easy"):
            plan = cycles.Plan(
                policy=policy,
                nodes=nodes,
                waiting=waiting,
                running=5 * nodes,
                samples=200,
                curve=curve,
            )
            title = f"{policy} on {nodes:,} nodes with {waiting:,} waiting, for the curve"
            yield Measurement(name="growth", title=title, module="cycles", plan=plan)

"""What is measured, at which size, against which budget (docs/benchmarks.md)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import msgspec

from bench import cycles, placing, predicting, shares, starting, traces

SECTIONS: Final = (
    traces.SECTION,
    cycles.SECTION,
    "Memory",
    "Promises",
    "Placement",
    predicting.SECTION,
    "Reasons",
    "Start",
    "Install",
    "Where the time goes",
)
NAMES: Final = (
    "traces",
    "months",
    "cycles",
    "growth",
    "placing",
    "predicting",
    "starting",
    "shares",
)
CURVE_POLICIES: Final = ("fair", "easy")
_SAMPLES: Final = {"share": 100}
"""Where a thousand decisions would take minutes."""
_JOBS_PER_NODE: Final = 2_000
"""In a month; about as many as make a million on 4,096 GPUs."""

Plan = traces.Plan | shares.Plan | cycles.Plan | placing.Plan | predicting.Plan | starting.Plan


class Measurement(msgspec.Struct, frozen=True, kw_only=True):
    """One process to run."""

    name: str
    """What `--only` chooses it by."""
    title: str
    module: str
    plan: Plan


def measurements(*, quick: bool) -> Iterator[Measurement]:
    """List everything that there is to measure; the sizes that people wait for, or small ones."""
    if quick:
        yield from _quick()
        return
    yield from _logs()
    yield from _months()
    yield from _cycles()
    yield from _growth()
    for nodes in (1_000, 10_000):
        yield _placing(placing.Plan(nodes=nodes, workers_min=30_000))
    yield _predicting(predicting.Plan())
    yield _starting(starting.Plan())
    yield from _shares()


def _quick() -> Iterator[Measurement]:
    """List one of each kind at sizes that take seconds, to find out whether it still runs."""
    yield _trace(_kth("easy", runs=1))
    for policy in ("easy", "fair"):
        yield _trace(_month(policy, nodes=8, jobs=2_000), "months")
    for policy in ("fair", "easy", "efficient", "share"):
        yield _cycle(cycles.Plan(policy=policy, nodes=50, waiting=300, running=250, samples=30))
    for curve, nodes, waiting in (("nodes", 20, 200), ("waiting", 50, 100)):
        plan = cycles.Plan(
            policy="fair",
            nodes=nodes,
            waiting=waiting,
            running=5 * nodes,
            samples=20,
            rows=False,
            curves=(curve,),
        )
        yield _cycle(plan, "growth")
    yield _placing(placing.Plan(nodes=50, workers_min=1_000, runs=1))
    yield _predicting(predicting.Plan(learned=500, samples=200))
    yield _starting(starting.Plan(runs=2))
    yield _share(_month("fair", nodes=8, jobs=2_000))


def _logs() -> Iterator[Measurement]:
    kth = _kth("easy", runs=3)
    sdsc = msgspec.structs.replace(
        kth, what="SDSC-SP2 on 128 processors", log="SDSC-SP2.swf.gz", gpus=128
    )
    yield _trace(msgspec.structs.replace(kth, rate_min=20_000.0))
    yield _trace(_kth("fair", runs=3))
    yield _trace(_kth("easy", estimates="history", runs=1))
    for policy in ("easy", "fair"):
        yield _trace(msgspec.structs.replace(sdsc, policy=policy))
    for cluster, gpus in (("b436b2", 56), ("ee9e8c", 232), ("0e4a51", 88)):
        for policy in ("easy", "fair"):
            yield _trace(
                traces.Plan(
                    what=f"Philly {cluster} on {gpus // 8} nodes of 8 GPUs",
                    log="philly.csv.gz",
                    cluster=cluster,
                    gpus=gpus,
                    nodes=True,
                    policy=policy,
                    estimates="noisy:1",
                    # The first is five times the others, and waits as long as it lasts.
                    runs=1 if cluster == "b436b2" else 3,
                )
            )


def _kth(policy: str, *, runs: int, estimates: str = "limit") -> traces.Plan:
    return traces.Plan(
        what="KTH-SP2 on 100 processors",
        log="KTH-SP2.swf.gz",
        gpus=100,
        policy=policy,
        estimates=estimates,
        runs=runs,
    )


def _months() -> Iterator[Measurement]:
    """Run a generated month: a million jobs, and fewer on clusters that are smaller as well."""
    # At load 0.9 it is clear sooner how far it gets.
    for load, cpu_s_max in ((0.7, 120.0), (0.9, 60.0)):
        pool = traces.Plan(
            what=f"generated month on a pool of 4,096, load {load}",
            gpus=4_096,
            jobs=1_000_000,
            load=load,
            policy="easy",
            estimates="last-two",
            runs=1,
            # A million in two minutes.
            rate_min=1_000_000 / 120.0,
            cpu_s_max=cpu_s_max,
        )
        yield _trace(pool, "months")
    for nodes in (4, 8, 16, 32):
        for policy in CURVE_POLICIES:
            plan = _month(policy, nodes=nodes, jobs=nodes * _JOBS_PER_NODE)
            yield _trace(plan, "months")


def _month(policy: str, *, nodes: int, jobs: int) -> traces.Plan:
    return traces.Plan(
        what=f"generated month on {nodes:,} nodes of 8 GPUs",
        gpus=8 * nodes,
        jobs=jobs,
        nodes=True,
        policy=policy,
        estimates="last-two",
        runs=1,
        cpu_s_max=20.0,
        curve="jobs",
    )


def _cycles() -> Iterator[Measurement]:
    replace = msgspec.structs.replace
    large = cycles.Plan(
        policy="fair",
        nodes=1_000,
        waiting=10_000,
        running=5_000,
        samples=1_000,
        p50_ms_max=50.0,
        p99_ms_max=250.0,
        rss_gib_max=1.0,
        curves=("nodes", "waiting"),
    )
    for policy in ("fair", "easy", "efficient", "share"):
        drawn = large.curves if policy in CURVE_POLICIES else ()
        yield _cycle(
            replace(large, policy=policy, curves=drawn, samples=_SAMPLES.get(policy, 1_000))
        )
    yield _cycle(replace(large, long=False, samples=300, window_s=900.0, curves=()))
    # What a site would run: the time for a prediction is in the decision.
    yield _cycle(replace(large, estimates="history", curves=(), predicted_share_max=1.0))
    # And what it would tell: promises are in the decision, too.
    promised = replace(large, estimates="history", promises=True, samples=300, curves=())
    yield _cycle(promised)
    for policy in CURVE_POLICIES:
        yield _cycle(
            cycles.Plan(
                policy=policy,
                nodes=10_000,
                waiting=100_000,
                running=50_000,
                samples=200,
                window_s=3_600.0,
                p99_ms_max=1_000.0,
                rss_gib_max=3.0,
                curves=("nodes",),
            )
        )


def _growth() -> Iterator[Measurement]:
    """Add points to the curves: by nodes with the queue in proportion, and by the queue alone."""
    by_nodes = [("nodes", nodes, 10 * nodes) for nodes in (100, 300, 3_000)]
    by_queue = [("waiting", 1_000, waiting) for waiting in (1_000, 3_000, 30_000)]
    for curve, nodes, waiting in by_nodes + by_queue:
        for policy in CURVE_POLICIES:
            plan = cycles.Plan(
                policy=policy,
                nodes=nodes,
                waiting=waiting,
                running=5 * nodes,
                samples=200,
                window_s=900.0,
                rows=False,
                curves=(curve,),
            )
            yield _cycle(plan, "growth")


def _shares() -> Iterator[Measurement]:
    for policy in ("easy", "fair"):
        yield _share(_kth(policy, runs=1))
    yield _share(_month("fair", nodes=8, jobs=8 * _JOBS_PER_NODE))


def _trace(plan: traces.Plan, name: str = "traces") -> Measurement:
    title = f"{plan.what}, {plan.policy} ({plan.estimates})"
    return Measurement(name=name, title=title, module="traces", plan=plan)


def _cycle(plan: cycles.Plan, name: str = "cycles") -> Measurement:
    size = f"{plan.nodes:,} nodes with {plan.waiting:,} waiting"
    jobs = "" if plan.long else ", short jobs"
    told = " with promises" if plan.promises else ""
    title = f"decisions of {plan.policy} ({plan.estimates}){told} on {size}{jobs}"
    return Measurement(name=name, title=title, module="cycles", plan=plan)


def _placing(plan: placing.Plan) -> Measurement:
    title = f"placement on {plan.nodes:,} nodes"
    return Measurement(name="placing", title=title, module="placing", plan=plan)


def _predicting(plan: predicting.Plan) -> Measurement:
    title = "predictions from history"
    return Measurement(name="predicting", title=title, module="predicting", plan=plan)


def _starting(plan: starting.Plan) -> Measurement:
    title = "start and install"
    return Measurement(name="starting", title=title, module="starting", plan=plan)


def _share(plan: traces.Plan) -> Measurement:
    title = f"profile of {plan.what}, {plan.policy} ({plan.estimates})"
    return Measurement(name="shares", title=title, module="shares", plan=shares.Plan(trace=plan))

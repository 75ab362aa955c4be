"""Settings as frozen values, refused in words where they make no sense."""

from __future__ import annotations

import msgspec

from noljima.model import bounds


class QueueSettings(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True
):
    """What a site says of one queue."""

    name: str
    parent: str = ""
    weight: float = 1.0
    """Its share of the parent's capacity against its siblings'."""
    quota_gpus: int | None = None
    """GPUs that its jobs may hold of right; None for no quota."""
    borrow_gpus: int = 0
    """GPUs that it may hold beyond its quota while nobody with a right to them wants them."""
    evictable: bool | None = None
    """Default for its jobs; None takes the rule for whole-node jobs."""

    def __post_init__(self) -> None:
        """Refuse what no queue can be."""
        bounds.text("queue name", self.name, low=1)
        bounds.text("queue parent", self.parent)
        if not 0.0 < self.weight <= bounds.MILLION:  # also true for NaN
            raise bounds.InvalidFieldError("weight", self.weight, "is not above 0 and up to 1e6")
        if self.quota_gpus is not None:
            bounds.whole("quota_gpus", self.quota_gpus, low=0, high=bounds.GPU_COUNT_MAX)
        bounds.whole("borrow_gpus", self.borrow_gpus, low=0, high=bounds.GPU_COUNT_MAX)


class HealthSettings(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True
):
    """When a running job is suspected, and what may be done about it without asking anybody."""

    dry_run: bool = False
    """Verdicts are found and told to operators, and nothing is done."""
    silence_s: float = 600.0
    """A job is silent for this long at least before it is suspected."""
    silence_gaps: float = 5.0
    """And for this many times the pause that all but one in a thousand of its own stay below."""
    alive_factor: float = 6.0
    """And this many times longer again while it computes or moves bytes."""
    steps_min: int = 3
    """From so many steps on a job is one that reports steps."""
    output_silence_s: float = 1800.0
    """The same as `silence_s` for jobs that report no steps and are judged by their log."""
    grace_s: float = 600.0
    """From the second kind of evidence to the end."""
    gap_s_max: float = 60.0
    """A longer time between two looks at a job is not counted: nobody knows what it did."""
    sight_s: float = 120.0
    """A job is ended only after it was seen without such a gap for this long."""
    declared_s_max: float = 21_600.0
    """A phase without steps that a job declares (evaluation, download) excuses it for this long."""
    user_ends_per_hour: int = 1
    """Jobs of one user that are ended automatically within an hour."""
    cluster_end_share: float = 0.01
    """The share of all running jobs that are ended automatically within an hour; one at least."""
    doubt_share: float = 0.2
    """With this share of all running jobs suspect at once, the sampler is blamed."""
    doubt_suspects_min: int = 3
    """But not for fewer suspects than this."""
    nan_steps: int = 20
    """So many steps in a row with a loss that is not a number are a kind of evidence."""
    same_loss_steps: int = 1000
    """So many steps in a row with the very same loss are, too."""
    loop_returns: int = 3
    """And so many returns to an earlier step without getting beyond."""
    crash_count: int = 3
    """The same failure so many times ..."""
    crash_window_s: float = 21_600.0
    """... within this time is a crash loop: the job is not queued again."""

    def __post_init__(self) -> None:
        """Refuse settings under which nobody would be safe, or nothing ever found."""
        if type(self.dry_run) is not bool:
            raise bounds.InvalidFieldError("dry_run", self.dry_run, "is neither true nor false")
        for field, low in _HEALTH_SECONDS:
            bounds.seconds(f"health.{field}", getattr(self, field), low=low)
        for field in ("silence_gaps", "alive_factor"):
            bounds.seconds(f"health.{field}", getattr(self, field), low=1.0, high=1000.0)
        for field in ("cluster_end_share", "doubt_share"):
            bounds.share(f"health.{field}", getattr(self, field))
        for field, low in _HEALTH_COUNTS:
            bounds.whole(f"health.{field}", getattr(self, field), low=low, high=bounds.MILLION)


_HEALTH_SECONDS = (
    ("silence_s", 60.0),
    ("output_silence_s", 60.0),
    ("grace_s", 0.0),
    ("gap_s_max", 1.0),
    ("sight_s", 0.0),
    ("declared_s_max", 0.0),
    ("crash_window_s", 0.0),
)
_HEALTH_COUNTS = (
    ("steps_min", 1),
    ("user_ends_per_hour", 0),
    ("doubt_suspects_min", 1),
    ("nan_steps", 2),
    ("same_loss_steps", 2),
    ("loop_returns", 2),
    ("crash_count", 2),
)


class Settings(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True
):
    """What a site says of its scheduler, the policy apart."""

    whole_node_gpus: int = 8
    """A job with a worker of this many GPUs, or this many in all, is not evictable by default."""
    queues: tuple[QueueSettings, ...] = ()
    health: HealthSettings = HealthSettings()

    def __post_init__(self) -> None:
        """Refuse queues that name each other wrongly."""
        bounds.whole("whole_node_gpus", self.whole_node_gpus, low=1, high=bounds.GPU_COUNT_MAX)
        names = [queue.name for queue in self.queues]
        for queue in self.queues:
            if names.count(queue.name) > 1:
                raise bounds.InvalidFieldError("queue name", queue.name, "is there twice")
            if queue.parent and queue.parent not in names:
                raise bounds.InvalidFieldError("queue parent", queue.parent, "is no queue")
        parents = {queue.name: queue.parent for queue in self.queues}
        for name in names:
            _refuse_cycle(name, parents)


def _refuse_cycle(name: str, parents: dict[str, str]) -> None:
    seen = {name}
    above = parents[name]
    while above:
        if above in seen:
            raise bounds.InvalidFieldError("queue parent", name, "is its own ancestor")
        seen.add(above)
        above = parents[above]

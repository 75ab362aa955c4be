"""What a site's settings say of a job that does not say it itself."""

from __future__ import annotations

from noljima.config import Settings
from noljima.model.job import Job
from noljima.model.resources import GPU


class Defaults:
    """Answers for jobs from their queue's settings and the site's."""

    def __init__(self, settings: Settings) -> None:
        self._queues = {queue.name: queue for queue in settings.queues}
        self._whole_node_milli = settings.whole_node_gpus * GPU

    def evictable(self, job: Job) -> bool:
        """Say whether a job may be evicted: its own word, its queue's, or by its size."""
        if job.evictable is not None:
            return job.evictable
        queue = self._queues.get(job.queue)
        if queue is not None and queue.evictable is not None:
            return queue.evictable
        return job.gang.gpu_milli < self._whole_node_milli

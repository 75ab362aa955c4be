"""The time of one training step over several GPUs, and where it goes.

One forward and one backward pass of each micro-batch fill a pipeline, with (stages - 1) /
interleave micro-batches' worth of bubble (Narayanan et al., "Efficient Large-Scale Language Model
Training on GPU Clusters Using Megatron-LM", SC 2021, section 2.2). Gradients are exchanged behind
the backward pass as far as it lasts (Li et al., "PyTorch Distributed", VLDB 2020).
"""

from __future__ import annotations

import math
from typing import Final, NamedTuple

from noljima.prediction.analytic.kernels import Gpu, Spent, spent
from noljima.prediction.analytic.links import Fabric
from noljima.prediction.analytic.spec import Parallel, Run
from noljima.prediction.analytic.stage import Stage

_STATE_BYTES: Final = 4
# ZeRO's third stage gathers the parameters for the forward pass once more.
_ZERO_3_TRAFFIC: Final = 1.5


class StepTime(NamedTuple):
    """Seconds of a step by what they go to; what is hidden behind other work is not in it."""

    arithmetic_s: float
    """Kernels that arithmetic bounds."""
    memory_s: float
    """Kernels that memory bounds, and the update of the parameters."""
    communication_s: float
    bubble_s: float
    """Waiting for the pipeline to fill and drain."""
    input_s: float = 0.0
    """Waiting for samples."""

    @property
    def whole_s(self) -> float:
        """Return the step."""
        return sum(self)


class Setting(NamedTuple):
    """What a step is timed on."""

    gpu: Gpu
    fabric: Fabric
    run: Run
    parallel: Parallel

    @property
    def samples(self) -> int:
        """Return the samples of a micro-batch, on the GPU that has most."""
        share = math.ceil(self.run.batch / self.parallel.data)
        return min(self.run.micro_batch or share, share)

    @property
    def batches(self) -> int:
        """Return the micro-batches of a step."""
        return math.ceil(self.run.batch / self.parallel.data / self.samples)


def step(stage: Stage, setting: Setting) -> StepTime:
    """Return the time of a step, but for what it waits for samples."""
    parallel, batches = setting.parallel, setting.batches
    forward, backward = passes(stage, setting)
    body = forward.plus(backward)
    head = _head(stage, setting)
    exchange_s = _tensor_exchange_s(stage, setting) + _boundary_s(stage, setting)
    kernels = body.plus(head).times(batches)
    update_s = _update_s(stage, setting)
    # The bubble is as long as the stages on average; the last one, with the head, sets the pace.
    average_s = body.whole_s + exchange_s + head.whole_s / parallel.pipeline
    return StepTime(
        arithmetic_s=kernels.arithmetic_s,
        memory_s=kernels.memory_s + update_s,
        communication_s=exchange_s * batches + _gradient_exchange_s(stage, setting, backward),
        bubble_s=average_s * (parallel.pipeline - 1) / parallel.interleave,
    )


def passes(stage: Stage, setting: Setting) -> tuple[Spent, Spent]:
    """Return a micro-batch's forward pass through the layers, and its backward pass."""
    gpu, precision = setting.gpu, setting.run.precision
    again = spent(stage.again, gpu, precision)
    return (
        spent(stage.forward, gpu, precision),
        spent(stage.backward, gpu, precision).plus(again),
    )


def forward_s(stage: Stage, setting: Setting) -> float:
    """Return the time of one step of evaluation: forward passes alone, one after the other."""
    gpu, precision = setting.gpu, setting.run.precision
    kernels = spent(stage.forward, gpu, precision)
    kernels = kernels.plus(spent(stage.head_forward, gpu, precision))
    reduce_s = setting.fabric.all_reduce_s(stage.exchange_bytes, setting.parallel.tensor)
    return (kernels.whole_s + stage.exchanges * reduce_s) * setting.batches


def _head(stage: Stage, setting: Setting) -> Spent:
    gpu, precision = setting.gpu, setting.run.precision
    forward = spent(stage.head_forward, gpu, precision)
    return forward.plus(spent(stage.head_backward, gpu, precision))


def _tensor_exchange_s(stage: Stage, setting: Setting) -> float:
    """Return the all-reduces of a micro-batch; with sequence parallelism the volume is the same."""
    count = 2 * stage.exchanges + stage.exchanges_again
    return count * setting.fabric.all_reduce_s(stage.exchange_bytes, setting.parallel.tensor)


def _boundary_s(stage: Stage, setting: Setting) -> float:
    """Return the messages of a micro-batch to and from the neighbours, for each piece held."""
    parallel = setting.parallel
    if parallel.pipeline == 1:
        return 0.0
    apart = parallel.tensor * parallel.data
    return 2.0 * parallel.interleave * setting.fabric.send_s(stage.boundary_bytes, apart)


def _gradient_exchange_s(stage: Stage, setting: Setting, backward: Spent) -> float:
    """Return what the backward pass does not hide of the exchange of gradients.

    Only the last micro-batch's gradients are final, and a pipeline drains while they are.
    """
    parallel = setting.parallel
    if parallel.data == 1:
        return 0.0
    size = (stage.parameters + stage.edge_parameters) * setting.run.precision.element_bytes
    size *= _ZERO_3_TRAFFIC if parallel.zero == 3 else 1.0
    exchange_s = setting.fabric.all_reduce_s(size, parallel.data, apart=parallel.tensor)
    hidden_s = parallel.overlap * backward.whole_s if parallel.pipeline == 1 else 0.0
    return max(0.0, exchange_s - hidden_s)


def _update_s(stage: Stage, setting: Setting) -> float:
    """Return the update: it reads gradients, and reads and writes parameters and states."""
    run, parallel = setting.run, setting.parallel
    count = stage.parameters + stage.edge_parameters
    count /= parallel.data if parallel.zero else 1
    width = run.precision.element_bytes
    copy = width if width < _STATE_BYTES else 0
    moved = _STATE_BYTES * (3 + 2 * run.optimizer.states) + copy
    gpu = setting.gpu
    return count * moved / (gpu.device.bandwidth * math.exp(gpu.traits.bandwidth))

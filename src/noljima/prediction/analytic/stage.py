"""One GPU's share of a model: what a pipeline stage computes, keeps and exchanges.

Every family of models comes down to this, and everything after it (parallel time, memory, sizing)
knows nothing else of a model.
"""

from __future__ import annotations

from typing import NamedTuple

from noljima.prediction.analytic.kernels import Load


class Stage(NamedTuple):
    """The layers that one GPU holds, for one micro-batch.

    Layers are spread over the stages evenly; the head (what turns the last layer into a loss) is on
    the last stage, beside its layers.
    """

    forward: Load
    backward: Load
    again: Load
    """What the backward pass computes again."""
    head_forward: Load
    head_backward: Load
    parameters: float
    """Of the layers on one GPU."""
    edge_parameters: float
    """Of embeddings or head, on the GPUs that have one."""
    whole_parameters: float
    """Of the whole model."""
    kept_bytes: float
    """Activations of one micro-batch."""
    head_kept_bytes: float
    exchanges: int = 0
    """Tensor-parallel all-reduces of the forward pass; the backward pass has as many."""
    exchanges_again: int = 0
    exchange_bytes: float = 0.0
    boundary_bytes: float = 0.0
    """What goes from stage to stage, on each tensor-parallel GPU."""

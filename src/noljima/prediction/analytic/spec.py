"""What a user may declare of a training job, each number with its bounds.

A spec comes from a file that somebody wrote: every field is capped, and a refusal names the field,
its value and the limit. Behind this door the formulas may multiply without asking.
"""

from __future__ import annotations

import enum
import math
from typing import Final

import msgspec

from noljima.model import bounds
from noljima.model.bounds import InvalidFieldError
from noljima.prediction.analytic.layers import Layer
from noljima.prediction.analytic.precision import Precision

LAYERS_MAX: Final = 10_000
WIDTH_MAX: Final = 1_000_000
HEADS_MAX: Final = 10_000
SEQUENCE_MAX: Final = 10_000_000
VOCABULARY_MAX: Final = 10_000_000
BATCH_MAX: Final = 100_000_000
PARAMETERS_MAX: Final = 1e15
AMOUNT_MAX: Final = 1e18
RATE_MAX: Final = 1e12
DEGREE_MAX: Final = bounds.GPU_COUNT_MAX
IMAGE_MAX: Final = 10_000
NODE_GPUS_MAX: Final = 64


class Optimizer(enum.StrEnum):
    """How parameters are updated; what counts is the state it keeps for each."""

    SGD = "sgd"
    MOMENTUM = "momentum"
    ADAM = "adam"

    @property
    def states(self) -> int:
        """Return how many fp32 values it keeps beside each parameter."""
        return {Optimizer.SGD: 0, Optimizer.MOMENTUM: 1, Optimizer.ADAM: 2}[self]


class Recompute(enum.StrEnum):
    """Which activations are thrown away in the forward pass and computed again for the backward."""

    NONE = "none"
    SELECTIVE = "selective"
    FULL = "full"


class ConvolutionStyle(enum.StrEnum):
    """Which algorithms the convolution library has."""

    DIRECT = "direct"
    WINOGRAD = "winograd"


class Transformer(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    forbid_unknown_fields=True,
    tag_field="family",
    tag="transformer",
):
    """Blocks of attention and feed-forward layers, over a vocabulary."""

    layers: int
    hidden: int
    heads: int
    sequence: int
    vocabulary: int = 50_304
    feedforward: int = 0
    """Width between the two feed-forward layers; 0 for four times `hidden`."""
    key_value_heads: int = 0
    """Heads of keys and values where queries share them; 0 for as many as `heads`."""
    gated: bool = False
    """Whether a third feed-forward matrix gates the first, as in SwiGLU."""
    flash: bool = False
    """Whether attention never writes its scores to memory."""

    def __post_init__(self) -> None:
        """Refuse what no transformer can be."""
        bounds.whole("model.layers", self.layers, low=1, high=LAYERS_MAX)
        bounds.whole("model.hidden", self.hidden, low=1, high=WIDTH_MAX)
        bounds.whole("model.heads", self.heads, low=1, high=HEADS_MAX)
        bounds.whole("model.sequence", self.sequence, low=1, high=SEQUENCE_MAX)
        bounds.whole("model.vocabulary", self.vocabulary, low=1, high=VOCABULARY_MAX)
        bounds.whole("model.feedforward", self.feedforward, low=0, high=WIDTH_MAX)
        bounds.whole("model.key_value_heads", self.key_value_heads, low=0, high=self.heads)
        if self.hidden % self.heads:
            raise InvalidFieldError(
                "model.hidden", self.hidden, f"is not a multiple of heads, {self.heads}"
            )

    @property
    def width(self) -> int:
        """Return the width between the two feed-forward layers."""
        return self.feedforward or 4 * self.hidden

    @property
    def key_value_width(self) -> float:
        """Return the width of keys, and of values."""
        return self.hidden * (self.key_value_heads or self.heads) / self.heads


class Convnet(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    forbid_unknown_fields=True,
    tag_field="family",
    tag="convnet",
):
    """A well-known convolutional network by its name."""

    network: str
    image: int = 0
    """Height and width of an image; 0 for what the network was published with."""
    classes: int = 1000
    style: ConvolutionStyle = ConvolutionStyle.WINOGRAD

    def __post_init__(self) -> None:
        """Refuse what no network can be; its name is looked up where its layers are."""
        bounds.text("model.network", self.network, low=1)
        bounds.whole("model.image", self.image, low=0, high=IMAGE_MAX)
        bounds.whole("model.classes", self.classes, low=1, high=VOCABULARY_MAX)


class Declared(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    forbid_unknown_fields=True,
    tag_field="family",
    tag="layers",
):
    """Layers one by one."""

    layers: tuple[Layer, ...]
    style: ConvolutionStyle = ConvolutionStyle.WINOGRAD
    parameters: float = 0.0
    """The number of parameters where it is known better than the layers say; 0 where not."""
    kept_bytes: float = 0.0
    """What a sample's forward pass keeps in fp32, where it was measured; 0 where not."""

    def __post_init__(self) -> None:
        """Refuse too few and too many."""
        bounds.whole("number of model.layers", len(self.layers), low=1, high=LAYERS_MAX)
        amount("model.parameters", self.parameters, high=PARAMETERS_MAX)
        amount("model.kept_bytes", self.kept_bytes)


class Dense(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    forbid_unknown_fields=True,
    tag_field="family",
    tag="dense",
):
    """A model of which only the number of parameters is known: six operations each a token."""

    parameters: float
    sequence: int = 1
    """Tokens of a sample."""

    def __post_init__(self) -> None:
        """Refuse what no model can be."""
        amount("model.parameters", self.parameters, low=1.0, high=PARAMETERS_MAX)
        bounds.whole("model.sequence", self.sequence, low=1, high=SEQUENCE_MAX)


Model = Transformer | Convnet | Declared | Dense


class Run(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How the model is trained, and how long: steps, epochs of a data set, or tokens."""

    batch: int
    """Samples of a step over all GPUs together."""
    micro_batch: int = 0
    """Samples that a GPU takes at once; 0 for its whole share of the batch."""
    precision: Precision = Precision.FP32
    optimizer: Optimizer = Optimizer.ADAM
    recompute: Recompute = Recompute.NONE
    steps: float | None = None
    epochs: float | None = None
    dataset: float | None = None
    """Samples of an epoch."""
    tokens: float | None = None
    startup_s: float = 60.0
    """From the start of its processes to the first step."""

    def __post_init__(self) -> None:
        """Refuse sizes out of bounds, and lengths that are not one."""
        bounds.whole("run.batch", self.batch, low=1, high=BATCH_MAX)
        bounds.whole("run.micro_batch", self.micro_batch, low=0, high=self.batch)
        bounds.seconds("run.startup_s", self.startup_s)
        for name in ("steps", "epochs", "dataset", "tokens"):
            given = getattr(self, name)
            if given is not None:
                amount(f"run.{name}", given, low=0.0)
        lengths = [each for each in (self.steps, self.epochs, self.tokens) if each is not None]
        if len(lengths) != 1:
            raise InvalidFieldError("run", lengths, "needs one of steps, epochs and tokens")
        if self.epochs is not None and self.dataset is None:
            raise InvalidFieldError("run.epochs", self.epochs, "needs the samples of run.dataset")


class Parallel(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Over how many GPUs, and how."""

    data: int = 1
    tensor: int = 1
    pipeline: int = 1
    interleave: int = 1
    """Pieces of the pipeline that each GPU holds."""
    sequence: bool = False
    """Whether what the tensor-parallel GPUs would all keep is split along the sequence."""
    zero: int = 0
    """Stage of ZeRO: 1 shares optimizer states, 2 gradients too, 3 parameters too."""
    overlap: float = 0.7
    """Share of the backward pass that the exchange of gradients can hide behind."""

    def __post_init__(self) -> None:
        """Refuse degrees out of bounds."""
        for name in ("data", "tensor", "pipeline", "interleave"):
            bounds.whole(f"parallel.{name}", getattr(self, name), low=1, high=DEGREE_MAX)
        bounds.whole("parallel.zero", self.zero, low=0, high=3)
        bounds.share("parallel.overlap", self.overlap)
        bounds.whole("number of GPUs", self.gpus, low=1, high=bounds.GPU_COUNT_MAX)

    @property
    def gpus(self) -> int:
        """Return how many GPUs the job takes."""
        return self.data * self.tensor * self.pipeline


class Site(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The GPUs and what is between them."""

    gpu: str = ""
    gpus_per_node: int = 8
    link: str = ""
    """Between GPUs of a node; empty for what the GPU type usually has."""
    network: str = "ethernet-25"
    """Between nodes: one port of it."""
    ports: int = 1
    """Network ports that the GPUs of a node share."""

    def __post_init__(self) -> None:
        """Refuse what no site can be; names are looked up where the tables are."""
        bounds.text("site.gpu", self.gpu)
        bounds.whole("site.gpus_per_node", self.gpus_per_node, low=1, high=NODE_GPUS_MAX)
        bounds.whole("site.ports", self.ports, low=1, high=NODE_GPUS_MAX)


class Input(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What feeds the job."""

    samples_per_s: float
    """What the input pipeline of one GPU delivers."""

    def __post_init__(self) -> None:
        """Refuse a pipeline that delivers nothing."""
        amount("input.samples_per_s", self.samples_per_s, low=1e-6, high=RATE_MAX)


class Evaluation(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Forward passes between the training steps."""

    every_steps: float
    steps: float

    def __post_init__(self) -> None:
        """Refuse what is not a rhythm."""
        amount("evaluation.every_steps", self.every_steps, low=1.0)
        amount("evaluation.steps", self.steps)


class Saving(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Checkpoints that the job waits for."""

    every_steps: float
    bytes_per_s: float = 1e9
    """What the job's storage takes in all."""

    def __post_init__(self) -> None:
        """Refuse what is not a rhythm."""
        amount("checkpoint.every_steps", self.every_steps, low=1.0)
        amount("checkpoint.bytes_per_s", self.bytes_per_s, low=1.0)


class Training(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A training job as declared."""

    model: Model
    run: Run
    parallel: Parallel = Parallel()
    site: Site = Site()
    input: Input | None = None
    evaluation: Evaluation | None = None
    checkpoint: Saving | None = None
    name: str = ""

    def __post_init__(self) -> None:
        """Refuse what each part alone allows and both together do not."""
        bounds.text("name", self.name)
        _refuse_split(self.model, self.parallel)
        if self.parallel.data > self.run.batch:
            limit = f"is more than run.batch, {self.run.batch:,}"
            raise InvalidFieldError("parallel.data", self.parallel.data, limit)


def amount(field: str, value: object, *, low: float = 0.0, high: float = AMOUNT_MAX) -> float:
    """Return `value` where it is a finite number in [low, high]."""
    if type(value) is not float and type(value) is not int:
        raise InvalidFieldError(field, value, "is not a number")
    if not (math.isfinite(value) and low <= value <= high):
        raise InvalidFieldError(field, value, f"is outside {low:g} to {high:g}")
    return float(value)


def _refuse_split(model: Model, parallel: Parallel) -> None:
    if not isinstance(model, Transformer):
        for name in ("tensor", "pipeline", "interleave"):
            if getattr(parallel, name) > 1:
                degree = getattr(parallel, name)
                raise InvalidFieldError(f"parallel.{name}", degree, "needs a transformer")
        return
    if model.heads % parallel.tensor:
        limit = f"does not divide the {model.heads:,} heads"
        raise InvalidFieldError("parallel.tensor", parallel.tensor, limit)
    bounds.whole("parallel.pipeline", parallel.pipeline, low=1, high=model.layers)
    pieces = parallel.pipeline * parallel.interleave
    if parallel.interleave > 1 and (parallel.pipeline == 1 or pieces > model.layers):
        limit = f"needs a pipeline of several stages and at most {model.layers:,} pieces"
        raise InvalidFieldError("parallel.interleave", parallel.interleave, limit)

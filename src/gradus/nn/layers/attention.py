"""Attention: each step of a sequence looks at the others, and takes from those that matter to it.

Everything here is of Vaswani et al. 2017, "Attention is all you need", unless another source is
named. Sequences are `(batch, steps, features)`; several lengths in one array have a mask
(`gradus.nn.mask_tracking`), and no step attends to one that only fills.
"""

from __future__ import annotations

import functools
import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from gradus.checks import check_fraction, whole_number
from gradus.errors import ShapeError
from gradus.nn import mask_tracking
from gradus.nn.casting import as_float
from gradus.nn.layer import Layer, named_layers
from gradus.nn.layers.containers import Residual
from gradus.nn.layers.dense import Dense
from gradus.nn.layers.dropout import Dropout
from gradus.nn.layers.normalization import LayerNorm
from gradus.nn.network import fresh, recorded


class MultiHeadAttention(Layer):
    """Several heads, each of which takes from every step what its query asks for.

    Each step of `query` asks (q), each step of `value` answers (k) and offers something (v). A
    head's weights are `softmax(q kᵀ / √key_dim)` over the steps of `value`, its result is the mean
    of v with these weights; the heads' results side by side go through a last linear map.

    With one input, `attend(x)`, a sequence looks at itself (self-attention); with two,
    `attend(query, value)`, at another (cross-attention). `query` is `(batch, steps, width)`,
    `value` `(batch, others, features)`, the output as `query`. The four maps are `Dense` layers,
    `query`, `key`, `value` and `output`, their kernels `(features, num_heads · key_dim)` and
    `(num_heads · key_dim, width)`, head after head. (Keras draws its kernels, of three axes, with
    other fans.)

    Steps that only fill, by the mask of the sequence that is looked at, have weight zero. So has
    what an attention mask, `attend(query, value, attention_mask)`, leaves out: it is true for the
    steps that may be looked at, `(batch, others)`, or for each step for those that it may look at,
    `(batch, steps, others)`. Where nothing is left, all weights and the heads' result are zero.

    Args:
        num_heads: how many heads.
        key_dim: the size of a head's queries, keys and values; None for `width / num_heads`.
        causal: whether a step attends only to itself and what came before.
        dropout: the share of weights set to zero in training; 0 draws no random numbers. A swept
            setting.
        use_bias: whether the four maps have biases.
        kernel_initializer: how their kernels are drawn.
        bias_initializer: how their biases are drawn.

    Raises:
        GradusError: for sizes that are no positive whole numbers, or a dropout outside [0, 1).
        ShapeError: for a width that the heads do not divide, and for inputs or a mask that are no
            sequences, empty, or do not fit each other; it names the layer and both shapes.

    Example:
        >>> x = jnp.zeros((2, 5, 8))
        >>> net = gr.init(gr.MultiHeadAttention(num_heads=2, causal=True), 0, x)
        >>> net(x).shape
        (2, 5, 8)
    """

    hypers = ("dropout",)
    build_only = ("kernel_initializer", "bias_initializer")

    def __init__(
        self,
        num_heads: int,
        key_dim: int | None = None,
        causal: bool = False,
        dropout: float = 0.0,
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
    ) -> None:
        check_fraction("dropout", dropout, "MultiHeadAttention")
        self.num_heads = num_heads
        self.key_dim = key_dim
        self.causal = causal
        self.dropout = dropout
        self.use_bias = use_bias
        self.kernel_initializer = kernel_initializer
        self.bias_initializer = bias_initializer

    def build(self, shape: tuple[int, ...], *others: Any) -> None:
        """Make the four maps and what turns scores into weights."""
        require_sequence(self, shape)
        size = whole_number("num_heads", self.num_heads, 1, "MultiHeadAttention") * self._key_dim(
            shape
        )
        dense = functools.partial(
            Dense,
            use_bias=self.use_bias,
            kernel_initializer=self.kernel_initializer,
            bias_initializer=self.bias_initializer,
        )
        self.query, self.key, self.value = dense(size), dense(size), dense(size)
        self.weights = AttentionWeights()
        self.drop = Dropout(self.dropout) if self.dropout != 0 else None
        self.output = dense(shape[-1])

    def call(self, query: Any, value: Any = None, attention_mask: Any = None) -> Any:
        """Return what each step of `query` took from those of `value`, or of `query` itself."""
        of = query if value is None else value
        self._check(query, of)
        q, k, v = map(self._heads, (self.query(query), self.key(of), self.value(of)))
        # The scale is on q, of which there are fewer numbers than of scores.
        scores = (q / math.sqrt(q.shape[-1])) @ k.swapaxes(-1, -2)  # (batch, heads, steps, others)
        weights = self.weights(scores, self._allowed(query, of, attention_mask))
        if self.drop is not None:
            weights = self.drop(weights)
        taken = (weights @ v).swapaxes(1, 2)  # (batch, steps, heads, key_dim)
        y = self.output(taken.reshape(*query.shape[:2], -1))
        if value is not None:
            # The output has the steps of the query, of which the values' mask says nothing.
            own = mask_tracking.get_mask(query)
            mask_tracking.set_mask(y, jnp.ones(y.shape[:2], bool) if own is None else own)
        return y

    def _key_dim(self, shape: tuple[int, ...]) -> int:
        if self.key_dim is not None:
            return whole_number("key_dim", self.key_dim, 1, "MultiHeadAttention")
        if shape[-1] % self.num_heads:
            raise ShapeError(
                f"{self._label()} divides the width of its input among {self.num_heads} heads, "
                f"but was given shape {tuple(shape)}, and {shape[-1]} / {self.num_heads} is no "
                "whole number: write another num_heads, or the size of a head, key_dim=…."
            )
        return shape[-1] // self.num_heads

    def _heads(self, x: Any) -> Any:
        """(batch, steps, heads · key_dim) -> (batch, heads, steps, key_dim)."""
        return x.reshape(*x.shape[:2], self.num_heads, -1).swapaxes(1, 2)

    def _check(self, query: Any, value: Any) -> None:
        require_sequence(self, query.shape)
        require_sequence(self, value.shape)
        if query.shape[0] != value.shape[0]:
            raise ShapeError(
                f"{self._label()} was given a query of shape {tuple(query.shape)} but a value of "
                f"shape {tuple(value.shape)}: both must have the same number of samples."
            )

    def _allowed(self, query: Any, value: Any, attention_mask: Any) -> Any:
        """Return which steps may be looked at, `(batch or 1, 1, steps or 1, others)`, or None."""
        (batch, steps), others = query.shape[:2], value.shape[1]
        shapes = (batch, others), (batch, steps, others)
        rules = []
        for mask, fitting in (
            (mask_tracking.get_mask(value), shapes[:1]),
            (attention_mask, shapes),
        ):
            if mask is None:
                continue
            if mask.shape not in fitting:
                raise ShapeError(
                    f"{self._label()} was given a mask of shape {tuple(mask.shape)} for values of "
                    f"shape {tuple(value.shape)}: write one of shape "
                    f"{' or '.join(map(str, fitting))}, true where something may be looked at."
                )
            rules.append(jnp.asarray(mask, bool).reshape(batch, 1, -1, others))
        if self.causal:
            rules.append(jnp.tri(steps, others, dtype=bool)[None, None])
        return functools.reduce(jnp.logical_and, rules) if rules else None


class AttentionWeights(Layer):
    """Turn scores into weights: a softmax over the keys, in which what is not allowed has none.

    It is a layer so that a recording copy of a network keeps its output: `attention_weights`.
    """

    def __init__(self) -> None:
        pass

    def call(self, scores: Any, allowed: Any = None) -> Any:
        """Return weights that sum to 1 over the last axis, or are all 0 if nothing is allowed."""
        if allowed is None:
            return jax.nn.softmax(scores, axis=-1)
        # A finite number, and not -∞, whose differences would be NaN where nothing is allowed.
        least = jnp.finfo(scores.dtype).min
        weights = jax.nn.softmax(jnp.where(allowed, scores, least), axis=-1)
        return jnp.where(allowed, weights, 0.0)


def attention_weights(net: Layer, x: Any) -> dict[str, jax.Array]:
    """Return who looks at whom: the weights of every attention layer for a batch, by its path.

    Args:
        net: a built network, or an attention layer.
        x: a batch of inputs.

    Returns:
        For each layer an array `(batch, heads, steps, others)`, whose rows sum to 1.

    Example:
        >>> x = jnp.zeros((2, 5, 8))
        >>> net = gr.init(gr.Sequential([gr.MultiHeadAttention(2, causal=True)]), 0, x)
        >>> rows = gr.attention_weights(net, x)["multi_head_attention"]
        >>> rows.shape, rows[0, 0, 1].tolist()
        ((2, 2, 5, 5), [0.5, 0.5, 0.0, 0.0, 0.0])
    """
    return _looks(net, x)


@jax.jit
def _looks(net: Layer, x: Any) -> dict[str, jax.Array]:
    copy = fresh(net, recording=True)
    copy(x)
    _, outputs = recorded(copy)
    return {
        path.rpartition("/")[0]: outputs[path]
        for path, layer in named_layers(copy)
        if isinstance(layer, AttentionWeights) and path in outputs
    }


class PositionalEncoding(Layer):
    """Add to each step waves of its position, since attention by itself does not see the order.

    To feature 2i of step t comes `sin(t / 10000^(2i / width))`, to feature 2i + 1 the cosine of
    the same. There are no weights, and no longest sequence. `x` is `(batch, steps, width)`.

    Raises:
        ShapeError: for an input that is no sequence.

    Example:
        >>> x = jnp.zeros((1, 3, 4))
        >>> y = gr.init(gr.PositionalEncoding(), 0, x)(x)
        >>> print(np.asarray(y[0]).round(2))
        [[ 0.    1.    0.    1.  ]
         [ 0.84  0.54  0.01  1.  ]
         [ 0.91 -0.42  0.02  1.  ]]
    """

    def __init__(self) -> None:
        pass

    def call(self, x: Any) -> Any:
        """Return `x` with the waves added."""
        require_sequence(self, x.shape)
        return as_float(x) + waves(*x.shape[1:])


def waves(steps: int, width: int) -> np.ndarray:
    """Return what `PositionalEncoding` adds, `(steps, width)`."""
    pairs = np.arange(width) // 2 * 2
    angles = np.arange(steps)[:, None] / 10000.0 ** (pairs / width)
    return np.where(np.arange(width) % 2, np.cos(angles), np.sin(angles)).astype(np.float32)


class PositionalEmbedding(Layer):
    """Add to each step a learned vector of its position: `x + embeddings[:steps]`.

    `x` is `(batch, steps, width)`, `embeddings` `(length, width)` (Gehring et al. 2017,
    "Convolutional sequence to sequence learning").

    Args:
        length: how many positions there are, the most steps of a sequence.
        embeddings_initializer: how the vectors are drawn.

    Raises:
        GradusError: for a length that is no positive whole number.
        ShapeError: for an input that is no sequence, or longer than `length`.

    Example:
        >>> x = jnp.zeros((2, 5, 8))
        >>> net = gr.init(gr.PositionalEmbedding(length=16), 0, x)
        >>> net.embeddings.shape, net(x).shape
        ((16, 8), (2, 5, 8))
    """

    build_only = ("embeddings_initializer",)

    def __init__(self, length: int, embeddings_initializer: Any = "uniform") -> None:
        self.length = length
        self.embeddings_initializer = embeddings_initializer

    def build(self, shape: tuple[int, ...]) -> None:
        """Make `embeddings`."""
        require_sequence(self, shape)
        size = whole_number("length", self.length, 1, "PositionalEmbedding"), shape[-1]
        self.embeddings = self.add_weight("embeddings", size, self.embeddings_initializer)

    def call(self, x: Any) -> Any:
        """Return `x` with the vectors added."""
        require_sequence(self, x.shape)
        if x.shape[1] > self.length or x.shape[2] != self.embeddings.shape[1]:
            raise ShapeError(
                f"{self._label()} has vectors of shape {tuple(self.embeddings.shape)} for its "
                f"positions but was given an input of shape {tuple(x.shape)}: the sequences may "
                f"have {self.length} steps at most, and the width that the layer was built for."
            )
        return as_float(x) + self.embeddings[: x.shape[1]]


class TransformerEncoder(Layer):
    """The block that Transformers repeat: attention, then two dense layers, each with a skip.

    `x + attend(norm(x))`, then the same with `dense(hidden)` and `dense(width)` in place of the
    attention. Standardizing first trains without a warm-up of the learning rate (Xiong et al.
    2020, "On layer normalization in the Transformer architecture"); in the original, with
    `pre_norm=False`, it is `norm(x + attend(x))`. `x` is `(batch, steps, width)`, so is the output.

    Args:
        num_heads: of the attention.
        hidden: the width of the dense layer inside; four times the input's is common.
        dropout: the share set to zero in training of the attention's weights and of what each of
            the two parts adds; 0 draws no random numbers. A swept setting.
        activation: of the dense layer inside, such as "relu" or "gelu".
        pre_norm: whether each part is standardized before it, or the sum after it.
        causal: whether a step attends only to itself and what came before.
        key_dim: the size of a head; None for `width / num_heads`.

    Raises:
        GradusError: for sizes that are no positive whole numbers, an unknown activation, or a
            dropout outside [0, 1).
        ShapeError: as `MultiHeadAttention`.

    Example:
        >>> x = jnp.zeros((2, 5, 8))
        >>> gr.init(gr.TransformerEncoder(num_heads=2, hidden=32), 0, x)(x).shape
        (2, 5, 8)
    """

    hypers = ("dropout",)

    def __init__(
        self,
        num_heads: int,
        hidden: int,
        dropout: float = 0.1,
        activation: Any = "relu",
        pre_norm: bool = True,
        causal: bool = False,
        key_dim: int | None = None,
    ) -> None:
        check_fraction("dropout", dropout, "TransformerEncoder")
        self.num_heads = num_heads
        self.hidden = hidden
        self.dropout = dropout
        self.activation = activation
        self.pre_norm = pre_norm
        self.causal = causal
        self.key_dim = key_dim

    def build(self, shape: tuple[int, ...]) -> None:
        """Make the two residual parts."""
        require_sequence(self, shape)
        hidden = whole_number("hidden", self.hidden, 1, "TransformerEncoder")
        attention = MultiHeadAttention(self.num_heads, self.key_dim, self.causal, self.dropout)
        parts: list[list[Layer]] = [
            [attention],
            [Dense(hidden, self.activation), Dense(shape[-1])],
        ]
        self.layers: list[Layer] = []
        for part in parts:
            noise = [Dropout(self.dropout)] if self.dropout != 0 else []
            if self.pre_norm:
                self.layers += [Residual([LayerNorm(), *part, *noise])]
            else:
                self.layers += [Residual([*part, *noise]), LayerNorm()]

    def call(self, x: Any) -> Any:
        """Return what the block makes of each step."""
        for layer in self.layers:
            x = layer(x)
        return x


def require_sequence(layer: Layer, shape: tuple[int, ...]) -> None:
    """Refuse an input that is not `(batch, steps, features)` or has no steps.

    Raises:
        ShapeError: naming the layer and the shape.
    """
    if len(shape) == 2:
        raise ShapeError(
            f"{layer._label()} takes sequences, shape (batch, steps, features), but was given "
            f"shape {tuple(shape)}: for codes put an Embedding before it, for one feature a step "
            "write x[..., None]."
        )
    if len(shape) != 3 or shape[1] == 0:
        raise ShapeError(
            f"{layer._label()} takes sequences of at least one step, shape (batch, steps, "
            f"features), but was given shape {tuple(shape)}."
        )

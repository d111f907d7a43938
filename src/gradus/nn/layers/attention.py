"""Attention: each step of a sequence is a weighted mean of the others.

Everything here is from Vaswani et al. 2017, "Attention is all you need", unless another source is
named. Sequences are `(batch, steps, features)`; sequences of different lengths have a mask
(`gradus.nn.mask_tracking`), and no step attends to padding.
"""

from __future__ import annotations

import functools
import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from gradus.errors import GradusError, ShapeError
from gradus.nn import mask_tracking
from gradus.nn.arguments import check_flags, check_functions, check_numbers, check_sizes
from gradus.nn.casting import as_float
from gradus.nn.layer import Layer, named_layers
from gradus.nn.layers.containers import Residual
from gradus.nn.layers.dense import Dense
from gradus.nn.layers.dropout import Dropout
from gradus.nn.layers.normalization import LayerNormalization
from gradus.nn.network import fresh, recorded


class MultiHeadAttention(Layer):
    """Multi-head attention: each step of a query takes a weighted mean of another sequence's steps.

    Each step of `query` has a query vector q; each step of `value` a key k and a value v. A head's
    weights are `softmax(q kᵀ / √key_dim)` over the steps of `value`; its result is the mean of v
    with these weights. The results of all heads, concatenated, pass through a last linear map.

    With one input, `attend(x)`, a sequence attends to itself (self-attention); with two,
    `attend(query, value)`, to another (cross-attention). `query` is `(batch, steps, width)`,
    `value` `(batch, others, features)`; the output has the shape of `query`. The four maps are the
    `Dense` layers `query`, `key`, `value`, and `output`, with kernels `(features,
    num_heads · key_dim)` and `(num_heads · key_dim, width)`, head after head. (Keras's kernels have
    three axes and therefore other fans.)

    Padded steps, by the mask of the sequence attended to, have weight zero. So have the steps that
    an attention mask excludes, `attend(query, value, attention_mask)`: it is true for the steps to
    attend to, `(batch, others)`, or separately for each query step, `(batch, steps, others)`. If
    no step remains, all weights and the heads' result are zero.

    Args:
        num_heads: how many heads.
        key_dim: the size of a head's queries, keys, and values; None for `width / num_heads`.
        causal: whether a step attends only to itself and earlier steps.
        dropout: the share of weights set to zero in training; 0 draws no random numbers. A swept
            setting.
        use_bias: whether the four maps have biases.
        kernel_initializer: how their kernels are drawn.
        bias_initializer: how their biases are drawn.

    Raises:
        GradusError: for sizes that are not positive whole numbers, or a dropout outside [0, 1).
        ShapeError: for a width that `num_heads` does not divide; for inputs or a mask that are not
            sequences, are empty, or do not fit each other. It names the layer and both shapes.

    Examples:
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
        self.num_heads = num_heads
        self.key_dim = key_dim
        self.causal = causal
        self.dropout = dropout
        self.use_bias = use_bias
        self.kernel_initializer = kernel_initializer
        self.bias_initializer = bias_initializer
        check_sizes(self, "num_heads", "key_dim")
        check_numbers(self, "dropout", low=0, high=1, below=True)
        check_functions(self)
        check_flags(self)

    def build(self, shape: tuple[int, ...], *others: Any) -> None:
        """Create the four maps, the softmax, and the dropout."""
        require_sequence(self, shape)
        size = self.num_heads * self._key_dim(shape)
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
        """Return what each step of `query` takes from `value`, or from `query` itself."""
        source = query if value is None else value
        self._check(query, source)
        q, k, v = map(self._split_heads, (self.query(query), self.key(source), self.value(source)))
        # Scaling q takes fewer operations than scaling the scores.
        scores = (q / math.sqrt(q.shape[-1])) @ k.swapaxes(-1, -2)  # (batch, heads, steps, others)
        weights = self.weights(scores, self._allowed(query, source, attention_mask))
        if self.drop is not None:
            weights = self.drop(weights)
        heads = (weights @ v).swapaxes(1, 2)  # (batch, steps, heads, key_dim)
        y = self.output(heads.reshape(*query.shape[:2], -1))
        if value is not None:
            # The output has the query's steps, so it must not inherit the mask of the values.
            mask = mask_tracking.get_mask(query)
            mask_tracking.set_mask(y, jnp.ones(y.shape[:2], bool) if mask is None else mask)
        return y

    def _key_dim(self, shape: tuple[int, ...]) -> int:
        if self.key_dim is not None:
            return self.key_dim
        if shape[-1] % self.num_heads:
            raise ShapeError(
                f"{self._label()} divides the width of its input among {self.num_heads} heads, "
                f"but was given shape {tuple(shape)}, and {shape[-1]} / {self.num_heads} is not a "
                "whole number: write another num_heads, or the size of a head, key_dim=…."
            )
        return shape[-1] // self.num_heads

    def _split_heads(self, x: Any) -> Any:
        """(batch, steps, heads · key_dim) -> (batch, heads, steps, key_dim)."""
        return x.reshape(*x.shape[:2], self.num_heads, -1).swapaxes(1, 2)

    def _check(self, query: Any, value: Any) -> None:
        require_sequence(self, query.shape)
        require_sequence(self, value.shape)
        if query.shape[0] != value.shape[0]:
            raise ShapeError(
                f"{self._label()} was given a query of shape {tuple(query.shape)} but a value of "
                f"shape {tuple(value.shape)}; both need the same number of samples."
            )

    def _allowed(self, query: Any, value: Any, attention_mask: Any) -> Any:
        """Return which steps to attend to, `(batch or 1, 1, steps or 1, others)`; None for all."""
        (batch, steps), others = query.shape[:2], value.shape[1]
        shapes = (batch, others), (batch, steps, others)
        masks = []
        for mask, valid_shapes in (
            (mask_tracking.get_mask(value), shapes[:1]),
            (attention_mask, shapes),
        ):
            if mask is None:
                continue
            if mask.shape not in valid_shapes:
                raise ShapeError(
                    f"{self._label()} was given a mask of shape {tuple(mask.shape)} for values of "
                    f"shape {tuple(value.shape)}: write one of shape "
                    f"{' or '.join(map(str, valid_shapes))}, true for the steps to attend to."
                )
            masks.append(jnp.asarray(mask, bool).reshape(batch, 1, -1, others))
        if self.causal:
            masks.append(jnp.tri(steps, others, dtype=bool)[None, None])
        return functools.reduce(jnp.logical_and, masks) if masks else None


class AttentionWeights(Layer):
    """A softmax over the keys, in which excluded keys have weight zero.

    It is a layer so that a recording copy of a network keeps its output, for `attention_weights`.
    """

    def __init__(self) -> None:
        pass

    def call(self, scores: Any, allowed: Any = None) -> Any:
        """Return weights that sum to 1 over the last axis, or are all 0 if no key is allowed."""
        if allowed is None:
            return jax.nn.softmax(scores, axis=-1)
        # Finite, since the difference of two -∞ would be NaN if no key is allowed.
        lowest = jnp.finfo(scores.dtype).min
        weights = jax.nn.softmax(jnp.where(allowed, scores, lowest), axis=-1)
        return jnp.where(allowed, weights, 0.0)


def attention_weights(net: Layer, x: Any) -> dict[str, jax.Array]:
    """Return which step attends to which: the weights of every attention layer, by its path.

    Args:
        net: a built network, or an attention layer.
        x: a batch of inputs.

    Returns:
        For each layer an array `(batch, heads, steps, others)`, whose rows sum to 1.

    Examples:
        >>> x = jnp.zeros((2, 5, 8))
        >>> net = gr.init(gr.Sequential([gr.MultiHeadAttention(2, causal=True)]), 0, x)
        >>> rows = gr.attention_weights(net, x)["multi_head_attention"]
        >>> rows.shape, rows[0, 0, 1].tolist()
        ((2, 2, 5, 5), [0.5, 0.5, 0.0, 0.0, 0.0])
    """
    if not isinstance(net, Layer):
        raise GradusError(f"attention_weights(net={net!r}): write a network, such as model.net.")
    for each in jax.tree.leaves(x) or [x]:
        if not np.ndim(each) or np.asarray(each).dtype.kind not in "biuf":
            raise GradusError(f"attention_weights(x={x!r}): write a batch of inputs, an array.")
    return _attention_weights(net, x)


@jax.jit
def _attention_weights(net: Layer, x: Any) -> dict[str, jax.Array]:
    copy = fresh(net, recording=True)
    copy(x)
    _, outputs = recorded(copy)
    return {
        path.rpartition("/")[0]: outputs[path]
        for path, layer in named_layers(copy)
        if isinstance(layer, AttentionWeights) and path in outputs
    }


class PositionalEncoding(Layer):
    """Add sines and cosines of its position to each step; attention alone ignores the order.

    Feature 2i of step t is increased by `sin(t / 10000^(2i / width))`, feature 2i + 1 by the cosine
    of the same angle. There are no weights and no maximum length. `x` is `(batch, steps, width)`.

    Raises:
        ShapeError: for an input that is not a sequence.

    Examples:
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
        """Return `x` with the encoding of each step added."""
        require_sequence(self, x.shape)
        return as_float(x) + positional_encoding(*x.shape[1:])


def positional_encoding(steps: int, width: int) -> np.ndarray:
    """Return the sines and cosines that `PositionalEncoding` adds, `(steps, width)`."""
    pairs = np.arange(width) // 2 * 2
    angles = np.arange(steps)[:, None] / 10000.0 ** (pairs / width)
    return np.where(np.arange(width) % 2, np.cos(angles), np.sin(angles)).astype(np.float32)


class PositionalEmbedding(Layer):
    """Add a learned vector for its position to each step: `x + embeddings[:steps]`.

    `x` is `(batch, steps, width)`, `embeddings` `(length, width)` (Gehring et al. 2017,
    "Convolutional sequence to sequence learning").

    Args:
        length: the number of positions, and the maximum length of a sequence.
        embeddings_initializer: how the vectors are drawn.

    Raises:
        GradusError: for a length that is not a positive whole number.
        ShapeError: for an input that is not a sequence, or is longer than `length`.

    Examples:
        >>> x = jnp.zeros((2, 5, 8))
        >>> net = gr.init(gr.PositionalEmbedding(length=16), 0, x)
        >>> net.embeddings.shape, net(x).shape
        ((16, 8), (2, 5, 8))
    """

    build_only = ("embeddings_initializer",)

    def __init__(self, length: int, embeddings_initializer: Any = "uniform") -> None:
        self.length = length
        self.embeddings_initializer = embeddings_initializer
        check_sizes(self, "length")
        check_functions(self)

    def build(self, shape: tuple[int, ...]) -> None:
        """Create `embeddings`."""
        require_sequence(self, shape)
        size = self.length, shape[-1]
        self.embeddings = self.add_weight("embeddings", size, self.embeddings_initializer)

    def call(self, x: Any) -> Any:
        """Return `x` with the vectors added."""
        require_sequence(self, x.shape)
        if x.shape[1] > self.length or x.shape[2] != self.embeddings.shape[1]:
            raise ShapeError(
                f"{self._label()} has embeddings of shape {tuple(self.embeddings.shape)} but was "
                f"given an input of shape {tuple(x.shape)}: a sequence may have at most "
                f"{self.length} steps, and needs the width that the layer was built for."
            )
        return as_float(x) + self.embeddings[: x.shape[1]]


class TransformerEncoder(Layer):
    """A Transformer block: attention, then two dense layers, each with a skip connection.

    `x + attend(norm(x))`, then the same with `dense(hidden)` and `dense(width)` in place of the
    attention. Normalizing first trains without a warm-up of the learning rate (Xiong et al. 2020,
    "On layer normalization in the Transformer architecture"). The original, `pre_norm=False`, is
    `norm(x + attend(x))`. `x` and the output are `(batch, steps, width)`.

    Args:
        num_heads: how many heads the attention has.
        hidden: the width of the hidden dense layer; four times the input's is common.
        dropout: the share set to zero in training, of the attention weights and of the output of
            each of the two parts; 0 draws no random numbers. A swept setting.
        activation: of the hidden dense layer, such as "relu" or "gelu".
        pre_norm: whether to normalize the input of each part, rather than the sum after it.
        causal: whether a step attends only to itself and earlier steps.
        key_dim: the size of a head; None for `width / num_heads`.

    Raises:
        GradusError: for sizes that are not positive whole numbers, an unknown activation, or a
            dropout outside [0, 1).
        ShapeError: as for `MultiHeadAttention`.

    Examples:
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
        self.num_heads = num_heads
        self.hidden = hidden
        self.dropout = dropout
        self.activation = activation
        self.pre_norm = pre_norm
        self.causal = causal
        self.key_dim = key_dim
        check_sizes(self, "num_heads", "hidden", "key_dim")
        check_numbers(self, "dropout", low=0, high=1, below=True)
        check_functions(self)
        check_flags(self)

    def build(self, shape: tuple[int, ...]) -> None:
        """Create the two residual parts."""
        require_sequence(self, shape)
        attention = MultiHeadAttention(self.num_heads, self.key_dim, self.causal, self.dropout)
        parts: list[list[Layer]] = [
            [attention],
            [Dense(self.hidden, self.activation), Dense(shape[-1])],
        ]
        self.layers: list[Layer] = []
        for part in parts:
            noise = [Dropout(self.dropout)] if self.dropout != 0 else []
            if self.pre_norm:
                self.layers += [Residual([LayerNormalization(), *part, *noise])]
            else:
                self.layers += [Residual([*part, *noise]), LayerNormalization()]

    def call(self, x: Any) -> Any:
        """Return the output of the block."""
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
            f"shape {tuple(shape)}: for integer codes put an Embedding before it, for one feature "
            "per step write x[..., None]."
        )
    if len(shape) != 3 or shape[1] == 0:
        raise ShapeError(
            f"{layer._label()} takes sequences of at least one step, shape (batch, steps, "
            f"features), but was given shape {tuple(shape)}."
        )

"""Embeddings: learned vectors for integer codes."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp

from gradus.checks import whole_number
from gradus.errors import GradusError, ShapeError, UnknownCodeError
from gradus.nn import mask_tracking
from gradus.nn.arguments import check_flags, check_functions, check_sizes, has_space
from gradus.nn.casting import as_float
from gradus.nn.layer import Layer
from gradus.space import given_values


class Embedding(Layer):
    """A learned vector for each of `input_dim` codes: `embeddings[x]`.

    `x` holds whole numbers from 0 to `input_dim - 1`, shape `(batch, ...)`; `embeddings` has shape
    `(input_dim, output_dim)`; the output `(batch, ..., output_dim)`.

    Args:
        input_dim: how many codes there are.
        output_dim: the length of a vector.
        embeddings_initializer: how the vectors are drawn.
        embeddings_regularizer: a penalty on them.
        mask_zero: whether code 0 is padding, which later layers ignore.

    Raises:
        ShapeError: for `mask_zero` with codes that are not sequences, `(batch, steps)`.
        GradusError: for sizes that are not positive whole numbers, or inputs that are not integers.

    Examples:
        >>> codes = jnp.array([[3, 1, 0]])
        >>> gr.init(gr.Embedding(10, 4, mask_zero=True), 0, codes)(codes).shape
        (1, 3, 4)
    """

    build_only = ("embeddings_initializer",)

    def __init__(
        self,
        input_dim: int,
        output_dim: int,
        embeddings_initializer: Any = "uniform",
        embeddings_regularizer: Any = None,
        mask_zero: bool = False,
    ) -> None:
        self.input_dim = input_dim
        self.output_dim = output_dim
        self.embeddings_initializer = embeddings_initializer
        self.embeddings_regularizer = embeddings_regularizer
        self.mask_zero = mask_zero
        check_sizes(self, "input_dim", "output_dim")
        check_functions(self)
        check_flags(self)

    def build(self, shape: tuple[int, ...]) -> None:
        """Create `embeddings`."""
        size = self.input_dim, self.output_dim
        self.embeddings = self.add_weight("embeddings", size, self.embeddings_initializer)

    def call(self, x: Any) -> Any:
        """Return the vectors of the codes."""
        if not jnp.issubdtype(x.dtype, jnp.integer):
            raise GradusError(
                f"{self._label()} takes whole numbers (codes) but was given {x.dtype}: "
                "write x.astype('int32')."
            )
        # A code out of range gives NaN, which stops training and is reported, not a wrong vector.
        codes = jnp.where(x < 0, len(self.embeddings), x)
        vectors = jnp.take(self.embeddings, codes, axis=0, mode="fill")
        if self.mask_zero:
            if x.ndim != 2:
                raise ShapeError(
                    f"{self._label()} masks sequences of codes, shape (batch, steps), but was "
                    f"given shape {tuple(x.shape)}: leave out mask_zero."
                )
            mask_tracking.set_mask(vectors, x != 0)
        return vectors

    def check_codes(self, x: Any, where: str) -> None:
        """Check that concrete codes have vectors.

        Args:
            x: the codes, a NumPy array.
            where: what errors call them.

        Raises:
            UnknownCodeError: naming a code that has none, and its row.
        """
        if not x.size or (x.min() >= 0 and x.max() < len(self.embeddings)):
            return
        row = int(((x < 0) | (x >= len(self.embeddings))).reshape(len(x), -1).any(1).argmax())
        code = next(c for c in x[row].ravel().tolist() if not 0 <= c < len(self.embeddings))
        hint = "a missing category needs a code of its own" if code < 0 else "write a larger one"
        raise UnknownCodeError(
            f"{where} has the code {code} in row {row} (counted from 0), but {self._label()} has "
            f"vectors for 0 to {len(self.embeddings) - 1}, input_dim={self.input_dim}: {hint}."
        )


class ColumnEmbedding(Layer):
    """The input layer for a table with categories: its numbers, and a learned vector for each code.

    The input is `{"numbers": (batch, p) float, "categories": (batch, k) int}`, or the categories
    alone; the output has shape `(batch, p + Σ widths)`. Each category column has its own
    `Embedding`.

    Args:
        cardinalities: how many codes each of the k columns has.
        widths: the length of each column's vectors; None for `min(50, ⌈cardinality / 2⌉)`
            (Guo & Berkhahn 2016, "Entity embeddings of categorical variables", use such widths).

    Examples:
        >>> x = {"numbers": jnp.zeros((5, 2)), "categories": jnp.zeros((5, 2), int)}
        >>> gr.init(gr.ColumnEmbedding(cardinalities=(4, 7)), 0, x)(x).shape
        (5, 8)
    """

    takes_several = True

    def __init__(
        self, cardinalities: tuple[int, ...], widths: tuple[int, ...] | None = None
    ) -> None:
        self.cardinalities = cardinalities
        self.widths = widths
        for name in ("cardinalities", "widths"):
            for sizes in given_values(getattr(self, name)):
                if sizes is not None:
                    _check_column_sizes(name, sizes)
        if not has_space(cardinalities, widths) and widths and len(widths) != len(cardinalities):
            raise GradusError(
                f"ColumnEmbedding has {len(cardinalities)} cardinalities and {len(widths)} widths: "
                "write one of each for each column."
            )

    def build(self, shape: Any) -> None:
        """Create an embedding for each column."""
        widths = self.widths or [min(50, (size + 1) // 2) for size in self.cardinalities]
        sizes = zip(self.cardinalities, widths, strict=True)
        self.columns = [Embedding(size, width) for size, width in sizes]

    def call(self, x: Any) -> Any:
        """Return the numbers and the vectors, concatenated."""
        if not isinstance(x, dict) or {*x, "numbers"} != {"numbers", "categories"}:
            raise ShapeError(f"{self._label()} takes a dict of 'numbers' and 'categories'.")
        codes = x["categories"]
        if codes.shape[-1] != len(self.columns):
            raise ShapeError(
                f"{self._label()} has {len(self.columns)} category columns but was given codes "
                f"of shape {tuple(codes.shape)}."
            )
        vectors = [embed(codes[:, i]) for i, embed in enumerate(self.columns)]
        numbers = [as_float(x["numbers"])] if "numbers" in x else []
        return jnp.concatenate([*numbers, *vectors], axis=-1)

    def check_codes(self, x: Any, where: str) -> None:
        """Check that concrete codes have vectors, as `Embedding.check_codes` does."""
        for index, embed in enumerate(self.columns):
            embed.check_codes(x["categories"][:, index], f"{where}, column {index},")


def _check_column_sizes(name: str, sizes: Any) -> None:
    """Refuse what is not a list or tuple of positive whole numbers."""
    if not isinstance(sizes, list | tuple):
        raise GradusError(
            f"ColumnEmbedding({name}={sizes!r}): write a tuple of whole numbers, one for each "
            "column."
        )
    for each in sizes:
        for size in given_values(each):
            whole_number(name, size, 1, "ColumnEmbedding")

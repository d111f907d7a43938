"""Whether all numbers of some arrays are finite."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import core
from jax.extend.core import Primitive

from gradus.kernels.library import in_use
from gradus.kernels.primitive import define_kernel


def all_finite(arrays: Sequence[Any]) -> jax.Array:
    """Return whether no number of some arrays is infinite or NaN, a scalar."""
    if not (in_use() and all(array.dtype == jnp.float32 for array in arrays)):
        return plain_all_finite(*arrays)
    finite: jax.Array = _all_finite.bind(*arrays)
    return finite


def plain_all_finite(*arrays: jax.Array) -> jax.Array:
    """Return what `all_finite` does."""
    finite = jnp.bool_(True)
    for array in arrays:
        finite &= jnp.all(jnp.isfinite(array))
    return finite


def _shape(*arrays: Any) -> core.ShapedArray:
    return core.ShapedArray((), np.dtype(bool))


_all_finite = Primitive("gradus_all_finite")
_all_finite.def_abstract_eval(_shape)
define_kernel(
    _all_finite, plain_all_finite, jax.ffi.ffi_lowering("gradus_all_finite"), elementwise=True
)

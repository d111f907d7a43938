"""What all tests share: the platform, the compilation cache, hypothesis without a deadline."""

import gc
import os
import tempfile
from pathlib import Path

os.environ["JAX_PLATFORMS"] = os.environ.get("GRADUS_TEST_PLATFORM", "cpu")
os.environ.setdefault("KERAS_BACKEND", "jax")
CACHE = Path(tempfile.gettempdir()) / f"gradus-tests-{os.getuid()}"
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(CACHE))  # for subprocesses too
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES", "-1")
# Hundreds of small programs: compiled three times as fast, though a few then run more slowly.
# `XLA_FLAGS= make test` tests what users run.
os.environ.setdefault(
    "XLA_FLAGS", "--xla_cpu_use_fusion_emitters=false --xla_backend_optimization_level=0"
)

import numpy as np  # noqa: E402
import pytest  # noqa: E402
from hypothesis import settings  # noqa: E402

# Programs that were traced are kept, millions of objects, which the collector need not walk often.
gc.set_threshold(200_000, 50, 1000)

# What lands is judged by the same examples each time; a developer's runs look for new ones.
settings.register_profile(
    "gradus", deadline=None, max_examples=50, derandomize=os.environ.get("CI") == "true"
)
settings.load_profile("gradus")


@pytest.fixture
def rng() -> np.random.Generator:
    """A generator that draws the same in every run."""
    return np.random.default_rng(20240229)

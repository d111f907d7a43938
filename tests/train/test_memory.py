"""What is free and what a training takes is known before it is taken."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import gradus as gr
from gradus import host_memory
from gradus.errors import GradusError, TooLargeError
from gradus.nn.network import abstract_init
from gradus.train import memory

X = np.zeros((8, 10), np.float32)
Y = np.zeros((8, 1), np.float32)
GB = 10**9


@pytest.fixture
def system(monkeypatch, tmp_path):
    """Writes files of a Linux system that is asked what is free."""
    monkeypatch.setattr(host_memory, "ROOT", tmp_path)

    def write(files):
        for name, text in files.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)

    return write


MEMINFO = "MemTotal:       8000000 kB\nMemFree:  1000 kB\nMemAvailable:   3000000 kB\n"


def test_nothing_is_said_of_an_unknown_system(system):
    assert host_memory.host_free_bytes() == host_memory.UNKNOWN
    system({"proc/meminfo": "MemTotal: 8000000 kB\n", "proc/self/cgroup": "0::/\n"})
    assert host_memory.host_free_bytes() == host_memory.UNKNOWN


def test_the_kernel_says_what_is_available(system):
    system({"proc/meminfo": MEMINFO})
    assert host_memory.host_free_bytes() == memory.free_bytes() == 3_000_000 * 1024


def test_the_strictest_control_group_counts_and_cached_files_are_free(system):
    outer, inner = "sys/fs/cgroup/outer/memory", "sys/fs/cgroup/outer/inner/memory"
    system(
        {
            "proc/meminfo": MEMINFO,
            "proc/self/cgroup": "0::/outer/inner\n",
            f"{outer}.max": str(2 * GB),
            f"{outer}.current": str(1 * GB),
            f"{outer}.stat": "anon 5\ninactive_file 300000000\n",
            f"{inner}.max": "max\n",
            f"{inner}.current": "5",
            f"{inner}.stat": "",
        }
    )
    assert host_memory.host_free_bytes() == 1_300_000_000


def test_in_a_container_with_old_control_groups_the_outermost_is_seen(system):
    own = "sys/fs/cgroup/memory/memory"
    system(
        {
            "proc/meminfo": MEMINFO,
            "proc/self/cgroup": "9:cpu:/\n4:memory:/docker/abc\n0::/\n",
            f"{own}.limit_in_bytes": str(GB),
            f"{own}.usage_in_bytes": str(GB // 4),
            f"{own}.stat": "total_inactive_file 0\n",
        }
    )
    assert host_memory.host_free_bytes() == 750_000_000


def made(units):
    return abstract_init(gr.Sequential([gr.Dense(units), gr.Dense(1)]), X)


def test_a_network_that_cannot_be_trained_names_its_largest_weight():
    # 10·1e6 + 1e6 + 1e6 + 1 weights of 4 bytes are 48 MB; Adam has two numbers for each, so that
    # 144 MB stand before and after a step, and gradients of 48 MB: 336 MB.
    memory.check_training(made(10**6), gr.Adam(), 337 * 10**6)
    with pytest.raises(TooLargeError) as caught:
        memory.check_training(made(10**6), gr.Adam(), 335 * 10**6)
    assert str(caught.value) == (
        "This network takes at least 336 MB to train: its weights are 48 MB, dense/kernel alone "
        "is 10 × 1,000,000. 335 MB are free here: write a smaller network."
    )
    memory.check_training(made(10**6), gr.SGD(), 145 * 10**6)  # 48 · 3
    with pytest.raises(TooLargeError, match="144 MB"):
        memory.check_training(made(10**6), gr.SGD(), 143 * 10**6)


def test_frozen_layers_have_no_gradients_and_no_memory():
    net = gr.Sequential([gr.Dense(10**6).freeze(), gr.Dense(1)])
    # 44 MB are frozen and 4 MB trained: 2 · 44 + 7 · 4.
    memory.check_training(abstract_init(net, X), gr.Adam(), 117 * 10**6)
    with pytest.raises(TooLargeError, match="116 MB"):
        memory.check_training(abstract_init(net, X), gr.Adam(), 115 * 10**6)


def test_a_model_is_refused_before_its_weights_are_drawn(monkeypatch):
    monkeypatch.setattr("gradus.models.network_model.host_free_bytes", lambda: 21 * GB)
    drawn = []
    monkeypatch.setattr(
        "gradus.nn.network.AbstractNetwork.init_weights", lambda *_: drawn.append(1)
    )
    net = gr.Sequential([gr.Dense(2 * 10**10), gr.Dense(1)])
    with pytest.raises(GradusError, match=r"weights are 960 GB.* 10 × 20,000,000,000\. 21 GB are"):
        gr.Model(net, "mse").fit(X, Y, verbose=False)
    assert not drawn


@pytest.mark.slow
def test_a_training_is_refused_before_its_first_step(monkeypatch):
    model = gr.Model(gr.Sequential([gr.Dense(64), gr.Dense(1)]), "mse")
    monkeypatch.setattr(memory, "free_bytes", lambda: 5000)
    with pytest.raises(GradusError, match=r"training takes about .* batch.* a smaller batch_size"):
        model.fit(X, Y, verbose=False)
    assert model.history.epochs == 0
    monkeypatch.undo()
    assert model.fit(X, Y, epochs=1, verbose=False).epochs == 1


def test_a_program_says_what_it_takes(monkeypatch):
    n = 1000
    program = jax.jit(lambda a: jnp.sin(a @ a) @ a)  # one matrix in between, one as the result
    compiled = program.lower(jnp.ones((n, n))).compile()
    assert 2 * 4 * n**2 <= memory.program_bytes(compiled) < 3 * 4 * n**2
    monkeypatch.setattr(jax.stages.Compiled, "memory_analysis", None)  # XLA is asked once
    assert 2 * 4 * n**2 <= memory.program_bytes(compiled) < 3 * 4 * n**2
    tree = {"a": np.zeros((3, 5), np.float32), "b": (jnp.zeros(2, jnp.int8), np.float32(1))}
    assert memory.tree_bytes(tree) == 60 + 2 + 4


@pytest.mark.parametrize(
    ("count", "words"), [(51.2e9, "51 GB"), (2.34e9, "2.3 GB"), (120e6, "120 MB"), (700, "0.7 kB")]
)
def test_bytes_are_readable(count, words):
    assert host_memory.readable(int(count)) == words

"""A sweep on a Ray cluster equals the sweep on this machine, even if nodes die."""

import collections
import contextlib
import os
import shutil
import socket
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

import gradus as gr
from gradus.errors import GradusError
from gradus.sweep.execution import get_executor, ray_cluster, ray_task
from gradus.sweep.execution.local import Local
from gradus.sweep.execution.ray_cluster import Cluster, TaskLayout, plan_tasks
from gradus.sweep.strategies.base import Strategy

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 5)).astype(np.float32)
Y = (X[:, 0] + X[:, 1] > 0).astype(np.int32)
LOSS = "sparse_categorical_crossentropy"
HERE = os.getpid()

# Ray leaves files and sockets open.
pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


class Stranger(gr.Layer):
    """Fails in any process but the first."""

    def call(self, x):
        if os.getpid() != HERE:
            raise GradusError("I am a stranger here.")
        return x


class Doomed(gr.Layer):
    """The first node that calls it writes its name and waits to be killed."""

    def __init__(self, folder):
        self.folder = folder

    def call(self, x):
        if os.getpid() != HERE:
            import ray

            with contextlib.suppress(FileExistsError):  # another node was first
                (Path(self.folder) / "claim").mkdir()
                (Path(self.folder) / "node").write_text(ray.get_runtime_context().get_node_id())
                time.sleep(60)
        return x


class Halving(Strategy):
    """Stops half of the trials after an epoch."""

    def run(self, runner, trials):
        runner.train_until(trials, until=1)
        order = sorted(trials, key=runner.current_score)
        runner.stop_trials(order[: len(order) // 2])
        runner.train_until([trial for trial in trials if trial.status == "waiting"])


class Watched(Cluster):
    """Counts the members that it yields."""

    def run(self, members, until=None):
        self.seen = collections.Counter()
        for done in super().run(members, until):
            self.seen.update((m.trial, m.seed_index, m.fold.number) for m in done)
            self.heard(done)
            yield done

    def heard(self, done):
        pass


def space(layer=None):
    wide = layer or gr.Dense(gr.choice(4, 6), "tanh")
    net = gr.Sequential([wide, gr.Dropout(gr.uniform(0, 0.4)), gr.Dense(2, "softmax")])
    return gr.Model(net, LOSS, gr.Adam(gr.log_uniform(1e-3, 0.3)), metrics=["accuracy"])


def swept(executor, model=None, trials=8, epochs=3, **options):
    sweep = gr.Sweep(model or space(), trials, executor=executor, **options)
    return sweep.fit(X, Y, epochs=epochs, batch_size=16, verbose=False)


def same(one, other):
    assert one.table().equals(other.table())
    for path, weight in other.best.weights.items():
        np.testing.assert_array_equal(one.best.weights[path], weight)


class Pickled:
    """Trains what would be sent to a node, each member in its own chunk."""

    def __init__(self, pickle):
        self.pickle, self.payload = pickle, None

    def run(self, members, until=None):
        for member in members:
            self.payload = self.payload or ray_task.SweepPayload.create(members.factory)
            sent = self.pickle.dumps((self.payload, [ray_task.MemberRequest.create(member)]))
            ((member.train_state, member.model.history),) = ray_task.train_members(
                *self.pickle.loads(sent), until, workers=1, width=1
            )
            yield [member]


class Traced:
    """Counts how often it is traced."""

    count = 0


@pytest.fixture(scope="module")
def nodes():
    """A cluster of a head, which trains nothing, and two nodes of two CPUs each."""
    ray = pytest.importorskip("ray", reason="Ray is not installed: pip install 'gradus-nn[ray]'")
    from ray.cluster_utils import Cluster as Nodes

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    patch = pytest.MonkeyPatch()
    patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    sizes = {"object_store_memory": 100 << 20}
    head = {"num_cpus": 0, "include_dashboard": False, "ray_client_server_port": port, **sizes}
    head["_system_config"] = {
        "health_check_period_ms": 500,
        "health_check_failure_threshold": 4,
        "worker_niceness": 0,  # else parallel tests starve the nodes
    }
    made = Nodes(initialize_head=True, head_node_args=head)
    for _ in range(2):
        made.add_node(num_cpus=2, **sizes)
    patch.setenv("RAY_ADDRESS", made.address)
    made.client = f"ray://127.0.0.1:{port}"
    ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])  # as a script's own classes
    folder = Path(made.head_node.get_session_dir_path())
    yield made
    ray.cloudpickle.unregister_pickle_by_value(sys.modules[__name__])
    ray.shutdown()
    made.shutdown()
    shutil.rmtree(folder, ignore_errors=True)
    patch.undo()


@pytest.mark.slow
def test_a_process_traces_a_program_once_for_all_chunks():
    pickle = pytest.importorskip("ray").cloudpickle

    def loss(y_true, y_pred):  # sent by value, as what a notebook defines
        Traced.count += 1
        return (y_true - y_pred) ** 2

    def counted(trials):
        before = Traced.count
        net = gr.Sequential([gr.Dense(3, "tanh"), gr.Dense(1)])
        model = gr.Model(net, loss, gr.SGD(gr.uniform(0.01, 0.1)))
        gr.Sweep(model, trials, executor=Pickled(pickle)).fit(X, X[:, :1], epochs=1, verbose=False)
        return Traced.count - before

    assert counted(1) == counted(3) > 0


@pytest.mark.slow
def test_trials_equal_those_of_this_machine(nodes):
    executor = Watched()
    options = {"cv": 2, "seeds": 2, "trials": 4}
    same(swept(executor, **options), swept("local", **options))
    members = {(t, s, f) for t in range(4) for s in range(2) for f in range(2)}
    assert executor.seen == dict.fromkeys(members, 1)


@pytest.mark.slow
def test_running_trials_continue_on_other_nodes(nodes):
    options = {"strategy": Halving(), "epochs": 4}
    sweep = swept("ray", **options)
    assert sorted(trial.epochs for trial in sweep.trials) == [1] * 4 + [4] * 4
    same(sweep, swept("local", **options))


@pytest.mark.slow
def test_an_error_in_a_task_is_raised_here(nodes):
    with pytest.raises(GradusError, match=r"^I am a stranger here") as caught:
        swept("ray", space(Stranger()))
    assert type(caught.value) is GradusError


@pytest.mark.slow
def test_ctrl_c_keeps_finished_trials_and_frees_the_nodes(nodes, tmp_path, monkeypatch):
    import ray

    executor, wait = Watched(), ray.wait

    def interrupted(refs, timeout):
        found = wait(refs, timeout=1)
        if (tmp_path / "node").exists() and not found[0] and executor.seen:
            raise KeyboardInterrupt
        return found

    monkeypatch.setattr(ray, "wait", interrupted)
    sweep = gr.Sweep(space(Doomed(str(tmp_path))), 8, executor=executor)
    sweep.fit(X, Y, epochs=2, verbose=False)
    assert sweep.interrupted
    ended = {trial.number for trial in sweep.trials if trial.status == "finished"}
    assert ended == {number for number, *_ in executor.seen}
    assert 0 < len(ended) < 8
    assert sweep.best.history.epochs == 2
    until = time.monotonic() + 20
    while ray.available_resources().get("CPU") != 4 and time.monotonic() < until:
        time.sleep(0.1)
    assert ray.available_resources()["CPU"] == 4


@pytest.mark.slow
def test_a_node_failure_loses_and_repeats_no_trial(nodes, tmp_path):
    killed = threading.Thread(target=kill, args=(nodes, tmp_path), daemon=True)
    killed.start()
    executor = Watched()
    sweep = swept(executor, space(Doomed(str(tmp_path))))
    killed.join()
    assert len(nodes.worker_nodes) == 1
    assert executor.seen == {(trial, 0, 0): 1 for trial in range(8)}
    same(sweep, swept("local", space(Doomed(str(tmp_path)))))


@pytest.mark.slow
def test_smaller_nodes_may_take_over(nodes, tmp_path, monkeypatch):
    monkeypatch.setattr(ray_cluster, "POLL_SECONDS", 0.5)

    def planned(found, cpus, gpus):
        if not nodes.worker_nodes:
            nodes.add_node(num_cpus=1, object_store_memory=100 << 20)
        return plan_tasks(found, cpus, gpus)

    monkeypatch.setattr(ray_cluster, "plan_tasks", planned)
    killed = threading.Thread(target=kill, args=(nodes, tmp_path), daemon=True)
    killed.start()
    executor = Watched()
    sweep = swept(executor, space(Doomed(str(tmp_path))), 2)
    killed.join()
    assert executor.seen == {(trial, 0, 0): 1 for trial in range(2)}
    same(sweep, swept("local", space(Doomed(str(tmp_path))), 2))


@pytest.mark.slow
def test_from_outside_the_cluster(nodes):
    import ray

    with pytest.raises(GradusError, match=r"connected to another cluster than ray://"):
        swept(nodes.client, trials=2)
    ray.shutdown()
    try:
        same(swept(nodes.client, trials=3), swept("local", trials=3))
    finally:
        ray.shutdown()


def kill(nodes, folder):
    """Kill the node that waits for it."""
    name = folder / "node"
    while not (name.exists() and name.read_text()):
        time.sleep(0.02)
    (doomed,) = (node for node in nodes.worker_nodes if node.node_id == name.read_text())
    nodes.remove_node(doomed, allow_graceful=False)


def test_tasks_are_sized_to_the_nodes():
    small, large, head = {"CPU": 2.0}, {"CPU": 8.0}, {"memory": 1e9}
    assert plan_tasks([head], None, 0) is None
    assert plan_tasks([head, large, large], None, 0) == TaskLayout(8, 2)
    assert plan_tasks([small, small, small, {"CPU": 4.0}], None, 0) == TaskLayout(2, 5)
    assert plan_tasks([small, *[large] * 4], None, 0) == TaskLayout(8, 4)  # 32 of 34 cores
    assert plan_tasks([{"CPU": 64.0}], None, 0) == TaskLayout(16, 4)
    assert plan_tasks([small, large], 4, 0) == TaskLayout(4, 2)
    assert plan_tasks([small], 4, 0) is None
    assert plan_tasks([large, {"CPU": 8.0, "GPU": 4.0}], None, 1) == TaskLayout(2, 4)


@pytest.mark.slow
def test_mistakes_say_what_to_write(monkeypatch):
    with pytest.raises(GradusError, match=r"executor 'rey'.*Did you mean 'ray'"):
        gr.Sweep(space(), executor="rey")
    with pytest.raises(GradusError, match=r"executor=3.*write 'local'"):
        gr.Sweep(space(), executor=3)
    with pytest.raises(GradusError, match="cpus=0"):
        Cluster(cpus=0)
    assert isinstance(get_executor("local"), Local)
    for address in ("ray://127.0.0.1:1", "ray://127.0.0.1:none"):
        with pytest.raises(GradusError, match=f"no Ray cluster at {address}.*ray start --head"):
            swept(address)
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(GradusError, match=r"pip install 'gradus-nn\[ray\]'"):
        swept("ray")

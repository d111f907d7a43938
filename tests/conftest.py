"""What all tests share: the platform, the compilation cache, their order and costs, hypothesis."""

import atexit
import collections
import contextlib
import functools
import gc
import html.parser
import io
import itertools
import json
import os
import shutil
import tempfile
import threading
from importlib.metadata import version
from pathlib import Path

os.environ["JAX_PLATFORMS"] = os.environ.get("GRADUS_TEST_PLATFORM", "cpu")
os.environ.setdefault("KERAS_BACKEND", "jax")
CACHE = Path(tempfile.gettempdir()) / f"gradus-tests-{os.getuid()}"
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(CACHE))  # for subprocesses too
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES", "-1")
# As another worker of pytest has the other core.
for threads in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "POLARS_MAX_THREADS"):
    os.environ.setdefault(threads, "1")
# What tests write goes to memory if there is room: they wait for the disk some ten thousand times.
MEMORY = Path("/dev/shm")  # noqa: S108 - pytest makes a folder of its own in it
if MEMORY.is_dir() and shutil.disk_usage(MEMORY).free > 4 << 30:
    runs_programs = not os.statvfs(MEMORY).f_flag & os.ST_NOEXEC  # kernels, an installed wheel
    if runs_programs:
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(MEMORY))
# Hundreds of small programs: compiled in less time, though a few then run more slowly, and each by
# one thread, as another worker of pytest has the other core.
# `XLA_FLAGS= make test` tests what users run.
FLAGS = ["--xla_backend_optimization_level=0", "--xla_cpu_parallel_codegen_split_count=1"]
if tuple(map(int, version("jaxlib").split(".")[:2])) < (0, 11):
    # The emitters of old, in a third of the time; later versions of jaxlib have the new ones alone.
    FLAGS.append("--xla_cpu_use_fusion_emitters=false")
os.environ.setdefault("XLA_FLAGS", " ".join(FLAGS))

import jax  # noqa: E402
import numpy as np  # noqa: E402
import pytest  # noqa: E402
from hypothesis import settings  # noqa: E402
from jax._src.interpreters import mlir  # noqa: E402
from jaxlib.xla_client import CompileOptions  # noqa: E402

if "PYTEST_XDIST_WORKER" in os.environ:
    # In place of JAX's own end, which frees what thousands of programs hold: that takes seconds.
    atexit.register(os._exit, 0)

LOWERED = 200  # programs that share one MLIR context
COUNTED = 60  # programs, of at most 320 memory maps each, after which these are counted
contexts = threading.local()
lowered = itertools.count()  # one for each program
counted = [0]  # how many there were when maps were counted


def make_ir_context(make=mlir.make_ir_context):
    """Return the MLIR context of the last programs: making one takes 3 ms, 36 s in all tests."""
    next(lowered)
    if not getattr(contexts, "left", 0):
        contexts.last, contexts.left = make(), LOWERED
    contexts.left -= 1
    return contexts.last


mlir.make_ir_context = make_ir_context


class LoweredInPlace:
    """The primitives that JAX lowers where they stand: all that it would inline on any platform.

    JAX writes a function for each first, in case that another is like it, and inlines that: a fifth
    of the time of lowering, for a module that is the same.
    """

    def __init__(self, others):
        self.others = others

    def __contains__(self, primitive):
        inlined = primitive not in mlir._lowerings or mlir._lowerings[primitive].inline
        everywhere = not any(
            primitive in rules for rules in mlir._platform_specific_lowerings.values()
        )
        return primitive in self.others or (inlined and everywhere)

    def add(self, primitive):
        self.others.add(primitive)


mlir._uncacheable_primitives = LoweredInPlace(mlir._uncacheable_primitives)

# Programs that were traced are kept, millions of objects, which the collector need not walk often.
gc.set_threshold(200_000, 50, 1000)

# What lands is judged by the same examples each time; a developer's runs look for new ones.
settings.register_profile(
    "gradus", deadline=None, max_examples=50, derandomize=os.environ.get("CI") == "true"
)
settings.load_profile("gradus")


def pytest_configure(config):
    """Have XLA read its flags while what it says can be seen.

    It ends the process where it does not know one, and a test's output would end with it.
    """
    capture = config.pluginmanager.getplugin("capturemanager")
    with capture.global_and_fixture_disabled() if capture else contextlib.nullcontext():
        CompileOptions()


# The longest files come first, so that two workers end together; before them one whose collections
# of garbage would take long beside the programs of others.
LONGEST = [
    "test_program_cache", "test_pages", "test_train", "test_every_kind", "test_jax_switches",
    "test_branch_fusion", "test_devices", "test_program", "test_ray_cluster", "test_types",
]  # fmt: skip


def pytest_collection_modifyitems(items):
    ranks = {name: rank for rank, name in enumerate(LONGEST)}
    items.sort(key=lambda item: ranks.get(item.path.stem, len(LONGEST)))
    gc.freeze()  # what was imported stays, a million objects that no collection need look at


def pytest_sessionfinish():
    """Collect garbage once; pytest would look five times at all that the tests have left."""
    gc.unfreeze()
    gc.collect()
    gc.freeze()


def cpu_seconds() -> float:
    """Return the CPU time of this process and of the processes that it waited for."""
    import resource  # not on Windows

    who = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    return sum(sum(resource.getrusage(each)[:2]) for each in who)


if os.environ.get("GRADUS_TEST_COSTS"):
    spent = []

    def pytest_collection_finish():
        spent.append(cpu_seconds())  # what importing took is of no test

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(item, call):
        report = yield
        spent.append(cpu_seconds())
        report.user_properties.append(("cpu", spent[-1] - spent[-2]))
        return report

    def pytest_terminal_summary(terminalreporter):
        """List the CPU seconds of files, or those of tests if `GRADUS_TEST_COSTS=tests`."""
        costs = collections.Counter()
        for report in (r for reports in terminalreporter.stats.values() for r in reports):
            seconds = dict(getattr(report, "user_properties", ())).get("cpu", 0)
            tests = os.environ["GRADUS_TEST_COSTS"] == "tests"
            costs[report.nodeid if tests else report.nodeid.split("::")[0]] += seconds
        terminalreporter.section(f"{costs.total():.1f} CPU seconds")
        for name, seconds in costs.most_common():
            terminalreporter.write_line(f"{seconds:8.2f}  {name}")


@pytest.fixture(autouse=True, scope="session")
def few_migrations():
    """Have Alembic read Optuna's migrations once, not twice for each storage that is opened."""
    from alembic import util

    load, load_once = util.load_python_file, functools.cache(util.load_python_file)

    def load_python_file(folder, name):
        return (load if name == "env.py" else load_once)(folder, name)  # what env.py does is wanted

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(util, "load_python_file", load_python_file)
        yield


@pytest.fixture(autouse=True, scope="session")
def few_collections():
    """Have Cyclopts read the flags of a command once, not for each of a thousand command lines."""
    from cyclopts.argument import ArgumentCollection
    from cyclopts.utils import UNSET

    original, known = ArgumentCollection._from_callable, {}

    def from_callable(function, *defaults, parse_docstring=True, **settings):
        key = function, parse_docstring
        if key not in known:
            known[key] = original(function, *defaults, parse_docstring=parse_docstring, **settings)
        for argument in known[key]:  # what the last command line said is forgotten
            argument.tokens.clear()
            argument.value = UNSET
            argument._marked_converted = argument._mark_converted_override = False
        return known[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ArgumentCollection, "_from_callable", from_callable)
        yield


@pytest.fixture(autouse=True, scope="module")
def few_mappings():
    """Let go of compiled programs now and then: the tests make thousands in one process.

    Each has several memory mappings, of which Linux allows a process 65,530.
    """
    from gradus.program_cache import count_maps  # after JAX has read its settings

    yield
    made = next(lowered)
    if made - counted[-1] > COUNTED:
        counted[:] = [made]
        if count_maps() > 40_000:  # 0 where this is not Linux; the limit is another there
            gc.unfreeze()
            jax.clear_caches()
            gc.collect()
    gc.freeze()  # collections that Keras and hypothesis ask for need not look at what is left


@pytest.fixture
def optimized(monkeypatch):
    """Have XLA optimize programs as for users: for a test that computes longer than it compiles."""
    from jax._src import compiler

    options_of = compiler.get_compile_options

    def get_compile_options(*arguments, **settings):
        options = options_of(*arguments, **settings)
        options.executable_build_options.debug_options.xla_backend_optimization_level = 3
        return options

    monkeypatch.setattr(compiler, "get_compile_options", get_compile_options)


@pytest.fixture
def rng() -> np.random.Generator:
    """A generator that draws the same in every run."""
    return np.random.default_rng(20240229)


VOID = {"meta", "link", "br", "hr", "img", "input"}
INLINE = {"a", "code", "em", "span", "strong"}  # these part no words


class Reader(html.parser.HTMLParser):
    """Checks that a page's tags are balanced; collects its tags, words and what scripts hold."""

    def __init__(self, source):
        super().__init__()
        self.open, self.tags, self.words, self.scripts = [], [], [], []
        self.feed(source)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)
        if tag not in INLINE:
            self.words.append(" ")
        if tag == "script":
            self.scripts.append("")

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open[-1:] == ["script"]:
            self.scripts[-1] += data
        elif self.open[-1:] != ["style"]:
            self.words.append(data)

    @property
    def text(self):
        return " ".join("".join(self.words).split())

    def links(self, rel=None):
        return [a["href"] for tag, a in self.tags if tag == "a" and rel in (None, a.get("rel"))]

    @property
    def charts(self):
        kinds = [a.get("type") for tag, a in self.tags if tag == "script"]
        return [
            json.loads(text)
            for text, kind in zip(self.scripts, kinds, strict=True)
            if kind == "application/json"
        ]


@pytest.fixture(scope="session")
def read() -> type[Reader]:
    """What reads the HTML of a page."""
    return Reader


# --- small runs, each trained once ---------------------------------------------------------------


def trained(folder, *arguments):
    """Train a run in a folder with an empty report, and return its path."""
    from gradus.apps.cli import main

    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(io.StringIO()):
        patch.setattr("gradus.report.page.write_report", lambda path, report: path)
        settings = ["--epochs", "3", "--layers", "4", "--quiet"]
        status = main(["train", *map(str, arguments), *settings, "--out", str(folder)])
    assert status == 0
    return folder


@pytest.fixture(scope="session")
def cats(tmp_path_factory):
    """A table: a number, a number with missing values, a category, a date, and two classes."""
    import polars as pl

    rng = np.random.default_rng(0)
    weight = rng.normal(4, 1, 90).round(2)
    age = [None if i % 9 == 0 else float(i % 15) for i in range(90)]
    frame = pl.DataFrame(
        {
            "tag": [f"{i:03}" for i in range(90)],
            "weight": weight,
            "age": age,
            "color": rng.choice(["black", "white", "red"], 90),
            "born": [f"2020-0{i % 9 + 1}-1{i % 7}" for i in range(90)],
            "tame": np.where(weight > 4, "yes", "no"),
        }
    )
    path = tmp_path_factory.mktemp("data") / "cats.csv"
    frame.write_csv(path)
    return path


@pytest.fixture(scope="session")
def cat_run(cats, tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "cats"
    return trained(folder, cats, "--target", "tame", "--drop-columns", "tag")


@pytest.fixture(scope="session")
def iris_run(tmp_path_factory):
    return trained(tmp_path_factory.mktemp("runs") / "iris", "iris")


@pytest.fixture
def make_run(tmp_path):
    """Train a run, once, and return its folder."""
    return lambda *arguments: trained(tmp_path / "run", *arguments, "--refit", "no")

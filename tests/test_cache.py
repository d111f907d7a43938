"""The files of compiled programs: damaged ones are written again, and their size is bounded."""

import json
import os
import subprocess
import sys
import textwrap
import threading
import warnings

import jax
import pytest

from gradus import cache

PROGRAM = bytes(range(256)) * 8
FIT = textwrap.dedent("""
    import json, sys, jax
    events = []
    jax.monitoring.register_event_listener(lambda event, **_: events.append(event.split("/")[-1]))
    import gradus as gr
    x = jax.random.normal(jax.random.key(0), (24, 3))
    predicted, compiled = [], []
    for _ in range(2):
        model = gr.Model(gr.mlp([4, 1]), "mse", seed=1)
        model.fit(x, x[:, :1], epochs=2, probes=False, verbose=False)
        predicted.append(model.predict(x).tolist())
        compiled.append(events.count("cache_misses"))
        jax.clear_caches()  # as a new process: all programs are read from the files
    assert predicted[0] == predicted[1]
    print(json.dumps([predicted[0], *compiled]))
""")


def cut(path):
    path.write_bytes(path.read_bytes()[:-30])


def flip(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 4
    path.write_bytes(content)


def empty(path):
    path.write_bytes(b"")


def make_folder(path):
    path.unlink()
    path.mkdir()
    (path / "file").touch()


def lock(path):
    path.chmod(0)
    if os.access(path, os.R_OK):  # root may read everything
        make_link(path)


def make_link(path):
    path.unlink()
    path.symlink_to("nothing")


DAMAGES = [cut, flip, empty, make_folder, lock, make_link]


@pytest.fixture
def files(tmp_path):
    return cache.ProgramFiles(str(tmp_path), 10**6)


def fit(folder):
    """Return predictions, the programs compiled at first and at all, and what the process says."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("JAX_COMPILATION_CACHE")}
    environment |= {"XDG_CACHE_HOME": str(folder)}
    environment.pop("GRADUS_CACHE", None)
    done = subprocess.run(
        [sys.executable, "-c", FIT], env=environment, capture_output=True, text=True, check=True
    )
    return *json.loads(done.stdout), done.stderr


@pytest.mark.slow
def test_a_damaged_cache_is_repaired_and_changes_no_number(tmp_path):
    expected, compiled, in_all, said = fit(tmp_path)
    assert (compiled > 1, said) == (True, "")
    programs = sorted((tmp_path / "gradus" / "xla").iterdir())
    assert len(programs) == compiled == in_all
    for number, path in enumerate(programs):
        DAMAGES[number % 4](path)
    *again, said = fit(tmp_path)
    assert again == [expected, len(programs), len(programs)]  # the second time, none
    assert said.count("Warning: ") == said.count("had damaged files") == 1


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_file_is_removed_and_can_be_written_again(files, tmp_path, damage):
    files.put("a", PROGRAM)
    (path,) = tmp_path.iterdir()
    damage(path)
    with pytest.warns(RuntimeWarning, match="had damaged files: their programs are compiled"):
        assert files.get("a") is None
    assert not list(tmp_path.iterdir())
    files.put("a", PROGRAM)
    assert files.get("a") == PROGRAM


def test_a_damage_is_said_once(files, tmp_path):
    for key in "ab":
        files.put(key, PROGRAM)
        cut(tmp_path / f"{key}.program")
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        assert files.get("a") is files.get("b") is None
    assert len(said) == 1


def test_what_is_not_there_or_cannot_be_named_is_no_damage(files, tmp_path):
    long = "name" * 100
    files.put(long, PROGRAM)
    assert files.get(long) is files.get("b") is None
    assert not list(tmp_path.iterdir())


def test_a_folder_that_cannot_be_written_costs_nothing(tmp_path):
    files = cache.ProgramFiles(str(tmp_path / "gone"), 10**6)
    files.put("a", PROGRAM)
    assert files.get("a") is None


def test_those_used_least_recently_are_removed(tmp_path):
    files = cache.ProgramFiles(str(tmp_path), 4 * len(PROGRAM))
    for age, key in enumerate("cba"):
        files.put(key, PROGRAM)
        os.utime(tmp_path / f"{key}.program", (age, age))
    files.get("c")
    other = tmp_path / "xla_gpu" / "of-another-version"
    other.parent.mkdir()
    other.write_bytes(PROGRAM)
    os.utime(other, (0, 0))
    files.put("d", 2 * PROGRAM[:-20])
    assert not other.exists()
    assert [key for key in "abcd" if files.get(key)] == ["a", "c", "d"]


def test_a_program_above_the_bound_leaves_the_others(tmp_path):
    files = cache.ProgramFiles(str(tmp_path), 2 * len(PROGRAM))
    files.put("a", PROGRAM)
    files.put("b", 2 * PROGRAM)
    assert files.get("a") == PROGRAM
    assert files.get("b") is None


def test_the_size_is_looked_at_rarely(tmp_path, monkeypatch):
    pruned = []
    monkeypatch.setattr(cache, "prune", lambda *_: pruned.append(1))
    files = cache.ProgramFiles(str(tmp_path), 16 * 20 * len(PROGRAM))
    for _ in range(400):
        files.put("a", PROGRAM)
    assert 2 <= len(pruned) <= 60  # some 20


def test_a_reader_sees_whole_files_only(files, tmp_path):
    programs = [PROGRAM * 50, PROGRAM * 90]
    files.put("a", programs[0])

    def rewrite():
        for _ in range(50):
            for program in programs:
                files.put("a", program)

    threads = [threading.Thread(target=rewrite) for _ in range(2)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        assert files.get("a") in programs
    assert len(list(tmp_path.iterdir())) == 1


def test_jax_keeps_its_own_files_in_other_folders(tmp_path):
    from jax._src import compilation_cache
    from jax._src.lru_cache import LRUCache

    before = compilation_cache.LRUCache
    try:
        cache._use_program_files(str(tmp_path / "ours"))
        ours, _ = compilation_cache.get_file_cache(str(tmp_path / "ours"))
        theirs, _ = compilation_cache.get_file_cache(str(tmp_path / "theirs"))
        assert ours._max_bytes == cache.MAX_BYTES
        jax.config.update("jax_compilation_cache_max_size", 123)
        ours_bounded, _ = compilation_cache.get_file_cache(str(tmp_path / "ours"))
    finally:
        jax.config.update("jax_compilation_cache_max_size", -1)
        compilation_cache.LRUCache = before
    assert isinstance(ours, cache.ProgramFiles)
    assert isinstance(theirs, LRUCache)
    assert ours_bounded._max_bytes == 123

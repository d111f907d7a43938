"""The example notebooks run in a kernel, and show what a page of them needs."""

import re
from pathlib import Path

import pytest

nbformat = pytest.importorskip("nbformat")
nbclient = pytest.importorskip("nbclient")

EXAMPLES = Path(__file__).parents[2] / "examples"
NOTEBOOKS = sorted(path.name for path in EXAMPLES.glob("*.ipynb"))


def test_there_are_two_and_they_hold_no_output():
    assert NOTEBOOKS == ["images.ipynb", "table.ipynb"]
    for name in NOTEBOOKS:
        notebook = nbformat.read(EXAMPLES / name, 4)
        assert not [cell for cell in notebook.cells if cell.get("outputs")]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """The notebooks, with few epochs, run one after the other in one kernel.

    The kernel begins the second one empty.
    """
    notebooks = {name: nbformat.read(EXAMPLES / name, 4) for name in NOTEBOOKS}
    for notebook in notebooks.values():
        for cell in notebook.cells:
            cell.source = re.sub(r"\bepochs=\d+", "epochs=4", cell.source)
    both = nbformat.v4.new_notebook()
    for notebook in notebooks.values():
        both.cells += [nbformat.v4.new_code_cell("%reset -f"), *notebook.cells]
    where = {"metadata": {"path": tmp_path_factory.mktemp("notebooks")}}
    nbclient.NotebookClient(both, timeout=300, resources=where).execute()
    return notebooks


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::ResourceWarning")  # of the kernel's sockets
@pytest.mark.parametrize("name", NOTEBOOKS)
def test_a_notebook_runs(name, run):
    notebook = run[name]
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    assert not [output for output in outputs if output.output_type in ("stream", "error")]
    data = [output.data for output in outputs]
    # The live line of the training, in one output: the last state alone is kept.
    (line,) = [one["text/plain"] for one in data if "epoch " in one.get("text/plain", "")]
    assert "val_loss" in line
    assert "\x1b" not in line
    # Figures are in a form that an exported page shows.
    figures = [one for one in data if "application/vnd.plotly.v1+json" in one]
    assert len(figures) >= 2
    assert all("plotly" in figure["text/html"] for figure in figures)
    # What a cell ends in is a table or text, never a wall of settings.
    shown = [o.data for o in outputs if o.output_type == "execute_result"]
    assert all(len(one["text/plain"]) < 500 for one in shown)
    assert sum("<table" in one.get("text/html", "") for one in shown) >= 2

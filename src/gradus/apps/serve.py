"""`gradus serve`: a run as an HTTP service."""

from __future__ import annotations

import os
from typing import Annotated

from cyclopts import Parameter

from gradus.apps.options import WHOLE, RunArgument
from gradus.apps.output import DONE, Json, Output
from gradus.drawing.status import doing

TOKEN = "GRADUS_TOKEN"  # noqa: S105 - the name of an environment variable


def serve(
    run: RunArgument,
    /,
    *,
    host: Annotated[
        str, Parameter(help="The address to listen at; 0.0.0.0 is all, and needs a token.")
    ] = "127.0.0.1",
    port: Annotated[int, Parameter(help="The port; 0 is any that is free.", **WHOLE)] = 8000,
    token: Annotated[
        str | None,
        Parameter(help=f"What requests must name as their bearer token; {TOKEN} by default."),
    ] = None,
    json: Json = False,
) -> int:
    """Serve the predictions of a run over HTTP, on this machine alone by default.

    gradus serve runs/digits-1

    gradus serve runs/titanic-1 --host 0.0.0.0 --port 80
    """
    from gradus.experiments.loading import load
    from gradus.serving.server import listening, serve_run

    output, opened = Output(json), load(run)

    def tell(url: str) -> None:
        doing("")
        output.print_line(f"{opened.folder} is served at {url}; Ctrl-C ends it.")
        output.print_line(f"{url}/ describes it, and POST {url}/predict predicts.")
        output.print_json({"run": str(opened.folder), "url": url})

    token = os.environ.get(TOKEN) if token is None else token
    with listening(host, port, token) as listener:
        output.print_line("Compiling the network for every size of a batch.")
        doing("compiling")
        serve_run(opened, listener, host, token, tell)
    return DONE

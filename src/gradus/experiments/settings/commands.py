"""Commands and flags that messages name."""

import re
import shlex


def format_command(*words: object) -> str:
    """Return a `gradus` command that can be pasted into a shell, whatever its words contain."""
    return shlex.join(["gradus", *map(str, words)])


def with_flag_names(message: str) -> str:
    """Return a message of the library with the flags of `train` instead of Python arguments.

    >>> with_flag_names("To predict all as numbers, write task='regression'.")
    'To predict all as numbers, write --task regression.'
    """
    flags = re.sub(r"\b(keep|drop)=\[('[^']*'(?:, '[^']*')*)\]", _columns_flag, message)
    of_column = r"(column '([^']*)':? .*)\b"
    flags = re.sub(of_column + r"say (?:so: )?kind='(\w+)'", r"\1write --column '\2=\3'", flags)
    flags = re.sub(
        of_column + r"give its pattern: date='([^']+)'",
        r"\1write --column '\2=date;date=\3'",
        flags,
    )
    flags = re.sub(r"\bmissing=\[('[^']*')\]", r"--missing \1", flags)
    flags = re.sub(r"\b(task|target)='(\w+)'", r"--\1 \2", flags)
    flags = re.sub(r"\bdrop_columns = \['([^']*)'\]", r"--drop-columns '\1'", flags)
    flags = re.sub(r"\bclipnorm=([\d.]*\d)", r"--clipnorm \1", flags)
    flags = re.sub(r"\bvalidation_split=([\d.]+\d)", r"--validation \1", flags)
    flags = flags.replace('class_weight="balanced"', "--class-weight balanced")
    flags = flags.replace("gr.Sweep(…, cv=5)", "gradus sweep … --cv 5")
    flags = re.sub(r"(?<!\()\b(epochs|patience)=(\d+)", r"--\1 \2", flags)
    flags = re.sub(r"(?<!\()\bbatch_size=(\d+)", r"--batch-size \1", flags)
    flags = re.sub(r"\bmetrics=\[([\w\", ]+)\]", _metrics_flag, flags)
    flags = re.sub(r"\bnp\.delete\(\w+, \d+, axis=1\)", "--drop-columns with its name", flags)
    flags = re.sub(
        r"(repeated rows): rows = np\.unique\(x,.*?y\[rows\]", r"\1 from the file", flags
    )
    flags = flags.replace("1: (x - x.mean(0)) / (x.std(0) + 1e-7)", "1: --scaling standard")
    counterfactuals = "gradus diagnose RUN --counterfactuals"
    flags = flags.replace("model.diagnose(x, y, counterfactuals=True)", counterfactuals)
    flags = re.sub(r"\bheader=True", "--header yes", flags)
    flags = re.sub(r"\b(sheet|separator|decimal)=('[^']*'|…)", r"--\1 \2", flags)
    flags = re.sub(r"[A-Z][^.]*another file, or.*", "Start a new one with --out.", flags)
    flags = flags.replace(", or None for all", ', or "all"')
    flags = flags.replace("leave out resume to start over", "start a new one with --out")
    flags = re.sub(r"\bthreshold=([-\w.]+)", r"--threshold \1", flags)
    return re.sub(r"\b(monitor|metrics)=\[?'(\w+)'\]?", r"--\1 \2", flags)


def _columns_flag(found: re.Match[str]) -> str:
    names = re.findall("'([^']*)'", found[2])
    return f"--{found[1]}-columns '{','.join(names)}'"


def _metrics_flag(found: re.Match[str]) -> str:
    return "--metrics " + found[1].replace('"', "").replace(" ", "")

"""Reading, splitting, and preprocessing data."""

from gradus.data.array_preprocessor import ArrayPreprocessor, Scaling, preprocessor_from_dict
from gradus.data.array_trees import as_tree, check_finite, check_same_length
from gradus.data.arrays import as_array
from gradus.data.columns.formats import ColumnFormat
from gradus.data.datasets import Dataset
from gradus.data.preprocessing import Preprocessing
from gradus.data.sequences import TextVectorizer, pad_sequences, windows
from gradus.data.sources.built_in import blobs, circles, spirals, two_moons, xor
from gradus.data.sources.idx_files import read_idx, read_idx_folder
from gradus.data.sources.image_folders import read_image_folder
from gradus.data.sources.load import load
from gradus.data.splitting.splits import k_folds, split
from gradus.data.streaming.open_table import stream
from gradus.data.streaming.table_stream import TableStream
from gradus.data.table_options import TableOptions
from gradus.data.table_preprocessor import TablePreprocessor
from gradus.data.tables import read_table
from gradus.data.targets import Target

__all__ = [
    "ArrayPreprocessor",
    "ColumnFormat",
    "Dataset",
    "Preprocessing",
    "Scaling",
    "TableOptions",
    "TablePreprocessor",
    "TableStream",
    "Target",
    "TextVectorizer",
    "as_array",
    "as_tree",
    "blobs",
    "check_finite",
    "check_same_length",
    "circles",
    "k_folds",
    "load",
    "pad_sequences",
    "preprocessor_from_dict",
    "read_idx",
    "read_idx_folder",
    "read_image_folder",
    "read_table",
    "spirals",
    "split",
    "stream",
    "two_moons",
    "windows",
    "xor",
]

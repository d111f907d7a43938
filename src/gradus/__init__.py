"""gradus: train neural networks a whole experiment at a time, and learn why one does not learn."""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gradus import data as data
    from gradus.bridges.keras.models import from_keras as from_keras
    from gradus.bridges.keras.models import to_keras as to_keras
    from gradus.bridges.torch.models import from_torch as from_torch
    from gradus.bridges.torch.models import to_torch as to_torch
    from gradus.configuration import show_config as show_config
    from gradus.doctor.repair import repair as repair
    from gradus.errors import GradusError as GradusError
    from gradus.estimators.classifier import Classifier as Classifier
    from gradus.estimators.regressor import Regressor as Regressor
    from gradus.estimators.search_cv import SearchCV as SearchCV
    from gradus.experiments.loading import load as load
    from gradus.exports.export import export as export
    from gradus.models.autoencoder import Autoencoder as Autoencoder
    from gradus.models.autoencoder import DenoisingAutoencoder as DenoisingAutoencoder
    from gradus.models.gan import GAN as GAN
    from gradus.models.inspection import check_gradients as check_gradients
    from gradus.models.inspection import inside as inside
    from gradus.models.mlp import mlp as mlp
    from gradus.models.model import Model as Model
    from gradus.models.perceptron import Perceptron as Perceptron
    from gradus.models.stacked import StackedAutoencoder as StackedAutoencoder
    from gradus.models.variational import VariationalAutoencoder as VariationalAutoencoder
    from gradus.nn import activations as activations
    from gradus.nn import initializers as initializers
    from gradus.nn import penalties as penalties
    from gradus.nn.activations import sigmoid as sigmoid
    from gradus.nn.activations import softmax as softmax
    from gradus.nn.layer import Layer as Layer
    from gradus.nn.layers.activation import ELU as ELU
    from gradus.nn.layers.activation import Activation as Activation
    from gradus.nn.layers.activation import LeakyReLU as LeakyReLU
    from gradus.nn.layers.activation import PReLU as PReLU
    from gradus.nn.layers.activation import ReLU as ReLU
    from gradus.nn.layers.activation import Softmax as Softmax
    from gradus.nn.layers.attention import MultiHeadAttention as MultiHeadAttention
    from gradus.nn.layers.attention import PositionalEmbedding as PositionalEmbedding
    from gradus.nn.layers.attention import PositionalEncoding as PositionalEncoding
    from gradus.nn.layers.attention import TransformerEncoder as TransformerEncoder
    from gradus.nn.layers.attention import attention_weights as attention_weights
    from gradus.nn.layers.augmentation import RandomBrightness as RandomBrightness
    from gradus.nn.layers.augmentation import RandomContrast as RandomContrast
    from gradus.nn.layers.augmentation import RandomCrop as RandomCrop
    from gradus.nn.layers.augmentation import RandomFlip as RandomFlip
    from gradus.nn.layers.augmentation import RandomRotation as RandomRotation
    from gradus.nn.layers.augmentation import RandomTranslation as RandomTranslation
    from gradus.nn.layers.augmentation import RandomZoom as RandomZoom
    from gradus.nn.layers.bidirectional import Bidirectional as Bidirectional
    from gradus.nn.layers.containers import Functional as Functional
    from gradus.nn.layers.containers import Lambda as Lambda
    from gradus.nn.layers.containers import Parallel as Parallel
    from gradus.nn.layers.containers import Repeat as Repeat
    from gradus.nn.layers.containers import Residual as Residual
    from gradus.nn.layers.containers import Sequential as Sequential
    from gradus.nn.layers.containers import TimeDistributed as TimeDistributed
    from gradus.nn.layers.conv import Conv1D as Conv1D
    from gradus.nn.layers.conv import Conv2D as Conv2D
    from gradus.nn.layers.conv import Conv3D as Conv3D
    from gradus.nn.layers.conv import DepthwiseConv2D as DepthwiseConv2D
    from gradus.nn.layers.conv_transpose import Conv1DTranspose as Conv1DTranspose
    from gradus.nn.layers.conv_transpose import Conv2DTranspose as Conv2DTranspose
    from gradus.nn.layers.dense import Dense as Dense
    from gradus.nn.layers.dense import Maxout as Maxout
    from gradus.nn.layers.dropout import AlphaDropout as AlphaDropout
    from gradus.nn.layers.dropout import Dropout as Dropout
    from gradus.nn.layers.dropout import GaussianDropout as GaussianDropout
    from gradus.nn.layers.dropout import GaussianNoise as GaussianNoise
    from gradus.nn.layers.dropout import MaskingNoise as MaskingNoise
    from gradus.nn.layers.dropout import SaltAndPepperNoise as SaltAndPepperNoise
    from gradus.nn.layers.dropout import SpatialDropout1D as SpatialDropout1D
    from gradus.nn.layers.dropout import SpatialDropout2D as SpatialDropout2D
    from gradus.nn.layers.embedding import ColumnEmbedding as ColumnEmbedding
    from gradus.nn.layers.embedding import Embedding as Embedding
    from gradus.nn.layers.masking import Masking as Masking
    from gradus.nn.layers.merging import Add as Add
    from gradus.nn.layers.merging import Average as Average
    from gradus.nn.layers.merging import Concatenate as Concatenate
    from gradus.nn.layers.merging import Maximum as Maximum
    from gradus.nn.layers.merging import Minimum as Minimum
    from gradus.nn.layers.merging import Multiply as Multiply
    from gradus.nn.layers.merging import Subtract as Subtract
    from gradus.nn.layers.normalization import BatchNormalization as BatchNormalization
    from gradus.nn.layers.normalization import GroupNormalization as GroupNormalization
    from gradus.nn.layers.normalization import LayerNormalization as LayerNormalization
    from gradus.nn.layers.normalization import Normalization as Normalization
    from gradus.nn.layers.normalization import RMSNormalization as RMSNormalization
    from gradus.nn.layers.normalization import UnitNormalization as UnitNormalization
    from gradus.nn.layers.pooling import AveragePooling1D as AveragePooling1D
    from gradus.nn.layers.pooling import AveragePooling2D as AveragePooling2D
    from gradus.nn.layers.pooling import AveragePooling3D as AveragePooling3D
    from gradus.nn.layers.pooling import GlobalAveragePooling1D as GlobalAveragePooling1D
    from gradus.nn.layers.pooling import GlobalAveragePooling2D as GlobalAveragePooling2D
    from gradus.nn.layers.pooling import GlobalAveragePooling3D as GlobalAveragePooling3D
    from gradus.nn.layers.pooling import GlobalMaxPooling1D as GlobalMaxPooling1D
    from gradus.nn.layers.pooling import GlobalMaxPooling2D as GlobalMaxPooling2D
    from gradus.nn.layers.pooling import GlobalMaxPooling3D as GlobalMaxPooling3D
    from gradus.nn.layers.pooling import MaxPooling1D as MaxPooling1D
    from gradus.nn.layers.pooling import MaxPooling2D as MaxPooling2D
    from gradus.nn.layers.pooling import MaxPooling3D as MaxPooling3D
    from gradus.nn.layers.reshaping import Flatten as Flatten
    from gradus.nn.layers.reshaping import Identity as Identity
    from gradus.nn.layers.reshaping import Permute as Permute
    from gradus.nn.layers.reshaping import RepeatVector as RepeatVector
    from gradus.nn.layers.reshaping import Rescaling as Rescaling
    from gradus.nn.layers.reshaping import Reshape as Reshape
    from gradus.nn.layers.resizing import CenterCrop as CenterCrop
    from gradus.nn.layers.resizing import Cropping1D as Cropping1D
    from gradus.nn.layers.resizing import Cropping2D as Cropping2D
    from gradus.nn.layers.resizing import Resizing as Resizing
    from gradus.nn.layers.resizing import UpSampling1D as UpSampling1D
    from gradus.nn.layers.resizing import UpSampling2D as UpSampling2D
    from gradus.nn.layers.resizing import ZeroPadding1D as ZeroPadding1D
    from gradus.nn.layers.resizing import ZeroPadding2D as ZeroPadding2D
    from gradus.nn.layers.rnn import GRU as GRU
    from gradus.nn.layers.rnn import LSTM as LSTM
    from gradus.nn.layers.rnn import SimpleRNN as SimpleRNN
    from gradus.nn.layers.separable_conv import SeparableConv1D as SeparableConv1D
    from gradus.nn.layers.separable_conv import SeparableConv2D as SeparableConv2D
    from gradus.nn.layers.sparsity import ActivityRegularization as ActivityRegularization
    from gradus.nn.layers.sparsity import Sparsity as Sparsity
    from gradus.nn.network import fresh as fresh
    from gradus.nn.network import init as init
    from gradus.nn.penalties import L1 as L1
    from gradus.nn.penalties import L1L2 as L1L2
    from gradus.nn.penalties import L2 as L2
    from gradus.nn.penalties import MaxNorm as MaxNorm
    from gradus.objectives import losses as losses
    from gradus.objectives import metrics as metrics
    from gradus.optim import optimizers as optimizers
    from gradus.optim import schedules as schedules
    from gradus.optim.descent import descend as descend
    from gradus.optim.optimizers import LBFGS as LBFGS
    from gradus.optim.optimizers import SGD as SGD
    from gradus.optim.optimizers import Adadelta as Adadelta
    from gradus.optim.optimizers import Adagrad as Adagrad
    from gradus.optim.optimizers import Adam as Adam
    from gradus.optim.optimizers import Adamax as Adamax
    from gradus.optim.optimizers import AdamW as AdamW
    from gradus.optim.optimizers import Lion as Lion
    from gradus.optim.optimizers import Muon as Muon
    from gradus.optim.optimizers import Nadam as Nadam
    from gradus.optim.optimizers import RAdam as RAdam
    from gradus.optim.optimizers import RMSprop as RMSprop
    from gradus.report import figures as figures
    from gradus.space import choice as choice
    from gradus.space import int_uniform as int_uniform
    from gradus.space import linspace as linspace
    from gradus.space import log_uniform as log_uniform
    from gradus.space import logspace as logspace
    from gradus.space import uniform as uniform
    from gradus.sweep.execution.fit_all import fit_all as fit_all
    from gradus.sweep.members.data import prepared as prepared
    from gradus.sweep.strategies.halving import Hyperband as Hyperband
    from gradus.sweep.strategies.halving import SuccessiveHalving as SuccessiveHalving
    from gradus.sweep.strategies.population_based import PopulationBased as PopulationBased
    from gradus.sweep.sweep import Sweep as Sweep
    from gradus.tracking import trackers as trackers
    from gradus.train import distributed as distributed
    from gradus.train.tasks.function_task import FunctionTask as FunctionTask

    __version__: str

# Names are imported on first use, so that `gradus --help` does not wait for JAX.
_HOMES = {
    "gradus.bridges.keras.models": ("from_keras", "to_keras"),
    "gradus.bridges.torch.models": ("from_torch", "to_torch"),
    "gradus.errors": ("GradusError",),
    "gradus.estimators.classifier": ("Classifier",),
    "gradus.estimators.regressor": ("Regressor",),
    "gradus.estimators.search_cv": ("SearchCV",),
    "gradus.exports.export": ("export",),
    "gradus.experiments.loading": ("load",),
    "gradus.models.autoencoder": ("Autoencoder", "DenoisingAutoencoder"),
    "gradus.models.gan": ("GAN",),
    "gradus.models.inspection": ("check_gradients", "inside"),
    "gradus.models.mlp": ("mlp",),
    "gradus.models.model": ("Model",),
    "gradus.models.perceptron": ("Perceptron",),
    "gradus.models.stacked": ("StackedAutoencoder",),
    "gradus.models.variational": ("VariationalAutoencoder",),
    "gradus.nn.activations": ("sigmoid", "softmax"),
    "gradus.nn.layers.activation": ("Activation", "ELU", "LeakyReLU", "PReLU", "ReLU", "Softmax"),
    "gradus.nn.layers.attention": (
        *("MultiHeadAttention", "PositionalEmbedding", "PositionalEncoding"),
        *("TransformerEncoder", "attention_weights"),
    ),
    "gradus.nn.layers.augmentation": (
        "RandomBrightness",
        "RandomContrast",
        "RandomCrop",
        "RandomFlip",
        "RandomRotation",
        "RandomTranslation",
        "RandomZoom",
    ),
    "gradus.nn.layers.bidirectional": ("Bidirectional",),
    "gradus.nn.layers.containers": (
        "Functional",
        "Lambda",
        "Parallel",
        "Repeat",
        "Residual",
        "Sequential",
        "TimeDistributed",
    ),
    "gradus.nn.layers.conv": ("Conv1D", "Conv2D", "Conv3D", "DepthwiseConv2D"),
    "gradus.nn.layers.conv_transpose": ("Conv1DTranspose", "Conv2DTranspose"),
    "gradus.nn.layers.dense": ("Dense", "Maxout"),
    "gradus.nn.layers.dropout": (
        "AlphaDropout",
        "Dropout",
        "GaussianDropout",
        "GaussianNoise",
        "MaskingNoise",
        "SaltAndPepperNoise",
        "SpatialDropout1D",
        "SpatialDropout2D",
    ),
    "gradus.nn.layers.embedding": ("ColumnEmbedding", "Embedding"),
    "gradus.nn.layer": ("Layer",),
    "gradus.nn.layers.masking": ("Masking",),
    "gradus.nn.network": ("fresh", "init"),
    "gradus.nn.layers.merging": (
        "Add",
        "Average",
        "Concatenate",
        "Maximum",
        "Minimum",
        "Multiply",
        "Subtract",
    ),
    "gradus.nn.layers.normalization": (
        "BatchNormalization",
        "GroupNormalization",
        "LayerNormalization",
        "Normalization",
        "RMSNormalization",
        "UnitNormalization",
    ),
    "gradus.nn.layers.pooling": (
        "AveragePooling1D",
        "AveragePooling2D",
        "AveragePooling3D",
        "GlobalAveragePooling1D",
        "GlobalAveragePooling2D",
        "GlobalAveragePooling3D",
        "GlobalMaxPooling1D",
        "GlobalMaxPooling2D",
        "GlobalMaxPooling3D",
        "MaxPooling1D",
        "MaxPooling2D",
        "MaxPooling3D",
    ),
    "gradus.nn.layers.resizing": (
        "CenterCrop",
        "Cropping1D",
        "Cropping2D",
        "Resizing",
        "UpSampling1D",
        "UpSampling2D",
        "ZeroPadding1D",
        "ZeroPadding2D",
    ),
    "gradus.nn.layers.rnn": ("GRU", "LSTM", "SimpleRNN"),
    "gradus.nn.layers.reshaping": (
        "Flatten",
        "Identity",
        "Permute",
        "RepeatVector",
        "Rescaling",
        "Reshape",
    ),
    "gradus.nn.layers.separable_conv": ("SeparableConv1D", "SeparableConv2D"),
    "gradus.nn.layers.sparsity": ("ActivityRegularization", "Sparsity"),
    "gradus.nn.penalties": ("L1", "L1L2", "L2", "MaxNorm"),
    "gradus.optim.descent": ("descend",),
    "gradus.optim.optimizers": (
        *("SGD", "Adagrad", "Adadelta", "RMSprop", "Adam", "AdamW", "Adamax", "Nadam", "RAdam"),
        *("Lion", "Muon", "LBFGS"),
    ),
    "gradus.space": ("choice", "int_uniform", "linspace", "log_uniform", "logspace", "uniform"),
    "gradus.sweep.strategies.population_based": ("PopulationBased",),
    "gradus.sweep.strategies.halving": ("Hyperband", "SuccessiveHalving"),
    "gradus.sweep.members.data": ("prepared",),
    "gradus.sweep.execution.fit_all": ("fit_all",),
    "gradus.sweep.sweep": ("Sweep",),
    "gradus.configuration": ("show_config",),
    "gradus.doctor.repair": ("repair",),
    "gradus.train.tasks.function_task": ("FunctionTask",),
}
_HOME = {name: module for module, names in _HOMES.items() for name in names}
_MODULES = {
    "activations": "gradus.nn.activations",
    "data": "gradus.data",
    "distributed": "gradus.train.distributed",
    "figures": "gradus.report.figures",
    "initializers": "gradus.nn.initializers",
    "losses": "gradus.objectives.losses",
    "metrics": "gradus.objectives.metrics",
    "optimizers": "gradus.optim.optimizers",
    "penalties": "gradus.nn.penalties",
    "schedules": "gradus.optim.schedules",
    "trackers": "gradus.tracking.trackers",
}

__all__ = ["__version__", *sorted([*_HOME, *_MODULES])]  # noqa: PLE0604


def __getattr__(name: str) -> Any:
    """Import a public name (PEP 562).

    Raises:
        AttributeError: for an unknown name, with the nearest public one.
    """
    value: Any
    if name == "__version__":
        from gradus.optional import installed_version

        value = installed_version()
    elif name in _MODULES:
        value = importlib.import_module(_MODULES[name])
    elif name in _HOME:
        value = getattr(importlib.import_module(_HOME[name]), name)
    else:
        from gradus.errors import nearest
        from gradus.foreign_names.lookup import meaning_here, module_here

        hint = meaning_here(name)
        # Python itself looks up names with underscores, and modules before it imports them.
        is_own = name.startswith("_") or importlib.util.find_spec(f"gradus.{name}") is not None
        if not hint and not is_own:
            hint = module_here(name, _MODULES)
            if not hint and (close := nearest(name, __all__, cutoff=0.6)):
                hint = f" Did you mean {close!r}?"
        raise AttributeError(f"module 'gradus' has no attribute {name!r}.{hint}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})

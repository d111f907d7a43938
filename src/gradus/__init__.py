"""gradus: train neural networks a whole experiment at a time, and learn why one does not learn."""

from gradus.nn.activations import sigmoid, softmax
from gradus.nn.compose import Parallel, Residual, Sequential
from gradus.nn.dense import Activation, Dense, Maxout, PReLU
from gradus.nn.dropout import Dropout, GaussianNoise, MaskingNoise
from gradus.nn.embed import ColumnEmbedding, Embedding
from gradus.nn.layer import Layer
from gradus.nn.network import fresh, init
from gradus.nn.norm import BatchNorm, LayerNorm
from gradus.nn.shape import Flatten, Rescaling, Reshape
from gradus.models.model import Model
from gradus.optim.optimizers import *

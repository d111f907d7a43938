"""A wrong argument of a layer is told where it is written, not when the network is built."""

import numpy as np
import pytest

import gradus as gr
from gradus.errors import GradusError

WRONG = [
    (lambda: gr.Dense(-3), r"Dense\(units=-3\): write a whole number of at least 1"),
    (lambda: gr.Dense("x"), r"Dense\(units='x'\)"),
    (lambda: gr.Dense(True), r"Dense\(units=True\)"),
    (lambda: gr.Dense(3, "rleu"), r"Dense\(activation='rleu'\).*Did you mean 'relu'"),
    (lambda: gr.Dense(3, 5), r"Dense\(activation=5\)"),
    (lambda: gr.Dense(3, gr.PReLU), r"this is a class.*write PReLU\(\.\.\.\)"),
    (lambda: gr.Dense(3, kernel_initializer="he_nromal"), "kernel_initializer.*'he_normal'"),
    (lambda: gr.Dense(3, bias_initializer=None), "bias_initializer=None"),
    (lambda: gr.Dense(3, kernel_regularizer="l3"), "kernel_regularizer='l3'.*Did you mean 'l"),
    (lambda: gr.Dense(3, kernel_constraint=2), "kernel_constraint=2.*MaxNorm"),
    (lambda: gr.Maxout(3, pieces=0), "pieces=0"),
    (lambda: gr.PReLU("zreos"), "zeros"),
    (lambda: gr.Activation("tahn"), "tanh"),
    (lambda: gr.Activation("relu", 0.1), "takes no alpha"),
    (lambda: gr.Activation("elu", "x"), "alpha='x'"),
    (lambda: gr.Dropout(2), r"Dropout\(rate=2\)"),
    (lambda: gr.Dropout(None), r"Dropout\(rate=None\)"),
    (lambda: gr.Dropout([0.1, 0.2]), r"gr.choice\(0.1, 0.2\)"),
    (lambda: gr.GaussianNoise(None), "stddev=None"),
    (lambda: gr.SaltAndPepperNoise(0.1, "low"), "low='low'"),
    (lambda: gr.Conv2D(0, 3), r"Conv2D\(filters=0\)"),
    (lambda: gr.Conv2D(8, 0), "kernel_size=0"),
    (lambda: gr.Conv2D(8, (3, "x")), "kernel_size=.3, 'x'"),
    (lambda: gr.Conv1D(8, 3, padding="smae"), "Did you mean 'same'"),
    (lambda: gr.Conv2D(8, 3, groups=0), "groups=0"),
    (lambda: gr.Conv2D(8, 3, 2, dilation_rate=2), "either strides or dilation"),
    (lambda: gr.Conv2DTranspose(8, 3, activation="rleu"), "relu"),
    (lambda: gr.DepthwiseConv2D(3, depth_multiplier=0), "depth_multiplier=0"),
    (lambda: gr.MaxPooling2D("a"), "pool_size='a'"),
    (lambda: gr.AveragePooling1D(2, strides=0), "strides=0"),
    (lambda: gr.MaxPooling1D(2, padding="causal"), "Known: same, valid"),
    (lambda: gr.UpSampling2D(-1), "size=-1"),
    (lambda: gr.ZeroPadding2D("a"), "padding='a'"),
    (lambda: gr.LSTM(0), r"LSTM\(units=0\)"),
    (lambda: gr.GRU(3, recurrent_activation="sigmod"), "sigmoid"),
    (lambda: gr.SimpleRNN(3, dropout="x"), "dropout='x'"),
    (lambda: gr.LSTM(3, recurrent_initializer="ortogonal"), "orthogonal"),
    (lambda: gr.Embedding(0, 4), "input_dim=0"),
    (lambda: gr.Embedding(4, 4, "unifrom"), "uniform"),
    (lambda: gr.ColumnEmbedding(4), "cardinalities=4"),
    (lambda: gr.ColumnEmbedding((4, 0)), "cardinalities=0"),
    (lambda: gr.ColumnEmbedding((4, 5), (1,)), "2 cardinalities and 1 widths"),
    (lambda: gr.MultiHeadAttention("x"), "num_heads='x'"),
    (lambda: gr.MultiHeadAttention(2, key_dim=0), "key_dim=0"),
    (lambda: gr.TransformerEncoder(2, 0), "hidden=0"),
    (lambda: gr.TransformerEncoder(2, 8, activation="rleu"), "relu"),
    (lambda: gr.PositionalEmbedding(0), "length=0"),
    (lambda: gr.BatchNormalization("x"), "momentum='x'"),
    (lambda: gr.BatchNormalization(epsilon=None), "epsilon=None"),
    (lambda: gr.LayerNormalization(gamma_initializer="onse"), "ones"),
    (lambda: gr.Masking("x"), "mask_value='x'"),
    (lambda: gr.RandomFlip("horizontl"), "horizontal"),
    (lambda: gr.RandomCrop(0, 4), "height=0"),
    (lambda: gr.RandomRotation("x"), "factor='x'"),
    (lambda: gr.Reshape(5), r"Reshape\(5\)"),
    (lambda: gr.Reshape((-1, -1)), "more than one -1"),
    (lambda: gr.Reshape((2.5,)), "target_shape=2.5"),
    (lambda: gr.Rescaling("x"), "scale='x'"),
    (lambda: gr.Sparsity(None), "strength=None"),
    (lambda: gr.Repeat(gr.Dense(3), "x"), "times='x'"),
    (lambda: gr.Dense(int), r"Dense\(units=<class 'int'>\)"),
    (lambda: gr.Dense(10**30), "at most"),
    (lambda: gr.Dense(3, use_bias="x"), "use_bias='x'.*True or False"),
    (lambda: gr.Dense(3, lambda: 0), "but is called as f.x"),
    (lambda: gr.Dense(3, kernel_regularizer=gr.Dense(2)), "kernel_regularizer="),
    (lambda: gr.Dense(3, kernel_initializer=int), "write a function f.generator, shape"),
    (lambda: gr.GlobalAveragePooling1D(keepdims=None), "keepdims=None"),
    (lambda: gr.Conv2D(8, (int, 3)), "kernel_size="),
    (lambda: gr.Conv1D(8, 3, padding=np.ones(2)), "padding"),
    (lambda: gr.Conv2D(8, 3, strides=10**30), "strides="),
    (lambda: gr.Parallel([gr.Dense(2)], merge=np.ones(2)), "merge"),
    (lambda: gr.Dropout(np.complex64(1)), "rate="),
    (lambda: gr.MaxNorm(axis="x"), "MaxNorm.axis='x'.*the axis of a norm"),
    (lambda: gr.penalties.UnitNorm(axis=0.5), "UnitNorm.axis=0.5"),
    (lambda: gr.MaxNorm(axis=2).project(np.ones((2, 2), np.float32)), "an axis from 0 to 1"),
]


@pytest.mark.parametrize(("make", "words"), WRONG)
def test_a_wrong_argument_is_told_in_the_constructor(make, words):
    with pytest.raises(GradusError, match=words):
        make()


def test_spaces_pass():
    gr.Dense(gr.int_uniform(8, 64), gr.choice("relu", None, gr.PReLU()), gr.choice(True, False))
    gr.Dense(8, kernel_regularizer=gr.choice(None, gr.L2(gr.log_uniform(1e-5, 1e-2))))
    gr.Conv2D(gr.choice(8, 16), (gr.choice(3, 5), 3), gr.choice(1, 2), gr.choice("same", "valid"))
    gr.Conv2D(8, 3, gr.choice(1, 2), dilation_rate=gr.choice(1, 2))
    gr.MaxPooling2D(gr.choice(2, (2, 1)), gr.choice(None, 2))
    gr.LSTM(gr.choice(4, 8), dropout=gr.choice(None, 0.2))
    gr.MultiHeadAttention(gr.choice(1, 2), gr.choice(None, 4), dropout=gr.uniform(0, 0.5))
    gr.BatchNormalization(gr.uniform(0.5, 0.99), gr.log_uniform(1e-5, 1e-3))
    gr.Activation(gr.choice("elu", "leaky_relu"), gr.choice(0.1, None))
    gr.ColumnEmbedding((4, 5), gr.choice((2, 3), None))
    gr.ZeroPadding2D(gr.choice(1, ((0, 1), (0, 1))))
    gr.Reshape(gr.choice((4, -1), (2, -1)))
    gr.Dense(gr.uniform(8, 16))
    gr.Sparsity(gr.uniform(0, 1), gr.choice(None, 0.1))

"""What the layers, callbacks, and optimizers of Keras that gradus lacks are here.

The rows are those of `table.NAMES`, of which they are a part.
"""

from __future__ import annotations

_OWN_LAYER = "not available: a `gr.Layer` of yours computes it with jax.numpy in its call"
_FUNCTION = "`model.fit(x, y, callbacks=f)`, with a function f(model, epoch, logs)"
_CHECKPOINT = '`model.fit(x, y, checkpoint="run")`'
_OTHER_RULES = "not available: `gr.AdamW()`, `gr.Muon()`, and `gr.Lion()` are"
_AUGMENTATION = (
    "not available: `gr.RandomRotation(0.1)`, `gr.RandomZoom(0.2)`, `gr.RandomContrast(0.2)`, "
    "and `gr.RandomBrightness(0.2)` are"
)
_COUNTS = "`gr.metrics.ConfusionMatrix()`, whose cells these are"


def each_of(row: str, names: str) -> dict[str, str]:
    """Return the same row for several names."""
    return dict.fromkeys(names.split(), row)


KERAS_NAMES = {
    **each_of("`gr.MultiHeadAttention(2, 4)`", "AdditiveAttention Attention GroupQueryAttention"),
    **each_of(
        _AUGMENTATION,
        "AugMix AutoContrast ContrastLimitedAdaptiveHistogramEqualization CutMix Equalization "
        "MixUp RandAugment RandomColorDegeneration RandomColorJitter RandomElasticTransform "
        "RandomErasing RandomGaussianBlur RandomGrayscale RandomHue RandomInvert "
        "RandomPerspective RandomPosterization RandomSaturation RandomSharpness RandomShear "
        "Solarization",
    ),
    **each_of(
        "not available: pooling has tiles of a fixed size, `gr.AveragePooling2D(2)`, or one of "
        "all steps, `gr.GlobalAveragePooling2D()`",
        "AdaptiveAveragePooling1D AdaptiveAveragePooling2D AdaptiveAveragePooling3D "
        "AdaptiveMaxPooling1D AdaptiveMaxPooling2D AdaptiveMaxPooling3D",
    ),
    **each_of(_FUNCTION, "Callback LambdaCallback"),
    **each_of(
        "`gr.data.TablePreprocessor`, which encodes the columns of a table as it was fitted",
        "CategoryEncoding Discretization FeatureSpace HashedCrossing Hashing IntegerLookup "
        "StringLookup TextVectorization",
    ),
    **each_of(
        _OWN_LAYER,
        "Conv3DTranspose ConvLSTM1D ConvLSTM2D ConvLSTM3D Convolution3DTranspose Cropping3D "
        "DepthwiseConv1D EinsumDense FlaxLayer JaxLayer MelSpectrogram ReversibleEmbedding "
        "STFTSpectrogram SpatialDropout3D SpectralNormalization UpSampling3D Wrapper ZeroPadding3D",
    ),
    **each_of(_COUNTS, "FalseNegatives FalsePositives TrueNegatives TruePositives"),
    **each_of(
        "`gr.metrics.Accuracy()`, of labels and of one-hot rows",
        "CategoricalAccuracy SparseCategoricalAccuracy",
    ),
    **each_of(
        "`gr.metrics.TopKAccuracy(5)`", "SparseTopKCategoricalAccuracy TopKCategoricalAccuracy"
    ),
    "GRUCell": "`gr.GRU(8)`",
    "History": "what fit returns: `history = model.fit(x, y)`",
    "LSTMCell": "`gr.LSTM(8)`",
    **each_of(_OTHER_RULES, "Adafactor Ftrl Lamb ScheduleFreeAdamW"),
    "MinMaxNorm": "`gr.MaxNorm(2.0)`, which has no least norm",
    "OrbaxCheckpoint": _CHECKPOINT,
    "ProgbarLogger": "`model.fit(x, y, verbose=True)`",
    "SimpleRNNCell": "`gr.SimpleRNN(8)`",
    "StackedRNNCells": "one layer after another, "
    "`gr.Sequential([gr.GRU(8, return_sequences=True), gr.GRU(8)])`",
    "TFSMLayer": "not available: `gr.from_keras` takes a model of Keras, with its weights",
    "TorchModuleWrapper": "`gr.from_torch`, which takes a model of PyTorch, with its weights",
}

"""Data that are generated because the original isn't at hand: same shape, scale, and difficulty.

`STAND_INS` says for every case what stands in for its data.
"""

from __future__ import annotations

import numpy as np
from arrays import Data, in_order, labels_from, one_hot, split

CIFAR = (
    "CIFAR-10 is not at hand: Fashion-MNIST, padded to 32×32 and averaged to 16×16 with one "
    "channel, which also keeps the convolutions small"
)
TOPICS = (
    "Reuters is not at hand: generated bags of 1,000 words in 46 classes of very uneven size, "
    "of about the original's difficulty"
)
STAND_INS = {
    "SO-34673164": "the voting table has no license: generated, 16 columns of its scales; "
    "100 further rows validate",
    "SO-39525358": "generated from the recipe: 21 rows of three letters, as character codes",
    "SO-41372874": "generated from the recipe: a sine, with every label 1",
    "SO-44066044": "the packet table has no license: generated, 11 columns with its maxima; "
    "100 further rows validate",
    "SO-47724077": "UCI Adult from the data folder; 10,000 rows",
    "SO-48251943": "the table has no license: generated, two columns of z-scores, without blanks; "
    "100 further rows validate",
    "SO-48594888": CIFAR,
    "SO-31627380": "the Titanic table of the data folder, whose names, tickets, and cabins are "
    "missing: codes of the same number of values stand for them",
    "SO-50079585": "the photos are not at hand: three classes of Fashion-MNIST, labeled 0, 1, 2",
    "GH-MovieReviews_Keras": "IMDB is not at hand: generated multi-hot rows of 10,000 words, of "
    "about the original's difficulty",
    "GH-FacialKeypointsDetection": "the faces are not at hand: generated 96×96 images with 15 "
    "spots at the key points",
    "IPS-5": "synthetic, as in the case; 50 further points validate",
    "IPS-12": "synthetic, as in the case; 200 further rows validate",
    "IPS-13": "the heart table has no license: generated, nine columns of its scales",
    "SO-51181393": "from the post: 100 points of y = 5x for x in [1, 2]",
    "SO-56380303": "from the post: 20 random bits, and their number modulo 7, as 20 bits",
    "SO-41600519": "the Higgs challenge's table is not at hand: generated, 31 raw columns with "
    "-999 for missing, the column of weights included",
    **{f"MUT-R{number}": TOPICS for number in range(1, 8)},
    "UMLAUT-A": CIFAR,
    "UMLAUT-B": CIFAR,
}
FURTHER = 100  # validation rows beside a table of so few rows that nothing can be held out


def voting(seed: int) -> Data:
    """Ten counties with 16 raw numbers from -0.7 to about 1e6, and who won, one-hot."""
    rng = np.random.default_rng(seed)
    labels = np.arange(10 + FURTHER) % 2
    z = rng.normal(size=(len(labels), 16)) + rng.choice([-0.8, 0.8], 16) * (2 * labels[:, None] - 1)
    people = np.exp(11 + 1.2 * z[:, :4])  # populations and households
    money = 45_000 + 12_000 * z[:, 4:7]
    percent = np.clip(50 + 18 * z[:, 7:13], 0, 100)
    change = 0.25 * z[:, 13:]
    x = np.concatenate([people, money, percent, change], axis=1)
    return in_order(x, one_hot(labels, 2), FURTHER)


def letters(seed: int) -> Data:
    """Return 21 rows of three codes: 65 to 67 means 0, 68 to 70 means 1; a third is held out."""
    rng = np.random.default_rng(seed)
    labels = np.arange(21) % 2
    x = rng.integers(65, 68, size=(21, 3)) + 3 * labels[:, None]
    return split(x, labels.astype(np.int32), 7, rng)


def sine(seed: int, direction: bool = False) -> Data:
    """Pairs of neighbors on a sine; the label is always 1, or whether the next value is higher."""
    values = np.sin(0.5 * np.arange(302))
    x = np.stack([values[1:-1], values[:-2]], axis=1)[:299]
    rising = (values[2:] > values[1:-1])[:299].astype(np.int32)
    y = rising if direction else np.ones_like(rising)
    return split(x, y, 60, np.random.default_rng(seed))


def packets(seed: int) -> Data:
    """Return 21 network packets, 11 raw numbers up to 3.2e9, of which 62% are of one kind."""
    rng = np.random.default_rng(seed)
    count = 21 + FURTHER
    labels = (np.arange(count) % 21 < 13).astype(np.int32)
    order = rng.permutation(21)
    labels[:21] = labels[:21][order]
    hosts = np.array([3.2322e9, 1.7e9])
    target = np.where(rng.random(count) < 0.9, labels, 1 - labels)
    columns = [
        hosts[1 - target] + rng.integers(0, 255, count),
        hosts[target] + rng.integers(0, 255, count),
        np.full(count, 6),
        np.where(labels == 1, 128, 64),
        rng.integers(0, 525_569, count),
        np.where(labels == 1, rng.integers(49_152, 56_784, count), 443),
        rng.choice([8, 12], count),
        rng.choice([256, 8_192, 65_280], count),
        rng.integers(0, 7, count),
        np.zeros(count),
        rng.integers(0, 208, count),
    ]
    return in_order(np.stack(columns, axis=1), labels, FURTHER)


def z_scores(seed: int) -> Data:
    """Return 18 rows of two z-scores, and a value from 0 to about 2.5."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(18 + FURTHER, 2))
    y = np.clip(1.1 + 0.5 * x[:, 0] - 0.4 * x[:, 1] + rng.normal(0, 0.15, len(x)), 0, None)
    return in_order(x, y.astype(np.float32), FURTHER)


def reviews(seed: int) -> Data:
    """Multi-hot rows of 10,000 words with Zipf's frequencies; some words lean to one side."""
    rng = np.random.default_rng(seed)
    rate = 1 / (np.arange(10_000) + 8.0)
    rate *= 230 / rate.sum()
    leaning = rng.normal(0, 0.25, 10_000) * (rng.random(10_000) < 0.2)
    labels = (np.arange(5_000) % 2).astype(np.int32)
    seen = [1 - np.exp(-rate * np.exp(side * leaning)) for side in (-1, 1)]
    x = np.empty((len(labels), 10_000), np.float32)
    for row, label in enumerate(labels):
        x[row] = rng.random(10_000, np.float32) < seen[label]
    return in_order(x, labels, 1_000)


def topics(seed: int) -> Data:
    """Bags of 1,000 words in 46 classes, the largest with a third of 8,982 rows, one-hot."""
    rng = np.random.default_rng(seed)
    share = np.concatenate([[0.35, 0.22], 0.43 * (w := 1 / np.arange(2.0, 46)) / w.sum()])
    labels = rng.choice(46, 8_982, p=share)
    rate = 1 / (np.arange(1_000) + 5.0)
    rate *= 70 / rate.sum()
    shift = rng.normal(0, 1.5, (46, 1_000)) * (rng.random((46, 1_000)) < 0.15)
    # A text is about its own class, and a little about another one.
    other = rng.choice(46, len(labels), p=share)
    mixed = rng.uniform(0.5, 1.0, (len(labels), 1))
    present = 1 - np.exp(-rate * np.exp(mixed * shift[labels] + (1 - mixed) * shift[other]))
    x = (rng.random(present.shape) < present).astype(np.float32)
    return in_order(x, one_hot(labels, 46), 898)


def faces(seed: int) -> Data:
    """Images 96×96 in [0, 1], flat, and the 30 coordinates of 15 spots, in [-1, 1]."""
    rng = np.random.default_rng(seed)
    count = 1_900
    base = np.random.default_rng(15).uniform(-26, 26, (15, 2))  # one face, whatever the seed
    strength = np.random.default_rng(16).choice([-0.4, 0.4], 15)
    size, place = rng.normal(1, 0.08, (count, 1, 1)), rng.normal(0, 4, (count, 1, 2))
    points = 48 + size * base + place + rng.normal(0, 1.2, (count, 15, 2))
    axis = np.arange(96)
    bumps = np.exp(-0.5 * ((axis - points[..., None]) / 4) ** 2)  # (n, 15, 2, 96)
    light = rng.normal(0.5, 0.08, (count, 1, 1))
    image = light + np.einsum("npi,npj,p->nij", bumps[:, :, 0], bumps[:, :, 1], strength)
    image += rng.normal(0, 0.04, image.shape)
    x = np.clip(image, 0, 1).reshape(count, -1)
    y = ((points - 48) / 48).reshape(count, 30).astype(np.float32)
    return in_order(x, y, 400)


def heart(seed: int) -> Data:
    """Return 462 patients with nine raw measurements, one-hot: 35% fell ill."""
    rng = np.random.default_rng(seed)
    count = 462
    age = rng.uniform(15, 65, count)
    pressure = rng.normal(120 + 0.45 * age, 18)
    tobacco = rng.gamma(0.8, 0.06 * age)
    cholesterol = np.clip(rng.normal(3 + 0.04 * age, 1.8), 1, 15)
    fat = np.clip(rng.normal(12 + 0.3 * age, 6), 6.7, 43)
    family = (rng.random(count) < 0.42).astype(float)
    temper, weight = rng.normal(53, 10, count), rng.normal(26, 4, count)
    alcohol = rng.gamma(0.5, 34, count)
    score = 0.045 * age + 0.08 * tobacco + 0.17 * cholesterol + 0.93 * family + 0.04 * temper
    x = np.stack(
        [pressure, tobacco, cholesterol, fat, family, temper, weight, alcohol, age], axis=1
    )
    return split(x, one_hot(labels_from(score, 0.35, rng), 2), 92, rng)


def higgs(seed: int) -> Data:
    """Return 10,000 collisions with 31 raw numbers up to hundreds; 66% are background, label 1."""
    rng = np.random.default_rng(seed)
    count = 10_000
    z = rng.normal(size=(count, 30))
    scale = np.exp(rng.uniform(0, 4.5, 30))
    labels = labels_from(z[:, :8] @ rng.choice([-0.5, 0.5], 8), 0.66, rng)
    x = scale * np.where(np.arange(30) % 3 == 0, np.exp(0.6 * z), z)
    for group, share in ((slice(4, 7), 0.7), (slice(12, 13), 0.15), (slice(23, 29), 0.4)):
        x[rng.random(count) < share, group] = -999  # missing, as in the original
    weight = np.where(labels == 1, rng.uniform(0.4, 4, count), rng.uniform(0.001, 0.02, count))
    return in_order(np.column_stack([x[:, :30], weight]), labels, 3_000)

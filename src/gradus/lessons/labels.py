"""The words for the numbers of lessons, whose names are those of a dict: "share_solved_tanh"."""

from __future__ import annotations

import re

# What a whole name means; the parts that are left open are named by `NAMES`.
PHRASES = {
    r"share_solved_(.+)": "networks that solve XOR, {}",
    r"steepest_(.+)": "steepest slope, {}",
    r"left_after_ten_sigmoids": "gradient left after ten sigmoids",
    r"softmax_of_two_from_sigmoid": "difference of a softmax of two from a sigmoid",
    r"accuracy_without": "accuracy without attention",
    r"share_on_the_(.+)": "attention on the {}",
    r"(autoencoder|components)_error_(\d+)": "error with {1} numbers, {0}",
    r"(autoencoder|components|pixels)_neighbors_accuracy": "accuracy of neighbors, {}",
    r"(plain|denoising|pixels|scratch|pretrained|relu|cnn|mlp)_accuracy": "accuracy, {}",
    r"(raw|standardized)_(accuracy|condition_number)": "{1}, {0}",
    r"always_no_accuracy": "accuracy of always answering no",
    r"(cnn|mlp)_weights": "weights, {}",
    r"error_(noisy|plain|denoising)": "error, {}",
    r"library_against_hand": "difference of the library from the formulas",
    r"differences_against_hand": "difference of finite differences from the formulas",
    r"check_gradients": "difference by gr.check_gradients",
    r"share_of_scales_(.+)": "initial scales that learn, {} batch normalization",
    r"epochs_to_90_percent_(.+)": "epochs to 90% accuracy, {} batch normalization",
    r"steps_(.+)": "steps, {}",
    r"noise_of_1_over_16": "noise of batches of 1 / of 16",
    r"share_with_neighbor_of_same_kind_(.+)": "words beside one of their kind, {} training",
    r"wrong_in_training_at_the_end": "errors in training at the end, %",
    r"wrong_unseen_at_best": "errors on unseen images at best, %",
    r"wrong_unseen_(.+)": "errors on unseen images {}, %",
    r"accuracy_(from_scratch|frozen|fine_tuned)_(few|many)": "accuracy with {1} samples, {0}",
    r"mean_modes": "modes found, mean of the runs",
    r"fewest_modes": "modes found, worst run",
    r"share_near_a_mode": "samples near a mode",
    r"(sigmoid|tanh|relu)_with_(.+)": "{0}, {1}",
    r"accuracy_(smallest|largest)": "accuracy with the {} rate",
    r"share_(plain|momentum)": "starts that reach the lowest minimum, {}",
    r"(plain|momentum)_ends_at": "x at the end, {}",
    r"(plain|momentum)_(slope|height)": "{1} at the end, {0}",
    r"likelihood_(.+)": "likelihood, {}",
    r"best_likelihood_nearby": "best likelihood nearby",
    r"slope_error_(.+)": "error of the slope, {}",
    r"gradient_(cross_entropy|mse)": "gradient, {}",
    r"accuracy_(cross_entropy|mse)_at_(.+)": "accuracy at the rate {1}, {0}",
    r"best_(accuracy|rate)_(.+)": "best {0}, {1}",
    r"height_(.+)": "height reached, {}",
    r"(lowest_|training_|)loss_(none|dropout|L2|early.stopping|more.data)": "{0}loss, {1}",
    r"accuracy_(.+)_(10|30|60)": "accuracy after {1} letters, {0}",
    r"gradient_left_(.+)": "gradient left at the first letter, {}",
    r"accuracy_(default)": "accuracy, {} settings",
    r"accuracy_best_five": "accuracy, best five together",
    r"score_one_after_another": "score, one after another",
    r"(seconds|trials)_one_after_another": "{}, one after another",
    r"gradient_ratio_(.+)": "last gradient / first, {}",
    r"accuracy_(?!before|after|with)(.+)": "accuracy, {}",
}
NAMES = {
    "cnn": "CNN",
    "components": "principal components",
    "from_scratch": "from scratch",
    "fine_tuned": "fine-tuned",
    "mlp": "MLP",
    "mse": "MSE",
    "none": "no remedy",
    "relu": "ReLU",
    "cross_entropy": "cross-entropy",
    "scratch": "from scratch",
}


def format_label(name: str) -> str:
    """Return the words for the name of a number.

    >>> format_label("share_solved_relu"), format_label("difference_from_scikit_learn")
    ('networks that solve XOR, ReLU', 'difference from scikit-learn')
    """
    for pattern, phrase in PHRASES.items():
        if found := re.fullmatch(pattern, name):
            return phrase.format(*(_named(part or "") for part in found.groups()))
    return _named(name)


def _named(part: str) -> str:
    words = NAMES.get(part, part.replace("_", " "))
    return words.replace("scikit learn", "scikit-learn")

"""What is odd about a data set that nobody has published: one line each."""

from collections.abc import Iterator

import numpy as np

DARK = 32
"""A set whose brightest pixel is darker than this is hardly on the scale of 0 to 255."""
CONSTANT_SHARE = 0.01
"""Share of images of one value from which on they are mentioned."""


def oddities(train_images: np.ndarray, train_labels: np.ndarray, test_images: np.ndarray,
             test_labels: np.ndarray) -> Iterator[str]:
    """What is odd about images uint8 (n, height, width, channels) and labels int64 (n,)."""
    yield from _pixels(train_images)
    first, *others = np.unique(train_labels).tolist()
    if not others:
        yield f"all training labels are {first}: there is nothing to learn"
    else:
        missing = sorted(set(np.unique(test_labels).tolist()) - {first, *others})
        if missing:
            yield f"the labels {_listed(missing)} are in the test set and not in the training set"
    if train_images.shape == test_images.shape and (train_images == test_images).all():
        yield "the test images are the training images"


def text_oddities(train: str, test: str) -> Iterator[str]:
    """What is odd about a text."""
    if len({*train}) == 1:
        yield f"every character of the training text is {train[0]!r}: there is nothing to learn"
    new = sorted({*test} - {*train})
    if new:
        yield f"the test text has characters that the training text lacks: {', '.join(map(repr, new[:5]))}"
    if train == test:
        yield "the test text is the training text"


def _pixels(images: np.ndarray) -> Iterator[str]:
    darkest, brightest = int(images.min()), int(images.max())
    if darkest == brightest:
        yield f"every pixel of every training image is {darkest}: there is nothing to learn"
        return
    if brightest <= 1:
        yield ("the pixels are 0 and 1, and are read on a scale of 0 to 255, where 1 is almost dark; multiply them by "
               "255 when the files are written")
    elif brightest < DARK:
        yield (f"the brightest pixel is {brightest}, on a scale of 0 to 255; multiply the pixels by "
               f"{255 // brightest} when the files are written")
    flat = images.reshape(len(images), -1)
    constant = int((flat.min(axis=1) == flat.max(axis=1)).sum())
    if constant >= max(1, CONSTANT_SHARE * len(images)):
        yield f"{constant:,} of {len(images):,} training images are of one value"


def _listed(values: list[int]) -> str:
    shown = ", ".join(map(str, values[:5]))
    return shown + (f" and {len(values) - 5} more" if len(values) > 5 else "")

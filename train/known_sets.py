"""Published data sets, recognised by what their files hold.

A set of images is four files: images and labels to train on, images and labels to test with; a text is two. Each is
told by its MD5, as it is published: of the file as it is distributed, gzipped, or of its content. Where only the first
has been published, only that form of the set is recognised.

The figures are those of LeCun, Cortes and Burges (MNIST), of Zalando Research (Fashion-MNIST), and of the downloaders
of torchvision (MNIST, Fashion-MNIST, KMNIST, QMNIST) and of Deeplearning4j (the parts of EMNIST). Those of the contents
of Fashion-MNIST were published by several of its users. The batches of CIFAR-10's binary version are told by SHA-256.
``ptb`` is the Penn Treebank in the form that T. Mikolov has passed on, without its validation text.
"""

import re

CIFAR_10 = "cifar-10"
DIGITS = "digits"
SONNETS = "sonnets"
PACKAGED = (DIGITS, SONNETS)

_GZIPPED = {
    "mnist": ("f68b3c2dcbeaaa9fbdd348bbdeb94873", "d53e105ee54ea40749a09fcbcd1e9432",
              "9fb629c4189551a2d022fa330f9573f3", "ec29112dd5afa0611ce80d1b7f02629c"),
    "fashion-mnist": ("8d4fb7e6c68d591d4c3dfef9ec88bf0d", "25c81989df183df01b3e8a0aad5dffbe",
                      "bef4ecab320f06d8554ea6380940ec79", "bb300cfdad3c16e7a12a480ee83cd310"),
    "kmnist": ("bdb82020997e1d708af4cf47b453dcf7", "e144d726b3acfaa3e44228e80efcd344",
               "5c965bf0a639b31b8f53240b1b52f4d7", "7320c461ea6c1c855c0b718fb2a4b134"),
    "qmnist": ("ed72d4157d28c017586c42bc6afe6370", "0058f8dd561b90ffdd0f734c6a30e5e4",
               "1394631089c404de565df7b7aeaf9412", "5b5b05890a5e13444e108efe57b788aa"),
    "emnist-byclass": ("712dda0bd6f00690f32236ae4325c377", "ee299a3ee5faf5c31e9406763eae7e43",
                       "1435209e34070a9002867a9ab50160d7", "7a0f934bd176c798ecba96b36fda6657"),
    "emnist-bymerge": ("4a792d4df261d7e1ba27979573bf53f3", "491be69ef99e1ab1f5b7f9ccc908bb26",
                       "8eb5d34c91f1759a55831c37ec2a283f", "c13f4cd5211cdba1b8fa992dae2be992"),
    "emnist-balanced": ("4041b0d6f15785d3fa35263901b5496b", "7a35cc7b2b7ee7671eddf028570fbd20",
                        "6818d20fe2ce1880476f747bbc80b22b", "acd3694070dcbf620e36670519d4b32f"),
    "emnist-letters": ("8795078f199c478165fe18db82625747", "c16de4f1848ddcdddd39ab65d2a7be52",
                       "382093a19703f68edac6d01b8dfdfcad", "d4108920cd86601ec7689a97f2de7f59"),
    "emnist-digits": ("d2662ecdc47895a6bbfce25de9e9a677", "2223fcfee618ac9c89ef20b6e48bcf9e",
                      "a159b8b3bd6ab4ed4793c1cb71a2f5cc", "8afde66ea51d865689083ba6bb779fac"),
    "emnist-mnist": ("3663598a39195d030895b6304abb5065", "6c092f03c9bb63e678f80f8bc605fe37",
                     "fb51b6430fc4dd67deaada1bf25d4524", "ae7f6be798a9a5d5f2bd32e078a402dd"),
}
"""MD5 of the files as they are distributed."""
_UNPACKED = {
    "mnist": ("6bbc9ace898e44ae57da46a324031adb", "a25bea736e30d166cdddb491f175f624",
              "2646ac647ad5339dbf082846283269ea", "27ae3e4e09519cfbb04c329615203637"),
    "fashion-mnist": ("f4a8712d7a061bf5bd6d2ca38dc4d50a", "9018921c3c673c538a1fc5bad174d6f9",
                      "8181f5470baa50b63fa0f6fddb340f0a", "15d484375f8d13e6eb1aabb0c3f46965"),
    "ptb": ("f26c4b92c5fdc7b3f8c7cdcb991d8420", "8b80168b89c18661a38ef683c0dc3721"),
}
"""MD5 of what is in them."""
CIFAR_10_SHA256 = (
    "cee916563c9f80d84e3cc88e17fdc0941787f1244f00a67874d45b261883ada5",
    "a591ca11fa1708a91ee40f54b3da4784ccd871ecf2137de63f51ada8b3fa57ed",
    "bbe8596564c0f86427f876058170b84dac6670ddf06d79402899d93ceea26f67",
    "014e562d6e23c72197cc727519169a60359f5eccd8945ad5a09d710285ff4e48",
    "755304fc0b379caeae8c14f0dac912fbc7d6cd469eb67a1029a08a39453a9add",
    "8e2eb146ae340b09e24670f29cabc6326dba54da8789dab6768acf480273f65b",
)
"""Of the contents of ``data_batch_1.bin`` to ``data_batch_5.bin`` and ``test_batch.bin``."""

MNIST_MD5 = _GZIPPED["mnist"]
NAMES = (*dict.fromkeys((*_GZIPPED, *_UNPACKED)), CIFAR_10, *PACKAGED)
"""Of all sets that may be recognised."""
_OWNER = {md5: name for table in (_GZIPPED, _UNPACKED) for name, digests in table.items() for md5 in digests}


def plain(name: str) -> str:
    """``name`` in lower case without what is no letter or digit, so that ``Fashion-MNIST``, ``fashion_mnist`` and
    ``FashionMNIST`` are one name."""
    return re.sub(r"[\W_]+", "", name.lower())


def published(name: str) -> str | None:
    """The published set that ``name`` means; None if it means none."""
    return next((known for known in NAMES if plain(known) == plain(name)), None)


def owner(*digests: str) -> str | None:
    """The set that a file belongs to one of whose MD5s, as it is and of its content, is among ``digests``; None if none
    is known."""
    return next((_OWNER[md5] for md5 in digests if md5 in _OWNER), None)


def recognised(name: str, unpacked: bool) -> bool:
    """Whether the published set ``name`` would be recognised if its files were gzipped as they are distributed, or
    ``unpacked``."""
    return name in (CIFAR_10, *PACKAGED, *_UNPACKED) or not unpacked and name in _GZIPPED

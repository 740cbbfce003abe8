"""Facts about sets: one line of each, and where files of published images lie, their checksums."""

from __future__ import annotations

from dataclasses import dataclass

IDX = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte",
       "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")
_UNSTATED = "none stated by the authors, used for research and teaching"


@dataclass(frozen=True)
class Known:
    """A published set in torchvision's layout.

    torchvision: its class there. folder: where the files lie below the set's root. mean, std: of
    the training split. sha256: of the uncompressed `IDX` files of a set that comes as such; it
    also holds for files compressed anew, whose published md5 (torchvision's, of the .gz) does not.
    The md5 sums of CIFAR and STL-10 are torchvision's.
    """

    torchvision: str
    folder: str
    about: str
    licence: str
    mean: tuple[float, ...]
    std: tuple[float, ...]
    sha256: tuple[str, ...] = ()

    @property
    def description(self) -> str:
        """One line: what it shows, counts, shape, licence."""
        return f"{self.about}; {self.licence}"


BUNDLED = {  # with scikit-learn
    "breast_cancer": "569 x 30 measurements of cell nuclei, 2 classes, 80 / 20 %; CC BY 4.0",
    "wine": "178 x 13 chemical analyses of wines, 3 classes, 80 / 20 %; CC BY 4.0",
    "iris": "150 x 4 measurements of flowers, 3 classes, 80 / 20 %; CC BY 4.0",
}
GRAPHS = {
    "digits_knn": "the 1,797 digits of scikit-learn as a graph: each is joined to the 5 nearest; "
                  "8 x 8 centred pixels as features, 10 classes, 200 + 1,000 nodes; CC BY 4.0",
    "cora": "2,708 papers joined by citations; 1,433 words (0/1) as features, 7 classes, "
            "140 + 1,000 nodes; MIT (repository kimiyoung/planetoid)",
    "citeseer": "3,327 papers joined by citations; 3,703 words (0/1) as features, 6 classes, "
                "120 + 1,000 nodes; MIT (repository kimiyoung/planetoid)",
}
# Planetoid's raw files. Pickles can run code when read: every file is compared with these first.
PLANETOID = {
    "cora": {
        "allx": "9419ba2f26f5c35243db64aba110e0f35a04851609e0dc5433450676ca6b8543",
        "ally": "2b998f5cc7fedc86e7f97ca2498f47a1ffc1462c29e2d578b23bf3f62b6e7d71",
        "graph": "58f13302f39dde8852dad6fe6d15b89b077b6d7f837626bce671ef80344b383d",
        "test.index": "297ce89af2b51a6a194181c7dbe1796c6a1cf9cd9349a88383b1b1e227867875",
        "tx": "b9afbaa4a400df991f6f02ef677e1e44da55ffc04801fd02f9e673987829226a",
        "ty": "41f5ac76596a1699cc33f53084a2419e92961c42bb75f36fc38e616d348532ad",
    },
    "citeseer": {
        "allx": "2ac30345d95c9ec933a817ee0bdd6a5f077f8c184a20e696910192d534414668",
        "ally": "f704b2d986dde6c2669934de1f3ae5696a6cf9455c0f6b2646a2d135ea0a1c95",
        "graph": "d79a4ef9d3e7169aee8946145f6b7306e35bc79bffad26346cfb94e10e9912a7",
        "test.index": "2af990671580b6b2df5d158d1038f8292e30c9cd821b5453f399659b25b723d4",
        "tx": "539a8906a2da97628d212f2fdd668c109a8b3f0d36574b59e5d3fd5b5303da21",
        "ty": "55e5bd1ba1e733a04598753ad1a8d57957f4b8f89e74519f41f4f4938767e4ce",
    },
}
_DRAWN, _CC0 = "6,000 + 2,000 images (3, 16, 16)", "CC0 1.0 (drawn by sslbook)"
WORLDS = {  # drawn by the package: what each set is made of, and a line about it
    "shapes": ("image", "8 coloured shapes, drawn by the package; 6,000 + 2,000 images "
                        f"(3, 32, 32); {_CC0}"),
    "creatures": ("image", "8 creatures, each with another four of eight limbs, in random "
                           f"colours; {_DRAWN}; {_CC0}"),
    "emblems": ("image", f"8 emblems that fill the picture, in any colours; {_DRAWN}; {_CC0}"),
    "painted_digits": ("image", "the handwritten digits of scikit-learn, painted in colours, 10 "
                                f"classes; {_DRAWN}; digits CC BY 4.0"),
    "sbm_words": ("graph", "a stochastic block model: 1,500 nodes with words of their class among "
                           f"words of their style, 6 classes, 120 + 1,000 nodes; {_CC0}"),
    "mixed_signs": ("table", "6 patterns over 24 columns, half of the rows with all signs turned, "
                             f"and 12 columns of noise; 6,000 rows, 80 / 20 %; {_CC0}"),
}
DIGITS = "handwritten digits, 1,438 + 359 grey images (3, 8, 8), 10 classes; CC BY 4.0"
KNOWN = {
    "mnist": Known(
        "MNIST", "MNIST/raw",
        "handwritten digits, 60,000 + 10,000 grey images (3, 28, 28), 10 classes",
        "CC BY-SA 3.0 as commonly given", (0.1307,) * 3, (0.3081,) * 3,
        ("ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
         "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
         "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
         "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2"),
    ),
    "fashion_mnist": Known(
        "FashionMNIST", "FashionMNIST/raw",
        "pieces of clothing, 60,000 + 10,000 grey images (3, 28, 28), 10 classes",
        "MIT", (0.2860,) * 3, (0.3530,) * 3,
        ("c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
         "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
         "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
         "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34"),
    ),
    "cifar10": Known(
        "CIFAR10", "cifar-10-batches-py",
        "photographs, 50,000 + 10,000 images (3, 32, 32), 10 classes",
        _UNSTATED, (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616),
    ),
    "cifar100": Known(
        "CIFAR100", "cifar-100-python",
        "photographs, 50,000 + 10,000 images (3, 32, 32), 100 classes",
        _UNSTATED, (0.5071, 0.4865, 0.4409), (0.2673, 0.2564, 0.2762),
    ),
    "stl10": Known(
        "STL10", "stl10_binary",
        "photographs, 5,000 + 8,000 images (3, 96, 96), 10 classes",
        _UNSTATED, (0.4467, 0.4398, 0.4066), (0.2603, 0.2566, 0.2713),
    ),
}
# Sets whose two splits are drawn or published apart, and cannot be loaded as one.
WHOLE_SPLITS = (*(name for name, (kind, _) in WORLDS.items() if kind == "image"), *KNOWN)

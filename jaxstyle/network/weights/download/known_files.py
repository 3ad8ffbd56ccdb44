"""The weight files that people have: where they are, how large, and what is known of their bytes.

Data only. Nothing here could be downloaded where this was written: sizes and checksums are what
others published, and every one says who. ``weights/README.md`` shows the same as a table.

The default download is Keras' VGG-19 without its classifier, for four reasons: it holds Simonyan's
own weights, those that the paper's pictures were made with, not torchvision's later training; it is
80 MB, where every other source carries a classifier of 500 MB that is thrown away; its MD5 is in
Keras' source code, and an MD5 from an honest publisher still identifies a file (what MD5 no longer
stops is somebody who makes two files with the same sum in advance); and HDF5 holds no code.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

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
        network: which weights these are, a name of ``identify.NETWORKS``; None if not sure.
        normalised: whether it is Gatys' rescaled network; None if not known.
        licence: what the publisher says.
        note: anything else worth a line.
    """

    name: str
    file: str
    urls: tuple[str, ...]
    size: int | None
    checksums: tuple[Checksum, ...]
    input: TrainedInput
    network: str | None
    normalised: bool | None = False
    licence: str = "unknown"
    note: str = ""


_KERAS = "https://storage.googleapis.com/tensorflow/keras-applications/"
_KERAS_OLD = "https://github.com/fchollet/deep-learning-models/releases/download/v0.1/"
_TORCH = "https://download.pytorch.org/models/"
_MATCONVNET = "https://www.vlfeat.org/matconvnet/models/"
_OXFORD = "https://www.robots.ox.ac.uk/~vgg/software/very_deep/caffe/"

_CC_BY = "Creative Commons Attribution, as Keras says of the weights from Oxford"
_BSD = "BSD 3-Clause (torchvision's code; its weights carry no licence of their own)"
_IN_KERAS = "file_hash in Keras' source code"
_IN_NAME = "beginning of SHA-256 in the file's name, as PyTorch's hub checks it"
_RGB_CAFFE = TrainedInput("RGB", 255.0, (123.68, 116.779, 103.939))


def _keras(network: str, top: bool, size: int | None, md5: str) -> KnownFile:
    file = f"{network}_weights_tf_dim_ordering_tf_kernels{'' if top else '_notop'}.h5"
    return KnownFile(
        name=f"keras-{network}{'-top' if top else ''}",
        file=file,
        urls=(f"{_KERAS}{network}/{file}", f"{_KERAS_OLD}{file}"),
        size=size,
        checksums=(Checksum("md5", md5, _IN_KERAS),),
        input=CAFFE_INPUT,
        network=f"simonyan-{network}",
        licence=_CC_BY,
        note="with the classifier" if top else "without the classifier",
    )


def _torchvision(network: str, file: str, size: int, sha256: str) -> KnownFile:
    return KnownFile(
        name=f"torchvision-{network}",
        file=file,
        urls=(_TORCH + file,),
        size=size,
        checksums=(Checksum("sha256", sha256, "many listings, and its beginning in the name"),),
        input=TORCHVISION_INPUT,
        network=f"torchvision-{network}",
        licence=_BSD,
        note="torchvision's own training",
    )


def _torch_caffe(name: str, network: str, file: str, *urls: str) -> KnownFile:
    prefix = file.rpartition("-")[2].removesuffix(".pth")
    return KnownFile(
        name=f"{name}-{network}",
        file=file,
        urls=urls,
        size=None,
        checksums=(Checksum("sha256", prefix, _IN_NAME),),
        input=CAFFE_INPUT,
        network=f"simonyan-{network}",
        licence=_CC_BY,
        note="Simonyan's weights as a PyTorch file",
    )


_JOHNSON = "https://web.eecs.umich.edu/~justincj/models/"
_JOHNSON_OLD = "https://s3-us-west-2.amazonaws.com/jcjohns-models/"
_PYSTICHE = "https://download.pystiche.org/models/"

KNOWN_FILES = (
    _keras("vgg19", False, 80_134_624, "253f8cb515780f3b799900260a226db6"),
    _keras("vgg19", True, 574_710_816, "cbe5617147190e668d6c5d5026f83318"),
    _keras("vgg16", False, 58_889_256, "6d6bbae143d832006294945121d1f1fc"),
    _keras("vgg16", True, 553_467_096, "64373286793e3c8b2b4e3219cbf3544b"),
    _torchvision(
        "vgg19",
        "vgg19-dcbb9e9d.pth",
        574_673_361,
        "dcbb9e9dad569fff7a846263a77324fc34978fea2bfb039c012d710e1776ae44",
    ),
    _torchvision(
        "vgg16",
        "vgg16-397923af.pth",
        553_433_881,
        "397923af8e79cdbb6a7127f12361acd7a2f83e06b05044ddf496e83de57a5bf0",
    ),
    KnownFile(
        name="torchvision-vgg16-features",
        file="vgg16_features-amdegroot-88682ab5.pth",
        urls=(_TORCH + "vgg16_features-amdegroot-88682ab5.pth",),
        size=None,
        checksums=(Checksum("sha256", "88682ab5", _IN_NAME),),
        input=TrainedInput("RGB", 255.0, (0.48235 * 255, 0.45882 * 255, 0.40784 * 255)),
        network=None,
        licence=_BSD,
        note="the SSD detector's VGG-16, Caffe's scale in RGB",
    ),
    KnownFile(
        name="timm-vgg19",
        file="model.safetensors",
        urls=("https://huggingface.co/timm/vgg19.tv_in1k/resolve/main/model.safetensors",),
        size=None,
        checksums=(),
        input=TORCHVISION_INPUT,
        network="torchvision-vgg19",
        licence="BSD 3-Clause (model card)",
        note="torchvision's weights, re-published",
    ),
    KnownFile(
        name="matconvnet-vgg19",
        file="imagenet-vgg-verydeep-19.mat",
        urls=(_MATCONVNET + "imagenet-vgg-verydeep-19.mat",),
        size=534_904_783,
        checksums=(
            Checksum(
                "sha256",
                "abdb57167f82a2a1fbab1e1c16ad9373411883f262a1a37ee5db2e6fb0044695",
                "anishathalye/neural-style",
            ),
            Checksum("md5", "106118b7cf60435e6d8e04f6a6dc3657", "MatConvNet's list of models"),
        ),
        input=_RGB_CAFFE,
        network="simonyan-vgg19",
        licence=_CC_BY,
    ),
    KnownFile(
        name="matconvnet-vgg19-beta16",
        file="imagenet-vgg-verydeep-19.mat",
        urls=(_MATCONVNET + "beta16/imagenet-vgg-verydeep-19.mat",),
        size=None,
        checksums=(
            Checksum("md5", "8ee3263992981a1d26e73b3ca028a123", "anishathalye/neural-style"),
        ),
        input=_RGB_CAFFE,
        network="simonyan-vgg19",
        licence=_CC_BY,
        note="older layout of the same",
    ),
    KnownFile(
        name="matconvnet-vgg16",
        file="imagenet-vgg-verydeep-16.mat",
        urls=(_MATCONVNET + "imagenet-vgg-verydeep-16.mat",),
        size=None,
        checksums=(
            Checksum("md5", "f72d927587ca4c97fbd165ec9cb9997f", "MatConvNet's list of models"),
        ),
        input=_RGB_CAFFE,
        network="simonyan-vgg16",
        licence=_CC_BY,
    ),
    KnownFile(
        name="oxford-vgg19",
        file="VGG_ILSVRC_19_layers.caffemodel",
        urls=(_OXFORD + "VGG_ILSVRC_19_layers.caffemodel",),
        size=574_671_192,
        checksums=(
            Checksum("sha1", "239785e7862442717d831f682bb824055e51e9ba", "Apache MXNet's zoo"),
            Checksum("md5", "b5c644beabd7cf06bdd9065cfd674c97", "jcjohnson/neural-style #49"),
        ),
        input=CAFFE_INPUT,
        network="simonyan-vgg19",
        licence=_CC_BY,
        note="the authors' own file",
    ),
    KnownFile(
        name="oxford-vgg16",
        file="VGG_ILSVRC_16_layers.caffemodel",
        urls=(_OXFORD + "VGG_ILSVRC_16_layers.caffemodel",),
        size=553_432_081,
        checksums=(
            Checksum("sha1", "9363e1f6d65f7dba68c4f27a1e62105cdf6c4e24", "a public listing"),
            Checksum("md5", "441315b0ff6932dbfde97731be7ca852", "a public listing"),
        ),
        input=CAFFE_INPUT,
        network="simonyan-vgg16",
        licence=_CC_BY,
        note="the authors' own file",
    ),
    _torch_caffe(
        "johnson",
        "vgg19",
        "vgg19-d01eb7cb.pth",
        _JOHNSON + "vgg19-d01eb7cb.pth",
        _JOHNSON_OLD + "vgg19-d01eb7cb.pth",
    ),
    _torch_caffe(
        "johnson",
        "vgg16",
        "vgg16-00b39a1b.pth",
        _JOHNSON + "vgg16-00b39a1b.pth",
        _JOHNSON_OLD + "vgg16-00b39a1b.pth",
    ),
    _torch_caffe("pystiche", "vgg19", "vgg19-74e45263.pth", _PYSTICHE + "vgg19-74e45263.pth"),
    _torch_caffe("pystiche", "vgg16", "vgg16-781be684.pth", _PYSTICHE + "vgg16-781be684.pth"),
    KnownFile(
        name="gatys-vgg19",
        file="vgg_conv.pth",
        urls=(
            "https://bethgelab.org/media/uploads/pytorch_models/vgg_conv.pth",
            "https://huggingface.co/fdan/neural_style_transfer_vgg/resolve/main/vgg_conv.pth",
        ),
        size=None,
        checksums=(),
        input=CAFFE_INPUT,
        network="simonyan-vgg19",
        normalised=None,
        note="first address reported dead since 2021, second is a user's copy",
    ),
    KnownFile(
        name="gatys-vgg19-normalised",
        file="vgg_normalised.caffemodel",
        urls=("https://bethgelab.org/media/uploads/deeptextures/vgg_normalised.caffemodel",),
        size=None,
        checksums=(),
        input=CAFFE_INPUT,
        network="simonyan-vgg19",
        normalised=True,
        note="address reported dead since 2021",
    ),
)

DEFAULT = KNOWN_FILES[0]


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

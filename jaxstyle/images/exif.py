"""EXIF: what of a source's goes into the result, and the record that is kept there.

Kept are descriptions (who, when, where, with what camera), of which a result by default tells no
place and no name but that of the copyright. Dropped is what would be wrong of
another picture: orientation, sizes, thumbnail, file layout (in TIFF it is all one directory),
and the maker's notes, whose inner offsets break when moved.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from PIL import ExifTags, Image

from jaxstyle.images.pillow import pillow_settings

_Base, _IFD = ExifTags.Base, ExifTags.IFD

_KEPT = [
    _Base[name]
    for name in (
        "DocumentName ImageDescription Make Model XResolution YResolution ResolutionUnit "
        "Software DateTime Artist HostComputer Rating Copyright "
        "XPTitle XPComment XPAuthor XPKeywords XPSubject"
    ).split()
]
_DROPPED = (
    _Base.MakerNote,
    _Base.UserComment,  # the place of jaxstyle's own record
    _Base.ExifImageWidth,
    _Base.ExifImageHeight,
    _Base.ExifInteroperabilityOffset,  # may say Adobe RGB
)
_PERSONAL = (
    _Base.Artist,
    _Base.HostComputer,
    _Base.XPAuthor,
    _Base.CameraOwnerName,
    _Base.BodySerialNumber,
    _Base.LensSerialNumber,
    _Base.ImageUniqueID,
    _IFD.GPSInfo,
)
_SRGB = 1
_CHARACTER_CODE = 8  # the bytes in front of a UserComment that say how it is encoded


def orientation_of(image: Image.Image) -> int:
    """The EXIF orientation, 1 to 8; 1 if there is none or it is nonsense."""
    try:
        orientation = image.getexif().get(_Base.Orientation, 1)
    except Exception:  # Pillow raises a dozen kinds on a broken EXIF block; none matters here
        return 1
    return orientation if orientation in range(1, 9) else 1


def kept_exif(image: Image.Image) -> bytes | None:
    """The part of a picture's EXIF that its descendants inherit."""
    try:
        return _composed(image.getexif(), None)
    except Exception:  # as above
        return None


def without_persons(exif: bytes | None) -> bytes | None:
    """EXIF without the place, the author, the host, and whose camera it was."""
    with pillow_settings():
        inherited = Image.Exif()
        try:
            inherited.load(exif or b"")
            return _composed(inherited, None, without=_PERSONAL)
        except Exception:  # as above
            return None


def with_record(exif: bytes | None, record: str | None) -> bytes | None:
    """EXIF with ``record`` as its UserComment; of a broken ``exif`` only the record is left."""
    comment = None if record is None else _encoded(record)
    with pillow_settings():
        inherited = Image.Exif()
        try:
            inherited.load(exif or b"")
            return _composed(inherited, comment)
        except Exception:  # as above
            return _composed(Image.Exif(), comment)


def record_in(exif: Image.Exif) -> str | None:
    """The UserComment, if it is such as ``with_record`` makes of JSON."""
    comment = exif.get_ifd(_IFD.Exif).get(_Base.UserComment)
    if not isinstance(comment, bytes):
        return None
    code, text = comment[:_CHARACTER_CODE], comment[_CHARACTER_CODE:]
    try:
        record = text.decode("utf-16" if code.startswith(b"UNICODE") else "ascii")
    except UnicodeDecodeError:
        return None
    return record if record.startswith("{") else None


def _encoded(record: str) -> bytes:
    if record.isascii():
        return b"ASCII\0\0\0" + record.encode("ascii")
    return b"UNICODE\0" + record.encode("utf-16")


def _composed(exif: Image.Exif, comment: bytes | None, without: Sequence[int] = ()) -> bytes | None:
    main: dict[int, Any] = {tag: exif[tag] for tag in _KEPT if tag in exif and tag not in without}
    dropped = (*_DROPPED, *without)
    photo = {tag: v for tag, v in exif.get_ifd(_IFD.Exif).items() if tag not in dropped}
    if _Base.ColorSpace in photo:
        photo[_Base.ColorSpace] = _SRGB
    if comment is not None:
        photo[_Base.UserComment] = comment
    place = {} if _IFD.GPSInfo in without else dict(exif.get_ifd(_IFD.GPSInfo))
    composed = Image.Exif()
    for tag, value in (*main.items(), (_IFD.Exif, photo), (_IFD.GPSInfo, place)):
        if value != {}:
            composed[tag] = value
    return composed.tobytes() if len(composed) else None

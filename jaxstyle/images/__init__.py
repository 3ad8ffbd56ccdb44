"""Pictures: files and arrays in, sRGB float32 in [0, 1] to work on, files out.

- ``picture``: what a picture is here, and the one error
- ``reading``: any Pillow format, turned upright, as sRGB; ``sixteen`` and ``icc`` are its parts
- ``hidden``: colours under transparency, which are nobody's
- ``resizing``: Lanczos, with and without alpha, and for seamless textures
- ``writing``: PNG, JPEG, WebP, TIFF with settings inside; ``png16`` and ``tiff`` are its parts
- ``exif``: what of a picture's EXIF goes on to the next
"""

from jaxstyle.errors import ImageError
from jaxstyle.images.picture import Picture
from jaxstyle.images.reading import as_picture, image_size, load_image
from jaxstyle.images.resizing import fit_longest_side, resize, resize_picture, resize_wrapped
from jaxstyle.images.writing import SUPPORTED_EXTENSIONS, check_writable, read_record, save_image

__all__ = [
    "SUPPORTED_EXTENSIONS",
    "ImageError",
    "Picture",
    "as_picture",
    "check_writable",
    "fit_longest_side",
    "image_size",
    "load_image",
    "read_record",
    "resize",
    "resize_picture",
    "resize_wrapped",
    "save_image",
]

"""Pictures: files and arrays in, sRGB float32 in [0, 1] to work on, files out."""

from jaxstyle.errors import ImageError
from jaxstyle.images.picture import Picture, checked_rgb
from jaxstyle.images.reading import as_picture, image_size, load_image
from jaxstyle.images.resizing import fit_longest_side, resize, resize_picture, resize_wrapped
from jaxstyle.images.writing import SUPPORTED_EXTENSIONS, check_writable, read_record, save_image

__all__ = [
    "SUPPORTED_EXTENSIONS",
    "ImageError",
    "Picture",
    "as_picture",
    "check_writable",
    "checked_rgb",
    "fit_longest_side",
    "image_size",
    "load_image",
    "read_record",
    "resize",
    "resize_picture",
    "resize_wrapped",
    "save_image",
]

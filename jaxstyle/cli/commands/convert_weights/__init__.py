"""``jaxstyle convert-weights``: any known VGG-19 file becomes ``weights/vgg19.h5``."""

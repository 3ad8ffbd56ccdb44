"""Results as something to show: contact sheets, pages, animations, plots. Knows nothing of JAX."""

from jaxstyle.display.figures.animation import (
    ANIMATION_EXTENSIONS,
    check_animation_path,
    save_animation,
)
from jaxstyle.display.figures.comparison_page import PageCell, write_page
from jaxstyle.display.figures.contact_sheet import contact_sheet, strip
from jaxstyle.display.figures.loss_plot import PLOT_EXTENSIONS, check_plot_path, save_loss_plot
from jaxstyle.runtime.atomic_files import check_file
from jaxstyle.runtime.json_and_csv import write_csv, write_json

__all__ = [
    "ANIMATION_EXTENSIONS",
    "PLOT_EXTENSIONS",
    "PageCell",
    "check_animation_path",
    "check_file",
    "check_plot_path",
    "contact_sheet",
    "save_animation",
    "save_loss_plot",
    "strip",
    "write_csv",
    "write_json",
    "write_page",
]

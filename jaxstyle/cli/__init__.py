"""The command line: ``jaxstyle COMMAND ...``."""

"""How fast jaxstyle is and how much memory it takes: ``python -m benchmarks --help``."""

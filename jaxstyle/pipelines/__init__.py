"""Many pictures: sweeps, batches, videos, the paper's figures."""

"""Published weight files: where they are, how they are fetched and verified."""

"""One picture: prepared, painted coarse to fine, recorded, resumed, replayed."""

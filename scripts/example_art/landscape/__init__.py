"""A village on a lake under mountains: content picture."""

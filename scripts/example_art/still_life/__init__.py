"""Fruit, a bottle and a jug by a window: content picture."""

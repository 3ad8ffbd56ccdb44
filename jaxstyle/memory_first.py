"""How XLA is told to order a program: such that little is held at once."""

from __future__ import annotations

MEMORY_FIRST = {"xla_cpu_scheduler_type": "CPU_SCHEDULER_TYPE_MEMORY_OPTIMIZED"}
"""``compiler_options`` of programs that hold features.

By default XLA's CPU backend orders operations such that many can run at once, and they then hold
1.5 to 2 times as much. Convolutions fill all cores anyhow: it is no slower, and the figures are the
same to the bit. Other backends have no such choice and pay it no heed.
"""

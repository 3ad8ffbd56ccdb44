"""The machine: memory, processes, compiler options, atomic files, Ctrl-C."""

"""The page of ``jaxstyle studio``, and what it asks of the program over HTTP."""

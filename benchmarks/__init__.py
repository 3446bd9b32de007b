"""Side-by-side comparisons with what others use: every figure is measured in the run that prints it, one thread each."""

import os

# Before NumPy and torch are imported, which read these once.
for _library in ("OMP", "OPENBLAS", "MKL"):
    os.environ.setdefault(f"{_library}_NUM_THREADS", "1")

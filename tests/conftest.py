import os

# Before torch loads: spinning OpenMP threads slow everything down on a shared machine.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

"""Runtime: processes, devices, signals and the console around a training."""

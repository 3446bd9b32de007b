"""Names of the user attributes that a search keeps with its Optuna trials."""

NOTES = "scaler"  # what the sampler noted of its proposal; see `scaler.trials.sampler.noted_of`
RECORD = "record"  # what was told with a score
ERROR = "error"  # why the candidate could not be scored
SURPLUS = "surplus"  # asked for at the same moment as the last one that was wanted
WORKER = "worker"  # the process that trains it
DIGEST = "digest"  # of a scored trial

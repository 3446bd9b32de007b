"""Studies: questions about the tool answered by many trainings, each one command, its results kept in docs/studies/."""

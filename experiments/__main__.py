"""``python -m experiments`` does what ``scaler`` does."""

from scaler.launch import main

main()

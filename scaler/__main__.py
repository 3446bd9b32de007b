"""``python -m scaler`` does what ``scaler`` does."""

from scaler.launch import main

main()

"""Ranking: networks of a space trained several times, cheap scores of them, and the agreement of both orders."""

"""Routing as a widget: who reads which token, how narrowly, and what would change it."""

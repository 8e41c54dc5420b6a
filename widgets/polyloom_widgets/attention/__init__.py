"""Attention as a widget: overview, one head, the text, what follows from it."""

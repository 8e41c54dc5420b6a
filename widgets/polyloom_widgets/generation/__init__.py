"""Writing as a widget: stream, scrub, alternatives, forks."""

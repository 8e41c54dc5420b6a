"""The live view of a training."""

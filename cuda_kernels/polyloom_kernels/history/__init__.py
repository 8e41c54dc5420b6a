"""`history`: what a text has said so far about its own next tokens; counts alone, no probabilities.

Of a place t and each order n: among the earlier places whose last n tokens are the same, how many there are, how many
different tokens came next there, and how often it was the token that comes next now.  And the recent tokens, counted in
buckets of time, each bucket worth less than the one after it:

    recent(y) = Σ_b fade^(now − b) · |{i in bucket b : tokens[i] = y}|          over the newest buckets
"""

from polyloom_kernels.history.memory import Memory
from polyloom_kernels.history.reference import Remembered, Spoken, judged, likely, spoken

__all__ = ["Memory", "Remembered", "Spoken", "judged", "likely", "spoken"]

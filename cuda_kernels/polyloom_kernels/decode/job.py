"""What a gang of threads is told of a job: whole numbers in its words, addresses among them, for all threads to read.

- A **product** is that of `INPUTS` vectors at `X`, of `WIDTH` numbers, with `COUNT` matrices, rows of the plan at
  `MATRICES`; rounded they lie at `ROUNDED`, `ROOMY` bytes apart, with `STEPS` and `SUMS`, and for 4 bits at `PAIRED`,
  with `STARTS`.  Results go to `Y`, `OUTPUTS` numbers for each vector, of which a part is `PART`.
- A **look** back is that of `INPUTS` places from `PLACE` on, whose queries lie at `X`, `WIDTH` numbers apart, into keys
  and values of `CAPACITY` places, no further than `REACH`, unless that is 0; a part is one of the `HEADS` of size
  `HEAD`, `SHARED` of which share keys.  Results go to `Y`.
"""

from polyloom_kernels.gang import ROOM

PRODUCT, LOOK = range(2)
WHAT, THREADS, INPUTS, X, WIDTH, Y = range(ROOM, ROOM + 6)
MATRICES, COUNT, ROUNDED, ROOMY, STEPS, SUMS, PAIRED, STARTS, OUTPUTS, PART = range(Y + 1, Y + 11)
PLACE, KEYS, VALUES, CAPACITY, HEAD, HEADS, SHARED, REACH = range(PART + 1, PART + 9)
SIZE = REACH + 1  # words of a gang

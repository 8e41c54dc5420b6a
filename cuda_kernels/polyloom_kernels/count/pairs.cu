// The pairs of a text as keys, and sorted keys as rows: what `pairs` does on a GPU beside counting.
//
//   row = token · window + offset − 1,     key = row · size + the token that follows at that offset
#include "device.cuh"

#define THREADS 256  // of a block, at most

// A key for each place and offset; where the document ends before that, `none`, which is larger than all others.
extern "C" __global__ void __launch_bounds__(THREADS)
    pair_keys(const int* tokens, int length, const long long* starts, int documents, int size, int window,
              long long none, long long* keys) {
  const long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x, place = i / window, offset = i % window + 1;
  if (place >= length) return;
  const long long next = below(starts, 0, documents, place + 1);
  const long long end = next < documents ? starts[next] : length;
  const long long row = tokens[place] * (long long)window + offset - 1;
  keys[i] = place + offset < end ? row * size + tokens[place + offset] : none;
}

// Where each row begins, and where the last one ends.
extern "C" __global__ void __launch_bounds__(THREADS)
    pair_rows(const long long* keys, int runs, int size, int rows, long long* starts) {
  const int row = blockIdx.x * blockDim.x + threadIdx.x;
  if (row <= rows) starts[row] = below(keys, 0, runs, (long long)row * size);
}

// What follows, without the row, and how often.
extern "C" __global__ void __launch_bounds__(THREADS)
    pair_targets(const long long* keys, const long long* counts, int runs, int size, TARGET* targets, unsigned* often) {
  const int run = blockIdx.x * blockDim.x + threadIdx.x;
  if (run >= runs) return;
  targets[run] = (TARGET)(keys[run] % size);
  often[run] = (unsigned)counts[run];
}

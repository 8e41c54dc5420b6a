// Two runs of distinct ascending keys made one: how `merge` is done on a GPU.
//
//   rank of a[i] = i + |{b < a[i]}| − |{keys that both have, before a[i]}|
//
// A thread looks for its key in the other run; its block, whose keys are neighbours, has narrowed where to look.
#include "device.cuh"

#define THREADS 256  // of a block, at most

// How many keys of the other run are below key i of this one, for each thread of a block whose keys are tile … last − 1.
// `window` are two numbers of shared memory; whoever calls again has a barrier in between.
__device__ inline long long place_of(const long long* run, long long tile, long long last, const long long* other,
                                     long long size, long long* window) {
  const long long i = tile + threadIdx.x;
  const int end = threadIdx.x == blockDim.x - 1;
  if (threadIdx.x == 0 || end) window[end] = below(other, 0, size, run[end ? last - 1 : tile]);
  __syncthreads();
  return i < last ? below(other, window[0], window[1], run[i]) : 0;
}

// How many keys of b are below each of a, and how many keys of each block's share both have.
extern "C" __global__ void __launch_bounds__(THREADS)
    meet(const long long* keys_a, int size_a, const long long* keys_b, int size_b, long long share, int* below,
         int* found) {
  __shared__ long long window[2];
  const long long first = blockIdx.x * share, end = min(first + share, (long long)size_a);
  int count = 0;
  for (long long tile = first; tile < end; tile += blockDim.x) {
    const long long i = tile + threadIdx.x, last = min(tile + blockDim.x, end);
    const long long at = place_of(keys_a, tile, last, keys_b, size_b, window);
    if (i < last) below[i] = (int)at;
    count += __syncthreads_count(i < last && at < size_b && keys_b[at] == keys_a[i]);
  }
  if (threadIdx.x == 0) found[blockIdx.x] = count;
}

// The keys of a, with what b counted of them; `found` is how many before each block's share both have.
extern "C" __global__ void __launch_bounds__(THREADS)
    settle(const long long* keys_a, const long long* counts_a, int size_a, const long long* keys_b,
           const long long* counts_b, int size_b, long long share, const int* below, const int* found, long long* keys,
           long long* counts, long long* ranks_a) {
  __shared__ int sums[32];
  const long long first = blockIdx.x * share, last = min(first + share, (long long)size_a);
  int before = found[blockIdx.x];
  for (long long tile = first; tile < last; tile += blockDim.x) {
    const long long i = tile + threadIdx.x, at = i < last ? below[i] : size_b;
    const int both = at < size_b && keys_b[at] == keys_a[i];
    const long long rank = i + at - before - sum_before(both, sums);
    if (i < last) {
      keys[rank] = keys_a[i];
      counts[rank] = counts_a[i] + (both ? counts_b[at] : 0);
      ranks_a[i] = rank;
    }
    for (int warp = 0; warp < blockDim.x / 32; warp++) before += sums[warp];
    __syncthreads();
  }
}

// The keys that only b has; `common` is how many both have.
extern "C" __global__ void __launch_bounds__(THREADS)
    join(const long long* keys_a, int size_a, const long long* keys_b, const long long* counts_b, int size_b,
         const int* below, const long long* ranks_a, int common, long long* keys, long long* counts,
         long long* ranks_b) {
  __shared__ long long window[2];
  const long long tile = (long long)blockIdx.x * blockDim.x, last = min(tile + blockDim.x, (long long)size_b);
  const long long i = tile + threadIdx.x, at = place_of(keys_b, tile, last, keys_a, size_a, window);
  if (i >= last) return;
  if (at < size_a && keys_a[at] == keys_b[i]) {
    ranks_b[i] = ranks_a[at];
    return;
  }
  const long long rank = i + at - (at < size_a ? at + below[at] - ranks_a[at] : common);
  keys[rank] = keys_b[i];
  counts[rank] = counts_b[i];
  ranks_b[i] = rank;
}

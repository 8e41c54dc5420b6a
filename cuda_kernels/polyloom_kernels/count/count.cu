// Keys sorted with their places, and the runs of equal ones: how `count` is done on a GPU.
//
//   packed[i] = (keys[i] − low) · 2^places + i        `places` bits hold a place, none if nobody asks for ranks
//
// The bits of the keys are sorted digit by digit, lowest first; equal digits stay in order, so the result is the same
// every time.  A block takes `share` neighbours, and in them a tile of ROUNDS for each thread after another.  Three
// kernels are a pass: each block counts its digits; each row of the table of digits × blocks becomes sums; each block
// moves what it has to where its digits come, in the order of a tile that is sorted in shared memory first, so that
// neighbours are written together.
#include "device.cuh"

#define THREADS 256  // of a block, at most
#define WARPS (THREADS / 32)
#define ROUNDS 16  // words of a thread in a tile
#define BINS 256   // digits, at most

typedef WORD Word;  // of 32 bits where key and place fit into them, else of 64

__device__ inline int digit_of(Word word, int shift, int bins) { return (int)(word >> shift) & (bins - 1); }

// Each of `size` values becomes the sum of those before it; gives the sum of all.  Value i is read by the thread that a
// loop from threadIdx.x in steps of blockDim.x brings to it, and the end is a barrier.
__device__ inline int starts_of(int* values, int size, int* sums) {
  int carry = 0;
  for (int tile = 0; tile < size; tile += blockDim.x) {
    const int i = tile + threadIdx.x, value = i < size ? values[i] : 0;
    const int start = carry + sum_before(value, sums);
    if (i < size) values[i] = start;
    for (int warp = 0; warp < blockDim.x / 32; warp++) carry += sums[warp];
    __syncthreads();
  }
  return carry;
}

// The least and the largest key; `bounds` hold a key already.
extern "C" __global__ void __launch_bounds__(THREADS) span(const long long* keys, long long size, long long* bounds) {
  long long least = keys[0], most = keys[0];
  for (long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x; i < size; i += (long long)gridDim.x * blockDim.x) {
    least = min(least, keys[i]);
    most = max(most, keys[i]);
  }
  for (int step = 16; step; step /= 2) {
    least = min(least, __shfl_xor_sync(EVERY_LANE, least, step));
    most = max(most, __shfl_xor_sync(EVERY_LANE, most, step));
  }
  if (threadIdx.x % 32 == 0) {
    atomicMin(&bounds[0], least);
    atomicMax(&bounds[1], most);
  }
}

// Keys without their `done` lower bits beside their places; `again` if `packed` holds an order of the places already.
extern "C" __global__ void __launch_bounds__(THREADS)
    pack(const long long* keys, long long size, long long low, int done, int places, int again, Word* packed) {
  const long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= size) return;
  const Word mask = ((Word)1 << places) - 1, place = again ? packed[i] & mask : (Word)i;
  packed[i] = ((Word)keys[place] - (Word)low) >> done << places | (place & mask);
}

// How often each block has each digit: table[digit][block].
extern "C" __global__ void __launch_bounds__(THREADS)
    histogram(const Word* packed, long long size, long long share, int shift, int bins, int* table) {
  __shared__ int seen[BINS];
  const long long first = blockIdx.x * share, last = min(first + share, size);
  for (int bin = threadIdx.x; bin < bins; bin += blockDim.x) seen[bin] = 0;
  __syncthreads();
  for (long long i = first + threadIdx.x; i < last; i += blockDim.x) atomicAdd(&seen[digit_of(packed[i], shift, bins)], 1);
  __syncthreads();
  for (int bin = threadIdx.x; bin < bins; bin += blockDim.x) table[(long long)bin * gridDim.x + blockIdx.x] = seen[bin];
}

// A block for each row of a table (rows, width): each value becomes the sum of those before it, and the row's in totals.
extern "C" __global__ void __launch_bounds__(THREADS) offsets(int* table, int width, int* totals) {
  __shared__ int sums[32];
  const int total = starts_of(table + (long long)blockIdx.x * width, width, sums);
  if (threadIdx.x == 0) totals[blockIdx.x] = total;
}

// Everything to where its digit comes, in order.
extern "C" __global__ void __launch_bounds__(THREADS)
    scatter(const Word* packed, long long size, long long share, int shift, int bins, const int* table,
            const int* totals, Word* out) {
  __shared__ Word staged[THREADS * ROUNDS];  // a tile, sorted
  __shared__ int ranks[WARPS][BINS];         // how many of a digit a warp has had, then how many come before its own
  __shared__ int next[BINS], local[BINS];    // where a digit goes on in `out`; where it starts in the tile
  __shared__ int sums[32];
  const int lane = threadIdx.x % 32, warp = threadIdx.x / 32, warps = blockDim.x / 32;
  const long long first = blockIdx.x * share, last = min(first + share, size);
  for (int bin = threadIdx.x; bin < bins; bin += blockDim.x) next[bin] = totals[bin];
  starts_of(next, bins, sums);
  for (int bin = threadIdx.x; bin < bins; bin += blockDim.x) next[bin] += table[(long long)bin * gridDim.x + blockIdx.x];

  for (long long tile = first; tile < last; tile += blockDim.x * ROUNDS) {
    const int here = (int)min((long long)blockDim.x * ROUNDS, last - tile), begin = warp * 32 * ROUNDS;
    for (int bin = threadIdx.x; bin < bins; bin += blockDim.x) {
      for (int other = 0; other < warps; other++) ranks[other][bin] = 0;
    }
    __syncthreads();
    Word mine[ROUNDS];
    int rank[ROUNDS];  // among those of the same digit in this warp
#pragma unroll
    for (int round = 0; round < ROUNDS; round++) {
      const int at = begin + round * 32 + lane;
      mine[round] = at < here ? packed[tile + at] : 0;
      const int digit = at < here ? digit_of(mine[round], shift, bins) : -1;
      const unsigned same = __match_any_sync(EVERY_LANE, digit), lower = same & ((1u << lane) - 1);
      rank[round] = (digit < 0 ? 0 : ranks[warp][digit]) + __popc(lower);
      __syncwarp();
      if (digit >= 0 && same >> lane == 1) ranks[warp][digit] = rank[round] + 1;
      __syncwarp();
    }
    __syncthreads();
    for (int bin = threadIdx.x; bin < bins; bin += blockDim.x) {
      int sum = 0;
      for (int other = 0; other < warps; other++) {
        const int count = ranks[other][bin];
        ranks[other][bin] = sum;
        sum += count;
      }
      local[bin] = sum;
    }
    starts_of(local, bins, sums);
#pragma unroll
    for (int round = 0; round < ROUNDS; round++) {
      if (begin + round * 32 + lane >= here) continue;
      const int digit = digit_of(mine[round], shift, bins);
      staged[local[digit] + ranks[warp][digit] + rank[round]] = mine[round];
    }
    __syncthreads();
    for (int i = threadIdx.x; i < here; i += blockDim.x) {
      const int digit = digit_of(staged[i], shift, bins);
      out[next[digit] + i - local[digit]] = staged[i];
    }
    __syncthreads();
    for (int bin = threadIdx.x; bin < bins; bin += blockDim.x)
      next[bin] += (bin + 1 < bins ? local[bin + 1] : here) - local[bin];
  }
}

// Whether a sorted word's key is another than that of the one before it; `whole` if words do not hold all of their keys.
__device__ inline int heads_run(const long long* keys, const Word* packed, long long i, int places, int whole) {
  if (i == 0) return 1;
  if (!whole) return packed[i] >> places != packed[i - 1] >> places;
  const Word mask = ((Word)1 << places) - 1;
  return keys[packed[i] & mask] != keys[packed[i - 1] & mask];
}

// How many runs of equal keys begin in each block's share.
extern "C" __global__ void __launch_bounds__(THREADS)
    heads(const long long* keys, const Word* packed, long long size, long long share, int places, int whole, int* found) {
  const long long first = blockIdx.x * share, last = min(first + share, size);
  int count = 0;
  for (long long tile = first; tile < last; tile += blockDim.x) {
    const long long i = tile + threadIdx.x;
    count += __syncthreads_count(i < last && heads_run(keys, packed, i, places, whole));
  }
  if (threadIdx.x == 0) found[blockIdx.x] = count;
}

// The key of each run, where it starts, and for each place the number of its run, if `ranks` are asked for.
extern "C" __global__ void __launch_bounds__(THREADS)
    emit(const long long* keys, const Word* packed, long long size, long long share, int places, int whole,
         long long low, const int* found, long long* distinct, int* starts, long long* ranks) {
  __shared__ int sums[32];
  const Word mask = ((Word)1 << places) - 1;
  const long long first = blockIdx.x * share, last = min(first + share, size);
  int before = found[blockIdx.x];
  for (long long tile = first; tile < last; tile += blockDim.x) {
    const long long i = tile + threadIdx.x;
    const int head = i < last ? heads_run(keys, packed, i, places, whole) : 0;
    const int run = before + sum_before(head, sums) + head - 1;
    if (head) {
      const unsigned long long beyond = packed[i] >> places;  // `low`; without a sign, because the sum may wrap around
      distinct[run] = whole ? keys[packed[i] & mask] : (long long)(beyond + (unsigned long long)low);
      starts[run] = (int)i;
    }
    if (ranks && i < last) ranks[packed[i] & mask] = run;
    for (int warp = 0; warp < blockDim.x / 32; warp++) before += sums[warp];
    __syncthreads();
  }
}

// How far it is from each start to the next.
extern "C" __global__ void __launch_bounds__(THREADS)
    widths(const int* starts, int runs, long long size, long long* counts) {
  const int run = blockIdx.x * blockDim.x + threadIdx.x;
  if (run < runs) counts[run] = (run + 1 < runs ? starts[run + 1] : size) - starts[run];
}

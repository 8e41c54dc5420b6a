// The sums of sparse rows over a context and over layers, and the best tokens: integers, so the order never matters.
//
// recall   block (context, tile): the scores of `tile` tokens in shared memory, begun with their bias.  The entries of
//          the context's rows are fetched side by side, a thread each; then a warp adds up a row, 32 postings at a time.
//          At the end each warp finds the k best of its part, and one warp merges them.
// finish   a warp a context: merges the tiles, and takes the keys apart.
//
// A key is score * 2^32 + (2^32 - 1 - token): one comparison decides, and no two are equal.
//
// Bytes for each context: 8 for a table entry of each row and 3 (5 above 65,536 tokens) for each posting, in whole lines
// of 64, from memory; 4 V of biases from the cache.  Operations: an addition to shared memory for each posting, V reads
// and comparisons, and for each of the k best some 50 instructions of each warp.
#include "device.cuh"

#ifndef TARGET
#define TARGET unsigned short
#endif

typedef long long Key;
#define NEVER ((Key)1 << 63)
#define ROWS 256  // entries that are fetched at a time
#define LIMIT ((unsigned long long)1 << 30)

__device__ inline Key highest(Key key) {
  for (int step = 16; step; step >>= 1) {
    const Key other = __shfl_xor_sync(EVERY_LANE, key, step);
    key = other > key ? other : key;
  }
  return key;
}

// The k best of up to 32 descending lists, one a lane.
__device__ inline void merge(const Key* lists, int count, int k, int lane, Key* best) {
  int at = 0;
  Key mine = lane < count ? lists[(long long)lane * k] : NEVER;
  for (int i = 0; i < k; i++) {
    const Key found = highest(mine);
    if (lane == 0) best[i] = found;
    if (mine == found) {
      at++;
      mine = at < k && lane < count ? lists[(long long)lane * k + at] : NEVER;
    }
  }
}

extern "C" __global__ void __launch_bounds__(1024)
    recall(const int* __restrict__ text, const long long* __restrict__ first, const long long* __restrict__ last,
           int window, int layers, const long long* __restrict__ layer_weights,
           const unsigned long long* __restrict__ table, const unsigned char* __restrict__ arena,
           const int* __restrict__ bias, int size, int tile, int k, long long* __restrict__ best,
           int* __restrict__ refused) {
  DYNAMIC_SHARED(Key, lists);  // [warps][k], then the scores
  __shared__ long long factors[ROWS];
  __shared__ unsigned lines[ROWS];
  __shared__ int lengths[ROWS];
  __shared__ unsigned long long reach;
  __shared__ int unknown;
  const int lane = threadIdx.x & 31, warp = threadIdx.x >> 5, warps = blockDim.x >> 5;
  int* const score = reinterpret_cast<int*>(lists + (long long)warps * k);
  const long long context = blockIdx.x, end = last[context];
  const unsigned begin = blockIdx.y * tile, held = min(tile, size - (int)begin);
  const int rows = (int)min(end - first[context], (long long)window) * layers;

  if (threadIdx.x == 0) reach = 0, unknown = 0;
  for (unsigned t = threadIdx.x; t < held; t += blockDim.x) score[t] = bias[begin + t];

  for (int done = 0; done < rows; done += ROWS) {
    __syncthreads();
    const int here = min(ROWS, rows - done);
    for (int r = threadIdx.x; r < here; r += blockDim.x) {
      const int distance = (done + r) / layers, layer = (done + r) % layers;
      const long long token = text[end - 1 - distance];
      const bool known = token >= 0 && token < size;
      const unsigned long long entry = known ? table[(token * window + distance) * layers + layer] : 0;
      const long long factor = ((long long)(entry >> 40) * layer_weights[layer]) >> 16;
      lines[r] = (unsigned)entry, lengths[r] = (int)(entry >> 32 & 255), factors[r] = factor;
      atomicAdd(&reach, (unsigned long long)(((factor < 0 ? -factor : factor) * 127 >> 8) + 1));
      if (!known) atomicExch(&unknown, 1);
    }
    __syncthreads();
    for (int r = warp; r < here; r += warps) {
      const unsigned char* row = arena + (long long)lines[r] * 64;
      const TARGET* targets = reinterpret_cast<const TARGET*>(row);
      const signed char* weights = reinterpret_cast<const signed char*>(row + lengths[r] * sizeof(TARGET));
      for (int e = lane; e < lengths[r]; e += 32) {
        const unsigned target = targets[e] - begin;  // below `begin` it wraps around, beyond all that is held
        if (target < held) atomicAdd(&score[target], (int)(factors[r] * weights[e] >> 8));
      }
    }
  }
  __syncthreads();
  if (threadIdx.x == 0 && blockIdx.y == 0) refused[context] = unknown ? 2 : reach >= LIMIT;

  // A warp has `deep` lines of 32 scores.  Lane l owns one score of each, in line i the one at l + i, around: so
  // neither reading what the lanes own nor reading all that one lane owns makes two lanes meet in a bank.
  const int deep = (held + blockDim.x - 1) / blockDim.x, part = warp * deep * 32;
  Key mine = NEVER;
  for (int i = 0; i < deep; i++) {
    const unsigned t = part + i * 32 + (lane + i & 31);
    const Key key = t < held ? (Key)score[t] * 4294967296 + (4294967295u - begin - t) : NEVER;
    mine = key > mine ? key : mine;
  }
  for (int n = 0; n < k; n++) {
    const Key found = highest(mine);
    if (lane == 0) lists[warp * k + n] = found;
    const int owner = __ffs(__ballot_sync(EVERY_LANE, mine == found)) - 1;
    Key next = NEVER;  // the best of the owner's that comes after what was found
    for (int i = lane; i < deep; i += 32) {
      const unsigned t = part + i * 32 + (owner + i & 31);
      const Key key = t < held ? (Key)score[t] * 4294967296 + (4294967295u - begin - t) : NEVER;
      if (key < found && key > next) next = key;
    }
    next = highest(next);
    if (lane == owner) mine = next;
  }
  __syncthreads();
  if (warp == 0) merge(lists, warps, k, lane, best + (context * gridDim.y + blockIdx.y) * k);
}

extern "C" __global__ void __launch_bounds__(32)
    finish(const long long* __restrict__ best, int tiles, int k, int* __restrict__ tokens, int* __restrict__ scores) {
  DYNAMIC_SHARED(Key, merged);
  const long long context = blockIdx.x;
  merge(best + context * tiles * k, tiles, k, threadIdx.x, merged);
  __syncwarp();
  for (int i = threadIdx.x; i < k; i += 32) {
    tokens[context * k + i] = (int)(4294967295u - (unsigned)merged[i]);
    scores[context * k + i] = (int)(merged[i] >> 32);
  }
}

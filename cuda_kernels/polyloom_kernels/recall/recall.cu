// The sums of sparse rows over a context and over layers, and the best tokens: integers, so the order never matters.
//
// recall   block (context, tile): the scores of `tile` tokens in shared memory, begun with their bias.  The entries of
//          the context's rows are fetched side by side, a thread each, and the rows asked for; then a warp adds up a
//          row, 32 postings at a time.  At the end each warp finds the k best of its part, and one warp merges them.
// finish   a warp a context: merges the tiles, and takes the keys apart.
// softmax  block (context, tile): the same scores, their maximum, the sum of e to what they lack of it, and the score
//          of one target.
// settle   a thread a context: from these, over the tiles, the log-likelihood of the target.
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

struct Rows {  // of one context: of each row what is needed to add it up, and what may be wrong with them
  long long factors[ROWS];
  unsigned lines[ROWS];
  int lengths[ROWS];
  unsigned long long reach;
  int unknown;
};

struct Store {
  const unsigned long long* table;
  const unsigned char* arena;
  const int* bias;
  int size, window, layers;
};

// The scores of `held` tokens from `begin` on after text[first:last]; why they are not to be used, else 0.
__device__ inline int add_up(const Store& store, const int* text, long long first, long long last,
                             const long long* layer_weights, unsigned begin, unsigned held, Rows& rows, int* score) {
  const int lane = threadIdx.x & 31, warp = threadIdx.x >> 5, warps = blockDim.x >> 5;
  const int count = (int)min(last - first, (long long)store.window) * store.layers;
  if (threadIdx.x == 0) rows.reach = 0, rows.unknown = 0;
  for (unsigned t = threadIdx.x; t < held; t += blockDim.x) score[t] = store.bias[begin + t];

  for (int done = 0; done < count; done += ROWS) {
    __syncthreads();
    const int here = min(ROWS, count - done);
    for (int r = threadIdx.x; r < here; r += blockDim.x) {
      const int distance = (done + r) / store.layers, layer = (done + r) % store.layers;
      const long long token = text[last - 1 - distance];
      const bool known = token >= 0 && token < store.size;
      const long long row = (token * store.window + distance) * store.layers + layer;
      const unsigned long long entry = known ? store.table[row] : 0;
      const long long factor = ((long long)(entry >> 40) * layer_weights[layer]) >> 16;
      const int length = (int)(entry >> 32 & 255);
      const unsigned line = (unsigned)entry;
      for (int at = 0; at < length * (1 + (int)sizeof(TARGET)); at += 64) prefetch(store.arena + line * 64ll + at);
      rows.lines[r] = line, rows.lengths[r] = length, rows.factors[r] = factor;
      atomicAdd(&rows.reach, (unsigned long long)(((factor < 0 ? -factor : factor) * 127 >> 8) + 1));
      if (!known) atomicExch(&rows.unknown, 1);
    }
    __syncthreads();
    for (int r = warp; r < here; r += warps) {
      const unsigned char* row = store.arena + (long long)rows.lines[r] * 64;
      const int length = rows.lengths[r];
      const long long factor = rows.factors[r];
      const TARGET* targets = reinterpret_cast<const TARGET*>(row);
      const signed char* weights = reinterpret_cast<const signed char*>(row + length * sizeof(TARGET));
      for (int e = lane; e < length; e += 32) {
        const unsigned target = targets[e] - begin;  // below `begin` it wraps around, beyond all that is held
        if (target < held) atomicAdd(&score[target], (int)(factor * weights[e] >> 8));
      }
    }
  }
  __syncthreads();
  return rows.unknown ? 2 : rows.reach >= LIMIT;
}

extern "C" __global__ void __launch_bounds__(1024, 1)
    recall(const int* __restrict__ text, const long long* __restrict__ first, const long long* __restrict__ last,
           const long long* __restrict__ layer_weights, const unsigned long long* __restrict__ table,
           const unsigned char* __restrict__ arena, const int* __restrict__ bias, int size, int window, int layers,
           int tile, int k, long long* __restrict__ best, int* __restrict__ refused) {
  DYNAMIC_SHARED(Key, lists);  // [warps][k], then the scores
  __shared__ Rows rows;
  const int lane = threadIdx.x & 31, warp = threadIdx.x >> 5, warps = blockDim.x >> 5;
  int* const score = reinterpret_cast<int*>(lists + (long long)warps * k);
  const long long context = blockIdx.x;
  const unsigned begin = blockIdx.y * tile, held = min(tile, size - (int)begin);
  const Store store = {table, arena, bias, size, window, layers};
  const int wrong = add_up(store, text, first[context], last[context], layer_weights, begin, held, rows, score);
  if (threadIdx.x == 0 && blockIdx.y == 0) refused[context] = wrong;

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

#define NATS (1.0f / 65536)  // of a unit

extern "C" __global__ void __launch_bounds__(1024, 1)
    softmax(const int* __restrict__ text, const long long* __restrict__ first, const long long* __restrict__ last,
            const int* __restrict__ wanted, const long long* __restrict__ layer_weights,
            const unsigned long long* __restrict__ table, const unsigned char* __restrict__ arena,
            const int* __restrict__ bias, int size, int window, int layers, int tile, int* __restrict__ highest,
            float* __restrict__ total, int* __restrict__ found, int* __restrict__ refused) {
  DYNAMIC_SHARED(int, score);
  __shared__ Rows rows;
  __shared__ int tops[32];
  __shared__ float sums[32];
  const int lane = threadIdx.x & 31, warp = threadIdx.x >> 5, warps = blockDim.x >> 5;
  const long long context = blockIdx.x, part = context * gridDim.y + blockIdx.y;
  const unsigned begin = blockIdx.y * tile, held = min(tile, size - (int)begin);
  const Store store = {table, arena, bias, size, window, layers};
  const int wrong = add_up(store, text, first[context], last[context], layer_weights, begin, held, rows, score);
  const unsigned target = wanted[context] - begin;
  if (threadIdx.x == 0 && blockIdx.y == 0) refused[context] = wrong;
  if (threadIdx.x == 0 && target < held) found[context] = score[target];

  int top = -2147483647 - 1;
  for (unsigned t = threadIdx.x; t < held; t += blockDim.x) top = max(top, score[t]);
  top = __reduce_max_sync(EVERY_LANE, top);
  if (lane == 0) tops[warp] = top;
  __syncthreads();
  top = __reduce_max_sync(EVERY_LANE, tops[lane % warps]);  // every warp finds the same

  float sum = 0;
  for (unsigned t = threadIdx.x; t < held; t += blockDim.x) sum += __expf(((long long)score[t] - top) * NATS);
  sum = warp_sum(sum);
  if (lane == 0) sums[warp] = sum;
  __syncthreads();
  if (warp == 0) {
    sum = warp_sum(lane < warps ? sums[lane] : 0);
    if (lane == 0) highest[part] = top, total[part] = sum;
  }
}

extern "C" __global__ void __launch_bounds__(256)
    settle(const int* __restrict__ highest, const float* __restrict__ total, const int* __restrict__ found,
           const int* __restrict__ wanted, int size, int contexts, int tiles, double* __restrict__ likelihood) {
  const long long context = (long long)blockIdx.x * blockDim.x + threadIdx.x;
  if (context >= contexts) return;
  const int* tops = highest + context * tiles;
  long long top = tops[0];
  for (int i = 1; i < tiles; i++) top = max(top, (long long)tops[i]);
  double sum = 0;
  for (int i = 0; i < tiles; i++) sum += total[context * tiles + i] * exp((tops[i] - top) * (double)NATS);
  const int target = wanted[context];
  const bool known = target >= 0 && target < size;
  likelihood[context] = known ? (found[context] - top) * (double)NATS - log(sum) : 0;
}

// One token from a row of logits: three passes over it by one block, and nothing put in order but a few tokens.
//
//   1  the largest number
//   2  tokens and weights of each level, by atomics on shared memory
//   3  the keys of the levels in which top_k, top_p or min_p ends or the dice fall; they are sorted and summed up
//
// Everything but a distance is whole numbers (see weights.py), so sums do not depend on the order of threads, and the
// token is that of the reference.  A key is distance * 2^24 + token.  `list` is the memory of a block if the keys fit,
// else that of the device, which they need if thousands of tokens are as likely as each other.
//
// Bytes: 12 V from memory or the cache, V / 8 for a mask.  Operations for each token: some 15, 45 and 15, and two
// additions to shared memory; a sort of n keys has log2(n)^2 / 2 steps.
#include "device.cuh"

typedef unsigned long long Word;
#define ONE 4294967296ull
#define FARTHEST 41  // octaves: a weight from there on is zero, so that nothing beyond can be drawn
#define CLOSED (~0ull)
#define FINEST 27
#define OPEN 1313  // levels: 32 for each octave, and the one that begins with the farthest
#define LEVEL 51  // FINEST + 24: where the level begins in a key
#define NEAR 1024  // keys that a block has room for
#define WARPS 32
#define INFINITE __int_as_float(0x7f800000)

// What a number is made of before it is compared.
struct Row {
  const float* logits;
  const long long* said;  // rising, those below 0 are none
  const unsigned* spoken;  // a bit for each token: whether it is among them
  const float* penalties;
  const unsigned* allowed;
  int size, length;
  unsigned seed, share;
  float boost;
};

__device__ inline Word philox(Word seed, Word counter) {
  unsigned a = (unsigned)counter, b = (unsigned)(counter >> 32), c = 0, d = 0;
  unsigned red = (unsigned)seed, blue = (unsigned)(seed >> 32);
  for (int turn = 0; turn < 10; turn++) {
    const unsigned left = __umulhi(0xD2511F53u, a), right = __umulhi(0xCD9E8D57u, c);
    const unsigned low = 0xD2511F53u * a;
    a = right ^ b ^ red, b = 0xCD9E8D57u * c, c = left ^ d ^ blue, d = low;
    red += 0x9E3779B9u, blue += 0xBB67AE85u;
  }
  return a | (Word)b << 32;
}

// The first place of a rising array whose number is at least `target`.
template <class T>
__device__ inline int reaching(const T* array, int count, T target) {
  int low = 0;
  while (count) {
    const int half = count >> 1;
    if (array[low + half] < target) low += half + 1, count -= half + 1;
    else count = half;
  }
  return low;
}

__device__ inline float number(const Row& row, int token) {
  float x = row.logits[token];
  if (row.length && (row.spoken[token >> 5] >> (token & 31) & 1)) {
    const int times = reaching(row.said, row.length, token + 1ll) - reaching(row.said, row.length, (long long)token);
    x = x > 0 ? x / row.penalties[0] : __fmul_rn(x, row.penalties[0]);
    x = __fadd_rn(x, -__fadd_rn(row.penalties[1], __fmul_rn(row.penalties[2], (float)times)));
  }
  if (row.share) {
    unsigned h = token ^ row.seed;
    h = (h ^ h >> 16) * 0x85EBCA6Bu;
    h = (h ^ h >> 13) * 0xC2B2AE35u;
    if ((h ^ h >> 16) < row.share) x = __fadd_rn(x, row.boost);
  }
  return row.allowed && !(row.allowed[token >> 5] >> (token & 31) & 1) ? -INFINITE : x;
}

__device__ inline Word distance(float x, float top, double scale) {
  const double d = ((double)top - (double)x) * scale;
  return d < FARTHEST ? (Word)llrint(d * 4294967296.0) : CLOSED;  // ties to even
}

__device__ inline Word weight(Word q) {
  const unsigned f = (unsigned)q;
  unsigned h = 631391u - __umulhi(f, 46168u);
  h = 5701304u - __umulhi(f, h);
  h = 41297481u - __umulhi(f, h);
  h = 238385179u - __umulhi(f, h);
  h = 1031764582u - __umulhi(f, h);
  h = 2977044451u - __umulhi(f, h);
  return (ONE - __umulhi(f, h)) << 8 >> min((unsigned)(q >> 32), 63u);
}

// floor(total * part / 2^32), and 1 at least
__device__ inline Word portion(Word total, Word part) {
  return max(1ull, (total >> 32) * part + ((total & 0xffffffffull) * part >> 32));
}

// Sums before each place of an array of `count`, and the whole behind it; all threads take part.
template <class T>
__device__ inline void scan(T* array, int count, T* warps) {
  const int lane = threadIdx.x & 31, warp = threadIdx.x >> 5, each = (count + blockDim.x - 1) / blockDim.x;
  const int first = min(count, (int)threadIdx.x * each), last = min(count, first + each);
  T total = 0;
  for (int n = first; n < last; n++) total += array[n];
  T upto = total;
  for (int step = 1; step < 32; step <<= 1) {
    const T other = __shfl_up_sync(EVERY_LANE, upto, step);
    upto += lane >= step ? other : 0;
  }
  if (lane == 31) warps[warp] = upto;
  __syncthreads();
  T before = upto - total;
  for (int n = 0; n < warp; n++) before += warps[n];
  for (int n = first; n < last; n++) {
    const T here = array[n];
    array[n] = before;
    before += here;
  }
  if (threadIdx.x == blockDim.x - 1) array[count] = before;
  __syncthreads();
}

// Put keys in order, whatever their number: each comparison leaves the smaller one in front, so those that a network of
// a power of 2 would have behind the last never move.
__device__ inline void sort(Word* list, int count) {
  __syncthreads();
  for (int size = 2; size < 2 * count; size <<= 1)
    for (int step = size >> 1; step; step >>= 1) {
      for (int n = threadIdx.x; n < count; n += blockDim.x) {
        const int other = n ^ (2 * step == size ? size - 1 : step);
        if (other > n && other < count && list[n] > list[other]) {
          const Word larger = list[n];
          list[n] = list[other], list[other] = larger;
        }
      }
      __syncthreads();
    }
}

__device__ inline void mark(unsigned* wanted, int first, int last) {
  for (int level = first + threadIdx.x; level <= last; level += blockDim.x)
    atomicOr(&wanted[level >> 5], 1u << (level & 31));
}

// Rows of `words`: top_k, top_p, min_p, seed, place, last token (all bits set: none).
extern "C" __global__ void __launch_bounds__(1024, 1)
    sample(const float* __restrict__ logits, int size, const double* __restrict__ scales,
           const unsigned long long* __restrict__ words, const long long* __restrict__ said, int length,
           const float* __restrict__ penalties, const unsigned* __restrict__ allowed, unsigned long long secret,
           unsigned share, float boost, unsigned long long* __restrict__ scratch, int room,
           long long* __restrict__ tokens, double* __restrict__ chances) {
  DYNAMIC_SHARED(unsigned, low);  // [OPEN], then high [OPEN], then a bit for each token
  __shared__ Word sums[OPEN + 1], near[NEAR], heavy[NEAR + 1], totals[WARPS];
  __shared__ int counts[OPEN + 1], parts[WARPS];
  __shared__ unsigned wanted[(OPEN + 31) / 32];
  __shared__ float tops[WARPS];
  __shared__ int found, held;
  const int lane = threadIdx.x & 31, warp = threadIdx.x >> 5, warps = blockDim.x >> 5;
  unsigned *const high = low + OPEN, *const spoken = high + OPEN;
  const long long b = blockIdx.x;
  const Word *asked = words + 6 * b, most = asked[0], part = asked[1], reach = asked[2];
  const double scale = scales[b];
  const Row row = {logits + b * size,
                   said + b * length,
                   spoken,
                   penalties + 3 * b,
                   allowed ? allowed + b * ((size + 31) / 32) : allowed,
                   size,
                   length,
                   (unsigned)philox(secret, asked[5]),
                   asked[5] == ~0ull ? 0 : share,
                   boost};

  for (int n = threadIdx.x; n < (length ? (size + 31) / 32 : 0); n += blockDim.x) spoken[n] = 0;
  for (int n = threadIdx.x; n < OPEN; n += blockDim.x) low[n] = 0, high[n] = 0, counts[n] = 0;
  for (int n = threadIdx.x; n < (OPEN + 31) / 32; n += blockDim.x) wanted[n] = 0;
  if (threadIdx.x == 0) found = 0, held = 0;
  __syncthreads();
  for (int n = threadIdx.x; n < length; n += blockDim.x)
    if (row.said[n] >= 0) atomicOr(&spoken[row.said[n] >> 5], 1u << (row.said[n] & 31));
  __syncthreads();

  float top = -INFINITE;
  bool odd = false;
  for (int token = threadIdx.x; token < size; token += blockDim.x) {
    const float x = number(row, token);
    odd |= !(x < INFINITE);
    top = fmaxf(top, x);
  }
  top = warp_max(top);
  if (lane == 0) tops[warp] = top;
  odd = __syncthreads_or(odd);
  for (int n = 0; n < warps; n++) top = fmaxf(top, tops[n]);
  if (odd || top == -INFINITE) {
    if (threadIdx.x == 0) tokens[b] = -1, chances[b] = 0;
    return;
  }

  for (int token = threadIdx.x; token < size; token += blockDim.x) {
    const Word q = distance(number(row, token), top, scale);
    if (q != CLOSED) {
      const int level = (int)(q >> FINEST);
      const Word w = weight(q);
      const unsigned before = atomicAdd(&low[level], (unsigned)w);  // of 64 bits it would be a loop
      atomicAdd(&high[level], (unsigned)(w >> 32) + (before + (unsigned)w < before));
      atomicAdd(&counts[level], 1);
    }
  }
  __syncthreads();
  for (int n = threadIdx.x; n < OPEN; n += blockDim.x) sums[n] = (Word)high[n] << 32 | low[n];
  __syncthreads();
  scan(sums, OPEN, totals);
  scan(counts, OPEN, parts);

  // Each step leaves a weight between a least and a most; every level that may matter is looked at.
  const Word dice = min(philox(asked[3], asked[4]), ~0ull - 1);
  Word least = sums[OPEN], greatest = sums[OPEN];
  const bool few = most < (Word)counts[OPEN];
  const int level_k = few ? reaching(counts, OPEN + 1, (int)most) - 1 : 0;
  if (few) {
    mark(wanted, level_k, level_k);
    least = sums[level_k], greatest = sums[level_k + 1];
  }
  if (part < ONE) {
    const int first = reaching(sums, OPEN + 1, portion(least, part)) - 1;
    const int last = reaching(sums, OPEN + 1, portion(greatest, part)) - 1;
    mark(wanted, first, last);
    least = min(least, sums[first]), greatest = min(greatest, sums[last + 1]);
  }
  if (reach < FARTHEST * ONE) {
    const int level = (int)(reach >> FINEST);
    mark(wanted, level, level);
    least = min(least, sums[level]), greatest = min(greatest, sums[level + 1]);
  }
  mark(wanted, reaching(sums, OPEN + 1, __umul64hi(least, dice) + 1) - 1,
       reaching(sums, OPEN + 1, __umul64hi(greatest, dice) + 1) - 1);
  __syncthreads();
  for (int level = threadIdx.x; level < OPEN; level += blockDim.x)
    if (wanted[level >> 5] >> (level & 31) & 1) atomicAdd(&held, counts[level + 1] - counts[level]);
  __syncthreads();

  Word* const list = held <= NEAR ? near : scratch + 2 * b * room;
  Word* const before = held <= NEAR ? heavy : list + room;
  for (int token = threadIdx.x; token < size; token += blockDim.x) {
    const Word q = distance(number(row, token), top, scale);
    const int level = (int)(q >> FINEST);
    if (q != CLOSED && (wanted[level >> 5] >> (level & 31) & 1)) list[atomicAdd(&found, 1)] = q << 24 | token;
  }
  sort(list, held);  // begins and ends with a barrier
  for (int n = threadIdx.x; n < held; n += blockDim.x) before[n] = weight(list[n] >> 24);
  __syncthreads();
  scan(before, held, totals);
  if (threadIdx.x) return;

  // In the list, the weight before its place n is sums[level] + before[n] - before[where the level begins].
  Word left = sums[OPEN];
  if (few) {
    const int start = reaching(list, held, (Word)level_k << LEVEL), at = start + (int)most - counts[level_k];
    left = sums[level_k] + before[at] - before[start];
  }
  if (part < ONE) {
    const Word target = portion(left, part);
    const int level = reaching(sums, OPEN + 1, target) - 1, start = reaching(list, held, (Word)level << LEVEL);
    const int at = reaching(before, held, target - sums[level] + before[start]);
    left = min(left, sums[level] + before[at] - before[start]);
  }
  if (reach < FARTHEST * ONE) {
    const int level = (int)(reach >> FINEST), start = reaching(list, held, (Word)level << LEVEL);
    const int at = reaching(list, held, (reach + 1) << 24);
    left = min(left, sums[level] + before[at] - before[start]);
  }
  const Word place = __umul64hi(left, dice) + 1;
  const int level = reaching(sums, OPEN + 1, place) - 1, start = reaching(list, held, (Word)level << LEVEL);
  const Word key = list[reaching(before, held, place - sums[level] + before[start]) - 1];
  tokens[b] = (long long)(key & 0xffffff);
  chances[b] = (double)weight(key >> 24) / (double)left;
}

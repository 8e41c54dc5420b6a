// Who reads each token, and the tokens of each expert side by side.
//
// A block takes up to TOKENS tokens and a warp one of them at a time; a lane holds PER neighbouring experts, so that of equal
// ones the lowest lane and in it the lowest place is the lowest number.  The k best are found one after another: the
// largest key of the warp, the lowest lane that has it, and that key is taken out.
//
// Nothing is sorted.  A token takes an expert at most once, so each expert has a bit for each token of the block, and
// the rank of a choice among those of its expert is the number of bits below its own: the same whoever came first.
// A single block does all.  Of more, `route` leaves ranks within a block in `inverse`, and the counts of each block;
// `starts` sums those, by expert, then by block, and `place` adds what comes before.
#include "device.cuh"

#define TOKENS 256  // of a block, at most
#define WORDS (TOKENS / 32)
#define EXPERTS (32 * PER)  // at most
#define CHOICES 32          // of a token, at most
#define LEAST __uint_as_float(0xff800000u)  // minus infinity

// An integer that is larger the more is wanted, above zero: of a float the bits, which are ordered as it is once those
// of negative numbers are turned round.  What is no number counts as minus infinity.
__device__ inline unsigned key_of(float wanted) {
  const unsigned bits = __float_as_uint(wanted == wanted ? wanted : LEAST);
  return bits & 0x80000000u ? ~bits : bits | 0x80000000u;
}

__device__ inline float chance_of(float score, int sigmoid, float most, float total) {
  if (!sigmoid) return expf(score - most) / total;
  const float small = expf(-fabsf(score));
  return (score < 0 ? small : 1.0f) / (1.0f + small);
}

// Every lane takes part.  Lane j < active gets the number of the expert that comes at place j.
__device__ inline int choose(const float* chance, const float* bias, int experts, int active, int lane) {
  unsigned key[PER];
  int mine = 0;
#pragma unroll
  for (int j = 0; j < PER; j++) key[j] = lane * PER + j < experts ? key_of(chance[j] + bias[lane * PER + j]) : 0;
  for (int place = 0; place < active; place++) {
    unsigned best = key[PER - 1];
    int at = PER - 1;
#pragma unroll
    for (int j = PER - 2; j >= 0; j--)
      if (key[j] >= best) best = key[j], at = j;
    const unsigned most = __reduce_max_sync(EVERY_LANE, best);
    const int who = __ffs(__ballot_sync(EVERY_LANE, best == most)) - 1;
    const int found = __shfl_sync(EVERY_LANE, lane * PER + at, who);
    if (lane == place) mine = found;
#pragma unroll
    for (int j = 0; j < PER; j++)
      if (lane * PER + j == found) key[j] = 0;
  }
  return mine;
}

extern "C" __global__ void __launch_bounds__(1024)
    route(const float* scores, const float* bias, int tokens, int each, int experts, int active, int sigmoid,
          int normalise, long long* chosen, float* weights, long long* order, long long* inverse, long long* offsets,
          int* counts) {
  __shared__ unsigned takers[EXPERTS][WORDS];
  __shared__ unsigned short picks[TOKENS * CHOICES];
  __shared__ int starts[EXPERTS], sums[32];
  const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
  const long long first = (long long)blockIdx.x * each;
  const int here = (int)min((long long)each, tokens - first);
  for (int i = threadIdx.x; i < experts * WORDS; i += blockDim.x) takers[i / WORDS][i % WORDS] = 0;
  __syncthreads();

  for (int token = warp; token < here; token += blockDim.x / 32) {
    const float* row = scores + (first + token) * experts;
    float chance[PER], most = LEAST, total = 0;
#pragma unroll
    for (int j = 0; j < PER; j++) {
      chance[j] = lane * PER + j < experts ? row[lane * PER + j] : LEAST;
      most = fmaxf(most, chance[j]);
    }
    most = warp_max(most);
#pragma unroll
    for (int j = 0; j < PER; j++) total += expf(chance[j] - most);
    total = warp_sum(total);
#pragma unroll
    for (int j = 0; j < PER; j++) chance[j] = chance_of(chance[j], sigmoid, most, total);
    const int expert = choose(chance, bias, experts, active, lane);
    const float weight = lane < active ? chance_of(row[expert], sigmoid, most, total) : 0;
    const float whole = normalise ? warp_sum(weight) : 1;
    if (lane < active) {
      const long long n = (first + token) * active + lane;
      chosen[n] = expert;
      weights[n] = weight / whole;
      picks[token * active + lane] = (unsigned short)expert;
      atomicOr(&takers[expert][token / 32], 1u << token % 32);
    }
  }
  __syncthreads();

  int count = 0;
  if (threadIdx.x < experts)
    for (int word = 0; word < WORDS; word++) count += __popc(takers[threadIdx.x][word]);
  const int start = sum_before(count, sums);
  if (threadIdx.x < experts) {
    starts[threadIdx.x] = start;
    if (gridDim.x > 1) counts[(long long)threadIdx.x * gridDim.x + blockIdx.x] = count;
    else offsets[threadIdx.x] = start;
  }
  if (gridDim.x == 1 && threadIdx.x == 0) offsets[experts] = (long long)here * active;
  __syncthreads();

  for (int i = threadIdx.x; i < here * active; i += blockDim.x) {
    const int token = i / active, expert = picks[i];
    int rank = __popc(takers[expert][token / 32] & ((1u << token % 32) - 1));
    for (int word = 0; word < token / 32; word++) rank += __popc(takers[expert][word]);
    const long long n = first * active + i;
    if (gridDim.x > 1) {
      inverse[n] = rank;
    } else {
      inverse[n] = starts[expert] + rank;
      order[starts[expert] + rank] = n;
    }
  }
}

// Each of `size` counts becomes the sum of those before it; `offsets` gets that of each expert's first block.
extern "C" __global__ void __launch_bounds__(1024)
    starts(int* counts, int experts, int blocks, long long* offsets) {
  __shared__ int sums[32], carried;
  int carry = 0;
  const int size = experts * blocks;
  for (int tile = 0; tile < size; tile += blockDim.x) {
    const int i = tile + threadIdx.x, count = i < size ? counts[i] : 0;
    const int start = carry + sum_before(count, sums);
    if (i < size) {
      counts[i] = start;
      if (i % blocks == 0) offsets[i / blocks] = start;
    }
    if (threadIdx.x == blockDim.x - 1) carried = start + count;
    __syncthreads();
    carry = carried;
  }
  if (threadIdx.x == 0) offsets[experts] = carry;
}

// A block of `route` had `share` choices.
extern "C" __global__ void __launch_bounds__(1024)
    place(const long long* chosen, const int* counts, long long choices, int share, int blocks, long long* order,
          long long* inverse) {
  const long long n = (long long)blockIdx.x * blockDim.x + threadIdx.x;
  if (n >= choices) return;
  const long long to = inverse[n] + counts[chosen[n] * blocks + n / share];
  inverse[n] = to;
  order[to] = n;
}

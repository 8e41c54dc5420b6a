// An adapter for each row of a batch: out[n] += sum over k of scale f B (A x[n]) for the slots that row n names.
//
// shrink    hidden[n, k] = scale f A x[n]       a block for each row, place and GROUP directions of A
// expand    out[n] += sum over k of B hidden    a thread for each 8 outputs of a row, which nobody else writes
//
// A slot of the table says where its matrices lie, so whoever captured both launches in a graph swaps an adapter by
// writing 24 bytes.  Nothing in the launches depends on ranks but their bound `most`: blocks beyond a slot's rank end at
// once.  -1, a slot beyond the table and an empty one add nothing.  All sums are float and made in one order.
//
// Bytes: r (inputs + outputs) weights for each slot that is named; x once for each GROUP directions, but from the cache;
// out read and written; 8 r of hidden.  Operations: 2 r (inputs + outputs) for each slot named.  Weights, x and out are
// read 16 bytes at a time where they lie on such multiples, and number by number elsewhere and at the end of rows.
#include "device.cuh"

#ifndef NUMBER
#define NUMBER float
#endif
#ifndef WEIGHT
#define WEIGHT float
#endif
#define GROUP 4
#define WARPS 4
#define SHRINKING (32 * WARPS)
#define EXPANDING 64

struct Slot {  // as in bank.py
  long long a, b;
  int rank;
  float factor;
};

template <class T>
struct alignas(16) Eight {
  T at[8];
};

// Whether rows of `size` numbers from here on all lie on multiples of 16 bytes, and end on them.
template <class T>
__device__ inline bool whole(const T* address, int size) {
  return reinterpret_cast<unsigned long long>(address) % 16 == 0 && size % 8 == 0;
}

// Eight numbers, those behind the `left` that there are being 0.
template <bool WHOLE, class T>
__device__ inline void read(const T* from, int left, float* found) {
  if (WHOLE) {
    const Eight<T> given = *reinterpret_cast<const Eight<T>*>(from);
#pragma unroll
    for (int i = 0; i < 8; i++) found[i] = value(given.at[i]);
  } else {
#pragma unroll
    for (int i = 0; i < 8; i++) found[i] = i < left ? value(from[i]) : 0.f;
  }
}

template <bool WHOLE, class T>
__device__ inline void write(T* to, int left, const float* sum) {
  if (WHOLE) {
    Eight<T> made;
#pragma unroll
    for (int i = 0; i < 8; i++) made.at[i] = rounded<T>(sum[i]);
    *reinterpret_cast<Eight<T>*>(to) = made;
  } else {
#pragma unroll
    for (int i = 0; i < 8; i++)
      if (i < left) to[i] = rounded<T>(sum[i]);
  }
}

__device__ inline Slot named(const long long* table, int count, long long slot) {
  if (slot < 0 || slot >= count) return {0, 0, 0, 0.f};
  return reinterpret_cast<const Slot*>(table)[slot];
}

// This thread's part of the sums of GROUP directions; of fewer, the last stands in for those that are not there.
template <bool WHOLE>
__device__ inline void meet(const WEIGHT* a, const NUMBER* x, int inputs, int rows, float* sum) {
  for (int column = 8 * threadIdx.x; column < inputs; column += 8 * SHRINKING) {
    float number[8], weight[GROUP][8];
    read<WHOLE>(x + column, inputs - column, number);
#pragma unroll
    for (int r = 0; r < GROUP; r++)
      read<WHOLE>(a + (long long)(r < rows ? r : rows - 1) * inputs + column, inputs - column, weight[r]);
#pragma unroll
    for (int r = 0; r < GROUP; r++)
#pragma unroll
      for (int i = 0; i < 8; i++) sum[r] += weight[r][i] * number[i];
  }
}

extern "C" __global__ void __launch_bounds__(SHRINKING)
    shrink(const NUMBER* __restrict__ x, const long long* __restrict__ slots, const float* __restrict__ scales,
           const long long* __restrict__ table, int count, int inputs, int each, int most, float* __restrict__ hidden) {
  __shared__ float parts[WARPS][GROUP];
  const long long pair = blockIdx.x;  // of row and place
  const int first = blockIdx.y * GROUP, lane = threadIdx.x % 32, warp = threadIdx.x / 32;
  const Slot slot = named(table, count, slots[pair]);
  const int rows = slot.rank - first;
  if (rows <= 0) return;
  const NUMBER* given = x + pair / each * inputs;
  const WEIGHT* a = reinterpret_cast<const WEIGHT*>(slot.a) + (long long)first * inputs;
  float sum[GROUP] = {};
  if (whole(a, inputs) && whole(given, inputs))
    meet<true>(a, given, inputs, rows, sum);
  else
    meet<false>(a, given, inputs, rows, sum);
#pragma unroll
  for (int r = 0; r < GROUP; r++) {
    const float found = warp_sum(sum[r]);
    if (lane == 0) parts[warp][r] = found;
  }
  __syncthreads();
  const int mine = threadIdx.x;
  if (mine < GROUP && mine < rows) {
    float total = 0.f;
    for (int w = 0; w < WARPS; w++) total += parts[w][mine];
    hidden[pair * most + first + mine] = total * (scales ? scales[pair] * slot.factor : slot.factor);
  }
}

template <bool WHOLE>
__device__ inline void add(const WEIGHT* b, const float* hidden, int rank, int outputs, int left, float* sum) {
#pragma unroll 8
  for (int r = 0; r < rank; r++) {
    float weight[8];
    read<WHOLE>(b + (long long)r * outputs, left, weight);
#pragma unroll
    for (int i = 0; i < 8; i++) sum[i] += hidden[r] * weight[i];
  }
}

extern "C" __global__ void __launch_bounds__(EXPANDING)
    expand(const float* __restrict__ hidden, const long long* __restrict__ slots, const long long* __restrict__ table,
           int count, int outputs, int each, int most, NUMBER* __restrict__ out) {
  const int first = 8 * (blockIdx.y * EXPANDING + threadIdx.x), left = outputs - first;
  if (left <= 0) return;
  NUMBER* here = out + (long long)blockIdx.x * outputs + first;
  float sum[8];
  const bool fits = whole(here, outputs);
  if (fits)
    read<true>(here, left, sum);
  else
    read<false>(here, left, sum);
  for (int k = 0; k < each; k++) {
    const long long pair = (long long)blockIdx.x * each + k;
    const Slot slot = named(table, count, slots[pair]);
    const WEIGHT* b = reinterpret_cast<const WEIGHT*>(slot.b) + first;
    if (whole(b, outputs))
      add<true>(b, hidden + pair * most, slot.rank, outputs, left, sum);
    else
      add<false>(b, hidden + pair * most, slot.rank, outputs, left, sum);
  }
  if (fits)
    write<true>(here, left, sum);
  else
    write<false>(here, left, sum);
}

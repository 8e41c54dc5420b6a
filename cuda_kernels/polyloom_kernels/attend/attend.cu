// Attention of one query a head over the keys and values of its text, in pages; see operation.py for what it computes.
//
// attend    block (part of a text, key head, text): up to GROUP query heads that share a key head, over `chunk` tokens,
//           TILE at a time.  Four lanes read a key, 16 bytes each, two keys at once for all heads; then a warp a head
//           turns scores into shares; then a value is read by as many threads as it has pieces.  What was summed is made
//           smaller when a larger score comes.
// combine   a block a query head: the parts of a text are put together under the largest score of all.
//
// Bytes: keys and values once, 2 K tokens h sizeof(STORED), and scales; 8 h H for each part.  Operations: 4 H tokens h, so
// with 8 heads a key head and numbers of 16 bits a GPU is about as busy with them as with reading.
#include "device.cuh"

#ifndef STORED
#define STORED float
#endif
#ifndef GROUP
#define GROUP 4
#endif
#define TILE 128
#define THREADS 128
#define MOST 256  // numbers of a head
#define NOTHING __int_as_float(0xff800000)  // −∞

typedef signed char byte;

__device__ inline float value(byte x) { return (float)x; }

// Numbers 8 p … 8 p + 7 of a row, zero behind its end; `straight`: rows begin at multiples of what is read at once.
__device__ inline void piece(const float* row, int p, int size, bool straight, float* out) {
  if (straight) {
    const float4 low = reinterpret_cast<const float4*>(row)[2 * p], high = reinterpret_cast<const float4*>(row)[2 * p + 1];
    out[0] = low.x, out[1] = low.y, out[2] = low.z, out[3] = low.w;
    out[4] = high.x, out[5] = high.y, out[6] = high.z, out[7] = high.w;
  } else {
    for (int j = 0; j < 8; j++) out[j] = 8 * p + j < size ? row[8 * p + j] : 0.0f;
  }
}
template <class Narrow>
__device__ inline void pair(unsigned word, float* out) {
  out[0] = value(Narrow{(unsigned short)word}), out[1] = value(Narrow{(unsigned short)(word >> 16)});
}
template <class Narrow>
__device__ inline void piece(const Narrow* row, int p, int size, bool straight, float* out) {
  if (straight) {
    const uint4 words = reinterpret_cast<const uint4*>(row)[p];
    pair<Narrow>(words.x, out), pair<Narrow>(words.y, out + 2), pair<Narrow>(words.z, out + 4), pair<Narrow>(words.w, out + 6);
  } else {
    for (int j = 0; j < 8; j++) out[j] = 8 * p + j < size ? value(row[8 * p + j]) : 0.0f;
  }
}
__device__ inline void piece(const byte* row, int p, int size, bool straight, float* out) {
  if (straight) {
    const uint2 words = reinterpret_cast<const uint2*>(row)[p];
    for (int j = 0; j < 4; j++) {
      out[j] = (float)(byte)(words.x >> 8 * j);
      out[4 + j] = (float)(byte)(words.y >> 8 * j);
    }
  } else {
    for (int j = 0; j < 8; j++) out[j] = 8 * p + j < size ? (float)row[8 * p + j] : 0.0f;
  }
}

// What four lanes have of the products of a key become its scores; −∞ where there is no key.
__device__ inline void settle(const float* dots, bool there, const float* step, float cap, float* scores) {
  for (int head = 0; head < GROUP; head++) {
    float score = dots[head];
    score += __shfl_xor_sync(EVERY_LANE, score, 1);
    score += __shfl_xor_sync(EVERY_LANE, score, 2);
    if (step) score *= *step;
    if (cap > 0) score = cap * tanhf(score / cap);
    if ((threadIdx.x & 3) == 0) scores[head] = there ? score : NOTHING;
  }
}

extern "C" __global__ void __launch_bounds__(THREADS, GROUP > 4 ? 3 : 4)
    attend(const float* __restrict__ query, const STORED* __restrict__ keys, const STORED* __restrict__ values,
           const float* __restrict__ key_scales, const float* __restrict__ value_scales,
           const long long* __restrict__ table, const long long* __restrict__ lengths, int heads, int key_heads, int size,
           int page, int pages, int window, float scale, float cap, int chunk, float* __restrict__ brought,
           float* __restrict__ states) {
  __shared__ float4 asked[GROUP][MOST / 4];
  __shared__ float shares[TILE][GROUP], sums[THREADS * 8];
  __shared__ long long rows[TILE];
  __shared__ float most[GROUP], total[GROUP], less[GROUP];
  const int lane = threadIdx.x & 31, warp = threadIdx.x >> 5, quad = threadIdx.x >> 2, corner = threadIdx.x & 3;
  const int shared = heads / key_heads, blocks = (shared + GROUP - 1) / GROUP;
  const int key_head = blockIdx.y / blocks, first_head = key_head * shared + blockIdx.y % blocks * GROUP;
  const int group = min(GROUP, (key_head + 1) * shared - first_head), pieces = (size + 7) / 8;
  const long long text = blockIdx.z, length = lengths[text], seen = window ? max(0ll, length - window) : 0;
  const long long begin = seen + (long long)blockIdx.x * chunk, end = min(length, begin + chunk);
  const bool straight = size % 8 == 0 && ((size_t)keys | (size_t)values) % 16 == 0;
  const long long out = (text * heads + first_head) * gridDim.x + blockIdx.x;  // of the first head; then each gridDim.x

  if (begin >= end) {
    if (threadIdx.x < group) states[2 * (out + threadIdx.x * gridDim.x)] = NOTHING;  // the rest is not read
    return;
  }
  for (int n = threadIdx.x; n < GROUP * 8 * pieces; n += THREADS) {
    const int head = n / (8 * pieces), k = n % (8 * pieces);
    const bool there = head < group && k < size;
    reinterpret_cast<float*>(asked[head])[k] = there ? query[(text * heads + first_head + head) * size + k] * scale : 0;
  }
  if (threadIdx.x < GROUP) most[threadIdx.x] = NOTHING, total[threadIdx.x] = 0;

  const int parts = THREADS / pieces, part = threadIdx.x / pieces, mine = threadIdx.x % pieces;
  float sum[GROUP][8];
  for (int head = 0; head < GROUP; head++)
    for (int j = 0; j < 8; j++) sum[head][j] = 0;

  for (long long start = begin; start < end; start += TILE) {
    const int count = (int)min((long long)TILE, end - start);
    if (threadIdx.x < count) {
      const long long token = start + threadIdx.x;
      rows[threadIdx.x] = (table[text * pages + token / page] * key_heads + key_head) * page + token % page;
    }
    __syncthreads();

    for (int n = quad; n < TILE; n += THREADS / 2) {
      const int other = n + THREADS / 4;
      float dots[2][GROUP];
      for (int head = 0; head < GROUP; head++) dots[0][head] = dots[1][head] = 0;
      for (int p = corner; p < pieces; p += 4) {
        float one[8], two[8];
        piece(keys + rows[min(n, count - 1)] * size, p, size, straight, one);
        piece(keys + rows[min(other, count - 1)] * size, p, size, straight, two);
        for (int head = 0; head < GROUP; head++) {
          const float4 low = asked[head][2 * p], high = asked[head][2 * p + 1];
          dots[0][head] += one[0] * low.x + one[1] * low.y + one[2] * low.z + one[3] * low.w;
          dots[0][head] += one[4] * high.x + one[5] * high.y + one[6] * high.z + one[7] * high.w;
          dots[1][head] += two[0] * low.x + two[1] * low.y + two[2] * low.z + two[3] * low.w;
          dots[1][head] += two[4] * high.x + two[5] * high.y + two[6] * high.z + two[7] * high.w;
        }
      }
      settle(dots[0], n < count, key_scales ? key_scales + rows[min(n, count - 1)] : key_scales, cap, shares[n]);
      settle(dots[1], other < count, key_scales ? key_scales + rows[min(other, count - 1)] : key_scales, cap, shares[other]);
    }
    __syncthreads();

    for (int head = warp; head < GROUP; head += THREADS / 32) {
      const float before = most[head];
      float largest = before, added = 0;
      for (int n = lane; n < TILE; n += 32) largest = fmaxf(largest, shares[n][head]);
      largest = warp_max(largest);
      for (int n = lane; n < TILE; n += 32) {
        const float share = __expf(shares[n][head] - largest);
        added += share;
        shares[n][head] = value_scales && n < count ? share * value_scales[rows[n]] : share;
      }
      added = warp_sum(added);
      if (lane == 0) {
        less[head] = __expf(before - largest), most[head] = largest;
        total[head] = total[head] * less[head] + added;
      }
    }
    __syncthreads();

    if (part < parts) {
      for (int head = 0; head < GROUP; head++)
        for (int j = 0; j < 8; j++) sum[head][j] *= less[head];
      for (int n = part; n < count; n += parts) {
        float one[8];
        piece(values + rows[n] * size, mine, size, straight, one);
        for (int head = 0; head < GROUP; head++) {
          const float share = shares[n][head];
          for (int j = 0; j < 8; j++) sum[head][j] += share * one[j];
        }
      }
    }
    __syncthreads();
  }

  for (int head = 0; head < group; head++) {
    if (part < parts)
      for (int j = 0; j < 8; j++) sums[(part * pieces + mine) * 8 + j] = sum[head][j];
    __syncthreads();
    for (int k = threadIdx.x; k < size; k += THREADS) {
      float found = 0;
      for (int n = 0; n < parts; n++) found += sums[n * pieces * 8 + k];
      brought[(out + (long long)head * gridDim.x) * size + k] = found;
    }
    __syncthreads();
  }
  if (threadIdx.x < group) {
    states[2 * (out + threadIdx.x * gridDim.x)] = most[threadIdx.x];
    states[2 * (out + threadIdx.x * gridDim.x) + 1] = total[threadIdx.x];
  }
}

extern "C" __global__ void __launch_bounds__(MOST)
    combine(const float* __restrict__ brought, const float* __restrict__ states, int parts, int size,
            float* __restrict__ out) {
  const long long head = (long long)blockIdx.y * gridDim.x + blockIdx.x;
  const float* state = states + 2 * head * parts;
  float most = NOTHING, total = 0;
  for (int n = 0; n < parts; n++) most = fmaxf(most, state[2 * n]);
  for (int n = 0; n < parts; n++)
    if (state[2 * n] > NOTHING) total += state[2 * n + 1] * __expf(state[2 * n] - most);
  for (int k = threadIdx.x; k < size; k += blockDim.x) {
    float found = 0;
    for (int n = 0; n < parts; n++)
      if (state[2 * n] > NOTHING) found += brought[(head * parts + n) * size + k] * __expf(state[2 * n] - most);
    out[head * size + k] = total > 0 ? found / total : 0;
  }
}

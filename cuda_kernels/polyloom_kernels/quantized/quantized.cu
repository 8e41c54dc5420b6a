// Products with weights of 8 and of 4 bits, for a few inputs: out[m][r] = sum over c of step(r, c) q[r][c] x[m][c].
//
// eight    a step for each row          weight [rows][columns], signed
// four     a step for each group        weight in blocks of 16 bytes, 32 columns: see quantise.py
//
// A block has ROWS rows and up to BATCH inputs; blocks that share rows follow on each other, so that a line of weights is
// fetched once for all of them.  The threads of a block share the columns: each takes a word of every row, 4 or
// 8 columns, then the one a block's width further on.  So the lanes of a warp read lines of 128 bytes of each row, of
// which ROWS are on their way at a time, and x, from the cache, in vectors of 16 bytes once for all rows.  Words of 4
// bytes are chosen over 16: a lane would then need 16 or 32 columns of x in a row, and a warp's loads of x would meet
// in the same banks.  Where rows or x do not lie on such multiples, the same is read number by number.
//
// A stored number becomes a float by one choice of bytes, without a conversion:
//   8 bits   0x4B0000uu is 2^23 + u, with u = q + 128, from which a subtraction makes q
//   4 bits   0x3F800000 | u << 19 is f = 1 + u / 16, with u = q + 8: sum q x = 16 sum f x - 24 sum x
//
// Bytes: the weights once, rows * columns or half of it, and the steps, 4 for a row or 2 for a group; x is read by every
// block but stays in the cache.  Operations for a weight: 2 or 3, and one for each input.
#include "device.cuh"

#ifndef BATCH
#define BATCH 1
#endif
#define ROWS 4
#define WARPS 4
#define THREADS (32 * WARPS)
constexpr int TURNS = BATCH == 1 ? 4 : 1;  // whose words are on their way at a time; more take too many registers

// The number byte `n` of `word` between other bytes, as the selector of __byte_perm says; 4 … 7 are those of `other`.
__device__ inline float chosen(unsigned word, unsigned other, unsigned selector) {
#ifdef POLYLOOM_DEVICE
  return __uint_as_float(__byte_perm(word, other, selector));
#else
  const unsigned long long both = (unsigned long long)other << 32 | word;
  unsigned bits = 0;
  for (int n = 0; n < 4; n++) bits |= (unsigned)(both >> 8 * (selector >> 4 * n & 7) & 255) << 8 * n;
  return __uint_as_float(bits);
#endif
}

__device__ inline float signed_byte(unsigned word, int n) { return chosen(word, 0x4B000000, 0x7540 + n) - 8388736.f; }
__device__ inline float fraction(unsigned word, int n) { return chosen(word, 0x3F000000, 0x7044 + (n << 8)); }

// Four bytes, those behind the end of the row being 0.
template <bool WHOLE>
__device__ inline unsigned word_at(const unsigned char* row, long long at, long long end) {
  if (WHOLE) return *reinterpret_cast<const unsigned*>(row + at);
  unsigned word = 0;
  for (int n = 0; n < 4; n++) word |= at + n < end ? (unsigned)row[at + n] << 8 * n : 0;
  return word;
}

// Four columns of an input, those behind the last being 0.
template <bool WHOLE>
__device__ inline float4 four_at(const float* x, int column, int columns) {
  if (WHOLE && column < columns) return *reinterpret_cast<const float4*>(x + column);
  float4 found = {0.f, 0.f, 0.f, 0.f};
  if (column < columns) found.x = x[column];
  if (column + 1 < columns) found.y = x[column + 1];
  if (column + 2 < columns) found.z = x[column + 2];
  if (column + 3 < columns) found.w = x[column + 3];
  return found;
}

__device__ inline bool lies_on(const void* address, unsigned size) {
  return (reinterpret_cast<unsigned long long>(address) & (size - 1)) == 0;
}

// The row or input of that number, the last for those behind it, which nobody writes.
__device__ inline long long within(int number, int count) { return number < count ? number : count - 1; }

__device__ inline int first_row(int batch) { return blockIdx.x / ((batch + BATCH - 1) / BATCH) * ROWS; }
__device__ inline int first_input(int batch) { return blockIdx.x % ((batch + BATCH - 1) / BATCH) * BATCH; }

// The sums of all threads, written by the first of them.
__device__ inline void write(float (*part)[ROWS * BATCH], const float (*sum)[BATCH], int rows, int batch, float* out) {
  const int lane = threadIdx.x & 31, warp = threadIdx.x >> 5;
#pragma unroll
  for (int r = 0; r < ROWS; r++)
#pragma unroll
    for (int m = 0; m < BATCH; m++) {
      const float found = warp_sum(sum[r][m]);
      if (lane == 0) part[warp][r * BATCH + m] = found;
    }
  __syncthreads();
  const int row = first_row(batch) + threadIdx.x / BATCH, input = first_input(batch) + threadIdx.x % BATCH;
  if (threadIdx.x < ROWS * BATCH && row < rows && input < batch) {
    float total = 0.f;
    for (int w = 0; w < WARPS; w++) total += part[w][threadIdx.x];
    out[(long long)input * rows + row] = total;
  }
}

template <bool WHOLE>
__device__ inline void add_eight(const unsigned char* const* row, const float* const* x, int columns,
                                 float (*sum)[BATCH]) {
#pragma unroll TURNS
  for (int column = 4 * threadIdx.x; column < columns; column += 4 * THREADS) {
    float4 given[BATCH];
#pragma unroll
    for (int m = 0; m < BATCH; m++) given[m] = four_at<WHOLE>(x[m], column, columns);
#pragma unroll
    for (int r = 0; r < ROWS; r++) {
      const unsigned word = word_at<WHOLE>(row[r], column, columns) ^ 0x80808080;
      const float a = signed_byte(word, 0), b = signed_byte(word, 1), c = signed_byte(word, 2), d = signed_byte(word, 3);
#pragma unroll
      for (int m = 0; m < BATCH; m++)
        sum[r][m] += a * given[m].x + b * given[m].y + c * given[m].z + d * given[m].w;
    }
  }
}

extern "C" __global__ void __launch_bounds__(THREADS)
    eight(const signed char* __restrict__ weight, const float* __restrict__ scales, const float* __restrict__ given,
          int rows, int columns, int batch, float* __restrict__ out) {
  __shared__ float part[WARPS][ROWS * BATCH];
  const unsigned char* row[ROWS];
  const float* x[BATCH];
  float sum[ROWS][BATCH] = {};
#pragma unroll
  for (int r = 0; r < ROWS; r++)
    row[r] = reinterpret_cast<const unsigned char*>(weight) + within(first_row(batch) + r, rows) * columns;
#pragma unroll
  for (int m = 0; m < BATCH; m++) x[m] = given + within(first_input(batch) + m, batch) * columns;
  if (columns % 4 == 0 && lies_on(weight, 4) && lies_on(given, 16))
    add_eight<true>(row, x, columns, sum);
  else
    add_eight<false>(row, x, columns, sum);
#pragma unroll
  for (int r = 0; r < ROWS; r++) {
    const float step = scales[within(first_row(batch) + r, rows)];
#pragma unroll
    for (int m = 0; m < BATCH; m++) sum[r][m] *= step;
  }
  write(part, sum, rows, batch, out);
}

template <bool WHOLE>
__device__ inline void add_four(const unsigned char* const* row, const unsigned short* const* steps, const float* const* x,
                                int columns, int width, int shift, float (*sum)[BATCH]) {
#pragma unroll TURNS
  for (int at = 4 * threadIdx.x; at < width; at += 4 * THREADS) {
    const int column = 2 * (at & ~15) + (at & 15);  // of the first byte's lower half
    float4 low[BATCH], high[BATCH];
    float less[BATCH];
#pragma unroll
    for (int m = 0; m < BATCH; m++) {
      low[m] = four_at<WHOLE>(x[m], column, columns), high[m] = four_at<WHOLE>(x[m], column + 16, columns);
      less[m] = -24.f * (low[m].x + low[m].y + low[m].z + low[m].w + high[m].x + high[m].y + high[m].z + high[m].w);
    }
#pragma unroll
    for (int r = 0; r < ROWS; r++) {
      const unsigned word = word_at<WHOLE>(row[r], at, width);
      const unsigned lower = (word << 3 & 0x78787878) | 0x80808080, upper = (word >> 1 & 0x78787878) | 0x80808080;
      const float step = __uint_as_float((unsigned)steps[r][column >> shift] << 16);
#pragma unroll
      for (int m = 0; m < BATCH; m++) {
        float found = fraction(lower, 0) * low[m].x + fraction(lower, 1) * low[m].y;
        found += fraction(lower, 2) * low[m].z + fraction(lower, 3) * low[m].w;
        found += fraction(upper, 0) * high[m].x + fraction(upper, 1) * high[m].y;
        found += fraction(upper, 2) * high[m].z + fraction(upper, 3) * high[m].w;
        sum[r][m] += step * (16.f * found + less[m]);
      }
    }
  }
}

// `width` bytes of a row hold `columns` columns and zeros behind; a group has 2^shift of them.
extern "C" __global__ void __launch_bounds__(THREADS)
    four(const unsigned char* __restrict__ weight, const unsigned short* __restrict__ scales, const float* __restrict__ given,
         int rows, int columns, int width, int shift, int batch, float* __restrict__ out) {
  __shared__ float part[WARPS][ROWS * BATCH];
  const unsigned char* row[ROWS];
  const unsigned short* steps[ROWS];
  const float* x[BATCH];
  float sum[ROWS][BATCH] = {};
#pragma unroll
  for (int r = 0; r < ROWS; r++) {
    const long long number = within(first_row(batch) + r, rows);
    row[r] = weight + number * width, steps[r] = scales + number * (2 * width >> shift);
  }
#pragma unroll
  for (int m = 0; m < BATCH; m++) x[m] = given + within(first_input(batch) + m, batch) * columns;
  if (columns % 4 == 0 && lies_on(weight, 4) && lies_on(given, 16))
    add_four<true>(row, steps, x, columns, width, shift, sum);
  else
    add_four<false>(row, steps, x, columns, width, shift, sum);
  write(part, sum, rows, batch, out);
}

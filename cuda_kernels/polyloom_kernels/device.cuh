// What every kernel of Polyloom includes: one source for NVRTC, for nvcc and, through `shim/cpu.hpp`, for g++.
//
//   DYNAMIC_SHARED(T, name)   the dynamic shared memory of a block, as a T*; aligned to 16 bytes
//   half, bf16                two bytes that are read with value() and made with rounded<T>(); no CUDA header is needed
//   value(x)                  the float that a float, half or bf16 stands for
//   rounded<T>(x)             the T nearest to a float, ties to even
//   prefetch(address)         asks for what will be read soon; it must be there, as if it were read
//   warp_sum, warp_max        over the 32 lanes, which all take part and all get the result
//   sum_before(x, sums)       over the threads of a block before this one, which all take part; it has one barrier, and
//                             `sums` are 32 ints of shared memory, which then hold the sum of each warp
//   below(run, from, to, key) from, and how many of run[from … to − 1], which ascend, are below the key
//
// A kernel is `extern "C" __global__`, its parameters are of the types that `_launch.py` lists, and what varies at
// compile time are macros.  Shared arrays stand in kernels, not in the functions that they call.  A lane or a thread
// that has nothing to do still comes to every barrier and to every collective operation of its warp.
#pragma once

#if defined(__CUDACC__) || defined(__CUDACC_RTC__)
#define POLYLOOM_DEVICE
#define DYNAMIC_SHARED(T, name)                                       \
  extern __shared__ __align__(16) unsigned char polyloom_dynamic[]; \
  T* const name = reinterpret_cast<T*>(polyloom_dynamic)
#else
#include "shim/cpu.hpp"
#endif

#define EVERY_LANE 0xffffffffu

struct half {
  unsigned short bits;
};
struct bf16 {
  unsigned short bits;
};

__device__ inline float value(float x) { return x; }
__device__ inline float value(bf16 x) { return __uint_as_float((unsigned)x.bits << 16); }
__device__ inline float value(half x) {
#ifdef POLYLOOM_DEVICE
  float wide;
  asm("cvt.f32.f16 %0, %1;" : "=f"(wide) : "h"(x.bits));
  return wide;
#else
  const unsigned sign = (unsigned)(x.bits & 0x8000) << 16, magnitude = x.bits & 0x7fff;
  if (magnitude >= 0x7c00) return __uint_as_float(sign | 0x7f800000 | (magnitude & 0x3ff) << 13);  // infinite, NaN
  const float small = magnitude * 0x1p-24f;                                                        // subnormal
  return __uint_as_float(sign | (magnitude < 0x400 ? __float_as_uint(small) : (magnitude << 13) + 0x38000000));
#endif
}

template <class T>
__device__ inline T rounded(float x);
template <>
__device__ inline float rounded<float>(float x) {
  return x;
}
template <>
__device__ inline bf16 rounded<bf16>(float x) {
  const unsigned bits = __float_as_uint(x);
  if ((bits & 0x7fffffff) > 0x7f800000) return {(unsigned short)(bits >> 16 | 0x40)};  // NaN stays NaN
  return {(unsigned short)((bits + 0x7fff + (bits >> 16 & 1)) >> 16)};
}
template <>
__device__ inline half rounded<half>(float x) {
#ifdef POLYLOOM_DEVICE
  half narrow;
  asm("cvt.rn.f16.f32 %0, %1;" : "=h"(narrow.bits) : "f"(x));
  return narrow;
#else
  const unsigned bits = __float_as_uint(x), sign = bits >> 16 & 0x8000, magnitude = bits & 0x7fffffff;
  if (magnitude > 0x7f800000) return {(unsigned short)(sign | 0x7fff)};
  if (magnitude >= 0x477ff000) return {(unsigned short)(sign | 0x7c00)};  // rounds to infinity
  // Below 2^-14 the result has steps of 2^-24, which adding a half makes the float unit round to.
  const unsigned subnormal = __float_as_uint(__uint_as_float(magnitude) + 0.5f) - 0x3f000000;
  const unsigned normal = (magnitude - 0x38000000 + 0xfff + (magnitude >> 13 & 1)) >> 13;
  return {(unsigned short)(sign | (magnitude < 0x38800000 ? subnormal : normal))};
#endif
}

__device__ inline void prefetch(const void* address) {
#ifdef POLYLOOM_DEVICE
  asm volatile("prefetch.global.L2 [%0];" ::"l"(address));
#else
  (void)*static_cast<const volatile char*>(address);
#endif
}

__device__ inline float warp_sum(float x) {
  for (int step = 16; step; step >>= 1) x += __shfl_xor_sync(EVERY_LANE, x, step);
  return x;
}
__device__ inline float warp_max(float x) {
  for (int step = 16; step; step >>= 1) x = fmaxf(x, __shfl_xor_sync(EVERY_LANE, x, step));
  return x;
}

__device__ inline int sum_before(int x, int* sums) {
  const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
  int sum = x;  // of this warp, up to this lane
  for (int step = 1; step < 32; step *= 2) {
    const int lower = __shfl_up_sync(EVERY_LANE, sum, step);
    if (lane >= step) sum += lower;
  }
  if (lane == 31) sums[warp] = sum;
  __syncthreads();
  for (int other = 0; other < warp; other++) sum += sums[other];
  return sum - x;
}

__device__ inline long long below(const long long* run, long long from, long long to, long long key) {
  while (from < to) {
    const long long middle = from + (to - from) / 2;
    if (run[middle] < key) from = middle + 1;
    else to = middle;
  }
  return from;
}

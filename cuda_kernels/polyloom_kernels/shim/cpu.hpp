// CUDA on the processor: enough of it that the kernels of Polyloom run, wrongly used parts are reported, and races show.
//
// Each CUDA thread is a fiber with a stack of its own.  The fibers of a block run one at a time and give way only at
// barriers and at collective operations of a warp, in an order that a number chooses: 0 ascending, 1 descending, others
// shuffled.  The first that can go on always does, so that one warp runs far ahead of the others; with an even shuffle
// they take turns.  So a missing barrier is a wrong result in one order or another, every run can be repeated, and
// nothing here needs a lock.  Blocks run one after another, in an order chosen the same way.  Before a block its shared
// memory, the static and the dynamic, is filled with poison.
//
// Reported, with the line, the thread and the block: threads at different barriers or gone when the others wait; lanes
// of a warp that meet in different operations, are named by no mask or never come; memory outside every array (a guard
// page, if whoever launches placed the arrays so); a kernel that does not end.
//
// What it cannot run: inline PTX, textures, asynchronous copies, cooperative groups, clusters, and loops that wait for
// another thread without a barrier.  What it cannot see: races between two barriers that no order makes visible.
#pragma once
#include "fibers.hpp"

#define __global__
#define __device__
#define __host__
#define __constant__ static
#define __forceinline__ inline
#define __noinline__ __attribute__((noinline))
#define __align__(n) alignas(n)
#define __launch_bounds__(...)
#define __shared__ static __attribute__((section("polyloom_shared")))  // one section, so that it can be poisoned
#define DYNAMIC_SHARED(T, name) T* const name = reinterpret_cast<T*>(polyloom::now.dynamic)

#define POLYLOOM_VECTORS(T, name)                                                     \
  struct alignas(2 * sizeof(T)) name##2 {                                             \
    T x, y;                                                                           \
  };                                                                                  \
  struct alignas(4 * sizeof(T)) name##4 {                                             \
    T x, y, z, w;                                                                     \
  };                                                                                  \
  inline name##2 make_##name##2(T x, T y) { return {x, y}; }                          \
  inline name##4 make_##name##4(T x, T y, T z, T w) { return {x, y, z, w}; }
POLYLOOM_VECTORS(float, float)
POLYLOOM_VECTORS(int, int)
POLYLOOM_VECTORS(unsigned, uint)
POLYLOOM_VECTORS(short, short)
POLYLOOM_VECTORS(unsigned short, ushort)
POLYLOOM_VECTORS(signed char, char)
POLYLOOM_VECTORS(unsigned char, uchar)
#undef POLYLOOM_VECTORS
struct alignas(16) longlong2 {
  long long x, y;
};
struct alignas(16) ulonglong2 {
  unsigned long long x, y;
};
struct alignas(16) double2 {
  double x, y;
};

namespace polyloom {

// ---- how Python calls a kernel: its parameters as the compiler sees them, then its arguments by address

template <class T>
struct Spelled;
#define POLYLOOM_SPELLED(T, text)            \
  template <>                                \
  struct Spelled<T> {                        \
    static constexpr const char* is = text; \
  };
#define POLYLOOM_TYPE(T)             \
  POLYLOOM_SPELLED(T, #T)            \
  POLYLOOM_SPELLED(T*, #T "*")       \
  POLYLOOM_SPELLED(const T*, "const " #T "*")

template <class... T>
const char* signature(void (*)(T...)) {
  static char text[1000];
  text[0] = 0;
  ((std::strcat(text, Spelled<T>::is), std::strcat(text, ",")), ...);
  return text;
}

template <class... T, std::size_t... at>
void call(void (*kernel)(T...), void** arguments, std::index_sequence<at...>) {
  kernel(*static_cast<T*>(arguments[at])...);
}
template <class... T>
void call(void (*kernel)(T...), void** arguments) {
  call(kernel, arguments, std::index_sequence_for<T...>());
}

}  // namespace polyloom

// The launcher writes one of these for each kernel of a file, below the file.
#define POLYLOOM_ENTRY(kernel)                                                                 \
  extern "C" const char* polyloom_signature_##kernel() { return polyloom::signature(kernel); } \
  extern "C" int polyloom_launch_##kernel(polyloom::Launch* launch, void** arguments) {        \
    return polyloom::launch(*launch, [](void** each) { polyloom::call(kernel, each); }, arguments); \
  }

#define threadIdx (polyloom::now.fiber->thread)
#define blockIdx (polyloom::now.block)
#define blockDim (polyloom::now.block_size)
#define gridDim (polyloom::now.grid_size)
#define warpSize 32

#define __syncthreads() ((void)polyloom::barrier(__LINE__, 0))
#define __syncthreads_count(vote) polyloom::barrier(__LINE__, (vote) != 0)
#define __syncthreads_or(vote) (polyloom::barrier(__LINE__, (vote) != 0) != 0)
#define __syncthreads_and(vote) (polyloom::barrier(__LINE__, (vote) == 0) == 0)
inline void __syncwarp(unsigned mask = 0xffffffffu) { polyloom::meet("__syncwarp", mask, 0); }
inline void __threadfence() {}
inline void __threadfence_block() {}

template <class T>
T __shfl_sync(unsigned mask, T mine, int from, int width = 32) {
  const int lane = polyloom::now.fiber->lane;
  return polyloom::shuffled("__shfl_sync", mask, mine, lane / width * width + (from & (width - 1)));
}
template <class T>
T __shfl_xor_sync(unsigned mask, T mine, int bits, int width = 32) {
  const int lane = polyloom::now.fiber->lane, from = lane ^ bits;
  return polyloom::shuffled("__shfl_xor_sync", mask, mine, from / width > lane / width ? lane : from);
}
template <class T>
T __shfl_down_sync(unsigned mask, T mine, unsigned by, int width = 32) {
  const int lane = polyloom::now.fiber->lane;
  return polyloom::shuffled("__shfl_down_sync", mask, mine, lane % width + int(by) < width ? lane + int(by) : lane);
}
template <class T>
T __shfl_up_sync(unsigned mask, T mine, unsigned by, int width = 32) {
  const int lane = polyloom::now.fiber->lane;
  return polyloom::shuffled("__shfl_up_sync", mask, mine, lane % width >= int(by) ? lane - int(by) : lane);
}
inline unsigned __ballot_sync(unsigned mask, int vote) { return polyloom::ballot("__ballot_sync", mask, vote != 0); }
inline int __any_sync(unsigned mask, int vote) { return polyloom::ballot("__any_sync", mask, vote != 0) != 0; }
inline int __all_sync(unsigned mask, int vote) { return polyloom::ballot("__all_sync", mask, vote == 0) == 0; }
template <class T>
unsigned __match_any_sync(unsigned mask, T mine) {
  const unsigned long long* seen = polyloom::meet("__match_any_sync", mask, polyloom::packed(mine));
  unsigned found = 0;
  for (int lane = 0; lane < 32; lane++) found |= unsigned((mask >> lane & 1) && seen[lane] == polyloom::packed(mine)) << lane;
  return found;
}
template <class T>
T __reduce_add_sync(unsigned mask, T mine) {
  return polyloom::reduced("__reduce_add_sync", mask, mine, [](T a, T b) { return T(unsigned(a) + unsigned(b)); });
}
template <class T>
T __reduce_max_sync(unsigned mask, T mine) {
  return polyloom::reduced("__reduce_max_sync", mask, mine, [](T a, T b) { return a < b ? b : a; });
}
template <class T>
T __reduce_min_sync(unsigned mask, T mine) {
  return polyloom::reduced("__reduce_min_sync", mask, mine, [](T a, T b) { return b < a ? b : a; });
}

// Threads give way nowhere else, so these are atomic as they stand.
template <class T>
struct PolyloomSame {  // a parameter that follows from another one
  using type = T;
};
#define POLYLOOM_ATOMIC(name, result)                          \
  template <class T>                                           \
  T name(T* at, typename PolyloomSame<T>::type by) {                  \
    const T before = *at;                                      \
    *at = T(result);                                           \
    return before;                                             \
  }
template <class T>
struct PolyloomWrapping {
  static T sum(T a, T b) {  // of integers: around, as the device does
    if constexpr (std::is_integral_v<T>) return T((unsigned long long)a + (unsigned long long)b);
    else return a + b;
  }
};
POLYLOOM_ATOMIC(atomicAdd, PolyloomWrapping<T>::sum(before, by))
POLYLOOM_ATOMIC(atomicSub, PolyloomWrapping<T>::sum(before, T(0) - by))
POLYLOOM_ATOMIC(atomicMax, before < by ? by : before)
POLYLOOM_ATOMIC(atomicMin, by < before ? by : before)
POLYLOOM_ATOMIC(atomicAnd, before & by)
POLYLOOM_ATOMIC(atomicOr, before | by)
POLYLOOM_ATOMIC(atomicXor, before ^ by)
POLYLOOM_ATOMIC(atomicExch, by)
POLYLOOM_ATOMIC(atomicInc, before >= by ? 0 : before + 1)
#undef POLYLOOM_ATOMIC
template <class T>
T atomicCAS(T* at, typename PolyloomSame<T>::type expected, typename PolyloomSame<T>::type by) {
  const T before = *at;
  if (before == expected) *at = by;
  return before;
}

template <class T>
T __ldg(const T* at) {
  return *at;
}
inline float __int_as_float(int x) { return polyloom::unpacked<float>(unsigned(x)); }
inline float __uint_as_float(unsigned x) { return polyloom::unpacked<float>(x); }
inline int __float_as_int(float x) { return polyloom::unpacked<int>(polyloom::packed(x)); }
inline unsigned __float_as_uint(float x) { return polyloom::unpacked<unsigned>(polyloom::packed(x)); }
inline int __popc(unsigned x) { return __builtin_popcount(x); }
inline int __popcll(unsigned long long x) { return __builtin_popcountll(x); }
inline int __clz(int x) { return x ? __builtin_clz(unsigned(x)) : 32; }
inline int __clzll(long long x) { return x ? __builtin_clzll((unsigned long long)x) : 64; }
inline int __ffs(int x) { return __builtin_ffs(x); }
inline int __ffsll(long long x) { return __builtin_ffsll(x); }
inline unsigned __brev(unsigned x) {
  unsigned turned = 0;
  for (int bit = 0; bit < 32; bit++) turned |= (x >> bit & 1) << (31 - bit);
  return turned;
}
inline unsigned __umulhi(unsigned a, unsigned b) { return unsigned((unsigned long long)a * b >> 32); }
inline unsigned long long __umul64hi(unsigned long long a, unsigned long long b) {
  return (unsigned long long)((unsigned __int128)a * b >> 64);
}
inline int __dp4a(int a, int b, int sum) {
  for (int byte = 0; byte < 32; byte += 8) sum += int((signed char)(a >> byte)) * int((signed char)(b >> byte));
  return sum;
}
inline float rsqrtf(float x) { return 1.0f / std::sqrt(x); }
inline float __expf(float x) { return std::exp(x); }
inline float __logf(float x) { return std::log(x); }
inline float __fdividef(float x, float y) { return x / y; }
inline float __fmul_rn(float x, float y) { return x * y; }
inline float __fadd_rn(float x, float y) { return x + y; }
inline float __fmaf_rn(float x, float y, float z) { return std::fma(x, y, z); }
inline float __frcp_rn(float x) { return 1.0f / x; }
inline int __float2int_rn(float x) { return int(std::nearbyint(x)); }
inline float __saturatef(float x) { return x > 1 ? 1.0f : x > 0 ? x : 0.0f; }
using std::max;
using std::min;

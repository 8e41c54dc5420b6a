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
#include <math.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/time.h>

#include <algorithm>
#include <cmath>
#include <cstdarg>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <type_traits>
#include <utility>
#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/common_interface_defs.h>
#endif
#if defined(__x86_64__) && !defined(POLYLOOM_PORTABLE)
#define POLYLOOM_X86  // elsewhere fibers change by `swapcontext`, which takes ten times as long
#else
#include <ucontext.h>
#endif

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

extern char __start_polyloom_shared[] __attribute__((weak, visibility("hidden")));
extern char __stop_polyloom_shared[] __attribute__((weak, visibility("hidden")));

struct uint3 {
  unsigned x, y, z;
};
struct dim3 {
  unsigned x = 1, y = 1, z = 1;
};
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

#if defined(POLYLOOM_X86)
// Keep the registers that a call must keep and the stack of one fiber, take up another's.
asm(R"(.text
.type polyloom_switch,@function
polyloom_switch:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
)");
extern "C" __attribute__((visibility("hidden"))) void polyloom_switch(void** kept, void* taken);
#endif

namespace polyloom {

// What Python says of a launch, and what it is told; the same fields in the same order as in `machine.py`.
struct Launch {
  unsigned grid[3], block[3];
  unsigned long long shared;  // bytes of dynamic shared memory
  unsigned order;
  unsigned poison;         // the byte that fills shared memory
  double seconds;          // of processor time, after which a kernel is taken for endless; 0: no limit, no guard pages
  unsigned at_block[3];    // where it went wrong
  unsigned at_thread[3];
  unsigned long long fault;  // the address that no array holds, else 0
  char message[400];
};

enum State { READY, AT_BARRIER, IN_WARP, DONE };
struct Fiber {
  State state;
  uint3 thread;
  int lane, warp;
  int line;                // of the barrier it waits at
  unsigned mask;           // of the collective operation it waits in
  const char* operation;
  unsigned long long mine, seen[32];  // what it brought to the operation, what the lanes of the mask brought
  int vote;                // what it brought to a barrier that counts
  char* stack;
#if defined(POLYLOOM_X86)
  void* place;
#else
  ucontext_t place;
#endif
};

#if defined(__SANITIZE_ADDRESS__)
constexpr std::size_t STACK = 512 << 10;
#else
constexpr std::size_t STACK = 64 << 10;
#endif
constexpr int MOST = 1024;
constexpr std::size_t PAGE = 1 << 16;  // of memory without access: a multiple of any page

struct Now {  // one launch at a time: whoever calls holds a lock
  Launch* launch;
  void (*kernel)(void**);
  void** arguments;
  Fiber fibers[MOST];
  int size;
  Fiber* fiber;
  uint3 block;
  dim3 grid_size, block_size;
  char *dynamic, *stacks;
  int votes;
  bool failed, woken;  // whether lanes that waited can go on again
  unsigned long long chance;
  sigjmp_buf way_out;
  pthread_t owner;
  const void* bottom;  // of the scheduler's stack, and its size: for the address sanitizer
  std::size_t room;
#if defined(POLYLOOM_X86)
  void* scheduler;
#else
  ucontext_t scheduler;
#endif
};
inline Now now;

inline void change([[maybe_unused]] bool to_fiber, [[maybe_unused]] bool last = false) {
  Fiber& fiber = *now.fiber;
#if defined(__SANITIZE_ADDRESS__)
  void* fake = nullptr;
  __sanitizer_start_switch_fiber(last ? nullptr : &fake, to_fiber ? fiber.stack : now.bottom, to_fiber ? STACK : now.room);
#endif
#if defined(POLYLOOM_X86)
  if (to_fiber) polyloom_switch(&now.scheduler, fiber.place);
  else polyloom_switch(&fiber.place, now.scheduler);
#else
  if (to_fiber) swapcontext(&now.scheduler, &fiber.place);
  else swapcontext(&fiber.place, &now.scheduler);
#endif
#if defined(__SANITIZE_ADDRESS__)
  if (to_fiber) __sanitizer_finish_switch_fiber(fake, nullptr, nullptr);
  else __sanitizer_finish_switch_fiber(fake, &now.bottom, &now.room);
#endif
}

inline void note(const char* format, ...) {  // the first fault is the one that is told
  if (now.failed) return;
  now.failed = true;
  va_list words;
  va_start(words, format);
  std::vsnprintf(now.launch->message, sizeof now.launch->message, format, words);
  va_end(words);
  now.launch->at_block[0] = now.block.x, now.launch->at_block[1] = now.block.y, now.launch->at_block[2] = now.block.z;
  const uint3 at = now.fiber ? now.fiber->thread : uint3{0, 0, 0};
  now.launch->at_thread[0] = at.x, now.launch->at_thread[1] = at.y, now.launch->at_thread[2] = at.z;
}

inline void give_way() { change(false); }

inline void entry() {
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_finish_switch_fiber(nullptr, &now.bottom, &now.room);
#endif
  now.kernel(now.arguments);
  now.fiber->state = DONE;
  change(false, true);
}

inline void prepare(Fiber& fiber) {
#if defined(POLYLOOM_X86)
  void** frame = reinterpret_cast<void**>(fiber.stack + STACK) - 8;
  std::memset(frame, 0, 64);
  frame[6] = reinterpret_cast<void*>(entry);  // where the first switch returns to, with the stack as after a call
  fiber.place = frame;
#else
  getcontext(&fiber.place);
  fiber.place.uc_stack.ss_sp = fiber.stack, fiber.place.uc_stack.ss_size = STACK, fiber.place.uc_link = nullptr;
  makecontext(&fiber.place, entry, 0);
#endif
}

// ---- what threads meet in

inline int barrier(int line, int vote) {
  Fiber& me = *now.fiber;
  me.state = AT_BARRIER, me.line = line, me.vote = vote;
  give_way();
  return now.votes;
}

inline bool arrived(const Fiber& me) {  // whether every lane of its mask waits in the same operation
  const int first = me.warp * 32;
  for (int lane = 0; lane < 32; lane++) {
    if (!(me.mask >> lane & 1)) continue;
    if (first + lane >= now.size) {
      note("%s names lane %d, but the last warp of the block has no such lane: launch whole warps", me.operation, lane);
      return false;
    }
    const Fiber& other = now.fibers[first + lane];
    if (other.state != IN_WARP) return false;
    if (other.mask != me.mask || std::strcmp(other.operation, me.operation)) return false;
  }
  return true;
}

template <class T>
unsigned long long packed(T given) {
  static_assert(sizeof(T) <= 8, "a lane gives at most 8 bytes");
  unsigned long long word = 0;
  std::memcpy(&word, &given, sizeof given);
  return word;
}

template <class T>
T unpacked(unsigned long long word) {
  T given;
  std::memcpy(&given, &word, sizeof given);
  return given;
}

inline const unsigned long long* meet(const char* operation, unsigned mask, unsigned long long mine) {
  Fiber& me = *now.fiber;
  if (!(mask >> me.lane & 1)) {
    note("%s: lane %d is not in its own mask %08x", operation, me.lane, mask);
    give_way();
  }
  me.state = IN_WARP, me.operation = operation, me.mask = mask, me.mine = mine;
  if (!arrived(me)) {
    give_way();
    return me.seen;
  }
  for (int lane = 0; lane < 32; lane++) {
    if (!(mask >> lane & 1)) continue;
    Fiber& other = now.fibers[me.warp * 32 + lane];
    for (int from = 0; from < 32; from++)
      if (mask >> from & 1) other.seen[from] = now.fibers[me.warp * 32 + from].mine;
    other.state = READY;
  }
  now.woken = true;
  give_way();  // so that the order says who is the first to go on
  return me.seen;
}

template <class T>
T shuffled(const char* operation, unsigned mask, T mine, int from) {
  const unsigned long long* seen = meet(operation, mask, packed(mine));
  if (!(mask >> from & 1)) {
    note("%s: lane %d reads lane %d, which is not in the mask %08x", operation, now.fiber->lane, from, mask);
    give_way();
  }
  return unpacked<T>(seen[from]);
}

inline unsigned ballot(const char* operation, unsigned mask, bool vote) {
  const unsigned long long* seen = meet(operation, mask, vote);
  unsigned found = 0;
  for (int lane = 0; lane < 32; lane++)
    if (mask >> lane & 1) found |= unsigned(seen[lane]) << lane;
  return found;
}

template <class T, class Merge>
T reduced(const char* operation, unsigned mask, T mine, Merge merge) {
  const unsigned long long* seen = meet(operation, mask, packed(mine));
  T total = mine;
  for (int lane = 0; lane < 32; lane++)
    if (mask >> lane & 1 && lane != now.fiber->lane) total = merge(total, unpacked<T>(seen[lane]));
  return total;
}

// A read, a write and the other threads in between: what an addition without atomics is.  For tests that take atomics out.
template <class T, class Merge>
T torn(T* at, Merge merge) {
  const T before = *at;
  give_way();
  *at = merge(before);
  return before;
}

// ---- the scheduler

inline unsigned draw(unsigned below) {
  now.chance ^= now.chance << 13, now.chance ^= now.chance >> 7, now.chance ^= now.chance << 17;
  return unsigned(now.chance >> 33) % below;
}

template <class T>
void arrange(T* order, unsigned long long size) {
  for (unsigned long long i = 0; i < size; i++) order[i] = T(now.launch->order == 1 ? size - 1 - i : i);
  if (now.launch->order > 1)
    for (unsigned long long i = size; i > 1; i--) std::swap(order[i - 1], order[draw(unsigned(i))]);
}

inline void deadlock() {
  for (int i = 0; i < now.size; i++) {
    now.fiber = &now.fibers[i];
    if (now.fiber->state != IN_WARP) continue;
    for (int lane = 0; lane < 32; lane++) {
      const Fiber& other = now.fibers[now.fiber->warp * 32 + lane];
      if (!(now.fiber->mask >> lane & 1)) continue;
      if (other.state == DONE)
        return note("lane %d waits in %s for lane %d, which has returned", now.fiber->lane, now.fiber->operation, lane);
      if (other.state == AT_BARRIER)
        return note("lane %d waits in %s for lane %d, which waits at the barrier in line %d", now.fiber->lane,
                    now.fiber->operation, lane, other.line);
      if (other.state == IN_WARP &&
          (other.mask != now.fiber->mask || std::strcmp(other.operation, now.fiber->operation)))
        return note("lane %d waits in %s with mask %08x, lane %d in %s with mask %08x", now.fiber->lane,
                    now.fiber->operation, now.fiber->mask, lane, other.operation, other.mask);
    }
  }
  note("no thread of the block can go on");
}

inline void release() {  // every thread waits at a barrier, or something is wrong
  int waiting = 0, gone = 0, line = 0;
  now.votes = 0;
  for (int i = 0; i < now.size; i++) {
    now.fiber = &now.fibers[i];
    gone += now.fiber->state == DONE;
    if (now.fiber->state != AT_BARRIER) continue;
    if (waiting++ && now.fiber->line != line)
      return note("one thread waits at the barrier in line %d, another at the one in line %d", line, now.fiber->line);
    line = now.fiber->line;
    now.votes += now.fiber->vote;
  }
  if (waiting + gone < now.size) return deadlock();
  if (gone) return note("%d threads wait at the barrier in line %d, the other %d have returned", waiting, line, gone);
  for (int i = 0; i < now.size; i++) now.fibers[i].state = READY;
}

inline void run_block(const short* order) {
  Launch& launch = *now.launch;
  std::memset(now.dynamic, int(launch.poison), launch.shared);
  if (__start_polyloom_shared)
    std::memset(__start_polyloom_shared, int(launch.poison), std::size_t(__stop_polyloom_shared - __start_polyloom_shared));
  for (int i = 0; i < now.size; i++) {
    Fiber& fiber = now.fibers[i];
    const unsigned at = unsigned(i), x = launch.block[0], y = launch.block[1];
    fiber.state = READY, fiber.thread = {at % x, at / x % y, at / (x * y)};
    fiber.lane = i % 32, fiber.warp = i / 32;
    fiber.stack = now.stacks + std::size_t(i) * STACK;
    prepare(fiber);
  }
  const bool turns = launch.order > 1 && launch.order % 2 == 0;
  for (int done = 0; done < now.size && !now.failed;) {
    bool ran = false;
    for (int i = 0; i < now.size && !now.failed; i++) {
      now.fiber = &now.fibers[order[i]];
      if (now.fiber->state != READY) continue;
      now.woken = false;
      change(true);
      done += now.fiber->state == DONE;
      ran = true;
      if (now.woken && !turns) i = -1;
    }
    if (!ran && !now.failed) release();
  }
}

inline void on_signal(int number, siginfo_t* info, void*) {
  if (!pthread_equal(pthread_self(), now.owner)) {
    if (number == SIGVTALRM) pthread_kill(now.owner, number);
    else signal(number, SIG_DFL);  // not ours: it comes again and is dealt with as ever
    return;
  }
  if (number == SIGVTALRM) note("the kernel had not ended after %g seconds", now.launch->seconds);
  else if (number == SIGFPE) note("an integer was divided by zero");
  else if (number == SIGILL) note("an index beyond an array of fixed size");  // how the compiler's check ends
  else {
    note("memory outside of every array");
    now.launch->fault = reinterpret_cast<unsigned long long>(info->si_addr);
  }
  siglongjmp(now.way_out, 1);
}

class Watch {  // turns faults of the kernel and a kernel without end into messages
 public:
  explicit Watch(double seconds) : on(seconds > 0) {
    if (!on) return;
    struct sigaction action = {};
    action.sa_sigaction = on_signal;
    action.sa_flags = SA_SIGINFO | SA_NODEFER | SA_ONSTACK;  // a fiber's own stack may be what is full
    static char room[STACK];
    stack_t stack = {};
    stack.ss_sp = room, stack.ss_size = sizeof room;
    sigaltstack(&stack, &stack_before);
    for (int i = 0; i < 5; i++) sigaction(NUMBERS[i], &action, &before[i]);
    itimerval limit = {};
    limit.it_value.tv_sec = long(seconds), limit.it_value.tv_usec = long((seconds - double(long(seconds))) * 1e6);
    setitimer(ITIMER_VIRTUAL, &limit, nullptr);
  }
  ~Watch() {
    if (!on) return;
    const itimerval none = {};
    setitimer(ITIMER_VIRTUAL, &none, nullptr);
    for (int i = 0; i < 5; i++) sigaction(NUMBERS[i], &before[i], nullptr);
    sigaltstack(&stack_before, nullptr);
  }

 private:
  static constexpr int NUMBERS[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGVTALRM};
  bool on;
  struct sigaction before[5];
  stack_t stack_before;
};

inline void run_grid(const unsigned* blocks, const short* order, unsigned long long count) {
  for (unsigned long long i = 0; i < count && !now.failed; i++) {
    const unsigned at = blocks[i], x = now.grid_size.x, y = now.grid_size.y;
    now.block = {at % x, at / x % y, at / (x * y)};
    now.fiber = nullptr;
    run_block(order);
  }
}

inline char* pages(std::size_t size) {
  return static_cast<char*>(mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0));
}

inline int launch(Launch& given, void (*kernel)(void**), void** arguments) {
  now.launch = &given, now.kernel = kernel, now.arguments = arguments;
  now.failed = false, now.chance = 0x9e3779b97f4a7c15ull * (given.order + 1ull), now.owner = pthread_self();
  now.grid_size = {given.grid[0], given.grid[1], given.grid[2]};
  now.block_size = {given.block[0], given.block[1], given.block[2]};
  now.size = int(given.block[0] * given.block[1] * given.block[2]);
  const unsigned long long count = 1ull * given.grid[0] * given.grid[1] * given.grid[2];
  now.stacks = pages(std::size_t(now.size) * STACK);
  const std::size_t held = (given.shared + 15) / 16 * 16, room = (held + PAGE - 1) / PAGE * PAGE;
  char* const edges = pages(room + 2 * PAGE);
  mprotect(edges, PAGE, PROT_NONE);
  mprotect(edges + PAGE + room, PAGE, PROT_NONE);
  now.dynamic = edges + PAGE + room - held;
#if defined(__SANITIZE_ADDRESS__)
  now.dynamic = static_cast<char*>(std::malloc(given.shared));  // to the byte, so that what lies beyond is seen
#endif
  unsigned* blocks = static_cast<unsigned*>(std::malloc(count * sizeof(unsigned)));
  short order[MOST];
  arrange(blocks, count);
  arrange(order, (unsigned long long)now.size);
  {
    Watch watch(given.seconds);
    if (!sigsetjmp(now.way_out, 1)) run_grid(blocks, order, count);
  }
  std::free(blocks);
#if defined(__SANITIZE_ADDRESS__)
  std::free(now.dynamic);
#endif
  munmap(edges, room + 2 * PAGE);
  munmap(now.stacks, std::size_t(now.size) * STACK);
  return now.failed;
}

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

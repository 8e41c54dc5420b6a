// Fibers for the threads of a block: the scheduler, where threads meet, and how faults are told.
//
// What `cpu.hpp` says of orders, poison and faults is done here; nothing here has a name of CUDA but the two structs
// that hold sizes and places.
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

extern char __start_polyloom_shared[] __attribute__((weak, visibility("hidden")));
extern char __stop_polyloom_shared[] __attribute__((weak, visibility("hidden")));

struct uint3 {
  unsigned x, y, z;
};
struct dim3 {
  unsigned x = 1, y = 1, z = 1;
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

}  // namespace polyloom

/*
 * A peer that truncates a file which it shares makes the next access to it a SIGBUS, which by
 * default ends the process. Here a fault inside a range that this addon mapped replaces up to 1 GiB
 * around it with zero pages, marks the range broken and lets the access go on; any other SIGBUS goes where it
 * would have gone without us. The same fault comes when a page cannot be allocated (memory limit,
 * no huge page left); it is treated alike.
 */
#include "arguments.h"
#include "sigbus.h"
#include "event-loop.h"

#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>

/*
 * One table for the process, because the handler runs in whichever thread faulted. `sequence` is a
 * counter whose two lowest bits are the state; they also make every reuse of a slot visible, so
 * that the handler never combines the start of one range with the length of another.
 */
enum { FREE = 0, CLAIMED = 1, LIVE = 2, STATE_MASK = 3, CAPACITY = 16384 };

/* Multiples of the usual sizes of huge pages, a part of which cannot be replaced. */
#define LARGE_PART ((size_t)1 << 30)
#define SMALL_PART ((size_t)1 << 21)

struct range {
  atomic_uint_fast64_t sequence;
  atomic_uintptr_t start;
  atomic_size_t span;
  atomic_bool broken;
};

static struct range table[CAPACITY];
static atomic_int used; /* slots at and above this number were never live */
/* How often a window broke; JavaScript reads it without a call. */
static _Atomic int32_t breaks;
static struct sigaction previous;

/* The count goes last: a thread that sees it change finds the window that broke. */
static void mark(struct range *range) {
  if (!atomic_exchange(&range->broken, true)) atomic_fetch_add(&breaks, 1);
}

/*
 * Zero pages for the aligned part of `reach` bytes of a range that has `address`. A range may be far
 * larger than the memory that would back it, hence NORESERVE; vm.overcommit_memory=2 ignores that
 * and counts every byte, hence the parts.
 */
static bool replace(uintptr_t start, size_t span, uintptr_t address, size_t reach) {
  size_t offset = (address - start) / reach * reach;
  size_t length = span - offset < reach ? span - offset : reach;
  return mmap((void *)(start + offset), length, PROT_READ | PROT_WRITE,
              MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0) != MAP_FAILED;
}

static bool patch(uintptr_t address) {
  int limit = atomic_load(&used);
  for (int i = 0; i < limit; i++) {
    struct range *range = &table[i];
    uint_fast64_t before = atomic_load(&range->sequence);
    if ((before & STATE_MASK) != LIVE) continue;
    uintptr_t start = atomic_load(&range->start);
    size_t span = atomic_load(&range->span);
    /* A slot that changes meanwhile belongs to another thread's window: a thread cannot unmap the
       window that it is faulting on. */
    if (atomic_load(&range->sequence) != before) continue;
    if (address < start || address - start >= span) continue;
    if (!replace(start, span, address, LARGE_PART) && !replace(start, span, address, SMALL_PART))
      return false;
    mark(range);
    return true;
  }
  return false;
}

static void chain(int signal, siginfo_t *info, void *context) {
  if ((previous.sa_flags & SA_SIGINFO) != 0) {
    previous.sa_sigaction(signal, info, context);
  } else if (previous.sa_handler == SIG_DFL || (previous.sa_handler == SIG_IGN && info->si_code > 0)) {
    /* Also where it was ignored: a fault cannot be, the access would only repeat for ever. The
       signal is blocked here; it takes effect when the handler returns. */
    struct sigaction standard = {.sa_handler = SIG_DFL};
    sigaction(signal, &standard, NULL);
    raise(signal);
  } else if (previous.sa_handler != SIG_IGN) {
    previous.sa_handler(signal);
  }
}

/* Async-signal-safe: atomics and plain system calls only. */
static void on_sigbus(int signal, siginfo_t *info, void *context) {
  int saved = errno;
  bool handled = info->si_code == BUS_ADRERR && patch((uintptr_t)info->si_addr);
  if (!handled) chain(signal, info, context);
  errno = saved;
}

static void install(void) {
  struct sigaction action = {.sa_flags = SA_SIGINFO | SA_ONSTACK};
  action.sa_sigaction = on_sigbus;
  sigemptyset(&action.sa_mask);
  /* Asked for first, so that `previous` is complete before the handler can run. */
  sigaction(SIGBUS, NULL, &previous);
  sigaction(SIGBUS, &action, NULL);
}

int range_register(void *address, size_t span) {
  static pthread_once_t installed = UV_ONCE_INIT;
  uv_once(&installed, install);
  for (int i = 0; i < CAPACITY; i++) {
    struct range *range = &table[i];
    uint_fast64_t sequence = atomic_load(&range->sequence);
    if ((sequence & STATE_MASK) != FREE ||
        !atomic_compare_exchange_strong(&range->sequence, &sequence, sequence + CLAIMED))
      continue;
    atomic_store(&range->start, (uintptr_t)address);
    atomic_store(&range->span, span);
    atomic_store(&range->broken, false);
    atomic_store(&range->sequence, sequence + LIVE);
    int seen = atomic_load(&used);
    while (seen <= i && !atomic_compare_exchange_weak(&used, &seen, i + 1)) continue;
    return i;
  }
  return -ENOMEM;
}

/* LIVE + 2 is FREE of the next generation. */
void range_unregister(int slot) { atomic_fetch_add(&table[slot].sequence, LIVE); }

bool range_is_broken(int slot) { return atomic_load(&table[slot].broken); }

void range_mark_broken(int slot) { mark(&table[slot]); }

void *range_breaks(size_t *size) {
  *size = sizeof breaks;
  return &breaks;
}

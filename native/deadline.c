/*
 * Ends a system call in which a peer holds this thread. All processes that share an
 * open file share its mode: a peer may clear O_NONBLOCK and fill an event counter at any moment, so
 * neither a look at the mode nor a poll can promise that the write after it returns. And the mode of
 * a peer's descriptor is not ours to set.
 *
 * A thread announces such a call by two stores. A watcher thread looks at the announcements while
 * calls are being made, and a call that it finds unchanged at the next look gets a signal, whose
 * handler is installed without SA_RESTART: the call returns EINTR. A timer for each call would cost
 * ten times what the call itself does.
 *
 * Each look wakes a thread, so they are frequent only where a call can be held without a change of
 * the mode: on descriptors in blocking mode, and for a while after a call had to be ended.
 */
#include "arguments.h"
#include "deadline.h"
#include "event-loop.h"

#include <linux/futex.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/*
 * A call that is in progress at a look is looked at again after AGAIN_NS. With the timer's slack of
 * 50 us each, a call on a descriptor in blocking mode lasts less than a millisecond.
 */
enum {
  PERIOD_NS = 600 * 1000,
  AGAIN_NS = 100 * 1000,
  RARE_PERIOD_NS = 10 * 1000 * 1000,
  IDLE_LOOKS = 3,
  ALERT_LOOKS = 10 * 1000 * 1000 / 600 /* 10 s */
};

/* What a look found. */
enum { CALLED = 1, BLOCKING_CALLED = 2, IN_CALL = 4, SIGNALLED = 8 };

/* What the watcher rests until. */
enum { AWAKE = 0, BLOCKING_CALL = 1, ANY_CALL = 2 };

/* One for each thread, on a cache line of its own; used again after the thread's end, never freed. */
struct announcement {
  atomic_uint sequence; /* odd: in a call */
  atomic_uint ended;    /* the call that got the signal */
  atomic_uint blocking; /* calls on descriptors in blocking mode */
  atomic_bool taken;
  pid_t thread;
  unsigned seen, blocking_seen; /* the watcher's */
  struct announcement *next;
} __attribute__((aligned(64)));

static _Atomic(struct announcement *) announcements;
static _Atomic uint32_t resting;
static atomic_bool held; /* a call had to be ended */
static _Thread_local struct announcement *own;
static int wake_signal;

static void on_signal(int signal) { (void)signal; }

/* A signal that has no handler yet: a handler of another library stays, and is never called. */
static int install(void) {
  for (int candidate = SIGRTMAX - 1; candidate >= SIGRTMIN; candidate--) {
    struct sigaction before, action = {.sa_handler = on_signal};
    if (sigaction(candidate, NULL, &before) == -1 || before.sa_handler != SIG_DFL) continue;
    sigemptyset(&action.sa_mask);
    if (sigaction(candidate, &action, NULL) == -1) return errno;
    wake_signal = candidate;
    return 0;
  }
  return EBUSY;
}

static int look(void) {
  int found = 0;
  for (struct announcement *one = atomic_load(&announcements); one != NULL; one = one->next) {
    unsigned sequence = atomic_load(&one->sequence), blocking = atomic_load(&one->blocking);
    bool in_call = sequence % 2 == 1;
    if (in_call && sequence == one->seen) {
      /* Again at every look: a signal that comes before the call has begun ends nothing. */
      atomic_store(&one->ended, sequence);
      syscall(SYS_tgkill, getpid(), one->thread, wake_signal);
      found |= SIGNALLED;
    }
    if (in_call) found |= IN_CALL;
    if (sequence != one->seen) found |= CALLED;
    if (blocking != one->blocking_seen) found |= BLOCKING_CALLED;
    one->seen = sequence;
    one->blocking_seen = blocking;
  }
  return found;
}

/* First the word, then another look; a caller announces first and then reads the word. */
static int rest(uint32_t until, int wakes, const struct timespec *timeout) {
  atomic_store(&resting, until);
  int found = look();
  if ((found & wakes) == 0) {
    syscall(SYS_futex, &resting, FUTEX_WAIT_PRIVATE, until, timeout, NULL, 0);
    /* No call was in progress before: this look compares with nothing that is too recent. */
    found |= look();
  }
  atomic_store(&resting, AWAKE);
  return found;
}

static int look_after(long ns) {
  nanosleep(&(struct timespec){.tv_nsec = ns}, NULL);
  return look();
}

static void watch(void *unused) {
  const struct timespec rare = {.tv_nsec = RARE_PERIOD_NS};
  int found = 0, idle = 0, alert = 0;
  (void)unused;
  prctl(PR_SET_NAME, "vhost-deadline");
  for (;;) {
    idle = found == 0 ? idle + 1 : 0;
    if (atomic_exchange(&held, false)) alert = ALERT_LOOKS;
    if ((found & (IN_CALL | SIGNALLED)) == IN_CALL) {
      found = look_after(AGAIN_NS);
    } else if ((found & (IN_CALL | BLOCKING_CALLED)) != 0 || alert > 0) {
      if (alert > 0) alert--;
      found = look_after(PERIOD_NS);
    } else if (idle < IDLE_LOOKS) {
      found = rest(BLOCKING_CALL, IN_CALL | BLOCKING_CALLED, &rare);
    } else {
      idle = 0;
      found = rest(ANY_CALL, IN_CALL | CALLED, NULL);
    }
  }
}

static void wake(void) {
  if (atomic_exchange(&resting, AWAKE) != AWAKE)
    syscall(SYS_futex, &resting, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

/* Once; again after a failure, as a limit of threads may have been reached for a moment. */
static int start(void) {
  static bool running;
  pthread_t thread;
  sigset_t all, before;
  if (running) return 0;
  int failure = wake_signal == 0 ? install() : 0;
  if (failure != 0) return failure;
  /* The watcher handles no signal of the process. */
  sigfillset(&all);
  sigprocmask(SIG_SETMASK, &all, &before);
  failure = -uv_thread_create(&thread, watch, NULL);
  sigprocmask(SIG_SETMASK, &before, NULL);
  running = failure == 0;
  return failure;
}

static struct announcement *find_free(void) {
  for (struct announcement *one = atomic_load(&announcements); one != NULL; one = one->next) {
    bool taken = false;
    if (atomic_compare_exchange_strong(&one->taken, &taken, true)) return one;
  }
  struct announcement *one = aligned_alloc(_Alignof(struct announcement), sizeof *one);
  if (one == NULL) return NULL;
  *one = (struct announcement){.taken = true};
  one->next = atomic_load(&announcements);
  while (!atomic_compare_exchange_weak(&announcements, &one->next, one)) continue;
  return one;
}

static struct announcement *claim(void) {
  static pthread_mutex_t starting = PTHREAD_MUTEX_INITIALIZER;
  sigset_t ours;
  pthread_mutex_lock(&starting);
  int failure = start();
  pthread_mutex_unlock(&starting);
  /* EAGAIN of a thread that cannot be made must not look like that of a full counter. */
  errno = failure == EAGAIN ? ENOMEM : failure;
  if (failure != 0) return NULL;
  struct announcement *one = find_free();
  errno = ENOMEM;
  if (one == NULL) return NULL;
  one->thread = (pid_t)syscall(SYS_gettid);
  sigemptyset(&ours);
  sigaddset(&ours, wake_signal);
  sigprocmask(SIG_UNBLOCK, &ours, NULL);
  return one;
}

struct announcement *deadline_begin(bool blocking) {
  if (own == NULL && (own = claim()) == NULL) return NULL;
  struct announcement *one = own;
  if (blocking) atomic_fetch_add_explicit(&one->blocking, 1, memory_order_relaxed);
  atomic_fetch_add(&one->sequence, 1);
  uint32_t until = atomic_load(&resting);
  if (until == ANY_CALL || (until == BLOCKING_CALL && blocking)) wake();
  return one;
}

bool deadline_end(struct announcement *one, int64_t result) {
  unsigned sequence = atomic_load_explicit(&one->sequence, memory_order_relaxed);
  bool passed = atomic_load_explicit(&one->ended, memory_order_acquire) == sequence;
  atomic_store_explicit(&one->sequence, sequence + 1, memory_order_release);
  if (result != -1 || errno != EINTR) return false;
  if (!passed) return true;
  atomic_store(&held, true);
  errno = EAGAIN;
  return false;
}

/* At the thread's end. */
static void give_back(void *unused) {
  (void)unused;
  if (own != NULL) atomic_store(&own->taken, false);
  own = NULL;
}

bool deadline_attach(napi_env env) {
  /* With an argument of its own: the same pair twice, of an addon loaded twice, would abort. */
  return napi_add_env_cleanup_hook(env, give_back, env) == napi_ok;
}

/*
 * How long a word takes to another process and back: two processes on two processors, each waits
 * for the other's counter in a cache line of its own. The least that a request through a ring that
 * is polled could take.
 *
 *     ping-pong CPU CPU SECONDS
 *
 * Prints nanoseconds per round trip.
 */
#define _GNU_SOURCE
#include <sched.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

struct line {
  _Alignas(128) _Atomic uint64_t count;
};

static void pin(int cpu) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(cpu, &set);
  if (sched_setaffinity(0, sizeof set, &set) != 0) perror("sched_setaffinity"), exit(1);
}

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

int main(int argc, char **argv) {
  if (argc != 4) return fprintf(stderr, "usage: ping-pong CPU CPU SECONDS\n"), 2;
  struct line *lines = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (lines == MAP_FAILED) return perror("mmap"), 1;
  pid_t child = fork();
  if (child == 0) {
    pin(atoi(argv[2]));
    for (uint64_t expected = 1;; expected++) {
      uint64_t seen;
      while ((seen = atomic_load(&lines[0].count)) < expected) {
      }
      atomic_store(&lines[1].count, seen);
      if (seen == UINT64_MAX) _exit(0);
    }
  }
  pin(atoi(argv[1]));
  double start = now(), end = start + atof(argv[3]);
  uint64_t trips = 0;
  for (;;) {
    for (int i = 0; i < 1000; i++) {
      atomic_store(&lines[0].count, ++trips);
      while (atomic_load(&lines[1].count) < trips) {
      }
    }
    if (now() >= end) break;
  }
  printf("%.1f\n", (now() - start) * 1e9 / (double)trips);
  atomic_store(&lines[0].count, UINT64_MAX);
  waitpid(child, NULL, 0);
  return 0;
}

/*
 * The same load as `vhost-user bench block`, on libblkio (virtio-blk-vhost-user driver): reads of
 * one size at random places, a fixed number in flight, latency of each request by the clock.
 * For comparison only; built by `vhost-user bench compare` where libblkio's headers are installed.
 *
 *     blkio-load SOCKET poll|event DEPTH BLOCK_BYTES WARM_UP_SECONDS SECONDS SPAN_BYTES
 *
 * Prints one line of JSON: requests, seconds, and latency percentiles in µs.
 */
#include <blkio.h>
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Latency by powers of two, 32 steps each: at most 3 % off. */
#define STEPS 32
static uint64_t counts[64 * STEPS];

static uint64_t now_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void record(uint64_t ns) {
  if (ns < STEPS) ns = STEPS;
  int power = 63 - __builtin_clzll(ns);
  counts[power * STEPS + (int)((ns >> (power - 5)) & (STEPS - 1))]++;
}

static double percentile_us(uint64_t total, double share) {
  uint64_t wanted = (uint64_t)((double)total * share), seen = 0;
  for (int i = 0; i < 64 * STEPS; i++) {
    seen += counts[i];
    if (seen > wanted) {
      int power = i / STEPS;
      return ((double)(STEPS + i % STEPS) * (double)(1ull << (power - 5))) / 1000.0;
    }
  }
  return 0;
}

static void check(int result, const char *what) {
  if (result >= 0) return;
  fprintf(stderr, "blkio-load: %s: %s (%s)\n", what, strerror(-result), blkio_get_error_msg());
  exit(1);
}

static uint32_t random_state = 1;
static uint32_t next_random(void) { /* xorshift32 */
  random_state ^= random_state << 13;
  random_state ^= random_state >> 17;
  random_state ^= random_state << 5;
  return random_state;
}

int main(int argc, char **argv) {
  if (argc != 8) {
    fprintf(stderr, "usage: blkio-load SOCKET poll|event DEPTH BYTES WARM_UP SECONDS SPAN\n");
    return 2;
  }
  bool polling = strcmp(argv[2], "poll") == 0;
  int depth = atoi(argv[3]);
  size_t bytes = (size_t)atol(argv[4]);
  double warm_up = atof(argv[5]), seconds = atof(argv[6]);
  uint32_t blocks = (uint32_t)(strtoull(argv[7], NULL, 10) / bytes);
  struct blkio *device;
  check(blkio_create("virtio-blk-vhost-user", &device), "create");
  check(blkio_set_str(device, "path", argv[1]), "path");
  check(blkio_connect(device), "connect");
  check(blkio_set_int(device, "num-queues", polling ? 0 : 1), "num-queues");
  check(blkio_set_int(device, "num-poll-queues", polling ? 1 : 0), "num-poll-queues");
  check(blkio_set_int(device, "queue-size", 256), "queue-size");
  check(blkio_start(device), "start");
  struct blkio_mem_region region;
  check(blkio_alloc_mem_region(device, &region, bytes * (size_t)depth), "memory");
  check(blkio_map_mem_region(device, &region), "map");
  struct blkioq *queue = polling ? blkio_get_poll_queue(device, 0) : blkio_get_queue(device, 0);
  uint64_t *since = calloc((size_t)depth, sizeof *since);
  struct blkio_completion *done = calloc((size_t)depth, sizeof *done);
  uint64_t start = now_ns(), begin = start + (uint64_t)(warm_up * 1e9);
  uint64_t end = begin + (uint64_t)(seconds * 1e9), requests = 0, first = 0, last = 0;
  int out = 0;
  for (int slot = 0; slot < depth; slot++) {
    since[slot] = now_ns();
    blkioq_read(queue, (uint64_t)(next_random() % blocks) * bytes,
                (char *)region.addr + bytes * (size_t)slot, bytes, (void *)(intptr_t)slot, 0);
    out++;
  }
  while (out > 0) {
    int count = blkioq_do_io(queue, done, polling ? 0 : 1, depth, NULL);
    check(count, "do_io");
    if (count == 0) continue;
    uint64_t now = now_ns();
    bool counted = now >= begin && now < end;
    if (counted && first == 0) first = now;
    for (int i = 0; i < count; i++) {
      intptr_t slot = (intptr_t)done[i].user_data;
      check(done[i].ret, "read");
      out--;
      if (counted) {
        record(now - since[slot]);
        requests++;
        last = now;
      }
      if (now >= end) continue;
      since[slot] = now;
      blkioq_read(queue, (uint64_t)(next_random() % blocks) * bytes,
                  (char *)region.addr + bytes * (size_t)slot, bytes, (void *)slot, 0);
      out++;
    }
  }
  printf("{\"requests\":%" PRIu64 ",\"seconds\":%.6f,\"p50\":%.3f,\"p90\":%.3f,\"p99\":%.3f,\"p999\":%.3f}\n",
         requests, (double)(last - first) / 1e9, percentile_us(requests, 0.5),
         percentile_us(requests, 0.9), percentile_us(requests, 0.99), percentile_us(requests, 0.999));
  blkio_destroy(&device);
  return 0;
}

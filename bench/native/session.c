/*
 * Connects to a block back-end and brings a session up with one queue, repeatedly, with the
 * messages of our client (bring-up.test.ts has their order), one after another, each reply waited
 * for; a request is not sent. Memory is made once, for all sessions.
 *
 *     session SOCKET COUNT
 *
 * Prints the median of the microseconds from connect to the answer to the last SET_STATUS.
 */
#define _GNU_SOURCE
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define MEMORY_BYTES (256 << 10)
#define QUEUE_SIZE 16
#define GUEST 0x100000000ull
#define USER 0x7f0000000000ull
#define NEED_REPLY 8u

struct message {
  uint32_t request, flags, size;
  union {
    uint64_t value;
    struct {
      uint32_t index, num;
    } state;
    struct {
      uint32_t index, flags;
      uint64_t descriptor, used, available, log;
    } address;
    struct {
      uint64_t padding, guest, size, user, offset;
    } region;
    uint8_t bytes[256];
  };
} __attribute__((packed));

static int connection;

static void die(const char *what) {
  perror(what);
  exit(1);
}

static void send_message(uint32_t request, uint32_t size, struct message *message, int fd, int need_reply) {
  message->request = request;
  message->flags = 1 | (need_reply ? NEED_REPLY : 0);
  message->size = size;
  struct iovec vector = {message, 12 + size};
  char control[CMSG_SPACE(sizeof fd)] = {0};
  struct msghdr header = {.msg_iov = &vector, .msg_iovlen = 1};
  if (fd >= 0) {
    header.msg_control = control;
    header.msg_controllen = sizeof control;
    struct cmsghdr *attached = CMSG_FIRSTHDR(&header);
    attached->cmsg_level = SOL_SOCKET;
    attached->cmsg_type = SCM_RIGHTS;
    attached->cmsg_len = CMSG_LEN(sizeof fd);
    memcpy(CMSG_DATA(attached), &fd, sizeof fd);
  }
  if (sendmsg(connection, &header, MSG_NOSIGNAL) != (ssize_t)(12 + size)) die("sendmsg");
}

static void receive(struct message *message) {
  if (recv(connection, message, 12, MSG_WAITALL) != 12) die("recv");
  if (message->size > sizeof message->bytes) exit(1);
  if (message->size > 0 && recv(connection, message->bytes, message->size, MSG_WAITALL) != (ssize_t)message->size)
    die("recv");
}

static uint64_t ask(uint32_t request) {
  struct message message = {0};
  send_message(request, 0, &message, -1, 0);
  receive(&message);
  return message.value;
}

/* Acknowledged, as REPLY_ACK has it. */
static void set(uint32_t request, uint32_t size, struct message message, int fd) {
  send_message(request, size, &message, fd, 1);
  receive(&message);
  if (message.value != 0) exit(1);
}

static void session(const char *path, int memory) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
  connection = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (connect(connection, (struct sockaddr *)&address, sizeof address) != 0) die("connect");
  uint64_t features = ask(1);
  uint64_t protocol = ask(15) & (1 << 0 | 1 << 3 | 1 << 5 | 1 << 9 | 1 << 15 | 1 << 16); /* MQ REPLY_ACK BACKEND_REQ CONFIG SLOTS STATUS */
  int channel[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, channel) != 0) die("socketpair");
  struct message message = {.value = protocol};
  send_message(16, 8, &message, -1, 0);
  set(21, 0, (struct message){0}, channel[1]);
  close(channel[1]);
  set(3, 0, (struct message){0}, -1);
  set(39, 8, (struct message){.value = 3}, -1);
  set(2, 8, (struct message){.value = features & (1ull << 28 | 1ull << 29 | 1ull << 30 | 1ull << 32)}, -1);
  set(39, 8, (struct message){.value = 11}, -1);
  ask(40);
  set(37, 40, (struct message){.region = {0, GUEST, MEMORY_BYTES, USER, 0}}, memory);
  int kick = eventfd(0, EFD_NONBLOCK), call = eventfd(0, EFD_NONBLOCK), error = eventfd(0, EFD_NONBLOCK);
  set(8, 8, (struct message){.state = {0, QUEUE_SIZE}}, -1);
  set(10, 8, (struct message){.state = {0, 0}}, -1);
  set(9, 40, (struct message){.address = {0, 0, USER, USER + 8192, USER + 4096, 0}}, -1);
  set(14, 8, (struct message){.value = 0}, error);
  set(13, 8, (struct message){.value = 0}, call);
  set(12, 8, (struct message){.value = 0}, kick);
  set(18, 8, (struct message){.state = {0, 1}}, -1);
  set(39, 8, (struct message){.value = 15}, -1);
  close(error);
  close(channel[0]);
  close(kick);
  close(call);
}

static double now_us(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec * 1e6 + (double)time.tv_nsec / 1e3;
}

static int by_size(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return x < y ? -1 : x > y;
}

int main(int argc, char **argv) {
  if (argc != 3) return fprintf(stderr, "usage: session SOCKET COUNT\n"), 2;
  int count = atoi(argv[2]), memory = memfd_create("session", MFD_CLOEXEC);
  if (memory < 0 || ftruncate(memory, MEMORY_BYTES) != 0) die("memfd");
  double *times = calloc((size_t)count, sizeof *times);
  for (int i = 0; i < count; i++) {
    double start = now_us();
    session(argv[1], memory);
    times[i] = now_us() - start;
    struct message base = {.state = {0, 0}};
    send_message(11, 8, &base, -1, 0);
    receive(&base);
    close(connection);
  }
  qsort(times, (size_t)count, sizeof *times, by_size);
  printf("%.1f\n", times[count / 2]);
  return 0;
}

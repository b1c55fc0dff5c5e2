// SPDX-License-Identifier: MIT
// M8: forks while other threads open files of /proc that the engine writes itself: the child opens them too. A lock of the
// engine that is held as the process forks must be free in the child.
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static _Atomic int stop;

static int look(const char *path) {
  char buffer[4096];
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return -1;
  int n = read(fd, buffer, sizeof buffer);
  close(fd);
  return n > 0 ? 0 : -1;
}
static int look_at_all(void) { return look("/proc/self/maps") | look("/proc/cpuinfo") | look("/proc/self/fdinfo/0") | look("/proc/self/status"); }

static void *open_files(void *argument) {
  (void)argument;
  while (!stop)
    if (look_at_all()) stop = 1;
  return 0;
}

int main(void) {
  alarm(50);
  pthread_t threads[3];
  for (int i = 0; i < 3; i++) pthread_create(&threads[i], 0, open_files, 0);
  int wrong = 0;
  for (int i = 0; i < 1500 && !stop; i++) {
    int status = -1;
    pid_t child = fork();
    if (!child) {
      alarm(10);  // what hangs dies of it
      _exit(look_at_all() ? 1 : 0);
    }
    if (child < 0 || waitpid(child, &status, 0) != child || status) {
      printf("fork %d: status %#x\n", i, status);
      wrong = 1;
      break;
    }
  }
  stop = 1;
  for (int i = 0; i < 3; i++) pthread_join(threads[i], 0);
  puts(wrong ? "wrong" : "ok");
  return wrong;
}

// SPDX-License-Identifier: MIT
// Tagged addresses: refused by system calls until the thread asks for them, then taken, also inside of iovecs
// and message headers. The native twin of this program has no tags; what it prints is what the tagged calls
// must do.
#include <pthread.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>
#include "print.h"

#ifdef __aarch64__
#define TAG(p, tag) ((void*)((unsigned long)(p) | (unsigned long)(tag) << 56))
#define ENABLE(on) prctl(PR_SET_TAGGED_ADDR_CTRL, on, 0, 0, 0)
#define ENABLED() prctl(PR_GET_TAGGED_ADDR_CTRL, 0, 0, 0, 0)
#else
static int enabled;
#define TAG(p, tag) ((void*)(p))
#define ENABLE(on) (enabled = (on), 0)
#define ENABLED() enabled
#endif

static void* thread(void* unused) {
  (void)unused;
  return (void*)(long)ENABLED();
}

int main(void) {
  setvbuf(stdout, 0, _IOLBF, 0);
  char text[] = "0123456789abcdefghij\n", got[64] = "";
  SHOW(ENABLED());
  TRY(write(1, (char*)text + (1ul << 60), 3));  // not enabled: EFAULT, as for any bad address
  TRY(ENABLE(1));
  SHOW(ENABLED());
  char* p = TAG(text, 0x5a);
  TRY(write(1, p, 21));
  struct iovec io[2] = {{p, 10}, {TAG(text + 20, 1), 1}}, many[21];
  TRY(writev(1, io, 2));
  TRY(writev(1, TAG(io, 7), 2));
  for (int i = 0; i < 21; i++) many[i] = (struct iovec){TAG(text + i, i), 1};
  TRY(writev(1, many, 21));
  int u[2];
  TRY(socketpair(AF_UNIX, SOCK_DGRAM, 0, u));
  struct msghdr m = {.msg_iov = TAG(io, 3), .msg_iovlen = 2};
  TRY(sendmsg(u[0], TAG(&m, 9), 0));
  struct iovec in = {TAG(got, 2), 6};
  m.msg_iov = TAG(&in, 4), m.msg_iovlen = 1, m.msg_flags = 77;
  TRY(recvmsg(u[1], &m, 0));
  SHOW(m.msg_flags == MSG_TRUNC);
  puts(got);
  struct stat s;
  TRY(stat(TAG("/dev/null", 1), TAG(&s, 2)));
  char* page = mmap(0, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  TRY(mprotect(TAG(page, 3), 4096, PROT_READ));
  TRY(madvise(TAG(page, 3), 4096, MADV_DONTNEED));
  pthread_t t;
  void* inherited;
  pthread_create(&t, 0, thread, 0);
  pthread_join(t, &inherited);
  SHOW(inherited);
  TRY(ENABLE(0));
  SHOW(ENABLED());
  TRY(munmap(TAG(page, 3), 8192));  // ranges lose their tag in any case
  TRY(prctl(PR_SET_TAGGED_ADDR_CTRL, 1 << 20, 0, 0, 0));
  return 0;
}

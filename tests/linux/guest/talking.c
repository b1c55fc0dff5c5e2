// SPDX-License-Identifier: MIT
// Sockets, message queues, System V objects, terminals.
#include <arpa/inet.h>
#include <fcntl.h>
#include <mqueue.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>
#include "print.h"

union semun {
  int val;
  struct semid_ds* buf;
  unsigned short* array;
};

static void sockets(void) {
  int s = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  TRY(bind(s, (struct sockaddr*)&at, sizeof at));
  TRY(listen(s, 4));
  socklen_t size = sizeof at;
  TRY(getsockname(s, (struct sockaddr*)&at, &size));
  SHOW(size);
  pid_t child = fork();
  if (!child) {
    int c = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(c, (struct sockaddr*)&at, sizeof at)) _exit(1);
    _exit(send(c, "abcdef", 6, 0) == 6 ? 0 : 2);
  }
  int c = accept4(s, 0, 0, SOCK_CLOEXEC);
  SHOW(fcntl(c, F_GETFD));
  char text[16] = "";
  TRY(recv(c, text, sizeof text, MSG_WAITALL));
  puts(text);
  int one = 0;
  size = sizeof one;
  TRY(setsockopt(c, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int)));
  TRY(getsockopt(c, IPPROTO_TCP, TCP_NODELAY, &one, &size));
  SHOW(one);
  int status;
  waitpid(child, &status, 0);
  SHOW(status);
  struct timeval wait = {0, 20000};
  TRY(setsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait));
  TRY(accept(s, 0, 0));
  close(c), close(s);

  int u[2];
  TRY(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, u));
  TRY(setsockopt(u[1], SOL_SOCKET, SO_PASSCRED, &(int){1}, sizeof(int)));
  char control[CMSG_SPACE(sizeof(int))];
  struct iovec io = {"xy", 2};
  struct msghdr m = {
      .msg_iov = &io, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
  struct cmsghdr* h = CMSG_FIRSTHDR(&m);
  h->cmsg_level = SOL_SOCKET, h->cmsg_type = SCM_RIGHTS, h->cmsg_len = CMSG_LEN(sizeof(int));
  *(int*)CMSG_DATA(h) = 1;
  TRY(sendmsg(u[0], &m, 0));
  char answer[CMSG_SPACE(sizeof(int)) + CMSG_SPACE(sizeof(struct ucred))];
  io.iov_base = text;
  m.msg_control = answer, m.msg_controllen = sizeof answer;
  TRY(recvmsg(u[1], &m, MSG_CMSG_CLOEXEC));
  for (h = CMSG_FIRSTHDR(&m); h; h = CMSG_NXTHDR(&m, h)) {
    printf("control %d %d length %ld\n", h->cmsg_level, h->cmsg_type, (long)h->cmsg_len);
    if (h->cmsg_type == SCM_RIGHTS) SHOW(fcntl(*(int*)CMSG_DATA(h), F_GETFD));
    if (h->cmsg_type == SCM_CREDENTIALS) SHOW(((struct ucred*)CMSG_DATA(h))->pid == getpid());
  }
  struct mmsghdr many[2] = {{{.msg_iov = &io, .msg_iovlen = 1}, 0}, {{.msg_iov = &io, .msg_iovlen = 1}, 0}};
  io.iov_len = 2;
  TRY(sendmmsg(u[0], many, 2, 0));
  TRY(recvmmsg(u[1], many, 2, MSG_DONTWAIT, 0));
  SHOW(many[1].msg_len);
  TRY(recv(u[1], text, 1, MSG_DONTWAIT));
  TRY(sendto(u[0], (void*)8, 4, 0, 0, 0));
}

static void system_v(void) {
  int id = semget(IPC_PRIVATE, 3, 0640);
  TRY(semctl(id, 0, SETALL, (union semun){.array = (unsigned short[]){4, 5, 6}}));
  TRY(semctl(id, 1, GETVAL));
  struct semid_ds ds;
  memset(&ds, 0xff, sizeof ds);
  TRY(semctl(id, 0, IPC_STAT, (union semun){.buf = &ds}));
  SHOW(ds.sem_nsems);
  SHOW(ds.sem_perm.mode);
  SHOW(ds.sem_otime);
  SHOW(ds.sem_ctime > 1500000000);
  ds.sem_perm.mode = 0600;
  TRY(semctl(id, 0, IPC_SET, (union semun){.buf = &ds}));
  TRY(semctl(id, 0, IPC_STAT, (union semun){.buf = &ds}));
  SHOW(ds.sem_perm.mode);
  TRY(semop(id, &(struct sembuf){0, -4, 0}, 1));
  TRY(semtimedop(id, &(struct sembuf){0, -1, 0}, 1, &(struct timespec){0, 10000000}));
  TRY(semop(id, &(struct sembuf){0, -1, IPC_NOWAIT}, 1));
  TRY(semctl(id, 0, IPC_STAT, (union semun){.buf = &ds}));
  SHOW(ds.sem_otime > 1500000000);
  TRY(semctl(id, 0, IPC_STAT, (union semun){.buf = (void*)8}));
  TRY(semctl(id, 0, IPC_RMID));
  TRY(semctl(id, 0, IPC_STAT, (union semun){.buf = &ds}));

  id = msgget(IPC_PRIVATE, 0600);
  struct {
    long type;
    char text[8];
  } m = {3, "message"};
  TRY(msgsnd(id, &m, 8, 0));
  struct msqid_ds q;
  TRY(msgctl(id, IPC_STAT, &q));
  SHOW(q.msg_qnum);
  SHOW(q.msg_lspid == getpid());
  m.type = 0;
  TRY(msgrcv(id, &m, 8, 0, 0));
  SHOW(m.type);
  TRY(msgrcv(id, &m, 8, 0, IPC_NOWAIT));
  TRY(msgctl(id, IPC_RMID, 0));

  struct mq_attr attr = {.mq_maxmsg = 2, .mq_msgsize = 16};
  mqd_t mq = mq_open("/grus-talking", O_CREAT | O_EXCL | O_RDWR | O_NONBLOCK, 0600, &attr);
  if (mq != -1) {
    mq_unlink("/grus-talking");
    TRY(mq_send(mq, "abc", 3, 7));
    unsigned priority = 0;
    char text[16];
    TRY(mq_receive(mq, text, 16, &priority));
    SHOW(priority);
    TRY(mq_receive(mq, text, 16, &priority));
    TRY(mq_getattr(mq, &attr));
    SHOW(attr.mq_flags);
  }
}

static void terminals(void) {
  int m = posix_openpt(O_RDWR | O_NOCTTY);
  if (m < 0) return;
  grantpt(m), unlockpt(m);
  int s = ioctl(m, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
  SHOW(s >= 0);
  SHOW(fcntl(s, F_GETFD));
  struct winsize w = {24, 80, 1, 2}, x;
  TRY(ioctl(m, TIOCSWINSZ, &w));
  TRY(ioctl(s, TIOCGWINSZ, &x));
  printf("%d %d %d %d\n", x.ws_row, x.ws_col, x.ws_xpixel, x.ws_ypixel);
  struct termios t;
  TRY(tcgetattr(s, &t));
  printf("%o %o %o %o %d %d\n", t.c_iflag, t.c_oflag, t.c_cflag, t.c_lflag, t.c_cc[VINTR], t.c_cc[VMIN]);
  cfmakeraw(&t);
  TRY(cfsetspeed(&t, B115200));
  TRY(tcsetattr(s, TCSANOW, &t));
  TRY(tcgetattr(m, &t));
  SHOW(cfgetospeed(&t) == B115200);
  TRY(write(m, "key", 3));
  int n = 0;
  TRY(poll(&(struct pollfd){s, POLLIN, 0}, 1, 5000));  // the line discipline works in the background
  TRY(ioctl(s, FIONREAD, &n));
  SHOW(n);
  TRY(ioctl(0, 0xae00, 0));  // KVM_GET_API_VERSION on something else
  TRY(ioctl(m, TIOCGWINSZ, (void*)8));
}

int main(void) {
  sockets();
  system_v();
  terminals();
  return 0;
}

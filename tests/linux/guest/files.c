// SPDX-License-Identifier: MIT
// Open flags, stat, statx, statfs, getdents, xattr, readlink, pipes.
#include <dirent.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <unistd.h>
#include "print.h"

int main(void) {
  char dir[] = "/tmp/grus-files.XXXXXX";
  if (!mkdtemp(dir) || chdir(dir)) return 1;
  int fd = open("a", O_CREAT | O_RDWR | O_EXCL | O_CLOEXEC, 0640);
  SHOW(fd);
  TRY(write(fd, "hello world", 11));
  WORKS(symlink("a", "link"));
  WORKS(mkdir("sub", 0755));

  TRY(open("a", O_DIRECTORY));
  TRY(open("link", O_NOFOLLOW));
  TRY(open("link", O_NOFOLLOW | O_DIRECTORY));
  WORKS(open("sub", O_DIRECTORY | O_RDONLY));
  TRY(open("sub", O_RDWR));
  WORKS(open(".", O_TMPFILE | O_RDWR, 0600));
  WORKS(open("link", O_PATH | O_NOFOLLOW));
  TRY(open("a", O_CREAT | O_EXCL | O_WRONLY, 0600));

  SHOW(fcntl(fd, F_GETFL) & (O_ACCMODE | O_APPEND | O_CREAT));  // glibc has no O_LARGEFILE to mask with
  int big = open("a", O_RDWR | O_APPEND | O_NONBLOCK);
  SHOW(fcntl(big, F_GETFL) & O_APPEND);
  SHOW(fcntl(big, F_GETFL) & O_DIRECTORY);
  SHOW(fcntl(big, F_GETFL) & O_NOFOLLOW);
  TRY(fcntl(big, F_SETFL, O_RDWR));
  SHOW(fcntl(big, F_GETFL) & (O_APPEND | O_NONBLOCK));
  SHOW(fcntl(open("sub", O_DIRECTORY), F_GETFL) & O_DIRECTORY ? 1 : 0);

  struct open_how how = {.flags = O_DIRECTORY, .resolve = RESOLVE_BENEATH};
  WORKS(syscall(SYS_openat2, AT_FDCWD, "sub", &how, sizeof how));
  TRY(syscall(SYS_openat2, AT_FDCWD, "a", &how, sizeof how));
  TRY(syscall(SYS_openat2, AT_FDCWD, "/tmp", &how, sizeof how));
  how.flags = O_NOFOLLOW, how.resolve = 0;
  TRY(syscall(SYS_openat2, AT_FDCWD, "link", &how, sizeof how));
  TRY(syscall(SYS_openat2, AT_FDCWD, "a", &how, 8));
  struct {
    struct open_how how;
    long more;
  } large = {{.flags = O_RDONLY}, 0};
  WORKS(syscall(SYS_openat2, AT_FDCWD, "a", &large, sizeof large));
  large.more = 1;
  TRY(syscall(SYS_openat2, AT_FDCWD, "a", &large, sizeof large));
  TRY(syscall(SYS_openat2, AT_FDCWD, "a", (void*)8, sizeof large));

  struct stat s;
  TRY(fstat(fd, &s));
  SHOW(s.st_size);
  SHOW(s.st_mode);
  SHOW(s.st_nlink);
  SHOW(s.st_uid == getuid());
  SHOW(s.st_blksize);
  TRY(fchmod(fd, 04711));
  TRY(link("a", "b"));
  struct timespec times[2] = {{1000000000, 123456789}, {1500000000, 987654321}};
  TRY(utimensat(AT_FDCWD, "a", times, 0));
  TRY(stat("b", &s));
  SHOW(s.st_mode);
  SHOW(s.st_nlink);
  SHOW(s.st_atim.tv_sec);
  SHOW(s.st_atim.tv_nsec);
  SHOW(s.st_mtim.tv_sec);
  SHOW(s.st_mtim.tv_nsec);
  SHOW(s.st_ctim.tv_sec > 1500000000);
  TRY(lstat("link", &s));
  SHOW(S_ISLNK(s.st_mode));
  SHOW(s.st_size);
  TRY(stat("/dev/null", &s));
  SHOW(major(s.st_rdev));
  SHOW(minor(s.st_rdev));
  TRY(fstatat(fd, "", &s, AT_EMPTY_PATH));
  SHOW(s.st_size);
  TRY(stat("missing", &s));
  TRY(stat("a", (void*)16));
  TRY(stat((void*)16, &s));
  TRY(fstat(99, &s));

  struct statx sx;
  TRY(statx(AT_FDCWD, "b", 0, STATX_BASIC_STATS, &sx));
  SHOW(sx.stx_mtime.tv_nsec);
  SHOW(sx.stx_size);
  struct statfs sf;
  TRY(statfs("/proc", &sf));
  SHOW(sf.f_type);
  SHOW(sf.f_namelen);
  SHOW(sf.f_bsize);

  char text[64] = "";
  TRY(readlink("link", text, sizeof text));
  puts(text);
  TRY(readlink("a", text, sizeof text));
  TRY(syscall(SYS_readlinkat, AT_FDCWD, "link", text, 0));
  TRY(faccessat(AT_FDCWD, "a", R_OK, 0));
  TRY(faccessat(AT_FDCWD, "missing", R_OK, 0));
  TRY(faccessat(AT_FDCWD, "link", F_OK, AT_SYMLINK_NOFOLLOW));

  DIR* d = opendir(".");
  int entries = 0, links = 0, directories = 0;
  for (struct dirent* e; (e = readdir(d));) {
    entries++;
    links += e->d_type == DT_LNK;
    directories += e->d_type == DT_DIR;
  }
  printf("%d entries, %d links, %d directories\n", entries, links, directories);

  int p[2];
  TRY(pipe2(p, O_DIRECT | O_NONBLOCK | O_CLOEXEC));
  SHOW(fcntl(p[0], F_GETFL) & O_DIRECT ? 1 : 0);
  SHOW(fcntl(p[0], F_GETFD));
  TRY(write(p[1], "ab", 2));
  TRY(write(p[1], "cde", 3));
  TRY(read(p[0], text, 10));  // packet mode: one write at a time
  TRY(read(p[0], text, 10));
  TRY(read(p[0], text, 10));
  TRY(pipe2(p, 0400000000));

  struct iovec io[2] = {{"12", 2}, {"345", 3}};
  TRY(pwritev(fd, io, 2, 3));
  char got[16] = "";
  TRY(pread(fd, got, 11, 0));
  puts(got);
  TRY(readv(fd, (struct iovec*)8, 1));
  TRY(read(fd, (void*)8, 4));
  TRY(copy_file_range(fd, &(loff_t){0}, open("c", O_CREAT | O_RDWR, 0600), 0, 5, 0));
  TRY(truncate("a", 3));
  TRY(lseek(fd, 0, SEEK_END));
  TRY(fallocate(fd, 0, 0, 4096));
  TRY(lseek(fd, 0, SEEK_DATA));

  unlink("a"), unlink("b"), unlink("c"), unlink("link"), rmdir("sub");
  TRY(chdir("/"));
  TRY(rmdir(dir));
  return 0;
}

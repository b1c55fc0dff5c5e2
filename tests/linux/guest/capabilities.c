// SPDX-License-Identifier: MIT
// M12: exec of a file whose capabilities the bounding set does not let through. Only root may set them; others compare that.
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

static char g_copy[4096];

static void make_copy(void) {
  ssize_t n = readlink("/proc/self/exe", g_copy, sizeof g_copy - 16);
  g_copy[n] = 0;
  strcat(g_copy, ".caps");
  int from = open("/proc/self/exe", O_RDONLY), to = open(g_copy, O_WRONLY | O_CREAT | O_TRUNC, 0755);
  struct stat st;
  fstat(from, &st);
  for (off_t left = st.st_size; left > 0;) left -= sendfile(to, from, 0, (size_t)left);
  close(from);
  close(to);
}

// What the file says, what is taken from the bounding set, what is inheritable; then exec, directly or by a script.
static void attempt(const char* what, unsigned magic, unsigned permitted, unsigned inheritable, int drop, unsigned own, int script) {
  struct vfs_cap_data data = {magic, {{permitted, inheritable}, {0, 0}}};
  size_t size = (magic & VFS_CAP_REVISION_MASK) == VFS_CAP_REVISION_1 ? XATTR_CAPS_SZ_1 : XATTR_CAPS_SZ_2;
  if (setxattr(g_copy, "security.capability", &data, size, 0)) {
    printf("%s: not set: %s\n", what, strerror(errno));
    return;
  }
  fflush(stdout);
  if (!fork()) {
    struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct caps[2];
    syscall(SYS_capget, &header, caps);
    caps[0].inheritable = own;
    syscall(SYS_capset, &header, caps);
    if (drop >= 0 && prctl(PR_CAPBSET_DROP, drop, 0, 0, 0)) printf("drop: %s\n", strerror(errno));
    char path[4200];
    snprintf(path, sizeof path, "%s%s", g_copy, script ? ".script" : "");
    execl(path, path, "child", (char*)0);
    printf("%s: %s\n", what, strerror(errno));
    fflush(stdout);
    _exit(1);
  }
  int status;
  wait(&status);
  printf("%s: status %d\n", what, WEXITSTATUS(status));
}

int main(int argc, char** argv) {
  if (argc > 1) return 0;
  make_copy();
  char script[4200];
  snprintf(script, sizeof script, "%s.script", g_copy);
  FILE* f = fopen(script, "w");
  fprintf(f, "#!%s\n", g_copy);
  fclose(f);
  chmod(script, 0755);
  const unsigned kRaw = 1u << CAP_NET_RAW, kBind = 1u << CAP_NET_BIND_SERVICE, k2 = VFS_CAP_REVISION_2, kE = VFS_CAP_FLAGS_EFFECTIVE;
  attempt("everything is there", k2 | kE, kRaw, 0, -1, 0, 0);
  attempt("outside of the bounding set", k2 | kE, kRaw, 0, CAP_NET_RAW, 0, 0);
  attempt("one of two", k2 | kE, kRaw | kBind, 0, CAP_NET_RAW, 0, 0);
  attempt("another is outside", k2 | kE, kBind, 0, CAP_NET_RAW, 0, 0);
  attempt("not effective at once", k2, kRaw, 0, CAP_NET_RAW, 0, 0);
  attempt("inheritable by both", k2 | kE, kRaw, kRaw, CAP_NET_RAW, kRaw, 0);
  attempt("inheritable by the file", k2 | kE, kRaw, kRaw, CAP_NET_RAW, 0, 0);
  attempt("only inheritable", k2 | kE, 0, kRaw, CAP_NET_RAW, 0, 0);
  attempt("first revision", VFS_CAP_REVISION_1 | kE, kRaw, 0, CAP_NET_RAW, 0, 0);
  attempt("a script's interpreter", k2 | kE, kRaw, 0, CAP_NET_RAW, 0, 1);
  attempt("a script's interpreter may", k2 | kE, kRaw, 0, -1, 0, 1);
  unlink(script);
  unlink(g_copy);
  return 0;
}

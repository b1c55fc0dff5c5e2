// SPDX-License-Identifier: MIT
// exec: errors, scripts, descriptors, the program's own link, and ELF files as nobody should write them.
#include <elf.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "print.h"

static char directory[64] = "/tmp/exec-XXXXXX";
static char self[PATH_MAX];
static unsigned char* image;
static size_t image_size;

static int execveat_(int fd, const char* path, char** argv, char** envp, int flags) {
  return (int)syscall(SYS_execveat, fd, path, argv, envp, flags);
}

static void write_file(const char* name, const void* data, size_t size, int mode) {
  unlink(name);
  int fd = open(name, O_CREAT | O_WRONLY | O_TRUNC | O_CLOEXEC, mode);
  write(fd, data, size);
  close(fd);
}
static void script(const char* name, const char* text) { write_file(name, text, strlen(text), 0755); }

// Runs the exec in a child; prints how it went. Scratch names are cut from the child's output by running in `directory`.
static void child(const char* what, int (*f)(void)) {
  fflush(stdout);
  pid_t pid = fork();
  if (!pid) {
    errno = 0;
    f();
    printf("%s: %s\n", what, strerrorname_np(errno));
    fflush(stdout);
    _exit(99);
  }
  int status;
  waitpid(pid, &status, 0);
  if (WIFSIGNALED(status))
    printf("%s: signal %d\n", what, WTERMSIG(status));
  else
    printf("%s: exit %d\n", what, WEXITSTATUS(status));
}
#define CHILD(expression)                  \
  do {                                     \
    int f(void) { return (expression); }   \
    child(#expression, f);                 \
  } while (0)

static char* env[] = {"A=1", "B=two words", 0};
static char* args[] = {"argv0", "--show", "x", "", "y z", 0};

static int show(int argc, char** argv, char** envp) {
  for (int i = 0; i < argc; i++) printf("  argv[%d] = <%s>\n", i, argv[i]);
  for (int i = 0; envp[i]; i++) printf("  envp[%d] = <%s>\n", i, envp[i]);
  const char* fn = (const char*)getauxval(AT_EXECFN);
  char comm[17] = "";
  prctl(PR_GET_NAME, comm);
  printf("  execfn = <%s>, comm = <%s>\n", fn, comm);
  char line[4096];
  int fd = open("/proc/self/cmdline", O_RDONLY);
  int n = (int)read(fd, line, sizeof line);
  close(fd);
  for (int i = 0; i < n; i++)
    if (!line[i]) line[i] = '|';
  printf("  cmdline = <%.*s>\n", n, line);
  fd = open("/proc/self/environ", O_RDONLY);
  n = (int)read(fd, line, sizeof line);
  for (int i = 0; i < n; i++)
    if (!line[i]) line[i] = '|';
  printf("  environ = <%.*s>, next descriptor %d\n", n, line, fd);
  close(fd);
  fflush(stdout);
  return 7;
}

static void mutate(const char* what, void (*change)(Elf64_Ehdr*, Elf64_Phdr*)) {
  unsigned char* copy = malloc(image_size);
  memcpy(copy, image, image_size);
  Elf64_Ehdr* h = (Elf64_Ehdr*)copy;
  change(h, (Elf64_Phdr*)(copy + h->e_phoff));
  write_file("mutant", copy, image_size, 0755);
  free(copy);
  printf("%s\n", what);
  CHILD(execve("./mutant", args, env));
}
#define MUTATE(statements)                                      \
  do {                                                          \
    void change(Elf64_Ehdr * h, Elf64_Phdr * p) {               \
      (void)p;                                                  \
      statements;                                               \
    }                                                           \
    mutate(#statements, change);                                \
  } while (0)

// Makes the PT_INTERP, or the first PT_NOTE of a static program, name another interpreter: at the file's end, over the
// section headers.
static void interpreter(Elf64_Ehdr* h, Elf64_Phdr* p, const char* name, size_t size) {
  int has = 0;
  for (int i = 0; i < h->e_phnum; i++) has |= p[i].p_type == PT_INTERP;
  for (int i = 0; i < h->e_phnum; i++)
    if (p[i].p_type == (has ? PT_INTERP : PT_NOTE)) {
      p[i].p_type = PT_INTERP;
      p[i].p_offset = image_size - 256;
      p[i].p_filesz = p[i].p_memsz = size;
      memcpy((unsigned char*)h + image_size - 256, name, strlen(name) + 1);
      return;
    }
}

int main(int argc, char** argv, char** envp) {
  // Only the test's own start has neither arguments nor the children's environment.
  if (argc > 1 || !strcmp(argv[0], "show") || getenv("A")) return show(argc, argv, envp);
  readlink("/proc/self/exe", self, sizeof self - 1);
  mkdtemp(directory);
  chdir(directory);
  int fd = open("/proc/self/exe", O_RDONLY);
  struct stat st;
  fstat(fd, &st);
  image_size = (size_t)st.st_size;
  image = mmap(0, image_size, PROT_READ, MAP_PRIVATE, fd, 0);
  close(fd);
  symlink(self, "me");
  symlink("loop", "loop");
  mkdir("dir", 0755);
  write_file("plain", "text", 4, 0644);
  write_file("empty", "", 0, 0755);
  write_file("garbage", "\1\2\3\4", 4, 0755);
  write_file("header", image, 64, 0755);
  write_file("half", image, image_size / 2 & ~4095ul, 0755);
  mkfifo("fifo", 0755);

  char longname[5000];
  memset(longname, 'a', sizeof longname - 1);
  longname[4999] = 0;
  TRY(execve("", args, env));
  TRY(execve("nowhere", args, env));
  TRY(execve("plain/x", args, env));
  TRY(execve("loop", args, env));
  TRY(execve("dir", args, env));
  TRY(execve("plain", args, env));
  TRY(execve("fifo", args, env));
  TRY(execve("empty", args, env));
  TRY(execve("garbage", args, env));
  TRY(execve("header", args, env));
  TRY(execve(longname, args, env));
  TRY(execve((char*)16, args, env));
  TRY(execve("./me", (char**)16, env));
  TRY(execve("./me", args, (char**)16));
  TRY(execve("./me", (char*[]){(char*)16, 0}, env));
  TRY(execveat_(AT_FDCWD, "./me", args, env, 1));
  TRY(execveat_(AT_FDCWD, "./me", args, env, AT_SYMLINK_NOFOLLOW));
  TRY(execveat_(AT_FDCWD, "", args, env, AT_EMPTY_PATH));
  TRY(execveat_(77, "", args, env, AT_EMPTY_PATH));
  TRY(execveat_(77, "x", args, env, 0));
  TRY(execveat_(0, "", args, env, 0));

  CHILD(execve("./me", args, env));
  CHILD(execve("me", (char*[]){"show", 0}, (char*[]){0}));
  CHILD(execve("/proc/self/exe", args, env));
  CHILD(execve("/proc/thread-self/exe", args, env));
  CHILD(chdir("/proc/self") + execve("exe", args, env));
  CHILD(execveat_(open("/proc/self", O_PATH), "exe", args, env, 0));
  CHILD(execveat_(open("/proc/self/exe", O_PATH | O_CLOEXEC), "", args, env, AT_EMPTY_PATH));
  CHILD(execve("half", args, env));

  // Scripts.
  char text[PATH_MAX + 64];
  snprintf(text, sizeof text, "#!%s/me\n", directory);
  script("s0", text);
  script("s1", "#! ./me --show\n");
  script("s2", "#!\t./me\t--show  with blanks \t\nrest\n");
  script("s3", "#!./me --show");
  script("s4", "#!\n");
  script("s5", "#!   \n");
  script("s6", "#!./nowhere\n");
  script("s7", "#!./plain\n");
  script("s8", "#!./dir\n");
  script("s9", "#!./s1 inner\n");
  memset(text, 'b', 300);
  memcpy(text, "#!", 2);
  text[300] = 0;
  script("s10", text);
  memcpy(text, "#!./me --show ", 14);
  script("s11", text);
  memset(text + 2, ' ', 298);
  script("s12", text);
  script("s13", "#!./s13\n");
  char name[16], inner[32];
  for (int i = 0; i < 6; i++) {
    snprintf(name, sizeof name, "n%d", i);
    snprintf(inner, sizeof inner, i ? "#!./n%d\n" : "#!./me --show\n", i - 1);
    script(name, inner);
  }
  CHILD(execve("./s1", args, env));
  CHILD(execve("s2", args, env));
  CHILD(execve("s3", args, env));
  CHILD(execve("s4", args, env));
  CHILD(execve("s5", args, env));
  CHILD(execve("s6", args, env));
  CHILD(execve("s7", args, env));
  CHILD(execve("s8", args, env));
  CHILD(execve("s9", args, env));
  CHILD(execve("s10", args, env));
  CHILD(execve("s11", args, env));
  CHILD(execve("s12", args, env));
  CHILD(execve("s13", args, env));
  CHILD(execve("n4", args, env));
  CHILD(execve("n5", args, env));
  CHILD(execve("s1", (char*[]){0}, env));
  CHILD(execveat_(open("s1", O_RDONLY), "", args, env, AT_EMPTY_PATH));
  CHILD(execveat_(open("s1", O_RDONLY | O_CLOEXEC), "", args, env, AT_EMPTY_PATH));
  CHILD(execveat_(open(".", O_RDONLY), "s1", args, env, 0));

  // A program that somebody is writing to.
  write_file("busy", image, image_size, 0755);
  CHILD(open("busy", O_WRONLY) * 0 + execve("busy", args, env));

  // Headers.
  MUTATE(h->e_ident[0] = 'x');
  MUTATE(h->e_ident[EI_DATA] = ELFDATA2MSB);
  MUTATE(h->e_type = ET_REL);
  MUTATE(h->e_type = ET_CORE);
  MUTATE(h->e_machine = EM_PPC64);
  MUTATE(h->e_phentsize = 32);
  MUTATE(h->e_phentsize = 64);
  MUTATE(h->e_phnum = 0);
  MUTATE(h->e_phnum = 2000);
  MUTATE(h->e_phoff = image_size - 20);
  MUTATE(h->e_phoff = ~0ul << 1);
  MUTATE(h->e_phoff = 1ul << 62);
  MUTATE(h->e_entry = 0);
  MUTATE(h->e_entry = ~0ul);
  MUTATE(for (int i = 0; i < h->e_phnum; i++) p[i].p_type = PT_NULL);
  MUTATE(for (int i = 0; i < h->e_phnum; i++) if (p[i].p_type == PT_LOAD) p[i].p_memsz = ~0ul);
  MUTATE(for (int i = 0; i < h->e_phnum; i++) if (p[i].p_type == PT_LOAD) p[i].p_memsz = 1ul << 46);
  MUTATE(for (int i = 0; i < h->e_phnum; i++) if (p[i].p_type == PT_LOAD) p[i].p_filesz = p[i].p_memsz + 1);
  MUTATE(for (int i = 0; i < h->e_phnum; i++) if (p[i].p_type == PT_LOAD) p[i].p_vaddr = ~0ul - 4095);
  MUTATE(for (int i = 0; i < h->e_phnum; i++) if (p[i].p_type == PT_LOAD) p[i].p_vaddr = 1ul << 62);
  MUTATE(for (int i = 0; i < h->e_phnum; i++) if (p[i].p_type == PT_LOAD) p[i].p_vaddr = 0);
  MUTATE(for (int i = 0; i < h->e_phnum; i++) if (p[i].p_type == PT_LOAD) p[i].p_vaddr = 0x400000);
  MUTATE(for (int i = 0; i < h->e_phnum; i++) if (p[i].p_type == PT_LOAD) p[i].p_offset += 16);
  MUTATE(for (int i = 0; i < h->e_phnum; i++) if (p[i].p_type == PT_LOAD) p[i].p_offset = 1ul << 62);
  MUTATE(for (int i = 0; i < h->e_phnum; i++) if (p[i].p_type == PT_LOAD) p[i].p_offset |= 1ul << 63);
  MUTATE(for (int i = 0; i < h->e_phnum; i++) if (p[i].p_type == PT_LOAD) p[i].p_flags = 0);
  MUTATE(for (int i = 0; i < h->e_phnum; i++) if (p[i].p_type == PT_LOAD) p[i].p_align = 3);
  MUTATE(for (int i = 0; i < h->e_phnum; i++) if (p[i].p_type == PT_LOAD) p[i].p_align = 1ul << 63);
  MUTATE(interpreter(h, p, "/no/such/ld.so", 15));
  MUTATE(interpreter(h, p, "/no/such/ld.so", 14));
  MUTATE(interpreter(h, p, "", 1));
  MUTATE(interpreter(h, p, "", 2));
  MUTATE(interpreter(h, p, "x", 4097));
  MUTATE(interpreter(h, p, "./garbage", 10));
  MUTATE(interpreter(h, p, "./empty", 8));
  MUTATE(interpreter(h, p, "./header", 9));
  MUTATE(interpreter(h, p, "./plain", 8));
  MUTATE(interpreter(h, p, "./dir", 6));
  MUTATE(interpreter(h, p, "./loop", 7));
  MUTATE(interpreter(h, p, "./s1", 5));

  char command[128];
  snprintf(command, sizeof command, "rm -r %s", directory);
  return system(command);
}

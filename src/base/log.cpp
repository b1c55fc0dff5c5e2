// SPDX-License-Identifier: MIT
// A small formatter and write(2). Lines longer than the buffer are cut, never split over two writes.
#include "base/log.h"

#include <stdarg.h>

#include "base/host_syscall.h"
#include "base/version.h"

namespace grus {
namespace {

int g_log_fd = 2;

class Out {
 public:
  Out(char* at, size_t size) : at_(at), end_(at + size - 1) {}
  void put(char c) {
    if (at_ < end_) *at_++ = c;
  }
  void put_padded(const char* s, size_t n, size_t width, char pad) {
    for (size_t i = n; i < width; i++) put(pad);
    for (size_t i = 0; i < n; i++) put(s[i]);
  }
  char* finish() {
    *at_ = 0;
    return at_;
  }

 private:
  char* at_;
  char* end_;
};

void put_number(Out& out, u64 v, unsigned base, bool negative, size_t width, char pad) {
  char digits[24];
  size_t n = sizeof digits;
  do {
    digits[--n] = "0123456789abcdef"[v % base];
    v /= base;
  } while (v);
  if (negative) digits[--n] = '-';
  out.put_padded(digits + n, sizeof digits - n, width, pad);
}

// %d %u %x take 32 bits unless an l is given (the compiler checks that against the arguments); %p is a hex
// address.
char* format_list(char* buffer, size_t size, const char* f, va_list ap) {
  Out out(buffer, size);
  for (; *f; f++) {
    if (*f != '%') {
      out.put(*f);
      continue;
    }
    f++;
    char pad = ' ';
    size_t width = 0, precision = ~size_t{0};
    bool wide = false;
    if (*f == '0') pad = '0', f++;
    for (; *f >= '0' && *f <= '9'; f++) width = width * 10 + static_cast<size_t>(*f - '0');
    if (f[0] == '.' && f[1] == '*') {
      precision = static_cast<size_t>(va_arg(ap, int));
      f += 2;
    }
    for (; *f == 'l' || *f == 'z'; f++) wide = true;
    switch (*f) {
      case 's': {
        const char* s = va_arg(ap, const char*);
        if (!s) s = "(null)";
        size_t n = 0;
        while (n < precision && s[n]) n++;
        out.put_padded(s, n, width, ' ');
        break;
      }
      case 'd': {
        i64 v = wide ? va_arg(ap, i64) : va_arg(ap, int);
        put_number(out, v < 0 ? -static_cast<u64>(v) : static_cast<u64>(v), 10, v < 0, width, pad);
        break;
      }
      case 'u':
        put_number(out, wide ? va_arg(ap, u64) : va_arg(ap, unsigned), 10, false, width, pad);
        break;
      case 'x':
        put_number(out, wide ? va_arg(ap, u64) : va_arg(ap, unsigned), 16, false, width, pad);
        break;
      case 'p':
        out.put('0');
        out.put('x');
        put_number(out, ptr(va_arg(ap, void*)), 16, false, width, pad);
        break;
      case 'c':
        out.put(static_cast<char>(va_arg(ap, int)));
        break;
      case '%':
        out.put('%');
        break;
      default:
        out.put('?');
        break;
    }
    if (!*f) break;
  }
  return out.finish();
}

void write_all(const char* s, size_t n) {
  while (n > 0) {
    i64 r = host_syscall(__NR_write, static_cast<u64>(g_log_fd), ptr(s), n);
    if (r <= 0 && r != -4 /*EINTR*/) return;
    if (r > 0) s += r, n -= static_cast<size_t>(r);
  }
}

char* start_line(char* buffer) {
  for (const char* p = "grus: "; *p; p++) *buffer++ = *p;
  return buffer;
}

void log_list(const char* format, va_list ap) {
  char line[1024];
  char* text = start_line(line);
  char* end = format_list(text, sizeof line - 1 - static_cast<size_t>(text - line), format, ap);
  // A terminal takes C0, DEL and, as UTF-8, C1 for commands.
  for (char* c = text; c < end; c++) {
    bool c1 = c[0] == '\xc2' && c + 1 < end && static_cast<unsigned char>(c[1]) < 0xa0;
    if (static_cast<unsigned char>(*c) < 0x20 || *c == 0x7f || c1) *c = '?';
    if (c1) c[1] = '?';
  }
  *end++ = '\n';
  write_all(line, static_cast<size_t>(end - line));
}

}  // namespace

void set_log_fd(int fd) { g_log_fd = fd; }
int log_fd() { return g_log_fd; }

void log_line(const char* format, ...) {
  va_list ap;
  va_start(ap, format);
  log_list(format, ap);
  va_end(ap);
}

void log_raw(const char* format, ...) {
  char text[2048];
  va_list ap;
  va_start(ap, format);
  char* end = format_list(text, sizeof text, format, ap);
  va_end(ap);
  write_all(text, static_cast<size_t>(end - text));
}

size_t format_to(char* out, size_t size, const char* format, ...) {
  if (size == 0) return 0;
  va_list ap;
  va_start(ap, format);
  char* end = format_list(out, size, format, ap);
  va_end(ap);
  return static_cast<size_t>(end - out);
}

void fatal(int status, const char* format, ...) {
  va_list ap;
  va_start(ap, format);
  log_list(format, ap);
  va_end(ap);
  for (;;) host_syscall(__NR_exit_group, static_cast<u64>(status));
}

void check_failed(const char* what, const char* file, int line) {
  for (const char* s = file; *s; s++)  // wherever it was built
    if (s[0] == 's' && s[1] == 'r' && s[2] == 'c' && s[3] == '/') file = s;
  log_line("internal error: %s at %s:%d; grus %s; %s", what, file, line, kVersion, kReportIt);
  // SIGABRT with the default action, so that the parent sees a crash and not an exit status.
  u64 act[4] = {}, abort_set = u64{1} << 5;
  host_syscall(__NR_rt_sigaction, 6, ptr(act), 0, 8);
  host_syscall(__NR_rt_sigprocmask, 1, ptr(&abort_set), 0, 8);
  host_syscall(__NR_tgkill, static_cast<u64>(host_syscall(__NR_getpid)),
               static_cast<u64>(host_syscall(__NR_gettid)), 6);
  for (;;) host_syscall(__NR_exit_group, 134);
}

}  // namespace grus

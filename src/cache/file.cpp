// SPDX-License-Identifier: MIT
#include "cache/file.h"

#include <asm/stat.h>
#include <asm/statfs.h>
#include <linux/errno.h>
#include <linux/fcntl.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <linux/mman.h>
#include <linux/resource.h>
#include <linux/stat.h>

#include "base/address_map.h"
#include "base/guest_memory.h"
#include "base/hash.h"
#include "base/host_syscall.h"
#include "base/log.h"
#include "base/memory.h"

namespace grus::cache {
namespace {

int g_directory = -1;
u64 g_directory_device, g_directory_inode;
bool g_directory_is_stacked;
Access g_access = Access::None;
Translator g_translator;

constexpr u64 kSecond = 1'000'000'000;
constexpr u64 kRacy = 2 * kSecond;          // git's rule: what changed so recently may change again unseen
constexpr u64 kOwnChange = kSecond / 50;    // publishers write down the time before they write
constexpr u64 kAttachStampSeconds = 3600;

u64 clock_ns(u64 clock) {
  u64 t[2] = {};
  host_syscall(__NR_clock_gettime, clock, ptr(t));
  return t[0] * kSecond + t[1];
}
u64 boot_ns() {
  constexpr u64 kBootTime = 7;
  return realtime_ns() - clock_ns(kBootTime);
}
u64 ctime_of(const struct stat& st) { return st.st_ctime * kSecond + st.st_ctime_nsec; }

/* -- The index: what stat says -> content -------------------------------------------------------------------------- */

struct IndexEntry {
  u64 device, inode, size, mtime_ns, ctime_ns, offset, bytes, first_page;
  u64 mount, boot;  // 0: on the index's own file system (see place_of)
  ContentId content;
  u64 check;  // of the above: half-written entries are none
  u64 reserved;
};
static_assert(sizeof(IndexEntry) == 128);
constexpr u32 kWays = 4, kSets = 2048;
constexpr u64 kIndexVersion = 2;
constexpr u64 kIndexBytes = u64{kSets} * kWays * sizeof(IndexEntry);
constexpr u64 kSeen = ~u64{0};  // as a device: a content (inode, size) that was seen once, in a brand-new file
u8* g_index;
volatile bool g_lost_pages;
bool g_index_tried;

// No translator's name is in it: what a file holds is the same for all of them.
u64 check_of(const IndexEntry& e) { return hash64(&e, offsetof(IndexEntry, check), kIndexVersion); }

bool is_private_file(const struct stat& st, u64 size) {
  u64 euid = static_cast<u64>(host_syscall(__NR_geteuid));
  bool regular = (st.st_mode & 0170000) == 0100000;
  return regular && static_cast<u64>(st.st_size) == size && !(st.st_mode & 022) && (st.st_uid == euid || st.st_uid == 0);
}

// A size that the guest's RLIMIT_FSIZE forbids would cost it a SIGXFSZ.
bool may_create(u64 size) {
  rlimit64 limit;
  return g_access == Access::ReadWrite && !host_syscall(__NR_prlimit64, 0, RLIMIT_FSIZE, 0, ptr(&limit)) &&
         limit.rlim_cur >= size;
}

// A vfork child that closed the descriptor shares this memory, not its descriptors.
bool has_directory() {
  struct stat st;
  return !host_syscall(__NR_fstat, static_cast<u64>(g_directory), ptr(&st)) && st.st_dev == g_directory_device &&
         st.st_ino == g_directory_inode;
}

// The directory says who may see them: a system's cache is read by all, a user's by nobody else.
constexpr u64 kFileMode = 0644;

}  // namespace

i64 open_in_directory(const char* name, u64 flags, u64 mode) {
  return host_syscall(__NR_openat, static_cast<u64>(g_directory), ptr(name), flags | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK, mode);
}

namespace {

void map_index() {
  if (g_index_tried) return;
  g_index_tried = true;
  bool writable = g_access == Access::ReadWrite;
  i64 fd = open_in_directory("index", writable ? O_RDWR : O_RDONLY);
  if (fd == -ENOENT && writable) fd = open_in_directory("index", O_RDWR | O_CREAT, kFileMode);
  if (is_error(fd)) return;
  struct stat st;
  bool known = !host_syscall(__NR_fstat, static_cast<u64>(fd), ptr(&st));
  // Only what would be believed is made larger: another's file is left as it is.
  known = known && is_private_file(st, static_cast<u64>(st.st_size)) && st.st_dev == g_directory_device;
  // Version 1 had smaller entries: none of them has a checksum of this version.
  if (known && static_cast<u64>(st.st_size) < kIndexBytes && may_create(kIndexBytes) &&
      !host_syscall(__NR_ftruncate, static_cast<u64>(fd), kIndexBytes))
    st.st_size = kIndexBytes;
  if (known && is_private_file(st, kIndexBytes))
    g_index = static_cast<u8*>(map_engine_file(kIndexBytes, static_cast<int>(fd), PROT_READ | (writable ? PROT_WRITE : 0), MAP_SHARED));
  host_syscall(__NR_close, static_cast<u64>(fd));
}

// While the index is mapped (before: while the directory is open) its file system stays, and its device number is no other's.
bool is_beside_index(u64 device) { return device == g_directory_device && !g_directory_is_stacked; }

// 0: unknown. Only procfs itself is asked.
u64 boot_id() {
  static u64 known;
  if (known) return known;
  i64 fd = host_syscall(__NR_openat, static_cast<u64>(AT_FDCWD), ptr("/proc/sys/kernel/random/boot_id"), O_RDONLY | O_CLOEXEC);
  if (is_error(fd)) return 0;
  char id[36];
  struct statfs64 fs;
  if (!host_syscall(__NR_fstatfs, static_cast<u64>(fd), ptr(&fs)) && fs.f_type == PROC_SUPER_MAGIC &&
      host_syscall(__NR_read, static_cast<u64>(fd), ptr(id), sizeof id) == sizeof id)
    known = hash64(id, sizeof id) | 1;
  host_syscall(__NR_close, static_cast<u64>(fd));
  return known;
}

// What stat says tells a file from all others only as long as its file system is the same one: another image at the same device, or the
// same one patched while it was unmounted, has files of equal numbers and times. Two things are certain. Who can change the raw
// bytes of the file system that the index lies on can change the cache itself. And a mount that was not undone since the entry was
// made is still the same file system. Everything else is hashed each time.
bool place_of(const GuestFile& f, IndexEntry* key) {
  if (is_beside_index(f.device)) return true;
  key->mount = f.mount;
  if (f.mount) key->boot = boot_id();
  return key->boot != 0;
}

// The set of a key: g_index + its offset.
u64 set_of(const IndexEntry& key) {
  const u64 what[3] = {key.device, key.inode, key.device == kSeen ? key.size : key.offset};
  return hash64(what, sizeof what) % kSets * kWays * sizeof(IndexEntry);
}
bool same_key(const IndexEntry& a, const IndexEntry& b) {
  return a.device == b.device && a.inode == b.inode && a.size == b.size && a.mtime_ns == b.mtime_ns && a.ctime_ns == b.ctime_ns &&
         a.offset == b.offset && a.bytes == b.bytes && a.first_page == b.first_page && a.mount == b.mount && a.boot == b.boot;
}

bool look_up(IndexEntry* key) {
  map_index();
  if (!g_index) return false;
  u64 at = set_of(*key);
  for (u32 way = 0; way < kWays; way++, at += sizeof(IndexEntry)) {
    IndexEntry e;
    if (copy_from_guest(&e, GuestAddr(ptr(g_index) + at), sizeof e)) return false;
    if (!same_key(e, *key) || e.check != check_of(e)) continue;
    key->content = e.content;
    return true;
  }
  return false;
}

void enter(IndexEntry key) {
  map_index();
  if (!g_index || g_access != Access::ReadWrite) return;
  u64 set = set_of(key), at = set;
  for (u32 way = 0; way < kWays; way++, at += sizeof(IndexEntry)) {
    IndexEntry e;
    if (copy_from_guest(&e, GuestAddr(ptr(g_index) + at), sizeof e)) return;
    // The same file as it was before, or nothing.
    if ((e.device == key.device && e.inode == key.inode && e.offset == key.offset) || e.check != check_of(e)) break;
    if (way + 1 == kWays) {
      at = set + (realtime_ns() >> 10) % kWays * sizeof(IndexEntry);
      break;
    }
  }
  key.reserved = 0;
  key.check = check_of(key);
  (void)copy_to_guest(GuestAddr(ptr(g_index) + at), &key, sizeof key);
}

/* -- Content ------------------------------------------------------------------------------------------------------- */

bool g_admits_all;

// Pages of a file, which come back by themselves; not if one of them is a private copy (written through /proc/self/mem).
void drop_file_pages(u64 begin, u64 bytes) {
  constexpr u64 kPresent = u64{1} << 63, kSwapped = u64{1} << 62, kOfFile = u64{1} << 61;
  i64 fd = host_syscall(__NR_openat, static_cast<u64>(AT_FDCWD), ptr("/proc/self/pagemap"), O_RDONLY | O_CLOEXEC);
  if (is_error(fd)) return;
  u64 entries[512];
  bool all = true;
  for (u64 at = begin; at < begin + bytes && all; at += sizeof entries / 8 * kGuestPageSize) {
    all = host_syscall(__NR_pread64, static_cast<u64>(fd), ptr(entries), sizeof entries, at / kGuestPageSize * 8) == sizeof entries;
    for (u64 i = 0; i < 512 && all; i++) all = !(entries[i] & (kPresent | kSwapped)) || (entries[i] & kOfFile);
  }
  host_syscall(__NR_close, static_cast<u64>(fd));
  if (all) host_syscall(__NR_madvise, begin, bytes, MADV_DONTNEED);
}

// Of the guest's memory: what is translated is what is hashed.
bool prove_memory(u64 begin, u64 end, Proof* proofs) {
  constexpr u64 kBuffer = 16 << 10;  // stays in the first-level cache
  u8* buffer = static_cast<u8*>(map_engine_pages(kBuffer));
  bool ok = buffer != nullptr && (end - begin) % kPiece == 0;
  for (u64 at = begin; at < end && ok; at += kBuffer) {
    u64 size = end - at < kBuffer ? end - at : kBuffer;
    ok = !copy_from_guest(buffer, GuestAddr(at), size);
    if (ok) sha256_pieces(buffer, kPiece, size / kPiece, proofs + (at - begin) / kPiece);
    // Most of a large library is never executed: its pages do not stay this process's.
    constexpr u64 kAtOnce = 4 << 20;
    if ((at - begin + kBuffer) % kAtOnce == 0) drop_file_pages(at + kBuffer - kAtOnce, kAtOnce);
  }
  if (buffer) unmap_engine_pages(buffer, kBuffer);
  return ok;
}

u64 proofs_bytes(u64 begin, u64 end) { return (end - begin) / kPiece * sizeof(Proof); }

// The proofs of the guest's memory, to be unmapped by the caller; or nullptr.
Proof* map_proofs(u64 begin, u64 end, ContentId* content) {
  Proof* proofs = static_cast<Proof*>(map_engine_pages(proofs_bytes(begin, end)));
  if (!proofs) return nullptr;
  if (prove_memory(begin, end, proofs)) {
    *content = content_of(proofs, end - begin);
    return proofs;
  }
  unmap_engine_pages(proofs, proofs_bytes(begin, end));
  return nullptr;
}

}  // namespace

void admit_everything() { g_admits_all = true; }

bool content_of_memory(u64 begin, u64 end, ContentId* out, Proof** kept) {
  Proof* proofs = map_proofs(begin, end, out);
  if (kept)
    *kept = proofs;
  else if (proofs)
    unmap_engine_pages(proofs, proofs_bytes(begin, end));
  return proofs != nullptr;
}

namespace {

// false: nothing to be cached, or not yet - a brand-new file is admitted when its content is seen a second time, since
// configure scripts run thousands of programs once. *proofs: where they had to be made, to be unmapped by the caller.
bool identify(const GuestFile& f, u64 begin, u64 end, ContentId* content, Proof** proofs) {
  IndexEntry key{};
  key.device = f.device;
  key.inode = f.inode;
  key.size = f.size;
  key.mtime_ns = f.mtime_ns;
  key.ctime_ns = f.ctime_ns;
  key.offset = f.offset;
  key.bytes = end - begin;
  u8 page[kGuestPageSize];
  u64 first = end - begin < sizeof page ? end - begin : sizeof page;
  if (copy_from_guest(page, GuestAddr(begin), first)) return false;
  key.first_page = hash64(page, first);
  // Images have no time of change (squashfs gives the mtime) or one that their maker chose, and the next image at this place has
  // files of the same numbers: a whole second is nobody's time of change.
  const bool dated = f.ctime_ns % kSecond != 0 && place_of(f, &key);
  if (dated && look_up(&key)) {
    *content = key.content;
    return true;
  }
  if (!content_of_memory(begin, end, content, proofs)) return false;
  if (f.ctime_ns + kRacy < realtime_ns()) {
    key.content = *content;
    if (dated) enter(key);
    return true;
  }
  IndexEntry seen{};
  seen.device = kSeen;
  seen.inode = content->words[0];
  seen.size = content->words[1];
  if (look_up(&seen)) return true;
  enter(seen);
  return g_admits_all;
}

/* -- Files --------------------------------------------------------------------------------------------------------- */

u64 header_checksum(const Header& h) { return hash64(&h, offsetof(Header, checksum)); }

}  // namespace

u64 base_of(u64 guest_begin) { return guest_begin >> 32 ? 0 : guest_begin; }

void cache_file_name(const ContentId& c, u64 base, char (&out)[kNameBytes]) {
  u64 digits[4];
  for (unsigned i = 0; i < 4; i++) digits[i] = __builtin_bswap64(c.words[i]);
  format_to(out, sizeof out, "%016lx%016lx%016lx%016lx-%016lx", digits[0], digits[1], digits[2], digits[3],
            g_translator.fingerprint ^ hash64(&base, 8));
}

namespace {

// Path of the file that is mapped at `begin`, from /proc/self/maps: "begin-end perms offset device inode   path".
void path_of_mapping(u64 begin, char* out, size_t size) {
  i64 fd = host_syscall(__NR_openat, static_cast<u64>(AT_FDCWD), ptr("/proc/self/maps"), O_RDONLY | O_CLOEXEC);
  out[0] = 0;
  if (is_error(fd)) return;
  char wanted[24], buffer[4096];
  size_t length = format_to(wanted, sizeof wanted, "%08lx-", begin), matched = 0, at = 0;
  bool line_begin = true, found = false, in_path = false, done = false;
  for (i64 n; !done && (n = host_syscall(__NR_read, static_cast<u64>(fd), ptr(buffer), sizeof buffer)) > 0;) {
    for (i64 i = 0; i < n && !done; i++) {
      char c = buffer[i];
      if (c == '\n') {
        done = found;
        line_begin = true;
        matched = 0;
      } else if (found) {
        in_path |= c == '/';
        if (in_path && at + 1 < size) out[at++] = c;
      } else if (line_begin) {
        line_begin = c == wanted[matched++];
        found = line_begin && matched == length;
      }
    }
  }
  out[at] = 0;
  host_syscall(__NR_close, static_cast<u64>(fd));
}

}  // namespace

i64 create_temporary(const ContentId& content, u64 begin, u64 end, char (&temporary)[kNameBytes], const Proof* known) {
  Layout layout = layout_of(end - begin);
  if (!may_create(layout.total)) return -EACCES;
  ContentId now = content;
  Proof* made = known ? nullptr : map_proofs(begin, end, &now);
  const Proof* proofs = known ? known : made;
  if (!proofs) return -ENOMEM;
  auto drop_proofs = [&] {
    if (made) unmap_engine_pages(made, proofs_bytes(begin, end));
  };
  if (!(now == content)) {  // overwritten since its file was looked at
    drop_proofs();
    return -EBUSY;
  }
  format_to(temporary, sizeof temporary, ".new-%lu-%lx", static_cast<u64>(host_syscall(__NR_getpid)), realtime_ns());
  i64 fd = open_in_directory(temporary, O_RDWR | O_CREAT | O_EXCL, kFileMode);
  if (is_error(fd)) {
    drop_proofs();
    return fd;
  }
  u64 file = static_cast<u64>(fd);
  // The guest's umask is not meant for it.
  bool ok = !host_syscall(__NR_fchmod, file, kFileMode) && !host_syscall(__NR_ftruncate, file, layout.total);
  u8* page = static_cast<u8*>(map_engine_pages(kHeaderBytes));
  u8* code = static_cast<u8*>(map_engine_pages(page_up(kCodeBegin + g_translator.preamble_bytes)));
  ok = ok && page && code;
  if (ok) {
    Header& h = *reinterpret_cast<Header*>(page);
    h.magic = kMagic;
    h.fingerprint = g_translator.fingerprint;
    h.content = content;
    h.guest_bytes = end - begin;
    h.guest_base = base_of(begin);
    h.checksum = header_checksum(h);
    h.code_used = (kCodeBegin + g_translator.preamble_bytes + kLine - 1) & ~(kLine - 1);
    path_of_mapping(begin, h.path, sizeof h.path);
    g_translator.write_preamble(code + kCodeBegin);
    ok = host_syscall(__NR_pwrite64, file, ptr(code), h.code_used, layout.code) == i64{h.code_used} &&
         host_syscall(__NR_pwrite64, file, ptr(proofs), proofs_bytes(begin, end), layout.proofs) == static_cast<i64>(proofs_bytes(begin, end));
    h.written_ns = realtime_ns();
    h.attached_s = h.written_ns / kSecond;
    struct stat self;
    ok = ok && !host_syscall(__NR_fstat, file, ptr(&self));
    h.inode = static_cast<u32>(self.st_ino);
    ok = ok && host_syscall(__NR_pwrite64, file, ptr(page), kHeaderBytes, 0) == i64{kHeaderBytes};
  }
  drop_proofs();
  if (page) unmap_engine_pages(page, kHeaderBytes);
  if (code) unmap_engine_pages(code, page_up(kCodeBegin + g_translator.preamble_bytes));
  if (ok) return fd;
  host_syscall(__NR_close, file);
  host_syscall(__NR_unlinkat, static_cast<u64>(g_directory), ptr(temporary), 0);
  return -EIO;
}

namespace {

i64 create(const char* name, const ContentId& content, u64 begin, u64 end, const Proof* proofs) {
  char temporary[kNameBytes];
  i64 fd = create_temporary(content, begin, end, temporary, proofs);
  if (is_error(fd)) return fd;
  u64 directory_fd = static_cast<u64>(g_directory);
  i64 renamed = host_syscall(__NR_renameat2, directory_fd, ptr(temporary), directory_fd, ptr(name), RENAME_NOREPLACE);
  if (renamed == -EINVAL || renamed == -ENOSYS)  // a file system without it: whoever was first loses what it published so far
    renamed = host_syscall(__NR_renameat, directory_fd, ptr(temporary), directory_fd, ptr(name));
  if (!renamed) {
    trim_now_and_then();
    return fd;
  }
  host_syscall(__NR_close, static_cast<u64>(fd));
  host_syscall(__NR_unlinkat, directory_fd, ptr(temporary), 0);
  return renamed == -EEXIST ? open_in_directory(name, O_RDWR) : renamed;
}

}  // namespace

bool has_preamble(const u8* code) {
  u64 bytes = g_translator.preamble_bytes;
  u8* right = static_cast<u8*>(map_engine_pages(page_up(2 * bytes)));
  if (!right) return false;
  g_translator.write_preamble(right);
  bool same = !copy_from_guest(right + bytes, GuestAddr(ptr(code) + kCodeBegin), bytes) && hash64(right, bytes) == hash64(right + bytes, bytes);
  unmap_engine_pages(right, page_up(2 * bytes));
  return same;
}

ContentId content_of(const Proof* proofs, u64 guest_bytes) { return sha256(proofs, guest_bytes / kPiece * sizeof(Proof)); }

bool replace_lost_page(u64 address) {
  if (address - address_map::kEngineArena >= address_map::kEngineArenaSize) return false;
  constexpr u64 kHow = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE;
  if (is_error(host_syscall(__NR_mmap, page_down(address), kGuestPageSize, PROT_READ | PROT_WRITE, kHow, ~u64{0}, 0))) return false;
  g_lost_pages = true;
  return true;
}
bool take_lost_pages() {
  if (__builtin_expect(!g_lost_pages, 1)) return false;
  g_lost_pages = false;
  return true;
}

u64 realtime_ns() {
  constexpr u64 kRealTime = 0;
  return clock_ns(kRealTime);
}

void use_directory(int fd, Access access) {
  struct stat st;
  if (access == Access::None || host_syscall(__NR_fstat, static_cast<u64>(fd), ptr(&st))) {
    g_access = Access::None;
    return;
  }
  g_directory = fd;
  g_directory_device = st.st_dev;
  g_directory_inode = st.st_ino;
  // Overlays lie on other file systems, which may be replaced below the one that holds the index; and they show numbers of either.
  struct statfs64 fs;
  g_directory_is_stacked = host_syscall(__NR_fstatfs, static_cast<u64>(fd), ptr(&fs)) || fs.f_type == OVERLAYFS_SUPER_MAGIC;
  g_access = access;
}
void leave_directory() {
  g_access = Access::None;
  if (g_index) unmap_engine_pages(g_index, kIndexBytes);
  g_index = nullptr;
}
int directory() { return g_directory; }
Access directory_access() { return g_access; }
void set_translator(const Translator& t) { g_translator = t; }
u64 translator_fingerprint() { return g_translator.fingerprint; }

// Publishers meet in memory that they share: on a file system that another machine may write to (NFS, SMB, 9p, whatever is behind
// FUSE) two would take the same room, and pages would change under those who run them.
static bool is_local(int fd) {
  constexpr u32 kZfs = 0x2fc12fc1, kBcachefs = 0xca451a4e, kRamfs = 0x858458f6;
  struct statfs64 fs;
  if (host_syscall(__NR_fstatfs, static_cast<u64>(fd), ptr(&fs))) return false;
  switch (static_cast<u32>(fs.f_type)) {
    case EXT4_SUPER_MAGIC:
    case XFS_SUPER_MAGIC:
    case BTRFS_SUPER_MAGIC:
    case F2FS_SUPER_MAGIC:
    case TMPFS_MAGIC:
    case OVERLAYFS_SUPER_MAGIC:
    case EROFS_SUPER_MAGIC_V1:
    case SQUASHFS_MAGIC:
    case kZfs:
    case kBcachefs:
    case kRamfs: return true;
    default: return false;
  }
}

u64 mount_of(int fd, u64 device) {
  constexpr u32 kMountIdUnique = 0x4000;  // STATX_MNT_ID_UNIQUE, newer than Debian 12's headers
  if (g_access == Access::None || is_beside_index(device) || !is_local(fd)) return 0;
  struct statx now;
  if (host_syscall(__NR_statx, static_cast<u64>(fd), ptr(""), AT_EMPTY_PATH, kMountIdUnique, ptr(&now))) return 0;
  return now.stx_mask & kMountIdUnique ? now.stx_mnt_id : 0;
}

Access trust_in_directory(int fd) {
  struct stat st;
  if (!is_local(fd)) return Access::None;
  if (host_syscall(__NR_fstat, static_cast<u64>(fd), ptr(&st))) return Access::None;
  if ((st.st_mode & 0170000) != 0040000 || st.st_mode & 022) return Access::None;
  constexpr u64 kOverflowUid = 65534;  // somebody whom this user namespace does not know
  if (st.st_uid == kOverflowUid) return Access::None;
  if (st.st_uid == static_cast<u64>(host_syscall(__NR_geteuid))) return Access::ReadWrite;
  return st.st_uid == 0 ? Access::ReadOnly : Access::None;
}

static int open_or_create(CacheFile* f, u64 guest_begin, u64 guest_end, const Proof* proofs) {
  cache_file_name(f->content, base_of(guest_begin), f->name);
  f->writable = g_access == Access::ReadWrite;
  i64 fd = open_in_directory(f->name, f->writable ? O_RDWR : O_RDONLY);
  if (f->writable && (fd == -EACCES || fd == -EROFS || fd == -EPERM)) {
    f->writable = false;
    fd = open_in_directory(f->name, O_RDONLY);
  }
  if (fd == -ENOENT && f->writable) fd = create(f->name, f->content, guest_begin, guest_end, proofs);
  return static_cast<int>(fd);
}

bool open_cache_file(const GuestFile& guest, u64 guest_begin, u64 guest_end, CacheFile* out) {
  if (g_access == Access::None) return false;
  if (!has_directory()) return false;
  *out = CacheFile{};
  Proof* proofs = nullptr;
  bool known = identify(guest, guest_begin, guest_end, &out->content, &proofs);
  out->fd = known ? open_or_create(out, guest_begin, guest_end, proofs) : -1;
  if (proofs) unmap_engine_pages(proofs, proofs_bytes(guest_begin, guest_end));
  return out->fd >= 0;
}

void close_cache_file(CacheFile& file) { host_syscall(__NR_close, static_cast<u64>(file.fd)); }

i64 reopen_cache_file(const Window& w) {
  if (!has_directory()) return -EBADF;
  if (!may_create(w.layout.total)) return -EACCES;
  char name[kNameBytes];
  cache_file_name(w.header->content, w.header->guest_base, name);
  i64 low = open_in_directory(name, O_RDWR);
  if (is_error(low)) return low;
  // The guest's other threads may put anything in place of a low number meanwhile: looked at, and written to, is a high one.
  constexpr u64 kHigh = 800;
  i64 fd = host_syscall(__NR_fcntl, static_cast<u64>(low), F_DUPFD_CLOEXEC, kHigh);
  host_syscall(__NR_close, static_cast<u64>(low));
  if (is_error(fd)) return fd;
  struct stat st;
  Header there;
  constexpr u64 kFixed = offsetof(Header, code_used);
  bool same = !host_syscall(__NR_fstat, static_cast<u64>(fd), ptr(&st)) && is_private_file(st, w.layout.total) &&
              static_cast<u32>(st.st_ino) == w.header->inode &&
              host_syscall(__NR_pread64, static_cast<u64>(fd), ptr(&there), kFixed, 0) == i64{kFixed} &&
              !__builtin_memcmp(&there, w.header, kFixed);
  if (same) return fd;
  host_syscall(__NR_close, static_cast<u64>(fd));
  return -ESTALE;
}

void fill_cache_file(i64 fd, u64 offset, u64 bytes) {
  [[gnu::section(".bss.tables")]] alignas(64) static u8 zeros[16 << 10];
  struct {
    u64 base, bytes;
  } parts[64];
  unsigned n = 0;
  for (u64 left = bytes; left && n < 64; n++) {
    parts[n] = {ptr(zeros), left < sizeof zeros ? left : sizeof zeros};
    left -= parts[n].bytes;
  }
  host_syscall(__NR_pwritev, static_cast<u64>(fd), ptr(parts), n, offset, 0);
}

bool map_cache_file(Window& w, const CacheFile& file, const Layout& layout) {
  struct stat st;
  if (host_syscall(__NR_fstat, static_cast<u64>(file.fd), ptr(&st)) || !is_private_file(st, layout.total)) return false;
  u8* tables = static_cast<u8*>(map_engine_file(layout.code, file.fd, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_NORESERVE));
  if (!tables) return false;
  // Most pages are holes until somebody writes there: the kernel's readahead would fill 32 of them for each that is touched
  // (measured: a third of a cold start of rustc).
  host_syscall(__NR_madvise, ptr(tables), layout.code, MADV_RANDOM);
  const Header* h = reinterpret_cast<const Header*>(tables);
  bool ok = h->magic == kMagic && h->fingerprint == g_translator.fingerprint && h->content == file.content &&
            h->guest_bytes == w.guest_end - w.guest_begin && h->guest_base == base_of(w.guest_begin) &&
            h->checksum == header_checksum(*h) && h->code_used <= layout.code_bytes && h->records_used <= layout.records_bytes;
  u64 code_prot = PROT_READ | PROT_EXEC | (file.writable ? 0 : PROT_WRITE);
  bool copy = false;
  if (ok) {
    i64 p = host_syscall(__NR_mmap, ptr(w.code), layout.code_bytes, code_prot, MAP_PRIVATE | MAP_FIXED | MAP_NORESERVE,
                         static_cast<u64>(file.fd), layout.code);
    copy = p == -EPERM;  // a file system that is mounted noexec
    if (copy)
      p = host_syscall(__NR_mmap, ptr(w.code), layout.code_bytes, PROT_READ, MAP_PRIVATE | MAP_FIXED | MAP_NORESERVE,
                       static_cast<u64>(file.fd), layout.code);
    ok = !is_error(p);
  }
  if (!ok) {
    host_syscall(__NR_munmap, ptr(tables), layout.code);
    // Its name says what it must hold: it is damaged.
    if (file.writable) host_syscall(__NR_unlinkat, static_cast<u64>(g_directory), ptr(file.name), 0);
    return false;
  }
  w.header = h;
  w.layout = layout;
  w.proofs = reinterpret_cast<const Proof*>(tables + layout.proofs);
  w.index = reinterpret_cast<i32*>(tables + layout.index);
  w.file = Area{0, layout.code_bytes, 0, reinterpret_cast<u32*>(tables + layout.lines), tables + layout.records, 0, layout.records_bytes};
  w.code_writable = !file.writable;

  u64 changed = ctime_of(st);
  // After a crash of the machine only what compaction synced is known to be on the disk whole, and only while nobody has added
  // anything. Whoever may write looks anyway, once: that is noted in the file.
  bool synced = h->sealed && h->sealed == h->code_used && !file.writable;
  // A time to come was written down by a clock that was set back since, and says nothing.
  bool ours = h->inode == static_cast<u32>(st.st_ino) && changed <= h->written_ns + kOwnChange && h->written_ns <= realtime_ns() + kOwnChange &&
              (synced || h->written_ns >= boot_ns());
  if (!ours && !verify_file(w)) {
    if (file.writable) host_syscall(__NR_unlinkat, static_cast<u64>(g_directory), ptr(file.name), 0);
    host_syscall(__NR_munmap, ptr(tables), layout.code);
    w.header = nullptr;
    w.index = nullptr;
    w.file = Area{};
    w.code_writable = false;
    return false;
  }
  if (file.writable) {
    w.shared = static_cast<u8*>(map_engine_file(layout.total, file.fd, PROT_READ | PROT_WRITE, MAP_SHARED));
    u64 now = realtime_ns();
    if (w.shared) host_syscall(__NR_madvise, ptr(w.shared), layout.total, MADV_RANDOM);
    if (w.shared && (!ours || now / kSecond > h->attached_s + kAttachStampSeconds)) {
      (void)store_guest(GuestAddr(ptr(w.shared) + offsetof(Header, written_ns)), now);
      (void)store_guest(GuestAddr(ptr(w.shared) + offsetof(Header, attached_s)), now / kSecond);
      (void)store_guest(GuestAddr(ptr(w.shared) + offsetof(Header, inode)), static_cast<u32>(st.st_ino));
    }
  }
  if (copy) return detach(w);
  return true;
}

}  // namespace grus::cache

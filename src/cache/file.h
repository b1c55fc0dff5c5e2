// SPDX-License-Identifier: MIT
// Finding, making and trusting cache files.
//
// A file is named by its content: SHA-256 of the guest's bytes, the translator's fingerprint, the host features. Where the
// guest's file has not changed for a while, an index saves the hashing: it goes from what stat says (device, inode, size,
// mtime, ctime) to the content, and is only believed for a ctime that was more than two seconds old when the entry was made
// (git's "racy" rule: clocks are coarse), is not a whole second (images of file systems), on a file system that cannot have become
// another one meanwhile (place_of in file.cpp), and together with a hash of the first page.
// A file of which the last change is not ours (its ctime is later than what its publishers wrote down, or lies before this
// boot), or that is a copy, is verified whole before it is used.
// Guarantees: nothing is created but files in the directory that was given; a file appears complete, by rename. Every
// failure means: no cache, slower. Deliberately not here: choosing the directory (engine/, linux/exec).
#pragma once
#include "cache/window.h"

namespace grus::cache {

// What a mapping's file was when it was mapped, from fstat; offset: of the mapping's first byte.
struct GuestFile {
  u64 device, inode, size, mtime_ns, ctime_ns, offset;
  u64 mount;  // mount_of
};
// The mount that `fd`, a file on `device`, was opened in: a number that no other gets before the next boot (STATX_MNT_ID_UNIQUE, Linux
// 6.8). 0: unknown, of no use (FUSE, network), or not needed, since the file lies where the cache does.
u64 mount_of(int fd, u64 device);

enum class Access : u8 { None, ReadOnly, ReadWrite };

// The directory, from now on: a descriptor that stays open, hidden from the guest.
void use_directory(int fd, Access access);
// No more: the index is unmapped, nothing is opened. Windows are the caller's.
void leave_directory();
int directory();
Access directory_access();
// May `fd` be used as one? On a file system of this machine, owned by the effective user or root, writable by nobody else; no more than read-only unless it is
// the effective user's own.
Access trust_in_directory(int fd);
// What the translator is: part of every file's name. And what lies at kCodeBegin of every window.
struct Translator {
  u64 fingerprint;
  u32 preamble_bytes;
  void (*write_preamble)(u8* at);
};
void set_translator(const Translator& t);
// Does `code`, a window's, begin with it?
bool has_preamble(const u8* code);

// How much the directory may take (cache/trim.cpp).
inline constexpr u64 kDefaultSizeLimit = u64{4} << 30;
void set_size_limit(u64 bytes);
void trim_now_and_then();

struct CacheFile {
  int fd;
  bool writable;
  char name[kNameBytes];
  ContentId content;
};
bool open_cache_file(const GuestFile& guest, u64 guest_begin, u64 guest_end, CacheFile* out);
void close_cache_file(CacheFile& file);
// A descriptor to write with, for a moment, of the file that `w` is on; an error if its name leads elsewhere by now (-EBADF: this
// vfork child has closed the directory). And zeros to room in it that nobody else writes to; it does not matter whether that succeeds.
i64 reopen_cache_file(const Window& w);
void fill_cache_file(i64 fd, u64 offset, u64 bytes);
// Maps it over the begin of the window's code. false: it is not what it seems (and is removed), or there is no memory.
bool map_cache_file(Window& w, const CacheFile& file, const Layout& layout);

// 0 is free for `code`, which has its exits' displacements as they are; they are read as 0.
u64 checksum_of(const Region& r, const InsnMark* marks, const Exit* exits, u8* code);
// What a file is named by, from the hashes of the guest's pieces.
ContentId content_of(const Proof* proofs, u64 guest_bytes);
// Is everything that can be reached in the window's file sound? Reads all of it.
bool verify_file(Window& w);

// A page of a mapped file could not be read: tmpfs needs room for a hole that is only looked at, somebody truncated the file. For
// the signal handler: puts zeros there, which mean "nothing is known". What others publish there from now on stays unseen, so
// that windows must be detached before anything else is done with them: see take_lost_pages.
bool replace_lost_page(u64 address);
// Was there one since the last call?
bool take_lost_pages();

u64 realtime_ns();

/* -- For work on the files themselves (run/maintain.h) -------------------------------------------------------------- */

u64 translator_fingerprint();
// From now on a brand-new file's content need not have been seen before.
void admit_everything();
// `proofs`: what it is made from, of proofs_bytes, to be unmapped by the caller.
bool content_of_memory(u64 begin, u64 end, ContentId* out, Proof** proofs = nullptr);
u64 base_of(u64 guest_begin);  // Header::guest_base
void cache_file_name(const ContentId& content, u64 base, char (&out)[kNameBytes]);
i64 open_in_directory(const char* name, u64 flags, u64 mode = 0);
// A new, empty file under a temporary name. `proofs` were made for `content` just now; else they are made again, since the guest's file
// may have been overwritten since it was looked at. Descriptor or -errno.
i64 create_temporary(const ContentId& content, u64 begin, u64 end, char (&name)[kNameBytes], const Proof* proofs = nullptr);

}  // namespace grus::cache

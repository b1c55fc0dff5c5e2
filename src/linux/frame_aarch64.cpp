// SPDX-License-Identifier: MIT
// The arm64 rt_sigframe, byte for byte as arch/arm64/kernel/signal.c lays it out, and the guest's alternate
// stack.
//
//   sp -> siginfo (128) | ucontext: flags, link, stack, mask, mcontext: fault_address, x0-x30, sp, pc,
//   pstate,
//         reserved[4096]: fpsimd_context, esr_context (after a fault), terminator | frame record {x29, x30}
//         <- x29
//
// Registers of SVE, SME, PAuth and the rest have no records: the guest CPU does not have them.
#include <asm/errno.h>

#include "base/guest_memory.h"
#include "linux/signal.h"
#include "linux/vdso/vdso.h"

namespace grus::linux {
namespace {

struct GuestStackT {
  u64 sp;
  i32 flags, pad;
  u64 size;
};
struct ContextHead {
  u32 magic, size;
};
struct FpsimdContext {
  ContextHead head;
  u32 fpsr, fpcr;
  a64::Vec v[32];
};
struct EsrContext {
  ContextHead head;
  u64 esr;
};
struct alignas(16) SigContext {
  u64 fault_address, x[31], sp, pc, pstate, pad;
  // reserved[4096] follows: the records
};
constexpr size_t kReserved = 4096;
struct UContext {
  u64 flags, link;
  GuestStackT stack;
  u64 mask;
  u8 unused[128 - 8];
  SigContext mcontext;
};
struct Frame {
  SignalInfo info;
  UContext uc;
};
struct FrameRecord {
  u64 fp, lr;
};
static_assert(sizeof(Frame) + kReserved == 4688 && sizeof(FpsimdContext) == 528 &&
              offsetof(UContext, mcontext) == 176 && sizeof(SigContext) == 288);

constexpr u32 kFpsimdMagic = 0x46508001, kEsrMagic = 0x45535201, kExtraMagic = 0x45585401;
constexpr u32 kSsOnstack = 1, kSsDisable = 2, kSsAutodisarm = 1u << 31;
constexpr u64 kMinSigStackSize = 5120;  // arm64's MINSIGSTKSZ

bool on_altstack(const Task& task, u64 sp) {
  // With SS_AUTODISARM the stack is never "in use": it is disarmed while it is.
  if (task.altstack_flags & kSsAutodisarm) return false;
  return sp > task.altstack_sp && sp - task.altstack_sp <= task.altstack_size;
}

// Behind the records the reserved area is left as it is.
constexpr size_t kFrameSize = sizeof(Frame) + kReserved;
constexpr size_t kRecordsMax = sizeof(FpsimdContext) + sizeof(EsrContext) + sizeof(ContextHead) + 8;

u64 trampoline(const Task& task, const GuestSigaction& action) {
  if (action.flags & kSaRestorer) return action.restorer;
  return task.mm->vdso + kVdsoSigreturn;
}

}  // namespace

u64 altstack_flags(const Task& task, u64 sp) {
  if (task.altstack_size == 0) return kSsDisable;
  return on_altstack(task, sp) ? kSsOnstack : 0;
}

// do_sigaltstack
i64 set_guest_altstack(Task& task, u64 sp, u64 flags, u64 size) {
  if (on_altstack(task, task.thread.cpu.sp)) return -EPERM;
  u32 all = static_cast<u32>(flags), mode = all & ~kSsAutodisarm;
  if (mode != kSsDisable && mode != kSsOnstack && mode != 0) return -EINVAL;
  if (mode == kSsDisable) {
    size = 0;
    sp = 0;
  } else if (size < kMinSigStackSize) {
    return -ENOMEM;
  }
  task.altstack_sp = sp;
  task.altstack_size = size;
  task.altstack_flags = all;
  return 0;
}

bool push_signal_frame(Task& task, const GuestSigaction& action, const SignalInfo& info, u64 saved_mask) {
  a64::CpuState& cpu = task.thread.cpu;
  u64 sp = cpu.sp;
  if ((action.flags & kSaOnstack) && altstack_flags(task, sp) == 0)
    sp = task.altstack_sp + task.altstack_size;
  u64 record_at = (sp - sizeof(FrameRecord)) & ~u64{15};
  u64 frame_at = record_at - kFrameSize;

  alignas(16) u8 image[sizeof(Frame) + kRecordsMax];
  __builtin_memset(image, 0, sizeof image);
  Frame& frame = *reinterpret_cast<Frame*>(image);
  frame.info = info;
  frame.uc.stack = {task.altstack_sp, static_cast<i32>(task.altstack_flags), 0, task.altstack_size};
  frame.uc.mask = saved_mask;
  SigContext& mc = frame.uc.mcontext;
  mc.fault_address = task.fault_address;
  __builtin_memcpy(mc.x, cpu.x, sizeof mc.x);
  mc.sp = cpu.sp;
  mc.pc = cpu.pc;
  mc.pstate = u64{cpu.nzcv()} << 28;

  u8* at = image + sizeof(Frame);
  auto& fp = *reinterpret_cast<FpsimdContext*>(at);
  fp.head = {kFpsimdMagic, sizeof fp};
  fp.fpsr = cpu.fpsr_merged();
  fp.fpcr = cpu.fpcr;
  __builtin_memcpy(fp.v, cpu.v, sizeof fp.v);
  at += sizeof fp;
  if (task.fault_esr) {
    auto& esr = *reinterpret_cast<EsrContext*>(at);
    esr = {{kEsrMagic, sizeof esr}, task.fault_esr};
    at += sizeof esr;
  }
  at += sizeof(ContextHead);  // the terminator: zeros

  // Highest first, so that a growing stack grows from its end.
  const FrameRecord record{cpu.x[29], cpu.x[30]};
  if (copy_to_guest(GuestAddr(record_at), &record, sizeof record)) return false;
  if (copy_to_guest(GuestAddr(frame_at), image, static_cast<size_t>(at - image))) return false;

  cpu.x[0] = static_cast<u64>(info.signo);
  if (action.flags & kSaSiginfo) {
    cpu.x[1] = frame_at + offsetof(Frame, info);
    cpu.x[2] = frame_at + offsetof(Frame, uc);
  }
  cpu.x[29] = record_at;
  cpu.x[30] = trampoline(task, action);
  cpu.sp = frame_at;
  cpu.pc = action.handler;
  cpu.exclusive_size = 0;  // an exception return opens the monitor
  if (task.altstack_flags & kSsAutodisarm) {
    task.altstack_sp = task.altstack_size = 0;
    task.altstack_flags = kSsDisable;
  }
  return true;
}

namespace {

// parse_user_sigframe: the records behind `base`; false when they are not what arm64 accepts.
bool read_records(u64 base, FpsimdContext* fp) {
  bool have_fpsimd = false;
  for (u64 offset = 0;;) {
    ContextHead head;
    if (offset + sizeof head > kReserved) return false;
    if (copy_from_guest(&head, GuestAddr(base + offset), sizeof head)) return false;
    if (head.magic == 0) return head.size == 0 && have_fpsimd;
    if (head.size < sizeof head || head.size > kReserved - offset || (head.size & 15)) return false;
    switch (head.magic) {
      case kFpsimdMagic:
        if (have_fpsimd || head.size != sizeof *fp) return false;
        if (copy_from_guest(fp, GuestAddr(base + offset), sizeof *fp)) return false;
        have_fpsimd = true;
        break;
      case kEsrMagic:
      case kExtraMagic:
        break;
      default:
        return false;
    }
    offset += head.size;
  }
}

}  // namespace

// All of the frame is read before the mask changes, because a signal that was taken under the mask of before comes first:
// then nothing may have happened.
PoppedFrame pop_signal_frame(Task& task) {
  a64::CpuState& cpu = task.thread.cpu;
  u64 frame_at = cpu.sp;
  Frame frame;
  FpsimdContext fp;
  if ((frame_at & 15) || copy_from_guest(&frame, GuestAddr(frame_at), sizeof frame))
    return set_host_mask(task, kHostBlockAll) ? PoppedFrame::Bad : PoppedFrame::Again;
  const SigContext& mc = frame.uc.mcontext;
  const u64 mask = frame.uc.mask & ~kUnblockable;
  // valid_user_regs: EL0, AArch64, D, A, I and F clear.
  const bool good = !(mc.pstate & 0x3df) && read_records(frame_at + sizeof(Frame), &fp);
  if (good) {
    if (!change_mask(task, mask)) return PoppedFrame::Again;
  } else {  // restore_sigframe restores the mask and the general registers before it finds out
    if (!set_host_mask(task, kHostBlockAll)) return PoppedFrame::Again;
    task.blocked = mask;
  }
  __builtin_memcpy(cpu.x, mc.x, sizeof mc.x);
  cpu.sp = mc.sp;
  cpu.pc = mc.pc;
  cpu.set_nzcv(static_cast<unsigned>(mc.pstate >> 28) & 15);
  if (!good) return PoppedFrame::Bad;
  __builtin_memcpy(cpu.v, fp.v, sizeof fp.v);
  cpu.set_fpsr(fp.fpsr);
  cpu.set_fpcr(fp.fpcr);
  cpu.exclusive_size = 0;
  // restore_altstack ignores errors.
  set_guest_altstack(task, frame.uc.stack.sp, static_cast<u32>(frame.uc.stack.flags), frame.uc.stack.size);
  task.thread.resume_by_interpretation = true;
  return PoppedFrame::Good;
}

}  // namespace grus::linux

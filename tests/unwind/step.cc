/* SPDX-License-Identifier: MIT */
/* step.cc - runs a call one instruction at a time, and at each looks at what a profiler would see
 *
 *     step unwind|cet SHAPE|all
 *
 * The trap flag is set in the caller just before the call and cleared after it; SIGTRAP comes after
 * each instruction: in the trampoline, the entry, the plan, the handler and back.
 *
 * `unwind`: at every one of them the unwinder must reach the caller's frame, with its CFA.
 * `cet`: what the CPU would do with CET switched on, checked in software. After an indirect jump
 * or call without notrack the next instruction must be endbr64 (IBT), and every return must go
 * where its call said (shadow stack). Branches between foreign libraries do not count, since theirs
 * may be built without.
 */
#include <link.h>
#include <signal.h>
#include <string>
#include <sys/ucontext.h>
#include <unwind.h>

#include "shapes.h"

static bool check_unwind;
static volatile int stepping;
static int steps, in_trampoline, in_library_steps, indirect, failures;
static uintptr_t library[2], previous_pc;
static const char *shape_name;
static uintptr_t shadow[256];
static int depth;

static int find_library(struct dl_phdr_info *info, size_t, void *)
{
    if (!strstr(info->dlpi_name, "libffi_static"))
        return 0;
    for (int i = 0; i < info->dlpi_phnum; i++)
        if (info->dlpi_phdr[i].p_type == PT_LOAD && info->dlpi_phdr[i].p_flags & PF_X) {
            library[0] = info->dlpi_addr + info->dlpi_phdr[i].p_vaddr;
            library[1] = library[0] + info->dlpi_phdr[i].p_memsz;
        }
    return 1;
}

/* Where the trampolines of this run are: a page around the closure's code, library text or not. */
static uintptr_t trampoline_page;

static bool in_library(uintptr_t pc)
{
    return pc >= library[0] && pc < library[1];
}

static bool ours(uintptr_t pc)
{
    return in_library(pc) || pc >> 12 == trampoline_page;
}

static bool mine(uintptr_t pc) /* this program's own text, which is built with CET, too */
{
    return between((void *)pc, __start_fs_callers, __stop_fs_callers) ||
           between((void *)pc, __start_fs_handlers, __stop_fs_handlers);
}

__attribute__((format(printf, 2, 3))) static void complain(uintptr_t pc, const char *text, ...)
{
    if (failures++ >= 10)
        return;
    va_list ap;
    va_start(ap, text);
    printf("%s: step %d, at %#lx (%s): ", shape_name, steps, pc,
           pc >> 12 == trampoline_page ? "trampoline page"
           : in_library(pc)            ? "library"
                                       : "elsewhere");
    vprintf(text, ap);
    va_end(ap);
    printf("; bytes");
    for (int i = 0; i < 12; i++)
        printf(" %02x", ((unsigned char *)pc)[i]);
    if (in_library(pc))
        printf("; library+%#lx", pc - library[0]);
    printf("\n");
}

static _Unwind_Reason_Code find_caller(struct _Unwind_Context *context, void *found)
{
    void *ip = (void *)_Unwind_GetIP(context);
    if (!between(ip, __start_fs_callers, __stop_fs_callers))
        return _URC_NO_REASON;
    *(void **)found = (void *)_Unwind_GetCFA(context);
    return _URC_END_OF_STACK;
}

static void see_unwind(uintptr_t pc)
{
    void *cfa = NULL;
    _Unwind_Backtrace(find_caller, &cfa);
    if (!cfa)
        complain(pc, "the unwinder does not reach the caller");
    else if (cfa != caller_cfa)
        complain(pc, "the caller's CFA is %p, the unwinder says %p", caller_cfa, cfa);
}

enum branch { NONE, CALL, INDIRECT_CALL, INDIRECT_JUMP, RETURN };

/* What the instruction at `pc` is, as far as control flow goes. Intel SDM vol. 2, opcode maps. */
static enum branch decode(uintptr_t pc)
{
    const unsigned char *p = (const unsigned char *)pc;
    bool notrack = false;
    for (;; p++) {
        notrack |= *p == 0x3e;
        bool legacy = *p == 0x3e || *p == 0x2e || *p == 0x66 || *p == 0xf2 || *p == 0xf3;
        if (!legacy && (*p & 0xf0) != 0x40)
            break;
    }
    if (*p == 0xe8)
        return CALL;
    if (*p == 0xc3 || *p == 0xc2)
        return RETURN;
    if (*p != 0xff)
        return NONE;
    int op = (p[1] >> 3) & 7;
    if (op == 2)
        return notrack ? CALL : INDIRECT_CALL;
    return op == 4 && !notrack ? INDIRECT_JUMP : NONE;
}

static void see_cet(uintptr_t pc, uintptr_t sp)
{
    static const unsigned char endbr64[] = {0xf3, 0x0f, 0x1e, 0xfa};
    enum branch was = previous_pc ? decode(previous_pc) : NONE;
    if (was == CALL || was == INDIRECT_CALL) {
        if (depth == sizeof shadow / sizeof *shadow)
            abort();
        shadow[depth++] = *(uintptr_t *)sp;
    } else if (was == RETURN && depth > 0 && shadow[--depth] != pc) {
        complain(pc, "a return not to where its call came from, %#lx", shadow[depth]);
    }
    if (was != INDIRECT_CALL && was != INDIRECT_JUMP)
        return;
    if (!ours(pc) && !(ours(previous_pc) && mine(pc)))
        return;
    indirect++;
    if (memcmp((void *)pc, endbr64, sizeof endbr64))
        complain(pc, "an indirect branch from %#lx lands on no endbr64", previous_pc);
}

static void on_step(int, siginfo_t *, void *context)
{
    greg_t *r = ((ucontext_t *)context)->uc_mcontext.gregs;
    uintptr_t pc = (uintptr_t)r[REG_RIP];
    if (!stepping) {
        r[REG_EFL] &= ~0x100L;
        return;
    }
    steps++;
    in_trampoline += pc >> 12 == trampoline_page;
    in_library_steps += in_library(pc);
    if (check_unwind)
        see_unwind(pc);
    else
        see_cet(pc, (uintptr_t)r[REG_RSP]);
    previous_pc = pc;
}

extern "C" IN_SECTION("fs_handlers") void on_call(ffi_cif *cif, void *ret, void **, void *)
{
    zero_result(cif, ret);
}

static void start(void)
{
    stepping = 1;
    __asm__ volatile("pushfq; orl $0x100, (%%rsp); popfq" : : : "memory", "cc");
}

static int one_step(shape *s)
{
    ffi_cif cif;
    void *code = closure_for(s, &cif);
    shape_name = s->name;
    trampoline_page = (uintptr_t)code >> 12;
    before_call = NULL;
    s->caller(code); /* once without, so that nothing is resolved or made while stepping */
    before_call = start;
    steps = in_trampoline = in_library_steps = indirect = depth = failures = 0;
    previous_pc = 0;
    after_call = 0;
    s->caller(code);
    stepping = 0;
    __asm__ volatile("nop; nop");
    printf("%s: %d instructions, %d on the trampoline's page, %d in the library, %d indirect"
           " branches checked\n",
           s->name, steps, in_trampoline, in_library_steps, indirect);
    if (in_trampoline < 3 || in_library_steps < 10)
        return printf("%s: the call was not stepped through\n", s->name), 1;
    if (!check_unwind && indirect < 3)
        return printf("%s: too few indirect branches were seen\n", s->name), 1;
    return failures != 0;
}

int main(int argc, char **argv)
{
    std::string what = argc == 3 ? argv[1] : "";
    if (what != "unwind" && what != "cet") {
        fprintf(stderr, "usage: step unwind|cet SHAPE|all\n");
        return 2;
    }
    check_unwind = what == "unwind";
    if (!dl_iterate_phdr(find_library, NULL)) {
        printf("libffi_static is not loaded as a shared library\n");
        return 1;
    }
    struct sigaction sa = {};
    sa.sa_sigaction = on_step;
    sa.sa_flags = SA_SIGINFO;
    sigaction(SIGTRAP, &sa, NULL);
    setvbuf(stdout, NULL, _IONBF, 0);
    return each_shape(argv[2], one_step);
}

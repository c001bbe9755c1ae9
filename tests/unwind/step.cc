/* SPDX-License-Identifier: MIT */
/* step.cc - runs a call one instruction at a time, and at each looks at what a profiler would see
 *
 *     step unwind|unwind-outside|cet|control-unwind|control-cet|dump SHAPE|all
 *
 * The trap flag is set in the caller just before the call and cleared after it; SIGTRAP comes after
 * each instruction: in the trampoline, the entry, the plan, the handler and back.
 *
 * `unwind`: at every one of them the unwinder must reach the caller's frame, with its CFA.
 * `unwind-outside`: the same but for instructions on the trampoline's own page.
 * `cet`: what the CPU would do with CET switched on, checked in software. After an indirect jump
 * or call without notrack the next instruction must be endbr64 (IBT), and every return must go
 * where its call said (shadow stack). Branches between foreign libraries do not count, since theirs
 * may be built without.
 *
 * The controls put a jump of their own before the closure, without endbr64 and without a frame
 * description: they must fail. `dump` writes the trampoline's page to stdout, for a disassembler.
 */
#include <link.h>
#include <signal.h>
#include <string>
#include <sys/mman.h>
#include <sys/ucontext.h>
#include <unistd.h>
#include <unwind.h>

#include "shapes.h"

static bool check_unwind, outside, control;
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

struct search {
    bool in_caller;
    void *cfa;
};

/* libgcc's context of a frame holds the CFA of the frame that it called: look one further. */
static _Unwind_Reason_Code find_caller(struct _Unwind_Context *context, void *user)
{
    search *found = (search *)user;
    if (found->in_caller) {
        found->cfa = (void *)_Unwind_GetCFA(context);
        return _URC_END_OF_STACK;
    }
    void *ip = (void *)_Unwind_GetIP(context);
    found->in_caller = between(ip, __start_fs_callers, __stop_fs_callers);
    return _URC_NO_REASON;
}

static void see_unwind(uintptr_t pc)
{
    search found = {};
    _Unwind_Backtrace(find_caller, &found);
    if (!found.cfa)
        complain(pc, "the unwinder does not reach the caller");
    else if (found.cfa != caller_cfa)
        complain(pc, "the caller's CFA is %p, the unwinder says %p", caller_cfa, found.cfa);
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
    if (after_call) { /* the caller is about to return */
        r[REG_EFL] &= ~0x100L;
        return;
    }
    steps++;
    in_trampoline += pc >> 12 == trampoline_page;
    in_library_steps += in_library(pc);
    if (check_unwind && !(outside && pc >> 12 == trampoline_page))
        see_unwind(pc);
    else if (!check_unwind)
        see_cet(pc, (uintptr_t)r[REG_RSP]);
    previous_pc = pc;
}

extern "C" IN_SECTION("fs_handlers") void on_call(ffi_cif *cif, void *ret, void **, void *)
{
    zero_result(cif, ret);
}

static void start(void)
{
    __asm__ volatile("pushfq; orl $0x100, (%%rsp); popfq" : : : "memory", "cc");
}

/* movabs $code, %rax; jmp *%rax: what a JIT without CET and unwind tables would put in front. */
static void *undescribed(void *code)
{
    unsigned char bytes[12] = {0x48, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xe0};
    memcpy(bytes + 2, &code, sizeof code);
    void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (page == MAP_FAILED)
        abort();
    memcpy(page, bytes, sizeof bytes);
    if (mprotect(page, 4096, PROT_READ | PROT_EXEC))
        abort();
    return page;
}

static int one_dump(shape *s)
{
    ffi_cif cif;
    uintptr_t page = (uintptr_t)closure_for(s, &cif) & ~(uintptr_t)4095;
    return write(1, (void *)page, 4096) != 4096;
}

static int one_step(shape *s)
{
    ffi_cif cif;
    void *code = closure_for(s, &cif);
    if (control)
        code = undescribed(code);
    shape_name = s->name;
    trampoline_page = (uintptr_t)code >> 12;
    before_call = NULL;
    s->caller(code); /* once without, so that nothing is resolved or made while stepping */
    before_call = start;
    steps = in_trampoline = in_library_steps = indirect = depth = failures = 0;
    previous_pc = 0;
    after_call = 0;
    s->caller(code);
    before_call = NULL;
    printf("%s: %d instructions, %d on the trampoline's page, %d in the library, %d indirect"
           " branches checked\n",
           s->name, steps, in_trampoline, in_library_steps, indirect);
    if (in_trampoline < (control ? 2 : 3) || in_library_steps < (has_frame(s) ? 10 : 7))
        return printf("%s: the call was not stepped through\n", s->name), 1;
    if (!check_unwind && indirect < 3)
        return printf("%s: too few indirect branches were seen\n", s->name), 1;
    return failures != 0;
}

int main(int argc, char **argv)
{
    std::string what = argc == 3 ? argv[1] : "";
    if (what == "dump")
        return each_shape(argv[2], one_dump);
    control = what.rfind("control-", 0) == 0;
    if (control)
        what = what.substr(strlen("control-"));
    outside = what == "unwind-outside";
    if (outside)
        what = "unwind";
    if (what != "unwind" && what != "cet") {
        fprintf(stderr, "usage: step unwind|unwind-outside|cet|control-unwind|control-cet|dump"
                        " SHAPE|all\n");
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

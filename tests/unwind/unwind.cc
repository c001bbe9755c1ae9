/* SPDX-License-Identifier: MIT */
/* unwind.cc - from a handler to the C caller: backtrace(), the unwinder, an exception, a debugger
 *
 *     unwind backtrace|throw|stop SHAPE|all
 *
 * `stop` only calls stop_here() from the handler, for a debugger's breakpoint.
 */
#include <dlfcn.h>
#include <execinfo.h>
#include <unwind.h>

#include <stdexcept>
#include <string>

#include "shapes.h"

enum { MOST = 64 };

struct frame {
    void *ip, *cfa;
};
static frame frames[MOST];
static int n_frames, n_plain;
static void *plain[MOST];
static enum { BACKTRACE, THROW, STOP } mode;
static int destroyed;

extern "C" {
void stop_here(const char *shape) __attribute__((noinline));
void stop_here(const char *shape)
{
    __asm__ volatile("" : : "r"(shape) : "memory");
}
}

/* Under EHABI a context's CFA is that of the frame that the walk began in, but sp is its own. */
#ifdef __ARM_EABI_UNWINDER__
#define CFA_OF(context) _Unwind_GetGR(context, 13)
#else
#define CFA_OF(context) _Unwind_GetCFA(context)
#endif

static _Unwind_Reason_Code note(struct _Unwind_Context *context, void *)
{
    if (n_frames < MOST)
        frames[n_frames++] = {(void *)_Unwind_GetIP(context), (void *)CFA_OF(context)};
    return _URC_NO_REASON;
}

struct destroyer {
    ~destroyer()
    {
        destroyed++;
    }
};

extern "C" IN_SECTION("fs_handlers") void on_call(ffi_cif *cif, void *ret, void **, void *user)
{
    destroyer counts;
    zero_result(cif, ret);
    switch (mode) {
    case BACKTRACE:
        n_frames = 0;
        _Unwind_Backtrace(note, NULL);
        n_plain = backtrace(plain, MOST);
        break;
    case THROW:
        throw std::runtime_error(((shape *)user)->name);
    case STOP:
        stop_here(((shape *)user)->name);
        break;
    }
}

static bool in_library(void *ip)
{
    Dl_info info;
    return dladdr(ip, &info) && info.dli_fname && strstr(info.dli_fname, "libffi_static");
}

/* What must stand on the stack: this handler, then only us (or, where we have no frame, nothing),
 * then this caller, then main. */
static const char *judge(const shape *s, void *const *ips, int n)
{
    int i = 0;
    while (i < n && !between(ips[i], __start_fs_handlers, __stop_fs_handlers))
        i++;
    if (i == n)
        return "the handler is not there";
    int ours = 0;
    for (i++; i < n && in_library(ips[i]); i++)
        ours++;
    if (!has_frame(s) && ours)
        return "expected no frame of the library behind the handler";
    if (has_frame(s) && (ours < 1 || ours > 2))
        return "expected one or two frames of the library behind the handler";
    if (i == n || !between(ips[i], __start_fs_callers, __stop_fs_callers))
        return "the caller does not follow";
    for (i++; i < n; i++) {
        Dl_info info;
        if (dladdr(ips[i], &info) && info.dli_sname && !strcmp(info.dli_sname, "main"))
            return NULL;
    }
    return "main is not reached";
}

static int one_backtrace(shape *s)
{
    ffi_cif cif;
    void *ips[MOST];
    s->caller(closure_for(s, &cif));
    const char *why = judge(s, plain, n_plain);
    if (why) {
        printf("%s: backtrace(): %s\n", s->name, why);
        backtrace_symbols_fd(plain, n_plain, 1);
        return 1;
    }
    for (int i = 0; i < n_frames; i++)
        ips[i] = frames[i].ip;
    why = judge(s, ips, n_frames);
    /* libgcc's context of a frame holds the CFA of the frame that it called: look one further. */
    for (int i = 0; !why && i + 1 < n_frames; i++)
        if (between(ips[i], __start_fs_callers, __stop_fs_callers) &&
            frames[i + 1].cfa != caller_cfa)
            why = "the caller's CFA is wrong";
    if (why)
        printf("%s: _Unwind_Backtrace(): %s\n", s->name, why);
    return why != NULL;
}

/* Locals that live across the call: the unwinder must give each callee-saved register back. */
__attribute__((noinline)) static int one_throw_in(shape *s, void *code, long seed)
{
    long a = seed * 3, b = seed * 5, c = seed * 7, d = seed * 11, e = seed * 13, f = seed * 17;
    __asm__ volatile("" : "+r"(a), "+r"(b), "+r"(c), "+r"(d), "+r"(e));
    __asm__ volatile("" : "+r"(f));
    try {
        s->caller(code);
        printf("%s: nothing was thrown\n", s->name);
        return 1;
    } catch (const std::runtime_error &error) {
        if (std::string(error.what()) != s->name) {
            printf("%s: caught %s\n", s->name, error.what());
            return 1;
        }
    }
    if (a != seed * 3 || b != seed * 5 || c != seed * 7 || d != seed * 11 || e != seed * 13 ||
        f != seed * 17) {
        printf("%s: a callee-saved register was not restored\n", s->name);
        return 1;
    }
    return 0;
}

static int one_throw(shape *s)
{
    ffi_cif cif;
    void *code = closure_for(s, &cif);
    for (int i = 1; i <= 200; i++) {
        mode = THROW;
        destroyed = 0;
        if (one_throw_in(s, code, i))
            return 1;
        if (destroyed != 1) {
            printf("%s: %d of 1 destructors ran\n", s->name, destroyed);
            return 1;
        }
        mode = STOP; /* the closure still works */
        s->caller(code);
    }
    return 0;
}

static int one_stop(shape *s)
{
    ffi_cif cif;
    s->caller(closure_for(s, &cif));
    return 0;
}

int main(int argc, char **argv)
{
    std::string what = argc == 3 ? argv[1] : "";
    if (what == "backtrace")
        return mode = BACKTRACE, each_shape(argv[2], one_backtrace);
    if (what == "throw")
        return each_shape(argv[2], one_throw);
    if (what == "stop")
        return mode = STOP, each_shape(argv[2], one_stop);
    fprintf(stderr, "usage: unwind backtrace|throw|stop SHAPE|all\n");
    return 2;
}

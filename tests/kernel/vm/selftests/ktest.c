/* SPDX-License-Identifier: MIT */
/* ktest.c - runs the tests one by one and prints their results as TAP
 *
 * See ktest.h. The plan is printed before the first test runs, so a run that stops early cannot
 * look complete.
 */
#include "ktest.h"
#include <signal.h>
#include <sys/wait.h>
#include "table.h"

/* SECONDS after which a test hangs. A thousand tables, on a kernel with KASAN, emulated on a
 * machine that does other work, take more than three minutes. */
enum { MOST = 600, SECONDS = 900 };

static struct test {
    const char *name;
    void (*run)(unsigned);
    unsigned n;
} tests[MOST];
static unsigned test_count;

void ktest_add(const char *name, void (*run)(unsigned), unsigned n)
{
    if (test_count == MOST)
        abort();
    tests[test_count++] = (struct test){name, run, n};
}

/* This user's pages in tables, when the number has settled: the kernel frees files with a delay. */
static uint64_t pages_at_most(uint64_t wanted)
{
    uint64_t pages = user_pages();
    for (int wait = 0; wait < 400 && pages > wanted; wait++) {
        usleep(5000);
        pages = user_pages();
    }
    return pages;
}

static int run(const struct test *test, unsigned which)
{
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        setsid();
        alarm(SECONDS);
        test->run(which);
        fflush(stdout);
        _exit(0);
    }
    int status = status_of(pid);
    kill(-pid, SIGKILL);
    while (waitpid(-pid, NULL, 0) > 0) {
    }
    return status;
}

static bool wanted(const char *name, int argc, char **argv)
{
    bool any = argc < 2;
    for (int i = 1; i < argc; i++)
        any |= strstr(name, argv[i]) != NULL;
    return any;
}

int main(int argc, char **argv)
{
    char name[128];
    unsigned total = 0, number = 0, failed = 0, skipped = 0;
    if (argc > 2 && !strcmp(argv[1], "--as-child"))
        return as_child(argv[2], argv[3]);
    for (unsigned i = 0; i < test_count; i++)
        for (unsigned k = 0; k < (tests[i].n ? tests[i].n : 1); k++)
            total += wanted(tests[i].name, argc, argv);
    printf("TAP version 13\n1..%u\n", total);
    for (unsigned i = 0; i < test_count; i++) {
        for (unsigned k = 0; k < (tests[i].n ? tests[i].n : 1); k++) {
            if (!wanted(tests[i].name, argc, argv))
                continue;
            snprintf(name, sizeof name, tests[i].n ? "%s.%u" : "%s", tests[i].name, k);
            uint64_t before = user_pages();
            int status = run(&tests[i], k);
            uint64_t after = pages_at_most(before);
            if (after > before)
                printf("# leaked %llu pages\n", (unsigned long long)(after - before));
            bool good = (status == 0 || status == SKIPPED) && after <= before;
            if (!good)
                printf("# status %d\n", status);
            failed += !good;
            skipped += good && status == SKIPPED;
            printf("%s %u %s%s\n", good ? "ok" : "not ok", ++number, name,
                   good && status == SKIPPED ? " # SKIP" : "");
        }
    }
    printf("# totals: pass:%u fail:%u skip:%u\n", number - failed - skipped, failed, skipped);
    return failed ? 1 : 0;
}

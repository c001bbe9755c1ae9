/* SPDX-License-Identifier: MIT */
/* fork.c - a child does what it likes with closures; the parent's must not notice, nor it hang */
#include "days.h"
#include <pthread.h>
#include <signal.h>

enum { SOME = 3000 };

static void judge(int how, const char *who)
{
    if (how == -1)
        test_fail(__FILE__, __LINE__, "%s hangs", who);
    if (how >= 256)
        test_fail(__FILE__, __LINE__, "%s: wrong answers in the child", who);
    if (how)
        test_fail(__FILE__, __LINE__, "%s dies: %s", who, strsignal(how));
}

/* The child frees all, makes others in their place, and calls them. */
DAY(fork_child_makes_its_own)
{
    CHECK_EQ(crowd_make(0, SOME), SOME);
    pid_t child = fork();
    if (child == 0) {
        for (size_t i = 0; i < SOME; i++)
            live_free(&crowd[i]);
        for (size_t i = 0; i < SOME; i++)
            if (!live_make(&crowd[i], (long)i + 12345 * 3) || !live_right(&crowd[i]))
                _exit(1);
        _exit(0);
    }
    judge(day_wait(child, 30), "the child");
    crowd_check(SOME);
    outcome("both go on");
}

/* The parent frees and makes others, then the child calls those it was born with. */
DAY(fork_parent_makes_its_own)
{
    int gate[2];
    char byte = 0;
    CHECK_EQ(pipe(gate), 0);
    CHECK_EQ(crowd_make(0, SOME), SOME);
    pid_t child = fork();
    if (child == 0) {
        if (read(gate[0], &byte, 1) != 1)
            _exit(2);
        for (size_t i = 0; i < SOME; i++)
            if (!live_right(&crowd[i]))
                _exit(1);
        _exit(0);
    }
    for (size_t i = 0; i < SOME; i++)
        live_free(&crowd[i]);
    for (size_t i = 0; i < SOME; i++)
        CHECK(live_make(&crowd[i], (long)i + 12345 * 3));
    crowd_check(SOME);
    CHECK_EQ(write(gate[1], &byte, 1), 1);
    judge(day_wait(child, 30), "the child");
    outcome("both go on");
}

static volatile bool stop;

/* Until `stop`, or so often. */
static void *churn(void *times)
{
    struct live mine[100];
    for (long left = (long)times; !stop && left--;) {
        for (int i = 0; i < 100; i++)
            if (!live_make(&mine[i], 3 * i) || !live_right(&mine[i]))
                _exit(2);
        for (int i = 0; i < 100; i++)
            live_free(&mine[i]);
    }
    return NULL;
}

DAY(threads_allocate)
{
    pthread_t threads[4];
    for (int i = 0; i < 4; i++)
        CHECK_EQ(pthread_create(&threads[i], NULL, churn, (void *)2000l), 0);
    for (int i = 0; i < 4; i++)
        CHECK_EQ(pthread_join(threads[i], NULL), 0);
    outcome("goes on");
}

DAY(fork_while_threads_allocate)
{
    enum { TIMES = 500, THREADS = 4, CHILD = 300 };
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++)
        CHECK_EQ(pthread_create(&threads[i], NULL, churn, (void *)-1l), 0);
    for (int times = 0; times < TIMES; times++) {
        pid_t child = fork();
        if (child == 0) {
            if (crowd_make(0, CHILD) != CHILD)
                _exit(1);
            for (size_t i = 0; i < CHILD; i++)
                live_free(&crowd[i]);
            _exit(0);
        }
        judge(day_wait(child, 15), "a child");
    }
    stop = true;
    for (int i = 0; i < THREADS; i++)
        CHECK_EQ(pthread_join(threads[i], NULL), 0);
    outcome("all %d children go on", TIMES);
}

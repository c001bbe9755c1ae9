/* SPDX-License-Identifier: MIT */
/* fork.c - a child does what it likes with closures; the parent's must not notice, nor it hang */
#include "days.h"
#include "libffi.h"
#include <pthread.h>
#include <sched.h>

CASE(fork_child_makes_its_own)
{
    day_child_makes_its_own();
}

CASE(fork_parent_makes_its_own)
{
    day_parent_makes_its_own();
}

CASE(fork_while_threads_allocate)
{
    day_forks_while_threads_allocate(500);
}

CASE(threads_allocate)
{
    pthread_t threads[4];
    for (uintptr_t i = 0; i < 4; i++)
        CHECK_EQ(pthread_create(&threads[i], NULL, day_churn, (void *)i), 0);
    while (atomic_load(&day_rounds) < 1000)
        sched_yield();
    atomic_store(&day_stop, true);
    for (int i = 0; i < 4; i++)
        CHECK_EQ(pthread_join(threads[i], NULL), 0);
    outcome("goes on");
}

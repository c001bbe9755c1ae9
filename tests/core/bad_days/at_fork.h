/* SPDX-License-Identifier: MIT */
/* at_fork.h - a program's own fork handlers, registered before the library was loaded
 *
 * in_prepare() runs when the library has prepared for the fork. in_parent() and in_child() run
 * before the library's handlers of the same name.
 */
#include "harness.h" /* before others: it asks for all that libc has */
#include <pthread.h>

static void (*in_prepare)(void), (*in_parent)(void), (*in_child)(void);

static void app_prepare(void)
{
    if (in_prepare)
        in_prepare();
}

static void app_parent(void)
{
    if (in_parent)
        in_parent();
}

static void app_child(void)
{
    if (in_child)
        in_child();
}

static void before_the_library(void)
{
    pthread_atfork(app_prepare, app_parent, app_child);
}

/* What an executable has here runs before the constructors of its libraries. */
__attribute__((section(".preinit_array"), used)) static void (*preinit)(void) = before_the_library;

/* SPDX-License-Identifier: MIT */
/* coroutines.c - A is made on one stack, B on another, A is deleted, C is made: what does B call?
 *
 * libgcc's `deleted` takes the one that was made last, which is B, for A; C is then made of it.
 * Prints the answers; "6 6 6" is right.
 */
#include <stdio.h>
#include <stdlib.h>
#include <ucontext.h>

#define NOINLINE __attribute__((noinline, noclone))

static ucontext_t around, first, second;
static int (*kept)(void);
static int answers[3];

static NOINLINE void go(ucontext_t *from, ucontext_t *to)
{
    swapcontext(from, to);
}

static NOINLINE void make(int number, ucontext_t *self)
{
    int answer(void)
    {
        return number;
    }
    int (*volatile pointer)(void) = answer;
    if (number == 6)
        kept = pointer;
    go(self, &around);
    pointer();
}

static void on_first(void)
{
    make(5, &first);
    make(7, &first);
}

static void on_second(void)
{
    make(6, &second);
    go(&second, &around);
}

static void start(ucontext_t *c, void (*run)(void))
{
    getcontext(c);
    c->uc_stack.ss_size = 1 << 16;
    c->uc_stack.ss_sp = malloc(c->uc_stack.ss_size);
    c->uc_link = &around;
    makecontext(c, run, 0);
}

int main(void)
{
    start(&first, on_first);
    start(&second, on_second);
    go(&around, &first);  /* A */
    go(&around, &second); /* B */
    answers[0] = kept();
    go(&around, &first); /* A ends, C is made */
    answers[1] = kept();
    go(&around, &first); /* C ends */
    answers[2] = kept();
    printf("%d %d %d\n", answers[0], answers[1], answers[2]);
    return !(answers[0] == 6 && answers[1] == 6 && answers[2] == 6);
}

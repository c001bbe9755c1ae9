/* SPDX-License-Identifier: MIT */
/* main.c - callbench: what a call through a closure costs, library against library
 *
 * See --help. Exit status: 0 measured, 1 a rival failed or answered wrongly, 2 wrong usage or a
 * library that cannot be loaded.
 */
#define _GNU_SOURCE
#include "bench.h"
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char usage[] =
    "usage: callbench [options]\n"
    "Compares libraries that make C closures, in one process, in turns. Rivals are the system's\n"
    "libffi (the baseline), ours, those given, a hand-written callback and a direct call.\n"
    "  --lib NAME=PATH   another libffi-compatible library, or another build of ours; repeatable\n"
    "  --ours PATH       our library (default build/lib/libffi_static.so.0); empty: none\n"
    "  --text PATH       a copy of ours, measured in calls with closures of provider `text`\n"
    "  --system PATH     the baseline, instead of the libffi that the dynamic linker finds\n"
    "  --section NAME    calls, live, memory or first; repeatable (default: all)\n"
    "  --row ID          only this row of the calls        --only RIVAL   only this rival\n"
    "  --quick           few rounds and at most 1000 closures: a try, not a measurement\n"
    "  --max-live N      at most N closures (default 1000000)\n"
    "  --patience S      leave out a rival that needs longer to make its closures (default 5)\n"
    "  --cpu N           pin to this CPU (default: the last one allowed)\n"
    "  --json FILE       write everything there, too\n"
    "  --list            rows and rivals, nothing measured\n"
    "  --calls N         make N calls per row and rival, nothing timed (for callgrind)\n"
    "  --marked N        the same, with marks for bench/instructions.py\n"
    "  --tolerant        with marks: leave out of a row who cannot serve it, or answers wrongly\n"
    "  --remade N        make and free N closures per row and library, with the same marks\n";

enum { CALLS = 1, LIVE = 2, MEMORY = 4, FIRST = 8 };

struct options {
    struct settings settings;
    const char *ours, *text, *system, *json_path, *child;
    char *libs[MAX_RIVALS];
    int lib_count, cpu;
    unsigned sections;
    long calls, marked, remade, closures;
    bool list;
};

static long number(const char *text, const char *option)
{
    char *end;
    errno = 0;
    long n = strtol(text, &end, 10);
    if (errno || *end || end == text || n < 0) {
        fprintf(stderr, "callbench: --%s wants a number, not '%s'\n", option, text);
        exit(2);
    }
    return n;
}

static unsigned section(const char *name)
{
    static const char *const names[] = {"calls", "live", "memory", "first"};
    for (unsigned i = 0; i < 4; i++)
        if (!strcmp(name, names[i]))
            return 1u << i;
    fprintf(stderr, "callbench: no section '%s': there are calls, live, memory, first\n", name);
    exit(2);
}

static void set_option(struct options *o, const char *name, char *value)
{
    struct settings *s = &o->settings;
    if (!strcmp(name, "lib")) {
        if (o->lib_count == MAX_RIVALS || !strchr(value, '=')) {
            fprintf(stderr, "callbench: --lib wants name=path, not '%s'\n", value);
            exit(2);
        }
        o->libs[o->lib_count++] = value;
    } else if (!strcmp(name, "ours")) {
        o->ours = value;
    } else if (!strcmp(name, "text")) {
        o->text = value;
    } else if (!strcmp(name, "system")) {
        o->system = value;
    } else if (!strcmp(name, "section")) {
        o->sections |= section(value);
    } else if (!strcmp(name, "row")) {
        s->row = value;
    } else if (!strcmp(name, "only")) {
        s->only = value;
    } else if (!strcmp(name, "quick")) {
        s->quick = true;
    } else if (!strcmp(name, "tolerant")) {
        s->tolerant = true;
    } else if (!strcmp(name, "max-live")) {
        s->max_live = number(value, name);
    } else if (!strcmp(name, "patience")) {
        s->patience = (double)number(value, name);
    } else if (!strcmp(name, "cpu")) {
        o->cpu = (int)number(value, name);
    } else if (!strcmp(name, "json")) {
        o->json_path = value;
    } else if (!strcmp(name, "list")) {
        o->list = true;
    } else if (!strcmp(name, "calls")) {
        o->calls = number(value, name);
    } else if (!strcmp(name, "marked")) {
        o->marked = number(value, name);
    } else if (!strcmp(name, "remade")) {
        o->remade = number(value, name);
    } else if (!strcmp(name, "child")) {
        o->child = value;
    } else if (!strcmp(name, "closures")) {
        o->closures = number(value, name);
    } else {
        fputs(usage, stdout);
        exit(0);
    }
}

static void parse(struct options *o, int argc, char **argv)
{
    static const struct option known[] = {
        {"lib", 1, NULL, 0},      {"ours", 1, NULL, 0},     {"system", 1, NULL, 0},
        {"section", 1, NULL, 0},  {"row", 1, NULL, 0},      {"only", 1, NULL, 0},
        {"quick", 0, NULL, 0},    {"max-live", 1, NULL, 0}, {"patience", 1, NULL, 0},
        {"cpu", 1, NULL, 0},      {"json", 1, NULL, 0},     {"list", 0, NULL, 0},
        {"calls", 1, NULL, 0},    {"marked", 1, NULL, 0},   {"child", 1, NULL, 0},
        {"closures", 1, NULL, 0}, {"text", 1, NULL, 0},     {"remade", 1, NULL, 0},
        {"help", 0, NULL, 0},     {"tolerant", 0, NULL, 0}, {NULL, 0, NULL, 0},
    };
    int at, c;
    while ((c = getopt_long(argc, argv, "", known, &at)) == 0)
        set_option(o, known[at].name, optarg);
    if (c != -1 || optind < argc) {
        if (optind < argc)
            fprintf(stderr, "callbench: what is '%s'?\n", argv[optind]);
        fputs(usage, stderr);
        exit(2);
    }
}

static void check_names(const struct settings *s)
{
    if (s->only && !rival_find(&s->rivals, s->only)) {
        fprintf(stderr, "callbench: no rival '%s'; --list names them\n", s->only);
        exit(2);
    }
    for (int i = 0; s->row; i++) {
        if (!rows[i]) {
            fprintf(stderr, "callbench: no row '%s'; --list names them\n", s->row);
            exit(2);
        }
        if (!strcmp(s->row, rows[i]->id))
            break;
    }
}

static void load(struct options *o)
{
    struct rivals *all = &o->settings.rivals;
    bool fine = rival_load(all, "system", o->system) == 0;
    if (*o->ours)
        fine = fine && rival_load(all, "ours", o->ours) == 0;
    /* Not in a fresh process for memory or the first closure. */
    if (fine && o->text && !o->child)
        fine = rival_load_text(all, o->text, &o->settings.text_note) == 0;
    if (o->settings.text_note)
        fprintf(stderr, "callbench: '%s' is left out: %s\n", RIVAL_TEXT, o->settings.text_note);
    for (int i = 0; fine && i < o->lib_count; i++) {
        char *name = strdup(o->libs[i]); /* argv stays whole: a fresh process gets it again */
        char *path = strchr(name, '=');
        *path++ = 0;
        fine = rival_load(all, name, path) == 0;
        free(name);
    }
    if (!fine)
        exit(2);
    rival_add_plain(all);
    check_names(&o->settings);
}

static void list(const struct settings *s)
{
    for (int i = 0; rows[i]; i++)
        printf("row %-14s %-14s %s\n", rows[i]->id, rows[i]->signature, rows[i]->name);
    for (int i = 0; i < s->rivals.count; i++) {
        const struct rival *r = &s->rivals.list[i];
        printf("rival %-12s %s%s%s\n", r->name, r->path ? r->path : "built in",
               r->version ? ", version " : "", r->version ? r->version : "");
    }
}

static void write_head(const struct settings *s)
{
    FILE *f = s->json;
    json_open(f, NULL, '{');
    json_text(f, "program", "callbench");
    json_number(f, "format", 1);
    json_text(f, "compiler", __VERSION__);
    json_text(f, "baseline", s->rivals.list[s->rivals.baseline].name);
    json_number(f, "quick", s->quick);
    json_number(f, "cpu", s->cpu);
    json_number(f, "rounds", s->rounds);
    json_number(f, "slice_ns", s->slice_ns);
    json_number(f, "patience_s", s->patience);
    json_text(f, "text_note", s->text_note);
    json_open(f, "rivals", '[');
    for (int i = 0; i < s->rivals.count; i++) {
        const struct rival *r = &s->rivals.list[i];
        json_open(f, NULL, '{');
        json_text(f, "name", r->name);
        json_text(f, "kind",
                  r->kind == RIVAL_LIBFFI   ? "libffi"
                  : r->kind == RIVAL_STATIC ? "ffi_static"
                  : r->kind == RIVAL_HAND   ? "hand-written callback"
                                            : "direct call");
        json_text(f, "path", r->path);
        json_text(f, "version", r->version);
        json_number(f, "calls_only", r->calls_only);
        json_close(f, '}');
    }
    json_close(f, ']');
}

static int measure(struct options *o)
{
    struct settings *s = &o->settings;
    char *temporary = NULL;
    if (o->json_path) {
        if (asprintf(&temporary, "%s.tmp", o->json_path) < 0)
            return -1;
        s->json = fopen(temporary, "w");
        if (!s->json) {
            fprintf(stderr, "callbench: cannot write %s: %s\n", temporary, strerror(errno));
            return -1;
        }
        write_head(s);
    }
    if (((o->sections & CALLS) && section_calls(s) < 0) ||
        ((o->sections & LIVE) && section_live(s) < 0) ||
        ((o->sections & MEMORY) && section_memory(s) < 0) ||
        ((o->sections & FIRST) && section_first(s) < 0))
        return -1;
    if (s->json) {
        json_close(s->json, '}');
        fputc('\n', s->json);
        if (fclose(s->json) || rename(temporary, o->json_path) < 0) {
            fprintf(stderr, "callbench: cannot write %s: %s\n", o->json_path, strerror(errno));
            return -1;
        }
        free(temporary);
    }
    return 0;
}

int main(int argc, char **argv)
{
    struct options o = {.ours = "build/lib/libffi_static.so.0", .cpu = -1};
    struct settings *s = &o.settings;
    s->max_live = 1000000;
    s->patience = 5;
    s->argv = argv;
    parse(&o, argc, argv);
    s->rounds = s->quick ? 5 : MAX_ROUNDS;
    s->slice_ns = s->quick ? 2e4 : 1e5;
    if (s->quick && s->max_live > 1000)
        s->max_live = 1000;
    if (!o.sections)
        o.sections = CALLS | LIVE | MEMORY | FIRST;
    load(&o);
    s->cpu = pin_to_cpu(o.cpu);
    if (s->cpu < 0 && !o.child)
        fprintf(stderr, "callbench: cannot pin to a CPU (%s); times may jump\n", strerror(errno));

    int result;
    if (o.list) {
        list(s);
        result = 0;
    } else if (o.child && !strcmp(o.child, "memory")) {
        result = child_memory(s, o.closures);
    } else if (o.child) {
        result = child_first(s, !strcmp(o.child, "first-marked"));
    } else if (o.calls) {
        result = run_calls(s, o.calls);
    } else if (o.marked) {
        result = run_marked(s, o.marked, false);
    } else if (o.remade) {
        result = run_marked(s, o.remade, true);
    } else {
        result = measure(&o);
    }
    return result < 0 ? 1 : 0;
}

/* SPDX-License-Identifier: MIT */
/* witness.c - runs a program, and looks at every executable page of every process meanwhile
 *
 *     witness program argument...
 *
 * A program stops itself (SIGSTOP) when it has all its callbacks. The witness looks ten times a
 * second, and then has those go on that it saw stopped. An executable mapping is right if it is one
 * of
 *
 *   - text of a file on the file system of `/`: not writable, with no page but the file's own (so
 *     nobody has written to it, by a debugger's ways either), and the file has not been deleted;
 *   - trampfd's;
 *   - the kernel's own vdso.
 *
 * All else is printed, once each. Ends as the program ended; with 88 when there was anything else.
 */
#include <ctype.h>
#include <dirent.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

enum { WRONG = 88, REMEMBERED = 64, STOPPED = 64, LINE = 512 };

/* What one look saw. */
struct seen {
    unsigned processes, text, vdso, trampfd, wrong;
    unsigned stopped_count;
    pid_t stopped[STOPPED];
};
struct mapping {
    char rights[5], path[LINE];
    unsigned major, minor;
};

static char told[REMEMBERED][LINE];
static unsigned told_count, wrong_count;

static bool ends_with(const char *text, const char *end)
{
    size_t have = strlen(text), want = strlen(end);
    return have >= want && !strcmp(text + have - want, end);
}

static bool is_verified_text(const struct mapping *m)
{
    struct stat root;
    if (stat("/", &root))
        return false;
    return m->path[0] == '/' && !strchr(m->rights, 'w') && !ends_with(m->path, " (deleted)") &&
           m->major == major(root.st_dev) && m->minor == minor(root.st_dev);
}

static void tell(const char *name, const struct mapping *m, unsigned long anonymous)
{
    char line[LINE];
    snprintf(line, sizeof line, "%.20s has %s %.200s%s", name, m->rights,
             m->path[0] ? m->path : "memory of no file",
             anonymous && m->path[0] == '/' ? ", written to" : "");
    for (unsigned i = 0; i < told_count; i++)
        if (!strcmp(told[i], line))
            return;
    if (told_count < REMEMBERED)
        memcpy(told[told_count++], line, sizeof line);
    wrong_count++;
    printf("witness: %s\n", line);
}

static void judge(const char *name, const struct mapping *m, unsigned long anonymous,
                  struct seen *seen)
{
    if (!strchr(m->rights, 'x'))
        return;
    if (is_verified_text(m) && !anonymous) {
        seen->text++;
    } else if (!strcmp(m->path, "[vdso]")) {
        seen->vdso++;
    } else if (!strcmp(m->path, "anon_inode:[trampfd]") && !strchr(m->rights, 'w')) {
        seen->trampfd++;
    } else {
        seen->wrong++;
        tell(name, m, anonymous);
    }
}

/* The name of a process; whether it has stopped itself. /proc/pid/stat: `pid (name) S ...` */
static bool is_stopped(const char *pid, char name[LINE])
{
    char path[64], line[LINE] = "";
    snprintf(path, sizeof path, "/proc/%.20s/stat", pid);
    FILE *file = fopen(path, "re");
    if (!file)
        return false;
    char *said = fgets(line, sizeof line, file);
    fclose(file);
    char *begin = strchr(line, '('), *end = strrchr(line, ')');
    if (!said || !begin || !end)
        return false;
    snprintf(name, LINE, "%.*s", (int)(end - begin - 1), begin + 1);
    return !strncmp(end, ") T", 3);
}

/* Each mapping of smaps is a line as in maps, and then lines `Word: value`. */
static void look_at(const char *pid, struct seen *seen)
{
    char path[64], line[LINE], name[LINE] = "?";
    struct mapping m = {.rights = ""};
    unsigned long anonymous = 0;
    if (is_stopped(pid, name) && seen->stopped_count < STOPPED)
        seen->stopped[seen->stopped_count++] = (pid_t)strtol(pid, NULL, 10);
    snprintf(path, sizeof path, "/proc/%.20s/smaps", pid);
    FILE *file = fopen(path, "re");
    while (file && fgets(line, sizeof line, file)) {
        int at = 0;
        char rights[5];
        unsigned major, minor;
        line[strcspn(line, "\n")] = '\0';
        if (sscanf(line, "%*x-%*x %4s %*x %x:%x %*u %n", rights, &major, &minor, &at) == 3 && at) {
            judge(name, &m, anonymous, seen);
            anonymous = 0;
            memcpy(m.rights, rights, sizeof rights);
            m.major = major;
            m.minor = minor;
            snprintf(m.path, sizeof m.path, "%s", line + at);
        } else {
            sscanf(line, "Anonymous: %lu", &anonymous);
        }
    }
    judge(name, &m, anonymous, seen);
    seen->processes += m.rights[0] != '\0'; /* the kernel's threads have none */
    if (file)
        fclose(file);
}

static struct seen look(void)
{
    struct seen seen = {0};
    DIR *proc = opendir("/proc");
    for (struct dirent *e = proc ? readdir(proc) : NULL; e; e = readdir(proc))
        if (isdigit((unsigned char)e->d_name[0]))
            look_at(e->d_name, &seen);
    if (proc)
        closedir(proc);
    return seen;
}

/* The one that saw most stands for all. */
static void keep_larger(struct seen *kept, struct seen seen)
{
    unsigned have = kept->text + kept->vdso + kept->trampfd + kept->wrong;
    if (seen.text + seen.vdso + seen.trampfd + seen.wrong > have)
        *kept = seen;
}

/* One that was stopped already at the look before was so for the whole of this one. */
static bool is_among(const struct seen *seen, pid_t pid)
{
    for (unsigned i = 0; i < seen->stopped_count; i++)
        if (seen->stopped[i] == pid)
            return true;
    return false;
}

int main(int argc, char **argv)
{
    if (argc < 2)
        return 2;
    setvbuf(stdout, NULL, _IOLBF, 0);
    pid_t pid = fork();
    if (pid == 0) {
        execv(argv[1], argv + 1);
        perror(argv[1]);
        _exit(126);
    }
    int status = 0;
    unsigned looks = 0, stops = 0;
    struct seen most = {0}, before = {0};
    while (waitpid(pid, &status, WNOHANG) != pid) {
        struct seen seen = look();
        looks++;
        for (unsigned i = 0; i < seen.stopped_count; i++)
            if (is_among(&before, seen.stopped[i]))
                stops += !kill(seen.stopped[i], SIGCONT);
        keep_larger(&most, seen);
        before = seen;
        usleep(100000);
    }
    printf("witness: %u looks, %u stops; the fullest saw %u processes and %u executable "
           "mappings: %u of text, %u of the vdso, %u of trampfd, %u else\n",
           looks, stops, most.processes, most.text + most.vdso + most.trampfd + most.wrong,
           most.text, most.vdso, most.trampfd, most.wrong);
    if (wrong_count)
        return WRONG;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

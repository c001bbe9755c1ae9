/* SPDX-License-Identifier: MIT */
/* init.c - the first process of a guest: does what /jobs says, line by line, and ends it
 *
 * A job is `seconds words...`; after that many seconds it is killed. Words of the form A=b at the
 * front are its environment. What it prints goes to the console; around it stand lines that the
 * host (machine.py) reads:
 *
 *     @@ kernel RELEASE MACHINE PAGESIZE
 *     @@ begin N words...
 *     @@ end N STATUS MILLISECONDS      STATUS: exit status, 1000 + signal, 2000: killed for time
 *     @@ done
 *
 * Besides programs, init itself knows: `insmod FILE`, `rmmod NAME`, `share` (the host's `/`,
 * read-only, over 9p, with a tmpfs above it, at /host), `in DIR words...` (the words as a command
 * in that directory of the host's tree) and `kmemleak` (scan; 77 where the kernel cannot).
 * There is no shell in it and it is linked statically, so that it is the same on every kernel.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

enum { WORDS = 64 };

static int complain(const char *what, const char *on)
{
    printf("# init: %s %s: %s\n", what, on, strerror(errno));
    return 1;
}

/* Mount, making the directory; what fails is said and lived with: not every kernel has all. */
static int mount_at(const char *type, const char *from, const char *at, unsigned long flags,
                    const char *options)
{
    mkdir(at, 0755);
    return mount(from, at, type, flags, options) ? complain("mount", at) : 0;
}

static int insmod(const char *file)
{
    int fd = open(file, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return complain("open", file);
    int failed = syscall(SYS_finit_module, fd, "", 0) ? complain("insmod", file) : 0;
    close(fd);
    return failed;
}

static int rmmod(const char *name)
{
    return syscall(SYS_delete_module, name, O_NONBLOCK) ? complain("rmmod", name) : 0;
}

/* The host's tree at /host, with what a guest has of its own mounted in it. */
static int share(void)
{
    int failed = mount_at("9p", "host", "/lower", MS_RDONLY,
                          "trans=virtio,version=9p2000.L,cache=loose,msize=262144");
    failed |= mount_at("tmpfs", "tmpfs", "/over", 0, "mode=0755");
    mkdir("/over/upper", 0755);
    mkdir("/over/work", 0755);
    failed |= mount_at("overlay", "overlay", "/host", 0,
                       "lowerdir=/lower,upperdir=/over/upper,workdir=/over/work");
    failed |= mount_at("proc", "proc", "/host/proc", 0, NULL);
    failed |= mount_at("sysfs", "sysfs", "/host/sys", 0, NULL);
    failed |= mount_at("devtmpfs", "devtmpfs", "/host/dev", 0, NULL);
    failed |= mount_at("tmpfs", "tmpfs", "/host/dev/shm", 0, "mode=1777");
    failed |= mount_at("tmpfs", "tmpfs", "/host/tmp", 0, "mode=1777");
    return failed;
}

static int kmemleak(void)
{
    static const char path[] = "/sys/kernel/debug/kmemleak";
    char line[256];
    int found = 0;
    for (int scan = 0; scan < 2; scan++) { /* a block must be unreferenced in two scans */
        int fd = open(path, O_WRONLY | O_CLOEXEC);
        if (fd < 0) {
            printf("# init: no %s: this kernel is built without CONFIG_DEBUG_KMEMLEAK\n", path);
            return 77;
        }
        if (write(fd, "scan", 4) != 4)
            complain("write", path);
        close(fd);
        sleep(6); /* kmemleak reports nothing younger than 5 s */
    }
    FILE *report = fopen(path, "re");
    while (report && fgets(line, sizeof line, report)) {
        printf("# kmemleak: %s", line);
        found = 1;
    }
    return found;
}

/* Not exit(): that would move the offset of /jobs, which the parent is reading. */
static _Noreturn void leave(int status)
{
    fflush(stdout);
    _exit(status);
}

static _Noreturn void command(char **word)
{
    while (*word && strchr(*word, '='))
        putenv(*word++);
    if (!*word)
        _exit(126);
    if (!strcmp(*word, "insmod"))
        leave(word[1] ? insmod(word[1]) : 126);
    if (!strcmp(*word, "rmmod"))
        leave(word[1] ? rmmod(word[1]) : 126);
    if (!strcmp(*word, "share"))
        leave(share());
    if (!strcmp(*word, "kmemleak"))
        leave(kmemleak());
    if (!strcmp(*word, "in")) {
        if (!word[1] || !word[2] || chroot("/host") || chdir(word[1]))
            leave(complain("enter", word[1] ? word[1] : "?"));
        word += 2;
    }
    execvp(*word, word);
    leave(complain("exec", *word) + 126);
}

static long milliseconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Wait until `pid` has ended or its time is over, and adopt what it left behind. */
static int wait_for(pid_t pid, long seconds)
{
    long end = milliseconds() + seconds * 1000;
    int status = 0;
    for (;;) {
        pid_t ended = waitpid(-1, &status, WNOHANG);
        if (ended == pid)
            return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
        if (ended > 0)
            continue;
        if (milliseconds() > end) {
            kill(-1, SIGKILL);
            while (waitpid(-1, NULL, 0) > 0) {
            }
            return 2000;
        }
        usleep(2000);
    }
}

static void job(unsigned number, char *line)
{
    char *word[WORDS + 1] = {NULL}, *rest = NULL;
    long seconds = strtol(line, &line, 10);
    line += strspn(line, " ");
    printf("@@ begin %u %s\n", number, line);
    fflush(stdout);
    unsigned n = 0;
    for (char *w = strtok_r(line, " ", &rest); w && n < WORDS; w = strtok_r(NULL, " ", &rest))
        word[n++] = w;
    long began = milliseconds();
    pid_t pid = fork();
    if (pid == 0) {
        setsid();
        command(word);
    }
    int status = wait_for(pid, seconds);
    printf("@@ end %u %d %ld\n", number, status, milliseconds() - began);
    fflush(stdout);
}

int main(void)
{
    static char line[4096];
    mount_at("devtmpfs", "devtmpfs", "/dev", 0, NULL); /* not noexec: pages of a device run */
    mount_at("proc", "proc", "/proc", 0, NULL);
    mount_at("sysfs", "sysfs", "/sys", 0, NULL);
    mount_at("tmpfs", "tmpfs", "/tmp", 0, "mode=1777");
    mount_at("debugfs", "debugfs", "/sys/kernel/debug", 0, NULL);
    mount_at("cgroup2", "cgroup2", "/sys/fs/cgroup", 0, NULL);
    setenv("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", 1);
    setenv("HOME", "/tmp", 1);
    setenv("LANG", "C.UTF-8", 1);
    struct utsname u;
    uname(&u);
    printf("@@ kernel %s %s %ld\n", u.release, u.machine, sysconf(_SC_PAGESIZE));
    FILE *jobs = fopen("/jobs", "re");
    for (unsigned number = 0; jobs && fgets(line, sizeof line, jobs); number++) {
        line[strcspn(line, "\n")] = '\0';
        job(number, line);
    }
    puts("@@ done");
    fflush(stdout);
    tcdrain(STDOUT_FILENO); /* or the kernel's last line goes between */
    sync();
    reboot(RB_AUTOBOOT); /* QEMU has -no-reboot; to power off takes ACPI */
    return 1;
}

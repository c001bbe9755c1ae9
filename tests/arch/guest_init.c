/* SPDX-License-Identifier: MIT */
/* guest_init.c - the first and only process of a guest: runs every case of slots, then powers off
 *
 * On a kernel of the architecture itself, in a machine that QEMU emulates (guest.py): what
 * qemu-user cannot show is shown there, above all the provider `text` and pages of 16 KiB.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

static int run(const char *provider, const char *name)
{
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        if (*provider)
            setenv("FFI_STATIC_PROVIDER", provider, 1);
        execl("/slots", "slots", name, (char *)NULL);
        _exit(127);
    }
    int status;
    if (pid < 0 || waitpid(pid, &status, 0) != pid)
        return -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

static void run_all(const char *provider, FILE *cases)
{
    char name[128];
    rewind(cases);
    while (fgets(name, sizeof name, cases)) {
        name[strcspn(name, "\n")] = '\0';
        int status = run(provider, name);
        printf("RESULT %s %s %d\n", *provider ? provider : "default", name, status);
    }
}

int main(void)
{
    mkdir("/proc", 0755);
    mkdir("/tmp", 0755);
    if (mount("proc", "/proc", "proc", 0, NULL) || mount("tmpfs", "/tmp", "tmpfs", 0, NULL))
        printf("mount: %s\n", strerror(errno));
    struct utsname u;
    uname(&u);
    printf("KERNEL %s %s %ld\n", u.release, u.machine, sysconf(_SC_PAGESIZE));
    FILE *cases = fopen("/cases", "re");
    static const char *const providers[] = {"", "resident", "text", "file", "memfd"};
    for (unsigned i = 0; cases && i < sizeof providers / sizeof *providers; i++)
        run_all(providers[i], cases);
    puts("DONE");
    fflush(stdout);
    reboot(RB_POWER_OFF);
    return 1;
}

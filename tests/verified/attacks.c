/* SPDX-License-Identifier: MIT */
/* attacks.c - each way to run what nobody verified; the system that verifies all code refuses each
 *
 *     attacks NAME
 *
 * Prints `NAME: refused: ...` with the kernel's answer, or `NAME: done`. In the latter case it
 * stops itself while it has the memory, for the witness to see. Code is a function that gives 42.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/keyctl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/personality.h>
#include <sys/ptrace.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#define PLANTED "/verified/planted/"
#define ADD_KEY "/verified/foreign.der"
enum { PAGE = 4096 };
static const unsigned char give_42[] = {0xb8, 42, 0, 0, 0, 0xc3}; /* mov $42, %eax; ret */

/* An attack gives 0 when it had its way, else -errno. */
static int or_errno(int failed)
{
    return failed ? -errno : 0;
}

static int run(void *code)
{
    return ((int (*)(void))(uintptr_t)code)() == 42 ? 0 : -ENOEXEC;
}

static int mapped(int rights, int flags, int fd)
{
    void *at = mmap(NULL, PAGE, rights, flags, fd, 0);
    return at == MAP_FAILED ? -errno : 0;
}

static int anonymous(void)
{
    return mapped(PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1);
}

/* Asked for in order to be refused, as all here. */
static int writable_and_executable(void)
{
    return mapped(PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1);
}

/* Write the code there, and then make the page executable. */
static int made_executable(void *page)
{
    memcpy(page, give_42, sizeof give_42);
    return mprotect(page, PAGE, PROT_READ | PROT_EXEC) ? -errno : run(page);
}

static int anonymous_later(void)
{
    void *at = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return at == MAP_FAILED ? -errno : made_executable(at);
}

static int heap(void)
{
    char *at = sbrk(2 * PAGE);
    return made_executable(at + (-(uintptr_t)at & (PAGE - 1)));
}

/* To be refused. */
static int stack(void)
{
    char here[2 * PAGE];
    char *page = here + (-(uintptr_t)here & (PAGE - 1));
    return or_errno(mprotect(page, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC));
}

static int device(void)
{
    int fd = open("/dev/zero", O_RDONLY);
    return fd < 0 ? -errno : mapped(PROT_READ | PROT_EXEC, MAP_PRIVATE, fd);
}

static int shared_memory(void)
{
    int id = shmget(IPC_PRIVATE, PAGE, IPC_CREAT | 0700);
    char *at = id < 0 ? (void *)-1 : shmat(id, NULL, 0);
    if (at == (void *)-1)
        return -errno;
    memcpy(at, give_42, sizeof give_42);
    at = shmat(id, NULL, SHM_EXEC | SHM_RDONLY);
    return at == (void *)-1 ? -errno : run(at);
}

/* Write the code into a file, and map it. */
static int code_in(int fd)
{
    if (fd < 0 || write(fd, give_42, sizeof give_42) != sizeof give_42 || ftruncate(fd, PAGE))
        return -errno;
    void *at = mmap(NULL, PAGE, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0);
    return at == MAP_FAILED ? -errno : run(at);
}

static int memfd_mapped(void)
{
    return code_in(memfd_create("code", 0));
}

static int file_mapped(void)
{
    return code_in(open("/tmp/code", O_RDWR | O_CREAT | O_TRUNC, 0700));
}

/* Wait for what was started; it must have ended with 0. */
static int ended_well(pid_t pid)
{
    int status = 0;
    if (waitpid(pid, &status, 0) != pid)
        return -errno;
    return WIFEXITED(status) ? -WEXITSTATUS(status) : -EINTR;
}

static int executed(const char *path)
{
    char *const words[] = {(char *)(uintptr_t)path, NULL};
    pid_t pid = fork();
    if (pid == 0) {
        execv(path, words);
        _exit(errno);
    }
    return ended_well(pid);
}

/* Copy a signed program to a descriptor. */
static int copy_to(int to)
{
    static char bytes[1 << 16];
    int from = open(PLANTED "signed", O_RDONLY | O_CLOEXEC);
    ssize_t n;
    if (to < 0 || from < 0)
        return -errno;
    while ((n = read(from, bytes, sizeof bytes)) > 0)
        if (write(to, bytes, (size_t)n) != n)
            return -errno;
    close(from);
    return 0;
}

static int memfd_executed(void)
{
    char path[64];
    int fd = memfd_create("program", MFD_CLOEXEC), error = copy_to(fd);
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    return error ? error : executed(path);
}

static int file_executed(void)
{
    int fd = open("/tmp/program", O_WRONLY | O_CREAT | O_TRUNC, 0700), error = copy_to(fd);
    close(fd);
    return error ? error : executed("/tmp/program");
}

static int program_without_signature(void)
{
    return executed(PLANTED "unsigned");
}

static int program_that_was_changed(void)
{
    return executed(PLANTED "changed");
}

static int program_signed_by_another(void)
{
    return executed(PLANTED "foreign");
}

static int library(const char *path)
{
    int fd = open(path, O_RDONLY);
    return fd < 0 ? -errno : mapped(PROT_READ | PROT_EXEC, MAP_PRIVATE, fd);
}

static int library_without_signature(void)
{
    return library(PLANTED "unsigned.so");
}

static int library_that_was_changed(void)
{
    return library(PLANTED "changed.so");
}

/* Mapped for reading, and made executable later. */
static int library_later(void)
{
    int fd = open(PLANTED "unsigned.so", O_RDONLY);
    void *at = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, fd, 0);
    return at == MAP_FAILED ? -errno : or_errno(mprotect(at, PAGE, PROT_READ | PROT_EXEC));
}

static int module(void)
{
    int fd = open(PLANTED "unsigned.ko", O_RDONLY);
    return fd < 0 ? -errno : or_errno((int)syscall(SYS_finit_module, fd, "", 0));
}

/* int text(void), which gives 41, alone in its page. */
__asm__(".pushsection .text\n.balign 4096\ntext: mov $41, %eax\nret\n.balign 4096\n.popsection");
int text(void);

static int text_made_writable(void)
{
    void *page = (void *)(uintptr_t)text;
    if (mprotect(page, PAGE, PROT_READ | PROT_WRITE))
        return -errno;
    return made_executable(page);
}

static int text_written_by_proc(void)
{
    int fd = open("/proc/self/mem", O_RDWR);
    if (fd < 0 || pwrite(fd, give_42, sizeof give_42, (off_t)(uintptr_t)text) < 0)
        return -errno;
    return run((void *)(uintptr_t)text);
}

static int text_written_by_debugger(void)
{
    int status = 0, error = 0;
    pid_t pid = fork();
    if (pid == 0) {
        if (ptrace(PTRACE_TRACEME, 0, NULL, NULL))
            _exit(errno);
        raise(SIGSTOP);
        pause();
    }
    waitpid(pid, &status, WUNTRACED);
    if (WIFEXITED(status))
        return -WEXITSTATUS(status);
    if (ptrace(PTRACE_POKETEXT, pid, (void *)(uintptr_t)text, (void *)0xcccccccccccccccc))
        error = -errno;
    if (!error)
        raise(SIGSTOP); /* the witness looks at the child as well */
    kill(pid, SIGKILL);
    return error;
}

/* What is readable is executable from here on, says the program. */
static int personality_and_map(void)
{
    if (personality(READ_IMPLIES_EXEC) < 0)
        return -errno;
    return mapped(PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
}

static int code_in_heap(void)
{
    char *at = (char *)sbrk(1 << 20) + PAGE;
    memcpy(at, give_42, sizeof give_42);
    return run(at);
}

static int personality_and_heap(void)
{
    return personality(READ_IMPLIES_EXEC) < 0 ? -errno : code_in_heap();
}

/* The same, asked for as 32-bit programs do. */
static int personality_by_another_call(void)
{
    long answer;
    __asm__ volatile("int $0x80"
                     : "=a"(answer)
                     : "0"(136L), "b"(READ_IMPLIES_EXEC)
                     : "memory", "r8", "r9", "r10", "r11");
    return answer < 0 ? (int)answer : code_in_heap();
}

static int written(const char *path, const void *bytes, size_t size)
{
    int fd = open(path, O_WRONLY);
    return fd < 0 ? -errno : or_errno(write(fd, bytes, size) != (ssize_t)size);
}

static int selinux_switched_off(void)
{
    return written("/sys/fs/selinux/enforce", "0", 1);
}

static int selinux_policy_of_its_own(void)
{
    static char bytes[1 << 20];
    int fd = open("/verified/selinux.policy", O_RDONLY);
    ssize_t size = read(fd, bytes, sizeof bytes);
    return size < 0 ? -errno : written("/sys/fs/selinux/load", bytes, (size_t)size);
}

static int ima_policy_of_its_own(void)
{
    static const char rule[] = "dont_appraise func=MMAP_CHECK\n";
    return written("/sys/kernel/security/ima/policy", rule, sizeof rule - 1);
}

static int key_of_its_own(void)
{
    static char bytes[1 << 14];
    int fd = open(ADD_KEY, O_RDONLY);
    ssize_t size = read(fd, bytes, sizeof bytes);
    long ring = syscall(SYS_request_key, "keyring", "_ima", NULL, 0);
    if (size < 0 || ring < 0)
        return -errno;
    long key = syscall(SYS_add_key, "asymmetric", "mine", bytes, (size_t)size, ring);
    return or_errno(key < 0);
}

static int label_of_its_own(void)
{
    static const char label[] = "user_u:object_r:verified_t";
    int fd = open("/tmp/label", O_RDWR | O_CREAT, 0700);
    return fd < 0 ? -errno : or_errno(fsetxattr(fd, "security.selinux", label, sizeof label, 0));
}

static int system_written_to(void)
{
    if (mount(NULL, "/", NULL, MS_REMOUNT, NULL))
        return -errno;
    int fd = open("/verified/closures", O_WRONLY);
    return fd < 0 ? -errno : 0;
}

#define ATTACK(name)                                                                               \
    {                                                                                              \
#name, name                                                                                \
    }
static const struct {
    const char *name;
    int (*attack)(void);
} attacks[] = {
    ATTACK(anonymous),
    ATTACK(writable_and_executable),
    ATTACK(anonymous_later),
    ATTACK(heap),
    ATTACK(stack),
    ATTACK(device),
    ATTACK(shared_memory),
    ATTACK(memfd_mapped),
    ATTACK(memfd_executed),
    ATTACK(file_mapped),
    ATTACK(file_executed),
    ATTACK(program_without_signature),
    ATTACK(program_that_was_changed),
    ATTACK(program_signed_by_another),
    ATTACK(library_without_signature),
    ATTACK(library_that_was_changed),
    ATTACK(library_later),
    ATTACK(module),
    ATTACK(text_made_writable),
    ATTACK(text_written_by_proc),
    ATTACK(text_written_by_debugger),
    ATTACK(personality_and_map),
    ATTACK(personality_and_heap),
    ATTACK(personality_by_another_call),
    ATTACK(selinux_switched_off),
    ATTACK(selinux_policy_of_its_own),
    ATTACK(ima_policy_of_its_own),
    ATTACK(key_of_its_own),
    ATTACK(label_of_its_own),
    ATTACK(system_written_to),
};

int main(int argc, char **argv)
{
    for (unsigned i = 0; argc > 1 && i < sizeof attacks / sizeof *attacks; i++) {
        if (strcmp(argv[1], attacks[i].name))
            continue;
        int error = -attacks[i].attack();
        if (error) {
            printf("%s: refused: %s\n", argv[1], strerror(error));
            return 0;
        }
        printf("%s: done\n", argv[1]);
        fflush(stdout);
        raise(SIGSTOP);
        return 1;
    }
    fprintf(stderr, "no attack of this name\n");
    return 2;
}

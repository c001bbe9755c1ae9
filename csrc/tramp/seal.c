/* SPDX-License-Identifier: MIT */
/* seal.c - who may write to sealed slots, when, and how (seal.h)
 *
 * What is believed lies in two places, both read-only but for moments: `root`, a page of .bss, and
 * the list of sealed tables, an open-addressing hash in pages of its own. Both change when a table
 * comes or goes, and not when a closure does.
 */
#include "tramp/seal.h"

#include "base/lock.h"
#include "tramp/find.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#if defined SYS_pkey_alloc && (defined __x86_64__ || defined __i386__)
#define HAS_KEYS 1
#else
#define HAS_KEYS 0
#endif

/* An item of the list: the address of a table's first slot, a multiple of a page. */
#define ENDED ((uintptr_t)1) /* added to it: sealed for ever */
#define GONE ((uintptr_t)2)  /* in its place: removed */

enum method { BY_PAGES, BY_KEYS };

struct list {
    size_t room; /* items; a power of two */
    uintptr_t item[];
};

static union {
    struct {
        int decided; /* 0: not yet; READY; or -errno */
        bool all;
        enum method method;
        int key;
        size_t page; /* bytes */
        struct list *list;
        size_t used; /* items of the list, GONE counted */
    } is;
    char page[FS_TEXT_ALIGN];
} root __attribute__((aligned(FS_TEXT_ALIGN)));
#define READY 1

/* Why `decided` is an error, for fs_fail(). Written before. */
static struct fs_why undecided;

/* --- rights ----------------------------------------------------------------------------------- */

#if HAS_KEYS
static uint32_t rights(void)
{
    uint32_t eax, edx;
    __asm__ volatile(".byte 0x0f, 0x01, 0xee" : "=a"(eax), "=d"(edx) : "c"(0)); /* rdpkru */
    return eax;
}

static void set_rights(uint32_t to)
{
    __asm__ volatile(".byte 0x0f, 0x01, 0xef" ::"a"(to), "c"(0), "d"(0) : "memory"); /* wrpkru */
}

/* Bit 2k of the register forbids all access with key k, bit 2k + 1 writing. */
static void let_write(bool write)
{
    uint32_t mask = UINT32_C(3) << 2 * root.is.key, shut = UINT32_C(2) << 2 * root.is.key;
    set_rights((rights() & ~mask) | (write ? 0 : shut));
}

static int new_key(void)
{
    long key = syscall(SYS_pkey_alloc, 0, 2 /* PKEY_DISABLE_WRITE */);
    return key < 0 ? -errno : (int)key;
}

static int tag(void *at, size_t size, int prot, int key)
{
    return syscall(SYS_pkey_mprotect, at, size, prot, key) ? -errno : 0;
}
#else
static void let_write(bool write)
{
    (void)write;
}

static int new_key(void)
{
    return -ENOTSUP;
}

static int tag(void *at, size_t size, int prot, int key)
{
    (void)at, (void)size, (void)prot, (void)key;
    return -ENOTSUP;
}
#endif

static int protect(const void *at, size_t size, int prot)
{
    return mprotect((void *)(uintptr_t)at, size, prot) ? -errno : 0;
}

static char *page_of(const void *at)
{
    return (char *)((uintptr_t)at & ~(root.is.page - 1));
}

/* What is open: signals wait, so that no handler runs, forks or leaves by siglongjmp() meanwhile.
 * (With a key, a handler starts with the key shut.) */
struct moment {
    void *at;
    size_t size;
    sigset_t mask;
};

static int open_by_page(struct moment *m)
{
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &m->mask);
    int error = protect(m->at, m->size, PROT_READ | PROT_WRITE);
    if (error)
        pthread_sigmask(SIG_SETMASK, &m->mask, NULL);
    return error;
}

static void shut_by_page(struct moment *m)
{
    if (protect(m->at, m->size, PROT_READ))
        fs_die("ffi_static: the page of sealed closures at @ could not be made read-only again",
               (uintptr_t)m->at, 0);
    pthread_sigmask(SIG_SETMASK, &m->mask, NULL);
}

static int open_slots(struct moment *m, void *slot)
{
    if (root.is.method == BY_KEYS)
        return let_write(true), 0;
    *m = (struct moment){.at = page_of(slot), .size = root.is.page};
    return open_by_page(m);
}

static void shut_slots(struct moment *m)
{
    if (root.is.method == BY_KEYS)
        let_write(false);
    else
        shut_by_page(m);
}

/* At vm.max_map_count. A page that is opened becomes one mapping with writable ones beside it. If
 * other threads take what that sets free, the page cannot be shut again. So this memory has a mark
 * that its neighbours do not have; for such memory the mark means nothing else. */
static void keep_apart(void *at, size_t size)
{
    (void)madvise(at, size, MADV_RANDOM);
}

static int refuse(struct fs_why *why, int error, const char *what)
{
    char answer[96];
    return fs_refuse(why, error, "mprotect of %s: %s%s", what,
                     fs_errno_text(error, answer, sizeof answer),
                     error == -ENOMEM ? "; at a limit (vm.max_map_count, RLIMIT_DATA)"
                                      : "; a seccomp filter forbids it?");
}

/* --- the decision ----------------------------------------------------------------------------- */

/* Threads besides this one: the directory has one link for each, and two more. */
static bool has_other_threads(void)
{
    struct stat st;
    return stat("/proc/self/task", &st) != 0 || st.st_nlink != 3;
}

static int take_key(struct fs_why *why)
{
    char answer[96];
    if (has_other_threads())
        return fs_refuse(why, -EBUSY,
                         "FFI_STATIC_HARDEN=keys: this process has other threads already (or no "
                         "/proc), and those that are older than a protection key cannot read what "
                         "has it; load the library before they start, or use FFI_STATIC_HARDEN=1");
    int key = new_key();
    if (key < 0)
        return fs_refuse(why, key, "FFI_STATIC_HARDEN=keys: pkey_alloc: %s%s",
                         fs_errno_text(key, answer, sizeof answer),
                         "; no such keys here, or none left; FFI_STATIC_HARDEN=1 needs none");
    root.is.key = key;
    root.is.method = BY_KEYS;
    return 0;
}

static bool is_off(const char *text)
{
    return !text || !*text || strcmp(text, "0") == 0;
}

/* Under the lock. */
static int decide(const char *text, struct fs_why *why)
{
    bool keys = text && strcmp(text, "keys") == 0, off = is_off(text);
    int error = 0;
    root.is.all = !off;
    root.is.page = (size_t)sysconf(_SC_PAGESIZE);
    if (!off && !keys && strcmp(text, "1") != 0)
        return fs_refuse(why, -EINVAL,
                         "FFI_STATIC_HARDEN=\"%.40s\": pass 1 (by pages), keys, or 0 (off)", text);
    if (root.is.page > sizeof root.page)
        return fs_refuse(why, -ENOTSUP, "pages of %zu bytes are larger than the library knows",
                         root.is.page);
    if (keys && (error = take_key(why)))
        return error;
    return 0;
}

static void decide_once(bool never)
{
    struct fs_why why = {{0}};
    if (fs_likely(__atomic_load_n(&root.is.decided, __ATOMIC_ACQUIRE)))
        return;
    const char *text = never ? NULL : secure_getenv("FFI_STATIC_HARDEN"); /* has a lock, perhaps */
    fs_lock();
    if (!root.is.decided) {
        int error = decide(text, &why);
        undecided = why;
        __atomic_store_n(&root.is.decided, error ? error : READY, __ATOMIC_RELEASE);
    }
    fs_unlock();
}

bool fs_seal_all(void)
{
    decide_once(false);
    return root.is.all;
}

void fs_seal_never(void)
{
    decide_once(true);
}

int fs_seal_method(const char **method)
{
    decide_once(false);
    if (root.is.decided != READY)
        return fs_fail(root.is.decided, "%s", undecided.text);
    *method = root.is.method == BY_KEYS ? "keys" : "pages";
    return 0;
}

int fs_seal_try(struct fs_why *why)
{
    void *copy = fs_seal_keep("", 1);
    struct moment m;
    if (!copy)
        return refuse(why, -errno, "a page, as a trial");
    m = (struct moment){.at = page_of(copy), .size = root.is.page};
    keep_apart(m.at, m.size);
    int error = open_by_page(&m);
    if (!error)
        shut_by_page(&m);
    fs_seal_drop(copy);
    return error ? refuse(why, error, "a page, as a trial") : 0;
}

/* --- the list --------------------------------------------------------------------------------- */

/* Where in the list this table is, or else the free place where it would be. */
static uintptr_t *place_of(struct list *l, uintptr_t slots)
{
    size_t i = slots / FS_TABLE_SPAN * UINT32_C(0x9e3779b1) & (l->room - 1);
    while (l->item[i] && (l->item[i] & ~ENDED) != slots)
        i = (i + 1) & (l->room - 1);
    return &l->item[i];
}

static size_t list_bytes(size_t room)
{
    return (sizeof(struct list) + room * sizeof(uintptr_t) + root.is.page - 1) &
           ~(root.is.page - 1);
}

/* The root, or the list, for a moment. */
static int change(struct moment *m, void *at, size_t size)
{
    *m = (struct moment){.at = at, .size = size};
    return open_by_page(m);
}

/* A larger list, without what is gone. It takes the place of the other one by a single store, so
 * that whatever a fork copies is a whole list. */
static int grow(void)
{
    struct list *was = root.is.list;
    size_t live = 0, room = root.is.page / sizeof(uintptr_t) / 2, old = was ? was->room : 0;
    for (size_t i = 0; i < old; i++)
        live += was->item[i] && was->item[i] != GONE;
    while (room < 4 * (live + 1))
        room *= 2;
    struct list *list =
        mmap(NULL, list_bytes(room), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (list == MAP_FAILED)
        return -errno;
    list->room = room;
    for (size_t i = 0; i < old; i++)
        if (was->item[i] && was->item[i] != GONE)
            *place_of(list, was->item[i] & ~ENDED) = was->item[i];
    struct moment m;
    keep_apart(list, list_bytes(room));
    keep_apart(&root, sizeof root);
    int error = protect(list, list_bytes(room), PROT_READ);
    if (error || (error = change(&m, &root, sizeof root))) {
        munmap(list, list_bytes(room));
        return error;
    }
    root.is.list = list;
    fs_step();
    root.is.used = live;
    shut_by_page(&m);
    if (was)
        munmap(was, list_bytes(old));
    return 0;
}

static int set_item(uintptr_t *item, uintptr_t to)
{
    struct moment m;
    int error = change(&m, page_of(item), root.is.page);
    if (!error) {
        *item = to;
        shut_by_page(&m);
    }
    return error;
}

int fs_seal_add(struct fs_slot *slots)
{
    struct moment m;
    int error;
    if ((!root.is.list || 2 * (root.is.used + 1) > root.is.list->room) && (error = grow()))
        return error;
    uintptr_t *place = place_of(root.is.list, (uintptr_t)slots);
    if (*place)
        return 0;
    if ((error = change(&m, &root, sizeof root)))
        return error;
    root.is.used++;
    shut_by_page(&m);
    return set_item(place, (uintptr_t)slots);
}

/* The list entry of a slot's table; NULL where there is none. */
static uintptr_t *look_for(const struct fs_slot *slot)
{
    struct fs_spot s = fs_locate(slot, FS_AMONG_SLOTS);
    uintptr_t slots =
        s.is_resident ? (uintptr_t)fs_resident_slots : (uintptr_t)s.table + FS_TABLE_CODE;
    uintptr_t *item = NULL;
    if (s.is_inside && s.at % FS_SLOT_SIZE == 0 && root.is.list)
        item = place_of(root.is.list, slots);
    return item && *item ? item : NULL;
}

/* The same; dies where there is none. */
static uintptr_t *item_of(const struct fs_slot *slot)
{
    uintptr_t *item = look_for(slot);
    if (!item)
        fs_die("ffi_static: @ is not a sealed closure, but the book-keeping says that it is one: "
               "somebody has written to it",
               (uintptr_t)slot, 0);
    return item;
}

int fs_seal_remove(struct fs_slot *slots)
{
    uintptr_t *item = item_of(slots + 1);
    for (unsigned i = 1; i < FS_TABLE_SLOTS; i++)
        if (slots[i].entry && slots[i].entry != (void *)fs_freed)
            fs_die("ffi_static: the table of the closure at @ is unmapped while that is live: "
                   "somebody has written to the book-keeping",
                   (uintptr_t)&slots[i], 0);
    return set_item(item, GONE);
}

/* --- slots ------------------------------------------------------------------------------------ */

int fs_seal_shut(void *slots, size_t size, struct fs_why *why)
{
    keep_apart(slots, size);
    int error = root.is.method == BY_KEYS ? tag(slots, size, PROT_READ | PROT_WRITE, root.is.key)
                                          : protect(slots, size, PROT_READ);
    return error ? refuse(why, error, "a table of sealed closures") : 0;
}

static int open_checked(struct moment *m, struct fs_slot *slot, struct fs_why *why)
{
    if (*item_of(slot) & ENDED)
        return fs_refuse(why, -EPERM, "it is sealed for ever");
    int error = open_slots(m, slot);
    return error ? refuse(why, error, "the page of a sealed closure") : 0;
}

int fs_seal_store(struct fs_slot *slot, const struct fs_slot *image, void *entry,
                  struct fs_why *why)
{
    const size_t from = sizeof slot->entry;
    struct moment m;
    int error = open_checked(&m, slot, why);
    if (error)
        return error;
    if (image)
        memcpy((char *)slot + from, (const char *)image + from, sizeof *slot - from);
    fs_slot_enter(slot, entry);
    shut_slots(&m);
    return 0;
}

int fs_seal_fill(struct fs_slot *slot, unsigned n, void *entry, struct fs_why *why)
{
    struct moment m;
    int error = open_checked(&m, slot, why);
    if (error)
        return error;
    for (unsigned i = 0; i < n; i++)
        if (!slot[i].entry)
            slot[i].entry = entry;
    shut_slots(&m);
    return 0;
}

int fs_seal_end(struct fs_slot *slots, size_t size, void *whole, size_t whole_size,
                struct fs_why *why)
{
    uintptr_t *item = item_of(slots + 1);
    struct fs_why other;
    int error = fs_seal_map(whole, 0, why);
    if (error)
        return error;
    if ((error = set_item(item, *item | ENDED)))
        return refuse(why, error, "the list of sealed tables");
    if (root.is.method == BY_KEYS && (error = tag(slots, size, PROT_READ, 0)))
        refuse(why, error, "a table of sealed closures");
    if (!error && !(error = fs_seal_map(whole, whole_size, why)))
        return 0;
    (void)fs_seal_shut(slots, size, &other); /* by its key again */
    (void)set_item(item, *item & ~ENDED);    /* else nobody changes it, though the kernel would */
    return error;
}

bool fs_seal_is_ended(struct fs_slot *slots)
{
    const uintptr_t *item = look_for(slots + 1);
    return item && *item & ENDED;
}

bool fs_seal_is_listed(struct fs_slot *slots)
{
    return look_for(slots + 1) != NULL;
}

void fs_seal_mend(void)
{
    struct list *list = root.is.list;
    if (root.is.decided != READY)
        return;
    int error = protect(&root, sizeof root, PROT_READ);
    if (!list) /* nothing is sealed yet */
        return;
    error |= protect(list, list_bytes(list->room), PROT_READ);
    for (size_t i = 0; i < list->room && root.is.method == BY_PAGES; i++) {
        uintptr_t item = list->item[i];
        bool resident = item == (uintptr_t)fs_resident_slots;
        if (item && item != GONE && !(item & ENDED))
            error |=
                protect((void *)item, resident ? FS_RESIDENT_SLOTS * FS_SLOT_SIZE : FS_TABLE_DATA,
                        PROT_READ);
    }
    if (error)
        fs_die("ffi_static: forked in the middle of a change (of @), and its pages could not be "
               "made read-only",
               (uintptr_t)&root, 0);
}

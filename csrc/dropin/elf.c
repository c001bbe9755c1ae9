/* SPDX-License-Identifier: MIT */
/* elf.c - find and write the GOT entries of an object that is loaded
 *
 * Everything is read from memory, where the loader has mapped it. The dynamic section names the
 * relocations; a relocation names a symbol and the entry that holds the symbol's address (System V
 * gABI, chapter 5; the types are the psABI's, in arch.h). Files, names and section headers are not
 * looked at, so a library that was replaced on disk does no harm.
 *
 * Fails when: the object has no dynamic section with symbols, an entry lies outside the
 * object's writable segment, or the system refuses to make a read-only table writable.
 */
#include "dropin/elf.h"

#include "arch.h"
#include "base/error.h"
#include "base/lock.h"
#include "base/maps.h"

#include <dlfcn.h>
#include <elf.h>
#include <link.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

struct search {
    uintptr_t address;
    struct fs_object *out;
};

static bool holds(const struct dl_phdr_info *info, uintptr_t address)
{
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *p = &info->dlpi_phdr[i];
        if (p->p_type == PT_LOAD && address - (info->dlpi_addr + p->p_vaddr) < p->p_memsz)
            return true;
    }
    return false;
}

static void describe(const struct dl_phdr_info *info, struct fs_object *o)
{
    o->base = info->dlpi_addr;
    o->table = info->dlpi_phdr;
    o->headers = info->dlpi_phnum;
    o->dynamic = NULL;
    for (int i = 0; i < info->dlpi_phnum; i++)
        if (info->dlpi_phdr[i].p_type == PT_DYNAMIC)
            o->dynamic = (const void *)(info->dlpi_addr + info->dlpi_phdr[i].p_vaddr);
    snprintf(o->path, sizeof o->path, "%s", info->dlpi_name ? info->dlpi_name : "");
}

static int visit(struct dl_phdr_info *info, size_t size, void *data)
{
    struct search *s = data;
    (void)size;
    if (!holds(info, s->address))
        return 0;
    describe(info, s->out);
    return 1;
}

static void name_program(struct fs_object *o)
{
    if (!o->path[0]) { /* the program itself */
        ssize_t n = readlink("/proc/self/exe", o->path, sizeof o->path - 1);
        o->path[n > 0 ? n : 0] = '\0';
    }
}

int fs_object_find(const void *address, struct fs_object *out)
{
    struct search s = {(uintptr_t)address, out};
    if (!dl_iterate_phdr(visit, &s))
        return -ENOENT;
    name_program(out);
    return 0;
}

struct walk {
    unsigned number, from;
    void (*visit)(const struct fs_object *object);
};

static int visit_each(struct dl_phdr_info *info, size_t size, void *data)
{
    static struct fs_object object; /* the loader lets one thread in at a time */
    struct walk *w = data;
    (void)size;
    if (w->number++ >= w->from) {
        describe(info, &object);
        name_program(&object);
        w->visit(&object);
    }
    return 0;
}

void fs_object_each(unsigned from, void (*each)(const struct fs_object *object))
{
    struct walk walk = {0, from, each};
    dl_iterate_phdr(visit_each, &walk);
}

static int read_loads(struct dl_phdr_info *info, size_t size, void *data)
{
    struct fs_loads *loads = data;
    (void)size;
    loads->loaded = info->dlpi_adds;
    loads->unloaded = info->dlpi_subs;
    return 1;
}

struct fs_loads fs_object_loads(void)
{
    struct fs_loads loads = {0, 0};
    dl_iterate_phdr(read_loads, &loads);
    return loads;
}

bool fs_object_holds(const struct fs_object *object, const void *address)
{
    struct dl_phdr_info info = {.dlpi_addr = object->base,
                                .dlpi_phdr = object->table,
                                .dlpi_phnum = (ElfW(Half))object->headers};
    return holds(&info, (uintptr_t)address);
}

bool fs_object_contains(const struct fs_object *object, const void *bytes, size_t size)
{
    const ElfW(Phdr) *p = object->table;
    for (unsigned i = 0; i < object->headers; i++)
        if (p[i].p_type == PT_LOAD && (p[i].p_flags & PF_R) && !(p[i].p_flags & PF_W) &&
            memmem((const void *)(object->base + p[i].p_vaddr), p[i].p_memsz, bytes, size))
            return true;
    return false;
}

/* The parts of r_info, for which <link.h> has no name of both classes. */
#if UINTPTR_MAX > UINT32_MAX /* musl defines no __ELF_NATIVE_CLASS */
#define SYMBOL_OF(info) ELF64_R_SYM(info)
#define TYPE_OF(info) ELF64_R_TYPE(info)
#else
#define SYMBOL_OF(info) ELF32_R_SYM(info)
#define TYPE_OF(info) ELF32_R_TYPE(info)
#endif

/* Relocations with or without addends (RELA, REL), which begin with the same two words. */
struct relocations {
    const char *at;
    size_t size, each;
};

/* The parts of the dynamic section that relocations need. */
struct dynamic {
    const char *strings;
    const ElfW(Sym) * symbols;
    struct relocations plt, rela, rel;
    const Elf32_Word *gnu_hash, *hash;
};

/* glibc stores addresses here relocated, other loaders as they are in the file. */
static const void *pointer(const struct fs_object *o, uintptr_t value)
{
    return (const void *)(value < o->base ? o->base + value : value);
}

static int read_dynamic(const struct fs_object *o, struct dynamic *d)
{
    *d = (struct dynamic){.plt.each = sizeof(ElfW(Rel)),
                          .rela.each = sizeof(ElfW(Rela)),
                          .rel.each = sizeof(ElfW(Rel))};
    for (const ElfW(Dyn) *e = o->dynamic; e && e->d_tag != DT_NULL; e++) {
        switch (e->d_tag) {
        case DT_STRTAB:
            d->strings = pointer(o, e->d_un.d_ptr);
            break;
        case DT_SYMTAB:
            d->symbols = pointer(o, e->d_un.d_ptr);
            break;
        case DT_JMPREL:
            d->plt.at = pointer(o, e->d_un.d_ptr);
            break;
        case DT_PLTRELSZ:
            d->plt.size = e->d_un.d_val;
            break;
        case DT_RELA:
            d->rela.at = pointer(o, e->d_un.d_ptr);
            break;
        case DT_RELASZ:
            d->rela.size = e->d_un.d_val;
            break;
        case DT_GNU_HASH:
            d->gnu_hash = pointer(o, e->d_un.d_ptr);
            break;
        case DT_HASH:
            d->hash = pointer(o, e->d_un.d_ptr);
            break;
        case DT_PLTREL:
            if (e->d_un.d_val == DT_RELA)
                d->plt.each = sizeof(ElfW(Rela));
            break;
        case DT_REL:
            d->rel.at = pointer(o, e->d_un.d_ptr);
            break;
        case DT_RELSZ:
            d->rel.size = e->d_un.d_val;
            break;
        default:
            break;
        }
    }
    if (!d->strings || !d->symbols)
        return fs_fail(-ENOTSUP, "%s has no dynamic section with symbols", o->path);
    return 0;
}

/* Does this type of relocation put a symbol's address into a GOT entry? */
static bool is_got(unsigned type)
{
    return type == FS_RELOC_JUMP_SLOT || type == FS_RELOC_GLOB_DAT;
}

/* Add the entries of one relocation section to the `found` that out[] has already. */
static int find_in(const struct fs_object *o, const struct dynamic *d,
                   const struct relocations *all, const char *symbol, void ***out, int max,
                   int found)
{
    for (size_t i = 0; all->at && i < all->size / all->each; i++) {
        const ElfW(Rel) *one = (const void *)(all->at + i * all->each);
        size_t number = SYMBOL_OF(one->r_info);
        if (!number || strcmp(d->strings + d->symbols[number].st_name, symbol) != 0)
            continue;
        if (!is_got((unsigned)TYPE_OF(one->r_info)))
            continue;
        void **at = (void **)(o->base + one->r_offset);
        for (int k = 0; k < found && k < max; k++)
            if (out[k] == at)
                at = NULL;
        if (at && found < max)
            out[found] = at;
        found += at != NULL;
    }
    return found;
}

int fs_object_imports(const struct fs_object *o, const char *symbol, void ***out, int max)
{
    struct dynamic d;
    int error = read_dynamic(o, &d);
    if (error)
        return error;
    int found = find_in(o, &d, &d.plt, symbol, out, max, 0);
    found = find_in(o, &d, &d.rela, symbol, out, max, found);
    return find_in(o, &d, &d.rel, symbol, out, max, found);
}

/* Does the object define `name`? DT_GNU_HASH holds four words (the number of buckets, the number of
 * the first symbol that is hashed, the words of the filter, the shift), then the filter, the
 * buckets, and a hash for each symbol. The last hash of a bucket has its lowest bit set. */
static bool defines(const struct dynamic *d, const char *name)
{
    const Elf32_Word *h = d->gnu_hash;
    const Elf32_Word *buckets = h + 4 + h[2] * (sizeof(ElfW(Addr)) / sizeof *h);
    const Elf32_Word *hashes = buckets + h[0];
    uint32_t hash = 5381;
    for (const unsigned char *c = (const unsigned char *)name; *c; c++)
        hash = hash * 33 + *c;
    Elf32_Word i = h[0] ? buckets[hash % h[0]] : 0;
    for (; i >= h[1] && i != 0; i++) {
        Elf32_Word found = hashes[i - h[1]];
        if ((found | 1) == (hash | 1) && strcmp(d->strings + d->symbols[i].st_name, name) == 0)
            return true;
        if (found & 1)
            break;
    }
    return false;
}

static unsigned index_of(const char *name, const char *const *names, unsigned count)
{
    unsigned i = 0;
    while (i < count && strcmp(names[i], name) != 0)
        i++;
    return i;
}

/* The symbols that an object does not define come first in its table; DT_GNU_HASH says where they
 * end. An object may also import from itself what it defines: then there are relocations. */
unsigned fs_object_calls(const struct fs_object *o, const char *const *names, unsigned count,
                         bool *python)
{
    struct dynamic d;
    void **at[1];
    unsigned mask = 0, maybe = 0;
    *python = false;
    if (!o->dynamic || read_dynamic(o, &d) < 0 || (!d.gnu_hash && !d.hash))
        return 0;
    const Elf32_Word end = d.gnu_hash ? d.gnu_hash[1] : d.hash[1];
    for (Elf32_Word i = 1; i < end; i++) {
        const char *name = d.strings + d.symbols[i].st_name;
        bool other = d.symbols[i].st_shndx == SHN_UNDEF;
        *python |= other && (strncmp(name, "Py", 2) == 0 || strncmp(name, "_Py", 3) == 0);
        unsigned found = strncmp(name, "ffi_", 4) == 0 ? index_of(name, names, count) : count;
        if (found < count)
            *(other ? &mask : &maybe) |= 1u << found;
    }
    for (unsigned i = 0; i < count; i++)
        if (!(mask & 1u << i) && (maybe & 1u << i || (d.gnu_hash && defines(&d, names[i]))) &&
            fs_object_imports(o, names[i], at, 0) > 0)
            mask |= 1u << i;
    return mask;
}

/* A lazily bound entry points into the object's own PLT until its first call. A call through that
 * PLT would bind the entry and overwrite our function. So the loader is asked instead, in the order
 * in which it looks. */
void *fs_object_resolve(const struct fs_object *o, const char *symbol, void *value)
{
    if (value && !fs_object_holds(o, value))
        return value;
    void *program = dlopen(NULL, RTLD_LAZY | RTLD_NOLOAD);
    void *meant = program ? dlsym(program, symbol) : NULL;
    if (program)
        dlclose(program);
    if (meant)
        return meant;
    void *own = dlopen(o->path, RTLD_LAZY | RTLD_NOLOAD);
    meant = own ? dlsym(own, symbol) : NULL;
    if (own)
        dlclose(own); /* the object stays loaded: its module is in use */
    return meant ? meant : value;
}

enum rights { OUTSIDE, EXECUTABLE, READ_ONLY, WRITABLE };

/* The rights of an entry's page as the object's headers have them: RELRO is writable in the file
 * and read-only once loaded, in whole pages. */
static enum rights rights_of(const struct fs_object *o, uintptr_t at, uintptr_t page)
{
    const ElfW(Phdr) *p = o->table;
    enum rights rights = OUTSIDE;
    for (unsigned i = 0; i < o->headers; i++) {
        uintptr_t start = o->base + p[i].p_vaddr, end = start + p[i].p_memsz;
        if (p[i].p_type == PT_LOAD && at >= start && at + sizeof(void *) <= end)
            rights = p[i].p_flags & PF_X ? EXECUTABLE : p[i].p_flags & PF_W ? WRITABLE : OUTSIDE;
    }
    for (unsigned i = 0; i < o->headers && rights == WRITABLE; i++) {
        uintptr_t start = o->base + p[i].p_vaddr, end = start + p[i].p_memsz;
        if (p[i].p_type == PT_GNU_RELRO && at >= (start & -page) && at < (end & -page))
            rights = READ_ONLY;
    }
    return rights;
}

bool fs_object_data(const struct fs_object *o, unsigned number, void **start, size_t *size)
{
    const ElfW(Phdr) *p = o->table;
    uintptr_t sealed = 0;
    for (unsigned i = 0; i < o->headers; i++)
        if (p[i].p_type == PT_GNU_RELRO)
            sealed = o->base + p[i].p_vaddr + p[i].p_memsz;
    for (unsigned i = 0; i < o->headers; i++) {
        if (p[i].p_type != PT_LOAD || !(p[i].p_flags & PF_W) || number-- > 0)
            continue;
        uintptr_t from = o->base + p[i].p_vaddr, end = from + p[i].p_memsz;
        if (sealed > from && sealed <= end)
            from = sealed;
        *start = (void *)from;
        *size = end - from;
        return true;
    }
    return false;
}

/* The rights as the kernel has them; `expected` where /proc is not mounted. The lock guards the
 * static buffer, and keeps the thread from being cancelled while the file is open. */
static enum rights mapped_rights(void **entry, enum rights expected)
{
    static struct fs_map map;
    fs_lock();
    int error = fs_maps_find(entry, &map);
    enum rights found = expected;
    if (!error || error == -ENAMETOOLONG)
        found = error                 ? expected
                : map.perms[2] == 'x' ? EXECUTABLE
                : map.perms[1] == 'w' ? WRITABLE
                                      : READ_ONLY;
    fs_unlock();
    return found;
}

int fs_object_write(const struct fs_object *o, void **entry, void *value)
{
    char why[80];
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), start = (uintptr_t)entry & -page;
    enum rights rights = rights_of(o, (uintptr_t)entry, page);
    if (rights == READ_ONLY || rights == WRITABLE)
        rights = mapped_rights(entry, rights);
    if (rights == OUTSIDE || rights == EXECUTABLE)
        return fs_fail(-EFAULT, "the import table of %s at %p is %s; left alone", o->path,
                       (void *)entry,
                       rights == OUTSIDE ? "not in its data" : "in executable memory");
    if (rights == READ_ONLY && mprotect((void *)start, page, PROT_READ | PROT_WRITE) != 0)
        return fs_fail(-errno,
                       "the import table of %s is read-only, and mprotect(%p, read and write) "
                       "failed: %s; a policy that seals it must be relaxed",
                       o->path, (void *)start, fs_errno_text(errno, why, sizeof why));
    __atomic_store_n(entry, value, __ATOMIC_RELEASE);
    if (rights == READ_ONLY)
        (void)mprotect((void *)start, page, PROT_READ); /* what succeeded before does so again */
    return 0;
}

// SPDX-License-Identifier: MIT
// plugin.cc - a plugin with the library inside, whose global objects own closures
//
// `early` is constructed before the library, and `late` after it, so that one of them is destroyed
// when the library has said its goodbyes. Both free closures then, and make some more.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <vector>
#include "ffi_static.h"

namespace
{

void require(bool holds, const char *what)
{
    if (holds)
        return;
    std::fprintf(stderr, "plugin: does not hold: %s (%s)\n", what, ffi_static_error());
    std::_Exit(1);
}

struct Owner {
    std::vector<ffi_static_closure *> closures;
    int *gone = nullptr; // counts the objects that were destroyed

    void make(std::size_t n)
    {
        for (std::size_t i = 0; i < n; i++) {
            std::size_t size = i % 50 ? sizeof(ffi_static_closure) : FFI_STATIC_MAX_SIZE;
            void *code = nullptr;
            ffi_static_closure *c = ffi_static_alloc(size, 0, &code);
            require(c && ffi_static_from_address(code) == c, "a closure is made and found");
            closures.push_back(c);
        }
    }

    void drop()
    {
        for (ffi_static_closure *c : closures)
            require(ffi_static_free(c) == 0, "a closure is freed");
        closures.clear();
    }

    ~Owner()
    {
        if (!gone)
            return;
        require(!closures.empty(), "there are closures to free");
        drop();
        make(700);
        require(ffi_static_free(reinterpret_cast<ffi_static_closure *>(std::uintptr_t{4096})) < 0,
                "what is not a closure is refused");
        require(*ffi_static_error() != '\0', "there is a sentence");
        require(ffi_static_check() == 0, "the tables are right");
        drop();
        ++*gone;
    }
};

__attribute__((init_priority(101))) Owner early;
Owner late;

} // namespace

extern "C" __attribute__((visibility("default"))) void plugin_use(std::size_t n, int *gone)
{
    for (Owner *owner : {&early, &late}) {
        owner->make(n);
        owner->gone = gone;
    }
}

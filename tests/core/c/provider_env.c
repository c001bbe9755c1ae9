/* SPDX-License-Identifier: MIT */
/* provider_env.c - $FFI_STATIC_PROVIDER: which providers are asked, and who may say so
 *
 * Linked with the static library: a set-user-id program gets no library path.
 */
#include "fs_test.h"

/* With the names of the providers that may serve as arguments. */
CASE(served_by)
{
    bool seen[8] = {false};
    CHECK(test_argc > 0 && test_argc < 8);
    size_t have = test_make_many(many, MANY);
    CHECK(have >= 200);
    for (size_t i = 0; i < have; i++) {
        const char *name = api.provider_of(many[i].code);
        int k = 0;
        CHECK(name != NULL);
        while (k < test_argc && strcmp(test_argv[k], name))
            k++;
        CHECK(k < test_argc);
        seen[k] = true;
    }
    for (int k = 0; k < test_argc; k++)
        CHECK(seen[k]);
    test_free_many(many, have);
}

/* A wrong name: every allocation fails and the text lists what would be right. */
CASE(wrong)
{
    CHECK_EQ(test_argc, 1);
    for (int i = 0; i < 3; i++) {
        void *code = NULL;
        errno = 0;
        CHECK(api.alloc(sizeof(ffi_static_closure), 0, &code) == NULL);
        CHECK_EQ(errno, EINVAL);
        CHECK(code == NULL);
        CHECK_HAS(api.error(), "FFI_STATIC_PROVIDER");
        CHECK_HAS(api.error(), test_argv[0]);
        for (unsigned k = 0; k < ffi_static_provider_count(); k++)
            CHECK_HAS(api.error(), ffi_static_provider_name(k));
    }
    puts(api.error());
}

/* In a set-user-id program the variable is not looked at, right or wrong. */
CASE(ignored_when_set_user_id)
{
    CHECK(getenv("FFI_STATIC_PROVIDER") != NULL);
    CHECK(secure_getenv("FFI_STATIC_PROVIDER") == NULL);
    CHECK_EQ(test_make_many(many, MANY), MANY);
    test_free_many(many, MANY);
}

/* SPDX-License-Identifier: MIT */
/* lambda.cc - a C++ lambda with captures as a plain function pointer, for a C function that wants
 * one
 *
 * The object owns its closure: the function pointer is good as long as the object lives.
 */
#include <ffi_static.h>

#include <cstdio>
#include <cstdlib>
#include <functional>
#include <stdexcept>
#include <utility>

class Comparator
{
    using Function = int (*)(const void *, const void *);

  public:
    explicit Comparator(std::function<int(const void *, const void *)> f) : f_(std::move(f))
    {
        closure_ = ffi_static_alloc(sizeof *closure_, 0, reinterpret_cast<void **>(&code_));
        if (!closure_)
            throw std::runtime_error(ffi_static_error());
        if (ffi_prep_cif(&cif_, FFI_DEFAULT_ABI, 2, &ffi_type_sint, types_) != FFI_OK ||
            ffi_static_prep(closure_, &cif_, run, this, 0) < 0) {
            ffi_static_free(closure_);
            throw std::runtime_error(ffi_static_error());
        }
    }
    ~Comparator()
    {
        ffi_static_free(closure_);
    }
    Comparator(const Comparator &) = delete;
    Comparator &operator=(const Comparator &) = delete;
    operator Function() const
    {
        return code_;
    }

  private:
    static void run(ffi_cif *, void *ret, void **args, void *self)
    {
        *static_cast<ffi_sarg *>(ret) = static_cast<Comparator *>(self)->f_(
            *static_cast<const void **>(args[0]), *static_cast<const void **>(args[1]));
    }

    std::function<int(const void *, const void *)> f_;
    ffi_type *types_[2] = {&ffi_type_pointer, &ffi_type_pointer};
    ffi_cif cif_;
    ffi_static_closure *closure_;
    Function code_;
};

int main()
{
    int numbers[] = {5, 3, 1, 4, 2}, sign = -1;
    Comparator descending([&sign](const void *a, const void *b) {
        return sign * (*static_cast<const int *>(a) - *static_cast<const int *>(b));
    });
    std::qsort(numbers, 5, sizeof *numbers, descending);
    for (int n : numbers)
        std::printf("%d%c", n, n == 1 ? '\n' : ' ');
}

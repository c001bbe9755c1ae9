# SPDX-License-Identifier: MIT
# ffi_static.m4 - FFI_STATIC: are closures served from static tables here?
#
# Yes on the targets that have a folder under src/static/arch, unless --disable-ffi-static. Then
# libffi's own closure memory and its own static trampolines are not built, whatever
# --disable-exec-static-tramp says; FFI_EXEC_STATIC_TRAMP is defined all the same, because it is
# what the testsuite asks to know whether code and data of a closure are apart.
AC_DEFUN([FFI_STATIC], [
AC_ARG_ENABLE([ffi-static],
  [AS_HELP_STRING([--disable-ffi-static],
    [allocate closures as upstream does, not from static tables])])
ffi_static_isa=no
AS_IF([test "x$enable_ffi_static" != xno], [
  AC_COMPILE_IFELSE([AC_LANG_SOURCE([[
#if !(defined __linux__ && !defined __ANDROID__ && defined __x86_64__ && !defined __ILP32__)
#error "not x86-64 Linux"
#endif
]])], [ffi_static_isa=x86_64])])
AC_MSG_CHECKING([for closures from static tables])
AC_MSG_RESULT([$ffi_static_isa])
AM_CONDITIONAL([FFI_STATIC_X86_64], [test "x$ffi_static_isa" = xx86_64])
AS_IF([test "x$ffi_static_isa" != xno], [
  AC_DEFINE([FFI_STATIC_CLOSURES], [1], [Define this if closures come from static tables.])
  AC_DEFINE([FFI_EXEC_STATIC_TRAMP], [1], [Define this if you want statically defined trampolines])])
])

# SPDX-License-Identifier: MIT
# ffi_static.m4 - FFI_STATIC: are closures served from static tables here?
#
# Yes on the Linux targets that have a folder under src/static/arch, unless --disable-ffi-static.
# Then libffi's own closure memory and its own static trampolines are not built, whatever
# --disable-exec-static-tramp says; FFI_EXEC_STATIC_TRAMP is defined all the same, because it is
# what the testsuite asks to know whether code and data of a closure are apart.
#
# FFI_STATIC_ISAS, which asks for one folder after the other, is made by patches/libffi/refresh.py
# from the libffi.m4 in each of them and follows at the end.
AC_DEFUN([FFI_STATIC], [
AC_ARG_ENABLE([ffi-static],
  [AS_HELP_STRING([--disable-ffi-static],
    [allocate closures as upstream does, not from static tables])])
AS_IF([test "x$enable_ffi_static" != xno], [ffi_static_isa=], [ffi_static_isa=no])
FFI_STATIC_ISAS
AC_MSG_CHECKING([for closures from static tables])
AC_MSG_RESULT([${ffi_static_isa:=no}])
AS_IF([test "x$ffi_static_isa" != xno], [
  AC_DEFINE([FFI_STATIC_CLOSURES], [1], [Define this if closures come from static tables.])
  AC_DEFINE([FFI_EXEC_STATIC_TRAMP], [1], [Define this if you want statically defined trampolines])])
])

# FFI_STATIC_ISA(FOLDER, CONDITION): is the target the one that src/static/arch/FOLDER is for?
AC_DEFUN([FFI_STATIC_ISA], [
AS_IF([test "x$ffi_static_isa" = x], [
  AC_COMPILE_IFELSE([AC_LANG_SOURCE([[
#if !(defined __linux__ && !defined __ANDROID__ && $2)
#error "not $1 Linux"
#endif
]])], [ffi_static_isa=$1])])
AM_CONDITIONAL(m4_toupper([FFI_STATIC_$1]), [test "x$ffi_static_isa" = x$1])
])

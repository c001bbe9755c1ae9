! SPDX-License-Identifier: MIT
! contained.f90 - internal procedures passed as arguments: to Fortran, to itself, and to C's qsort
module callers
    use, intrinsic :: iso_c_binding
    implicit none
    abstract interface
        integer function of_integer(x)
            integer, intent(in) :: x
        end function
        integer(c_int) function comparison(a, b) bind(c)
            import :: c_int
            integer(c_int), intent(in) :: a, b
        end function
    end interface
    interface
        subroutine qsort(base, count, width, compare) bind(c, name="qsort")
            import :: c_int, c_size_t, c_funptr
            integer(c_int), intent(inout) :: base(*)
            integer(c_size_t), value :: count, width
            type(c_funptr), value :: compare
        end subroutine
    end interface
contains
    integer function sum_of(f, n)
        procedure(of_integer) :: f
        integer, intent(in) :: n
        integer :: i
        sum_of = 0
        do i = 1, n
            sum_of = sum_of + f(i)
        end do
    end function

    ! Each level passes a procedure over itself further down.
    recursive integer function deep(n, above) result(r)
        integer, intent(in) :: n
        procedure(of_integer) :: above
        if (n == 0) then
            r = above(0)
        else
            r = deep(n - 1, here)
        end if
        if (here(1) /= above(1) + n) r = -1000000
    contains
        recursive integer function here(x)
            integer, intent(in) :: x
            here = above(x) + n
        end function
    end function

    integer function same(x)
        integer, intent(in) :: x
        same = x
    end function

    integer function weighted(weight)
        integer, intent(in) :: weight
        weighted = sum_of(times, weight)
    contains
        integer function times(x)
            integer, intent(in) :: x
            times = x * weight
        end function
    end function

    subroutine sorts()
        integer(c_int), target :: numbers(9)
        integer :: compared, k
        numbers = [5, 3, 1, 4, 2, 9, 8, 7, 6]
        compared = 0
        call qsort(numbers, 9_c_size_t, c_sizeof(numbers(1)), c_funloc(compare))
        do k = 1, 9
            if (numbers(k) /= k) stop "sorts"
        end do
        if (compared < 8) stop "compared"
    contains
        integer(c_int) function compare(a, b) bind(c)
            integer(c_int), intent(in) :: a, b
            compared = compared + 1
            compare = a - b
        end function
    end subroutine
end module

program contained
    use callers
    implicit none
    integer :: i
    do i = 1, 100
        if (weighted(i) /= i * (i * (i + 1) / 2)) stop "weighted"
    end do
    if (deep(300, same) /= 300 * 301 / 2) stop "deep"
    call sorts()
    print '(a)', "right"
end program

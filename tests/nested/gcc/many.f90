! SPDX-License-Identifier: MIT
! many.f90 - three thousand pointers to internal procedures alive at a time
module chain
    implicit none
    abstract interface
        integer function of_integer(x)
            integer, intent(in) :: x
        end function
    end interface
contains
    recursive integer function deep(n, above) result(r)
        integer, intent(in) :: n
        procedure(of_integer) :: above
        if (n == 0) then
            r = above(0)
        else
            r = deep(n - 1, here)
        end if
        if (n > 0) then
            if (here(1) /= n + 1) r = -1
        end if
    contains
        integer function here(x)
            integer, intent(in) :: x
            here = x + n
        end function
    end function

    integer function same(x)
        integer, intent(in) :: x
        same = x
    end function
end module

program many
    use chain
    implicit none
    if (deep(3000, same) /= 1) stop "deep"
    print '(a)', "right"
end program

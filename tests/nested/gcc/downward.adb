--  SPDX-License-Identifier: MIT
--  downward.adb - nested subprograms whose 'Access goes down: to a generic, to a caller, to C

with Ada.Text_IO; use Ada.Text_IO;
with Interfaces.C; use Interfaces.C;
with System;

procedure Downward is

   type Numbers is array (Positive range <>) of aliased int;
   type Comparison is access function (A, B : System.Address) return int
     with Convention => C;

   procedure Qsort (Base : System.Address; Count, Size : size_t; Compare : Comparison)
     with Import, Convention => C, External_Name => "qsort";

   generic
      type Item is private;
   procedure For_Each (First, Last : Item; Next : not null access function (X : Item) return Item;
                       Visit : not null access procedure (X : Item));

   procedure For_Each (First, Last : Item; Next : not null access function (X : Item) return Item;
                       Visit : not null access procedure (X : Item)) is
      X : Item := First;
   begin
      loop
         Visit (X);
         exit when X = Last;
         X := Next (X);
      end loop;
   end For_Each;

   procedure Each_Integer is new For_Each (Integer);

   function Sum_To (N, Step : Integer) return Integer is
      Sum : Integer := 0;
      function Next (X : Integer) return Integer is (X + Step);
      procedure Add (X : Integer) is
      begin
         Sum := Sum + X;
      end Add;
   begin
      Each_Integer (0, N * Step, Next'Access, Add'Access);
      return Sum;
   end Sum_To;

   --  Each level passes a closure over itself further down.
   function Deep (N : Natural; Above : not null access function return Natural) return Natural is
      function Here return Natural is (N + Above.all);
   begin
      return (if N = 0 then Above.all else Deep (N - 1, Here'Access));
   end Deep;

   function Nothing return Natural is (0);

   function Sorted (Values : in out Numbers) return Natural is
      Compared : Natural := 0;
      function Compare (A, B : System.Address) return int
        with Convention => C;
      function Compare (A, B : System.Address) return int is
         X : int with Import, Address => A;
         Y : int with Import, Address => B;
      begin
         Compared := Compared + 1;
         return X - Y;
      end Compare;
   begin
      Qsort (Values'Address, Values'Length, int'Size / 8, Compare'Unrestricted_Access);
      return Compared;
   end Sorted;

   --  An exception passes through frames that have pointers.
   procedure Raise_In (N : Natural) is
      procedure Fail (X : Integer) is
      begin
         if X = N then
            raise Constraint_Error;
         end if;
      end Fail;
      function Next (X : Integer) return Integer is (X + 1);
   begin
      Each_Integer (0, N + 1, Next'Access, Fail'Access);
   end Raise_In;

   Values : Numbers := (5, 3, 1, 4, 2, 9, 8, 7, 6);
   Caught : Natural := 0;
begin
   for I in 1 .. 100 loop
      if Sum_To (I, 3) /= 3 * I * (I + 1) / 2 then
         raise Program_Error with "Sum_To";
      end if;
   end loop;
   if Deep (500, Nothing'Access) /= 500 * 501 / 2 then
      raise Program_Error with "Deep";
   end if;
   if Sorted (Values) < 8 or else (for some I in 1 .. 9 => Values (I) /= int (I)) then
      raise Program_Error with "Sorted";
   end if;
   for I in 1 .. 1000 loop
      begin
         Raise_In (I mod 10);
      exception
         when Constraint_Error => Caught := Caught + 1;
      end;
   end loop;
   if Caught /= 1000 or else Sum_To (10, 1) /= 55 then
      raise Program_Error with "Raise_In";
   end if;
   Put_Line ("right");
end Downward;

# SPDX-License-Identifier: MIT
# fiddle_client.rb - thousands of callbacks through Ruby's Fiddle
#
# See README.md for what a client has to do. Ends with another status than 0 when a result is wrong.
require "fiddle"

LIVE = 3000
ROUNDS = 20
$calls = 0

def maps(moment)
  File.binwrite("#{ENV.fetch("CLIENT_MAPS")}.#{moment}", File.binread("/proc/self/maps"))
end

def check(got, expected, what)
  abort "#{what}: got #{got.inspect}, not #{expected.inspect}" unless got == expected
end

INT = [Fiddle::TYPE_INT, [Fiddle::TYPE_INT]]
MIX = [Fiddle::TYPE_DOUBLE, [Fiddle::TYPE_CHAR, Fiddle::TYPE_DOUBLE, Fiddle::TYPE_LONG] * 4]
MIXED = [-1, 0.5, 1 << 40] * 4

def make(key)
  type = key.even? ? INT : MIX
  Fiddle::Closure::BlockCaller.new(*type) do |*values|
    $calls += 1
    values.sum + key
  end
end

# As C does: by the address alone.
def through_c(key, closure)
  returns, takes = key.even? ? INT : MIX
  values = key.even? ? [7] : MIXED
  got = Fiddle::Function.new(closure.to_i, takes, returns).call(*values)
  check(got, values.sum + key, "closure #{key}")
end

def sort
  compare = Fiddle::Closure::BlockCaller.new(
    Fiddle::TYPE_INT, [Fiddle::TYPE_VOIDP, Fiddle::TYPE_VOIDP]
  ) do |a, b|
    $calls += 1
    a[0, 4].unpack1("i") <=> b[0, 4].unpack1("i")
  end
  numbers = Array.new(3000) { rand(1 << 30) }
  memory = Fiddle::Pointer[numbers.pack("i*")]
  qsort = Fiddle::Function.new(
    Fiddle::Handle::DEFAULT["qsort"],
    [Fiddle::TYPE_VOIDP, Fiddle::TYPE_SIZE_T, Fiddle::TYPE_SIZE_T, Fiddle::TYPE_VOIDP],
    Fiddle::TYPE_VOID
  )
  qsort.call(memory, numbers.size, 4, compare)
  check(memory[0, 4 * numbers.size].unpack("i*"), numbers.sort, "qsort")
end

srand(1)
maps("start")
sort
kept = Array.new(LIVE) { |key| make(key) }
kept.each_with_index { |closure, key| through_c(key, closure) }
ROUNDS.times do
  300.times { key = rand(LIVE); kept[key] = make(key) }
  GC.start # the old ones are freed
  300.times { key = rand(LIVE); through_c(key, kept[key]) }
end
maps("peak")
child = fork do
  kept = Array.new(LIVE) { |key| make(key + 2) }
  GC.start
  exit!(0)
end
_, status = Process.wait2(child)
check(status.success?, true, "the forked child, which freed all and made its own")
kept.each_with_index { |closure, key| through_c(key, closure) }
kept = nil
GC.start
sort
maps("end")
puts "callbacks=#{$calls} live=#{LIVE}"

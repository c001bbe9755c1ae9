<?php
/* SPDX-License-Identifier: MIT */
/* php_client.php - thousands of callbacks through PHP's FFI
 *
 * See README.md for what a client has to do. Ends with another status than 0 when a result is
 * wrong. PHP frees no callback before the script ends, so all that were made are live. Its regular
 * expressions' compiler is off (pcre.jit=0, set by run.py): those pages are writable and
 * executable whatever libffi does.
 */
const LIVE = 3000;
$calls = 0;

function maps(string $moment): void
{
    file_put_contents(getenv('CLIENT_MAPS') . ".$moment", file_get_contents('/proc/self/maps'));
}

function check($got, $expected, string $what): void
{
    if ($got !== $expected) {
        fwrite(STDERR, "$what: got " . json_encode($got) . ', not ' . json_encode($expected) . "\n");
        exit(1);
    }
}

$c = FFI::cdef('
    typedef int (*compare)(const void *, const void *);
    typedef int (*one)(int);
    typedef double (*mix)(signed char, double, long, signed char, double, long, signed char, double, long);
    void qsort(void *, size_t, size_t, compare);
    int fork(void);
    int waitpid(int, int *, int);
    void _exit(int);
');
$mixed = [-1, 0.5, 1 << 40, -1, 0.5, 1 << 40, -1, 0.5, 1 << 40];

function make(FFI $c, int $key): FFI\CData
{
    global $calls;
    $type = $key % 2 ? 'mix' : 'one';
    $function = $c->new($type);
    $holder = FFI::addr($function);
    $holder[0] = $key % 2
        ? function (...$values) use ($key) { global $calls; $calls++; return array_sum($values) + $key; }
        : function (int $value) use ($key) { global $calls; $calls++; return $value + $key; };
    return $function;
}

function through_c(int $key, FFI\CData $function): void
{
    global $mixed;
    if ($key % 2) {
        check($function(...$mixed), (float) (array_sum($mixed) + $key), "closure $key");
    } else {
        check($function(7), 7 + $key, "closure $key");
    }
}

function sorted(FFI $c): void
{
    $count = 3000;
    $array = $c->new("int[$count]");
    $numbers = [];
    for ($i = 0; $i < $count; $i++) {
        $array[$i] = $numbers[] = mt_rand(0, 1 << 30);
    }
    $c->qsort($array, $count, 4, function ($a, $b) use ($c) {
        global $calls;
        $calls++;
        return FFI::cast('int *', $a)[0] <=> FFI::cast('int *', $b)[0];
    });
    sort($numbers);
    $got = [];
    for ($i = 0; $i < $count; $i++) {
        $got[] = $array[$i];
    }
    check($got, $numbers, 'qsort');
}

mt_srand(1);
maps('start');
sorted($c);
$kept = [];
for ($key = 0; $key < LIVE; $key++) {
    $kept[$key] = make($c, $key);
}
for ($round = 0; $round < 3; $round++) {
    foreach ($kept as $key => $function) {
        through_c($key, $function);
    }
}
maps('peak');
$child = $c->fork();
if ($child === 0) {
    for ($key = 0; $key < LIVE; $key++) {
        $kept[$key] = make($c, $key + 2);
        through_c($key + 2, $kept[$key]);
    }
    $c->_exit(0);
}
$status = $c->new('int');
check($c->waitpid($child, FFI::addr($status), 0), $child, 'waitpid');
check($status->cdata, 0, 'the forked child, which made its own');
foreach ($kept as $key => $function) {
    through_c($key, $function);
}
sorted($c);
maps('end');
echo "callbacks=$calls live=" . LIVE . "\n";

;; SPDX-License-Identifier: MIT
;; guile_client.scm - thousands of callbacks through Guile's (system foreign)
;;
;; See README.md for what a client has to do. Ends with another status than 0 when a result is
;; wrong. Guile's own compiler to machine code is off (GUILE_JIT_THRESHOLD=-1, set by run.py): its
;; pages are writable and executable whatever libffi does.
(use-modules (system foreign) (rnrs bytevectors) (srfi srfi-1) (ice-9 textual-ports))

(define live 3000)
(define rounds 20)
(define calls 0)

(define (maps moment)
  (let ((text (call-with-input-file "/proc/self/maps" get-string-all)))
    (call-with-output-file (string-append (getenv "CLIENT_MAPS") "." moment)
      (lambda (port) (put-string port text)))))

(define (check got expected what)
  (unless (equal? got expected)
    (format (current-error-port) "~a: got ~a, not ~a~%" what got expected)
    (force-output (current-error-port))
    (primitive-_exit 1)))

(define mix-types (concatenate (make-list 4 (list int8 double long))))
(define mixed (concatenate (make-list 4 (list -1 0.5 (ash 1 40)))))
(define (returns key) (if (even? key) int double))
(define (takes key) (if (even? key) (list int) mix-types))
(define (values-for key) (if (even? key) (list 7) mixed))

(define (make key)
  (procedure->pointer
   (returns key)
   (lambda values (set! calls (+ calls 1)) (+ key (apply + values)))
   (takes key)))

;; As C does: by the address alone.
(define (through-c key closure)
  (let* ((address (make-pointer (pointer-address closure)))
         (function (pointer->procedure (returns key) address (takes key))))
    (check (apply function (values-for key))
           (+ key (apply + (values-for key)))
           (string-append "closure " (number->string key)))))

(define (sort-numbers)
  (let* ((compare (procedure->pointer
                   int
                   (lambda (a b)
                     (set! calls (+ calls 1))
                     (let ((x (bytevector-s32-native-ref (pointer->bytevector a 4) 0))
                           (y (bytevector-s32-native-ref (pointer->bytevector b 4) 0)))
                       (cond ((< x y) -1) ((> x y) 1) (else 0))))
                   (list '* '*)))
         (qsort (pointer->procedure void (dynamic-func "qsort" (dynamic-link))
                                    (list '* size_t size_t '*)))
         (numbers (list-tabulate 3000 (lambda (_) (random (ash 1 30)))))
         (memory (sint-list->bytevector numbers (native-endianness) 4)))
    (qsort (bytevector->pointer memory) (length numbers) 4 compare)
    (check (bytevector->sint-list memory (native-endianness) 4) (sort numbers <) "qsort")))

(maps "start")
(sort-numbers)
(define kept (make-vector live))
(define (fill! offset)
  (for-each (lambda (key) (vector-set! kept key (make (+ key offset)))) (iota live)))
(define (call-all)
  (for-each (lambda (key) (through-c key (vector-ref kept key))) (iota live)))
(fill! 0)
(call-all)
(for-each
 (lambda (_)
   (for-each (lambda (_) (let ((key (random live))) (vector-set! kept key (make key)))) (iota 300))
   (gc) ; the old ones are freed
   (for-each (lambda (_) (let ((key (random live))) (through-c key (vector-ref kept key))))
             (iota 300)))
 (iota rounds))
(maps "peak")
(let ((child (primitive-fork)))
  (when (zero? child)
    (fill! 2)
    (gc)
    (primitive-_exit 0))
  (check (status:exit-val (cdr (waitpid child))) 0 "the forked child, which made its own"))
(call-all)
(set! kept #f)
(gc)
(sort-numbers)
(maps "end")
(format #t "callbacks=~a live=~a~%" calls live)

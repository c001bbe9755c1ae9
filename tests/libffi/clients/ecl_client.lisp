;; SPDX-License-Identifier: MIT
;; ecl_client.lisp - a callback through ECL's dynamic FFI
;;
;; Not one of ours to mend: ECL allocates a closure and then gives out the pointer to its data as if
;; it were the code (src/c/ffi.d, ecl_make_foreign_data of the writable address), which is right only
;; where both are the same, writable and executable, memory. run.py shows what happens.
(defvar *calls* 0)
(defun maps (moment)
  (with-open-file (from "/proc/self/maps" :external-format :latin-1)
    (with-open-file (to (format nil "~a.~a" (ext:getenv "CLIENT_MAPS") moment)
                        :direction :output :if-exists :supersede :external-format :latin-1)
      (loop for line = (read-line from nil) while line do (write-line line to)))))

(defun number-at (pointer index)
  (si:foreign-data-ref-elt (si:foreign-data-recast pointer 4000 :int) (* 4 index) :int))

(maps "start")
(ffi:defcallback compare :int ((a :pointer-void) (b :pointer-void))
  (incf *calls*)
  (let ((x (number-at a 0)) (y (number-at b 0)))
    (cond ((< x y) -1) ((> x y) 1) (t 0))))

(let ((array (si:allocate-foreign-data :void 4000))
      (numbers (loop repeat 1000 collect (random (ash 1 30)))))
  (loop for number in numbers for i from 0
        do (si:foreign-data-set-elt array (* 4 i) :int number))
  (maps "peak")
  (si:call-cfun (si:find-foreign-symbol "qsort" :default :pointer-void 0) :void
                '(:pointer-void :unsigned-long :unsigned-long :pointer-void)
                (list array 1000 4 (ffi:callback 'compare)))
  (unless (equal (loop for i below 1000 collect (number-at array i))
                 (sort (copy-list numbers) #'<))
    (format *error-output* "qsort: not sorted~%")
    (ext:quit 1)))
(maps "end")
(format t "callbacks=~a live=1~%" *calls*)
(ext:quit 0)

; What ./dev demo does inside GIMP: paint through the plug-in's own procedure, save what came as XCF, export it as GIMP shows
; it, and write one line a layer. demo.sh defines demo-xcf, demo-png, demo-text and demo-paint before this is loaded.
(script-fu-use-v3)

(define mode-names
  (list (cons LAYER-MODE-NORMAL "normal") (cons LAYER-MODE-PASS-THROUGH "pass-through") (cons LAYER-MODE-MULTIPLY "multiply")
        (cons LAYER-MODE-SCREEN "screen") (cons LAYER-MODE-OVERLAY "overlay") (cons LAYER-MODE-SOFTLIGHT "soft-light")))

(define (mode-name layer)
  (let ((known (assv (gimp-layer-get-mode layer) mode-names)))
    (if known (cdr known) (number->string (gimp-layer-get-mode layer)))))

(define (write-layer layer depth port)
  (display (make-string (* 2 depth) #\space) port)
  (display (gimp-item-get-name layer) port)
  (display " | mode " port)
  (display (mode-name layer) port)
  (display " | opacity " port)
  (display (inexact->exact (round (gimp-layer-get-opacity layer))) port)
  (display (if (gimp-item-get-visible layer) "\n" " | hidden\n") port)
  (if (gimp-item-is-group layer)
      (for-each (lambda (child) (write-layer child (+ depth 1) port)) (vector->list (gimp-item-get-children layer)))))

(define (write-layers image path)
  (let ((port (open-output-file path)))
    (for-each (lambda (layer) (write-layer layer 0 port)) (vector->list (gimp-image-get-layers image)))
    (close-output-port port)))

; The whole composite, enlarged smoothly to at least 512 pixels.
(define (export-composite image path)
  (let* ((copy (gimp-image-duplicate image))
         (factor (max 1 (quotient 512 (gimp-image-get-width copy)))))
    (gimp-image-flatten copy)
    (gimp-context-set-interpolation INTERPOLATION-CUBIC)
    (gimp-image-scale copy (* factor (gimp-image-get-width copy)) (* factor (gimp-image-get-height copy)))
    (gimp-file-save RUN-NONINTERACTIVE copy path)
    (gimp-image-delete copy)))

(let ((image (demo-paint)))
  (gimp-file-save RUN-NONINTERACTIVE image demo-xcf)
  (export-composite image demo-png)
  (write-layers image demo-text)
  (gimp-image-delete image))

;;; eglot.el --- The core of the journey in Emacs with eglot -*- lexical-binding: t -*-

;;; Commentary:
;; What somebody has who adds one line to their init file: a conflict as a
;; diagnostic, the code action that ends it, commands by `eglot-execute-command'.
;; Run by run.sh as `emacs --batch -l eglot.el'.

;;; Code:

(package-initialize)
(require 'cl-lib)
(require 'eglot)
(require 'json)

;; The lines of the README.
(add-to-list 'auto-mode-alist '("/towline\\.yaml\\'" . conf-colon-mode))
(add-to-list 'eglot-server-programs '((text-mode conf-colon-mode) . ("towline" "lsp")))

(setq eglot-confirm-server-initiated-edits nil
      jsonrpc-default-request-timeout 30)

(defvar shop (file-name-as-directory (file-truename (getenv "TOWLINE_TEST_WORKSPACE"))))
(defvar there (file-name-as-directory (getenv "TOWLINE_TEST_THERE")))
(defvar passed 0)

(defun fail (name why)
  "Say that the check NAME failed for WHY, with all that the server said."
  (princ (format "FAIL  %s: %S\n" name why))
  (when (eglot-current-server)
    (princ (with-current-buffer (eglot-events-buffer (eglot-current-server))
             (buffer-substring (max (point-min) (- (point-max) 4000)) (point-max)))))
  (princ (format "\n%d passed, 1 failed\n" passed))
  (kill-emacs 1))

(defun check (name fine &optional detail)
  "Pass the check NAME if FINE; else fail with DETAIL."
  (unless fine (fail name detail))
  (cl-incf passed)
  (princ (format "ok    %s\n" name))
  fine)

(defun eventually (name condition)
  "Pass the check NAME once CONDITION gives something; return that."
  (let ((end (+ (float-time) 20)) value)
    (while (and (not (setq value (funcall condition))) (< (float-time) end))
      (accept-process-output nil 0.02))
    (check name value "it never was so")))

(defun execute (command &optional argument)
  "Have the server run COMMAND with ARGUMENT."
  (eglot-execute-command (eglot-current-server) command
                         (vector (or argument (make-hash-table)))))

(defun content-of (file)
  "The content of FILE, nil if there is none."
  (when (file-exists-p file)
    (with-temp-buffer (insert-file-contents file) (buffer-string))))

(defun put-file (file text)
  "Write TEXT into FILE past the editor."
  (let ((coding-system-for-write 'utf-8)) (write-region text nil file nil 'quiet)))

(defun conflicts ()
  "The diagnostics of this buffer that tell of a conflict."
  (flymake-start)
  (cl-remove-if-not (lambda (diagnostic)
                      (string-match-p "conflict" (flymake-diagnostic-text diagnostic)))
                    (flymake-diagnostics)))

(defun act (pattern)
  "Choose the code action at point whose title matches PATTERN, as a person does."
  (cl-letf (((symbol-function 'completing-read)
             (lambda (_prompt choices &rest _)
               (or (cl-find-if (lambda (title) (string-match-p pattern title))
                               (mapcar (lambda (choice) (if (consp choice) (car choice) choice))
                                       choices))
                   (fail (concat "there is a code action " pattern) choices)))))
    (let ((last-nonmenu-event t))
      (call-interactively #'eglot-code-actions))))

(defun by-the-file ()
  "Connect and disconnect by the actions of `towline.yaml' alone."
  (put-file (concat shop "towline.yaml")
            (format "target: local:%s\nsync:\n  - from: .\n    to: /app\n"
                    (directory-file-name there)))
  (delete-directory (concat there "app") t)
  (with-current-buffer (find-file-noselect (concat shop "towline.yaml"))
    (switch-to-buffer (current-buffer))
    (check "towline.yaml has a server" (eglot-current-server) major-mode)
    (act "Connect as this file says")
    (check "the action connects" (file-exists-p (concat there "app/towline.yaml")))
    (act "Disconnect")
    (check "and another one disconnects"
           (null (plist-get (execute 'towline.status) :target)) (execute 'towline.status))
    (set-buffer-modified-p nil)))

(defun journey ()
  "All of it, in the order of the day."
  (with-current-buffer (find-file-noselect (concat shop "notes.txt"))
    (switch-to-buffer (current-buffer))
    (apply #'eglot (eglot--guess-contact))
    (check "the server runs" (eglot-current-server))
    (check "its project is the workspace"
           (equal (file-name-as-directory (project-root (eglot--project (eglot-current-server))))
                  shop))

    (let ((status (execute 'towline.up
                           `(:target ,(concat "local:" (directory-file-name there))
                             :sync [".:/app"]))))
      (check "towline.up answers with the status"
             (equal (plist-get (plist-get status :readiness) :state) "ready") status))
    (check "what is here is there" (equal (content-of (concat there "app/notes.txt")) "one\ntwo\nthree\n"))

    (goto-char (point-max))
    (insert "four\n")
    (save-buffer)
    (eventually "a saved file arrives"
                (lambda () (equal (content-of (concat there "app/notes.txt")) "one\ntwo\nthree\nfour\n")))

    (execute 'towline.sync.wait)
    (execute 'towline.sync.pause)
    (put-file (concat shop "notes.txt") "one\nmine\nthree\n")
    (put-file (concat there "app/notes.txt") "one\ntheirs\nthree\n")
    (revert-buffer t t t)
    (execute 'towline.sync.resume)
    (let ((found (eventually "a conflict is a diagnostic" #'conflicts)))
      (goto-char (flymake-diagnostic-beg (car found)))
      (check "it stands at the line that differs" (= (line-number-at-pos) 2) (line-number-at-pos)))

    (act "keep mine")
    (eventually "the code action keeps mine"
                (lambda () (equal (content-of (concat there "app/notes.txt")) "one\nmine\nthree\n")))
    (eventually "the diagnostic is gone" (lambda () (null (conflicts))))

    (check "a command that fails says why"
           (string-match-p
            "no-such-path"
            (condition-case problem
                (progn (execute 'towline.sync.resolve '(:path "no-such-path" :keep "local")) "")
              (error (format "%S" problem)))))
    (let ((answer (execute 'towline.exec '(:argv ["echo" "hello"]))))
      (check "towline.exec gives the output" (equal (plist-get answer :stdout) "hello\n") answer))
    (let ((answer (execute 'towline.down)))
      (check "towline.down tells what ended" (> (length (plist-get answer :ended)) 0) answer))
    (by-the-file)
    (eglot-shutdown (eglot-current-server))))

(condition-case problem (journey)
  (error (fail "no error on the way" problem)))

(princ (format "\n%d passed, 0 failed\n" passed))
(kill-emacs 0)

;;; eglot.el ends here

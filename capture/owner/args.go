package owner

import (
	"bytes"
	"path"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"
)

// redacted stands for a secret, or for what may be one.
const redacted = "[redacted]"

// more stands at the end of arguments that were cut.
const more = "…"

// parseArgs reads /proc/PID/cmdline, or the beginning of it: without secrets, within the bounds.
func parseArgs(cmdline []byte) []string {
	cmdline = bytes.TrimRight(cmdline, "\x00")
	if len(cmdline) == 0 {
		return nil
	}
	var args []string
	for a := range bytes.SplitSeq(cmdline, []byte{0}) {
		args = append(args, string(a))
	}
	return boundArgs(redact(args))
}

// boundArgs cuts arguments to maxArgs bytes in all, each counted with the blank behind it, and maxArgCount in number.
func boundArgs(args []string) []string {
	left := maxArgs
	for i, a := range args {
		last := i == len(args)-1
		if left -= len(a) + 1; left >= len(more)+1 && i < maxArgCount-1 || left >= 0 && last && i < maxArgCount {
			continue
		}
		left += len(a) + 1
		keep := max(0, min(len(a), left-len(more)-1))
		for keep > 0 && keep < len(a) && !utf8.RuneStart(a[keep]) {
			keep--
		}
		return append(slices.Clip(args[:i]), strings.Clone(a[:keep])+more)
	}
	return args
}

// The names of what is secret. They are looked for anywhere in the name of a flag, a variable, a parameter or a header.
const secretNames = `pass(?:word|wd|phrase|code|in|out)?|pwd|secret|token|credential|api[-_]?key|access[-_]?key|private[-_]?key|authorization|cookie|bearer|psk`

var (
	secretFlag = regexp.MustCompile(`(?i)^-.*(?:` + secretNames + `)`)
	// secretFile is the name of a flag whose value is no secret, but says where one is.
	secretFile = regexp.MustCompile(`(?i)[-_](?:file|path|dir)$`)
	// assignment is a secret's name and what stands before its value: "password=", "Authorization: ", "--token ", "auth=(".
	assignment = regexp.MustCompile(`(?i)(?:(?:` + secretNames + `)[\w.-]*["']?(?:\s*[=:]\s*|\s+)|\bauth["']?\s*[=:]\s*)`)
	userinfo   = regexp.MustCompile(`://\S*@`)
	// opaque is what only a machine would write: a JSON web token, a key in PEM, long base64 or hex.
	opaque = regexp.MustCompile(`eyJ[\w.-]{8,}|-----BEGIN|[A-Za-z0-9+_-]{40,}={0,2}`)
)

// credentialFlags are followed by user:password.
var credentialFlags = []string{"-u", "-U", "--user", "-user", "--proxy-user", "--new-user"}

// headerFlags are followed by a header, whose name may be shown.
var headerFlags = []string{"-H", "--header", "-header", "-rpc-header", "-reflect-header", "--proxy-header"}

// bodyFlags are followed by what is sent, which is nobody's business. The short ones mean other things to other programs than senders.
var bodyFlags = regexp.MustCompile(`^--?(?:data(?:-\w+)*|json|form(?:-\w+)?|post-data|body-data|url-query|d)$`)

// curlValues are the short flags of curl that take a value, which is what follows in the same argument, or else the next one.
const curlValues = "AbcCdDeEFhHKmoPQrtTuUwxXyYz"

// senders are the programs that take a body on the command line.
var senders = []string{"curl", "wget", "grpcurl", "http", "https", "xh", "ghz"}

// writes are the subcommands of etcdctl whose second argument is a value to be stored.
var writes = []string{"put", "set", "mk", "update"}

// redactor goes through the arguments of one command.
type redactor struct {
	program string
	hide    func(string) string // the next argument is the value of a flag
	keyed   int                 // etcdctl: 1 when the key comes next, 2 when a value does
	user    bool                // etcdctl user
}

// redact takes secrets, and what may be secrets, out of a command's arguments. It would rather take too much.
func redact(args []string) []string {
	out := make([]string, 0, len(args))
	var r redactor
	for i, a := range args {
		if i == 0 {
			r.program = path.Base(a)
		}
		out = append(out, r.argument(a, i == 0))
	}
	return out
}

func (r *redactor) argument(a string, isProgram bool) string {
	if hide := r.hide; hide != nil {
		r.hide = nil
		return hide(a)
	}
	if !isProgram && strings.ContainsAny(a, " \t\r\n") {
		return script(a)
	}
	switch name, value, given := strings.Cut(a, "="); {
	case strings.HasPrefix(a, "-") && len(a) > 1:
		if hide := r.flag(name); hide != nil {
			if !given {
				r.hide = hide
				return a
			}
			return name + "=" + hide(value)
		}
		return r.short(a)
	case isProgram:
		return scrub(a)
	}
	return r.positional(a)
}

// flag says how the value of a flag is shown; nil: as it is.
func (r *redactor) flag(name string) func(string) string {
	switch {
	case slices.Contains(credentialFlags, name), slices.Contains(headerFlags, name), r.program == "curl" && (name == "--cert" || name == "--proxy-cert"):
		return afterColon
	case secretFile.MatchString(name):
		return nil
	case secretFlag.MatchString(name), slices.Contains(senders, r.program) && bodyFlags.MatchString(name):
		return hidden
	}
	return nil
}

// short shows a group of short flags, such as curl's -sku root:secret, -uroot:secret and -HX-Key:secret.
func (r *redactor) short(a string) string {
	at := strings.IndexAny(a, curlValues)
	if at < 0 || a[1] == '-' || r.program != "curl" {
		return scrub(a)
	}
	hide := scrub
	switch a[at] {
	case 'u', 'U', 'E', 'H':
		hide = afterColon
	case 'b', 'd', 'F':
		hide = hidden
	}
	if at == len(a)-1 {
		r.hide = hide
		return a
	}
	return a[:at+1] + hide(a[at+1:])
}

// positional is an argument that belongs to no flag.
func (r *redactor) positional(a string) string {
	if r.program != "etcdctl" {
		return scrub(a)
	}
	switch {
	case r.keyed == 1:
		r.keyed = 2
		return scrub(a)
	case r.keyed == 2:
		return redacted
	case r.user:
		return afterColon(a)
	case slices.Contains(writes, a):
		r.keyed = 1
	case a == "user":
		r.user = true
	}
	return scrub(a)
}

func hidden(string) string { return redacted }

// afterColon shows who, and not the password.
func afterColon(a string) string {
	name, _, ok := strings.Cut(a, ":")
	if !ok {
		return scrub(a)
	}
	return name + ":" + redacted
}

// script is an argument that is a command itself, or several. From the first secret on nothing of it is shown, for where that ends is
// known to shells alone.
func script(a string) string {
	fields := strings.FieldsFunc(a, func(c rune) bool { return strings.ContainsRune(" \t\r\n;|&", c) })
	var r redactor
	at := 0
	for _, f := range fields {
		at += strings.Index(a[at:], f)
		bare := strings.Trim(f, `"'()`+"`$")
		if base := path.Base(bare); base == "etcdctl" || slices.Contains(senders, base) {
			r = redactor{program: base}
		}
		if bare != "" && r.argument(bare, false) != bare {
			return a[:at] + redacted
		}
		at += len(f)
	}
	return scrub(a)
}

// scrub takes out of any text what looks like a secret.
func scrub(a string) string {
	if m := assignment.FindStringIndex(a); m != nil && !secretFile.MatchString(strings.TrimRight(a[:m[1]], "=: \t\"'")) {
		a = a[:m[1]] + redacted
	}
	a = userinfo.ReplaceAllString(a, "://"+redacted+"@")
	return opaque.ReplaceAllString(a, redacted)
}

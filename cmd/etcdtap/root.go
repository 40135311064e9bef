package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"unicode/utf8"

	"github.com/spf13/cobra"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"golang.org/x/term"

	"github.com/etcdtap/etcdtap/capture"
	"github.com/etcdtap/etcdtap/capture/owner"
)

// Exit statuses, as `etcdtap --help` documents them.
const (
	exitOK       = 0
	exitFailure  = 1 // could not open, could not write
	exitUsage    = 2
	exitFindings = 3 // a finding of severity error, where --exit-code asked
)

// usageError is a mistake on the command line. hint is the next command to run.
type usageError struct {
	err  error
	hint string
}

func (e *usageError) Error() string { return e.err.Error() }
func (e *usageError) Unwrap() error { return e.err }

// errFindings asks for exit status 3 without a message: the findings are the message.
var errFindings = errors.New("findings of severity error")

// environment is what a command may touch of the world.
type environment struct {
	env            []string
	stdin          io.Reader
	stdout, stderr io.Writer
	log            *zap.Logger // diagnostics, to stderr
	verbose        bool
}

// getenv looks a variable up.
func (e *environment) getenv(name string) string {
	for _, kv := range slices.Backward(e.env) {
		if v, ok := strings.CutPrefix(kv, name+"="); ok {
			return v
		}
	}
	return ""
}

// terminal returns the size of w when it is a terminal.
func terminal(w any) (width int, ok bool) {
	f, isFile := w.(*os.File)
	if !isFile || !term.IsTerminal(int(f.Fd())) {
		return 0, false
	}
	width, _, err := term.GetSize(int(f.Fd()))
	return width, err == nil
}

// newLogger writes one line per message: "warning: text  key=value".
func newLogger(w io.Writer, verbose bool) *zap.Logger {
	level := zapcore.WarnLevel
	if verbose {
		level = zapcore.DebugLevel
	}
	encoder := zapcore.NewConsoleEncoder(zapcore.EncoderConfig{
		MessageKey: "msg", LevelKey: "level", ConsoleSeparator: " ",
		EncodeLevel: func(l zapcore.Level, e zapcore.PrimitiveArrayEncoder) { e.AppendString("etcdtap: " + l.String() + ":") },
	})
	return zap.New(zapcore.NewCore(encoder, zapcore.AddSync(harmlessWriter{w}), level))
}

// run executes the command line args and returns the exit status.
func run(ctx context.Context, args, env []string, stdin io.Reader, stdout, stderr io.Writer) int {
	if len(args) > 0 && args[0] == owner.Argument { // the child process that finds the owners of connections
		if err := owner.Serve(); err != nil {
			fmt.Fprintf(stderr, "etcdtap: %v\n", err)
			return exitFailure
		}
		return exitOK
	}
	e := &environment{env: env, stdin: stdin, stdout: stdout, stderr: stderr, log: zap.NewNop()}
	root := newRoot(e)
	root.SetArgs(args)
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	checkBuiltin(root)
	err := root.ExecuteContext(ctx)
	var usage *usageError
	var path *fs.PathError
	switch {
	case err == nil:
		return exitOK
	case errors.Is(err, errFindings):
		return exitFindings
	case errors.Is(err, syscall.EPIPE): // the reader of our output, `head` say, has gone
		return exitOK
	case errors.As(err, &usage):
		fmt.Fprintf(stderr, "etcdtap: %s\n", harmless(err.Error()))
		if usage.hint != "" {
			fmt.Fprintf(stderr, "%s\n", harmless(usage.hint))
		}
		return exitUsage
	case errors.As(err, &path) && path.Op == "write" && path.Path == os.Stdout.Name():
		err = fmt.Errorf("the output cannot be written: %w; send it to where there is room (df -h)", path.Err)
	}
	fmt.Fprintf(stderr, "etcdtap: %s\n", harmless(err.Error()))
	return exitFailure
}

// harmless escapes what a terminal would obey in a message: it may name a file out of a configuration, or quote one.
func harmless(s string) string {
	if !strings.ContainsFunc(s, obeyed) && utf8.ValidString(s) {
		return s
	}
	var b strings.Builder
	for _, r := range strings.ToValidUTF8(s, "\ufffd") {
		if obeyed(r) {
			q := strconv.QuoteRuneToASCII(r)
			b.WriteString(q[1 : len(q)-1])
			continue
		}
		b.WriteRune(r)
	}
	return b.String()
}

// harmlessWriter escapes in each message what harmless does.
type harmlessWriter struct{ w io.Writer }

func (h harmlessWriter) Write(p []byte) (int, error) {
	if _, err := io.WriteString(h.w, harmless(string(p))); err != nil {
		return 0, err
	}
	return len(p), nil
}

// obeyed reports whether r is not simply shown. Lines of a message end as they do.
func obeyed(r rune) bool { return r != '\n' && r != '\t' && !strconv.IsPrint(r) }

func newRoot(e *environment) *cobra.Command {
	root := &cobra.Command{
		Use:   "etcdtap",
		Short: "Say why TLS to etcd failed",
		Long: `etcdtap says why a TLS connection to etcd failed: who rejected whom, why, how sure
that is, and what to do. It reads captures and logs, asks servers, compares certificates and
configuration; it is never a man in the middle.

Exit status: 0 clean, 1 a failure of etcdtap's own, 2 wrong usage,
3 (only with --exit-code) at least one finding of severity error.`,
		Example: `  etcdtap demo                         see what it does, on a real capture
  etcdtap read incident.pcapng         read a capture file
  etcdtap capture                      watch live traffic
  etcdtap proxy --help                 watch without privileges, by passing traffic through
  journalctl -u etcd | etcdtap explain explain etcd's log
  etcdtap probe 10.0.0.1:2379          make the handshake and say what came of it
  etcdtap check                        compare configuration and certificates
  etcdtap explain grpc-to-peer-port    what a finding means`,
		SuggestionsMinimumDistance: 2,
		SilenceErrors:              true,
		SilenceUsage:               true,
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error {
			e.log = newLogger(e.stderr, e.verbose)
			return noEmptyLists(cmd.Flags())
		},
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return &usageError{fmt.Errorf("there is no command %q", args[0]), unknownHint(cmd, args[0])}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.PersistentFlags().BoolVarP(&e.verbose, "verbose", "v", false, "say on standard error what is being done")
	root.SetFlagErrorFunc(flagError)
	root.AddCommand(newRead(e), newCapture(e), newProxy(e), newDemo(e), newExplain(e), newCheck(e), newProbe(e), newVersion(e))
	root.AddCommand(docsCommands(e)...)
	return root
}

// checkBuiltin has cobra's own commands, help and completion, refuse what they do not know, as ours do. They take root's streams as they are.
func checkBuiltin(root *cobra.Command) {
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd()
	for _, c := range root.Commands() {
		switch c.Name() {
		case "help":
			c.Args = func(_ *cobra.Command, args []string) error {
				if _, rest, err := root.Find(args); err != nil || len(rest) > 0 {
					return &usageError{fmt.Errorf("there is no command %q", strings.Join(args, " ")), unknownHint(root, args[0])}
				}
				return nil
			}
		case "completion":
			c.Args = arguments(0, 0, "the name of a shell (bash, fish, powershell or zsh)")
			c.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
			for _, shell := range c.Commands() {
				shell.Args = arguments(0, 0, "no arguments")
			}
		}
	}
}

// unknownHint guesses what was meant.
func unknownHint(cmd *cobra.Command, word string) string {
	if s := cmd.SuggestionsFor(word); len(s) > 0 {
		return "did you mean 'etcdtap " + s[0] + "'? Run 'etcdtap --help' for all commands"
	}
	if info, err := os.Stat(word); err == nil && info.Mode().IsRegular() {
		f, err := capture.Open(word, nil)
		if err != nil {
			return "to explain a log: etcdtap explain " + word
		}
		f.Close()
		return "to read a capture file: etcdtap read " + word
	}
	return "run 'etcdtap --help' for all commands"
}

// arguments makes a check of the number of arguments whose error is a usage error.
func arguments(least, most int, what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) < least || most >= 0 && len(args) > most {
			got := "none"
			if len(args) > 0 {
				got = fmt.Sprintf("%q", args)
			}
			return &usageError{fmt.Errorf("%s takes %s, got %s", cmd.CommandPath(), what, strings.Trim(got, "[]")),
				"run '" + cmd.CommandPath() + " --help' for an example"}
		}
		return nil
	}
}

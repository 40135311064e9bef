package main

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/etcdtap/etcdtap/analysis"
	"github.com/etcdtap/etcdtap/analysis/report"
)

// flagError says of a flag that cannot be taken what it expects.
func flagError(cmd *cobra.Command, err error) error {
	hint := "run '" + cmd.CommandPath() + " --help' for its flags and an example"
	var invalid *pflag.InvalidValueError
	var unknown *pflag.NotExistError
	switch {
	case errors.As(err, &invalid):
		err = fmt.Errorf("%s expects %s, got %q", flagName(invalid.GetFlag()), expected(invalid), invalid.GetValue())
		if invalid.GetFlag().Name == "pid" { // --pid $(pgrep -x etcd), where there is none
			hint = "find etcd's with: pgrep -x etcd"
		}
	case errors.As(err, &unknown) && !cmd.HasParent():
		if c, _, notFound := cmd.Find([]string{unknown.GetSpecifiedName()}); notFound == nil && c != cmd {
			hint = "did you mean '" + c.CommandPath() + "'? Run 'etcdtap --help' for all commands"
		}
	}
	return &usageError{err, hint}
}

// flagName is a flag as one types it.
func flagName(f *pflag.Flag) string {
	if f.Shorthand != "" {
		return "-" + f.Shorthand + ", --" + f.Name
	}
	return "--" + f.Name
}

// expected says what a flag takes whose value is of another type.
func expected(e *pflag.InvalidValueError) string {
	switch e.GetFlag().Value.Type() {
	case "bool":
		return "true or false"
	case "duration":
		return "a time with its unit, such as 90s, 5m or 1h30m"
	case "int", "int64":
		if errors.Is(e, strconv.ErrRange) {
			return "a smaller number"
		}
		return "a whole number"
	case "uintSlice":
		return "a port from 1 to 65535"
	}
	return "one value, or several with commas between them"
}

// noEmptyLists refuses a flag that was given without a value, as of a variable that is not set, where that would be as if it had not been
// given at all: who wants one host does not want all.
func noEmptyLists(fl *pflag.FlagSet) (err error) {
	fl.Visit(func(f *pflag.Flag) {
		none := f.Name == "pki" || f.Name == "alpn" // '' has a meaning of its own
		if f.Value.Type() == "stringSlice" && f.Value.String() == "[]" && !none && err == nil {
			kind, _ := pflag.UnquoteUsage(f)
			err = &usageError{fmt.Errorf(`%s expects a value (%s), got ""`, flagName(f), kind), "leave it out for none"}
		}
	})
	return err
}

// portFlags say which ports are etcd's.
type portFlags struct {
	client, peer, metrics []uint
}

func (f *portFlags) register(fl *pflag.FlagSet) {
	fl.UintSliceVar(&f.client, "client-port", []uint{2379}, "`port` of etcd's client API; repeatable, replaces the default")
	fl.UintSliceVar(&f.peer, "peer-port", []uint{2380}, "`port` of etcd's peers; repeatable, replaces the default")
	fl.UintSliceVar(&f.metrics, "metrics-port", []uint{2381}, "`port` of etcd's metrics; repeatable, replaces the default")
}

func (f *portFlags) expectations() (x analysis.Expectations, err error) {
	for _, p := range []struct {
		flag string
		from []uint
		to   *[]uint16
	}{{"client-port", f.client, &x.ClientPorts}, {"peer-port", f.peer, &x.PeerPorts}, {"metrics-port", f.metrics, &x.MetricsPorts}} {
		if *p.to, err = ports(p.flag, p.from); err != nil {
			return x, err
		}
	}
	for _, p := range x.ClientPorts {
		if slices.Contains(x.PeerPorts, p) {
			return x, &usageError{fmt.Errorf("--client-port and --peer-port expect different ports, got %d for both", p), "a port has one role: leave it out of one of the two"}
		}
	}
	return x, nil
}

// ports checks port numbers.
func ports(flag string, list []uint) ([]uint16, error) {
	out := make([]uint16, 0, len(list))
	for _, p := range list {
		if p == 0 || p > 65535 {
			return nil, &usageError{fmt.Errorf("--%s expects a port from 1 to 65535, got %d", flag, p), "for example --" + flag + " 2379"}
		}
		out = append(out, uint16(p))
	}
	return out, nil
}

// formatFlags say how output looks.
type formatFlags struct {
	output, color string
}

func (f *formatFlags) register(fl *pflag.FlagSet) {
	fl.StringVarP(&f.output, "output", "o", "text", "`format`: text or json (one object per line, see docs/json.md)")
	fl.StringVar(&f.color, "color", "auto", "`when` to colour: auto (on a terminal, unless NO_COLOR is set), always, never")
}

// check rejects values that do not exist.
func (f *formatFlags) check() error {
	if err := oneOf("output", f.output, "text", "json"); err != nil {
		return err
	}
	return oneOf("color", f.color, "auto", "always", "never")
}

// number is the value of a flag that has bounds.
type number struct {
	flag               string
	value, least, most int64
}

// checkNumbers refuses what is out of bounds.
func checkNumbers(command string, list ...number) error {
	hint := "run 'etcdtap " + command + " --help' for its flags and an example"
	for _, n := range list {
		if n.value < n.least {
			return &usageError{fmt.Errorf("%s expects at least %d, got %d", n.flag, n.least, n.value), hint}
		}
		if n.value > n.most {
			return &usageError{fmt.Errorf("%s expects at most %d, got %d", n.flag, n.most, n.value), hint}
		}
	}
	return nil
}

// span is the value of a flag that is a time, where zero is none.
type span struct {
	flag  string
	value time.Duration
}

// notNegative refuses times below zero.
func notNegative(list ...span) error {
	for _, s := range list {
		if s.value < 0 {
			return &usageError{fmt.Errorf("--%s expects a time from 0 on, got %s", s.flag, s.value), "for example --" + s.flag + " 5m"}
		}
	}
	return nil
}

// checkMetricsAddress refuses what is no HOST:PORT; "" is no metrics.
func checkMetricsAddress(addr string) error {
	if addr == "" {
		return nil
	}
	_, port, err := net.SplitHostPort(addr)
	if err == nil {
		_, err = net.LookupPort("tcp", port)
	}
	if err != nil || port == "" {
		return &usageError{fmt.Errorf("--metrics expects HOST:PORT or :PORT, got %q", addr), "for example --metrics 127.0.0.1:9379"}
	}
	return nil
}

// oneOf is the error for a flag whose value is none of those allowed.
func oneOf(flag, value string, allowed ...string) error {
	if slices.Contains(allowed, value) {
		return nil
	}
	return &usageError{fmt.Errorf("--%s expects one of %s, got %q", flag, strings.Join(allowed, ", "), value), "run the command with --help for what each does"}
}

// text are the options of text output on this standard output.
func (f *formatFlags) text(e *environment) report.TextOptions {
	width, tty := terminal(e.stdout)
	return report.TextOptions{
		Color: f.color == "always" || f.color == "auto" && tty && e.getenv("NO_COLOR") == "" && e.getenv("TERM") != "dumb",
		Width: width,
	}
}

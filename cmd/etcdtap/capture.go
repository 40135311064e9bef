package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/etcdtap/etcdtap/analysis"
	"github.com/etcdtap/etcdtap/capture"
	"github.com/etcdtap/etcdtap/capture/live"
)

// captureFlags are the flags of `etcdtap capture`, as given. The short ones mean what they mean to tcpdump.
type captureFlags struct {
	etcd           portFlags
	deploy         deployFlags
	list           bool
	interfaces     []string
	noPromiscuous  bool
	buffer         int // KiB
	snapLen        int
	filterFile     string
	netns          string
	numeric        bool
	count          int64
	duration       time.Duration
	write          writeFlags
	user           string
	all            bool
	logs           []string
	keylogs        []string
	processes      bool
	metrics        string
	statistics     time.Duration
	idle           time.Duration
	maxConnections int
	out            outputFlags
}

// writeFlags say what is written where.
type writeFlags struct {
	name       string
	handshakes bool
	unbuffered bool
	size       int // millions of bytes
	every      int // seconds
	files      int
}

func (f *writeFlags) register(fl *pflag.FlagSet) {
	f.registerPlain(fl)
	fl.BoolVar(&f.handshakes, "write-handshakes", false, "write only what diagnosis needs: handshakes, first bytes and ends of connections")
}

// registerPlain leaves out what packets alone need.
func (f *writeFlags) registerPlain(fl *pflag.FlagSet) {
	fl.StringVarP(&f.name, "write", "w", "", "write the packets to this `file`, too, as pcapng; - is standard output, and findings go to standard error then")
	fl.BoolVarP(&f.unbuffered, "packet-buffered", "U", false, "write each packet to the file at once")
	fl.IntVarP(&f.size, "rotate-size", "C", 0, "begin another file when this one is larger than so many `millions` of bytes: NAME, NAME1, NAME2, ...")
	fl.IntVarP(&f.every, "rotate-seconds", "G", 0, "begin another file every so many `seconds`; strftime(3) conversions in the name say which")
	fl.IntVarP(&f.files, "rotate-files", "W", 0, "with -C keep this `number` of files and overwrite the oldest; with -G end after so many")
}

func newCapture(e *environment) *cobra.Command {
	var f captureFlags
	cmd := &cobra.Command{
		Use:   "capture [FILTER EXPRESSION]",
		Short: "Watch live traffic and say what goes wrong",
		Long: `Capture live traffic of etcd's ports and say of each connection, as soon as its fate is known,
whether its TLS handshake succeeded, and if not, who rejected whom, why, how sure that is,
and what to do. Nothing is ever sent.

It needs CAP_NET_RAW. As soon as the interfaces are open, every other privilege is given up,
root included. Ctrl-C or SIGTERM ends it with a summary; SIGUSR1 prints statistics.

What is the same as a moment ago is counted, not shown again ("17 more from 10.0.0.7 in 60 s");
-o json has every connection.

Filter expressions are those of tcpdump and need the build with libpcap; without one, etcd's
ports are captured, as --client-port, --peer-port, --metrics-port, --etcd-config or --pid say.`,
		Example: `  etcdtap capture
  etcdtap capture -i eth0 --problems --log /var/log/etcd.log
  journalctl -f -u etcd | etcdtap capture --log -
  etcdtap capture -w etcd.pcapng --write-handshakes -C 50 -W 10
  etcdtap capture -i eth0 'host 10.0.0.7 and tcp port 2380'
  etcdtap capture --pid $(pgrep -x etcd)`,
		RunE: func(cmd *cobra.Command, args []string) error { return e.capture(cmd.Context(), args, &f) },
	}
	fl := cmd.Flags()
	fl.BoolVarP(&f.list, "list-interfaces", "D", false, "list the interfaces, and end")
	fl.StringSliceVarP(&f.interfaces, "interface", "i", nil, "`interface` to capture from; repeatable; any (the default) is all of them")
	fl.BoolVarP(&f.noPromiscuous, "no-promiscuous-mode", "p", false, "only packets that are addressed to this host")
	fl.IntVarP(&f.buffer, "buffer-size", "B", 16<<10, "size of the kernel's buffer of each interface, in `KiB`")
	fl.IntVarP(&f.snapLen, "snapshot-length", "s", 0, "capture this many `bytes` of each packet; 0 is all. Certificates need all")
	fl.StringVarP(&f.filterFile, "filter-file", "F", "", "read the filter expression from this `file`")
	fl.StringVar(&f.netns, "netns", "", "capture in the network namespace with this `path` (/run/netns/NAME, /proc/PID/ns/net)")
	fl.BoolVarP(&f.numeric, "numeric", "n", false, "accepted, for tcpdump's users: names are never looked up")
	fl.Int64VarP(&f.count, "count", "c", 0, "end after this `number` of packets")
	fl.DurationVar(&f.duration, "duration", 0, "end after this `time`")
	f.write.register(fl)
	fl.StringVarP(&f.user, "relinquish-privileges", "Z", "", "become this `user` once the interfaces are open; root's default is nobody. 'root' keeps the user, without any capability")
	f.etcd.register(fl)
	f.deploy.register(fl)
	fl.Lookup("pid").Usage = "capture in the network namespace of the running etcd with this process `id`, and take the configuration from its command line"
	fl.BoolVar(&f.all, "all", false, "show every TCP connection that is captured, not only etcd's ports and TLS")
	fl.StringSliceVar(&f.logs, "log", nil, "follow etcd's log `file` and join its rejections with their connections; - is standard input; repeatable")
	fl.StringSliceVar(&f.keylogs, "keylog", nil, "key log `file` (SSLKEYLOGFILE), which may grow, to decrypt handshakes and alerts with; repeatable")
	fl.BoolVar(&f.processes, "processes", true, "name the process that opened a connection, where it is on this host")
	fl.StringVar(&f.metrics, "metrics", "", "serve Prometheus metrics and /healthz at this `address`, such as 127.0.0.1:9379")
	fl.DurationVar(&f.statistics, "statistics", time.Minute, "say this often how the work goes; 0 is never")
	fl.DurationVar(&f.idle, "idle-timeout", time.Hour, "give a connection up after this `time` without a packet")
	fl.IntVar(&f.maxConnections, "max-connections", 1_000_000, "`number` of unfinished connections kept at most; the longest idle is given up first")
	f.out.registerLive(fl)
	return cmd
}

// capture is the command.
func (e *environment) capture(ctx context.Context, args []string, f *captureFlags) error {
	if f.list {
		return e.listInterfaces(f)
	}
	if err := f.check(args); err != nil {
		return err
	}
	expression, err := f.expression(args)
	if err != nil {
		return err
	}
	if expression != "" && capture.HasPcap {
		if _, err := capture.NewFilter(expression); err != nil {
			if f.filterFile != "" { // what is in it may be a secret, when it is the wrong file
				err = fmt.Errorf("the filter expression in %s: %w", f.filterFile, errors.Unwrap(err))
			}
			return &usageError{err, "for example 'host 10.0.0.7 and tcp port 2380'; see pcap-filter(7)"}
		}
	}
	x, err := f.etcd.expectations()
	if err != nil {
		return err
	}
	if err := e.expect(&f.deploy, &x); err != nil {
		return err
	}
	return e.watch(ctx, f, x, expression)
}

// check refuses what cannot be meant.
func (f *captureFlags) check(args []string) error {
	if err := f.out.check(); err != nil {
		return err
	}
	if err := checkNumbers("capture", number{"-c", f.count, 0, math.MaxInt64}, number{"-B", int64(f.buffer), 1, live.MaxBuffer >> 10},
		number{"-s", int64(f.snapLen), 0, live.MaxSnapLen}, number{"--max-connections", int64(f.maxConnections), 1, math.MaxInt64}); err != nil {
		return err
	}
	if err := notNegative(span{"duration", f.duration}, span{"statistics", f.statistics}); err != nil {
		return err
	}
	if f.idle <= 0 {
		return &usageError{fmt.Errorf("--idle-timeout expects a time above zero, got %v", f.idle), "for example --idle-timeout 5m"}
	}
	if err := checkMetricsAddress(f.metrics); err != nil {
		return err
	}
	if f.filterFile != "" && len(args) > 0 {
		return &usageError{errors.New("-F expects the filter expression in a file, got one on the command line, too"), "leave one of them out"}
	}
	return f.write.check("capture")
}

func (f *writeFlags) check(command string) error {
	if err := checkNumbers(command, number{"-C", int64(f.size), 0, math.MaxInt32}, number{"-G", int64(f.every), 0, math.MaxInt32},
		number{"-W", int64(f.files), 0, math.MaxInt32}); err != nil {
		return err
	}
	if f.name == "" && (f.size|f.every|f.files != 0 || f.unbuffered || f.handshakes) {
		names, example := "-C, -G, -W, -U and --write-handshakes", "-w etcd.pcapng --write-handshakes"
		if command == "proxy" {
			names, example = "-C, -G, -W and -U", "-w etcd.pcapng"
		}
		return &usageError{fmt.Errorf("%s say how packets are written, but -w is missing", names), "for example " + example}
	}
	if f.name == "-" && f.size|f.every != 0 {
		return &usageError{errors.New("-w - is standard output, which cannot be rotated with -C or -G"), "name a file: -w etcd.pcapng"}
	}
	if f.files != 0 && f.size|f.every == 0 {
		return &usageError{errors.New("-W counts the files of -C or -G, and neither is given"), "for example -C 50 -W 10"}
	}
	return nil
}

// makesMore reports whether there will be files of other names than the first one's.
func (f *writeFlags) makesMore() bool {
	return f.name != "" && (f.size > 0 && f.files != 1 || f.every > 0 && strings.Contains(f.name, "%"))
}

// checkLater finds out whether later files can be made, once we are who makes them: better now than in a week.
func (f *writeFlags) checkLater() error {
	if !f.makesMore() {
		return nil
	}
	dir := filepath.Dir(f.name)
	if err := mayCreateIn(dir); err != nil {
		who := whoWeAre()
		return fmt.Errorf("-C and -G make files in %s as the user %s: %w: name a directory that this user may write to (install -d -o %s /var/tmp/etcdtap), or another user with -Z", dir, who, err, who)
	}
	return nil
}

// whoWeAre is our user now, by name where it has one.
func whoWeAre() string {
	uid := strconv.Itoa(os.Geteuid())
	if u, err := user.LookupId(uid); err == nil {
		return u.Username
	}
	return uid
}

// maxFilterFile bounds what is read of -F, in bytes.
const maxFilterFile = 64 << 10

// expression is the filter expression, "" when the ports are the filter.
func (f *captureFlags) expression(args []string) (string, error) {
	if f.filterFile == "" {
		return strings.Join(args, " "), nil
	}
	data, _, err := readBounded(f.filterFile, maxFilterFile)
	if err != nil {
		return "", unreadable("the filter expression from "+f.filterFile, "-F", err)
	}
	return strings.TrimSpace(string(data)), nil
}

// namespace is the path of the network namespace to capture in; "" is our own.
func (f *captureFlags) namespace() string {
	switch {
	case f.netns != "":
		return f.netns
	case f.deploy.pid != 0:
		return "/proc/" + strconv.Itoa(f.deploy.pid) + "/ns/net"
	}
	return ""
}

// listInterfaces is -D, in tcpdump's form.
func (e *environment) listInterfaces(f *captureFlags) error {
	devices, err := live.DevicesIn(f.namespace())
	if err != nil {
		return advised(err)
	}
	for i, d := range devices {
		line := strconv.Itoa(i+1) + "." + analysis.Quote(d.Name)
		var notes []string
		if d.Up {
			notes = append(notes, "Up")
		}
		if d.Running {
			notes = append(notes, "Running")
		}
		if d.Loopback {
			notes = append(notes, "Loopback")
		}
		if d.Description != "" {
			line += " (" + analysis.Quote(d.Description) + ")"
		}
		if len(notes) > 0 {
			line += " [" + strings.Join(notes, ", ") + "]"
		}
		if len(d.Addresses) > 0 {
			line += " " + strings.Join(d.Addresses, ", ")
		}
		if _, err := fmt.Fprintln(e.stdout, line); err != nil {
			return err
		}
	}
	return nil
}

// hostText says where a file was captured.
func hostText() string {
	name, err := os.Hostname()
	if err != nil {
		return ""
	}
	return kernelText() + ", " + name
}

package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/etcdtap/etcdtap/analysis"
	"github.com/etcdtap/etcdtap/proxy"
)

// proxyFlags are the flags of `etcdtap proxy`, as given.
type proxyFlags struct {
	etcd            portFlags
	deploy          deployFlags
	listen          string
	upstream        string
	maps            []string
	mapFile         string
	remote          bool
	acceptProxy     []string
	sendProxy       string
	answerPlaintext bool
	limits          proxy.Limits
	write           writeFlags
	logs            []string
	keylogs         []string
	processes       bool
	metrics         string
	pprof           bool
	statistics      time.Duration
	out             outputFlags
}

func newProxy(e *environment) *cobra.Command {
	var f proxyFlags
	cmd := &cobra.Command{
		Use:   "proxy",
		Short: "Pass TLS through, and say what goes wrong in it",
		Long: `Forward TCP connections byte for byte, and say of each what 'etcdtap capture' would: no privileges,
no packets, no man in the middle. TLS is never terminated and nothing is altered: what one
side sends the other receives, with half-closes and resets.

Point the client at the proxy instead of etcd. What is observed ends with the handshake; then
the kernel forwards alone.

A MAP is LISTEN=UPSTREAM, and may say more after commas: role=client or role=peer where the
upstream's port does not, tls where it is known to speak TLS. Addresses are HOST:PORT,
[IPv6]:PORT or unix:/PATH. SIGHUP reads --map-file again; live connections stay. SIGTERM stops
accepting and lets connections end. Sockets passed by systemd are used for the maps that name
their addresses.`,
		Example: `  etcdtap proxy --listen 127.0.0.1:12379 --upstream 127.0.0.1:2379
  etcdctl --endpoints=https://127.0.0.1:12379 ... endpoint health

  etcdtap proxy --map 127.0.0.1:12379=10.0.0.1:2379 --map 127.0.0.1:12380=10.0.0.1:2380
  etcdtap proxy --listen 127.0.0.1:12379 --upstream etcd-1:2379 --log /var/log/etcd.log -w seen.pcapng`,
		Args: arguments(0, 0, "no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error { return e.proxy(cmd.Context(), &f) },
	}
	fl := cmd.Flags()
	fl.StringVar(&f.listen, "listen", "", "`address` to listen at")
	fl.StringVar(&f.upstream, "upstream", "", "`address` to forward to; a name with several addresses is tried one after the other")
	fl.StringArrayVar(&f.maps, "map", nil, "LISTEN=UPSTREAM[,role=client|peer][,tls]: another `map`; repeatable")
	fl.StringVar(&f.mapFile, "map-file", "", "read maps from this `file`, one a line, and again on SIGHUP")
	fl.BoolVar(&f.remote, "allow-remote", false, "listen at other addresses than loopback: everybody who reaches them reaches etcd through the proxy")
	fl.StringSliceVar(&f.acceptProxy, "accept-proxy", nil, "take a PROXY protocol header (v1 or v2) from senders in this `network`, such as 10.0.0.0/8; repeatable")
	fl.StringVar(&f.sendProxy, "send-proxy", "", "begin each connection to the upstream with a PROXY protocol header of this `version`, v1 or v2")
	fl.BoolVar(&f.answerPlaintext, "answer-plaintext", false, "answer HTTP and gRPC clients without TLS with an error that explains, where the upstream speaks TLS. This alone is not pass-through")
	f.registerLimits(cmd)
	f.write.registerPlain(fl)
	f.etcd.register(fl)
	f.deploy.register(fl)
	fl.StringSliceVar(&f.logs, "log", nil, "follow etcd's log `file` and join its rejections with their connections; - is standard input; repeatable")
	fl.StringSliceVar(&f.keylogs, "keylog", nil, "key log `file` (SSLKEYLOGFILE), which may grow, to decrypt handshakes and alerts with; repeatable")
	fl.BoolVar(&f.processes, "processes", true, "name the process that opened a connection, where it is on this host")
	fl.StringVar(&f.metrics, "metrics", "", "serve Prometheus metrics and /healthz at this `address`, such as 127.0.0.1:9379")
	fl.BoolVar(&f.pprof, "pprof", false, "serve Go's profiles beside the metrics: they show the process's memory")
	fl.DurationVar(&f.statistics, "statistics", time.Minute, "say this often how the work goes; 0 is never")
	f.out.registerLive(fl)
	return cmd
}

func (f *proxyFlags) registerLimits(cmd *cobra.Command) {
	fl, l := cmd.Flags(), &f.limits
	fl.IntVar(&l.Connections, "max-connections", 0, "`number` of connections at a time: then accepting pauses; 0 is 20000, or fewer where descriptors are short")
	fl.IntVar(&l.PerClient, "max-per-client", 0, "`number` of connections at a time from one client address: more are closed at once; 0 is no limit")
	fl.DurationVar(&l.Dial, "dial-timeout", proxy.DefaultDial, "give an upstream's address up after this `time`")
	fl.DurationVar(&l.FirstByte, "first-byte-timeout", proxy.DefaultFirstByte, "close a connection on which neither side has sent a byte for this `time`; 0 is never")
	fl.DurationVar(&l.Idle, "idle-timeout", 0, "close a connection on which nothing has passed for this `time`; 0 is never: a watch may be silent for days")
	fl.Int64Var(&l.ObserveBytes, "observe-bytes", proxy.DefaultObserveBytes, "observe at most so many `bytes` of a connection")
	fl.DurationVar(&l.Drain, "drain-timeout", proxy.DefaultDrain, "at the end, let connections go on for this `time`; 0 closes them at once")
}

// checkedLimits are the limits as flags mean them: 0 is what it says, and not the default.
func (f *proxyFlags) checkedLimits() (proxy.Limits, error) {
	l := f.limits
	for _, n := range []struct {
		flag  string
		value int64
		least int64
	}{{"max-connections", int64(l.Connections), 0}, {"max-per-client", int64(l.PerClient), 0}, {"observe-bytes", l.ObserveBytes, 1}} {
		if n.value < n.least {
			return l, &usageError{fmt.Errorf("--%s expects a number from %d, got %d", n.flag, n.least, n.value), "leave it out for the default: etcdtap proxy --help"}
		}
	}
	if l.Dial <= 0 {
		return l, &usageError{fmt.Errorf("--dial-timeout expects a time above 0, got %s", l.Dial), "for example --dial-timeout 5s"}
	}
	if err := notNegative(span{"first-byte-timeout", l.FirstByte}, span{"idle-timeout", l.Idle}, span{"drain-timeout", l.Drain},
		span{"statistics", f.statistics}); err != nil {
		return l, err
	}
	if l.FirstByte == 0 {
		l.FirstByte = -1 // never, as --idle-timeout 0 is
	}
	if l.Drain == 0 {
		l.Drain = -1 // at once
	}
	return l, nil
}

// proxy is the command.
func (e *environment) proxy(ctx context.Context, f *proxyFlags) error {
	if err := f.out.check(); err != nil {
		return err
	}
	if err := f.write.check("proxy"); err != nil {
		return err
	}
	if err := checkMetricsAddress(f.metrics); err != nil {
		return err
	}
	if f.pprof && f.metrics == "" {
		return &usageError{errors.New("--pprof serves profiles beside the metrics, and --metrics is missing"), "for example --metrics 127.0.0.1:9379 --pprof"}
	}
	limits, err := f.checkedLimits()
	if err != nil {
		return err
	}
	s := &proxy.Server{Limits: limits, AllowRemote: f.remote, AnswerPlaintext: f.answerPlaintext, Log: e.log}
	if s.TrustedProxies, err = networks(f.acceptProxy); err != nil {
		return err
	}
	switch f.sendProxy {
	case "":
	case "v1", "v2":
		s.SendProxy = int(f.sendProxy[1] - '0')
	default:
		return oneOf("send-proxy", f.sendProxy, "v1", "v2")
	}
	if s.Inherited, err = e.inheritedListeners(); err != nil {
		return err
	}
	x, err := f.etcd.expectations()
	if err != nil {
		return err
	}
	if s.Maps, err = f.allMaps(s, &x); err != nil {
		return err
	}
	if err := e.expect(&f.deploy, &x); err != nil {
		return err
	}
	return e.forward(ctx, f, s, x)
}

// networks reads --accept-proxy. An address without a length is itself alone.
func networks(list []string) ([]netip.Prefix, error) {
	var out []netip.Prefix
	for _, s := range list {
		p, err := netip.ParsePrefix(s)
		if err != nil {
			a, addrErr := netip.ParseAddr(s)
			if addrErr != nil {
				return nil, &usageError{fmt.Errorf("--accept-proxy expects a network, got %q", s), "for example --accept-proxy 10.0.0.0/8"}
			}
			p = netip.PrefixFrom(a, a.BitLen())
		}
		out = append(out, p.Masked())
	}
	return out, nil
}

// allMaps are those of the flags, of the file, and of the socket that systemd passed.
func (f *proxyFlags) allMaps(s *proxy.Server, x *analysis.Expectations) ([]proxy.Map, error) {
	list := append([]string(nil), f.maps...)
	switch {
	case f.listen != "" && f.upstream != "":
		list = append(list, f.listen+"="+f.upstream)
	case f.upstream != "" && len(s.Inherited) == 1:
		f.listen = listenText(s.Inherited[0].Addr()) // a reload finds it taken
		list = append(list, f.listen+"="+f.upstream)
	case f.listen != "" || f.upstream != "":
		return nil, &usageError{errors.New("--listen and --upstream go together, got one of them"), "for example --listen 127.0.0.1:12379 --upstream 127.0.0.1:2379"}
	}
	var maps []proxy.Map
	for _, text := range list {
		m, err := parseMap(text, x)
		if err != nil && text == f.listen+"="+f.upstream {
			return nil, &usageError{err, "for example --listen 127.0.0.1:12379 --upstream 127.0.0.1:2379"}
		}
		if err != nil {
			return nil, &usageError{err, "for example --map 127.0.0.1:12380=10.0.0.1:2380"}
		}
		maps = append(maps, m)
	}
	more, err := f.readMapFile(x)
	if err != nil {
		return nil, err
	}
	if maps = append(maps, more...); len(maps) == 0 {
		return nil, &usageError{errors.New("the proxy expects to be told what to forward where, got nothing"), "for example --listen 127.0.0.1:12379 --upstream 127.0.0.1:2379"}
	}
	return maps, nil
}

// parseMap reads LISTEN=UPSTREAM[,role=client|peer][,tls]. Without a role the upstream's port tells it.
func parseMap(text string, x *analysis.Expectations) (proxy.Map, error) {
	parts := strings.Split(text, ",")
	m, err := proxy.ParseMap(parts[0])
	if err != nil {
		return m, err
	}
	m.Role = x.Endpoint(netip.AddrPortFrom(netip.Addr{}, m.Upstream.Port))
	if slices.Contains(parts, "role=client") && slices.Contains(parts, "role=peer") {
		return m, fmt.Errorf("the map %q says role=client and role=peer, expected one of the two", text)
	}
	for _, p := range parts[1:] {
		switch p {
		case "role=client":
			m.Role = analysis.EndpointClient
		case "role=peer":
			m.Role = analysis.EndpointPeer
		case "tls":
			m.TLS = true
		default:
			return m, fmt.Errorf("the map %q says %q after a comma, expected role=client, role=peer or tls", text, p)
		}
	}
	switch ports := m.Upstream.Port; m.Role { // the judgement goes by the port
	case analysis.EndpointClient:
		x.ClientPorts, x.PeerPorts = with(x.ClientPorts, ports), without(x.PeerPorts, ports)
	case analysis.EndpointPeer:
		x.PeerPorts, x.ClientPorts = with(x.PeerPorts, ports), without(x.ClientPorts, ports)
	}
	return m, nil
}

// maxMapFile bounds what is read of --map-file, in bytes.
const maxMapFile = 1 << 20

func (f *proxyFlags) readMapFile(x *analysis.Expectations) ([]proxy.Map, error) {
	if f.mapFile == "" {
		return nil, nil
	}
	data, _, err := readBounded(f.mapFile, maxMapFile)
	if err != nil {
		return nil, unreadable("maps from "+f.mapFile, "--map-file", err)
	}
	var maps []proxy.Map
	n := 0
	for line := range strings.Lines(string(data)) {
		n++
		if line = strings.TrimSpace(line); line == "" || line[0] == '#' {
			continue
		}
		m, err := parseMap(line, x)
		if err != nil {
			return nil, fmt.Errorf("%s, line %d: %w", f.mapFile, n, err)
		}
		maps = append(maps, m)
	}
	return maps, nil
}

package scenario

import (
	"slices"

	"github.com/etcdtap/etcdtap/e2e/lab"
)

// Command lines that many scenarios begin with. A client that would wait for long is given less time than by default.
const (
	withCert   = " --cacert $PKI/ca.crt --cert $PKI/healthcheck-client.crt --key $PKI/healthcheck-client.key "
	grpcurl    = "grpcurl -cacert $PKI/ca.crt -cert $PKI/healthcheck-client.crt -key $PKI/healthcheck-client.key "
	etcdctl    = "etcdctl" + withCert + "--endpoints "
	curl       = "curl -sS -m 5" + withCert
	sClient    = "openssl s_client -CAfile $PKI/ca.crt -cert $PKI/healthcheck-client.crt -key $PKI/healthcheck-client.key "
	clientPort = "127.0.0.1:$CLIENT"
	peerPort   = "127.0.0.1:$PEER"
)

func both() []lab.Program   { return []lab.Program{lab.Etcd35, lab.Etcd37} }
func only35() []lab.Program { return []lab.Program{lab.Etcd35} }
func only37() []lab.Program { return []lab.Program{lab.Etcd37} }

func commands(lines ...string) []Step {
	steps := make([]Step, len(lines))
	for i, line := range lines {
		steps[i] = Step{Command: line}
	}
	return steps
}

// shows is the usual Wire: one outcome and the codes of which one has to come.
func shows(outcome string, codes ...string) Wire {
	return Wire{Outcomes: []string{outcome}, Codes: codes}
}

// hides is what TLS 1.3 leaves of it.
func hides(outcome string, codes ...string) *Wire {
	return &Wire{Outcomes: []string{outcome}, Codes: codes, Hidden: true}
}

// All is every scenario, in the order in which testdata/pcaps/README.md lists them.
func All() []Scenario {
	return slices.Concat(healthy(), plaintext(), certificates(), parameters(), transport(), keyLogs())
}

func healthy() []Scenario {
	return []Scenario{
		{Name: "healthy-etcdctl", Summary: "etcdctl put and get with the right certificates", Setup: Secure, On: both(),
			Steps: commands(etcdctl+clientPort+" put greeting hello", etcdctl+clientPort+" get greeting"),
			Wire:  shows("established")},
		{Name: "healthy-tls12", Summary: "curl held to TLS 1.2, with the right certificates", Setup: Secure, On: only37(),
			Steps: commands(curl + "--tls-max 1.2 https://" + clientPort + "/health"),
			Wire:  shows("established")},
		{Name: "healthy-ecdsa", Summary: "etcd and client with P-256 keys", Setup: Curves, On: both(),
			Steps: commands("curl -sS -m 5 --cacert $PKI/ecdsa/ca.crt --cert $PKI/ecdsa/client.crt --key $PKI/ecdsa/client.key https://" +
				clientPort + "/health"),
			Wire: shows("established")},
		{Name: "healthy-ipv6", Summary: "etcdctl put over IPv6", Setup: IPv6, On: only35(),
			Steps: commands(etcdctl + "[::1]:$CLIENT put greeting hello"),
			Wire:  shows("established")},
		{Name: "healthy-peer-http1", Summary: "curl --http1.1 to the peer port: /version works there", Setup: Secure, On: both(),
			Steps: commands(curl + "--http1.1 https://" + peerPort + "/version"),
			Wire:  shows("established")},
		{Name: "healthy-raft", Summary: "two members find each other and talk raft for two seconds", Setup: Nothing, On: both(),
			Steps: []Step{raftPair()},
			Wire:  shows("established")},
		{Name: "healthy-resumption-tls12", Summary: "openssl s_client takes up its TLS 1.2 session again", Setup: Secure, On: only35(),
			Steps: resumption("-tls1_2"),
			Wire:  shows("established")},
		{Name: "healthy-resumption-tls13", Summary: "openssl s_client takes up its TLS 1.3 session again", Setup: Secure, On: only37(),
			Steps: resumption("-tls1_3"),
			Wire:  shows("established")},
		{Name: "healthy-hello-retry", Summary: "the client offers an X448 key share, Go wants X25519: HelloRetryRequest", Setup: Secure, On: only37(),
			Steps: commands("sleep 1 | " + sClient + "-groups X448:X25519 -connect " + clientPort),
			Wire:  shows("established")},
	}
}

// resumption makes two connections, the second with the first one's session.
func resumption(version string) []Step {
	return commands("sleep 1 | "+sClient+version+" -sess_out session.pem -connect "+clientPort,
		"sleep 1 | "+sClient+version+" -sess_in session.pem -connect "+clientPort)
}

func plaintext() []Scenario {
	plain := shows("plaintext_to_tls", "plaintext-to-tls")
	wrongPort := shows("established", "grpc-to-peer-port")
	return []Scenario{
		{Name: "grpcurl-peer-port", Summary: "grpcurl with the right certificates, but to the peer port", Setup: Secure, On: both(),
			Steps: commands(grpcurl + "-connect-timeout 3 " + peerPort + " list"), Wire: wrongPort, Wire37: hides("established", "grpc-to-peer-port")},
		{Name: "curl-peer-port", Summary: "curl with the right certificates and its default HTTP/2, to the peer port", Setup: Secure, On: both(),
			Steps: commands(curl + "https://" + peerPort + "/version"), Wire: wrongPort, Wire37: hides("established", "grpc-to-peer-port")},
		{Name: "grpcurl-plaintext", Summary: "grpcurl -plaintext to the TLS client port", Setup: Secure, On: both(),
			Steps: commands("grpcurl -plaintext " + clientPort + " list"), Wire: plain},
		{Name: "grpcurl-plaintext-peer-port", Summary: "grpcurl -plaintext to the TLS peer port", Setup: Secure, On: both(),
			Steps: commands("grpcurl -plaintext " + peerPort + " list"), Wire: plain},
		{Name: "curl-http", Summary: "curl http:// to the TLS client port", Setup: Secure, On: both(),
			Steps: commands("curl -sS -m 5 http://" + clientPort + "/health"), Wire: plain},
		{Name: "curl-http-peer-port", Summary: "curl http:// to the TLS peer port", Setup: Secure, On: only35(),
			Steps: commands("curl -sS -m 5 http://" + peerPort + "/version"), Wire: plain},
		{Name: "etcdctl-http-backoff", Summary: "etcdctl with an http:// endpoint to the TLS client port: gRPC's back-off", Setup: Secure, On: only35(),
			Steps: commands("etcdctl --endpoints http://" + clientPort + " --command-timeout 9s get greeting"),
			Wire:  shows("plaintext_to_tls", "plaintext-to-tls", "grpc-backoff")},
		{Name: "proxy-protocol", Summary: "a PROXY protocol header before the ClientHello, as load balancers send", Setup: Secure, On: only35(),
			Steps: commands(curl + "--haproxy-protocol https://" + clientPort + "/health"),
			Wire:  shows("plaintext_to_tls", "proxy-protocol-to-tls")},
		{Name: "tls-to-plaintext", Summary: "curl https:// to the client port of an etcd without TLS", Setup: Plain, On: both(),
			Steps: commands(curl + "https://" + clientPort + "/health"), Wire: shows("tls_to_plaintext", "tls-to-plaintext")},
		{Name: "tls-to-plaintext-etcdctl", Summary: "etcdctl https:// to the client port of an etcd without TLS", Setup: Plain, On: only35(),
			Steps: commands(etcdctl + "https://" + clientPort + " --command-timeout 2s get greeting"), Wire: shows("tls_to_plaintext", "tls-to-plaintext")},
		{Name: "tls-to-plaintext-peer-port", Summary: "curl https:// to the peer port of an etcd without TLS", Setup: Plain, On: both(),
			Steps: commands(curl + "https://" + peerPort + "/version"), Wire: shows("tls_to_plaintext", "tls-to-plaintext")},
		{Name: "healthy-plaintext", Summary: "etcdctl to an etcd without TLS", Setup: Plain, On: both(),
			Steps: commands("etcdctl --endpoints http://" + clientPort + " put greeting hello"), Wire: shows("plaintext")},
		{Name: "healthy-plaintext-http1", Summary: "curl http:// to both ports of an etcd without TLS", Setup: Plain, On: only37(),
			Steps: commands("curl -sS -m 5 http://"+clientPort+"/health", "curl -sS -m 5 http://"+peerPort+"/version"), Wire: shows("plaintext")},
		Demo(),
	}
}

// Demo is what `etcdtap demo` shows: the grpcurl-to-peer-port failure beside plaintext clients and a healthy one.
func Demo() Scenario {
	return Scenario{
		Name: "demo", Summary: "a healthy etcdctl, grpcurl to the peer port, grpcurl -plaintext, and etcdctl with an http:// endpoint",
		Setup: Secure, On: only35(),
		Steps: commands(
			etcdctl+clientPort+" put greeting hello",
			grpcurl+"-connect-timeout 3 "+peerPort+" list",
			"grpcurl -plaintext "+clientPort+" list",
			etcdctl+clientPort+" get greeting",
			"etcdctl --endpoints http://"+clientPort+" --command-timeout 9s get greeting"),
		Wire: Wire{Outcomes: []string{"established"}, Codes: []string{"grpc-to-peer-port"}, Also: []string{"plaintext-to-tls", "grpc-backoff"}},
		Must: []Connection{
			{Port: 2379, Outcome: "established", AtLeast: 2},
			{Port: 2380, Outcome: "established", Code: "grpc-to-peer-port", AtLeast: 1},
			{Port: 2379, Outcome: "plaintext_to_tls", Code: "plaintext-to-tls", AtLeast: 4},
		},
	}
}

func certificates() []Scenario {
	const server, client = "rejected_by_server", "rejected_by_client"
	badClient := func(name string) []Step {
		return commands("curl -sS -m 5 --cacert $PKI/ca.crt --cert $PKI/bad/" + name + ".crt --key $PKI/bad/" + name +
			".key https://" + clientPort + "/health")
	}
	return []Scenario{
		{Name: "grpcurl-no-cert", Summary: "grpcurl without a client certificate", Setup: Secure, On: both(),
			Steps: commands("grpcurl -cacert $PKI/ca.crt -connect-timeout 3 " + clientPort + " list"),
			Wire:  shows(server, "client-cert-missing"), Wire37: hides(server, "client-cert-missing")},
		{Name: "etcdctl-no-cert", Summary: "etcdctl without a client certificate, until it gives up", Setup: Secure, On: both(),
			Steps: commands("etcdctl --cacert $PKI/ca.crt --endpoints " + clientPort + " --command-timeout 2s get greeting"),
			Wire:  shows(server, "client-cert-missing"), Wire37: hides(server, "client-cert-missing")},
		{Name: "curl-wrong-ca", Summary: "a client certificate of another CA; curl sends it although etcd did not name that CA", Setup: Secure, On: both(),
			Steps: badClient("other-client"),
			Wire:  shows(server, "client-cert-untrusted"), Wire37: hides(server, "client-cert-refused", "client-cert-untrusted")},
		{Name: "grpcurl-wrong-ca", Summary: "a client certificate of another CA; Go withholds it, as etcd did not name that CA", Setup: Secure, On: only35(),
			Steps: commands("grpcurl -cacert $PKI/ca.crt -cert $PKI/bad/other-client.crt -key $PKI/bad/other-client.key -connect-timeout 3 " + clientPort + " list"),
			Wire:  shows(server, "client-cert-missing")},
		{Name: "curl-ca-regenerated", Summary: "a client certificate of a CA with the same name and another key", Setup: Secure, On: both(),
			Steps:  badClient("regenerated-client"),
			Wire:   shows(server, "ca-regenerated", "client-cert-untrusted"),
			Wire37: hides(server, "client-cert-refused", "client-cert-untrusted", "ca-regenerated")},
		{Name: "curl-no-intermediate", Summary: "a client certificate of an intermediate CA that is not sent along", Setup: Secure, On: both(),
			Steps: badClient("no-intermediate-client"),
			Wire:  shows(server, "client-cert-untrusted"), Wire37: hides(server, "client-cert-refused", "client-cert-untrusted")},
		{Name: "curl-expired", Summary: "a client certificate that expired yesterday", Setup: Secure, On: both(),
			Steps: badClient("expired-client"),
			Wire:  shows(server, "client-cert-expired"), Wire37: hides(server, "client-cert-refused", "client-cert-expired")},
		{Name: "grpcurl-expired", Summary: "the same from grpcurl", Setup: Secure, On: only35(),
			Steps: commands("grpcurl -cacert $PKI/ca.crt -cert $PKI/bad/expired-client.crt -key $PKI/bad/expired-client.key -connect-timeout 3 " + clientPort + " list"),
			Wire:  shows(server, "client-cert-expired")},
		{Name: "curl-server-auth-only", Summary: "a client certificate for serverAuth only", Setup: Secure, On: both(),
			Steps: badClient("server-auth-client"),
			Wire:  shows(server, "client-cert-key-usage"), Wire37: hides(server, "client-cert-refused", "client-cert-key-usage")},
		{Name: "curl-distrusts-server", Summary: "curl with the wrong --cacert (OpenSSL: alert 48, in clear even in TLS 1.3)", Setup: Secure, On: both(),
			Steps: commands("curl -sS -m 5 --cacert $PKI/bad/other-ca.crt --cert $PKI/healthcheck-client.crt --key $PKI/healthcheck-client.key https://" +
				clientPort + "/health"),
			Wire:   Wire{Outcomes: []string{client}, Codes: []string{"server-cert-refused"}, Also: []string{"server-cert-untrusted"}},
			Wire37: &Wire{Outcomes: []string{client}, Codes: []string{"server-cert-refused"}}},
		{Name: "grpcurl-distrusts-server", Summary: "grpcurl with the wrong -cacert (Go: alert 42)", Setup: Secure, On: both(),
			Steps: commands("grpcurl -cacert $PKI/bad/other-ca.crt -cert $PKI/healthcheck-client.crt -key $PKI/healthcheck-client.key -connect-timeout 3 " +
				clientPort + " list"),
			Wire: shows(client, "server-cert-refused"), Wire37: hides(client, "server-cert-refused")},
		{Name: "etcdctl-name-mismatch", Summary: "etcd's certificate is for another host; etcdctl refuses it", Setup: WrongName, On: both(),
			Steps: commands(etcdctl + clientPort + " --command-timeout 2s get greeting"),
			Wire:  shows(client, "server-name-mismatch", "server-cert-refused"), Wire37: hides(client, "server-cert-refused", "server-name-mismatch")},
		{Name: "curl-name-mismatch", Summary: "the same from curl, which checks the name after the handshake and then closes", Setup: WrongName, On: only35(),
			Steps: commands(curl + "https://" + clientPort + "/health"),
			Wire:  Wire{Outcomes: []string{"established", client}, Codes: []string{"server-name-mismatch"}, Also: []string{"server-cert-refused"}}},
		{Name: "etcdctl-server-expired", Summary: "etcd's certificate expired yesterday; etcdctl refuses it", Setup: ExpiredServer, On: both(),
			Steps: commands(etcdctl + clientPort + " --command-timeout 2s get greeting"),
			Wire:  shows(client, "server-cert-expired", "server-cert-refused"), Wire37: hides(client, "server-cert-refused", "server-cert-expired")},
		{Name: "curl-server-expired", Summary: "the same from curl (OpenSSL: alert 45)", Setup: ExpiredServer, On: both(),
			Steps: commands(curl + "https://" + clientPort + "/health"),
			Wire:  shows(client, "server-cert-expired", "server-cert-refused")},
		{Name: "peer-san-mismatch", Summary: "a peer certificate for another address: etcd closes after the handshake", Setup: Secure, On: both(),
			Steps: commands("curl -sS -m 5 --http1.1 --cacert $PKI/ca.crt --cert $PKI/bad/elsewhere-peer.crt --key $PKI/bad/elsewhere-peer.key https://" +
				peerPort + "/version"),
			Wire: shows("established", "peer-san-mismatch"), Wire37: hides("established", "peer-san-mismatch")},
	}
}

func parameters() []Scenario {
	const server = "rejected_by_server"
	rejected := func(name, summary, flags, code string, on []lab.Program) Scenario {
		return Scenario{Name: name, Summary: summary, Setup: Secure, On: on,
			Steps: commands("openssl s_client " + flags + " -connect " + clientPort + " </dev/null"), Wire: shows(server, code)}
	}
	return []Scenario{
		rejected("tls10-only", "a client that speaks TLS 1.0 only", "-tls1 -cipher ALL:@SECLEVEL=0", "version-mismatch", both()),
		rejected("tls13-only", "a TLS 1.3 client to an etcd that is capped at TLS 1.2", "-tls1_3", "version-mismatch", only35()),
		rejected("cipher-mismatch", "a client that offers DHE suites only", "-tls1_2 -cipher DHE-RSA-AES128-GCM-SHA256:DHE-RSA-AES256-GCM-SHA384",
			"cipher-mismatch", both()),
		rejected("group-mismatch", "a TLS 1.3 client that offers ffdhe2048 only", "-tls1_3 -groups ffdhe2048", "group-mismatch", only37()),
		rejected("alpn-mismatch", "a client that offers spdy/3 only", "-alpn spdy/3", "alpn-mismatch", both()),
		rejected("signature-algorithm-mismatch", "a client that accepts ECDSA signatures only, of an RSA certificate",
			"-tls1_3 -sigalgs ECDSA+SHA256", "signature-algorithm-mismatch", only37()),
	}
}

func transport() []Scenario {
	return []Scenario{
		{Name: "connect-close", Summary: "a TCP probe: connect and close", Setup: Secure, On: both(), Steps: []Step{connectClose()},
			Wire: shows("no_data", "connection-without-data")},
		{Name: "connect-reset", Summary: "a TCP probe: connect and reset", Setup: Secure, On: both(), Steps: []Step{connectReset()},
			Wire: Wire{Outcomes: []string{"no_data", "aborted"}, Codes: []string{"connection-without-data", "connection-reset"}}},
		{Name: "hello-close", Summary: "a client that closes after its ClientHello", Setup: Secure, On: both(), Steps: []Step{helloClose()},
			Wire: Wire{Outcomes: []string{"aborted"}, Codes: []string{"handshake-abandoned", "handshake-cut"}}},
		{Name: "refused", Summary: "nothing listens: RST answers the SYN", Setup: Nothing, On: only37(),
			Steps: commands("curl -sS -m 5 https://" + clientPort + "/health"),
			Wire:  shows("refused", "refused")},
		{Name: "unanswered", Summary: "a listener whose queue is full: nobody answers the SYN", Setup: Nothing, On: only37(), Steps: []Step{fullQueue()},
			Wire: shows("unanswered", "unanswered")},
	}
}

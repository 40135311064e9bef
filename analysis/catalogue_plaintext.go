package analysis

// plaintextCauses are those in which one side did not speak TLS, or not the protocol that the port expects inside it.
var plaintextCauses = []Cause{
	{
		Code: CodeGRPCToPeerPort, Severity: Error, AtFault: FaultClient,
		Title: "gRPC client on etcd's peer port",
		Meaning: "The client's TLS and certificates are fine, but it knocked at the wrong door: this is the port on which " +
			"etcd members talk to each other (usually 2380), and clients belong on the client port (usually 2379).",
		Wire: "The TLS handshake completes and HTTP/2 (ALPN h2) is agreed. The client sends its HTTP/2 greeting (24 bytes or more, encrypted). " +
			"The server answers close_notify and FIN: etcd 3.2.13 to 3.5.x expects a second TLS handshake inside the first. " +
			"etcd 3.6 and later answers HTTP/1.1 400 Bad Request inside TLS instead.",
		Log: "3.2.13 to 3.5.x write a gRPC line, `ServerHandshake(\"IP:PORT\") failed: tls: first record does not look like a TLS " +
			"handshake` (older gRPC: `Server.Serve failed to complete security handshake`). From 3.4.28 and 3.5.10 on it has " +
			"level INFO, which is hidden by default. 3.6 and 3.7 write nothing. On a listener of `--listen-client-http-urls` the same line " +
			"means plaintext-to-tls.",
		Causes: []string{
			"etcdctl, grpcurl or another gRPC client was given the peer address (2380) instead of the client address (2379)",
			"curl with https:// to the peer port: it prefers HTTP/2",
			"A list of endpoints, a Service or a load balancer that mixes client and peer ports",
			"It worked until TLS was switched on: without TLS, the peer port of 3.5 serves clients too",
		},
		Fixes: []string{
			"Use the client port. Leave the certificates alone, they work: `etcdctl --endpoints=https://HOST:2379 --cacert=ca.crt --cert=client.crt --key=client.key endpoint health`",
			"Ask the cluster for its client addresses: `etcdctl --endpoints=https://HOST:2379 --cacert=ca.crt --cert=client.crt --key=client.key member list -w table`",
			"If it has to be the peer port, for /version only, hold curl to HTTP/1.1: `curl --http1.1 --cacert ca.crt --cert peer.crt --key peer.key https://HOST:2380/version`",
			"Do not switch TLS off or on because of the log text: it complains about the inner handshake that etcd expected, not about the client's TLS",
		},
		See: []Code{CodePlaintextToTLS, CodeALPNMismatch},
	},
	{
		Code: CodeOversizedRecord, Severity: Error, AtFault: FaultClient,
		Title: "Data with an impossible TLS length",
		Meaning: "The server read what should have been the length of a TLS record and got more than TLS allows. Nearly always " +
			"the client was not speaking TLS at that point, or the bytes were garbled on the way.",
		Wire: "The first bytes look like the header of a TLS record, but the length (bytes 4 and 5) is beyond the limit of about 16 KiB. " +
			"The server answers alert 22 (record_overflow) and closes.",
		Log: "A `rejected connection` line with `tls: oversized record received with length N`. In etcd built with Go 1.11 or older this is also how " +
			"plain text shows, since N is then two characters of it: 21536 is from `POST `, 20527 from `HTTP/`, 22617 from " +
			"`PROXY`, 20256 from `EHLO `, 20037 from `CONNECT`, 18767 from `OPTIONS`.",
		Causes: []string{
			"A client without TLS, met by an old etcd (decode N into two characters)",
			"A port scanner or fuzzer",
			"A proxy that inserts or loses bytes in the stream",
		},
		Fixes: []string{
			"Decode the number N of the log line into its two characters, for example 20527: `printf '%04x' 20527 | xxd -r -p; echo`",
			"If they are letters, the client speaks plain text: see plaintext-to-tls",
			"If they are not, find out who the client is, and which proxies stand between it and etcd",
		},
		See: []Code{CodePlaintextToTLS, CodeProxyProtocolToTLS, CodeRecordDesync},
	},
	{
		Code: CodePlaintextEtcd, Severity: Warning, AtFault: FaultServer,
		Title: "etcd works without TLS on this port",
		Meaning: "Nothing failed, but nothing is protected: everybody on the path can read and change what is stored in etcd, " +
			"which in Kubernetes includes every Secret.",
		Wire: "Both sides speak HTTP/1.1 or HTTP/2 (gRPC) in clear, and the server answers normally.",
		Log:  "Nothing at the time of the connection. At start etcd shows its listen addresses; those with http:// have no TLS.",
		Causes: []string{
			"`--listen-client-urls` or `--listen-peer-urls` begins with http://",
			"The metrics port (`--listen-metrics-urls`, 2381 in kubeadm), where http:// on 127.0.0.1 is usual and harmless",
			"A sidecar or service mesh that does the encryption elsewhere",
		},
		Fixes: []string{
			"If the port is bound to 127.0.0.1 only and serves health or metrics, leave it as it is",
			"Otherwise change the listen and advertise URLs to https:// and give etcd `--cert-file`, `--key-file`, `--trusted-ca-file` and `--client-cert-auth` (for peers the same with `--peer-`)",
			"Switch the clients at the same time: those that still use http:// will fail as plaintext-to-tls, and those on the wrong port as grpc-to-peer-port",
		},
		See: []Code{CodeTLSToPlaintext, CodePlaintextToTLS},
	},
	{
		Code: CodePlaintextToTLS, Severity: Error, AtFault: FaultClient,
		Title: "Client without TLS on etcd's TLS port",
		Meaning: "The client began to talk without TLS, and this port of etcd accepts only TLS. etcd hung up without an answer, which is why " +
			"the client reports nothing better than EOF or a reset connection.",
		Wire: "The client's first bytes are not TLS: `GET /` is HTTP, `PRI * HTTP/2.0` is gRPC, `SSH-2` is SSH, a first byte 0x17 is a " +
			"TLS stream joined in the middle. The server sends no byte at all; it closes with FIN after a short request (up to 518 bytes), with RST " +
			"after a longer one (from about 600 bytes). etcd built with Go 1.11 or older sends alert 10 first.",
		Log: "A `rejected connection` line with `tls: first record does not look like a TLS handshake`. Which protocol it was, only " +
			"packets tell. With `--listen-client-http-urls`, rejections by the gRPC listener appear at debug level only, or as a `ServerHandshake` line.",
		Causes: []string{
			"An endpoint written with http://, or without a scheme where the client then takes http://",
			"`grpcurl -plaintext`, or a gRPC client made with insecure credentials",
			"A health probe or scraper (Prometheus, load balancer, kubelet) that is set to http",
			"A load balancer that ends TLS itself and passes plain text on",
			"A port scanner",
		},
		Fixes: []string{
			"Use https:// and certificates: `etcdctl --endpoints=https://HOST:2379 --cacert=/etc/kubernetes/pki/etcd/ca.crt --cert=/etc/kubernetes/pki/etcd/healthcheck-client.crt --key=/etc/kubernetes/pki/etcd/healthcheck-client.key endpoint health`",
			"With grpcurl, leave out -plaintext (an answer about the reflection API then means that TLS works): `grpcurl -cacert ca.crt -cert client.crt -key client.key HOST:2379 list`",
			"Look for endpoints without https:// in the client's settings: `grep -rn 'etcd.*http://' /etc/kubernetes /etc/etcd`",
			"Let a load balancer pass TCP through (layer 4) instead of ending TLS",
			"Point health probes and Prometheus at `--listen-metrics-urls` (http://127.0.0.1:2381 in kubeadm)",
			"If the log line holds `ServerHandshake` instead of `rejected connection`, this is probably the opposite case, a wrong port: see grpc-to-peer-port",
		},
		See: []Code{CodeGRPCToPeerPort, CodeProxyProtocolToTLS, CodeTLSToPlaintext},
	},
	{
		Code: CodeProxyProtocolToTLS, Severity: Error, AtFault: FaultClient,
		Title: "PROXY header sent to etcd's TLS port",
		Meaning: "A load balancer put a PROXY header (a line that names the real client) before the client's TLS. etcd does not understand " +
			"that header and hung up.",
		Wire: "The first bytes are `PROXY ` (version 1) or 0d0a0d0a000d0a515549540a (version 2). The server sends nothing and " +
			"closes, as for any other plain text.",
		Log: "A `rejected connection` line with `tls: first record does not look like a TLS handshake`; with Go 1.11 or older `oversized record " +
			"received with length 22617`. The remote address is the load balancer's.",
		Causes: []string{
			"HAProxy with `send-proxy` or `send-proxy-v2` on the etcd backend",
			"nginx stream with `proxy_protocol on`",
			"A cloud load balancer whose target group or Service has proxy protocol switched on",
		},
		Fixes: []string{
			"Switch proxy protocol off for the etcd backend only. HAProxy: remove `send-proxy` and `send-proxy-v2` from its `server` lines and reload: `grep -n 'send-proxy' /etc/haproxy/haproxy.cfg`",
			"nginx: set `proxy_protocol off;` in the stream server block of etcd",
			"AWS NLB: `aws elbv2 modify-target-group-attributes --target-group-arn ARN --attributes Key=proxy_protocol_v2.enabled,Value=false`",
		},
		See: []Code{CodePlaintextToTLS, CodeTLSAfterPlaintext},
	},
	{
		Code: CodeServerSpeaksFirst, Severity: Error, AtFault: FaultClient,
		Title: "This server is not etcd: it speaks first",
		Meaning: "The server greeted the client before the client said a word. etcd never does that, so another service " +
			"(SSH, mail, MySQL) listens at this address.",
		Wire: "The first bytes of the connection come from the server: `SSH-2.0-`, `220 ` (SMTP or FTP), a MySQL greeting. The client's " +
			"ClientHello, if there is one, is not answered with TLS.",
		Log: "Nothing: etcd was not there.",
		Causes: []string{
			"A wrong port or address in the endpoints",
			"A port forward, NAT rule or Service that leads to another machine or port",
			"Another process took the port while etcd was down",
		},
		Fixes: []string{
			"See who listens there (on the server): `ss -ltnp | grep -E ':(2379|2380)'`",
			"Check the address that the client is given, and the name behind it: `getent ahosts HOST`",
			"Read the greeting yourself: `timeout 3 nc HOST 2379 </dev/null | head -c 80`",
		},
		See: []Code{CodeTLSToPlaintext, CodeRefused},
	},
	{
		Code: CodeSSLv2Hello, Severity: Error, AtFault: FaultClient,
		Title: "Client opened with an SSLv2 hello",
		Meaning: "The client opened with the greeting of SSL version 2, from 1995. etcd does not understand it; a real etcd client " +
			"has never sent it.",
		Wire: "The first byte is 0x80 (or has its top bit set), followed by 01. The server answers alert 70 (protocol_version) and closes.",
		Log:  "A `rejected connection` line with `tls: unsupported SSLv2 handshake received`.",
		Causes: []string{
			"A security scanner that tests for old protocols",
			"A very old client (OpenSSL 0.9.8, Java 6) in SSLv2-compatible mode",
		},
		Fixes: []string{
			"If the address belongs to a scanner, nothing is broken: exclude etcd's ports from the scan, or ignore the lines",
			"If it is a client that you need, update its TLS library, and check what it can do: `openssl s_client -connect HOST:2379 -tls1_2 </dev/null`",
		},
		See: []Code{CodeVersionMismatch, CodeLegacyTLSVersion},
	},
	{
		Code: CodeTLSAfterPlaintext, Severity: Info, AtFault: FaultNone,
		Title: "TLS began after an exchange in plain text",
		Meaning: "The connection did not open with TLS, but switched to it after a short plain beginning that the server accepted: a " +
			"PROXY header or a STARTTLS-like dialogue. etcd itself accepts neither, so something else answers here.",
		Wire: "Plain bytes (`PROXY `, `STARTTLS`, PostgreSQL's SSLRequest) come first, then a ClientHello and a normal handshake on the same stream.",
		Log:  "Nothing by etcd.",
		Causes: []string{
			"A proxy in front of etcd that expects a PROXY header and takes it off",
			"A service that is not etcd (mail, PostgreSQL, LDAP)",
		},
		Fixes: []string{
			"Nothing to fix as long as the connection works",
			"If a client of etcd fails behind that proxy, capture between the proxy and etcd too: `tcpdump -i any -s 0 -w etcd.pcap 'tcp port 2379 or tcp port 2380'`",
		},
		See: []Code{CodeProxyProtocolToTLS, CodeServerSpeaksFirst},
	},
	{
		Code: CodeTLSToPlaintext, Severity: Error, AtFault: FaultUnknown,
		Title: "Client with TLS on a port without TLS",
		Meaning: "The client began a TLS handshake, and this port of etcd serves plain http. Either the client must use http://, or " +
			"etcd was meant to have TLS and does not.",
		Wire: "The client sends a ClientHello. etcd's client port closes without a byte; its peer port answers `HTTP/1.1 400 Bad Request` in clear.",
		Log: "Nothing, in every version. The client says `authentication handshake failed: EOF` (client port), `first record does " +
			"not look like a TLS handshake` (a Go client at the peer port) or `wrong version number` (curl at the peer port).",
		Causes: []string{
			"etcd was started with http:// in `--listen-client-urls` or `--listen-peer-urls`, although certificates are configured",
			"The client uses https:// on the metrics port, which is often http",
			"A member was restarted with old settings, and the others have moved on to TLS",
		},
		Fixes: []string{
			"See which scheme etcd was told to use (on the server): `tr '\\0' '\\n' < /proc/$(pidof -s etcd)/cmdline | grep -A1 -E 'listen|advertise'`",
			"If TLS is wanted (nearly always), change http:// to https:// in the listen and advertise URLs and restart that member",
			"If plain http is wanted, use http:// in the client's endpoints: `etcdctl --endpoints=http://HOST:2379 endpoint health`",
			"Do not go by etcd's log here: it is silent, and that silence proves nothing",
		},
		See: []Code{CodePlaintextToTLS, CodePlaintextEtcd, CodeServerSpeaksFirst},
	},
}

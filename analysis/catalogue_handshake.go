package analysis

// handshakeCauses are those in which the two sides did not get through the handshake for reasons other than certificates.
var handshakeCauses = []Cause{
	{
		Code: CodeALPNMismatch, Severity: Error, AtFault: FaultClient,
		Title: "Client offers no protocol that etcd speaks",
		Meaning: "In the handshake the client named the protocols that it wants to use inside TLS (ALPN), and etcd speaks none of them. etcd knows " +
			"h2 (HTTP/2, for gRPC) and http/1.1.",
		Wire: "The ClientHello's ALPN list has neither h2 nor http/1.1; the server answers alert 120 (no_application_protocol).",
		Log:  "A `rejected connection` line with `tls: client requested unsupported application protocols ([...])`.",
		Causes: []string{
			"A client that is not meant for etcd (HTTP/3, a database, a message queue)",
			"A proxy that sets a protocol list of its own",
		},
		Fixes: []string{
			"See what the server agrees to: `openssl s_client -connect HOST:2379 -alpn h2,http/1.1 </dev/null 2>/dev/null | grep ALPN`",
			"Let the client or proxy offer h2 and http/1.1, or no list at all",
			"Check that the address is the one the client was meant to reach",
		},
		See: []Code{CodeGRPCToPeerPort},
	},
	{
		Code: CodeCipherMismatch, Severity: Error, AtFault: FaultUnknown,
		Title:   "No cipher suite that both sides accept",
		Meaning: "Client and server have no cipher suite (a set of encryption methods) in common, so there is no way in which they could talk.",
		Wire:    "The server answers the ClientHello with alert 40 (handshake_failure). The evidence lists what the client offered.",
		Log: "A `rejected connection` line with `tls: no cipher suite supported by both client and server`; built with Go 1.25 and later it also lists the " +
			"client's. In TLS 1.2 a missing common curve shows with the same text.",
		Causes: []string{
			"`--cipher-suites` of etcd names no suite for its certificate's key type (ECDSA suites with an RSA certificate, or the other way round)",
			"An old client that has only DHE or RSA key exchange",
			"One side in FIPS mode",
		},
		Fixes: []string{
			"See which key type the certificate has: `openssl x509 -in /etc/kubernetes/pki/etcd/server.crt -noout -text | grep 'Public Key Algorithm'`",
			"See whether etcd was given a list (on the server): `tr '\\0' '\\n' < /proc/$(pidof -s etcd)/cmdline | grep -A1 cipher-suites`",
			"RSA certificates need TLS_ECDHE_RSA_…, ECDSA certificates TLS_ECDHE_ECDSA_…. Without a special reason leave `--cipher-suites` out",
			"Try one suite by hand: `openssl s_client -connect HOST:2379 -tls1_2 -cipher ECDHE-RSA-AES128-GCM-SHA256 </dev/null`",
		},
		See: []Code{CodeGroupMismatch, CodeSignatureAlgorithmMismatch, CodeVersionMismatch},
	},
	{
		Code: CodeConnectionWithoutData, Severity: Info, AtFault: FaultNone,
		Title: "Connection opened and closed without a byte",
		Meaning: "Somebody connected and hung up without sending anything. That is what a TCP health check does, and it does no harm but for the lines " +
			"in the log.",
		Wire: "SYN, SYN-ACK, ACK, then FIN or RST from the client; no data in either direction.",
		Log: "A `rejected connection` line with `EOF`; at debug level only from 3.5.24 and 3.6.6 on and in 3.7. The log alone cannot tell it from " +
			"handshake-abandoned: an empty server name is no clue, because clients that use an IP address send none.",
		Causes: []string{
			"A load balancer or keepalived that checks whether the port is open",
			"A TCP probe by the kubelet or a monitoring system",
			"A port scan",
		},
		Fixes: []string{
			"Nothing to fix",
			"To keep the log quiet, probe the metrics port instead: `curl http://127.0.0.1:2381/health`",
		},
		See: []Code{CodePeriodicProbe, CodeHandshakeAbandoned, CodeConnectionReset},
	},
	{
		Code: CodeGroupMismatch, Severity: Error, AtFault: FaultUnknown,
		Title:   "No key exchange group that both sides accept",
		Meaning: "To agree on a key, both sides need a common mathematical group (an elliptic curve such as X25519 or P-256), and they have none.",
		Wire:    "The server answers the ClientHello with alert 40 (handshake_failure). The evidence lists the groups that the client offered.",
		Log: "A `rejected connection` line with `tls: no ECDHE curve supported by both client and server` (up to Go 1.23) or `tls: no key exchanges supported by " +
			"both client and server` (Go 1.24 and later). In TLS 1.2 it shows as `no cipher suite supported by both client and server`.",
		Causes: []string{
			"A client that offers only ffdhe groups",
			"One side in FIPS mode, the other with X25519 only",
			"A security policy (crypto-policies, openssl.cnf) that leaves too few groups",
		},
		Fixes: []string{
			"Try a group that every etcd has: `openssl s_client -connect HOST:2379 -groups P-256 </dev/null`",
			"Allow P-256 on the client. OpenSSL: `Groups = X25519:P-256` in openssl.cnf; RHEL shows its policy with: `update-crypto-policies --show`",
		},
		See: []Code{CodeCipherMismatch, CodeFIPSRefused},
	},
	{
		Code: CodeHandshakeAbandoned, Severity: Error, AtFault: FaultClient,
		Title: "Client gave up during the handshake",
		Meaning: "The client began TLS properly and then hung up without saying why. Usually it disliked something about etcd's certificate, or its own time limit " +
			"ran out.",
		Wire: "A ClientHello, often the server's answer too, then FIN from the client without an alert. Noted as possible, and no failure, where the whole handshake " +
			"went through and the client then left at once, without a request and without a close_notify.",
		Log: "A `rejected connection` line with `EOF`; at debug level only from 3.5.24 and 3.6.6 on and in 3.7. With a server name in it a ClientHello had been read; an " +
			"empty one proves nothing.",
		Causes: []string{
			"The client could not verify etcd's certificate and closed without an alert, as programs in JavaScript do (Node.js, Bun, Deno)",
			"The client's time limit ran out, or its process was stopped",
			"A health check that sends a ClientHello and needs no more (for example HAProxy's `option ssl-hello-chk`)",
		},
		Fixes: []string{
			"Read the client's own error at the same second; it knows why",
			"Check whether etcd's certificate would be accepted: `openssl s_client -connect HOST:2379 -CAfile ca.crt -verify_return_error </dev/null`",
			"If the server's answer took long, look at etcd's load and at the path: `ping -c 20 HOST`",
		},
		See: []Code{CodeServerCertRefused, CodeConnectionWithoutData, CodeHandshakeCut},
	},
	{
		Code: CodeHandshakeCut, Severity: Error, AtFault: FaultClient,
		Title:   "Connection closed in mid-message",
		Meaning: "The client closed the connection in the middle of a TLS record (TLS's unit of transport), so what it was saying remained unfinished.",
		Wire:    "FIN from the client when fewer than 5 bytes, or only a part of a record, had been sent.",
		Log:     "A `rejected connection` line with `unexpected EOF`, at level WARN in all versions.",
		Causes: []string{
			"The client's process was killed or crashed while it connected",
			"A scanner or probe that sends a few bytes only",
			"A proxy that cut the connection",
		},
		Fixes: []string{
			"See which process the address belongs to, and whether it restarts (on the client): `ss -tnp | grep ':2379'`",
			"If it is a probe, point it to the metrics port: `curl http://127.0.0.1:2381/health`",
			"If a proxy is in between, look for its time and size limits",
		},
		See: []Code{CodeHandshakeAbandoned, CodeConnectionReset, CodeCaptureLoss},
	},
	{
		Code: CodeHandshakeTimeout, Severity: Error, AtFault: FaultUnknown,
		Title:   "Handshake took too long",
		Meaning: "The handshake did not finish in the time that etcd allows, so etcd hung up. Either the client said nothing, or what was said got lost on the way.",
		Wire: "FIN from the server 5.0 seconds after the last data (peer port: 5 s for each read), or 10.0 seconds after the start (client port: 10 s in all, only in " +
			"3.5.33 and later, 3.6.14 and later, 3.7.1 and later). Before those, the client port waits for ever.",
		Log: "A `rejected connection` line with `i/o timeout`. With a server name in it etcd had read the ClientHello, and it was its answer that got lost.",
		Causes: []string{
			"A client or probe that connects and sends nothing",
			"The server's answer (several packets of full size) does not come through: an MTU problem in a VPN or overlay network",
			"A machine under such load that it needs seconds for one handshake",
			"A firewall that drops packets in the middle of a connection",
		},
		Fixes: []string{
			"Test whether full-size packets come through (1472 + 28 = 1500 bytes): `ping -M do -s 1472 -c 3 HOST`",
			"Find the size that does: `tracepath -n HOST`",
			"If it is smaller, lower the MTU of the interface or overlay, or clamp TCP to it: `iptables -t mangle -A FORWARD -p tcp --tcp-flags SYN,RST SYN -j TCPMSS --clamp-mss-to-pmtu`",
			"Look at the load of both machines: `uptime; top -b -n 1 | head -15`",
		},
		See: []Code{CodeNoReply, CodeConnectionWithoutData},
	},
	{
		Code: CodeLegacyTLSVersion, Severity: Info, AtFault: FaultClient,
		Title:   "An outdated TLS version was agreed",
		Meaning: "The two sides agreed on TLS 1.1, TLS 1.0 or SSLv3. It works, but these versions are considered unsafe, and today's etcd refuses them.",
		Wire:    "The ServerHello chooses a version below TLS 1.2.",
		Log:     "Nothing while it works. After an upgrade of etcd: `tls: client offered only unsupported versions`.",
		Causes: []string{
			"An old client library",
			"A very old etcd, or another server or proxy in front of it",
		},
		Fixes: []string{
			"Test whether TLS 1.2 works: `openssl s_client -connect HOST:2379 -tls1_2 </dev/null`",
			"Update the client before you update etcd: otherwise this turns into version-mismatch",
		},
		See: []Code{CodeVersionMismatch},
	},
	{
		Code: CodeMalformedClientHello, Severity: Error, AtFault: FaultClient,
		Title:   "Client's first TLS message is malformed",
		Meaning: "The client's opening message (ClientHello) breaks the rules of TLS. The evidence names the field and where it stands.",
		Wire:    "A ClientHello that cannot be read to its end; the server answers alert 50 (decode_error, Go 1.25 and later) or 10 (unexpected_message).",
		Log:     "A `rejected connection` line with `tls: error decoding message`, `tls: unexpected message` or `tls: unexpected handshake message of type ...`.",
		Causes: []string{
			"A scanner or fuzzer",
			"A home-made or broken TLS library",
			"Bytes that a middlebox changed",
		},
		Fixes: []string{
			"Find out who the client is; if it is a scanner, nothing is broken",
			"Compare with a client that is known to be good, from the same machine: `openssl s_client -connect HOST:2379 -CAfile ca.crt </dev/null`",
			"If that one fails too, something on the path changes the bytes: capture on both machines and compare",
		},
		See: []Code{CodeMalformedHandshake, CodePlaintextToTLS},
	},
	{
		Code: CodeMalformedHandshake, Severity: Error, AtFault: FaultClient,
		Title:   "A TLS handshake message is malformed",
		Meaning: "What came looked like TLS on the outside but made no sense inside: a message that is too long, of the wrong kind, or out of order.",
		Wire:    "A record of the handshake type (first byte 0x16) with content that is no valid handshake message; the server answers alert 80, 50 or 10.",
		Log: "A `rejected connection` line with `tls: handshake message of length N bytes exceeds maximum`, `tls: unexpected handshake message of type`, `tls: unexpected message` " +
			"or `tls: error decoding message`.",
		Causes: []string{
			"A scanner or fuzzer",
			"A program that is not TLS and whose first byte is by chance 0x16",
			"A broken TLS library or middlebox",
		},
		Fixes: []string{
			"Find out who the client is; if it is a scanner, nothing is broken",
			"Compare with a client that is known to be good, from the same machine: `openssl s_client -connect HOST:2379 -CAfile ca.crt </dev/null`",
		},
		See: []Code{CodeMalformedClientHello, CodeRecordDesync, CodeOversizedRecord},
	},
	{
		Code: CodeMalformedServerHello, Severity: Error, AtFault: FaultServer,
		Title:   "Server's first TLS message is malformed",
		Meaning: "The server's answer (ServerHello) breaks the rules of TLS. etcd does not do that, so something else answers here or changed the bytes.",
		Wire:    "A ServerHello that cannot be read to its end; the evidence names the field and where it stands. The client usually sends an alert.",
		Log:     "Nothing, or the client's complaint: `remote error: tls: error decoding message`.",
		Causes: []string{
			"A service other than etcd at this address",
			"A middlebox that looks into TLS and rewrites it",
			"Damage on the path, or in the capture",
		},
		Fixes: []string{
			"See who listens there (on the server): `ss -ltnp | grep -E ':(2379|2380)'`",
			"Connect on the server itself, without the network in between: `openssl s_client -connect 127.0.0.1:2379 </dev/null`",
			"If that works, look for a proxy or firewall between the two",
		},
		See: []Code{CodeMalformedHandshake, CodeServerSpeaksFirst, CodeConflictingRetransmission},
	},
	{
		Code: CodeRecordDesync, Severity: Error, AtFault: FaultClient,
		Title:   "Stream of TLS records went out of step",
		Meaning: "The handshake had begun, and then came bytes that are no TLS record (TLS's unit of transport) of the agreed version. Somebody mixed something else into the stream.",
		Wire:    "After a valid ClientHello the next record header has a version that was not agreed; the server answers alert 70 (protocol_version).",
		Log: "A `rejected connection` line with `tls: received record with version N when expecting version M`. N is hexadecimal: 4554 is the text `ET` (a plaintext GET " +
			"after the hello), 301 a second ClientHello.",
		Causes: []string{
			"A client or proxy that goes on in plain text after the ClientHello",
			"A client that starts again on the same connection",
			"A proxy that joins the streams of two connections",
		},
		Fixes: []string{
			"Decode N into characters, for example 4554: `echo 4554 | xxd -r -p; echo`",
			"If they are letters, look for the program that writes plain text into the connection; if not, look at the proxy in between",
			"Connect without the proxy: `openssl s_client -connect HOST:2379 -CAfile ca.crt </dev/null`",
		},
		See: []Code{CodePlaintextToTLS, CodeRecordMACFailure, CodeOversizedRecord},
	},
	{
		Code: CodeSignatureAlgorithmMismatch, Severity: Error, AtFault: FaultUnknown,
		Title:   "Client accepts no signature that etcd can make",
		Meaning: "The client listed the kinds of signature that it accepts, and etcd's certificate and key can make none of them.",
		Wire:    "The server answers the ClientHello with alert 40 (handshake_failure). The evidence lists what the client accepts.",
		Log:     "A `rejected connection` line with `tls: peer doesn't support any of the certificate's signature algorithms`.",
		Causes: []string{
			"A client that accepts only ECDSA, while etcd's certificate is RSA, or the other way round",
			"An old client that knows only SHA-1 signatures",
			"A security policy on the client that is too strict for etcd's certificate (an RSA key of 1024 bits, Ed25519)",
		},
		Fixes: []string{
			"See the key type of etcd's certificate: `openssl x509 -in /etc/kubernetes/pki/etcd/server.crt -noout -text | grep -E 'Public Key Algorithm|Public-Key'`",
			"Issue it with RSA 2048 or ECDSA P-256, which every client of today accepts",
			"Or let the client accept more. OpenSSL: `SignatureAlgorithms` in openssl.cnf; RHEL shows its policy with: `update-crypto-policies --show`",
		},
		See: []Code{CodeCipherMismatch, CodeWeakCertificate},
	},
	{
		Code: CodeUnrecognisedRejection, Severity: Warning, AtFault: FaultUnknown,
		Title:   "A rejection that etcdtap does not know",
		Meaning: "This log line says that a connection was rejected, but its reason matches nothing in this catalogue. etcdtap does not guess.",
		Log:     "A `rejected connection` or `ServerHandshake` line with an error text that is not in this catalogue.",
		Causes: []string{
			"A version of etcd or Go that is newer than this etcdtap",
			"An etcd build with changes of its own",
			"A line that was cut short or changed on its way through a log collector",
		},
		Fixes: []string{
			"Read the error text in the evidence as it stands; it comes from Go's crypto/tls or crypto/x509",
			"Capture the packets, which do not depend on the wording: `tcpdump -i any -s 0 -w etcd.pcap 'tcp port 2379 or tcp port 2380'`",
			"Report the line to the etcdtap project, with etcd's version",
		},
		See: []Code{CodeClientAlert},
	},
	{
		Code: CodeVersionMismatch, Severity: Error, AtFault: FaultUnknown,
		Title: "No TLS version that both sides accept",
		Meaning: "The client offers only TLS versions that this etcd does not accept. Either the client is too old, or etcd is limited to older versions and the " +
			"client insists on a newer one.",
		Wire: "The server answers the ClientHello with alert 70 (protocol_version). The evidence lists the versions that the client offered.",
		Log: "A `rejected connection` line with `tls: client offered only unsupported versions: [N ...]`; Go 1.11 and older `client offered an unsupported, maximum protocol version of N`. " +
			"N is hexadecimal: 300 SSLv3, 301 TLS 1.0, 302 TLS 1.1, 303 TLS 1.2, 304 TLS 1.3.",
		Causes: []string{
			"[301], [302 301] and the like: an old client",
			"[304]: the client insists on TLS 1.3, and etcd 3.5.0 to 3.5.7 goes up to TLS 1.2 only",
			"[303 ...]: etcd runs with `--tls-min-version=TLS1.3`",
		},
		Fixes: []string{
			"See which versions the server accepts: `for v in tls1_2 tls1_3; do openssl s_client -connect HOST:2379 -$v </dev/null 2>/dev/null | grep 'Cipher is'; done`",
			"Old client: update it, or its TLS library",
			"[304] against 3.5.0 to 3.5.7: update etcd to 3.5.8 or later, or allow TLS 1.2 on the client",
			"[303 ...]: set `--tls-min-version=TLS1.2` on etcd, or update the client",
		},
		See: []Code{CodeLegacyTLSVersion, CodeCipherMismatch, CodeSSLv2Hello},
	},
}

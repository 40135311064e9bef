package analysis

// serverCauses are those that concern the certificate of the side that accepted the connection, and any certificate
// that still works but wants attention.
var serverCauses = []Cause{
	{
		Code: CodeCertExpiresSoon, Severity: Warning, AtFault: FaultUnknown,
		Title: "A certificate expires within 30 days",
		Meaning: "The certificate was still valid at the time of the connection, but had less than 30 days left. When it runs out, every connection " +
			"that uses it fails at the same moment.",
		Wire: "A certificate seen in the handshake (TLS 1.2 and older) whose end of validity is less than 30 days after the connection.",
		Causes: []string{
			"Renewal was not done yet (kubeadm's certificates last one year and are renewed by `kubeadm upgrade`)",
			"It was renewed on disk, but the process that uses it was not restarted",
			"Short-lived certificates, where less than 30 days is normal and renewal is automatic",
		},
		Fixes: []string{
			"See what expires when: `kubeadm certs check-expiration`",
			"Or see the dates of one file: `openssl x509 -in /etc/kubernetes/pki/etcd/server.crt -noout -subject -enddate`",
			"Renew, then restart what uses it: `kubeadm certs renew all`",
			"If the certificates are short-lived on purpose, nothing to fix",
		},
		See: []Code{CodeServerCertExpired, CodeClientCertExpired},
	},
	{
		Code: CodeClientAlert, Severity: Error, AtFault: FaultUnknown,
		Title: "Client gave up and sent an alert",
		Meaning: "The client ended the handshake itself and told the server why, with a TLS alert (TLS's own error message). The alert's name in the " +
			"evidence says what it disliked.",
		Wire: "An alert record from the client, in clear in TLS 1.2, during or right after the handshake.",
		Log:  "A `rejected connection` line with `remote error: tls: REASON`. `remote` means: it was the client that complained.",
		Causes: []string{
			"`protocol version not supported` or `handshake failure`: the two have nothing in common that they could agree on",
			"`internal error` or `user canceled`: the client broke off for reasons of its own",
			"`access denied` and others: a middlebox or a client with rules of its own",
		},
		Fixes: []string{
			"Read the client's own log at the same second: it knows more than its alert says",
			"Repeat the handshake by hand: `openssl s_client -connect HOST:2379 -CAfile ca.crt -cert client.crt -key client.key </dev/null`",
			"If the alert is about a certificate (bad, unknown, expired, unsupported), it is etcd's certificate that was refused: see server-cert-refused",
		},
		See: []Code{CodeServerCertRefused, CodeHandshakeAbandoned},
	},
	{
		Code: CodeRecordMACFailure, Severity: Error, AtFault: FaultUnknown,
		Title: "Server could not decrypt what the client sent",
		Meaning: "The server received a record that does not decrypt. Most often a client that distrusts etcd's certificate sent its complaint unencrypted " +
			"where encryption was due; much more rarely bytes were changed on the way.",
		Wire: "After the ServerHello of TLS 1.3 an OpenSSL client sends an alert in clear, for example 15 03 03 00 02 02 30 (30 hex = 48, unknown_ca): " +
			"then the finding is server-cert-refused. Without such an alert, look for changed bytes.",
		Log: "A `rejected connection` line with `local error: tls: bad record MAC`. `local` means that etcd noticed it; the log cannot tell " +
			"the two causes apart, packets can.",
		Causes: []string{
			"An OpenSSL client (curl, Python, Ruby) that does not trust etcd's certificate",
			"A middlebox or a faulty network card that changes bytes",
			"A broken TLS library",
		},
		Fixes: []string{
			"First test whether the client trusts etcd's certificate: `curl -v --cacert ca.crt --cert client.crt --key client.key https://HOST:2379/version`",
			"If it does not, treat it as server-cert-refused: give the client the right CA",
			"If it does, capture on both machines and compare; switch off offloading as a test: `ethtool -K eth0 tso off gso off gro off`",
		},
		See: []Code{CodeServerCertRefused, CodeConflictingRetransmission, CodeRecordDesync},
	},
	{
		Code: CodeServerAlert, Severity: Error, AtFault: FaultUnknown,
		Title: "Server ended the handshake with an alert",
		Meaning: "The server broke the handshake off with a TLS alert (TLS's own error message) that none of the more exact findings explains. The " +
			"alert's name in the evidence is all that the packets say.",
		Wire: "An alert record from the server, in clear before encryption begins.",
		Log:  "A `rejected connection` line whose error is the server's own reason, which is more exact than the alert.",
		Causes: []string{
			"A server that is not etcd, or a middlebox that answers in its place",
			"A rule of Go's TLS that has no finding of its own yet",
		},
		Fixes: []string{
			"Read etcd's log at the same second: `journalctl -u etcd --since -10min | grep rejected`, or `kubectl -n kube-system logs etcd-NODE | grep rejected`",
			"Repeat the handshake by hand: `openssl s_client -connect HOST:2379 -CAfile ca.crt -cert client.crt -key client.key </dev/null`",
		},
		See: []Code{CodeMalformedClientHello, CodeServerCertUnreadable, CodeClientAlert},
	},
	{
		Code: CodeServerCertExpired, Severity: Error, AtFault: FaultServer,
		Title: "Server certificate expired or not yet valid",
		Meaning: "At the time of the connection the server's certificate was outside its validity period. Clients that check it, and all should, " +
			"refuse to talk to this member.",
		Wire: "The server's certificate (visible in TLS 1.2 and older) ends before, or begins after, the time of the connection. Then an alert from the client: " +
			"42 (Go) or 45 (OpenSSL).",
		Log: "A `rejected connection` line with `remote error: tls: bad certificate` or `expired certificate`: see server-cert-refused. The client says " +
			"`x509: certificate has expired or is not yet valid`.",
		Causes: []string{
			"The certificate ran out (kubeadm issues them for one year)",
			"It was renewed in another place than where etcd reads it (`--cert-file`)",
			"The clock of the client is wrong, or that of the machine that issued the certificate",
		},
		Fixes: []string{
			"Ask the server itself: `openssl s_client -connect HOST:2379 </dev/null 2>/dev/null | openssl x509 -noout -subject -dates`",
			"Renew on kubeadm machines (the peer port has its own, etcd-peer): `kubeadm certs renew etcd-server && kubeadm certs renew etcd-peer`",
			"etcd reads certificate files anew for each handshake, so no restart is needed when the files are replaced in place; restart it if the served dates do not change",
			"If the dates are fine, compare the clocks: `date -u; timedatectl | grep -i synchronized`",
		},
		See: []Code{CodeServerCertRefused, CodeClientCertExpired, CodeCertExpiresSoon},
	},
	{
		Code: CodeServerCertKeyUsage, Severity: Error, AtFault: FaultServer,
		Title: "Server certificate lacks a usage it needs",
		Meaning: "The certificate that etcd presents says what it may be used for (extended key usage), and what is needed here is missing: serverAuth " +
			"for every server, and clientAuth as well for a peer certificate, because members connect to each other both ways.",
		Wire: "The server's certificate is visible (TLS 1.2 and older), and its extended key usage lacks serverAuth, or on the peer port clientAuth. " +
			"Then usually alert 42 or 43 from the client.",
		Log: "A `rejected connection` line with `remote error: tls: bad certificate` or `unsupported certificate`. When etcd presents it as a client: `x509: certificate " +
			"specifies an incompatible key usage`, see client-cert-key-usage.",
		Causes: []string{
			"A client's certificate is configured as `--cert-file`",
			"The peer certificate was issued from a template for servers or for clients only",
		},
		Fixes: []string{
			"See what the served certificate allows: `openssl s_client -connect HOST:2379 </dev/null 2>/dev/null | openssl x509 -noout -ext extendedKeyUsage`",
			"Issue it again: server certificates with serverAuth, peer certificates with serverAuth and clientAuth",
		},
		See: []Code{CodeClientCertKeyUsage, CodeServerCertRefused},
	},
	{
		Code: CodeServerCertRefused, Severity: Error, AtFault: FaultUnknown,
		Title: "Client refused etcd's certificate",
		Meaning: "It is the client that refused etcd's certificate, not the other way round: `remote error` in etcd's log is the client's complaint. " +
			"The usual advice to look at the client's certificate has it backwards.",
		Wire: "After the server's certificate comes an alert from the client: 42 from Go (for any reason: CA, name or expiry), 48 (unknown CA), 51 (a CA of that name with another key) or 45 (expired) from OpenSSL. " +
			"In TLS 1.3 it is an encrypted record of 19 bytes, or, from OpenSSL, in clear.",
		Log: "A `rejected connection` line with `remote error: tls: bad certificate`, `unknown certificate authority`, `expired certificate`, `unsupported certificate` or `error decrypting message`. " +
			"An OpenSSL client with TLS 1.3 shows as `local error: tls: bad record MAC`. curl with a wrong host name leaves no line at all.",
		Causes: []string{
			"The client has no CA file, or another CA's: `--cacert`, `--etcd-cafile`, `--trusted-ca-file` of a peer",
			"The name or address that the client used is not among the certificate's SANs",
			"etcd's certificate has expired",
			"etcd's CA was exchanged, and the client still trusts the old one only",
		},
		Fixes: []string{
			"Read the client's own error, it names the reason: `x509: certificate signed by unknown authority` (CA), `certificate is valid for A, not B` (name), `has expired` (expiry)",
			"Check what etcd presents against the CA that the client uses: `openssl s_client -connect HOST:2379 -CAfile /etc/kubernetes/pki/etcd/ca.crt -verify_return_error </dev/null`",
			"See names and dates of etcd's certificate: `openssl s_client -connect HOST:2379 </dev/null 2>/dev/null | openssl x509 -noout -subject -issuer -dates -ext subjectAltName`",
			"CA: give the client the CA that issued etcd's certificate. Name: use a name from the SANs, or issue the certificate with the missing one. Expiry: renew etcd's certificate",
			"Leave the client's certificate alone: etcd did not object to it",
		},
		See: []Code{CodeServerNameMismatch, CodeServerCertExpired, CodeServerCertUntrusted, CodeClientCertUntrusted},
	},
	{
		Code: CodeServerCertUnreadable, Severity: Error, AtFault: FaultServer,
		Title: "etcd cannot load its own certificate",
		Meaning: "etcd could not read its certificate or key, or the two do not belong together. It reads these files anew for each handshake, so half " +
			"a renewal is enough to break every new connection, while old ones live on.",
		Wire: "The server answers the ClientHello with alert 80 (internal_error).",
		Log: "A `rejected connection` line with `open FILE: no such file or directory`, `tls: private key does not match public key`, or, of a file that is " +
			"empty or half written, `tls: failed to find any PEM data`.",
		Causes: []string{
			"A renewal that replaced the certificate and not yet the key, or the other way round",
			"A file that was moved, or that etcd's user may not read",
			"A mounted Secret or directory that went away",
		},
		Fixes: []string{
			"Both lines must print the same key. First the certificate's: `openssl x509 -in /etc/kubernetes/pki/etcd/server.crt -noout -pubkey | sha256sum`",
			"Then the key's: `openssl pkey -in /etc/kubernetes/pki/etcd/server.key -pubout | sha256sum`",
			"Put the matching pair in place; no restart is needed",
			"Check that etcd's user can read both: `ls -l /etc/kubernetes/pki/etcd/`",
		},
		See: []Code{CodeCRLUnreadable, CodeServerCertExpired},
	},
	{
		Code: CodeServerCertUntrusted, Severity: Error, AtFault: FaultUnknown,
		Title: "Server certificate leads to no CA the client knows",
		Meaning: "The client says in so many words that it does not know the CA behind the server's certificate: it was given another CA, or the server " +
			"does not send a link of the chain.",
		Wire: "After the server's certificate the client sends alert 48 (unknown_ca), in clear: OpenSSL clients such as curl do; or 51 (decrypt_error) if it knows a CA of that name with another key. Go clients send 42 for " +
			"every reason, so for them only server-cert-refused is reported.",
		Log: "A `rejected connection` line with `remote error: tls: unknown certificate authority` or `error decrypting message`; `local error: tls: bad record MAC` when an OpenSSL client sends it in TLS 1.3. See server-cert-refused.",
		Causes: []string{
			"The server does not send its intermediate certificate",
			"The CA was made anew under the same name, and the server still has a certificate of the old one",
			"A self-signed certificate (for example etcd's `--auto-tls`)",
			"A proxy in between that presents a certificate of its own",
		},
		Fixes: []string{
			"See the chain as the server sends it: `openssl s_client -connect HOST:2379 -showcerts </dev/null 2>/dev/null | grep -E ' s:| i:'`",
			"Check it: `openssl verify -CAfile /etc/kubernetes/pki/etcd/ca.crt -purpose sslserver /etc/kubernetes/pki/etcd/server.crt`",
			"If there is an intermediate CA, put its certificate behind the server's own in `--cert-file`: `cat server.crt intermediate.crt > server-chain.crt`",
			"Otherwise issue the server's certificate from the CA that the clients trust",
		},
		See: []Code{CodeServerCertRefused, CodeCARegenerated},
	},
	{
		Code: CodeServerNameMismatch, Severity: Error, AtFault: FaultServer,
		Title: "Server certificate lacks the name that was used",
		Meaning: "The client connected with a name or address that etcd's certificate does not list (the list is called SAN), so it could not be sure " +
			"to have reached the right server.",
		Wire: "The server's certificate is visible (TLS 1.2 and older), and neither the name that the client asked for (SNI) nor the server's address is among its SANs. " +
			"Go clients then send alert 42; OpenSSL clients such as curl check the name after the handshake and just close.",
		Log: "A `rejected connection` line with `remote error: tls: bad certificate` for Go clients; nothing for curl. The client says `x509: certificate is valid for A, not B`.",
		Causes: []string{
			"The certificate was issued without this IP address or name",
			"The client uses a new name, a load balancer's or a Service's, that nobody put into the certificate",
			"An address was written as a DNS name in the SANs, or the certificate has only a common name (CN), which Go ignores",
		},
		Fixes: []string{
			"See which names the certificate has: `openssl s_client -connect HOST:2379 </dev/null 2>/dev/null | openssl x509 -noout -ext subjectAltName`",
			"At once: let the client use one of those names",
			"For good: issue the certificate with the missing name (IP addresses as IP SANs). kubeadm: add it to `etcd.local.serverCertSANs`, move server.crt and server.key away, then: `kubeadm init phase certs etcd-server --config kubeadm.yaml`",
			"Do not turn verification off (`--insecure-skip-tls-verify`, `curl -k`) except for one test by hand",
		},
		See: []Code{CodeServerCertRefused, CodePeerSANMismatch},
	},
	{
		Code: CodeWeakCertificate, Severity: Warning, AtFault: FaultUnknown,
		Title: "A certificate has a weak key or signature",
		Meaning: "A certificate in the handshake has an RSA key of less than 2048 bits, or is signed with SHA-1 or MD5. It may be forged with effort, and " +
			"newer versions of Go and OpenSSL refuse it.",
		Wire: "A certificate seen in the handshake (TLS 1.2 and older) with an RSA key below 2048 bits, or a signature algorithm with SHA-1 or MD5. " +
			"The signature of a self-signed root does not count: nobody checks it.",
		Log: "Nothing as long as it is accepted; later `insecure algorithm` (see client-cert-chain-invalid).",
		Causes: []string{
			"An old CA, or old scripts and templates",
			"A device or tool with old defaults",
		},
		Fixes: []string{
			"See what it is: `openssl x509 -in server.crt -noout -text | grep -E 'Public-Key|Signature Algorithm'`",
			"Issue it again with ECDSA P-256 or RSA 2048 and more, and SHA-256",
		},
		See: []Code{CodeClientCertChainInvalid, CodeSignatureAlgorithmMismatch},
	},
}

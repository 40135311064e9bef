package analysis

// clientCauses are those that concern the certificate of the side that connected: a client, or a peer as client.
var clientCauses = []Cause{
	{
		Code: CodeCARegenerated, Severity: Error, AtFault: FaultUnknown,
		Title: "CA was made anew under the same name",
		Meaning: "The client's certificate comes from a CA that has the same name as the one etcd trusts, but another key. Names match " +
			"and look right in every listing; the signature does not fit.",
		Wire: "Alert 48 (unknown_ca) from the server, 42 before Go 1.21. Where the certificate is visible (TLS 1.2): its issuer name is " +
			"among the CA names that the server accepts, but its authority key id (which key signed it) is not that CA's. TLS 1.3 hides all of it: see client-cert-refused.",
		Log: "A `rejected connection` line with `x509: certificate signed by unknown authority (possibly because of \"crypto/rsa: verification " +
			"error\" while trying to verify candidate authority certificate \"NAME\")`.",
		Causes: []string{
			"`kubeadm init phase certs` or a script made a new CA, while old client certificates stayed in use",
			"One member was set up anew and got a CA of its own instead of a copy",
			"A CA was restored from a backup that is older than the certificates",
		},
		Fixes: []string{
			"Compare the two keys: they must be equal. The CA's: `openssl x509 -in /etc/kubernetes/pki/etcd/ca.crt -noout -ext subjectKeyIdentifier`",
			"The one that signed the client's certificate: `openssl x509 -in client.crt -noout -ext authorityKeyIdentifier`",
			"Issue the client's certificate again from the CA that etcd trusts, for the API server of kubeadm: `kubeadm certs renew apiserver-etcd-client`",
			"Or let etcd trust both while you change over: put both CA certificates into its `--trusted-ca-file` and restart etcd: `cat ca-old.crt ca-new.crt > ca-bundle.crt`",
		},
		See: []Code{CodeClientCertUntrusted, CodeClientCertRefused},
	},
	{
		Code: CodeClientCertChainInvalid, Severity: Error, AtFault: FaultClient,
		Title: "Client certificate's chain breaks a rule",
		Meaning: "etcd could follow the client's certificate to its issuer, but a certificate on the way is not allowed to be " +
			"used like that.",
		Wire: "Alert 48 (unknown_ca) or 42 (bad_certificate) from the server after the client's Certificate message.",
		Log: "A `rejected connection` line with one of: `insecure algorithm` (SHA-1 or MD5 signature), `parent certificate cannot sign this kind " +
			"of certificate` (the issuer is not a CA), `not authorized to sign for this name`, `too many intermediates for path length constraint`, " +
			"`unhandled critical extension`.",
		Causes: []string{
			"The issuer's certificate lacks CA:TRUE (made with the wrong template)",
			"The CA may only sign certain names, or no further CAs (name or path length constraint)",
			"A signature with SHA-1 or MD5, which Go no longer accepts",
			"An extension that is marked critical and that Go does not know",
		},
		Fixes: []string{
			"See what the chain says: `openssl crl2pkcs7 -nocrl -certfile client.crt | openssl pkcs7 -print_certs -text -noout | grep -E 'Subject:|Issuer:|CA:|pathlen|Signature Algorithm|critical'`",
			"Let OpenSSL check it (a little more strictly than etcd): `openssl verify -x509_strict -CAfile ca.crt -purpose sslclient client.crt`",
			"Issue the certificate again from a proper CA (CA:TRUE, keyCertSign) with SHA-256 or better",
		},
		See: []Code{CodeClientCertUntrusted, CodeWeakCertificate},
	},
	{
		Code: CodeClientCertExpired, Severity: Error, AtFault: FaultClient,
		Title: "Client certificate expired or not yet valid",
		Meaning: "At the time of the connection the client's certificate was outside its validity period, as etcd's clock sees it. " +
			"etcd refused it.",
		Wire: "Alert 45 (certificate_expired) from the server, 42 (bad_certificate) before Go 1.21. TLS 1.2 shows the dates in the " +
			"client's certificate; TLS 1.3 hides them.",
		Log: "A `rejected connection` line with `x509: certificate has expired or is not yet valid: current time A is after B` (expired) or `is before B` " +
			"(not yet valid: a clock is wrong, or the certificate is brand-new).",
		Causes: []string{
			"The certificate ran out (kubeadm issues them for one year)",
			"The certificate was renewed on disk, but the client still holds the old one in memory",
			"The clock of etcd's machine, or of the one that issued the certificate, is wrong",
		},
		Fixes: []string{
			"Look at the dates: `openssl x509 -in client.crt -noout -subject -dates`",
			"On a kubeadm machine, list everything that expires: `kubeadm certs check-expiration`",
			"Renew it, for the API server: `kubeadm certs renew apiserver-etcd-client`",
			"Then restart or reload the client: a new file alone does not help a process that read the old one. Restart kube-apiserver by moving its manifest away for 20 seconds: `mv /etc/kubernetes/manifests/kube-apiserver.yaml /tmp/ && sleep 20 && mv /tmp/kube-apiserver.yaml /etc/kubernetes/manifests/`",
			"If the line says `is before`, compare the clocks of both machines: `date -u; timedatectl | grep -i synchronized`",
		},
		See: []Code{CodeServerCertExpired, CodeCertExpiresSoon, CodeClientCertRefused},
	},
	{
		Code: CodeClientCertInvalid, Severity: Error, AtFault: FaultClient,
		Title: "Client certificate or its signature is broken",
		Meaning: "etcd could not make sense of the client's certificate, or the client could not prove that it holds the key " +
			"that belongs to it.",
		Wire: "Alert 51 (decrypt_error: the signature is wrong), 50 (decode_error; older versions 42: not readable) or 42 (RSA key " +
			"too large) from the server after the client's certificate.",
		Log: "A `rejected connection` line with `invalid signature by the client certificate`, `failed to parse client certificate`, or `client sent " +
			"certificate containing RSA key larger than 8192 bits`.",
		Causes: []string{
			"Certificate and key are from two different pairs",
			"A file was damaged, or made by a tool that writes broken certificates",
			"An RSA key of more than 8192 bits",
			"A hardware key, agent or proxy that signs wrongly",
		},
		Fixes: []string{
			"Both lines must print the same key. First the certificate's: `openssl x509 -in client.crt -noout -pubkey | sha256sum`",
			"Then the key's: `openssl pkey -in client.key -pubout | sha256sum`",
			"Issue the pair anew, with ECDSA P-256 or RSA 2048 to 4096",
		},
		See: []Code{CodeClientCertChainInvalid, CodeMalformedHandshake},
	},
	{
		Code: CodeClientCertKeyUsage, Severity: Error, AtFault: FaultClient,
		Title: "Client certificate is not meant for clients",
		Meaning: "The certificate that the client presented is good, but its extended key usage (what it may be used for) does " +
			"not include client authentication. Often it is a server's certificate.",
		Wire: "Alert 42 (bad_certificate) from the server. In TLS 1.2 the certificate is visible: its extended key usage lacks clientAuth.",
		Log: "A `rejected connection` line with `x509: certificate specifies an incompatible key usage`. When the remote address is etcd's own, it " +
			"is etcd's grpc-gateway (its JSON API), which presents the server certificate to itself.",
		Causes: []string{
			"A certificate with serverAuth only is used as a client's",
			"A peer certificate with serverAuth only: peers are server and client at once and need both",
			"An intermediate CA that is limited to serverAuth",
			"etcd's own grpc-gateway (the remote address is etcd itself)",
		},
		Fixes: []string{
			"See what the certificate may be used for: `openssl x509 -in client.crt -noout -ext extendedKeyUsage`",
			"Issue it again with extendedKeyUsage = clientAuth; for peers serverAuth and clientAuth",
			"If it is etcd's own address: add clientAuth to the server certificate, or start etcd with `--enable-grpc-gateway=false` if nobody uses the JSON API",
		},
		See: []Code{CodeServerCertKeyUsage, CodeClientCertRefused},
	},
	{
		Code: CodeClientCertMissing, Severity: Error, AtFault: FaultClient,
		Title: "Client showed no certificate",
		Meaning: "etcd demands a certificate from every client (`--client-cert-auth`), and this one sent none. Either it has none, or it " +
			"has one and held it back because etcd did not name that certificate's issuer among the CAs it accepts.",
		Wire: "TLS 1.2: the client's Certificate record is only 7 bytes long (an empty list), and the server answers alert 40 (Go 1.25 and " +
			"later) or 42. TLS 1.3: the client's first two encrypted records have 25 and 53 bytes (AES-128-GCM), which only an empty " +
			"certificate gives; an inference, since they are encrypted.",
		Log: "A `rejected connection` line with `tls: client didn't provide a certificate`. None or held back: the log cannot tell.",
		Causes: []string{
			"No certificate was given to the client (`--cert` and `--key`)",
			"An HTTPS probe by the kubelet or a load balancer: those never have a certificate",
			"A Go client whose certificate was issued by another CA: it holds the certificate back without a word",
			"The environment variables or the Secret with the certificate are not there for this user or pod",
		},
		Fixes: []string{
			"Give certificate and key: `etcdctl --endpoints=https://HOST:2379 --cacert=/etc/kubernetes/pki/etcd/ca.crt --cert=/etc/kubernetes/pki/etcd/healthcheck-client.crt --key=/etc/kubernetes/pki/etcd/healthcheck-client.key endpoint health`",
			"If it was given, see which CAs etcd accepts: `openssl s_client -connect HOST:2379 </dev/null 2>/dev/null | grep -A5 'Acceptable client certificate CA names'`",
			"And who issued the client's certificate; the two names must be the same: `openssl x509 -in client.crt -noout -issuer`",
			"Let probes use the metrics port over http: `curl http://127.0.0.1:2381/health`",
			"Do not switch `--client-cert-auth` off to silence this: it opens etcd to everybody who can reach the port",
		},
		See: []Code{CodeClientCertUntrusted, CodeClientCertRefused},
	},
	{
		Code: CodeClientCertNotAllowed, Severity: Error, AtFault: FaultClient,
		Title: "Client certificate's name is not on the list",
		Meaning: "The certificate is valid and from the right CA, but etcd is told to accept only certain names, and this one " +
			"is not among them.",
		Wire: "Alert 42 (bad_certificate) from the server during the handshake, although the certificate itself is sound.",
		Log: "A `rejected connection` line with `client certificate authentication failed`, or in 3.3 `CommonName authentication failed`. The line " +
			"holds `ip-addresses` and `dns-names`, which etcd writes only after the certificate was verified: CA, expiry and key usage are fine.",
		Causes: []string{
			"`--peer-cert-allowed-cn`: the peer certificate has another common name (CN)",
			"`--client-cert-allowed-hostname` or `--peer-cert-allowed-hostname`: the certificate lacks that name in its SANs",
			"A client's certificate is used on the peer port, or the other way round",
		},
		Fixes: []string{
			"See the names in the certificate: `openssl x509 -in client.crt -noout -subject -ext subjectAltName`",
			"See which names etcd allows (on the server): `tr '\\0' '\\n' < /proc/$(pidof -s etcd)/cmdline | grep -A1 allowed`",
			"Issue the certificate with the allowed name, or change the list and restart etcd",
		},
		See: []Code{CodePeerSANMismatch, CodeClientCertRefused},
	},
	{
		Code: CodeClientCertRefused, Severity: Error, AtFault: FaultClient,
		Title: "Server refused the client's certificate",
		Meaning: "The server hung up right after it received the client's certificate. The reason is encrypted (TLS 1.3), so packets " +
			"alone cannot name it; etcd's log can.",
		Wire: "After the client's encrypted certificate and Finished the server sends one 19-byte record (an alert, by its size) and closes, with no session " +
			"ticket (what a server hands out once it is content) before it. An inference from sizes and order, not something that was read.",
		Log: "The `rejected connection` line of the same remote address and time gives the reason.",
		Causes: []string{
			"No certificate, or an empty one (client-cert-missing)",
			"A certificate of another CA (client-cert-untrusted, ca-regenerated)",
			"An expired certificate (client-cert-expired)",
			"A certificate that is not meant for clients (client-cert-key-usage)",
			"A name that is not allowed (client-cert-not-allowed)",
		},
		Fixes: []string{
			"Read the reason in etcd's log, for kubeadm: `kubectl -n kube-system logs -l component=etcd --tail=-1 | grep 'rejected connection'`",
			"If the API server is down: `crictl logs $(crictl ps -q --name etcd) 2>&1 | grep 'rejected connection'`",
			"Check the certificate as etcd does: `openssl verify -CAfile /etc/kubernetes/pki/etcd/ca.crt -purpose sslclient client.crt`",
			"Or connect once with TLS 1.2, where certificates and alerts can be read, and capture that: `openssl s_client -connect HOST:2379 -tls1_2 -CAfile ca.crt -cert client.crt -key client.key </dev/null`",
		},
		See: []Code{CodeClientCertMissing, CodeClientCertUntrusted, CodeClientCertExpired, CodeServerCertRefused},
	},
	{
		Code: CodeClientCertRevoked, Severity: Error, AtFault: FaultClient,
		Title: "Client certificate was revoked",
		Meaning: "The certificate's serial number is on the list of revoked certificates (CRL) that etcd was given. etcd let the " +
			"handshake finish and then hung up.",
		Wire: "The handshake completes; then the server sends close_notify and FIN at once, without waiting for data. " +
			"peer-san-mismatch and crl-unreadable look the same.",
		Log: "A `rejected connection` line with `tls: certificate serial NUMBER revoked`.",
		Causes: []string{
			"The certificate was revoked on purpose, and the client still uses it",
			"The wrong certificate was revoked",
		},
		Fixes: []string{
			"Compare the serial number: `openssl x509 -in client.crt -noout -serial -subject`",
			"See what the list holds (3.6 and later use DER): `openssl crl -inform DER -in FILE.crl -noout -text | grep -A1 'Serial Number'`",
			"Issue a new certificate for the client, or correct the list given by `--client-crl-file` or `--peer-crl-file`",
		},
		See: []Code{CodeCRLUnreadable, CodePeerSANMismatch},
	},
	{
		Code: CodeClientCertUntrusted, Severity: Error, AtFault: FaultClient,
		Title: "Client certificate is from another CA",
		Meaning: "etcd knows no CA that vouches for the client's certificate. Usually the certificate was issued by a different CA " +
			"from the one in etcd's `--trusted-ca-file`.",
		Wire: "Alert 48 (unknown_ca) from the server after the client's Certificate message; 42 (bad_certificate) before Go 1.21. " +
			"In TLS 1.2 the certificate's issuer is not among the CA names that the server listed.",
		Log: "A `rejected connection` line that ends in `x509: certificate signed by unknown authority`. With more text after it, see ca-regenerated.",
		Causes: []string{
			"The certificate comes from another CA: kubeadm has two, the cluster's (pki/ca.crt) and etcd's (pki/etcd/ca.crt)",
			"The client does not send the intermediate certificate that leads to the CA",
			"A self-signed certificate",
			"The client belongs to another cluster",
			"etcd's CA was exchanged, and this client was forgotten",
		},
		Fixes: []string{
			"Check it as etcd does: `openssl verify -CAfile /etc/kubernetes/pki/etcd/ca.crt -purpose sslclient client.crt`",
			"See who issued it: `openssl x509 -in client.crt -noout -subject -issuer`",
			"Use a certificate of etcd's CA, on kubeadm machines: /etc/kubernetes/pki/apiserver-etcd-client.crt or /etc/kubernetes/pki/etcd/healthcheck-client.crt",
			"If there is an intermediate CA, put its certificate behind the client's own in the same file: `cat client.crt intermediate.crt > client-chain.crt`",
			"To accept a second CA, add it to the file of `--trusted-ca-file` and restart etcd",
		},
		See: []Code{CodeCARegenerated, CodeServerCertRefused, CodeClientCertChainInvalid},
	},
	{
		Code: CodeCRLUnreadable, Severity: Error, AtFault: FaultServer,
		Title: "etcd cannot read its list of revoked certificates",
		Meaning: "etcd was given a list of revoked certificates (CRL) that it cannot read, so it refuses every certificate, good " +
			"ones included. The clients are innocent.",
		Wire: "The handshake completes; then the server sends close_notify and FIN at once, without waiting for data, for every client.",
		Log: "A `rejected connection` line with `malformed crl` or `open FILE: no such file or directory`. 3.6 and later accept DER only: " +
			"a PEM list that worked in 3.5 breaks with the upgrade.",
		Causes: []string{
			"Upgrade to 3.6 or later with a PEM file",
			"The file of `--client-crl-file` or `--peer-crl-file` was moved, or is only half written",
		},
		Fixes: []string{
			"Convert it from PEM to DER: `openssl crl -in crl.pem -outform DER -out crl.der`",
			"Check it: `openssl crl -inform DER -in crl.der -noout -issuer -nextupdate`",
			"Replace the file in one step (write beside it, then `mv`), so that etcd never reads half of it",
		},
		See: []Code{CodeClientCertRevoked, CodeServerCertUnreadable},
	},
	{
		Code: CodeFIPSRefused, Severity: Error, AtFault: FaultUnknown,
		Title: "Certificate chain is not allowed in FIPS mode",
		Meaning: "The side that checked the certificate runs in FIPS mode (only algorithms that the US government approved), and some certificate " +
			"in the chain uses another algorithm or key size.",
		Wire: "As client-cert-untrusted: the server ends the handshake with an alert after the client's certificate.",
		Log:  "A `rejected connection` line with `no FIPS compatible certificate chains found`.",
		Causes: []string{
			"An RSA key of a size that is not approved, an unapproved curve, or an old signature hash in the chain",
			"etcd was replaced by a FIPS build, or GODEBUG=fips140 was set, while the certificates stayed",
		},
		Fixes: []string{
			"See keys and signatures of the chain: `openssl crl2pkcs7 -nocrl -certfile client.crt | openssl pkcs7 -print_certs -text -noout | grep -E 'Subject:|Public-Key|Signature Algorithm'`",
			"Issue the chain, CA included, with RSA 2048, 3072 or 4096, or ECDSA P-256, P-384 or P-521, and SHA-256 or better",
			"If FIPS mode was switched on by mistake, look for GODEBUG in etcd's environment: `tr '\\0' '\\n' < /proc/$(pidof -s etcd)/environ | grep GODEBUG`",
		},
		See: []Code{CodeClientCertUntrusted, CodeCipherMismatch, CodeGroupMismatch},
	},
	{
		Code: CodePeerSANMismatch, Severity: Error, AtFault: FaultClient,
		Title: "Peer's certificate does not name its address",
		Meaning: "A member connected from an address that its own certificate does not list. etcd checks this on the peer port only, " +
			"after the handshake, and then hangs up.",
		Wire: "The handshake completes; then the server sends close_notify and FIN at once, without waiting for data. The connecting member " +
			"reports only EOF and tries again at once.",
		Log: "A `rejected connection` line with `x509: certificate is valid for A, not B`, or `tls: \"IP\" does not match any of DNSNames [...]`, with " +
			"`ip-addresses` and `dns-names`. A `no such host` in it is only the last name look-up that failed, not the cause.",
		Causes: []string{
			"The certificate's SANs lack the address from which the member connects",
			"Address translation (NAT), a second network card or an overlay network changes the source address",
			"The SANs hold names only, and the address has no reverse DNS entry (PTR) that leads to one of them",
		},
		Fixes: []string{
			"See which names and addresses the peer certificate holds: `openssl x509 -in /etc/kubernetes/pki/etcd/peer.crt -noout -ext subjectAltName`",
			"Compare with the remote address in the log line, and with the address that the member really uses: `ip route get PEER_IP`",
			"Issue the peer certificate with every address of the member as an IP SAN. kubeadm: add them to `etcd.local.peerCertSANs`, move the old pair away, then: `kubeadm init phase certs etcd-peer --config kubeadm.yaml`",
			"Take the NAT out of the way between members, or add the translated address to the SANs",
		},
		See: []Code{CodeClientCertNotAllowed, CodeServerNameMismatch, CodeRaftReconnect},
	},
}

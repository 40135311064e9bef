package analysis

// deployCauses are those that only a comparison shows: of the wire with the files of the PKI and the configuration, or of those
// two with each other.
var deployCauses = []Cause{
	{
		Code: CodeClientAuthNotRequested, Severity: Warning, AtFault: FaultServer,
		Title: "etcd does not ask clients for a certificate",
		Meaning: "The configuration says that only clients with a certificate may connect, and this server did not ask for one. Or the configuration " +
			"itself has TLS without client authentication, so that anyone who reaches the port can read and write all of etcd's data.",
		Wire: "The server's part of the handshake has no CertificateRequest message, where `--client-cert-auth` or `--peer-client-cert-auth` is configured.",
		Causes: []string{
			"`--client-cert-auth` was added to the configuration, and etcd was not restarted since",
			"A load balancer or proxy ends TLS in front of etcd and does not ask for certificates",
			"Neither `--client-cert-auth` nor `--trusted-ca-file` is set",
		},
		Fixes: []string{
			"See whether the server asks: `openssl s_client -connect HOST:2379 </dev/null 2>/dev/null | grep -A3 'Acceptable client certificate CA names'`",
			"Compare with what the running process was told: `tr '\\0' '\\n' < /proc/$(pidof -s etcd)/cmdline | grep cert-auth`",
			"Set `--client-cert-auth=true` and `--trusted-ca-file`, for the peer port `--peer-client-cert-auth=true` and `--peer-trusted-ca-file`, and restart etcd",
		},
		See: []Code{CodeClientCertMissing, CodeTLSToPlaintext},
	},
	{
		Code: CodeHTTPURLOnTLSPort, Severity: Error, AtFault: FaultServer,
		Title: "etcd announces http:// for a port with TLS",
		Meaning: "etcd tells clients or members to come by http://, and the port they come to speaks TLS. Whoever follows that address sends plaintext " +
			"and is refused.",
		Wire: "As plaintext-to-tls: the first bytes are not TLS, and the server closes without an answer.",
		Log:  "A `rejected connection` line with `tls: first record does not look like a TLS handshake`; see plaintext-to-tls.",
		Causes: []string{
			"TLS was switched on in `--listen-client-urls` or `--listen-peer-urls` and forgotten in `--advertise-client-urls`, `--initial-advertise-peer-urls` or `--initial-cluster`",
			"The member still has its old peer URL in the cluster's data: `--initial-cluster` counts at the first start only",
			"Certificate files are configured, but the listen URL begins with http://, so etcd ignores them",
		},
		Fixes: []string{
			"See what the members announce: `etcdctl member list -w table`",
			"Write https:// in all the URLs of the port, and restart etcd",
			"Correct a peer URL that is already in the cluster's data: `etcdctl member update MEMBER_ID --peer-urls=https://HOST:2380`",
		},
		See: []Code{CodePlaintextToTLS, CodeTLSToPlaintext},
	},
	{
		Code: CodeMemberMissingFromSANs, Severity: Error, AtFault: FaultServer,
		Title: "Certificate lacks an address of a member",
		Meaning: "The configuration names an address of a member that the member's certificate is not valid for. Whoever connects to that address, the " +
			"other members above all, refuses the certificate.",
		Wire: "The server's certificate (visible in TLS 1.2 and older, or decrypted) does not list the host of initial-cluster or of the announced URLs.",
		Log:  "On the other members `x509: certificate is valid for A, not B`; on this one `remote error: tls: bad certificate`.",
		Causes: []string{
			"The member got a new address or name after its certificate was issued",
			"One certificate is used for all members, and a member was added since",
			"The address was written as a DNS name in the certificate",
		},
		Fixes: []string{
			"See which names the certificate has: `openssl x509 -in /etc/kubernetes/pki/etcd/peer.crt -noout -ext subjectAltName`",
			"Issue it again with the missing name, addresses as IP SANs. kubeadm: add it to `etcd.local.peerCertSANs` or `serverCertSANs`, move the old pair away, then: `kubeadm init phase certs etcd-peer --config kubeadm.yaml`",
		},
		See: []Code{CodePeerSANMismatch, CodeServerNameMismatch},
	},
	{
		Code: CodeNotTheConfiguredCert, Severity: Warning, AtFault: FaultServer,
		Title: "Server presents another certificate than configured",
		Meaning: "The certificate on the wire is not the one in the file that the configuration names. etcd reads its file anew for each handshake, so " +
			"either something else answered, or etcd sees another file under that name.",
		Wire: "The server's certificate (visible in TLS 1.2 and older, or decrypted) has another SHA-256 than the file of `--cert-file` or `--peer-cert-file`.",
		Causes: []string{
			"A load balancer or proxy in front of etcd ends TLS with a certificate of its own",
			"etcd runs in a container that mounts another directory under this path",
			"The configuration was changed, and etcd was not restarted since",
			"The file was exchanged after the capture was made",
		},
		Fixes: []string{
			"See what the port presents: `openssl s_client -connect HOST:2379 </dev/null 2>/dev/null | openssl x509 -noout -subject -issuer -dates -fingerprint -sha256`",
			"Compare with the file: `openssl x509 -in /etc/kubernetes/pki/etcd/server.crt -noout -subject -issuer -dates -fingerprint -sha256`",
			"See the running process' own arguments: `tr '\\0' '\\n' < /proc/$(pidof -s etcd)/cmdline | grep cert-file`",
		},
		See: []Code{CodeRenewedCertNotLoaded, CodeWrongCertForPort},
	},
	{
		Code: CodeRenewedCertNotLoaded, Severity: Warning, AtFault: FaultUnknown,
		Title: "Renewed on disk, the old certificate is still in use",
		Meaning: "A file holds a newer certificate of the same subject and names, and the old one was still presented. The process that presents it read " +
			"the file before the renewal and keeps what it read.",
		Wire: "A certificate (visible in TLS 1.2 and older, or decrypted) that no file holds any more, while one of the same subject, names and usage that ends later does.",
		Log:  "Nothing until it expires; then `x509: certificate has expired or is not yet valid`.",
		Causes: []string{
			"The client was not restarted or reloaded after the renewal: most read their certificate once, at the start",
			"A proxy in front of etcd holds the old certificate. etcd itself reads its files anew for each handshake",
			"The process runs in a container that mounts another copy of the file",
			"The file was renewed after the capture was made",
		},
		Fixes: []string{
			"Restart or reload the process that presents the old one. kube-apiserver: `mv /etc/kubernetes/manifests/kube-apiserver.yaml /tmp/ && sleep 20 && mv /tmp/kube-apiserver.yaml /etc/kubernetes/manifests/`",
			"See which certificate a port presents now: `openssl s_client -connect HOST:2379 </dev/null 2>/dev/null | openssl x509 -noout -dates -fingerprint -sha256`",
			"See what expires when: `kubeadm certs check-expiration`",
		},
		See: []Code{CodeClientCertExpired, CodeServerCertExpired, CodeCertExpiresSoon},
	},
	{
		Code: CodeServerCertNoClientAuth, Severity: Warning, AtFault: FaultServer,
		Title: "etcd's grpc-gateway cannot use the server certificate",
		Meaning: "The grpc-gateway inside etcd connects to etcd's own port and presents the server certificate as a client. This certificate is " +
			"not allowed to be used by a client, so etcd rejects itself, and its JSON API does not work.",
		Wire: "A server certificate (visible in TLS 1.2 and older, or decrypted) whose extended key usage lacks clientAuth, while `--client-cert-auth` and the grpc-gateway are on.",
		Log:  "`rejected connection` lines with `x509: certificate specifies an incompatible key usage` from etcd's own address; see client-cert-key-usage.",
		Causes: []string{
			"The certificate was issued from a template for web servers, with serverAuth only",
			"A public or company CA that no longer puts clientAuth into server certificates",
		},
		Fixes: []string{
			"See the usage: `openssl x509 -in /etc/kubernetes/pki/etcd/server.crt -noout -ext extendedKeyUsage`",
			"Issue it again with serverAuth and clientAuth",
			"Or, where nobody needs the JSON API: start etcd with `--enable-grpc-gateway=false`",
			"Or give etcd a certificate of its own for that: `--client-cert-file` and `--client-key-file`",
		},
		See: []Code{CodeClientCertKeyUsage, CodeServerCertKeyUsage},
	},
	{
		Code: CodeWrongCertForPort, Severity: Warning, AtFault: FaultServer,
		Title: "Certificate of another role on this port",
		Meaning: "The certificate is known from its file, and that file is meant for something else: the peers' certificate on the client port, for " +
			"example. It may work as long as names, usages and CA happen to fit.",
		Wire: "A certificate (visible in TLS 1.2 and older, or decrypted) that is, byte for byte, the one in a file of another role.",
		Causes: []string{
			"`--cert-file` and `--peer-cert-file` were mixed up",
			"One certificate was copied to where another belongs",
			"A client of etcd's API was pointed to the peer port",
		},
		Fixes: []string{
			"Compare what is configured: `grep -E 'cert-file|key-file' /etc/kubernetes/manifests/etcd.yaml`",
			"Put server.crt and server.key into `--cert-file` and `--key-file`, peer.crt and peer.key into `--peer-cert-file` and `--peer-key-file`",
		},
		See: []Code{CodeNotTheConfiguredCert, CodeGRPCToPeerPort},
	},
}

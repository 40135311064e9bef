package scenario

// keyLogs are scenarios whose clients write their secrets to a key log, which is kept beside the capture.
func keyLogs() []Scenario {
	const withKeys = "SSLKEYLOGFILE=$KEYS "
	return []Scenario{
		{Name: "keys-healthy", Summary: "curl with the right certificates to both ports, and a key log", Setup: Secure, On: only37(), Keys: true, Embed: true,
			Steps: commands(withKeys+curl+"https://"+clientPort+"/health", withKeys+curl+"--http1.1 https://"+peerPort+"/version"),
			Wire:  shows("established")},
		{Name: "keys-no-cert", Summary: "openssl s_client without a client certificate, with a key log", Setup: Secure, On: only37(), Keys: true,
			Steps: commands("sleep 1 | openssl s_client -CAfile $PKI/ca.crt -alpn h2 -keylogfile $KEYS -connect " + clientPort),
			Wire:  shows("rejected_by_server", "client-cert-missing")},
		{Name: "keys-wrong-ca", Summary: "curl with a client certificate of another CA, and a key log: TLS 1.3 with each cipher suite, and TLS 1.2", Setup: Secure, On: only37(), Keys: true,
			Steps: commands(withKeys+curl+"--cert $PKI/bad/other-client.crt --key $PKI/bad/other-client.key --tls13-ciphers TLS_AES_256_GCM_SHA384 https://"+clientPort+"/health",
				withKeys+curl+"--cert $PKI/bad/other-client.crt --key $PKI/bad/other-client.key --tls13-ciphers TLS_CHACHA20_POLY1305_SHA256 https://"+clientPort+"/health",
				withKeys+curl+"--cert $PKI/bad/other-client.crt --key $PKI/bad/other-client.key --tls-max 1.2 https://"+clientPort+"/health"),
			Wire: shows("rejected_by_server", "client-cert-untrusted", "client-cert-refused")},
		{Name: "keys-peer-san", Summary: "a peer certificate for another address, with a key log: etcd closes after the handshake", Setup: Secure, On: only37(), Keys: true,
			Steps: commands(withKeys + "curl -sS -m 5 --http1.1 --cacert $PKI/ca.crt --cert $PKI/bad/elsewhere-peer.crt --key $PKI/bad/elsewhere-peer.key https://" + peerPort + "/version"),
			Wire:  shows("established", "peer-san-mismatch")},
		{Name: "keys-peer-port", Summary: "curl's default HTTP/2 to the peer port, with a key log", Setup: Secure, On: both(), Keys: true,
			Steps: commands(withKeys + curl + "https://" + peerPort + "/version"),
			Wire:  shows("established", "grpc-to-peer-port")},
	}
}

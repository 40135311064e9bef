package analysis

// seriesCauses are those that only several connections, or several log lines, show together.
var seriesCauses = []Cause{
	{
		Code: CodeGRPCBackoff, Severity: Info, AtFault: FaultClient,
		Title:   "One gRPC client that tries again and again",
		Meaning: "These failures are one client that tries again at growing intervals, not many clients. Mend the failure itself, and they all go away.",
		Wire: "Connections from one address with gaps of about 1.0, 1.6, 2.6, 4.1, 6.6, 10 … seconds: each 1.6 times the last, give or take 20 percent, never above 120 s. Every new process " +
			"starts again at 1 second.",
		Log: "The same `rejected connection` line at the same growing intervals.",
		Causes: []string{
			"A gRPC client (kube-apiserver, etcdctl, grpcurl, a controller) whose connection fails for the reason given with each attempt",
			"If the gaps start again at 1 second, the process was restarted",
		},
		Fixes: []string{
			"See the finding of the single connections, and mend that",
			"Find the process by the client's address and port (there): `ss -tnp | grep ':2379'`",
		},
		See: []Code{CodeRaftReconnect, CodePeriodicProbe},
	},
	{
		Code: CodeLogDisagrees, Severity: Warning, AtFault: FaultUnknown,
		Title: "The log says something else than the packets",
		Meaning: "A line of etcd's log has this connection's address and time, and gives a reason that the packets of the connection do not fit. Both " +
			"are shown; trust the packets for what was sent, and the line for what etcd did.",
		Wire: "A certain finding of another kind than the line's.",
		Log:  "A `rejected connection` line with the same client address within two seconds of the connection's end.",
		Causes: []string{
			"The port was used again within moments, and the line is about the other connection",
			"The log is that of another member, or the capture was taken before a proxy that changes the connection",
			"A clock was set between the two",
		},
		Fixes: []string{
			"Look at both at full precision: `etcdtap read --all -o json --log etcd.log FILE`",
			"Make sure that log and capture come from the same machine and the same minutes",
		},
		See: []Code{CodeLogSampled, CodeUnrecognisedRejection},
	},
	{
		Code: CodeLogSampled, Severity: Info, AtFault: FaultNone,
		Title:   "etcd's log leaves out repeated lines",
		Meaning: "There were more rejections than lines: etcd writes at most the first 100 lines a second of the same message and then every 100th. Take every count as a lower bound.",
		Log: "etcd with the zap logger (JSON): 2000 rejections gave 119 lines in a test. The old logger of 3.3 and 3.4 (capnslog) wrote all 2000. Some lines are missing for another reason: plain EOF is " +
			"at debug level from 3.5.24 and 3.6.6 on and in 3.7.",
		Causes: []string{
			"A client, probe or scanner that fails more than 100 times a second",
		},
		Fixes: []string{
			"Nothing to fix in the log; do not compare these counts with one another",
			"Count in packets instead: `tcpdump -i any -s 0 -w etcd.pcap 'tcp port 2379 or tcp port 2380'`",
		},
		See: []Code{CodeRaftReconnect, CodeUnrecognisedRejection},
	},
	{
		Code: CodePeriodicProbe, Severity: Info, AtFault: FaultNone,
		Title:   "A health check that connects at fixed intervals",
		Meaning: "Somebody connects at a constant interval and hangs up without data. This is a health check, and etcd is not broken because of it.",
		Wire:    "Connections from one address at a constant interval (often 5 or 10 s) that end with FIN or RST and carry no data.",
		Log:     "A `rejected connection` line with `EOF` or `read: connection reset by peer` at a constant interval; plain EOF is at debug level from 3.5.24 and 3.6.6 on and in 3.7.",
		Causes: []string{
			"The TCP check of a load balancer (HAProxy, keepalived, cloud)",
			"A tcpSocket probe by the kubelet, or a monitoring system",
		},
		Fixes: []string{
			"Nothing to fix",
			"To keep the log quiet, and to learn more than whether the port is open, probe the metrics port: `curl http://127.0.0.1:2381/health`",
		},
		See: []Code{CodeConnectionWithoutData, CodeConnectionReset, CodeGRPCBackoff},
	},
	{
		Code: CodeRaftReconnect, Severity: Warning, AtFault: FaultUnknown,
		Title: "A member that keeps trying to reach a peer",
		Meaning: "One etcd member connects to another many times a second and fails every time. As long as it lasts the cluster lacks that connection: it may have lost a member, and " +
			"with it some of its tolerance.",
		Wire: "Connections to the peer port from one member, one every 100 ms for each of two streams: about 21 SYN a second in each direction.",
		Log: "On the connecting member `failed to dial ID on stream MsgApp v2 (ERROR)` and, in pairs every 5 s, `prober detected unhealthy status`; in 3.3 and 3.4 `health check for peer ID could not connect: ERROR`. " +
			"On the other one a `rejected connection` line each time, as far as sampling lets it through. `EOF` in the prober's line: the other side's SAN check refused this member, or it speaks http to a TLS port.",
		Causes: []string{
			"The reason that is given with each single connection: certificate, SAN, CA, plain text",
			"The other member is down or unreachable",
		},
		Fixes: []string{
			"See the finding of the single connections, and mend that",
			"See which members answer: `etcdctl --endpoints=https://HOST:2379 --cacert=ca.crt --cert=client.crt --key=client.key endpoint status --cluster -w table`",
			"Do not restart or remove other members meanwhile: the cluster may have none to spare",
		},
		See: []Code{CodePeerSANMismatch, CodeClientCertUntrusted, CodeServerCertRefused, CodeGRPCBackoff},
	},
}

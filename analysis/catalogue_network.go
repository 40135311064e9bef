package analysis

// networkCauses are those of the transport below TLS, and of the capture itself.
var networkCauses = []Cause{
	{
		Code: CodeCaptureLoss, Severity: Warning, AtFault: FaultNone,
		Title: "The capture lacks packets",
		Meaning: "Bytes that were certainly sent are missing from the capture. This says nothing about the network: the capture lost them, and what was in them " +
			"is unknown, not absent.",
		Wire: "A hole in the sequence numbers that the other side acknowledged, or packets cut short by the capture's length limit (snaplen).",
		Causes: []string{
			"tcpdump could not keep up (it reports `packets dropped by kernel`)",
			"A snaplen (`tcpdump -s`) that is too small: use 0",
			"A mirror port that is overloaded",
		},
		Fixes: []string{
			"Capture again with full packets, a large buffer and a filter: `tcpdump -i any -s 0 -B 65536 -w etcd.pcap 'tcp port 2379 or tcp port 2380'`",
			"Capture on the machine itself instead of on a mirror port",
		},
		See: []Code{CodeOneSidedCapture, CodeConflictingRetransmission},
	},
	{
		Code: CodeConflictingRetransmission, Severity: Warning, AtFault: FaultNetwork,
		Title: "The same bytes were seen with different values",
		Meaning: "A part of the stream was sent twice, and the second time it was different. A proper TCP never does that: something on the path changes or injects packets, " +
			"or the capture mixes two connections.",
		Wire: "Two segments with the same sequence numbers and different content. etcdtap keeps the bytes that it saw first; the receiver may have kept the others.",
		Causes: []string{
			"A capture on several interfaces that sees packets before and after address translation or a proxy",
			"A faulty network card or offloading",
			"Two machines with the same IP address",
			"An injection: somebody forges packets",
		},
		Fixes: []string{
			"Capture on one interface only: `tcpdump -i eth0 -s 0 -w etcd.pcap 'tcp port 2379 or tcp port 2380'`",
			"Look for a second machine with the same address (one answer is right): `arping -c 3 -I eth0 HOST`",
			"Switch off offloading as a test: `ethtool -K eth0 tso off gso off gro off`",
		},
		See: []Code{CodeRecordMACFailure, CodeCaptureLoss},
	},
	{
		Code: CodeConnectionReset, Severity: Warning, AtFault: FaultUnknown,
		Title:   "Client broke the connection off with RST",
		Meaning: "The connection was not closed but torn down (TCP RST) by the client's side before the handshake was done. It may be a probe, a killed process, or something in between.",
		Wire:    "RST from the client's side before the end of the handshake.",
		Log: "A `rejected connection` line with `read: connection reset by peer`, `write: connection reset by peer` or `write: broken pipe`. `write` means that the RST came " +
			"while etcd was answering.",
		Causes: []string{
			"A load balancer whose TCP check ends with RST",
			"The client's process was killed, or its time limit ran out",
			"A firewall or proxy that tears connections down",
		},
		Fixes: []string{
			"If it comes at a constant interval it is a probe, and nothing is broken: see periodic-probe",
			"Otherwise look at the client's log at the same second",
			"To find out who sent the RST, compare its TTL with that of the client's other packets; a different one means a middlebox: `tcpdump -n -v -r etcd.pcap 'tcp[tcpflags] & (tcp-syn|tcp-rst) != 0'`",
		},
		See: []Code{CodeConnectionWithoutData, CodePeriodicProbe, CodeHandshakeAbandoned},
	},
	{
		Code: CodeNoReply, Severity: Warning, AtFault: FaultUnknown,
		Title:   "Client never got an answer",
		Meaning: "The connection was opened and the client sent its ClientHello (the first message of TLS), but as long as we watched the server sent nothing back.",
		Wire:    "SYN, SYN-ACK, a ClientHello from the client, perhaps repeated, and no byte from the server until the capture ended or the connection went idle.",
		Log:     "Nothing, or `i/o timeout` later (see handshake-timeout). The client says `context deadline exceeded` or `TLS handshake timeout`.",
		Causes: []string{
			"Packets of full size do not come through: an MTU problem in a VPN or overlay network (today's ClientHello often needs two packets)",
			"The server is so loaded, or its disk so slow, that it does not get round to answering",
			"A firewall that lets the connection open and drops what follows",
			"The capture ended before the answer came",
		},
		Fixes: []string{
			"Test whether full-size packets come through (1472 + 28 = 1500 bytes): `ping -M do -s 1472 -c 3 HOST`",
			"Look whether etcd answers on its own machine: `curl -sS -m 5 http://127.0.0.1:2381/health; uptime`",
			"Capture on the server too, and see whether the ClientHello arrives: `tcpdump -n -i any -s 0 -w server.pcap 'tcp port 2379'`",
			"Check whether the server acknowledged the ClientHello: if it did, look at etcd; if not, look at the network",
		},
		See: []Code{CodeHandshakeTimeout, CodeUnanswered, CodeOneSidedCapture},
	},
	{
		Code: CodeOneSidedCapture, Severity: Warning, AtFault: FaultNone,
		Title:   "The capture shows one direction only",
		Meaning: "Only what one side sent is in the capture. The other side certainly sent something, but we cannot know what, so any judgement on this connection is limited.",
		Wire:    "Data and acknowledgements of one side; no packet of the other, although the acknowledgements show that it sent data.",
		Causes: []string{
			"A filter that matches one direction (`dst port 2379`)",
			"Routing that takes another way back (asymmetric), or a mirror port that copies one direction",
			"A capture on one of two bonded interfaces",
		},
		Fixes: []string{
			"Capture both directions on the machine itself: `tcpdump -i any -s 0 -w etcd.pcap 'tcp port 2379 or tcp port 2380'`",
		},
		See: []Code{CodeCaptureLoss, CodeNoReply},
	},
	{
		Code: CodeRefused, Severity: Error, AtFault: FaultServer,
		Title:   "Nobody listens at this address",
		Meaning: "The machine answered, and said that nothing listens on this port. This has nothing to do with TLS: etcd is not running there, or listens on another address.",
		Wire:    "SYN from the client, RST from the server.",
		Log:     "Nothing: etcd was not asked. The client says `connect: connection refused`.",
		Causes: []string{
			"etcd is down, or in a restart loop",
			"etcd listens on 127.0.0.1 or another address only (`--listen-client-urls`)",
			"A wrong port or address in the client's endpoints",
			"A firewall that answers with RST (REJECT)",
		},
		Fixes: []string{
			"See who listens there (on the server): `ss -ltnp | grep -E ':(2379|2380)'`",
			"See whether etcd runs, and why it ended: `crictl ps -a --name etcd; journalctl -u etcd -n 50 --no-pager`",
			"If it listens on 127.0.0.1 only, add the machine's address to `--listen-client-urls`",
		},
		See: []Code{CodeUnanswered, CodeServerShutdown},
	},
	{
		Code: CodeServerShutdown, Severity: Info, AtFault: FaultNone,
		Title:   "etcd was shutting down",
		Meaning: "The connection ended because etcd itself was stopping. Clients connect again as soon as etcd is back.",
		Wire:    "FIN or RST from the server in the middle of a handshake, on several connections at the same time.",
		Log:     "A `rejected connection` line with `use of closed network connection`, among the lines of etcd's shutdown.",
		Causes: []string{
			"A planned restart or upgrade",
			"The kubelet restarted the pod (failed liveness probe, changed manifest)",
			"The machine ran out of memory or was shut down",
		},
		Fixes: []string{
			"Nothing to fix if the restart was planned",
			"Otherwise find out why etcd stopped: `kubectl -n kube-system describe pod -l component=etcd | grep -A6 'Last State'`",
			"Or, without Kubernetes: `journalctl -u etcd -n 100 --no-pager`",
		},
		See: []Code{CodeRefused, CodeConnectionReset},
	},
	{
		Code: CodeUnanswered, Severity: Error, AtFault: FaultNetwork,
		Title:   "Connection attempts were never answered",
		Meaning: "The client knocked (TCP SYN) and nothing came back, neither yes nor no. This has nothing to do with TLS: the packets, or their answers, get lost.",
		Wire:    "SYN from the client, repeated after 1, 2, 4 … seconds, and no packet from the server.",
		Log:     "Nothing: etcd was not reached. The client says `i/o timeout`, `context deadline exceeded` or `no route to host`.",
		Causes: []string{
			"A firewall, security group or NetworkPolicy that drops the packets",
			"The machine is down, or the address is wrong",
			"The way back is missing (routing), so that the answer goes elsewhere",
		},
		Fixes: []string{
			"Try from the client's machine: `nc -vz -w 3 HOST 2379`",
			"See whether the SYN reaches the server (there): `tcpdump -n -i any 'tcp port 2379 and tcp[tcpflags] & tcp-syn != 0'`",
			"If it arrives, look at the server's firewall and its way back: `nft list ruleset | head -50; ip route get CLIENT_IP`",
			"If it does not, look at what is in between: firewall, security group, NetworkPolicy",
		},
		See: []Code{CodeRefused, CodeNoReply, CodeOneSidedCapture},
	},
}

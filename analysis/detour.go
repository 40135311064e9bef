package analysis

import "net/netip"

// A client that goes through a proxy checks the server's certificate against the name or address by which it reached the proxy.

// proxied reports whether the connection came through a proxy that told of it.
func (f *Facts) proxied() bool { return f.Dialed.IsValid() || f.Outgoing.IsValid() }

// dialed is the address that the client connected to: the server's, unless there is a proxy. Not valid for a unix socket.
func (f *Facts) dialed() netip.AddrPort {
	if f.proxied() {
		return f.Dialed
	}
	return f.Server
}

// ofProxy says behind the dialed address whose it is.
func (v *view) ofProxy() string {
	if v.f.proxied() {
		return " of the proxy"
	}
	return ""
}

// blamesDetour adds to a finding about a name what the proxy has to do with it. A certificate that has the server's own address is not
// at fault when it lacks the proxy's.
func (v *view) blamesDetour(f *Finding) {
	if !v.f.proxied() {
		return
	}
	if leaf := v.serverLeaf(); v.askedFor() == "" && v.f.Server.IsValid() && hasIP(leaf, v.f.Server.Addr()) {
		f.Meaning += "; it has the address of the server behind the proxy, " + v.f.Server.Addr().String()
		if f.AtFault == FaultServer {
			f.AtFault = FaultClient
		}
	}
	v.sawDetour(f)
}

// suspectsDetour adds to a refusal of a certificate that is not visible that the proxy may be why.
func (v *view) suspectsDetour(f *Finding) {
	if !v.f.proxied() {
		return
	}
	reached := "the proxy's unix socket"
	switch {
	case v.askedFor() != "":
		reached = "the name " + brief(v.askedFor())
	case v.f.Dialed.IsValid():
		reached = "the proxy's address " + v.f.Dialed.Addr().String()
	}
	f.Meaning += "; through a proxy the reason may be that the certificate is not valid for " + reached + ", by which the client came"
	v.sawDetour(f)
}

// sawDetour adds where the client connected to, and what to do about it.
func (v *view) sawDetour(f *Finding) {
	to, curl := "the proxy's socket", "curl --unix-socket SOCKET https://NAME/health"
	if v.f.Dialed.IsValid() {
		to = v.f.Dialed.String()
		curl = "curl --connect-to ::" + to + " https://NAME/health"
		f.saw(FromClient, v.f.TCP.FirstPacket, v.f.Start, "the client connected to the proxy at "+to)
	}
	f.Fix = append([]string{
		"Clients check the name or address by which they reach the proxy. Let them use one that the certificate has, and make it lead to " + to + ": by a line in /etc/hosts, or by where the proxy listens",
		"Or tell the client which name to check: `" + curl + "`, `-servername NAME` of grpcurl, TLS.ServerName of Go programs, --tls-server-name of others",
		"Or issue the certificate with the proxy's name or address among its SANs, too",
	}, f.Fix...)
}

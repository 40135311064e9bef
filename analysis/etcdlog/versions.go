package etcdlog

import (
	"strings"
	"time"
)

// callers maps the line of embed/config_logging.go that writes "rejected
// connection" to the versions of etcd that have it there: with and without the
// fields of the certificate. Read off the sources of every release.
var callers = [...]struct {
	line     string
	versions string
}{
	{"270", "3.4.0-3.4.18"}, {"279", "3.4.0-3.4.18"},
	{"278", "3.4.19+"}, {"287", "3.4.19+"},
	{"160", "3.5.0-3.5.14"}, {"169", "3.5.0-3.5.14"},
	{"161", "3.5.15-3.5.23"}, {"170", "3.5.15-3.5.23"},
	{"168", "3.5.24+"}, {"177", "3.5.24+"},
	{"179", "3.6.0-3.6.5"}, {"188", "3.6.0-3.6.5"},
	{"185", "3.6.6+, 3.7"}, {"194", "3.6.6+, 3.7"},
}

// The versions that the form of a line implies, where no caller says more.
const (
	versionsPlainError     = "3.2.0-3.2.10" // etcdmain: rejected connection from %q (%v); 3.2.11 has the quoted form
	versionsCapnslog       = "3.2.11-3.4"
	versionsZap            = "3.4.0-3.5.14"
	versionsZapEndpoint    = "3.5.15+"
	versionsSecurityNoCore = "3.2-3.4.22"       // grpc <= 1.40: "complete security handshake", no "[core]" yet
	versionsSecurityCore   = "3.4.23-3.5.4"     // 3.5.5 moved to grpc 1.41
	versionsTransport      = "3.4.23-3.5.9"     // "create ServerTransport", level before the date
	versionsDateFirst      = "3.4.28+, 3.5.10+" // grpc since 1.49 puts the date before the level
	versionsPeerCapnslog   = "3.2-3.4"
	versionsPeerProber     = "3.3" // capnslog with (prober "…")
	versionsPeerZap        = "3.4+"
	microsecondsFrom34     = "3.4.24+"
	microsecondsFrom35     = "3.5.8-3.5.14"
	millisecondsTo35       = "3.5.0-3.5.7"
	millisecondsTo34       = "3.4.19-3.4.23"
	configLogging          = "config_logging.go:"
)

// rejectionVersions tells the versions of a zap "rejected connection" line.
// The precision of its time narrows them: zap wrote milliseconds up to 3.4.23
// and 3.5.7, and microseconds from 3.4.24 and 3.5.8.
func rejectionVersions(caller string, e Endpoint, precision time.Duration) string {
	_, line, found := strings.Cut(caller, configLogging)
	if found {
		for _, c := range callers {
			if c.line == line {
				return narrow(c.versions, precision)
			}
		}
	}
	if e != EndpointUnknown {
		return versionsZapEndpoint
	}
	return versionsZap
}

func narrow(versions string, precision time.Duration) string {
	switch {
	case versions == "3.5.0-3.5.14" && precision == time.Millisecond:
		return millisecondsTo35
	case versions == "3.5.0-3.5.14" && precision == time.Microsecond:
		return microsecondsFrom35
	case versions == "3.4.19+" && precision == time.Millisecond:
		return millisecondsTo34
	case versions == "3.4.19+" && precision == time.Microsecond:
		return microsecondsFrom34
	}
	return versions
}
